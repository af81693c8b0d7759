"""Guests' disk requests are followed through partitions, device-mapper and md, on a real kernel of a host."""

import collections
import json
import re
import subprocess
from pathlib import Path

import pytest

from test_nested import BIN, LOSS, OK, on_host

from guestlab.disks import Disk  # test_nested has put it on the path

HERE = Path(__file__).parent
HOST_BYTES = 1 << 30
RUN_SECONDS = 240
BLOCK = 4096
SECTORS = BLOCK // 512
DISKS = ("partition", "linear", "linear on crypt", "striped", "mirrored")  # of the guest, in its order
LAYERS = ("device-mapper linear", "device-mapper linear, device-mapper crypt", "device-mapper striped", "md raid1, device-mapper linear")
REQUESTS = """
SELECT r.device, r.direction, r.sector, r.bytes, r.tie, r.host_requests, p.from_ns AS issued_ns
FROM io_request r LEFT JOIN io_phase p ON p.request = r.id AND p.phase = 'device' WHERE r.direction IN ('read', 'write') AND r.tie != 'lost'
"""
ISSUES = "SELECT time_ns, text FROM event WHERE machine = 'host' AND name = 'block_rq_issue'"
ISSUE = re.compile(r"\d+,\d+ \S+ \d+ \(.*?\) (\d+) \+ (\d+) ")
MINORS = 16  # of a virtio disk


def told(*command) -> str:
    return subprocess.run([BIN / "ivtrace", *command], capture_output=True, text=True, timeout=120).stdout


def rows(run: Path, sql: str) -> list[dict]:
    return [json.loads(line) for line in told("query", run, sql, "--json").splitlines()]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """(what the script in the host knows, the run)."""
    disk = tmp_path_factory.mktemp("host") / "disk.img"
    with open(disk, "wb") as image:
        image.truncate(HOST_BYTES)

    def record(host):
        host.push(HERE / "nested_record.py", "/tmp/nested_record.py")
        code, output = host.run_file(HERE / "nested_stack.py", timeout=RUN_SECONDS)
        print(output)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    results = on_host(record, disks=[Disk(disk, cache="unsafe")], seconds=2 * RUN_SECONDS)
    known = json.loads((results / "results.json").read_text())
    assert known["record"]["code"] in (OK, LOSS), known["record"]["said"]
    return known, results / "run.ivt"


@pytest.fixture(scope="module")
def requests(followed):
    """By disk, its requests; those of the guest's boot are none of these."""
    known, run = followed
    by_disk = {name: [] for name in DISKS}
    for row in rows(run, REQUESTS):
        by_disk[DISKS[int(row["device"].split(":")[1]) // MINORS]].append(row)
    return by_disk


@pytest.mark.parametrize("disk", DISKS)
def test_nearly_every_request_is_tied_by_address(disk, requests):
    ties = collections.Counter((row["direction"], row["tie"]) for row in requests[disk])
    print(f"{disk}: {dict(ties)}")
    for direction in ("read", "write"):
        count = sum(n for (moved, _), n in ties.items() if moved == direction)
        assert count > 5 and ties[direction, "address"] >= 0.98 * count, ties


@pytest.mark.parametrize("disk", DISKS)
def test_each_tie_is_to_where_the_layers_put_the_block(disk, followed, requests):
    known, run = followed
    places = known["places"][list(known["places"])[DISKS.index(disk)]]
    issues = collections.defaultdict(list)
    for row in rows(run, ISSUES):
        first, count = map(int, ISSUE.match(row["text"]).groups())
        issues[row["time_ns"]].append(range(first, first + count))
    tied = [row for row in requests[disk] if row["tie"] == "address" and row["bytes"] == BLOCK]
    wrong = [row for row in tied if not any(place in issued for place in places[row["sector"] // SECTORS] for issued in issues[row["issued_ns"]])]
    print(f"{disk}: {len(tied)} ties, {len(wrong)} wrong")
    assert len(tied) > 40 and wrong == []


def test_a_request_is_tied_to_all_its_parts_and_copies(requests):
    large = [row["host_requests"] for row in requests["striped"] if row["bytes"] > BLOCK and row["tie"] == "address"]
    copies = [row["host_requests"] for row in requests["mirrored"] if row["direction"] == "write" and row["tie"] == "address"]
    assert large and min(large) >= 2, large
    assert copies and set(copies) == {2}, copies


def test_the_run_says_what_an_image_lies_on(followed):
    _, run = followed
    notes = [note["text"] for note in json.loads(told("info", run, "--json"))["notes"]]
    for layers in LAYERS:
        assert any(f"lies on {layers}: " in note for note in notes), notes
