"""
Tests of L{twisted_ext.addrinfo.services}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.addrinfo.services import Ports, systemServicesPath


class PortsTests(SynchronousTestCase):
    """
    Tests of L{Ports}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.ports = Ports(self.clock.seconds, str(self.path))

    def test_namesAndAliasesPerProtocol(self) -> None:
        """
        A service is found by name and alias for each protocol, and a port has the first name.
        """
        self.path.write_text("# comment\nhttp 80/tcp www # World Wide Web\nwww 8080/udp\nlate 80/tcp\n")
        self.assertEqual([self.ports.portOf(name, b"tcp") for name in (b"http", b"www", b"late", b"HTTP")], [80, 80, 80, None])
        self.assertEqual(self.ports.portOf(b"www", b"udp"), 8080)
        self.assertEqual([self.ports.nameOf(80, b"tcp"), self.ports.nameOf(80, b"udp")], [b"http", None])

    def test_invalidLinesAreReported(self) -> None:
        """
        Invalid lines are skipped and reported.
        """
        self.path.write_text("alone\nhttp eighty/tcp\nbig 70000/tcp\nbare 80\n\nfine 81/tcp")
        self.assertEqual(self.ports.portOf(b"fine", b"tcp"), 81)
        self.assertEqual(self.ports.complaints.count, 4)
        self.assertTrue(self.ports.complaints.texts[0].startswith("line 1: b'alone' has no port"))

    def test_changedFileIsReadAgain(self) -> None:
        """
        The file is checked once a second and read again if it has changed.
        """
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))
        self.path.write_text("http 80/tcp\n")
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))
        self.clock.advance(1)
        self.assertEqual(self.ports.portOf(b"http", b"tcp"), 80)
        self.path.unlink()
        self.clock.advance(1)
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))

    def test_systemPathIsKnown(self) -> None:
        """
        The path of the system's services file is known.
        """
        self.assertTrue(systemServicesPath().endswith("services"))
