"""A real KVM host, emulated: that its KVM is one, and that ivtrace gets the guests' clocks from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from guestlab import nested  # noqa: E402
from guestlab.nested_image import ImageError  # noqa: E402

BIN = Path(os.environ.get("IVTRACE_BIN", ROOT / "build" / "bin")).resolve()
SCRIPT = Path(__file__).with_name("nested_record.py")
SECONDS = 230  # for all tries together
OK, LOSS = 0, 3


def on_host(body, **options):
    """nested.on_host, but a machine where no such host comes up, or stays up, skips the test: that is the emulation's doing."""
    assert (BIN / "ivtrace").exists(), f"not built: {BIN}/ivtrace (IVTRACE_BIN names the directory)"
    try:
        return nested.on_host(body, bin_dir=BIN, **{"seconds": SECONDS} | options)
    except (nested.NoNestedHost, ImageError) as reason:
        pytest.skip(f"no emulated KVM host boots here: {reason}")
    except nested.HostDied as reason:
        pytest.skip(f"every emulated KVM host died in use: {reason}")


def test_guests_of_a_kvm_host_are_aligned_by_what_kvm_says(tmp_path):
    def record(host):
        code, output = host.run_file(SCRIPT, timeout=150)
        print(output)
        assert code == 0, output
        return host.bring_back(tmp_path / f"results-{host.name}"), host.check("dmesg")

    results, dmesg = on_host(record)
    told = json.loads((results / "results.json").read_text())
    assert "Nested Paging enabled" in dmesg and told["npt"] == "Y"
    assert told["query_kvm"] == {"enabled": True, "present": True}
    assert "KVM" in told["kernel"]
    assert [path.split("/")[-2:] for path in told["offsets"]] == [["vcpu0", "tsc-offset"]], "one guest with one vCPU ran"
    # The inner guest is starved of CPU and may answer late: then the run tells a loss. What is tested is its clock.
    assert told["record"]["code"] in (OK, LOSS), told["record"]["said"]

    info = subprocess.run([BIN / "ivtrace", "info", results / "run.ivt", "--json"], capture_output=True, text=True, timeout=60)
    assert info.returncode == told["record"]["code"], info.stdout + info.stderr
    machines = {machine["name"]: machine for machine in json.loads(info.stdout)["machines"]}
    vm, clock = machines["vm1"], machines["vm1"]["clock"]
    assert clock["source"] in ("kvm-debugfs", "kvm-tracepoint") and clock["aligned"], clock
    assert vm["accel"] == "kvm" and vm["events"] > 0 and machines["host"]["events"] > 0

    epochs = [record["epoch"] for record in map(json.loads, (results / "run.ivt" / "journal.jsonl").read_text().splitlines())
              if record["type"] == "epoch" and record["machine"] == "vm1"]
    assert {str(epoch["relation"]["offset"]) for epoch in epochs} <= {*told["offsets"].values(), *told["offsets_after"].values()}


def test_a_host_that_panics_is_told_as_such_and_booted_again():
    names, told = [], []

    def panics_once(host):
        names.append(host.name)
        if len(names) == 1:
            host.run("echo c >/proc/sysrq-trigger", timeout=30)
        return host.check("uname -r").strip()

    release = on_host(panics_once, say=lambda text, **_: told.append(text))
    assert release.startswith("6.12") and len(set(names)) == len(names) >= 2
    assert "emulated KVM host died (in use)" in told[0] and "sysrq" in told[0]
