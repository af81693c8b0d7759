"""Records the cases that are played in the emulated KVM host, from outside of it."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from guestlab import nested, nested_image
from guestlab.channel import GuestDied, GuestTimeout
from guestlab.disks import Disk

from . import causes
from .case import Case, Unavailable
from .stage import Tempo

HERE = Path(__file__).resolve().parent
DISK_MB = 300
DRIVE = "d3"         # of the host's disks the fourth: /dev/vdd
# Everything is several times slower in there.
SLOWDOWN, FLOOR_US = 2, 20_000
PLAY_SECONDS, ALL_SECONDS = 150, 400
# For what the io profile switches besides.
HOLD = (*nested.HELD, "raw_syscalls")


def _image(path: Path) -> Path:
    """An empty file system for the guests' images."""
    with open(path, "wb") as image:
        image.truncate(DISK_MB << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", path], check=True, capture_output=True)
    return path


def _say(death: str, **_) -> None:
    print(death.splitlines()[0], flush=True)


class _Orders:
    """Serves what the play inside asks of its outside (causes.slow_disk), until the with block ends."""

    def __init__(self, host: nested.NestedHost):
        self._host, self._ended = host, threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_) -> None:
        self._ended.set()
        with contextlib.suppress(GuestDied, GuestTimeout, RuntimeError):
            self._host.run(f"echo end >{causes.ORDER}", 20)
        self._thread.join(20)

    def _serve(self) -> None:
        with contextlib.suppress(GuestDied, GuestTimeout, RuntimeError):
            while not self._ended.is_set():
                order = self._host.check(f"until [ -s {causes.ORDER} ]; do sleep 0.2; done; cat {causes.ORDER}; rm {causes.ORDER}", PLAY_SECONDS).strip()
                if order == "end":
                    return
                causes.throttle(self._host, DRIVE, iops=int(order))
                self._host.check(f"echo done >{causes.ANSWER}")


def record(case: Case, bin_dir: Path, out: Path, tempo: Tempo) -> str:
    """Leaves out/NAME/run.ivt and case.json; gives a line about it."""
    times = [tempo.quiet * SLOWDOWN, tempo.cause * SLOWDOWN, max(tempo.interval_us, FLOOR_US)]

    def play(host: nested.NestedHost) -> str:
        with _Orders(host):
            code, output = host.run_file(HERE / "nested_play.py", case.name, *map(str, times), timeout=PLAY_SECONDS)
        if code != 0:
            raise RuntimeError(f"in the emulated host: exit {code}: {output[-1500:]}")
        with tempfile.TemporaryDirectory() as directory:
            results = host.bring_back(Path(directory) / "results")
            place = out / case.name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            for name in ("run.ivt", "case.json"):
                shutil.move(results / name, place / name)
        return output.strip().splitlines()[-1]

    with tempfile.TemporaryDirectory(prefix="ivlab-", dir="/var/tmp") as directory:
        disk = Disk(_image(Path(directory) / "images"), cache="unsafe", options="snapshot=on")  # a host that is booted anew finds it empty
        try:
            return nested.on_host(play, bin_dir=bin_dir, seconds=ALL_SECONDS, disks=[disk], packages=[HERE], hold=HOLD, say=_say)
        except (nested.NoNestedHost, nested_image.ImageError) as reason:
            raise Unavailable(str(reason)) from None
