"""A guest that compiles its SystemTap scripts itself: a whole Debian with stap and headers, of which the host has none.

Its agent runs as the package's unit has it. For a kernel's first script SystemTap tries out what the kernel has, which takes an emulated
guest a quarter of an hour: here that is done before it boots, in the root on its disk, by a script of no other use.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import harness
from guestlab import kernels, stap, system
from harness import events, info, ivtrace, named
from test_stap import modules, tracers

UNIT = harness.ROOT / "packaging" / "agent" / "ivtrace-agent.service"
CACHES = "/var/cache/ivtrace"
MEGABYTES = 2048
COMPILING = 900  # seconds; one and a half minutes on a quiet machine
STARTS = 25
SCRIPT = ('probe begin { ivtrace_declare("began", "s32 pid; string task") }\n'
          'probe process("/usr/bin/iv-storm").begin {\n'
          '  ivtrace_event("began", sprintf("pid=%d task=%s", pid(), ivtrace_str(execname())))\n}\n')
BUSYBOX = f"/{system.CHANNEL}/bin/busybox"


def try_out_kernel(disk: Path, release: str) -> None:
    """What SystemTap learns of the kernel is kept by the places, sizes and times of headers and runtime, as the guest has them on this disk."""
    done = system.in_disk(disk, "env", f"XDG_CACHE_HOME={CACHES.rpartition('/')[0]}", f"SYSTEMTAP_DIR={CACHES}/systemtap",
                          harness.BIN / "ivtrace", "compile", "/root/first.stp", "--kernel", release, "-o", "/root/first.ko", binds=[harness.BIN])
    if done.returncode == 125:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def vm():
    kernel = kernels.get("6.1")
    if not shutil.which("stap"):
        pytest.skip("no stap: what the host cannot compile for want of headers is what is tested")
    if Path(f"/lib/modules/{kernel.release}/build").exists():
        pytest.skip(f"this host has headers of {kernel.release}")
    with tempfile.TemporaryDirectory(prefix="ivtrace-stap-") as directory:
        try:
            root = system.new_root(Path(directory) / "root", stap.compilers(kernel))
        except system.NoSystem as reason:
            pytest.skip(f"no Debian root with SystemTap here: {reason}")
        for program, place in {harness.BIN / "ivtrace-agent": "usr/sbin", harness.BIN / "lab" / "iv-storm": "usr/bin", UNIT: "etc/systemd/system"}.items():
            shutil.copy(program, root / place)
        wanted = root / "etc/systemd/system/multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / UNIT.name).symlink_to(f"../{UNIT.name}")
        # Ours is linked with them; in apt's cache they are already.
        installed = system.in_root(root, "apt-get", "-q", "-y", "--no-install-recommends", "--no-download", "install", *system.AT_HAND)
        assert installed.returncode == 0, installed.stderr
        (root / "root/first.stp").write_text('probe begin { println("first") }\nprobe process("/usr/bin/true").begin { println(pid()) }\n')
        disk = system.make_disk(root, Path(directory) / "guest.img", MEGABYTES)
        shutil.rmtree(root)
        try_out_kernel(disk, kernel.release)
        with system.SystemGuest(f"stapc-{os.getpid()}", kernel, disk, memory_mb=1536, boot_timeout=240, lifetime=2 * COMPILING) as guest:
            yield guest


@pytest.fixture
def ready(vm):
    """Its agent runs, and nothing is compiled or loaded."""
    harness.wait_until(lambda: harness.guest_view(vm.name)["agent_alive"], 60, lambda: vm.run(f"systemctl status --no-pager {UNIT.name}")[1])
    assert working(vm) == "" and modules(vm) == []
    return vm


def working(vm) -> str:
    """Pids of SystemTap's programs in the guest."""
    return vm.run(f"{BUSYBOX} pidof stap staprun stapio")[1].strip()


def folders(vm) -> str:
    """What tracers have on the guest's disk and in its memory while they are wanted."""
    return vm.run(f"ls -d /run/ivtrace-tracers-* {CACHES}/stap/.making-* 2>/dev/null")[1]


def recording(vm, run_dir, script: Path) -> harness.Recording:
    return harness.Recording(run_dir, *named(vm), "--events", "sched:sched_process_exit", "--stap", f"{vm.name}:{script}", env=os.environ | stap.environment())


def test_what_the_guests_stap_says_of_a_script_is_told_in_one_line(ready, run_dir, tmp_path):
    script = tmp_path / "hello.stp"
    script.write_text("probe begin { nonsense( }\n")
    done = ivtrace("record", "-o", run_dir, *named(ready), "--events", "sched:sched_process_exit", "--stap", f"{ready.name}:{script}", "--duration", "1s",
                   check=None, timeout=300, env=os.environ | stap.environment())
    told = [line for line in done.stderr.splitlines() if str(script) in line]
    assert len(told) == 2
    assert f"{ready.name}: {script}: the guest compiles it, as this host cannot: no headers of the kernel {ready.kernel.release}" in told[0]
    assert "in the guest: SystemTap 4.8 cannot compile" in told[1] and "hello.stp:1:" in told[1]
    assert [one["state"] for one in info(run_dir)["tracers"]] == ["failed"]


@pytest.mark.parametrize("killed", ["recorder", "agent"])
def test_a_compilation_in_the_guest_ends_with_who_wants_it(ready, run_dir, tmp_path, killed):
    script = tmp_path / "fresh.stp"
    script.write_text(SCRIPT + f'probe begin {{ println("{run_dir}") }}\n')
    with recording(ready, run_dir, script) as recorder:
        harness.wait_until(lambda: working(ready), 120, recorder.said)
        assert not run_dir.exists()
        if killed == "agent":
            ready.check(f"systemctl kill -s KILL --kill-who=main {UNIT.name}")
        else:
            recorder.stop(harness.FAILED)
        harness.wait_until(lambda: not working(ready), 30, lambda: f"still compiling: {ready.run('ps ax')[1]}")
    harness.wait_until(lambda: harness.guest_view(ready.name)["agent_alive"], 60, "the agent does not come again")
    harness.wait_until(lambda: folders(ready) == "" or killed == "agent", 20, lambda: folders(ready))


def test_a_script_that_the_guest_has_compiled(ready, run_dir, tmp_path):
    script = tmp_path / "began.stp"
    script.write_text(SCRIPT)
    with recording(ready, run_dir, script) as recorder:
        harness.wait_until(lambda: recorder.process.poll() is not None or working(ready), 120, recorder.said)
        assert not run_dir.exists()
        harness.wait_until(lambda: recorder.process.poll() is not None or [one["state"] for one in tracers(run_dir)] == ["armed"], COMPILING, recorder.said)
        assert recorder.process.poll() is None, recorder.said()
        assert len(modules(ready)) == 1
        ready.check(f"for i in $(seq {STARTS}); do iv-storm --count 1 >/dev/null; done")
        recorder.stop()
    assert modules(ready) == [] and folders(ready) == ""
    began = events(run_dir, name="stap:began")
    assert len(began) == len({line["fields"]["pid"] for line in began}) == STARTS
    assert {line["fields"]["task"] for line in began} == {"iv-storm"}
    assert [(one["state"], one["detail"], one["lost"]) for one in info(run_dir)["tracers"]] == [("ended", "compiled in the guest", 0)]
    with recording(ready, tmp_path / "again.ivt", script) as recorder:
        harness.wait_until(lambda: [one["state"] for one in tracers(recorder.run)] == ["armed"], 300, recorder.said)
        ready.check(f"systemctl kill -s KILL --kill-who=main {UNIT.name}")
        harness.wait_until(lambda: modules(ready) == [], 30, "the killed agent's module stays")
        recorder.stop(check=None)
