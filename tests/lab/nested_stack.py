"""Runs inside the emulated KVM host: records one guest whose disks lie on a partition, linear, encrypted, striped and mirrored devices.

Where each 4 KiB block of each disk lies on the host's disk is computed here from the layers as they
were made, without any word of the kernel's events.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from guestlab import disks, inside

sys.path.insert(0, str(Path(__file__).parent))
from nested_record import ended, wait_for_agent, wait_for_machine  # noqa: E402

READS = 60
WAIT_SECONDS = 120
BLOCK = 8       # sectors
MEGABYTES = 8  # of each of the guest's disks
SIZE = MEGABYTES << 11
KEY = "0123456789abcdef" * 4
PARTITIONS = {"vdd1": (2048, 262144), "vdd2": (264192, 524288), "vdd3": (788480, 524288)}  # first sector, sectors


def shell(command: str, given: str = "") -> str:
    done = subprocess.run(command, shell=True, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout.strip()


class Layer:
    """A device, and where its sectors are on the one disk below all: several places when it is mirrored."""

    def __init__(self, path: str, places):
        self.path, self.places = path, places


def partition(name: str) -> Layer:
    return Layer(f"/dev/{name}", lambda sector: [PARTITIONS[name][0] + sector])


def mapped(name: str, table: str, places) -> Layer:
    """A device-mapper device, by the kernel's own node: there is no udev here that makes one with its name."""
    shell(f"dmsetup create --noudevsync {name}", table)
    return Layer("/dev/" + shell(f"dmsetup info -c --noheadings -o blkdevname {name}"), places)


def linear(name: str, *parts: tuple[int, Layer, int]) -> Layer:
    """Of so many sectors of a device, from one of its own on, each."""
    lines, starts, at = [], [], 0
    for sectors, below, first in parts:
        lines.append(f"{at} {sectors} linear {below.path} {first}")
        starts.append(at)
        at += sectors

    def places(sector: int) -> list[int]:
        part = max(i for i, start in enumerate(starts) if start <= sector)
        return parts[part][1].places(parts[part][2] + sector - starts[part])

    return mapped(name, "\n".join(lines), places)


def striped(name: str, chunk: int, *parts: tuple[Layer, int]) -> Layer:
    def places(sector: int) -> list[int]:
        row, column = divmod(sector // chunk, len(parts))
        below, first = parts[column]
        return below.places(first + row * chunk + sector % chunk)

    legs = " ".join(f"{below.path} {first}" for below, first in parts)
    return mapped(name, f"0 {SIZE} striped {len(parts)} {chunk} {legs}", places)


def encrypted(name: str, sectors: int, below: Layer, first: int) -> Layer:
    return mapped(name, f"0 {sectors} crypt aes-xts-plain64 {KEY} 0 {below.path} {first}", lambda sector: below.places(first + sector))


def mirrored(number: int, *legs: Layer) -> Layer:
    path = f"/dev/md{number}"
    shell(f"mdadm --build {path} --run --assume-clean --level=1 --raid-devices={len(legs)} {' '.join(leg.path for leg in legs)}")
    return Layer(path, lambda sector: [place for leg in legs for place in leg.places(sector)])


def image_on(layer: Layer, folder: str) -> Layer:
    """A raw image on a new file system of the device."""
    Path(folder).mkdir()
    shell(f"mke2fs -q -t ext4 {layer.path} && mount {layer.path} {folder}")
    path = disks.make_image(Path(folder) / "disk.img", MEGABYTES)
    return Layer(str(path), lambda sector: layer.places(disks.extent_at(path, sector * disks.SECTOR)[0] // disks.SECTOR))


def make_layers() -> dict[str, Layer]:
    """By the guest's name of the disk."""
    shell("for module in dm_mod dm_crypt xts raid1; do modprobe $module || exit; done")
    shell("sfdisk -q /dev/vdd", "".join(f"{first},{sectors}\n" for first, sectors in PARTITIONS.values()))
    one, two, three = (partition(name) for name in PARTITIONS)
    crypt = encrypted("iv-crypt", 262144, three, 65536)
    legs = linear("iv-leg0", (SIZE, two, 131072)), linear("iv-leg1", (SIZE, three, 450000))
    return {"vda": image_on(one, "/var/tmp/part"),
            "vdb": linear("iv-linear", (SIZE // 2, two, 2048), (SIZE // 2, three, 4096)),
            "vdc": image_on(linear("iv-fs", (196608, crypt, 8192)), "/var/tmp/crypt"),
            "vdd": striped("iv-striped", 128, (two, 65536), (three, 400000)),
            "vde": mirrored(0, *legs)}


def main() -> None:
    layers = make_layers()
    print(f"{time.monotonic():.0f} s: the layers are there", flush=True)
    aios = ("native", "threads", "native", "io_uring", "threads")
    run = inside.RESULTS / "run.ivt"
    guest_disks = [disks.Disk(Path(layer.path), aio=aio) for layer, aio in zip(layers.values(), aios)]
    with inside.new_guest("vm1", disk_mb=0, disks=guest_disks, boot_timeout=WAIT_SECONDS) as vm:
        vm.start("exec ivtrace-agent --foreground")
        wait_for_agent()
        recorder = subprocess.Popen(["ivtrace", "record", "-o", run, "--profile", "io", "--buffer-size", "16M"],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for_machine(recorder, run)
        for name in layers:
            print(f"{time.monotonic():.0f} s: {name}", flush=True)
            vm.check(f"iv-reads --target /dev/{name} --seconds 0 --count {READS}", WAIT_SECONDS)
            vm.check(f"iv-reads --target /dev/{name} --seconds 0 --count 10 --size 262144", WAIT_SECONDS)
            vm.check(f"iv-writes --target /dev/{name} --seconds 2 --size 4096 --depth 1", WAIT_SECONDS)
        print(f"{time.monotonic():.0f} s: read and written", flush=True)
        recorded = ended(recorder)
    places = {name: [layer.places(sector) for sector in range(0, SIZE, BLOCK)] for name, layer in layers.items()}
    (inside.RESULTS / "results.json").write_text(json.dumps({"record": recorded, "places": places}))


if __name__ == "__main__":
    main()
