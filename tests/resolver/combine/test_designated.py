"""
Tests of forwarding over the encrypted transports that a plain server designates.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from tests.certificates import certificateFor, written
from tests.networks import WWW, NetworkTestCase
from tests.transport.https.http3servers import HTTP3Server
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.answers import QueryContext, Trace
from twisted_ext.errors import BadDescription, Closed, QueueFull, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import DESIGNATED_RETRY_SECONDS, DESIGNATED_SECONDS, Limit
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine import designated
from twisted_ext.resolver.combine.designated import DesignatedSource
from twisted_ext.resolver.forward import ddr
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.listeners.tls.certificates import Pair
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf

_HERE = "_dns.resolver.arpa"
_DOT = "1 dns.example. alpn=dot ipv4hint=192.0.2.99"
_PROBED = {**WWW, (".", "NS"): "ns.example."}


class DesignatedSourceTests(NetworkTestCase):
    """
    Tests for L{DesignatedSource}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder)).replace(":", "\\:")
        self.plain, self.plainAt = self.serve("192.0.2.53", {**_PROBED, (_HERE, "SVCB"): _DOT})
        self.encrypted = CannedServer(_PROBED)
        self.there = self.network.reactor("192.0.2.99")
        self.source: IAnswerSource | None = None

    def tearDown(self) -> None:
        if self.source is not None:
            closed = self.source.close()
            self.network.advance(1)
            self.successResultOf(closed)
        super().tearDown()

    def listen(self, *names: str) -> None:
        """
        Let the encrypted server listen, with a certificate for these names.
        """
        self.encrypted.listenTLS(self.there, ServerTLS(leaf(*names)))

    def build(self, **options: str) -> IAnswerSource:
        """
        Build the source.
        """
        said = "".join([f":{key}={value}" for key, value in options.items()])
        self.source = sourceFromString(self.here, f"ddr:192.0.2.53:ca={self.ca}{said}")
        return self.source

    def sentInClear(self) -> list[str]:
        """
        Return the names that the plain server was asked for.
        """
        return [repr(asked.question).split()[0] for asked in self.plain.asked]

    def test_providesIAnswerSource(self) -> None:
        """
        It provides IAnswerSource.
        """
        source = self.build()
        verifyObject(IAnswerSource, source)
        self.assertEqual(repr(source), "<Designated by 192.0.2.53:53>")

    def test_verifiedServerGetsAll(self) -> None:
        """
        Once the designated server has proved the plain server's address, all look-ups go to it, the first ones included.
        """
        self.listen("192.0.2.53")
        source = self.build()
        asked = [self.ask(source) for _ in range(5)]
        self.network.advance(2)
        for each in asked:
            self.successResultOf(each)
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual([asked.question for asked in self.plain.asked], [questionOf(_HERE, "SVCB")])
        self.assertEqual([asked.transport for asked in self.encrypted.asked], ["tls"] * 7)

    def test_otherNameIsNotEnough(self) -> None:
        """
        A certificate for the name in the record, which an attacker could have sent, does not make the server that of the plain one; its
        look-ups stay with the plain server, and the handshake is not repeated. If the certificate had to have the name in the record, it
        would be used.
        """
        self.listen("dns.example")
        self.assertEqual(self.find(self.build()), ["192.0.2.80"])
        self.assertEqual(self.encrypted.asked, [])
        self.assertEqual(self.find(self.build()), ["192.0.2.80"])

        made = ddr.Designation

        def careless(
            protocol: str, identity: str, host: str, port: int, addresses: tuple[str, ...], path: str, expires: float
        ) -> ddr.Designation:
            return made(protocol, host, host, port, addresses, path, expires)

        self.patch(ddr, "Designation", careless)
        self.assertEqual(self.find(self.build()), ["192.0.2.80"])
        self.assertNotEqual(self.encrypted.asked, [])

    def test_strict(self) -> None:
        """
        With strict=yes, a look-up without an encrypted server fails in one line that says why, and its name is never sent in the clear.
        """
        self.listen("dns.example")
        source = self.build(strict="yes")
        for _ in range(2):
            fault = self.fault(source)
            self.assertIsInstance(fault, Unreachable)
            self.assertIn("192.0.2.53:53 has no encrypted server to use: dot at dns.example:853: ", str(fault))
            self.assertNotIn("\n", str(fault))
        self.assertEqual([asked.question for asked in self.plain.asked], [questionOf(_HERE, "SVCB")])

    def test_strictWithoutDesignations(self) -> None:
        """
        The error says if the server designates none, or does not reply.
        """
        self.plain.set(_HERE, "SVCB", [])
        self.assertIn("use: it designates none", str(self.fault(self.build(strict="yes"))))
        self.plain.close()
        self.assertIn("its designations cannot be looked up", str(self.fault(self.build(strict="yes"))))

    def test_plainServerWithoutDesignations(self) -> None:
        """
        A server that designates none is queried in the clear, and asked again after a while.
        """
        self.plain.set(_HERE, "SVCB", [])
        source = self.build()
        for _ in range(3):
            self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(len(self.plain.asked), 4)
        self.plain.set(_HERE, "SVCB", _DOT)
        self.listen("192.0.2.53")
        self.network.advance(DESIGNATED_RETRY_SECONDS.default * 300)
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(len(self.plain.asked), 5)

    def test_http3Alone(self) -> None:
        """
        A server that speaks HTTP/3 and nothing else is used by HTTP/3, with the address of the plain one in its certificate.
        """
        self.plain.set(_HERE, "SVCB", "1 dns.example. alpn=h3 ipv4hint=192.0.2.99 dohpath=/q{?dns}")
        octets = certificateFor("192.0.2.53")
        web = HTTP3Server(self.there, self.encrypted, Pair(octets, octets, "shown"))
        source = self.build(strict="yes")
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual([request.fields[b":path"] for request in web.requests], [b"/q"] * 2)
        source.close()
        self.network.advance(1)
        web.stop()

    def test_addressIsLookedUp(self) -> None:
        """
        The addresses of a target without hints are asked for at the plain server.
        """
        self.plain.set(_HERE, "SVCB", "1 dns.example. alpn=dot")
        self.plain.set("dns.example", "A", "192.0.2.99")
        self.listen("192.0.2.53")
        self.assertEqual(self.find(self.build()), ["192.0.2.80"])
        self.assertEqual(len(self.encrypted.asked), 2)

    def test_nextCandidate(self) -> None:
        """
        If one designated server cannot be used, the next one is.
        """
        self.plain.set(_HERE, "SVCB", ["1 bad.example. alpn=dot ipv4hint=192.0.2.98", "2 dns.example. alpn=dot ipv4hint=192.0.2.99"])
        bad = CannedServer(_PROBED)
        bad.listenTLS(self.network.reactor("192.0.2.98"), ServerTLS(leaf("bad.example")))
        self.listen("192.0.2.53")
        self.assertEqual(self.find(self.build()), ["192.0.2.80"])
        self.assertEqual(bad.asked, [])
        self.assertEqual(len(self.encrypted.asked), 2)

    def test_noDowngradeWhileDesignated(self) -> None:
        """
        A verified server that cannot be reached any more fails look-ups until its designation expires; then the discovery begins again.
        """
        self.listen("192.0.2.53")
        source = self.build()
        self.find(source)
        self.encrypted.close()
        self.network.advance(1)
        self.assertIsInstance(self.fault(source), Unreachable)
        self.assertEqual(len(self.plain.asked), 1)
        self.network.advance(100_000)
        self.assertIsInstance(self.fault(source), Unreachable)
        self.assertEqual(len(self.plain.asked), 1)
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(len(self.plain.asked), 3)

    def test_stillDesignated(self) -> None:
        """
        When the record has expired, the encrypted server itself is asked whether it is still designated. Look-ups do not wait for that, and
        nothing is asked in the clear.
        """
        self.encrypted.set(_HERE, "SVCB", _DOT)
        self.listen("192.0.2.53")
        source = self.build()
        self.find(source)
        for number in range(1, 4):
            self.network.advance(100_000)
            asked = self.ask(source)
            self.network.advance(0.1)
            self.successResultOf(asked)
            self.network.advance(1)
            self.assertEqual((len(self.plain.asked), len(self.designations())), (1, number))

    def designations(self) -> list[str]:
        """
        Return the queries for designations that the encrypted server received.
        """
        return [asked.transport for asked in self.encrypted.asked if asked.question == questionOf(_HERE, "SVCB")]

    def test_designatedInTheClearOnly(self) -> None:
        """
        An encrypted server that does not know of its designation is used on while the plain one designates it; also if that does not reply.
        """
        self.listen("192.0.2.53")
        source = self.build()
        self.find(source)
        dialed = self.network.dialed["192.0.2.99", 853]
        for number in range(2, 5):
            self.network.advance(100_000)
            self.plain.silent = number == 4
            self.assertEqual(self.find(source), ["192.0.2.80"])
            self.assertGreaterEqual(len(self.designations()), number - 1)
        self.assertEqual(self.network.dialed["192.0.2.99", 853], dialed + 3)
        self.assertEqual({asked.question for asked in self.plain.asked}, {questionOf(_HERE, "SVCB")})
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual({asked.question for asked in self.plain.asked}, {questionOf(_HERE, "SVCB")})

    def test_notDesignatedAnyMore(self) -> None:
        """
        If neither server designates the encrypted one after the record has expired, the discovery begins again. Look-ups under way are
        finished by the former one.
        """
        self.listen("192.0.2.53")
        source = self.build()
        self.find(source)
        self.encrypted.set(_HERE, "SVCB", "1 other.example. alpn=dot ipv4hint=192.0.2.98")
        self.plain.set(_HERE, "SVCB", "1 other.example. alpn=dot ipv4hint=192.0.2.98")
        other = CannedServer(_PROBED)
        other.listenTLS(self.network.reactor("192.0.2.98"), ServerTLS(leaf("192.0.2.53")))
        self.network.advance(100_000)
        self.encrypted.delay = 0.3
        first = self.ask(source)
        self.network.advance(0.2)
        asked = [first, self.ask(source, "h.test.example")]
        self.network.advance(2)
        for each in asked:
            self.successResultOf(each)
        self.encrypted.asked.clear()
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual((len(self.encrypted.asked), len(other.asked)), (0, 2))
        self.assertEqual(self.sentInClear(), self.sentInClear()[:1] * 3)

    def test_checkFails(self) -> None:
        """
        If the encrypted server does not say whether it is still designated, it is used on, and asked again later.
        """
        self.encrypted.set(_HERE, "SVCB", 2)
        self.listen("192.0.2.53")
        source = self.build()
        self.find(source)
        self.network.advance(100_000)
        for _ in range(3):
            self.assertEqual(self.find(source), ["192.0.2.80"])
        checks = len(self.designations())
        self.assertGreaterEqual(checks, 1)
        self.assertEqual(len(self.plain.asked), 1)
        self.network.advance(DESIGNATED_RETRY_SECONDS.default)
        self.find(source)
        self.assertGreater(len(self.designations()), checks)

    def test_closingDuringCheck(self) -> None:
        """
        A check under way ends when the source is closed.
        """
        self.listen("192.0.2.53")
        for seconds in (0.0, 0.005, 0.03, 0.05):
            source = self.build()
            self.find(source)
            self.network.advance(100_000)
            self.ask(source).addErrback(lambda _: None)
            self.network.advance(seconds)
            source.close()
            self.network.advance(1)
            self.assertEqual(self.here.pending(), [])

    def test_unverifiedAtPrivateAddress(self) -> None:
        """
        With C{opportunistic}, a server at the private address of the plain one is used without proof; at another or a public address, or
        without the option, it is not.
        """
        for address, place, option, expected in (
            ("192.168.1.1", "192.168.1.1", "yes", "tls"),
            ("192.168.1.2", "192.168.1.2", "no", "udp"),
            ("192.168.1.3", "192.168.1.4", "yes", "udp"),
            ("198.51.100.1", "198.51.100.1", "yes", "udp"),
        ):
            host = self.network.reactor(address)
            canned = CannedServer({**_PROBED, (_HERE, "SVCB"): f"1 router.lan. alpn=dot,h2 ipv4hint={place} dohpath=/q{{?dns}}"})
            canned.listen(host)
            there = host if place == address else self.network.reactor(place)
            canned.listenTLS(there, ServerTLS(leaf("router.lan")))
            source = self.source = sourceFromString(self.here, f"ddr:{address}:ca={self.ca}:opportunistic={option}")
            self.assertEqual(self.find(source), ["192.0.2.80"])
            self.assertEqual(canned.asked[-1].transport, expected, address)
            assert isinstance(source, DesignatedSource)
            self.assertEqual(source.unverified, expected == "tls")
            self.assertIn("not verified" if expected == "tls" else "in the clear", source.state)
            source.close()
            self.network.advance(1)

    def test_explained(self) -> None:
        """
        The trace of a look-up says how the server is asked, and why.
        """
        self.listen("192.0.2.53")
        self.assertEqual(self.upstreams(), ["192.0.2.53:53 by dot at dns.example:853, verified as 192.0.2.53"])
        self.plain.set(_HERE, "SVCB", [])
        self.assertEqual(self.upstreams(), ["192.0.2.53:53: in the clear, it designates none"])

    def upstreams(self) -> list[object]:
        """
        Return what the trace of a look-up says of a new source's server.
        """
        trace = Trace()
        source = self.build()
        lookUp(source, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5, trace=trace)).addErrback(lambda _: None)
        self.network.advance(3)
        source.close()
        self.network.advance(1)
        return [note.details["upstream"] for note in trace.notes if note.source == "designated"]

    def test_silentServers(self) -> None:
        """
        Look-ups wait for a discovery for a bounded time, then go to the plain server.
        """
        self.plain.set(_HERE, "SVCB", [f"{number} h{number}.example. alpn=dot ipv4hint=192.0.2.{100 + number}" for number in range(1, 9)])
        source = self.build()
        asked = self.ask(source, seconds=10)
        self.network.advance(DESIGNATED_SECONDS.default + 1)
        self.successResultOf(asked)

    def test_cancelEndsDiscovery(self) -> None:
        """
        Cancelling the only look-up ends the discovery, which begins again with the next one; cancelling one of several does not.
        """
        self.listen("192.0.2.53")
        source = self.build()
        for seconds in (0.0, 0.03, 0.07):
            asked = self.ask(source)
            self.network.advance(seconds)
            asked.cancel()
            self.failureResultOf(asked)
            self.network.advance(1)
            self.assertEqual(self.here.pending(), [], seconds)
        first, second = self.ask(source), self.ask(source)
        first.cancel()
        self.failureResultOf(first)
        self.network.advance(2)
        self.successResultOf(second)
        self.assertEqual({asked.question for asked in self.plain.asked}, {questionOf(_HERE, "SVCB")})

    def test_deadline(self) -> None:
        """
        A look-up ends by its own deadline, even while the discovery goes on for others.
        """
        self.network.shape("192.0.2.53", silent=True, loss=1.0)
        source = self.build()
        short, long = self.ask(source, seconds=0.5), self.ask(source, seconds=10)
        self.network.advance(0.5)
        self.assertIn("was asked what it designates", str(self.failed(short)))
        self.assertNoResult(long)
        self.network.advance(20)
        self.failed(long)
        self.network.advance(DESIGNATED_RETRY_SECONDS.default)
        alone = self.ask(source, seconds=0.5)
        self.network.advance(0.5)
        self.failed(alone)
        self.assertEqual(self.here.pending(), [])

    def test_waitingLookupsAreBounded(self) -> None:
        """
        Look-ups beyond a limit fail at once instead of waiting for the discovery. Without the limit, they would all wait.
        """
        self.listen("192.0.2.53")
        self.assertEqual(self.refused(3), 2)
        self.assertEqual(self.refused(100), 0)

    def refused(self, most: int) -> int:
        """
        Return how many of five look-ups fail at once if so many may wait; the others have answers.
        """
        self.patch(designated, "LOOKUPS_WAITING", Limit(default=most, least=1, most=100))
        source = self.build()
        found: list[object] = []
        for _ in range(5):
            self.ask(source).addErrback(lambda failure: found.append(failure.value))
        self.assertEqual({type(each) for each in found} - {QueueFull}, set())
        refused = len(found)
        self.network.advance(2)
        self.assertEqual(len(found), refused)
        source.close()
        self.network.advance(1)
        return refused

    def test_waiterGivesUpAnother(self) -> None:
        """
        A callback of the first look-up may cancel the second one, which waited for the same discovery.
        """
        self.plain.set(_HERE, "SVCB", [])
        source = self.build(strict="yes")
        first, second = self.ask(source), self.ask(source)
        first.addErrback(lambda _: second.cancel())
        self.network.advance(2)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_closing(self) -> None:
        """
        A look-up under way fails when the source is closed, and so does one after that.
        """
        source = self.build()
        asked = self.ask(source)
        source.close()
        self.network.advance(1)
        self.assertIsInstance(self.failed(asked), Closed)
        later = lookUp(source, questionOf("www.test.example"), QueryContext(9.0))
        self.assertIsInstance(self.failed(later), Closed)

    def test_severalServers(self) -> None:
        """
        Each of several plain servers is asked for its own designations.
        """
        self.listen("192.0.2.53")
        source = self.source = sourceFromString(self.here, f"ddr:192.0.2.53,192.0.2.54,192.0.2.53:ca={self.ca}")
        self.assertEqual([type(each) for each in source.sources()], [DesignatedSource, DesignatedSource])
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(self.sentInClear(), self.sentInClear()[:1])

    def test_systemsServers(self) -> None:
        """
        The servers of resolv.conf are upgraded, and the hosts file and special names are answered as before.
        """
        self.listen("192.0.2.53")
        path = Path(self.mktemp())
        path.write_text("nameserver 192.0.2.53\n")
        source = self.source = sourceFromString(self.here, f"ddr:system:ca={self.ca}:resolvConf={path}")
        self.assertEqual(self.find(source, "www.test.example."), ["192.0.2.80"])
        self.assertEqual(self.find(source, "localhost."), ["127.0.0.1"])
        self.assertEqual([asked.question for asked in self.plain.asked], [questionOf(_HERE, "SVCB")])
        self.assertEqual(len(self.encrypted.asked), 2)

    def test_wrongDescriptions(self) -> None:
        """
        Errors are of one line.
        """
        for description, wrong in (
            ("ddr:", "is not an IP address"),
            ("ddr:dns.example", "is not an IP address"),
            ("ddr:192.0.2.53:resolvConf=x", "resolvConf is for ddr:system"),
            ("ddr:192.0.2.53:strict=maybe", "strict takes yes or no"),
            ("ddr:192.0.2.53:name=x", "ddr has no option 'name'"),
        ):
            said = str(self.assertRaises(BadDescription, sourceFromString, self.here, description))
            self.assertIn(wrong, said)
            self.assertNotIn("\n", said)
