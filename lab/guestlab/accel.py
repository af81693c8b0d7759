"""Which accelerator boots guests here: KVM if it can, else TCG.

That /dev/kvm opens proves little: some hosts' KVM cannot run an ordinary
kernel. So a small guest is booted with it, once per boot of this machine.
"""

import os
from pathlib import Path

from . import cache, channel, guest, kernels

PROBE_SECONDS = 20


def _boots(name: str) -> bool:
    probe = guest.Guest("kvm-probe", kernels.get("6.1"), smp=1, memory_mb=256, ring_mb=0, accel=name, boot_timeout=PROBE_SECONDS)
    try:
        with probe:
            return probe.run("true")[0] == 0
    except (channel.GuestDied, channel.GuestTimeout):
        return False


def best() -> str:
    """"kvm" or "tcg"; IVTRACE_ACCEL overrides the probe."""
    given = os.environ.get("IVTRACE_ACCEL")
    if given:
        return given
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    verdict = cache.cache_dir() / "accel" / boot
    with cache.locked("accel"):
        if not verdict.exists():
            cache.write_file(verdict, b"kvm" if _boots("kvm") else b"tcg")
        return verdict.read_text()
