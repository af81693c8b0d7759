"""The truth about loss, against counts that the loads keep themselves."""

import json
import signal
import time

import pytest

import harness
from guestlab import guest
from harness import events, info, named

# More than a small ring and small kernel buffers hold while nobody drains them: some must be lost. Yet done, on a
# loaded machine too, before the agents take a recorder that stands still for dead.
STORM, SMALL_RING_MB = 60_000, 1
SMALL_BUFFER = ["--buffer-size", "256K"]
STANDSTILL_SECONDS = 14
BUSY_READS = 1500  # so many that some are sure to end while the agent runs


@pytest.fixture(scope="module")
def storm(new_guest, tmp_path_factory):
    """A storm in two guests while the recorder stands still. Gives (run, guests, counts per CPU of each)."""
    booted_pair = [new_guest(f"storm{series.replace('.', '')}", series, disk=False, ring_mb=SMALL_RING_MB) for series in ("6.12", "6.1")]
    run = tmp_path_factory.mktemp("storm") / "run.ivt"
    with guest.booted(*booted_pair):
        for vm in booted_pair:
            harness.ensure_agent(vm)
        with harness.Recording(run, *named(*booted_pair), *SMALL_BUFFER, "--events", harness.STORM_EVENT) as recording:
            recording.wait_for(vm.name for vm in booted_pair)
            recording.process.send_signal(signal.SIGSTOP)
            jobs = [vm.start(f"iv-storm --count {STORM}") for vm in booted_pair]
            loads = [json.loads(job.wait(120)[1]) for job in jobs]
            recording.process.send_signal(signal.SIGCONT)
            recording.stop(harness.LOSS)
    return run, booted_pair, [{int(cpu): count for cpu, count in load["counts"].items()} for load in loads]


def test_delivered_and_lost_add_up_to_what_the_load_made(storm):
    run, pair, counts = storm
    told = info(run, check=harness.LOSS)["by_name"]
    for vm, made in zip(pair, counts):
        machine = told[vm.name]
        assert machine["lost"] > 0, "the storm was too small to lose anything"
        assert machine["events"] + machine["lost"] == sum(made.values())


def test_the_report_tells_each_cpus_loss_at_its_place(storm):
    run, pair, counts = storm
    for vm, made in zip(pair, counts):
        delivered: dict[int, int] = {}
        lost: dict[int, int] = {}
        for line in harness.report(run, "--machine", vm.name, check=harness.LOSS):
            if harness.is_event(line):
                delivered[line["cpu"]] = delivered.get(line["cpu"], 0) + 1
            else:
                lost[line["cpu"]] = lost.get(line["cpu"], 0) + line["lost"]
        assert {cpu: delivered.get(cpu, 0) + lost.get(cpu, 0) for cpu in made} == made


def test_the_text_report_shows_the_loss(storm):
    run, pair, _ = storm
    text = harness.ivtrace("report", run, "--machine", pair[0].name, check=harness.LOSS).stdout
    assert "lost" in text.lower()


@pytest.mark.parametrize("index", [0, 1], ids=["6.12", "6.1"])
def test_what_a_recorder_that_stood_still_missed_is_told(pair, run_dir, index):
    """The agent takes a recorder that stands still for long for dead. What came meanwhile is there, or told as lost."""
    vm = pair[index]
    count = 3000
    with harness.Recording(run_dir, *named(vm), "--events", harness.STORM_EVENT) as recording:
        recording.wait_for([vm.name])
        recording.process.send_signal(signal.SIGSTOP)
        vm.check(f"iv-storm --count {count}")
        time.sleep(STANDSTILL_SECONDS)
        vm.check(f"iv-storm --count {count}")
        recording.process.send_signal(signal.SIGCONT)
        time.sleep(2)
        recording.stop(None)
    machine = info(run_dir)["by_name"][vm.name]
    known = machine["events"] + machine["lost"]
    assert known == 2 * 2 * count or (known < 2 * 2 * count and machine["lost_more"]), f"{known} of {4 * count} events accounted for"


@pytest.mark.parametrize("index", [0, 1], ids=["6.12", "6.1"])
def test_completions_that_interrupt_the_agent_are_counted(pair, run_dir, index):
    """Block completions that arrive while the agent runs on that CPU are recorded like all others.

    Reads and their interrupts are held on CPU 1, the agent too, and a steady
    storm there keeps the agent at work.
    """
    vm = pair[index]
    with harness.Recording(run_dir, *named(vm), "--buffer-size", "32M",
                           "--events", f"block:block_rq_issue,block:block_rq_complete,{harness.STORM_EVENT}") as recording:
        recording.wait_for([vm.name])
        agent = {int(task) for task in vm.check("ls /proc/$(pidof ivtrace-agent)/task").split()}
        vm.check(f"for task in {' '.join(map(str, agent))}; do taskset -p 2 $task; done")
        noise = vm.start("taskset 2 iv-storm --count 100000000 --rate 100000")
        load = json.loads(vm.run(f"taskset 2 iv-reads --seconds 0 --count {BUSY_READS} --list 1", 60)[1])
        noise.signal("KILL")
        noise.wait(10)
        vm.run(f"for task in {' '.join(map(str, agent))}; do taskset -p 3 $task; done")
        recording.stop(None)
    assert info(run_dir)["by_name"][vm.name]["lost"] == 0
    completions = events(run_dir, "--machine", vm.name, name="block:block_rq_complete")
    assert sorted(harness.field(line, "sector") for line in completions) == sorted(load["sectors"])
    on_agent = sum(line["pid"] in agent for line in completions)
    print(f"{on_agent} of {len(completions)} completions interrupted the agent")
    assert on_agent > 0, "no completion interrupted the agent: the test did not test"
