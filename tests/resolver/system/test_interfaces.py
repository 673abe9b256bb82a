"""
Tests of L{twisted_ext.resolver.system.interfaces}.
"""

from __future__ import annotations

import socket
import struct
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.system import interfaces
from twisted_ext.resolver.system.interfaces import InterfaceAddress, addressesOf, interfaceAddresses, readAddresses


class InterfacesTests(SynchronousTestCase):
    """
    Tests of L{interfaceAddresses} and L{readAddresses}.
    """

    def test_loopbackInterfaceHasItsAddress(self) -> None:
        """
        The kernel lists the address of the loopback interface with the interface's number.
        """
        found = {packed: index for packed, _, _, index in interfaceAddresses()}
        self.assertEqual(socket.if_indextoname(found[b"\x7f\x00\x00\x01"]), "lo")

    def test_peerAddressIsNotOwn(self) -> None:
        """
        Addresses come with their networks; that of a peer is not the machine's own.
        """
        peer = struct.pack("=HH4s", 8, 1, bytes((10, 0, 0, 2))) + struct.pack("=HH4s", 8, 2, bytes((10, 0, 0, 1)))
        body = struct.pack("=BBBBI", socket.AF_INET, 24, 0x20, 0, 1) + peer
        octets = struct.pack("=IHHII", 16 + len(body), 20, 0, 1, 0) + body
        found: list[InterfaceAddress] = []
        self.assertFalse(readAddresses(octets, found))
        self.assertEqual(found, [(bytes((10, 0, 0, 1)), 24, 0x20, 1)])
        self.assertTrue(readAddresses(octets + struct.pack("=IHHII", 20, 3, 0, 1, 0) + bytes(4), found))

    def test_cutMessageIsIgnored(self) -> None:
        """
        A cut message gives no address.
        """
        body = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 1) + struct.pack("=HH", 2, 1)
        octets = struct.pack("=IHHII", 16 + len(body), 20, 0, 1, 0) + body
        for length in range(len(octets) + 1):
            found: list[InterfaceAddress] = []
            readAddresses(octets[:length], found)
            self.assertEqual(found, [])
        self.assertTrue(readAddresses(bytes(64), []))


class AddressesOfTests(SynchronousTestCase):
    """
    Tests of L{addressesOf}.
    """

    def setUp(self) -> None:
        v6 = bytes.fromhex("20010db8") + bytes(11)
        rows: list[InterfaceAddress] = [
            (v6 + b"\x01", 64, 0x80, 2),
            (bytes.fromhex("fe80") + bytes(13) + b"\x02", 64, 0x80, 2),
            (v6 + b"\x03", 64, 0x01, 2),
            (v6 + b"\x04", 64, 0x08 | 0x80, 2),
            (v6 + b"\x05", 64, 0x40 | 0x80, 2),
            (bytes((192, 0, 2, 1)), 24, 0x80, 2),
            (bytes((192, 0, 2, 2)), 24, 0x01, 2),
            (bytes((127, 0, 0, 1)), 8, 0x80, 1),
        ]
        patching = patch.multiple(interfaces, interfaceAddresses=lambda: rows)
        patching.start()
        self.addCleanup(patching.stop)
        names = patch.object(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "eth1")])
        names.start()
        self.addCleanup(names.stop)

    def test_addressesCanBeBound(self) -> None:
        """
        The addresses of an interface are listed, link-local ones with their scope; those of IPv6 that are temporary, duplicates or not yet
        checked are not.
        """
        self.assertEqual(addressesOf("eth0"), ["192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::2%eth0"])
        self.assertEqual(addressesOf("lo"), ["127.0.0.1"])

    def test_sandboxWithoutNetlinkIsReported(self) -> None:
        """
        Where the system does not list interfaces, as without AF_NETLINK, the error says so.
        """

        def forbidden() -> list[tuple[int, str]]:
            """
            Fail as in such a sandbox.
            """
            raise OSError(97, "Address family not supported by protocol")

        with patch.object(socket, "if_nameindex", forbidden):
            error = self.assertRaises(BadDescription, addressesOf, "eth0")
        self.assertIn("does not list its interfaces (Address family not supported by protocol); write addresses", str(error))

    def test_missingInterfaceIsNamed(self) -> None:
        """
        The error for an interface that does not exist names those that do, and one without addresses is an error as well.
        """
        self.assertIn("'eth9'; there are lo, eth0, eth1", str(self.assertRaises(BadDescription, addressesOf, "eth9")))
        self.assertIn("'eth1' has no address", str(self.assertRaises(BadDescription, addressesOf, "eth1")))
