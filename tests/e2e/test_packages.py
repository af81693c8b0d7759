"""The Debian packages: installed in a clean Debian, they record; removed, they leave nothing."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import harness
from guestlab import kernels, system

ROOT_BYTES = 1 << 30  # of root and disk together
AGENT_UNIT = "ivtrace-agent.service"
# What changes in a root whatever is installed: records of dpkg and apt, logs, the loader's cache, what is gone at the next boot.
NOT_OURS = ("run", "var/lib/dpkg", "var/lib/apt", "var/cache", "var/log", "etc/ld.so.cache", "etc/resolv.conf")
APT = ("apt-get", "-q", "-y", "--no-install-recommends")


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """{package name: file}, as `make package` leaves them."""
    build = harness.BIN.parent
    if not (build / "CMakeCache.txt").exists():
        pytest.skip(f"{build} is no build directory: packages cannot be made there")
    made = subprocess.run(["cmake", "--build", build, "--target", "packages"], capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-2000:]
    return {told(path, "Package"): path for path in (build / "packages").iterdir()}


def told(package: Path, field: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", package, field], check=True, capture_output=True, text=True).stdout.strip()


def content(package: Path, into: Path) -> set[str]:
    subprocess.run(["dpkg-deb", "-x", package, into], check=True)
    return {str(path.relative_to(into)) for path in into.rglob("*") if not path.is_dir()}


def is_stripped(program: Path) -> bool:
    sections = subprocess.run(["readelf", "-SW", program], check=True, capture_output=True, text=True).stdout
    return ".debug_info" not in sections and ".symtab" not in sections


def test_both_are_as_debian_wants_packages(packages, tmp_path):
    version = harness.ivtrace("--version").stdout.split()[1]
    assert {name: path.name for name, path in packages.items()} == {
        name: f"{name}_{version}_amd64.deb" for name in ("ivtrace", "ivtrace-agent")}
    for name, package in packages.items():
        assert told(package, "Version") == version and told(package, "Section") == "admin" and "@" in told(package, "Maintainer")
        lines = told(package, "Description").splitlines()
        assert len(lines) > 3 and len(lines[0]) < 80
        files = content(package, tmp_path / name)
        assert all(path.startswith("usr/") for path in files), files
        assert {f"usr/share/doc/{name}/copyright", f"usr/share/doc/{name}/changelog.gz"} <= files
        assert "Apache-2.0" in (tmp_path / name / f"usr/share/doc/{name}/copyright").read_text()
        assert {f"usr/share/bash-completion/completions/{name}", f"usr/share/zsh/vendor-completions/_{name}",
                f"usr/share/fish/vendor_completions.d/{name}.fish"} <= files
    assert {"libtraceevent1", "libc6", "libstdc++6"} <= {word.split()[0] for word in told(packages["ivtrace"], "Depends").split(", ")}
    assert told(packages["ivtrace-agent"], "Depends") == "", "one static program with no needs"
    assert is_stripped(tmp_path / "ivtrace/usr/bin/ivtrace")
    marker = ("ivtrace/usr/bin/ivtrace-mark", "ivtrace-agent/usr/sbin/ivtrace-mark")
    for program in ("ivtrace/usr/lib/ivtrace/ivtrace-agent", "ivtrace-agent/usr/sbin/ivtrace-agent", *marker):
        assert is_stripped(tmp_path / program)
        said = subprocess.run([tmp_path / program, "--version"], capture_output=True, text=True, check=True)
        assert said.stdout == f"{program.rpartition('/')[2]} {version}\n"


class Installation:
    """A clean root that got the agent, and then, with a disk made in between, ivtrace too."""

    def __init__(self, packages: dict[str, Path], directory: Path):
        self.root = system.new_root(directory / "root")
        for package in packages.values():
            shutil.copy(package, self.root / "root")
        shutil.copy("/etc/resolv.conf", self.root / "etc")
        self.files_before = self.files()
        self.packages_before = self.packages()
        self.debs = {name: f"/root/{path.name}" for name, path in packages.items()}
        self.run("dpkg", "-i", self.debs["ivtrace-agent"])
        self.disk = system.make_disk(self.root, directory / "guest.img")
        self.run(*APT, "install", self.debs["ivtrace"])

    def run(self, *command, check=(0,), binds=()) -> subprocess.CompletedProcess:
        done = system.in_root(self.root, *map(str, command), binds=binds)
        assert done.returncode in check, f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def packages(self) -> set[str]:
        return set(self.run("dpkg-query", "-W", "-f", "${Package}\n").stdout.split())

    def files(self) -> set[str]:
        paths = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return {path for path in paths if not path.startswith(NOT_OURS)}


@pytest.fixture(scope="module")
def installation(packages):
    # Ten thousand small files that nobody keeps: in memory where there is room, for a busy disk takes half a minute to forget them.
    room = shutil.disk_usage("/dev/shm").free > 2 * ROOT_BYTES
    with tempfile.TemporaryDirectory(prefix="ivtrace-packages-", dir="/dev/shm" if room else None) as directory:
        try:
            made = Installation(packages, Path(directory))
        except system.NoSystem as reason:
            pytest.skip(f"no clean Debian root here: {reason}")
        yield made


def test_the_unit_is_enabled_and_systemd_finds_no_fault_in_it(installation):
    assert installation.run("systemctl", "is-enabled", AGENT_UNIT).stdout.strip() == "enabled"
    done = installation.run("systemd-analyze", "verify", "--man=no", AGENT_UNIT)
    assert done.stdout + done.stderr == ""


def test_bash_finds_the_completion(installation):
    script = ". /usr/share/bash-completion/bash_completion; for p in ivtrace ivtrace-agent; do _completion_loader $p; complete -p $p; done"
    assert installation.run("bash", "-c", script).stdout.splitlines() == [
        "complete -F _ivtrace ivtrace", "complete -o nosort -F _ivtrace_agent ivtrace-agent"]


@pytest.fixture(scope="module")
def guest(installation):
    with system.SystemGuest(f"deb-{os.getpid()}", kernels.get("6.12"), installation.disk) as vm:
        yield vm


def agent_state(vm) -> str:
    return vm.run(f"systemctl is-active {AGENT_UNIT}")[1].strip()


def wait_for_agent(vm) -> None:
    harness.wait_until(lambda: harness.guest_view(vm.name)["agent_alive"], 30,
                       lambda: f"the host sees no agent\n{vm.run(f'systemctl status --no-pager {AGENT_UNIT}')[1]}")


def test_the_installed_ivtrace_records_a_guest_whose_systemd_started_the_agent(installation, guest):
    wait_for_agent(guest)
    assert agent_state(guest) == "active"
    shown = [guest.console_socket.parent]
    seen = json.loads(installation.run("/usr/bin/ivtrace", "guests", "--json", binds=shown).stdout)["guests"]
    assert [view["agent_alive"] for view in seen if view["name"] == guest.name] == [True]

    job = guest.start("exec 2>&1; while sleep 0.1; do /usr/bin/cat /proc/uptime; done")
    probed = {"kprobe:uptime_proc_show": "kprobe:uptime_proc_show", "uprobe:/usr/lib/x86_64-linux-gnu/libc.so.6:getopt_long": "uprobe:getopt_long"}
    probes = [option for spec in probed for option in ("--probe", f"{guest.name}:{spec}")]
    done = installation.run("ivtrace", "record", "-o", "/root/run.ivt", "-g", guest.name, "--events", "sched:sched_switch,sched:sched_process_exec",
                            *probes, "--duration", "3s", binds=shown, check=(harness.OK, harness.LOSS))
    job.signal("KILL")
    run = installation.root / "root" / "run.ivt"
    told = json.loads(installation.run("ivtrace", "info", "/root/run.ivt", "--json", check=(done.returncode,)).stdout)
    machines = {machine["name"]: machine for machine in told["machines"]}
    assert machines[guest.name]["clock"]["aligned"] and machines["host"]["events"] > 0, machines
    lines = installation.run("ivtrace", "report", "/root/run.ivt", "--machine", guest.name, "--json", "--event", "sched_process_exec",
                             check=(harness.OK, harness.LOSS)).stdout.splitlines()
    commands = [json.loads(line)["fields"]["filename"] for line in lines if "fields" in line]
    assert any(name.endswith("/cat") for name in commands), commands[:10]
    # The unit lets the agent set probes: it sees the guest's programs, and is not killed for a system call.
    for event in probed.values():
        hits = installation.run("ivtrace", "report", "/root/run.ivt", "--machine", guest.name, "--json", "--event", event,
                                check=(harness.OK, harness.LOSS)).stdout.splitlines()
        assert any("fields" in json.loads(line) for line in hits), event
    assert agent_state(guest) == "active"
    # What the unit takes from the agent must not cost it the addresses of symbols.
    addresses = {line.split()[0] for line in (run / guest.name / "kallsyms").read_text().splitlines()[:100]}
    assert len(addresses) > 10, addresses


def test_in_a_running_guest_removal_stops_the_agent_and_installation_starts_it(installation, guest):
    wait_for_agent(guest)
    guest.check("dpkg -r ivtrace-agent")
    assert agent_state(guest) == "inactive" and not harness.agent_alive(guest)
    guest.check(f"dpkg -i {installation.debs['ivtrace-agent']}")
    assert agent_state(guest) == "active"
    wait_for_agent(guest)


def test_an_administrator_who_disabled_the_unit_is_obeyed_by_an_upgrade(installation):
    installation.run("systemctl", "disable", AGENT_UNIT)
    installation.run("dpkg", "-i", installation.debs["ivtrace-agent"])
    assert installation.run("systemctl", "is-enabled", AGENT_UNIT, check=(1,)).stdout.strip() == "disabled"
    installation.run("systemctl", "enable", AGENT_UNIT)


def test_a_purge_leaves_nothing(installation):
    installed = installation.files() - installation.files_before
    assert {"usr/bin/ivtrace", "usr/sbin/ivtrace-agent", f"etc/systemd/system/multi-user.target.wants/{AGENT_UNIT}"} <= installed
    came = installation.packages() - installation.packages_before
    assert {"ivtrace", "ivtrace-agent", "libtraceevent1"} <= came
    installation.run("dpkg", "-r", "ivtrace", "ivtrace-agent")
    installation.run("dpkg", "-P", *sorted(came))
    left = installation.files() - installation.files_before
    assert {path for path in left if not path.startswith(("root/run.ivt", "tmp/ivlab-"))} == set()
