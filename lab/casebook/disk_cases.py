"""One cause of slow disk requests at a time: a neighbour, the host itself, one's own load, one's own limit."""

from . import causes
from .case import Book, Finding, Seat

BOOK = Book()
VM1, VM2 = Seat("vm1"), Seat("vm2", series="6.1")
LIMIT_IOPS = 150
LIMIT_BPS = 4 << 20


def contended_by_vm(depth: int):
    def play(stage):
        reads = stage.reads("vm1", stage.length("writes"))
        stage.quiet()
        stage.begin("writes")
        stage.writes("vm2", stage.tempo.cause, depth=depth).wait()
        stage.expect_if_slowed(reads, "writes", Finding("disk-contention-vm", "vm1", "vm2"))
    return play


for strength, depth in (("weak", 2), ("middle", 8), ("strong", 32)):
    BOOK.case(f"contended-vm-{strength}", f"vm1 reads 4 KiB at a time; then vm2 writes 1 MiB blocks, {depth} in flight, to its image on the same disk.",
              (VM1, VM2), small=strength == "strong")(contended_by_vm(depth))


@BOOK.case("contended-host", "vm1 reads 4 KiB at a time; then a process of the host writes 1 MiB blocks, 32 in flight, to a file on the same disk.",
           (VM1,), small=True)
def contended_host(stage):
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    stage.host_writes(stage.tempo.cause).wait()
    stage.expect_if_slowed(reads, "writes", Finding("disk-contention-host", "vm1", "iv-writes"))


@BOOK.case("self-inflicted", "vm1 reads 4 KiB at a time; then vm1 itself writes 4 MiB blocks, 24 in flight, beside that.", (VM1,), small=True)
def self_inflicted(stage):
    # One emulated CPU keeps a disk busy only with requests larger than the kernel makes by itself.
    stage.guests["vm1"].check("echo 4096 >/sys/block/vda/queue/max_sectors_kb")
    reads = stage.reads("vm1", stage.length("writes"))
    stage.quiet()
    stage.begin("writes")
    stage.writes("vm1", stage.tempo.cause, depth=24, size=4 << 20).wait()
    stage.expect_if_slowed(reads, "writes", Finding("disk-own-load", "vm1"))


def limited(stage, reads, limit):
    stage.quiet()
    with limit():
        stage.begin("limit")
        stage.sleep(stage.tempo.cause)
    stage.expect_if_slowed(reads, "limit", Finding("disk-own-limit", "vm1"))


@BOOK.case("own-limit-qemu", f"vm1 reads 4 KiB at a time; then QEMU is told to let {LIMIT_IOPS} requests a second through to its drive.", (VM1,), small=True)
def own_limit_qemu(stage):
    limited(stage, stage.reads("vm1", stage.length("limit")), lambda: causes.throttled(stage.guests["vm1"], iops=LIMIT_IOPS))


@BOOK.case("own-limit-cgroup", f"vm1 reads 4 KiB at a time; then its QEMU comes under a blkio limit of {LIMIT_IOPS} reads a second from the disk.",
           (VM1,), small=True)
def own_limit_cgroup(stage):
    limited(stage, stage.reads("vm1", stage.length("limit")), lambda: causes.cgroup_limited(stage.guests["vm1"].pid, stage.device("vm1"), read_iops=LIMIT_IOPS))


@BOOK.case("own-limit-always", f"vm1 reads 4 KiB at a time under QEMU's limit of {LIMIT_IOPS} requests a second, from the recording's begin to its end.",
           (Seat("vm1", drive=f"throttling.iops-total={LIMIT_IOPS}"),))
def own_limit_always(stage):
    # Without a pause it wants more than it may have, at any tempo.
    stage.reads("vm1", stage.length(), interval_us=0)
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)
    stage.expect("quiet", Finding("disk-own-limit", "vm1"))
