"""
Tests of queries of C{txdns query} over TLS, and of what is printed of the session.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred

from tests.certificates import written
from tests.networks import WWW, NetworkTestCase
from tests.queries import parseQuery
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.apps.cli.query.direct import DirectSource, Exchange
from twisted_ext.apps.cli.query.session import sessionBehind
from twisted_ext.errors import Unreachable
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AA, Rcode


class SessionTests(NetworkTestCase):
    """
    Tests with a TLS server for C{dns.example}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder))
        self.canned = CannedServer(WWW)
        self.canned.listenTLS(self.network.reactor("192.0.2.53"), ServerTLS(leaf("dns.example")))
        self.source = self.sourceFor("dns.example")

    def tearDown(self) -> None:
        self.source.close()
        self.network.advance(1)
        super().tearDown()

    def sourceFor(self, name: str) -> ForwardingSource:
        """
        Return the source for the server by this name.
        """
        source = sourceFromString(self.here, f"tls:192.0.2.53#{name}:ca={self.ca}")
        assert isinstance(source, ForwardingSource)
        return source

    def exchange(self, words: str) -> Deferred[Exchange]:
        """
        Send a query with the fields that the arguments give it.
        """
        servers = {upstream.server: upstream.stream for upstream in self.source.upstreams}
        direct = DirectSource(self.here, list(servers), parseQuery(words.split()), encrypted=servers)
        done = Deferred.fromCoroutine(direct.exchange(questionOf("www.test.example"), list(servers)))
        self.network.advance(5)
        return done

    def test_fieldsOfTheQuery(self) -> None:
        """
        A query over TLS has the given header and EDNS fields, and is padded in addition.
        """
        found = self.successResultOf(self.exchange("+bufsize=700 +ednsflags=0x40 +nsid +aaflag"))
        (asked,) = self.canned.asked
        self.assertEqual(asked.transport, "tls")
        self.assertTrue(asked.message.flags & AA)
        assert asked.message.edns is not None
        self.assertEqual((asked.message.edns.payloadSize, asked.message.edns.flags), (700, 0x40))
        self.assertEqual([code for code, _ in asked.message.edns.options], [3, 11, 12])
        self.assertEqual((found.kind, found.server.label), ("tls", "192.0.2.53:853"))

    def test_truncatedRepliesAreNotRepeatedElsewhere(self) -> None:
        """
        A reply over TLS with TC does not lead to a query over TCP, which would be in the clear.
        """
        self.canned.tamper = lambda octets, transport: [octets[:2] + bytes([octets[2] | 2]) + octets[3:]]
        self.successResultOf(self.exchange("+bufsize=700"))
        self.assertEqual([each.transport for each in self.canned.asked], ["tls"])

    def test_unprovedServersAreNotAsked(self) -> None:
        """
        A server without the expected certificate receives no query, and the error names both.
        """
        self.source.close()
        self.source = self.sourceFor("other.example")
        fault = self.failureResultOf(self.exchange("+bufsize=700 +tries=1"), Unreachable).value
        self.assertIn("expected a certificate for 'other.example'", str(fault))
        self.assertIn("it showed one for 'dns.example'", str(fault))
        self.assertEqual(self.canned.asked, [])

    def test_timeouts(self) -> None:
        """
        A query without a reply is given up after C{+time}, as often as C{+tries} says, and leaves nothing open.
        """
        self.canned.silent = True
        self.failureResultOf(self.exchange("+bufsize=700 +time=1 +tries=2"))
        self.assertEqual(len(self.canned.asked), 2)

    def test_sessionIsDescribed(self) -> None:
        """
        The session has the version, the cipher, ALPN, the certificate and its proof; a second connection resumes the first one's.
        """
        self.successResultOf(self.exchange("+bufsize=700"))
        session = sessionBehind(self.source, "tls", "192.0.2.53:853")
        assert session is not None
        self.assertEqual(
            list(session.lines("tls")),
            [
                ";; TLS: TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN dot, new session",
                f";; Certificate: for 'dns.example'; authenticated by a certificate for 'dns.example' from an authority in {self.ca}",
            ],
        )
        self.assertEqual(sessionBehind(self.source, "tls", "192.0.2.54:853"), None)
        self.assertEqual(sessionBehind(self.source, "https", "192.0.2.53:853"), None)
        self.source.upstreams[0].stream.close()
        self.network.advance(1)
        self.successResultOf(self.exchange("+bufsize=700"))
        session = sessionBehind(self.source, "tls", "192.0.2.53:853")
        assert session is not None
        self.assertEqual((session.details.resumed, session.data()["resumed"]), (True, True))
        self.assertEqual(self.canned.asked[1].message.rcode, Rcode.NOERROR)
