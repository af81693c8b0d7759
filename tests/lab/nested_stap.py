"""Runs inside the emulated KVM host: SystemTap on a host, told by a module that was compiled elsewhere."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from guestlab import inside

sys.path.insert(0, str(Path(__file__).parent))
from nested_record import ended, offsets, started, wait_for_agent, wait_for_machine  # noqa: E402

SERIES = "6.1"
SECONDS = 60
EVENTS = "kvm:kvm_write_tsc_offset,sched:sched_process_exec"
# In the kernel itself parameters have names; in its modules they are taken by register.
PROBES = ("host:kprobe:kvm_vcpu_write_tsc_offset offset=%si:s64", "host:kprobe:do_mkdirat mode")
MODE = 0o751
TRACING = Path("/sys/kernel/tracing")
SETTINGS = ("trace_clock", "buffer_size_kb", "tracing_on", "buffer_percent", "current_tracer", "set_event", "kprobe_events")


def state() -> dict:
    """What a recorder changes on the machine."""
    modules = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines() if line.startswith("ivtrace_")]
    return {"modules": modules, "settings": {name: (TRACING / name).read_text() for name in SETTINGS},
            "instances": sorted(path.name for path in (TRACING / "instances").iterdir())}


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {SECONDS} s; {state()}")
        time.sleep(0.1)


def armed(run: Path, module: str, *options: str) -> subprocess.Popen:
    """A recorder whose script is armed."""
    recorder = started(run, EVENTS, "--stap", f"host:{module}", *options)
    journal = run / "journal.jsonl"

    def is_armed() -> bool:
        assert recorder.poll() is None, recorder.communicate()[0]
        records = map(json.loads, journal.read_text().split("\n")[:-1]) if journal.exists() else []
        return [one["state"] for one in records if one["type"] == "tracer" and one["kind"] == "stap"][-1:] == ["armed"]
    wait_until(is_armed, "the script is armed")
    return recorder


def serving(module: str) -> list[int]:
    """Who would unload the module at its end."""
    words = {path.parent.name: path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(pid) for pid, text in words.items() if b"stap" in text.split(b"\0")[0] and module.encode() in text]


def offsets_at_their_source(module: str) -> dict:
    """A guest boots, and gets its clock, while the script, the kernel's own event and a probe look."""
    run = inside.RESULTS / "run.ivt"
    recorder = armed(run, module, *(word for probe in PROBES for word in ("--probe", probe)))
    told = {"recording": state()}
    with inside.new_guest("vm1", SERIES) as vm:
        vm.start("exec ivtrace-agent --foreground")
        wait_for_agent()
        wait_for_machine(recorder, run)
        subprocess.run(["ivtrace-mark", "the guest runs"], check=True, timeout=SECONDS)
        Path("/tmp/made-by-the-test").mkdir(MODE)
        told |= {"offsets": offsets(), "pid": vm.pid, "mode": MODE}
        time.sleep(1)
        told["record"] = ended(recorder)
    return told | {"after": state()}


def killed_alone(module: str) -> dict:
    """Its stapio goes with it, and unloads the module; the buffer's settings are cleanup's."""
    recorder = armed(inside.RESULTS / "alone.ivt", module)
    recorder.kill()
    recorder.communicate()
    wait_until(lambda: not state()["modules"], "the module goes with its recorder")
    left = state()
    done = subprocess.run(["ivtrace", "cleanup", "--json"], capture_output=True, text=True, timeout=SECONDS)
    return {"left": left, "code": done.returncode, "told": json.loads(done.stdout), "after": state()}


def killed_with_its_servant(module: str) -> dict:
    """At once with those who would unload the module: the next recording does it."""
    recorder = armed(inside.RESULTS / "killed.ivt", module)
    name = state()["modules"][0]
    for pid in (recorder.pid, *serving(name)):
        os.kill(pid, signal.SIGKILL)
    recorder.communicate()
    wait_until(lambda: not serving(name), "its servants are dead")
    left = state()
    done = subprocess.run(["ivtrace", "record", "-o", inside.RESULTS / "next.ivt", "--no-guests", "--events", "sched:sched_process_exec", "--duration", "1s"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    return {"left": left, "code": done.returncode, "said": done.stdout, "after": state()}


def main() -> None:
    module = sys.argv[1]
    # The buffer's first use gives it its size, and there is no way back from that: let it be behind us.
    (TRACING / "buffer_size_kb").write_text("1408")
    results = {"before": state(), "source": offsets_at_their_source(module), "alone": killed_alone(module),
               "killed": killed_with_its_servant(module)}
    (inside.RESULTS / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
