"""
Tests of the answers of a server with several zones.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, setsOf, versionOf
from tests.zone.query.test_answers import question, textsOf
from twisted_ext.answers import Answer, Outcome
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.query.answers import aliasTarget, answerAcross
from twisted_ext.zone.store.version import Version


class AcrossTests(SynchronousTestCase):
    """
    Tests for L{answerAcross}.
    """

    def setUp(self) -> None:
        parent = HEAD + "sub NS ns.sub\nns.sub A 192.0.2.1\nalias CNAME www.sub\nsub DS 1 13 2 " + "11" * 32 + "\n"
        self.zones = {
            version.apex: version
            for version in (
                versionOf(parent),
                versionOf(HEAD + "www CNAME www.other.\nback CNAME alias.example.\n", "sub.example."),
                versionOf(
                    HEAD + "www A 192.0.2.2\nround CNAME round.another.\nleaf CNAME nothing\ngone CNAME www.invalid.\n",
                    "other.",
                ),
                versionOf(HEAD + "round CNAME round.other.\n", "another."),
            )
        }

    def find(self, name: bytes) -> Version | None:
        """
        Return the zone of a folded name.
        """
        while name not in self.zones:
            if not name[0]:
                return None
            name = name[name[0] + 1 :]
        return self.zones[name]

    def ask(self, name: str, rrType: str = "A") -> Answer:
        """
        Return the answer from these zones.
        """
        found = answerAcross(self.find, question(name, rrType))
        assert found is not None
        return found

    def test_nameInNoZoneHasNoAnswer(self) -> None:
        """
        A name in no zone has no answer.
        """
        self.assertIsNone(answerAcross(self.find, question("www.invalid")))

    def test_aliasesAreFollowedAcrossZones(self) -> None:
        """
        Aliases are followed through all zones, also into delegated ones without a referral.
        """
        found = self.ask("alias.example")
        self.assertEqual(
            textsOf(found.answer),
            ["alias.example. CNAME www.sub.example.", "www.sub.example. CNAME www.other.", "www.other. A 192.0.2.2"],
        )
        self.assertEqual((found.outcome, found.authority), (Outcome.DATA, ()))
        found = self.ask("leaf.other")
        self.assertEqual((found.rcode, textsOf(found.authority)), (Rcode.NXDOMAIN, ["other. 60 SOA"]))
        self.assertEqual(aliasTarget(self.ask("gone.other")), nameFromText("www.invalid"))

    def test_aliasLoopAcrossZonesEnds(self) -> None:
        """
        An alias loop through several zones ends.
        """
        found = self.ask("round.other")
        self.assertEqual(
            textsOf(found.answer), ["round.other. CNAME round.another.", "round.another. CNAME round.other."]
        )
        self.assertIsNone(aliasTarget(found))

    def test_dsComesFromTheParentZone(self) -> None:
        """
        The DS records of a zone come from its parent zone if that is here as well. There are none without a parent.
        """
        self.assertEqual(textsOf(self.ask("sub.example", "DS").answer), ["sub.example. DS 1 13 2 " + "11" * 32])
        found = self.ask("other", "DS")
        self.assertEqual((found.outcome, textsOf(found.authority)), (Outcome.NODATA, ["other. 60 SOA"]))


class HelperTests(SynchronousTestCase):
    """
    Tests of the helpers.
    """

    def test_setsOfParsesOwnerTTLClassAndType(self) -> None:
        """
        A line has an owner, a TTL, a class, a type and rdata.
        """
        (rrset,) = setsOf("www 60 IN A 192.0.2.1\n\n", "example.")
        self.assertEqual(rrset, RRSet(nameFromText("www.example"), 1, 1, 60, (bytes([192, 0, 2, 1]),)))
