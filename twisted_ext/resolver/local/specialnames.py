"""
Names that are never sent to a server: special-use names, addresses given in place of names, and those that only the network knows: the
reverse names of private addresses (RFC 6303), and names such as C{home.arpa}. Such queries have no answer on the internet and disclose a
network's structure.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Final

from zope.interface import classImplements

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.local.localanswers import emptySOA, known, knownAddresses, lastTime
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, labelCount, labelsOf, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, DS, NS, PTR, SOA, A

__all__ = ["EMPTY_ZONES", "LOCAL_ZONES", "PrivateNames", "SPECIAL_NAMES", "Special", "isSpecial", "literalOf"]

#: How a name and all names below it are answered.
_DENIED: Final = "denied"
_LOOPBACK: Final = "loopback"
_REVERSE: Final = "reverse"
_MULTICAST: Final = "multicast"

#: Every special-use name that is answered here, how, and by which document. Left to the configured servers, as their documents require of
#: applications and stub resolvers: those of L{LOCAL_ZONES} and L{EMPTY_ZONES}, example (RFC 6761, section 6.5) and resolver.arpa (RFC 9462,
#: section 4).
SPECIAL_NAMES: Final = (
    ("localhost", _LOOPBACK, "RFC 6761, section 6.3"),
    ("127.in-addr.arpa", _REVERSE, "RFC 6303, section 4.2"),
    ("1" + 31 * ".0" + ".ip6.arpa", _REVERSE, "RFC 6303, section 4.3"),
    ("invalid", _DENIED, "RFC 6761, section 6.4"),
    ("onion", _DENIED, "RFC 7686, section 2"),
    ("alt", _DENIED, "RFC 9476, section 2"),
    ("local", _MULTICAST, "RFC 6762, section 22.1"),
)

#: Seconds; none of this ever changes.
_TTL: Final = 86400

_LOCALHOST: Final = b"\x09localhost\x00"
_POINTERS: Final = (nameFromText("1.0.0.127.in-addr.arpa"), nameFromText("1" + 31 * ".0" + ".ip6.arpa"))
_LOOPBACKS: Final = (b"\x7f\x00\x00\x01", bytes(15) + b"\x01")

# Nearly all names are not special. The last three letters and the final octet show that; the tables are by the top label.
_TABLE: Final = [(nameFromText(text).lower(), action, reason) for text, action, reason in SPECIAL_NAMES]
_TAILS: Final = frozenset([name[-4:] for name, _, _ in _TABLE])
_DIGITS: Final = frozenset([b"%d\x00" % digit for digit in range(10)])

#: Zones that are empty unless the local network uses their addresses (RFC 6303, section 4; RFC 7793). Those of the loopback addresses are
#: in L{SPECIAL_NAMES}.
EMPTY_ZONES: Final = (
    "0.in-addr.arpa",
    "10.in-addr.arpa",
    *[f"{octet}.172.in-addr.arpa" for octet in range(16, 32)],
    *[f"{octet}.100.in-addr.arpa" for octet in range(64, 128)],
    "168.192.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "0" + 31 * ".0" + ".ip6.arpa",
    "d.f.ip6.arpa",
    *[f"{nibble}.e.f.ip6.arpa" for nibble in "89ab"],
    "8.b.d.0.1.0.0.2.ip6.arpa",
)

#: The same for names that are no reverse names, with the document that has servers do so: a network's own, those of services that register
#: themselves in it, and those of tests.
LOCAL_ZONES: Final = {
    "home.arpa": "RFC 8375, section 4",
    "service.arpa": "RFC 9665, section 10",
    "test": "RFC 6761, section 6.2",
}

_EMPTY: Final = {
    **{nameFromText(text): "RFC 6303" for text in EMPTY_ZONES},
    **{nameFromText(text): reason for text, reason in LOCAL_ZONES.items()},
}

#: Nearly all other names end otherwise.
_EMPTY_TAILS: Final = tuple([nameFromText(text) for text in ("in-addr.arpa", "ip6.arpa", *LOCAL_ZONES)])

#: Seconds (RFC 6303, section 3).
_EMPTY_TTL: Final = 10800


class Special(LocalSource):
    """
    Answers special-use names (RFC 6761) and addresses (C{192.0.2.1}, C{2001:db8::1}) looked up as if they were names. None of them is sent
    to a server. It does not answer for other names.

    Below C{local} only names of two labels, such as C{printer.local}, are treated as multicast DNS and denied, as in nss-mdns: longer ones
    (C{cluster.local}, C{dc.corp.local}) are widely used with ordinary servers.
    """

    __slots__ = ("_local",)

    what = "the table of special names"

    def __init__(self, *, local: bool = False) -> None:
        """
        @param local: send all names below C{local} to the servers, which serve them.
        """
        self._local = local

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        key = question.key
        tail = key[-8:-4]
        if tail not in _TAILS and tail[-2:] not in _DIGITS and key.find(b":") < 0:
            return None
        if question.rrClass != IN:
            return None
        found = self._literal(question) or (self._special(question) if tail in _TAILS else None)
        if found is None:
            return None
        answer, reason = found
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "special", answer.outcome.value, reason=reason)
        return answer

    def _literal(self, question: Question) -> tuple[Answer, str] | None:
        packed = literalOf(question.key[:-4])
        if packed is None:
            return None
        if not packed:
            return Answer(Outcome.NXDOMAIN, rcode=3, origin=Origin("special")), "numbers that are not an address"
        if question.rrType in (A, AAAA, ANY):
            return knownAddresses(question, (packed,), _TTL, Origin("special")), "an address"
        return Answer(Outcome.NODATA, origin=Origin("special")), "an address"

    def _special(self, question: Question) -> tuple[Answer, str] | None:
        name = question.key[:-4]
        for top, action, reason in _TABLE:
            if not isBelow(name, top):
                continue
            if action is _LOOPBACK:
                if question.rrType in (A, AAAA, ANY):
                    return knownAddresses(question, _LOOPBACKS, _TTL, Origin("special")), reason
                return _said(question, top), reason
            if action is _REVERSE:
                return self._reverse(question, top, name), reason
            if action is _MULTICAST and (self._local or labelCount(name) > 2):
                return None
            return _said(question, top, exists=False), reason
        return None

    def _reverse(self, question: Question, top: bytes, name: bytes) -> Answer:
        if name in _POINTERS:
            if question.rrType in (PTR, ANY):
                return known(question, (_LOCALHOST,), _TTL, Origin("special"), PTR)
            return _said(question, top)
        # A name between the zone's apex and its only name is an empty non-terminal (RFC 8020, section 2).
        return _said(question, top, exists=any(isBelow(pointer, name) for pointer in _POINTERS))


classImplements(Special, IAnswerSource)


def _said(question: Question, top: bytes, *, exists: bool = True) -> Answer:
    """
    Create a denial of the record, or of the name.

    @param top: the apex of the synthesized zone.
    """
    if exists:
        return Answer(Outcome.NODATA, (), (emptySOA(top),), origin=Origin("special"))
    # A name that does not exist cannot own an SOA record.
    authority = () if question.key[:-4] == top else (emptySOA(top),)
    return Answer(Outcome.NXDOMAIN, (), authority, rcode=3, origin=Origin("special"))


def isSpecial(name: bytes) -> bool:
    """
    Return whether this name and names below it are never sent to a server.
    """
    folded = name.lower()
    return any(isBelow(folded, top) and action is not _MULTICAST for top, action, _ in _TABLE)


def literalOf(name: bytes) -> bytes | None:
    """
    Return the packed address in a name's text, without its scope; empty if the text looks like an IPv4 address but is not valid; L{None}
    for every other name.

    @param name: in wire form.
    """
    labels = labelsOf(name)
    if len(labels) == 4 and all(label.isdigit() for label in labels):
        try:
            return socket.inet_pton(socket.AF_INET, b".".join(labels).decode())
        except OSError:
            return b""
    if labels and b":" in labels[0]:
        text = b".".join(labels).partition(b"%")[0]
        try:
            return socket.inet_pton(socket.AF_INET6, text.decode("ascii", "replace"))
        except OSError:
            return None
    return None


class PrivateNames(LocalSource):
    """
    Denies what only the network knows, unless the upstream servers are inside it as well: the names below L{EMPTY_ZONES} and
    L{LOCAL_ZONES}. It does not answer for other names, nor for the DS records of these zones: they belong to the zone above, and clients
    that validate need the proof that there are none.
    """

    __slots__ = ("_inside", "_routed")

    what = "the table of private networks"

    def __init__(self, inside: Callable[[], bool], routed: Iterable[bytes] = ()) -> None:
        """
        @param inside: returns whether the upstream servers may know such names.
        """
        self._inside = inside
        self._routed = tuple([name.lower() for name in routed])

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        name = question.key[:-4]
        if not name.endswith(_EMPTY_TAILS) or question.rrClass != IN:
            return None
        zone = _zoneOf(name)
        if zone is None or self._inside() or any(isBelow(name, routed) for routed in self._routed):
            return None
        if name == zone and question.rrType == DS:
            return None
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "special", "denied", reason=_EMPTY[zone])
        return _emptiness(question, zone, name)


classImplements(PrivateNames, IAnswerSource)


def _zoneOf(name: bytes) -> bytes | None:
    while name != b"\x00":
        if name in _EMPTY:
            return name
        name = name[name[0] + 1 :]
    return None


def _emptiness(question: Question, zone: bytes, name: bytes) -> Answer:
    soa = emptySOA(zone)
    origin = Origin("special")
    if name != zone:
        return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, origin=origin)
    if question.rrType == SOA:
        return Answer(Outcome.DATA, (soa,), origin=origin)
    if question.rrType == NS:
        return Answer(Outcome.DATA, (RRSet(zone, NS, IN, _EMPTY_TTL, (zone,)),), origin=origin)
    return Answer(Outcome.NODATA, (), (soa,), origin=origin)
