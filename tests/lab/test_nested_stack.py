"""Guests' disk requests are followed through partitions, device-mapper and md, on a real kernel of a host."""

import json
import subprocess
from pathlib import Path

import pytest

from test_nested import BIN, LOSS, OK, on_host

from guestlab.disks import Disk  # test_nested has put it on the path

HERE = Path(__file__).parent
HOST_BYTES = 1 << 30
BLOCK = 4096
SECTORS = BLOCK // 512
# QEMU's own name of a disk, the host's block_rq_issue of its first host request, and where in the guest.
FIRST_ISSUES = f"""
SELECT r.machine, r.device, r.direction, r.sector, e.text
FROM io_request r JOIN io_phase p ON p.request = r.id AND p.phase = 'device'
JOIN event e ON e.time_ns = p.from_ns AND e.machine = 'host' AND e.name = 'block_rq_issue'
WHERE r.bytes = {BLOCK} AND r.host_requests > 0 AND p.from_ns BETWEEN {{begin}} AND {{end}}
"""


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
        code, output = host.run_file(HERE / "nested_stack.py", timeout=200)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    results = on_host(record, disks=[Disk(disk, cache="unsafe")])
    known = json.loads((results / "results.json").read_text())
    assert known["record"]["code"] in (OK, LOSS), known["record"]["said"]
    return known, results / "run.ivt"


def test_x(followed):
    known, run = followed
    print(run)
    print(known["record"]["said"])
    print(told("io", run))
    assert 0
