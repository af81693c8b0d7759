// What runs in the guest when an agent is brought in: under its /bin/sh, whichever that is, so POSIX, and
// with the programs that every system has.
#pragma once

namespace ivtrace::attach {

inline constexpr const char* kCommon = R"sh(
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
places="/run /usr/local/lib /var/lib /root"
name=ivtrace-deployed
)sh";

/// $1: bytes. Says the directory's path, or why no place will do.
inline constexpr const char* kPrepare = R"sh(
umask 077
why=
for place in $places; do
  dir=$place/$name
  rm -rf "$dir" 2>/dev/null
  mkdir "$dir" 2>/dev/null || { why="$why$place cannot be written to; "; continue; }
  printf '#!/bin/sh\nexit 0\n' >"$dir/probe" 2>/dev/null
  chmod 700 "$dir/probe"
  if ! "$dir/probe" 2>/dev/null; then
    rm -rf "$dir"; why="$why$place runs no programs (noexec) or is full; "; continue
  fi
  rm -f "$dir/probe"
  set -- "$1" $(df -Pk "$dir" 2>/dev/null | tail -n 1)
  case ${5:-x} in *[!0-9]*) set -- "$1" ;; esac  # it does not tell
  if [ $# -ge 5 ] && [ "$5" -lt $(($1 / 1024 + 1)) ]; then
    rm -rf "$dir"; why="$why$place has $5 KiB free; "; continue
  fi
  printf %s "$dir"
  exit 0
done
printf %s "$why"
exit 1
)sh";

/// $1: the directory.
inline constexpr const char* kChecksum = R"sh(sha256sum <"$1/ivtrace-agent")sh";

/// $1: the directory. The shell becomes the agent. What it has compiled there (scripts of SystemTap) goes
/// with the directory.
inline constexpr const char* kStart = R"sh(
chmod 700 "$1/ivtrace-agent"
echo $$ >"$1/pid"
export XDG_CACHE_HOME="$1/cache" SYSTEMTAP_DIR="$1/cache/systemtap"
cd /
exec "$1/ivtrace-agent" --foreground >"$1/log" 2>&1
)sh";

inline constexpr const char* kLog = R"sh(tail -c 500 "$1/log")sh";

/// Says what it removed. A process is ours when it runs the program in that directory; what one that was
/// killed left in tracefs goes as well.
inline constexpr const char* kRemove = R"sh(
for place in $places; do
  dir=$place/$name
  [ -d "$dir" ] && [ ! -L "$dir" ] || continue
  dir=$(cd "$dir" && pwd -P) || continue  # as /proc names it: /usr/local may be a link
  pid=$(cat "$dir/pid" 2>/dev/null)
  ours() {
    [ -n "$pid" ] || return 1
    case $(readlink "/proc/$pid/exe") in "$dir/ivtrace-agent" | "$dir/ivtrace-agent (deleted)") return 0 ;; esac
    return 1
  }
  if ours; then
    kill "$pid"
    n=0
    while ours && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done
    ! ours || { kill -9 "$pid"; sleep 1; }
  fi
  [ ! -x "$dir/ivtrace-agent" ] || "$dir/ivtrace-agent" --cleanup >/dev/null 2>&1
  rm -rf "$dir"
  # Where programs see whether somebody records; it stays as long as anybody may.
  pidof ivtrace ivtrace-agent >/dev/null 2>&1 || { rm -f /run/ivtrace/mark; rmdir /run/ivtrace 2>/dev/null; }
  [ ! -e "$dir" ] || { printf '%s cannot be removed' "$dir"; exit 1; }
  printf %s "$dir"
done
)sh";

}  // namespace ivtrace::attach
