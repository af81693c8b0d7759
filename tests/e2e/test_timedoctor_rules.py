"""The checker of TimeDoctor's rules itself: what is right passes, and each rule that is broken is told."""

import pytest

import timedoctor_rules

# One block with all that may be in it.
HEAD = """\
TIME 1000000000
CPU 1 host:cpu0
SPEED 1000000000
MEMSPEED 1000
NAM 0 1 idle
NAM 0 2 bash-42
NAM 1 3 irq7
NAM 1 4 softirq
NAM 2 5 lock
NAM 3 6 disk
NAM 5 7 value
NAM 7 8 notes
DNM 0 1 note
"""
RIGHT = HEAD + """\
STA 0 1 10
STA 1 4 11
STA 1 3 12
STO 1 3 13
STO 1 4 13
STO 0 1 20
STA 0 2 20
STA 3 6 21 2
STA 2 5 21
STO 2 5 22
STO 3 6 22 1
OCC 7 8 23
DSC 3 1 4
DSC 1 1 17
DSC 0 1 a_text
TIM 24
VAL 5 7 3
VAL 5 7 3
CRE 4 9 24
DEL 4 9 25
CRE 4 9 26
STO 0 2 30
"""
BLOCK = "CPU 2 vm1:cpu0\nNAM 0 1 init\n"


def problems(text: str) -> list[str]:
    return timedoctor_rules.Trace().read(text.splitlines()).problems


@pytest.mark.parametrize("text", [
    RIGHT,
    RIGHT + "END\n",
    RIGHT + BLOCK + "STA 0 1 5\nSTO 0 1 6\nEND\n",
    "TIME 1\nSPEED 2\nNAM 0 1 one\nSTA 0 1 0\nSTO 0 1 1.5e1\n",  # no CPU is one CPU
], ids=["block", "end", "two blocks", "no CPU"])
def test_what_is_right_passes(text):
    assert problems(text) == []


def test_what_was_read_is_there():
    trace = timedoctor_rules.Trace().read((RIGHT + BLOCK + "STA 0 1 5\nSTO 0 1 6\n").splitlines())
    assert [(cpu.id, cpu.name) for cpu in trace.cpus] == [(1, "host:cpu0"), (2, "vm1:cpu0")]
    assert [(line.name, line.samples) for line in trace.cpus[0].of(timedoctor_rules.TASK)] == [("idle", 2), ("bash-42", 2)]
    assert (trace.first, trace.last) == (5, 30)


@pytest.mark.parametrize(("more", "told"), [
    ("OCC 7 8 31\nDSC 0 1 \x1b[31m", "ASCII"),
    ("OCC 7 8 31\nDSC 0 1 é", "ASCII"),
    ("", "empty"),
    ("STA 0 1 31 1 1 1 1 1 1 1", "ten tokens"),
    ("sta 0 1 31", "no such record"),
    ("NOTE 7 8 31", "no such record"),
    ("STA 0 1", "arguments"),
    ("OCC 7 8 31\nDSC 0 1 two words", "arguments"),
    ("END\nOCC 7 8 31", "behind END"),
    ("TIME 1000", "first and once"),
    ("CPU 1 again", "one block"),
    ("CPU x name", "no whole number"),
    ("CPU 4294967296 name", "not within"),
    ("SPEED 5", "one SPEED"),
    ("CPU 2 other\nSPEED 1", "zoom"),
    ("NAM 0 99 late", "before the first sample"),
    ("STA 0 99 31", "no such line"),
    ("STA 1 1 31", "no such line"),
    ("STA 12 1 31", "no type"),
    ("STA 0 268435456 31", "not within"),
    ("STA 0 1 31x", "no number"),
    ("STA 0 1 nan", "no number"),
    ("STA 0 1 -1", "not within"),
    ("STA 0 1 9007199254740994", "not within"),
    ("STA 0 1 29", "time falls"),
    ("OCC 0 1 31", "note's"),
    ("STA 7 8 31", "no start"),
    ("STO 7 8 31", "no stop"),
    ("STA 0 1 31\nSTA 0 2 32\nSTO 0 1 33", "has the CPU"),
    ("STO 0 1 31", "does not have the CPU"),
    ("STA 0 1 31\nSTA 1 3 32\nSTO 0 1 33\nSTO 1 3 34\nSTO 0 1 35", "interrupt is open"),
    ("STA 1 3 32\nSTA 0 1 33\nSTO 1 3 34", "only interrupts"),
    ("STA 1 3 31\nSTA 1 4 32\nSTO 1 3 33\nSTO 1 4 34\nSTO 1 3 34", "innermost"),
    ("STA 1 3 31\nSTA 1 3 32\nSTO 1 3 33", "open already"),
    ("STO 1 3 31", "innermost"),
    ("STA 0 1 31 2\nSTO 0 1 32", "no size"),
    ("STA 3 6 31 0", "not within"),
    ("STA 3 6 31 2097151", "too high"),
    ("STO 3 6 31 2", "less than nothing"),
    ("VAL 5 7 2", "gains"),
    ("VAL 0 1 2", "counter's"),
    ("OCC 7 8 31\nDSC 0 1 a\nDSC 1 1 2", "last"),
    ("OCC 7 8 31\nDSC 1 1 2\nDSC 3 1 2", "first"),
    ("OCC 7 8 31\nDSC 0 2 a", "no DNM"),
    ("OCC 7 8 31\nDSC 4 1 a", "not within"),
    ("CPU 2 other\nDSC 0 1 a", "no sample"),
    ("CPU 2 other\nNAM 5 1 value\nVAL 5 1 3", "told the time"),
    ("CRE 0 1 31", "name already"),
    ("DEL 4 9 31\nCRE 4 9 31", "created again"),
    ("DEL 4 9 31\nDEL 4 9 32", "deleted"),
    ("CRE 4 10 31\nDEL 4 10 31", "later than it was created"),
    ("STA 0 1 31", "ends while open: idle"),
    ("STA 1 3 31\nCPU 2 other", "ends while open: irq7"),
])
def test_a_broken_rule_is_told(more, told):
    assert problems(RIGHT) == []
    found = problems(RIGHT + more + "\n")
    assert found and told in found[0], found


@pytest.mark.parametrize(("text", "told"), [
    (HEAD, "no duration"),
    (HEAD + "OCC 7 8 5\n", "no duration"),
    (HEAD + "STO 0 1 5\nOCC 7 8 9\n", "not started"),
    (HEAD.replace("NAM 0 2", "NAM 1 1") + "OCC 7 8 5\nOCC 7 8 6\n", "another line's"),
    (HEAD.replace("TIME 1000000000\n", "") + "OCC 7 8 5\nOCC 7 8 6\n", "TIME comes first"),
    (HEAD.replace("TIME 1000000000", "TIME 0") + "OCC 7 8 5\nOCC 7 8 6\n", "has ticks"),
    (HEAD.replace("CPU 1 host:cpu0", "CPU host:cpu0") + "OCC 7 8 5\nOCC 7 8 6\n", "arguments"),
    ("TIME 1\nSPEED 2\nNAM 7 1 n\nOCC 7 1 0\nOCC 7 1 1\nCPU 1 late\n", "before the first CPU"),
    ("TIME 1\nCPU 1 a\nMEMSPEED 0\nNAM 7 1 n\nOCC 7 1 0\nOCC 7 1 1\n", "a clock"),
])
def test_a_broken_head_is_told(text, told):
    found = problems(text)
    assert found and told in found[0], found


def test_a_file_is_read_byte_by_byte(tmp_path):
    path = tmp_path / "bad.tdi"
    path.write_bytes(HEAD.encode() + b"OCC 7 8 5\nDSC 0 1 \xff\x85x\nOCC 7 8 6\n")
    assert [problem.split(":")[0] for problem in timedoctor_rules.read(path).problems] == ["15"]
