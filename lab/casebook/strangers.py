"""Renames tasks in the kernel's own sub-buffers, in place: who else was at work on the machine is nobody's business.

A sub-buffer is a time, how many bytes are used, and events; an event's payload begins with its type's number, and the
types' formats tell which of its fields are names (Documentation/trace/ring-buffer-design.rst, include/linux/ring_buffer.h).
"""

import dataclasses
import re
import struct
from collections.abc import Callable, Iterator

PAGE, HEAD, MISSED = 4096, 16, 8  # bytes
COMMITTED = 0xFFF_FFFF  # of the second word; above are flags
LARGE, PADDING, TIME_EXTEND, TIME_STAMP = 0, 29, 30, 31  # values of type_len; those between are lengths in words
_FIXED = re.compile(r"field:char \w*comm\[(\d+)\];\s*offset:(\d+);")
_MOVING = re.compile(r"field:__data_loc char\[\] \w*comm;\s*offset:(\d+);")


@dataclasses.dataclass(frozen=True)
class NameField:
    """Where an event has a name. size: its bytes; 0: a word at the offset tells place and size (__data_loc)."""

    offset: int
    size: int

    def place(self, payload: memoryview) -> slice:
        if self.size:
            return slice(self.offset, self.offset + self.size)
        word, = struct.unpack_from("<I", payload, self.offset)
        return slice(word & 0xFFFF, (word & 0xFFFF) + (word >> 16))


def name_fields(formats: str) -> dict[int, list[NameField]]:
    """The tasks' names in an event's payload, by the event's number."""
    fields: dict[int, list[NameField]] = {}
    for part in re.split(r"^name: ", formats, flags=re.MULTILINE)[1:]:
        number = re.search(r"^ID: (\d+)", part, re.MULTILINE)
        found = [NameField(int(offset), int(size)) for size, offset in _FIXED.findall(part)] + [NameField(int(offset), 0) for offset in _MOVING.findall(part)]
        if number and found:
            fields[int(number.group(1))] = found
    return fields


def _payloads(page: bytearray, at: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of the events in the sub-buffer that begins there."""
    committed, = struct.unpack_from("<Q", page, at + 8)
    position, end = at + HEAD, min(at + HEAD + (committed & COMMITTED), at + PAGE, len(page))
    while position + 8 <= end:
        head, first = struct.unpack_from("<II", page, position)
        kind, begin = head & 31, position + 4
        if kind == PADDING and head >> 5 == 0:
            return
        if kind in (TIME_EXTEND, TIME_STAMP):
            position += 8
            continue
        size = kind * 4
        if kind in (LARGE, PADDING):
            # The first word is the length, itself included.
            begin, size = begin + 4, (first - 4 + 3) & ~3
        if size <= 0 or begin + size > end:
            return
        if kind != PADDING:
            yield begin, begin + size
        position = begin + size


def rename(pages: bytes, fields: dict[int, list[NameField]], new_name: Callable[[str], str]) -> bytes:
    """The sub-buffers, which follow each other, with each task's name as new_name() has it, cut to the room that there is."""
    renamed = bytearray(pages)
    for at in range(0, len(renamed) - HEAD, PAGE):
        for begin, end in _payloads(renamed, at):
            payload = memoryview(renamed)[begin:end]
            for field in fields.get(struct.unpack_from("<H", payload)[0], ()):
                place = field.place(payload)
                room = len(payload[place])
                name = bytes(payload[place]).split(b"\0")[0].decode(errors="replace")
                # Also what the kernel left behind a shorter name's end.
                payload[place] = new_name(name).encode()[:max(0, room - 1)].ljust(room, b"\0")
        _clear_rest(renamed, at)
    return bytes(renamed)


def _clear_rest(pages: bytearray, at: int) -> None:
    """What is left in a sub-buffer from its last use; behind the events there may be a count of those missed."""
    committed, = struct.unpack_from("<Q", pages, at + 8)
    begin, end = at + HEAD + (committed & COMMITTED) + MISSED, min(at + PAGE, len(pages))
    if begin < end:
        pages[begin:end] = bytes(end - begin)
