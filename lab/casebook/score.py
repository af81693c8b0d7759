"""How well a diagnosis does: its findings held against the labels of cases, per pattern and as a confusion matrix.

    scored = score([(label, diagnosis), …])   # case.json's and `ivtrace diagnose --json`'s content
    print(scored.text())

A finding is right when an expected one has its pattern, victim and culprit; several that match the same expected
one are one. It is let pass when an allowed one matches. Any other is false. An expected one that nobody found is
missed; so it is when the diagnosis said that it cannot know, but that is counted apart as well.
"""

import dataclasses
import json
import subprocess
from pathlib import Path

from .case import ANY, PATTERNS

MISNAMED, UNKNOWN, NOTHING = "misnamed", "unknown", "nothing"
DIAGNOSE_SECONDS = 120
NEAR_NS = 700_000_000  # a time is told rightly when it is so near: a cause takes a moment to begin, a window to fill


@dataclasses.dataclass
class Tally:
    """Of one pattern. unknown is part of missed."""

    right: int = 0
    false: int = 0
    missed: int = 0
    unknown: int = 0

    @property
    def precision(self) -> float | None:
        return self.right / (self.right + self.false) if self.right + self.false else None

    @property
    def recall(self) -> float | None:
        return self.right / (self.right + self.missed) if self.right + self.missed else None


@dataclasses.dataclass
class Score:
    """patterns: each one's tally. matrix: what was so -> what was said -> how often. mistakes: one line each.

    shares_off: by how much each culprit's share was told wrongly. begins: how many begins were told near enough, of
    how many that are known.
    """

    patterns: dict[str, Tally]
    matrix: dict[str, dict[str, int]]
    mistakes: list[str]
    shares_off: list[float]
    begins: tuple[int, int]
    cases: int

    def total(self) -> Tally:
        tallies = self.patterns.values()
        return Tally(*(sum(getattr(tally, field.name) for tally in tallies) for field in dataclasses.fields(Tally)))

    def numbers(self) -> dict:
        """All of it for JSON."""
        told = {name: dataclasses.asdict(tally) | {"precision": tally.precision, "recall": tally.recall}
                for name, tally in (self.patterns | {"all": self.total()}).items()}
        return {"cases": self.cases, "patterns": told, "matrix": self.matrix, "mistakes": self.mistakes,
                "shares_off": self.shares_off, "begins_near": self.begins[0], "begins_known": self.begins[1]}

    def text(self) -> str:
        """The tables, as a person reads them."""
        return "\n".join([*self._tallies(), "", *self._matrix(), *self._rest()])

    def _tallies(self) -> list[str]:
        lines = [f"{self.cases} cases", f"{'PATTERN':22}{'RIGHT':>6}{'FALSE':>6}{'MISSED':>7}{'(UNKNOWN)':>10}{'PRECISION':>10}{'RECALL':>7}"]
        for name, tally in (self.patterns | {"all": self.total()}).items():
            lines.append(f"{name:22}{tally.right:6}{tally.false:6}{tally.missed:7}{tally.unknown:10}{_ratio(tally.precision):>10}{_ratio(tally.recall):>7}")
        return lines

    def _matrix(self) -> list[str]:
        known = (*PATTERNS, MISNAMED, UNKNOWN, NOTHING)
        used = {name for row in self.matrix.values() for name in row}
        said = [name for name in known if name in used] + sorted(used - set(known))
        letters = {name: chr(ord("A") + index) for index, name in enumerate(said)}
        lines = [f"{'WHAT WAS SO':22}" + "".join(f"{letters[name]:>4}" for name in said) + "   what was said: " +
                 ", ".join(f"{letter} {name}" for name, letter in letters.items())]
        for truth in (*PATTERNS, NOTHING):
            if truth in self.matrix:
                lines.append(f"{truth:22}" + "".join(f"{self.matrix[truth].get(name) or '.':>4}" for name in said))
        return lines

    def _rest(self) -> list[str]:
        lines = []
        if self.shares_off:
            lines.append(f"shares: {len(self.shares_off)} known, off by {max(self.shares_off):.0%} at most")
        if self.begins[1]:
            lines.append(f"begins: {self.begins[0]} of {self.begins[1]} within {NEAR_NS / 1e9:.1f} s")
        return lines + self.mistakes


def diagnosis(ivtrace: Path, run: Path) -> dict:
    """What `ivtrace diagnose` says of a run. Raises RuntimeError when it fails (exit code 3, events are lost, is no failure)."""
    done = subprocess.run([ivtrace, "diagnose", run, "--json"], capture_output=True, text=True, timeout=DIAGNOSE_SECONDS)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"ivtrace diagnose {run}: exit {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def score(cases: list[tuple[dict, dict]]) -> Score:
    """The score of diagnoses, each with its case's label."""
    patterns, matrix = {name: Tally() for name in PATTERNS}, {}
    scored = Score(patterns, matrix, [], [], (0, 0), len(cases))
    for label, diagnosis in cases:
        _score_case(scored, label, diagnosis)
    scored.patterns = {name: tally for name, tally in patterns.items() if tally != Tally()}
    return scored


def _score_case(scored: Score, label: dict, diagnosis: dict) -> None:
    findings = diagnosis["findings"]
    false = [finding for finding in findings if not any(_matches(finding, wanted) for wanted in label["expected"] + label["allowed"])]
    missed = []
    for wanted in label["expected"]:
        found = [finding for finding in findings if _matches(finding, wanted)]
        if not found:
            missed.append(wanted)
            continue
        scored.patterns[wanted["pattern"]].right += 1
        _count(scored, wanted["pattern"], wanted["pattern"])
        _compare(scored, wanted, found)
    _tally_false(scored, label, false, missed)
    _tally_missed(scored, label, false, missed, {unknown["pattern"] for unknown in diagnosis["unknown"]})


def _tally_false(scored: Score, label: dict, false: list[dict], missed: list[dict]) -> None:
    for finding in false:
        scored.patterns.setdefault(finding["pattern"], Tally()).false += 1
        scored.mistakes.append(f"{label['name']}: false: {_name(finding)}")
        if not missed:
            _count(scored, NOTHING, finding["pattern"])
    if not label["expected"] and not false:
        _count(scored, NOTHING, NOTHING)


def _tally_missed(scored: Score, label: dict, false: list[dict], missed: list[dict], unknown: set[str]) -> None:
    for wanted in missed:
        pattern = wanted["pattern"]
        scored.patterns[pattern].missed += 1
        scored.patterns[pattern].unknown += pattern in unknown
        scored.mistakes.append(f"{label['name']}: missed{' (unknown)' if pattern in unknown else ''}: {_name(wanted)}")
        instead = {MISNAMED if finding["pattern"] == pattern else finding["pattern"] for finding in false}
        for said in instead or {UNKNOWN if pattern in unknown else NOTHING}:
            _count(scored, pattern, said)


def _compare(scored: Score, wanted: dict, found: list[dict]) -> None:
    """How near the best of the matching findings comes to what is known of share and begin."""
    shares = [abs(finding["share"] - wanted["share"]) for finding in found if wanted.get("share") is not None and finding.get("share") is not None]
    if shares:
        scored.shares_off.append(round(min(shares), 3))
    if wanted.get("from_ns") is not None:
        near = any(finding.get("from_ns") is not None and abs(finding["from_ns"] - wanted["from_ns"]) <= NEAR_NS for finding in found)
        scored.begins = (scored.begins[0] + near, scored.begins[1] + 1)


def _matches(finding: dict, wanted: dict) -> bool:
    return finding["pattern"] == wanted["pattern"] and all(wanted[who] in (ANY, finding.get(who)) for who in ("victim", "culprit"))


def _count(scored: Score, truth: str, said: str) -> None:
    row = scored.matrix.setdefault(truth, {})
    row[said] = row.get(said, 0) + 1


def _name(finding: dict) -> str:
    return f"{finding['pattern']} of {finding.get('victim')} by {finding.get('culprit')}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
