"""
Tests of signed queries.
"""

from __future__ import annotations

import os
from time import time
from unittest.mock import patch

from tests.networks import textsOf
from tests.server.zones.transfer.overtls import NAME, XoTTestCase
from tests.server.zones.transfer.replicas import PRIMARY, Host
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Message

KEY = "[one.key:c2VjcmV0IG9uZQ==]"


class SignedQueryTests(XoTTestCase):
    """
    A client and a server of ours that share keys.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ahead = 0.0
        self.primary.end()
        self.network.advance(0.1)
        self.primary = Host(self.there[0], PRIMARY, today=lambda: time() + self.ahead)
        self.withTLS(self.primary, NAME)
        self.primary.serve()
        self.network.sent.clear()

    def askThrough(self, description: str, name: str = "mail.example.org", seconds: float = 5) -> Answer | DNSFault:
        """
        Look up a name by a source. Return the answer or the error.
        """
        source: IAnswerSource = sourceFromString(self.here, description)
        result: list[Answer | DNSFault] = []
        asked = lookUp(source, questionOf(name, "A"), QueryContext(self.here.seconds() + seconds))
        asked.addCallbacks(result.append, lambda failure: result.append(failure.value))
        self.network.advance(seconds + 1)
        closed = source.close()
        self.network.advance(0.1)
        self.successResultOf(closed)
        return result[0]

    def faultThrough(self, description: str) -> str:
        """
        Look up a name, which fails. Return the error.
        """
        found = self.askThrough(description)
        assert isinstance(found, DNSFault), found
        self.assertNotIn("\n", str(found))
        return str(found)

    def test_answersAreSigned(self) -> None:
        """
        A signed query is answered over UDP, TCP and TLS, with and without cookies.
        """
        for description in (
            f"udp:{PRIMARY}:tsig={KEY}",
            f"udp:{PRIMARY}:cookies=yes:mixCase=yes:tsig={KEY}",
            f"tcp:{PRIMARY}:tsig={KEY}",
            f"tcp:{PRIMARY}:keep=5:tsig={KEY}",
            f"tls://{PRIMARY}#{NAME}:ca={self.ca}:tsig={KEY}",
            f"udp:{PRIMARY}:tsig=[hmac-sha512:two.key:c2VjcmV0IHR3bw==]",
        ):
            with self.subTest(description):
                found = self.askThrough(description)
                assert isinstance(found, Answer), (description, found)
                self.assertEqual(sorted(textsOf(found)), ["192.0.2.3", "192.0.2.4"])

    def test_keyComesFromAFile(self) -> None:
        """
        The key can be in a file, which holds one.
        """
        path = self.written("one.key", b'key "one.key" { algorithm hmac-sha256; secret "c2VjcmV0IG9uZQ=="; };')
        os.chmod(path, 0o600)
        self.assertIsInstance(self.askThrough(f"udp:{PRIMARY}:tsig={path}"), Answer)
        for text, words in (
            (self.written("none", b""), "holds 0 keys instead of one"),
            ("/nowhere", "/nowhere cannot be read"),
            ("[one.key:x!]", "is not base64"),
        ):
            wrong = self.assertRaises(CallerFault, sourceFromString, self.here, f"udp:{PRIMARY}:tsig={text}")
            self.assertIn(words, str(wrong))

    def test_errorsAreToldApart(self) -> None:
        """
        BADKEY, BADSIG and BADTIME each have an error of one line that says what is wrong.
        """
        for way in (f"udp:{PRIMARY}", f"tcp:{PRIMARY}", f"tls://{PRIMARY}#{NAME}:ca={self.ca}"):
            self.assertIn("BADKEY: it has no key other.key", self.faultThrough(f"{way}:tsig=[other.key:c2VjcmV0]"))
            self.assertIn("BADKEY", self.faultThrough(f"{way}:tsig=[hmac-sha512:one.key:c2VjcmV0IG9uZQ==]"))
            self.assertIn("BADSIG: its key one.key has another secret", self.faultThrough(f"{way}:tsig=[one.key:c2VjcmV0]"))
            self.ahead = 1000
            self.assertIn("BADTIME: its clock differs by 1000 seconds", self.faultThrough(f"{way}:tsig={KEY}").replace("999", "1000"))
            self.ahead = 0

    def test_unsignedReplyOverUDPIsNotBelieved(self) -> None:
        """
        A forged reply over UDP is not believed: the query is repeated over TCP. Without the check it would be the answer.
        """
        self.network.shape(PRIMARY, admit=self.forge)
        description = f"udp:{PRIMARY}:tsig={KEY}"
        found = self.askThrough(description)
        assert isinstance(found, Answer)
        self.assertEqual(sorted(textsOf(found)), ["192.0.2.3", "192.0.2.4"])
        self.assertEqual(self.network.dialed[(PRIMARY, 53)], 1)
        with patch("twisted_ext.wire.tsig.Verdict.good", True):
            found = self.askThrough(description)
        assert isinstance(found, Answer)
        self.assertEqual(textsOf(found), ["192.0.2.66"])

    def forge(self, datagram: Datagram) -> bool:
        """
        Answer a query with an address of the attacker's, and let it get lost.
        """
        query = datagram.octets
        message = Message.fromWire(query)
        question = query[12 : 12 + len(message.questions[0].name) + 4]
        answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x42"
        reply = query[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00" + question + answer
        self.network.clock.callLater(0.01, self.network.inject, reply, (PRIMARY, 53), datagram.source)
        return False
