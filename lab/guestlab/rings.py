"""The files behind the guests' ivshmem devices, in /dev/shm.

A guest's keeper removes its guest's file. Where the keeper was killed too (a whole suite, by
SIGKILL), the file stays, and it is memory: the next guest's start removes those whose owner,
whose pid is in the name, is dead.
"""

import os
import re
from pathlib import Path

DIRECTORY = Path("/dev/shm")
NAME = re.compile(r"ivlab-(\d+)-.+")


def path_for(guest: str) -> Path:
    """Of a guest of this process."""
    return DIRECTORY / f"ivlab-{os.getpid()}-{guest}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def remove_abandoned() -> None:
    """Removes the files of dead owners; those of others, that may not be removed, stay."""
    for path in DIRECTORY.iterdir():
        match = NAME.fullmatch(path.name)
        if not match or _lives(int(match.group(1))):
            continue
        try:
            path.unlink(missing_ok=True)  # its keeper may be about to do it
        except PermissionError:
            pass
