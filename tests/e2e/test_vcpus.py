"""What `ivtrace vcpus` tells of two guests whose vCPUs share one CPU of the host."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

import harness
from harness import info, ivtrace, named

BUSY, QUIET = 3, 2  # seconds
LOOP = f"timeout {BUSY} sh -c 'while :; do :; done'"


@contextlib.contextmanager
def on_one_cpu(threads):
    """Binds threads to the machine's last CPU, and gives each back its own."""
    before = {thread: os.sched_getaffinity(thread) for thread in threads}
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {max(os.sched_getaffinity(0))})
        yield
    finally:
        for thread, cpus in before.items():
            os.sched_setaffinity(thread, cpus)


def vcpu_thread(vm) -> int:
    threads = {vcpu["thread"] for vcpu in harness.guest_view(vm.name)["vcpus"]}
    if len(threads) != 1:
        pytest.skip("each vCPU has a thread of its own here: the test binds the one that runs all")
    return threads.pop()


def vcpus_of(run, *args) -> dict:
    told = json.loads(ivtrace("vcpus", run, "--json", *args, check=None).stdout)["vcpus"]
    return {vcpu["machine"]: vcpu for vcpu in told}


@pytest.fixture(scope="module")
def contended(pair_keeper, tmp_path_factory):
    """Both guests compute on one CPU, beside a task of the host's own; then the first one has nothing to do."""
    first, second = pair_keeper.ready()
    run = tmp_path_factory.mktemp("vcpus") / "run.ivt"
    for vm in (first, second):
        harness.ensure_agent(vm)
    threads = [vcpu_thread(vm) for vm in (first, second)]
    with on_one_cpu(threads), harness.Recording(run, *named(first, second), "--profile", "cpu") as recording:
        recording.wait_for(["host", first.name, second.name])
        task = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}))
        try:
            jobs = [vm.start(LOOP) for vm in (first, second)]
            for job in jobs:
                job.wait(60)
        finally:
            task.kill()
            task.wait()
        time.sleep(QUIET)
        recording.stop(check=None)
    return run, first, second, task.pid, vcpus_of(run)


def test_who_had_the_cpu_is_named_guest_and_task(contended):
    run, first, second, task, vcpus = contended
    for vm, other in ((first, second), (second, first)):
        states, by = vcpus[vm.name]["states"], vcpus[vm.name]["preempted_by"]
        waited = states["preempted"]["total_ns"]
        assert sum(one["total_ns"] for one in by) == pytest.approx(waited, rel=1e-6)
        # Three want one CPU, beside whatever else this machine does.
        assert sum(one["total_ns"] for one in by if one["machine"] == other.name) > 0.05 * waited, by
        mine = [one for one in by if one["tid"] == task]
        assert len(mine) == 1 and mine[0]["machine"] == "host" and mine[0]["total_ns"] > 0.05 * waited, by


def test_states_fill_the_time_and_an_idle_guest_is_halted(contended):
    run, first, second, _, vcpus = contended
    whole = {vm.name: vcpus[vm.name] for vm in (first, second)}
    idle = vcpus_of(run, "--from", f"{info(run)['duration_ns'] / 1e9 - QUIET / 2}")
    for name, vcpu in whole.items():
        assert set(vcpu["states"]) <= {"running", "preempted", "halted", "blocked"}  # TCG: no exits are seen
        assert sum(state["total_ns"] for state in vcpu["states"].values()) == pytest.approx(vcpu["known_ns"], rel=1e-6)
        assert idle[name]["states"]["halted"]["share"] > vcpu["states"]["halted"]["share"]


def test_a_range_is_a_part_of_it_and_text_says_the_same(contended):
    run, first, _, _, vcpus = contended
    part = json.loads(ivtrace("vcpus", run, "-g", first.name, "--from", "1", "--until", "2", "--json", check=None).stdout)["vcpus"]
    assert [vcpu["machine"] for vcpu in part] == [first.name]
    assert part[0]["known_ns"] + part[0]["unknown_ns"] == pytest.approx(1e9, rel=0.01)
    text = ivtrace("vcpus", run, "-g", first.name, check=None).stdout
    assert f"{first.name} vCPUs 0, 1 (thread {vcpus[first.name]['thread']})" in text
    most = max((one for one in vcpus[first.name]["preempted_by"] if one["tid"] > 0), key=lambda one: one["total_ns"])
    assert f"behind {most['machine']}: {most['comm']}-{most['tid']}" in text, text


def test_a_run_without_the_scheduler_says_what_to_record(contended, tmp_path):
    run = tmp_path / "run.ivt"
    ivtrace("record", "-o", run, "--no-guests", "--duration", "200ms", "--events", "block:block_rq_issue")
    assert "--profile cpu" in ivtrace("vcpus", run, check=harness.FAILED).stderr
