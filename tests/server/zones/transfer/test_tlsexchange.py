"""
Tests of zones over TLS: SOA queries, transfers and NOTIFY between two servers of ours.
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.certificates import authority, made
from tests.server.zones.transfer.overtls import NAME, XoTTestCase, clientPEM
from tests.server.zones.transfer.replicas import SECONDARY
from tests.transport.tlsservers import ServerTLS, keyOf, leaf
from tests.zone.changing import APEX, ZONE
from twisted_ext.limits import TLS_LINK_KEPT
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.zones.transfer.xfrout import OutgoingTransfers
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.tls.terms import pinOf, pinToText

LARGE = ZONE + "".join([f'big{number} 300 TXT "{"x" * 250}"\n' for number in range(4000)])


class SecondaryOverTLSTests(XoTTestCase):
    """
    The primary is given as a TLS server.
    """

    def test_zoneArrivesOverTLSAlone(self) -> None:
        """
        The zone is transferred over TLS, and followed by IXFR. No datagram and no other connection is sent.
        """
        self.serveZone()
        self.assertEqual(self.follow(self.trusted()), 10)
        self.primary.change("new 300 A 192.0.2.99")
        self.zone.refreshNow()
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertOnlyTLS()
        journal = self.zone.journal
        self.assertEqual([] if journal is None else [each.newSerial for each in journal.since(10) or ()], [11])

    def test_oneConnectionForQueryAndTransfer(self) -> None:
        """
        The SOA query and the transfers after it share one connection, which closes when it was idle for a while.
        """
        self.serveZone()
        self.follow(self.trusted())
        self.primary.change("new 300 A 192.0.2.99")
        self.zone.refreshNow()
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertOnlyTLS(1)
        self.network.advance(TLS_LINK_KEPT.default + 1)
        self.assertEqual(self.there[1].connections, [])

    def test_connectionClosedByThePrimaryIsReplaced(self) -> None:
        """
        A kept connection that the primary closes at the next query costs a new connection, and no error.
        """
        self.serveZone()
        self.follow(self.trusted())
        for stream in list(self.primary.overTLS._streams if self.primary.overTLS is not None else ()):
            stream.abort()
        # The secondary sends its query before it sees the end.
        self.zone.refreshNow()
        self.network.advance(2)
        self.assertEqual(self.zone.said, "")
        self.assertOnlyTLS(2)

    def test_keyAndPinsAuthenticate(self) -> None:
        """
        A primary can be given by its pin, with a TSIG key as well.
        """
        self.serveZone("key=one.key tls")
        pin = self.pairOf(NAME).pin
        self.assertEqual(self.follow([self.url(f"pins={pin}", "key=one.key", name="")]), 10)

    def test_wrongServersGetNoQuery(self) -> None:
        """
        A primary with another name, another key, an unknown authority, an old version of TLS or without ALPN is not used, and the log says
        what was expected.
        """
        self.serveZone()
        asked: list[Request] = []
        self.patch(OutgoingTransfers, "__call__", lambda self, request: asked.append(request))
        other = "A" * 43 + "="
        cases = [
            ([self.url(f"ca={self.ca}", name="ns9.example")], "'ns9.example'"),
            ([self.url(f"ca={self.ca}", name="")], "'192.0.2.53'"),
            ([self.url(f"pins={other}", name="")], other),
            ([self.url()], "not trusted"),
        ]
        for primaries, words in cases:
            self.follow(primaries)
            self.assertIn(words, self.zone.said)
            self.assertIn("192.0.2.53:853 cannot be reached over TLS", self.zone.said)
        self.assertEqual((asked, self.secondary.serial()), ([], "the zone is being loaded"))
        self.assertOnlyTLS()

    def test_transfersTakeTLS13AndALPN(self) -> None:
        """
        A primary that speaks TLS 1.2 alone, or knows no ALPN, gets no query (RFC 9103, sections 7.1 and 7.2).
        """
        canned = CannedServer({})
        for tls, words in (
            (ServerTLS(leaf(NAME), only=SSL.TLS1_2_VERSION), "none of the TLS versions"),
            (ServerTLS(leaf(NAME), protocols=()), "expected the protocol 'dot'"),
        ):
            canned.listenTLS(self.there[0], tls)
            self.follow(self.trusted())
            self.assertIn(words, self.zone.said)
            canned.close()
            self.network.advance(1)
            self.zone.said = ""
            self.follow([self.url(f"ca={self.ca}", "key=one.key")])
        self.assertEqual(canned.asked, [])

    def test_primaryDyingInATransferLeavesTheOldZone(self) -> None:
        """
        If the primary dies in the middle of a transfer, the old version is served, and the log has the reason.
        """
        self.serveZone()
        self.follow(self.trusted())
        self.network.advance(20)
        self.primary.serve(LARGE.replace(" 10 3600", " 12 3600"))
        self.network.shape(delay=0.05)
        self.zone.refreshNow()
        self.network.advance(0.45)
        overTLS = self.primary.overTLS
        assert overTLS is not None
        flowing = [stream for stream in overTLS._streams if stream._flows]
        self.assertEqual(len(flowing), 1)
        for stream in flowing:
            stream.abort()
        self.network.advance(0.3)
        self.assertEqual(self.secondary.serial(), 10)
        self.assertIn("closed the TLS connection before it had answered", self.zone.said)

    def test_stoppingInATransferLeavesNothing(self) -> None:
        """
        A server that stops in the middle of a transfer closes its connections.
        """
        self.serveZone(text=LARGE)
        self.network.shape(delay=0.05)
        self.follow(self.trusted(), 0.5)
        self.secondary.end()
        self.network.advance(1)
        self.assertEqual(self.there[1].pending(), [])

    def test_busyConnectionsAreBounded(self) -> None:
        """
        Many zones share few connections.
        """
        self.serveZone()
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        secondaries.links.most = 2
        self.follow(self.trusted())
        remotes = self.zone.primaries
        for number in range(20):
            secondaries.add(b"\x03%03d" % number + APEX, remotes, self.zone.grants, "")
        self.network.advance(5)
        self.assertLessEqual(self.network.dialed.total(), 3)
        self.assertTrue(all("NOTAUTH" in zone.said for zone in secondaries._zones.values() if zone is not self.zone))


class PrimaryOverTLSTests(XoTTestCase):
    """
    The primary grants transfers by transport and by certificate.
    """

    def askedBy(self, *words: str) -> int | str:
        """
        Transfer the zone with these words in the settings of the secondary.
        """
        self.secondary.apply(primaries=self.trusted(*words))
        self.network.advance(2)
        return self.secondary.serial()

    def test_grantDemandsTLS(self) -> None:
        """
        With C{tls}, the zone is sent over TLS and refused over TCP.
        """
        self.serveZone("192.0.2.0/24 tls")
        self.follow(["192.0.2.53"])
        self.assertIn("REFUSED", self.zone.said)
        self.assertEqual(self.askedBy(), 10)

    def test_encryptedTransfersRefuseClearText(self) -> None:
        """
        With C{encrypted-transfers}, the zone is refused in the clear, with a reason, also where C{allow-transfer} permits it.
        """
        self.serveZone("any", encrypted_transfers=True)
        self.follow(["192.0.2.53"])
        self.assertIn("REFUSED", self.zone.said)
        self.assertEqual(self.askedBy(), 10)

    def checkCertificate(self, grant: str, *signed: str) -> None:
        """
        Check that clients without the certificate that a grant demands are refused, and the one that has it is not.

        @param signed: words for a key that the grant demands.
        """
        mine = self.written("client.pem", clientPEM("ns2.example"))
        other = self.written("other.pem", clientPEM("ns3.example", owner="other"))
        self.serveZone(grant, authorities=authority()[0])
        for words in ([], [f"certificate={other}"]):
            self.assertEqual(self.askedBy(*words, *signed), "the zone is being loaded", words)
            self.assertIn("REFUSED", self.zone.said)
        if signed:
            self.askedBy(f"certificate={mine}")
            self.assertIn("REFUSED", self.zone.said)
        self.assertEqual(self.askedBy(f"certificate={mine}", *signed), 10)

    @property
    def pin(self) -> str:
        """
        The pin of the right client.
        """
        return pinToText(pinOf(x509.load_pem_x509_certificate(clientPEM("ns2.example"))))

    def test_grantDemandsCertificateByName(self) -> None:
        """
        With C{certificate=NAME}, a client needs a certificate for this name.
        """
        self.checkCertificate("certificate=NS2.example")

    def test_grantDemandsCertificateByPin(self) -> None:
        """
        With C{pin=DIGEST}, a client needs a certificate with this key.
        """
        self.checkCertificate(f"pin={self.pin}")

    def test_grantDemandsAllAtOnce(self) -> None:
        """
        Network, key, name and pin in one grant are required together.
        """
        self.checkCertificate(f"192.0.2.54 certificate=ns2.example pin={self.pin} key=one.key", "key=one.key")

    def test_untrustedCertificatesAreRejectedWithAReason(self) -> None:
        """
        A client's certificate that is expired, for servers or of an unknown authority ends the handshake, and the log names the reason.
        """
        for name, octets, words in (
            ("expired", clientPEM("ns2.example", ends=timedelta(hours=-1)), "its certificate expired on"),
            ("server", clientPEM("ns2.example", usage=False), "its certificate is not for clients"),
        ):
            self.serveZone("any", authorities=authority()[0])
            self.lines.clear()
            self.askedBy(f"certificate={self.written(name, octets)}")
            said = [line for line in self.lines if "TLS: failed" in line]
            self.assertEqual(len(said), 1, self.lines)
            self.assertIn(words, said[0])
            self.assertIn("rejected the client's certificate", self.zone.said)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")

    def test_noCertificateIsAskedForWithoutAuthorities(self) -> None:
        """
        A client shows its certificate only where the server has authorities for it.
        """
        mine = self.written("client.pem", clientPEM("ns2.example"))
        self.serveZone("certificate=ns2.example")
        self.askedBy(f"certificate={mine}")
        self.assertIn("REFUSED", self.zone.said)

    def test_changedAuthoritiesEndSessions(self) -> None:
        """
        A session that began with a certificate of a former authority is not continued.
        """
        mine = self.written("client.pem", clientPEM("ns2.example"))
        self.serveZone("certificate=ns2.example", authorities=authority()[0])
        self.assertEqual(self.askedBy(f"certificate={mine}"), 10)
        self.network.advance(20)
        strangers = made("other", keyOf("o"), "other", keyOf("o"), x509.BasicConstraints(True, None)).public_bytes(Encoding.PEM)
        certificates = self.primary.certificates
        assert certificates is not None
        certificates.replace(certificates.pairs, strangers)
        self.zone.refreshNow()
        self.network.advance(2)
        self.assertIn("authority of the client's certificate", self.zone.said)

    def test_notifyGoesOverTLS(self) -> None:
        """
        A secondary given as a TLS server is notified over TLS, and confirms it.
        """
        self.withTLS(self.secondary, "ns2.example")
        self.serveZone(notify=[self.url(f"ca={self.ca}", "key=one.key", address=SECONDARY, name="ns2.example")])
        self.follow(self.trusted("key=one.key"))
        self.primary.change("new 300 A 192.0.2.99")
        self.network.advance(5)
        self.assertEqual((self.secondary.serial(), self.primary.replication.notifying.confirmed), (11, 1))
        self.assertOnlyTLS()

    def test_notifyIsGrantedByCertificate(self) -> None:
        """
        C{allow-notify} can demand a certificate: NOTIFY with it is accepted from any address, and refused without it.
        """
        mine = self.written("notifier.pem", clientPEM("notifier.example"))
        self.withTLS(self.secondary, "ns2.example", authorities=authority()[0])
        self.primary.serve()
        for words, confirmed in (([], 0), ([f"certificate={mine}"], 1)):
            self.primary.apply(notify=[self.url(f"ca={self.ca}", *words, address=SECONDARY, name="ns2.example")])
            self.secondary.apply(primaries=["192.0.2.99"], allow_notify=["certificate=notifier.example"])
            self.primary.change(f"new{confirmed} 300 A 192.0.2.99")
            self.network.advance(5)
            self.assertEqual(self.primary.replication.notifying.confirmed, confirmed)
