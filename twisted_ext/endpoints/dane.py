"""
Connect with TLS to servers whose certificates TLSA records vouch for (DANE: RFC 6698, RFC 7671), and to mail servers by the rules of RFC
7672.

Only what DNSSEC proves counts. A look-up of TLSA records that fails, because a server does not reply or because its answer is bogus, is a
failure and never taken for the absence of records: an attacker who can drop replies must not be able to turn authentication off (RFC 7672,
section 2.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Unpack

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.compat.conversion.errors import errorFromAnswer, errorFromFault
from twisted_ext.compat.lookups.follow import literalHost
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target, checkedPort, hostIn, protocolsIn
from twisted_ext.endpoints.dial import RecordingFactory, Securing
from twisted_ext.endpoints.happyeyeballs import Attempt, Options, TargetsFailed, Way, newCancellation
from twisted_ext.endpoints.starttls import AnyServer, Checked, CheckedHandshake, HandshakeFailed, StartTLSHandshake
from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.dane import Dane, TLSARecord, TLSASet
from twisted_ext.transport.tls.terms import TLSTerms
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, TLSA, A

if TYPE_CHECKING:
    from twisted_ext.endpoints.happyeyeballs import Way

__all__ = ["DaneEndpoint", "DaneMissing", "TLSAFound", "ValidatingResolver", "lookUpTLSA"]

_log: Final = Logger(__name__)

#: What to do with a server that has no TLSA records which DNSSEC proves and which can be used.
_FALLBACKS: Final = ("none", "pkix", "opportunistic")

#: Usages that count among mail servers: public authorities do not (RFC 7672, section 3.1.3).
_MAIL_USAGES: Final = (2, 3)


@dataclass(frozen=True, slots=True)
class TLSAFound:
    """
    What is known about a server before a connection is made.

    @ivar host: the TLSA base domain in ASCII without a final dot: the name at which secure records are, or the server's own name.
    @ivar records: its records. There are none where they would not count, since the addresses and aliases of the host are not secure.
    """

    host: str
    records: TLSASet

    @property
    def isSecure(self) -> bool:
        """
        Whether there are records that DNSSEC proves, usable or not.
        """
        return self.records.exists and self.records.security is Security.SECURE


class ValidatingResolver:
    """
    Finds a resolver whose answers are validated here: the one in use if it validates, else one that validates what that answers, with the
    trust anchors of the root that are built in.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._made: tuple[IAnswerSource, NamesResolver] | None = None

    def inUse(self) -> NamesResolver:
        """
        Return the resolver for look-ups that begin now.
        """
        from twisted_ext.resolver.recursive.validating import ValidatingSource

        resolver = self._way.resolverInUse()
        source = resolver.source
        if next(behind(source, ValidatingSource), None) is not None:
            return resolver
        if self._made is None or self._made[0] is not source:
            from twisted_ext.resolver.strings.recursion import validated

            self._made = source, NamesResolver(validated(self._way.reactor, source), self._way.reactor)
        return self._made[1]


async def lookUpTLSA(source: IAnswerSource, host: str, port: int, context: QueryContext) -> TLSAFound:
    """
    Look up the records of a TCP server.

    Where the host is an alias, the records at the end of the aliases are taken if all aliases are secure, and those at the host's own name
    if there are none, or if only the first alias is secure.

    @param source: one that validates.
    @param host: a host name in ASCII without a final dot.

    @raise DNSFault: a look-up failed.
    @raise LookupFailed: the host does not exist.
    """
    name = nameFromText(host)
    secure, end = await _addressesOf(source, name, context)
    if end == name.lower():
        candidates = [host] if secure else []
    elif secure:
        candidates = [nameToText(end, final=False), host]
    else:
        alias = await lookUp(source, Question(name, CNAME), context)
        candidates = [host] if alias.security is Security.SECURE else []
    records = TLSASet(_ownerOf(host, port), False, Security.INSECURE, (), 0)
    for candidate in candidates:
        owner = _ownerOf(candidate, port)
        records = TLSASet.of(owner, await lookUp(source, Question(nameFromText(owner), TLSA), context))
        here = TLSAFound(candidate, records)
        if here.isSecure:
            return here
    return TLSAFound(host, records)


async def _addressesOf(source: IAnswerSource, name: bytes, context: QueryContext) -> tuple[bool, bytes]:
    """
    Look up the addresses of a host. One of the two look-ups may fail.

    @return: whether the answers are secure, and the folded name at the end of the host's aliases, or its own.
    """
    questions = [Question(name, rrType) for rrType in (A, AAAA)]
    looking = [lookUp(source, question, context) for question in questions]
    outcomes = await DeferredList(looking, consumeErrors=True)
    answers: list[Answer] = []
    end = name.lower()
    failure: Failure | None = None
    for question, (_, outcome) in zip(questions, outcomes, strict=True):
        # The annotation of DeferredList leaves failures out.
        given: object = outcome
        if isinstance(given, Failure):
            failure = given
            continue
        answers.append(outcome)
        if outcome.outcome is Outcome.NXDOMAIN:
            raise errorFromAnswer(question, outcome)
        end = found(question, outcome, searched=False)[1].lower()
    if not answers and failure is not None:
        failure.raiseException()
    return all(answer.security is Security.SECURE for answer in answers), end


def _ownerOf(host: str, port: int) -> str:
    return f"_{port}._tcp.{host}"


class DaneMissing(HandshakeFailed):
    """
    A server has no TLSA records by which it could be authenticated. No connection was made.
    """


@dataclass(frozen=True, slots=True)
class _Manner:
    """
    How to connect to a server.

    @ivar securing: makes the handshakes.
    @ivar clear: whether the caller accepts a connection without TLS.
    """

    securing: Securing
    clear: bool = False


@implementer(IStreamClientEndpoint)
class DaneEndpoint:
    """
    Connects to a host with TLS, and authenticates it by its TLSA records, which are looked up for each connection and validated here.

    The look-ups use the C{resolver} if it validates. What another one answers is validated by this endpoint with the trust anchors of the
    root that are built in; the AD bit of a server does not count.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        host: str,
        port: int,
        *,
        starttls: str | None = None,
        fallback: str | None = None,
        names: Iterable[str] = (),
        hello: str | None = None,
        alpn: Sequence[str] | None = None,
        trustRoots: str | None = None,
        certificate: str | None = None,
        privateKey: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """
        @param host: a fully qualified name, to which no search list applies.
        @param starttls: C{"smtp"} for mail servers: the connection begins with SMTP, and the rules of RFC 7672 apply. L{None} for TLS from
            the start.
        @param fallback: what to do if the server has no records that DNSSEC proves and that can be used: C{"none"} to fail, C{"pkix"} to
            require a certificate of an authority that the system trusts, C{"opportunistic"} to encrypt without authentication if the server
            offers that, else to send in the clear, which is for mail only (RFC 7672, section 2.2). A server whose records prove that it has
            TLS, though none can be used, is never sent anything in the clear. L{None} for C{"opportunistic"} with C{starttls}, else
            C{"none"}.
        @param names: further names for which a certificate of an authority may be: the domain whose MX record, in a secure answer, has led
            to the host (RFC 7672, section 3.2.2).
        @param hello: the client's name in its first EHLO; L{None} for its address.
        @param alpn: the ALPN protocol ids to offer, in order of preference.
        @param trustRoots: a PEM file with the authorities to trust, for records of usage 0 and 1 and for C{"pkix"}; L{None} for the
            system's.
        @param certificate: a PEM file with the client's certificate.
        @param privateKey: a PEM file with its key; L{None} if the certificate's file contains it.

        @raise CallerFault: an argument is not valid.
        """
        self._way = Way(reactor, options)
        self._resolver = ValidatingResolver(self._way)
        if literalHost(host) is not None:
            raise CallerFault(f"{host} is an address: TLSA records are at names, such as mail.example.org")
        self._host = hostIn(host)
        self._port = checkedPort(port)
        self._target = Target(self._host, self._port)
        self._address = HostnameAddress(self._host.encode(), port)
        if starttls not in (None, "smtp"):
            raise CallerFault(f"starttls: {starttls!r:.80} is not known; there is smtp")
        self._isMail = starttls is not None
        self._fallback = ("opportunistic" if self._isMail else "none") if fallback is None else fallback
        if self._fallback not in _FALLBACKS:
            raise CallerFault(f"fallback: {fallback!r:.80} is not known; there are {', '.join(_FALLBACKS)}")
        if self._fallback == "opportunistic" and not self._isMail:
            raise CallerFault("fallback: opportunistic is for mail only; write starttls=smtp as well, or fallback=pkix")
        if hello is not None and not (self._isMail and hello.isascii() and hello.isprintable() and hello and " " not in hello):
            raise CallerFault(f"hello: {hello!r:.80} is not a name for EHLO; it is a host name, and needs starttls=smtp")
        self._hello = hello or ""
        self._names = tuple([hostIn(name) for name in names])
        self._protocols = () if alpn is None else tuple([each.encode("ascii") for each in protocolsIn("alpn", alpn)])
        self._own = (certificate or "", privateKey or "")
        # Files are read now, so that an error is one of the caller's.
        certificate, key = self._own
        self._authorities = TLSTerms(self._host, ca=trustRoots or "", certificate=certificate, key=key).authorities

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, protocolFactory: IProtocolFactory) -> IProtocol:
        try:
            resolver = self._resolver.inUse()
            found = await lookUpTLSA(resolver.source, self._host, self._port, resolver.contextFor(self._way.lookupTimeout))
        except DNSFault as fault:
            raise errorFromFault(fault, Question(nameFromText(self._host), TLSA)) from fault
        except CancelledError:
            raise newCancellation(self._address) from None
        manner = self._manner(found)
        try:
            return await self._reach(protocolFactory, manner.securing)
        except TargetsFailed as failed:
            if not (manner.clear and any(isinstance(attempt.error, HandshakeFailed) for attempt in failed.attempts)):
                raise
            _log.info("{host} has no working TLS, and gets mail in the clear: {why}", host=self._host, why=failed)
        return await self._reach(protocolFactory, None)

    def _reach(self, protocolFactory: IProtocolFactory, securing: Securing | None) -> Deferred[IProtocol]:
        return self._way.connect(self._address, lambda *_: succeed([self._target]), protocolFactory, securing)

    def _manner(self, found: TLSAFound) -> _Manner:
        """
        Decide how to connect.

        @raise TargetsFailed: the server must not be used.
        """
        usable = self._usable(found)
        if usable:
            dane = Dane(found.host, self._port, names=(self._host, *self._names))
            dane.records = usable
            return _Manner(self._authenticating(self._terms(found.host, dane)))
        if self._fallback == "pkix":
            return _Manner(self._authenticating(self._terms(self._host, None)))
        if self._fallback == "none":
            problem = found.records.problem or f"no TLSA record of {found.records.owner} is for mail servers: usages 2 and 3 are"
            missing = DaneMissing(f"it cannot be authenticated by DANE: {problem}")
            raise TargetsFailed(str(self._target), [Attempt(self._target, "", missing)])
        return _Manner(partial(self._startTLS, self._any, found.isSecure), clear=not found.isSecure)

    def _usable(self, found: TLSAFound) -> tuple[TLSARecord, ...]:
        if not found.isSecure:
            return ()
        usable = found.records.usable
        return tuple([each for each in usable if each.usage in _MAIL_USAGES]) if self._isMail else usable

    def _terms(self, host: str, dane: Dane | None) -> TLSTerms:
        certificate, key = self._own
        terms = TLSTerms(host, dane=dane, certificate=certificate, key=key, protocols=self._protocols)
        # Shared, since those of the system are a long file.
        terms.authorities = self._authorities
        return terms

    def _authenticating(self, terms: TLSTerms) -> Securing:
        def checked(address: str, port: int) -> Checked:
            return terms.handshake(Server(address, port), self._way.reactor.seconds)

        return partial(self._startTLS, checked, True) if self._isMail else partial(_handshake, checked)

    def _any(self, address: str, port: int) -> Checked:
        return AnyServer(self._host)

    def _startTLS(
        self,
        checked: Callable[[str, int], Checked],
        required: bool,
        reactor: IReactorTime,
        building: RecordingFactory,
        timeout: float,
        address: str,
        port: int,
    ) -> StartTLSHandshake:
        return StartTLSHandshake(reactor, building, timeout, checked(address, port), required, self._hello)

    def __repr__(self) -> str:
        return f"<DaneEndpoint {self._target}>"


def _handshake(
    checked: Callable[[str, int], Checked], reactor: IReactorTime, building: RecordingFactory, timeout: float, address: str, port: int
) -> CheckedHandshake:
    return CheckedHandshake(reactor, building, timeout, checked(address, port))
