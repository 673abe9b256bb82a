"""
Tests of the factory that replaces the one of twisted.names.server, with the protocols of both and with resolvers of either kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.names import cache, error
from twisted.names import dns as names

from tests.server.factories import OnlyQuery, Result, Server, Zone, record
from tests.typed import clientOf
from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.client import NamesResolver
from twisted_ext.errors import CallerFault, ServerFailed
from twisted_ext.server import DNSServerFactory
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, RA, RD, TC, Rcode
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.zone import Zone as Built


def _identity(error: Exception) -> Exception:
    return error


class FactoryTests(Server):
    """
    Tests with the protocol of this package.
    """

    def test_resolverNeedsOnlyQuery(self) -> None:
        """
        A resolver needs only C{query}; if it has no answer, the next resolver is asked.
        """
        source = CannedSource({("www.example.com", "A"): "192.0.2.90"})
        self.make(clients=[OnlyQuery({b"one.example.com": "192.0.2.1"}), source])
        self.assertEqual(self.texts(self.ask("one.example.com")), ["77 192.0.2.1"])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.90"])

    def test_changedZoneIsServedAtOnce(self) -> None:
        """
        Zones can be authorities among others, and a change of a zone is served at once.
        """
        text = "@ 60 SOA ns admin 1 3600 900 604800 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
        inner, outer = Built.fromText(text, "sub.example.com"), Built.fromText(text + "www 60 A 192.0.2.2\n", "example.com")
        self.make(authorities=[outer, Zone(""), inner])
        self.assertEqual(self.texts(self.ask("www.example.com")), ["60 192.0.2.2"])
        self.assertEqual(self.texts(self.ask("ns.sub.example.com")), ["60 192.0.2.1"])
        self.assertEqual(self.texts(self.ask("www.example.org")), ["120 192.0.2.80", "120 192.0.2.81"])
        reply = self.ask("new.sub.example.com")
        self.assertEqual((reply.rcode, reply.flags & AA), (Rcode.NXDOMAIN, AA))
        inner.add("new A 192.0.2.9")
        self.assertEqual(self.texts(self.ask("new.sub.example.com")), ["60 192.0.2.9"])
        self.assertEqual(self.ask("www.example.net").rcode, Rcode.REFUSED)

    def test_resolversAreAskedInOrder(self) -> None:
        """
        Authorities, caches and clients are asked in this order, whether they come from twisted.names or from this package.
        """
        remembering = cast("Callable[..., object]", cache.CacheResolver)(reactor=self.serverHost)
        inner = CannedSource({("www.example.com", "A"): "192.0.2.90", ("www.example.org", "A"): "192.0.2.66"})
        factory = self.make(authorities=[Zone("")], caches=[remembering], clients=[NamesResolver(inner, self.serverHost)])
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
        # Twisted's cache has a timer for each entry.
        self.network.advance(300)

    def test_servfailIsNotNXDOMAIN(self) -> None:
        """
        A failure of the servers is not a denial, whichever package raises it.
        """
        for raised in (error.DNSServerError(), ServerFailed("it failed", rcode=2)):
            with self.subTest(raised):
                factory = self.make(clients=[OnlyQuery(raises=partial(_identity, raised))])
                self.assertEqual(self.ask("www.example.com").rcode, Rcode.SERVFAIL)
                self.tearDown()
                self.assertEqual(factory.connections, [])

    def test_mistakeIsLoggedAndNotTold(self) -> None:
        """
        An exception that is a mistake in a resolver is logged, and its text goes to no client.
        """
        self.make(clients=[OnlyQuery(raises=partial(KeyError, "password=hunter2"))])
        reply = self.ask("www.example.org", edns=EDNS(1232))
        self.assertEqual(reply.rcode, 2)
        assert reply.edns is not None
        texts = [data[2:] for code, data in reply.edns.options if code == 15]
        self.assertEqual([text for text in texts if b"internal error" in text], texts)
        self.assertTrue(texts)
        self.assertNotIn(b"hunter2", buildMessage(reply))
        (logged,) = self.flushLoggedErrors(KeyError)
        self.assertIn("hunter2", logged.getTraceback())

    def test_denialHasSOAAndAA(self) -> None:
        """
        A denial by an authority has its SOA record and AA.
        """
        self.make(authorities=[Zone("")])
        reply = self.ask("nothing.example.org")
        self.assertEqual((reply.rcode, reply.flags & (AA | RA)), (Rcode.NXDOMAIN, AA))
        self.assertEqual([(rrset.rrType, rrset.ttl) for rrset in reply.authority], [(6, 60)])
        reply = self.ask("www.example.org", "MX")
        self.assertEqual((reply.rcode, reply.flags & AA, len(reply.answer)), (Rcode.NOERROR, AA, 0))

    def test_otherNamesAreRefused(self) -> None:
        """
        Names outside all authorities are refused, since they may exist.
        """
        self.make(authorities=[Zone("")])
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_delegatedNameGetsReferral(self) -> None:
        """
        A query for a delegated name gets a referral without AA.
        """
        self.make(authorities=[Zone("")])
        reply = self.ask("below.example.org")
        self.assertEqual((reply.rcode, reply.flags & AA, [rrset.rrType for rrset in reply.authority]), (0, 0, [2]))

    def test_clientsAreAskedOnlyForRD(self) -> None:
        """
        Clients are asked only for queries with RD; authorities answer every query.
        """
        source = CannedSource({("www.example.com", "A"): "192.0.2.90"})
        self.make(authorities=[Zone("")], clients=[source])
        self.assertEqual(self.texts(self.ask("www.example.org", flags=0)), ["120 192.0.2.80", "120 192.0.2.81"])
        self.assertEqual(self.ask("www.example.com", flags=0).rcode, Rcode.REFUSED)
        self.assertEqual(source.asked, 0)

    def test_aliasOutOfZoneIsResolved(self) -> None:
        """
        An alias that leads out of a zone is resolved by the clients, and the reply has the whole chain in order, each record with its TTL.
        """
        self.make(
            authorities=[Zone("")], clients=[CannedSource({("www.example.net", "A"): ["192.0.2.91", "192.0.2.92"]})]
        )
        reply = self.ask("far.example.org")
        self.assertEqual(self.texts(reply), ["60 www.example.net.", "300 192.0.2.91", "300 192.0.2.92"])
        self.assertEqual(reply.flags & AA, AA)
        self.assertEqual(self.texts(self.ask("far.example.org", flags=0)), ["60 www.example.net."])

    def test_aliasLoopEnds(self) -> None:
        """
        A loop of aliases ends.
        """

        class AliasLoopZone(Zone):
            def loadFile(self, filename: str) -> None:
                super().loadFile(filename)
                vars(self)["records"] = {
                    b"a.example.org": [record("CNAME", b"b.example.org", ttl=60)],
                    b"b.example.org": [record("CNAME", b"a.example.org", ttl=60)],
                }

        self.make(authorities=[AliasLoopZone("")])
        self.assertEqual(self.texts(self.ask("a.example.org", "AAAA")), ["60 b.example.org.", "60 a.example.org."])

    def test_longReplyIsTruncatedByUDP(self) -> None:
        """
        A reply over UDP is never larger than the client accepts, and has TC set if it is cut; a reply over TCP is complete.
        """
        self.make(authorities=[Zone("")])
        for edns, most in ((None, 512), (EDNS(4096), 1232), (EDNS(700), 700)):
            octets = self.query("long.example.org", "TXT", edns=edns)
            (short,) = self.udp(octets)
            self.assertLessEqual(len(short), most)
            self.assertTrue(Message.fromWire(short).check().flags & TC)
            (long,) = self.tcp(octets)
            self.assertEqual(len(Message.fromWire(long).check().answer[0].rdatas), 40)

    def test_replyHasEDNSIfQueryHas(self) -> None:
        """
        A query with EDNS gets a reply with EDNS, and other queries do not.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertIsNone(self.ask("www.example.com").edns)
        edns = self.ask("www.example.com", edns=EDNS(4096)).edns
        assert edns is not None
        self.assertEqual((edns.version, edns.payloadSize), (0, 1232))
        self.assertEqual(self.ask("www.example.com", edns=EDNS(4096, version=1)).rcode, Rcode.BADVERS)

    def test_slowAnswerIsSERVFAIL(self) -> None:
        """
        A query whose answer takes too long gets SERVFAIL, over UDP before clients stop waiting.
        """

        class SilentResolver(OnlyQuery):
            def query(self, query: names.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return Deferred()

        self.make(clients=[SilentResolver()])
        for ask, seconds in ((self.udp, 4.5), (self.tcp, 20.0)):
            (reply,) = ask(self.query("www.example.com"), seconds=seconds)
            self.assertEqual(Message.fromWire(reply).rcode, Rcode.SERVFAIL)

    def test_lateAnswerIsDropped(self) -> None:
        """
        An answer that arrives after the port is closed is dropped without an error.
        """
        source = HeldSource()
        self.make(clients=[source])
        self.udp(self.query("www.example.com"))
        self.tcp(self.query("www.example.org"))
        for port in self.serverHost.ports():
            port.stopListening()
        self.network.advance(0.1)
        self.assertEqual(source.release(answerOf(questionOf("www.example.com"), "192.0.2.1")), 2)

    def test_repliesAreNotAnswered(self) -> None:
        """
        A reply is never answered, nor is a message that is too short.
        """
        self.make(clients=[CannedSource(otherwise="192.0.2.1")])
        self.assertEqual(self.udp(self.query("www.example.com", flags=QR | RD)), [])
        self.assertEqual(self.udp(b"\x12\x34\x01"), [])
        self.assertEqual(self.udp(b""), [])

    def test_noResolversMeansRefused(self) -> None:
        """
        A factory without resolvers refuses queries.
        """
        self.make()
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.REFUSED)

    def test_invalidResolverIsRefused(self) -> None:
        """
        An object that is not a resolver is an error at once.
        """
        self.assertRaisesRegex(CallerFault, "not a resolver", DNSServerFactory, clients=[3], reactor=self.serverHost)

    def test_positionalArgumentsAreAccepted(self) -> None:
        """
        Authorities, caches and clients may be positional arguments, as in twisted.names.
        """
        factory = DNSServerFactory([Zone("")], None, [OnlyQuery()], 0, reactor=self.serverHost)
        self.assertEqual((factory.verbose, factory.canRecurse, factory.cache, factory.connections), (0, True, None, []))

    def test_connectionsEndWithPort(self) -> None:
        """
        The factory lists its connections, and they end with its port.
        """
        factory = self.make(clients=[CannedSource()])
        self.clientHost.connectTCP("192.0.2.53", 53, clientOf(Protocol))
        self.network.advance(0.1)
        self.assertEqual(len(factory.connections), 1)
        self.assertIs(getattr(factory.connections[0], "factory", None), factory)
        for listener in list(self.serverHost.listeners.values()):
            listener.stopListening()
        self.network.advance(0.1)
        self.assertEqual(factory.connections, [])
        self.serverHost.listenTCP(53, factory)
        self.assertEqual(len(self.tcp(self.query("www.example.com"))), 1)

    def test_oddOctetsInNames(self) -> None:
        """
        Odd octets in names are preserved.
        """
        odd = questionOf(r"a\.b\000.example.com")
        answer = Answer(Outcome.DATA, (rrsetOf(odd.name, 1, "192.0.2.1"),), origin=Origin("canned"))
        self.make(clients=[CannedSource(otherwise=answer)])
        (reply,) = self.udp(buildMessage(Message(1, RD, (odd,))))
        self.assertEqual(Message.fromWire(reply).check().answer[0].name, odd.name)


class TwistedProtocolTests(FactoryTests):
    """
    The same tests with Twisted's protocol for datagrams.
    """

    datagrams = cast("Callable[..., DatagramProtocol]", names.DNSDatagramProtocol)

    def test_oddOctetsInNames(self) -> None:
        """
        Twisted's messages do not preserve odd octets in names: the labels of the reply differ.
        """
        odd = questionOf(r"a\.b\000.example.com")
        answer = Answer(Outcome.DATA, (rrsetOf(odd.name, 1, "192.0.2.1"),), origin=Origin("canned"))
        self.make(clients=[CannedSource(otherwise=answer)])
        (reply,) = self.udp(buildMessage(Message(1, RD, (odd,))))
        self.assertNotEqual(Message.fromWire(reply).questions, (odd,))
