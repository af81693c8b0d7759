#!/bin/busybox sh
# First process of a lab guest. Mounts what every system has (not tracefs: the
# agent must manage without), loads the modules, then serves commands that come
# over a virtio-serial port. With ivlab.shell on the kernel command line there is
# a shell on the console too, and the guest ends when it does. With ivlab.root=DEVICE
# commands, files and the shell are those of the Debian system on that disk, with
# the environment that its /etc/ivlab.env tells. With ivlab.system=DEVICE that system
# boots, with its own init, which starts this file anew to serve the commands (system.py).
#
# The channel: the host sends "VERB SEQ SIZE ARG" lines, each followed by SIZE
# bytes padded to whole 4096-byte blocks (so that dd can read them without
# taking a byte too much); the guest answers "done SEQ RC SIZE" and SIZE bytes.
# Verbs: run (payload is a script), put (payload becomes file ARG), get (answers
# file ARG), signal (sends signal ARG to the process group of run SEQ's job).

jobs=/run/ivlab

parameter() { # the value of $1 on the kernel command line
  tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

start_system() { # DEVICE
  mkdir /system && mount -t ext4 "$1" /system && exec switch_root /system /sbin/init
  echo "ivlab: no system on $1"
}

if [ $$ = 1 ]; then
  /bin/busybox mount -t devtmpfs dev /dev
  export PATH=/bin HOME=/root TERM=linux
  exec </dev/console >/dev/console 2>&1
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t securityfs security /sys/kernel/security
  while read -r module; do
    insmod "/lib/modules/$module.ko" || echo "ivlab: cannot load $module"
  done </lib/modules/order
  hostname "$(parameter ivlab.name)"
  # Raised only now, when the (unsigned) modules are in.
  lockdown=$(parameter ivlab.lockdown)
  [ -z "$lockdown" ] || echo "$lockdown" >/sys/kernel/security/lockdown
  system=$(parameter ivlab.system)
  [ -z "$system" ] || start_system "$system"
fi

enter_root() { # DEVICE: a whole system lives there, with all that an init mounts
  mkdir "$root" && mount -t ext4 "$1" "$root" || return 1
  mount -t proc proc "$root/proc"
  mount -t sysfs sys "$root/sys"
  mount -t debugfs debug "$root/sys/kernel/debug"
  mount -t tracefs trace "$root/sys/kernel/tracing"
  mount -t devtmpfs dev "$root/dev"
  mkdir -p "$root/dev/pts" "$root/dev/shm"
  mount -t devpts devpts "$root/dev/pts"
  mount -t tmpfs shm "$root/dev/shm"
  mount -t tmpfs run "$root/run"
  mount -t tmpfs tmp "$root/tmp"
  mkdir -p "$jobs"
  ip link set lo up
}

device=$(parameter ivlab.root)
root= inside=
if [ -n "$device" ]; then
  root=/root-disk jobs=/root-disk$jobs
  enter_root "$device" || echo "ivlab: no root on $device"
  inside="chroot $root /usr/bin/env HOME=/root $(cat "$root/etc/ivlab.env")"
fi

find_port() { # the device of the lab's port, once the driver has named it
  for _ in $(seq 100); do
    for name in /sys/class/virtio-ports/*/name; do
      if [ -f "$name" ] && [ "$(cat "$name")" = ivlab ]; then
        port=/dev/$(basename "$(dirname "$name")")
        return 0
      fi
    done
    usleep 20000
  done
  return 1
}

answer() { # SEQ RC FILE: one at a time, since jobs end whenever they like
  until mkdir "$jobs/answering" 2>/dev/null; do usleep 2000; done
  size=$(stat -c %s "$3")
  echo "done $1 $2 $size" >&3
  [ "$size" = 0 ] || head -c "$size" "$3" >&3
  rmdir "$jobs/answering"
}

payload() { # SIZE FILE
  if [ "$1" = 0 ]; then : >"$2"; return; fi
  dd bs=4096 count=$((($1 + 4095) / 4096)) iflag=fullblock of="$2" <&3 2>/dev/null && truncate -s "$1" "$2"
}

run_job() { # SEQ: in a process group of its own, so that all of it can be signalled
  setsid $inside sh "${jobs#"$root"}/$1.in" >"$jobs/$1.out" 2>&1 </dev/null 3>&- &
  echo $! >"$jobs/$1.pid"
  wait $!
  rc=$?
  answer "$1" $rc "$jobs/$1.out"
  rm -f "$jobs/$1.in" "$jobs/$1.out" "$jobs/$1.pid"
}

serve() {
  exec 3<>"$port"
  echo "ready 0 0 0" >&3
  : >"$jobs/empty"
  while read -r verb seq size arg <&3; do
    case $verb in
      run)
        payload "$size" "$jobs/$seq.in"
        run_job "$seq" &
        ;;
      put)
        payload "$size" "$root$arg"
        rc=$?
        chmod 755 "$root$arg"
        answer "$seq" $rc "$jobs/empty"
        ;;
      get)
        if [ -f "$root$arg" ]; then
          # A copy: files in /proc and /sys have no size until they are read.
          cat "$root$arg" >"$jobs/$seq.get" 2>/dev/null
          answer "$seq" $? "$jobs/$seq.get"
          rm -f "$jobs/$seq.get"
        else
          answer "$seq" 1 "$jobs/empty"
        fi
        ;;
      signal)
        [ ! -f "$jobs/$seq.pid" ] || kill "-$arg" "-$(cat "$jobs/$seq.pid")"
        ;;
    esac
  done
  echo "ivlab: the command channel ended"
}

if [ $$ != 1 ]; then
  mkdir -p "$jobs"
  inside="/usr/bin/env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" # and not busybox, as here
  find_port && serve
  exit 1
fi
if grep -q ivlab.shell /proc/cmdline; then
  find_port && { serve & }
  echo "ivlab: $(uname -r); exit ends this guest"
  setsid cttyhack $inside sh
  poweroff -f
elif find_port; then
  serve
else
  echo "ivlab: no command channel (is virtio_console refused?)"
fi
poweroff -f
