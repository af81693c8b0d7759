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

from . import disks, guest, kernels
from .channel import GuestDied

GUEST_DIED = 75  # EX_TEMPFAIL, sysexits.h: worth another try
RESULTS = Path("/results")
BIN = Path("/opt/ivtrace/bin")  # the build under test


def guest_files() -> dict[str, Path]:
    """What every guest of the tests has in /bin."""
    return {f"/bin/{path.name}": path for path in (*BIN.glob("lab/iv-*"), BIN / "ivtrace-agent") if path.exists()}


def new_guest(name: str, series: str = "6.12", disk_mb: int = 64, **options) -> guest.Guest:
    """A guest for this host, not booted yet: one vCPU (with two the emulation crashes), a ring, a disk, a free monitor."""
    images = [disks.Disk(disks.make_image(Path(f"/var/tmp/{name}.img"), disk_mb), aio="native")] if disk_mb else []
    return guest.Guest(name, kernels.get(series), **{"smp": 1, "memory_mb": 256, "disks": images, "files": guest_files()} | options)


def main() -> int:
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
