"""Two guests and the host, each with tracers of its own, in one run: what happened one after the other stands so."""

import os
import shutil
import subprocess

import pytest

import harness
from guestlab import guest, headers, kernels, stap
from harness import events, info, journal

ROUNDS = 8
ARMED_WITHIN = 1800  # seconds: a kernel's first script takes minutes to compile
SCRIPT = """
tracepoint:sched:sched_process_exec /str(args->filename) == "%s"/ { printf("%%llu exec\\n", nsecs); @execs = count(); }
"""


@pytest.fixture(scope="module")
def guests(new_guest):
    """A guest of 6.1 with SystemTap's runtime, and one of 6.12."""
    kernel = kernels.get("6.1")
    if lacks := stap.missing(kernel):
        pytest.skip(lacks)
    if not shutil.which("bpftrace"):
        pytest.skip("needs bpftrace (lab/setup installs it)")
    with guest.booted(new_guest("tracers61", "6.1", more_files=stap.files(), memory_mb=768), new_guest("tracers612")) as both:
        for vm in both:
            harness.ensure_agent(vm)
        yield both


def states(run) -> list[str]:
    latest = {(record["machine"], record["kind"], record["id"]): record["state"] for record in journal(run) if record["type"] == "tracer"}
    return sorted(latest.values())


def test_each_tracers_events_stand_in_the_order_of_what_happened(guests, tmp_path, run_dir):
    stapped, probed = guests
    program = tmp_path / "p"
    shutil.copy("/bin/busybox", program)
    watch = tmp_path / "watch.bt"
    watch.write_text(SCRIPT % program)
    wanted = ["--stap", f"{stapped.name}:{harness.ROOT}/examples/stap/disk.stp", "--stap-opt=-r",
              f"--stap-opt={headers.get(kernels.get('6.1'))}",
              "--probe", f"{probed.name}:uprobe:/bin/iv-probed:lab_turn turn",
              "--probe", f"host:uprobe:{harness.BIN}/lab/iv-probed:lab_turn turn",
              "--bpftrace", f"host:{watch}"]
    with harness.Recording(run_dir, *harness.named(*guests), "--events", "sched:sched_process_exit", *wanted,
                           env=os.environ | stap.environment()) as recording:
        def armed():
            assert recording.process.poll() is None, recording.said()
            return states(run_dir) == ["armed"] * 4
        harness.wait_until(armed, ARMED_WITHIN, lambda: f"not armed: {states(run_dir)} {recording.said()}")
        for turn in range(ROUNDS):
            stapped.check("iv-reads --target /dev/vda --count 1")
            probed.check("iv-probed --turns 1")
            subprocess.run([harness.BIN / "lab" / "iv-probed", "--turns", "1"], check=True, capture_output=True)
            subprocess.run([program], check=False, capture_output=True)  # busybox has no applet of that name: it was executed
            subprocess.run([harness.BIN / "ivtrace-mark", f"turn {turn}"], check=True)
        recording.stop(check=None)

    told = events(run_dir)
    order = [(line["machine"], line["name"]) for line in told
             if line["name"] in ("uprobe:lab_turn", "mark:instant", "bpftrace:watch")
             or line["name"] == "stap:disk_issue" and line["fields"]["task"] == "iv-reads"]
    assert order == [(stapped.name, "stap:disk_issue"), (probed.name, "uprobe:lab_turn"), ("host", "uprobe:lab_turn"),
                     ("host", "bpftrace:watch"), ("host", "mark:instant")] * ROUNDS
    assert [line["fields"]["name"] for line in told if line["name"] == "mark:instant"] == [f"turn {turn}" for turn in range(ROUNDS)]
    assert sorted((one["machine"] == "host", one["kind"], one["lost"]) for one in info(run_dir)["tracers"]) == [
        (False, "probe", 0), (False, "stap", 0), (True, "bpftrace", 0), (True, "probe", 0)]
