"""
What a request has to pass before anybody is asked, in order.

Each gate looks at one thing and knows nothing of the others. Which ones there are, and in what order, is one tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from twisted_ext.errors import BadMessage
from twisted_ext.server.reply.chaos import MINIMAL_TTL, ChaosIdentity
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.codes import CH, IN, Opcode, Rcode
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key, Verdict

__all__ = [
    "DROP",
    "AccessGate",
    "ClassGate",
    "CookieGate",
    "FormGate",
    "Gate",
    "MinimalAnyGate",
    "OpcodeGate",
    "RateGate",
    "SignatureGate",
    "TypeGate",
    "VersionGate",
    "standardGates",
]

#: No reply at all.
DROP: Final = Refusal(Rcode.NOERROR, silent=True)

# Info codes of extended errors (RFC 8914; RFC 9824, section 3.5).
_PROHIBITED: Final = 18
_NOT_SUPPORTED: Final = 21
_INVALID_TYPE: Final = 30

#: Octets of a request up to which there is not much to be read.
_FEW_OCTETS: Final = 512

_COOKIE: Final = 10
_HINFO: Final = 13
_ANY: Final = 255


class Gate(Protocol):
    """
    One of the things that have to be right with a request.
    """

    @property
    def name(self) -> str:
        """
        One word, for counters and for people.
        """

    def __call__(self, request: Request, now: float) -> Refusal | None:
        """
        @param now: the clock's seconds.

        @return: L{None} to let the request pass.
        """


class AccessGate:
    """
    Only some may ask here. What is said to the others is the least there is, and from then on the fast lane says it.
    """

    name = "access"

    _REFUSED: Final = Refusal(Rcode.REFUSED, ((_PROHIBITED, ""),))

    def __init__(self, serves: Callable[[bytes], object] | None = None) -> None:
        """
        @param serves: gives what is not L{None} for folded names that everybody may ask for, who is not kept out.
        """
        self._serves = serves

    def __call__(self, request: Request, now: float) -> Refusal | None:
        action = request.record.group.action
        if action == "allow":
            return None
        if action == "zones" and (request.opcode or (self._serves is not None and self._serves(request.question.key[:-4]) is not None)):
            return None
        return DROP if action == "drop" else self._REFUSED


class RateGate:
    """
    Nobody may ask too much, unless it has shown that its address is its own and nobody else's is made to suffer for it.

    By TCP that has been shown as well.
    """

    name = "rate"

    _TRUNCATED: Final = Refusal(Rcode.NOERROR, truncated=True)

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
    Queries are answered, and what else somebody is there for; nothing else is understood (RFC 1035, section 4.1.1).
    """

    name = "opcode"

    _REFUSED: Final = Refusal(Rcode.NOTIMP, bare=True)

    def __init__(self, opcodes: frozenset[int] = frozenset()) -> None:
        """
        @param opcodes: those beside QUERY that are understood.
        """
        self._opcodes = opcodes | {Opcode.QUERY}

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.opcode in self._opcodes:
            return None
        # Who says that he has EDNS gets it (RFC 6891, section 6.1.1), as from BIND and Knot.
        request.glimpseEDNS()
        return self._REFUSED


class FormGate:
    """
    One question and at most one OPT record, and all octets accounted for.

    Of what is no query the question is read first, and nothing else where whoever sees to it would refuse it whatever it says, or where it
    is not signed as it says.
    """

    name = "form"

    def __init__(
        self, hopeless: Callable[[Request], bool] | None = None, forged: Callable[[Request], bool] = lambda request: False
    ) -> None:
        """
        @param hopeless: says whether a request that is no query, of which only the question has been read, will be refused.
        @param forged: says whether it will be because of its signature.
        """
        self._hopeless = hopeless
        self._forged = forged

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.opcode:
            # Not before it is known that somebody wants it.
            request.readZone()
            if request.fault is None:
                if self._hopeless is not None and self._hopeless(request):
                    request.glimpseEDNS()
                elif not self._forged(request):
                    request.readWhole()
        return request.fault


class VersionGate:
    """
    EDNS of version 0 (RFC 6891, section 6.1.3). What the options of another one mean is not known.
    """

    name = "version"

    _REFUSED: Final = Refusal(Rcode.BADVERS)

    def __call__(self, request: Request, now: float) -> Refusal | None:
        edns = request.edns
        return None if edns is None or not edns.version else self._REFUSED


class SignatureGate:
    """
    Whoever signs does so with a key that is known here, rightly and now; else he is told what is wrong with it (RFC 8945, section 5.2): he
    would not take an answer that is not signed.
    """

    name = "signature"

    _REFUSED: Final = Refusal(Rcode.NOTAUTH)
    _MALFORMED: Final = Refusal(Rcode.FORMERR)

    def __init__(self, keys: Mapping[bytes, Key] | None = None, today: Callable[[], float] | None = None) -> None:
        """
        @param keys: by folded name; none by default.
        @param today: gives seconds since 1970.
        """
        from time import time

        self._keys = keys or {}
        self._today = today or time

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.signature is None:
            return None
        if request.signature.keyName not in self._keys:
            return self._REFUSED
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
        @param request: no query, of which only the question has been read.

        @return: whether it will be refused here, so that nobody need read its records. That is worth a look where these are many.
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


class CookieGate:
    """
    Cookies are of one of two lengths, and all replies to who has one carry one of ours (RFC 7873, section 5.2).

    Of some, a good one is required before anything is looked up for them by UDP: who shows another gets a good one in place of the answer
    (sections 5.2.3 and 5.2.4), and who shows none, as one who knows of none, is sent to TCP.
    """

    name = "cookie"

    _MALFORMED: Final = Refusal(Rcode.FORMERR)
    _ASKED_FOR: Final = Refusal(Rcode.NOERROR, bare=True)
    _WRONG: Final = Refusal(Rcode.BADCOOKIE)
    _MISSING: Final = Refusal(Rcode.REFUSED, truncated=True)

    def __init__(self, cookies: Cookies, today: Callable[[], float]) -> None:
        """
        @param today: gives seconds since 1970.
        """
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
                if needed or not self._cookies.spent(octets, today) or self._cookies.known(request.client, octets, today)[0]:
                    request.cookie, request.verified = self._cookies.check(request.client, octets, today)
        if request.questionEnd == 12:
            # A question about the cookie alone (RFC 7873, section 5.4).
            return self._ASKED_FOR if request.cookie else self._MALFORMED
        if request.record.group.shown and not request.verified and request.transport == "udp":
            # Whoever signs shows more than an address, and what is no question has grants of its own.
            if not request.opcode and request.signature is None:
                return self._WRONG if request.cookie else self._MISSING
        return None


class ClassGate:
    """
    The Internet's names, and of ourselves what we are told to tell (RFC 4892).
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
    Types that records can have. Transfers are for those who have zones (RFC 5936), the mailbox questions are for nobody any more (RFC 1035,
    section 3.2.3), and what only has a meaning inside messages cannot be asked for.
    """

    name = "type"

    _MALFORMED: Final = Refusal(Rcode.FORMERR, ((_INVALID_TYPE, ""),))
    _TRANSFER: Final = Refusal(Rcode.REFUSED, ((_NOT_SUPPORTED, "no zones here to transfer"),))
    _UNKNOWN: Final = Refusal(Rcode.NOTIMP, ((_NOT_SUPPORTED, ""),))

    #: The root's name belongs to no question for type 0; OPT, NXNAME (RFC 9824), TKEY, TSIG; IXFR, AXFR; MAILB, MAILA.
    _REFUSED: Final = {0: _MALFORMED, 41: _MALFORMED, 128: _MALFORMED, 249: _UNKNOWN, 250: _MALFORMED, 251: _TRANSFER, 252: _TRANSFER} | {
        253: _UNKNOWN,
        254: _UNKNOWN,
    }

    def __init__(self, *, transfers: bool = False) -> None:
        """
        @param transfers: whether there are zones to transfer.
        """
        self._refused = {
            number: refusal for number, refusal in self._REFUSED.items() if not transfers or refusal is not self._TRANSFER
        }

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return self._refused.get(request.question.rrType)


class MinimalAnyGate:
    """
    A question for everything gets one record that says why not more (RFC 8482, section 4.2).
    """

    name = "any"

    _RDATA: Final = b"\x07RFC8482\x00"

    def __init__(self, serves: Callable[[bytes], object] | None = None) -> None:
        """
        @param serves: gives what is not L{None} for folded names about which somebody behind this knows to say as little.
        """
        self._serves = serves

    def __call__(self, request: Request, now: float) -> Refusal | None:
        question = request.question
        if question.rrType != _ANY or (self._serves is not None and self._serves(question.key[:-4]) is not None):
            return None
        return Refusal(Rcode.NOERROR, answer=(RRSet(question.name, _HINFO, IN, MINIMAL_TTL, (self._RDATA,)),))


def standardGates(
    *,
    rates: ClientRateLimit | None = None,
    cookies: Cookies | None = None,
    identity: ChaosIdentity | None = None,
    minimalAny: bool = True,
    today: Callable[[], float] | None = None,
    keys: Mapping[bytes, Key] | None = None,
    opcodes: frozenset[int] = frozenset(),
    transfers: bool = False,
    serves: Callable[[bytes], object] | None = None,
    hopeless: Callable[[Request], bool] | None = None,
) -> tuple[Gate, ...]:
    """
    @param rates: how much one client may ask; as much as it likes by default.
    @param cookies: L{None} where there are none.
    @param identity: what is told of ourselves; nothing by default.
    @param today: gives seconds since 1970.
    @param keys: that requests may be signed with, by folded name.
    @param opcodes: those beside QUERY that somebody is there for.
    @param transfers: whether there are zones to transfer.
    @param serves: gives what is not L{None} for folded names in zones of ours.
    @param hopeless: says whether a request that is no query will be refused; see L{FormGate}.

    @return: the gates in their order. Whether somebody may ask at all comes first; malformed requests before all that looks into them;
        the rate behind the cookie that may excuse from it.
    """
    from time import time

    signing = SignatureGate(keys, today)
    gates: list[Gate] = [AccessGate(serves), OpcodeGate(opcodes), FormGate(hopeless, signing.isForged), VersionGate()]
    if cookies is not None:
        gates.append(CookieGate(cookies, today or time))
    else:
        gates.append(_QuestionGate())
    gates += [
        RateGate(rates or ClientRateLimit()),
        signing,
        ClassGate(identity or ChaosIdentity()),
        TypeGate(transfers=transfers),
    ]
    if minimalAny:
        gates.append(MinimalAnyGate(serves))
    return tuple(gates)


class _QuestionGate:
    """
    Without cookies there is nothing to say where nothing is asked.
    """

    name = "question"

    _MALFORMED: Final = Refusal(Rcode.FORMERR, bare=True)

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return self._MALFORMED if request.questionEnd == 12 else None
