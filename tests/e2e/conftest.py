"""Fixtures: real guests, booted once for all tests that can share them."""

import os
import shutil
import signal
from pathlib import Path

import pytest

import harness
from guestlab import disks, guest, kernels

SERIES = ("6.12", "6.1")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a killed run must still clean up
    missing = [str(path) for path in (harness.BIN / "ivtrace", harness.BIN / "ivtrace-agent", harness.BIN / "lab" / "iv-storm") if not path.exists()]
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

    def make(name: str, series: str = "6.12", disk: bool = True, aio: str = "native", **options) -> guest.Guest:
        images = [disks.Disk(disks.make_image(image_dir / f"{name}.img", 64), aio=aio)] if disk else []
        return guest.Guest(f"{name}-{os.getpid()}", kernels.get(series), disks=images, files=harness.guest_files(), **options)

    return make


@pytest.fixture(scope="session")
def booted_pair(new_guest):
    pair = [new_guest(f"e2e{series.replace('.', '')}", series, memory_mb=768) for series in SERIES]
    with guest.booted(*pair):
        yield pair


@pytest.fixture
def pair(booted_pair):
    """The two long-lived guests (6.12, 6.1), each with its agent running."""
    for vm in booted_pair:
        harness.ensure_agent(vm)
    return booted_pair


@pytest.fixture
def run_dir(tmp_path) -> Path:
    return tmp_path / "run.ivt"
