"""Runs inside the emulated KVM host: a guest whose APIC IDs have a hole, and whose CPUs' clocks are set while it is recorded.

With three cores in a socket the fourth CPU is the first of the next socket, whose APIC IDs begin at four.
"""

import json
import sys
from pathlib import Path

from guestlab import inside

sys.path.insert(0, str(Path(__file__).parent))
from nested_record import ended, offsets, started, wait_for_agent, wait_for_machine  # noqa: E402

CPUS = 4
SET = (3, 1)  # those whose TSC is set, one after the other
LATE = 2      # whose TSC is set when the recording is about to end
TOPOLOGY = f"{CPUS},sockets=2,cores=3,maxcpus=6"
EVENTS = "kvm:kvm_entry,kvm:kvm_exit,syscalls:sys_enter_sched_get_priority_max"
WAIT_SECONDS = 60
# The TSC is MSR 16, and the msr driver's position is the MSR's number.
SET_TSC = """
old=$(dd if=/dev/cpu/{cpu}/msr bs=8 skip=2 count=1 2>/dev/null | od -An -tu8)
hex=$(printf %016x $((old + {ticks})))
bytes=
while [ "$hex" ]; do bytes="$bytes\\\\x${hex#"${hex%??}"}"; hex=${hex%??}; done
printf "$bytes" | dd of=/dev/cpu/{cpu}/msr bs=8 seek=2 conv=notrunc 2>/dev/null
"""


def storm(vm, events: int) -> None:
    """So many events on each CPU."""
    for cpu in range(CPUS):
        vm.check(f"taskset {1 << cpu:x} iv-storm --count {events}", WAIT_SECONDS)


def set_tsc_ahead(vm, cpu: int, ticks: int) -> None:
    """Sets one CPU's TSC to what it was, and so many ticks: ahead by what is left of them when the guest has done it."""
    vm.check(SET_TSC.replace("{cpu}", str(cpu)).replace("{ticks}", str(ticks)))


def main() -> None:
    events, ticks = int(sys.argv[1]), int(sys.argv[2])
    # Without the MSR TSC_ADJUST the guest's kernel does not undo what it is made to write.
    with inside.new_guest("vm1", smp=TOPOLOGY, modules=["msr"], qemu_args=["-cpu", "host,-tsc-adjust"]) as vm:
        vm.start("exec ivtrace-agent --foreground")
        wait_for_agent()
        results = {"offsets": [offsets()]}  # and after each change
        run = inside.RESULTS / "run.ivt"
        recorder = started(run, EVENTS)
        wait_for_machine(recorder, run)
        storm(vm, events)
        for cpu in SET:
            busy = vm.start(f"taskset {1 << cpu:x} iv-storm --count {10 * events}")  # so that events stand on both sides of the change
            set_tsc_ahead(vm, cpu, ticks)
            results["offsets"].append(offsets())
            busy.wait(WAIT_SECONDS)
            storm(vm, events)
        set_tsc_ahead(vm, LATE, ticks)
        results["record"] = ended(recorder)
        results["offsets"].append(offsets())
    (inside.RESULTS / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
