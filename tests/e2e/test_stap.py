"""SystemTap in real guests: what scripts tell are typed events on the run's clock, none is lost, nothing stays behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import harness
from guestlab import headers, kernels, stap
from harness import events, info, ivtrace, journal, named

EXAMPLES = harness.ROOT / "examples" / "stap"
READS = 60
STORM = 100_000  # on each CPU
COMPILING = 1800  # seconds: a kernel's first script
TRACING = "mkdir -p /tmp/t && mount -t tracefs none /tmp/t; cd /tmp/t"
SETTINGS = ("trace_clock", "buffer_size_kb", "tracing_on", "buffer_percent", "current_tracer", "set_event")


@pytest.fixture(scope="module")
def kernel():
    one = kernels.get("6.1")
    if lacks := stap.missing(one):
        pytest.skip(lacks)
    return one


@pytest.fixture(scope="module")
def vm_keeper(new_guest, kernel):
    with new_guest("stap", "6.1", more_files=stap.files(), memory_mb=768, lifetime=COMPILING + 900) as vm:
        # The buffer's first use gives it its size, and there is no way back from that: let it be behind us.
        vm.check(f"{TRACING}; echo 1408 >buffer_size_kb; cd /; umount /tmp/t")
        yield vm


@pytest.fixture
def vm(vm_keeper):
    """A guest of kernel 6.1 with staprun, its agent running and nothing loaded."""
    harness.ensure_agent(vm_keeper)
    assert modules(vm_keeper) == []
    return vm_keeper


@pytest.fixture
def options(kernel):
    return ["--stap-opt=-r", f"--stap-opt={headers.get(kernel)}"]


def environment():
    return os.environ | stap.environment()


def modules(vm) -> list[str]:
    """Our modules that are loaded in the guest."""
    return re.findall(r"(?m)^(ivtrace_\w+)", vm.run("cat /proc/modules")[1])


def settings(vm) -> dict[str, str]:
    """The guest's top-level trace buffer as people find it."""
    text = vm.check(f"{TRACING}; for f in {' '.join(SETTINGS)}; do echo \"=$f\"; cat $f; done; cd /; umount /tmp/t")
    return dict(part.split("\n", 1) for part in text.split("=")[1:])


def tracers(run) -> list[dict]:
    latest = {(record["machine"], record["id"]): record for record in journal(run) if record["type"] == "tracer"}
    return list(latest.values())


class Stapped(harness.Recording):
    """A recording whose scripts are armed."""

    def __init__(self, run, vm, scripts, options, *more):
        wanted = [word for script in scripts for word in ("--stap", f"{vm.name}:{script}")]
        super().__init__(run, *named(vm), *wanted, *options, *more, env=environment())
        self.scripts = len(scripts)

    def __enter__(self):
        def told():
            assert self.process.poll() is None, self.said()
            states = [record["state"] for record in tracers(self.run)]
            assert "failed" not in states, self.said()
            return states
        harness.wait_until(lambda: told() == ["armed"] * self.scripts, COMPILING, lambda: f"not armed: {told()} {self.said()}")
        return self


def test_disk_requests_are_told_exactly(vm, options, run_dir):
    before = settings(vm)
    with Stapped(run_dir, vm, [EXAMPLES / "disk.stp"], options, "--events", "block:block_rq_issue") as recording:
        assert len(modules(vm)) == 1
        assert "[x86-tsc]" in settings(vm)["trace_clock"], "6.1 has no other buffer for trace_printk"
        vm.check(f"iv-reads --target /dev/vda --count {READS}")
        recording.stop()
    assert modules(vm) == []
    assert settings(vm) == before

    ours = [line for line in events(run_dir, name="stap:disk_issue") if line["fields"]["task"] == "iv-reads"]
    done = events(run_dir, name="stap:disk_done")
    kernels_own = [line for line in events(run_dir, name="block:block_rq_issue", check=None)
                   if line["comm"] == "iv-reads" and line["machine"] == vm.name]
    assert len(ours) == READS == len(kernels_own)
    assert [line["fields"]["sector"] for line in ours] == [line["fields"]["sector"] for line in kernels_own]
    assert {(line["fields"]["disk"], line["fields"]["op"], line["fields"]["bytes"]) for line in ours} == {("vda", "read", 4096)}
    # Each stands beside the kernel's own record of the request: same CPU, same task, nothing of another request between.
    both = sorted((line["tsc"], line["fields"]["sector"]) for line in ours + kernels_own)
    assert all(both[i][1] == both[i + 1][1] for i in range(0, 2 * READS, 2))
    finished = {line["fields"]["sector"]: line["fields"] for line in done}
    assert all(finished[line["fields"]["sector"]]["error"] == 0 and finished[line["fields"]["sector"]]["ns"] > 0 for line in ours)
    told = info(run_dir)["tracers"]
    assert [(one["machine"], one["kind"], one["name"], one["state"], one["lost"]) for one in told] == [(vm.name, "stap", "disk", "ended", 0)]
    assert {"stap:disk_issue", "stap:disk_done"} <= set(told[0]["events"])


def test_of_a_storm_no_event_is_lost(vm, options, run_dir, tmp_path):
    script = tmp_path / "storm.stp"
    script.write_text('probe begin { ivtrace_declare("storm", "u64 policy; u32 cpu") }\n'
                      'probe kernel.trace("sys_enter") {\n'
                      '  if ($id == 146) ivtrace_event("storm", sprintf("policy=%d cpu=%d", $regs->di, cpu()))\n}\n')
    with Stapped(run_dir, vm, [script], options, "--events", "sched:sched_process_exit", "--buffer-size", "16M") as recording:
        vm.check(f"iv-storm --count {STORM}", timeout=300)
        recording.stop()
    told = ivtrace("query", run_dir, "SELECT cpu, count(*) AS n FROM event WHERE system = 'stap' AND name = 'storm' GROUP BY cpu",
                   "--json", timeout=300).stdout
    assert {row["cpu"]: row["n"] for row in map(json.loads, told.splitlines())} == {0: STORM, 1: STORM}
    assert [one["lost"] for one in info(run_dir)["tracers"]] == [0]


def test_a_kprobe_finds_the_guests_function(vm, options, run_dir, tmp_path):
    script = tmp_path / "kprobe.stp"
    script.write_text('probe begin { ivtrace_declare("asked", "s32 pid; string task") }\n'
                      'probe kprobe.function("__x64_sys_sched_get_priority_max") {\n'
                      '  ivtrace_event("asked", sprintf("pid=%d task=%s", pid(), ivtrace_str(execname())))\n}\n')
    with Stapped(run_dir, vm, [script], options, "--events", "sched:sched_process_exit") as recording:
        vm.check("iv-storm --count 500")
        recording.stop()
    asked = events(run_dir, name="stap:asked")
    assert harness.per_cpu(asked) == {0: 500, 1: 500}
    assert {line["fields"]["task"] for line in asked} == {"iv-storm"}


def test_a_user_programs_probe(vm, options, run_dir, tmp_path):
    shop = tmp_path / "guest" / "usr" / "local" / "bin" / "shop"
    shop.parent.mkdir(parents=True)
    built = subprocess.run(["gcc", "-O2", "-static", "-o", shop, EXAMPLES / "user.c"], capture_output=True, text=True)
    if "sys/sdt.h" in built.stderr:
        pytest.skip("needs systemtap-sdt-dev (lab/setup installs it)")
    assert built.returncode == 0, built.stderr
    vm.check("mkdir -p /usr/local/bin")
    vm.push(shop, "/usr/local/bin/shop")
    with Stapped(run_dir, vm, [EXAMPLES / "user.stp"], [*options, f"--stap-opt=--sysroot={tmp_path}/guest"],
                 "--events", "sched:sched_process_exec") as recording:
        assert "7 orders" in vm.check("/usr/local/bin/shop 7")
        recording.stop()
    orders = events(run_dir, name="stap:order")
    assert [line["fields"]["number"] for line in orders] == list(range(7))
    assert [line["fields"]["what"] for line in orders] == ['"green" tea', "tea"] * 3 + ['"green" tea']
    assert {line["fields"]["pid"] for line in orders} == {line["pid"] for line in orders}


def test_two_scripts_at_once_and_what_one_prints(vm, options, run_dir, tmp_path):
    chatty = tmp_path / "chatty.stp"
    chatty.write_text('probe begin { println("hello") }\nprobe timer.ms(200) { printf("tick %d\\n", cpu()) }\nprobe end { println("bye") }\n')
    with Stapped(run_dir, vm, [EXAMPLES / "sched.stp", chatty], options, "--events", "sched:sched_switch") as recording:
        vm.check("for i in $(seq 20); do usleep 10000; done")
        time.sleep(1)
        recording.stop(check=None)
    ran = events(run_dir, name="stap:sched_ran")
    assert len(ran) >= 20 and all(line["fields"]["wait_ns"] >= 0 for line in ran)
    texts = [line["fields"]["text"] for line in events(run_dir, name="stap:chatty")]
    assert texts[0] == "hello" and texts[-1] == "bye" and any(text.startswith("tick") for text in texts)


def test_a_killed_agent_leaves_no_module_and_no_setting(vm, options, run_dir):
    before = settings(vm)
    with Stapped(run_dir, vm, [EXAMPLES / "disk.stp"], options, "--events", "block:block_rq_issue") as recording:
        # The agent at once with those who would unload the module at its death.
        vm.run("killall -9 ivtrace-agent stapio staprun")
        recording.stop(check=None)
    assert len(modules(vm)) == 1
    assert settings(vm) != before
    vm.check("ivtrace-agent --cleanup")
    assert modules(vm) == []
    assert settings(vm) == before


def test_a_module_goes_with_its_agent(vm, options, run_dir):
    before = settings(vm)
    with Stapped(run_dir, vm, [EXAMPLES / "disk.stp"], options, "--events", "block:block_rq_issue") as recording:
        vm.run("killall -9 ivtrace-agent")
        harness.wait_until(lambda: modules(vm) == [], 20, lambda: f"still loaded: {modules(vm)}")
        recording.stop(check=None)
    harness.ensure_agent(vm)
    assert settings(vm) == before


def test_a_module_compiled_elsewhere_needs_no_headers_here(vm, pair, kernel, options, run_dir, tmp_path):
    made = tmp_path / "my disk.ko"
    done = ivtrace("compile", EXAMPLES / "disk.stp", "--kernel", kernel.release, *options, "-o", made, timeout=COMPILING, env=environment())
    assert re.fullmatch(rf"{re.escape(str(made))}: the module ivtrace_[0-9a-f]{{16}} for the kernel {re.escape(kernel.release)}\n", done.stdout)
    with Stapped(run_dir, vm, [made], [], "--events", "block:block_rq_issue") as recording:
        vm.check(f"iv-reads --target /dev/vda --count {READS}")
        recording.stop()
    assert len([line for line in events(run_dir, name="stap:disk_issue") if line["fields"]["task"] == "iv-reads"]) == READS
    other = pair[0]
    refused = ivtrace("record", "-o", tmp_path / "other.ivt", *named(other), "--events", "sched:sched_process_exec", "--stap", f"{other.name}:{made}",
                      "--duration", "1s", check=None)
    assert f"my disk.ko is for the kernel {kernel.release}, not for 6.12" in refused.stderr


def test_nobody_elses_tracing_is_changed(vm, options, run_dir):
    vm.check(f"{TRACING}; echo 1 >events/sched/sched_process_exit/enable; cd /; umount /tmp/t")
    try:
        done = ivtrace("record", "-o", run_dir, *named(vm), "--events", "sched:sched_process_exec", "--stap", f"{vm.name}:{EXAMPLES}/disk.stp",
                       *options, "--duration", "1s", check=None, timeout=COMPILING, env=environment())
        assert "top-level trace buffer" in done.stderr and "sched:sched_process_exit is enabled" in done.stderr
        assert settings(vm)["set_event"] == "sched:sched_process_exit\n"
        assert "[x86-tsc]" not in settings(vm)["trace_clock"]
    finally:
        vm.check(f"{TRACING}; echo 0 >events/enable; echo >trace; cd /; umount /tmp/t")


def test_what_is_missing_is_told_with_what_to_install(pair, kernel, options, run_dir, tmp_path):
    new, old = pair
    script = tmp_path / "hello.stp"
    script.write_text('probe begin { println("hello") }\n')

    def refused(guest, *more):
        run = tmp_path / f"refused-{len(list(tmp_path.iterdir()))}.ivt"
        done = ivtrace("record", "-o", run, *named(guest), "--events", "sched:sched_process_exec", "--stap", f"{guest.name}:{script}",
                       *more, "--duration", "1s", check=None, timeout=COMPILING, env=environment())
        assert [one["state"] for one in info(run)["tracers"]] == ["failed"]
        line = [line for line in done.stderr.splitlines() if "stap" in line and guest.name in line][-1]
        assert str(script) in line
        return line

    assert "there is no staprun on this machine (apt-get install systemtap-runtime there)" in refused(old, *options)
    line = refused(new)
    assert re.search(r"(SystemTap [\d.]+ is too old for the kernel 6\.12\.\S+|no headers of the kernel 6\.12\.\S+.*)"
                     r"; nor in the guest: there is no program stap on this machine"
                     r" \((install SystemTap 5\.6 or later|apt-get install linux-headers-6\.12.*)\)", line), line
    assert f"apt-get install linux-headers-{kernel.release}" in refused(old)
    script.write_text("probe begin { nonsense( }\n")
    assert re.search(r"cannot compile .*parse error.* at .*hello\.stp:1:\d+", refused(old, *options))


# Compilations before the recording

def new_script(tmp_path, text: str = "") -> Path:
    """A script that nobody has compiled yet."""
    script = tmp_path / "fresh.stp"
    script.write_text(text + f'probe begin {{ println("fresh {os.getpid()} {time.time_ns()}") }}\n')
    return script


def children(pid: int) -> list[str]:
    """Names of the programs that a process has started and that run."""
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "comm="], capture_output=True, text=True)
    return listed.stdout.split()


@pytest.fixture
def compiling(vm, options, run_dir, tmp_path):
    """A recorder that has a script compiled which nobody has compiled yet, with a cache of its own."""
    cache = tmp_path / "cache"
    with harness.Recording(run_dir, *named(vm), "--events", "sched:sched_process_exit", "--stap", f"{vm.name}:{new_script(tmp_path)}", *options,
                           env=environment() | {"XDG_CACHE_HOME": str(cache)}) as recording:
        recording.cache = cache / "ivtrace" / "stap"
        harness.wait_until(lambda: "stap" in children(recording.process.pid) and list(recording.cache.glob(".making-*")), 60,
                           lambda: f"nothing is compiled: {recording.said()}")
        yield recording


def test_a_compilation_is_not_recorded(compiling, vm):
    def is_compiled():
        assert compiling.process.poll() is None, compiling.said()
        if "stap" in children(compiling.process.pid):
            assert not compiling.run.exists(), "recording while the script is still being compiled"
        return list(compiling.cache.glob("ivtrace_*.ko"))
    harness.wait_until(is_compiled, COMPILING, compiling.said)
    compiled = time.time()
    harness.wait_until(lambda: [one["state"] for one in tracers(compiling.run)] == ["armed"], 60, compiling.said)
    compiling.stop()
    first = min(harness.wall_clock(compiling.run, line) for line in events(compiling.run))
    assert first.timestamp() > compiled - 1
    assert [one["detail"] for one in info(compiling.run)["tracers"]] == ["compiled on the host"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_a_recorder_that_ends_while_it_compiles_leaves_nothing(compiling, vm, how):
    recorder = compiling.process.pid
    compiling.process.send_signal(how)
    code = compiling.process.wait(20)
    if how == signal.SIGINT:
        assert code == harness.FAILED
        assert "ended while scripts were being compiled: nothing is recorded" in compiling.said()
        assert not list(compiling.cache.glob(".making-*"))
    else:
        harness.wait_until(lambda: not subprocess.run(["pgrep", "-f", str(compiling.cache)], capture_output=True).stdout, 20, "stap goes on")
        ivtrace("cleanup")
    assert not compiling.run.exists()
    assert harness.tracing_instances(recorder) == set()
    assert modules(vm) == []
    harness.ensure_agent(vm)


# Linux 6.12: trace_printk() into an instance of ours

NUMBERS = 500


@pytest.fixture(scope="module")
def printk_module(tmp_path_factory):
    """A module for kernel 6.12 that tells lines by trace_printk(), as a script's module does: stap 4.8 cannot make one for that kernel."""
    source = Path(__file__).with_name("printk_module")
    build = tmp_path_factory.mktemp("printk") / "module"
    shutil.copytree(source, build)
    try:
        tree = headers.get(kernels.get("6.12"))
    except kernels.KernelError as error:
        pytest.skip(str(error))
    # Without the module's own BTF: nobody needs it, and pahole would be needed for it.
    made = subprocess.run(["make", "-C", tree, f"M={build}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return build / "iv_printk.ko"


def printk_goes_to(vm) -> list[str]:
    """The tracing instances that the guest's kernel sends trace_printk() to; "." is the top-level buffer."""
    told = vm.check(f"{TRACING}; grep -l 1 options/trace_printk_dest instances/*/options/trace_printk_dest 2>/dev/null; cd /; umount /tmp/t")
    return [re.sub(r"(instances/)?([^/]*)/?options/trace_printk_dest", r"\2", line) or "." for line in told.split()]


@pytest.fixture
def telling(pair, printk_module, run_dir, tmp_path):
    """A recording of a 6.12 guest whose trace_printk() is wanted; its script itself cannot be compiled for that kernel here."""
    vm = pair[0]
    vm.push(printk_module, "/tmp/iv_printk.ko")
    assert printk_goes_to(vm) == ["."]
    with harness.Recording(run_dir, *named(vm), "--events", "sched:sched_process_exit", "--stap", f"{vm.name}:{new_script(tmp_path)}") as recording:
        recording.wait_for([vm.name])
        recording.vm = vm
        harness.wait_until(lambda: printk_goes_to(vm) == [f"ivtrace-agent-{vm.check('pidof ivtrace-agent').strip()}"], 20, lambda: printk_goes_to(vm))
        vm.check(f"insmod /tmp/iv_printk.ko count={NUMBERS} && rmmod iv_printk")
        yield recording


def told_at_top_level(vm) -> list[int]:
    text = vm.check(f"{TRACING}; cat trace; echo >trace; cd /; umount /tmp/t")
    return [int(number) for number in re.findall(r"told number=(\d+)", text)]


def test_what_a_module_tells_comes_to_our_instance(telling):
    vm = telling.vm
    assert told_at_top_level(vm) == [], "the top-level buffer is somebody else's"
    telling.stop(check=None)
    told = [line for line in events(telling.run, "--machine", vm.name, name="ftrace:print") if line["comm"] == "insmod"]
    assert [line["fields"]["buf"].strip() for line in told] == [f"told number={number}" for number in range(NUMBERS)]
    notes = [record["text"] for record in journal(telling.run) if record["type"] == "note" and record["machine"] == vm.name]
    assert any("comes to ivtrace's own tracing instance" in note for note in notes)
    assert printk_goes_to(vm) == ["."]
    vm.check("insmod /tmp/iv_printk.ko count=3 && rmmod iv_printk")
    assert told_at_top_level(vm) == [0, 1, 2]


def test_a_killed_agent_gives_trace_printk_back(telling):
    vm = telling.vm
    vm.run("killall -9 ivtrace-agent")
    telling.stop(check=None)
    assert printk_goes_to(vm) != ["."]
    vm.check("ivtrace-agent --cleanup")
    assert printk_goes_to(vm) == ["."]
    vm.check("insmod /tmp/iv_printk.ko count=3 && rmmod iv_printk")
    assert told_at_top_level(vm) == [0, 1, 2]
    harness.ensure_agent(vm)
