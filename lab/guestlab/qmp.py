"""A QMP client for single commands.

A QMP socket serves one client at a time, so the connection lasts only as long
as one command.
"""

import json
import socket
from pathlib import Path


class QmpError(Exception):
    """QEMU refused the command, or does not answer."""


def command(path: Path, name: str, arguments: dict | None = None, timeout: float = 5):
    """Runs one command and gives back what it returned."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
            with connection.makefile("rw") as stream:
                stream.readline()  # the greeting
                _ask(stream, {"execute": "qmp_capabilities"})
                return _ask(stream, {"execute": name, "arguments": arguments or {}})
        except OSError as error:
            raise QmpError(f"{name}: {error}") from None


def _ask(stream, request: dict):
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise QmpError(f"{request['execute']}: {answer['error']['desc']}")
        # else: an event; nobody here waits for one
    raise QmpError(f"{request['execute']}: QEMU closed the connection")
