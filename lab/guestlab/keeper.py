"""Owns one QEMU: no guest outlives the program that booted it.

Run as a process of its own between the lab and QEMU. It ends QEMU and removes
what the guest left (ring file, sockets) as soon as its standard input ends,
which the kernel brings about however the lab dies, or when the guest's lifetime
is over. Should the keeper itself be killed, QEMU dies with it (PDEATHSIG).

Arguments: LIFETIME_SECONDS PATH_TO_REMOVE... -- QEMU ARGS...
Says on standard output: "pid N" once QEMU runs, "exit RC" when it has ended.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        pass  # the lab is gone; its end of our standard input says so too


def _watch(qemu: subprocess.Popen, lifetime: float) -> None:
    """Returns when the lab lets go of this guest, or its time is over."""
    ended = os.pidfd_open(qemu.pid)
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(ended, select.POLLIN)
    deadline = time.monotonic() + lifetime
    while True:
        left = deadline - time.monotonic()
        ready = {fd for fd, _ in poll.poll(max(0, left * 1000))}
        if 0 in ready or not ready:
            return
        # QEMU ended by itself. Its leftovers stay until the lab has looked at them.
        _say(f"exit {qemu.wait()}")
        poll.unregister(ended)


def main() -> None:
    split = sys.argv.index("--")
    lifetime, leftovers, command = float(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # still runs the finally below
    qemu = None
    try:
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=_die_with_parent)
        _say(f"pid {qemu.pid}")
        _watch(qemu, lifetime)
    finally:
        if qemu:
            qemu.kill()
            qemu.wait()
        for path in leftovers:
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(FileNotFoundError):  # another guest's start may have removed it
                    os.unlink(path)


if __name__ == "__main__":
    main()
