"""
Attack 27: queries with a spoofed source address, so that the larger answers go to the victim.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import SECRET, Server
from tests.queries import COOKIE, optOf, queryOf
from twisted_ext.answers import Answer, Outcome
from twisted_ext.server.limits import RESPONSE_WINDOW
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.rrl import ResponseRateLimit
from twisted_ext.testing.sources import CannedSource, rrsetOf
from twisted_ext.wire.message import Message, Question

#: Queries per second, and the limit on replies of one kind.
FLOOD: Final = 10_000
RATE: Final = 200

#: Questions with answers larger than themselves: addresses, denials, and names that are not served here.
LARGE: Final = (("many.test.example", "A"), ("text.test.example", "TXT"), ("no.test.example", "A"), ("alias.test.example", "A"))


def _everything(question: Question) -> Answer:
    return Answer(Outcome.DATA, (rrsetOf(question.name, 1, [f"192.0.2.{number}" for number in range(60)], 300),))


class AmplificationTests(SynchronousTestCase):
    """
    Tests with ten thousand queries a second whose senders are all in one network.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)

    def serverWith(self, limiting: ResponseRateLimit | None) -> Server:
        return Server(self.clock, limiting=limiting, access=Access({"allow": ["any"]}), cookies=Cookies(SECRET))

    def flood(self, server: Server, seconds: int) -> tuple[int, int]:
        """
        Return the octets that arrived and those that were sent in the last of these seconds.
        """
        queries = [queryOf(*LARGE[number % len(LARGE)], id=number, opt=optOf()) for number in range(FLOOD // 100)]
        came = gone = 0
        for tick in range(100 * seconds):
            self.clock.advance(0.01)
            replies = server.askAll(queries, f"192.0.2.{tick % 256}")
            if tick >= 100 * (seconds - 1):
                came += sum(map(len, queries))
                gone += sum(map(len, replies))
        return came, gone

    def test_repliesAreNoLargerThanTheFlood(self) -> None:
        """
        No more octets are sent to the network than came in its name. Without limits there are several times as many.
        """
        came, gone = self.flood(self.serverWith(ResponseRateLimit(RATE)), 3)
        self.assertLessEqual(gone, came)
        came, gone = self.flood(self.serverWith(None), 1)
        self.assertGreater(gone, 4 * came)

    def test_victimIsStillAnswered(self) -> None:
        """
        A real client in that network is still answered: with a cookie, over TCP, and soon after the attack in any way.
        """
        server = self.serverWith(ResponseRateLimit(RATE))
        first = server.ask(queryOf(opt=optOf(options=[(COOKIE, b"clientA1")])), "192.0.2.9")
        assert first is not None
        edns = Message.fromWire(first).check().edns
        assert edns is not None
        self.flood(server, 2)
        held = [server.ask(queryOf(), "192.0.2.9") for _ in range(2)]
        (short,) = [reply for reply in held if reply is not None]
        self.assertTrue(short[2] & 2)
        for _ in range(50):
            reply = server.ask(queryOf(opt=optOf(options=[(COOKIE, edns.options[0][1])])), "192.0.2.9")
            assert reply is not None
            self.assertEqual(len(Message.fromWire(reply).check().answer), 1)
        reply = server.stream(queryOf(), "192.0.2.9")
        assert reply is not None
        self.assertEqual(len(Message.fromWire(reply).check().answer), 1)
        self.clock.advance(RESPONSE_WINDOW.default + 1)
        reply = server.ask(queryOf(), "192.0.2.9")
        assert reply is not None
        self.assertEqual(len(Message.fromWire(reply).check().answer), 1)

    def test_ANYIsAnsweredWithOneRecord(self) -> None:
        """
        A query for ANY is answered with one record, which is no larger than the query. Without that rule the reply has all records of the
        name.
        """
        query = queryOf("many.test.example", "ANY", opt=optOf())
        for minimal in (True, False):
            server = Server(self.clock, CannedSource({("many.test.example", "ANY"): _everything}))
            server.responder.gates = standardGates(minimalAny=minimal)
            reply = server.ask(query)
            assert reply is not None
            if minimal:
                self.assertEqual(len(Message.fromWire(reply).check().answer), 1)
            self.assertEqual(len(reply) <= 2 * len(query), minimal)
