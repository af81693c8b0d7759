"""Domains of a real libvirtd: what is known of them, rings in and out of them, the agent brought in."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import harness
from harness import info, ivtrace
from guestlab import disks, kernels, libvirtd, qga
from guestlab.channel import GuestDied, GuestTimeout

EVENTS = "block:block_rq_issue,block:block_rq_complete"
needs_qga = pytest.mark.skipif(bool(qga.missing()), reason=qga.missing())
# Two root ports: one as libvirt makes them, with room for 2 MiB, and one made wide, as the documentation says.
PORTS = "<controller type='pci' index='8' model='pcie-root-port'/><controller type='pci' index='9' model='pcie-root-port'/>"
WIDE = """<qemu:override><qemu:device alias='pci.9'><qemu:frontend>
  <qemu:property name='pref64-reserve' type='unsigned' value='67108864'/></qemu:frontend></qemu:device></qemu:override>"""
DEPLOYED = "/run/ivtrace-deployed"


@pytest.fixture(scope="module", autouse=True)
def built_with_libvirt():
    if "has no libvirt" in ivtrace("guests", "--connect", "qemu:///none", check=None).stderr:
        pytest.skip("this build of ivtrace has no libvirt: install libvirt-dev")


@pytest.fixture(scope="module")
def daemon():
    try:
        with libvirtd.Libvirtd() as running:
            yield running
    except libvirtd.NoLibvirtd as why:
        pytest.skip(f"libvirtd cannot run here: {why}")


def booted(make, attempts: int = 3):
    """A domain that takes commands. A kernel that panics in itself while it boots is no test's fault: it is booted again."""
    for left in reversed(range(attempts)):
        try:
            return make().__enter__()
        except GuestDied as death:
            if not left:
                raise
            print(f"booting again: {str(death).splitlines()[0]}")


class DomainKeeper:
    """A domain of machine type pc that reads its disk all the time and has no agent. One that died is booted again for the next test."""

    def __init__(self, daemon, image):
        self._daemon, self._image, self._vm = daemon, image, None

    def boot(self):
        self.close()
        extra = qga.files() if not qga.missing() else {}
        self._vm = booted(lambda: self._daemon.domain(f"lv-{os.getpid()}", kernels.get("6.12"), files=harness.guest_files() | extra, disk=self._image))
        self._vm.start_job("iv-reads --seconds 900")

    def ready(self):
        try:
            if self._vm:
                self._vm.check("true", timeout=20)
                return self._vm
        except (GuestDied, GuestTimeout) as death:
            print(f"booting again: {str(death).splitlines()[0]}")
        self.boot()
        return self._vm

    def close(self):
        if self._vm:
            self._vm.stop()


@pytest.fixture(scope="module")
def keeper(daemon, image_dir):
    os.chmod(image_dir, 0o755)
    keeper = DomainKeeper(daemon, disks.make_image(image_dir / "libvirt.img", 64))
    yield keeper
    keeper.close()


@pytest.fixture
def vm(keeper):
    return keeper.ready()


@pytest.fixture
def tool(daemon):
    """ivtrace with the daemon's URI: (command, *args) -> what it said."""

    def run(command, *args, **options):
        return ivtrace(command, "--connect", daemon.uri, *args, **options)

    return run


def view(tool, name: str) -> dict:
    return next(guest for guest in json.loads(tool("guests", "--json").stdout)["guests"] if guest["name"] == name)


def ring_files(vm) -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"ivtrace-{vm.pid}-")]


def leftovers(vm) -> str:
    """What a deploy could leave in the guest."""
    return vm.run("ls -d /run/ivtrace* /usr/local/lib/ivtrace* /var/lib/ivtrace* /root/ivtrace* 2>/dev/null; pidof ivtrace-agent")[1]


def test_a_domain_is_known_as_well_as_a_guest_with_a_socket(tool, daemon, vm):
    told = view(tool, vm.name)
    assert told["monitor"] == "ok" and told["unknown"] == []
    assert told["uuid"] == daemon.virsh("domuuid", vm.name).strip() and told["pid"] == vm.pid
    threads = {int(entry.name): (entry / "comm").read_text() for entry in Path(f"/proc/{vm.pid}/task").iterdir()}
    assert [cpu["apic_id"] for cpu in told["vcpus"]] == [0]
    assert all(threads[cpu["thread"]].startswith(f"CPU {cpu['index']}/") for cpu in told["vcpus"])
    assert [(disk["format"], disk["aio"], disk["cache"]) for disk in told["disks"]] == [("raw", "native", "none")]
    assert told["disks"][0]["path"].endswith("libvirt.img")
    assert f"libvirt at {daemon.uri}" in tool("doctor", "-g", vm.name, check=None).stdout
    assert "custom monitor" in daemon.virsh("dominfo", vm.name)  # as the documentation says


def test_each_vcpu_has_its_own_thread(tool, daemon):
    """Of a domain that runs nothing: several vCPUs of an emulated one are for looking at only."""
    two = daemon.domain(f"lv2-{os.getpid()}", kernels.get("6.12"), smp=2)
    try:
        two.start(paused=True)
        told = view(tool, two.name)
        assert told["monitor"] == "ok" and [cpu["apic_id"] for cpu in told["vcpus"]] == [0, 1]
        threads = [Path(f"/proc/{two.pid}/task/{cpu['thread']}/comm").read_text() for cpu in told["vcpus"]]
        assert [thread.partition("/")[0] for thread in threads] == ["CPU 0", "CPU 1"]
    finally:
        two.stop()


def test_the_systems_daemon_is_asked_without_being_named(daemon, vm):
    inside = subprocess.run(daemon.inside(harness.BIN / "ivtrace", "guests", "--json"), capture_output=True, text=True, timeout=60, check=True)
    told = next(guest for guest in json.loads(inside.stdout)["guests"] if guest["name"] == vm.name)
    assert told["monitor"] == "ok"


def test_without_libvirt_the_reason_is_told(vm):
    if Path("/run/libvirt/libvirt-sock").exists():
        pytest.skip("this machine has a libvirt daemon of its own")
    told = next(guest for guest in json.loads(ivtrace("guests", "--json").stdout)["guests"] if guest["name"] == vm.name)
    assert told["monitor"] == "none" and any("libvirt holds the monitor, and no libvirt daemon listens here" in line for line in told["unknown"])
    refused = ivtrace("attach", vm.name, check=harness.FAILED).stderr
    assert "no QMP monitor" in refused and len(refused.splitlines()) == 1
    refused = ivtrace("guests", "--connect", "qemu+unix:///system?socket=/nowhere", check=harness.FAILED).stderr
    assert "cannot connect to qemu+unix" in refused and len(refused.splitlines()) == 1


def test_a_domain_without_a_process_here_is_named(tool):
    """libvirt's own driver for tests has one, "test", and no process."""
    assert "domain test" in ivtrace("guests", "--connect", "test:///default").stderr
    refused = ivtrace("attach", "test", "--connect", "test:///default", check=harness.FAILED).stderr
    assert "no QEMU process here has its UUID" in refused and len(refused.splitlines()) == 1


def test_attach_record_detach(tool, daemon, vm, tmp_path):
    ring = json.loads(tool("attach", vm.name, "--json").stdout)
    status = Path(ring["path"]).stat()
    assert status.st_mode & 0o777 == 0o600 and status.st_uid == libvirtd.QEMU_ID  # QEMU runs as that user
    assert "ua-ivtrace-ring" in daemon.virsh("dumpxml", vm.name)  # libvirt knows of it
    agent = vm.start_job("exec ivtrace-agent --foreground")
    with harness.Recording(tmp_path / "run.ivt", "--connect", daemon.uri, "-g", vm.name, "--events", EVENTS) as recording:
        recording.wait_for([vm.name])
        harness.wait_until(lambda: sum(file.stat().st_size for file in (tmp_path / "run.ivt" / vm.name).glob("*.pages")) > 20_000, 20, recording.said)
        assert "being recorded" in tool("detach", vm.name, check=harness.FAILED).stderr
        recording.stop(harness.OK)
    told = info(tmp_path / "run.ivt", check=harness.OK)["by_name"][vm.name]
    assert told["clock"]["aligned"] and told["lost"] == 0 and told["events"] > 0
    assert json.loads(tool("detach", vm.name, "--json").stdout)["agent_let_go"]
    assert ring_files(vm) == [] and "ua-ivtrace-ring" not in daemon.virsh("dumpxml", vm.name)
    agent.signal("TERM")
    agent.wait(20)


def test_what_happens_to_a_domain_is_seen_at_once_and_told_in_the_run(tool, daemon, vm, tmp_path):
    run = tmp_path / "run.ivt"

    def notes() -> list[str]:
        return [line["text"] for line in harness.journal(run) if line["type"] == "note"]

    with harness.Recording(run, "--connect", daemon.uri, "-g", vm.name, "--events", EVENTS) as recording:
        recording.wait_for(["host"])
        for action, word in (("suspend", "suspended"), ("resume", "resumed")):
            daemon.virsh(action, vm.name)
            harness.wait_until(lambda: f"libvirt: {vm.name} {word}" in notes(), 20, lambda: f"{notes()} {recording.said()}")
        recording.stop()


def test_a_daemon_that_hangs_or_dies_does_not_hold_a_recording(tool, daemon, vm, tmp_path):
    run = tmp_path / "run.ivt"
    with harness.Recording(run, "--connect", daemon.uri, "-g", vm.name, "--events", EVENTS) as recording:
        recording.wait_for(["host"])
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            size = sum(file.stat().st_size for file in (run / "host").glob("*.pages"))
            harness.wait_until(lambda: sum(file.stat().st_size for file in (run / "host").glob("*.pages")) > size, 20, recording.said)
            begun = time.monotonic()
            hung = ivtrace("guests", "--connect", daemon.uri, check=harness.FAILED)
            assert "does not answer" in hung.stderr and time.monotonic() - begun < 30
            inside = subprocess.run(daemon.inside(harness.BIN / "ivtrace", "guests"), capture_output=True, text=True, timeout=60, check=True)
            assert vm.name in inside.stdout and "does not answer" in inside.stdout
            recording.stop(harness.OK)  # with the daemon still hanging
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    harness.wait_until(lambda: view(tool, vm.name)["monitor"] == "ok", 30, "libvirtd does not come back")


@needs_qga
def test_deploy_and_undeploy(tool, vm):
    nowhere = tool("attach", vm.name, "--deploy", "--agent", "/nowhere", check=harness.FAILED).stderr
    assert "cannot read the agent /nowhere" in nowhere and ring_files(vm) == []
    missing = tool("attach", vm.name, "--deploy", check=harness.FAILED).stderr
    assert "start qemu-guest-agent in the guest" in missing and len(missing.splitlines()) == 1
    qga.start(vm)
    told = json.loads(tool("attach", vm.name, "--deploy", "--json").stdout)
    assert told["agent_alive"] and told["deployed"]["directory"] == DEPLOYED and told["deployed"]["bytes"] < 6 << 20
    assert vm.check(f"stat -c '%a %u' {DEPLOYED} {DEPLOYED}/ivtrace-agent").split() == ["700", "0"] * 2
    assert view(tool, vm.name)["agent_alive"]
    again = json.loads(tool("attach", vm.name, "--deploy", "--json").stdout)
    assert again["deployed"]["was_there"] and again["was_there"]
    # As of an agent that was killed while it recorded: the number is no process's.
    vm.check("mkdir -p /tmp/t && mount -t tracefs none /tmp/t && mkdir /tmp/t/instances/ivtrace-agent-4190000; umount /tmp/t")
    assert "ivtrace-agent-4190000" in harness.guest_instances(vm)
    removed = json.loads(tool("detach", vm.name, "--undeploy", "--json").stdout)
    assert removed["agent_let_go"] and removed["undeployed"] == {"was_there": True, "directory": DEPLOYED}
    assert leftovers(vm) == "" and ring_files(vm) == [] and harness.guest_instances(vm) == set()
    assert "nothing to remove" in tool("attach", "--undeploy", vm.name).stdout
    qga.stop(vm)


@needs_qga
def test_a_guest_agent_that_may_not_run_programs_is_told(tool, vm):
    qga.start(vm, "-b guest-exec")
    refused = tool("attach", vm.name, "--deploy", check=harness.FAILED).stderr
    assert "does not allow guest-exec" in refused and len(refused.splitlines()) == 1
    assert leftovers(vm) == ""
    tool("detach", vm.name)
    qga.stop(vm)


@needs_qga
def test_deploy_into_a_guest_without_libvirt(new_guest, tmp_path):
    """The guest agent's port on a socket of QEMU; /run is noexec there, as Debian has it."""
    socket = tmp_path / "qga.sock"
    plain = new_guest("qga", ring_mb=0, disk=False, more_files=qga.files(), qemu_args=["-chardev", f"socket,path={socket},server=on,wait=off,id=qga0",
                                                               "-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"])
    with plain as vm:
        vm.check("mkdir -p /var/lib /mnt && mount -t tmpfs -o noexec run /mnt && cp -a /run/. /mnt && mount --move /mnt /run")
        assert "the guest agent does not answer" in ivtrace("attach", vm.name, "--deploy", check=harness.FAILED).stderr
        qga.start(vm)
        told = json.loads(ivtrace("attach", vm.name, "--deploy", "--json").stdout)
        assert told["agent_alive"] and told["deployed"]["directory"] == "/var/lib/ivtrace-deployed"
        assert harness.guest_view(vm.name)["agent_alive"]
        assert "removed" in ivtrace("attach", "--undeploy", vm.name).stdout
        assert leftovers(vm) == "" and harness.guest_instances(vm) == set()
        broken = tmp_path / "broken"
        broken.write_bytes(Path("/bin/busybox").read_bytes())
        refused = ivtrace("attach", vm.name, "--deploy", "--agent", broken, check=harness.FAILED).stderr
        assert "the agent ended in the guest" in refused and "nothing was left in the guest" in refused
        assert leftovers(vm) == ""
        assert json.loads(ivtrace("detach", vm.name, "--json").stdout)["had_ring"]


def test_a_root_port_of_libvirts_takes_what_fits(tool, daemon):
    vm = booted(lambda: daemon.domain(f"lvq-{os.getpid()}", kernels.get("6.12"), machine="q35", memory_mb=256, xml=PORTS, qemu_xml=WIDE,
                                      files=harness.guest_files()))
    with contextlib.ExitStack() as stack:
        stack.callback(vm.stop)
        refused = tool("attach", vm.name, "--size", "128M", check=harness.FAILED).stderr
        assert "--size" in refused and "nothing was changed" in refused and ring_files(vm) == []
        agent = vm.start_job("exec ivtrace-agent --foreground")
        for size, takes in (("16M", lambda bus: bus == "pci.9"), ("2M", lambda bus: bus != "pci.9")):
            ring = json.loads(tool("attach", vm.name, "--size", size, "--json").stdout)
            assert takes(ring["bus"]) and ring["agent_alive"], ring
            assert "ua-ivtrace-ring" in daemon.virsh("dumpxml", vm.name)
            assert json.loads(tool("detach", vm.name, "--json").stdout)["agent_let_go"]
            assert ring_files(vm) == [] and "ua-ivtrace-ring" not in daemon.virsh("dumpxml", vm.name)
        agent.signal("TERM")
        agent.wait(20)
