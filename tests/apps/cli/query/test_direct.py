"""
Tests of L{twisted_ext.apps.cli.query.direct}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import parseQuery
from twisted_ext.apps.cli.query.direct import DirectSource, Exchange
from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, RD, TC, Opcode, Rcode, Z
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT, A

WWW = Question(nameFromText("www.example.org"), A)

ReplyFunction = Callable[[Message], list[bytes]]


class _Server(DatagramProtocol):
    """
    Answers each query with the result of a function.

    @ivar queries: the received queries.
    """

    def __init__(self, answering: ReplyFunction) -> None:
        self.queries: list[Message] = []
        self._answering = answering

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        query = Message.fromWire(datagram).check()
        self.queries.append(query)
        assert self.transport is not None
        for octets in self._answering(query):
            self.transport.write(octets, (addr[0], addr[1]))


def reply(query: Message, *, id: int | None = None, flags: int = QR | AA, question: Question = WWW, edns: EDNS | None = None) -> bytes:
    """
    Return a reply to the query, with optional deviations.
    """
    return buildMessage(Message(query.id if id is None else id, flags | query.flags & RD, (question,), edns=edns))


class DirectSourceTests(SynchronousTestCase):
    """
    Tests for L{DirectSource}.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")

    def server(self, address: str, answering: ReplyFunction) -> _Server:
        """
        Start a server at an address.
        """
        made = _Server(answering)
        self.network.reactor(address).listenUDP(53, made)
        return made

    def exchange(self, words: str, *servers: str) -> Deferred[Exchange]:
        """
        Start an exchange with these servers.
        """
        source = DirectSource(self.here, [Server(address) for address in servers], parseQuery(words.split()))
        done = Deferred.fromCoroutine(source.exchange(WWW, [Server(address) for address in servers]))
        self.addCleanup(lambda: self.assertEqual(self.here.getDelayedCalls(), []))
        return done

    def test_mismatchedRepliesAreIgnored(self) -> None:
        """
        Messages with another ID, opcode or question, queries and malformed messages are ignored.
        """

        def answering(query: Message) -> list[bytes]:
            return [
                reply(query, id=query.id ^ 1),
                reply(query, flags=0),
                reply(query, flags=QR | Opcode.NOTIFY << 11),
                reply(query, question=Question(WWW.name, TXT)),
                reply(query, question=Question(nameFromText("www.example.net"), A)),
                b"",
                b"x" * 11,
                reply(query)[:-1],
                reply(query) + b"x",
                reply(query),
            ]

        self.server("192.0.2.53", answering)
        done = self.exchange("www.example.org", "192.0.2.53")
        self.network.advance(0.1)
        found = self.successResultOf(done)
        self.assertEqual((found.reply.flags, found.kind, found.server.address), (QR | AA | RD, "udp", "192.0.2.53"))

    def test_queryHasTheGivenFields(self) -> None:
        """
        The query has the given header and EDNS fields.
        """
        server = self.server("192.0.2.53", lambda query: [buildMessage(Message(query.id, QR | query.flags & 0x7800))])
        words = "+qid=4711 +aaflag +zflag +tcflag +norecurse +noad +opcode=STATUS +bufsize=600 +ednsflags=0x40 +edns=3 +dnssec +nsid"
        done = self.exchange(words, "192.0.2.53")
        self.network.advance(0.1)
        self.successResultOf(done)
        (query,) = server.queries
        self.assertEqual((query.id, query.flags), (4711, AA | Z | TC | Opcode.STATUS << 11))
        assert query.edns is not None
        self.assertEqual((query.edns.payloadSize, query.edns.version, query.edns.flags), (600, 3, 0x8040))
        self.assertEqual(query.edns.options, ((3, b""),))

    def test_silentServersAreTriedInTurn(self) -> None:
        """
        Each silent server is tried in turn as often as requested, and no timer is left.
        """
        servers = [self.server(f"192.0.2.{number}", lambda query: []) for number in (51, 52)]
        done = self.exchange("+time=2 +tries=3", "192.0.2.51", "192.0.2.52")
        for _ in range(11):
            self.network.advance(1.0)
        self.assertNoResult(done)
        self.network.advance(1.0)
        fault = self.failureResultOf(done, TimedOut).value
        self.assertEqual(fault.attempts, 6)
        self.assertIn("192.0.2.51:53, 192.0.2.52:53 did not answer within 12.0 seconds", str(fault))
        self.assertEqual([len(server.queries) for server in servers], [3, 3])
        self.assertEqual(len({query.id for server in servers for query in server.queries}), 6)

    def test_silentServerIsSkipped(self) -> None:
        """
        The next server is tried after a silent one.
        """
        self.server("192.0.2.52", lambda query: [reply(query)])
        done = self.exchange("+time=2 +tries=1", "192.0.2.51", "192.0.2.52")
        self.network.advance(2.1)
        self.assertEqual(self.successResultOf(done).server.address, "192.0.2.52")

    def test_refusedConnectionIsReported(self) -> None:
        """
        A refused connection is reported as such.
        """
        self.network.reactor("192.0.2.51")
        done = self.exchange("+tcp +tries=1", "192.0.2.51")
        self.network.advance(0.1)
        fault = self.failureResultOf(done, Unreachable).value
        self.assertIn("192.0.2.51:53 cannot be reached: over TCP: ", str(fault))

    def test_cancelLeavesNoTimer(self) -> None:
        """
        A canceled look-up leaves no timer.
        """
        self.server("192.0.2.51", lambda query: [])
        done = self.exchange("", "192.0.2.51")
        self.network.advance(0.1)
        done.addErrback(lambda failure: None)
        done.cancel()
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_badCookieIsRetried(self) -> None:
        """
        The server's cookie goes into a second query; the third and last one goes over TCP.
        """
        cookie = EDNS(options=((10, b"ourscook" + b"theirs!!"),), extendedRcode=Rcode.BADCOOKIE >> 4)
        server = self.server("192.0.2.53", lambda query: [reply(query, flags=QR | Rcode.BADCOOKIE & 15, edns=cookie)])
        done = self.exchange("+tries=1 +cookie=6f757273636f6f6b", "192.0.2.53")
        self.network.advance(0.1)
        # The third query goes over TCP, which has no listener.
        self.failureResultOf(done, Unreachable)
        sent = [query.edns.option(10) for query in server.queries if query.edns is not None]
        self.assertEqual(sent, [b"ourscook", b"ourscooktheirs!!"])
        done = self.exchange("+tries=1 +cookie=6f757273636f6f6b +nobadcookie", "192.0.2.53")
        self.network.advance(0.1)
        self.assertEqual(self.successResultOf(done).reply.rcode, Rcode.BADCOOKIE)
