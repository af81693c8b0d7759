"""A guest that is a whole Debian with systemd, for what is installed into it as a person would.

    root = system.new_root(directory)                 # a clean Debian root; also with further packages
    system.in_root(root, "dpkg", "-i", "/x.deb")
    with SystemGuest("vm1", kernel, system.make_disk(root, image)) as vm:
        vm.check("systemctl is-active x")

The root is made once per recipe by mmdebstrap and kept in the cache as an archive, with its package lists.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache
from .disks import Disk
from .guest import Guest
from .initramfs import BUSYBOX, INIT
from .kernels import Kernel

SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "bash-completion")
# In apt's cache, not installed: what ivtrace is linked with and a minimal Debian lacks. Installing it then needs no network.
AT_HAND = ("libtraceevent1", "libsqlite3-0", "libcpp-httplib0.11", "libdw1", "libelf1")
CHANNEL = "opt/ivlab"  # the lab's init and busybox, in the guest's disk only
CHANNEL_UNIT = f"""\
[Unit]
Description=Commands of the lab

[Service]
Environment=PATH=/{CHANNEL}/bin
ExecStart=/{CHANNEL}/bin/busybox sh /{CHANNEL}/init.sh
"""
# Units that take seconds of an emulated CPU and serve nobody here.
MASKED = ("serial-getty@ttyS0.service", "getty-static.service", "e2scrub_reap.service", "modprobe@loop.service", "modprobe@fuse.service",
          "modprobe@dm_mod.service", "modprobe@efi_pstore.service")
MEGABYTES = 1024  # sparse
SECONDS = 900
KEEP_SECONDS = 7 * 24 * 3600


class NoSystem(Exception):
    """A root or a disk cannot be made; the text says why."""


def _run(*command, **more) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=SECONDS, stdin=subprocess.DEVNULL, **more)
    except FileNotFoundError:
        raise NoSystem(f"no {command[0]} here (lab/setup installs it)") from None
    except subprocess.TimeoutExpired:
        raise NoSystem(f"{command[0]}: no end after {SECONDS} s") from None
    if done.returncode != 0:
        raise NoSystem(f"{' '.join(map(str, command[:6]))}: exit {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def _archive(more: tuple[str, ...]) -> Path:
    """The clean root in the cache, made if it is not there; those unused for a week go."""
    packages = PACKAGES + more
    recipe = hashlib.sha256(repr((SUITE, packages, AT_HAND)).encode()).hexdigest()[:32]
    final = cache.cache_dir() / "system" / f"{recipe}.tar"
    with cache.locked("system-root"):
        # Package lists grow stale, and the mirror drops superseded packages: after a week a root is made anew.
        if not final.exists() or time.time() - final.stat().st_mtime > KEEP_SECONDS:
            with cache.making_dir(final.with_suffix(".made")) as made:
                _run("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
                     "--aptopt=Apt::Install-Recommends false", "--skip=cleanup/apt", "--customize-hook=chroot \"$1\" apt-get clean",
                     f"--customize-hook=chroot \"$1\" apt-get -y -o APT::Keep-Downloaded-Packages=true install --download-only {' '.join(AT_HAND)}",
                     SUITE, made / "root.tar")
            final.with_suffix(".made").joinpath("root.tar").rename(final)
            final.with_suffix(".made").rmdir()
        for other in final.parent.glob("*.tar"):
            if other != final and time.time() - other.stat().st_mtime > KEEP_SECONDS:
                other.unlink()
    return final


def new_root(directory: Path, more: tuple[str, ...] = ()) -> Path:
    """A clean Debian root with `more` packages in that directory, which is made. Raises NoSystem."""
    directory.mkdir(parents=True)
    _run("tar", "--numeric-owner", "--xattrs", "-xpf", _archive(more), "-C", directory)
    return directory


# $1: a root; then directories of this machine that it sees, "--", and the command in it.
_ENTER = 'root=$1; shift; while [ "$1" != -- ]; do mkdir -p "$root$1" && mount --rbind "$1" "$root$1" || exit 125; shift; done; shift; exec chroot "$root" "$@"'


def _enter(script: str, places: list[Path], *command, binds: list[Path]) -> subprocess.CompletedProcess:
    """In a mount namespace of its own, so that nothing stays mounted."""
    shown = [Path("/proc"), Path("/sys"), Path("/dev"), *binds]
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *places, *shown, "--", *command],
                          capture_output=True, text=True, errors="replace", timeout=SECONDS, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                               **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}})


def in_root(root: Path, *command, binds: list[Path] = ()) -> subprocess.CompletedProcess:
    """Runs a command in a root that sees this machine's /proc, /sys and /dev, and these directories besides."""
    return _enter(_ENTER, [root], *command, binds=binds)


def in_disk(image: Path, *command, binds: list[Path] = ()) -> subprocess.CompletedProcess:
    """The same in the root that is on a disk which no guest uses; exit 125 where it cannot be mounted."""
    with tempfile.TemporaryDirectory(prefix="ivlab-disk-") as place:
        return _enter(f'mount -o loop "$1" "$2" || exit 125; shift; {_ENTER}', [image, place], *command, binds=binds)


def make_disk(root: Path, image: Path, megabytes: int = MEGABYTES) -> Path:
    """A disk with what is in the root and with the lab's channel; the root itself stays as it is."""
    addition = image.with_suffix(".channel")
    units = addition / "etc/systemd/system"
    (addition / CHANNEL / "bin").mkdir(parents=True)
    (units / "multi-user.target.wants").mkdir(parents=True)
    shutil.copy(BUSYBOX, addition / CHANNEL / "bin")
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        link = addition / CHANNEL / "bin" / applet
        if not link.exists():
            link.symlink_to("busybox")
    shutil.copy(INIT, addition / CHANNEL)
    (units / "ivlab.service").write_text(CHANNEL_UNIT)
    (units / "multi-user.target.wants/ivlab.service").symlink_to("../ivlab.service")
    try:
        # mke2fs takes one directory: both, laid over each other in a mount namespace that goes with it.
        work = addition.with_suffix(".work")
        work.mkdir()
        script = 'mount -t overlay overlay -o "lowerdir=$1:$2" "$3" && exec mke2fs -q -t ext4 -O ^has_journal -d "$3" "$4" "$5"'
        _run("unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", addition, root, work, image, f"{megabytes}M")
        work.rmdir()
    finally:
        shutil.rmtree(addition)
    return image


class SystemGuest(Guest):
    """Boots from such a disk, whose changes are thrown away."""

    def __init__(self, name: str, kernel: Kernel, disk: Path, *, boot_timeout: float = 120, append: str = "", **more):
        masked = " ".join(f"systemd.mask={unit}" for unit in MASKED)
        super().__init__(name, kernel, disks=[Disk(disk, cache="unsafe", options="snapshot=on")], boot_timeout=boot_timeout,
                         append=f"ivlab.system=/dev/vda systemd.firstboot=no {masked} {append}".strip(), **more)
