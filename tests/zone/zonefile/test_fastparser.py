"""
Tests for L{twisted_ext.zone.zonefile.fastparser}: the fast parser reads the same records and reports the same mistakes as the full
parser.
"""

from __future__ import annotations

from collections.abc import Sized
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.masters import readText
from twisted_ext.zone.store.nodes import isSettled
from twisted_ext.zone.zonefile import fastparser, rdatacache
from twisted_ext.zone.zonefile.reader import Reader

_WORDS = st.sampled_from(
    r"""
    @ a A b-c _s._tcp *.w x.example. X.Example. example. other. . .. a..b a. a_b.c www 1 60 1h 4294967295 99999999999 2147483648 IN in CH
    ANY CLASS1 AAAA NS CNAME MX TXT SOA PTR DS TYPE1 TYPE65280 RRSIG AXFR 192.0.2.1 192.0.2.256 1.2.3 ::1 ::g 2001:db8::1.2.3.4 10 65536
    070 " "" "a \. \ \032 \300 \# 4 c0000201 ; ;x ( ) a,b ü $ $TTL $ORIGIN
    """.split()
    + ['"x y"', "\udcff", "\x01", "\x00", "x" * 63, "x" * 64, ".".join(["y" * 60] * 3)]
    + ["SOA a b 1 2 3 4 5", "MX 10 a", "A 192.0.2.1", "SOA a b ( 1 2", "3 4 5 )"]
)

_BLANKS = st.sampled_from([" ", " ", " ", "\t", "  ", "", "\n", "\n", "\r\n", " \x0c"])

_LINES = st.sampled_from(
    r"""$TTL 60
$TTL 1h
$ORIGIN example.
$ORIGIN s.example.
$ORIGIN a.b.example.
$ORIGIN other.
$ORIGIN up
a A 192.0.2.1
a 5 IN A 192.0.2.2
 AAAA ::1
    IN TXT "v=x; ("
b CNAME a
@ SOA a b 1 2 3 4 5
@ 7 SOA a b ( 1 ; one
  2h 3 4 5 )
c NS a.b.
d MX 10 @
o.other. A 192.0.2.1
e.Example. 9 PTR .
f TXT x ; y
g TXT "x" y
h SRV 1 2 3 a
i DS 1 8 7 00ff
;

j IN 3 DNAME a
k TYPE65280 \# 1 ff
l A ( 192.0.2.1 )
m TXT "two
lines"
n.a NSEC b A NS
o NSEC @ A NS
o NSEC b,c A NS
p RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA
p RRSIG A 8 2 60 20300101000000 20200101000000 1 p AAAA AA==
p RRSIG A 8 2 60 20300101000000 20200101000000 1 p AAAA AA ==
p RRSIG A 8 2 60 20300101000000 20200101000000 1 p AAA
p RRSIG A 8 2 60 20300101000000 20200101000000 1 p
p RRSIG A 8 2 60 20300101000000 20200101000000 1
q NSEC3 1 0 1 AB 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG
q NSEC3 1 0 1 AB 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG
q NSEC3 1 0 1 AB 2t7b4g4vsa5smi47k61mv5bv1a22bojz A RRSIG
q NSEC3 1 0 1 AB 2t7b4g4vsa5smi47k61mv5bv1a22bo_r A RRSIG
q NSEC3 1 0 1 AB 2t7b A RRSIG
q NSEC3 1 0 1 AB
r DS 1 8 2
r DS 000000001 8 2 00
r DS 65536 8 2 00
r DS 1 256 2 00
r DS 1 8 x 00
r DS 1 8 2 0
r DS 1 8 2 00 ff
s DNSKEY 256 3 8 AAAA
\t\t60\tRRSIG\tNSEC3 8 2 60 (
\t\t\t20300101123456 20200101010203 17 example.
\t\t\tAAAA
\t\t\tAA== )
p 60 IN RRSIG A 8 2 60 21060207062816 20200101000000 1 @ AAAA
p RRSIG A 8 2 60 20300101006000 20200101000000 1 @ AAAA
p RRSIG A 8 2 60 20300101240000 20200101000000 1 @ AAAA
p RRSIG A 8 2 60 4000000000 1 1 @ AAAA
p RRSIG A 8 2 60 20300101000000 20200101000000 65536 @ AAAA
p RRSIG A 8 2 60 20300101000000 20200101000000 00001 @ AAAA
p RRSIG A 8 2 60 20300101000000 20200101000000 1 a..b AAAA
2t7b4g4vsa5smi47k61mv5bv1a22bojr NSEC3 1 0 0 - (
   2t7b4g4vsa5smi47k61mv5bv1a22bojr
   A NS )
r DS 1 8 2 (
  00112233445566778899aabbccddeeff
  00112233445566778899aabbccddeeff )
r DS ( 1 8 2 0 )
g TXT "x" "y" ""
g TXT "x""y"
g TXT "x"y
g TXT "x" y
g TXT "\\"x" "y"
g TXT ( "x"
  "y" )
h SRV 1 2 3 a
h SRV 1 2 65536 a
h SRV 1 2 3
d MX 10 a b
a.example A 192.0.2.9
b.a.example. A 192.0.2.9
b.a.EXAMPLE. NS b.a.EXAMPLE.
-a.*.example. A 192.0.2.9
$ORIGIN .
$TTL ( 7
 )
( a
 A 192.0.2.1 )
t ( A
 192.0.2.1 ) ; x
t A ( 192.0.2.1
 ) A
t A ( (192.0.2.1
 ))
t( A
 192.0.2.1)
t A (
 192.0.2.1
; see (
a A 192.0.2.5
; above)
u TXT "begin
u ( A
192.0.2.1 )
end"
u TXT "begin
u ( A
192.0.2.1" )""".split("\n")
)

_TEXTS = st.lists(st.tuples(_WORDS, _BLANKS).map("".join), max_size=30).map("".join) | st.lists(_LINES, max_size=12).map("\n".join)


#: The output of signers: in parentheses and on one line.
_SIGNED = """\
$TTL 60
example.\t\t60\tIN SOA\tns.example. host.example. (
\t\t\t\t1          ; serial
\t\t\t\t7200       ; refresh (2 hours)
\t\t\t\t3600       ; retry (1 hour)
\t\t\t\t1209600    ; expire (2 weeks)
\t\t\t\t60         ; minimum (1 minute)
\t\t\t\t)
\t\t\t60\tRRSIG\tSOA 13 1 60 (
\t\t\t\t\t20301219123456 20301120010203 13487 example.
\t\t\t\t\tnfsR00HKBkFCSZOzG1dgrT5wzzv4BrNeiq0t
\t\t\t\t\tSwtKjK6bfSgeNQ2BEbYYVEz4peCvIhOokrl+
\t\t\t\t\tXxRHkqYhP+1VXQ== )
\t\t\t60\tNS\tns.example.
\t\t\t0\tNSEC3PARAM 1 0 0 -
d1-a.example.\t\t60\tIN NS\tns.d1-a.example.
\t\t\t60\tIN NS\tns.other.
\t\t\t60\tDS\t1 13 2 (
\t\t\t\t\t05B6E6E307D4BEDC51431193E6C3F3391A2B
\t\t\t\t\t8F1FF1FD42A29755D4C13A902931 )
ns.d1-a.example.\t60\tIN A\t192.0.2.1
00A2IEH45A936QNS8MVB840O4F30VLQI.example. 60\tIN NSEC3 1 0 0 - (
\t\t\t\t\t00BA652AQGBS6AAJ5F4GDN7RIFD62H1A
\t\t\t\t\tNS DS RRSIG )
d1-a.example. 60 IN DS 1 13 2 05B6E6E307D4BEDC51431193E6C3F3391A2B8F1FF1FD42A29755D4C1 3A902931
d1-a.example. 60 IN RRSIG DS 13 2 60 20301219123456 20301120010203 13487 example. va2XT1u42DZ6yQQ5itf89Qajhbxz jZtt2nZOJWGf1w==
; resign=20301219123456
42r505tn53mum5tts2v302n7j81ddcnm.example.\t60\tIN\tNSEC3\t1 0 0 -  42vf5rjjucjipm4agopdtp5v46mobj7k NS DS RRSIG \n"""


class EqualityTests(SynchronousTestCase):
    """
    Tests with and without the fast parser.
    """

    def assertEqualBothWays(self, text: str, apex: str = "example.") -> None:
        """
        Assert that both parsers return the same records and complaints for a text.
        """
        quick, slow = [readText(text, apex, quick=each) for each in (True, False)]
        self.assertEqual([str(each) for each in quick.complaints], [str(each) for each in slow.complaints])
        for name in ("nodes", "counts", "marks"):
            self.assertEqual(getattr(quick.builder, name), getattr(slow.builder, name))
        # The fast parser leaves out names that have nothing to be settled.
        for key in slow.builder.mixed - quick.builder.mixed:
            self.assertTrue(isSettled(quick.builder.nodes[key], len(key)), key)

    @settings(max_examples=400, deadline=None)
    @given(_TEXTS, st.sampled_from(["example.", ".", "Example", "s.example."]))
    def test_mixedTextsAreReadEqually(self, text: str, apex: str) -> None:
        """
        Both parsers agree on texts that mix valid and invalid elements.
        """
        self.assertEqualBothWays(text, apex)

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, len(_SIGNED)), st.sampled_from([*'()";\\ \n\t@.=0aZ-_*\x0c', ""]), st.booleans()), max_size=4),
        st.sampled_from([40, 1 << 18]),
    )
    def test_damagedSignedZonesAreReadEqually(self, changes: list[tuple[int, str, bool]], size: int) -> None:
        """
        Both parsers agree on the output of signers with changed, added and missing characters.
        """
        text = _SIGNED
        for place, character, added in changes:
            text = text[:place] + character + text[place + (not added) :]
        with patch("twisted_ext.zone.zonefile.reader._CHUNK", size):
            self.assertEqualBothWays(text)

    def test_wrongOrderOfParenthesesIsReadEqually(self) -> None:
        """
        Both parsers complain about a parenthesis that is closed before it is opened.
        """
        text = "$TTL 1\na)( A 192.0.2.1\nb A 192.0.2.2\n"
        self.assertEqualBothWays(text)
        self.assertEqual([each.text for each in readText(text).complaints], ["a parenthesis is opened and never closed"])

    def test_cachedDnssecRdataIsExact(self) -> None:
        """
        The rdata of DNSSEC records that is built from cached parts is exact, the caches are bounded, and an oversized signature is
        refused.
        """
        lines = [
            f"{line}\n"
            for number in range(50)
            for line in (
                f"a{number} RRSIG A 8 2 60 2030010100000{number % 10} 20200101000000 {number} a.example. {'A' * 4 * number}AA==",
                f"a{number} NSEC b{number} A TYPE{number} RRSIG",
                f"{number:032d} NSEC3 1 1 {number % 3} - {number:032d} A TYPE{number}",
                f"a{number} DS {number} 8 {7 + number % 5} {'0f' * (number + 1)}",
            )
        ]
        for text in ("$TTL 1\n" + "".join(lines), "$TTL 1\n" + "".join(lines * 2), "$TTL 1\n" + "".join(reversed(lines))):
            self.assertEqualBothWays(text)
            self.assertEqual(readText(text).complaints, [])
        octets = (rdatacache._covering, rdatacache._hashing, rdatacache._types)
        numbers = (rdatacache._hours, rdatacache._begins, rdatacache._tags)
        kept: list[Sized] = [*octets, *numbers]
        for words in octets:
            words.clear()
        for times in numbers:
            times.clear()
        with patch.object(rdatacache, "_KEPT", 4):
            self.assertEqualBothWays("$TTL 1\n" + "".join(lines))
            self.assertLessEqual(max([len(each) for each in kept]), 5)
        head = "a RRSIG A 8 2 60 20300101000000 20200101000000 1 a. "
        self.assertEqualBothWays(f"$TTL 1\n{head}AAAA\n{head}{'A' * 87_400}\nb NS a\n")

    def test_recordsAcrossChunksAreRead(self) -> None:
        """
        Records that lie across the chunks of a file are read correctly.
        """
        some = [f'h{number} TXT (\n a\n b )\nw{number} A 192.0.2.1\nv{number} TXT "x\ny"\n' for number in range(300)]
        text = "$TTL 1\n" + "".join(some)
        whole = readText(text).builder.nodes
        for size in (1, 7, 50, 1000):
            with patch("twisted_ext.zone.zonefile.reader._CHUNK", size):
                self.assertEqual(readText(text).builder.nodes, whole)
                self.assertEqualBothWays(text + "x A x\n")

    def test_spreadSignatureTimesUseFastParser(self) -> None:
        """
        Signatures with expiration times at any second are read by the fast parser, except for the first one in each hour.
        """
        text = "$TTL 1\na RRSIG A 13 2 60 20300101000000 20200101000000 1 example. AAAA\n" + "".join(
            [f"a{n} RRSIG A 13 2 60 203001010{n % 6}{n % 60:02}{n % 7:02} 20200101000000 {n} example. AAAA\n" for n in range(600)]
        )
        self.assertEqualBothWays(text)
        # The first hours are cached by now.
        with patch.object(fastparser, "rdataFrom", side_effect=AssertionError):
            self.assertEqual(len(list(readText(text).records())), 601)

    def test_signersFormatsUseFastParser(self) -> None:
        """
        The formats of signers, with records over several lines or with absolute names, are read by the fast parser. Strings that
        look like such records do not disturb it, and complaints have the right line.
        """
        braced = """\
$TTL 60
example. 60 IN SOA ns.example. host.example. (
\t\t1 ; serial
\t\t2 3 4 5 )
\t\t60 RRSIG SOA 13 1 60 (
\t\t\t20300101000000 20200101000000 1 example.
\t\t\tAAAA
\t\t\tAAAA )
0123456789abcdefghijklmnopqrstuv.example. 60 IN NSEC3 1 0 0 - (
\t\t\t0123456789abcdefghijklmnopqrstuv
\t\t\tA RRSIG )
a.b-c.example. 60 IN A 192.0.2.1
\t\t60 DS 1 13 2 (
\t\t\t00112233445566778899AABBCCDDEEFF
\t\t\t00112233445566778899AABBCCDDEEFF )
"""
        whole = "$ORIGIN .\n" + "".join(
            [
                f"{owner}\t60\tIN\t{rest}\n"
                for owner, rest in [
                    ("example", "SOA ns.example host.example 1 2 3 4 5"),
                    ("example", f"RRSIG SOA 13 1 60 20300101000000 20200101000000 1 example {'A' * 8}"),
                    ("0123456789abcdefghijklmnopqrstuv.example", f"NSEC3 1 0 0 - {'0123456789abcdefghijklmnopqrstuv'} A RRSIG"),
                    ("a.b-c.example", "A 192.0.2.1"),
                    ("a.b-c.example", f"DS 1 13 2 {'00112233445566778899AABBCCDDEEFF' * 2}"),
                ]
            ]
        )
        found = []
        for text in (braced, whole):
            self.assertEqualBothWays(text)
            with patch.object(Reader, "_record", side_effect=AssertionError):
                reading = readText(text)
            self.assertEqual(reading.complaints, [])
            found.append(list(reading.records()))
        self.assertEqual(*found)
        quoted = 'x TXT "begin\na A (\n192.0.2.1 )\nend"\n'
        for text in (quoted + braced, braced + quoted * 3 + braced, quoted + "y A x\n" + braced + "z A x\n"):
            self.assertEqualBothWays(text)

    def test_cachesOfWordsAreBounded(self) -> None:
        """
        The caches of words and names are bounded and may be emptied at any time.
        """
        text = "".join([f"a{number} {number} CNAME b{number}.c\nx-{number} {number} IN MX {number} b\n" for number in range(500)])
        with patch.object(fastparser, "_REMEMBERED", 16), patch.object(rdatacache, "_REMEMBERED", 16):
            self.assertEqualBothWays(text)
            reader = Reader(b"\x07example\x00")
            reader.read(text.encode())
        for remembered in (reader.forms._count, len(reader.names.cached)):
            self.assertLessEqual(remembered, 18)

    def test_commonLinesUseFastParser(self) -> None:
        """
        Common lines are read by the fast parser: with or without TTL, relative or absolute, with comments or in parentheses.
        """
        text = """\
$TTL 1h
$ORIGIN example.
@ SOA a b 1 1h 15m 1w 5m
@ 60 IN SOA a.example. b.example. ( 1 ; serial
    2 3 4 5 ) ; all
 IN NS a
a A 192.0.2.1
a.example. 60 IN AAAA ::1
b IN 60 CNAME a ; why
@ TXT "v=spf1 -all"
@ MX 10 a
_s._tcp SRV 1 2 3 a
a RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AAAA
; a comment

     ; another
"""
        with patch.object(Reader, "_record", side_effect=AssertionError), patch.object(Reader, "_directive", side_effect=AssertionError):
            reading = readText(text)
        self.assertEqual((reading.complaints, sum(1 for _ in reading.records())), ([], 10))

    def test_cachedFormsAreIndependentOfZone(self) -> None:
        """
        Forms cached from one zone do not depend on its TTL or origin.
        """
        for ttl, origin in [(60, "a"), (7, "a"), (7, "b"), (60, "b")]:
            text = f"$TTL {ttl}\n$ORIGIN {origin}.example.\n@ SOA n h 1 2 3 4 {ttl}\n@ NS n\n@ A 192.0.2.1\nn AAAA ::1\n"
            text += "$TTL 9\nm A 192.0.2.2\n"
            found = {(name, rrType): (seconds, rdata) for name, rrType, seconds, rdata in readText(text).records()}
            below = bytes([1]) + origin.encode() + b"\x07example\x00"
            self.assertEqual({seconds for (name, _), (seconds, _) in found.items() if name[:2] != b"\x01m"}, {ttl})
            self.assertEqual(found[b"\x01m" + below, 1], (9, bytes([192, 0, 2, 2])))
            self.assertEqual(found[below, 2], (ttl, b"\x01n" + below))
            self.assertEqual(found[below, 1], (ttl, bytes([192, 0, 2, 1])))
            self.assertEqual(found[below, 6][1][-20:], b"".join([number.to_bytes(4, "big") for number in (1, 2, 3, 4, ttl)]))

    def test_cachePerTTLIsBounded(self) -> None:
        """
        The number of TTLs with a cache is bounded.
        """
        self.assertEqualBothWays("".join([f"$TTL {number}\na{number} A 192.0.2.1\n" for number in range(1, 100)]))
        self.assertLessEqual(len(fastparser._forms), fastparser._TTLS)
