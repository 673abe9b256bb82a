"""
Tests with signed data of others: Unbound's vectors, the zones in RFC 4035 and RFC 5155, and a root zone of 2021.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.dnssec.vectors import readEntries, signedSets
from twisted_ext.dnssec.algorithms import STANDARD, TESTING, Profile
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, digestOf, keysOf, matches
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.verdicts import DNSKEY_MISSING, UNSUPPORTED_ALGORITHM
from twisted_ext.dnssec.work import Work
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rdata.times import secondsFromDate
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS
from twisted_ext.zone.store.nodes import CUT, OCCLUDED
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

#: Files of signatures, and the times at which they are valid.
SIGNED = {
    "test_signatures.1": "20070818005004",
    "test_signatures.2": "20080414005004",
    "test_signatures.3": "20080416005004",
    "test_signatures.4": "20080416005004",
    "test_signatures.5": "20080416005004",
    "test_signatures.6": "20080416005004",
    "test_signatures.7": "20070829144150",
    "test_signatures.8": "20070829144150",
    "test_signatures.9": "20171215000000",
    "test_sigs.ecdsa_p256": "20100908100439",
    "test_sigs.ecdsa_p384": "20100908100439",
    "test_sigs.ed25519": "20170530140439",
    "test_sigs.ed448": "20180408143630",
    "test_sigs.gost": "20090807060504",
    "test_sigs.hinfo": "20090107100022",
    "test_sigs.revoked": "20080414005004",
    "test_sigs.rsasha256": "20070829144150",
    "test_sigs.rsasha256_draft": "20090101000000",
    "test_sigs.rsasha512_draft": "20070829144150",
    "test_sigs.sha1_and_256": "20070829144150",
}

#: In the vectors with keys of two algorithms, signatures of one are not enough.
STRICT = Profile(TESTING.algorithms, TESTING.digests, leastBits=512, everyAlgorithm=True)


#: The keys of the root (RFC 9718): tag, public key, digest.
ROOT_KEYS = (
    (
        20326,
        "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuC"
        "aSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7L"
        "jVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=",
        "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ),
    (
        38696,
        "AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMY"
        "SjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHm"
        "brxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=",
        "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
    ),
)


class UnboundTests(SynchronousTestCase):
    """
    Tests with Unbound's vectors. Records without signatures, and those whose name or question begins with C{bogus}, must fail.
    """

    def test_signatures(self) -> None:
        """
        What is right verifies, and what is wrong does not. GOST is not implemented.
        """
        folder = corpus("unbound-unitdata/testdata")
        counts = {True: 0, False: 0}
        for name, date in SIGNED.items():
            first, *entries = readEntries(folder / name)
            [keySet] = [rrset for rrset in first.sets if rrset.rrType == DNSKEY]
            keys = keysOf(keySet.rdatas)
            profile = STRICT if name == "test_sigs.sha1_and_256" else TESTING
            for entry in entries:
                for rrset, signatures in signedSets(entry.sets):
                    with self.subTest(f"{name}: {rrset}"):
                        now = secondsFromDate(date)
                        verdict = verifySet(rrset, signatures, keys, keySet.name, now, Work(), profile, revoked=rrset.rrType == DNSKEY)
                        wrong = signatures is None or b"bogus" in (rrset.name[1:6], entry.name[1:6]) or name.endswith("gost")
                        self.assertEqual(verdict.secure, not wrong, verdict.reasons)
                        self.assertEqual(bool(verdict.reasons), wrong)
                        if name.endswith("gost"):
                            self.assertEqual(verdict.reasons[0][0], UNSUPPORTED_ALGORITHM)
                        counts[wrong] += 1
        self.assertEqual(counts, {False: 284, True: 17})

    def test_digests(self) -> None:
        """
        DS records match the keys that they are for, and no others.
        """
        folder = corpus("unbound-unitdata/testdata")
        found = {b"yes": 0, b"no": 0}
        for name in ("test_ds.sha1", "test_ds.sha384"):
            for entry in readEntries(folder / name):
                sets = {rrset.rrType: rrset for rrset in entry.sets}
                key = ZoneKey.fromRdata(sets[DNSKEY].rdatas[0])
                label = entry.name[1:-1]
                self.assertEqual(matches(sets[DS].rdatas[0], sets[DNSKEY].name, key), label == b"yes")
                found[label] += 1
        self.assertEqual(found, {b"yes": 4, b"no": 3})


def signedOf(version: Version) -> list[tuple[RRSet, RRSet | None]]:
    """
    Return the sets of a zone that should be signed, with their signatures.
    """
    return [
        (rrset, node.signatures(rrset.rrType))
        for node in version.nodes()
        if not node.flags & OCCLUDED
        for rrset in node.sets
        if rrset.rrType != 46 and not (node.flags & CUT and rrset.rrType not in (DS, 47))
    ]


class ZoneTests(SynchronousTestCase):
    """
    Tests with whole zones.
    """

    def check(self, version: Version, date: str, profile: Profile, sets: int) -> None:
        """
        Verify each set of a zone with the keys of the zone.
        """
        apex = version.apexName
        now = secondsFromDate(date)
        node = version.find(b"")
        assert node is not None
        keySet = node.of(DNSKEY)
        assert keySet is not None
        keys = keysOf(keySet.rdatas)
        signed = signedOf(version)
        self.assertEqual(len(signed), sets)
        for rrset, signatures in signed:
            verdict = verifySet(rrset, signatures, keys, apex, now, Work(), profile)
            self.assertTrue(verdict.secure, f"{rrset}: {verdict}")
            self.assertIsNone(verdict.wildcard)
            self.assertEqual(verdict.ttl, min(rrset.ttl, signatures.ttl if signatures else 0))

    def test_rfc4035(self) -> None:
        """
        All sets of the zone in RFC 4035, appendix A, verify at its time.
        """
        text = (corpus("rfc-zones") / "rfc4035-appA-signed.zone").read_text("ascii")
        self.check(Zone.fromText(text, "example.").current, "20040420000000", TESTING, 26)

    def test_rfc5155(self) -> None:
        """
        All sets of the zone in RFC 5155, appendix A, verify at its time.
        """
        text = (corpus("rfc-zones") / "rfc5155-appA-signed.zone").read_text("ascii")
        self.check(Zone.fromText(text, "example.").current, "20060101000000", TESTING, 30)

    def test_rootZone(self) -> None:
        """
        All sets of a root zone verify at its time, from its trust anchor on.
        """
        text = (corpus("zonemd-test-cases") / "zones/44-root-zone/root.zone.hashed").read_text("ascii")
        version = Zone.fromText(text, ".").current
        self.check(version, "20210120000000", STANDARD, 2880)

        node = version.find(b"")
        assert node is not None
        keySet = node.of(DNSKEY)
        assert keySet is not None
        [entry] = [key for key in keysOf(keySet.rdatas) if key.flags == 257]
        digest = digestOf(ROOT, entry.rdata, 2)
        assert digest is not None
        keys, reasons = delegatedKeys([b"\x54\x28\x08\x02" + digest], ROOT, keysOf(keySet.rdatas))
        self.assertEqual(([key.tag for key in keys], reasons), ([21544], ()))
        verdict = verifySet(keySet, node.signatures(DNSKEY), keys, ROOT, secondsFromDate("20210120000000"), Work())
        self.assertTrue(verdict.secure)

    def test_rootKeys(self) -> None:
        """
        The digests of the root keys of 2017 and 2024 are the published ones.
        """
        for tag, text, digest in ROOT_KEYS:
            key = ZoneKey.fromRdata(rdataFromText(DNSKEY, f"257 3 8 {text}"))
            anchor = rdataFromText(DS, f"{tag} 8 2 {digest}")
            self.assertEqual((key.tag, key.bits, key.problem), (tag, 2048, ""))
            self.assertEqual(delegatedKeys([anchor], ROOT, [key]), ((key,), ()))

    def test_expandedWildcard(self) -> None:
        """
        The wildcard answer of RFC 4035, appendix B.6, verifies, and says below which name it was expanded.
        """
        text = (corpus("rfc-zones") / "rfc4035-appA-signed.zone").read_text("ascii")
        version = Zone.fromText(text, "example.").current
        node, apexNode = version.find(b"\x01*\x01w"), version.find(b"")
        assert node is not None and apexNode is not None
        rrset, signatures, keySet = node.of(15), node.signatures(15), apexNode.of(DNSKEY)
        assert rrset is not None and keySet is not None
        keys = keysOf(keySet.rdatas)
        for owner, wildcard in (("*.w.example.", None), ("a.z.w.example.", "w.example."), ("A.Z.W.Example.", "w.example.")):
            expanded = RRSet(nameFromText(owner), rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas)
            verdict = verifySet(expanded, signatures, keys, version.apexName, secondsFromDate("20040420000000"), Work(), TESTING)
            self.assertTrue(verdict.secure)
            self.assertEqual(verdict.wildcard, wildcard and nameFromText(wildcard))

    def test_retiredAlgorithms(self) -> None:
        """
        By default these zones have no algorithm that is supported.
        """
        text = (corpus("rfc-zones") / "rfc4035-appA-signed.zone").read_text("ascii")
        version = Zone.fromText(text, "example.").current
        node = version.find(b"")
        assert node is not None
        keySet = node.of(DNSKEY)
        assert keySet is not None
        verdict = verifySet(
            keySet, node.signatures(DNSKEY), keysOf(keySet.rdatas), version.apexName, secondsFromDate("20040420000000"), Work()
        )
        self.assertFalse(verdict.secure)
        self.assertEqual([code for code, _ in verdict.reasons], [UNSUPPORTED_ALGORITHM] * 2)
        delegation = version.find(b"\x01a")
        assert delegation is not None
        dsSet = delegation.of(DS)
        assert dsSet is not None
        self.assertEqual(STANDARD.usable(dsSet.rdatas), ())
        self.assertEqual(len(TESTING.usable(dsSet.rdatas)), 1)
        self.assertEqual(delegatedKeys(dsSet.rdatas, nameFromText("a.example."), (), TESTING)[1][0][0], DNSKEY_MISSING)
