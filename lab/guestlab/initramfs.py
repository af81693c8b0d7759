"""The guests' initramfs: busybox, modules, our init and the programs under test.

Written as an uncompressed newc cpio: QEMU hands it over by DMA, and unpacking
compressed data would cost an emulated CPU more than it saves. Its name in the
cache is the hash of its content.
"""

import hashlib
import os
import stat
import subprocess
import time
from pathlib import Path

from . import cache, modules
from .kernels import Kernel

BUSYBOX = Path("/bin/busybox")
INIT = Path(__file__).with_name("init.sh")
KEEP = 12                # images kept in the cache …
KEEP_SECONDS = 24 * 3600  # … and those used within a day


class InitramfsError(Exception):
    """An initramfs cannot be made; the text says why."""


class _Archive:
    """A newc cpio archive under construction (format: cpio(5), initramfs buffer-format)."""

    def __init__(self):
        self._parts: list[bytes] = []
        self._seen: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        encoded = name.encode() + b"\0"
        # newc: magic, then ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check.
        fields = (len(self._seen), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
        self._seen.add(name)

    def _parents(self, name: str) -> None:
        parent = os.path.dirname(name)
        if parent and parent not in self._seen:
            self._parents(parent)
            self._entry(parent, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, mode: int) -> None:
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        if name not in self._seen:
            self._parents(name)
            self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def directory(self, name: str) -> None:
        self._parents(name + "/.")

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._parts)


def _prune(directory: Path) -> None:
    images = sorted(directory.glob("*.cpio"), key=lambda path: path.stat().st_mtime, reverse=True)
    for image in images[KEEP:]:
        if time.time() - image.stat().st_mtime > KEEP_SECONDS:
            image.unlink(missing_ok=True)


def _content(kernel: Kernel, files: dict[str, Path], more_modules) -> bytes:
    archive = _Archive()
    archive.file("init", INIT.read_bytes(), 0o755)
    for name in ("proc", "sys", "dev", "tmp", "run/ivlab", "root"):
        archive.directory(name)
    for guest_path, host_path in sorted(files.items()):
        archive.file(guest_path.lstrip("/"), Path(host_path).read_bytes(), 0o755)
    archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        archive.link(f"bin/{applet}", "busybox")
    order = modules.load_order(kernel.modules, (*modules.WANTED, *more_modules))
    for name, module in order:
        archive.file(f"lib/modules/{name}.ko", module, 0o644)
    archive.file("lib/modules/order", "".join(f"{name}\n" for name, _ in order).encode(), 0o644)
    return archive.finish()


def build(kernel: Kernel, files: dict[str, Path] | None = None, more_modules=()) -> Path:
    """The initramfs for `kernel` with `files` (guest path -> host file, made executable) in it.

    The files must be static programs or scripts: there is no libc in the guest. more_modules: loaded
    beside those that every guest needs.
    Raises InitramfsError.
    """
    if not BUSYBOX.exists():
        raise InitramfsError("no /bin/busybox: install busybox-static (lab/setup does)")
    for host_path in (files or {}).values():
        if not Path(host_path).is_file():
            raise InitramfsError(f"{host_path} is not there: build it first")
    content = _content(kernel, files or {}, more_modules)
    directory = cache.cache_dir() / "initramfs"
    final = directory / f"{hashlib.sha256(content).hexdigest()[:32]}.cpio"
    if final.exists():
        os.utime(final)
    else:
        cache.write_file(final, content)
        _prune(directory)
    return final
