"""
Find out what a server can do, by queries over each of its transports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_bytes
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults

from twisted_ext.apps.cli.query.args import QueryOptions
from twisted_ext.apps.cli.query.direct import DirectSource, Exchange
from twisted_ext.apps.cli.query.session import sessionBehind
from twisted_ext.apps.cli.terminal.encryption import reasonOf
from twisted_ext.apps.cli.upstream.findings import Features, ServerFindings, TransportFindings, learn
from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.transport.tls.terms import DOT
from twisted_ext.wire.message import Question
from twisted_ext.wire.options import Cookie
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.cli.upstream.targets import Target

__all__ = ["Probe", "mixedCase"]

#: ALPN by the transports over TLS and TCP.
_PROTOCOLS: Final = {"tls": (DOT,), "https": (b"h2",)}


def mixedCase(name: bytes) -> bytes:
    """
    Return a name in which every other letter is a capital one.
    """
    return bytes([octet ^ 0x20 if index % 2 and chr(octet).isalpha() and octet > 63 else octet for index, octet in enumerate(name.lower())])


@dataclass(slots=True)
class Probe:
    """
    How to look at servers.

    @ivar name: what to ask for, in wire form: its SOA record.
    @ivar count: queries over each transport whose time is measured.
    @ivar seconds: how long to wait for each reply.
    @ivar progress: called with what is done at the moment.
    """

    reactor: IReactorTime
    name: bytes
    count: int
    seconds: float
    progress: Callable[[str], object] = lambda text: None

    async def server(self, host: str, name: str, targets: list[Target]) -> ServerFindings:
        """
        Try all transports of one server.

        @param name: the host name to ask for in handshakes, or C{""}.
        """
        label = targets[0].server.address
        found = [TransportFindings(each) for each in targets]
        features = Features()
        question = Question(mixedCase(self.name), SOA)
        works = [_Transport(self, each, question, features) for each in found]
        try:
            left = len(works)
            self.progress(f"{host}: connecting over {', '.join([each.target.title for each in found])}")

            async def begin(work: _Transport) -> None:
                nonlocal left
                await work.begin(name)
                left -= 1
                self.progress(f"{host}: {len(works) - left} of {len(works)} transports tried")

            await gatherResults([Deferred.fromCoroutine(begin(work)) for work in works], consumeErrors=True)
            # One after the other, so that they do not slow each other down.
            for work in works:
                if not work.findings.problem:
                    self.progress(f"{host}: measuring {work.findings.target.title}")
                    await work.measure()
            await self._features(works, features)
        finally:
            for work in works:
                await work.close()
        return ServerFindings(host, label, found, features, f"{Question(self.name, SOA)}")

    async def _features(self, works: list[_Transport], features: Features) -> None:
        """
        Ask for signatures over the first transport that answers, and for a cookie over one that is not encrypted.
        """
        answering = [work for work in works if not work.findings.problem]
        plain = [work for work in answering if not work.findings.target.encrypted]
        self.progress("asking for signatures and a cookie")
        # A reply that is lost leaves the feature unknown.
        with suppress(DNSFault):
            if answering:
                await answering[0].ask(dnssec=True)
        with suppress(DNSFault):
            if plain:
                await plain[0].ask(cookie=token_bytes(8))


def _versionsOf(target: Target) -> Sequence[str]:
    """
    Return the versions of TLS to try.
    """
    if target.transport not in _PROTOCOLS:
        return ()
    from twisted_ext.apps.cli.upstream.handshake import VERSIONS

    return list(VERSIONS)


class _Transport:
    """
    One transport under examination.
    """

    def __init__(self, probe: Probe, findings: TransportFindings, question: Question, features: Features) -> None:
        self.findings = findings
        self._probe = probe
        self._question = question
        self._features = features
        self._source: ForwardingSource | None = None

    async def begin(self, name: str) -> None:
        """
        Connect, and send the first query.
        """
        findings = self.findings
        target = findings.target
        try:
            source = sourceFromString(self._probe.reactor, target.description)
        except CallerFault as fault:
            findings.problem = reasonOf(fault)
            return
        assert isinstance(source, ForwardingSource)
        self._source = source
        shaking = [Deferred.fromCoroutine(self._shake(name, version)) for version in _versionsOf(target)]
        try:
            await self.ask()
        except DNSFault as fault:
            findings.problem = fault.cause or str(fault)
        await gatherResults(shaking)
        session = sessionBehind(source, target.kind, target.server.label)
        if session is not None:
            findings.session, findings.authenticated = session
            # That of QUIC is known from here alone.
            findings.certificate = findings.certificate or findings.session.certificate

    async def _shake(self, name: str, version: str) -> None:
        """
        Find out whether the server speaks a version of TLS, and which certificate it shows.
        """
        from twisted_ext.apps.cli.upstream.handshake import shakeHands

        findings = self.findings
        probe = self._probe
        server, protocols = findings.target.server, _PROTOCOLS[findings.target.transport]
        # The first query meets the same error, and reports it better.
        with suppress(DNSFault):
            shaken = await shakeHands(probe.reactor, server, version, name=name, protocols=protocols, seconds=probe.seconds)
            findings.versions[version] = shaken.cipher
            findings.protocol = findings.protocol or shaken.protocol
            findings.certificate = findings.certificate or shaken.certificate

    async def measure(self) -> None:
        """
        Measure the time of queries on one connection, then of one on a new connection, which may continue the session. A lost reply is left
        out.
        """
        findings = self.findings
        target = findings.target
        source = self._source
        assert source is not None
        for _ in range(self._probe.count):
            with suppress(DNSFault):
                findings.seconds.append((await self.ask()).seconds)
        if target.transport == "udp":
            return
        await source.upstreams[0].stream.close()
        with suppress(DNSFault):
            findings.reconnected = (await self.ask()).seconds
            session = sessionBehind(source, target.kind, target.server.label)
            findings.resumed = None if session is None else session.details.resumed

    async def ask(self, *, dnssec: bool = False, cookie: bytes = b"") -> Exchange:
        """
        Send a query, and note what the reply shows.

        @raise DNSFault: there is no reply.
        """
        findings = self.findings
        source = self._source
        assert source is not None
        server = findings.target.server
        options = QueryOptions()
        options.tries, options.seconds = 1, self._probe.seconds
        options.flags["dnssec"] = dnssec
        if cookie:
            options.ednsOptions.append((Cookie.code, cookie))
        exchanges = {} if findings.target.transport == "udp" else {server: source.upstreams[0].stream}
        direct = DirectSource(self._probe.reactor, [server], options, encrypted=exchanges)
        exchange = await direct.exchange(self._question, [server])
        findings.heard(exchange.reply)
        learn(self._features, exchange.query, exchange.reply)
        return exchange

    async def close(self) -> None:
        if self._source is not None:
            await self._source.close()

