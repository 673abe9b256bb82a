"""
Tests for L{twisted_ext.wire.escapes}, with the standard library as the reference.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.escapes import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText

#: Addresses with runs of zeros.
_SPARSE = st.lists(st.sampled_from([b"\x00\x00", b"\x12\x00", b"\x00\x01"]), min_size=8, max_size=8).map(b"".join)


class LiteralsTests(SynchronousTestCase):
    """
    Tests of addresses as octets and as text.
    """

    @given(st.binary(min_size=4, max_size=4))
    def test_ipv4RoundTrips(self, octets: bytes) -> None:
        """
        Every IPv4 address has its dotted form.
        """
        text = ipv4ToText(octets)
        self.assertEqual(text, str(IPv4Address(octets)))
        self.assertEqual(ipv4FromText(text), octets)

    @given(st.binary(min_size=16, max_size=16) | _SPARSE)
    @example(bytes(16))
    @example(bytes(15) + b"\x01")
    def test_ipv6FollowsRFC5952(self, octets: bytes) -> None:
        """
        Every IPv6 address is written as in RFC 5952, and read in all spellings.
        """
        text = ipv6ToText(octets)
        address = IPv6Address(octets)
        if not address.ipv4_mapped:
            self.assertEqual(text, address.compressed)
        for written in (text, address.exploded, address.compressed.upper()):
            self.assertEqual(ipv6FromText(written), octets, written)

    @given(st.text("0123456789abcdefABCDEFg:.:: ", max_size=24))
    def test_textsAgreeWithStandardLibrary(self, text: str) -> None:
        """
        Texts are addresses exactly where the standard library accepts them.
        """
        for mine, theirs in ((ipv4FromText, IPv4Address), (ipv6FromText, IPv6Address)):
            try:
                wanted: bytes | None = theirs(text).packed
            except ValueError:
                wanted = None
            try:
                found: bytes | None = mine(text)
            except ValueError:
                found = None
            self.assertEqual(found, wanted, text)

    def test_mappedAddressShowsIPv4(self) -> None:
        """
        Mapped addresses show the IPv4 address in them.
        """
        self.assertEqual(ipv6ToText(ipv6FromText("::ffff:c000:201")), "::ffff:192.0.2.1")

    def test_invalidAddressesAreRefused(self) -> None:
        """
        Scopes, leading zeros, digits of other scripts and blanks are refused.
        """
        for text in ("", "1.2.3", "01.2.3.4", "1.2.3.256", "1.2.3.4 ", "\u0661.2.3.4", "1.2.3.-4"):
            self.assertRaises(ValueError, ipv4FromText, text)
        for text in ("", ":", ":::", "1::2::3", "fe80::1%eth0", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"):
            self.assertRaises(ValueError, ipv6FromText, text)
        for text in ("1:2:3:4:5:6:7::8", "1.2.3.4::", "::1.2.3.4:5"):
            self.assertRaises(ValueError, ipv6FromText, text)
