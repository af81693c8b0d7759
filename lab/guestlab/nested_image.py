"""The disk of the emulated KVM host: a small Debian with QEMU, Python and the guests' kernels.

Made once by mmdebstrap and mke2fs, with no mount of the image, and kept in the cache. Its
name is the hash of all that goes into it, so another recipe or kernel makes another one.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache, kernels

SUITE = "bookworm"
PACKAGES = (
    "qemu-system-x86",                # the guests
    "busybox-static",                 # their user space
    "python3",                        # guestlab itself, which boots them as it does elsewhere
    "libstdc++6", "libtraceevent1", "libsqlite3-0", "libcpp-httplib0.11", "libdw1", "libelf1",  # ivtrace
    "linux-perf",                     # another tool's word on the same exits
    "systemtap-runtime",              # what loads SystemTap's modules; they are compiled outside
    "dmsetup", "mdadm", "fdisk", "e2fsprogs",  # block devices in layers, for the guests' images
    "kmod", "iproute2", "procps", "util-linux",
)
UNUSED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
CACHE_INSIDE = "var/cache/ivtrace"
HOME = "/opt/ivtrace"  # where each boot puts guestlab and the build under test
# What commands and the shell have in their environment: guestlab in there finds its kernels and uses KVM.
ENVIRONMENT = {
    "PATH": f"{HOME}/bin:{HOME}/bin/lab:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": HOME, "PYTHONDONTWRITEBYTECODE": "1", "IVTRACE_ACCEL": "kvm", "IVTRACE_CACHE": f"/{CACHE_INSIDE}",
}
MEGABYTES = 3072  # sparse
BUILD_SECONDS = 600
KEEP_SECONDS = 7 * 24 * 3600


class ImageError(Exception):
    """The image cannot be made; the text says why."""


def _run(*command, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise ImageError(f"no {command[0]} here (lab/setup installs it)") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"{command[0]}: no end after {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise ImageError(f"{command[0]}: exit {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}")


def _add_kernels(root: Path, wanted: list[kernels.Kernel]) -> None:
    """Each kernel where guestlab looks for it; its modules are also where modprobe looks for them."""
    for kernel in wanted:
        inside = Path(CACHE_INSIDE) / "kernels" / kernel.package
        shutil.copytree(kernel.root / "boot", root / inside / "boot")
        shutil.copytree(kernel.modules, root / inside / "lib" / "modules" / kernel.release, symlinks=True)
        (root / "lib" / "modules").mkdir(parents=True, exist_ok=True)
        (root / "lib" / "modules" / kernel.release).symlink_to(f"/{inside}/lib/modules/{kernel.release}")
        _run("chroot", root, "/sbin/depmod", kernel.release)


def _make(final: Path, wanted: list[kernels.Kernel]) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=final.parent) as directory:
        root, image = Path(directory) / "root", Path(directory) / "image"
        _run("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
             *(f"--dpkgopt=path-exclude={path}" for path in UNUSED), "--aptopt=Apt::Install-Recommends false", SUITE, root)
        _add_kernels(root, wanted)
        for name in ("results", HOME.lstrip("/")):
            (root / name).mkdir()
        (root / "etc" / "ivlab.env").write_text("".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items()))
        _run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image, f"{MEGABYTES}M")
        image.rename(final)


def path_for(wanted: list[kernels.Kernel]) -> Path:
    """Where the image with these kernels is, or would be, in the cache."""
    recipe = Path(__file__).read_bytes() + "".join(sorted(kernel.package for kernel in wanted)).encode()
    return cache.cache_dir() / "nested" / f"{hashlib.sha256(recipe).hexdigest()[:32]}.img"


def build() -> Path:
    """The image, made if it is not in the cache; those unused for a week go. Raises ImageError, KernelError."""
    wanted = [kernels.get(series) for series in kernels.SERIES]
    final = path_for(wanted)
    with cache.locked("nested-image"):
        if final.exists():
            os.utime(final)
        else:
            _make(final, wanted)
        for image in final.parent.glob("*.img"):
            if time.time() - image.stat().st_mtime > KEEP_SECONDS:
                image.unlink()
    return final
