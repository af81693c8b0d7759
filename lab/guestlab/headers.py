"""Debian's kernel headers, downloaded and unpacked without being installed: what SystemTap compiles modules against.

The packages' links and makefiles name /usr/src and /usr/lib; here they are made to name the cache.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import cache, kernels
from .kernels import Kernel, KernelError


def _packages(release: str) -> list[str]:
    """The headers' packages: those of the flavour, those that all flavours share, and kbuild's programs."""
    match = re.fullmatch(r"(\d+\.\d+)(\.\S*?)-(cloud-)?amd64", release)
    if not match:
        raise KernelError(f"{release} is no release of Debian's that headers are known for")
    series, rest, _ = match.groups()
    kbuild = series if rest.startswith(".0-") else series + rest
    return [f"linux-headers-{release}", f"linux-headers-{series}{rest}-common", f"linux-kbuild-{kbuild}"]


def _relocate(root: Path, final: Path) -> None:
    """Makes what is unpacked in `root`, and will be at `final`, find its other parts there."""
    for path in root.rglob("*"):
        if path.is_symlink() and os.readlink(path).startswith("/"):
            target = root / os.readlink(path).lstrip("/")
            path.unlink()
            path.symlink_to(os.path.relpath(target, path.parent))
    for makefile in root.glob("usr/src/linux-headers-*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"(?m)^(include )(/usr/src/)", rf"\g<1>{final}\g<2>", text))


def get(kernel: Kernel) -> Path:
    """The build tree of the kernel's headers: what `stap -r` takes. Raises KernelError."""
    final = cache.cache_dir() / "headers" / kernel.release
    build = final / "lib" / "modules" / kernel.release / "build"
    with cache.locked(f"headers-{kernel.series}"):
        if not final.exists():
            with cache.making_dir(final) as made:
                for package in _packages(kernel.release):
                    download = made / ".download"
                    download.mkdir()
                    subprocess.run(["dpkg", "-x", kernels.download(package, download), made], check=True)
                    shutil.rmtree(download)
                _relocate(made, final)
    if not (build / "Makefile").exists():
        raise KernelError(f"the headers of {kernel.release} hold no {build}/Makefile")
    return build
