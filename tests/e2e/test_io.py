"""Guests' disk requests tied to the host's by address, whatever QEMU does in between."""

import json
import os
import subprocess
import time

import pytest

import harness
from guestlab import disks, guest, kernels
from harness import ivtrace, named

READS = 200
ALL_PHASES = {"guest_queue", "to_qemu", "qemu_to_host", "to_host", "host_queue", "device", "to_guest", "guest_completion", "return", "unattributed"}


def io(run, *args) -> dict:
    return json.loads(ivtrace("io", run, "--json", *args).stdout)


def record_reads(vm, run, *arguments, also=()) -> dict:
    """Records `READS` direct reads of one guest; gives what the load said."""
    harness.ensure_agent(vm)
    with harness.Recording(run, *named(vm, *also)) as recording:
        recording.wait_for(["host", vm.name])
        load = json.loads(vm.start(f"iv-reads --seconds 0 --count {READS} {' '.join(arguments)}").wait(60)[1])
        recording.stop(check=None)
    return load


def reads_of(told: dict, vm) -> dict:
    groups = [group for group in told["groups"] if group["machine"] == vm.name and group["direction"] == "read"]
    assert len(groups) == 1, told["groups"]
    return groups[0]


@pytest.mark.parametrize("aio", ["threads", "native", "io_uring"])
def test_every_direct_read_is_tied_by_address_in_every_aio_mode(aio, new_guest, tmp_path):
    with new_guest(f"io-{aio.replace('_', '')}", aio=aio) as vm:
        record_reads(vm, tmp_path / "run.ivt")
        told = io(tmp_path / "run.ivt", "--slowest", "3")
    reads = reads_of(told, vm)
    assert reads["requests"] == READS and reads["ties"] == {"address": READS}, reads
    assert reads["unattributed_share"] < 0.05
    assert f"raw, {aio}, none" in reads["image"]
    phases = {phase["phase"]: phase for phase in reads["phases"]}
    assert set(phases) <= ALL_PHASES and {"guest_queue", "host_queue", "device"} <= set(phases)
    assert phases["device"]["requests"] == READS
    # QEMU's own call is seen, so the way to the host has its boundary.
    assert phases["to_qemu"]["requests"] > 0.9 * READS, phases
    assert sum(phase["total_ns"] for phase in reads["phases"]) == pytest.approx(reads["mean_ns"] * READS, rel=0.01)
    assert [len(told["slowest"]), told["slowest"][0]["took_ns"]] == [3, reads["max_ns"]]
    for request in told["slowest"]:
        assert sum(step["took_ns"] for step in request["steps"]) == pytest.approx(request["took_ns"], abs=len(request["steps"]) + 1)
