"""The lab itself: what it promises about guests, clean-up and disks."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from guestlab import disks, guest, initramfs, kernels, modules  # noqa: E402
from guestlab.channel import GuestDied, GuestTimeout  # noqa: E402


@pytest.fixture(scope="module")
def vm():
    with disks.image_dir() as directory:
        with guest.Guest(f"lab-{os.getpid()}", kernels.get("6.1"), disks=[disks.Disk(disks.make_image(directory / "a.img", 8))]) as machine:
            yield machine


def test_newest_kernel_is_chosen_by_number_not_by_letters():
    offered = ["linux-image-6.12.9+deb12-cloud-amd64-unsigned", "linux-image-6.12.117+deb12-cloud-amd64-unsigned",
               "linux-image-6.12.9+deb12-amd64-unsigned", "linux-image-6.1.0-99-cloud-amd64-unsigned"]
    assert kernels._newest("6.12", offered) == offered[1]
    assert kernels._newest("6.1", offered) == offered[3]
    assert kernels._newest("6.1", offered[:3]) is None


@pytest.mark.parametrize("series", kernels.SERIES)
def test_modules_come_after_what_they_need(series):
    loaded = []
    for name, image in modules.load_order(kernels.get(series).modules):
        builtin = kernels.get(series).modules.joinpath("modules.builtin").read_text()
        for needed in modules._depends(image):
            assert needed in loaded or f"/{needed}.ko" in builtin.replace("-", "_")
        loaded.append(name)
    assert "virtio_blk" in loaded


def test_an_initramfs_is_made_once(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    kernel = kernels.get("6.1")
    first = initramfs.build(kernel, {"/bin/program": program})
    assert initramfs.build(kernel, {"/bin/program": program}) == first
    program.write_text("#!/bin/sh\nexit\n")
    assert initramfs.build(kernel, {"/bin/program": program}) != first
    with pytest.raises(initramfs.InitramfsError, match="build it first"):
        initramfs.build(kernel, {"/bin/program": tmp_path / "absent"})


def test_extents_are_those_that_filefrag_shows():
    with disks.image_dir() as directory:
        image = disks.make_image(directory / "a.img", 4)
        shown = subprocess.run(["filefrag", "-v", "-b512", image], check=True, capture_output=True, text=True).stdout
        logical, last, physical = map(int, re.search(r"^\s*0:\s+(\d+)\.\.\s*(\d+):\s+(\d+)\.\.", shown, re.M).groups())
        assert disks.extent_at(image, logical * 512)[0] == physical * 512
        assert disks.extent_at(image, last * 512)[0] == (physical + last - logical) * 512


def test_commands_run_side_by_side_and_give_their_codes(vm):
    jobs = [vm.start(f"usleep {(8 - i) * 20000}; echo {i}; exit {i}") for i in range(8)]
    assert [job.wait(20) for job in jobs] == [(i, f"{i}\n") for i in range(8)]


def test_a_command_that_takes_too_long_is_killed_with_its_children(vm):
    with pytest.raises(GuestTimeout, match="begun"):
        vm.run("echo begun; sleep 987 & wait", timeout=1)
    assert "sleep 987" not in vm.check("ps")


def test_files_travel_whole_both_ways(vm, tmp_path):
    for size in (0, 1, 4095, 4096, 4097, 300_001):
        (tmp_path / "file").write_bytes(os.urandom(size))
        vm.push(tmp_path / "file", "/tmp/file")
        assert vm.pull("/tmp/file") == (tmp_path / "file").read_bytes()
    assert b"Linux version" in vm.pull("/proc/version")
    with pytest.raises(FileNotFoundError):
        vm.pull("/nowhere")


def test_the_guest_reads_what_is_in_the_image(vm):
    content = os.urandom(4096)
    with open(vm.disks[0].path, "r+b") as image:
        image.seek(1 << 20)
        image.write(content)
        image.flush()
        os.fsync(image.fileno())
    vm.check("dd if=/dev/vda of=/tmp/block bs=4096 skip=256 count=1 iflag=direct 2>/dev/null")
    assert vm.pull("/tmp/block") == content


def test_a_panic_is_told_as_such_and_nothing_is_left():
    machine = guest.Guest(f"panics-{os.getpid()}", kernels.get("6.1"), smp=1)
    with machine:
        with pytest.raises(GuestDied, match="panicked"):
            machine.run("echo c >/proc/sysrq-trigger", 20)
        assert machine.wait_exit(10)
        directory = machine.console_socket.parent
        assert directory.exists() and machine.ring_path.exists()
    assert not directory.exists() and not machine.ring_path.exists()


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_no_guest_outlives_its_program(how):
    program = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "lab")!r})
from guestlab import guest, kernels
machine = guest.Guest("orphan", kernels.get("6.1"), smp=1, accel="tcg")
machine.launch()
print(machine.pid, machine.ring_path, machine.console_socket.parent, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        pid, *left = parent.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        parent.send_signal(getattr(signal, how))
    deadline = time.monotonic() + 10
    while any(Path(path).exists() for path in (f"/proc/{pid}", *left)):
        assert time.monotonic() < deadline, f"QEMU {pid} or one of {left} is still there"
        time.sleep(0.05)


def test_a_ring_whose_program_and_keeper_were_killed_goes_when_the_next_guest_starts():
    with subprocess.Popen(["sleep", "60"]) as killed:
        killed.kill()
    abandoned, living = Path(f"/dev/shm/ivlab-{killed.pid}-vm1"), Path(f"/dev/shm/ivlab-{os.getppid()}-vm1")
    other = Path(f"/dev/shm/ivlab-notes-{os.getpid()}")
    try:
        for path in (abandoned, living, other):
            path.write_bytes(b"ring")
        machine = guest.Guest(f"next-{os.getpid()}", kernels.get("6.1"), smp=1)
        try:
            machine.launch()
            assert not abandoned.exists() and living.exists() and other.exists()
        finally:
            machine.stop()
    finally:
        for path in (abandoned, living, other):
            path.unlink(missing_ok=True)


def test_a_guest_ends_with_its_lifetime():
    machine = guest.Guest(f"mortal-{os.getpid()}", kernels.get("6.1"), smp=1, lifetime=0.5)
    machine.launch()
    assert machine.wait_exit(20)
    machine.stop()
