"""
Tests for L{twisted_ext.zone.skimming}: the fast path reads what the other one reads, and complains of the same.
"""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.masters import readText
from twisted_ext.zone import converting, skimming
from twisted_ext.zone.reading import Reader

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
s DNSKEY 256 3 8 AAAA""".split("\n")
)

_TEXTS = st.lists(st.tuples(_WORDS, _BLANKS).map("".join), max_size=30).map("".join) | st.lists(_LINES, max_size=12).map("\n".join)


class EqualityTests(SynchronousTestCase):
    """
    Tests with the fast path and without it.
    """

    def assertEqualBothWays(self, text: str, apex: str = "example.") -> None:
        """
        Assert that a text gives the same records and the same complaints.
        """
        quick, slow = [readText(text, apex, quick=each) for each in (True, False)]
        self.assertEqual([str(each) for each in quick.complaints], [str(each) for each in slow.complaints])
        for name in ("nodes", "counts", "marks"):
            self.assertEqual(getattr(quick.builder, name), getattr(slow.builder, name))
        # To be generous there is allowed.
        self.assertLessEqual(slow.builder.mixed, quick.builder.mixed)

    @settings(max_examples=1000, deadline=None)
    @given(_TEXTS, st.sampled_from(["example.", ".", "Example", "s.example."]))
    def test_equal(self, text: str, apex: str) -> None:
        """
        Texts in which everything that may be written is mixed with what may not.
        """
        self.assertEqualBothWays(text, apex)

    def test_signed(self) -> None:
        """
        Records of signed zones, which are put together from what others said before, are what they would be by themselves; one whose
        signature is too long for a record is refused.
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
        converting._parts.clear()
        with patch.object(converting, "_KEPT", 4):
            self.assertEqualBothWays("$TTL 1\n" + "".join(lines))
            self.assertLessEqual(len(converting._parts), 6)
        head = "a RRSIG A 8 2 60 20300101000000 20200101000000 1 a. "
        self.assertEqualBothWays(f"$TTL 1\n{head}AAAA\n{head}{'A' * 87_400}\nb NS a\n")

    def test_chunks(self) -> None:
        """
        Records that lie across the places where files are cut are read as any others.
        """
        some = [f'h{number} TXT (\n a\n b )\nw{number} A 192.0.2.1\nv{number} TXT "x\ny"\n' for number in range(300)]
        text = "$TTL 1\n" + "".join(some)
        whole = readText(text).builder.nodes
        for size in (1, 7, 50, 1000):
            with patch("twisted_ext.zone.reading._CHUNK", size):
                self.assertEqual(readText(text).builder.nodes, whole)
                self.assertEqualBothWays(text + "x A x\n")

    def test_remembered(self) -> None:
        """
        What is remembered of words and names is bounded, and may be forgotten at any time.
        """
        text = "".join([f"a{number} {number} CNAME b{number}.c\nx-{number} {number} IN MX {number} b\n" for number in range(500)])
        with patch.object(skimming, "_REMEMBERED", 16):
            self.assertEqualBothWays(text)
            reader = Reader(b"\x07example\x00", None, True)
            reader.read(text.encode())
        for remembered in (reader.forms, reader.owners, reader.names):
            self.assertLessEqual(len(remembered), 18)

    def test_used(self) -> None:
        """
        The usual lines, with TTLs or without, relative or absolute, with comments or in parentheses, are read on the fast path.
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

    def test_forms(self) -> None:
        """
        What is remembered from one zone for the next depends on nothing in which they differ: not on the TTL, not on the origin.
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

    def test_manyTTLs(self) -> None:
        """
        A file with a TTL for each record does not make anybody remember all of them.
        """
        self.assertEqualBothWays("".join([f"$TTL {number}\na{number} A 192.0.2.1\n" for number in range(1, 100)]))
        self.assertLessEqual(len(skimming._forms), skimming._TTLS)
