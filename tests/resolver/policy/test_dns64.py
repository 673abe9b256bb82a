"""
Tests of L{twisted_ext.resolver.policy.dns64}.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import classImplements

from tests.networks import textsOf
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Security, Trace
from twisted_ext.errors import BadDescription, DNSFault, Refused, ServerFailed, TimedOut, TrustFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.local.specialnames import EMPTY_ZONES
from twisted_ext.resolver.policy.addressset import AddressSet
from twisted_ext.resolver.policy.dns64 import DNS64Source, NAT64Names, NAT64Prefix, Tally
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.testing.sources import CannedSource, Entry, HeldSource, questionOf, rrsetOf
from twisted_ext.wire.codes import AD
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, MX, RRSIG, SOA, A

WWW = nameFromText("www.example")
REAL = nameFromText("real.example")
ZONE = nameFromText("example")

MAPPED = AddressSet([IPv6Network("::ffff:0:0/96")])


# The examples of RFC 6052, section 2.4.
@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
    ],
)
def test_embeddedAddresses(prefix: str, address: str) -> None:
    """
    Addresses with prefixes of each length are those of the RFC, and the IPv4 address is found in them.
    """
    packed = IPv4Address("192.0.2.33").packed
    assert NAT64Prefix(prefix).embed(packed) == IPv6Address(address).packed
    assert NAT64Prefix(prefix).extract(IPv6Address(address).packed) == packed
    assert NAT64Prefix(prefix).extract(IPv6Address("2001:db9::1").packed) is None


@given(st.sampled_from((32, 40, 48, 56, 64, 96)), st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4))
def test_anyAddressIsFoundAgain(length: int, octets: bytes, address: bytes) -> None:
    """
    With any prefix, what is embedded is extracted, unless it is an address that no other host has.
    """
    prefix = NAT64Prefix(str(IPv6Network((octets[:8] + b"\0" + octets[9:], length), strict=False)))
    made = prefix.embed(address)
    if made is None:
        assert address[0] in (0, 127)
    else:
        assert IPv6Address(made) in prefix.network
        assert made[8] == 0
        assert prefix.extract(made) == address


@pytest.mark.parametrize("text", ["64:ff9b::/95", "2001:db8::/128", "192.0.2.0/24", "64:ff9b::1/96", "x"])
def test_prefixesOfNoNAT64(text: str) -> None:
    """
    Prefixes of other lengths, of IPv4, and with host bits are none.
    """
    with pytest.raises(BadDescription):
        NAT64Prefix(text)


def test_privateAddressesHaveNoAddressOfTheInternet() -> None:
    """
    The well-known prefix is for addresses of the internet; one of the network's own is for its private addresses, too.
    """
    for address in ("10.1.2.3", "192.168.1.1", "100.64.0.1", "169.254.1.1"):
        packed = IPv4Address(address).packed
        assert NAT64Prefix("64:ff9b::/96").embed(packed) is None
        assert NAT64Prefix("2001:db8::/96").embed(packed) is not None
    for address in ("127.0.0.1", "0.0.0.0"):
        assert NAT64Prefix("2001:db8::/96").embed(IPv4Address(address).packed) is None


def _soa(least: int = 300, ttl: int = 300) -> RRSet:
    return rrsetOf(ZONE, SOA, f"ns.example. admin.example. 1 2 3 4 {least}", ttl)


def _denial(*sets: RRSet, soa: RRSet | None = None, outcome: Outcome = Outcome.NODATA) -> Answer:
    origin = Origin("cache", learned=10.0, expires=100.0, age=2.0)
    return Answer(
        outcome, sets, () if soa is None else (soa,), rcode=3 if outcome is Outcome.NXDOMAIN else 0, flags=AD,
        security=Security.SECURE, origin=origin,
    )  # fmt: skip


def _data(*sets: RRSet, source: str = "cache", learned: float | None = 20.0) -> Answer:
    origin = Origin(source, "192.0.2.53:53", learned=learned, expires=90.0, age=1.0)
    return Answer(Outcome.DATA, sets, (rrsetOf(ZONE, MX, "1 a.example."),), flags=AD, security=Security.SECURE, origin=origin)


FOUR = rrsetOf(WWW, A, ["192.0.2.1", "192.0.2.2"], 900)


def _faultOf(failure: Failure) -> DNSFault:
    fault = failure.value
    assert isinstance(fault, DNSFault)
    return fault


class DNS64Tests(SynchronousTestCase):
    """
    Tests for L{DNS64Source}: each for what is at hand, and for what has to be waited for.
    """

    def answer(
        self,
        six: Entry | None,
        four: Entry | None = None,
        *,
        prefixes: tuple[str, ...] = ("64:ff9b::/96",),
        rrType: str = "AAAA",
        ignored: tuple[bytes, ...] = (),
        failing: bool = False,
        excluded: AddressSet | None = MAPPED,
        dnssecOk: bool = False,
        checkingDisabled: bool = False,
    ) -> Answer:
        """
        Return the answer for C{www.example}, or raise the fault.
        """
        entries = {key: entry for key, entry in ((("www.example", "AAAA"), six), (("www.example", "A"), four)) if entry is not None}
        found: list[Answer | DNSFault] = []
        for now in (True, False):
            self.inner = CannedSource(entries, now=now)
            self.trace = Trace()
            self.tally = Tally()
            source = DNS64Source(
                self.inner, [NAT64Prefix(text) for text in prefixes], excluded=excluded, ignored=ignored, failing=failing, tally=self.tally
            )
            context = QueryContext(5.0, trace=self.trace, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled)
            outcome = self.successResultOf(lookUp(source, questionOf("www.example", rrType), context).addErrback(_faultOf))
            found.append(outcome)
        one, other = found
        if isinstance(other, DNSFault):
            self.assertIs(type(one), type(other))
            raise other
        assert isinstance(one, Answer)
        self.assertEqual((one.outcome, one.answer, one.authority), (other.outcome, other.answer, other.authority))
        return other

    def fails(self, fault: DNSFault, six: Entry, four: Entry | None, *, failing: bool = False) -> None:
        with self.assertRaises(type(fault)) as caught:
            self.answer(six, four, failing=failing)
        self.assertIs(caught.exception, fault)

    def test_addressesAreMade(self) -> None:
        """
        A name without IPv6 addresses has those of its IPv4 addresses, with each prefix. They are said to be made; of the two TTLs, and the
        times at which the two answers end, the earlier ones count.
        """
        answer = self.answer(_denial(soa=_soa()), _data(FOUR))
        self.assertEqual((answer.outcome, textsOf(answer)), (Outcome.DATA, ["64:ff9b::c000:201", "64:ff9b::c000:202"]))
        self.assertEqual((answer.answer[0].name, answer.answer[0].ttl), (WWW, 300))
        self.assertEqual((answer.authority, answer.additional, answer.ede), ((), (), ((29, "DNS64"),)))
        origin = answer.origin
        assert origin is not None
        self.assertEqual((origin.source, origin.learned, origin.age, origin.expires), ("cache", 20.0, 1.0, 90.0))
        self.assertEqual([note.source for note in self.trace.notes], ["dns64"])
        self.assertEqual(self.tally.made, 1)
        two = self.answer(_denial(), _data(FOUR), prefixes=("64:ff9b::/96", "2001:db8:1::/96"))
        self.assertEqual(textsOf(two)[1::2], ["2001:db8:1::c000:201", "2001:db8:1::c000:202"])

    def test_whatBothProveIsSecure(self) -> None:
        """
        An answer is secure if it is proved that there are no IPv6 addresses, and that there are IPv4 addresses.
        """
        for six, four in product((True, False), (True, False)):
            denial, data = _denial(), _data(FOUR)
            for each, isSecure in ((denial, six), (data, four)):
                if not isSecure:
                    each.security, each.flags = Security.INSECURE, 0
            answer = self.answer(denial, data)
            wanted = (Security.SECURE, AD) if six and four else (Security.INDETERMINATE, 0)
            self.assertEqual((answer.security, answer.flags & AD), wanted)

    def test_timesToKeep(self) -> None:
        """
        They are kept as long as it is known that there are no others, ten minutes if that is not said.
        """
        self.assertEqual(self.answer(_denial(soa=_soa(60, 3600)), _data(FOUR)).answer[0].ttl, 60)
        self.assertEqual(self.answer(_denial(soa=_soa(3600, 50)), _data(FOUR)).answer[0].ttl, 50)
        self.assertEqual(self.answer(_denial(), _data(FOUR)).answer[0].ttl, 600)
        self.assertEqual(self.answer(_denial(), _data(rrsetOf(WWW, A, "192.0.2.1", 30))).answer[0].ttl, 30)

    def test_originsOfTwoAnswers(self) -> None:
        """
        If one of the two is not from a cache, neither is what is made; if it is not known when one ends, nobody keeps it.
        """
        sources = (("udp", "cache", "udp"), ("cache", "udp", "udp"), ("stale", "cache", "stale"), ("cache", "stale", "stale"))
        for six, four, source in sources:
            denial = _denial()
            assert denial.origin is not None
            denial.origin.source = six
            origin = self.answer(denial, _data(FOUR, source=four)).origin
            assert origin is not None
            self.assertEqual(origin.source, source)
        for first, second in ((None, 20.0), (10.0, None)):
            denial = _denial()
            assert denial.origin is not None
            denial.origin.learned = first
            origin = self.answer(denial, _data(FOUR, learned=second)).origin
            assert origin is not None
            self.assertIs(origin.learned, None)
        denial = _denial()
        assert denial.origin is not None
        denial.origin.expires = 40.0
        origin = self.answer(denial, _data(FOUR)).origin
        assert origin is not None
        self.assertEqual(origin.expires, 40.0)
        self.assertIs(self.answer(Answer(Outcome.NODATA), _data(FOUR)).origin, None)

    def test_aliasesRemain(self) -> None:
        """
        Aliases come first, without their signatures, which a client could not check to the end.
        """
        alias = rrsetOf(WWW, CNAME, "real.example.")
        found = _data(alias, RRSet(WWW, RRSIG, 1, 300, (b"\0\5" + bytes(20),)), rrsetOf(REAL, A, "192.0.2.9"))
        answer = self.answer(_denial(alias), found, dnssecOk=True)
        self.assertEqual([rrset.rrType for rrset in answer.answer], [CNAME, AAAA])
        self.assertEqual(answer.answer[1].name, REAL)

    def test_whatRemainsAsItIs(self) -> None:
        """
        Names with IPv6 addresses, without any addresses, and those that do not exist; other types and classes; a blocked name.
        """
        six = _data(rrsetOf(WWW, AAAA, "2001:db8::1"))
        self.assertIs(self.answer(six, _data(FOUR)), six)
        self.assertEqual(self.inner.asked, 1)
        missing = _denial(outcome=Outcome.NXDOMAIN)
        self.assertIs(self.answer(missing, _data(FOUR)), missing)
        self.assertEqual(self.inner.asked, 1)
        nothing = _denial()
        self.assertIs(self.answer(nothing, _denial()), nothing)
        four = _data(FOUR)
        self.assertIs(self.answer(None, four, rrType="A"), four)
        other = _denial()
        other.rcode = 6
        self.assertIs(self.answer(other, four), other)
        blocked = _denial()
        blocked.origin = Origin("blocked", "list:1")
        self.assertIs(self.answer(blocked, four), blocked)
        self.assertEqual(self.inner.asked, 1)

    def test_aBlockedIPv4AddressDoesNotComeBack(self) -> None:
        """
        Of a name of which IPv4 addresses are blocked, or are replaced by some, none of IPv6 is made; nor of one that only this host has.
        """
        nothing = _denial()
        blocked = _data(FOUR, source="blocked")
        self.assertIs(self.answer(nothing, blocked), nothing)
        self.assertIs(self.answer(nothing, _data(rrsetOf(WWW, A, ["0.0.0.0", "127.0.0.1", "10.1.1.1"]))), nothing)
        self.assertEqual(self.tally.made, 0)
        answer = self.answer(nothing, _data(rrsetOf(WWW, A, ["10.1.1.1", "192.0.2.1"])))
        self.assertEqual(textsOf(answer), ["64:ff9b::c000:201"])

    def test_aSourceThatKnowsNoMore(self) -> None:
        """
        If the inner source has no information on IPv4 addresses, what it has on IPv6 addresses remains.
        """
        nothing, late = _denial(), TimedOut("late")

        class Lacking(LocalSource):
            def ask(self, question: Question, context: QueryContext) -> Answer | None:
                if question.rrType == AAAA and not failing:
                    return nothing
                if question.rrType == AAAA:
                    raise late
                return None

        classImplements(Lacking, IAnswerSource)
        for failing in (False, True):
            source = DNS64Source(Lacking(), [NAT64Prefix("64:ff9b::/96")], failing=failing)
            if failing:
                with self.assertRaises(TimedOut) as caught:
                    source.ask(questionOf("www.example", "AAAA"), QueryContext(5.0))
                self.assertIs(caught.exception, late)
            else:
                self.assertIs(source.ask(questionOf("www.example", "AAAA"), QueryContext(5.0)), nothing)

    def test_otherClasses(self) -> None:
        """
        Addresses of other classes are no addresses of the internet.
        """
        inner = CannedSource(otherwise=_denial())
        source = DNS64Source(inner, [NAT64Prefix("64:ff9b::/96")])
        self.successResultOf(lookUp(source, Question(WWW, AAAA, 3), QueryContext(5.0)))
        self.assertEqual(inner.asked, 1)

    def test_validatingClientsGetTheTruth(self) -> None:
        """
        A client that validates by itself gets what is there, any other one gets addresses.
        """
        nothing = _denial()
        self.assertIs(self.answer(nothing, _data(FOUR), dnssecOk=True, checkingDisabled=True), nothing)
        self.assertIs(self.answer(nothing, _data(FOUR), dnssecOk=True).outcome, Outcome.DATA)
        self.assertIs(self.answer(nothing, _data(FOUR), checkingDisabled=True).outcome, Outcome.DATA)

    def test_failuresRemain(self) -> None:
        """
        What fails for IPv6 or for IPv4 addresses fails, by default.
        """
        for fault in (TimedOut("late"), ServerFailed("no"), TrustFault("bogus"), Refused("private")):
            self.fails(fault, fault, _data(FOUR))
            self.fails(fault, _denial(), fault)

    def test_failuresThatCountAsNone(self) -> None:
        """
        Where servers fail for IPv6 addresses, those of IPv4 are taken if that is wanted, but not for lack of a signature. The answer is not
        kept. If they fail as well, or there are none, the first failure counts.
        """
        late: DNSFault = TimedOut("late")
        for fault in (late, ServerFailed("no")):
            answer = self.answer(fault, _data(FOUR), failing=True)
            self.assertEqual((answer.outcome, answer.answer[0].ttl), (Outcome.DATA, 600))
            self.assertIs(answer.origin and answer.origin.learned, None)
            self.fails(fault, fault, _denial(), failing=True)
            self.fails(both := TimedOut("both"), fault, both, failing=True)
        bogus = ServerFailed("upstream", ede=((6, ""),))
        for fault in (TrustFault("bogus"), bogus, Refused("private")):
            self.fails(fault, fault, _data(FOUR), failing=True)
        self.assertEqual(textsOf(self.answer(_denial(), _data(FOUR), failing=True))[0], "64:ff9b::c000:201")
        six = _data(rrsetOf(WWW, AAAA, "2001:db8::1"))
        self.assertIs(self.answer(six, _data(FOUR), failing=True), six)

    def test_waitsForTheSecondLookUp(self) -> None:
        """
        After a failure, the answer is there when the look-up for IPv4 addresses ends, and not before.
        """
        inner = HeldSource()
        source = DNS64Source(inner, [NAT64Prefix("64:ff9b::/96")], failing=True)
        asked = lookUp(source, questionOf("www.example", "AAAA"), QueryContext(5.0))
        inner.release(TimedOut("late"))
        self.assertNoResult(asked)
        inner.release(_data(FOUR))
        self.assertEqual(len(self.successResultOf(asked).answer), 1)

    def test_excludedAddressesCountAsNone(self) -> None:
        """
        If some are left they are the answer, which nothing proves any more; if none is, addresses are made, and if there are none, there is
        no data.
        """
        signed = RRSet(WWW, RRSIG, 1, 300, (b"\0\x1c" + bytes(20),))
        mixed = _data(rrsetOf(WWW, AAAA, ["::ffff:192.0.2.1", "2001:db8::1"]), signed)
        answer = self.answer(mixed, _data(FOUR))
        self.assertEqual((textsOf(answer), answer.security, answer.flags & AD), (["2001:db8::1"], Security.INDETERMINATE, 0))
        self.assertEqual([rrset.rrType for rrset in answer.answer], [AAAA])
        alone = _data(rrsetOf(WWW, AAAA, "::ffff:192.0.2.1"))
        answer = self.answer(alone, _data(FOUR))
        self.assertEqual((textsOf(answer)[0], answer.flags & AD), ("64:ff9b::c000:201", 0))
        answer = self.answer(alone, _denial())
        self.assertEqual((answer.outcome, answer.answer, answer.flags & AD), (Outcome.NODATA, (), 0))
        self.assertIs(self.answer(mixed, _data(FOUR), excluded=None), mixed)
        # What others share is as before.
        self.assertEqual(len(mixed.answer[0].rdatas), 2)

    def test_ignoredAddresses(self) -> None:
        """
        Of some domains, IPv6 addresses are not even asked for, unless there are no IPv4 addresses.
        """
        six = _data(rrsetOf(WWW, AAAA, "2001:db8::1"))
        self.assertEqual(textsOf(self.answer(six, _data(FOUR), ignored=(nameFromText("EXAMPLE"),)))[0], "64:ff9b::c000:201")
        self.assertEqual([question.rrType for question in self.inner.questions], [A])
        for domain in (nameFromText("."), WWW):
            self.assertEqual(self.answer(six, _data(FOUR), ignored=(domain,)).answer[0].ttl, 600)
        self.assertIs(self.answer(six, _data(FOUR), ignored=(nameFromText("ww.example"), nameFromText("a.www.example"))), six)
        for four in (_denial(soa=_soa()), _data(rrsetOf(WWW, A, "10.1.1.1"))):
            self.assertIs(self.answer(six, four, ignored=(ZONE,)), six)
        missing = _denial(outcome=Outcome.NXDOMAIN)
        self.assertIs(self.answer(missing, missing, ignored=(ZONE,)), missing)


class NAT64NamesTests(SynchronousTestCase):
    """
    Tests for L{NAT64Names}.
    """

    def ask(self, name: str, rrType: str, inner: CannedSource | None = None) -> Answer:
        self.inner = inner or CannedSource(otherwise=_denial())
        source = NAT64Names(self.inner, [NAT64Prefix("64:ff9b::/96"), NAT64Prefix("2001:db8:1::/48")])
        return self.successResultOf(lookUp(source, questionOf(name, rrType), QueryContext(5.0)))

    def test_theNameByWhichClientsFindThePrefix(self) -> None:
        """
        It is never looked up, in any case of letters, but for its DS record; names below it do not exist.
        """
        self.assertEqual(textsOf(self.ask("ipv4only.arpa", "A")), ["192.0.0.170", "192.0.0.171"])
        six = ["64:ff9b::c000:aa", "64:ff9b::c000:ab", "2001:db8:1:c000:0:aa00::", "2001:db8:1:c000:0:ab00::"]
        self.assertEqual(textsOf(self.ask("IPv4Only.arpa", "AAAA")), six)
        for rrType in ("TXT", "NS", "SOA", "HTTPS"):
            answer = self.ask("ipv4only.arpa", rrType)
            self.assertEqual((answer.outcome, answer.rcode), (Outcome.NODATA, 0))
        answer = self.ask("www.ipv4only.arpa", "AAAA")
        self.assertEqual((answer.outcome, answer.rcode, self.inner.asked), (Outcome.NXDOMAIN, 3, 0))
        for name, rrType in (("ipv4only.arpa", "DS"), ("notipv4only.arpa", "A"), ("170.0.0.192.in-addr.arpa", "DS")):
            self.ask(name, rrType)
            self.assertEqual(self.inner.asked, 1)

    def test_theNamesOfItsAddresses(self) -> None:
        """
        The names of its IPv4 addresses lead back; those of its IPv6 addresses, too.
        """
        for last in ("170", "171"):
            self.assertEqual(textsOf(self.ask(f"{last}.0.0.192.in-addr.arpa", "PTR")), ["ipv4only.arpa."])
            self.assertIs(self.ask(f"{last}.0.0.192.in-addr.arpa", "TXT").outcome, Outcome.NODATA)
            self.assertIs(self.ask(f"1.{last}.0.0.192.in-addr.arpa", "PTR").outcome, Outcome.NXDOMAIN)
            self.assertEqual(self.inner.asked, 0)
        self.ask("172.0.0.192.in-addr.arpa", "PTR")
        self.assertEqual(self.inner.asked, 1)

    def test_namesOfAddresses(self) -> None:
        """
        The name of an address with a prefix is an alias of that of the IPv4 address in it; others are looked up as they are.
        """
        for address, reverse in (("64:ff9b::c000:201", "1.2.0.192.in-addr.arpa"), ("2001:db8:1:c000:2:100::", "1.2.0.192.in-addr.arpa")):
            inner = CannedSource({(reverse, "PTR"): _data(rrsetOf(nameFromText(reverse), 12, "www.example."))})
            answer = self.ask(IPv6Address(address).reverse_pointer, "PTR", inner)
            self.assertEqual(textsOf(answer), [f"{reverse}.", "www.example."])
            self.assertEqual((answer.security, answer.flags & AD), (Security.INDETERMINATE, 0))
        for name in (IPv6Address("2001:db8:2::1").reverse_pointer, "1.b.9.f.f.4.6.0.0.ip6.arpa", "www.example"):
            self.ask(name, "PTR")
            self.assertEqual([question.key[:-4] for question in self.inner.questions], [nameFromText(name)])
        self.ask(IPv6Address("64:ff9b::c000:201").reverse_pointer, "TXT")
        self.assertEqual(self.inner.asked, 1)


def test_noZoneIsDeniedThatTheWellKnownPrefixNeeds() -> None:
    """
    Reverse names with the well-known prefix are not among those that are denied as private.
    """
    assert not any(IPv6Address("64:ff9b::1").reverse_pointer.endswith(zone) for zone in EMPTY_ZONES)
