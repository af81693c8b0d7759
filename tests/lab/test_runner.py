"""tests/run counts what the runners report."""

import importlib.machinery
import importlib.util
from pathlib import Path

RUN = Path(__file__).resolve().parents[1] / "run"

CTEST = """<testsuite tests="4"><testcase name="a" classname="a" status="run"/>
<testcase name="b" classname="b" status="fail"><failure message="Failed"/><system-out>boom</system-out></testcase>
<testcase name="c" classname="c" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>x_test.cc:9: Skipped
needs root

</system-out></testcase>
<testcase name="d_NOT_BUILT" classname="d_NOT_BUILT" status="fail"><failure message="Required Files Missing"/></testcase></testsuite>"""

PYTEST = """<testsuites><testsuite><testcase name="t1" classname="m"/><testcase name="t2" classname="m"><error message="x"/></testcase>
<testcase name="t3" classname="m"><skipped message="no loop device"/></testcase></testsuite></testsuites>"""


def load():
    loader = importlib.machinery.SourceFileLoader("runner", str(RUN))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    loader.exec_module(module)
    return module


def test_both_reports_are_summed_and_skips_have_reasons(tmp_path):
    tally = load().Tally()
    for name, text in (("ctest", CTEST), ("pytest", PYTEST)):
        (tmp_path / name).write_text(text)
        tally.add(tmp_path / name, name, 1)
    assert tally.passed == 2
    assert tally.failed == ["b", "d_NOT_BUILT", "m::t2"]
    assert tally.skipped == [("c", "needs root"), ("m::t3", "no loop device")]


def test_a_runner_that_breaks_is_a_failure(tmp_path):
    tally = load().Tally()
    tally.add(tmp_path / "absent", "ctest", 8)
    (tmp_path / "report").write_text("<testsuite><testcase name='a'/></testsuite>")
    tally.add(tmp_path / "report", "pytest", 3)
    assert len(tally.failed) == 2 and tally.passed == 1
