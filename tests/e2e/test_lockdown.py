"""A guest whose kernel is locked down: it cannot map the ring, and says so in one clear line."""

import pytest

import harness
from harness import ivtrace


@pytest.fixture(scope="module")
def locked(new_guest):
    with new_guest("locked", disk=False, append="lockdown=integrity") as vm:
        assert "[integrity]" in vm.check("cat /sys/kernel/security/lockdown")
        yield vm


def test_the_agent_says_that_lockdown_forbids_the_ring(locked):
    code, said = locked.run("ivtrace-agent --foreground", 20)
    assert code == harness.FAILED
    assert "lockdown" in said and len(said.strip().splitlines()) == 1


def test_the_guest_is_recorded_host_only(locked, run_dir):
    ivtrace("record", "-o", run_dir, "-g", locked.name, "--events", "sched:sched_switch", "--duration", "1s", "--quiet", check=None)
    told = harness.info(run_dir)["by_name"]
    assert told["host"]["events"] > 0 and told[locked.name]["events"] == 0


def test_doctor_tells_what_the_guest_lacks(locked):
    done = ivtrace("doctor", "-g", locked.name, check=None)
    assert "agent" in done.stdout.lower() and "lockdown" in done.stdout.lower()
