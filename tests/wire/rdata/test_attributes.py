"""
Tests of the attributes of record type values, and of the values that they refuse.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadMessage, BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataFromWire
from twisted_ext.wire.rdata.times import dateFromSeconds, secondsFromDate, secondsFromDuration
from twisted_ext.wire.rdata.types.address import AAAA, A
from twisted_ext.wire.rdata.types.authority import SOA
from twisted_ext.wire.rdata.types.denial import NSEC, NSEC3
from twisted_ext.wire.rdata.types.dnssec import DNSKEY, KEY, RRSIG
from twisted_ext.wire.rdata.types.gateways import AMTRELAY, HIP, IPSECKEY
from twisted_ext.wire.rdata.types.location import LOC
from twisted_ext.wire.rdata.types.names import MX
from twisted_ext.wire.rdata.types.prefixes import APL, Prefix
from twisted_ext.wire.rdata.types.service import CAA
from twisted_ext.wire.rdata.types.svcb import SVCB
from twisted_ext.wire.rdata.types.text import ISDN, TXT
from twisted_ext.wire.rrtypes import typeNumber

MAIL: Final = nameFromText("mail.example.")


class AttributesTests(SynchronousTestCase):
    """
    Tests of the most common types.
    """

    def test_fieldsHaveTheirNames(self) -> None:
        """
        The fields of common types have the names of their RFCs.
        """
        soa = SOA.fromText("ns.example. host.example. 2024010101 2h 1h 2w 5m")
        self.assertEqual((soa.primary, soa.responsible), (nameFromText("ns.example."), nameFromText("host.example.")))
        self.assertEqual((soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum), (2024010101, 7200, 3600, 1209600, 300))
        mail = MX(10, MAIL)
        self.assertEqual((mail.preference, mail.exchange, mail.wire), (10, MAIL, b"\x00\x0a" + MAIL))
        self.assertEqual((A("192.0.2.1").wire, AAAA("2001:DB8:0::1").address), (b"\xc0\x00\x02\x01", "2001:db8::1"))
        self.assertEqual(TXT((b"v=spf1 ", b"-all")).text, b"v=spf1 -all")
        self.assertEqual([ISDN((b"1", b"2")).subaddress, ISDN((b"1",)).subaddress], [b"2", b""])
        self.assertEqual([CAA(flags, b"issue", b";").critical for flags in (0, 127, 128)], [False, False, True])

    def test_valuesAreImmutable(self) -> None:
        """
        A value cannot be changed, and equals no value of another type.
        """
        mail = MX(10, MAIL)
        self.assertRaises(AttributeError, setattr, mail, "preference", 20)
        self.assertNotEqual(rdataFromWire(2, MAIL), rdataFromWire(5, MAIL))
        self.assertNotEqual(mail, mail.wire)
        self.assertEqual(repr(mail), "<MX 10 mail.example.>")

    def test_signaturesAndKeyTags(self) -> None:
        """
        Signature times are seconds and types are numbers. Keys have their tags (RFC 4034, appendix B, and section 5.4's example).
        """
        signature = RRSIG.fromText("A 5 3 86400 20030322173103 20030220173103 2642 example.com. AAAA")
        self.assertEqual((signature.typeCovered, signature.labels, signature.originalTTL), (1, 3, 86400))
        self.assertEqual((signature.expiration, signature.inception, signature.keyTag), (1048354263, 1045762263, 2642))
        key = "AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLU"
        key += "Uh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw=="
        self.assertEqual(DNSKEY.fromText(f"256 3 5 {key}").keyTag, 60485)
        self.assertEqual(DNSKEY(257, 3, 1, b"\x01\x02\x03\x04\x05").keyTag, 0x0304)
        self.assertEqual(DNSKEY(0, 0, 1, b"").keyTag, 0)
        self.assertEqual(KEY.fromText("HOST|FLAG4 DNSSEC RSAMD5 AAAA").wire, bytes.fromhex("0a000301000000"))

    def test_typeBitmapsAreSortedNumbers(self) -> None:
        """
        NSEC types are sorted numbers, and NSEC3 flags have names.
        """
        self.assertEqual(NSEC.fromText("a. TYPE1234 MX A").types, (1, 15, 1234))
        self.assertEqual(NSEC(b"\x00", (65535, 1, 1)).types, (1, 65535))
        self.assertEqual([NSEC3(1, flags, 0, b"", b"h" * 20, ()).optOut for flags in (0, 1)], [False, True])

    def test_SVCBParametersAreParsed(self) -> None:
        """
        SVCB parameters are available in parsed form.
        """
        text = '1 . mandatory=port,alpn alpn="h2,a\\\\,b" no-default-alpn port=443 '
        text += "ipv4hint=192.0.2.1 ipv6hint=::1,::2 ech=AAAA dohpath=/{?dns}"
        value = SVCB.fromText(text)
        self.assertEqual((value.mandatory, value.alpn, value.noDefaultALPN), ((1, 3), (b"h2", b"a,b"), True))
        self.assertEqual((value.port, value.ipv4hint, value.ipv6hint), (443, ("192.0.2.1",), ("::1", "::2")))
        self.assertEqual((value.ech, value.dohpath, value.parameter(8)), (b"\x00\x00\x00", "/{?dns}", None))
        bare = SVCB(0, MAIL, ())
        self.assertEqual((bare.mandatory, bare.alpn, bare.noDefaultALPN, bare.port, bare.ipv4hint), ((), (), False, None, ()))
        self.assertEqual((bare.ipv6hint, bare.ech, bare.dohpath), ((), None, None))
        self.assertEqual(SVCB(1, b"\x00", [(7, b"/"), (3, b"\x00\x35")]).parameters, ((3, b"\x00\x35"), (7, b"/")))

    def test_LOCInDegreesAndMeters(self) -> None:
        """
        LOC degrees and meters are those of RFC 1876's example, and missing parts get their defaults.
        """
        place = LOC.fromText("42 21 54 N 71 06 18 W -24m 30m")
        self.assertEqual([round(each, 4) for each in place.degrees], [42.365, -71.105])
        self.assertEqual((place.meters, place.size, place.horizontal, place.vertical), (-24.0, 0x33, 0x16, 0x13))
        self.assertEqual(LOC.fromText("1 n 2 e 3").toText(), "1 0 0.000 N 2 0 0.000 E 3.00m 1.00m 10000.00m 10.00m")

    def test_gatewaysPrefixesAndRelays(self) -> None:
        """
        Gateways are addresses or names according to their type. Prefixes, host identities and relays show their parts.
        """
        self.assertEqual(IPSECKEY(10, 3, 2, MAIL, b"key").gateway, MAIL)
        self.assertEqual((AMTRELAY(10, 0x81, "192.0.2.1").relay, AMTRELAY(10, 0x80, "").discoveryOptional), ("192.0.2.1", True))
        self.assertEqual(HIP(2, b"tag", b"key", (MAIL,)).servers, (MAIL,))
        (prefix,) = APL.fromText("!1:192.0.2.0/24").prefixes
        self.assertEqual((prefix.family, prefix.length, prefix.negated, prefix.address), (1, 24, True, b"\xc0\x00\x02"))
        self.assertEqual(prefix, Prefix(1, 24, True, b"\xc0\x00\x02"))
        self.assertEqual(repr(prefix), "<Prefix !1:192.0.2.0/24>")


class RefusedTests(SynchronousTestCase):
    """
    Tests of invalid values.
    """

    def test_invalidValuesAreRefused(self) -> None:
        """
        A wrong value raises BadRecord and a wrong number of values TypeError, when the value is made.
        """
        for kind, values in (
            (A, ("192.0.2",)),
            (A, (b"\xc0\x00\x02\x01",)),
            (AAAA, ("192.0.2.1",)),
            (MX, (65536, MAIL)),
            (MX, (-1, MAIL)),
            (MX, ("10", MAIL)),
            (MX, (10, "mail.example.")),
            (MX, (10, b"\x04mail")),
            (MX, (10, MAIL + b"x")),
            (MX, (10, b"\xc0\x00")),
            (TXT, ((),)),
            (TXT, ((b"x" * 256,),)),
            (TXT, (("text",),)),
            (CAA, (0, b"", b"")),
            (CAA, (0, b"a-b", b"")),
            (NSEC, (b"\x00", (65536,))),
            (NSEC3, (1, 0, 0, b"s" * 256, b"h" * 20, ())),
            (SVCB, (1, b"\x00", ((1, b""),))),
            (SVCB, (1, b"\x00", ((65536, b""),))),
            (SVCB, (1, b"\x00", ((7, b"/"), (7, b"/")))),
            (IPSECKEY, (10, 4, 2, MAIL, b"")),
            (IPSECKEY, (10, 1, 2, MAIL, b"")),
            (IPSECKEY, (10, 3, 2, "192.0.2.1", b"")),
            (APL, ((Prefix(1, 33, False, b""),),)),
        ):
            self.assertRaises(BadRecord, kind, *values)
        self.assertRaises(TypeError, MX, 10)
        self.assertRaises(TypeError, MX, 10, MAIL, 10)
        self.assertRaises(TypeError, MX, 10, exchange=MAIL, preference=10)
        self.assertRaises(TypeError, MX, 10, exchanger=MAIL)

    def test_invalidOctetsAreRefused(self) -> None:
        """
        Octets that break a rule of their type are refused.
        """
        for name, octets in (
            ("A", "c00002"),
            ("A", "c000020101"),
            ("AAAA", "00" * 15),
            ("NS", ""),
            ("NS", "0161"),
            ("NS", "016100ff"),
            ("NS", "40" + "61" * 64 + "00"),
            ("NS", "3f" + "61" * 63 + "00" + "00"),
            ("NS", ("3f" + "61" * 63) * 4 + "00"),
            ("KX", "0001c000"),
            ("TXT", ""),
            ("TXT", "026161" + "02"),
            ("HINFO", "0161"),
            ("ISDN", "016101610161"),
            ("GPOS", "0131013101" + "61"),
            ("SOA", "0000" + "00" * 19),
            ("NXT", "00" + "80"),
            ("NXT", "00" + "02" * 17),
            ("NXT", "00" + "2000"),
            ("NSEC", "00" + "000100"),
            ("NSEC", "00" + "0000"),
            ("NSEC", "00" + "0021" + "ff" * 33),
            ("NSEC", "00" + "000140" + "000140"),
            ("NSEC", "00" + "010140" + "000140"),
            ("NSEC", "00" + "0002ff"),
            ("NSEC3", "0100000000" + "00"),
            ("NSEC3", "0100000001" + "ff"),
            ("NSEC3", "0100000000" + "0401"),
            ("LOC", "01" + "00" * 15),
            ("LOC", "00a00000" + "80000000" * 3),
            ("LOC", "00010000" + "80000000" * 3),
            ("LOC", "00" * 16),
            ("APL", "0001210401020304"),
            ("APL", "00012005" + "0102030405"),
            ("APL", "000120030a0000"),
            ("APL", "0001200301"),
            ("A6", "81" + "00"),
            ("A6", "01" + "80" + "00" * 15 + "00"),
            ("IPSECKEY", "0a0102c00002"),
            ("IPSECKEY", "0a0402"),
            ("IPSECKEY", "0a0302c000"),
            ("IPSECKEY", "0a000001"),
            ("AMTRELAY", "0a04"),
            ("AMTRELAY", "0a01c0000201ff"),
            ("HIP", "00020001ff"),
            ("HIP", "01020000ff"),
            ("HIP", "0102000201ff"),
            ("HIP", "0102000101ffc000"),
            ("CAA", "0000"),
            ("CAA", "00056973737565"[:12]),
            ("CAA", "0001ff"),
            ("DS", "00010502"),
            ("SSHFP", "0101" + "00" * 19),
            ("TLSA", "030101"),
            ("ZONEMD", "000000010101" + "00" * 47),
            ("ZONEMD", "0000000101f0" + "00" * 11),
            ("ZONEMD", "00000001f001" + "00" * 11),
            ("ZONEMD", "00000001f0f0" + "00"),
            ("URI", "00010001"),
            ("NID", "0001" + "00" * 7),
            ("EUI48", "00" * 5),
            ("NSAP", ""),
            ("ATMA", "01" + "2b31"),
            ("ATMA", "00" + "00" * 19),
            ("OPT", "000300"),
            ("OPT", "0003000461"),
            ("TSIG", "00" + "00" * 8 + "0010" + "00" * 15),
            ("SVCB", "0001"),
            ("SVCB", "000100" + "0003"),
            ("SVCB", "000100" + "0003000200350001000302" + "6832"),
            ("SVCB", "000100" + "0003000200350003000200" + "35"),
            ("SVCB", "000100" + "0003000135"),
            ("SVCB", "000100" + "000300030035" + "00"),
            ("SVCB", "000100" + "00010000"),
            ("SVCB", "000100" + "0001000100"),
            ("SVCB", "000100" + "0001000202" + "68"),
            ("SVCB", "000100" + "00020000"),
            ("SVCB", "000100" + "0004000" + "3c00002"),
            ("SVCB", "000100" + "00040000"),
            ("SVCB", "000100" + "00060004" + "c0000201"),
            ("SVCB", "000100" + "00000000"),
            ("SVCB", "000100" + "000000020003"),
            ("SVCB", "000100" + "000000020000"),
            ("SVCB", "000100" + "0000000400030003" + "000300020035"),
            ("SVCB", "000100" + "00050000"),
            ("SVCB", "000100" + "0008000100"),
            ("SVCB", "0001c000"),
        ):
            number = typeNumber(name)
            assert number is not None
            self.assertRaises(BadMessage, rdataFromWire, number, bytes.fromhex(octets))

    def test_invalidTextsAreRefused(self) -> None:
        """
        Texts that break a rule of their type are refused.
        """
        for name, text in (
            ("SVCB", "1 . alpn="),
            ("SVCB", "1 . alpn"),
            ("SVCB", '1 . alpn="h2,,h3"'),
            ("SVCB", '1 . alpn="h2,"'),
            ("SVCB", '1 . alpn="h\\\\2"'),
            ("SVCB", "1 . alpn=" + "h" * 256),
            ("SVCB", "1 . port"),
            ("SVCB", "1 . port=65536"),
            ("SVCB", "1 . port=53,54"),
            ("SVCB", "1 . mandatory"),
            ("SVCB", "1 . mandatory=alpn,alpn alpn=h2"),
            ("SVCB", "1 . mandatory=mandatory"),
            ("SVCB", "1 . ipv4hint=192.0.2"),
            ("SVCB", "1 . ipv6hint=::g"),
            ("SVCB", "1 . ech=A"),
            ("SVCB", "1 . no-default-alpn= alpn=h2"),
            ("SVCB", "1 . key01=a"),
            ("SVCB", "1 . key65536=a"),
            ("SVCB", "1 . KEY7=a"),
            ("SVCB", "1 . =a"),
            ("SVCB", "1 . key7=a dohpath=a"),
            ("APL", "1:192.0.2.0/33"),
            ("APL", "3:192.0.2.0/24"),
            ("APL", "1:192.0.2.0"),
            ("APL", "192.0.2.0/24"),
            ("LOC", "1 N 181 E 0"),
            ("LOC", "90 0 0.001 N 0 E 0"),
            ("LOC", "1 60 N 1 E 0"),
            ("LOC", "1 1 60 N 1 E 0"),
            ("LOC", "1 1 1.0001 N 1 E 0"),
            ("LOC", "1 N 1 E -100001"),
            ("LOC", "1 N 1 E 0 -1"),
            ("LOC", "1 N 1 E 0 90000001"),
            ("LOC", "1 N 1 E 0 1 1 1 1"),
            ("WKS", "192.0.2.1 tcp 65536"),
            ("WKS", "192.0.2.1 tcp nothing"),
            ("NSAP", "47000580"),
            ("NSAP", "0x4"),
            ("ATMA", "+"),
            ("ATMA", "+12a"),
            ("ATMA", "3924"),
            ("ATMA", "+1..9"),
            ("ATMA", "+.19"),
            ("ATMA", "19."),
            ("NXT", "a. 128"),
            ("NXT", "a. 0"),
            ("NXT", "a. 1000"),
            ("EUI48", "00:00:5e:00:53:2a"),
            ("EUI48", "0-00-5e-00-53-2a"),
            ("NID", "1 1:2:3"),
            ("NID", "1 1:2:3:45678"),
            ("AMTRELAY", "0 2 0 ."),
            ("AMTRELAY", "0 0 128 ."),
            ("IPSECKEY", "10 0 2 a. AAAA"),
            ("CAA", '0 "" x'),
            ("KEY", "HOST|NOTHING 3 5 AAAA"),
            ("NSEC3", "1 0 0 0g 2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
            ("NSEC3", '1 0 0 "" 2t7b4g4vsa5smi47k61mv5bv1a22bojr'),
            ("TSIG", "a. 1 300 3 AAA= 0 0 0"),
            ("NXT", "a. TYPE128"),
            ("HIP", "2 2001 AA= a."),
            ("OPT", "anything"),
        ):
            number = typeNumber(name)
            assert number is not None
            self.assertRaises(BadRecord, rdataFromText, number, text)


class TimesTests(SynchronousTestCase):
    """
    Tests of times and durations.
    """

    @given(st.integers(0, 0xFFFFFFFF))
    @example(0)
    @example(951782399)
    @example(4102444800)
    def test_datesEqualStandardLibrary(self, seconds: int) -> None:
        """
        Every time in 32 bits has the date that the standard library gives it.
        """
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S")
        self.assertEqual(dateFromSeconds(seconds), text)
        self.assertEqual(secondsFromDate(text), seconds)

    @given(st.from_regex("(19|20|21)[0-9]{2}[01][0-9][0-3][0-9][0-2][0-9][0-6][0-9][0-6][0-9]", fullmatch=True))
    def test_invalidDatesAreRefused(self, text: str) -> None:
        """
        Texts that the standard library refuses as dates are refused here too.
        """
        try:
            wanted: float | None = datetime.strptime(text + "+0000", "%Y%m%d%H%M%S%z").timestamp()
        except ValueError:
            wanted = None
        try:
            found: float | None = secondsFromDate(text)
        except ValueError:
            found = None
        # strptime accepts leap seconds.
        if not text.endswith(("60", "61")):
            self.assertEqual(found, wanted)

    def test_durationsWithUnits(self) -> None:
        """
        Durations may have units, in any case. Other texts are refused.
        """
        for text, seconds in {"0": 0, "300": 300, "1h30m": 5400, "2W3d": 1468800, "1H1m1S": 3661, "4294967295": 0xFFFFFFFF}.items():
            self.assertEqual(secondsFromDuration(text), seconds)
        for text in ("", "h", "1x", "1h30", "-1", "1.5h", "4294967296", "9999999w", "1 h", "\u0661"):
            self.assertRaises(ValueError, secondsFromDuration, text)
