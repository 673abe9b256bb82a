"""
Tests of the methods of the factory that subclasses can override.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.names import dns as names
from twisted.names import error

from tests.server.factories import OnlyQuery, Server, Zone, record
from tests.typed import unchecked
from twisted_ext.compat.server import Peer
from twisted_ext.server import DNSServerFactory
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.message import EDNS


class OverridingTests(Server):
    """
    Tests of methods that subclasses of Twisted's factory override.
    """

    def test_allowQueryRestrictsAccess(self) -> None:
        """
        A subclass decides which queries are allowed.
        """

        class RestrictedFactory(DNSServerFactory):
            def allowQuery(self, message: names.Message, protocol: Peer, address: tuple[str, int] | None) -> bool:
                return message.queries[0].name.name != b"secret.example.com"

        self.make(kind=RestrictedFactory, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com", edns=EDNS())), ["300 192.0.2.1"])
        reply = self.ask("secret.example.com")
        self.assertEqual((reply.rcode, reply.answer), (Rcode.REFUSED, ()))

    def test_handleQueryCanReply(self) -> None:
        """
        A subclass can answer some queries itself.
        """

        class TXTFactory(DNSServerFactory):
            def handleQuery(self, message: names.Message, protocol: Peer, address: tuple[str, int] | None) -> Deferred[None] | None:
                if message.queries[0].type == names.TXT:
                    reply = self._responseFromMessage(
                        message,
                        answers=[
                            names.RRHeader(message.queries[0].name.name, names.TXT, payload=record("TXT", b"mine"))
                        ],
                    )
                    self.sendReply(protocol, reply, address)
                    return None
                return super().handleQuery(message, protocol, address)

        self.make(kind=TXTFactory, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com", "TXT")), ['0 "mine"'])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.1"])

    def test_gotResolverResponseCanChangeAnswer(self) -> None:
        """
        A subclass can change the answer; EDNS, sizes, denials and failures are handled as usual.
        """

        class FirstRecordFactory(DNSServerFactory):
            def gotResolverResponse(
                self, response: Sequence[list[names.RRHeader]], protocol: Peer, message: names.Message, address: tuple[str, int] | None
            ) -> None:
                answers, authority, additional = response
                super().gotResolverResponse((answers[:1], authority, additional), protocol, message, address)

        failing = OnlyQuery(raises=error.DNSServerError)
        self.make(kind=FirstRecordFactory, authorities=[Zone("")], clients=[failing])
        reply = self.ask("www.example.org", edns=EDNS(700))
        self.assertEqual((self.texts(reply), reply.flags & AA), (["120 192.0.2.80"], AA))
        self.assertIsNotNone(reply.edns)
        self.assertEqual(self.ask("nothing.example.org").rcode, Rcode.NXDOMAIN)
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.SERVFAIL)

    def test_methodCanBeSetOnInstance(self) -> None:
        """
        A method can also be replaced on the factory object.
        """
        factory = self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        vars(factory).update(allowQuery=lambda message, protocol, address: False)
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_resolverCanBeReplaced(self) -> None:
        """
        The resolver of a factory can be replaced.
        """
        factory = self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        factory.resolver = OnlyQuery({b"www.example.com": "192.0.2.2"})
        self.assertEqual(self.texts(self.ask("www.example.com")), ["77 192.0.2.2"])
        result = self.successResultOf(factory.resolver.lookupAddress("www.example.com"))
        self.assertEqual(len(result[0]), 1)

    def test_handleNotifyGetsMessages(self) -> None:
        """
        A subclass can handle NOTIFY messages; without it they get NOTIMP.
        """
        taken: list[int] = []

        class NotifyFactory(DNSServerFactory):
            def handleNotify(self, message: names.Message, protocol: Peer, address: tuple[str, int] | None) -> None:
                taken.append(message.opCode)
                self.sendReply(protocol, self._responseFromMessage(message), address)

        octets = self.query("example.org", "SOA", flags=4 << 11)
        self.make(kind=NotifyFactory)
        (reply,) = self.udp(octets)
        self.assertEqual((taken, reply[3] & 15), ([4], 0))
        self.tearDown()
        self.make()
        (reply,) = self.udp(octets)
        self.assertEqual(reply[3] & 15, Rcode.NOTIMP)

    def test_protocolCanBeReplaced(self) -> None:
        """
        Connections may use another protocol, such as Twisted's.
        """

        class TwistedProtocolFactory(DNSServerFactory):
            protocol = cast("Callable[[], Protocol]", names.DNSProtocol)

        factory = self.make(kind=TwistedProtocolFactory, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.1"])
        self.assertEqual(factory.connections, [])

    def test_messageReceivedTakesStandIn(self) -> None:
        """
        A program's tests may call the factory with an object that has only C{writeMessage}.
        """
        taken: list[tuple[int, object]] = []

        class StandIn:
            def writeMessage(self, message: names.Message, address: object = None) -> None:
                taken.append((len(message.answers), address))

        factory = self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        for address in (None, ("192.0.2.7", 1)):
            message = names.Message()
            message.fromStr(self.query("www.example.com"))
            unchecked(factory.messageReceived)(message, StandIn(), address)
        self.assertEqual(taken, [(1, None), (1, ("192.0.2.7", 1))])

    def test_verboseKeepsReplies(self) -> None:
        """
        Logging of queries does not change the replies.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")], verbose=2)
        self.assertEqual(self.texts(self.ask("www.example.com", edns=EDNS())), ["300 192.0.2.1"])
        (short,) = self.udp(b"\x12\x34" + bytes(10))
        self.assertEqual(short[3] & 15, Rcode.FORMERR)
