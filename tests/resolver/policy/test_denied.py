"""
Tests of L{twisted_ext.resolver.policy.denied} and of the set of addresses that it uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Trace
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.addressset import AddressSet
from twisted_ext.resolver.policy.denied import DenyAnswers
from twisted_ext.testing.sources import CannedSource, questionOf, rrsetOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, DNAME, HTTPS, MX, SOA, A

WWW = nameFromText("www.example")

_NETWORKS = st.one_of(
    st.builds(
        lambda number, length: IPv4Network((number, length), strict=False), st.integers(0, (1 << 32) - 1), st.integers(0, 32)
    ),
    st.builds(
        lambda number, length: IPv6Network((number << 96, length), strict=False), st.integers(0, (1 << 32) - 1), st.integers(0, 128)
    ),
)


@given(st.lists(_NETWORKS, max_size=12), st.lists(_NETWORKS, max_size=6))
def test_theLongestNetworkIsFound(networks: list[IPv4Network | IPv6Network], others: list[IPv4Network | IPv6Network]) -> None:
    """
    For addresses in networks of the set, and for others, the longest network is found that has them, as a search through all finds.
    """
    found = AddressSet(networks)
    for each in [*networks, *others]:
        for address in (each.network_address, each.broadcast_address):
            having = [one for one in networks if address in one]
            assert found.find(address.packed) == max(having, key=lambda one: one.prefixlen, default=None)


def test_anEmptySet() -> None:
    """
    It has nothing; nor has any set what is no address.
    """
    assert not AddressSet([])
    assert AddressSet([]).find(bytes(4)) is None
    everything = AddressSet([ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert everything
    assert everything.find(bytes(5)) is None


class DenyAnswersTests(SynchronousTestCase):
    """
    Tests for L{DenyAnswers}.
    """

    def ask(
        self,
        *sets: RRSet,
        networks: Iterable[str] = ("198.51.100.0/24", "2001:db8:bad::/48"),
        domains: Iterable[str] = ("search.example",),
        excepted: Iterable[str] = (),
        name: str = "www.example",
    ) -> Answer:
        """
        Return the answer with these records, now and after a look-up.
        """
        self.before = Answer(Outcome.DATA, sets, origin=Origin("cache", "192.0.2.53:53", learned=5.0, expires=100.0))
        source = AddressSet(map(ip_network, networks)), [nameFromText(each) for each in domains], [nameFromText(each) for each in excepted]
        for now in (False, True):
            self.trace = Trace()
            inner = CannedSource(now=now, otherwise=self.before)
            found = self.successResultOf(
                lookUp(DenyAnswers(inner, *source), questionOf(name), QueryContext(5.0, trace=self.trace))
            )
        return found

    def denied(self, *sets: RRSet, rule: str, name: str = "www.example", domains: Iterable[str] = ("search.example",)) -> None:
        answer = self.ask(*sets, name=name, domains=domains)
        self.assertEqual((answer.outcome, answer.rcode, answer.answer, answer.ede), (Outcome.NXDOMAIN, 3, (), ((17, ""),)))
        (soa,) = answer.authority
        self.assertEqual((soa.rrType, soa.ttl, soa.name), (SOA, 60, nameFromText(name)))
        origin = answer.origin
        assert origin is not None
        self.assertEqual((origin.source, origin.server, origin.learned, origin.expires), ("blocked", rule, 5.0, 100.0))
        self.assertEqual([note.event for note in self.trace.notes], ["denied"])

    def test_oneListedAddressIsEnough(self) -> None:
        """
        If any address is in a listed network, the name does not exist, whatever others it has.
        """
        self.denied(rrsetOf(WWW, A, ["192.0.2.1", "198.51.100.7"]), rule="deny-answer-addresses 198.51.100.0/24")
        self.denied(rrsetOf(WWW, AAAA, "2001:db8:bad::1"), rule="deny-answer-addresses 2001:db8:bad::/48")
        for text in ("::ffff:198.51.100.7", "64:ff9b::198.51.100.7"):
            self.denied(rrsetOf(WWW, AAAA, text), rule="deny-answer-addresses 198.51.100.0/24")
        hint = rrsetOf(WWW, HTTPS, "1 . ipv4hint=192.0.2.1,198.51.100.9")
        self.denied(hint, rule="deny-answer-addresses 198.51.100.0/24")

    def test_aliases(self) -> None:
        """
        An alias, or one of many names, that leads to a listed domain from outside is denied, in any case of letters; within the domain it
        is not.
        """
        target = rrsetOf(nameFromText("a.search.example"), A, "192.0.2.1")
        self.denied(rrsetOf(WWW, CNAME, "A.Search.example."), target, rule="deny-answer-aliases search.example.")
        self.denied(rrsetOf(nameFromText("example"), DNAME, "search.example."), rule="deny-answer-aliases search.example.")
        within = rrsetOf(nameFromText("b.Search.example"), CNAME, "a.search.example.")
        self.assertIs(self.ask(within, target, name="b.search.example"), self.before)
        self.assertIs(self.ask(rrsetOf(WWW, CNAME, "research.example.")), self.before)
        # To the domain by way of another one.
        first, second = rrsetOf(WWW, CNAME, "other.test."), rrsetOf(nameFromText("other.test"), CNAME, "search.example.")
        self.denied(first, second, rule="deny-answer-aliases search.example.")

    def test_whatIsNotDenied(self) -> None:
        """
        Other addresses, records without any, and names that are excepted; the domains of an exception are those of the question.
        """
        for sets in ((rrsetOf(WWW, A, "192.0.2.1"),), (rrsetOf(WWW, MX, "1 a.search.example."),), ()):
            self.assertIs(self.ask(*sets), self.before)
        bad = rrsetOf(WWW, A, "198.51.100.7")
        for domain in ("example", "WWW.example", "."):
            self.assertIs(self.ask(bad, excepted=[domain]), self.before)
        self.assertIsNot(self.ask(bad, excepted=["ww.example", "a.www.example"]), self.before)
        alias = rrsetOf(WWW, CNAME, "in.corp.")
        self.assertIsNot(self.ask(alias, rrsetOf(nameFromText("in.corp"), A, "198.51.100.7"), excepted=["corp"]), self.before)


def test_addressesInTheirOwnForm() -> None:
    """
    An address with the prefix of IPv4-mapped addresses is found by a network of IPv6 as well.
    """
    found = AddressSet([ip_network("::ffff:0:0/96")])
    assert str(found.find(ip_address("::ffff:192.0.2.1").packed)) == "::ffff:0:0/96"
