"""Either side may die or come at any moment; what was recorded stays."""

import json
import os
import signal
import subprocess
import time

import harness
from harness import events, info, ivtrace, named
from guestlab import guest

BLOCK = "block:block_rq_issue,block:block_rq_complete"
FEW_READS = "iv-reads --seconds 0 --count 20 --list 1"


def reads(vm: guest.Guest) -> list[int]:
    """Makes a few reads in a guest and gives back their sectors."""
    return json.loads(vm.check(FEW_READS))["sectors"]


def issued(run, vm: guest.Guest, machine: str | None = None) -> list[int]:
    return [harness.field(line, "sector") for line in events(run, "--machine", machine or vm.name, name="block:block_rq_issue")]


def wait_until_issued(recording: harness.Recording, vm: guest.Guest, sectors: list[int]) -> None:
    """Waits until the run has these reads, behind others: an idle guest's data may lag."""
    harness.wait_until(lambda: issued(recording.run, vm)[-len(sectors):] == sectors, 30, lambda: f"the reads are not in the run: {recording.said()}")


def kill_agent(vm: guest.Guest) -> None:
    vm.check("kill -9 $(pidof ivtrace-agent); while pidof ivtrace-agent >/dev/null; do usleep 10000; done")


def test_a_killed_agent_is_started_again_while_recording(pair, run_dir):
    vm = pair[1]
    with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as recording:
        recording.wait_for([vm.name])
        first = reads(vm)
        wait_until_issued(recording, vm, first)
        kill_agent(vm)
        harness.start_agent(vm)
        second: list[int] = []

        def taken_up() -> bool:
            # The recorder takes the new agent up by itself; reads made before that are nobody's.
            second.extend(reads(vm))
            return len({record["generation"] for record in harness.journal(run_dir)
                        if record["type"] == "segment" and record["machine"] == vm.name}) > 1

        harness.wait_until(taken_up, 30, lambda: f"the new agent was not taken up: {recording.said()}")
        last = reads(vm)
        time.sleep(1)
        recording.stop(None)
    seen = issued(run_dir, vm)
    assert seen[:len(first)] == first
    assert seen[-len(last):] == last
    assert harness.guest_instances(vm) == set()


def test_an_agent_that_comes_after_the_recorder_is_used(pair, run_dir):
    vm = pair[0]
    kill_agent(vm)
    with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as recording:
        recording.wait_for(["host"])
        harness.start_agent(vm)
        harness.wait_until(lambda: issued_some(run_dir, vm), 30, lambda: f"the agent was not taken up: {recording.said()}")
        last = reads(vm)
        time.sleep(1)
        recording.stop(None)
    assert issued(run_dir, vm)[-len(last):] == last


def issued_some(run, vm: guest.Guest) -> bool:
    reads(vm)
    return any(record["type"] == "segment" and record["machine"] == vm.name for record in harness.journal(run))


def test_one_agent_serves_one_recording_after_another(pair, tmp_path):
    vm = pair[0]
    before = vm.check("pidof ivtrace-agent")
    for index in range(3):
        run = tmp_path / f"{index}.ivt"
        with harness.Recording(run, *named(vm), "--events", BLOCK) as recording:
            recording.wait_for([vm.name])
            made = reads(vm)
            recording.stop(harness.OK)
        assert issued(run, vm) == made
    assert vm.check("pidof ivtrace-agent") == before


def test_a_killed_recorders_run_is_whole_and_cleanup_salvages_the_rest(pair, run_dir, tmp_path):
    vm = pair[0]
    stranger = "notivtrace"
    with_tracefs = lambda script: subprocess.run(["unshare", "-m", "sh", "-ec", f"mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true; {script}"], check=True)
    with_tracefs(f"mkdir /sys/kernel/tracing/instances/{stranger}")
    try:
        with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as recording:
            recording.wait_for(["host", vm.name])
            made = reads(vm)
            wait_until_issued(recording, vm, made)
            before_kill = harness.tracing_instances(recording.process.pid)
            recording.process.kill()
            recording.process.wait()
        readable = copy = harness.copy_run(run_dir, tmp_path / "copy.ivt")
        assert issued(readable, vm) == made
        assert before_kill == harness.tracing_instances(recording.process.pid) != set(), "the killed recorder's instance went by itself?"
        ivtrace("cleanup", check=None)
        assert harness.tracing_instances(recording.process.pid) == set()
        with_tracefs(f"test -d /sys/kernel/tracing/instances/{stranger}")
        assert issued(run_dir, vm) == made
        assert len(events(run_dir, "--machine", "host")) >= len(events(copy, "--machine", "host"))
    finally:
        with_tracefs(f"rmdir /sys/kernel/tracing/instances/{stranger}")
    with harness.Recording(tmp_path / "next.ivt", *named(vm), "--events", BLOCK) as recording:
        recording.wait_for([vm.name])
        made = reads(vm)
        recording.stop(None)
    assert issued(tmp_path / "next.ivt", vm) == made


def test_the_next_recording_clears_up_after_a_killed_recorder(pair, run_dir, tmp_path):
    vm = pair[1]
    with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as recording:
        recording.wait_for(["host", vm.name])
        killed = recording.process.pid
        assert harness.tracing_instances(killed)
        recording.process.kill()
        recording.process.wait()
    with harness.Recording(tmp_path / "next.ivt", *named(vm), "--events", BLOCK) as recording:
        recording.wait_for([vm.name])
        made = reads(vm)
        recording.stop(None)
    assert issued(tmp_path / "next.ivt", vm) == made
    assert harness.tracing_instances(killed) == set()
    ended = [record for record in harness.journal(run_dir) if record["type"] == "end"]
    assert [record["reason"] for record in ended] == ["salvaged"]


def test_a_guest_that_comes_and_crashes_keeps_what_it_delivered(new_guest, run_dir):
    """Boots while the recording runs; then QEMU is killed as in a crash, and started again on the same ring file."""
    with harness.Recording(run_dir, "--events", f"{BLOCK},{harness.STORM_EVENT}") as recording:
        recording.wait_for(["host"])
        with new_guest("comes") as vm:
            harness.start_agent(vm)
            recording.wait_for([vm.name])
            made = reads(vm)
            vm.start("iv-storm --count 100000000 --rate 2000")
            time.sleep(1)
            # These events are older than the answer, and the crash comes after that.
            vm.check("iv-storm --count 1; usleep 300000")
            answered = time.time_ns()
            vm.kill9()
            killed = time.time_ns()
            harness.wait_until(lambda: any(record["type"] == "gone" and record["machine"] == vm.name for record in harness.journal(run_dir)),
                               20, lambda: f"nobody saw the guest go: {recording.said()}")
            with new_guest("comes") as again:
                harness.start_agent(again)
                next_life = f"{again.name}-2"
                recording.wait_for([next_life])
                more = reads(again)
                time.sleep(1)
        recording.stop(None)
    assert issued(run_dir, again, next_life) == more
    assert info(run_dir)["by_name"]["host"]["events"] > 0
    assert issued(run_dir, vm) == made
    last = harness.wall_clock(run_dir, events(run_dir, "--machine", vm.name, name=harness.STORM_EVENT)[-1]).timestamp() * 1e9
    print(f"the last event came {(killed - last) / 1e6:.1f} ms before QEMU's death")
    assert last > answered - 300_000_000 - 1_000_000_000, "data from before the crash is missing"


def epochs_of(run, vm: guest.Guest) -> int:
    """A record with the beginning of an earlier one makes that epoch sharper; it is no new one."""
    return len({record["epoch"]["valid_from"] for record in harness.journal(run) if record["type"] == "epoch" and record["machine"] == vm.name})


def test_a_pause_of_the_guest_starts_a_new_clock_epoch(pair, run_dir):
    """Under TCG stop/cont shifts the guest's TSC by the pause; both sides of it must be right."""
    vm = pair[0]
    epochs = 2 if harness.is_tcg(vm) else 1
    with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as recording:
        recording.wait_for([vm.name])
        before = reads(vm)
        wait_until_issued(recording, vm, before)
        time.sleep(1)  # heartbeats behind the reads: they bound when the pause can have begun
        vm.qmp("stop")
        time.sleep(2)
        vm.qmp("cont")
        # Two bursts must agree on the new offset.
        harness.wait_until(lambda: epochs_of(run_dir, vm) == epochs, 60, lambda: f"no new epoch was found: {recording.said()}")
        after = reads(vm)
        time.sleep(1)
        recording.stop(None)
    clock = info(run_dir)["by_name"][vm.name]["clock"]
    assert clock["aligned"]
    assert harness.count(clock["epochs"]) == epochs
    assert issued(run_dir, vm) == before + after
    times = [line["ts_ns"] for line in events(run_dir, "--machine", vm.name, name="block:block_rq_issue")]
    pause = times[len(before)] - times[len(before) - 1]
    assert pause > 2_000_000_000, f"the pause took {pause} ns of the merged time"
    tied, made = harness.tied_reads(run_dir, vm)
    assert tied == made


def test_ctrl_c_ends_a_recording_and_keeps_the_run(run_dir):
    with harness.Recording(run_dir, "--events", BLOCK) as recording:
        recording.wait_for(["host"])
        recording.process.send_signal(signal.SIGINT)
        recording.wait(None)
    assert [record["reason"] for record in harness.journal(run_dir) if record["type"] == "end"] == ["signal"]


def test_a_recording_lasts_as_long_as_its_command(run_dir):
    done = ivtrace("record", "-o", run_dir, "--quiet", "--events", "sched:sched_process_exec", "--", "/bin/true", check=None)
    assert done.returncode in (harness.OK, harness.LOSS)
    assert [record["reason"] for record in harness.journal(run_dir) if record["type"] == "end"] == ["command"]
    assert "/bin/true" in {harness.field(line, "filename") for line in events(run_dir, name="sched:sched_process_exec")}
    assert os.path.exists(run_dir / "manifest.json")
