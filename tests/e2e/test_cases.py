"""What `ivtrace diagnose` says of the casebook: of recorded cases, and of some that are recorded for it now."""

import json
import subprocess

import pytest

import harness
from harness import BIN, ROOT

from casebook import fixtures, library, priority, record, score, stage  # noqa: E402

RECORDED = sorted((ROOT / "tests" / "cases").glob("*.json"))
LIVE = ("healthy-reads", "contended-vm-strong", "contended-host", "own-limit-qemu")
TEMPO = stage.Tempo(quiet=2, cause=2, interval_us=1500)
# What a pattern must reach over the recorded cases.
LEAST = 0.9


def can_diagnose() -> bool:
    return subprocess.run([BIN / "ivtrace", "diagnose", "--help"], capture_output=True).returncode == 0


needs_diagnose = pytest.mark.skipif(not can_diagnose(), reason="this ivtrace has no diagnose")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(label, run) of each fixture."""
    return [(json.loads(path.read_text()), fixtures.unpack(path.with_suffix(".tar.zst"), tmp_path_factory.mktemp(path.stem))) for path in RECORDED]


def test_recorded_cases_are_read_without_complaint(recorded):
    assert len(recorded) >= 12
    for label, run in recorded:
        machines = harness.info(run)["by_name"]
        assert set(machines) == {"host", *label["machine"]["guests"]}, label["name"]
        assert machines["host"]["events"] > 0, label["name"]
        lost = any(finding["pattern"] == "events-lost" for finding in label["expected"])
        assert lost or not any(machine["lost"] for machine in machines.values()), label["name"]


def test_recorded_cases_do_not_tell_which_machine_recorded_them(recorded):
    for label, run in recorded:
        hosts = [line for line in harness.journal(run) if line["type"] == "machine" and line["kind"] == "host"]
        assert {line["hostname"] for line in hosts} == {"host"}, label["name"]
        assert all(set(line["boot_id"]) <= set("0-") for line in harness.journal(run) if line["type"] == "machine"), label["name"]
        text = json.dumps(label) + (run / "journal.jsonl").read_text() + (run / "manifest.json").read_text()
        assert "/tmp" not in text and "ivlab" not in text, label["name"]


@needs_diagnose
def test_recorded_cases_are_diagnosed_as_labelled(recorded):
    scored = score.score([(label, score.diagnosis(BIN / "ivtrace", run)) for label, run in recorded])
    print(f"\n{scored.text()}")
    for name, tally in scored.patterns.items():
        assert (tally.precision or 1) >= LEAST and (tally.recall or 1) >= LEAST, f"{name}\n{scored.text()}"


@needs_diagnose
@pytest.mark.parametrize("name", LIVE)
def test_a_case_recorded_now_is_diagnosed(name, tmp_path):
    case, = library.named([name])
    with priority.first():
        record.record(case, BIN, tmp_path, TEMPO, tries=1)  # what disturbs it is in its label
    label = json.loads((tmp_path / name / "case.json").read_text())
    diagnosis = score.diagnosis(BIN / "ivtrace", tmp_path / name / "run.ivt")
    scored = score.score([(label, diagnosis)])
    assert scored.mistakes == [], f"{scored.text()}\n{json.dumps(diagnosis, indent=1)}\n{json.dumps(label['truth']['effects'])}"
