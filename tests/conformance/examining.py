"""
Examine an untrusted message: the result of reading it, and the work for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, SupportsIndex, overload
from unittest.mock import patch

from tests.patching import isBoundEarly
from twisted_ext.errors import BadMessage
from twisted_ext.limits import MESSAGE_SIZE, POINTER_HOPS
from twisted_ext.wire import message as messages
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet

__all__ = ["CountingBytes", "MOST_TOUCHED", "Work", "contentOf", "counting", "examine", "fixpoint"]

#: How often an octet of a message may be read on average. Chains of new names make it more than once.
MOST_TOUCHED: Final = 16


class CountingBytes(bytes):
    """
    Octets that count how many of them are read.
    """

    touched: int = 0

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> bytes: ...

    def __getitem__(self, key: SupportsIndex | slice) -> int | bytes:
        found = super().__getitem__(key)
        self.touched += len(found) if isinstance(found, bytes) else 1
        return found


class Work:
    """
    The work of reading one message.

    @ivar readers: one for each message read.
    @ivar names: names read, other than by a look-up of one step.
    """

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.names = 0

    @property
    def hops(self) -> int:
        """
        The number of pointers followed.
        """
        return sum([reader.hops for reader in self.readers])


@contextmanager
def counting() -> Iterator[Work]:
    """
    Count the work of every message that is read meanwhile, by source; compiled code is not counted.
    """
    work = Work()
    if isBoundEarly(messages, "Reader"):
        # Compiled code does the same work, which is counted where the source runs.
        yield work
        return

    class CountingReader(Reader):
        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            work.readers.append(self)

        def name(self, offset: int) -> tuple[bytes, int]:
            work.names += 1
            return super().name(offset)

    with patch("twisted_ext.wire.message.Reader", CountingReader):
        yield work


def _exactly(sets: tuple[RRSet, ...]) -> list[tuple[bytes, int, int, int, tuple[bytes, ...]]]:
    return [(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas) for rrset in sets]


def contentOf(message: Message) -> tuple[object, ...]:
    """
    Return the whole content of a message, case and order included, without its signature, which covers octets.
    """
    return (
        message.id,
        message.flags,
        [(question.name, question.rrType, question.rrClass) for question in message.questions],
        _exactly(message.answer),
        _exactly(message.authority),
        _exactly(message.additional),
        message.edns,
    )


def fixpoint(message: Message) -> None:
    """
    Check that a message that is built from another has the same content, and builds to the same octets again.

    A message with hardly an octet to spare may not fit any more, since its sender compressed names that we do not.
    """
    built = buildMessage(message)
    assert len(built) <= MESSAGE_SIZE.most
    again = Message.fromWire(built).check()
    if again.flags & TC and not message.flags & TC:
        assert len(message.wire) > MESSAGE_SIZE.most // 2
    else:
        assert contentOf(again) == contentOf(message)
    assert buildMessage(again) == built


def examine(wire: bytes) -> Message | BadMessage:
    """
    Read a message, which gives a value or L{BadMessage} at a limited cost, and check that it can be built again.
    """
    data = CountingBytes(wire)
    with counting() as work:
        try:
            message: Message | BadMessage = Message.fromWire(data).check()
        except BadMessage as error:
            message = error
    assert work.hops <= POINTER_HOPS.default + 2 * len(wire)
    assert work.names <= len(wire)
    assert data.touched <= MOST_TOUCHED * len(wire)
    assert str(message)
    if isinstance(message, Message) and len(wire) <= MESSAGE_SIZE.most:
        fixpoint(message)
    return message
