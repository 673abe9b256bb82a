"""
Tests of a server whose TCP connections are all taken by clients that wait for names without an answer.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from tests.live.twistds import REPLY, Twistd
from tests.queries import queryOf
from twisted_ext.errors import BadMessage
from twisted_ext.server.limits import CLIENT_STREAM_YIELDS, CLIENT_STREAMS
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

#: Addresses of the attacker.
_ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.2.1", "127.0.2.2")


def _connected(port: int, address: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), REPLY, (address, 0))
    made.settimeout(REPLY)
    return made


def _answered(port: int, number: int) -> bool:
    try:
        with _connected(port, f"127.9.9.{number + 1}") as asking, asking.makefile("rb") as reading:
            asking.sendall(frame(queryOf("www.test.example")))
            reply = reading.read(int.from_bytes(reading.read(2), "big"))
            return len(Message.fromWire(reply).check().answer) == 1
    except (OSError, BadMessage):
        return False


def test_newClientsAreAccepted(tmp_path: Path) -> None:
    """
    New clients are accepted and answered, all of them.
    """
    with ExitStack() as stack:
        # An upstream that never replies.
        silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        silent.bind(("127.0.0.1", 0))
        words = ("--upstream", f"udp:127.0.0.1:{silent.getsockname()[1]}", "--local", "www.test.example A 192.0.2.80")
        server = stack.enter_context(Twistd(tmp_path, "forward", *words))
        for number in range(int(CLIENT_STREAMS.default)):
            waiting = stack.enter_context(_connected(server.port, _ADDRESSES[number % 4]))
            waiting.sendall(frame(queryOf(f"never{number}.test.example")))
        time.sleep(CLIENT_STREAM_YIELDS.default + 0.2)
        assert [number for number in range(80) if not _answered(server.port, number)] == []
