"""
Tests of what is counted of single clients, and of the live list.
"""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import queryOf
from tests.server.operations.seeing import objectIn
from twisted_ext.metrics.activity import ActiveClients, Activity, LiveQueries, LiveQuery, isBlocked, statusOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.limits import (
    CLIENT_NAMES,
    CLIENTS_COUNTED,
    CLIENTS_SHOWN,
    HITS_SAMPLED,
    LIVE_KEPT,
    LIVE_RATE,
    LIVE_SECONDS,
    LIVE_SHOWN,
)
from twisted_ext.wire.names import nameFromText

WWW: Final = nameFromText("www.example")


def live(at: float = 0.0, name: str = "www.example.", count: int = 1) -> LiveQuery:
    """
    Return a query for the live list.
    """
    return LiveQuery(at, "192.0.2.1", "udp", name, "A", "NOERROR", "cached", count=count)


class ClientsTests(SynchronousTestCase):
    """
    Tests for L{ActiveClients}.
    """

    def test_mostActiveComeFirst(self) -> None:
        """
        Clients are listed by their queries, with the time of the last one.
        """
        clients = ActiveClients()
        for client, count in (("192.0.2.1", 2), ("192.0.2.2", 5), ("2001:db8::1", 3)):
            for second in range(count):
                clients.add(client, WWW, 1, float(second))
        self.assertEqual(clients.most(), [("192.0.2.2", 5, 4.0), ("2001:db8::1", 3, 2.0), ("192.0.2.1", 2, 1.0)])
        self.assertEqual(clients.total, 10)

    def test_latestNamesOfAClientAreKept(self) -> None:
        """
        The latest names of a client are listed once each, the newest first, and no more than the limit.
        """
        clients = ActiveClients()
        most = int(CLIENT_NAMES.default)
        for number in range(most + 5):
            clients.add("192.0.2.1", nameFromText(f"n{number}.example"), 1, float(number))
        clients.add("192.0.2.1", nameFromText("n20.example"), 1, 100.0)
        names = clients.namesOf("192.0.2.1")
        self.assertEqual(names[0], (nameFromText("n20.example"), 1, 100.0))
        self.assertEqual((len(names), len({name for name, _, _ in names})), (most, most))
        self.assertEqual(clients.namesOf("192.0.2.9"), [])

    def test_floodOfForgedAddressesIsBounded(self) -> None:
        """
        A flood of forged addresses takes bounded memory, and a client that asks often stays first.
        """
        clients = ActiveClients(64)
        for number in range(5000):
            clients.add(f"10.0.{number >> 8}.{number & 255}", WWW, 1, 0.0)
            if number % 10 == 0:
                clients.add("192.0.2.1", WWW, 1, float(number))
        self.assertEqual(clients.most()[0][0], "192.0.2.1")
        self.assertLessEqual(len(clients._details), 2 * 64)
        self.assertLessEqual(len(clients.most(1000)), 64)
        self.assertLess(CLIENTS_SHOWN.default, CLIENTS_COUNTED.default)

    def test_recentQueriesWeighMore(self) -> None:
        """
        Halved counts let a client that is active now overtake one that was.
        """
        clients = ActiveClients()
        clients.add("192.0.2.1", WWW, 1, 0.0, 100)
        clients.halve()
        clients.halve()
        clients.add("192.0.2.2", WWW, 1, 1.0, 40)
        self.assertEqual([client for client, _, _ in clients.most()], ["192.0.2.2", "192.0.2.1"])
        self.assertEqual(clients.total, 65)


class LiveTests(SynchronousTestCase):
    """
    Tests for L{LiveQueries}.
    """

    def test_endsWithoutReaders(self) -> None:
        """
        The list is collected until a reader has not asked for some seconds; then it is forgotten.
        """
        queries = LiveQueries()
        self.assertFalse(queries.on)
        self.assertTrue(queries.watch(0.0))
        self.assertFalse(queries.watch(1.0))
        queries.add(live())
        self.assertFalse(queries.look(LIVE_SECONDS.default))
        self.assertTrue(queries.look(1.0 + LIVE_SECONDS.default))
        self.assertFalse(queries.on)
        self.assertEqual(queries.after(0)["queries"], [])

    def test_readerGetsEachQueryOnce(self) -> None:
        """
        A reader that passes the number it got gets only what is new, and everything after a restart of the server.
        """
        queries = LiveQueries()
        for name in ("a.", "b.", "c."):
            queries.add(live(name=name))
        first = queries.after(0)
        self.assertEqual(([objectIn(each)["name"] for each in namesIn(first)], first["next"]), (["a.", "b.", "c."], 3))
        self.assertEqual(queries.after(3)["queries"], [])
        queries.add(live(name="d."))
        self.assertEqual([objectIn(each)["name"] for each in namesIn(queries.after(3))], ["d."])
        self.assertEqual(len(namesIn(queries.after(1000))), 4)

    def test_listIsBounded(self) -> None:
        """
        The list keeps the newest queries, returns a part of them at a time, and takes a limited number in a second.
        """
        queries = LiveQueries()
        for second in range(20):
            for _ in range(300):
                queries.add(live(float(second), count=2))
        self.assertEqual(queries.skipped, 20 * (300 - LIVE_RATE.default) * 2)
        self.assertEqual(len(namesIn(queries.after(0))), LIVE_SHOWN.default)
        self.assertEqual(len(queries._kept), LIVE_KEPT.default)


def namesIn(found: dict[str, JSON]) -> list[JSON]:
    """
    Return the queries of a reply.
    """
    queries = found["queries"]
    assert isinstance(queries, list)
    return queries


class ActivityTests(SynchronousTestCase):
    """
    Tests for L{Activity}.
    """

    def test_cachedAnswersAreSampled(self) -> None:
        """
        At most a limited number of cached answers is noted in a second, and each stands for those between.
        """
        activity = Activity()
        for step in range(10_000):
            activity.hit(queryOf("WWW.example"), 1, "192.0.2.1", "udp", None, step / 10_000)
        ((client, count, _),) = activity.clients.most()
        self.assertEqual((client, count + activity.owed), ("192.0.2.1", 10_000))
        self.assertEqual(activity.clients.namesOf(client), [(WWW, 1, activity.clients.most()[0][2])])
        activity.live.watch(2.0)
        for step in range(10_000):
            activity.hit(queryOf("www.example"), 1, "192.0.2.1", "udp", None, 2 + step / 10_000)
        noted = activity.live.after(0)
        self.assertLessEqual(len(namesIn(noted)), int(HITS_SAMPLED.default))

    def test_mappedAddressIsThatOfTheClient(self) -> None:
        """
        An IPv4 client of an IPv6 socket is counted under its IPv4 address.
        """
        activity = Activity()
        activity.hit(queryOf(), 1, "::ffff:192.0.2.1", "tcp", None, 0.0)
        self.assertEqual(activity.clients.most()[0][0], "192.0.2.1")

    def test_timesAreThoseOfTheWall(self) -> None:
        """
        Times are seconds since 1970.
        """
        activity = Activity(1_000_000.0)
        activity.asked("192.0.2.1", b"\x03WWW\x07example\x00", 1, 5.0)
        self.assertEqual(activity.clientsJSON(), {"total": 1, "clients": [{"client": "192.0.2.1", "queries": 1, "seen": 1_000_005.0}]})
        self.assertEqual(activity.namesJSON("192.0.2.1"), [{"name": "www.example.", "type": "A", "seen": 1_000_005.0}])

    def test_blockedAnswerIsRecognized(self) -> None:
        """
        A cached reply with the extended error Blocked is shown as blocked, and one with another error is not.
        """
        head = queryOf("www.example")[2:]
        opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00"
        cookie = b"\x00\x0a\x00\x08" + bytes(8)
        for code, blocked in ((15, True), (17, True), (22, False)):
            error = b"\x00\x0f\x00\x02" + code.to_bytes(2, "big")
            for options in (error, cookie + error):
                self.assertIs(isBlocked(head + opt + len(options).to_bytes(2, "big") + options), blocked)
        self.assertFalse(isBlocked(head))
        self.assertFalse(isBlocked(head + opt + b"\x00\x02\x00\x0f"))

    def test_statusNamesTheSource(self) -> None:
        """
        The status says where the reply came from, or why there was none.
        """
        for source, status in (
            ("cache", "cached"), ("upstream", "forwarded"), ("recursive", "forwarded"), ("hosts", "local"), ("zone", "local"),
            ("failure", "failed"), ("late", "failed"), ("access", "refused"), ("rate", "refused"),
        ):  # fmt: skip
            self.assertEqual(statusOf(source), status)
            self.assertEqual(statusOf(source, ((15, ""),)), "blocked")
