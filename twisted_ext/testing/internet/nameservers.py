"""
Name servers of an internet: each answers from its zones, as the faults of zone and server permit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.testing.internet.faults import NONE, Fault, Faults, FaultSet
from twisted_ext.testing.internet.misbehavior import afterwards, corrupted, early
from twisted_ext.testing.internet.signatures import NO_DIGEST, NO_DS, PLACEHOLDER
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, DO, IN, QR, RD, Opcode, Rcode
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import labelCount, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, DNSKEY, DS, RRSIG, SOA, ZONEMD
from twisted_ext.zone.check.zonemd import withDigests
from twisted_ext.zone.query.answers import answerAcross
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

    from twisted_ext.testing.internet.zones import InternetZone
    from twisted_ext.testing.reactors import MemoryReactor
    from twisted_ext.wire.message import Question

__all__ = ["Exchange", "NameServer", "Sections"]

#: The flags and the three sections of a reply.
Sections = tuple[int, tuple[RRSet, ...], tuple[RRSet, ...], tuple[RRSet, ...]]

#: Queries that each server remembers in C{asked}.
_REMEMBERED: Final = 1000

#: The first fields of RRSIG records: type covered, algorithm, labels, original TTL; and the offset of the signer's name.
_signature: Final = Struct(">HBBI").unpack_from
_SIGNER: Final = 18

#: Types whose records depend on the time.
_TIMED: Final = frozenset((DNSKEY, DS, SOA, ZONEMD))

# EDNS options (RFC 7873, RFC 9567).
_COOKIE: Final = 10
_REPORT: Final = 18

_STREAM_SIZE: Final = 65_535

#: Octets of records in one message of a transfer, and of a record besides its name and rdata.
_PIECE: Final = 16_384
_FIXED: Final = 10

#: Types that cannot be asked for: IXFR, MAILB, MAILA.
_REFUSED_TYPES: Final = frozenset((251, 253, 254))


class Exchange:
    """
    A query and the reply to it.

    @ivar server: the server.
    @ivar transport: C{"udp"}, C{"tcp"} or C{"tls"}.
    @ivar query: the query.
    @ivar reply: the octets of the reply; empty if there was none.
    @ivar at: when it was asked, in seconds since the internet began.
    """

    __slots__ = ("server", "transport", "query", "reply", "at")

    def __init__(self, server: NameServer, transport: str, query: Message, reply: bytes, at: float) -> None:
        self.server = server
        self.transport = transport
        self.query = query
        self.reply = reply
        self.at = at

    def __repr__(self) -> str:
        return f"<Exchange {self.query.questions[0]} with {self.server!r} by {self.transport} at {self.at:.3f}>"


class NameServer(CannedServer):
    """
    An authoritative server. It is a L{CannedServer} whose replies come from zones, so the attributes of that apply: C{silent}, C{delay},
    C{tamper}, C{asked} and so on.

    @ivar name: its name, in wire format.
    @ivar addresses: its addresses.
    @ivar zones: the zones that it serves, by their folded names.
    @ivar known: all zones of the internet, by their folded names.
    @ivar faults: its faults.
    @ivar payload: the largest reply over UDP.
    @ivar minimal: whether it leaves out what resolvers do not need.
    @ivar cookies: whether it supports DNS cookies (RFC 7873).
    @ivar agent: the domain, in wire format, to which errors should be reported (RFC 9567); L{None} for none.
    """

    def __init__(
        self,
        name: bytes,
        addresses: Sequence[str],
        reactor: MemoryReactor,
        allZones: dict[bytes, InternetZone],
        time: Callable[[], float],
        noted: Callable[[Exchange], object],
    ) -> None:
        """
        @param allZones: all zones of the internet by their folded names.
        @param time: returns Unix seconds.
        @param noted: called with every exchange.
        """
        super().__init__()
        self.name = name
        self.addresses = tuple(addresses)
        self.zones: dict[bytes, InternetZone] = {}
        self.faults = FaultSet()
        self.payload = 1232
        self.minimal = True
        self.cookies = False
        self.agent: bytes | None = None
        self.known = allZones
        self._time = time
        self._noted = noted
        self._reactor = reactor
        self._listening = False
        self.open()

    def open(self) -> None:
        """
        Listen on all addresses, unless it does.
        """
        if not self._listening:
            self._listening = True
            self.listen(self._reactor)

    def encrypt(self, creator: IOpenSSLServerConnectionCreator, port: int = 853) -> None:
        """
        Listen for TLS as well, until L{shut}.

        @param creator: has the certificate; for example C{twisted.internet.ssl.CertificateOptions}.
        """
        self.listenTLS(self._reactor, creator, port)

    def shut(self) -> None:
        """
        Close all ports and connections.
        """
        if self._listening:
            self._listening = False
            self.close()

    def take(self, octets: bytes, transport: str, peer: tuple[str, int], send: Callable[[bytes], object]) -> None:
        """
        Handle a query.
        """
        super().take(octets, transport, peer, send)
        if len(self.asked) > 2 * _REMEMBERED:
            del self.asked[:_REMEMBERED]

    def replyTo(self, query: Message, transport: str) -> bytes:
        """
        Return the first message of the reply, before C{tamper} is applied; empty octets if there is none.
        """
        replies = self.repliesTo(query, transport)
        return replies[0] if replies else b""

    def repliesTo(self, query: Message, transport: str) -> Sequence[bytes]:
        """
        Return the messages to reply with, before C{tamper} is applied: several for transfers only.
        """
        replies = self._replies(query, transport)
        self._noted(Exchange(self, transport, query, replies[0] if replies else b"", self._reactor.seconds()))
        return replies

    # -- looking up

    def zoneFor(self, name: bytes, rrType: int) -> InternetZone | None:
        """
        Return the zone from which it answers a question.

        @param name: folded.
        """
        zone = self._zone(name)
        if rrType == DS and zone is not None and name == zone.apex and name != b"\x00":
            return self._zone(parentOf(name)) or zone
        return zone

    def _zone(self, name: bytes) -> InternetZone | None:
        zones = self.zones
        position = 0
        while True:
            zone = zones.get(name[position:])
            if zone is not None:
                return zone
            length = name[position]
            if not length:
                return None
            position += length + 1

    def _versionFor(self, name: bytes) -> Version | None:
        zone = self._zone(name)
        return None if zone is None else zone.version()

    # -- replying

    def _replies(self, query: Message, transport: str) -> Sequence[bytes]:
        question = query.questions[0]
        name = question.key[:-4]
        zone = self.zoneFor(name, question.rrType)
        faults = Faults(self.faults, zone.faults) if zone is not None else Faults(self.faults)
        edns = query.edns
        flags = QR | query.flags & (RD | 0x7800)
        if faults:
            made = early(self, zone, faults, query, transport)
            if made is not None:
                return [made] if made else []
            if edns is not None and faults.hit(Fault.IGNORES_EDNS, name, question.rrType):
                edns = None
        dnssecOk = edns is not None and bool(edns.flags & DO)
        if dnssecOk and faults.hit(Fault.STRIPS_DO, name, question.rrType):
            dnssecOk = False
        opt = None if edns is None else EDNS(self.payload, DO if dnssecOk else 0, self._options(edns, question, faults))
        rcode = self._refusal(query, transport, edns)
        if rcode is None and edns is not None and transport == "udp" and faults.hit(Fault.BADCOOKIE, name, question.rrType):
            sent = edns.option(_COOKIE)
            rcode = Rcode.BADCOOKIE if sent is not None and sent != self._cookie(sent[:8]) else None
        if rcode is not None:
            if opt is not None:
                opt.extendedRcode = rcode >> 4
            return [buildMessage(Message(query.id, flags | rcode & 15, query.questions, edns=opt))]
        size = _STREAM_SIZE if transport != "udp" else 512 if edns is None else min(max(512, edns.payloadSize), self.payload)
        if question.rrType == AXFR:
            if zone is None or zone.apex != name:
                return [buildMessage(Message(query.id, flags | Rcode.REFUSED, query.questions, edns=opt))]
            pieces = _inPieces(self.transfer(zone))
            return [buildMessage(Message(query.id, flags | AA, query.questions, sets, edns=opt), size) for sets in pieces]
        code, sections = self._answer(question, zone, dnssecOk, faults)
        header, answer, authority, additional = sections
        message = Message(query.id, flags | header | code, query.questions, answer, authority, additional, opt)
        if faults:
            message = corrupted(message, name, faults)
        return [buildMessage(message, size)]

    def _options(self, edns: EDNS, question: Question, faults: Faults) -> tuple[tuple[int, bytes], ...]:
        options: tuple[tuple[int, bytes], ...] = ()
        sent = edns.option(_COOKIE)
        name = question.key[:-4]
        if sent is not None and len(sent) >= 8:
            wrong = faults.hit(Fault.WRONG_COOKIE, name, question.rrType)
            if wrong or self.cookies or faults.hit(Fault.BADCOOKIE, name, question.rrType):
                cookie = self._cookie(sent[:8])
                options = ((_COOKIE, bytes((cookie[0] ^ 1,)) + cookie[1:] if wrong else cookie),)
        return options if self.agent is None else (*options, (_REPORT, self.agent))

    def _cookie(self, client: bytes) -> bytes:
        """
        Return the client's cookie with that of the server (RFC 7873, section 4).
        """
        return client + sha256(client + self.name).digest()[:16]

    def _refusal(self, query: Message, transport: str, edns: EDNS | None) -> int | None:
        question = query.questions[0]
        if query.flags & 0x7800 != Opcode.QUERY << 11:
            return Rcode.NOTIMP
        if edns is not None and edns.version:
            return Rcode.BADVERS
        if question.rrClass != IN or question.rrType in _REFUSED_TYPES or (question.rrType == AXFR and transport == "udp"):
            return Rcode.REFUSED
        return None

    def _answer(self, question: Question, zone: InternetZone | None, dnssecOk: bool, faults: Faults) -> tuple[int, Sections]:
        found = answerAcross(self._versionFor, question, dnssecOk=dnssecOk, minimal=self.minimal)
        if found is None or zone is None:
            return Rcode.REFUSED, (0, (), (), ())
        sections: Sections = (found.flags & AA, found.answer, found.authority, found.additional)
        code = found.rcode
        if faults or (not sections[0] and self._refersToFaulty(sections[2])):
            code, sections = afterwards(self, zone, faults, question, code, sections)
        header, answer, authority, additional = sections
        now = self._time()
        return code, (header, self._real(answer, now), self._real(authority, now), self._real(additional, now))

    def _refersToFaulty(self, authority: tuple[RRSet, ...]) -> bool:
        """
        Return whether a referral leads to a zone with faults.
        """
        zone = self.known.get(authority[0].name.lower()) if authority else None
        return zone is not None and bool(zone.faults)

    # -- what depends on the time

    def _real(self, sets: Sequence[RRSet], now: float) -> tuple[RRSet, ...]:
        """
        Replace placeholders.
        """
        found: list[RRSet] = []
        for rrset in sets:
            rrType = rrset.rrType
            if rrType == RRSIG:
                rdatas = self._signatures(rrset, now)
                if rdatas:
                    found.append(RRSet(rrset.name, RRSIG, rrset.rrClass, rrset.ttl, rdatas))
            elif rrType in _TIMED:
                made = self._current(rrset, now)
                if made.rdatas:
                    found.append(made)
            else:
                found.append(rrset)
        return tuple(found)

    def _current(self, rrset: RRSet, now: float) -> RRSet:
        """
        Replace the placeholder of DNSKEY, DS or ZONEMD records, and the serial number of an SOA.
        """
        rrType = rrset.rrType
        zone = self._own(rrset.name.lower())
        if zone is None or zone.signing is None:
            return rrset
        if rrType == SOA:
            return _withSerial(rrset, zone.serialAt(now)) if zone.ownSerial else rrset
        if rrType == ZONEMD:
            return self._digest(zone, rrset, now) if rrset.rdatas == (NO_DIGEST,) else rrset
        placeholder = PLACEHOLDER.dnskey if rrType == DNSKEY else NO_DS
        if placeholder not in rrset.rdatas:
            return rrset
        faults = self._faultsOf(zone)
        made = zone.signing.keys(now, faults) if rrset.rrType == DNSKEY else zone.signing.delegation(now, faults)
        others = tuple([rdata for rdata in rrset.rdatas if rdata != placeholder and rdata not in made])
        return RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, made + others)

    def _own(self, apex: bytes) -> InternetZone | None:
        """
        Return a zone as this server has it, or else as others have it.
        """
        return self.zones.get(apex) or self.known.get(apex)

    def _faultsOf(self, zone: InternetZone) -> Faults:
        return Faults(self.faults, zone.faults) if self.faults or zone.faults else NONE

    def _signatures(self, rrset: RRSet, now: float) -> tuple[bytes, ...]:
        rdatas: tuple[bytes, ...] = ()
        for rdata in rrset.rdatas:
            covered, algorithm, labels, ttl = _signature(rdata)
            zone = None if algorithm else self._own(rdata[_SIGNER:])
            if zone is None or zone.signing is None:
                rdatas += (rdata,)
                continue
            owner = signedOwner(rrset.name.lower(), labels)
            node = zone.version().find(owner[: len(owner) - len(zone.apex)])
            records = None if node is None else node.of(covered)
            if records is None:
                continue
            if covered in _TIMED:
                records = self._current(records, now)
            if records.rdatas:
                rdatas += zone.signing.signatures(owner, labels, ttl, records, now, self._faultsOf(zone))
        return rdatas

    def transfer(self, zone: InternetZone) -> tuple[RRSet, ...]:
        """
        Return all records of a zone, as a transfer sends them.
        """
        now = self._time()
        version = zone.version()
        sets = [rrset for node in version.nodes() for rrset in node.sets if rrset.rrType != SOA]
        start = self._real((version.soa,), now)
        return (*start, *self._real(sets, now), *start)

    def _digest(self, zone: InternetZone, rrset: RRSet, now: float) -> RRSet:
        """
        Return the ZONEMD record of a zone as it is now (RFC 8976).
        """
        version = zone.version()
        sets = self._real([each for node in version.nodes() for each in node.sets if not _isDigest(each)], now)
        builder = ImageBuilder(zone.apex)
        builder.addSets(sets)
        ((rdata, *_),) = [each.rdatas for each in withDigests(Version(Image(builder.finish()))).top.sets if each.rrType == ZONEMD]
        return RRSet(rrset.name, ZONEMD, rrset.rrClass, rrset.ttl, (rdata,))

    def __repr__(self) -> str:
        from twisted_ext.wire.names import nameToText

        return f"<NameServer {nameToText(self.name)} at {' '.join(self.addresses)}>"


def _inPieces(sets: Sequence[RRSet]) -> Iterator[tuple[RRSet, ...]]:
    """
    Divide RRsets into those of one message each.
    """
    piece: list[RRSet] = []
    octets = 0
    for rrset in sets:
        size = sum([len(rrset.name) + _FIXED + len(rdata) for rdata in rrset.rdatas])
        if piece and octets + size > _PIECE:
            yield tuple(piece)
            piece, octets = [], 0
        piece.append(rrset)
        octets += size
    yield tuple(piece)


def _isDigest(rrset: RRSet) -> bool:
    return rrset.rrType == ZONEMD or (rrset.rrType == RRSIG and rrset.rdatas[0].startswith(ZONEMD.to_bytes(2, "big")))


def _withSerial(soa: RRSet, serial: int) -> RRSet:
    rdata = soa.rdatas[0]
    return RRSet(soa.name, SOA, soa.rrClass, soa.ttl, (rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:],))


def signedOwner(owner: bytes, labels: int) -> bytes:
    """
    Return the owner that a signature is made for: that of the wildcard if it has fewer labels (RFC 4035, section 5.3.2).

    @param owner: folded.
    """
    count = labelCount(owner)
    if count <= labels or owner.startswith(b"\x01*") and count == labels + 1:
        return owner
    position = 0
    for _ in range(count - labels):
        position += owner[position] + 1
    return b"\x01*" + owner[position:]
