"""The cache directory: what is expensive to get is got once.

Two processes may want the same thing at once, and either may be killed half
way. So everything is made under a lock, in a temporary name, and renamed into
place: what has its final name is complete.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


def cache_dir() -> Path:
    """The cache's root; made when it does not exist."""
    given = os.environ.get("IVTRACE_CACHE")
    if given:
        root = Path(given)
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        root = Path(base) / "ivtrace"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextlib.contextmanager
def locked(name: str):
    """Holds the lock `name` against other processes; the kernel frees it when its holder dies."""
    locks = cache_dir() / "locks"
    locks.mkdir(exist_ok=True)
    with open(locks / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def making_dir(final: Path):
    """Gives a temporary directory that becomes `final` when the body succeeds."""
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=final.parent))
    try:
        yield made
        os.chmod(made, 0o755)
        os.rename(made, final)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_file(final: Path, content: bytes) -> None:
    """Writes a file that is either complete or absent."""
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=".making-", dir=final.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        os.rename(made, final)
    except BaseException:
        os.unlink(made)
        raise
