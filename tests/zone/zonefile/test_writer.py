"""
Tests for L{twisted_ext.zone.zonefile.writer}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.rdata.samples import SAMPLES
from tests.wire.rdata.strategies import names, rdatas
from tests.zone.masters import readText, setsOf
from twisted_ext.wire.names import MOST_OCTETS, isBelow, nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TYPE_NAMES, isMeta, typeNumber
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.traversal import builderOf
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.rdatacache import flawOf
from twisted_ext.zone.zonefile.writer import canonicalFile, readableFile

#: The types in zones for which the strategies can draw rdata.
_TYPES = sorted(name for number, name in TYPE_NAMES.items() if not isMeta(number) and name not in ("A6", "ATMA", "NXT"))

#: The origins of the zones.
_ORIGINS = st.sampled_from([b"\x00", b"\x07example\x00", b"\x01A\x03b.c\x00"])


@st.composite
def zones(draw: st.DrawFn) -> tuple[bytes, list[RRSet]]:
    """
    Return an origin and records of any type below it.
    """
    origin = draw(_ORIGINS)
    ttls = st.sampled_from([0, 60, 60, 3600, 0x7FFFFFFF])
    owners = st.sampled_from([b"\x00", b"\x01*\x00", b"\x02IN\x00", b"\x0360s\x00"]) | names
    sets = []
    for _ in range(draw(st.integers(1, 6))):
        rdata = draw(st.sampled_from(_TYPES).flatmap(rdatas))
        owner = draw(owners)[:-1] + origin
        if len(owner) <= MOST_OCTETS:
            # Types without a form of their own share one declaration, which has no number.
            sets.append(RRSet(owner, rdata.rrType or 65280, 1, draw(ttls), (rdata.wire,)))
    return origin, sets


SMALL = """\
$ORIGIN example.
$TTL 3600
@ 7200 SOA ns host 7 3600 900 604800 300
@ NS ns2
@ NS ns.example.org.
@ MX 10 mail
Www A 192.0.2.2
Www A 192.0.2.1
Www 60 TXT "a b"
*.w CNAME www
b.w SRV 1 2 3 @
"""

READABLE = """\
$ORIGIN example.
$TTL 3600
@   7200 IN SOA   ns host (
                  7            ; serial
                  3600         ; refresh
                  900          ; retry
                  604800       ; expire
                  300        ) ; least TTL, for denials
         IN NS    ns.example.org.
         IN NS    ns2
         IN MX    10 mail
*.w      IN CNAME www
b.w      IN SRV   1 2 3 @
Www      IN A     192.0.2.1
         IN A     192.0.2.2
    60   IN TXT   "a b"
"""

CANONICAL = """\
example. 7200 IN SOA ns.example. host.example. 7 3600 900 604800 300
example. 3600 IN NS ns.example.org.
example. 3600 IN NS ns2.example.
example. 3600 IN MX 10 mail.example.
*.w.example. 3600 IN CNAME www.example.
b.w.example. 3600 IN SRV 1 2 3 example.
Www.example. 3600 IN A 192.0.2.1
Www.example. 3600 IN A 192.0.2.2
Www.example. 60 IN TXT "a b"
"""


class WritingTests(SynchronousTestCase):
    """
    Tests of readable and canonical files.
    """

    def test_readableFile(self) -> None:
        """
        A readable file states the origin, the most common TTL and each owner once, and explains the fields of the SOA record.
        """
        origin = nameFromText("example.")
        text = "".join([f"{line}\n" for line in readableFile(setsOf(readText(SMALL)), origin)])
        self.assertEqual(text, READABLE)
        self.assertEqual(list(readableFile([], origin)), ["$ORIGIN example.", "$TTL 0"])

    def test_canonicalFile(self) -> None:
        """
        A canonical file has a line for each record in the order of DNSSEC, whatever the order of the input.
        """
        sets = setsOf(readText(SMALL))
        for each in (sets, sets[::-1]):
            self.assertEqual("".join([f"{line}\n" for line in canonicalFile(each)]), CANONICAL)

    def test_samplesOfEveryTypeRoundTrip(self) -> None:
        """
        Every sample of every type is read back unchanged.
        """
        numbers = {name: typeNumber(name) or 0 for name in SAMPLES}
        sets = [
            RRSet(b"\x01%c\x07example\x00" % (65 + place), numbers[name], 1, 60, (rdataFromText(numbers[name], text),))
            for name, texts in SAMPLES.items()
            if not isMeta(numbers[name])
            for place, text in enumerate(texts)
        ]
        self.assertReads(b"\x07example\x00", sets)

    @settings(max_examples=120, deadline=None)
    @given(zones())
    def test_randomRecordsRoundTrip(self, zone: tuple[bytes, list[RRSet]]) -> None:
        """
        Random records of every type and name are read back unchanged from both kinds of files, except those that are not valid in
        zone files.
        """
        origin, sets = zone
        self.assertReads(origin, [each for each in sets if not flawOf(each.rrType, each.rdatas[0])])

    def assertReads(self, origin: bytes, sets: list[RRSet]) -> None:
        """
        Assert that both kinds of files are read back as the written records that are in the zone.
        """
        below = [each for each in sets if isBelow(each.name.lower(), origin.lower())]
        wanted = sorted([(each.name, each.rrType, each.ttl, each.rdatas[0]) for each in below])
        for lines in (canonicalFile(sets), readableFile(sets, origin)):
            text = "\n".join(lines)
            for quick in (True, False):
                reading = readText(text, nameToText(origin), quick=quick)
                self.assertEqual([str(each) for each in reading.complaints if each.fatal], [], text)
                self.assertEqual(sorted(reading.records()), wanted, text)

    def test_aliasTypeRoundTrip(self) -> None:
        """
        ALIAS is written as C{ALIAS} again, also after changes. The same type given by its number stays generic (RFC 3597).
        """
        begin = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n"
        for words, written in (("ALIAS a", "ALIAS a.example."), (r"TYPE65401 \# 2 0a00", r"TYPE65401 \# 2 0a00")):
            for quick in (True, False):
                reading = readText(f"{begin}@ 60 {words}\n", quick=quick)
                self.assertEqual(reading.complaints, [])
                version = Version(Image(builderOf(Version(Image(reading.builder.finish()))).finish()))
                sets, aliases = version.top.sets, version.image.aliases
                for lines in (canonicalFile(sets, aliases), readableFile(sets, version.apexName, aliases)):
                    text = "\n".join(lines) + "\n"
                    self.assertIn(written.removesuffix(".example."), text)
                    self.assertEqual(readText(text).builder.aliases, "ALIAS" in words)
