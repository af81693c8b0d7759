"""Man pages and shell completion, as the build makes them of the declared command lines."""

import contextlib
import gzip
import json
import shlex
import shutil
import subprocess
import sys

import pytest

import harness
from guestlab import guest, kernels

MANUAL = harness.BIN.parent / "manual"
COMPLETION = MANUAL / "completion"
TOOL = harness.ROOT / "tools" / "manual"


def declared(program: str) -> dict:
    return json.loads((MANUAL / f"{program}.json").read_text())


def page(name: str) -> str:
    return gzip.decompress((MANUAL / "man" / f"{name}.gz").read_bytes()).decode()


def rendered(text: str, *options: str) -> str:
    if not shutil.which("groff"):
        pytest.skip("no groff here (lab/setup installs groff-base)")
    done = subprocess.run(["groff", "-man", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=100n", *options], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def all_pages() -> list[str]:
    return sorted(path.name.removesuffix(".gz") for path in (MANUAL / "man").iterdir())


def test_every_command_has_a_page_that_groff_reads_without_a_warning():
    commands = [f"ivtrace-{command['name']}.1" for command in declared("ivtrace")["commands"]]
    assert all_pages() == sorted(["ivtrace.1", "ivtrace-agent.8", "ivtrace-mark.1", *commands])
    for name in all_pages():
        text = rendered(page(name), "-ww")
        sections = [line for line in text.splitlines() if line and line.upper() == line and line[0].isalpha() and "(" not in line]
        assert [section for section in sections if section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO")] == [
            "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"], (name, sections)
        assert "`" not in text and "**" not in text and "](" not in text, f"{name} has markdown left in it"


def test_a_page_tells_every_declared_option():
    for command in declared("ivtrace")["commands"]:
        text = rendered(page(f"ivtrace-{command['name']}.1"))
        synopsis = text.partition("SYNOPSIS")[2].partition("DESCRIPTION")[0]
        assert f"ivtrace {command['name']}" in synopsis
        for option in command["options"]:
            head = ", ".join(option["names"]) + (" " if option["names"] and option["value"] else "") + option["value"]
            assert f"\n       {head}" in text, (command["name"], head)
            if option["required"]:
                assert f"[{(option['names'] or [option['value']])[0]}" not in synopsis


def test_what_a_command_prints_is_shown_and_the_synopsis_of_the_docs_is_not_repeated():
    text = rendered(page("ivtrace-guests.1")).partition("DESCRIPTION")[2]
    assert "NAME  PID  ACCEL" in text and "ivtrace guests [--json" not in text


def test_docs_of_an_option_that_does_not_exist_end_the_build(tmp_path):
    docs = tmp_path / "docs"
    shutil.copytree(harness.ROOT / "docs" / "commands", docs)
    with open(docs / "info.md", "a") as out:
        out.write("\n- `--colour`: paints it.\n")
    done = subprocess.run([sys.executable, TOOL, "--docs", docs, "--into", tmp_path, MANUAL / "ivtrace.json"], capture_output=True, text=True)
    assert done.returncode == 1 and "there is no option --colour" in done.stderr and "info.md" in done.stderr


def complete(*words: str, cwd=None) -> list[str]:
    """What bash offers for the last word."""
    program = words[0]
    function = "_" + program.replace("-", "_")
    script = f"source {COMPLETION}/{program}.bash; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=cwd, env={"PATH": f"{harness.BIN}:/usr/bin:/bin"})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_bash_completes_commands_options_and_values():
    commands = [command["name"] for command in declared("ivtrace")["commands"]]
    assert complete("ivtrace", "") == commands
    assert complete("ivtrace", "re") == [name for name in commands if name.startswith("re")]
    for command in declared("ivtrace")["commands"]:
        options = [name for option in command["options"] for name in option["names"]]
        assert complete("ivtrace", command["name"], "-") == options
    assert complete("ivtrace", "record", "--profile", "") == ["io", "cpu", "all"]
    assert complete("ivtrace", "record", "--quiet", "--profile", "=", "c") == ["cpu"]
    assert complete("ivtrace", "record", "--feed", "=") == ["map", "read"]
    assert complete("ivtrace", "record", "--duration", "") == []
    assert complete("ivtrace", "no-such-command", "-") == []
    agent = [name for option in declared("ivtrace-agent")["options"] for name in option["names"]]
    assert complete("ivtrace-agent", "") == agent
    assert complete("ivtrace-agent", "--ring", "/proc/self/environ") == ["/proc/self/environ"]
    mark = [name for option in declared("ivtrace-mark")["options"] for name in option["names"]]
    assert complete("ivtrace-mark", "") == mark
    assert complete("ivtrace-mark", "--pid", "") == []


def test_bash_completes_runs_and_their_machines(tmp_path):
    for machine in ("host", "vm1", "vm2"):
        (tmp_path / "x" / "run 1.ivt" / machine).mkdir(parents=True)
    (tmp_path / "x" / "run 1.ivt" / "journal.jsonl").touch()
    (tmp_path / "y").mkdir()
    assert sorted(complete("ivtrace", "info", "", cwd=tmp_path)) == ["x/", "y/"]
    run = complete("ivtrace", "info", "x/", cwd=tmp_path)
    assert [shlex.split(name) for name in run] == [["x/run 1.ivt"]]
    assert complete("ivtrace", "report", "x/run 1.ivt", "--machine", "v", cwd=tmp_path) == ["vm1", "vm2"]
    assert complete("ivtrace", "exits", "x/run 1.ivt", "-g", "h", cwd=tmp_path) == ["host"]
    assert complete("ivtrace", "info", "x/run 1.ivt", "", cwd=tmp_path) == []


def test_bash_completes_running_guests_and_runs_nothing_that_a_name_holds(tmp_path):
    trap = f"comp $(touch {tmp_path}/trap)"
    with contextlib.ExitStack() as running:
        for name in ("completed", trap):
            vm = guest.Guest(name, kernels.get("6.12"), ring_mb=0, qmp=False)
            running.callback(vm.stop)
            vm.launch()
        for words in (("attach", "comp"), ("record", "-o", "x", "-g", "comp"), ("doctor", "--guest", "=", "comp")):
            offered = complete("ivtrace", *words)
            assert [shlex.split(name) for name in offered if "touch" not in name] == [["completed"]]
            assert [shlex.split(name) for name in offered if "touch" in name] == [[trap]]
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("shell", ("zsh", "fish"))
def test_zsh_and_fish_read_theirs(shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    for program in ("ivtrace", "ivtrace-agent"):
        done = subprocess.run([shell, "-n", COMPLETION / f"{program}.{shell}"], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr
    if shell == "fish":
        offered = subprocess.run(["fish", "-c", f"source {COMPLETION}/ivtrace.fish; complete -C 'ivtrace record --profile '"], capture_output=True, text=True)
        assert {line.split("\t")[0] for line in offered.stdout.splitlines()} >= {"io", "cpu", "all"}
