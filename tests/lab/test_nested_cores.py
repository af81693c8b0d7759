"""Which vCPU is which, and whose clock is whose: a guest whose APIC IDs are not its CPUs' numbers, and whose TSCs are set while it runs."""

import json
from pathlib import Path

import pytest

from test_nested import LOSS, OK, on_host
from test_nested_clock import changed, info

HERE = Path(__file__).parent
EVENTS = 20_000
TICKS = 10_000_000_000  # about four seconds: setting a TSC takes the guest up to two
APIC_IDS = {0: 0, 1: 1, 2: 2, 3: 4}
SET, LATE = (3, 1), 2


def journal(run: Path, kind: str) -> list[dict]:
    return [record for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines()) if record["type"] == kind]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(results, run) of nested_cores.py."""
    def record(host):
        host.push(HERE / "nested_record.py", "/tmp/nested_record.py")
        code, output = host.run_file(HERE / "nested_cores.py", str(EVENTS), str(TICKS), timeout=200)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    results = on_host(record)
    told = json.loads((results / "results.json").read_text())
    assert told["record"]["code"] in (OK, LOSS), told["record"]["said"]
    told["offsets"] = [{int(path.split("/")[-2].removeprefix("vcpu")): int(offset) for path, offset in offsets.items()} for offsets in told["offsets"]]
    return told, results / "run.ivt"


def test_the_guest_is_one_whose_numbers_differ(recorded):
    told, run = recorded
    assert {vcpu["index"]: vcpu["apic_id"] for vcpu in journal(run, "vcpu")} == APIC_IDS
    assert set(told["offsets"][0]) == set(APIC_IDS.values()), "KVM's own directories are called by the APIC IDs"
    cpus = [machine for machine in journal(run, "machine") if machine["name"] == "vm1" and machine["cpus"]][-1]["cpus"]
    assert {cpu["cpu"]: cpu["apic_id"] for cpu in cpus if cpu["online"]} == APIC_IDS


def test_every_event_lies_between_entry_and_exit_of_its_own_vcpu(recorded):
    told, run = recorded
    vm = info(run)
    contained = vm["clock"]["containment"]
    print(f"{vm['clock']}, {vm['events']} events, {vm['lost']} lost")
    storms = len(APIC_IDS) * EVENTS * 3 + len(SET) * EVENTS * 10
    assert contained["outside"] == 0
    assert contained["inside"] >= storms * 0.95
    assert vm["clock"]["contradictions"] == 0
    # The recorder has told it, and measured it for each vCPU by itself.
    assert f"vm1: containment: {contained['inside']:,} of {contained['inside']:,} events" in told["record"]["said"]
    measured = {record["vcpu"]: record for record in journal(run, "containment")}
    assert set(measured) == set(APIC_IDS) and sum(one["inside"] for one in measured.values()) == contained["inside"]
    for index, one in measured.items():
        assert one["inside"] >= EVENTS * (13 if index in SET else 3) * 0.95 and one["outside"] == 0


def test_a_change_of_one_cpus_tsc_is_that_cpus_and_known_to_the_tick(recorded):
    told, run = recorded
    epochs = [record["epoch"] for record in journal(run, "epoch")]
    first, *later = told["offsets"]
    assert len(set(first.values())) == 1 and epochs[0]["cpu"] is None and epochs[0]["relation"]["offset"] == first[0]
    assert epochs[0]["source"] == "kvm-debugfs"
    before = first
    for cpu, after in zip((*SET, LATE), later, strict=True):
        apic_id = APIC_IDS[cpu]
        assert [one for one in after if after[one] != before[one]] == [apic_id]
        assert after[apic_id] > before[apic_id], "setting it took longer than it was set ahead"
        last = [epoch for epoch in epochs if epoch["cpu"] == cpu][-1]
        assert last["relation"]["offset"] == after[apic_id]
        # KVM's files would tell it within a second; the tracepoint tells when.
        assert last["source"] == "kvm-tracepoint" and last["uncertain"] == 0
        before = after
    assert {epoch["cpu"] for epoch in epochs} == {None, *SET, LATE}


def test_taking_one_vcpu_for_another_shows(recorded, tmp_path):
    _, run = recorded
    other = {APIC_IDS[3]: APIC_IDS[2], APIC_IDS[2]: APIC_IDS[3]}

    def mixed_up(record):
        return record | {"apic_id": other.get(record["apic_id"], record["apic_id"])} if record["type"] == "vcpu" else record

    contained = info(changed(run, tmp_path / "mixed.ivt", mixed_up))["clock"]["containment"]
    print(contained)
    assert contained["outside"] > 0


def test_missing_a_change_shows(recorded, tmp_path):
    _, run = recorded

    def without_changes(record):
        return None if record["type"] == "epoch" and record["epoch"]["cpu"] is not None else record

    contained = info(changed(run, tmp_path / "missed.ivt", without_changes))["clock"]["containment"]
    print(contained)
    assert contained["outside"] > 0
