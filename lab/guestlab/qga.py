"""The QEMU guest agent in a lab guest: Debian's program with the libraries that it needs."""

from pathlib import Path

from . import programs

PROGRAM = Path("/usr/sbin/qemu-ga")
# In the guest: finds its port by name and stays in the background.
START = """for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ] || continue
  /usr/sbin/qemu-ga -m virtio-serial -p "/dev/${port##*/}" -f /run/qga.pid -t /run -l /run/qga.log -d %s
  exit
done
echo "no port for the guest agent"; exit 1
"""


def missing() -> str:
    """What this machine lacks for it; "" when nothing."""
    return "" if PROGRAM.exists() else f"no {PROGRAM}: install qemu-guest-agent"


def files() -> dict[str, Path]:
    """Guest path -> host file, for a guest's initramfs."""
    return programs.with_libraries([PROGRAM])


def start(vm, options: str = "") -> None:
    """Starts it in the guest `vm`, which has its port."""
    vm.check(START % options)


def stop(vm) -> None:
    # Nobody in a lab guest takes in what has ended: a zombie keeps its name, but no program.
    vm.check("pid=$(cat /run/qga.pid); kill $pid; while readlink /proc/$pid/exe >/dev/null; do usleep 20000; done; rm -f /run/qga.*")
