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

    def test_names(self) -> None:
        """
        A service goes by its name and by others, for each protocol; a port by the name that comes first.
        """
        self.path.write_text("# comment\nhttp 80/tcp www # World Wide Web\nwww 8080/udp\nlate 80/tcp\n")
        self.assertEqual([self.ports.portOf(name, b"tcp") for name in (b"http", b"www", b"late", b"HTTP")], [80, 80, 80, None])
        self.assertEqual(self.ports.portOf(b"www", b"udp"), 8080)
        self.assertEqual([self.ports.nameOf(80, b"tcp"), self.ports.nameOf(80, b"udp")], [b"http", None])

    def test_wrong(self) -> None:
        """
        Lines that say nothing are left out, and told.
        """
        self.path.write_text("alone\nhttp eighty/tcp\nbig 70000/tcp\nbare 80\n\nfine 81/tcp")
        self.assertEqual(self.ports.portOf(b"fine", b"tcp"), 81)
        self.assertEqual(self.ports.complaints.count, 4)
        self.assertTrue(self.ports.complaints.texts[0].startswith("line 1: b'alone' has no port"))

    def test_followed(self) -> None:
        """
        The file is read again when it is another one, and looked at once a second.
        """
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))
        self.path.write_text("http 80/tcp\n")
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))
        self.clock.advance(1)
        self.assertEqual(self.ports.portOf(b"http", b"tcp"), 80)
        self.path.unlink()
        self.clock.advance(1)
        self.assertIsNone(self.ports.portOf(b"http", b"tcp"))

    def test_system(self) -> None:
        """
        There is a place where systems keep it.
        """
        self.assertTrue(systemServicesPath().endswith("services"))
