"""
Tests of the chain of trust that a server shows.
"""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.evidences import anchorsIn, smallInternet
from tests.metrics.samples import busy
from tests.server.operations.seeing import SeenServer
from twisted_ext.dnssec.validation import Validator
from twisted_ext.errors import BadRecord
from twisted_ext.metrics.figures import JSON
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.recursive.source import recursiveStack


class ChainTests(SynchronousTestCase):
    """
    Tests in a small signed internet.
    """

    def setUp(self) -> None:
        self.internet = smallInternet()
        reactor = self.internet.reactor()
        anchors = anchorsIn(self.internet)
        root = rootFromText(self.internet.hints, "hints")
        self.server = SeenServer(reactor, busy())
        self.server.source = recursiveStack(
            reactor, root, validator=Validator(lambda name, _: anchors.closest(name)), today=self.internet.time
        )

    def tearDown(self) -> None:
        self.internet.wait(self.server.source.close())

    def chain(self, name: str, rrType: str = "") -> dict[str, JSON]:
        showing: Deferred[dict[str, JSON]] = self.server.status.do("chain", {"name": name, "type": rrType})
        return self.internet.wait(showing)

    def test_chain(self) -> None:
        """
        The chain says what is proved, by the trust anchors of the server, with each zone on the way, as lines and as a drawing.
        """
        for name, security in (("www.example.org", "secure"), ("www.plain.org", "insecure"), ("nope.other.test", "secure")):
            said = self.chain(name)
            self.assertEqual(said["security"], security)
            lines, svg = said["said"], said["svg"]
            assert isinstance(lines, list)
            assert isinstance(svg, str)
            self.assertIn(name.partition(".")[2], "\n".join(map(str, lines)))
            self.assertIn(name, "".join(ElementTree.fromstring(svg).itertext()))

    def test_wrong(self) -> None:
        """
        A type that there is none of is said.
        """
        self.failureResultOf(self.server.status.do("chain", {"name": "www.example.org", "type": "NONSENSE"}), BadRecord)
