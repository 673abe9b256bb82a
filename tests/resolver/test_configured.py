"""
Tests of L{twisted_ext.resolver.system.configured.ConfiguredSource}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import answered, question, wishes
from tests.resolver.told import Told, addresses
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system.configured import ConfiguredSource
from twisted_ext.resolver.system.resolvconf import SystemConfiguration
from twisted_ext.testing.sources import atHand


class ConfiguredTests(SynchronousTestCase):
    """
    Tests for L{ConfiguredSource}.
    """

    def ask(
        self, text: str, rrType: str = "A", context: QueryContext | None = None
    ) -> tuple[Answer | DNSFault, list[QueryContext]]:
        """
        Return the result and the contexts that the servers got.
        """
        inner = Told({"www.example A": "192.0.2.1"}, otherwise=ServerFailed("no"))
        source = ConfiguredSource(inner, SystemConfiguration.parse(text.encode()))
        verifyObject(IAnswerSource, source)
        self.assertEqual(source.sources(), (inner,))
        results: list[Answer | DNSFault] = []
        asking = lookUp(source, question("www.example", rrType), context or wishes())
        asking.addCallbacks(results.append, lambda failure: results.append(failure.value))
        now = atHand(source, question("www.example", rrType), wishes())
        if now is not None:
            assert isinstance(results[0], Answer)
            self.assertEqual((now.outcome, now.answer), (results[0].outcome, results[0].answer))
        source.close()
        self.assertEqual(inner.closed, 1)
        return results[0], inner.contexts

    def test_defaultsLeaveTheContext(self) -> None:
        """
        The context is passed on unchanged if nothing is configured.
        """
        context = wishes()
        _, contexts = self.ask("nameserver 192.0.2.1\n", context=context)
        self.assertIs(contexts[0], context)

    def test_timeoutAndAttemptsBecomeWaits(self) -> None:
        """
        The configured timeout and attempts become the waits for each server. Waits of the caller take precedence.
        """
        text = "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:2 attempts:3\n"
        _, contexts = self.ask(text)
        self.assertEqual(contexts[0].waits, (2.0,) * 6)
        _, contexts = self.ask(text, context=QueryContext(9.0, waits=(0.5,)))
        self.assertEqual(contexts[0].waits, (0.5,))

    def test_sortlistOrdersAddresses(self) -> None:
        """
        IPv4 addresses are ordered by the sort list, and the others follow in their order. The shared answer is not modified.
        """
        inner = Told({"www.example A": "192.0.2.1"})
        found = answered("www.example. 60 IN A 192.0.2.1|198.51.100.2|203.0.113.3|198.51.100.1|192.0.2.2")
        alias = answered("alias.example. 60 IN CNAME www.example.", "www.example. 60 IN A 192.0.2.1|203.0.113.3")
        self.patch(inner, "_say", lambda question: alias if question.name.startswith(b"\x05alias") else found)
        for text, expected in (
            (
                "sortlist 203.0.113.0/24 198.51.100.0/255.255.255.0\n",
                ["203.0.113.3", "198.51.100.2", "198.51.100.1", "192.0.2.1", "192.0.2.2"],
            ),
            ("sortlist 192.0.2.2/32\n", ["192.0.2.2", "192.0.2.1", "198.51.100.2", "203.0.113.3", "198.51.100.1"]),
            ("sortlist 10.0.0.0\n", ["192.0.2.1", "198.51.100.2", "203.0.113.3", "198.51.100.1", "192.0.2.2"]),
        ):
            source = ConfiguredSource(inner, SystemConfiguration.parse(text.encode()))
            answer = self.successResultOf(lookUp(source, question("www.example"), wishes()))
            self.assertEqual(addresses(answer), expected)
            self.assertEqual(addresses(found)[0], "192.0.2.1")
        source = ConfiguredSource(inner, SystemConfiguration.parse(b"sortlist 203.0.113.0/24\n"))
        answer = self.successResultOf(lookUp(source, question("alias.example"), wishes()))
        self.assertEqual([len(rrset.rdatas) for rrset in answer.answer], [1, 2])
        self.assertEqual(answer.answer[1].rdatas[0], b"\xcb\x00\x71\x03")

    def test_trustADAsksForAD(self) -> None:
        """
        The AD bit is requested from trusted servers.
        """
        context = QueryContext(9.0, checkingDisabled=True, single=True)
        context.flight = object()
        _, contexts = self.ask("options trust-ad\n", context=context)
        self.assertTrue(contexts[0].authenticData)
        # The rest of the context is unchanged and belongs to the same shared look-up.
        self.assertEqual((contexts[0].single, contexts[0].flight), (True, context.flight))
        self.assertEqual(contexts[0].variant, QueryContext(9.0, checkingDisabled=True, authenticData=True).variant)

    def test_noAAAAIsObeyed(self) -> None:
        """
        No IPv6 address is looked up if C{no-aaaa} is set.
        """
        answer, contexts = self.ask("options no-aaaa\n", "AAAA")
        assert isinstance(answer, Answer)
        self.assertEqual((answer.outcome, contexts), (Outcome.NODATA, []))
        answer, contexts = self.ask("options no-aaaa\n", "A")
        self.assertEqual(len(contexts), 1)
