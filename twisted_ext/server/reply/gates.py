"""
Gates: the checks that a request passes, in order, before it is looked up.

Each gate checks one thing and is independent of the others. L{gatesFor} puts them in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, Final, Protocol

from mypy_extensions import mypyc_attr

from twisted_ext.errors import BadMessage
from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.opcodes import OpcodeHandler, forwardedOf, hopelessOf, opcodesOf, transfersIn
from twisted_ext.server.reply.packetcaches import PROXIES
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.codes import CH, IN, Opcode, Rcode
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, AXFR, HINFO, IXFR, MAILA, MAILB, NXNAME, OPT, TKEY, TSIG

if TYPE_CHECKING:
    from twisted_ext.packetcache.packetcache import PacketCache
    from twisted_ext.wire.tsig import Key, Verdict

__all__ = [
    "DROP",
    "AccessGate",
    "ClassGate",
    "CookieGate",
    "FormGate",
    "Gate",
    "KeyGate",
    "MinimalAnyGate",
    "OpcodeGate",
    "QuestionGate",
    "RateGate",
    "SignatureGate",
    "TypeGate",
    "VersionGate",
    "gatesFor",
    "plainGates",
    "standardGates",
]

#: TTL of the minimal response to an ANY query (RFC 8482, section 4.2).
_REFUSAL_TTL: Final = 3600

#: Drop the request without a reply.
DROP: Final = Refusal(Rcode.NOERROR, silent=True)

# Info codes of extended errors (RFC 8914; RFC 9824, section 3.5).
_PROHIBITED: Final = 18
_NOT_SUPPORTED: Final = 21
_INVALID_TYPE: Final = 30

#: Octets of a request up to which reading it whole costs little.
_FEW_OCTETS: Final = 512

_COOKIE: Final = 10


class Gate(Protocol):
    """
    One check of a request.
    """

    @property
    def name(self) -> str:
        """
        One word, for counters and for the query log.
        """

    def __call__(self, request: Request, now: float) -> Refusal | None:
        """
        Check a request.

        @param now: the clock's seconds.

        @return: L{None} to let the request pass.
        """


class AccessGate:
    """
    Applies the access control list. The refusal is minimal, and the packet cache repeats it from then on.
    """

    name = "access"

    _REFUSED: Final = Refusal(Rcode.REFUSED, ((_PROHIBITED, ""),))
    _NAMELESS: Final = Refusal(Rcode.REFUSED, ((_PROHIBITED, "this address is in trusted-proxies, and the proxy names no client"),))

    def __init__(self, serves: Callable[[bytes], object] | None = None, keys: Collection[bytes] = ()) -> None:
        """
        @param serves: returns something other than L{None} for folded names that every client may query unless it is dropped or refused.
        @param keys: those by which clients may be let in. Whether one is, L{KeyGate} asks again once the signature is verified.
        """
        self._serves = serves
        self._keys = keys

    def __call__(self, request: Request, now: float) -> Refusal | None:
        action = request.record.group.action
        if action == "allow":
            return None
        if action == "zones" and (request.opcode or (self._serves is not None and self._serves(request.folded) is not None)):
            return None
        if action == "drop":
            return DROP
        if request.signature is not None and not request.keyName and request.signature.keyName in self._keys:
            return None
        return self._NAMELESS if request.record.group.name == PROXIES else self._REFUSED


class RateGate:
    """
    Limits the rate of queries from one client. Queries over TCP or with a verified cookie pass: their source address is not spoofed.
    """

    name = "rate"

    _TRUNCATED: Final = Refusal(Rcode.NOERROR, truncated=True, lasting=False)

    def __init__(self, rates: ClientRateLimit) -> None:
        self._rates = rates

    def __call__(self, request: Request, now: float) -> Refusal | None:
        rates = self._rates
        if not rates.perSecond:
            return None
        bucket = request.record.bucket
        if rates.take(bucket, now) or request.verified or request.transport != "udp":
            return None
        return self._TRUNCATED if rates.slips(bucket) else DROP


class OpcodeGate:
    """
    Replies NOTIMP to opcodes other than QUERY and those that have a handler (RFC 1035, section 4.1.1).
    """

    name = "opcode"

    _REFUSED: Final = Refusal(Rcode.NOTIMP, bare=True)

    def __init__(self, opcodes: frozenset[int] = frozenset()) -> None:
        """
        @param opcodes: implemented opcodes besides QUERY.
        """
        self._opcodes = opcodes | {Opcode.QUERY}

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.opcode in self._opcodes:
            return None
        # A request with EDNS gets a reply with EDNS (RFC 6891, section 6.1.1), as from BIND and Knot.
        request.glimpseEDNS()
        return self._REFUSED


class FormGate:
    """
    Requires one question, at most one OPT record, and no trailing octets.

    For opcodes other than QUERY, reads the question first, and the rest only if the opcode's handler might accept the request and its
    signature does not fail.
    """

    name = "form"

    def __init__(
        self, hopeless: Callable[[Request], bool] | None = None, forged: Callable[[Request], bool] = lambda request: False
    ) -> None:
        self._hopeless = hopeless
        self._forged = forged

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.opcode:
            # Only now: the opcode gate has made sure that the opcode has a handler.
            request.readZone()
            if request.fault is None:
                if self._hopeless is not None and self._hopeless(request):
                    request.glimpseEDNS()
                elif not self._forged(request):
                    request.readWhole()
        return request.fault


class VersionGate:
    """
    Replies BADVERS to EDNS versions other than 0, whose options are not known (RFC 6891, section 6.1.3).
    """

    name = "version"

    _REFUSED: Final = Refusal(Rcode.BADVERS)

    def __call__(self, request: Request, now: float) -> Refusal | None:
        edns = request.edns
        return None if edns is None or not edns.version else self._REFUSED


class SignatureGate:
    """
    Verifies the TSIG record of a signed request: its key, its MAC and its time. Otherwise replies with the TSIG error (RFC 8945, section
    5.2), since the client would not accept an unsigned answer.
    """

    name = "signature"

    _REFUSED: Final = Refusal(Rcode.NOTAUTH)
    _MALFORMED: Final = Refusal(Rcode.FORMERR)

    def __init__(self, keys: Mapping[bytes, Key], today: Callable[[], float]) -> None:
        """
        @param keys: by folded name.
        @param today: returns seconds since 1970.
        """
        self._keys = keys
        self._today = today
        # Whether a request is passed on to a server that may have its key.
        self.forwarded: Callable[[Request], bool] | None = None

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.signature is None:
            return None
        if request.signature.keyName not in self._keys:
            return None if self.forwarded is not None and self.forwarded(request) else self._REFUSED
        from twisted_ext.wire.tsig import signatureSize

        verdict = request.verdict
        if verdict is None:
            try:
                verdict = self._judge(request)
            except BadMessage:
                return self._MALFORMED
        if verdict.error or verdict.key is None:
            return self._REFUSED
        request.keyName = verdict.key.name
        request.size -= signatureSize(verdict.key)
        return None

    def isForged(self, request: Request) -> bool:
        """
        Check the signature of a large request early, so that the records of a forged one are never read.

        @param request: a non-query of which only the question has been read.

        @return: whether this gate will refuse it.
        """
        if len(request.wire) <= _FEW_OCTETS or not request.seemsSigned():
            return False
        try:
            verdict = self._judge(request)
        except BadMessage:
            return False
        if verdict.record is None:
            request.verdict = None
            return False
        request.signature = verdict.record
        return bool(verdict.error)

    def _judge(self, request: Request) -> Verdict:
        from twisted_ext.wire.tsig import verify

        request.today = self._today()
        verdict = request.verdict = verify(request.wire, self._keys, request.today)
        return verdict


class KeyGate:
    """
    Finds what the client of a signed query may do, once its signature is verified: the key may have let it in, or into another view.
    """

    name = "access"

    def __init__(self, packetCache: PacketCache, access: Gate | None) -> None:
        """
        @param packetCache: has the clients.
        @param access: the gate that lets a client in.
        """
        self._packetCache = packetCache
        self._access = access

    def __call__(self, request: Request, now: float) -> Refusal | None:
        packetCache = self._packetCache
        if not request.keyName or not packetCache.doors.keys:
            return None
        request.record = packetCache.at(request.door._replace(key=request.keyName)).find(request.address[0], now)
        return None if self._access is None else self._access(request, now)


class CookieGate:
    """
    Checks the length of COOKIE options, and adds a server cookie to each reply to a client that sent one (RFC 7873, section 5.2).

    Some clients need a valid server cookie before anything is looked up for them over UDP. One with another cookie gets BADCOOKIE and a
    valid cookie (sections 5.2.3 and 5.2.4); one without a cookie, which may not support them, gets TC and can retry over TCP.
    """

    name = "cookie"

    _MALFORMED: Final = Refusal(Rcode.FORMERR)
    _ASKED_FOR: Final = Refusal(Rcode.NOERROR, bare=True)
    _WRONG: Final = Refusal(Rcode.BADCOOKIE)
    _MISSING: Final = Refusal(Rcode.REFUSED, truncated=True)

    def __init__(self, cookies: Cookies, today: Callable[[], float]) -> None:
        self._cookies = cookies
        self._today = today

    def __call__(self, request: Request, now: float) -> Refusal | None:
        edns = request.edns
        if edns is not None and edns.options:
            octets = edns.option(_COOKIE)
            if octets is not None:
                if len(octets) != 8 and not 16 <= len(octets) <= 40:
                    return self._MALFORMED
                today = self._today()
                needed = request.record.group.shown or request.questionEnd == 12
                if needed or not self._cookies.spent(octets, today) or self._cookies.known(request.client, octets, today) is not None:
                    known = self._cookies.check(request.client, octets, today)
                    request.cookie, request.verified = known.option, known.verified
        if request.questionEnd == 12:
            # A query for a server cookie alone (RFC 7873, section 5.4).
            return self._ASKED_FOR if request.cookie else self._MALFORMED
        if request.record.group.shown and not request.verified and request.transport == "udp":
            # A TSIG proves more than an address, and the handlers of other opcodes have access rules of their own.
            if not request.opcode and request.signature is None:
                return self._WRONG if request.cookie else self._MISSING
        return None


@mypyc_attr(allow_interpreted_subclasses=True)
class ClassGate:
    """
    Accepts class IN, answers the server's own CHAOS names where that is configured (RFC 4892), and refuses all other classes.
    """

    name = "class"

    _REFUSED: Final = Refusal(Rcode.REFUSED, ((_NOT_SUPPORTED, ""),))

    def __init__(self, identity: ChaosIdentity) -> None:
        self._identity = identity

    def __call__(self, request: Request, now: float) -> Refusal | None:
        question = request.question
        if question.rrClass == IN:
            return None
        if question.rrClass == CH:
            said = self._identity.answer(question)
            if said:
                return Refusal(Rcode.NOERROR, answer=said)
        return self._REFUSED


class TypeGate:
    """
    Refuses types that cannot be looked up: transfers where there are no zones (RFC 5936), the obsolete MAILB and MAILA (RFC 1035, section
    3.2.3), and types that only have a meaning inside messages.
    """

    name = "type"

    _MALFORMED: Final = Refusal(Rcode.FORMERR, ((_INVALID_TYPE, ""),))
    _TRANSFER: Final = Refusal(Rcode.REFUSED, ((_NOT_SUPPORTED, "no zones here to transfer"),))
    _UNKNOWN: Final = Refusal(Rcode.NOTIMP, ((_NOT_SUPPORTED, ""),))

    #: Type 0 is reserved; NXNAME is never asked for (RFC 9824).
    _REFUSED: Final = {
        **dict.fromkeys((0, OPT, NXNAME, TSIG), _MALFORMED),
        **dict.fromkeys((TKEY, MAILB, MAILA), _UNKNOWN),
        **dict.fromkeys((IXFR, AXFR), _TRANSFER),
    }

    def __init__(self, *, transfers: bool = False) -> None:
        self._refused = {
            number: refusal for number, refusal in self._REFUSED.items() if not transfers or refusal is not self._TRANSFER
        }

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return self._refused.get(request.question.rrType)


class MinimalAnyGate:
    """
    Answers ANY with one synthesized HINFO record (RFC 8482, section 4.2).
    """

    name = "any"

    _RDATA: Final = b"\x07RFC8482\x00"

    def __init__(self, serves: Callable[[Request], object] | None = None) -> None:
        """
        @param serves: returns something other than L{None} for requests for names in zones that this server is authoritative for, whose own
            answers to ANY are as small.
        """
        self._serves = serves

    def __call__(self, request: Request, now: float) -> Refusal | None:
        question = request.question
        if question.rrType != ANY or (self._serves is not None and self._serves(request) is not None):
            return None
        return Refusal(Rcode.NOERROR, answer=(RRSet(question.name, HINFO, IN, _REFUSAL_TTL, (self._RDATA,)),))


def gatesFor(
    entry: Iterable[Gate],
    proof: Iterable[Gate],
    last: Iterable[Gate],
    *,
    identity: ChaosIdentity | None = None,
    signing: SignatureGate | None = None,
    handlers: Mapping[int, OpcodeHandler] | None = None,
    packetCache: PacketCache | None = None,
) -> tuple[Gate, ...]:
    """
    Return gates in their order: those given, at three stages, and those of the protocol between them.

    @param entry: gates that look at the client only: the message has not been checked yet.
    @param proof: gates for well-formed messages, before signatures are verified.
    @param last: gates for queries that could be looked up.
    @param identity: what the server discloses about itself; nothing by default.
    @param signing: has the keys that requests may be signed with; none by default.
    @param handlers: those that handle other requests than queries, and transfers.
    @param packetCache: has the clients; L{None} if it makes no difference what their queries are signed with.
    """
    entry = tuple(entry)
    signing = signing or SignatureGate({}, time)
    others = handlers or {}
    signing.forwarded = forwardedOf(others)
    form = FormGate(hopelessOf(others), signing.isForged)
    known = ClassGate(identity or ChaosIdentity())
    types = TypeGate(transfers=transfersIn(others))
    keyed = () if packetCache is None else (KeyGate(packetCache, next((each for each in entry if isinstance(each, AccessGate)), None)),)
    return (*entry, OpcodeGate(opcodesOf(others)), form, VersionGate(), *proof, signing, *keyed, known, types, *last)


def standardGates(
    *,
    rates: ClientRateLimit | None = None,
    cookies: Cookies | None = None,
    minimalAny: bool = True,
    today: Callable[[], float] | None = None,
    keys: Mapping[bytes, Key] | None = None,
    handlers: Mapping[int, OpcodeHandler] | None = None,
    packetCache: PacketCache | None = None,
) -> tuple[Gate, ...]:
    """
    Return the gates of a server without features.

    @param rates: the rate limit for each client, L{None} for no limit.
    @param cookies: L{None} to ignore cookies.
    @param today: returns seconds since 1970.
    @param keys: TSIG keys that requests may be signed with, by folded name.
    @param handlers: see L{gatesFor}, as for C{packetCache}.

    @return: the gates in their order. Access control comes first; the check for malformed requests comes before all gates that look into
        a request; the rate limit comes after the cookies that exempt from it.
    """
    proved = QuestionGate() if cookies is None else CookieGate(cookies, today or time)
    limited = [] if rates is None else [RateGate(rates)]
    signing = SignatureGate(keys or {}, today or time)
    last = [MinimalAnyGate()] if minimalAny else []
    return gatesFor([AccessGate()], [proved, *limited], last, signing=signing, handlers=handlers, packetCache=packetCache)


class QuestionGate:
    """
    Replies FORMERR to requests without a question, which are valid only where cookies are in use.
    """

    name = "question"

    _MALFORMED: Final = Refusal(Rcode.FORMERR, bare=True)

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return self._MALFORMED if request.questionEnd == 12 else None


#: Gates that let every plain query pass.
_ONLY_OTHERS: Final = (OpcodeGate, FormGate, VersionGate, QuestionGate, SignatureGate, KeyGate, ClassGate)


def plainGates(gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    """
    Return the gates that can refuse a plain query: a well-formed, unsigned query of class IN with one question and, if it has an OPT
    record, EDNS version 0 and no options. Nearly all queries are plain, and each gate costs a call.
    """
    return tuple([gate for gate in gates if type(gate) not in _ONLY_OTHERS])
