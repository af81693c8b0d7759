"""Fixtures: real guests, booted once for all tests that can share them."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest

import harness
from guestlab import disks, guest, kernels
from guestlab.channel import GuestDied  # noqa: E402

SERIES = ("6.12", "6.1")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a killed run must still clean up
    missing = [str(path) for path in (harness.BIN / "ivtrace", harness.BIN / "ivtrace-agent", harness.BIN / "ivtrace-mark", harness.BIN / "lab" / "iv-storm") if not path.exists()]
    if missing:
        raise pytest.UsageError(f"not built: {', '.join(missing)} (IVTRACE_BIN names the directory)")
    if os.geteuid() != 0:
        raise pytest.UsageError("the end-to-end tests record kernels: run them as root")


@pytest.fixture(scope="session", autouse=True)
def state_directory():
    yield harness.STATE
    shutil.rmtree(harness.STATE, ignore_errors=True)


@pytest.fixture(scope="session")
def image_dir():
    with disks.image_dir() as directory:
        yield directory


@pytest.fixture(scope="session")
def new_guest(image_dir):
    """Makes (but does not boot) a guest with one disk; its name is unique on this machine."""

    def make(name: str, series: str = "6.12", disk: bool = True, aio: str = "native", more_files: dict = {}, more_disks=(), **options) -> guest.Guest:
        images = [disks.Disk(disks.make_image(image_dir / f"{name}.img", 64), aio=aio)] if disk else []
        return guest.Guest(f"{name}-{os.getpid()}", kernels.get(series), disks=images + list(more_disks), files=harness.guest_files() | more_files, **options)

    return make


class PairKeeper:
    """The two long-lived guests (6.12, 6.1). A guest whose emulated kernel panicked is no test's fault but its own:
    both are booted again for the next test."""

    def __init__(self, new_guest):
        self._new_guest = new_guest
        self._stack = contextlib.ExitStack()
        self._boots = 0
        self._pair = []

    def boot(self):
        self._stack.close()
        self._boots += 1
        self._pair = [
            self._new_guest(f"e2e{series.replace('.', '')}-{self._boots}", series, memory_mb=768) for series in SERIES
        ]
        self._stack.enter_context(guest.booted(*self._pair))

    def ready(self):
        if not self._pair:
            self.boot()
        try:
            for vm in self._pair:
                harness.ensure_agent(vm)
        except GuestDied as death:
            print(f"booting both guests again: {str(death).splitlines()[0]}")
            self.boot()
            for vm in self._pair:
                harness.ensure_agent(vm)
        return self._pair

    def close(self):
        self._stack.close()


@pytest.fixture(scope="session")
def pair_keeper(new_guest):
    keeper = PairKeeper(new_guest)
    yield keeper
    keeper.close()


@pytest.fixture
def pair(pair_keeper):
    """Two guests (6.12, 6.1) that live through many tests, each with its agent running."""
    return pair_keeper.ready()


@pytest.fixture
def run_dir(tmp_path) -> Path:
    return tmp_path / "run.ivt"
