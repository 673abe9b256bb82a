"""
Tests of L{twisted_ext.server.zones.table.source}: finding the zone for a name, and the answers of a server with zones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import optOf, queryOf
from tests.wire.shown import optionsOf
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import BadImage, ServerFailed, TimedOut, Unknown
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.table import Table
from twisted_ext.resolver.ask import lookUp
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.source import AuthorityFirst, AuthoritySource
from twisted_ext.server.zones.table.zonetable import EXPIRED, FAILED, Zones, countsOf
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, atHand, questionOf
from twisted_ext.wire.codes import AA, QR, RA, RD, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ExtendedError
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

__all__ = ["EXAMPLE", "zoneOf"]

EXAMPLE = """
$TTL 300
@       SOA     ns1 hostmaster 1 3600 600 86400 60
        NS      ns1
        TXT     "a"
        MX      10 www
ns1     A       192.0.2.1
www     A       192.0.2.80
alias   CNAME   www
far     CNAME   www.example.net.
across  CNAME   www.example.com.
*.wild  A       192.0.2.4
sub     NS      ns.sub
ns.sub  A       192.0.2.53
"""


def zoneOf(name: str, more: str = "", *, serial: int = 1) -> Zone:
    """
    Return a zone with an SOA record, an NS record, the name server's address and these records.
    """
    return Zone.fromText(f"$TTL 300\n@ SOA ns1 hostmaster {serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n{more}", name)


class _FixedSource(CannedSource):
    """
    Gives one answer to every question, or fails.
    """

    def __init__(self, answer: Answer | None) -> None:
        super().__init__({})
        self._always = answer

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        return self._always


class ZonesTests(SynchronousTestCase):
    """
    Tests for L{Zones}.
    """

    def setUp(self) -> None:
        self.changes: list[None] = []
        self.zones = Zones(lambda: self.changes.append(None))

    def zoneNameFor(self, name: str) -> str | None:
        """
        Return the name of the zone that a name is in.
        """
        place = self.zones.find(nameFromText(name))
        return None if place is None else place.text

    def test_longestMatchingZoneIsFound(self) -> None:
        """
        A name belongs to the zone with the longest name that it ends with, by whole labels, or to no zone.
        """
        for name in ("example.org", "sub.example.org", "org"):
            self.zones.put(zoneOf(name))
        self.assertEqual(self.zoneNameFor("www.example.org"), "example.org.")
        self.assertEqual(self.zoneNameFor("example.org"), "example.org.")
        self.assertEqual(self.zoneNameFor("a.b.sub.example.org"), "sub.example.org.")
        self.assertEqual(self.zoneNameFor("myexample.org"), "org.")
        self.assertIsNone(self.zoneNameFor("example.net"))
        self.zones.put(zoneOf("."))
        self.assertEqual(self.zoneNameFor("example.net"), ".")
        self.assertEqual(self.zoneNameFor("."), ".")

    def test_epochChangesWithZone(self) -> None:
        """
        Cached answers from a zone are void when it changes or is removed, and when a zone below it is added or removed.
        """
        above = zoneOf("example.org")
        self.zones.put(above)
        before = above.epoch.value
        self.zones.put(zoneOf("sub.example.org"))
        self.assertGreater(above.epoch.value, before)
        before = above.epoch.value
        below = self.zones.at(nameFromText("sub.example.org"))
        assert below is not None and below.zone is not None
        was = below.zone.epoch.value
        self.zones.remove(below.apex)
        self.assertGreater(above.epoch.value, before)
        self.assertGreater(below.zone.epoch.value, was)
        before = above.epoch.value
        self.zones.put(zoneOf("example.org", serial=2))
        self.assertGreater(above.epoch.value, before)

    def test_zoneIsOpenedOnFirstQuery(self) -> None:
        """
        A zone is not opened before its first query. A newer version of a zone that is served takes effect at once; if it cannot be opened,
        the old version stays in force.
        """
        apex = nameFromText("example.org")
        opened: list[int] = []

        def opening(serial: int) -> Callable[[], Version]:
            def give() -> Version:
                opened.append(serial)
                return zoneOf("example.org", serial=serial).current

            return give

        self.zones.putLater(apex, opening(1), 1, 3)
        self.assertEqual(opened, [])
        version = self.zones.version(nameFromText("www.example.org"))
        assert version is not None
        self.assertEqual((opened, version.serial), ([1], 1))
        self.zones.putLater(apex, opening(2), 2, 3)
        self.assertEqual(opened, [1, 2])

        def broken() -> NoReturn:
            raise BadImage("damaged")

        with self.assertRaises(BadImage):
            self.zones.putLater(apex, broken, 3, 3)
        version = self.zones.version(apex)
        assert version is not None
        self.assertEqual(version.serial, 2)
        other = nameFromText("example.net")
        self.zones.putLater(other, broken, 1, 3)
        with self.assertRaises(ServerFailed):
            self.zones.version(other)
        self.assertEqual(countsOf(self.zones), {"all": 2, "serving": 1, "failed": 1, "wrong": 1, "held": 0, "unsigned": 0})

    def test_failedReloadKeepsOldVersion(self) -> None:
        """
        A zone that cannot be reloaded is served as before, and its status shows the version and the error. An expired zone is not served.
        """
        self.zones.put(zoneOf("example.org"), "/zones/example.org", 1000.0)
        apex = nameFromText("example.org")
        self.zones.fail(apex, "file:1:1: no record")
        place = self.zones.at(apex)
        assert place is not None
        self.assertEqual(
            place.toJSON(),
            {
                "zone": "example.org.", "state": "serving", "serial": 1, "records": 3, "since": 1000.0, "file": "/zones/example.org",
                "said": "file:1:1: no record",
            },
        )  # fmt: skip
        self.assertIsNotNone(self.zones.version(apex))
        self.zones.fail(apex, "no primary has been reached for a week", EXPIRED)
        with self.assertRaises(ServerFailed):
            self.zones.version(apex)


class SourceTests(SynchronousTestCase):
    """
    Tests for L{AuthoritySource}, L{AuthoritySource} and L{AuthorityFirst}.
    """

    def setUp(self) -> None:
        self.zones = Zones()
        self.zones.put(Zone.fromText(EXAMPLE, "example.org"))
        self.context = QueryContext(1e9)
        self.withoutRecursion = QueryContext(1e9, recursionDesired=False)

    def test_namesOutsideZonesAreUnknown(self) -> None:
        """
        There is no answer for names outside the zones, and a look-up fails with L{Unknown}.
        """
        authority = AuthoritySource(self.zones)
        self.assertIsNone(atHand(authority, questionOf("www.example.net"), self.context))
        self.failureResultOf(lookUp(authority, questionOf("www.example.net"), self.context), Unknown)

    def test_unservedZoneFailsWithReason(self) -> None:
        """
        A zone that is loading, failed or expired gets SERVFAIL with the matching extended error; the zone above it does not answer instead.
        """
        authority = AuthoritySource(self.zones)
        self.zones.expect(nameFromText("new.example.org"))
        for state, code in (("loading", 14), (FAILED, 0), (EXPIRED, 24)):
            if state != "loading":
                self.zones.fail(nameFromText("new.example.org"), "why", state)
            with self.assertRaises(ServerFailed) as caught:
                atHand(authority, questionOf("www.new.example.org"), self.context)
            self.assertEqual([each for each, _ in caught.exception.ede], [code])

    def test_parentAnswersForDS(self) -> None:
        """
        The parent zone answers for the DS records of a zone if the server has both.
        """
        self.zones.put(zoneOf("sub.example.org"))
        answer = atHand(AuthoritySource(self.zones), questionOf("sub.example.org", "DS"), self.context)
        assert answer is not None
        self.assertEqual(answer.authority[0].name, nameFromText("example.org"))

    def test_anyGetsOneRRset(self) -> None:
        """
        An ANY query gets one RRset unless minimal answers are off; a name that does not exist is still denied.
        """
        question = questionOf("example.org", "ANY")
        answer = atHand(AuthoritySource(self.zones), question, self.context)
        assert answer is not None
        self.assertEqual(len(answer.answer), 1)
        answer = atHand(AuthoritySource(self.zones, minimalAny=False), question, self.context)
        assert answer is not None
        self.assertEqual(len(answer.answer), 4)
        # One that has no more.
        answer = atHand(AuthoritySource(self.zones), questionOf("www.example.org", "ANY"), self.context)
        assert answer is not None
        self.assertEqual([rrset.rrType for rrset in answer.answer], [1])
        answer = atHand(AuthoritySource(self.zones), questionOf("no.example.org", "ANY"), self.context)
        assert answer is not None
        self.assertEqual(answer.outcome, Outcome.NXDOMAIN)

    def test_aliasLeadsToOtherZone(self) -> None:
        """
        A CNAME record is followed from one zone to another. Such an answer has no epoch; an answer within one zone has the epoch of that
        zone.
        """
        authority = AuthoritySource(self.zones)
        place = self.zones.find(nameFromText("example.org"))
        answer = atHand(authority, questionOf("alias.example.org"), self.context)
        assert answer is not None and answer.origin is not None and place is not None and place.zone is not None
        # With one zone alone, too.
        self.assertIs(answer.origin.epoch, place.zone.epoch)
        self.zones.put(zoneOf("example.com", "www A 192.0.2.81\n"))
        answer = atHand(authority, questionOf("across.example.org"), self.context)
        assert answer is not None and answer.origin is not None
        self.assertEqual([rrset.rrType for rrset in answer.answer], [5, 1])
        self.assertIsNone(answer.origin.epoch)
        answer = atHand(authority, questionOf("alias.example.org"), self.context)
        assert answer is not None and answer.origin is not None
        place = self.zones.find(nameFromText("example.org"))
        assert place is not None and place.zone is not None
        self.assertIs(answer.origin.epoch, place.zone.epoch)

    def test_aliasRecordGivesTargetAddresses(self) -> None:
        """
        An ALIAS record is expanded to the addresses of its target: at once if the target is in a local zone, otherwise by recursion if the
        client wants it. Without either the query fails, rather than being answered with NODATA.
        """
        self.zones.put(zoneOf("example.com", "@ ALIAS www.example.org.\nout 60 ALIAS www.example.net.\nmail ALIAS ns1\n"))
        authority = AuthoritySource(self.zones)
        answer = atHand(authority, questionOf("example.com"), self.context)
        assert answer is not None
        (rrset,) = answer.answer
        self.assertEqual((rrset.name, rrset.ttl, rrset.rdatas), (nameFromText("example.com"), 300, (bytes([192, 0, 2, 80]),)))
        self.assertEqual((answer.flags & AA, answer.origin.epoch if answer.origin else 1), (AA, None))
        answer = atHand(authority, questionOf("mail.example.com", "AAAA"), self.context)
        assert answer is not None
        self.assertEqual((answer.outcome, answer.authority[0].rrType), (Outcome.NODATA, 6))
        out = questionOf("out.example.com")
        with self.assertRaises(ServerFailed):
            atHand(authority, out, self.context)
        other = answerOf(questionOf("www.example.net"), "198.51.100.1")
        leading = self.leading(other)
        for known in (atHand(leading, out, self.context), self.successResultOf(lookUp(leading, out, self.context))):
            assert known is not None
            (rrset,) = known.answer
            self.assertEqual((rrset.name, rrset.ttl, rrset.rdatas), (out.name, 60, (bytes([198, 51, 100, 1]),)))
        with self.assertRaises(ServerFailed):
            atHand(leading, out, self.withoutRecursion)
        held = HeldSource()
        leading = AuthorityFirst(authority, held)
        self.assertIsNone(atHand(leading, out, self.context))
        waiting = lookUp(leading, out, self.context)
        held.release(Answer(Outcome.NODATA))
        self.assertEqual(self.successResultOf(waiting).outcome, Outcome.NODATA)

    def test_privateAliasTypeMustBeEnabled(self) -> None:
        """
        Records of the private-use type 65401 are ALIAS records only if the zone file or a setting says so and the RDATA is a name.
        """
        other = r"\# 17 03777777076578616d706c65036f726700"
        self.zones.put(zoneOf("example.com", rf"@ TYPE65401 {other}" "\n" r"odd TYPE65401 \# 4 0a000001" "\n"))
        for expanded in (False, True):
            authority = AuthoritySource(self.zones, expandAlias=expanded)
            answer = atHand(authority, questionOf("example.com"), self.context)
            assert answer is not None
            self.assertEqual(len(answer.answer), expanded)
            answer = atHand(authority, questionOf("odd.example.com"), self.context)
            assert answer is not None
            self.assertEqual((answer.outcome, answer.answer), (Outcome.NODATA, ()))
            answer = atHand(authority, questionOf("odd.example.com", "TYPE65401"), self.context)
            assert answer is not None
            self.assertEqual(answer.answer[0].rdatas, (b"\x0a\x00\x00\x01",))

    def leading(self, answer: Answer | None = None) -> AuthorityFirst:
        """
        Return the zones in front of a source that gives this answer to every question.
        """
        return AuthorityFirst(AuthoritySource(self.zones), _FixedSource(answer))

    def test_otherNamesGoToNextSource(self) -> None:
        """
        The next source gets queries for names outside the zones, and below delegations if the client wants recursion. Other clients get the
        referral.
        """
        other = answerOf(questionOf("www.example.net"), "198.51.100.1")
        leading = self.leading(other)
        for name in ("www.example.net", "www.sub.example.org"):
            self.assertIs(atHand(leading, questionOf(name), self.context), other)
            self.assertIs(self.successResultOf(lookUp(leading, questionOf(name), self.context)), other)
        referral = atHand(leading, questionOf("www.sub.example.org"), self.withoutRecursion)
        assert referral is not None
        self.assertEqual((referral.flags & AA, referral.authority[0].rrType, len(referral.additional)), (0, 2, 1))
        own = atHand(leading, questionOf("www.example.org"), self.context)
        assert own is not None
        self.assertEqual(own.answer[0].rdatas, (bytes([192, 0, 2, 80]),))

    def test_aliasOutOfZonesIsResolved(self) -> None:
        """
        A CNAME record that leads out of the zones is resolved by the next source if the client wants recursion. If that fails, the reply
        has the part that is known.
        """
        question = questionOf("far.example.org")
        other = answerOf(questionOf("www.example.net"), "198.51.100.1")
        answer = atHand(self.leading(other), question, self.context)
        assert answer is not None and answer.origin is not None
        self.assertEqual([rrset.rrType for rrset in answer.answer], [5, 1])
        self.assertEqual((answer.outcome, answer.flags & AA, answer.origin.source, answer.origin.epoch), (Outcome.DATA, AA, "zone", None))
        plain = atHand(self.leading(other), question, self.withoutRecursion)
        assert plain is not None
        self.assertEqual([rrset.rrType for rrset in plain.answer], [5])
        held = HeldSource()
        leading = AuthorityFirst(AuthoritySource(self.zones), held)
        self.assertIsNone(atHand(leading, question, self.context))
        waiting = lookUp(leading, question, self.context)
        self.assertNoResult(waiting)
        held.release(TimedOut("nobody is there"))
        self.assertEqual([rrset.rrType for rrset in self.successResultOf(waiting).answer], [5])


class ServingTests(SynchronousTestCase):
    """
    Tests of zones behind the gates and the packet cache.
    """

    def serve(self, **values: object) -> None:
        """
        Build a server.
        """
        self.network = MemoryNetwork(seed=1)
        self.clock = self.network.reactor("192.0.2.7")
        self.network.advance(1000)
        self.zones = Zones()
        self.zone = Zone.fromText(EXAMPLE, "example.org")
        self.zones.put(self.zone)
        settings = Settings.of(**{"hostsFile": "", "upstream": ["192.0.2.99"], **values})
        features = Features(Site(self.clock, settings, zones=self.zones))
        self.stack = stackFor(self.clock, settings, self.zones, features)
        self.addCleanup(self.stack.close)
        self.serving = Frontend(features, self.stack, Counters(), large=True)

    def ask(self, name: str, rrType: str = "A", *, client: str = "127.0.0.1", flags: int = RD, opt: bytes = b"") -> Message | None:
        """
        Return the reply, from the packet cache if it has one.
        """
        query = queryOf(name, rrType, flags=flags, opt=opt)
        self.fromCache = False
        packetCache = self.serving.packetCache
        known = packetCache.clients.find(client, self.clock.seconds())
        entry = known.table.find(query[2:])
        if entry is not None and self.clock.seconds() < entry.until and entry.epoch.value == entry.value:
            self.fromCache = True
            return Message.fromWire(query[:2] + entry.reply).check()
        again = known.table.again(query, query[2:], self.clock.seconds(), found=entry)
        if again is not None:
            self.fromCache = True
            return Message.fromWire(query[:2] + again).check()
        sent: list[bytes] = []
        self.serving.responder.take(query, (client, 4000), "udp", sent.append)
        return Message.fromWire(sent[0]).check() if sent else None

    def test_authoritativeServerRefusesOtherNames(self) -> None:
        """
        A server that has only zones answers every client with AA and without RA, and refuses names outside its zones.
        """
        self.serve(role="serve")
        reply = self.ask("www.example.org", client="203.0.113.9")
        assert reply is not None
        self.assertEqual((reply.flags, len(reply.answer)), (QR | AA | RD, 1))
        reply = self.ask("www.example.org", flags=0)
        assert reply is not None
        self.assertEqual(reply.flags, QR | AA)
        for rrType in ("A", "ANY"):
            reply = self.ask("www.example.net", rrType, opt=optOf())
            assert reply is not None and reply.edns is not None
            self.assertEqual((reply.flags & 15, reply.flags & RA), (Rcode.REFUSED, 0))
            self.assertEqual([each.infoCode for each in optionsOf(reply.edns) if isinstance(each, ExtendedError)], [20])
        reply = self.ask("no.example.org")
        assert reply is not None
        self.assertEqual((reply.flags & 15, reply.flags & AA, reply.authority[0].rrType), (Rcode.NXDOMAIN, AA, 6))

    def test_referralHasGlue(self) -> None:
        """
        A referral comes with the glue addresses that clients need to follow it.
        """
        self.serve(role="serve")
        reply = self.ask("www.sub.example.org")
        assert reply is not None
        self.assertEqual((reply.flags & AA, len(reply.authority), len(reply.additional)), (0, 1, 1))

    def test_packetCacheFollowsZoneChanges(self) -> None:
        """
        A repeated query is answered from the packet cache with an unchanged TTL for as long as the zone does not change; a change voids the
        entry at once.
        """
        self.serve(role="serve")
        for name in ("www.example.org", "alias.example.org"):
            self.ask(name)
            self.network.advance(100_000)
            reply = self.ask(name)
            assert reply is not None
            self.assertTrue(self.fromCache)
            self.assertEqual(reply.answer[0].ttl, 300)
        self.zone.replace(Zone.fromText(EXAMPLE.replace("192.0.2.80", "192.0.2.81"), "example.org").current)
        reply = self.ask("www.example.org")
        assert reply is not None
        self.assertFalse(self.fromCache)
        self.assertEqual(reply.answer[0].rdatas, (bytes([192, 0, 2, 81]),))

    def test_promotedEntryKeepsItsLifetime(self) -> None:
        """
        An entry of the old generation that is used again keeps its expiry time.
        """
        self.serve(role="serve")
        self.ask("www.example.org")
        table = self.serving.packetCache.clients.find("127.0.0.1", 0).table
        table._old, table._young = table._young, {}
        table.find = table._young.get
        self.ask("www.example.org")
        self.assertTrue(self.fromCache)
        self.network.advance(10)
        self.assertEqual([entry.until for entry in table._young.values()], [float("inf")])

    def test_unboundedNamesNeedTwoQueries(self) -> None:
        """
        Denials, referrals and wildcard answers enter the packet cache only at the second query, since there is no limit to such names.
        """
        self.serve(role="serve")
        for name in ("no.example.org", "a.wild.example.org", "www.sub.example.org"):
            for expected in (False, False, True):
                self.ask(name)
                self.assertEqual(self.fromCache, expected, name)
        kept = len(self.serving.packetCache.clients.find("127.0.0.1", 0).table)
        for number in range(100):
            self.ask(f"n{number}.wild.example.org")
        self.assertEqual(len(self.serving.packetCache.clients.find("127.0.0.1", 0).table), kept)

    def test_wildcardFloodFillsUndefendedCache(self) -> None:
        """
        Without that rule, names that are queried once would fill the packet cache.
        """
        self.serve(role="serve")
        for group in self.serving.packetCache.groups:
            group.datagrams = Table(sights=0)
        for number in range(100):
            self.ask(f"n{number}.wild.example.org")
        self.assertEqual(len(self.serving.packetCache.clients.find("127.0.0.1", 0).table), 100)

    def test_forwarderServesZonesToStrangers(self) -> None:
        """
        A forwarder that also has zones answers clients outside its access list for its zones only, and refuses clients on its refuse list.
        """
        self.serve(refuse=["203.0.113.66"])
        reply = self.ask("www.example.org", client="203.0.113.9")
        assert reply is not None
        self.assertEqual((reply.flags & 15, reply.flags & (AA | RA)), (0, AA))
        reply = self.ask("www.example.org")
        assert reply is not None
        self.assertEqual(reply.flags & (AA | RA), AA | RA)
        for name in ("www.example.net", "www.sub.example.org"):
            reply = self.ask(name, client="203.0.113.9")
            assert reply is not None
            self.assertEqual((reply.flags & 15, len(reply.answer)), (Rcode.REFUSED if "net" in name else 0, 0))
        reply = self.ask("www.example.org", client="203.0.113.66")
        assert reply is not None
        self.assertEqual(reply.flags & 15, Rcode.REFUSED)
        self.assertIsNone(self.ask("www.example.net"))

    def test_loadingZoneIsServedOnceLoaded(self) -> None:
        """
        A query for a zone that is being loaded gets SERVFAIL with "not ready", and an answer as soon as the zone is loaded.
        """
        self.serve(role="serve")
        self.zones.expect(nameFromText("example.com"))
        reply = self.ask("www.example.com", opt=optOf())
        assert reply is not None and reply.edns is not None
        self.assertEqual(reply.flags & 15, Rcode.SERVFAIL)
        self.assertEqual([each.infoCode for each in optionsOf(reply.edns) if isinstance(each, ExtendedError)], [14])
        self.zones.put(zoneOf("example.com", "www A 192.0.2.81\n"))
        reply = self.ask("www.example.com", opt=optOf())
        assert reply is not None
        self.assertEqual(len(reply.answer), 1)
