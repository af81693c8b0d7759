"""Two causes at once, and neighbours who are at work and not to blame."""

import os
import threading

from . import causes
from .case import Book, Finding, Seat
from .cpu_cases import HOG, HOGS
from .disk_cases import LIMIT_IOPS

BOOK = Book()
VM1, VM2, VM3 = Seat("vm1"), Seat("vm2", series="6.1"), Seat("vm3", series="6.1")
MEANT_SHARE = 0.3  # of what a victim met: a culprit with less may be named, with more it must be


def shared_blame(stage, reads, stretch, culprits):
    """Several culprits, as (finding's pattern, its name, load); each one's share is that of the bytes x time it had in flight.

    They are in each other's way as well.
    """
    in_flight = [load.wait()["mean_ns"] * load.said["bytes"] for _, _, load in culprits]
    for (pattern, name, _), mine in zip(culprits, in_flight):
        finding = Finding(pattern, "vm1", name, share=mine / sum(in_flight))
        if finding.share >= MEANT_SHARE:
            stage.expect_if_slowed(reads, stretch, finding)
        else:
            stage.allow(finding)
        stage.allow(*(Finding(pattern, load.where, name) for _, other, load in culprits if other != name and load.where != "host"))


@BOOK.case("two-culprits", "vm1 reads 4 KiB at a time; then vm2 writes 1 MiB blocks, 16 in flight, and vm3 does so with 4, all on the same disk.",
           (VM1, VM2, VM3))
def two_culprits(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    loads = [stage.writes("vm2", stage.tempo.cause, depth=16), stage.writes("vm3", stage.tempo.cause, depth=4)]
    shared_blame(stage, reads, "writes", [("disk-contention-vm", load.where, load) for load in loads])


@BOOK.case("vm-and-host", "vm1 reads 4 KiB at a time; then vm2 and a process of the host each write 1 MiB blocks, 24 and 8 in flight, on the same disk.",
           (VM1, VM2))
def vm_and_host(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    in_vm, on_host = stage.writes("vm2", stage.tempo.cause, depth=24), stage.host_writes(stage.tempo.cause, depth=8)
    shared_blame(stage, reads, "writes", [("disk-contention-vm", "vm2", in_vm), ("disk-contention-host", "iv-writes", on_host)])


@BOOK.case("busy-other-disk", "vm1 reads 4 KiB at a time; then vm2 writes 200 blocks of 1 MiB a second, to an image on another disk of the host.",
           (VM1, Seat("vm2", series="6.1", place="other")), small=True)
def busy_other_disk(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    stage.writes("vm2", stage.tempo.cause, depth=4, rate=200).wait()
    stage.expect_if_slowed(reads, "writes")


@BOOK.case("limited-beside-busy", f"""vm1 reads 4 KiB at a time; then vm2 writes 150 blocks of 1 MiB a second to the same disk; then, with vm2 still
           at it, QEMU lets {LIMIT_IOPS} requests a second of vm1 through: vm1's own limit is to blame.""", (VM1, VM2), small=True)
def limited_beside_busy(stage):
    reads = stage.reads("vm1", stage.length("writes", "limit"))
    stage.quiet()
    stage.begin("writes")
    writes = stage.writes("vm2", 2 * stage.tempo.cause, depth=2, rate=150)
    stage.sleep(stage.tempo.cause)
    with causes.throttled(stage.guests["vm1"], iops=LIMIT_IOPS):
        stage.begin("limit")
        writes.wait()
    stage.expect_if_slowed(reads, "writes", Finding("disk-contention-vm", "vm1", "vm2"))
    stage.expect_if_slowed(reads, "limit", Finding("disk-own-limit", "vm1"), before="writes")


@BOOK.case("limited-own-load", """vm1 reads 4 KiB at a time; then it writes 1 MiB blocks, 8 in flight, beside that, and QEMU lets 60 MiB a second
           through: its load meets its limit.""", (VM1,), small=True)
def limited_own_load(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    with causes.throttled(stage.guests["vm1"], bps=60 << 20):
        stage.begin("writes")
        stage.writes("vm1", stage.tempo.cause, depth=8).wait()
    stage.expect_if_slowed(reads, "writes", Finding("disk-own-limit", "vm1"))
    stage.allow(Finding("disk-own-load", "vm1"))


@BOOK.case("starved-and-contended", f"""vm1 computes and reads 4 KiB at a time; then its vCPU's thread may use one CPU only, on which {HOGS} processes of the
           host compute; then, with them still at it, another one writes 1 MiB blocks, 32 in flight, to the same disk.""", (VM1,))
def starved_and_contended(stage):
    work = stage.spins("vm1", stage.length("hogs", "both"))
    reads = stage.reads("vm1", stage.length("hogs", "both"))
    stage.quiet()
    hogs = stage.hogs(HOGS, 1, 2 * stage.tempo.cause)
    with causes.pinned(stage.vcpu_threads("vm1"), 1):
        stage.begin("hogs")
        stage.sleep(stage.tempo.cause)
        stage.begin("both")
        stage.host_writes(stage.tempo.cause).wait()
        for hog in hogs:
            hog.wait()
    stage.expect_if_slowed(work, "hogs", Finding("vcpu-starved", "vm1", HOG))
    stage.expect_if_slowed(reads, "both", Finding("disk-contention-host", "vm1", "iv-writes"), before="hogs")


@BOOK.case("contended-vm-over", "vm1 reads 4 KiB at a time; then vm2 writes 1 MiB blocks, 32 in flight, to its image on the same disk, and stops again.",
           (VM1, VM2))
def contended_and_over(stage):
    reads = stage.reads("vm1", stage.length("writes", "after"))
    stage.quiet()
    stage.begin("writes")
    stage.writes("vm2", stage.tempo.cause).wait()
    stage.begin("after")
    stage.sleep(stage.tempo.cause - 0.5)
    stage.expect_if_slowed(reads, "writes", Finding("disk-contention-vm", "vm1", "vm2"))


SYNC_SECONDS = 0.2


@BOOK.case("contended-vm-cached", """vm1 reads 4 KiB at a time; then vm2 writes 1 MiB blocks, 8 in flight, to a drive that the host caches: what
           reaches the same disk is written by the kernel's writeback, which is made to run every fifth of a second.""",
           (VM1, Seat("vm2", series="6.1", cache="writeback", aio="threads")))
def contended_by_cached(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    ended = threading.Event()
    writeback = threading.Thread(target=_write_back, args=(ended,))
    writeback.start()
    try:
        stage.writes("vm2", stage.tempo.cause, depth=8).wait()
    finally:
        ended.set()
        writeback.join()
    stage.expect_if_slowed(reads, "writes", Finding("disk-contention-vm", "vm1", "vm2"))


def _write_back(ended: threading.Event) -> None:
    # sync() has the kernel's own workers write each file system's dirty pages, as they do by themselves when these are old or many.
    while not ended.wait(SYNC_SECONDS):
        os.sync()
