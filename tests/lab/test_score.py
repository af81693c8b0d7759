"""The score of a diagnosis: right, false, missed, and what was said instead."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from casebook.score import score  # noqa: E402

VM, HOST, LIMIT, STARVED = "disk-contention-vm", "disk-contention-host", "disk-own-limit", "vcpu-starved"


def finding(pattern, victim="vm1", culprit="*", **more):
    return {"pattern": pattern, "victim": victim, "culprit": culprit} | more


def label(*expected, allowed=()):
    return {"name": "a-case", "expected": list(expected), "allowed": list(allowed)}


def said(*findings, unknown=()):
    return {"findings": list(findings), "unknown": [{"pattern": name} for name in unknown]}


def tally(scored, pattern):
    counted = scored.patterns[pattern]
    return counted.right, counted.false, counted.missed, counted.unknown


def test_a_finding_with_pattern_victim_and_culprit_is_right():
    scored = score([(label(finding(VM, culprit="vm2")), said(finding(VM, culprit="vm2")))])
    assert tally(scored, VM) == (1, 0, 0, 0) and scored.mistakes == []
    assert (scored.total().precision, scored.total().recall) == (1, 1)
    assert scored.matrix == {VM: {VM: 1}}


def test_several_findings_of_one_cause_are_one():
    twice = said(finding(VM, culprit="vm2", from_ns=0), finding(VM, culprit="vm2", from_ns=9))
    assert tally(score([(label(finding(VM, culprit="vm2")), twice)]), VM) == (1, 0, 0, 0)


def test_another_culprit_is_false_and_the_cause_missed():
    scored = score([(label(finding(VM, culprit="vm2")), said(finding(VM, culprit="vm3")))])
    assert tally(scored, VM) == (0, 1, 1, 0)
    assert scored.matrix == {VM: {"misnamed": 1}}
    assert scored.mistakes == ["a-case: false: disk-contention-vm of vm1 by vm3", "a-case: missed: disk-contention-vm of vm1 by vm2"]


def test_what_is_allowed_counts_neither_way():
    scored = score([(label(finding(LIMIT), allowed=[finding(VM, culprit="vm2")]), said(finding(LIMIT, culprit=None), finding(VM, culprit="vm2")))])
    assert list(scored.patterns) == [LIMIT] and tally(scored, LIMIT) == (1, 0, 0, 0)


@pytest.mark.parametrize("who, right", [("*", 1), (None, 0), ("vm1", 1)])
def test_a_star_is_not_judged_and_null_is_nobody(who, right):
    assert score([(label(finding(LIMIT, culprit=who)), said(finding(LIMIT, culprit="vm1")))]).total().right == right


def test_a_healthy_case_with_a_finding_is_a_false_alarm():
    scored = score([(label(), said(finding(HOST, culprit="kworker"))), (label(), said())])
    assert tally(scored, HOST) == (0, 1, 0, 0) and scored.total().precision == 0 and scored.total().recall is None
    assert scored.matrix == {"nothing": {HOST: 1, "nothing": 1}}


def test_an_unknown_is_missed_and_told_apart():
    scored = score([(label(finding(STARVED)), said(unknown=[STARVED]))])
    assert tally(scored, STARVED) == (0, 0, 1, 1) and scored.matrix == {STARVED: {"unknown": 1}}


def test_the_matrix_tells_what_was_said_instead():
    scored = score([(label(finding(LIMIT)), said(finding(VM, culprit="vm2"))), (label(finding(LIMIT)), said()), (label(finding(LIMIT)), said(finding(LIMIT)))])
    assert scored.matrix == {LIMIT: {VM: 1, "nothing": 1, LIMIT: 1}}
    assert scored.patterns[LIMIT].recall == pytest.approx(1 / 3) and scored.patterns[VM].precision == 0


def test_shares_and_begins_are_compared_where_they_are_known():
    wanted = finding(VM, culprit="vm2", share=0.8, from_ns=3_000_000_000)
    found = finding(VM, culprit="vm2", share=0.75, from_ns=3_400_000_000)
    late = finding(VM, culprit="vm2", share=None, from_ns=5_000_000_000)
    scored = score([(label(wanted), said(found)), (label(wanted), said(late))])
    assert scored.shares_off == [0.05] and scored.begins == (1, 2)


def test_a_pattern_of_ones_own_that_no_case_knows_is_false():
    assert tally(score([(label(), said(finding("my-own")))]), "my-own") == (0, 1, 0, 0)


def test_the_text_has_a_line_for_each_pattern_and_each_mistake():
    text = score([(label(finding(VM, culprit="vm2")), said(finding(VM, culprit="vm2"))), (label(), said(finding(LIMIT)))]).text()
    lines = text.splitlines()
    assert lines[0] == "2 cases"
    assert lines[2].split() == [VM, "1", "0", "0", "0", "1.00", "1.00"]
    assert lines[3].split() == [LIMIT, "0", "1", "0", "0", "0.00", "-"]
    assert lines[4].split()[:3] == ["all", "1", "1"]
    assert "A disk-contention-vm, B disk-own-limit" in text and lines[-1] == "a-case: false: disk-own-limit of vm1 by *"
