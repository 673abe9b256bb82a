"""
Tests of L{twisted_ext.apps.demo} on a memory network.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.demo import demonstrate
from twisted_ext.errors import TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import CannedSource


class DemonstrationTests(SynchronousTestCase):
    """
    Tests for L{demonstrate}.
    """

    def show(self, system: IAnswerSource, taken: bool = False) -> str:
        """
        Run the demonstration and return its output.

        @param taken: whether another server uses the port.
        """
        network = MemoryNetwork()
        here = network.reactor("127.0.0.1")
        if taken:
            from twisted_ext.testing.servers import CannedServer

            other = CannedServer(otherwise=5)
            other.listen(here, 5300, "127.0.0.1")
        reactor: IReactorTime = here
        lines: list[str] = []
        done = Deferred.fromCoroutine(demonstrate(reactor, system, lines.append))
        for _ in range(200):
            network.advance(0.05)
        self.successResultOf(done)
        if taken:
            other.close()
            network.advance(0.1)
        self.assertEqual(here.pending(), [])
        return "\n".join(lines)

    def test_systemServersAreUsed(self) -> None:
        """
        The demonstration uses the system's servers if they answer, and prints that it does.
        """
        text = self.show(CannedSource(otherwise="192.0.2.1"))
        self.assertIn("The resolver is: system", text)
        self.assertIn("www.python.org. 300 IN A 192.0.2.1", text)
        self.assertNotIn("a small server", text)

    def test_ownServerIsUsedOffline(self) -> None:
        """
        The demonstration starts a server of its own if the system's servers do not answer, prints that it does, and stops it at the end.
        """
        for system in (CannedSource(otherwise=TimedOut("nobody")), CannedSource(otherwise=())):
            text = self.show(system)
            self.assertIn("a small server,\nwhich has just been started on 127.0.0.1:5300", text)
            for line in (
                "www.example.org. 300 IN A 192.0.2.80",
                "example.org. 300 IN MX 20 mail.example.net.",
                "alias.example.org. 300 IN CNAME www.example.org.",
                "no such name",
                "cache  hit",
                "To go on:",
            ):
                self.assertIn(line, text)
            self.assertTrue(system.closed)

    def test_takenPortIsReplaced(self) -> None:
        """
        The server uses another port if its own is taken.
        """
        text = self.show(CannedSource(otherwise=TimedOut("nobody")), taken=True)
        self.assertNotIn("127.0.0.1:5300", text)
        self.assertIn("www.example.org. 300 IN A 192.0.2.80", text)
