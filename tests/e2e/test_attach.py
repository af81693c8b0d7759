"""A ring that comes and goes while its guest runs: machine types pc and q35."""

import json
import os
from pathlib import Path

import pytest

import harness
from harness import info, ivtrace, named
from guestlab import guest, qmp

EVENTS = "block:block_rq_issue,block:block_rq_complete"
ROUNDS = {"pc": 3, "q35": 1}  # the tests below plug into q35 twice more
PORT = ["-device", "pcie-root-port,id=ivport,chassis=1,pref64-reserve=64M"]


def ring_files(vm: guest.Guest) -> list[str]:
    """What attach made for a guest and did not take away."""
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"ivtrace-{vm.pid}-")]


def attach(vm: guest.Guest, *args) -> dict:
    return json.loads(ivtrace("attach", vm.name, "--json", *args).stdout)


def detach(vm: guest.Guest) -> dict:
    return json.loads(ivtrace("detach", vm.name, "--json").stdout)


def plugged(vm: guest.Guest) -> list[str]:
    """Ids of ours in QEMU."""
    return [item["name"] for place in ("/machine/peripheral", "/objects") for item in vm.qmp("qom-list", {"path": place})
            if item["name"].startswith("ivtrace")]


def answers(vm: guest.Guest) -> bool:
    try:
        return bool(vm.qmp("query-status"))
    except qmp.QmpError:
        return False


@pytest.fixture(scope="module")
def plain(new_guest):
    """A pc with 6.1 and a q35 with 6.12 and one free root port: no ring, an agent that waits for one, reads all the time."""
    vms = {"pc": new_guest("pc", "6.1", ring_mb=0), "q35": new_guest("q35", "6.12", ring_mb=0, qemu_args=["-machine", "q35", *PORT])}
    with guest.booted(*vms.values()):
        for vm in vms.values():
            harness.start_agent(vm)
            vm.start("iv-reads --seconds 600")
        yield vms


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_attach_record_detach_in_a_row(plain, machine, tmp_path):
    vm = plain[machine]
    for count in range(ROUNDS[machine]):
        run = tmp_path / f"run{count}.ivt"
        ring = attach(vm)
        assert ring["agent_alive"] and not ring["was_there"]
        assert Path(ring["path"]).stat().st_mode & 0o777 == 0o600 and Path(ring["path"]).stat().st_size == ring["bytes"] == 16 << 20
        assert ring["bus"] == {"pc": "pci.0", "q35": "ivport"}[machine]
        with harness.Recording(run, *named(vm), "--events", EVENTS) as recording:
            recording.wait_for([vm.name])
            harness.wait_until(lambda: sum(file.stat().st_size for file in (run / vm.name).glob("*.pages")) > 20_000, 20, recording.said)
            if count == 0:
                assert attach(vm)["was_there"]
                refused = ivtrace("detach", vm.name, check=harness.FAILED).stderr
                assert "being recorded" in refused and "stop that recording first" in refused
            recording.stop(harness.OK)
        let_go = detach(vm)
        assert let_go["agent_let_go"], let_go
        assert ring_files(vm) == [] and plugged(vm) == []
        assert vm.check("pidof ivtrace-agent iv-reads")
        told = info(run, check=harness.OK)["by_name"][vm.name]
        assert told["clock"]["aligned"] and told["lost"] == 0
        assert told["events"] > 0  # of the block layer, as nothing else was asked for
        if count == 0:
            assert {line["comm"] for line in harness.events(run, "--machine", vm.name, name="block:block_rq_issue")} >= {"iv-reads"}
    assert not detach(vm)["had_ring"]


def test_an_agent_that_is_dead_does_not_keep_its_ring(plain):
    vm = plain["pc"]
    assert attach(vm, "--size", "2M")["bytes"] == 2 << 20
    vm.check("kill -9 $(pidof ivtrace-agent); while pidof ivtrace-agent >/dev/null; do usleep 10000; done")
    told = detach(vm)
    assert told["had_ring"] and not told["agent_let_go"] and "no sign of life" in told["note"]
    assert ring_files(vm) == [] and plugged(vm) == []
    harness.start_agent(vm)


def test_an_agent_that_hangs_loses_its_ring_and_takes_the_next(plain):
    """The mapping is taken from under it; once it runs again it looks for another ring."""
    vm = plain["q35"]
    assert attach(vm)["agent_alive"]
    vm.check("kill -STOP $(pidof ivtrace-agent)")
    assert not detach(vm)["agent_let_go"]
    assert ring_files(vm) == [] and plugged(vm) == []
    vm.check("kill -CONT $(pidof ivtrace-agent)")
    assert attach(vm)["agent_alive"]
    assert detach(vm)["agent_let_go"]


def test_the_ring_of_a_guest_that_was_killed_is_cleaned_up(new_guest):
    vm = new_guest("killed", ring_mb=0, disk=False, memory_mb=256)
    try:
        vm.launch()
        harness.wait_until(lambda: answers(vm), 20, "no monitor")
        assert "No agent serves it yet" in ivtrace("attach", vm.name, "--size", "1M").stdout
        ivtrace("cleanup")
        assert len(ring_files(vm)) == 1  # it lives
        vm.kill9()
        assert ring_files(vm)[0] in ivtrace("cleanup").stdout
        assert ring_files(vm) == []
    finally:
        vm.stop()


def test_a_foreign_file_in_the_way_is_left_alone(plain):
    vm = plain["pc"]
    path = Path(f"/dev/shm/ivtrace-{vm.pid}-{vm.name}")
    path.write_text("precious")
    try:
        assert "in the way" in ivtrace("attach", vm.name, check=harness.FAILED).stderr
        assert path.read_text() == "precious" and plugged(vm) == []
    finally:
        path.unlink()


def test_what_cannot_take_a_ring_says_so_and_is_left_as_it_was(new_guest):
    """Neither needs to be up: the machine decides, not the kernel in it."""
    full = new_guest("full", ring_mb=0, disk=False, memory_mb=256, qemu_args=["-machine", "q35"])
    narrow = new_guest("narrow", ring_mb=0, disk=False, memory_mb=256, qemu_args=["-machine", "q35", "-device", "pcie-root-port,id=p"])
    for vm, said in ((full, "no free, hot-pluggable root port"), (narrow, "--size 2M")):
        try:
            vm.launch()
            harness.wait_until(lambda: answers(vm), 20, "no monitor")
            refused = ivtrace("attach", vm.name, check=harness.FAILED).stderr
            assert said in refused and "pcie-root-port,id=" in refused and "pref64-reserve=64M" in refused
            assert len(refused.splitlines()) == 1
            assert ring_files(vm) == [] and plugged(vm) == []
        finally:
            vm.stop()


def test_a_ring_of_somebody_else_is_not_touched(plain):
    vm = plain["pc"]
    path = Path(f"/dev/shm/ivlab-{os.getpid()}-other")
    vm.qmp("object-add", {"qom-type": "memory-backend-file", "id": "mine", "share": True, "size": 2 << 20, "mem-path": str(path)})
    try:
        vm.qmp("device_add", {"driver": "ivshmem-plain", "id": "theirs", "memdev": "mine"})
        harness.wait_until(lambda: harness.guest_view(vm.name)["agent_alive"], 20, "the agent took no ring")
        there = attach(vm)
        assert there["was_there"] and there["agent_alive"] and there["path"] == str(path)
        assert "nothing was changed" in ivtrace("detach", vm.name, check=harness.FAILED).stderr
        assert harness.guest_view(vm.name)["agent_alive"] and path.exists()
        vm.qmp("device_del", {"id": "theirs"})
        harness.wait_until(lambda: "theirs" not in str(vm.qmp("qom-list", {"path": "/machine/peripheral"})), 20, "it stayed")
        vm.qmp("object-del", {"id": "mine"})
    finally:
        path.unlink()
