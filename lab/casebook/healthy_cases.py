"""Nothing is wrong: whatever is found in these is wrong to find."""

from .case import Book, Seat

BOOK = Book()
ONE, TWO = (Seat("vm1"),), (Seat("vm1"), Seat("vm2", series="6.1"))
GENTLE_US = 4000  # between two reads: two guests and the recorder need no two CPUs then


@BOOK.case("healthy-idle", "vm1 does nothing.", ONE, small=True)
def idle(stage):
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


@BOOK.case("healthy-reads", "vm1 reads 4 KiB at a time from its disk.", ONE, small=True)
def reads(stage):
    stage.reads("vm1", stage.length())
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


@BOOK.case("healthy-recorder-on-disk", "As healthy-reads, but the run is written to the disk that vm1 reads from.", ONE, on_disk=True)
def recorder_on_disk(stage):
    stage.reads("vm1", stage.length())
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


@BOOK.case("healthy-two-vms", f"vm1 and vm2 each read 4 KiB every {GENTLE_US} us, from images of their own on one disk.", TWO)
def two_vms(stage):
    for name in ("vm1", "vm2"):
        stage.reads(name, stage.length(), interval_us=GENTLE_US)
    stage.quiet(stage.tempo.quiet + stage.tempo.cause)


@BOOK.case("healthy-busier", """vm1 reads one at a time without a pause; after a while vm2 does, too: more work for all, and no
           more than the disk has room for.""", TWO)
def busier(stage):
    stage.reads("vm1", stage.length("second"), interval_us=2000)
    stage.quiet()
    stage.begin("second")
    stage.reads("vm2", stage.tempo.cause, interval_us=2000).wait()
