"""A second disk for guests: a loop device's own file system, whose bytes are in memory and on no other disk."""

import contextlib
import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

from .case import Unavailable

CLONE_NEWNS = 0x00020000  # sched.h
MEMORY = Path("/dev/shm")


def keep_mounts_private() -> None:
    """Gives this process, and all it starts, a mount namespace: what it mounts ends with it, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextlib.contextmanager
def other_disk(megabytes: int):
    """The directory where it is mounted."""
    with tempfile.TemporaryDirectory(prefix="ivlab-", dir=MEMORY) as directory:
        backing, place = Path(directory) / "disk", Path(directory) / "mounted"
        place.mkdir()
        with open(backing, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, megabytes << 20)
        try:
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", backing], check=True, capture_output=True)
            subprocess.run(["mount", "-o", "loop", backing, place], check=True, capture_output=True)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise Unavailable(f"no second disk: {getattr(error, 'stderr', b'') or error}") from None
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True, capture_output=True)
