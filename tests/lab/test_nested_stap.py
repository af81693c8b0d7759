"""SystemTap on a real KVM host, which is emulated: the TSC offset at its source, and that nothing of it stays behind."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from test_nested import BIN, LOSS, OK, ROOT, on_host

from guestlab import headers, kernels, stap  # test_nested has put it on the path

HERE = Path(__file__).parent
SCRIPT = ROOT / "examples" / "stap" / "tsc_offset.stp"
SERIES = "6.1"
COMPILING = 600  # seconds
RUN_SECONDS = 240
MODULE = "/tmp/tsc_offset.ko"


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> Path:
    """The script for the KVM host's kernel: there is no compiler on it."""
    kernel = kernels.get(SERIES)
    if lacks := stap.missing(kernel):
        pytest.skip(lacks)
    made = tmp_path_factory.mktemp("compiled") / "tsc_offset.ko"
    done = subprocess.run([BIN / "ivtrace", "compile", SCRIPT, "--kernel", kernel.release, "--stap-opt=-r", f"--stap-opt={headers.get(kernel)}",
                           "-o", made], capture_output=True, text=True, timeout=COMPILING, env=os.environ | stap.environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{made}: the module ivtrace_") and done.stdout.endswith(f" for the kernel {kernel.release}\n")
    return made


@pytest.fixture(scope="module")
def traced(module, tmp_path_factory):
    """(what nested_stap.py knows, the directory with its runs)."""
    def record(host):
        assert host.run("command -v stap || ls -d /lib/modules/*/build")[0] != 0, "neither SystemTap's translator nor headers are there"
        host.push(HERE / "nested_record.py", "/tmp/nested_record.py")
        host.push(module, MODULE)
        code, output = host.run_file(HERE / "nested_stap.py", MODULE, timeout=RUN_SECONDS)
        print(output)
        assert code == 0, output
        return host.bring_back(tmp_path_factory.mktemp("results") / host.name)

    # With one CPU kprobes and tracepoints patch nobody's code under his eyes: nothing must be held.
    results = on_host(record, series=SERIES, smp=1, hold=[], seconds=2 * RUN_SECONDS)
    return json.loads((results / "results.json").read_text()), results


def told(*command) -> str:
    return subprocess.run([BIN / "ivtrace", *command], capture_output=True, text=True, timeout=120).stdout


def events(run: Path, name: str) -> list[dict]:
    lines = [json.loads(line) for line in told("report", run, "--event", name, "--json").splitlines()]
    return [line for line in lines if "event" in line and line["machine"] == "host"]


def journal(run: Path, kind: str) -> list[dict]:
    return [record for record in map(json.loads, (run / "journal.jsonl").read_text().splitlines()) if record["type"] == kind]


def signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def test_the_offset_at_its_source_is_what_kvm_tells_and_what_the_clock_is_made_of(traced):
    known, results = traced
    source, run = known["source"], results / "run.ivt"
    assert source["record"]["code"] in (OK, LOSS), source["record"]["said"]
    (path, offset), = source["offsets"].items()
    assert path.startswith(f"/sys/kernel/debug/kvm/{source['pid']}-") and path.endswith("/vcpu0/tsc-offset")
    at_source = events(run, "stap:tsc_offset")
    print([(line["fields"], line["tsc"]) for line in at_source])
    assert at_source and at_source[-1]["fields"]["offset"] == int(offset)
    assert {line["fields"]["pid"] for line in at_source} == {source["pid"]} and len({line["fields"]["vcpu"] for line in at_source}) == 1
    assert all(line["fields"]["tid"] == line["pid"] for line in at_source), "each stands at the thread that it is of"
    epochs = [record["epoch"] for record in journal(run, "epoch") if record["machine"] == "vm1"]
    assert epochs and {epoch["relation"]["offset"] for epoch in epochs} == {int(offset)}
    assert {epoch["source"] for epoch in epochs} <= {"kvm-debugfs", "kvm-tracepoint"}


def test_script_probe_and_the_kernels_own_event_tell_the_same_writes(traced):
    known, results = traced
    run = results / "run.ivt"
    by_script = [(line["tsc"], line["fields"]["offset"]) for line in events(run, "stap:tsc_offset")]
    by_probe = [(line["tsc"], line["fields"]["offset"]) for line in events(run, "kprobe:kvm_vcpu_write_tsc_offset")]
    by_kvm = [(line["tsc"], signed(line["fields"]["next_tsc_offset"])) for line in events(run, "kvm:kvm_write_tsc_offset")]
    assert [offset for _, offset in by_script] == [offset for _, offset in by_probe] == [offset for _, offset in by_kvm]
    # On one clock: KVM tells each write after both probes of its function's first instruction, and before the next write.
    assert all(max(script, probe) < kvm for (script, _), (probe, _), (kvm, _) in zip(by_script, by_probe, by_kvm))
    assert all(kvm < script for (kvm, _), (script, _) in zip(by_kvm, by_script[1:]))
    tracers = [(one["name"], one["state"], one["lost"]) for one in journal(run, "tracer") if one["kind"] == "stap"]
    assert tracers[-1] == ("tsc_offset", "ended", 0)
    assert [loss for loss in json.loads(told("info", run, "--json"))["losses"] if loss["machine"] == "host"] == []


def test_marks_and_probes_with_named_arguments_stand_in_the_same_run(traced):
    known, results = traced
    run = results / "run.ivt"
    assert [line["fields"]["name"] for line in events(run, "mark:instant")] == ["the guest runs"]
    assert known["source"]["mode"] in {line["fields"]["mode"] for line in events(run, "kprobe:do_mkdirat")}


def test_a_host_before_6_12_lends_its_top_level_buffer_and_gets_it_back(traced):
    known, _ = traced
    during, after = known["source"]["recording"], known["source"]["after"]
    assert len(during["modules"]) == 1 and "[x86-tsc]" in during["settings"]["trace_clock"]
    assert "kvm:kvm_write_tsc_offset" in during["settings"]["set_event"]
    assert known["before"]["modules"] == [] and after == known["before"]


def test_a_killed_recorders_module_goes_with_it_and_cleanup_puts_the_buffer_back(traced):
    known, results = traced
    alone = known["alone"]
    assert alone["left"]["modules"] == [] and "[x86-tsc]" in alone["left"]["settings"]["trace_clock"]
    assert alone["code"] == OK, alone["told"]
    assert "top-level" in alone["told"]["removed_instances"] and alone["told"]["problems"] == []
    assert [Path(saved["run"]).name for saved in alone["told"]["salvaged"]] == ["alone.ivt"]
    assert alone["after"] == known["before"]


def test_what_nobody_serves_any_more_is_unloaded_by_the_next_recording(traced):
    known, _ = traced
    killed = known["killed"]
    assert len(killed["left"]["modules"]) == 1 and "[x86-tsc]" in killed["left"]["settings"]["trace_clock"]
    assert killed["code"] == OK, killed["said"]
    assert killed["after"] == known["before"]
