"""`ivtrace exits` against two others that count the same exits: KVM's own counters and `perf kvm stat`."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from test_nested import BIN, LOSS, OK, on_host

HERE = Path(__file__).parent
# KVM's counters of single reasons on SVM (arch/x86/kvm/svm/svm.c) by the reason's name.
COUNTERS = {"interrupt": "irq_exits", "hlt": "halt_exits", "io": "io_exits", "vintr": "irq_window_exits"}


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """(what KVM and perf counted, what `ivtrace exits` says of the one vCPU, what `ivtrace vcpus` does)."""
    def record(host):
        host.push(HERE / "nested_record.py", "/tmp/nested_record.py")
        code, output = host.run_file(HERE / "nested_exits.py", timeout=200)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    results = on_host(record)
    told = json.loads((results / "results.json").read_text())
    assert told["record"]["code"] in (OK, LOSS), told["record"]["said"]
    info, exits, vcpus = (json.loads(subprocess.run([BIN / "ivtrace", command, results / "run.ivt", "--json"], capture_output=True, text=True,
                                             timeout=120).stdout) for command in ("info", "exits", "vcpus"))
    # The guest stands still at the end, so its agent cannot hand over its last events; the host's must all be there.
    assert [loss for loss in info["losses"] if loss["machine"] == "host"] == []
    return told, exits["vcpus"], vcpus["vcpus"]


@pytest.fixture
def counted(followed):
    """(what KVM and perf counted, the reasons of the one vCPU)."""
    told, (vcpu,), _ = followed
    return told, {reason["reason"]: reason for reason in vcpu["reasons"]}


def test_all_exits_are_those_that_kvm_counted(counted):
    told, reasons = counted
    print(told["kvm"])
    assert sum(reason["count"] for reason in reasons.values()) == told["kvm"]["exits"] > 1000


@pytest.mark.parametrize("reason, counter", COUNTERS.items())
def test_a_reason_that_kvm_counts_has_its_count(counted, reason, counter):
    told, reasons = counted
    assert reasons[reason]["count"] == told["kvm"][counter] > 0


def test_each_reason_has_the_count_of_perf(counted):
    """perf counts an exit when its entry comes, so the last one, behind which the guest stood still, is not among its."""
    told, reasons = counted
    assert told["perf"]["code"] == -signal.SIGINT, told["perf"]
    report = told["perf"]["report"]
    print(report)
    assert "lost" not in (told["perf"]["said"] + report).lower()
    theirs = {name: (int(samples), float(mean) * 1000)
              for name, samples, mean in re.findall(r"^ +(\S+) +(\d+) +[\d.]+% .*us +([\d.]+)us \(", report, re.MULTILINE)}
    ours = {name: reason["count"] - reason["unfinished"] for name, reason in reasons.items()}
    assert {name: count for name, count in ours.items() if count} == {name: samples for name, (samples, _) in theirs.items()}
    assert sum(reason["unfinished"] for reason in reasons.values()) == 1
    for name, (samples, mean) in theirs.items():
        print(f"{name}: {samples}, mean {reasons[name]['mean_ns']} ns, by perf {mean:.0f} ns")
        # Between the two tools' times lies what each does in the tracepoints, some 10 us in here.
        assert mean / 1.5 < reasons[name]["mean_ns"] < mean * 1.5 + 50_000


def test_states_of_a_vcpu_agree_with_its_exits(followed):
    _, (exits,), (states,) = followed
    told = {name: state["total_ns"] for name, state in states["states"].items()}
    print(told)
    # KVM's events tell guest, exit and userspace, the scheduler's the sleep behind a hlt.
    assert {"guest", "exit", "userspace", "halted"} <= set(told) <= {"guest", "exit", "userspace", "halted", "preempted", "blocked"}
    assert told["guest"] == pytest.approx(exits["guest_ns"], abs=1000)
    # Behind the last exit the guest stood still: vcpus tells that stretch, exits has no end for it.
    assert sum(told.values()) - told["guest"] > exits["host_ns"] - 1000
    halts, = (reason for reason in exits["reasons"] if reason["reason"] == "hlt")
    assert 0 < told["halted"] <= halts["total_ns"]
