"""
Helpers for sources that answer locally: synthesized answers, reverse names, files that are read again when they change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome, Trace
from twisted_ext.files import openNow, stateOf
from twisted_ext.limits import FILE_COMPLAINTS
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelsOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, SOA, A

__all__ = ["Complaints", "FollowedFile", "addressFromReverse", "emptySOA", "known", "knownAddresses", "lastTime"]

_EMPTY_TTL: Final = 10800
_NOBODY: Final = b"\x06nobody\x07invalid\x00"
_EMPTY_NUMBERS: Final = b"".join([number.to_bytes(4, "big") for number in (1, 3600, 1200, 604800)])

_IPV4: Final = b"\x07in-addr\x04arpa\x00"
_IPV6: Final = b"\x03ip6\x04arpa\x00"
_NIBBLES: Final = {b"%x" % digit: digit for digit in range(16)}
_OCTETS: Final = {b"%d" % octet: octet for octet in range(256)}


def known(question: Question, rdatas: tuple[bytes, ...], ttl: int, origin: Origin, rrType: int | None = None) -> Answer:
    """
    Create an answer with these records, or NODATA without any.

    @param rrType: the records' type, L{None} for that of the question.
    """
    if not rdatas:
        return Answer(Outcome.NODATA, origin=origin)
    rrType = question.rrType if rrType is None else rrType
    return Answer(Outcome.DATA, (RRSet(question.name, rrType, question.rrClass, ttl, rdatas),), origin=origin)


def knownAddresses(question: Question, addresses: Sequence[bytes], ttl: int, origin: Origin) -> Answer:
    """
    Create an answer with the addresses of the type in question. For ANY, it contains the IPv4 addresses if there are any, else the IPv6
    addresses: a subset is enough (RFC 8482, section 4.1), and C{getHostByName} of twisted.names, which queries ANY, would prefer IPv6, to
    which C{connectTCP} cannot connect.

    @param question: for A, AAAA or ANY.
    @param addresses: packed, of both families.
    """
    rrType = question.rrType
    if rrType == ANY:
        rrType = A if any(len(each) == 4 for each in addresses) else AAAA
    octets = 4 if rrType == A else 16
    return known(question, tuple([each for each in addresses if len(each) == octets]), ttl, origin, rrType)


def emptySOA(zone: bytes, ttl: int = _EMPTY_TTL) -> RRSet:
    """
    Create the SOA record of a synthesized zone, for denials: clients may cache them (RFC 2308, section 3).

    @param ttl: for how long, by default three hours as in RFC 6303, section 3.
    """
    return RRSet(zone, SOA, IN, ttl, (zone + _NOBODY + _EMPTY_NUMBERS + ttl.to_bytes(4, "big"),))


def lastTime(trace: Trace) -> float:
    """
    Return the time of a trace's last note, or of its beginning, so that a source without a clock can add a note.
    """
    return trace.notes[-1].at if trace.notes else trace.began


def addressFromReverse(name: bytes) -> bytes | None:
    """
    Return the four or sixteen octets of the address in a reverse name (RFC 1035, section 3.5; RFC 3596, section 2.5), or L{None}.

    @param name: folded.
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


@dataclass(slots=True, eq=False, repr=False)
class Complaints:
    """
    Errors found in a file, for display.

    @ivar texts: the first ones, one line each.
    @ivar count: the number of all of them.
    """

    texts: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, text: str) -> None:
        """
        @param line: the line number in the file, from 1; 0 for the file as a whole.
        """
        self.count += 1
        if self.count <= FILE_COMPLAINTS.default:
            self.texts.append(f"line {line}: {text}" if line else text)

    def join(self, other: Complaints, path: str = "") -> None:
        """
        Add the complaints of another file.

        @param path: the file, to be named; C{""} if it is known.
        """
        self.count += other.count
        room = int(FILE_COMPLAINTS.default) - len(self.texts)
        self.texts += [f"{path}: {text}" if path else text for text in other.texts[:room]]

    def __str__(self) -> str:
        more = self.count - len(self.texts)
        return "; ".join([*self.texts, *([f"and {more} more"] if more else [])])


@dataclass(slots=True, eq=False)
class FollowedFile:
    """
    A file that is checked for changes whenever it is used, with no timer or watch in the reactor.
    """

    path: str
    #: L{None} before the first check, and empty if there is no file.
    _state: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """
        Return whether the file was changed, deleted or created since the last call; true the first time.
        """
        state = stateOf(self.path)
        if state == self._state:
            return False
        self._state = state
        return True

    def forget(self) -> None:
        """
        Treat the file as changed in the next check.
        """
        self._state = None

    def read(self, mostOctets: int, complaints: Complaints) -> bytes | None:
        """
        Return the contents, up to the last complete line if they exceed C{mostOctets}; L{None} if the file cannot be read.
        """
        try:
            with open(self.path, "rb", opener=openNow) as opened:
                # None if reading would block.
                data: bytes = opened.read(mostOctets + 1) or b""
        except (OSError, ValueError) as error:
            complaints.add(0, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        if len(data) > mostOctets:
            complaints.add(0, f"has more than {mostOctets} octets; the rest is ignored")
            data = data[: data.rfind(b"\n", 0, mostOctets) + 1]
        return data.removeprefix(b"\xef\xbb\xbf")
