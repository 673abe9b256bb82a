"""
Attack 35: bogus data that reaches a client all the same: as a stale answer, by CD, or rewritten; and denials that hide a configured zone
(CVE-2026-55717, -56444, -50243 and -44687).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase
from tests.networks import textsOf
from tests.server.sources.test_recursor import RecursingCase
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.cache import variants
from twisted_ext.errors import DNSFault, ServerFailed, TrustFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching import cached
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.service import ServerService
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import AD, Rcode
from twisted_ext.wire.message import Message

#: Faults that make what was secure bogus.
FAULTS: Final = (Fault.EXPIRED, Fault.LIES, Fault.MISSING_SIGNATURE, Fault.NO_KEYS, Fault.DENIES)


class StaleTests(ValidatedTestCase):
    """
    Tests with answers that were secure, have expired, and whose successors are bogus.
    """

    def expired(self, fault: Fault) -> Resolver:
        """
        Return a resolver with such an answer.
        """
        self.beginAnew()
        self.evil("www 300 A 192.0.2.66\nmail 300 A 192.0.2.67")
        resolver = self.ending(Resolver(self.internet, stale=86_400))
        self.assertIs(resolver.look("www.evil.test").security, Security.SECURE)
        self.internet.advance(4000)
        self.internet.inject(fault, "evil.test")
        return resolver

    def test_bogusIsNotHidden(self) -> None:
        """
        A stale answer does not take the place of a bogus one, neither at once nor later, for any client.
        """
        for fault in FAULTS:
            resolver = self.expired(fault)
            for seconds, dnssecOk in product((0, 1, 10, 40, 4000), (True, False)):
                self.internet.advance(seconds)
                with self.assertRaises(TrustFault) as caught:
                    resolver.look("www.evil.test", dnssecOk=dnssecOk)
                self.assertTrue(caught.exception.ede)

    def test_withoutTheRuleBogusIsHidden(self) -> None:
        """
        If bogus answers counted as other failures of servers, the stale one would be given.
        """
        resolver = self.expired(Fault.EXPIRED)
        with patch.object(cached, "PeerFault", DNSFault), patch.object(cached, "TrustFault", ()):
            self.assertEqual(textsOf(resolver.look("www.evil.test"))[:1], ["192.0.2.66"])

    def test_slowBogusAnswerEndsTheStaleOne(self) -> None:
        """
        If it takes longer to find out than a client waits, the client gets the stale answer once, and no client afterwards.
        """
        resolver = self.slow()
        for _ in range(3):
            self.assertIsInstance(resolver.fault("www.evil.test"), TrustFault)
            self.internet.advance(40)

    def test_withoutTheRuleItIsGivenAgain(self) -> None:
        """
        If the stale answer was kept, it would be given again.
        """
        with patch.object(cached, "TrustFault", ()):
            resolver = self.slow()
        self.assertEqual(textsOf(resolver.look("www.evil.test"))[:1], ["192.0.2.66"])

    def slow(self) -> Resolver:
        """
        Return a resolver that has given a stale answer, because it took long to find out that the fresh one is bogus.
        """
        resolver = self.expired(Fault.EXPIRED)
        for server in self.internet.zones[b"\x04evil\x04test\x00"].servers:
            server.delay = 0.5
        self.assertEqual(textsOf(resolver.look("www.evil.test"))[:1], ["192.0.2.66"])
        self.internet.advance(10)
        return resolver

    def test_deadServersLeadToStaleAnswers(self) -> None:
        """
        The stale answer is given where servers only do not reply.
        """
        resolver = self.expired(Fault.DEAD)
        self.assertEqual(textsOf(resolver.look("www.evil.test"))[:1], ["192.0.2.66"])


class CheckingDisabledTests(ValidatedTestCase):
    """
    Tests with clients that set CD, and get what is bogus.
    """

    def looks(self, resolver: Resolver) -> Iterator[tuple[bool, Answer | None]]:
        """
        Look up a bogus name with all flags in turn.

        @return: whether CD was set, and the answer, if any.
        """
        for checkingDisabled, dnssecOk in product((True, False, True, False), (True, False)):
            try:
                yield checkingDisabled, resolver.look("www.evil.test", checkingDisabled=checkingDisabled, dnssecOk=dnssecOk)
            except TrustFault:
                yield checkingDisabled, None

    def test_othersDoNotGetIt(self) -> None:
        """
        Others do not get it from the cache, with whatever flags and in whatever order. It is never marked as secure.
        """
        self.evil()
        self.internet.inject(Fault.LIES, "evil.test")
        for checkingDisabled, answer in self.looks(self.resolver()):
            self.assertEqual(answer is not None, checkingDisabled)
            if answer is not None:
                self.assertIsNot(answer.security, Security.SECURE)

    def test_ifFlagsWereEqualTheyWould(self) -> None:
        """
        If answers to CD served other queries, they would get it.
        """
        self.evil()
        self.internet.inject(Fault.LIES, "evil.test")
        with patch.object(variants, "_APART", 0):
            variants._kinOf.cache_clear()
            self.addCleanup(variants._kinOf.cache_clear)
            found = [answer for checkingDisabled, answer in self.looks(self.resolver()) if not checkingDisabled]
        self.assertNotIn(None, found)

    def test_secureAnswersStaySecure(self) -> None:
        """
        After a client with CD, others get the proof, not the answer without it.
        """
        self.evil()
        resolver = self.resolver()
        for checkingDisabled in (True, False, True):
            answer = resolver.look("www.evil.test", checkingDisabled=checkingDisabled)
            self.assertEqual(answer.security is Security.SECURE, not checkingDisabled)


class WireTests(RecursingCase):
    """
    Tests with the octets that clients get.
    """

    def test_clientsGetAFailureThatSaysWhy(self) -> None:
        """
        Bogus is SERVFAIL with an extended error and without records, secure has AD for clients that know it, insecure does not. With CD, a
        client gets the records, without AD. All of that is the same again when the answers are cached.
        """
        server = self.internet.reactor()
        address = server.addresses[0]
        service = ServerService(server, self.settings(allow=["any"]), [Bound(address, 53)], bytes(16))
        service.startService()
        client = ForwardingSource(self.here, [Server(address)])
        for name, secure in (("www.good.example", True), ("www.plain.example", False), ("www.bad.example", None)):
            for checkingDisabled, dnssecOk in [*product((False, True), repeat=2)] * 2:
                context = QueryContext(self.here.seconds() + 10, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled)
                looked = lookUp(client, questionOf(name), context)
                if secure is None and not checkingDisabled:
                    with self.assertRaises(ServerFailed) as caught:
                        self.internet.wait(looked)
                    self.assertEqual((caught.exception.rcode, caught.exception.ede[0][0]), (Rcode.SERVFAIL, 7))
                    reply = caught.exception.reply
                    assert isinstance(reply, Message)
                    self.assertEqual((reply.answer, reply.flags & AD), ((), 0))
                else:
                    answer = self.internet.wait(looked)
                    self.assertEqual(answer.rcode, 0)
                    self.assertEqual(bool(answer.flags & AD), bool(secure) and dnssecOk and not checkingDisabled)
        closing = [client.close(), service.stopService()]
        self.internet.advance(1)
        for each in closing:
            self.successResultOf(each)


class RewritingTests(RecursingCase):
    """
    Tests with a whole server.
    """

    def test_bogusIsNotRewritten(self) -> None:
        """
        Rules about the contents of answers do not make an answer of what is bogus.
        """
        self.internet.zones[b"\x03bad\x07example\x00"].add("inside 300 A 10.0.0.1", "away 300 CNAME www.good.example.")
        stack = self.stack(stopRebinding=True)
        for name in ("www.bad.example", "inside.bad.example", "away.bad.example", "no.bad.example"):
            with self.assertRaises(TrustFault) as caught:
                self.look(stack, name)
            self.assertEqual(caught.exception.ede[0][0], 7)

    def test_rulesHoldForUncheckedData(self) -> None:
        """
        With CD the rules apply as to other answers.
        """
        self.internet.zones[b"\x03bad\x07example\x00"].add("inside 300 A 10.0.0.1")
        stack = self.stack(stopRebinding=True)
        with self.assertRaises(DNSFault):
            self.look(stack, "inside.bad.example", checkingDisabled=True)

    def shadowed(self, apart: bool) -> Outcome:
        """
        Look up a name that only configured servers have, after the root's proof that nothing of it exists.

        @param apart: whether the cache knows that these servers are configured.
        """
        server = self.internet.zone("other.example", "", servers=["ns.private.example"]).servers[0]
        address = next(each for each in server.addresses if ":" not in each)
        self.internet.zone("corp.internal-net", "www 300 A 192.0.2.90", servers=["ns.private.example"])
        self.internet.delegate("internal-net", None)
        stack = self.stack(stub=[f"corp.internal-net={address}"])
        if not apart:
            stack.caching.store.apart = frozenset()
        for name in ("internal-net", "x.internal-net", "no.corp.internal-net"):
            self.assertIs(self.look(stack, name).outcome, Outcome.NXDOMAIN)
        asked = len(self.internet.exchanges)
        outcome = self.look(stack, "www.corp.internal-net").outcome
        if outcome is Outcome.DATA:
            self.assertEqual(len(self.internet.exchanges), asked + 1)
        # Other names are denied by the cache.
        asked = len(self.internet.exchanges)
        self.assertIs(self.look(stack, "www.corq.internal-net").outcome, Outcome.NXDOMAIN)
        self.assertEqual(len(self.internet.exchanges), asked)
        return outcome

    def test_denialDoesNotHideConfiguredZones(self) -> None:
        """
        A proof that a name does not exist does not deny a zone below it whose servers are configured, and denies all else there.
        """
        self.assertIs(self.shadowed(True), Outcome.DATA)

    def test_withoutTheRuleTheZoneIsHidden(self) -> None:
        """
        With the rule off, the zone is not found any more.
        """
        self.assertIs(self.shadowed(False), Outcome.NXDOMAIN)
