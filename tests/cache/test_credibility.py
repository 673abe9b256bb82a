"""
Tests of the credibility ranking of record sets (RFC 2181, section 5.4.1; attacks 6, 7 and 19).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, records
from twisted_ext.cache.credibility import (
    ADDITIONAL,
    ANSWER,
    AUTHORITATIVE,
    AUTHORITY,
    GLUE,
    CredibilityCache,
    rankedSets,
)
from twisted_ext.wire.codes import AA
from twisted_ext.wire.names import nameFromText

NS = nameFromText("ns.example.com")
ZONE = nameFromText("example.com")


class RankedTests(SynchronousTestCase):
    """
    Tests for L{CredibilityCache}.
    """

    def setUp(self) -> None:
        self.ranked = CredibilityCache(2**20)

    def learn(self, text: str, rank: int, now: float = 0.0, renewed: bool = False) -> bool:
        """
        Store one record set with a rank.
        """
        return self.ranked.learn(records(text)[0], rank, now, renewed=renewed)

    def test_lowerRankNeverReplacesAnswer(self) -> None:
        """
        Data of a lower rank never replaces an authoritative answer before that expires.
        """
        self.assertTrue(self.learn("ns.example.com. 300 IN A 192.0.2.1", AUTHORITATIVE))
        for rank in (ADDITIONAL, ANSWER, GLUE, AUTHORITY):
            self.assertFalse(self.learn("ns.example.com. 900 IN A 203.0.113.66", rank, 1.0))
        found = self.ranked.find(NS, 1, 100.0)
        assert found is not None
        self.assertEqual((found.rdatas, found.ttl), ((b"\xc0\x00\x02\x01",), 200))
        self.assertTrue(self.learn("ns.example.com. 900 IN A 203.0.113.66", ADDITIONAL, 300.0))

    def test_higherRankReplacesAdditional(self) -> None:
        """
        Data of a higher rank replaces data of an additional section.
        """
        self.learn("ns.example.com. 300 IN A 203.0.113.66", ADDITIONAL)
        self.assertTrue(self.learn("ns.example.com. 300 IN A 192.0.2.1", AUTHORITATIVE))

    def test_glueIsNotGivenAsAnswer(self) -> None:
        """
        Glue and additional data serve to find servers, but are not given as an answer.
        """
        self.learn("ns.example.com. 300 IN A 192.0.2.1", GLUE)
        self.learn("www.example.com. 300 IN A 192.0.2.2", ADDITIONAL)
        self.assertIsNotNone(self.ranked.find(nameFromText("www.example.com"), 1, 1.0))
        self.assertIsNone(self.ranked.find(nameFromText("www.example.com"), 1, 1.0, least=ANSWER))

    def test_childCannotProlongItsDelegation(self) -> None:
        """
        A child zone that keeps naming its own servers cannot outlive its removal from the parent. Only the parent renews a
        delegation.
        """
        self.learn("example.com. 3600 IN NS ns.example.com.", GLUE, renewed=True)
        self.assertTrue(self.learn("example.com. 86400 IN NS ns.example.com.", AUTHORITATIVE, 3000.0))
        self.assertIsNotNone(self.ranked.find(ZONE, 2, 3599.0))
        self.assertIsNone(self.ranked.find(ZONE, 2, 3600.0))

    def test_withoutDefenseGhostDomainLives(self) -> None:
        """
        A delegation would live on if the child were allowed to renew it.
        """
        self.learn("example.com. 3600 IN NS ns.example.com.", GLUE, renewed=True)
        self.learn("example.com. 86400 IN NS ns.example.com.", AUTHORITATIVE, 3000.0, renewed=True)
        self.assertIsNotNone(self.ranked.find(ZONE, 2, 3600.0))

    def test_memoryIsBounded(self) -> None:
        """
        The sets stay within the memory limit, and sets in use are kept.
        """
        ranked = CredibilityCache(64 * 1024)
        for number in range(2000):
            ranked.learn(records(f"n{number}.example.com. 300 IN A 192.0.2.1")[0], GLUE, 0.0)
            ranked.find(nameFromText("n0.example.com"), 1, 0.0)
            self.assertLessEqual(ranked.octets, 64 * 1024)
        self.assertIsNotNone(ranked.find(nameFromText("n0.example.com"), 1, 0.0))
        ranked.drop(ZONE)
        self.assertEqual((len(ranked), ranked.octets), (0, 0))

    def test_recordsOutsideZoneAreDropped(self) -> None:
        """
        Only the records inside the zone of the queried server are taken from a reply, each with the rank of its section.
        """
        answer = answered(
            "www.example.com. 300 IN A 192.0.2.1",
            authority=("example.com. 300 IN NS ns.example.com.", "com. 300 IN NS ns.evil.example."),
        )
        answer.additional = records("ns.example.com. 300 IN A 192.0.2.3", "ns.evil.example. 300 IN A 203.0.113.66")
        taken = [(rrset.name, rank) for rrset, rank in rankedSets(answer, ZONE)]
        www = nameFromText("www.example.com")
        self.assertEqual(taken, [(www, ANSWER), (ZONE, ADDITIONAL), (NS, ADDITIONAL)])
        answer.flags |= AA
        self.assertEqual([rank for _, rank in rankedSets(answer, ZONE)], [AUTHORITATIVE, AUTHORITY, ADDITIONAL])
