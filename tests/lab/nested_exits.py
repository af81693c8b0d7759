"""Runs inside the emulated KVM host: three counts of one guest's exits, of the same stretch of time.

The guest stands still while the counts begin and while they end, so they are of the same exits to the last one.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from guestlab import inside

sys.path.insert(0, str(Path(__file__).parent))
from nested_record import ended, started, wait_for_agent, wait_for_machine  # noqa: E402

EVENTS = "kvm:kvm_entry,kvm:kvm_exit,kvm:kvm_userspace_exit,sched:sched_switch,sched:sched_waking"
# CPUID and TSC-deadline writes come by themselves; halts, interrupts and I/O from this.
LOAD = "iv-reads --count 100; for i in 1 2 3 4 5 6 7 8 9 10; do usleep 20000; echo $i >/dev/console; done; iv-storm --count 20000"
WAIT_SECONDS = 60


def kvm_counters(pid: int) -> dict[str, int]:
    """What KVM has counted of that guest since it was made, all its vCPUs together."""
    machine, = Path("/sys/kernel/debug/kvm").glob(f"{pid}-*")
    return {path.name: int(path.read_text()) for path in machine.iterdir() if path.name.endswith("exits")}


class Perf:
    """`perf kvm stat record` of one process, counting as soon as it is made."""

    def __init__(self, pid: int, data: Path):
        with tempfile.TemporaryDirectory() as directory:
            orders, answers = Path(directory) / "orders", Path(directory) / "answers"
            os.mkfifo(orders)
            os.mkfifo(answers)
            self.process = subprocess.Popen(["perf", "kvm", "stat", "record", "-p", str(pid), "-o", data, "-D", "-1", f"--control=fifo:{orders},{answers}"],
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            with open(orders, "w") as out, open(answers) as back:
                out.write("enable\n")
                out.flush()
                back.readline()


def main() -> None:
    run, data = inside.RESULTS / "run.ivt", inside.RESULTS / "perf.data"
    with inside.new_guest("vm1") as vm:
        vm.start("exec ivtrace-agent --foreground")
        wait_for_agent()
        vm.qmp("stop")
        recorder = started(run, EVENTS)
        wait_for_machine(recorder, run, captured=False)
        perf = Perf(vm.pid, data)
        before = kvm_counters(vm.pid)
        vm.qmp("cont")
        wait_for_machine(recorder, run)
        vm.check(LOAD, WAIT_SECONDS)
        vm.qmp("stop")
        after = kvm_counters(vm.pid)
        results = {"perf": ended(perf.process), "record": ended(recorder), "kvm": {name: after[name] - before[name] for name in after}}
    report = subprocess.run(["perf", "kvm", "-i", data, "stat", "report", "--event=vmexit"], capture_output=True, text=True, timeout=WAIT_SECONDS)
    results["perf"]["report"] = report.stdout + report.stderr
    (inside.RESULTS / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
