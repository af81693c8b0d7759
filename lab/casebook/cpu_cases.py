"""Guests that do not get the host's CPUs, and guests that stand still."""

from . import causes
from .case import Book, Finding, Seat

BOOK = Book()
VM1 = Seat("vm1")
HOGS = 4
HOG = "iv-spin"


def starve(stage, threads, cpu):
    """The hogs come first, so that the threads never have that CPU for themselves."""
    hogs = stage.hogs(HOGS, cpu, stage.tempo.cause)
    with causes.pinned(threads, cpu):
        stage.begin("hogs")
        for hog in hogs:
            hog.wait()


@BOOK.case("cpu-starved-vcpu", f"""vm1 computes and reads 4 KiB at a time; then its vCPU's thread may use one CPU only, on which {HOGS} processes of the
           host compute.""", (VM1,), small=True)
def starved_vcpu(stage):
    work = stage.spins("vm1", stage.length("hogs"))
    stage.reads("vm1", stage.length("hogs"))
    stage.quiet()
    starve(stage, stage.vcpu_threads("vm1"), 1)
    stage.expect_if_slowed(work, "hogs", Finding("vcpu-starved", "vm1", HOG))


@BOOK.case("cpu-starved-vcpu-reads", f"""vm1 only reads 4 KiB at a time; then its vCPU's thread may use one CPU only, on which {HOGS} processes of the
           host compute.""", (VM1,))
def starved_vcpu_reads(stage):
    reads = stage.reads("vm1", stage.length("hogs"))
    stage.quiet()
    starve(stage, stage.vcpu_threads("vm1"), 1)
    stage.expect_if_slowed(reads, "hogs", Finding("vcpu-starved", "vm1", HOG))


@BOOK.case("cpu-starved-qemu", f"""vm1 reads 4 KiB at a time; then QEMU's threads that run no vCPU may use one CPU only, on which {HOGS} processes of the
           host compute.""", (VM1,), small=True)
def starved_qemu(stage):
    reads = stage.reads("vm1", stage.length("hogs"))
    stage.quiet()
    starve(stage, stage.other_threads("vm1"), 1)
    stage.expect_if_slowed(reads, "hogs", Finding("qemu-starved", "vm1", HOG))


@BOOK.case("cpu-busy-elsewhere", f"""vm1 reads 4 KiB at a time on one CPU; then {HOGS} processes of the host compute on the other one: they are in
           nobody's way.""", (VM1,))
def busy_elsewhere(stage):
    stage.reads("vm1", stage.length("hogs"), interval_us=2000)
    machine = stage.guests["vm1"]
    with causes.pinned(stage.vcpu_threads("vm1") + stage.other_threads("vm1"), 0):
        stage.quiet()
        stage.begin("hogs")
        for hog in stage.hogs(HOGS, 1, stage.tempo.cause):
            hog.wait()
    assert machine.running


@BOOK.case("guest-stopped", "vm1 reads 4 KiB at a time; then its QEMU is stopped by SIGSTOP, and goes on after a while.", (VM1,), small=True)
def guest_stopped(stage):
    stage.reads("vm1", stage.length("stopped"))
    stage.quiet()
    with causes.stopped(stage.guests["vm1"].pid):
        stage.begin("stopped")
        stage.sleep(stage.tempo.cause)
    stage.begin("after")
    stage.expect("stopped", Finding("guest-stuck", "vm1"))


@BOOK.case("guest-paused", """vm1 reads 4 KiB at a time; then its vCPUs are stopped by its monitor (QMP stop), and go on after a while. QEMU itself
           lives, the guest stands still.""", (VM1,))
def guest_paused(stage):
    stage.reads("vm1", stage.length("paused"))
    stage.quiet()
    with causes.paused(stage.guests["vm1"]):
        stage.begin("paused")
        stage.sleep(stage.tempo.cause)
    stage.begin("after")
    stage.expect("paused", Finding("guest-stuck", "vm1"))


STORM = "sys_enter_sched_get_priority_max"
STORM_CALLS = 2_000_000


@BOOK.case("events-lost", """vm1 makes more events than its kernel's buffer of 16 KiB can hold until they are fetched; it also reads 4 KiB at a
           time.""", (VM1,), calm=False,
           record=("--events", f"block:*,irq:irq_handler_*,sched:sched_switch,sched:sched_wakeup,syscalls:{STORM}", "--buffer-size", "16K"))
def events_lost(stage):
    stage.reads("vm1", stage.length("storm"), interval_us=3300)
    stage.quiet()
    stage.begin("storm")
    storm = stage.runs("vm1", "iv-storm", stage.tempo.cause, count=STORM_CALLS)
    storm.wait()
    stage.expect_if_missing(storm, STORM, STORM_CALLS, "storm", Finding("events-lost", "vm1"))
    stage.allow(Finding("events-lost", "host"))
