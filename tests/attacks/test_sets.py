"""
Attack 20: answers with so many records that they fill the memory, or take too long to process (CVE-2024-1737, CVE-2024-25590).
"""

from __future__ import annotations

import pytest

from tests.attacks.whole import US, WholeServerTestCase, storeOf
from tests.queries import optOf, queryOf
from twisted_ext import outcomes
from twisted_ext.cache import store
from twisted_ext.limits import Limit
from twisted_ext.server.service import ServerService
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

ENDLESS = Limit(default=1 << 30, least=1, most=1 << 30)

#: Addresses of one name.
RECORDS = 3000
RDATAS = tuple([number.to_bytes(4, "big") for number in range(RECORDS)])

#: Names that have that many: more than the cache of these tests holds.
NAMES = 200


def bomb(question: Question, records: int = RECORDS) -> list[RRSet]:
    """
    Return one set of very many records.
    """
    return [RRSet(question.name, 1, 1, 86400, RDATAS[:records])]


def shrapnel(question: Question) -> list[RRSet]:
    """
    Return very many unrequested sets of one record each.
    """
    owners = [nameFromText(f"n{number}.test.example") for number in range(RECORDS)]
    return [RRSet(question.name, 1, 1, 86400, RDATAS[:1]), *[RRSet(owner, 1, 1, 86400, RDATAS[:1]) for owner in owners]]


class BombTests(WholeServerTestCase):
    """
    Tests with an upstream that serves the attacker's zone.
    """

    def setUp(self) -> None:
        super().setUp()
        self.upstream.otherwise = bomb
        # Upstream replies come over TCP, so that the server is measured.
        self.upstream.truncating = True

    def byStream(self, service: ServerService, name: str) -> Message:
        """
        Return the reply over TCP.
        """
        sent: list[bytes] = []
        service.frontend.responder.take(queryOf(name), ("192.168.0.9", 4000), "tcp", sent.append)
        self.network.advance(0.2)
        return Message.fromWire(sent[0])

    def cacheAfterQueries(self, names: int, **values: object) -> tuple[int, int]:
        """
        Query so many such names, each of them twice.

        @return: the number of cached answers, and the octets that the cache takes.
        """
        service = self.run_(prefetch=False, **values)
        kept = storeOf(service)
        self.flood(["first.test.example"])
        self.network.advance(1)
        for number in range(names):
            self.flood([f"n{number}.test.example"] * 2)
            self.network.advance(0.1)
            self.upstream.asked.clear()
        found = len(kept), kept.octets
        self.stop(service)
        return found

    def test_largeSetIsTruncatedOverUDP(self) -> None:
        """
        A client gets a truncated reply over UDP and the whole set over TCP. The upstream is asked once over each.
        """
        service = self.run_()
        for _ in range(10):
            transport = self.client.transport
            assert transport is not None
            transport.write(queryOf("n.test.example", opt=optOf(4096)), (US, 53))
            self.network.advance(1)
            self.assertLessEqual(len(self.client.got[-1]), 1232)
            message = Message.fromWire(self.client.got[-1])
            self.assertEqual((bool(message.flags & TC), message.answer), (True, ()))
        for _ in range(10):
            self.assertEqual(len(self.byStream(service, "n.test.example").answer[0].rdatas), RECORDS)
        self.assertEqual([asked.transport for asked in self.upstream.asked], ["udp", "tcp"])

    def test_largeSetsTakeLimitedShareOfCache(self) -> None:
        """
        Two hundred such names, each queried twice, take an eighth of the cache packed and as much unpacked.
        """
        count, octets = self.cacheAfterQueries(NAMES, cacheSize=8 << 20)
        self.assertGreater(count, 20)
        self.assertLess(octets, (2 << 20) + (1 << 16))

    @pytest.mark.long
    def test_withoutShareLargeSetsFillTheCache(self) -> None:
        """
        Without that share large answers fill the cache.
        """
        self.patch(store, "_LARGE_SHARE", 1)
        _, octets = self.cacheAfterQueries(NAMES, cacheSize=8 << 20)
        self.assertGreater(octets, 7 << 20)

    def test_otherAnswersStayCached(self) -> None:
        """
        Answers for other clients stay cached while such names pass through.
        """
        service = self.run_(cacheSize=8 << 20, prefetch=False)
        self.upstream.otherwise = "192.0.2.80"
        others = [f"www{number}.other.test" for number in range(500)]
        for _ in range(2):
            self.flood(others, "192.168.0.8")
            self.network.advance(0.1)
        self.upstream.otherwise = bomb
        for number in range(NAMES):
            self.flood([f"n{number}.test.example"] * 2)
            self.network.advance(0.1)
        self.upstream.asked.clear()
        self.flood(others, "192.168.0.8")
        self.network.advance(1)
        self.assertEqual(self.upstream.asked, [])
        self.stop(service)

    def test_manySmallSetsAreNotCached(self) -> None:
        """
        Very many sets of a record each are not cached either, even if sets of other names were not left out before. Without the limit they
        would be cached.
        """
        self.patch(outcomes, "relevant", lambda question, answer: answer)
        self.upstream.otherwise = shrapnel
        service = self.run_()
        self.assertEqual(len(self.byStream(service, "one.test.example").answer), RECORDS + 1)
        self.assertEqual(len(storeOf(service)), 0)
        self.stop(service)
        self.patch(store, "CACHE_ENTRY_BYTES", ENDLESS)
        service = self.run_()
        self.byStream(service, "one.test.example")
        self.assertEqual(len(storeOf(service)), 1)
        self.assertGreater(storeOf(service).octets, 64_000)

    def test_manyTypesStayWithinTheCache(self) -> None:
        """
        A name with a thousand types makes a thousand answers, which stay within the budget of the cache.
        """
        self.upstream.truncating = False
        self.upstream.otherwise = lambda question: [RRSet(question.name, question.rrType, 1, 86400, (bytes(200),))]
        service = self.run_(cacheSize=65536)
        for start in range(1000, 2000, 50):
            for rrType in range(start, start + 50):
                self.network.inject(queryOf("n.test.example", rrType), ("192.168.66.6", 4000), (US, 53))
            self.network.advance(0.1)
        self.assertLessEqual(storeOf(service).octets, 65536)
        self.assertGreater(len(storeOf(service)), 50)
