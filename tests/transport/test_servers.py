"""
Tests of server addresses as values.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import Server


class ServerTests(SynchronousTestCase):
    """
    Tests for L{Server}.
    """

    def test_spellingsAreEqual(self) -> None:
        """
        All spellings of an address are one server.
        """
        for first, second in (
            ("2001:db8::1", "2001:0DB8:0000:0:0:0:0:0001"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("FE80::1%eth0", "fe80:0::1%eth0"),
        ):
            self.assertEqual(Server(first), Server(second))
            self.assertEqual(hash(Server(first)), hash(Server(second)))
            self.assertEqual(Server(first).label, Server(second).label)

    def test_otherAddressesDiffer(self) -> None:
        """
        Another address, port or scope is another server.
        """
        for other in (Server("fe80::2%eth0"), Server("fe80::1%eth0", 54), Server("fe80::1%eth1"), Server("fe80::1")):
            self.assertNotEqual(Server("fe80::1%eth0"), other)
        self.assertNotEqual(Server("192.0.2.1"), "192.0.2.1")

    def test_labelRoundTrips(self) -> None:
        """
        A label shows address and port in a form that can be parsed again.
        """
        for text in ("192.0.2.1:53", "[2001:db8::1]:5353", "[fe80::1%eth0]:53"):
            self.assertEqual(Server.fromText(text).label, text)
            self.assertIn(text, repr(Server.fromText(text)))

    def test_portIsOptional(self) -> None:
        """
        The port may be left out, and an IPv6 address needs brackets only with a port.
        """
        self.assertEqual(Server.fromText("192.0.2.1"), Server("192.0.2.1", 53))
        self.assertEqual(Server.fromText("192.0.2.1", 5353), Server("192.0.2.1", 5353))
        self.assertEqual(Server.fromText("2001:db8::1"), Server("2001:db8::1", 53))
        self.assertEqual(Server.fromText("[2001:db8::1]"), Server("2001:db8::1", 53))
        self.assertEqual(Server.fromText("192.0.2.1#5353", 99), Server("192.0.2.1", 5353))
        self.assertEqual(Server.fromText("2001:db8::1#5353"), Server("2001:db8::1", 5353))
        self.assertEqual(Server.fromText("[2001:db8::1]#5353"), Server("2001:db8::1", 5353))

    def test_badTextIsExplained(self) -> None:
        """
        An invalid server is an error of one line that names it.
        """
        addresses = ["", "localhost", "192.0.2.256", "1.2.3", "a\x00b", "::1:70000:9:9:9:9:9:9:9", "[::1"]
        addresses += ["fe80::1%4294967296", "fe80::1%" + 5000 * "1"]
        ports = ["192.0.2.1:" + 5000 * "1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:0", "[::1]53", "[::1]:"]
        for text in addresses + ports:
            fault = self.assertRaises(BadDescription, Server.fromText, text)
            self.assertNotIn("\n", str(fault))
        self.assertIn("65535", str(self.assertRaises(BadDescription, Server, "192.0.2.1", 65536)))

    def test_sourceAddressIsComparedAsValue(self) -> None:
        """
        The source of a datagram is compared as a value too.
        """
        server = Server("2001:db8:0:0::1", 53)
        self.assertTrue(server.isAt("2001:db8::1", 53))
        self.assertTrue(Server("fe80::1").isAt("fe80::1%eth0", 53))
        self.assertFalse(server.isAt("2001:db8::1", 54))
        self.assertFalse(server.isAt("2001:db8::2", 53))
        self.assertFalse(server.isAt("nonsense", 53))
        self.assertFalse(Server("fe80::1%eth1").isAt("fe80::1%eth0", 53))

    def test_scopeBecomesInterfaceNumber(self) -> None:
        """
        A scope reaches the socket as the number of the interface.
        """
        number, name = socket.if_nameindex()[0]
        self.assertEqual(Server(f"fe80::1%{name}").socketAddress(), ("fe80::1", 53, 0, number))
        self.assertEqual(Server("fe80::1%7").socketAddress(), ("fe80::1", 53, 0, 7))
        self.assertEqual(Server("192.0.2.1").socketAddress(), ("192.0.2.1", 53))
        for scope in ("nosuch", "no\0such", "\u00b2"):
            self.assertRaises(OSError, Server(f"fe80::1%{scope}").socketAddress)
