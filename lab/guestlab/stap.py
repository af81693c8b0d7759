"""SystemTap in lab guests: what loads its modules there, and what compiles them here."""

import shutil
from pathlib import Path

from . import cache, headers, programs
from .kernels import Kernel, KernelError

STAPRUN = Path("/usr/bin/staprun")
STAPIO = Path("/usr/lib/systemtap/stapio")
GROUPS = Path(__file__).with_name("stap.group")


def missing(kernel: Kernel) -> str:
    """What this machine lacks to compile scripts for the kernel and to run them in a guest; "" when nothing."""
    if not shutil.which("stap"):
        return "no stap: install systemtap"
    if not STAPRUN.exists() or not STAPIO.exists():
        return f"no {STAPRUN}: install systemtap-runtime"
    try:
        headers.get(kernel)
    except KernelError as error:
        return str(error)
    return ""


def files() -> dict[str, Path]:
    """Guest path -> host file, for a guest's initramfs: staprun, the program that it runs, and SystemTap's groups."""
    return programs.with_libraries([STAPRUN, STAPIO]) | {"/etc/group": GROUPS}


def compilers(kernel: Kernel) -> tuple[str, ...]:
    """Debian packages with which a guest of that kernel compiles its scripts itself."""
    return ("systemtap", "gcc", "make", f"linux-headers-{kernel.release}")


def environment() -> dict[str, str]:
    """Variables under which SystemTap and ivtrace keep what they compiled in the lab's cache."""
    return {"SYSTEMTAP_DIR": str(cache.cache_dir() / "systemtap"), "XDG_CACHE_HOME": str(cache.cache_dir() / "compiled")}
