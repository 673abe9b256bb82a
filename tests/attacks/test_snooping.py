"""
Attack 38, except padding: finding out what other clients have queried, and what a server reveals about its clients and their network
(CVE-2026-40012; RFC 6303; RFC 7686; RFC 7871).
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.whole import US, WholeServerTestCase
from tests.packetcache.lanes import NEAR, Server
from tests.queries import optOf, queryOf
from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.designating import DesignatingSource
from twisted_ext.resolver.local import specialnames
from twisted_ext.resolver.local.specialnames import PrivateNames
from twisted_ext.server.reply import respond
from twisted_ext.server.reply.requests import Request, Send
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import CannedSource, answerOf, questionOf
from twisted_ext.wire.codes import RD, Rcode
from twisted_ext.wire.message import Message, Question

WWW = questionOf("www.test.example")

#: Names that are never sent to upstreams: of this machine, of this network, and private by definition (RFC 6761; RFC 6303; RFC 7686).
OURS = (
    ("localhost", "A"),
    ("www.localhost", "AAAA"),
    ("1.0.0.127.in-addr.arpa", "PTR"),
    ("secret.onion", "A"),
    ("x.invalid", "A"),
    ("x.alt", "A"),
    ("printer.local", "A"),
    ("192.168.0.1", "A"),
    ("9.0.168.192.in-addr.arpa", "PTR"),
    ("1.2.3.10.in-addr.arpa", "PTR"),
    ("7.6.31.172.in-addr.arpa", "PTR"),
    ("1.64.100.in-addr.arpa", "PTR"),
    ("4.3.254.169.in-addr.arpa", "PTR"),
    ("8.b.d.0.1.0.0.2.ip6.arpa", "SOA"),
    ("0." * 28 + "0.0.d.f.ip6.arpa", "PTR"),
    ("0." * 28 + "0.8.e.f.ip6.arpa", "PTR"),
    ("printer.home.arpa", "A"),
    ("Home.arpa", "SOA"),
    ("_ipp._tcp.default.service.arpa", "SRV"),
    ("www.test", "AAAA"),
)

#: Their public neighbors.
THEIRS = (
    ("1.0.32.172.in-addr.arpa", "PTR"),
    ("1.128.100.in-addr.arpa", "PTR"),
    ("1.1.1.1.in-addr.arpa", "PTR"),
    ("8.e.f.ip6.arpa.example", "PTR"),
    ("onion.example", "A"),
    ("10.in-addr.arpa.example", "A"),
    ("10.in-addr.arpa", "DS"),
    ("home.arpa", "DS"),
    ("test", "DS"),
    ("www.testing", "A"),
    ("atest", "A"),
    ("home.arpa.example", "A"),
    ("me.arpa", "A"),
)

#: A client subnet option (RFC 7871).
SUBNET = (8, b"\x00\x01\x18\x00\xc0\xa8\x00")


def _asWithRD(until: float, *, recursionDesired: bool, dnssecOk: bool, checkingDisabled: bool, client: str) -> QueryContext:
    return QueryContext(until, recursionDesired=True, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled, client=client)


class RememberedTests(SynchronousTestCase):
    """
    Tests of probing the cache.
    """

    def ask(self, defended: bool) -> tuple[list[Message], list[Message]]:
        """
        Query a cached and an uncached name without RD.

        @return: the replies to both.
        """
        clock = Clock()
        clock.advance(1_000_000)
        server = Server(clock)
        if not defended:
            self.patch(respond, "_isRemembered", lambda answer: False)
            self.patch(respond, "QueryContext", _asWithRD)
        for _ in range(5):
            server.ask(queryOf())
        asked = server.inner.asked
        known = [server.ask(queryOf(flags=0)) or b"" for _ in range(5)]
        unknown = [server.ask(queryOf("many.test.example", flags=0)) or b"" for _ in range(5)]
        self.assertEqual(server.inner.asked, asked)
        self.assertEqual(known == [reply.replace(b"\x04many", b"\x03www") for reply in unknown], defended)
        return [Message.fromWire(reply) for reply in known], [Message.fromWire(reply) for reply in unknown]

    def test_cacheContentIsNotRevealed(self) -> None:
        """
        Queries without RD get the same refusal for cached and uncached names, and no upstream is asked.
        """
        for replies in self.ask(True):
            self.assertEqual({reply.rcode for reply in replies}, {Rcode.REFUSED})

    def test_withoutDefenseCacheContentIsRevealed(self) -> None:
        """
        With the defense off, cached answers are given.
        """
        known, unknown = self.ask(False)
        self.assertEqual({(reply.rcode, len(reply.answer)) for reply in known}, {(Rcode.NOERROR, 1)})
        self.assertEqual({reply.rcode for reply in unknown}, {Rcode.REFUSED})

    def test_ownRecordsAreGivenWithoutRD(self) -> None:
        """
        The server's own records are given to every permitted client without RD.
        """
        own = answerOf(WWW, "192.0.2.80")
        own.origin = Origin("hosts")
        clock = Clock()
        source = CannedSource({("www.test.example", "A"): own}, now=True)
        responder = Responder(CachedSource(source, clock), clock)
        sent: list[bytes] = []
        responder.take(queryOf(flags=0), (NEAR, 4000), "udp", sent.append)
        self.assertEqual(len(Message.fromWire(sent[0]).answer), 1)


class SnoopingTests(WholeServerTestCase):
    """
    The same on a whole server, with every kind of remembered answer.
    """

    def replies(self) -> dict[str, bytes]:
        """
        Return the reply without RD for names that were queried before, failed, were held back, or were never queried, each without its
        name.
        """
        self.upstream.set("held.test.example", "A", "192.168.1.1")
        self.upstream.set("fails.test.example", "A", 2)
        self.run_(stopRebinding=True)
        names = ("www.test.example", "none.test.example", "held.test.example", "fails.test.example", "fresh.test.example")
        for name in names[:4]:
            for _ in range(3):
                self.asked(name)
        found: dict[str, bytes] = {}
        transport = self.client.transport
        assert transport is not None
        for name in names:
            query = queryOf(name, flags=0, opt=optOf())
            transport.write(query, (US, 53))
            self.network.advance(1)
            found[name] = self.client.got[-1].replace(query[12:-11], b"?")
        return found

    def test_refusalsAreIdentical(self) -> None:
        """
        All of them are refused in the same octets.
        """
        self.assertEqual(len(set(self.replies().values())), 1)

    def test_recursiveRepliesWouldDiffer(self) -> None:
        """
        If queries without RD were treated like others, their replies would differ.
        """
        take = Responder.respond

        def respondTo(responder: Responder, request: Request, send: Send, flow: object = None) -> None:
            request.flags |= RD
            take(responder, request, send)

        self.patch(Responder, "respond", respondTo)
        self.assertGreater(len(set(self.replies().values())), 3)


class LeakingTests(WholeServerTestCase):
    """
    Tests of what upstreams learn. Ours is on the Internet.
    """

    def namesSentUpstream(self, names: tuple[tuple[str, str], ...], **values: object) -> list[str]:
        """
        Return the names that the upstream is asked for.
        """
        service = self.run_(**values)
        before = len(self.upstream.asked)
        for name, rrType in names:
            self.asked(name, rrType)
        self.stop(service)
        asked = {each.question.key for each in self.upstream.asked[before:]}
        return [name for name, rrType in names if questionOf(name, rrType).key in asked]

    def test_privateNamesAreAnsweredLocally(self) -> None:
        """
        Private names are answered locally, their public neighbors by the upstream.
        """
        self.assertEqual(self.namesSentUpstream(OURS), [])
        self.assertEqual(self.namesSentUpstream(THEIRS), [name for name, _ in THEIRS])

    def test_withoutTablesPrivateNamesLeak(self) -> None:
        """
        Without both tables, all private names would be sent to the upstream.
        """
        self.patch(PrivateNames, "ask", lambda source, question, context: None)
        self.assertEqual(len(self.namesSentUpstream(OURS)), 12)

        def nothing(source: specialnames.Special, question: Question, context: QueryContext) -> Answer | None:
            return None

        self.patch(specialnames.Special, "ask", nothing)
        self.assertEqual(len(self.namesSentUpstream(OURS)), len(OURS))

    def test_designationsAreNotTheUpstreams(self) -> None:
        """
        Clients that look for encrypted servers are not sent to those of the upstream, which cannot prove to be this server. Without the
        local zone, they would be.
        """
        names = (("_dns.resolver.arpa", "SVCB"), ("x.resolver.arpa", "A"))
        self.assertEqual(self.namesSentUpstream(names), [])
        self.patch(DesignatingSource, "ask", lambda source, question, context: None)
        self.assertEqual(self.namesSentUpstream(names), [name for name, _ in names])

    def test_insideUpstreamGetsPrivateNames(self) -> None:
        """
        An upstream inside the network, or one that is routed for them, is asked for names of private addresses, and others that only the
        network knows.
        """
        inside, server = self.serve("192.168.0.53")
        other, second = self.serve("192.0.2.54")
        for domain, name, rrType in (
            ("168.192.in-addr.arpa", "9.0.168.192.in-addr.arpa", "PTR"),
            ("home.arpa", "printer.home.arpa", "A"),
            ("lan.home.arpa", "printer.lan.home.arpa", "A"),
            ("test", "www.test", "A"),
        ):
            asked = ((name, rrType),)
            self.assertEqual(self.namesSentUpstream(asked, upstream=server.label), [])
            self.assertEqual(inside.asked[-1].question, questionOf(name, rrType))
            self.assertEqual(self.namesSentUpstream(asked, route={domain: second.label}), [])
            self.assertEqual(other.asked[-1].question, questionOf(name, rrType))

    def test_ownRecordsBeforeEmptyZones(self) -> None:
        """
        What this server knows of a name that only the network can know is its answer; other names there are denied.
        """
        self.run_(local=["printer.home.arpa A 192.168.0.7"])
        for name, rcode, answers in (("printer.home.arpa", Rcode.NOERROR, 1), ("x.home.arpa", Rcode.NXDOMAIN, 0)):
            message = self.asked(name)
            assert message is not None
            self.assertEqual((message.rcode, len(message.answer)), (rcode, answers))
        self.assertEqual(self.upstream.asked, [])

    def test_privateReverseIsDeniedWithSOA(self) -> None:
        """
        Private reverse names are denied in a form that clients can cache (RFC 6303, section 3).
        """
        self.run_()
        for name, rrType, rcode, answers, authorities in (
            ("9.0.168.192.in-addr.arpa", "PTR", Rcode.NXDOMAIN, 0, 1),
            ("168.192.in-addr.arpa", "PTR", Rcode.NOERROR, 0, 1),
            ("168.192.in-addr.arpa", "SOA", Rcode.NOERROR, 1, 0),
            ("168.192.in-addr.arpa", "NS", Rcode.NOERROR, 1, 0),
        ):
            message = self.asked(name, rrType)
            assert message is not None
            self.assertEqual((message.rcode, len(message.answer), len(message.authority)), (rcode, answers, authorities))
        message = self.asked("9.0.168.192.in-addr.arpa", "PTR")
        assert message is not None
        self.assertEqual((message.authority[0].ttl, message.authority[0].name), (10800, queryOf("168.192.in-addr.arpa")[12:-4]))

    def optionsSentUpstream(self) -> list[tuple[int, bytes]]:
        """
        Return the options that the upstream gets when a client sends its subnet and a cookie.
        """
        self.run_()
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(opt=optOf(options=[SUBNET, (10, bytes(8)), (65001, b"secret")])), (US, 53))
        self.network.advance(1)
        (asked,) = self.upstream.asked
        assert asked.message.edns is not None
        return list(asked.message.edns.options)

    def test_clientOptionsAreNotForwarded(self) -> None:
        """
        No option of a client is forwarded.
        """
        self.assertEqual(self.optionsSentUpstream(), [])

    def test_copiedOptionsWouldBeForwarded(self) -> None:
        """
        If the client's options were copied to our query, they would be forwarded.
        """

        def context(deadline: float, **wishes: object) -> QueryContext:
            return QueryContext(deadline, options=(SUBNET,))

        self.patch(respond, "QueryContext", context)
        self.assertEqual(self.optionsSentUpstream(), [SUBNET])
