"""Records cases: one after the other, again when somebody else was at work meanwhile, each into a directory of its own."""

import shutil
import tempfile
from pathlib import Path

from . import nested_record
from .case import Case
from .stage import Stage, Tempo

TRIES = 3
DISTURBED = 0.10  # of the time in which all was to be well, a guest's thread waited for a CPU
MEMORY = "/dev/shm"


def record(case: Case, bin_dir: Path, out: Path, tempo: Tempo, tries: int = TRIES) -> str:
    """Leaves out/NAME/run.ivt and case.json; gives a line about it. The calmest of up to so many recordings is kept."""
    if case.nested:
        return nested_record.record(case, bin_dir, out, tempo)
    best = None
    with Stage(case, bin_dir, tempo) as stage:
        for _ in range(tries if case.calm else 1):
            shelf = Path(tempfile.mkdtemp(prefix="ivlab-run-", dir=stage.directory if case.on_disk else MEMORY))
            try:
                waited = stage.take(shelf)
                if best is None or waited < best:
                    best, told = waited, stage.summary()
                    _keep(shelf, out / case.name)
            finally:
                shutil.rmtree(shelf, ignore_errors=True)
            if best <= DISTURBED:
                break
    return f"{told}; {best:.1%} of the quiet time waited for a CPU"


def _keep(shelf: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("run.ivt", "case.json"):
        shutil.move(shelf / name, place / name)
