"""Guests' disk requests tied to the host's by address, whatever QEMU does in between."""

import collections
import json
import os
import shutil
from pathlib import Path

import pytest

import harness
from guestlab import disks, guest, kernels
from harness import ivtrace, named

READS = 200
FLUSH = "dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null"
PROBES = ["--probe", "host:qemu"]
ALL_PHASES = {"guest_queue", "to_qemu", "qemu_to_host", "to_host", "host_queue", "device", "to_guest", "guest_completion", "return", "unattributed"}


def io(run, *args) -> dict:
    return json.loads(ivtrace("io", run, "--json", *args, check=None).stdout)


def shares(group: dict) -> dict:
    """By guest, of the bytes that the device had in flight meanwhile."""
    totals: dict = {}
    for load in group["load"]:
        if not load["task"]:
            totals[load["owner"]] = totals.get(load["owner"], 0) + load["bytes_share"]
    return totals


def record(run, vm, command: str, also=(), options=()) -> str:
    """Records one guest, and others, while it runs a command; what that said."""
    for machine in (vm, *also):
        harness.ensure_agent(machine)
    with harness.Recording(run, *named(vm, *also), *options) as recording:
        recording.wait_for(["host", vm.name, *(machine.name for machine in also)])
        code, said = vm.start(command).wait(60)
        assert code == 0, said
        recording.stop(check=None)
    return said


def group_of(told: dict, vm, direction: str) -> dict:
    groups = [group for group in told["groups"] if group["machine"] == vm.name and group["direction"] == direction]
    assert len(groups) == 1, told["groups"]
    return groups[0]


# Every request, and when its host requests were at work.
SERVED = """
SELECT r.id, r.tie, r.host_device, r.host_requests, r.host_bytes, p.from_ns, p.until_ns
FROM io_request r LEFT JOIN io_phase p ON p.request = r.id AND p.phase = 'device' WHERE r.direction IN ('read', 'write')
"""


def served(run) -> dict[int, tuple]:
    """By request: its tie, and by which host requests it was served."""
    rows = [json.loads(line) for line in ivtrace("query", run, SERVED, "--json", check=None).stdout.splitlines()]
    return {row["id"]: (row["tie"], tuple(row.values())[2:]) for row in rows}


def without_addresses(run, copy) -> Path:
    """The same run as if no image could have been mapped."""
    shutil.copytree(run, copy)
    lines = [line for line in (copy / "journal.jsonl").read_text().splitlines(keepends=True) if json.loads(line)["type"] != "extents"]
    (copy / "journal.jsonl").write_text("".join(lines))
    return copy


def without_probes(run, copy) -> Path:
    """The same run as if QEMU had not been probed."""
    shutil.copytree(run, copy)
    formats = copy / "host" / "formats"
    text = formats.read_bytes()
    assert b"file uprobe/blk_aio_preadv/format " in text
    formats.write_bytes(text.replace(b"file uprobe/", b"file unused/"))
    return copy


def by_order_against_address(run, copy) -> collections.Counter:
    """Of the requests that are tied by address: how many are the "same" by order, "wrong", "untied", or "bare".

    A bare one is tied to its call, or to QEMU's request, whose host request was not found: another thread's bio was merged
    into it, or no single call fits.
    """
    truth, told = served(run), served(without_addresses(run, copy))
    counts = collections.Counter()
    for number, (tie, services) in truth.items():
        if tie != "address":
            continue
        by_order, services_by_order = told[number]
        is_bare = services_by_order[0] is None
        counts["untied" if by_order not in ("order", "qemu") else "same" if services_by_order == services else "bare" if is_bare else "wrong"] += 1
    return counts


@pytest.mark.parametrize("aio", ["threads", "native", "io_uring"])
def test_every_direct_read_is_tied_by_address_in_every_aio_mode(aio, new_guest, tmp_path):
    with new_guest(f"io-{aio.replace('_', '')}", aio=aio) as vm:
        record(tmp_path / "run.ivt", vm, f"iv-reads --seconds 0 --count {READS}")
        told = io(tmp_path / "run.ivt", "--slowest", "3")
    reads = group_of(told, vm, "read")
    assert reads["requests"] == READS and reads["ties"] == {"address": READS}, reads
    assert reads["unattributed_share"] < 0.05
    assert f"raw, {aio}, none" in reads["image"]
    phases = {phase["phase"]: phase for phase in reads["phases"]}
    assert set(phases) <= ALL_PHASES and {"guest_queue", "host_queue", "device"} <= set(phases)
    assert phases["device"]["requests"] == READS
    # QEMU's own call is seen, so the way to the host has its boundary.
    assert phases["to_qemu"]["requests"] > 0.9 * READS, phases
    assert sum(phase["total_ns"] for phase in reads["phases"]) == pytest.approx(reads["mean_ns"] * READS, rel=0.01)
    assert [len(told["slowest"]), told["slowest"][0]["took_ns"]] == [3, reads["max_ns"]]
    for request in told["slowest"]:
        assert sum(step["took_ns"] for step in request["steps"]) == pytest.approx(request["took_ns"], abs=len(request["steps"]) + 1)


def test_a_qcow2_image_is_followed_into_its_backing_file(image_dir, tmp_path):
    base = disks.make_image(image_dir / "base.img", 64)
    image = disks.make_overlay(image_dir / "top.qcow2", base)
    with guest.Guest(f"io-qcow2-{os.getpid()}", kernels.get("6.12"), files=harness.guest_files(),
                     disks=[disks.Disk(image, aio="native", format="qcow2")]) as vm:
        record(tmp_path / "before.ivt", vm, f"iv-reads --seconds 0 --count {READS}")
        # The writes make clusters in the overlay. QEMU keeps where they are to itself until the guest flushes.
        record(tmp_path / "after.ivt", vm, f"{FLUSH} && iv-writes --seconds 1 --depth 2 && {FLUSH} && iv-reads --seconds 0 --count {READS}")
    for run in (tmp_path / "before.ivt", tmp_path / "after.ivt"):
        reads = group_of(io(run), vm, "read")
        assert reads["requests"] >= READS and reads["ties"].get("address", 0) > 0.99 * reads["requests"], (run, reads)
        assert "(qcow2, native, none)" in reads["image"]
        counts = by_order_against_address(run, run.with_suffix(".copy.ivt"))
        print(f"{run.name}: {dict(counts)}")
        assert counts["wrong"] == 0, counts
    extents = [record for record in harness.journal(tmp_path / "after.ivt") if record["type"] == "extents"]
    assert len(extents) == 2, "what was allocated while recording is mapped at the end"


# With a depth of 8 only the place in a raw image tells the calls of threads apart.
@pytest.mark.parametrize("aio, depth, least", [("threads", 1, 0.98), ("native", 1, 0.98), ("io_uring", 1, 0.9), ("threads", 8, 0.98), ("native", 8, 0)])
def test_without_addresses_the_calls_of_qemu_tie_the_same_requests(aio, depth, least, new_guest, tmp_path):
    with new_guest(f"io-order-{aio.replace('_', '')}-{depth}", aio=aio) as vm:
        load = f"iv-writes --seconds 1 --size 16384 --depth {depth}"
        record(tmp_path / "run.ivt", vm, f"iv-reads --seconds 0 --count {READS}; {load}" if depth == 1 else load)
    counts = by_order_against_address(tmp_path / "run.ivt", tmp_path / "copy.ivt")
    print(f"aio={aio}, depth {depth}: {dict(counts)}")
    assert counts["wrong"] == 0 and counts.total() >= READS and counts["same"] >= least * counts.total(), counts


# Every request with the moments at which each of its boundaries was.
BOUNDARIES = """
SELECT r.direction, r.sector, r.bytes, r.tie, r.host_requests, g.issued_ns, r.entered_ns, r.pushed_ns, r.notified_ns, r.until_ns,
  (SELECT p.until_ns FROM io_phase p WHERE p.request = r.id AND p.phase = 'qemu_block') AS called_ns,
  (SELECT p.until_ns FROM io_phase p WHERE p.request = r.id AND p.phase = 'device') AS served_ns,
  (SELECT sum(p.until_ns - p.from_ns) FROM io_phase p WHERE p.request = r.id) - (r.until_ns - r.from_ns) AS gap_ns
FROM io_request r JOIN block_request g ON g.request = r.id AND g.machine = r.machine
"""


def with_boundaries(run) -> list[dict]:
    return [json.loads(line) for line in ivtrace("query", run, BOUNDARIES, "--json", check=None).stdout.splitlines()]


def ties_of(run) -> collections.Counter:
    """Of reads, writes and flushes by tie."""
    lines = ivtrace("query", run, "SELECT direction, tie, count(*) AS n FROM io_request GROUP BY 1, 2", "--json", check=None).stdout.splitlines()
    return collections.Counter({(row["direction"], row["tie"]): row["n"] for row in map(json.loads, lines)})


def tied(ties: collections.Counter) -> int:
    return sum(count for (_, tie), count in ties.items() if tie in ("address", "order", "qemu"))


def check_order(row: dict) -> None:
    way = [row[name] for name in ("issued_ns", "entered_ns", "called_ns", "served_ns", "pushed_ns", "notified_ns", "until_ns")]
    seen = [moment for moment in way if moment is not None]
    assert seen == sorted(seen), row


@pytest.mark.parametrize("aio", ["threads", "native", "io_uring"])
def test_qemus_probes_tell_when_qemu_had_each_request(aio, new_guest, tmp_path):
    run = tmp_path / "run.ivt"
    with new_guest(f"io-probed-{aio.replace('_', '')}", aio=aio) as vm:
        said = record(run, vm, f"iv-reads --seconds 0 --count {READS} --list 1 && {FLUSH}", options=PROBES)
    rows = with_boundaries(run)
    reads = [row for row in rows if row["direction"] == "read" and row["bytes"] == 4096][:READS]
    assert [row["sector"] for row in reads] == json.loads(said.splitlines()[0])["sectors"]
    for row in reads:
        assert None not in (row["entered_ns"], row["pushed_ns"], row["notified_ns"]), row
    for row in rows:
        check_order(row)
        assert abs(row["gap_ns"]) <= 12, row  # each phase's ends are rounded
    # One that QEMU's probes alone can tell of.
    flushes = [row for row in rows if row["direction"] == "flush"]
    assert flushes and all(row["tie"] == "qemu" and row["pushed_ns"] is not None for row in flushes), flushes
    phases = {phase["phase"]: phase["requests"] for phase in group_of(io(run), vm, "read")["phases"]}
    assert phases["virtqueue"] >= READS and phases["qemu_completion"] >= READS and phases["qemu_notify"] >= READS
    assert phases["qemu_block"] > 0.9 * READS and "to_qemu" not in phases, phases
    ties, bare = ties_of(run), ties_of(without_probes(run, tmp_path / "bare.ivt"))
    print(f"aio={aio}: {dict(ties)}, without the probes {dict(bare)}")
    assert ties["read", "address"] == bare["read", "address"] >= READS
    assert tied(ties) >= tied(bare) + len(flushes)
    assert all(row["entered_ns"] is None for row in with_boundaries(tmp_path / "bare.ivt"))


@pytest.mark.parametrize("aio", ["threads", "native"])
def test_requests_that_qemu_joins_are_told_apart_by_its_probes(aio, new_guest, tmp_path):
    run = tmp_path / "run.ivt"
    with new_guest(f"io-joined-{aio}", aio=aio, smp=1) as vm:
        said = record(run, vm, "iv-writes --seconds 1 --size 16384 --depth 8", options=PROBES)
    rows = [row for row in with_boundaries(run) if row["direction"] == "write"]
    assert sum(row["bytes"] for row in rows) == json.loads(said)["bytes"]
    for row in rows:
        check_order(row)
    known = [row for row in rows if row["pushed_ns"] is not None]
    assert len(known) > 0.98 * len(rows)
    together = len(rows) - len({row["entered_ns"] for row in rows})
    entered = [event for event in harness.events(run, "--machine", "host", name="uprobe:blk_aio_pwritev")]
    print(f"aio={aio}: {len(rows)} writes, {len(known)} with QEMU's boundaries, {len(entered)} entered, {together} joined to others")
    assert len(entered) + together >= len(known)
    # What the probes tell without addresses is never another request's, and no less than without them.
    counts = by_order_against_address(run, tmp_path / "placeless.ivt")
    bare = without_probes(run, tmp_path / "bare.ivt")
    before = by_order_against_address(bare, tmp_path / "bare-placeless.ivt")
    print(f"against address: {dict(counts)}, without the probes {dict(before)}")
    assert counts["wrong"] == before["wrong"] == 0 and counts["same"] >= before["same"]
    assert tied(ties_of(tmp_path / "placeless.ivt")) >= len(known)


def test_another_guests_writes_are_named_as_what_the_device_had_meanwhile(new_guest, tmp_path):
    with new_guest("io-victim") as victim, new_guest("io-writer", smp=1) as writer:
        for vm in (victim, writer):
            harness.ensure_agent(vm)
        with harness.Recording(tmp_path / "run.ivt", *named(victim, writer)) as recording:
            recording.wait_for(["host", victim.name, writer.name])
            jobs = [writer.start("iv-writes --seconds 4 --depth 8"), victim.start("sleep 1; iv-reads --seconds 2")]
            assert [job.wait(60)[0] for job in jobs] == [0, 0]
            recording.stop(check=None)
    told = io(tmp_path / "run.ivt", "--slowest", "1")
    reads, writes = group_of(told, victim, "read"), group_of(told, writer, "write")
    assert reads["ties"].get("address", 0) > 0.99 * reads["requests"] and reads["unattributed_share"] < 0.05
    assert writes["ties"].get("address", 0) > 0.95 * writes["requests"], writes["ties"]
    # The recorder, and whatever else this machine does, writes to the same disk; of the guests it is the writer.
    guests = shares(reads)
    assert guests[writer.name] > 2 * guests[victim.name], reads["load"]
    own = shares(writes)
    assert own[writer.name] > own.get(victim.name, 0), writes["load"]
    text = ivtrace("io", tmp_path / "run.ivt", check=None).stdout
    assert "in flight on the host's device meanwhile, by bytes: " in text and f"{writer.name} " in text


def test_a_run_without_block_requests_says_what_to_record(tmp_path):
    ivtrace("record", "-o", tmp_path / "run.ivt", "--no-guests", "--duration", "200ms", "--events", "sched:sched_switch")
    assert "--profile io" in ivtrace("io", tmp_path / "run.ivt", check=harness.FAILED).stderr
