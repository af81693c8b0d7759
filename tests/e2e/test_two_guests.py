"""A calm recording of the host and two guests: counts, order across machines, filters, clean-up."""

import datetime
import json
import os
from pathlib import Path

import pytest

import harness
from harness import events, info, ivtrace, named, report

READS = 300
STORM = 2000
EVENTS = f"block:block_rq_issue,block:block_rq_complete,{harness.STORM_EVENT}"


@pytest.fixture(scope="module")
def calm(pair_keeper, tmp_path_factory):
    """One recording with known loads in both guests. Gives (run, guests, what the loads said, (recorder's pid, /dev/shm before))."""
    booted_pair = pair_keeper.ready()
    for vm in booted_pair:
        harness.ensure_agent(vm)
    run = tmp_path_factory.mktemp("calm") / "run.ivt"
    shared = set(os.listdir("/dev/shm"))
    with harness.Recording(run, *named(*booted_pair), "--events", EVENTS) as recording:
        recording.wait_for(["host", *(vm.name for vm in booted_pair)])
        jobs = [vm.start(f"iv-storm --count {STORM} --rate 4000 >/dev/null && iv-reads --seconds 0 --count {READS} --list 1") for vm in booted_pair]
        loads = [json.loads(job.wait(60)[1]) for job in jobs]
        recording.stop(harness.OK)
    return run, booted_pair, loads, (recording.process.pid, shared)


def test_info_knows_every_machine_and_its_clock(calm):
    run, pair, _, _ = calm
    told = info(run, check=harness.OK)
    assert set(told["by_name"]) >= {"host", *(vm.name for vm in pair)}
    assert told["by_name"]["host"]["kind"] == "host"
    for vm in pair:
        machine = told["by_name"][vm.name]
        assert machine["kind"] == "guest" and machine["lost"] == 0
        assert machine["events"] > 0 and machine["bytes"] > 0
        assert machine["clock"]["aligned"] and machine["clock"]["error_ns"] > 0
        assert machine["clock"]["epochs"] and machine["clock"]["source"]


def test_info_in_text_names_every_machine_and_kernel(calm):
    run, pair, _, _ = calm
    text = ivtrace("info", run).stdout
    for vm in pair:
        assert vm.name in text and vm.kernel.release in text


def test_every_event_of_the_storm_is_there_once(calm):
    run, pair, _, _ = calm
    for vm in pair:
        assert harness.per_cpu(events(run, "--machine", vm.name, name=harness.STORM_EVENT)) == {0: STORM, 1: STORM}


def test_every_read_is_issued_and_completed_once(calm):
    run, pair, loads, _ = calm
    for vm, load in zip(pair, loads):
        for event in ("block:block_rq_issue", "block:block_rq_complete"):
            sectors = [harness.field(line, "sector") for line in events(run, "--machine", vm.name, name=event)]
            assert sorted(sectors) == sorted(load["sectors"])


def test_guest_requests_enclose_the_hosts(calm):
    """Each guest read spans the host's request for the same bytes, within the clock's stated error."""
    run, pair, loads, _ = calm
    for vm, load in zip(pair, loads):
        assert harness.tied_reads(run, vm) == (load["count"], load["count"])


def test_the_report_is_in_order_of_time(calm):
    run, pair, _, _ = calm
    times = [line["ts_ns"] for line in events(run)]
    assert times == sorted(times)
    assert {line["machine"] for line in events(run)} >= {vm.name for vm in pair}


def test_report_lines_have_the_promised_members(calm):
    run, pair, _, _ = calm
    for line in events(run, "--machine", pair[0].name)[:50]:
        assert {"ts_ns", "machine", "cpu", "pid", "comm", "event"} <= set(line)
    reads = events(run, "--machine", pair[0].name, name="block:block_rq_issue")
    assert {line["comm"] for line in reads} == {"iv-reads"}


def test_text_and_json_tell_the_same_events(calm):
    run, pair, _, _ = calm
    choice = ["--machine", pair[0].name, "--event", "block:*"]
    text = ivtrace("report", run, *choice).stdout.splitlines()
    lines = report(run, *choice)
    assert sum("block_rq_" in line for line in text) == len(lines)
    assert any(str(harness.field(lines[0], "sector")) in line for line in text)


def test_filters_choose_what_they_name(calm):
    run, pair, _, _ = calm
    everything = [line for line in events(run) if line["machine"] == pair[0].name]
    name = ["--machine", pair[0].name]
    assert events(run, *name) == everything
    assert events(run, *name, "--cpu", 1) == [line for line in everything if line["cpu"] == 1]
    assert events(run, *name, "--event", "block:*") == [line for line in everything if line["system"] == "block"]
    pid = everything[0]["pid"]
    assert events(run, *name, "--pid", pid) == [line for line in everything if line["pid"] == pid]


def test_from_and_until_cut_at_seconds_and_iso_times(calm):
    run, pair, _, _ = calm
    lines = events(run, "--machine", pair[0].name)
    middle = lines[len(lines) // 2]
    before, after = middle["ts_ns"] - 1_000_000, middle["ts_ns"] + 1_000_000
    expected = [line for line in lines if before <= line["ts_ns"] <= after]
    name = ["--machine", pair[0].name]
    assert events(run, *name, "--from", f"{before / 1e9:.9f}", "--until", f"{after / 1e9:.9f}") == expected
    assert events(run, *name, "--from", f"@{middle['tsc']}", "--until", f"@{middle['tsc']}")[0] == middle
    # Wall-clock time is no finer than the anchors: the cut is right to a millisecond, not to the nanosecond.
    wall = harness.wall_clock(run, middle)
    slack = datetime.timedelta(milliseconds=1)
    from_iso = events(run, *name, "--from", (wall - slack).isoformat(), "--until", (wall + slack).isoformat())
    assert middle in from_iso and len(from_iso) < len(lines)


def test_nothing_is_left_behind(calm):
    _, pair, _, (recorder, shared) = calm
    assert harness.tracing_instances(recorder) == set()
    assert {name for name in os.listdir("/dev/shm") if "ivtrace" in name} <= shared
    for vm in pair:
        assert harness.guest_instances(vm) == set()


def test_guests_lists_what_the_host_knows(new_guest):
    with new_guest("listed", vcpu_threads=True) as vm:
        harness.ensure_agent(vm)
        view = harness.guest_view(vm.name)
        assert view["pid"] == vm.pid
        assert view["agent_alive"] and view["ring"]["usable"]
        assert Path(view["ring"]["path"]) == vm.ring_path
        threads = {vcpu["thread"] for vcpu in view["vcpus"]}
        assert threads <= {int(task) for task in os.listdir(f"/proc/{vm.pid}/task")} and len(threads) == 2
        assert [(disk["path"], disk["format"], disk["aio"]) for disk in view["disks"]] == [(str(vm.disks[0].path), "raw", "native")]
        assert vm.name in ivtrace("guests").stdout


def test_doctor_has_no_complaint_about_a_good_guest(pair):
    for vm in pair:
        said = ivtrace("doctor", "-g", vm.name, check=harness.OK).stdout
        assert vm.name in said and "  ok " in said
        assert "MISSING" not in said
