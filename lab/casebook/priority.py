"""The CPUs before anybody else: what a guest waits for is to be the case's doing, not that of another one's compiler.

nice(1) does not give it: the kernel's autogroups share the CPUs out by session first, and a guest has a
session of its own. In a control group there are no autogroups, and processes compete as themselves.
"""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "ivlab-first-"


def _make_group() -> tuple[Path, Path] | None:
    """(group, its parent) with all the weight that there is; None when this machine has no such groups for us."""
    for parent, file, weight in ((ROOT / "cpu", "cpu.shares", "262144"), (ROOT, "cpu.weight", "10000")):
        if not (parent / "cgroup.procs").exists():
            continue
        for stale in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):  # one in use cannot be removed
                stale.rmdir()
        group = parent / f"{PREFIX}{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            (group / file).write_text(weight)
            return group, parent
        with contextlib.suppress(OSError):
            group.rmdir()
    return None


@contextlib.contextmanager
def first():
    """This process, and all that it starts, come first in the with block. Gives whether that could be had."""
    made = _make_group()
    if made is None:
        yield False
        return
    group, parent = made
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield True
    finally:
        (parent / "cgroup.procs").write_text(str(os.getpid()))
        _remove(group)


def _remove(group: Path) -> None:
    for _ in range(50):  # what was just killed is still in it for a moment
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)
