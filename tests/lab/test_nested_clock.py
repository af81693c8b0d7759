"""A KVM guest's clock, proven by the guest's own events: each must lie between its vCPU's kvm_entry and kvm_exit."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from test_nested import BIN, on_host

HERE = Path(__file__).parent
EVENTS = 500_000


def info(run: Path) -> dict:
    """One guest's part of `ivtrace info`."""
    said = subprocess.run([BIN / "ivtrace", "info", run, "--json"], capture_output=True, text=True, timeout=300)
    assert said.returncode in (0, 3), said.stderr
    return {machine["name"]: machine for machine in json.loads(said.stdout)["machines"]}["vm1"]


def epochs(run: Path) -> list[dict]:
    return [record["epoch"] for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines()) if record["type"] == "epoch"]


def changed(run: Path, into: Path, change) -> Path:
    """A copy of the run whose journal's records went through `change`, which may drop them by giving back None.

    What was derived from them is left out, so that it is measured anew.
    """
    shutil.copytree(run, into)
    records = [change(record) for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines()) if record["type"] != "containment"]
    (into / "journal.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records if record))
    return into


def shifted(run: Path, ticks: int, into: Path) -> Path:
    """A copy of the run whose clock is off by so many ticks."""
    def shift(record):
        if record["type"] == "epoch":
            record["epoch"]["relation"]["offset"] += ticks
        return record
    return changed(run, into, shift)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(results, directory of the runs) of nested_clock.py."""
    def record(host):
        host.push(HERE / "nested_record.py", "/tmp/nested_record.py")
        code, output = host.run_file(HERE / "nested_clock.py", str(EVENTS), timeout=200)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    results = on_host(record)
    return json.loads((results / "results.json").read_text()), results


def test_every_guest_event_lies_between_entry_and_exit(recorded):
    results, runs = recorded
    assert results["storm"]["code"] in (0, 3), results["storm"]["said"]
    vm = info(runs / "storm.ivt")
    contained = vm["clock"]["containment"]
    print(f"{contained}, {vm['events']} events, {vm['lost']} lost")
    assert contained["outside"] == 0
    assert contained["inside"] >= EVENTS * 0.95, "too many could not be judged"
    assert vm["clock"]["source"] in ("kvm-debugfs", "kvm-tracepoint")
    assert {str(epoch["relation"]["offset"]) for epoch in epochs(runs / "storm.ivt")} <= set(results["storm"]["offsets"])


def microsecond(run: Path) -> int:
    """In the host's ticks."""
    host = [record for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines())
            if record["type"] == "machine" and record["name"] == "host"][-1]
    return host["tsc_khz"] // 1000


def off_by(run: Path, ticks: int, into: Path) -> dict:
    """What info tells of the guest's clock in a copy whose clock is off by so much."""
    clock = info(shifted(run, ticks, into))["clock"]
    print(f"{ticks} ticks: {clock}")
    return clock


@pytest.mark.parametrize("sign", [-1, 1])
def test_handshakes_contradict_a_clock_that_is_a_microsecond_off(recorded, tmp_path, sign):
    _, runs = recorded
    run = runs / "storm.ivt"
    right = info(run)["clock"]
    assert right["handshakes"] > 0 and right["contradictions"] == 0
    # On a busy machine all of them may be wider than that: then a clock that is off by more than the narrowest.
    bursts = [record["burst"] for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines()) if record["type"] == "burst"]
    narrowest = min(burst["upper"] - burst["lower"] for burst in bursts if burst["exchanges"])
    assert off_by(run, sign * max(microsecond(run), narrowest + 100), tmp_path / "off.ivt")["contradictions"] > 0


@pytest.mark.parametrize("microseconds", [-200, 200])
def test_events_lie_outside_on_a_clock_that_is_off_by_more_than_an_entry_takes(recorded, tmp_path, microseconds):
    """An emulated entry takes some 20 us from its tracepoint to the guest, so less does not show in here."""
    _, runs = recorded
    contained = off_by(runs / "storm.ivt", microseconds * microsecond(runs / "storm.ivt"), tmp_path / "off.ivt")["containment"]
    assert contained["outside"] > 0 and 0 < contained["worst_ns"] < abs(microseconds) * 1000


def test_the_handshake_alone_comes_near_what_kvm_knows(recorded):
    results, runs = recorded
    vm = info(runs / "handshake.ivt")
    assert vm["clock"]["source"] == "handshake" and vm["clock"]["aligned"]
    known, = results["handshake"]["offsets"]
    last = epochs(runs / "handshake.ivt")[-1]["relation"]["offset"]
    khz = [record["tsc_khz"] for record in map(json.loads, (runs / "handshake.ivt" / "journal.jsonl").read_text().splitlines())
           if record["type"] == "machine" and record["name"] == "host"][-1]
    off_ns = abs(last - int(known)) * 1e6 / khz
    print(f"the handshake is {off_ns:.0f} ns off, its bound is {vm['clock']['error_ns']:.0f} ns")
    assert off_ns <= vm["clock"]["error_ns"] + 1
    assert off_ns <= 100


def test_exits_have_reasons_and_times(recorded):
    _, runs = recorded
    told = json.loads(subprocess.run([BIN / "ivtrace", "exits", runs / "storm.ivt", "--json"], capture_output=True, text=True,
                                     timeout=300).stdout)
    vcpu, = told["vcpus"]
    print(subprocess.run([BIN / "ivtrace", "exits", runs / "storm.ivt"], capture_output=True, text=True).stdout)
    assert vcpu["machine"] == "vm1" and vcpu["guest_ns"] > 0 and vcpu["host_ns"] > 0
    reasons = {reason["reason"]: reason for reason in vcpu["reasons"]}
    assert all(not name.isdigit() for name in reasons)
    for reason in reasons.values():
        assert reason["mean_ns"] <= reason["p99_ns"] * 2 + reason["max_ns"] and reason["p99_ns"] <= reason["max_ns"]
