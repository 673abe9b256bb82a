"""
Tests of L{twisted_ext.wire.addressranges}.
"""

from __future__ import annotations

from ipaddress import ip_address
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.addressranges import AddressRange, BadAddress, reverseNameOf
from twisted_ext.wire.names import nameToText


def namesOf(text: str) -> list[tuple[str, str]]:
    """
    Return the addresses of the range with their reverse names.
    """
    return [(address, nameToText(name)) for address, name in AddressRange.fromText(text)]


class AddressRangeTests(SynchronousTestCase):
    """
    Tests for L{AddressRange}.
    """

    def test_networkGivesAllAddresses(self) -> None:
        """
        A network gives all its addresses, in order.
        """
        found = namesOf("192.0.2.0/30")
        self.assertEqual([address for address, _ in found], ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"])
        self.assertEqual(found[2][1], "2.2.0.192.in-addr.arpa.")

    def test_rangeAcrossOctets(self) -> None:
        """
        A range continues across the end of an octet.
        """
        self.assertEqual(
            [address for address, _ in namesOf("10.0.255.254-10.1.0.1")], ["10.0.255.254", "10.0.255.255", "10.1.0.0", "10.1.0.1"]
        )

    def test_ipv6ReverseNames(self) -> None:
        """
        Reverse names of IPv6 addresses consist of nibbles.
        """
        found = namesOf("2001:db8::f/128")
        self.assertEqual(found, [("2001:db8::f", "f." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa.")])

    def test_singleAddress(self) -> None:
        """
        One address is a range of one, and its scope is dropped.
        """
        self.assertEqual(namesOf("192.0.2.9"), [("192.0.2.9", "9.2.0.192.in-addr.arpa.")])
        self.assertEqual([address for address, _ in namesOf("fe80::1%eth0")], ["fe80::1"])

    def test_largeRangeIsLazy(self) -> None:
        """
        A range of all IPv4 addresses generates only the addresses that are used.
        """
        everything = AddressRange.fromText("0.0.0.0/0")
        self.assertEqual(everything.count, 2**32)
        self.assertEqual([address for address, _ in islice(everything, 2)], ["0.0.0.0", "0.0.0.1"])

    def test_invalidRangeIsExplained(self) -> None:
        """
        An invalid range is refused with one line that says what is valid.
        """
        for text, hint in [
            ("192.0.2.5/24", "192.0.2.0/24"),
            ("192.0.2.0/33", "192.0.2.0/24"),
            ("example.org", "192.0.2.1"),
            ("", "192.0.2.1"),
            ("192.0.2.9-192.0.2.3", "not below the first"),
            ("192.0.2.9-2001:db8::1", "same family"),
            ("2001:db8::/64", "18446744073709551616 addresses"),
        ]:
            with self.assertRaisesRegex(BadAddress, hint.replace(".", r"\.")):
                AddressRange.fromText(text)


@given(st.ip_addresses())
def test_reverseNameMatchesPython(address: object) -> None:
    """
    The reverse name of every address equals that of Python's standard library.
    """
    known = ip_address(str(address))
    assert nameToText(reverseNameOf(known.packed)) == known.reverse_pointer + "."


@given(st.integers(0, 2**32 - 1), st.integers(0, 600))
def test_anyRangeGivesEveryAddress(first: int, more: int) -> None:
    """
    A range gives every address from its first to its last, each with its reverse name.
    """
    last = min(first + more, 2**32 - 1)
    found = list(AddressRange(ip_address(first), ip_address(last)))
    assert [address for address, _ in found] == [str(ip_address(number)) for number in range(first, last + 1)]
    assert all(name == reverseNameOf(ip_address(address).packed) for address, name in found)
