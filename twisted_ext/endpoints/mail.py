"""
Connect to the mail servers of a domain, by the rules of RFC 7672.
"""

from __future__ import annotations

from typing import Final, Unpack

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from zope.interface import implementer

from twisted_ext.answers import Outcome, Security
from twisted_ext.compat.conversion.errors import LookupFailed, errorFromAnswer, errorFromFault
from twisted_ext.compat.lookups.follow import chanceOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target, checkedPort, hostIn
from twisted_ext.discovery.weights import SMTP, ShufflingSource, mailTargets
from twisted_ext.endpoints.dane import DaneEndpoint, DaneMissing, ValidatingResolver
from twisted_ext.endpoints.happyeyeballs import Attempt, Options, TargetsFailed, Way, newCancellation
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.types.names import MX
from twisted_ext.wire.rrtypes import MX as MX_TYPE

__all__ = ["MailEndpoint"]


@implementer(IStreamClientEndpoint)
class MailEndpoint:
    """
    Connects to the first mail server of a domain that accepts the connection. The servers are those of its MX records, which are looked up
    for each connection, or the domain itself without these (RFC 5321, section 5.1). Each is connected to as L{DaneEndpoint} does with
    C{starttls="smtp"}; the domain is one of the names for which its certificate may be if DNSSEC proves the MX records.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        domain: str,
        port: int = SMTP,
        *,
        fallback: str | None = None,
        hello: str | None = None,
        trustRoots: str | None = None,
        certificate: str | None = None,
        privateKey: str | None = None,
        rng: ShufflingSource | None = None,
        **options: Unpack[Options],
    ) -> None:
        """
        @param domain: what is behind the @ of a mail address.
        @param fallback: as for L{DaneEndpoint}, for each server. With C{"none"} the MX records have to be secure too.
        @param hello: as for L{DaneEndpoint}, as are C{trustRoots}, C{certificate} and C{privateKey}.
        @param rng: the source of randomness for servers of equal preference, such as a L{random.Random}.

        @raise CallerFault: an argument is not valid.
        """
        self._domain = hostIn(domain)
        self._address = HostnameAddress(self._domain.encode(), checkedPort(port))
        self._rng = chanceOf(rng)
        self._way = Way(reactor, options)
        self._resolver = ValidatingResolver(self._way)
        self._isStrict = fallback == "none"

        def endpointFor(host: str, names: tuple[str, ...], resolver: object) -> DaneEndpoint:
            shared: Options = {**options}
            shared["resolver"] = resolver
            return DaneEndpoint(
                reactor,
                host,
                port,
                starttls="smtp",
                fallback=fallback,
                names=names,
                hello=hello,
                trustRoots=trustRoots,
                certificate=certificate,
                privateKey=privateKey,
                **shared,
            )

        self._endpointFor: Final = endpointFor
        # An invalid argument is an error of the caller's now.
        endpointFor(self._domain, (), None)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, protocolFactory: IProtocolFactory) -> IProtocol:
        resolver = self._resolver.inUse()
        question = Question(nameFromText(self._domain), MX_TYPE)
        try:
            targets, isSecure = await self._targets(resolver, question)
        except DNSFault as fault:
            raise errorFromFault(fault, question) from fault
        except CancelledError:
            raise newCancellation(self._address) from None
        names = (self._domain,) if isSecure else ()
        attempts: list[Attempt] = []
        for target in targets:
            try:
                return await self._endpointFor(target.host, names, resolver).connect(protocolFactory)
            except TargetsFailed as failed:
                attempts += failed.attempts
            except LookupFailed as failed:
                attempts.append(Attempt(target, "", failed))
        raise TargetsFailed(f"mail of {self._domain}", attempts)

    async def _targets(self, resolver: NamesResolver, question: Question) -> tuple[list[Target], bool]:
        """
        @return: the servers in the order in which to try them, and whether DNSSEC proves that they are the domain's.
        """
        answer = await lookUp(resolver.source, question, resolver.contextFor(self._way.lookupTimeout))
        if answer.outcome is Outcome.NXDOMAIN:
            raise errorFromAnswer(question, answer)
        isSecure = answer.security is Security.SECURE
        if self._isStrict and not isSecure:
            missing = DaneMissing(f"its MX records are {answer.security.value}: DNSSEC has to prove them")
            raise TargetsFailed(f"mail of {self._domain}", [Attempt(Target(self._domain, self._address.port), "", missing)])
        records = [MX.fromWire(rdata) for rrset in answer.answer if rrset.rrType == MX_TYPE for rdata in rrset.rdatas]
        targets = mailTargets(self._domain, records, self._rng)
        return [Target(each.host, self._address.port, each.priority) for each in targets], isSecure

    def __repr__(self) -> str:
        return f"<MailEndpoint {self._domain}>"
