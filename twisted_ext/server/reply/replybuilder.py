"""
Builds replies: header flags, the OPT record, and the choice of sections.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.limits import DATAGRAM_SIZE, MESSAGE_SIZE
from twisted_ext.server.limits import CLIENT_STREAM_IDLE
from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.replywriter import Sections, WrittenReply, compose
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.codes import AA, AD, CD, DO, QR, RA, RD, TC, Rcode
from twisted_ext.wire.message import EDNS, HEADER, HEADER_OCTETS
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NSEC, NSEC3, RRSIG, SOA
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["ReplyBuilder", "padded", "withCookie"]

_OPCODE: Final = 0x7800

# EDNS options.
_NSID: Final = 3
_EXPIRE: Final = 9
_KEEPALIVE: Final = 11
_PADDING: Final = 12
_EDE: Final = 15
_REPORT: Final = 18

#: The payload size in the OPT record.
_SIZE: Final = int(DATAGRAM_SIZE.default)

#: Characters of an extended error's EXTRA-TEXT that are sent.
_TEXT: Final = 200

#: The largest message, in octets.
_MESSAGE: Final = int(MESSAGE_SIZE.default)

#: Padded replies have a multiple of this many octets (RFC 8467, section 4.1).
_BLOCK: Final = 468

#: Transports whose idle connections clients may ask about: HTTP and QUIC have means of their own.
_KEPT: Final = frozenset(("tcp", "tls"))

#: Octets of an OPT record without options.
_OPT_OCTETS: Final = 11

_head: Final = Struct(">HHHHH").pack

#: Numbers of answers below this for which headers are kept.
_FEW: Final = 16

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_DATA: Final = Outcome.DATA
_SECURE: Final = Security.SECURE

#: Types that prove a denial.
_PROOFS: Final = frozenset((NSEC, NSEC3))


class ReplyBuilder:
    """
    Builds replies from answers and refusals.

    @ivar available: RA, or 0.
    @ivar opts: the OPT record of replies without options, and that to queries with DO.
    @ivar reports: whether replies from zones name an agent for reports of failures.
    @ivar expiring: returns the seconds until the zone of a SOA query with the EXPIRE option (RFC 7314) expires; L{None} to ignore that
        option.
    """

    def __init__(
        self,
        *,
        minimal: bool = True,
        identity: ChaosIdentity | None = None,
        recursion: bool = True,
        idle: float | None = None,
        agent: bytes = b"",
    ) -> None:
        """
        @param minimal: send minimal responses, without NS records and addresses that were not asked for.
        @param recursion: whether recursion is available (RA).
        @param idle: seconds for which an idle connection is kept.
        @param agent: the domain for reports of failures, which replies from zones name (RFC 9567).
        """
        self.expiring: Callable[[Request], float | None] | None = None
        self._minimal = minimal
        # In units of 100 ms, for clients that send the option (RFC 7828, section 3.3.2).
        self._idle = int(CLIENT_STREAM_IDLE.pick(idle) * 10).to_bytes(2, "big")
        self.available = RA if recursion else 0
        self._nsid = (identity or ChaosIdentity()).nsid
        self._agent = agent.lower()
        self._report = _REPORT.to_bytes(2, "big") + len(agent).to_bytes(2, "big") + agent if agent else b""
        self.reports = bool(agent)
        self.opts = EDNS(_SIZE).toWire(), EDNS(_SIZE, DO).toWire()
        self._heads: dict[int, bytes] = {}

    @classmethod
    def of(cls, settings: Settings) -> ReplyBuilder:
        agent = nameFromText(settings.reportAgent) if settings.reportAgent else b""
        return cls(identity=ChaosIdentity.of(settings), recursion=settings.role != "serve", idle=settings.tcpIdle, agent=agent)

    def answer(self, request: Request, answer: Answer) -> WrittenReply:
        """
        Build the reply to an answered request. The cookie is not included yet, but there is room for it.
        """
        edns = request.edns
        flags = QR | self.available | request.flags & (RD | CD)
        dnssecOk = False
        opt = b""
        if edns is not None:
            dnssecOk = bool(edns.flags & DO)
            opt = self._optFor(request, edns, answer.rcode >> 4, answer.ede)
        if answer.security is _SECURE and (dnssecOk or request.flags & AD):
            flags |= AD
        flags |= answer.rcode & 15
        sections: Sections
        if answer.origin is not None and answer.origin.source == "zone":
            # Zones make minimal responses themselves, and do not copy CD (RFC 4035, section 3.1.6).
            flags = flags & ~CD | answer.flags & AA
            sections = (answer.answer, answer.authority, answer.additional)
            if opt and self._report:
                opt = self._reporting(request, opt)
        elif not self._minimal:
            sections = (answer.answer, answer.authority, answer.additional)
        elif answer.outcome is _DATA:
            # Of all that is answered here, only designated servers have more, which saves clients a look-up (RFC 9462, section 4).
            more = answer.additional if answer.origin is not None and answer.origin.source == "special" else ()
            sections = (answer.answer, _proofs(answer.authority) if dnssecOk and answer.authority else (), more)
        else:
            sections = (answer.answer, answer.authority, ())
        size = request.size - len(request.cookie)
        return compose(request.wire[: request.questionEnd], request.folded, flags, sections, opt, size)

    def direct(self, request: Request, answer: DirectAnswer) -> WrittenReply | None:
        """
        Build the same reply as L{answer} from records in wire format; L{None} if they do not fit.
        """
        edns = request.edns
        opt = b""
        if edns is not None:
            opt = self._optFor(request, edns, 0, ())
            if self._report:
                opt = self._reporting(request, opt)
        wire = request.wire
        head = self._head(QR | AA | self.available | request.flags & RD, answer.count, bool(opt))
        octets = b"".join([wire[:2], head, wire[HEADER_OCTETS : request.questionEnd], answer.octets, opt])
        if len(octets) > request.size - len(request.cookie):
            return None
        return WrittenReply(octets, [], True, len(octets) - len(opt))

    def _head(self, flags: int, answers: int, opt: bool) -> bytes:
        """
        Return the header of a reply without its ID.
        """
        place = flags << 5 | answers << 1 | opt
        head = self._heads.get(place) if answers < _FEW else None
        if head is None:
            head = _head(flags, 1, answers, 0, 1 if opt else 0)
            if answers < _FEW:
                self._heads[place] = head
        return head

    def refusal(self, request: Request, refusal: Refusal) -> bytes:
        """
        Build the reply for a refusal, including the cookie.
        """
        flags = QR | request.flags & (_OPCODE | RD | CD) | (0 if request.opcode else self.available) | refusal.rcode & 15 | refusal.flags
        if refusal.truncated:
            flags |= TC
        opt = b"" if request.edns is None else self._opt(request, refusal.rcode >> 4, refusal.ede)
        if refusal.bare or request.questionEnd == 12:
            octets = HEADER.pack(request.id, flags, 0, 0, 0, 1 if opt else 0) + opt
            optAt = HEADER_OCTETS
        else:
            sections = (refusal.answer, (), ())
            size = request.size - len(request.cookie)
            composed = compose(request.wire[: request.questionEnd], request.question.key[:-4], flags, sections, opt, size)
            octets, optAt = composed.octets, composed.optAt
        if request.cookie:
            octets = withCookie(octets, optAt, request.cookie)
        if request.padded:
            octets = padded(octets, optAt)
        if refusal.rcode == Rcode.NOTAUTH and request.signature is not None:
            from twisted_ext.wire.tsig import Verdict, replySigned

            if request.verdict is not None and request.verdict.error:
                return replySigned(octets, request.verdict, request.today)[0]
            if not request.keyName:
                # Unsigned: without the key the client could not verify the server's time.
                return replySigned(octets, Verdict(Rcode.BADKEY, request.signature, None, b""), request.signature.timeSigned)[0]
        return octets

    def _optFor(self, request: Request, edns: EDNS, extendedRcode: int, ede: tuple[tuple[int, str], ...]) -> bytes:
        """
        Return the OPT record of an answer.
        """
        expiring = self.expiring is not None and request.question.rrType == SOA
        if ede or (edns.options and (self._nsid or expiring or request.transport != "udp")):
            return self._opt(request, extendedRcode, ede)
        return self.opts[1 if edns.flags & DO else 0]

    def _reporting(self, request: Request, opt: bytes) -> bytes:
        """
        Add the agent for reports of failures, unless the name asked for is the agent's own.
        """
        return opt if isBelow(request.folded, self._agent) else withCookie(opt, 0, self._report)

    def _opt(self, request: Request, extendedRcode: int, ede: tuple[tuple[int, str], ...]) -> bytes:
        edns = request.edns
        assert edns is not None
        options = [(_EDE, code.to_bytes(2, "big") + text[:_TEXT].encode("utf-8", "replace")) for code, text in ede[:4]]
        if self._nsid and edns.option(_NSID) is not None:
            options.append((_NSID, self._nsid))
        if self.expiring is not None and request.question.rrType == SOA and edns.option(_EXPIRE) is not None:
            seconds = self.expiring(request)
            if seconds is not None:
                options.append((_EXPIRE, int(seconds).to_bytes(4, "big")))
        if request.transport in _KEPT and edns.option(_KEEPALIVE) is not None:
            options.append((_KEEPALIVE, self._idle))
        return EDNS(_SIZE, edns.flags & DO, tuple(options), 0, extendedRcode).toWire()


def withCookie(octets: bytes, optAt: int, option: bytes) -> bytes:
    """
    Append an EDNS option to a reply.

    @param octets: a reply that ends with an OPT record.
    @param optAt: the offset of that record.
    @param option: a whole EDNS option.
    """
    length = len(octets) - optAt - _OPT_OCTETS + len(option)
    return b"%b%b%b%b" % (octets[: optAt + 9], length.to_bytes(2, "big"), octets[optAt + _OPT_OCTETS :], option)


def padded(octets: bytes, optAt: int) -> bytes:
    """
    Append a padding option, which hides the length of a reply (RFC 7830), to the OPT record that the reply ends with.

    @param optAt: the offset of that record.
    """
    whole = len(octets) + 4
    lacking = min(-whole % _BLOCK, _MESSAGE - whole)
    if lacking < 0:
        return octets
    return withCookie(octets, optAt, _PADDING.to_bytes(2, "big") + lacking.to_bytes(2, "big") + bytes(lacking))


def _proofs(sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    return tuple([rrset for rrset in sets if (rrset.rrType if rrset.rrType != RRSIG else _covered(rrset)) in _PROOFS])


def _covered(signatures: RRSet) -> int:
    return int.from_bytes(signatures.rdatas[0][:2], "big")
