"""
Tests of zone digests and of differences between zones.
"""

from __future__ import annotations

from hashlib import sha384, sha512

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, versionOf
from twisted_ext.errors import CallerFault
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.check.zonemd import Verdict, digests, verify, withDigests
from twisted_ext.zone.store.diff import changes
from twisted_ext.zone.store.order import canonicalRecords, orderedNodes

ZONE = HEAD + """\
z A 192.0.2.9
yljkjljk.a A 192.0.2.1
Z.a A 192.0.2.2
zABC.a.EXAMPLE. A 192.0.2.3
\\001.z A 192.0.2.4
*.z A 192.0.2.5
\\200.z A 192.0.2.6
a MX 20 Mail
a MX 10 mail
sub NS ns.sub
ns.sub A 192.0.2.7
@ TXT hello
@ ZONEMD 1 1 241 aabbccddeeff00112233aabb
"""


class OrderTests(SynchronousTestCase):
    """
    Tests of the canonical order of names and records.
    """

    def test_namesInCanonicalOrder(self) -> None:
        """
        Names come in the order of RFC 4034, section 6.1, including glue and wildcards. Names without records are left out.
        """
        keys = [node.key for node in orderedNodes(versionOf(ZONE))]
        wanted = ["@", "a", "yljkjljk.a", "z.a", "zabc.a", "sub", "ns.sub", "z", "\\001.z", "*.z", "\\200.z"]
        self.assertEqual(keys, [b"" if text == "@" else nameFromText(text)[:-1] for text in wanted])

    def test_overlayKeepsCanonicalOrder(self) -> None:
        """
        The order holds if names have been changed, added or removed since the image was built.
        """
        version = versionOf(ZONE)
        there = version.find(b"\x01z")
        assert there is not None
        moved = RRSet(nameFromText("b.example."), 1, 1, 300, (b"\x7f\x00\x00\x01",))
        edited = version.edited({b"\x01z": there.sets, b"\x01b": (moved,), b"\x04zabc\x01a": ()})
        keys = [node.key for node in orderedNodes(edited)]
        before = [node.key for node in orderedNodes(version)]
        before.insert(before.index(b"\x03sub"), b"\x01b")
        before.remove(b"\x04zabc\x01a")
        self.assertEqual(keys, before)

    def test_recordsInCanonicalOrder(self) -> None:
        """
        The records of each set come in their canonical order, equal ones once, with the owner in lower case.
        """
        records = [octets for rrset, octets in canonicalRecords(versionOf(ZONE)) if rrset.rrType == 15]
        owner = nameFromText("a.example.") + b"\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x10"
        self.assertEqual(records, [owner + b"\x00\x0a\x04mail\x07example\x00" + owner + b"\x00\x14\x04mail\x07example\x00"])


class DigestTests(SynchronousTestCase):
    """
    Tests of L{digests} and L{verify}.
    """

    def test_digestExcludesZonemd(self) -> None:
        """
        A digest covers all records in order except the ZONEMD ones.
        """
        version = versionOf(ZONE)
        octets = b"".join([octets for rrset, octets in canonicalRecords(version) if rrset.rrType != 63])
        self.assertEqual(digests(version, [1, 2]), {1: sha384(octets).digest(), 2: sha512(octets).digest()})

    def test_addedDigestVerifies(self) -> None:
        """
        A zone with an added digest verifies until a record changes.
        """
        for algorithms in ((1,), (2,), (1, 2)):
            version = withDigests(versionOf(ZONE), algorithms)
            self.assertIs(verify(version).verdict, Verdict.VERIFIED)
            name = nameFromText("x.example.")
            changed = version.edited({b"\x01x": (RRSet(name, 1, 1, 1, (b"\x7f\x00\x00\x01",)),)})
            self.assertIs(verify(changed).verdict, Verdict.FAILED)
            self.assertIn("digest is", verify(changed).text)

    def test_verdictOfEachCase(self) -> None:
        """
        A missing, an unsupported, an outdated, a wrong and a repeated digest lead to different verdicts.
        """
        for records, verdict in (
            ("", Verdict.ABSENT),
            ("@ ZONEMD 1 1 240 aabbccddeeff00112233aabb", Verdict.UNSUPPORTED),
            ("@ ZONEMD 1 2 1 aabbccddeeff00112233aabb", Verdict.UNSUPPORTED),
            (f"@ ZONEMD 2 1 1 {96 * '0'}", Verdict.FAILED),
            (f"@ ZONEMD 1 1 1 {96 * '0'}", Verdict.FAILED),
            (f"@ ZONEMD 1 1 1 {96 * '0'}\n@ ZONEMD 1 1 1 {96 * '1'}", Verdict.FAILED),
        ):
            self.assertIs(verify(versionOf(HEAD + records)).verdict, verdict, records)

    def test_rightDigestNeedsSerialAndUniqueness(self) -> None:
        """
        The right digest fails if its serial number differs or another one of its kind is present (RFC 8976, section 4). It verifies
        beside one of an unknown kind.
        """
        right = digests(versionOf(HEAD), [1])[1].hex()
        for records, verdict, expected in (
            (f"@ ZONEMD 1 1 1 {right}", Verdict.VERIFIED, ""),
            (f"@ ZONEMD 1 1 1 {right}\n@ ZONEMD 1 241 1 {right}", Verdict.VERIFIED, ""),
            (f"@ ZONEMD 2 1 1 {right}", Verdict.FAILED, "for serial 2"),
            (f"@ ZONEMD 1 1 1 {right}\n@ ZONEMD 1 1 1 {96 * '1'}", Verdict.FAILED, "2 digests"),
        ):
            digested = verify(versionOf(HEAD + records))
            self.assertIs(digested.verdict, verdict, records)
            self.assertIn(expected, digested.text)

    def test_truncatedDigestFails(self) -> None:
        """
        A truncated digest, which may come by zone transfer, fails.
        """
        version = versionOf(HEAD)
        right = b"\x00\x00\x00\x01\x01\x01" + digests(version, [1])[1]
        unknown = b"\x00\x00\x00\x01\x01\xf0" + 11 * b"\xaa"
        for rdata in (b"", b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x01\x01\xaa", right[:-1], right + b"\x00", unknown):
            short = version.edited({b"": (*version.top.sets, RRSet(version.apex, 63, 1, 300, (rdata,)))})
            self.assertIs(verify(short).verdict, Verdict.FAILED)

    def test_unknownAlgorithmIsRefused(self) -> None:
        """
        An unknown hash algorithm is refused.
        """
        self.assertRaises(CallerFault, digests, versionOf(HEAD), [3])


class ChangesTests(SynchronousTestCase):
    """
    Tests of L{changes}.
    """

    def test_changesInOrder(self) -> None:
        """
        The removed and added records are listed in order, without those that differ in letter case only.
        """
        before = versionOf(HEAD + "www A 192.0.2.1\nwww A 192.0.2.2\nold TXT x\nmail MX 10 Mail")
        after = versionOf(HEAD.replace(" 1 3600", " 2 3600") + "WWW A 192.0.2.2\nwww A 192.0.2.3\nnew TXT x\nmail MX 10 mail")
        self.assertEqual(
            [f"{'+' if change.added else '-'}{change.text}" for change in changes(before, after)],
            [
                "-example. 300 IN SOA ns.invalid. mail.invalid. 1 3600 600 86400 60",
                "+example. 300 IN SOA ns.invalid. mail.invalid. 2 3600 600 86400 60",
                '+new.example. 300 IN TXT "x"',
                '-old.example. 300 IN TXT "x"',
                "-www.example. 300 IN A 192.0.2.1",
                "+WWW.example. 300 IN A 192.0.2.3",
            ],
        )
        self.assertEqual(list(changes(before, before)), [])
        self.assertEqual(next(changes(before, after)).toJSON()["change"], "removed")

    def test_signaturesCanBeExcluded(self) -> None:
        """
        Signatures and denial records can be excluded.
        """
        signature = "www RRSIG A 13 2 300 20300101000000 20200101000000 1 example. AAAA"
        before, after = versionOf(HEAD), versionOf(HEAD + signature)
        self.assertEqual(len(list(changes(before, after))), 1)
        self.assertEqual(list(changes(before, after, signatures=False)), [])
