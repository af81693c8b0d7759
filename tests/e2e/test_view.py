"""What `ivtrace view` serves, asked as its page asks it and as an attacker would; and its report as one file."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest

import harness
from harness import BIN, ROOT, ivtrace

from casebook import fixtures  # noqa: E402

PAGE_TESTS = ROOT / "web" / "e2e" / "run.mjs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recorded case: vm2 takes vm1's disk away."""
    place = tmp_path_factory.mktemp("view")
    fixtures.unpack(ROOT / "tests" / "cases" / "contended-vm-strong.tar.zst", place)
    return place / "run.ivt"


class Viewer:
    """A running `ivtrace view`; ends with the with block."""

    def __init__(self, run, *args, **popen):
        self.process = subprocess.Popen([BIN / "ivtrace", "view", run, "--no-browser", *map(str, args)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
        self.address = self.process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[A-Za-z0-9]{32}/", self.address), self.address + self.process.stderr.read()
        parts = urllib.parse.urlsplit(self.address)
        self.port, self.path = parts.port, parts.path

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.end()

    def end(self, by=signal.SIGINT) -> int:
        self.process.send_signal(by)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def raw(self, target, method="GET", body=None, **headers):
        """(status, headers, body) of any request."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def status(self, name, **parameters) -> int:
        return self.raw(self.path + query(name, parameters))[0]

    def get(self, name, **parameters):
        status, _, body = self.raw(self.path + query(name, parameters))
        assert status == 200, (name, parameters, body)
        return json.loads(body)

    def sql(self, sql, limit=1000, status=200):
        got, _, body = self.raw(self.path + "sql", "POST", json.dumps({"sql": sql, "limit": limit}), **{"Content-Type": "application/json"})
        assert got == status, body
        return json.loads(body)

    def wait(self) -> dict:
        """The run, when it is read and the patterns have been tried."""
        harness.wait_until(lambda: self.get("run")["findings_ready"], 60, "the run was not read")
        return self.get("run")


def query(name, parameters) -> str:
    return name + ("?" + urllib.parse.urlencode(parameters) if parameters else "")


@pytest.fixture(scope="module")
def viewer(run):
    with Viewer(run) as viewer:
        viewer.wait()
        yield viewer


def tracks(viewer, machine, kind) -> list[dict]:
    run = viewer.get("run")
    names = [one["name"] for one in run["machines"]]
    return [track for track in run["tracks"] if track["machine"] == names.index(machine) and track["kind"] == kind]


def test_the_run_is_told_as_info_tells_it(viewer, run):
    told = viewer.get("run")
    info = harness.info(run)
    assert told["name"] == "run.ivt" and not told["damaged"]
    assert [machine["name"] for machine in told["machines"]] == [machine["name"] for machine in info["machines"]]
    assert told["base_span_ns"] & (told["base_span_ns"] - 1) == 0 and told["base_span_ns"] >= told["duration_ns"] > 0
    assert len({track["id"] for track in told["tracks"]}) == len(told["tracks"])
    kinds = {(told["machines"][track["machine"]]["name"], track["kind"]) for track in told["tracks"]}
    assert {("host", "cpu"), ("host", "disk"), ("vm1", "vcpu"), ("vm1", "disk"), ("vm2", "disk"), ("vm2", "thread")} <= kinds


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(viewer):
    status, headers, body = viewer.raw(viewer.path)
    page = body.decode()
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in headers["Content-Security-Policy"] and "default-src 'none'" in headers["Content-Security-Policy"]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    for name in ("app.js", "app.css"):
        assert f"./{name}" in page
        assert viewer.raw(viewer.path + name)[0] == 200


def test_slices_of_a_disk_are_its_requests(viewer):
    track = tracks(viewer, "vm1", "disk")[0]
    run = viewer.get("run")
    level, rows = 6, {}
    for index in range((run["duration_ns"] * 2**level) // run["base_span_ns"] + 1):
        tile, = viewer.get("tiles", level=level, index=index, tracks=track["id"])["tiles"]
        assert tile["complete"] and tile["track"] == track["id"]
        if "slices" not in tile:
            continue
        columns = tile["slices"]
        assert len({len(columns[name]) for name in ("from", "until", "category", "lane", "row", "phases")}) == 1
        rows |= {row: (columns["from"][i], columns["until"][i]) for i, row in enumerate(columns["row"])}
    assert rows
    known = {row[0]: (row[1], row[2]) for row in viewer.sql("SELECT id, from_ns, until_ns FROM io_request WHERE machine = 'vm1'", 10_000)["rows"]}
    assert set(rows) <= set(known) and all(known[row] == times for row, times in rows.items())


def test_shares_of_a_cpu_are_what_its_switches_say(viewer):
    track = tracks(viewer, "host", "cpu")[0]
    run = viewer.get("run")
    tile, = viewer.get("tiles", level=0, index=0, tracks=track["id"])["tiles"]
    shares = tile["shares"]
    bin_ns = run["base_span_ns"] / run["bins"]
    idle = sum(share for category, share in zip(shares["category"], shares["share"]) if tile["categories"][category]["state"] == "idle") * bin_ns
    known, = viewer.sql(f"SELECT sum(until_ns - from_ns) FROM sched_slice WHERE machine = 'host' AND cpu = {track['number']} AND tid = 0")["rows"]
    assert idle == pytest.approx(known[0], rel=0.05)


def test_a_request_is_followed_through_the_host(viewer):
    row, = viewer.sql("""SELECT id, machine, from_ns, until_ns FROM io_request WHERE machine = 'vm1' AND tie = 'address' AND host_requests > 0
                         ORDER BY until_ns - from_ns DESC LIMIT 1""")["rows"]
    request = viewer.get("request", id=row[0])
    assert (request["from"], request["until"]) == (row[2], row[3])
    ends = [request["from"], *(phase["until"] for phase in request["phases"])]
    assert [phase["from"] for phase in request["phases"]] == ends[:-1] and ends[-1] == request["until"]
    assert request["host"] and all(request["from"] <= one["from"] <= one["until"] <= request["until"] for one in request["host"])
    # It is the slowest of a disk that vm2 had.
    machines = [machine["name"] for machine in viewer.get("run")["machines"]]
    assert "vm2" in {machines[one["machine"]] for one in request["waited_behind"]}
    overlaps = [one["overlap_ns"] for one in request["waited_behind"]]
    assert overlaps == sorted(overlaps, reverse=True) and len(overlaps) <= 20
    names = {(event["machine"], event["name"]) for event in request["events"]}
    assert {(request["machine"], "block_rq_issue"), (request["machine"], "block_rq_complete"), (0, "block_rq_issue")} <= names
    assert all(request["from"] <= event["time"] <= request["until"] for event in request["events"])
    block = viewer.get("block", row=request["host"][0]["row"])
    assert block["request"] == request["id"] and machines[block["machine"]] == "vm1"
    assert viewer.status("request", id=10**9) == 404


def test_a_ranges_tables_are_those_of_sql(viewer):
    duration = viewer.get("run")["duration_ns"]
    begin, end = duration // 3, duration // 2
    tables = {table["title"]: table for table in viewer.get("range", **{"from": begin, "until": end})["tables"]}
    requests = tables["Requests of the guests"]
    known = viewer.sql(f"""SELECT machine, direction, count(*) FROM io_request WHERE from_ns < {end} AND until_ns > {begin} GROUP BY machine, device, direction""")["rows"]
    assert sorted((row[0], row[2], row[3]) for row in requests["rows"]) == sorted(map(tuple, known))
    cpus = tables["Who had the host's CPUs"]
    share = [column["name"] for column in cpus["columns"]].index("share")
    assert sum(row[share] for row in cpus["rows"]) == pytest.approx(1, abs=0.05)
    assert {"vm1", "vm2"} <= {row[0] for row in cpus["rows"]}


def test_search_and_next_go_from_one_slice_to_the_next(viewer):
    hits = [hit for hit in viewer.get("search", q="IV-")["hits"] if hit["what"] == "task"]
    assert hits
    hit = max(hits, key=lambda hit: hit["count"])
    at, seen = -1, 0
    while seen < 5 and (found := viewer.get("next", track=hit["track"], label=hit["label"], tid=hit["tid"], direction=1, **{"from": at})):
        assert found["from"] > at
        if seen == 0:
            assert found["from"] == hit["first"]
        at, seen = found["from"], seen + 1
    assert seen == min(5, hit["count"])
    back = viewer.get("next", track=hit["track"], label=hit["label"], tid=hit["tid"], direction=-1, **{"from": at + 1})
    assert back["from"] == at


def test_findings_are_those_of_diagnose(viewer, run):
    told = viewer.get("findings")
    known = json.loads(ivtrace("diagnose", run, "--json").stdout)
    key = ("pattern", "victim", "culprit", "text")
    assert [[one[name] for name in key] for one in told["findings"]] == [[one[name] for name in key] for one in known["findings"]]
    assert told["tried"] == known["tried"] and len(told["unknown"]) == len(known["unknown"])
    finding = told["findings"][0]
    assert finding["victim"] == "vm1" and finding["culprit"] == "vm2"
    assert set(finding["victim_tracks"]) == {track["id"] for track in tracks(viewer, "vm1", "disk")}
    assert set(finding["culprit_tracks"]) == {track["id"] for track in tracks(viewer, "vm2", "disk")}


def test_raw_events_are_those_of_the_report(viewer, run):
    middle = viewer.get("run")["duration_ns"] // 2
    told = viewer.get("events", limit=1000, **{"from": middle, "until": middle + 2_000_000})
    reported = harness.events(run, "--from", f"{middle}ns", "--until", f"{middle + 2_000_000}ns")
    machines = [machine["name"] for machine in viewer.get("run")["machines"]]
    known = [(event["ts_ns"], event["machine"], event["cpu"], event["event"]) for event in reported if middle <= event["ts_ns"] <= middle + 2_000_000]
    assert [(event["time"], machines[event["machine"]], event["cpu"], event["name"]) for event in told["events"]] == known[:1000]
    assert told["more"] == (len(known) > 1000)


def test_sql_only_reads(viewer, tmp_path):
    assert viewer.sql("SELECT count(*) FROM io_request")["rows"][0][0] > 0
    for sql in (f"ATTACH '{tmp_path}/x' AS x", "DELETE FROM io_request", "CREATE TABLE t(a)", "PRAGMA journal_mode", "SELECT readfile('/etc/passwd')",
                "SELECT load_extension('x')", "SELECT 1; SELECT 2", "SELECT nothing FROM event", ""):
        assert viewer.sql(sql, status=400)["error"]
    assert list(tmp_path.iterdir()) == []
    assert viewer.sql("SELECT no FROM event", status=400)["offset"] == 7
    assert {"io_request", "event", "finding"} <= {table["name"] for table in viewer.get("tables")["tables"]}


def test_whoever_does_not_know_the_address_gets_nothing(viewer):
    other = "A" * 32 if viewer.path[1:33] != "A" * 32 else "B" * 32
    for target in ("/", "/run", f"/{other}/", f"/{other}/run", viewer.path[:-1], viewer.path.lower().swapcase() + "run", "/favicon.ico"):
        status, _, body = viewer.raw(target)
        assert status == 404 and viewer.path.encode() not in body, target
    for host in ("evil.example", f"evil.example:{viewer.port}", "127.0.0.1", "127.0.0.1:1"):
        assert viewer.raw(viewer.path + "run", Host=host)[0] == 403
    assert viewer.raw(viewer.path + "run", Host=f"localhost:{viewer.port}")[0] == 200
    assert viewer.raw(viewer.path + "run", Origin="http://evil.example")[0] == 403
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "TRACE"):
        assert 400 <= viewer.raw(viewer.path + "run", method)[0] < 500
    question = json.dumps({"sql": "SELECT 1"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert viewer.raw(viewer.path + "sql", "POST", question, **{"Content-Type": kind})[0] == 415
    assert viewer.raw(viewer.path + "sql", "POST", "x" * (2 << 20), **{"Content-Type": "application/json"})[0] == 413


def test_no_file_can_be_had(viewer, run):
    for path in ("../../../../etc/passwd", "..%2f..%2fetc/passwd", "%2e%2e/manifest.json", "/etc/passwd", "manifest.json", "host/cpu0.pages",
                 "index.html%00", str(run / "manifest.json")):
        assert viewer.raw(viewer.path + path)[0] == 404, path
    assert viewer.status("events", machine="../host", **{"from": 0, "until": 1}) == 404


def test_bad_questions_are_refused(viewer):
    for target in ("tiles", "tiles?level=0&index=0&tracks=0-99999999", "tiles?level=99&index=0&tracks=0", "tiles?level=0&index=9&tracks=0", "tiles?level=0&index=0&tracks=0&x=1",
                   "request?id=%zz", "request?id=1&id=2", "events?from=1", "range?from=9&until=1", "search?q=", "next?track=0", "run?a=b"):
        assert viewer.raw(viewer.path + target)[0] == 400, target
    assert viewer.raw(viewer.path + "x" * 9000)[0] == 414
    with socket.create_connection(("127.0.0.1", viewer.port)) as client:
        client.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        assert not client.recv(4096).startswith(b"HTTP/1.1 2")
    assert viewer.get("run")["findings_ready"]


def test_a_page_that_goes_away_ends_its_work(viewer):
    forever = json.dumps({"sql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", viewer.port)) as connection:
        connection.request("POST", viewer.path + "sql", body=forever, headers={"Content-Type": "application/json"})
    # Questions are answered one after the other: this one is only when that one has ended.
    assert viewer.sql("SELECT 1")["rows"] == [[1]]


def test_it_listens_on_the_loopback_only_and_says_when_a_port_is_taken(viewer, run):
    listening = [line.split() for line in open("/proc/net/tcp").readlines()[1:] if line.split()[3] == "0A"]
    assert [line[1] for line in listening if line[1].endswith(f":{viewer.port:04X}")] == [f"0100007F:{viewer.port:04X}"]
    done = ivtrace("view", run, "--no-browser", "--port", viewer.port, check=harness.FAILED)
    assert f"127.0.0.1:{viewer.port}" in done.stderr and "--port" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("by", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_it(run, by):
    with Viewer(run, "--no-cache") as viewer:
        assert viewer.get("run")["name"] == "run.ivt"
        assert viewer.end(by) == harness.OK


def test_a_browser_is_started_without_telling_the_secret(run, tmp_path):
    told = tmp_path / "told"
    fake = tmp_path / "xdg-open"
    fake.write_text(f'#!/bin/sh\necho "$1" > {told}.part\ncat "${{1#file://}}" >> {told}.part\nmv {told}.part {told}\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DISPLAY": ":99", "XDG_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen([BIN / "ivtrace", "view", run], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        address = process.stdout.readline().strip()
        harness.wait_until(told.exists, 30, "no browser was started")
        argument, page = told.read_text().split("\n", 1)
        assert address not in argument and address in page
        assert os.stat(argument.removeprefix("file://")).st_mode & 0o77 == 0
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == harness.OK
    assert not os.path.exists(argument.removeprefix("file://"))


def test_a_damaged_run_is_shown_with_what_is_left(run, tmp_path):
    broken = tmp_path / "run.ivt"
    shutil.copytree(run, broken)
    shutil.rmtree(broken / ".cache", ignore_errors=True)
    pages = max((broken / "host").glob("cpu*.pages"), key=lambda path: path.stat().st_size)
    with open(pages, "r+b") as file:
        file.seek(pages.stat().st_size // 2)
        file.write(b"\xff" * 65536)
    with Viewer(broken) as viewer:
        told = viewer.wait()
        assert told["damaged"] and told["notices"]
        level_0 = viewer.get("tiles", level=0, index=0, tracks=",".join(str(track["id"]) for track in told["tracks"]))["tiles"]
        assert any(tile["holes"] for tile in level_0)
        assert viewer.end() == harness.LOSS
    assert harness.FAILED == ivtrace("view", tmp_path, "--no-browser", check=None).returncode


def test_a_guests_names_are_text(run, tmp_path):
    """The name of the task that reads is changed in the recorded bytes."""
    hostile = tmp_path / "run.ivt"
    shutil.copytree(run, hostile)
    shutil.rmtree(hostile / ".cache", ignore_errors=True)
    name = b"</script>\xff\"\x01'<b>"
    for pages in (hostile / "vm1").glob("*.pages"):
        content = pages.read_bytes()
        assert b"iv-reads" + bytes(8) in content
        pages.write_bytes(content.replace(b"iv-reads" + bytes(8), name.ljust(16, b"\0")))
    with Viewer(hostile, "--no-cache") as viewer:
        viewer.wait()
        hit = viewer.get("search", q="</SCRIPT>")["hits"][0]
        assert hit["label"] == "</script>\ufffd\"\x01'<b>"
        assert viewer.sql("SELECT comm FROM io_request WHERE machine = 'vm1' LIMIT 1")["rows"] == [[hit["label"]]]
    report = tmp_path / "report.html"
    ivtrace("view", hostile, "--html", report, "--no-cache", check=None)
    page = report.read_bytes()
    assert b"</script>\xff" not in page and "</script>\ufffd".encode() not in page and page.count(b"</script>") == 2


def test_the_report_is_one_file_that_needs_nothing(run, tmp_path):
    report = tmp_path / "report.html"
    ivtrace("view", run, "--html", report)
    page = report.read_text()
    assert report.stat().st_size < 4 << 20
    assert os.listdir(tmp_path) == ["report.html"]
    assert not re.search(r"<(script|img|iframe|object)[^>]*\ssrc=", page) and 'rel="stylesheet"' not in page
    assert "default-src 'none'" in page
    data = json.loads(re.search(r'<script type="application/json" id="ivtrace-report">(.*?)</script>', page, re.S)[1])
    finding = data["findings"]["findings"][0]
    assert data["from"] <= finding["from"] < finding["until"] <= data["until"]
    assert 0 < len(data["requests"]) <= 50
    whole = [tile["tiles"][0]["track"] for tile in data["tiles"] if tile["level"] == 0]
    assert sorted(whole) == sorted(track["id"] for track in data["run"]["tracks"])
    levels = {tile["level"] for tile in data["tiles"]}
    finest = {tile["tiles"][0]["track"] for tile in data["tiles"] if tile["level"] == max(levels)}
    assert finest >= {*finding["victim_tracks"], *finding["culprit_tracks"]} != set()
    span = data["run"]["base_span_ns"] / 2 ** max(levels)
    assert 0 in levels and span <= data["until"] - data["from"]
    again = ivtrace("view", run, "--html", report, check=harness.FAILED)
    assert "--force" in again.stderr and report.read_text() == page
    ivtrace("view", run, "--html", report, "--force")


def test_the_page_does_what_a_person_wants(viewer, run, tmp_path):
    if shutil.which("node") is None or shutil.which("chromium") is None:
        pytest.skip("node or chromium is missing")
    report = tmp_path / "report.html"
    ivtrace("view", run, "--html", report)
    done = subprocess.run(["node", PAGE_TESTS, viewer.address, "--report", report], capture_output=True, text=True, timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
