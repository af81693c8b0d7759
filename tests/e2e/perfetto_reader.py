"""Reads what `ivtrace export --format perfetto` writes, by the published schema's field numbers alone.

A decoder of its own, so that a mistake in the writer's numbers cannot hide: packets (trace.proto, trace_packet.proto),
clocks (clock_snapshot.proto), tracks (track_descriptor.proto, process_descriptor.proto) and events (track_event.proto,
debug_annotation.proto). `check()` holds the trace against what a reader of Perfetto's relies on.
"""

import collections
import dataclasses
import struct
from pathlib import Path

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MONOTONIC, REALTIME = 3, 1
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
STATE_CLEARED = 1
LONGEST_NAME, LONGEST_TEXT = 160, 4096


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
        assert shift < 70, "a number without an end"


def fields(data: bytes):
    """(number, value) of each field of a message; bytes for those with a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind == FIXED64:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == FIXED32:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        elif kind == BYTES:
            length, at = varint(data, at)
            assert at + length <= len(data), "a field that is longer than its message"
            value, at = data[at:at + length], at + length
        else:
            raise AssertionError(f"a field of unknown kind {kind}")
        yield number, value


def only(data: bytes, known: dict[int, str]) -> dict:
    """A message's fields by name, lists for names that end in s; an unknown number is a mistake."""
    told: dict = {name: [] for name in known.values() if name.endswith("s")}
    for number, value in fields(data):
        name = known[number]
        if name.endswith("s"):
            told[name].append(value)
        else:
            assert name not in told, f"{name} twice"
            told[name] = value
    return told


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


@dataclasses.dataclass
class Track:
    uuid: int
    parent: int = 0
    name: str = ""
    process: str | None = None
    pid: int = 0
    is_counter: bool = False


@dataclasses.dataclass
class Event:
    kind: int
    track: int
    time: int
    name: str = ""
    notes: dict = dataclasses.field(default_factory=dict)
    flows: list[int] = dataclasses.field(default_factory=list)
    ending: list[int] = dataclasses.field(default_factory=list)
    value: int | None = None
    until: int = 0  # of a slice
    depth: int = 0  # of a slice, in others


class Trace:
    """Tracks by uuid, and events by kind. Times are nanoseconds since the run's start."""

    def __init__(self, path: Path):
        self.tracks: dict[int, Track] = {}
        self.events: list[Event] = []
        self.start = self.start_realtime = 0
        for index, (number, packet) in enumerate(fields(path.read_bytes())):
            assert number == 1, "Trace.packet"
            self._take(index, only(packet, {6: "clocks", 8: "timestamp", 10: "sequence", 11: "event", 13: "flag", 58: "clock", 60: "track"}))
        self.slices, self.instants, self.counters = self._pair()

    def _take(self, index: int, packet: dict) -> None:
        assert packet["sequence"] == 1
        assert (packet.get("flag") == STATE_CLEARED) == (index == 0), "the first packet clears the sequence's state, no other"
        if packet["clocks"]:
            assert index == 0, "the clocks come first"
            snapshot = only(packet["clocks"][0], {1: "clocks", 2: "primary"})
            clocks = {clock["id"]: clock["timestamp"] for clock in (only(clock, {1: "id", 2: "timestamp"}) for clock in snapshot["clocks"])}
            assert snapshot["primary"] == MONOTONIC
            self.start, self.start_realtime = clocks[MONOTONIC], clocks[REALTIME]
        if "track" in packet:
            self._take_track(packet["track"])
        if "event" in packet:
            assert packet["clock"] == MONOTONIC
            self._take_event(packet["timestamp"] - self.start, packet["event"])

    def _take_track(self, data: bytes) -> None:
        told = only(data, {1: "uuid", 2: "name", 3: "process_", 5: "parent", 8: "counter", 11: "ordering", 12: "rank"})
        track = Track(told["uuid"], told.get("parent", 0), told.get("name", b"").decode(), is_counter="counter" in told)
        if "process_" in told:
            process = only(told["process_"], {1: "pid", 3: "sort_index", 6: "name"})
            track.process, track.pid = process["name"].decode(), process["pid"]
        assert track.uuid not in self.tracks and track.uuid != 0
        assert track.parent == 0 or track.parent in self.tracks, "a track below one that is not there"
        self.tracks[track.uuid] = track

    def _take_event(self, time: int, data: bytes) -> None:
        told = only(data, {4: "notes", 9: "type", 11: "track", 23: "name", 30: "value", 47: "flows", 48: "endings"})
        event = Event(told["type"], told["track"], time, told.get("name", b"").decode(), flows=told["flows"], ending=told["endings"])
        for data in told["notes"]:
            note = only(data, {4: "integer", 5: "real", 6: "text", 10: "name"})
            value = signed(note["integer"]) if "integer" in note else struct.unpack("<d", struct.pack("<Q", note["real"]))[0] if "real" in note else note["text"].decode()
            event.notes[note["name"].decode()] = value
        if "value" in told:
            event.value = signed(told["value"])
        self.events.append(event)

    def _pair(self):
        """Slices, instants and counters as a reader sees them: sorted by time, the file's order among equals."""
        slices, instants, counters = [], [], []
        open_slices = collections.defaultdict(list)
        for event in sorted(self.events, key=lambda event: event.time):
            track = self.tracks[event.track]
            assert track.is_counter == (event.kind == COUNTER), track
            if event.kind == BEGIN:
                event.depth = len(open_slices[event.track])
                open_slices[event.track].append(event)
                slices.append(event)
            elif event.kind == END:
                assert open_slices[event.track], f"an end without a begin on {track} at {event.time}"
                open_slices[event.track].pop().until = event.time
            elif event.kind == INSTANT:
                instants.append(event)
            else:
                counters.append(event)
        assert not any(open_slices.values()), "a slice without an end"
        return slices, instants, counters

    def path(self, uuid: int) -> tuple[str, ...]:
        """Names from the machine down to the track."""
        names: tuple[str, ...] = ()
        while uuid:
            track = self.tracks[uuid]
            names = (track.process or track.name, *names)
            uuid = track.parent
        return names

    def of_group(self, group: str, depth: int | None = None) -> list[Event]:
        """Slices of all machines in a group, at one depth or at any."""
        return [event for event in self.slices if self.path(event.track)[1:2] == (group,) and depth in (None, event.depth)]


def check(trace: Trace, begin: int | None = None, end: int | None = None) -> None:
    """What holds for every trace: times in range, children within parents, arrows with two ends, bounded texts."""
    for track in trace.tracks.values():
        assert track.process is not None or track.name, track
        assert len((track.process or track.name).encode()) <= LONGEST_NAME
    for event in trace.events:
        assert (begin is None or event.time >= begin) and (end is None or event.time <= end), event
        assert event.kind not in (BEGIN, INSTANT) or event.name, event
        assert len(event.name.encode()) <= LONGEST_NAME
        assert all(len(value.encode()) <= LONGEST_TEXT for value in event.notes.values() if isinstance(value, str))
    by_track = collections.defaultdict(list)
    for event in trace.slices:
        by_track[event.track].append(event)
    for events in by_track.values():
        open_slices: list[Event] = []
        for event in events:
            assert event.until >= event.time
            del open_slices[event.depth:]
            assert len(open_slices) == event.depth
            if open_slices:
                assert open_slices[-1].time <= event.time and event.until <= open_slices[-1].until, (open_slices[-1], event)
            open_slices.append(event)
    begins = collections.Counter(flow for event in trace.slices for flow in event.flows)
    ends = collections.Counter(flow for event in trace.slices for flow in event.ending)
    assert begins == ends and all(count == 1 for count in begins.values())
