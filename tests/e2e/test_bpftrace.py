"""bpftrace on the host and in a guest: its lines are events on the run's clock, its maps are attached to the run."""

import os
import shutil
import signal
import subprocess

import pytest

import harness
from guestlab import programs
from harness import events, info, ivtrace, named

EXECS = 20
ARMED_WITHIN = 120  # seconds, of an emulated CPU: bpftrace loads a compiler first
SCRIPT = """
tracepoint:sched:sched_process_exec /str(args->filename) == "%(program)s"/ {
  printf("%%llu exec of %%d\\n", nsecs, pid);
  @execs = count();
}
END { printf("that was all\\n"); }
"""


@pytest.fixture(scope="session")
def bpftrace(tmp_path_factory):
    """Where bpftrace runs at all."""
    if not shutil.which("bpftrace"):
        pytest.skip("needs bpftrace (lab/setup installs it)")
    tried = subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], capture_output=True, text=True, timeout=60)
    if tried.returncode != 0:
        pytest.skip(f"bpftrace does not run on this kernel: {tried.stderr.strip()[-200:]}")


def script(tmp_path, text):
    path = tmp_path / "exec-watch.bt"
    path.write_text(text)
    return path


def program_of(tmp_path):
    """A program that nobody else on this machine runs."""
    program = tmp_path / "p"
    shutil.copy("/bin/busybox", program)
    return program


def test_lines_stand_among_the_kernels_events(bpftrace, tmp_path, run_dir):
    program = program_of(tmp_path)
    text = SCRIPT % {"program": program}
    runs = f"for i in $(seq {EXECS}); do {program} true; sleep 0.05; done"
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", "sched:sched_process_exec",
                   "--bpftrace", f"host:{script(tmp_path, text)}", "--", "sh", "-c", runs, check=None)
    assert done.returncode in (harness.OK, harness.LOSS), done.stderr
    check_exec_watch(run_dir, "host", program)


def check_exec_watch(run, machine: str, program) -> None:
    """What the script says of each execution stands beside the kernel's own event of it, in the machine's clock."""
    merged = events(run, "--machine", machine)
    execs = [line for line in merged if line["name"] == "sched:sched_process_exec" and line["fields"]["filename"] == str(program)]
    lines = [line for line in merged if line["name"] == "bpftrace:exec_watch"]
    timed = [line for line in lines if not line["fields"]["arrival"]]
    assert len(execs) == EXECS
    assert [line["fields"]["text"].split(" ", 1)[1] for line in timed] == [f"exec of {line['pid']}" for line in execs]
    # Each line lies nearer to its own event than the next execution does: they alternate.
    both = sorted((line["tsc"], line["name"]) for line in execs + timed)
    pairs = [{both[i][1], both[i + 1][1]} for i in range(0, 2 * EXECS, 2)]
    assert pairs == [{"sched:sched_process_exec", "bpftrace:exec_watch"}] * EXECS
    arrived = [line["fields"]["text"] for line in lines if line["fields"]["arrival"]]
    assert arrived == ["that was all"]

    told = info(run)["tracers"]
    assert [(one["machine"], one["kind"], one["name"], one["state"], one["lines"], one["lost"]) for one in told] == [
        (machine, "bpftrace", "exec_watch", "ended", EXECS + 1, 0)]
    assert f"@execs: {EXECS}" in open(told[0]["output"]).read().splitlines()
    assert "exec_watch" in ivtrace("info", run, check=None).stdout
    count = ivtrace("query", run, f"SELECT count(*) AS n FROM event WHERE system = 'bpftrace' AND machine = '{machine}'", "--json", check=None).stdout
    assert f'"n":{EXECS + 1}' in count.replace(" ", "")


def test_a_script_that_is_wrong_is_told_and_the_rest_recorded(bpftrace, tmp_path, run_dir):
    wrong = script(tmp_path, "tracepoint:no:such_event { }\n")
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", "sched:sched_process_exec", "--bpftrace", f"host:{wrong}",
                   "--", "/bin/true", check=None)
    assert done.returncode in (harness.OK, harness.LOSS)
    assert "bpftrace" in done.stderr and "such_event" in done.stderr
    told = info(run_dir)["tracers"]
    assert [(one["state"], bool(one["detail"])) for one in told] == [("failed", True)]
    assert events(run_dir, name="sched:sched_process_exec")


def test_a_script_that_is_not_there(run_dir, tmp_path):
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", "sched:sched_process_exec",
                   "--bpftrace", f"host:{tmp_path}/none.bt", "--", "/bin/true", check=None)
    assert f"{tmp_path}/none.bt" in done.stderr


@pytest.mark.parametrize("option", ["nonsense", ":x.bt", "host:"])
def test_what_is_not_understood_is_a_usage_error(option, run_dir):
    done = ivtrace("record", "-o", run_dir, "--bpftrace", option, check=harness.USAGE)
    assert "--bpftrace" in done.stderr and "host:latency.bt" in done.stderr
    assert not run_dir.exists()


def test_a_killed_recorder_leaves_no_bpftrace(bpftrace, tmp_path, run_dir):
    endless = script(tmp_path, "interval:s:1 { printf(\"tick\\n\"); }\n")
    with harness.Recording(run_dir, "--no-guests", "--events", "sched:sched_process_exec", "--bpftrace", f"host:{endless}") as recording:
        def armed():
            return any(record["type"] == "tracer" and record["state"] == "armed" for record in harness.journal(run_dir))
        harness.wait_until(armed, 60, recording.said)
        children = subprocess.run(["pgrep", "-P", str(recording.process.pid)], capture_output=True, text=True).stdout.split()
        assert children
        recording.process.send_signal(signal.SIGKILL)
        recording.process.wait()
        harness.wait_until(lambda: not any(os.path.exists(f"/proc/{child}/exe") for child in children), 30, "bpftrace goes on")
    ivtrace("cleanup", check=None)


def test_a_guest_without_bpftrace_says_what_to_install(pair, tmp_path, run_dir):
    vm = pair[0]
    done = ivtrace("record", "-o", run_dir, *named(vm), "--events", "sched:sched_process_exec",
                   "--bpftrace", f"{vm.name}:{script(tmp_path, 'BEGIN { exit(); }')}", "--duration", "1s", check=None)
    assert f"{vm.name}: bpftrace" in done.stderr and "there is no bpftrace on this machine" in done.stderr
    assert "apt-get install bpftrace" in done.stderr
    assert [one["state"] for one in info(run_dir)["tracers"]] == ["failed"]


def armed(run, recording) -> bool:
    assert recording.process.poll() is None, recording.said()
    states = [record["state"] for record in harness.journal(run) if record["type"] == "tracer"]
    assert "failed" not in states, recording.said()
    return "armed" in states


def test_lines_of_a_guest_stand_among_its_kernels_events(new_guest, tmp_path, run_dir):
    """bpftrace itself in a guest: from a disk, since it has 200 MB of libraries."""
    if not shutil.which("bpftrace"):
        pytest.skip("needs bpftrace (lab/setup installs it)")
    with new_guest("bpftrace", disk=False, more_disks=[programs.disk(["/usr/bin/bpftrace"])], modules=programs.MODULES) as vm:
        vm.check("mount -t debugfs nodev /sys/kernel/debug && mount -t tracefs nodev /sys/kernel/tracing")  # as systemd does
        programs.enter(vm, "/dev/vda")
        vm.check("cp /bin/busybox /tmp/p")
        harness.ensure_agent(vm)
        watch = script(tmp_path, SCRIPT % {"program": "/tmp/p"})
        with harness.Recording(run_dir, *named(vm), "--events", "sched:sched_process_exec", "--bpftrace", f"{vm.name}:{watch}") as recording:
            harness.wait_until(lambda: armed(run_dir, recording), ARMED_WITHIN, recording.said)
            # The host marks each execution before it and after it.
            for turn in range(EXECS):
                subprocess.run([harness.BIN / "ivtrace-mark", f"before {turn}"], check=True)
                vm.run("/tmp/p")  # busybox has no applet of that name: it was executed
                subprocess.run([harness.BIN / "ivtrace-mark", f"behind {turn}"], check=True)
            recording.stop(check=None)
    check_exec_watch(run_dir, vm.name, "/tmp/p")
    order = [line["fields"]["name"] if line["name"] == "mark:instant" else line["name"] for line in events(run_dir)
             if line["name"] == "mark:instant" or line["name"] == "bpftrace:exec_watch" and not line["fields"]["arrival"]]
    assert order == [name for turn in range(EXECS) for name in (f"before {turn}", "bpftrace:exec_watch", f"behind {turn}")]
