"""Packs recorded cases as fixtures: small, and without what would identify the machine that recorded them.

DIR/NAME.tar.zst holds the run, DIR/NAME.json its label. What no diagnosis reads is left out (symbols). Host names,
boot ids, the host's kernel's suffix and the images' directories are replaced, and so are the names of the host's
tasks that have no part in the case, in place, in the kernel's own pages.
"""

import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from . import strangers

LEFT_OUT = "kallsyms"
LEVEL = 19  # of zstd
STRANGER = "task"
# The host's tasks that every such machine has, and those of the cases themselves.
KNOWN = re.compile(r"swapper/\d+|kworker/.*|ksoftirqd/\d+|migration/\d+|rcu_\w+|kthreadd|kcompactd\d+|kswapd\d+|khugepaged|jbd2/.*|loop\d+|"
                   r"qemu-system-x86|worker|iou-\w+-\d+|CPU \d+/\w+|iv-\w+|ivtrace.*|cases|python3?|sh|tee|mount|umount|<idle>")
NO_BOOT = "00000000-0000-0000-0000-000000000000"


class LeakError(Exception):
    """A name that identifies the machine is still in the run."""


def pack(case_dir: Path, ivtrace: Path, into: Path) -> int:
    """Makes the two files of one case; gives the size of the run's."""
    into.mkdir(parents=True, exist_ok=True)
    label = json.loads((case_dir / "case.json").read_text())
    label["machine"]["host_kernel"] = _release(label["machine"]["host_kernel"])
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run.ivt"
        shutil.copytree(case_dir / "run.ivt", run, ignore=shutil.ignore_patterns(LEFT_OUT))
        _neutralise(run, ivtrace)
        final = into / f"{label['name']}.tar.zst"
        subprocess.run(["zstd", "-q", "-f", f"-{LEVEL}", "-o", final], input=_tar(run), check=True)
    (into / f"{label['name']}.json").write_text(json.dumps(label, separators=(",", ":")) + "\n")
    return final.stat().st_size


def unpack(archive: Path, into: Path) -> Path:
    """The run of a fixture."""
    tar = subprocess.run(["zstd", "-q", "-d", "-c", archive], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        opened.extractall(into)
    return into / "run.ivt"


def _tar(run: Path) -> bytes:
    """The same bytes for the same run, whenever and by whomever it is made."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in sorted(run.rglob("*")):
            if ".cache" in path.relative_to(run).parts:
                continue  # of a query, not of the recording
            member = archive.gettarinfo(path, f"run.ivt/{path.relative_to(run)}")
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            if path.is_file():
                with open(path, "rb") as file:
                    archive.addfile(member, file)
            else:
                archive.addfile(member)
    return made.getvalue()


def _release(release: str) -> str:
    """A kernel's number without what its builder appended."""
    return re.match(r"[\d.]+", release).group().rstrip(".")


def _neutralise(run: Path, ivtrace: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    words = manifest["command_line"]
    words[words.index("-o") + 1] = "run.ivt"
    if "--state-directory" in words:
        at = words.index("--state-directory")
        del words[at:at + 2]
    manifest["host_kernel"] = _release(manifest["host_kernel"])
    (run / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    lines = [_neutral(json.loads(line)) for line in (run / "journal.jsonl").read_text().split("\n")[:-1]]
    (run / "journal.jsonl").write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    _rename_strangers(run, ivtrace)


def _neutral(line: dict) -> dict:
    if line["type"] == "machine":
        line["boot_id"] = line["boot_id"] and NO_BOOT
        if line["kind"] == "host":
            line |= {"hostname": "host", "kernel_release": _release(line["kernel_release"])}
        line["ring_file"] = line["ring_file"] and f"/dev/shm/{line['name']}"
    elif line["type"] == "disk":
        line["path"] = f"/images/{Path(line['path']).name}" if line["path"] else ""
    return line


def _names(run: Path, ivtrace: Path) -> set[str]:
    """The host's tasks, as its events and the kernel's list tell them."""
    queries = ("SELECT DISTINCT comm FROM sched_slice WHERE machine = 'host'", "SELECT DISTINCT comm FROM event WHERE machine = 'host'",
               "SELECT DISTINCT comm FROM thread WHERE machine = 'host'",
               "SELECT DISTINCT text FROM event WHERE machine = 'host' AND name IN ('task_rename', 'task_newtask', 'sched_wakeup', 'sched_wakeup_new', 'sched_migrate_task')")
    found = set()
    for query in queries:
        said = subprocess.run([ivtrace, "query", run, query, "--json"], capture_output=True, text=True, errors="replace").stdout
        for line in said.splitlines():
            value, = (value or "" for value in json.loads(line).values())
            found |= set(re.findall(r"comm=(.+?) (?:pid|prio|clone_flags|newcomm|oom_score_adj)[=]", value + " ")) if "comm=" in value else {value}
    return found - {""}


def _rename_strangers(run: Path, ivtrace: Path) -> None:
    fields = strangers.name_fields((run / "host" / "formats").read_text(errors="replace"))
    for path in (run / "host").glob("*.pages"):
        path.write_bytes(strangers.rename(path.read_bytes(), fields, lambda name: name if KNOWN.fullmatch(name) else STRANGER))
    listed = (run / "host" / "cmdlines").read_text(errors="replace").splitlines()
    kept = [line for line in listed if KNOWN.fullmatch(line.partition(" ")[2])]
    (run / "host" / "cmdlines").write_text("".join(f"{line}\n" for line in kept))
    left = {name for name in _names(run, ivtrace) if not STRANGER.startswith(name) and not KNOWN.fullmatch(name)}
    if left:
        raise LeakError(f"{run}: still named: {', '.join(sorted(left))}")
