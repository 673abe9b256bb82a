"""
Tests for L{twisted_ext.wire.options} and L{twisted_ext.wire.options}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.shown import optionsOf
from twisted_ext.errors import BadDescription, BadMessage
from twisted_ext.wire.message import EDNS
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import (
    Chain,
    ClientSubnet,
    Cookie,
    Expire,
    ExtendedError,
    KeepAlive,
    KeyTags,
    ReportChannel,
    UnknownOption,
    ZoneVersion,
    optionFromText,
    optionFromWire,
)


class ReadingTests(SynchronousTestCase):
    """
    Tests for the content of options.
    """

    def test_optionsAreShownAsByDig(self) -> None:
        """
        Options are shown as by C{dig}.
        """
        for code, octets, text in (
            (3, "", "NSID"),
            (3, "6e7331", 'NSID: 6e 73 31 ("ns1")'),
            (3, "1b5b", 'NSID: 1b 5b (".[")'),
            (5, "080d0f", "DAU: 8 13 15"),
            (8, "00011800c00002", "ECS: 192.0.2.0/24/0"),
            (8, "0002381020010db8000000", "ECS: 2001:db8::/56/16"),
            (8, "00000000", "ECS: 0.0.0.0/0/0"),
            (9, "", "EXPIRE"),
            (9, "00093a80", "EXPIRE: 604800"),
            (10, "0011223344556677", "COOKIE: 0011223344556677"),
            (11, "012c", "KEEPALIVE: 30.0 secs"),
            (12, "0000", "PADDING: 2 octets"),
            (13, "076578616d706c6500", "CHAIN: example."),
            (14, "4f669728", "KEYTAG: 20326 38696"),
            (15, "0012", "EDE: 18 (Prohibited)"),
            (15, "03e76e6f", "EDE: 999: (no)"),
            (18, "016100", "REPORTCHANNEL: a."),
            (19, "", "ZONEVERSION"),
            (19, "020000000001", "ZONEVERSION: SOA-SERIAL: 1 (zone of 2 labels)"),
            (19, "0201ff", "ZONEVERSION: type 1: ff (zone of 2 labels)"),
            (65001, "c0ffee", 'OPT=65001: c0 ff ee ("...")'),
        ):
            with self.subTest(text):
                option = optionFromWire(code, bytes.fromhex(octets))
                self.assertEqual(option.toText(), text)
                self.assertEqual(option.toWire(), (code, bytes.fromhex(octets)))

    def test_malformedOptionsAreRefused(self) -> None:
        """
        Options of an invalid form are refused.
        """
        for code, octets in (
            (8, ""),
            (8, "000118"),
            (8, "00011800c000"),
            (8, "00011800c0000200"),
            (8, "00011700c00003"),
            (8, "00012100c0000200ff"),
            (8, "00011821c00002"),
            (8, "00028100" + "ff" * 17),
            (8, "00031800c00002"),
            (8, "00000800c0"),
            (9, "00"),
            (10, ""),
            (10, "00" * 7),
            (10, "00" * 9),
            (10, "00" * 15),
            (10, "00" * 41),
            (11, "00"),
            (11, "000000"),
            (13, ""),
            (13, "0161"),
            (13, "01610000"),
            (13, "c000"),
            (14, ""),
            (14, "000000"),
            (15, "00"),
            (18, "ff"),
            (19, "01"),
            (19, "0200000001"),
        ):
            with self.subTest(code, octets=octets):
                self.assertRaises(BadMessage, optionFromWire, code, bytes.fromhex(octets))

    @given(st.integers(0, 25), st.binary(max_size=48))
    def test_anyOctetsAreOptionOrError(self, code: int, octets: bytes) -> None:
        """
        Any octets are an option that prints on one harmless line, or are refused.
        """
        try:
            option = optionFromWire(code, octets)
        except BadMessage:
            return
        self.assertEqual(option.toWire(), (code, octets))
        self.assertTrue(option.toText().isprintable())
        self.assertEqual(option, optionFromWire(code, octets))
        self.assertEqual(hash(option), hash(optionFromWire(code, octets)))
        self.assertNotEqual(option, UnknownOption(65535, octets))

    def test_valuesOfOptionsAreParsed(self) -> None:
        """
        The values of options are available in parsed form.
        """
        cookie = optionFromWire(10, bytes(8) + b"\x01\x00\x00\x00\x65\x53\xf1\x00" + bytes(8))
        assert isinstance(cookie, Cookie)
        self.assertEqual((cookie.client, len(cookie.server), cookie.timestamp), (bytes(8), 16, 0x6553F100))
        self.assertIsNone(Cookie(bytes(8)).timestamp)
        self.assertEqual(Expire(b"\x00\x00\x00\x05").seconds, 5)
        self.assertEqual((KeepAlive(b"").seconds, KeepAlive.of(30).seconds, KeepAlive.of(1e9).seconds), (None, 30.0, 6553.5))
        self.assertEqual(Chain(b"\x01a\x00").name, nameFromText("a"))
        self.assertEqual(ReportChannel(b"\x01a\x00").agent, nameFromText("a"))
        self.assertEqual(KeyTags(b"\x00\x01\x00\x02").tags, (1, 2))
        error = ExtendedError.of(22, "dépassé")
        self.assertEqual((error.infoCode, error.extraText), (22, "dépassé"))
        self.assertEqual(ExtendedError(b"\x00\x16no\x00").extraText, "no")
        self.assertEqual(ExtendedError(b"\x00\x16\xff\x1b[2J").toText(), "EDE: 22 (No Reachable Authority): (\ufffd\\x1b[2J)")
        version = ZoneVersion.of(nameFromText("example.com"), 7)
        self.assertEqual((version.labels, version.kind, version.serial), (2, 0, 7))
        subnet = ClientSubnet.of("192.0.2.255", 25, 24)
        self.assertEqual((subnet.family, subnet.source, subnet.scope, subnet.address), (1, 25, 24, b"\xc0\x00\x02\x80"))
        self.assertRaises(BadDescription, ClientSubnet.of, "192.0.2.1", 24, 33)
        self.assertRaises(BadDescription, ClientSubnet.of, "192.0.2.1", 33)

    def test_optionsOfRecordAreInOrder(self) -> None:
        """
        The options of a record come in order. A malformed one is an error when it is parsed.
        """
        edns = EDNS(1232, 0, ((3, b""), (65001, b"x"), (3, b"")))
        self.assertEqual([option.code for option in optionsOf(edns)], [3, 65001, 3])
        self.assertEqual(optionsOf(None), [])
        self.assertRaises(BadMessage, optionsOf, EDNS(1232, 0, ((10, b""),)))


class WritingTests(SynchronousTestCase):
    """
    Tests for options as users write them.
    """

    def test_optionsFromText(self) -> None:
        """
        Options are made from their text.
        """
        for text, shown in (
            ("nsid", "NSID"),
            ("NSID", "NSID"),
            ("subnet=192.0.2.130/25", "ECS: 192.0.2.128/25/0"),
            ("subnet=192.0.2.1", "ECS: 192.0.2.1/32/0"),
            ("subnet=2001:db8::ff/33", "ECS: 2001:db8::/33/0"),
            ("subnet=0", "ECS: 0.0.0.0/0/0"),
            ("cookie=0011223344556677", "COOKIE: 0011223344556677"),
            ("expire", "EXPIRE"),
            ("keepalive", "KEEPALIVE"),
            ("keepalive=30", "KEEPALIVE: 30.0 secs"),
            ("padding=3", "PADDING: 3 octets"),
            ("chain=example.com", "CHAIN: example.com."),
            ("key-tag=1,65535", "KEYTAG: 1 65535"),
            ("zoneversion", "ZONEVERSION"),
            ("65001", "OPT=65001"),
            ("65001:C0ffee", 'OPT=65001: c0 ff ee ("...")'),
            ("15:0012", "EDE: 18 (Prohibited)"),
        ):
            with self.subTest(text):
                self.assertEqual(optionFromText(text).toText(), shown)

    def test_invalidOptionTextIsExplained(self) -> None:
        """
        An invalid text gets one line that says what is wrong with it.
        """
        for text in (
            "",
            "wrong",
            "cookie",
            "cookie=zz",
            "cookie=00",
            "subnet",
            "subnet=192.0.2.1/33",
            "subnet=x",
            "padding=65536",
            "padding=-1",
            "padding=\u0661",
            "keepalive=x",
            "chain=a..b",
            "key-tag=",
            "key-tag=1,,2",
            "65536",
            "99999999999999999999",
            "65001:c0f",
            "65001:xy",
            "nsid=0",
            "x" * 1000,
        ):
            with self.subTest(text):
                words = str(self.assertRaises(BadDescription, optionFromText, text))
                self.assertNotIn("\n", words)
                self.assertLess(len(words), 400)
