"""Debian's kernels, downloaded and unpacked without being installed.

A kernel once in the cache is used from there, so that a test run neither needs
the network nor changes its kernel under way; update=True asks apt for the
newest one.
"""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

from . import cache

# Each series' package name, the numbers that order it in parentheses. The
# "unsigned" packages hold the kernel itself; the signed ones only depend on them.
SERIES = {
    "6.12": re.compile(r"linux-image-(6)\.(12)\.(\d+)\+deb12-cloud-amd64-unsigned"),
    "6.1": re.compile(r"linux-image-(6)\.(1)\.0-(\d+)-cloud-amd64-unsigned"),
}


class KernelError(Exception):
    """A kernel cannot be had; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    series: str   # "6.12" or "6.1"
    package: str  # Debian's package name
    root: Path    # where the package is unpacked

    @property
    def release(self) -> str:
        """What `uname -r` says in a guest."""
        return self.image.name.removeprefix("vmlinuz-")

    @property
    def image(self) -> Path:
        return next(self.root.glob("boot/vmlinuz-*"))

    @property
    def modules(self) -> Path:
        return self.root / "lib" / "modules" / self.release


def _order(series: str, package: str):
    match = SERIES[series].fullmatch(package)
    return tuple(int(number) for number in match.groups()) if match else None


def _newest(series: str, packages) -> str | None:
    known = [package for package in packages if _order(series, package)]
    return max(known, key=lambda package: _order(series, package), default=None)


def _apt(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command[:2])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _newest_offered(series: str) -> str | None:
    lines = _apt("apt-cache", "search", "--names-only", f"^linux-image-{re.escape(series)}.*cloud-amd64-unsigned$")
    return _newest(series, (line.split()[0] for line in lines.splitlines() if line))


def download(package: str, into: Path) -> Path:
    """A package's file in the empty directory `into`. Raises KernelError."""
    # apt's own user often cannot write into a private directory; root may.
    command = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package)
    try:
        _apt(*command, cwd=into)
    except KernelError:
        # Package lists grow stale: the mirror drops superseded kernels.
        _apt("apt-get", "-q", "update")
        _apt(*command, cwd=into)
    return next(into.glob("*.deb"))


def _fetch(series: str, package: str, final: Path) -> None:
    with cache.making_dir(final) as made:
        unpacked = made / ".download"
        unpacked.mkdir()
        subprocess.run(["dpkg", "-x", download(package, unpacked), made], check=True)
        shutil.rmtree(unpacked)
        if not list(made.glob("boot/vmlinuz-*")):
            raise KernelError(f"{package} holds no boot/vmlinuz-*")


def cached(series: str) -> Kernel | None:
    """The newest kernel of the series that is in the cache already."""
    root = cache.cache_dir() / "kernels"
    package = _newest(series, (entry.name for entry in root.glob("linux-image-*")))
    return Kernel(series, package, root / package) if package else None


def get(series: str, update: bool = False) -> Kernel:
    """The kernel of a series: from the cache, or downloaded. Raises KernelError."""
    if series not in SERIES:
        raise KernelError(f"no kernel series {series!r}; there are {', '.join(SERIES)}")
    with cache.locked(f"kernel-{series}"):
        have = cached(series)
        if have and not update:
            return have
        package = _newest_offered(series)
        if not package:
            _apt("apt-get", "-q", "update")
            package = _newest_offered(series)
        if not package:
            raise KernelError(f"apt offers no {series} cloud kernel; is Debian 12's security archive among its sources?")
        if not have or have.package != package:
            _fetch(series, package, cache.cache_dir() / "kernels" / package)
        return Kernel(series, package, cache.cache_dir() / "kernels" / package)
