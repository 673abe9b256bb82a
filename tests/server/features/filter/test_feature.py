"""
A server that leaves out the addresses of one family.
"""

from __future__ import annotations

from tests.networks import textsOf
from tests.server.sources.test_recursor import RecursingCase
from tests.server.sources.test_sources import StackCase
from twisted_ext.answers import Outcome, Security
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.policy.typefilter import TypeFilter


class FilterTests(StackCase):
    def test_filterAppliesToUpstreams(self) -> None:
        """
        The filter removes addresses from answers of upstreams, cached ones as well, and leaves those that are known here.
        """
        canned, server = self.serve()
        for family, rrType, setting, known in (("six", "AAAA", "filterAaaa", "2001:db8::1"), ("four", "A", "filterA", "192.0.2.9")):
            canned.set(f"{family}.test.example", rrType, known)
            plain = self.stack(upstream=server.label)
            self.assertEqual(self.find(plain, f"{family}.test.example", rrType), [known])
            self.assertEqual(list(behind(plain, TypeFilter)), [])
            hosts = self.file(f"{known} nas.lan\n")
            stack = self.stack(None, upstream=server.label, local=[f"own.lan {rrType} {known}"], hostsFile=hosts, **{setting: True})
            for _ in range(2):
                asked = self.ask(stack, f"{family}.test.example", rrType)
                self.network.advance(6)
                answer = self.successResultOf(asked)
                self.assertEqual((answer.outcome, answer.ede), (Outcome.NODATA, ((17, ""),)))
            self.assertEqual((self.find(stack, "own.lan", rrType), self.find(stack, "nas.lan", rrType)), ([known], [known]))
            self.assertIn(f"filter: no {rrType} records from upstreams", stack.path())


class ValidatedFilterTests(RecursingCase):
    def test_filteredAnswersAreNotSecure(self) -> None:
        """
        What is left of a signed answer is not said to be secure, and is found for those who ask for signatures as well.
        """
        stack = self.stack(filterA=True)
        self.assertIs(self.look(self.stack(), "www.good.example").security, Security.SECURE)
        for _ in range(2):
            answer = self.look(stack, "www.good.example")
            self.assertEqual((answer.outcome, answer.security, textsOf(answer)), (Outcome.NODATA, Security.INDETERMINATE, []))

    def test_bogusIsNotFiltered(self) -> None:
        """
        A bogus answer is an error and no answer without data, with the filter as without it.
        """
        self.assertIs(self.security(self.stack(filterA=True), "www.bad.example"), Security.BOGUS)
