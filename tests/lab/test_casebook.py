"""The casebook's parts that need no guest: gentle loads, labels, and what is taken out of a fixture."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from casebook import library, strangers  # noqa: E402
from casebook.case import Finding  # noqa: E402
from casebook.priority import first  # noqa: E402
from guestlab import disks  # noqa: E402

LAB = Path(os.environ.get("IVTRACE_BIN", ROOT / "build" / "bin")).resolve() / "lab"


@pytest.fixture(scope="module")
def image():
    with disks.image_dir() as directory:
        yield disks.make_image(directory / "a.img", 8)


def said(program: str, **options) -> dict:
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return json.loads(subprocess.run([LAB / program, *words], check=True, capture_output=True, text=True, timeout=30).stdout)


def test_reads_keep_their_interval(image):
    told = said("iv-reads", target=image, seconds=1, interval_us=20_000)
    assert 40 <= told["count"] <= 51


def test_reads_tell_their_times_by_stretch(image):
    told = said("iv-reads", target=image, seconds=1, stretch_ms=100)
    assert told["stretch_ns"] == 100_000_000 and 10 <= len(told["stretches"]) <= 11
    assert sum(count for count, _ in told["stretches"]) == told["count"]
    total = sum(count * mean for count, mean in told["stretches"])
    assert total == pytest.approx(told["count"] * told["mean_ns"], rel=0.01)


@pytest.mark.parametrize("depth", [1, 4])
def test_writes_keep_their_rate(image, depth):
    told = said("iv-writes", target=image, seconds=1, size=4096, depth=depth, rate=50)
    assert 40 <= told["count"] <= 51 and told["bytes"] == told["count"] * 4096


def test_writes_without_a_rate_make_more(image):
    assert said("iv-writes", target=image, seconds=1, size=4096, depth=4)["count"] > 200


def test_a_spin_tells_its_rounds_by_stretch():
    told = said("iv-spin", seconds=1, stretch_ms=100)
    assert sum(count for count, _ in told["stretches"]) == told["rounds"] > 100


def test_exits_are_counted():
    assert said("iv-exits", seconds=1)["exits"] > 100


def test_exits_by_a_register_need_a_guest_with_ivshmem():
    done = subprocess.run([LAB / "iv-exits", "--kind", "register"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "ivshmem" in done.stderr


def test_cases_have_names_of_their_own_and_say_how_they_are_made():
    names = [case.name for case in library.CASES]
    assert len(set(names)) == len(names) >= 25
    for case in library.CASES:
        assert case.how.endswith(".") and "  " not in case.how and "vm1" in {seat.name for seat in case.seats}
    assert [case.name for case in library.named(["slow-device", "healthy-idle"])] == ["healthy-idle", "slow-device"]
    with pytest.raises(KeyError, match="no case is called helthy"):
        library.named(["helthy"])


def test_a_finding_has_a_pattern_that_exists():
    with pytest.raises(ValueError, match="disk-contended"):
        Finding("disk-contended", "vm1")


def test_who_comes_first_leaves_no_group_behind():
    before = Path("/proc/self/cgroup").read_text()
    with first() as had:
        if not had:
            pytest.skip("no control groups for CPUs here")
        assert Path("/proc/self/cgroup").read_text() != before
    assert Path("/proc/self/cgroup").read_text() == before
    assert not list(Path("/sys/fs/cgroup").glob(f"*/ivlab-first-{os.getpid()}"))


FORMATS = """file sched/sched_switch/format 9
name: sched_switch
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:char next_comm[16];\toffset:24;\tsize:16;\tsigned:0;

file sched/sched_migrate_task/format 9
name: sched_migrate_task
ID: 8
format:
\tfield:__data_loc char[] comm;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
"""


def sub_buffer(*payloads: bytes, rest: bytes = b"") -> bytes:
    """A page of events; the rest is what the kernel left behind them."""
    events = b"".join(struct.pack("<I", len(payload) // 4 | 1 << 5) + payload for payload in payloads)
    return (struct.pack("<QQ", 1, len(events)) + events + bytes(8) + rest).ljust(strangers.PAGE, b"\0")


def switch(before: bytes, after: bytes) -> bytes:
    return struct.pack("<HHI", 7, 0, 0) + before.ljust(16, b"\0") + after.ljust(16, b"\0")


def migration(name: bytes) -> bytes:
    return struct.pack("<HHIIi", 8, 0, 0, 16 | (len(name) + 1) << 16, 42) + (name + b"\0").ljust(-(-(len(name) + 1) // 4) * 4, b"\0")


def renamed(page: bytes) -> bytes:
    return strangers.rename(page, strangers.name_fields(FORMATS), lambda name: name if name.startswith("iv-") else "task")


def test_a_strangers_name_goes_from_every_field_of_every_event():
    page = renamed(sub_buffer(switch(b"secret", b"iv-reads"), migration(b"secret"), switch(b"iv-spin", b"secret")))
    assert page == sub_buffer(switch(b"task", b"iv-reads"), migration(b"task\0\0"), switch(b"iv-spin", b"task"))


def test_a_new_name_is_cut_to_the_room_that_there_is():
    assert renamed(sub_buffer(migration(b"as"))) == sub_buffer(migration(b"ta"))


def test_what_was_left_behind_a_shorter_name_or_the_last_event_goes_too():
    page = renamed(sub_buffer(switch(b"as\0ecret", b"iv-reads\0cret"), rest=switch(b"secret", b"secret")))
    assert b"cret" not in page and page == sub_buffer(switch(b"task", b"iv-reads"))


def test_time_extends_and_padding_are_stepped_over():
    extend, padding = struct.pack("<II", 30 | 5 << 5, 0), struct.pack("<III", 29 | 1 << 5, 8, 0)
    events = extend + padding + struct.pack("<I", 10 | 1 << 5) + switch(b"secret", b"secret")
    page = (struct.pack("<QQ", 1, len(events)) + events).ljust(strangers.PAGE, b"\0")
    assert b"secret" not in renamed(page) and len(renamed(page)) == len(page)


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_a_cut_page_is_no_reason_to_fail(size):
    assert len(renamed(sub_buffer(switch(b"secret", b"secret"), migration(b"secret"))[:size])) == size
