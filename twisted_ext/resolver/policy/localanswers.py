"""
What sources that know by themselves share: answers made here, addresses in reverse names, files that are followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail, gatherResults, succeed

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Trace
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.files import openNow
from twisted_ext.limits import FILE_COMPLAINTS
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelsOf
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = [
    "A",
    "AAAA",
    "ANY",
    "Complaints",
    "FollowedFile",
    "PTR",
    "addressFromReverse",
    "closeAll",
    "decided",
    "emptySOA",
    "known",
    "knownAddresses",
    "lastTime",
    "unknown",
]

A: Final = 1
PTR: Final = 12
AAAA: Final = 28
ANY: Final = 255

_SOA: Final = 6
_EMPTY_TTL: Final = 10800
_NOBODY: Final = b"\x06nobody\x07invalid\x00"
_EMPTY_NUMBERS: Final = b"".join([number.to_bytes(4, "big") for number in (1, 3600, 1200, 604800, _EMPTY_TTL)])

_IPV4: Final = b"\x07in-addr\x04arpa\x00"
_IPV6: Final = b"\x03ip6\x04arpa\x00"
_NIBBLES: Final = {b"%x" % digit: digit for digit in range(16)}
_OCTETS: Final = {b"%d" % octet: octet for octet in range(256)}


def known(
    question: Question, rdatas: tuple[bytes, ...], ttl: int, origin: Origin, rrType: int | None = None
) -> Answer:
    """
    @param rrType: of the records, L{None} for that of the question.

    @return: these records, or where there are none, that the name has no such data.
    """
    if not rdatas:
        return Answer(Outcome.NODATA, origin=origin)
    rrType = question.rrType if rrType is None else rrType
    return Answer(Outcome.DATA, (RRSet(question.name, rrType, question.rrClass, ttl, rdatas),), origin=origin)


def knownAddresses(question: Question, addresses: Sequence[bytes], ttl: int, origin: Origin) -> Answer:
    """
    @param question: for A, AAAA or ANY.
    @param addresses: packed, of both families.

    @return: those of the type that was asked for. For ANY, those of IPv4 where there are some, else those of IPv6: a part of what there is
        will do (RFC 8482, section 4.1), and C{getHostByName} of twisted.names, which asks for ANY, would prefer IPv6, to which
        C{connectTCP} cannot connect.
    """
    rrType = question.rrType
    if rrType == ANY:
        rrType = A if any(len(each) == 4 for each in addresses) else AAAA
    octets = 4 if rrType == A else 16
    return known(question, tuple([each for each in addresses if len(each) == octets]), ttl, origin, rrType)


def emptySOA(zone: bytes) -> RRSet:
    """
    @return: the SOA record of a zone that is made up here to deny names below it: it says for how long others may remember that (RFC 2308,
        section 3), three hours as RFC 6303, section 3, has it.
    """
    return RRSet(zone, _SOA, IN, _EMPTY_TTL, (zone + _NOBODY + _EMPTY_NUMBERS,))


def unknown(source: str, question: Question, more: str = "") -> Unknown:
    """
    @param more: what stands behind it.

    @return: that this source has nothing on the question, in words.
    """
    return Unknown(f"{source} has nothing on {shown(question)}{more}")


def shown(question: Question) -> str:
    """
    @return: the question as people write it: C{"www.example. IN A"}.
    """
    from twisted_ext.wire.codes import className
    from twisted_ext.wire.names import nameToText
    from twisted_ext.wire.rrtypes import typeName

    return f"{nameToText(question.name)} {className(question.rrClass)} {typeName(question.rrType)}"


def decided(source: IAnswerSource, name: str, question: Question, context: QueryContext) -> Deferred[Answer]:
    """
    Ask a source that never has to wait.

    @param name: what to call it in an error.
    """
    try:
        answer = source.answerNow(question, context)
    except DNSFault as fault:
        return fail(fault)
    if answer is None:
        return fail(unknown(name, question))
    return succeed(answer)


def lastTime(trace: Trace) -> float:
    """
    @return: the time of a trace's last note, or of its beginning, for the next note of somebody who needs no clock otherwise.
    """
    return trace.notes[-1].at if trace.notes else trace.began


def closeAll(sources: Iterable[IAnswerSource]) -> Deferred[None]:
    """
    @return: fires when all of them are closed.
    """
    closing = [source.close() for source in sources]
    return gatherResults(closing, consumeErrors=True).addCallback(lambda _: None)


def addressFromReverse(name: bytes) -> bytes | None:
    """
    @param name: a folded name.

    @return: the four or sixteen octets of the address that this name stands for (RFC 1035, section 3.5; RFC 3596, section 2.5), or
        L{None}.
    """
    if name.endswith(_IPV4):
        labels = labelsOf(name)[-3::-1]
        octets = [_OCTETS[label] for label in labels if label in _OCTETS]
        return bytes(octets) if len(octets) == len(labels) == 4 else None
    if name.endswith(_IPV6):
        labels = labelsOf(name)[-3::-1]
        nibbles = [_NIBBLES[label] for label in labels if label in _NIBBLES]
        if len(nibbles) == len(labels) == 32:
            return bytes([high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True)])
    return None


class Complaints:
    """
    What is wrong with a file, for people.

    @ivar texts: the first ones, each a line.
    @ivar count: of all of them.
    """

    __slots__ = ("texts", "count")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.count = 0

    def add(self, line: int, text: str) -> None:
        """
        @param line: its number in the file, the first being 1; 0 for the file as a whole.
        """
        self.count += 1
        if self.count <= FILE_COMPLAINTS.default:
            self.texts.append(f"line {line}: {text}" if line else text)

    def __str__(self) -> str:
        more = self.count - len(self.texts)
        return "; ".join([*self.texts, *([f"and {more} more"] if more else [])])


class FollowedFile:
    """
    A file that is looked at again when it is used: no timer, no watch, nothing that a reactor could be left with.

    @ivar path: where it is.
    """

    __slots__ = ("path", "_state")

    def __init__(self, path: str) -> None:
        self.path = path
        # What tells one state of it from another: L{None} where it is not there, empty before the first look.
        self._state: tuple[int, ...] | None = ()

    def changed(self) -> bool:
        """
        Look at the file.

        @return: whether it is another one, or gone, or there at last; true the first time.
        """
        state: tuple[int, ...] | None
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            state = None
        else:
            state = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
        if state == self._state:
            return False
        self._state = state
        return True

    def forget(self) -> None:
        """
        Take the file for another one at the next look.
        """
        self._state = ()

    def read(self, mostOctets: int, complaints: Complaints) -> bytes | None:
        """
        @return: what is in it, up to the last whole line where it is longer than C{mostOctets}; L{None} where it cannot be read.
        """
        try:
            with open(self.path, "rb", opener=openNow) as opened:
                # None where the file would have us wait.
                data: bytes = opened.read(mostOctets + 1) or b""
        except (OSError, ValueError) as error:
            complaints.add(0, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        if len(data) > mostOctets:
            complaints.add(0, f"has more than {mostOctets} octets; what is behind them is not used")
            data = data[: data.rfind(b"\n", 0, mostOctets) + 1]
        return data.removeprefix(b"\xef\xbb\xbf")
