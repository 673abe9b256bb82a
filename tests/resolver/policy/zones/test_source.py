"""
Tests of L{twisted_ext.resolver.policy.zones.source}: what clients get by the rules of zones, and of lists behind them.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from tests.resolver.policy.zones.test_verdict import Row, zonesOf
from twisted_ext.answers import Answer, Outcome, QueryContext, Security, Trace
from twisted_ext.errors import TimedOut, Withheld
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.policy.rules.policy import Policy
from twisted_ext.resolver.policy.zones.actions import NXDOMAIN, PASSTHRU, Action
from twisted_ext.resolver.policy.zones.policy import Choice, ZonePolicy
from twisted_ext.resolver.policy.zones.source import PolicyZoneSource
from twisted_ext.testing.sources import CannedSource, HeldSource, atHand, questionOf, rrsetOf
from twisted_ext.wire.codes import AD
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, HTTPS, RRSIG, TXT, A

_CHAIN = (
    rrsetOf(nameFromText("www.example"), CNAME, "cdn.example."),
    rrsetOf(nameFromText("cdn.example"), CNAME, "edge.cdn.example."),
    rrsetOf(nameFromText("edge.cdn.example"), A, "192.0.2.80"),
)


_SIGNATURE = RRSet(nameFromText("wall.garden"), RRSIG, 1, 300, (bytes(18) + nameFromText("garden") + bytes(64),))


def _httpsOf(name: str, rdata: str) -> Answer:
    return Answer(Outcome.DATA, (RRSet(nameFromText(name), HTTPS, 1, 300, (rdataFromText(HTTPS, rdata),)),))


class PolicyZoneSourceTests(SynchronousTestCase):
    """
    Tests for L{PolicyZoneSource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = CannedSource(
            {
                ("www.example", "A"): Answer(Outcome.DATA, _CHAIN, flags=AD, security=Security.SECURE),
                ("www.example", "CNAME"): "cdn.example.",
                ("plain.example", "A"): Answer(Outcome.DATA, (rrsetOf(nameFromText("plain.example"), A, "192.0.2.81"),)),
                ("wall.garden", "A"): Answer(Outcome.DATA, (rrsetOf(nameFromText("wall.garden"), A, "198.51.100.1"), _SIGNATURE), flags=AD),
                ("hinted.example", "HTTPS"): _httpsOf("hinted.example", "1 . ipv4hint=192.0.2.7"),
                ("hosted.example", "HTTPS"): _httpsOf("hosted.example", "1 svc.cdn.example. alpn=h2"),
            },
            otherwise=(),
        )
        self.policy = Policy()
        self.zones = ZonePolicy()
        self.source = PolicyZoneSource(CachedSource(self.upstream, self.clock), self.zones, self.clock, self.policy)

    def rule(self, *zones: list[Row], choices: tuple[Choice, ...] = ()) -> None:
        """
        Apply zones of these rules, C{zone0} and so on.
        """
        self.zones.apply(choices or [Choice(f"zone{number}") for number in range(len(zones))])
        self.zones.use(zonesOf(*zones))

    def answer(
        self, name: str, rrType: str = "A", client: str = "", *, datagram: bool = True, trace: Trace | None = None
    ) -> Answer:
        context = QueryContext(5.0, client=client or None, trace=trace)
        context.datagram = datagram
        return self.successResultOf(lookUp(self.source, questionOf(name, rrType), context))

    def withheld(self, name: str, rrType: str = "A", client: str = "", *, datagram: bool = True) -> Withheld:
        context = QueryContext(5.0, client=client or None)
        context.datagram = datagram
        return self.failureResultOf(lookUp(self.source, questionOf(name, rrType), context), Withheld).value

    def test_deniedNames(self) -> None:
        """
        Names are denied without a look-up, in any case of letters, with the SOA record by which clients keep that for a minute.
        """
        self.rule([Row("bad.example", "CNAME", "."), Row("*.bad.example", "CNAME", "*.")])
        answer = self.answer("BAD.example")
        self.assertEqual((answer.outcome, answer.rcode, answer.ede[0][0]), (Outcome.NXDOMAIN, 3, 15))
        self.assertEqual([each.ttl for each in answer.authority], [60])
        origin = answer.origin
        assert origin is not None
        self.assertEqual((origin.source, origin.server), ("blocked", "zone0: bad.example"))
        self.assertIs(origin.epoch, self.zones.epoch)
        self.assertIs(self.answer("x.y.bad.example").outcome, Outcome.NODATA)
        self.assertEqual(self.upstream.asked, 0)
        self.assertEqual(self.zones.hits, {("zone0", "name", "nxdomain"): 1, ("zone0", "name", "nodata"): 1})

    def test_givenRecords(self) -> None:
        """
        The records of a rule take the place of those of the name; of other types there are none.
        """
        self.rule([Row("plain.example", "A", "203.0.113.1"), Row("plain.example", "A", "203.0.113.2"), Row("plain.example", "TXT", "no")])
        answer = self.answer("Plain.example")
        self.assertEqual(textsOf(answer), ["203.0.113.1", "203.0.113.2"])
        self.assertEqual((answer.answer[0].name, answer.ede[0][0]), (nameFromText("Plain.example"), 4))
        self.assertIs(self.answer("plain.example", "AAAA").outcome, Outcome.NODATA)
        self.assertEqual(sorted(each.rrType for each in self.answer("plain.example", "ANY").answer), [A, TXT])
        self.assertEqual(self.upstream.asked, 0)

    def test_aliasesAreFollowed(self) -> None:
        """
        An alias of a rule leads to the records of its target, to which no rule applies; nothing is said to be proved.
        """
        self.rule([Row("bad.example", "CNAME", "wall.garden."), Row("wall.garden", "CNAME", ".")])
        for _ in range(2):
            answer = self.answer("bad.example")
            self.assertEqual([each.rrType for each in answer.answer], [CNAME, A])
            self.assertEqual((answer.flags & AD, answer.outcome), (0, Outcome.DATA))
            assert answer.origin is not None
            self.assertEqual((answer.origin.source, answer.origin.server), ("rewritten", "zone0: bad.example"))
        # It lasts as long as what it leads to.
        assert answer.origin is not None
        self.assertGreater(answer.origin.expires, 0)
        alias = self.answer("bad.example", "CNAME").answer
        self.assertEqual([(each.rrType, each.rdatas) for each in alias], [(CNAME, (nameFromText("wall.garden"),))])
        self.assertEqual(self.upstream.asked, 1)

    def test_aliasOfItself(self) -> None:
        """
        An alias to the name in question lets it through, whatever later zones and lists say; what is done in place of it is done.
        """
        rows = [Row("plain.example", "CNAME", "plain.example.")], [Row("plain.example", "CNAME", ".")]
        self.rule(*rows)
        self.policy.apply(["plain.example"], [], "nxdomain", ())
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])
        self.rule(*rows, choices=(Choice("zone0", Action(NXDOMAIN, 60)),))
        self.assertEqual(self.answer("plain.example").rcode, 3)

    def test_aliasesThatAreTooLong(self) -> None:
        """
        With a name that is too long for the alias in its rule there is no answer, as with DNAME.
        """
        self.rule([Row("*.example", "CNAME", f"*.{'g' * 63}.{'h' * 63}.")])
        fault = self.withheld(f"{'a' * 60}.{'b' * 60}.example")
        self.assertEqual((fault.rcode, fault.isSilent), (6, False))
        self.assertIn("longer than names may be", str(fault))
        self.assertEqual(self.withheld(f"{'a' * 60}.{'b' * 60}.example", "CNAME").rcode, 6)

    def test_servers(self) -> None:
        """
        Rules about servers go by what is known of them, also for what is in the cache already, and for names that do not exist.
        """
        known = {b"plain.example": ([nameFromText("ns.evil")], []), b"www.example": ([], [bytes((10, 3, 0, 1))])}
        self.zones.servers = lambda name, answer: known.get(nameToText(name, final=False).encode(), ([], []))
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])
        self.rule([Row("*.evil.rpz-nsdname", "CNAME", "."), Row("8.0.0.0.10.rpz-nsip", "TXT", "no")])
        for _ in range(2):
            answer = self.answer("plain.example")
            self.assertEqual(answer.rcode, 3)
            self.assertEqual([nameToText(each.name) for each in answer.authority], ["plain.example."])
            self.assertEqual(textsOf(self.answer("other.example")), [])
            self.assertEqual(self.answer("www.example", "TXT").answer[0].rdatas, (b"\2no",))
        known[b"other.example"] = known[b"plain.example"]
        self.assertEqual(self.answer("other.example").rcode, 3)
        place = "zone0: *.evil.rpz-nsdname"
        origin = self.answer("plain.example").origin
        self.assertEqual(None if origin is None else (origin.source, origin.server), ("blocked", place))

    def test_namesInAChain(self) -> None:
        """
        A rule about a name that an alias leads to keeps the aliases before it, and takes the place of the rest.
        """
        self.answer("www.example")
        self.rule([Row("cdn.example", "CNAME", "."), Row("edge.cdn.example", "A", "203.0.113.1")])
        answer = self.answer("www.example")
        self.assertEqual((answer.outcome, [each.rrType for each in answer.answer]), (Outcome.NXDOMAIN, [CNAME]))
        self.assertEqual((answer.flags, answer.security), (0, Security.INDETERMINATE))
        assert answer.origin is not None
        # That the name is an alias is known from a cache.
        self.assertIsNone(answer.origin.epoch)
        self.assertIsNotNone(answer.origin.learned)
        self.rule([Row("edge.cdn.example", "CNAME", "*.garden.")])
        answer = self.answer("www.example", "CNAME")
        self.assertEqual(textsOf(answer), ["cdn.example."])
        answer = self.answer("www.example")
        self.assertEqual(answer.answer[2].rdatas, (nameFromText("edge.cdn.example.garden"),))

    def test_addressesOfAnswers(self) -> None:
        """
        A rule about an address decides about the name that has it, also where it is a hint of a service.
        """
        self.rule([Row("24.0.2.0.192.rpz-ip", "CNAME", "*.")])
        answer = self.answer("www.example")
        self.assertEqual((answer.outcome, [each.rrType for each in answer.answer]), (Outcome.NODATA, [CNAME, CNAME]))
        assert answer.origin is not None
        self.assertEqual(answer.origin.server, "zone0: 24.0.2.0.192.rpz-ip")
        self.assertEqual(self.answer("hinted.example", "HTTPS").answer, ())
        self.assertEqual(self.answer("wall.garden").answer[0].rrType, A)
        self.assertEqual(self.zones.hits, {("zone0", "address", "nodata"): 2})

    def test_hostsOfServices(self) -> None:
        """
        A service on a host that a rule is about does not exist, unless the rule lets it through; hints would give its addresses away.
        """
        for action, kept in ((".", 0), ("*.", 0), ("rpz-passthru.", 1), ("wall.garden.", 0)):
            self.rule([Row("svc.cdn.example", "CNAME", action)])
            answer = self.answer("hosted.example", "HTTPS")
            self.assertEqual(len(answer.answer), kept, action)
            self.assertNotEqual(answer.outcome, Outcome.NXDOMAIN)

    def test_clients(self) -> None:
        """
        A rule about a client decides for it alone, whatever is known of the name already.
        """
        self.rule([Row("plain.example", "CNAME", "rpz-passthru."), Row("32.7.2.0.192.rpz-client-ip", "CNAME", ".")])
        for _ in range(2):
            for client, outcome in (("192.0.2.8", Outcome.DATA), ("192.0.2.7", Outcome.NXDOMAIN), ("", Outcome.DATA)):
                self.assertIs(self.answer("plain.example", client=client).outcome, outcome, client)
        self.assertIs(self.answer("www.example", client="192.0.2.7").outcome, Outcome.NXDOMAIN)
        self.assertEqual(len(self.answer("www.example", client="fe80::1%eth0").answer), 3)

    def test_nothingOrTCP(self) -> None:
        """
        Clients get no reply, or have to ask over TCP, where they get the answer.
        """
        self.rule([Row("drop.example", "CNAME", "rpz-drop."), Row("plain.example", "CNAME", "rpz-tcp-only.")])
        fault = self.withheld("drop.example")
        self.assertEqual((fault.isTruncated, fault.rule, fault.rcode), (False, "zone0: drop.example", 0))
        self.assertIs(self.withheld("plain.example").isTruncated, True)
        self.assertEqual(textsOf(self.answer("plain.example", datagram=False)), ["192.0.2.81"])
        fault = self.withheld("drop.example", datagram=False)
        # What waits for a reply on a connection is told that there is none.
        self.assertEqual((fault.isTruncated, fault.rcode, fault.ede[0][0]), (False, 5, 15))

    def test_whatTCPGetsUDPDoesNot(self) -> None:
        """
        That clients get an answer over TCP does not let others have it over UDP, whatever is known of it by then.
        """
        self.rule([Row("edge.cdn.example", "CNAME", "rpz-tcp-only.")])
        for _ in range(5):
            self.assertEqual(len(self.answer("www.example", datagram=False).answer), 3)
        self.assertIs(self.withheld("www.example").isTruncated, True)

    def test_orderOfZonesAndLists(self) -> None:
        """
        Zones come before lists, about the name and about what an alias leads to; what one lets through no list blocks.
        """
        self.answer("www.example")
        self.policy.apply(["www.example", "edge.cdn.example", "plain.example"], ["wall.garden"], "nxdomain", ())
        for rows, outcome, place in (
            ([Row("www.example", "CNAME", "rpz-passthru.")], Outcome.DATA, None),
            ([Row("cdn.example", "CNAME", "*.")], Outcome.NXDOMAIN, "block"),
            ([Row("other.example", "CNAME", ".")], Outcome.NXDOMAIN, "block"),
        ):
            self.rule(rows)
            answer = self.answer("www.example")
            self.assertIs(answer.outcome, outcome)
            assert answer.origin is not None
            self.assertEqual(answer.origin.server if place else None, place)
        self.policy.apply(["edge.cdn.example"], ["wall.garden"], "nxdomain", ())
        for action, outcome in (("*.", Outcome.NODATA), ("rpz-passthru.", Outcome.DATA)):
            self.rule([Row("cdn.example", "CNAME", action)])
            self.assertIs(self.answer("www.example").outcome, outcome)
        self.rule([Row("other.example", "CNAME", "*.")])
        for _ in range(6):
            self.assertIs(self.answer("www.example").outcome, Outcome.NXDOMAIN)
        # What lists except they do not block for where it leads.
        self.policy.apply(["edge.cdn.example"], ["www.example"], "nxdomain", ())
        for _ in range(6):
            self.assertIs(self.answer("www.example").outcome, Outcome.DATA)
        self.policy.apply(["edge.cdn.example"], ["wall.garden"], "nxdomain", ())
        self.rule([Row("32.1.100.51.198.rpz-ip", "CNAME", "*.")])
        # An exception of lists is none to zones.
        self.assertIs(self.answer("wall.garden").outcome, Outcome.NODATA)
        self.assertIs(self.answer("www.example").outcome, Outcome.NXDOMAIN)

    def test_firstZoneThatNeedsTheAnswer(self) -> None:
        """
        A rule about an address in an earlier zone comes before one about the name in a later one, and only then the name is looked up.
        """
        address, name = [Row("32.81.2.0.192.rpz-ip", "CNAME", "rpz-passthru.")], [Row("*.example", "CNAME", ".")]
        self.rule(address, name)
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])
        self.assertIs(self.answer("www.example").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.upstream.asked, 2)
        self.rule(address, name, choices=(Choice("zone1"), Choice("zone0")))
        self.assertIs(self.answer("plain.example").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.upstream.asked, 2)

    def test_choices(self) -> None:
        """
        A zone does what the operator says in place of what its rules say; one that is tried only counts.
        """
        rows = [Row("plain.example", "CNAME", "wall.garden."), Row("32.80.2.0.192.rpz-ip", "CNAME", "rpz-drop.")]
        self.rule(rows, choices=(Choice("zone0", Action(NXDOMAIN, 30)),))
        self.assertIs(self.answer("plain.example").outcome, Outcome.NXDOMAIN)
        self.assertIs(self.answer("www.example").outcome, Outcome.NXDOMAIN)
        self.rule(rows, choices=(Choice("zone0", Action(NXDOMAIN, 9999)),))
        self.assertEqual([each.ttl for each in self.answer("plain.example").authority], [60])
        self.rule(rows, choices=(Choice("zone0", Action(PASSTHRU, 30)),))
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])
        self.zones.hits.clear()
        self.rule(rows, choices=(Choice("zone0", isTried=True),))
        for _ in range(6):
            self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])
            self.assertEqual(len(self.answer("www.example").answer), 3)
        self.assertEqual(self.zones.hits, {("zone0", "name", "given-trial"): 6, ("zone0", "address", "drop-trial"): 6})
        self.rule(rows, choices=(Choice("other"),))
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])

    def test_whatIsCachedIsLookedAtOnce(self) -> None:
        """
        That no rule is about a cached answer is looked up once, until rules of either kind change.
        """
        self.rule([Row("other.example", "CNAME", ".")])
        for count in (4, 0):
            with patch.object(self.zones, "before", wraps=self.zones.before) as looking:
                for _ in range(4):
                    self.answer("plain.example")
            self.assertEqual(looking.call_count, count)
            self.clock.advance(2.0)
        self.policy.apply(["plain.example"], [], "nxdomain", ())
        self.assertIs(self.answer("plain.example").outcome, Outcome.NXDOMAIN)
        self.policy.apply([], [], "nxdomain", ())
        self.assertIs(self.answer("plain.example").outcome, Outcome.DATA)
        self.rule([Row("32.81.2.0.192.rpz-ip", "CNAME", "*.")])
        self.assertIs(self.answer("plain.example").outcome, Outcome.NODATA)

    def test_namesWaitForTheFirstRules(self) -> None:
        """
        Until zones have been read names wait for them; at the deadline they fail.
        """
        self.zones.apply([Choice("zone0")])
        found = lookUp(self.source, questionOf("plain.example"), QueryContext(5.0))
        lost = lookUp(self.source, questionOf("plain.example"), QueryContext(1.0))
        self.clock.advance(2.0)
        self.failureResultOf(lost, TimedOut)
        self.assertNoResult(found)
        self.zones.use(zonesOf([Row("plain.example", "CNAME", "*.")]))
        self.assertIs(self.successResultOf(found).outcome, Outcome.NODATA)
        self.zones.apply([])
        self.assertFalse(self.zones.given)
        self.assertEqual(textsOf(self.answer("plain.example")), ["192.0.2.81"])

    def test_zonesThatCannotBeRead(self) -> None:
        """
        Names go on if there is nothing to apply.
        """
        self.zones.apply([Choice("zone0")])
        found = lookUp(self.source, questionOf("plain.example"), QueryContext(5.0))
        self.zones.use(None)
        self.assertEqual(textsOf(self.successResultOf(found)), ["192.0.2.81"])

    def test_explained(self) -> None:
        """
        The steps of a look-up name the rule and what it is about.
        """
        self.rule([Row("24.0.2.0.192.rpz-ip", "CNAME", "*.")])
        trace = Trace()
        self.answer("www.example", trace=trace)
        notes = [(note.source, note.event, note.details) for note in trace.notes if note.source == "policy"]
        details = {"rule": "zone0: 24.0.2.0.192.rpz-ip", "about": "address", "name": "edge.cdn.example."}
        self.assertEqual(notes, [("policy", "nodata", details)])

    def test_withoutACache(self) -> None:
        """
        What has to be waited for is looked at when it arrives.
        """
        held = HeldSource()
        source = PolicyZoneSource(held, self.zones, self.clock)
        self.rule([Row("edge.cdn.example", "CNAME", "rpz-drop.")])
        self.assertIsNone(atHand(source, questionOf("www.example"), QueryContext(5.0)))
        found = lookUp(source, questionOf("www.example"), QueryContext(5.0))
        held.release(Answer(Outcome.DATA, _CHAIN))
        self.failureResultOf(found, Withheld)

    def test_addressesOfBothFamilies(self) -> None:
        """
        Among the hints of a service the longest prefix decides, where IPv4 counts as within IPv6.
        """
        self.upstream.set("two.example", "HTTPS", _httpsOf("two.example", "1 . ipv4hint=192.0.2.7 ipv6hint=2001:db8::7"))
        self.rule([Row("24.0.2.0.192.rpz-ip", "CNAME", "rpz-passthru."), Row("64.zz.db8.2001.rpz-ip", "CNAME", ".")])
        self.assertEqual(len(self.answer("two.example", "HTTPS").answer), 1)
        self.rule([Row("24.0.2.0.192.rpz-ip", "CNAME", "rpz-passthru."), Row("128.7.zz.db8.2001.rpz-ip", "CNAME", ".")])
        self.assertIs(self.answer("two.example", "HTTPS").outcome, Outcome.NXDOMAIN)
        self.assertIs(self.answer("plain.example", "AAAA").outcome, Outcome.NODATA)
