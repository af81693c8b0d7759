"""Runs a Python script inside the emulated KVM host, with guestlab at hand.

    python3 -m guestlab.inside SCRIPT [ARG...]

The script boots guests with guestlab as anywhere else; here they run under KVM. RESULTS
is the directory that comes back to whoever booted this host. A guest that dies is told
by an exit code of its own: on an emulated host that is usually the emulation's doing.
"""

import os
import runpy
import sys
import traceback
from pathlib import Path

GUEST_DIED = 75  # EX_TEMPFAIL, sysexits.h: worth another try
RESULTS = Path("/results")
BIN = Path("/opt/ivtrace/bin")  # the build under test


def guest_files() -> dict[str, Path]:
    """What every guest of the tests has in /bin."""
    return {f"/bin/{path.name}": path for path in (*BIN.glob("lab/iv-*"), BIN / "ivtrace-agent") if path.exists()}


def main() -> int:
    from guestlab.channel import GuestDied
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    try:
        runpy.run_path(script, run_name="__main__")
    except GuestDied:
        traceback.print_exc()
        return GUEST_DIED
    return 0


if __name__ == "__main__":
    sys.exit(main())
