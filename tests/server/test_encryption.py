"""
Tests of encrypted listeners in a whole server on a memory network.
"""

from __future__ import annotations

from pathlib import Path

from twisted.logger import formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.queries import optOf, queryOf
from tests.server.listeners.authorities import issued, keyText, newKey
from tests.server.listeners.test_certificates import write
from tests.server.listeners.tlsstreams import Contexts, TLSClient
from tests.server.test_service import SECRET, US, ServiceCase
from tests.typed import clientOf, observing
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.places import placeFromText
from twisted_ext.server.limits import WATCHDOG_SECONDS
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces, encryptedSockets
from twisted_ext.server.service import ServerService
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_PADDING = 12
_COOKIE = 10
_KEEPALIVE = 11


class _Client(TLSClient):
    """
    @ivar messages: the whole replies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []
        self._stream = b""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self._stream += data
        while len(self._stream) >= 2:
            end = 2 + int.from_bytes(self._stream[:2], "big")
            if len(self._stream) < end:
                return
            self.messages.append(self._stream[2:end])
            self._stream = self._stream[end:]


class EncryptedServiceTests(ServiceCase):
    """
    Tests with the setting C{tls}.
    """

    def start(self, **values: object) -> ServerService:
        """
        Start a server that serves TLS as well.
        """
        self.wanted = self.settings(**{"tls": US, **values})
        bound = [Bound(US, 53), *encryptedPlaces(self.wanted.tls, "tls")]
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def shake(self) -> _Client:
        """
        Return a client whose connection is encrypted.
        """
        client = _Client()
        factory = TLSMemoryBIOFactory(Contexts(alpn=[b"dot"]), True, clientOf(lambda: client), self.there)
        self.there.connectTCP(US, 853, factory)
        self.network.advance(0.1)
        return client

    def query(self, client: _Client, *options: tuple[int, bytes], name: str = "www.example.org") -> Message:
        """
        Return the reply to one query.
        """
        before = len(client.messages)
        client.transport.write(frame(queryOf(name, opt=optOf(options=options) if options else b"")))
        self.network.advance(0.5)
        self.assertEqual(len(client.messages), before + 1)
        return Message.fromWire(client.messages[-1])

    def test_queriesAreAnswered(self) -> None:
        """
        A query over TLS is answered as over TCP, the second time from the packet cache, and the server reports where it listens.
        """
        service = self.start(selfSigned=True, local="www.example.org A 192.0.2.80")
        self.assertEqual(service.listening, [f"udp {US}:53", f"tcp {US}:53", f"tls {US}:853"])
        client = self.shake()
        for _ in range(4):
            self.assertEqual(self.query(client).rcode, 0)
        counters = service.counters
        self.assertEqual((counters.tcp, counters.tlsHandshakes, counters.tcpOpened), (4, 1, 1))
        self.assertGreater(counters.hits, 0)
        # The checks of the server itself, and then another client on the same host.
        self.network.advance(WATCHDOG_SECONDS.default * 3)
        self.assertEqual((counters.tcp, counters.tlsHandshakes, counters.tcpOpened), (4, 1, 1))
        self.there = self.here
        self.query(self.shake())
        self.network.advance(1)
        self.assertEqual((counters.tcp, counters.tlsHandshakes, counters.tcpOpened), (5, 2, 2))

    def test_repliesArePadded(self) -> None:
        """
        A reply has a multiple of 468 octets if the query is padded, be it from the packet cache, with a cookie or a refusal; else none is.
        """
        self.start(selfSigned=True)
        client = self.shake()
        padding = (_PADDING, bytes(50))
        for options in ((padding,), (padding, (_COOKIE, b"12345678")), (padding, (_KEEPALIVE, b""))):
            for name in ("www.example.org", "version.bind"):
                for _ in range(4):
                    reply = self.query(client, *options, name=name)
                    self.assertEqual(len(client.messages[-1]), 468)
                    assert reply.edns is not None
                    self.assertEqual({code for code, _ in options} - {code for code, _ in reply.edns.options}, set())
        for _ in range(4):
            reply = self.query(client, (_KEEPALIVE, b""))
            assert reply.edns is not None
            self.assertEqual([code for code, _ in reply.edns.options], [_KEEPALIVE])

    def svcb(self, name: str, rcode: int = 0) -> tuple[list[bytes], int]:
        """
        Ask over UDP for SVCB records; return these, and the number of additional records.
        """
        reply = self.asked(name, "SVCB")
        assert reply is not None
        self.assertEqual(reply.rcode, rcode)
        return [rdata for rrset in reply.answer for rdata in rrset.rdatas], len(reply.additional)

    def test_plainClientsLearnOfIt(self) -> None:
        """
        Clients of the plain server find the encrypted listeners and their addresses, by the name of the server too, until the settings say
        otherwise; no such query is left to the upstream.
        """
        service = self.start(selfSigned=True, designatedName="dns.example")
        (rdata,), additional = self.svcb("_dns.resolver.arpa")
        self.assertEqual((rdata[:15], additional), (b"\x00\x01\x03dns\x07example\x00", 1))
        self.assertEqual(self.svcb("_dns.dns.example"), ([rdata], 1))
        self.assertIn("designates tls://dns.example", "".join(service.stack.path()))
        self.wanted = self.settings(tls=US, selfSigned=True, designatedName="ns.example")
        self.successResultOf(service.reload())
        self.assertIn(b"\x02ns\x07example", self.svcb("_dns.resolver.arpa")[0][0])
        self.wanted = self.settings(tls=US, selfSigned=True, designatedName="ns.example", designate=False)
        self.successResultOf(service.reload())
        self.assertEqual(self.svcb("_dns.resolver.arpa"), ([], 0))
        self.assertEqual(self.upstream.asked, [])

    def test_clientsOfZonesLearnOfIt(self) -> None:
        """
        An authoritative server designates its encrypted listeners too, and refuses other names outside its zones as before.
        """
        service = self.start(role="serve", selfSigned=True, designatedName="dns.example")
        (rdata,), _ = self.svcb("_dns.resolver.arpa")
        self.assertEqual(rdata[:15], b"\x00\x01\x03dns\x07example\x00")
        self.assertEqual(self.svcb("_dns.dns.example"), ([rdata], 1))
        self.assertEqual(self.svcb("_dns.ns.example", 5), ([], 0))
        self.assertIn("designates tls://dns.example", "".join(service.stack.path()))
        self.wanted = self.settings(tls=US, role="serve", selfSigned=True, designatedName="dns.example", designate=False)
        self.successResultOf(service.reload())
        self.assertEqual(self.svcb("_dns.resolver.arpa", 5), ([], 0))

    def test_designationFollowsTheCertificate(self) -> None:
        """
        The name is the first one of the certificate that is in force, also after another one has replaced it in the file or, as in a
        worker, by a message.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        key = newKey()
        certificate = write(folder, "c.pem", issued(["*.example", "dns.example"], key) + keyText(key))
        service = self.start(certificate=[certificate])
        self.assertIn(b"\x03dns\x07example", self.svcb("_dns.resolver.arpa")[0][0])
        write(folder, "c.pem", issued(["ns1.example"], key) + keyText(key))
        self.successResultOf(service.reload())
        self.assertIn(b"\x03ns1\x07example", self.svcb("_dns.resolver.arpa")[0][0])
        self.assertEqual(len(self.svcb("_dns.ns1.example")[0]), 1)
        assert service.encryption is not None
        other = (issued(["ns2.example"], key) + keyText(key)).decode()
        service.encryption.take([["the parent", other, other]])
        self.assertIn(b"\x03ns2\x07example", self.svcb("_dns.resolver.arpa")[0][0])

    def test_selfSignedIsNotDesignated(self) -> None:
        """
        Clients cannot verify a certificate that the server has made itself, so they are not told of it.
        """
        self.start(selfSigned=True)
        self.assertEqual(self.svcb("_dns.resolver.arpa"), ([], 0))

    def test_pinThatChangesIsLogged(self) -> None:
        """
        Without a state folder the pin of a self-signed certificate holds until the next start, and the log says so.
        """
        logged: list[str] = []
        observer = observing(lambda event: logged.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.start(selfSigned=True)
        self.assertRegex(next(line for line in logged if "pin-sha256" in line), r'"; it changes at each start, because there is no state')

    def test_watchdogAsksByTLS(self) -> None:
        """
        The watchdog checks the TLS listener too, and a server that answers is healthy.
        """
        service = self.start(selfSigned=True)
        watchdog = service.watchdog
        assert watchdog is not None
        self.network.advance(WATCHDOG_SECONDS.default * 5)
        self.assertEqual([(place.way, place.answered, place.failures) for place in watchdog._places][-1], ("tls", True, 0))
        self.assertEqual(service.counters.tlsFailed, 0)

    def test_droppedClientsGetNoHandshake(self) -> None:
        """
        The connection of a client on the drop list is closed before the handshake.
        """
        service = self.start(selfSigned=True, drop=["192.168.0.9"])
        self.assertTrue(self.shake().lost)
        self.assertEqual((service.counters.tlsHandshakes, service.counters.tlsFailed, service.counters.dropped), (0, 0, 1))

    def test_renewedCertificateIsUsed(self) -> None:
        """
        New files are used within seconds, and open connections go on; wrong ones are logged, and the former certificate stays.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        key = newKey()
        certificate, secret = write(folder, "c.pem", issued(["dns.example"], key)), write(folder, "k.pem", keyText(key))
        service = self.start(certificate=[certificate], key=[secret])
        first = self.shake()
        self.query(first)
        write(folder, "c.pem", issued(["dns.example"], key))
        self.network.advance(3)
        second = self.shake()
        self.query(second)
        self.query(first)
        write(folder, "c.pem", b"junk")
        self.network.advance(3)
        third = self.shake()
        self.query(third)
        self.assertNotEqual(first.leaf, second.leaf)
        self.assertEqual(second.leaf, third.leaf)
        self.assertIn("the old ones stay in force", self.logged())
        fault = self.failureResultOf(service.reload(), BadDescription).value
        self.assertIn("c.pem: a certificate in PEM is expected", str(fault))

    def test_reloadReadsCertificates(self) -> None:
        """
        A reload reads the files at once, and applies other settings only if the certificate can be used.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        key = newKey()
        certificate = write(folder, "c.pem", issued(["dns.example"], key) + keyText(key))
        service = self.start(certificate=[certificate])
        first = self.shake()
        self.query(first)
        write(folder, "c.pem", issued(["dns.example"], key) + keyText(key))
        self.assertEqual(
            self.successResultOf(service.reload()), ["no setting has changed; the files of certificates were read again"]
        )
        second = self.shake()
        self.query(second)
        self.assertNotEqual(first.leaf, second.leaf)
        self.wanted = self.settings(tls=US, certificate=[str(folder / "none.pem")], nsid="new")
        self.failureResultOf(service.reload(), BadDescription)
        self.assertEqual(service.settings.nsid, "")

    def test_contradictionsAreNamed(self) -> None:
        """
        Settings for encryption that do not go together are refused with one line.
        """
        for values, said in (
            ({}, "tls needs a certificate"),
            ({"selfSigned": True, "certificate": ["c.pem"]}, "exclude each other"),
            ({"key": ["k.pem"]}, "tls needs a certificate"),
            ({"certificate": ["/none/c.pem"]}, "/none/c.pem: No such file or directory"),
        ):
            with self.assertRaisesRegex(BadDescription, said):
                ServerService(self.here, self.settings(tls=US, **values), [], SECRET)

    def logged(self) -> str:
        """
        Return the log.
        """
        from twisted.logger import formatEvent

        return "\n".join([formatEvent(event) for event in self.said])


class PlaceTests(ServiceCase):
    """
    Tests of the addresses of encrypted listeners.
    """

    def test_placesAreParsed(self) -> None:
        """
        A place is an address, or any, with a port or without.
        """
        for text, place in {
            "192.0.2.1": ("192.0.2.1", 853),
            "192.0.2.1:8853": ("192.0.2.1", 8853),
            "::1": ("::1", 853),
            "2001:db8::53": ("2001:db8::53", 853),
            "[::1]": ("::1", 853),
            "[2001:DB8::53]:0": ("2001:db8::53", 0),
            "any": ("any", 853),
            "any:8853": ("any", 8853),
            "localhost:853": ("127.0.0.1", 853),
        }.items():
            self.assertEqual(placeFromText(text, 853), place, text)
        for text in ("dns.example", "192.0.2.1:", "192.0.2.1:dot", "192.0.2.1:65536", "[::1", "::1]:53", "1:2:3", "192.0.2.1:853:1"):
            self.assertRaises(BadDescription, placeFromText, text, 853)

    def test_usedPortIsNamed(self) -> None:
        """
        For a port that another program has there is one line with what to change, and all sockets are closed.
        """
        ((taken,),) = encryptedSockets(["127.0.0.1:0"], "tls")
        assert taken.stream is not None
        self.addCleanup(taken.stream.close)
        said = (
            rf"127.0.0.1:{taken.port} is in use: another program, or a listener of this server, has it for TCP; "
            "end it, or choose another port or address"
        )
        self.assertRaisesRegex(BadDescription, said, encryptedSockets, ["127.0.0.1:0", f"127.0.0.1:{taken.port}"], "tls")
