"""What needs KVM's own events, or a disk that can be made slow: played in the emulated KVM host, by guests of its.

The disk of their images is one of the emulated host's, which QEMU slows from outside.
"""

from .case import Book, Finding, Seat
from .causes import pinned, slow_disk

BOOK = Book()
VM1, VM2 = Seat("vm1"), Seat("vm2", series="6.1")
CPU = ("--profile", "cpu", "--buffer-size", "16M")
IO = ("--profile", "io", "--buffer-size", "16M")
SLOW_IOPS = 25  # of the emulated disk; its guests' reads take some milliseconds without that


def slow(stage, iops=SLOW_IOPS):
    with slow_disk(iops):
        stage.begin("slow")
        stage.sleep(stage.tempo.cause)


@BOOK.case("slow-device", f"vm1 reads 4 KiB at a time; then the host's disk itself becomes slow: {SLOW_IOPS} requests a second.", (VM1,), record=IO,
           nested=True, small=True)
def slow_device(stage):
    reads = stage.reads("vm1", stage.length("slow"))
    stage.quiet()
    slow(stage)
    stage.expect_if_slowed(reads, "slow", Finding("disk-slow-device", "vm1"))


@BOOK.case("slow-device-for-all", f"""vm1 and vm2 each read 4 KiB at a time, one every 50 ms; then the host's disk itself becomes slow: {SLOW_IOPS} requests a
           second. It has half of its time for each, so that they name each other is no mistake.""", (VM1, VM2), record=IO, nested=True)
def slow_device_for_all(stage):
    loads = [stage.reads(name, stage.length("slow"), interval_us=50_000) for name in ("vm1", "vm2")]
    stage.quiet()
    slow(stage)
    for load in loads:
        stage.expect_if_slowed(load, "slow", Finding("disk-slow-device", load.where))
    stage.allow(Finding("disk-contention-vm", "vm1", "vm2"), Finding("disk-contention-vm", "vm2", "vm1"))


@BOOK.case("slow-device-beside-busy", f"""vm1 reads 4 KiB at a time and vm2 writes 64 KiB ten times a second, from the begin; then the host's disk itself
           becomes slow: {2 * SLOW_IOPS} requests a second. vm2 does what it did before.""", (VM1, VM2), record=IO, nested=True)
def slow_device_beside_busy(stage):
    reads = stage.reads("vm1", stage.length("slow"))
    stage.writes("vm2", stage.length("slow"), depth=2, size=65536, rate=10)
    stage.quiet()
    slow(stage, 2 * SLOW_IOPS)
    stage.expect_if_slowed(reads, "slow", Finding("disk-slow-device", "vm1"))
    stage.allow(Finding("disk-slow-device", "vm2"), Finding("disk-contention-vm", "vm2", "vm1"))


@BOOK.case("healthy-kvm", "vm1, under KVM, reads 4 KiB at a time.", (VM1,), record=CPU, nested=True)
def healthy_kvm(stage):
    stage.reads("vm1", stage.length())
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


@BOOK.case("healthy-kvm-io", "vm1, under KVM, reads 4 KiB at a time; recorded with the profile io.", (VM1,), record=IO, nested=True)
def healthy_kvm_io(stage):
    stage.reads("vm1", stage.length())
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


def storm(kind):
    def play(stage):
        stage.reads("vm1", stage.length("storm"))
        stage.quiet()
        stage.begin("storm")
        stage.runs("vm1", "iv-exits", stage.tempo.cause, seconds=stage.tempo.cause, kind=kind).wait()
        stage.expect("storm", Finding("exit-storm", "vm1"))
    return play


BOOK.case("exit-storm-cpuid", "vm1, under KVM, reads 4 KiB at a time; then it also executes CPUID in a loop: KVM answers each.", (VM1,), record=CPU,
          nested=True, small=True)(storm("cpuid"))
BOOK.case("exit-storm-qemu", "vm1, under KVM, reads 4 KiB at a time; then it also reads a device's register in a loop: each goes to QEMU.", (VM1,), record=CPU,
          nested=True)(storm("register"))


@BOOK.case("cpu-starved-vcpu-kvm", """vm1, under KVM, computes; then its vCPU's thread may use one CPU only, on which 3 processes of the host
           compute.""", (VM1,), record=CPU, nested=True)
def starved_vcpu(stage):
    work = stage.spins("vm1", stage.length("hogs"))
    stage.quiet()
    hogs = stage.hogs(3, 1, stage.tempo.cause)
    with pinned(stage.vcpu_threads("vm1"), 1):
        stage.begin("hogs")
        for hog in hogs:
            hog.wait()
    stage.expect_if_slowed(work, "hogs", Finding("vcpu-starved", "vm1", "iv-spin"))
