"""Runs inside the emulated KVM host: plays one case there, into /results.

usage: nested_play.py NAME QUIET CAUSE INTERVAL_US
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from casebook import library
from casebook.stage import Stage, Tempo
from guestlab import inside

DISK, PLACE = Path("/dev/vdd"), Path("/images")


def main() -> None:
    name, *tempo = sys.argv[1:]
    case, = library.named([name])
    PLACE.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", DISK, PLACE], check=True)
    os.environ["IVTRACE_DISK_DIR"] = str(PLACE)
    with Stage(case, inside.BIN, Tempo(*map(int, tempo)), image_mb=64) as stage, tempfile.TemporaryDirectory(dir="/dev/shm") as shelf:
        stage.take(Path(shelf))
        print(stage.summary())
        subprocess.run(["cp", "-r", *(Path(shelf) / part for part in ("run.ivt", "case.json")), inside.RESULTS], check=True)


if __name__ == "__main__":
    main()
