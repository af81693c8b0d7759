"""Runs inside the emulated KVM host: plays one case there, into /results.

usage: nested_play.py NAME QUIET CAUSE INTERVAL_US
"""

import os
import subprocess
import sys
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
    with Stage(case, inside.BIN, Tempo(*map(int, tempo)), image_mb=64, recorder_disk="another disk") as stage:
        stage.take(inside.RESULTS)  # on the host's own disk, where nothing is slowed
        print(stage.summary())


if __name__ == "__main__":
    main()
