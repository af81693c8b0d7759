"""Runs inside the emulated KVM host: records one guest's storm by KVM's word on its clock, and again without it."""

import json
import sys
import time
from pathlib import Path

from guestlab import inside

sys.path.insert(0, str(Path(__file__).parent))
from nested_record import ended, offsets, started, wait_for_agent, wait_for_machine  # noqa: E402

EVENTS = "kvm:kvm_entry,kvm:kvm_exit,syscalls:sys_enter_sched_get_priority_max"
WAIT_SECONDS = 120


def record(run: str, vm, load: str, *options: str) -> dict:
    """Records while the guest runs `load`; what KVM said of its clock stands beside it."""
    before = offsets()
    recorder = started(inside.RESULTS / run, EVENTS, *options)
    wait_for_machine(recorder, inside.RESULTS / run)
    counted = vm.check(load, WAIT_SECONDS)
    time.sleep(2)
    return ended(recorder) | {"counted": counted, "offsets": sorted({*before.values(), *offsets().values()})}


def main() -> None:
    events = int(sys.argv[1])
    with inside.new_guest("vm1") as vm:
        vm.start("exec ivtrace-agent --foreground")
        wait_for_agent()
        results = {"storm": record("storm.ivt", vm, f"iv-storm --count {events}"),
                   "handshake": record("handshake.ivt", vm, "sleep 5", "--no-kvm-clock")}
    (inside.RESULTS / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
