"""
A server that denies names by what their answers have.
"""

from __future__ import annotations

from tests.server.sources.test_sources import StackCase
from twisted_ext.answers import Outcome


class DenyAnswersTests(StackCase):
    def test_upstreamsAreDenied(self) -> None:
        """
        Answers of upstreams are denied, cached ones as well; those that are known here are not, nor those that the cache has for others. No
        IPv6 address is made of a denied one.
        """
        canned, server = self.serve()
        canned.set("lost.test.example", "A", "198.51.100.7")
        canned.set("lost.test.example", "AAAA", [])
        local, prefix = ["own.lan A 198.51.100.7"], ["2001:db8::/96"]
        stack = self.stack(
            upstream=server.label, local=local, dns64=prefix, denyAnswerAddresses=["198.51.100.0/24"], denyAnswerAliases=["search.test"]
        )
        for _ in range(2):
            asked = self.ask(stack, "lost.test.example")
            self.network.advance(6)
            answer = self.successResultOf(asked)
            self.assertEqual((answer.outcome, answer.rcode), (Outcome.NXDOMAIN, 3))
            assert answer.origin is not None
            self.assertEqual(answer.origin.server, "deny-answer-addresses 198.51.100.0/24")
            self.assertEqual(self.find(stack, "lost.test.example", "AAAA"), [])
        self.assertEqual(self.find(stack, "own.lan"), ["198.51.100.7"])
        said = "deny-answer: no names with addresses in 1 network, or aliases of names in 1 domain"
        self.assertIn(said, stack.path())
        self.assertNotIn("deny-answer", "".join(self.stack(upstream=server.label, denyAnswerExcept=["test"]).path()))
