"""
Tests of the C extension with wrong and random arguments.
"""

from __future__ import annotations

import random
import socket

import pytest

from tests.native.fuzz import Fuzz
from tests.native.twins import builtExtension
from tests.typed import unchecked


def test_randomCallsDoNoHarm() -> None:
    """
    Random calls raise an exception or do what they do in Python. C{python -m tests.native.fuzz --sanitize} does the same for ten minutes,
    with AddressSanitizer.
    """
    Fuzz(builtExtension(), random.randrange(1 << 32)).run(60.0, 500)


def test_wrongArgumentsAreErrors() -> None:
    """
    Whatever is not of the right type or size is an exception, and nothing is sent.
    """
    extension = builtExtension()
    send, receive, sipHash = unchecked(extension.send), unchecked(extension.receive), unchecked(extension.sipHash)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        for place in b"", (b"",), ("", ""), (b"", b""), (b"", b"\x02"), (b"", bytes(16)):
            with pytest.raises(TypeError):
                send(made, [(b"", place)])
        for item in b"", (b"",), ("", (b"", b"\x02" + bytes(15))):
            with pytest.raises(TypeError):
                send(made, [item])
        with pytest.raises(TypeError):
            send(made, ())
        reply = unchecked(extension.sendReplies)
        query = (b"query", (b"", b"\x02" + bytes(15)))
        for items, replies in ([b""], [b""]), ([query], [""]), ([query], (b"",)), ((query,), [b""]), ([(b"1", query[1])], [b""]):
            with pytest.raises(TypeError):
                reply(made, items, replies)
        with pytest.raises(ValueError):
            reply(made, [query], [])
        with pytest.raises(TypeError):
            reply(made, [query])
        for other in None, "3":
            with pytest.raises(TypeError):
                send(other, [])
        for most, size in (-1, 512), (1, 4097), (1, -1):
            with pytest.raises(ValueError):
                receive(made, most, size)
        with pytest.raises(ValueError):
            sipHash(bytes(15), b"")
        for octets in b"", bytes(28), "text":
            with pytest.raises(TypeError):
                unchecked(extension.addressOf)((b"", octets))
