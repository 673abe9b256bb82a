"""
Attacks 3 and 12 on recursion: clients whose subnets split equal queries (RebirthDay, 2025), those who let replies accumulate (DNSBomb,
2024), and servers that pass a query on to themselves or to each other (TsuKing, 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.whole import EVIL, US, WholeServerTestCase
from tests.queries import optOf, queryOf
from twisted_ext.answers import QueryContext
from twisted_ext.limits import Limit
from twisted_ext.resolver.caching import coalescing
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply import respond
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.testing.internet import Delegation, Internet
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText

ENDLESS = Limit(default=1e9, least=0, most=1e9)


class _RecursingServerCase(WholeServerTestCase):
    """
    A server that resolves from the root.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet = Internet(self.network, seed=4, signed=False, families=(4,))
        self.internet.zone("test.example", "www 300 A 192.0.2.80\n*.many A 192.0.2.81", ["ns.test.example"])
        self.authority = self.internet.servers[nameFromText("ns.test.example")]
        hints = Path(self.mktemp())
        hints.write_text(self.internet.hints)
        self.hints = str(hints)

    def settings(self, **values: object) -> Settings:
        usual: dict[str, object] = {"role": "recurse", "hostsFile": "", "rootHints": getattr(self, "hints", ""), "validate": False}
        return Settings.of(**usual | values)

    def queries(self) -> int:
        """
        Return how many queries the zone's server has received.
        """
        return len(self.authority.asked)


class SubnetTests(_RecursingServerCase):
    """
    Tests of a thousand clients that ask for one name, each with a subnet of its own (RFC 7871).
    """

    def split(self) -> tuple[int, int]:
        """
        Let all of the queries arrive at one moment.

        @return: how many queries reach the zone's server, and how many replies have the option.
        """
        service = self.run_()
        self.secondsToAnswer("first.many.test.example")
        before = self.queries()
        for number in range(1000):
            option = (8, b"\x00\x01\x18\x00" + bytes((10, number >> 8, number & 255)))
            self.network.inject(queryOf("www.test.example", id=number, opt=optOf(options=[option])), (EVIL, 4000), (US, 53))
        sent = self.datagramsSentTo()
        self.network.advance(1)
        self.assertGreaterEqual(self.datagramsSentTo() - sent, 999)
        found = self.queries() - before
        self.stop(service)
        with_ = [each for each in self.authority.asked if each.message.edns is not None and each.message.edns.option(8) is not None]
        return found, len(with_)

    def test_equalQueriesShareOneLookUp(self) -> None:
        """
        The zone's server gets one query, without any subnet.
        """
        self.assertEqual(self.split(), (1, 0))

    @pytest.mark.long
    def test_passedOnSubnetsWouldSplitThem(self) -> None:
        """
        If the clients' options were passed on, it would get many, as far as the limit of variants allows; and all of them without that.
        """
        make = QueryContext.__init__
        numbers = iter(range(10_000))

        def context(deadline: float, **wishes: object) -> QueryContext:
            made = QueryContext.__new__(QueryContext)
            make(made, deadline, options=((8, b"\x00\x01\x18\x00" + next(numbers).to_bytes(3, "big")),))
            made.client = EVIL
            return made

        self.patch(respond, "QueryContext", context)
        self.patch(self, "assertGreaterEqual", lambda first, second: None)
        many, subnets = self.split()
        self.assertGreater(many, 50)
        self.assertLessEqual(many, 100)
        self.assertGreater(subnets, 50)
        self.patch(coalescing, "_MOST_VARIANTS", 10_000)
        self.network.advance(400)
        self.assertGreater(self.split()[0], 500)


class GatheringTests(_RecursingServerCase):
    """
    Tests of an attacker's zone, all names of which lead through six slow zones, so that the replies come at one moment. To need fewer of
    them, one client may have a hundred waiting requests.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(respond, "REQUESTS_PER_CLIENT", Limit(default=100, least=1, most=100))
        for number in range(6):
            name = f"slow{number}.test.example"
            self.internet.zone(name, f"www CNAME www.slow{number + 1}.test.example.", [f"ns.{name}"])
            self.internet.link(name, rtt=0.4)
        self.internet.zone("slow6.test.example", "www A 192.0.2.80")
        self.internet.zone("attacker.test.example", "* CNAME www.slow0.test.example.")

    def gather(self, names: int) -> tuple[int, int, int]:
        """
        Query names of the zone in the name of one client.

        @return: the most requests that wait, and how many datagrams that client gets in all and in the busiest tenth of a second.
        """
        service = self.run_()
        sent = self.datagramsSentTo()
        self.flood([f"n{number}.attacker.test.example" for number in range(names)])
        waiting = busiest = 0
        for _ in range(45):
            before = self.datagramsSentTo()
            self.network.advance(0.1)
            waiting = max(waiting, service.counters.pending)
            busiest = max(busiest, self.datagramsSentTo() - before)
        found = self.datagramsSentTo() - sent
        self.stop(service)
        return waiting, found, busiest

    def test_requestsOfOneClientAreLimited(self) -> None:
        """
        No more than a hundred requests of one client wait, and late answers are not sent to it.
        """
        self.assertEqual(self.gather(200), (100, 0, 0))

    def test_withoutLimitsAllWait(self) -> None:
        """
        Without the limit for a client, all of them wait.
        """
        self.patch(respond, "REQUESTS_PER_CLIENT", ENDLESS)
        self.assertEqual(self.gather(200), (200, 0, 0))

    def test_withoutDiscardingAnswersComeAtOnce(self) -> None:
        """
        If late answers were sent, they would come at one moment.
        """
        self.patch(respond, "REQUEST_LATE", ENDLESS)
        self.assertEqual(self.gather(200), (100, 100, 100))


class PassingOnTests(_RecursingServerCase):
    """
    Tests of queries that servers send each other.
    """

    def unrecursed(self, flags: int = 0) -> tuple[int, list[int]]:
        """
        Send queries for unknown names.

        @return: how many reach the zone's server, and the rcodes of the replies.
        """
        service = self.run_()
        self.secondsToAnswer("first.many.test.example")
        before, replies = self.queries(), len(self.client.got)
        transport = self.client.transport
        assert transport is not None
        for number in range(10):
            transport.write(queryOf(f"n{number}.many.test.example", flags=flags), (US, 53))
        self.network.advance(1)
        self.stop(service)
        return self.queries() - before, [Message.fromWire(octets).rcode for octets in self.client.got[replies:]]

    def test_queriesWithoutRDAreRefused(self) -> None:
        """
        Queries with RD clear are refused without a query, so servers that are delegated to a resolver do not pass queries on.
        """
        self.assertEqual(self.unrecursed(), (0, [Rcode.REFUSED] * 10))

    def test_withoutCheckTheyAreResolved(self) -> None:
        """
        If RD made no difference, they would be resolved.
        """
        make: Callable[..., None] = respond.Responder.__init__

        def recursing(responder: respond.Responder, *given: object, **more: object) -> None:
            make(responder, *given, **more, unrecursed=True)

        self.patch(respond.Responder, "__init__", recursing)
        queries, rcodes = self.unrecursed()
        self.assertGreaterEqual(queries, 10)
        self.assertEqual(rcodes, [Rcode.NOERROR] * 10)

    def test_repliesAreNotAnswered(self) -> None:
        """
        A message with QR is neither answered nor resolved.
        """
        self.assertEqual(self.unrecursed(QR | 0x0100), (0, []))

    def delegated(self) -> tuple[int, int | None]:
        """
        Resolve a name in a zone that is delegated to the resolver's own address.

        @return: how many datagrams it sends itself, and the rcode.
        """
        self.internet.zone("loop.test.example", "", ["ns.loop.test.example"], delegation=Delegation(glue={"ns.loop.test.example": [US]}))
        service = self.run_(allow=["any"])
        before = self.network.sent[US, 53]
        message = self.asked("www.loop.test.example")
        queries = self.network.sent[US, 53] - before - 1
        self.stop(service)
        return queries, None if message is None else message.rcode

    def test_ownAddressIsNotQueried(self) -> None:
        """
        It sends itself nothing, and the client gets SERVFAIL.
        """
        self.assertEqual(self.delegated(), (0, Rcode.SERVFAIL))

    def test_withoutDetectionItRefusesItself(self) -> None:
        """
        Without the detection it queries itself, and refuses that, because RD is clear.
        """
        self.patch(ListenAddresses, "has", lambda listening, server: False)
        queries, rcode = self.delegated()
        self.assertGreater(queries, 0)
        self.assertLess(queries, 5)
        self.assertEqual(rcode, Rcode.SERVFAIL)

    def test_twoResolversDoNotLoop(self) -> None:
        """
        Two resolvers to which zones are delegated do not pass a query on to each other: the second one refuses it.
        """
        other = "10.0.0.2"
        self.internet.zone("loop.test.example", "", ["ns.loop.test.example"], delegation=Delegation(glue={"ns.loop.test.example": [other]}))
        self.run_(allow=["any"])
        self.startAnother(other, role="recurse", rootHints=self.hints, validate=False, allow=["any"])
        message = self.asked("www.loop.test.example")
        assert message is not None
        self.assertEqual(message.rcode, Rcode.SERVFAIL)
        self.assertLess(self.network.sent[other, 53], 4)
        self.assertEqual(self.network.sent[US, 53], 1)
