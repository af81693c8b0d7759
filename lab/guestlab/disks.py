"""Disk images on a real disk, and where on that disk their bytes lie.

A guest's request can only be found again in the host's block layer when its
image lies on a real block device: tmpfs and overlayfs show nothing there.
"""

import array
import contextlib
import dataclasses
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

SECTOR = 512
FS_IOC_FIEMAP = 0xC020660B  # <linux/fs.h>
FIEMAP_FLAG_SYNC = 0x1      # <linux/fiemap.h>
# UNKNOWN, DELALLOC, ENCODED, DATA_ENCRYPTED, NOT_ALIGNED, DATA_INLINE, UNWRITTEN: no exact address.
FIEMAP_INEXACT = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x800
_HEAD = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQQQIIII")


class DiskError(Exception):
    """No fit place for images, or no exact address for a byte of one."""


@dataclasses.dataclass(frozen=True)
class Disk:
    """One virtio disk of a guest, in order: the first is /dev/vda."""

    path: Path
    aio: str = "threads"  # or native, io_uring
    cache: str = "none"
    format: str = "raw"   # or qcow2
    options: str = ""     # more of QEMU's -drive: "snapshot=on", "throttling.iops-total=200"


def make_image(path: Path, megabytes: int) -> Path:
    """A raw image whose blocks are all written, so that every sector has an address on the disk."""
    chunk = bytes(1 << 20)
    with open(path, "wb") as image:
        os.posix_fallocate(image.fileno(), 0, megabytes << 20)
        for _ in range(megabytes):
            image.write(chunk)
        image.flush()
        os.fsync(image.fileno())
    return path


def make_overlay(path: Path, base: Path) -> Path:
    """A qcow2 image that holds only what differs from a raw one."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, path], check=True)
    return path


def extent_at(path: Path, offset: int) -> tuple[int, int]:
    """(address on the file system's device, bytes that follow contiguously) of a byte of the file. Raises DiskError."""
    request = array.array("B", _HEAD.pack(offset, 1, FIEMAP_FLAG_SYNC, 0, 1, 0) + bytes(_EXTENT.size))
    with open(path, "rb") as image:
        try:
            fcntl.ioctl(image, FS_IOC_FIEMAP, request)
        except OSError as error:
            raise DiskError(f"{path}: its file system tells no addresses (FIEMAP: {error.strerror})") from None
    if _HEAD.unpack_from(request)[3] == 0:
        raise DiskError(f"{path}: no block at byte {offset}")
    logical, physical, length, _, _, flags, *_ = _EXTENT.unpack_from(request, _HEAD.size)
    if flags & FIEMAP_INEXACT:
        raise DiskError(f"{path}: the block at byte {offset} has no exact address (FIEMAP flags {flags:#x})")
    return physical + offset - logical, logical + length - offset


def host_sector(path: Path, offset: int) -> int:
    """The sector, on the whole disk, of a byte of the file, as block_rq_issue shows it."""
    device = os.stat(path).st_dev
    partition = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/start")
    start = int(partition.read_text()) if partition.exists() else 0
    return start + extent_at(path, offset)[0] // SECTOR


def _is_fit(directory: Path) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=directory) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
            extent_at(Path(probe.name), 0)
            device = os.stat(probe.name).st_dev
            return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").exists()
    except (DiskError, OSError):
        return False


def _clear_orphans(directory: Path) -> None:
    """Removes image directories whose maker was killed: nobody holds their lock."""
    for orphan in directory.glob("ivlab-*"):
        with contextlib.suppress(OSError), open(orphan / "owner") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(orphan, ignore_errors=True)


@contextlib.contextmanager
def image_dir():
    """A temporary directory on a real disk ($IVTRACE_DISK_DIR, /var/tmp, home or here). Raises DiskError."""
    candidates = [os.environ.get("IVTRACE_DISK_DIR"), "/var/tmp", os.path.expanduser("~"), os.getcwd()]
    for candidate in filter(None, candidates):
        if _is_fit(Path(candidate)):
            _clear_orphans(Path(candidate))
            with tempfile.TemporaryDirectory(prefix="ivlab-", dir=candidate) as made, open(f"{made}/owner", "w") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX)
                yield Path(made)
            return
    raise DiskError(f"none of {', '.join(filter(None, candidates))} lies on a block device; set IVTRACE_DISK_DIR")
