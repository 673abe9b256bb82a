"""
Tests of the factory that users of twisted.names.server know, with protocols of ours and of Twisted's, and resolvers of anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol
from twisted.names import authority, cache, error
from twisted.names import dns as names
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import dns
from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.client import NamesResolver
from twisted_ext.errors import CallerFault, ServerFailed
from twisted_ext.server import DNSServerFactory
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import CannedSource, questionOf, rrsetOf
from twisted_ext.wire.building import buildMessage
from twisted_ext.wire.codes import AA, QR, RA, RD, TC, Rcode
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.rdata.registry import rdataToText


def record(kind: str, *values: object, **named: object) -> names.IEncodableRecord:
    """
    @return: a record of twisted.names.
    """
    return cast("Callable[..., names.IEncodableRecord]", getattr(names, f"Record_{kind}"))(*values, **named)


#: What a resolver of twisted.names gives.
Result = tuple[list[names.RRHeader], list[names.RRHeader], list[names.RRHeader]]


class OnlyQuery:
    """
    A resolver that has C{query} and nothing else, as in Twisted's example.
    """

    def __init__(
        self, answers: dict[bytes, str] | None = None, raises: Callable[[], Exception] = error.DomainError
    ) -> None:
        self.answers = answers or {}
        self.raises = raises
        self.asked: list[names.Query] = []

    def query(self, query: names.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
        self.asked.append(query)
        name = query.name.name
        if query.type != names.A or name not in self.answers:
            return fail(self.raises())
        payload = record("A", address=self.answers[name])
        return succeed(([names.RRHeader(name=name, ttl=77, payload=payload)], [], []))


class Zone(authority.FileAuthority):
    """
    An authority of Twisted's.
    """

    def loadFile(self, filename: str) -> None:
        soa = record("SOA", b"ns.example.org", b"host.example.org", 1, 300, 300, 300, 60, 300)
        records = {
            b"example.org": [soa, record("NS", b"ns.example.org", ttl=300)],
            b"www.example.org": [record("A", "192.0.2.80", ttl=120), record("A", "192.0.2.81", ttl=120)],
            b"far.example.org": [record("CNAME", b"www.example.net", ttl=60)],
            b"below.example.org": [record("NS", b"ns.example.net", ttl=300)],
            b"long.example.org": [record("TXT", b"%03d" % number + b"." * 200, ttl=5) for number in range(40)],
        }
        vars(self).update(soa=(b"example.org", soa), records=records)


class Server(SynchronousTestCase):
    """
    Tests of a factory that serves on a memory network, by UDP and TCP.

    @ivar datagrams: makes the protocol for UDP; subclasses have another one.
    """

    datagrams: Callable[..., DatagramProtocol] = cast("Callable[..., DatagramProtocol]", dns.DNSDatagramProtocol)

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.001)
        self.there: MemoryReactor = self.network.reactor("192.0.2.53")
        self.here: MemoryReactor = self.network.reactor("192.0.2.7")

    def tearDown(self) -> None:
        for listener in list(self.there.listeners.values()):
            listener.stopListening()
        for port in self.there.ports():
            port.stopListening()
        self.network.advance(1)
        self.assertEqual(self.network.pending(), [])

    def serve(self, factory: DNSServerFactory) -> DNSServerFactory:
        """
        Listen.
        """
        self.there.listenUDP(53, type(self).datagrams(controller=factory, reactor=self.there))
        self.there.listenTCP(53, factory)
        return factory

    def make(self, *, kind: type[DNSServerFactory] = DNSServerFactory, **roles: object) -> DNSServerFactory:
        """
        Serve from resolvers.
        """
        return self.serve(kind(reactor=self.there, **roles))  # type: ignore[arg-type]

    def udp(self, octets: bytes, seconds: float = 0.1) -> list[bytes]:
        """
        @return: the replies to a datagram.
        """
        replies: list[bytes] = []

        class Asking(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: object) -> None:
                replies.append(datagram)

        port = self.here.listenUDP(0, Asking())
        protocol = cast("Asking", port.protocol)
        assert protocol.transport is not None
        protocol.transport.write(octets, ("192.0.2.53", 53))
        self.network.advance(seconds)
        port.stopListening()
        return replies

    def tcp(self, *messages: bytes, seconds: float = 0.1) -> list[bytes]:
        """
        @return: the replies to messages on one connection.
        """
        replies: list[bytes] = []
        buffer = StreamBuffer()

        class Asking(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"".join([frame(message) for message in messages]))

            def dataReceived(self, data: bytes) -> None:
                replies.extend(buffer.feed(data))

        connector = self.here.connectTCP("192.0.2.53", 53, cast(ClientFactory, ClientFactory.forProtocol(Asking)))
        self.network.advance(seconds)
        connector.disconnect()
        self.network.advance(0.01)
        return replies

    def query(self, name: str, rrType: str = "A", *, flags: int = RD, edns: EDNS | None = None) -> bytes:
        """
        @return: the octets of a query.
        """
        return buildMessage(Message(0x1234, flags, (questionOf(name, rrType),), edns=edns))

    def ask(
        self, name: str, rrType: str = "A", *, flags: int = RD, edns: EDNS | None = None, seconds: float = 0.1
    ) -> Message:
        """
        Ask by UDP and TCP, which give the same.

        @return: the reply.
        """
        octets = self.query(name, rrType, flags=flags, edns=edns)
        (byUDP,) = self.udp(octets, seconds)
        (byTCP,) = self.tcp(octets, seconds=seconds)
        self.assertEqual(byUDP, byTCP)
        reply = Message.fromWire(byUDP).check()
        self.assertEqual((reply.id, reply.flags & QR, reply.questions), (0x1234, QR, (questionOf(name, rrType),)))
        return reply

    def texts(self, reply: Message) -> list[str]:
        """
        @return: the records of the answer section.
        """
        return [f"{rrset.ttl} {rdataToText(rrset.rrType, rdata)}" for rrset in reply.answer for rdata in rrset.rdatas]


class FactoryTests(Server):
    """
    With our protocols.
    """

    def test_onlyQuery(self) -> None:
        """
        A resolver needs no more than C{query}; where it has nothing, the next one is asked.
        """
        source = CannedSource({("www.example.com", "A"): "192.0.2.90"})
        self.make(clients=[OnlyQuery({b"one.example.com": "192.0.2.1"}), source])
        self.assertEqual(self.texts(self.ask("one.example.com")), ["77 192.0.2.1"])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.90"])

    def test_mixed(self) -> None:
        """
        Authorities, caches and clients are asked in this order, whoever made them: Twisted's zone and cache, a source of ours, and the
        face of one.
        """
        remembering = cast("Callable[..., object]", cache.CacheResolver)(reactor=self.there)
        inner = CannedSource({("www.example.com", "A"): "192.0.2.90", ("www.example.org", "A"): "192.0.2.66"})
        factory = self.make(authorities=[Zone("")], caches=[remembering], clients=[NamesResolver(inner, self.there)])
        self.assertIs(factory.cache, remembering)
        self.assertTrue(factory.canRecurse)
        reply = self.ask("www.example.org")
        self.assertEqual(self.texts(reply), ["120 192.0.2.80", "120 192.0.2.81"])
        self.assertEqual(reply.flags & (AA | RA), AA | RA)
        for ttl in (300, 199):
            (octets,) = self.udp(self.query("www.example.com"))
            reply = Message.fromWire(octets)
            self.assertEqual(self.texts(reply), [f"{ttl} 192.0.2.90"])
            self.assertEqual(reply.flags & (AA | RA), RA)
            self.network.advance(100)
        self.assertEqual(inner.asked, 1, "the second question was for Twisted's cache")
        # It has a timer for each entry.
        self.network.advance(300)

    def test_servfailStays(self) -> None:
        """
        That the servers failed is not that there is no such name, whoever says so.
        """
        for raised in (error.DNSServerError(), ServerFailed("it failed", rcode=2)):
            with self.subTest(raised):
                factory = self.make(clients=[OnlyQuery(raises=lambda raised=raised: raised)])  # type: ignore[misc]
                self.assertEqual(self.ask("www.example.com").rcode, Rcode.SERVFAIL)
                self.tearDown()
                self.assertEqual(factory.connections, [])

    def test_denials(self) -> None:
        """
        What does not exist does not exist, and an authority says so with its SOA record and AA.
        """
        self.make(authorities=[Zone("")])
        reply = self.ask("nothing.example.org")
        self.assertEqual((reply.rcode, reply.flags & (AA | RA)), (Rcode.NXDOMAIN, AA))
        self.assertEqual([(rrset.rrType, rrset.ttl) for rrset in reply.authority], [(6, 60)])
        reply = self.ask("www.example.org", "MX")
        self.assertEqual((reply.rcode, reply.flags & AA, len(reply.answer)), (Rcode.NOERROR, AA, 0))

    def test_notOurs(self) -> None:
        """
        Names that no authority has anything on are refused: they may well exist.
        """
        self.make(authorities=[Zone("")])
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_referral(self) -> None:
        """
        What is delegated to others is theirs to say.
        """
        self.make(authorities=[Zone("")])
        reply = self.ask("below.example.org")
        self.assertEqual((reply.rcode, reply.flags & AA, [rrset.rrType for rrset in reply.authority]), (0, 0, [2]))

    def test_recursionWanted(self) -> None:
        """
        Clients are asked for those alone who want that; authorities answer everybody.
        """
        source = CannedSource({("www.example.com", "A"): "192.0.2.90"})
        self.make(authorities=[Zone("")], clients=[source])
        self.assertEqual(self.texts(self.ask("www.example.org", flags=0)), ["120 192.0.2.80", "120 192.0.2.81"])
        self.assertEqual(self.ask("www.example.com", flags=0).rcode, Rcode.REFUSED)
        self.assertEqual(source.asked, 0)

    def test_aliases(self) -> None:
        """
        An alias that leads out of a zone is followed by asking the others, and all that is found is told, in order, each with its TTL.
        """
        self.make(
            authorities=[Zone("")], clients=[CannedSource({("www.example.net", "A"): ["192.0.2.91", "192.0.2.92"]})]
        )
        reply = self.ask("far.example.org")
        self.assertEqual(self.texts(reply), ["60 www.example.net.", "300 192.0.2.91", "300 192.0.2.92"])
        self.assertEqual(reply.flags & AA, AA)
        self.assertEqual(self.texts(self.ask("far.example.org", flags=0)), ["60 www.example.net."])

    def test_aliasLoop(self) -> None:
        """
        Aliases in a circle end.
        """

        class Circle(Zone):
            def loadFile(self, filename: str) -> None:
                super().loadFile(filename)
                vars(self)["records"] = {
                    b"a.example.org": [record("CNAME", b"b.example.org", ttl=60)],
                    b"b.example.org": [record("CNAME", b"a.example.org", ttl=60)],
                }

        self.make(authorities=[Circle("")])
        self.assertEqual(self.texts(self.ask("a.example.org", "AAAA")), ["60 b.example.org.", "60 a.example.org."])

    def test_size(self) -> None:
        """
        By UDP nobody gets more than it takes, and is told that there is more; by TCP all of it.
        """
        self.make(authorities=[Zone("")])
        for edns, most in ((None, 512), (EDNS(4096), 1232), (EDNS(700), 700)):
            octets = self.query("long.example.org", "TXT", edns=edns)
            (short,) = self.udp(octets)
            self.assertLessEqual(len(short), most)
            self.assertTrue(Message.fromWire(short).check().flags & TC)
            (long,) = self.tcp(octets)
            self.assertEqual(len(Message.fromWire(long).check().answer[0].rdatas), 40)

    def test_edns(self) -> None:
        """
        Who speaks EDNS is answered so, and others are not.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertIsNone(self.ask("www.example.com").edns)
        edns = self.ask("www.example.com", edns=EDNS(4096)).edns
        assert edns is not None
        self.assertEqual((edns.version, edns.payloadSize), (0, 1232))
        self.assertEqual(self.ask("www.example.com", edns=EDNS(4096, version=1)).rcode, Rcode.BADVERS)

    def test_late(self) -> None:
        """
        An answer that takes too long is SERVFAIL by TCP, and by UDP nothing, since nobody waits for it any more.
        """

        class Silent(OnlyQuery):
            def query(self, query: names.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return Deferred()

        self.make(clients=[Silent()])
        self.assertEqual(self.udp(self.query("www.example.com"), seconds=20), [])
        (reply,) = self.tcp(self.query("www.example.com"), seconds=20)
        self.assertEqual(Message.fromWire(reply).rcode, Rcode.SERVFAIL)

    def test_replies(self) -> None:
        """
        A reply is never answered, nor is what is too short to be anything.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.udp(self.query("www.example.com", flags=QR | RD)), [])
        self.assertEqual(self.udp(b"\x12\x34\x01"), [])
        self.assertEqual(self.udp(b""), [])

    def test_nobody(self) -> None:
        """
        A factory without resolvers refuses.
        """
        self.make()
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_noResolver(self) -> None:
        """
        Something that cannot be asked is told at once.
        """
        self.assertRaisesRegex(CallerFault, "no resolver", DNSServerFactory, clients=[3], reactor=self.there)

    def test_signature(self) -> None:
        """
        Roles are told by place as well, as with Twisted's.
        """
        factory = DNSServerFactory([Zone("")], None, [OnlyQuery()], 0, reactor=self.there)
        self.assertEqual((factory.verbose, factory.canRecurse, factory.cache, factory.connections), (0, True, None, []))

    def test_connections(self) -> None:
        """
        The factory knows its connections, and they end with its port.
        """
        factory = self.make(clients=[CannedSource()])
        self.here.connectTCP("192.0.2.53", 53, cast(ClientFactory, ClientFactory.forProtocol(Protocol)))
        self.network.advance(0.1)
        self.assertEqual(len(factory.connections), 1)
        self.assertIs(factory.connections[0].factory, factory)  # type: ignore[attr-defined]
        for listener in list(self.there.listeners.values()):
            listener.stopListening()
        self.network.advance(0.1)
        self.assertEqual(factory.connections, [])
        self.there.listenTCP(53, factory)
        self.assertEqual(len(self.tcp(self.query("www.example.com"))), 1)

    def test_data(self) -> None:
        """
        Odd octets in names come through.
        """
        odd = questionOf(r"a\.b\000.example.com")
        answer = Answer(Outcome.DATA, (rrsetOf(odd.name, 1, "192.0.2.1"),), origin=Origin("canned"))
        self.make(clients=[CannedSource(otherwise=answer)])
        (reply,) = self.udp(buildMessage(Message(1, RD, (odd,))))
        self.assertEqual(Message.fromWire(reply).check().answer[0].name, odd.name)


class TwistedProtocolTests(FactoryTests):
    """
    The same with Twisted's protocol for datagrams.
    """

    datagrams = cast("Callable[..., DatagramProtocol]", names.DNSDatagramProtocol)

    def test_data(self) -> None:
        """
        Odd octets in names do not come through Twisted's messages.
        """


class OverridingTests(Server):
    """
    Methods that subclasses of Twisted's factory override.
    """

    def test_allowQuery(self) -> None:
        """
        A subclass says who may ask.
        """

        class Choosy(DNSServerFactory):
            def allowQuery(self, message: names.Message, protocol: object, address: object) -> bool:
                return message.queries[0].name.name != b"secret.example.com"

        self.make(kind=Choosy, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com", edns=EDNS())), ["300 192.0.2.1"])
        reply = self.ask("secret.example.com")
        self.assertEqual((reply.rcode, reply.answer), (Rcode.REFUSED, ()))

    def test_handleQuery(self) -> None:
        """
        A subclass answers some queries by itself.
        """

        class Own(DNSServerFactory):
            def handleQuery(self, message: names.Message, protocol: object, address: object) -> Deferred[None] | None:
                if message.queries[0].type == names.TXT:
                    reply = self._responseFromMessage(
                        message,
                        answers=[
                            names.RRHeader(message.queries[0].name.name, names.TXT, payload=record("TXT", b"mine"))
                        ],
                    )
                    self.sendReply(protocol, reply, address)  # type: ignore[arg-type]
                    return None
                return super().handleQuery(message, protocol, address)  # type: ignore[arg-type]

        self.make(kind=Own, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com", "TXT")), ['0 "mine"'])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.1"])

    def test_gotResolverResponse(self) -> None:
        """
        A subclass changes what is answered, and the rest goes its way: EDNS, sizes, denials, failures.
        """

        class Fewer(DNSServerFactory):
            def gotResolverResponse(
                self, response: object, protocol: object, message: names.Message, address: object
            ) -> None:
                answers, authority, additional = cast(Result, response)
                super().gotResolverResponse((answers[:1], authority, additional), protocol, message, address)  # type: ignore[arg-type]

        failing = OnlyQuery(raises=error.DNSServerError)
        self.make(kind=Fewer, authorities=[Zone("")], clients=[failing])
        reply = self.ask("www.example.org", edns=EDNS(700))
        self.assertEqual((self.texts(reply), reply.flags & AA), (["120 192.0.2.80"], AA))
        self.assertIsNotNone(reply.edns)
        self.assertEqual(self.ask("nothing.example.org").rcode, Rcode.NXDOMAIN)
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.SERVFAIL)

    def test_instance(self) -> None:
        """
        A method may be put on the factory itself as well.
        """
        factory = self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        factory.allowQuery = lambda message, protocol, address: False  # type: ignore[method-assign]
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_resolver(self) -> None:
        """
        Another resolver may be put in place of all.
        """
        factory = self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        factory.resolver = OnlyQuery({b"www.example.com": "192.0.2.2"})
        self.assertEqual(self.texts(self.ask("www.example.com")), ["77 192.0.2.2"])
        result = self.successResultOf(factory.resolver.lookupAddress("www.example.com"))
        self.assertEqual(len(result[0]), 1)

    def test_notify(self) -> None:
        """
        A subclass takes messages that are no queries; nobody else does.
        """
        taken: list[int] = []

        class Told(DNSServerFactory):
            def handleNotify(self, message: names.Message, protocol: object, address: object) -> None:
                taken.append(message.opCode)
                self.sendReply(protocol, self._responseFromMessage(message), address)  # type: ignore[arg-type]

        octets = self.query("example.org", "SOA", flags=4 << 11)
        self.make(kind=Told)
        (reply,) = self.udp(octets)
        self.assertEqual((taken, reply[3] & 15), ([4], 0))
        self.tearDown()
        self.make()
        (reply,) = self.udp(octets)
        self.assertEqual(reply[3] & 15, Rcode.NOTIMP)

    def test_ownProtocol(self) -> None:
        """
        Connections may be served with another protocol, Twisted's for instance.
        """

        class Theirs(DNSServerFactory):
            protocol = cast("Callable[[], Protocol]", names.DNSProtocol)

        factory = self.make(kind=Theirs, clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.1"])
        self.assertEqual(factory.connections, [])

    def test_verbose(self) -> None:
        """
        Who wants to see queries sees them; the replies are the same.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")], verbose=2)
        self.assertEqual(self.texts(self.ask("www.example.com", edns=EDNS())), ["300 192.0.2.1"])
        (short,) = self.udp(b"\x12\x34" + bytes(10))
        self.assertEqual(short[3] & 15, Rcode.FORMERR)
