"""
A validating resolver in a simulated internet, and the zone of an attacker in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.local.specialnames import PrivateNames
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.service import ServerService
from twisted_ext.testing.internet import Internet, InternetZone, KeyPlan, NameServer
from twisted_ext.testing.internet.seededsigner import Params, SigningKey, sign
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Craft", "Forwarded", "Resolver", "ValidatedTestCase", "boundless", "crafting", "keyOf", "record", "replyWith"]

#: Returns what a server of an attacker sends in place of a genuine reply; L{None} to send this as it is.
Craft = Callable[[Message], Message | None]

_DAY: Final = 86_400

_ENDLESS: Final = 10**9


def boundless() -> Work:
    """
    Return a budget without limits, for attacks with the defense off.
    """
    return Work(
        packets=_ENDLESS,
        octets=_ENDLESS,
        hashes=_ENDLESS,
        verifications=_ENDLESS,
        failures=_ENDLESS,
        queryHashes=_ENDLESS,
        queryVerifications=_ENDLESS,
        queryFailures=_ENDLESS,
    )


class Resolver:
    """
    A recursive resolver that validates, follows aliases and caches.

    @ivar source: the whole.
    @ivar inner: the part that resolves.
    @ivar validating: the part that validates.
    @ivar work: the work of the latest look-up.
    """

    def __init__(self, internet: Internet, *, stale: float = 0) -> None:
        self.internet = internet
        self.here = internet.reactor()
        self.work = Work()
        digests = tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()])
        anchors = ZoneAnchors(ROOT, digests, ())
        self.inner = self._resolving()
        distrust = self.inner.distrust if isinstance(self.inner, RecursiveSource) else None
        validator = Validator(lambda name, now: anchors)
        self.validating = ValidatingSource(self.inner, self.here, validator, internet.time, distrust=distrust)
        follower = AliasFollower(self.validating, Work)
        self.source = follower.targets = CachedSource(follower, self.here, stale=stale)

    def _resolving(self) -> IAnswerSource:
        return RecursiveSource(self.here, rootFromText(self.internet.hints, "hints"))

    def close(self) -> list[Deferred[None]]:
        """
        Close all sockets.
        """
        return [self.source.close()]

    @property
    def recursive(self) -> RecursiveSource:
        """
        The part that resolves, if it is recursive.
        """
        assert isinstance(self.inner, RecursiveSource)
        return self.inner

    @property
    def denials(self) -> int:
        """
        The number of sets from which denials of other names are made.
        """
        return 0 if self.validating.denials is None else self.validating.denials.count

    def look(
        self, name: str, rrType: str = "A", *, checkingDisabled: bool = False, dnssecOk: bool = True, work: Work | None = None
    ) -> Answer:
        """
        Resolve a question.

        @raise DNSFault: that fails.
        """
        self.work = Work() if work is None else work
        deadline = self.here.seconds() + 30
        context = QueryContext(deadline, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled, budget=self.work)
        return self.internet.wait(lookUp(self.source, questionOf(name, rrType), context), 35)

    def fault(self, name: str, rrType: str = "A", *, work: Work | None = None) -> DNSFault:
        """
        Return the fault with which a look-up ends.
        """
        try:
            answer = self.look(name, rrType, work=work)
        except DNSFault as fault:
            return fault
        raise AssertionError(f"{name} {rrType} is resolved, and {answer.security.value}: {answer.answer}")


class Forwarded(Resolver):
    """
    A validating resolver behind a server that resolves for others, and does not validate.

    @ivar relay: that server.
    """

    relay: ServerService

    def __init__(self, internet: Internet, hints: Path, *, stale: float = 0) -> None:
        """
        @param hints: a file with the root's servers.
        """
        self._hints = hints
        super().__init__(internet, stale=stale)

    def _resolving(self) -> IAnswerSource:
        settings = Settings.of(role="recurse", hostsFile="", rootHints=str(self._hints), validate=False, stale=0, allow=["any"])
        # This internet has names below test.
        self._knowing = patch.object(PrivateNames, "ask", lambda source, question, context: None)
        self._knowing.start()
        reactor = self.internet.reactor()
        address = reactor.addresses[0]
        self.relay = ServerService(reactor, settings, [Bound(address, 53)], bytes(16))
        self.relay.startService()
        return ForwardingSource(self.here, [Server(address)])

    def close(self) -> list[Deferred[None]]:
        """
        Close all sockets, and stop the server.
        """
        self._knowing.stop()
        return [*super().close(), self.relay.stopService()]


class ValidatedTestCase(SynchronousTestCase):
    """
    Tests with an internet in which C{example.net} is a zone of others, and C{evil.test} is for the attacker.

    @ivar internet: the internet.
    """

    def setUp(self) -> None:
        self.beginAnew()

    def beginAnew(self) -> None:
        """
        Make a new internet.
        """
        self.internet = Internet(seed=14)
        self.internet.zone("example.net", "www 300 A 192.0.2.80\nmail 300 A 192.0.2.25")

    def resolver(self, *, stale: float = 0) -> Resolver:
        """
        Return a new resolver, which has nothing open when the test ends.
        """
        return self.ending(Resolver(self.internet, stale=stale))

    def ending(self, resolver: Resolver) -> Resolver:
        """
        Close a resolver when the test ends.
        """

        def end() -> None:
            closing = resolver.close()
            self.internet.advance(1)
            for each in closing:
                self.successResultOf(each)
            self.assertEqual(resolver.here.pending(), [])

        self.addCleanup(end)
        return resolver

    def evil(
        self, records: str = "www 300 A 192.0.2.66", craft: Craft | None = None, *, nsec3: Params | bool | None = None
    ) -> SigningKey:
        """
        Add the zone of the attacker, and return its only key.

        @param craft: what its servers send.
        """
        zone = self.internet.zone("evil.test", records, signed=KeyPlan(15, combined=True), nsec3=nsec3)
        if craft is not None:
            crafting(zone.servers, craft)
        return keyOf(zone)

    def signed(self, *sets: RRSet, key: SigningKey, zone: str = "evil.test", labels: int | None = None) -> tuple[RRSet, ...]:
        """
        Return RRsets, each followed by its signature.

        @param zone: the signer.
        @param labels: a false number of labels.
        """
        now = int(self.internet.time())
        found: list[RRSet] = []
        for rrset in sets:
            found += [rrset, sign(rrset, key, nameFromText(zone), now - _DAY, now + _DAY, labels=labels)]
        return tuple(found)

    def asked(self, zone: str = "evil.test") -> list[str]:
        """
        Return the types of all queries to the servers of a zone, in order.
        """
        servers = self.internet.zones[nameFromText(zone)].servers
        return [typeName(each.query.questions[0].rrType) for each in self.internet.exchanges if each.server in servers]

    def othersResolve(self, resolver: Resolver) -> None:
        """
        Check that the zone of others is resolved as before: its names, and its denials.
        """
        for name, outcome in (("www.example.net", Outcome.DATA), ("no.example.net", Outcome.NXDOMAIN)):
            answer = resolver.look(name)
            self.assertEqual((answer.outcome, answer.security), (outcome, Security.SECURE))


def crafting(servers: Iterable[NameServer], craft: Craft) -> None:
    """
    Have servers send other replies.
    """

    def tamper(octets: bytes, transport: str) -> list[bytes]:
        made = craft(Message.fromWire(octets))
        return [octets if made is None else buildMessage(made, 1232 if transport == "udp" else 65_535)]

    for server in servers:
        server.tamper = tamper


def replyWith(reply: Message, answer: Iterable[RRSet] = (), authority: Iterable[RRSet] = (), rcode: int = 0) -> Message:
    """
    Return an authoritative reply to the same query with other records.
    """
    flags = reply.flags & ~15 | AA | rcode
    return Message(reply.id, flags, reply.questions, tuple(answer), tuple(authority), (), reply.edns)


def keyOf(zone: InternetZone) -> SigningKey:
    """
    Return the key that first signs the records of a zone.
    """
    assert zone.signing is not None
    return next(each.key for each in zone.signing.state(0.0).keys if each.signsZone)


def record(text: str) -> RRSet:
    """
    Return a record given as a line of a master file.
    """
    return recordFromText(text)
