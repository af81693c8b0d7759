"""Runs inside the emulated KVM host: records it and one guest of its own into /results."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from guestlab import inside

RECORD_SECONDS = 5
WAIT_SECONDS = 60  # everything is several times slower in here
BEGIN_SECONDS = 120


def offsets() -> dict[str, str]:
    """KVM's own word on the guests' clocks, by file."""
    return {str(path): path.read_text().strip() for path in Path("/sys/kernel/debug/kvm").glob("*/vcpu*/tsc-offset")}


def wait_for_agent() -> None:
    """`ivtrace guests` itself looks for a second; there is one guest."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        listed = subprocess.run(["ivtrace", "guests", "--json"], capture_output=True, text=True, timeout=WAIT_SECONDS, check=True)
        if all(found["agent_alive"] for found in json.loads(listed.stdout)["guests"]):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"no agent after {WAIT_SECONDS} s: {listed.stdout}")


def started(run: Path, events: str, *options: str) -> subprocess.Popen:
    """A recorder that is about to begin."""
    return subprocess.Popen(["ivtrace", "record", "-o", run, "--events", events, "--buffer-size", "16M", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: subprocess.Popen) -> dict:
    """Ends a recorder or perf in good order: its exit code, and what it said."""
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=BEGIN_SECONDS)[0]
    return {"code": process.returncode, "said": said}


def wait_for_machine(recorder: subprocess.Popen, run: Path, captured: bool = True) -> None:
    """Until the host and the guest are recorded; `captured`: by the guest's agent, else from the host."""
    deadline = time.monotonic() + BEGIN_SECONDS
    journal = run / "journal.jsonl"
    while True:
        lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
        if any(line["type"] == "machine" and line["name"] == "vm1" and (line["feed"] or not captured) for line in map(json.loads, lines)):
            return
        if recorder.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the recording did not begin: {recorder.poll()}")
        time.sleep(0.2)


def main() -> None:
    results = {"npt": Path("/sys/module/kvm_amd/parameters/npt").read_text().strip()}
    with inside.new_guest("vm1") as vm:
        results |= {"query_kvm": vm.qmp("query-kvm"), "kernel": vm.check("dmesg | grep -m1 Hypervisor"), "pid": vm.pid}
        vm.start("exec ivtrace-agent --foreground")
        vm.start("while iv-reads --count 10; do usleep 20000; done")
        wait_for_agent()
        before = offsets()
        record = subprocess.run(["ivtrace", "record", "-o", inside.RESULTS / "run.ivt", "--duration", f"{RECORD_SECONDS}s", *sys.argv[1:]],
                                capture_output=True, text=True, errors="replace", timeout=WAIT_SECONDS)
        results |= {"offsets": before, "offsets_after": offsets(), "record": {"code": record.returncode, "said": record.stdout + record.stderr}}
        print(record.stdout + record.stderr)
        (inside.RESULTS / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    begin = time.monotonic()
    main()
    print(f"{time.monotonic() - begin:.1f} s in the host")
