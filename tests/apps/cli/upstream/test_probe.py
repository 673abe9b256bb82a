"""
Tests of L{twisted_ext.apps.cli.upstream.probe} and of its report, with servers on a memory network.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.defer import Deferred

from tests.certificates import written
from tests.networks import NetworkTestCase
from tests.transport.https.httpsservers import HTTPSServer
from tests.transport.quic.peers import certified
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.apps.cli.terminal.encryption import Encryption
from twisted_ext.apps.cli.upstream.findings import ServerFindings, TransportFindings
from twisted_ext.apps.cli.upstream.probe import Probe, mixedCase
from twisted_ext.apps.cli.upstream.report import failureLine, reportData, reportLines
from twisted_ext.apps.cli.upstream.targets import serversIn
from twisted_ext.drawing.palette import Palette
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.quic.listener import QuicListener
from twisted_ext.server.listeners.tls.certificates import Certificates
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import CannedSource, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AD, DO
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import RRSIG

RECORDS = {("www.test.example", "SOA"): "a. b. 1 2 3 4 5"}

SIGNATURE = "SOA 13 3 300 20361220220212 20261120220212 13552 test.example. yIyym3lQyGAoMYWd0i9hNG5Seqd9kjH2UANn4jYhwA=="


class ProbeTests(NetworkTestCase):
    """
    Tests for L{Probe}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.encryption = Encryption()
        self.encryption.ca = str(written(folder))
        self.canned = CannedServer(RECORDS)
        self.there = self.network.reactor("192.0.2.53")
        self.said: list[str] = []

    def probe(self, *words: str, only: bool = False) -> ServerFindings:
        """
        Return the findings on one server.
        """
        (server,) = serversIn(words)
        probe = Probe(self.here, nameFromText("www.test.example"), 3, 2.0, self.said.append)
        targets = server.targets("192.0.2.53", self.encryption, only)
        done = Deferred.fromCoroutine(probe.server(server.host, "dns.example", targets))
        self.network.advance(40)
        return self.successResultOf(done)

    def report(self, found: ServerFindings, now: datetime | None = None) -> str:
        """
        Return the report as text.
        """
        return "\n".join(reportLines(found, now or datetime.now(UTC), Palette(False)))

    def one(self, found: ServerFindings, transport: str) -> TransportFindings:
        """
        Return the findings on one transport.
        """
        return next(each for each in found.transports if each.target.transport == transport)

    def test_certificateOfQuicAlone(self) -> None:
        """
        The certificate of a server that speaks only QUIC and HTTP/3 is described with its authority and its end, like others.
        """
        cache = packetCacheFor(Access({"allow": ["any"]}))
        responder = Responder(CannedSource({("www.test.example", "SOA"): "a. b. 1 2 3 4 5"}), self.there, packetCache=cache)
        certificates = Certificates([certified("dns.example")], self.there.seconds)
        for port, heads in ((853, None), (443, HeadMemory(Endpoint()))):
            listener = QuicListener(self.there, responder, certificates, "192.0.2.53", port, heads=heads)
            self.successResultOf(listener.start())
            self.addCleanup(self.finish, listener)
        found = self.probe("quic://192.0.2.53#dns.example")
        self.assertEqual([each.target.transport for each in found.answering], ["http3", "quic"])
        (certificate,) = found.certificates(datetime.now(UTC))
        self.assertEqual((certificate.names, certificate.issuer, certificate.shownBy), ("'dns.example'", "'made up'", ("http3", "quic")))
        text = self.report(found)
        self.assertIn("  issued by       'made up'\n", text)
        self.assertIn("  valid until     ", text)

    def finish(self, listener: QuicListener) -> None:
        """
        Close a listener.
        """
        done = listener.stop()
        self.network.advance(1)
        self.successResultOf(done)

    def test_allTransports(self) -> None:
        """
        Each transport is tried, measured, and described with its session; what does not listen has the reason.
        """
        self.canned.listen(self.there)
        pair = leaf("dns.example")
        self.canned.listenTLS(self.there, ServerTLS(pair))
        HTTPSServer(self.canned).listen(self.there, ServerTLS(pair, protocols=(b"h2",)))
        found = self.probe("tls://192.0.2.53#dns.example")
        self.assertEqual([each.target.transport for each in found.answering], ["udp", "tcp", "tls", "https"])
        for each in found.answering:
            self.assertEqual(len(each.seconds), 3)
            self.assertAlmostEqual(each.median, 0.02, 3)
        self.assertIn("192.0.2.53:853", self.one(found, "quic").problem)
        tls, https_ = self.one(found, "tls"), self.one(found, "https")
        self.assertEqual((tls.resumed, https_.resumed, tls.padding), (True, True, 0))
        self.assertEqual(sorted(tls.versions), ["TLSv1.2", "TLSv1.3"])
        # A new connection over TCP takes one round trip more, over TLS two.
        tcp = self.one(found, "tcp")
        assert tcp.reconnected is not None and tls.reconnected is not None
        self.assertAlmostEqual(tcp.reconnected, 0.04, 3)
        self.assertAlmostEqual(tls.reconnected, 0.06, 3)
        self.assertEqual(failureLine(found), "")
        (certificate,) = found.certificates(datetime.now(UTC))
        self.assertEqual((certificate.names, certificate.issuer, certificate.shownBy), ("'dns.example'", "'made up'", ("tls", "https")))
        self.assertIn(certificate.daysLeft, (29, 30))
        text = self.report(found)
        self.assertIn("  TLS    yes  192.0.2.53:853\n", text)
        self.assertIn("TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN h2\n", text)
        self.assertIn(f"authenticated by a certificate for 'dns.example' from an authority in {self.encryption.ca}\n", text)
        self.assertIn("  TCP       20.0     20.0     40.0  ##############################\n", text)
        self.assertIn("Certificate shown over TLS and HTTPS\n", text)
        self.assertIn("  status          NOERROR\n", text)
        data = reportData(found, datetime.now(UTC))
        self.assertEqual(dumps(data).count('"answers": true'), 4)
        self.assertEqual(self.said[-1], "asking for signatures and a cookie")

    def test_onlyProvedServersAreAsked(self) -> None:
        """
        A server with a wrong certificate receives no query by that transport, and the certificate is shown all the same.
        """
        self.canned.listenTLS(self.there, ServerTLS(leaf("other.example")))
        found = self.probe("tls://192.0.2.53#dns.example", only=True)
        self.assertEqual(self.canned.asked, [])
        self.assertEqual(found.answering, [])
        self.assertEqual(failureLine(found), "192.0.2.53 does not answer over TLS")
        text = self.report(found)
        self.assertIn("expected a certificate for 'dns.example'", text)
        self.assertIn("for             'other.example'\n", text)
        self.assertNotIn("Milliseconds", text)

    def test_expiredCertificates(self) -> None:
        """
        An expired certificate is refused, and shown as expired.
        """
        ends = timedelta(days=-1)
        self.canned.listenTLS(self.there, ServerTLS(leaf("dns.example", begins=timedelta(days=-9), ends=ends)))
        found = self.probe("tls://192.0.2.53#dns.example", only=True)
        self.assertIn("its certificate expired on", found.transports[0].problem)
        self.assertIn("UTC (expired)", self.report(found))
        (certificate,) = found.certificates(datetime.now(UTC))
        self.assertTrue(certificate.daysLeft < 0)

    def test_oneVersion(self) -> None:
        """
        A version of TLS that the server does not speak is not listed; sessions that it does not resume are reported.
        """
        self.canned.listenTLS(self.there, ServerTLS(leaf("dns.example"), only=SSL.TLS1_2_VERSION, tickets=False))
        found = self.probe("tls://192.0.2.53#dns.example", only=True)
        self.assertEqual(list(found.transports[0].versions), ["TLSv1.2"])
        self.assertIn("speaks TLSv1.2\n", self.report(found))
        self.assertIn("does not resume sessions\n", self.report(found))

    def test_features(self) -> None:
        """
        Cookies, signatures, the size of datagrams and the case of names are learnt from replies.
        """

        def tamper(octets: bytes, transport: str) -> list[bytes]:
            reply = Message.fromWire(octets)
            asked = self.canned.asked[-1].message.edns
            assert asked is not None
            options = [(code, value + bytes(8)) for code, value in asked.options if code == 10]
            if transport == "tcp":
                options.append((11, b"\x00\x64"))
            answer, flags = reply.answer, reply.flags
            if asked.flags & DO:
                answer, flags = (*answer, rrsetOf(reply.questions[0].name, RRSIG, SIGNATURE)), flags | AD
            edns = EDNS(4096, options=tuple(options))
            return [buildMessage(Message(reply.id, flags, reply.questions, answer, edns=edns))]

        self.canned.tamper = tamper
        self.canned.listen(self.there)
        found = self.probe("192.0.2.53:53", only=True)
        features = found.features
        self.assertEqual((features.cookies, features.signatures, features.validates), (True, True, True))
        self.assertEqual((features.payloadSize, features.keepsCase, features.rcode), (4096, True, 0))
        self.assertEqual(self.one(found, "tcp").keepalive, 10.0)
        text = self.report(found)
        self.assertIn("says that the answer is secure (AD), and returns the signatures", text)
        self.assertIn("keeps idle connections for 10 seconds", text)
        self.assertIn("Replies to www.test.example. IN SOA\n", text)

    def test_simpleServers(self) -> None:
        """
        A server without EDNS that changes the case of names and knows nothing is described as such.
        """
        self.canned.rcode = 5
        self.canned.stumbles = None
        self.canned.tamper = lambda octets, transport: [
            buildMessage(Message(each.id, each.flags, tuple([type(q)(q.name.lower(), q.rrType) for q in each.questions])))
            for each in [Message.fromWire(octets)]
        ]
        self.canned.listen(self.there, streams=False)
        found = self.probe("192.0.2.53", only=True)
        self.assertEqual(failureLine(found), "")
        text = self.report(found)
        for line in (
            "status          REFUSED",
            "EDNS            not supported",
            "cookies         no",
            "DNSSEC          unknown: REFUSED; -q NAME asks for another name",
            "case of names   not preserved",
        ):
            self.assertIn(line, text)

    def test_nothingAnswers(self) -> None:
        """
        If nothing answers, each transport has its reason, and one line says so.
        """
        found = self.probe("192.0.2.53")
        self.assertEqual(failureLine(found), "192.0.2.53 does not answer over UDP, TCP, TLS, HTTPS, HTTP/3 or QUIC")
        self.assertEqual(found.certificates(datetime.now(UTC)), [])
        self.assertTrue(all(each.problem for each in found.transports))

    def test_givenTransportsHaveToAnswer(self) -> None:
        """
        A transport whose port was given has to answer, even if others do.
        """
        self.canned.listen(self.there, streams=False)
        found = self.probe("192.0.2.53:53")
        self.assertEqual(failureLine(found), "192.0.2.53 does not answer over TCP")

    def test_serverThatFallsSilent(self) -> None:
        """
        A server that answers only once is described by what is known, after the time to wait.
        """
        self.canned.listen(self.there, streams=False)
        replies = iter([True])
        self.canned.tamper = lambda octets, transport: [octets] if next(replies, False) else []
        found = self.probe("192.0.2.53", only=True)
        self.assertEqual([each.target.transport for each in found.answering], ["udp"])
        self.assertNotIn("Milliseconds", self.report(found))
        self.assertNotIn("cookies", self.report(found))
        data = reportData(found, datetime.now(UTC))
        self.assertIn('"milliseconds": null', dumps(data))


def test_mixedCase() -> None:
    """
    Every other letter of a name is a capital one; lengths and digits stay.
    """
    folded = mixedCase(nameFromText("www.1abc.example"))
    assert folded.lower() == nameFromText("www.1abc.example") and folded != folded.lower()
