"""
Tests of descriptions of servers over QUIC.
"""

from __future__ import annotations

from pathlib import Path

from tests.certificates import written
from tests.transport.quic.peers import NAME, QuicTestCase, certified
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.quic import exchange
from twisted_ext.transport.tls.terms import pinOf, pinToText


class QuicDescriptionTests(QuicTestCase):
    """
    Tests of the prefix C{quic}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.ca = str(written(folder)).replace(":", "\\:")
        self.source: IAnswerSource | None = None

    def tearDown(self) -> None:
        if self.source is not None:
            closed = self.source.close()
            self.network.advance(1.0)
            self.successResultOf(closed)
        super().tearDown()

    def outcome(self, description: str) -> str:
        """
        Return how a look-up from a source of this description ends: the transport and server that answered, or the error.
        """
        if self.source is not None:
            self.source.close()
            self.network.advance(1.0)
        self.source = sourceFromString(self.here, description)
        found = lookUp(self.source, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5.0))
        self.network.advance(6.0)
        told: list[str] = []

        def answered(answer: Answer) -> None:
            assert answer.origin is not None
            told.append(f"{answer.origin.source} {answer.origin.server}")

        found.addCallbacks(answered, lambda failure: told.append(failure.getErrorMessage()))
        return told[0]

    def test_forms(self) -> None:
        """
        A server is given by its address and the name in its certificate, as a list or a URL, or by its pin.
        """
        self.serve()
        pin = pinToText(pinOf(certified().leaf))
        for description in (
            f"quic:192.0.2.53#{NAME}:ca={self.ca}",
            f"quic:192.0.2.53@853#{NAME}:ca={self.ca}",
            f"quic:192.0.2.53:853:name={NAME}:ca={self.ca}",
            f"quic://192.0.2.53#{NAME}:ca={self.ca}",
            f"quic:192.0.2.53:pins={pin}",
        ):
            self.assertEqual(self.outcome(description), "quic 192.0.2.53:853", description)

    def test_otherServer(self) -> None:
        """
        A server that is not the expected one gets no query.
        """
        listener = self.serve()
        self.assertIn("expected a certificate for 'other.example'", self.outcome(f"quic:192.0.2.53#other.example:ca={self.ca}"))
        self.assertIn("hash " + "00" * 32, self.outcome(f"quic:192.0.2.53#{NAME}:ca={self.ca}:hashes={'00' * 32}"))
        self.assertEqual(listener.servings.replies.counters.tcp, 0)

    def test_bootstrap(self) -> None:
        """
        The address of a server given by its name is looked up as the description says, and nothing else is.
        """
        self.serve()
        plain = CannedServer({(NAME, "A"): "192.0.2.53"})
        plain.listen(self.network.reactor("192.0.2.1"))
        self.assertEqual(self.outcome(f"quic://{NAME}:ca={self.ca}:bootstrap=192.0.2.1"), "quic 192.0.2.53:853")
        self.assertFalse([each for each in self.network.datagrams if b"\x03www\x07example" in each.octets])

    def test_errors(self) -> None:
        """
        A wrong description is an error in one line.
        """
        for description in ("quic:", "quic:192.0.2.53#", "quic:192.0.2.53:pins=x", "quic:192.0.2.53:99999", "quic:192.0.2.53:minimum=1.2"):
            error = self.assertRaises(BadDescription, sourceFromString, self.here, description)
            self.assertNotIn("\n", str(error))

    def test_extra(self) -> None:
        """
        If the extra is not installed, the error names it.
        """
        self.patch(exchange, "find_spec", lambda name: None)
        fault = self.assertRaises(CallerFault, sourceFromString, self.here, f"quic:192.0.2.53#{NAME}")
        self.assertIn("twisted-ext[quic]", str(fault))
