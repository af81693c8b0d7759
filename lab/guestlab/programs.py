"""Programs of this machine for guests, which have no libraries of their own.

Small ones go into the guest's initramfs (with_libraries). Big ones go onto a disk of their own, made once for
as long as they stay the same:

    with Guest("vm1", kernel, disks=[programs.disk(["/usr/bin/bpftrace"])], modules=programs.MODULES) as vm:
        programs.enter(vm, "/dev/vda")
        vm.check("bpftrace --version")
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache
from .disks import Disk

MODULES = ("ext4",)
SPARE_MEGABYTES = 16
KEEP_SECONDS = 7 * 24 * 3600
ENTER = """\
mkdir -p /programs && mount -t ext4 -o ro {device} /programs && cd /programs || exit 1
find . -type f | while read -r file; do mkdir -p "/${{file%/*}}" && ln -s "/programs/$file" "/$file" || exit 1; done
"""


def with_libraries(programs) -> dict[str, Path]:
    """Guest path -> host file of programs and of all libraries that they load, for a guest's initramfs."""
    files = {str(program): Path(program) for program in programs}
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {path: Path(path).resolve() for path in re.findall(r"(?:=> )?(/\S+) \(0x", listed)}
    return files


def _on_disk(programs) -> dict[str, Path]:
    """As with_libraries(), the programs themselves in /bin, where a guest looks for them."""
    wanted = {str(program) for program in programs}
    return {f"/bin/{Path(path).name}" if path in wanted else path: file for path, file in with_libraries(programs).items()}


def _make(final: Path, files: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory(prefix=".making-", dir=final.parent) as directory:
        root, image = Path(directory) / "root", Path(directory) / "image"
        for guest_path, host_path in files.items():
            place = root / guest_path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(host_path, place)
        megabytes = sum(path.stat().st_size for path in files.values()) * 11 // 10 // 2**20 + SPARE_MEGABYTES
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image, f"{megabytes}M"], check=True, capture_output=True)
        image.rename(final)


def disk(programs) -> Disk:
    """A read-only disk with these programs and their libraries, from the cache; those unused for a week go."""
    files = _on_disk(programs)
    stats = [(guest_path, str(path), path.stat().st_size, path.stat().st_mtime_ns) for guest_path, path in sorted(files.items())]
    final = cache.cache_dir() / "programs" / f"{hashlib.sha256(repr(stats).encode()).hexdigest()[:32]}.img"
    final.parent.mkdir(parents=True, exist_ok=True)
    with cache.locked("programs"):
        if final.exists():
            os.utime(final)
        else:
            _make(final, files)
        for image in final.parent.glob("*.img"):
            if time.time() - image.stat().st_mtime > KEEP_SECONDS:
                image.unlink()
    return Disk(final, cache="unsafe", options="readonly=on")


def enter(vm, device: str) -> None:
    """Puts what is on such a disk where programs look for it in the running guest."""
    vm.check(ENTER.format(device=device))
