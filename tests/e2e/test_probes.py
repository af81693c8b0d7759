"""Dynamic probes: on functions of a guest's kernel, on programs of a guest and of the host. Counts are exact, as the load
tells how often it did what is probed."""

import json
import os
import signal
import subprocess

import pytest

import harness
from harness import field, info, ivtrace, named

PROBED = "/bin/iv-probed"
TURNS = 1000
QUIET_EVENT = "sched:sched_process_exit"


def tracer_records(run, machine: str) -> list[dict]:
    """What became of a machine's probes, in the order in which they were asked for."""
    latest = {record["id"]: record for record in harness.journal(run) if record["type"] == "tracer" and record["machine"] == machine}
    return [latest[number] for number in sorted(latest)]


def probe_options(machine: str, *specs: str) -> list[str]:
    return [word for spec in specs for word in ("--probe", f"{machine}:{spec}")]


def probes_of_program(path) -> list[str]:
    return [f"uprobe:{path}:lab_turn turn label:string below",
            f"uretprobe:{path}:lab_turn ret:u64",
            f"usdt:{path}:lab:counted turn=arg1 doubled=arg2 label=arg3:string",
            f"usdt:{path}:lab:guarded turn=arg1"]


def check_program_events(run, machine: str, label: str) -> None:
    """Each probe once a turn, with the values that the program had."""
    def seen(name: str) -> list[dict]:
        return harness.events(run, "--machine", machine, name=name)

    entered = seen("uprobe:lab_turn")
    assert [field(line, "turn") for line in entered] == list(range(TURNS))
    assert [field(line, "below") for line in entered] == [-turn for turn in range(TURNS)]
    assert {field(line, "label") for line in entered} == {label}
    assert [field(line, "ret") for line in seen("uretprobe:lab_turn")] == [2 * turn for turn in range(TURNS)]
    counted = seen("usdt:counted")
    assert [(field(line, "turn"), field(line, "doubled")) for line in counted] == [(turn, 2 * turn) for turn in range(TURNS)]
    assert {field(line, "label") for line in counted} == {label}
    assert [field(line, "turn") for line in seen("usdt:guarded")] == list(range(TURNS))


def left_probes(dynamic_events: str) -> list[str]:
    return [line for line in dynamic_events.splitlines() if ":ivtrace_" in line]


def probes_in(vm) -> list[str]:
    return left_probes(vm.check("mkdir -p /tmp/t && mount -t tracefs none /tmp/t && cat /tmp/t/dynamic_events; umount /tmp/t"))


def probes_on_host(pid: int | None = None) -> list[str]:
    """Of that owner, or of any that tests on this program may have left."""
    script = "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; cat /sys/kernel/tracing/dynamic_events"
    listed = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True).stdout
    mark = f":ivtrace_{pid}_" if pid else str(harness.BIN)
    return [line for line in left_probes(listed) if mark in line]


@pytest.mark.parametrize("which", [0, 1], ids=["6.12", "6.1"])
def test_functions_of_a_guests_kernel_are_probed(pair, run_dir, which):
    vm = pair[which]
    specs = ["kprobe:vfs_read count", "kretprobe:vfs_read ret", "kprobe:vfs_read+0 regs_count=%dx:u64", "kprobe:vfs_raed"]
    with harness.Recording(run_dir, *named(vm), "--events", QUIET_EVENT, *probe_options(vm.name, *specs)) as recording:
        recording.wait_for([vm.name])
        vm.check(f"dd if=/dev/zero of=/dev/null bs=777 count={TURNS} 2>/dev/null")
        recording.stop()
        assert "no function vfs_raed in this kernel; nearest: vfs_read" in recording.said()
    armed = tracer_records(run_dir, vm.name)
    assert [(record["name"], record["state"]) for record in armed] == [
        ("kprobe:vfs_read", "ended"), ("kretprobe:vfs_read", "ended"), ("kprobe:vfs_read_2", "ended"), ("", "failed")]
    assert [record["lost"] for record in armed] == [0, 0, 0, 0]
    assert armed[0]["source"] == specs[0] and "vfs_read count=%dx:u64" in armed[0]["detail"]

    def times(name: str, wanted: str) -> int:
        lines = harness.events(run_dir, "--machine", vm.name, name=name)
        return sum(field(line, wanted) == 777 for line in lines)

    assert times("kprobe:vfs_read", "count") == TURNS
    assert times("kretprobe:vfs_read", "ret") == TURNS
    assert times("kprobe:vfs_read_2", "regs_count") == TURNS
    # The agent reads the trace: recorded by these probes, each reading would make the next one.
    callers = {line["comm"] for name in ("kprobe:vfs_read", "kretprobe:vfs_read") for line in harness.events(run_dir, "--machine", vm.name, name=name)}
    assert "dd" in callers and "ivtrace-agent" not in callers
    assert probes_in(vm) == []


@pytest.mark.parametrize("which", [0, 1], ids=["6.12", "6.1"])
def test_programs_of_a_guest_are_probed(pair, run_dir, which):
    vm = pair[which]
    with harness.Recording(run_dir, *named(vm), "--events", QUIET_EVENT, *probe_options(vm.name, *probes_of_program(PROBED))) as recording:
        recording.wait_for([vm.name])
        told = json.loads(vm.check(f"iv-probed --turns {TURNS} --label guest"))
        recording.stop()
    assert told == {"turns": TURNS, "listened": TURNS}
    assert [record["state"] for record in tracer_records(run_dir, vm.name)] == ["ended"] * 4
    check_program_events(run_dir, vm.name, "guest")
    assert probes_in(vm) == []
    # Nobody listens any more: the semaphore is down again.
    assert json.loads(vm.check("iv-probed --turns 10"))["listened"] == 0


def test_an_fprobe_of_a_guest_or_a_word_why_not(pair, run_dir):
    vm = pair[0]
    specs = ["fprobe:vfs_read count", "fprobe:vfs_read%return ret"]
    with harness.Recording(run_dir, *named(vm), "--events", QUIET_EVENT, *probe_options(vm.name, *specs)) as recording:
        recording.wait_for([vm.name])
        vm.check(f"dd if=/dev/zero of=/dev/null bs=777 count={TURNS} 2>/dev/null")
        recording.stop()
    records = tracer_records(run_dir, vm.name)
    if records[0]["state"] == "failed":
        assert all("this kernel has no fprobe events" in record["detail"] for record in records), records
        pytest.skip(f"this guest's kernel has no fprobe events: {records[0]['detail']}")
    entered = harness.events(run_dir, "--machine", vm.name, name="fprobe:vfs_read")
    assert sum(field(line, "count") == 777 for line in entered) == TURNS
    left = harness.events(run_dir, "--machine", vm.name, name="fprobe:vfs_read_2")
    assert sum(field(line, "ret") == 777 for line in left) == TURNS


def record_program(run, *options) -> dict:
    """Records the host while the program runs, and gives back what that told."""
    program = [harness.BIN / "lab" / "iv-probed", "--turns", TURNS, "--label", "host"]
    done = ivtrace("record", "-o", run, "--no-guests", "--quiet", "--events", QUIET_EVENT, *options, "--", *program)
    return json.loads(done.stdout.splitlines()[0])


def test_programs_of_the_host_are_probed(run_dir):
    program = harness.BIN / "lab" / "iv-probed"
    told = record_program(run_dir, *probe_options("host", *probes_of_program(program)))
    assert told == {"turns": TURNS, "listened": TURNS}
    check_program_events(run_dir, "host", "host")
    assert probes_on_host() == []
    # What reads the run knows the events without being told of them.
    rows = ivtrace("query", run_dir, "SELECT count(*) AS n FROM event WHERE system = 'uprobe' AND name = 'lab_turn'", "--json").stdout
    assert json.loads(rows) == {"n": TURNS}
    told = info(run_dir)["tracers"]
    assert [(tracer["kind"], tracer["name"], tracer["lost"]) for tracer in told] == [
        ("probe", "uprobe:lab_turn", 0), ("probe", "uretprobe:lab_turn", 0), ("probe", "usdt:counted", 0), ("probe", "usdt:guarded", 0)]


def test_a_filter_on_a_probe_keeps_what_it_asks_for(run_dir):
    program = harness.BIN / "lab" / "iv-probed"
    record_program(run_dir, "--filter", "uprobe:lab_turn=turn>=990", *probe_options("host", f"uprobe:{program}:lab_turn turn"))
    assert [field(line, "turn") for line in harness.events(run_dir, name="uprobe:lab_turn")] == list(range(990, TURNS))


@pytest.mark.parametrize("event, said", [
    ("uprobe:lab_trun", "no probe of the host gives such an event (nearest: uprobe:lab_turn)"),
    ("stap:disk_issue", "put the condition into the script"),
])
def test_a_filter_that_means_no_probe_is_refused(run_dir, event, said):
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", QUIET_EVENT, "--duration", "100ms", "--filter", f"{event}=turn>=990",
                   *probe_options("host", f"uprobe:{harness.BIN}/lab/iv-probed:lab_turn turn"), check=harness.USAGE)
    assert f"--filter {event}: " in done.stderr and said in done.stderr
    assert not run_dir.exists() and probes_on_host() == []


def test_a_filter_that_means_no_probe_of_a_guest_is_told(pair, run_dir):
    vm = pair[0]
    done = ivtrace("record", "-o", run_dir, *named(vm), "--events", QUIET_EVENT, "--duration", "100ms", "--filter", "kprobe:vfs_raed=count>0",
                   *probe_options(vm.name, "kprobe:vfs_read count"), check=None)
    told = "--filter kprobe:vfs_raed: no machine has a probe that gives such an event (nearest: kprobe:vfs_read)"
    assert told in done.stderr
    assert told in [record["text"] for record in harness.journal(run_dir) if record["type"] == "note"]


@pytest.mark.parametrize("spec, said", [
    ("kprobe:vfs_read", "kprobes"),
    ("uprobe:{program}:lab_trun", "nearest: lab_turn"),
    ("uprobe:{program}:lab_turn nobody", "it has turn, label, below"),
    ("usdt:{program}:lab:countde", "nearest: lab:counted"),
    ("usdt:{program}:lab:guarded arg2", "no arg2: it has 1"),
    ("uprobe:/etc/passwd:main", "no program"),
    ("vfs_read", "not understood"),
])
def test_a_probe_of_the_host_that_cannot_be_set_ends_the_recording_before_it_begins(run_dir, spec, said):
    wanted = spec.format(program=harness.BIN / "lab" / "iv-probed")
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", QUIET_EVENT, "--duration", "100ms", "--probe", f"host:{wanted}", check=None)
    if done.returncode == harness.OK and wanted.startswith("kprobe:"):
        pytest.skip("this host's kernel has kprobes")
    assert done.returncode == harness.USAGE
    assert said in done.stderr
    assert not run_dir.exists()


def test_probes_of_a_killed_recorder_are_cleaned_up(run_dir, tmp_path):
    program = harness.BIN / "lab" / "iv-probed"
    with harness.Recording(run_dir, "--no-guests", "--events", QUIET_EVENT, *probe_options("host", *probes_of_program(program))) as recording:
        recording.wait_for(["host"])
        recording.process.send_signal(signal.SIGKILL)
        recording.process.wait()
    assert len(probes_on_host(recording.process.pid)) == 4
    told = json.loads(ivtrace("cleanup", "--json").stdout)
    assert f"uprobe:lab_turn of {recording.process.pid}" in told["removed_probes"]
    assert told["problems"] == []
    assert probes_on_host(recording.process.pid) == []


def test_probes_of_a_killed_agent_are_removed_by_the_next_one(pair, run_dir, tmp_path):
    vm = pair[0]
    options = probe_options(vm.name, "kprobe:vfs_read", f"uprobe:{PROBED}:lab_turn turn")
    with harness.Recording(run_dir, *named(vm), "--events", QUIET_EVENT, *options) as recording:
        recording.wait_for([vm.name])
        old = int(vm.check("pidof ivtrace-agent"))
        vm.check("kill -9 $(pidof ivtrace-agent); while pidof ivtrace-agent >/dev/null; do usleep 10000; done")
        assert len(probes_in(vm)) == 2
        vm.check("ivtrace-agent --cleanup")
        assert probes_in(vm) == []
        harness.start_agent(vm)
        # The recorder takes the new agent up, and its probes are set again.
        harness.wait_until(lambda: len(probes_in(vm)) == 2, 30, lambda: f"no new probes: {recording.said()}")
        assert all(f"ivtrace_{old}_" not in line for line in probes_in(vm))
        recording.stop(None)
    assert probes_in(vm) == []


def test_the_pack_for_qemu_marks_each_requests_way(pair, run_dir):
    vm, other = pair
    with harness.Recording(run_dir, *named(vm), "--events", "block:block_rq_issue,block:block_rq_complete", "--probe", "host:qemu") as recording:
        recording.wait_for([vm.name])
        sectors = json.loads(vm.check("iv-reads --seconds 0 --count 20 --list 1"))["sectors"]
        threads = {int(name) for name in os.listdir(f"/proc/{vm.pid}/task")}
        recording.stop()
    way = [line for line in harness.events(run_dir, "--machine", "host", "--event", "uprobe:*") if line["pid"] in threads]
    entered = [line for line in way if line["event"] == "blk_aio_preadv"]
    assert [field(line, "off") for line in entered] == [sector * 512 for sector in sectors]
    for line in entered:
        after = [later for later in way if later["ts_ns"] > line["ts_ns"]]
        pushed = next(i for i, later in enumerate(after)
                      if later["event"] == "virtqueue_push" and field(later, "request") == field(line, "request"))
        # The guest is told by another event than the next request's beginning.
        told = next(i for i, later in enumerate(after) if i > pushed and later["event"].startswith("virtio_notify"))
        begun = next((i for i, later in enumerate(after) if later["event"] == "blk_aio_preadv"), len(after))
        assert pushed < told < begun
    assert probes_on_host(recording.process.pid) == []


def test_the_pack_for_qemu_needs_a_guest(run_dir):
    done = ivtrace("record", "-o", run_dir, "--no-guests", "--events", QUIET_EVENT, "--duration", "100ms", "--probe", "host:qemu", check=harness.FAILED)
    assert "no guest is there" in done.stderr
