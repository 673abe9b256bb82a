"""
Tests of signing, with dnspython, BIND and ldns as the judges of signed zones.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.peers import peer
from twisted_ext.dnssec.algorithms import TESTING
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, keysOf
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.testing.internet import seededsigner as module
from twisted_ext.testing.internet.seededsigner import Params, SigningKey, sign, signZone
from twisted_ext.wire.names import ROOT, canonicalKey, nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.text import recordFromText, recordToText
from twisted_ext.wire.records import RRSet

APEX = nameFromText("example.com.")
BEGIN, END = 1_700_000_000, 1_900_000_000

#: Delegations, signed and not, empty non-terminals, some of them only above delegations, wildcards, glue, a DNAME record, capitals.
ZONE = """\
example.com. 3600 SOA ns.example.com. host.example.com. 1 3600 600 86400 300
Example.com. 3600 NS NS.example.com.
example.com. 3600 NS ns.example.net.
ns.example.com. 3600 A 192.0.2.1
WWW.example.com. 300 A 192.0.2.2
www.example.com. 300 A 192.0.2.3
www.example.com. 300 AAAA 2001:db8::1
sub.example.com. 300 NS ns.sub.example.com.
ns.sub.example.com. 300 A 192.0.2.9
deep.ns.sub.example.com. 300 A 192.0.2.9
sec.example.com. 300 NS NS.Sec.example.com.
sec.example.com. 300 DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
*.w.example.com. 300 MX 10 Mail.example.com.
a.b.c.d.example.com. 300 TXT "Hello"
x.ins.ent.example.com. 300 NS ns.example.com.
y.ins.ent.example.com. 300 NS ns.example.com.
dn.example.com. 300 DNAME Foo.example.
\\000.z.example.com. 300 TXT "low"
"""

PLAIN = [recordFromText(line) for line in ZONE.splitlines()]

#: The kinds of chains.
CHAINS = (None, Params(), Params(3, b"\xaa\xbb"), Params(0, b"", True))


def keysFor(algorithm: int) -> list[SigningKey]:
    """
    Return a key that signs keys, and one that signs the rest.
    """
    return [SigningKey.generate(algorithm, "ksk"), SigningKey.generate(algorithm, "zsk", flags=256)]


def textOf(sets: list[RRSet]) -> str:
    """
    Return a zone as a master file.
    """
    return "".join([f"{line}\n" for rrset in sets for line in recordToText(rrset)])


class KeyTests(SynchronousTestCase):
    """
    Tests of L{SigningKey}.
    """

    def test_keysFollowFromTheirSeeds(self) -> None:
        """
        The same seed gives the same key and the same signatures, another seed others.
        """
        for algorithm in (5, 7, 8, 10, 13, 14, 15, 16):
            first, other = SigningKey.generate(algorithm, "seed"), SigningKey.generate(algorithm, "other")
            signature = first.signature(b"data")
            module._pairOf.cache_clear()
            module._signatures.clear()
            second = SigningKey.generate(algorithm, b"seed")
            self.assertEqual((second.dnskey, second.signature(b"data")), (first.dnskey, signature))
            self.assertNotEqual(first.dnskey, other.dnskey)
            self.assertEqual(second.tag, ZoneKey.fromRdata(second.dnskey).tag)

    def test_keysNeverChange(self) -> None:
        """
        The keys are the same in all versions, so that recorded zones stay valid.
        """
        tags = [SigningKey.generate(algorithm, "seed").tag for algorithm in (5, 7, 8, 10, 13, 14, 15, 16)]
        self.assertEqual(tags, [58922, 22774, 4681, 17931, 38140, 57018, 5632, 65296])

    def test_sizesOfRSA(self) -> None:
        """
        RSA keys have the size that is asked for, within limits.
        """
        for bits in (512, 1024, 2048):
            self.assertEqual(ZoneKey.fromRdata(SigningKey.generate(8, "seed", bits=bits).dnskey).bits, bits)
        for bits in (500, 1000, 8192):
            self.assertRaises(CallerFault, SigningKey.generate, 8, "seed", bits=bits)

    def test_otherAlgorithmsAreRefused(self) -> None:
        """
        Algorithms that cannot sign, and digests that do not exist, are refused in words.
        """
        error = self.assertRaises(CallerFault, SigningKey.generate, 3, "seed")
        self.assertIn("DSA", str(error))
        self.assertRaises(CallerFault, SigningKey.generate(13, "seed").ds, APEX, 3)

    def test_flags(self) -> None:
        """
        Keys are secure entry points by default, and can be revoked.
        """
        key = SigningKey.generate(13, "seed")
        self.assertEqual((key.flags, key.revoked().flags), (257, 385))
        self.assertEqual(key.revoked().signature(b"data"), key.signature(b"data"))
        self.assertEqual(repr(key), f"<SigningKey {key.tag} ECDSAP256SHA256 flags 257>")
        self.assertEqual(delegatedKeys([key.ds(APEX)], APEX, keysOf([key.dnskey]))[1], ())

    def test_keptSignaturesAreLimited(self) -> None:
        """
        Signatures are made once, and no more are kept than the limit says.
        """
        key = SigningKey.generate(15, "kept")
        with patch.object(module, "_MOST_SIGNATURES", 10):
            module._signatures.clear()
            for number in range(100):
                key.signature(b"%d" % number)
                self.assertLessEqual(len(module._signatures), 10)


class ZoneTests(SynchronousTestCase):
    """
    Tests of L{signZone}.
    """

    def test_allThatIsSignedVerifies(self) -> None:
        """
        Each signature verifies here, and only glue and delegations have none.
        """
        for chain in CHAINS:
            keys = keysFor(13)
            sets = signZone(PLAIN, keys, APEX, BEGIN, END, chain)
            signatures = {(rrset.name.lower(), rrset.rdatas[0][:2]): rrset for rrset in sets if rrset.rrType == 46}
            unsigned = set()
            for rrset in sets:
                if rrset.rrType == 46:
                    continue
                found = signatures.pop((rrset.name.lower(), rrset.rrType.to_bytes(2, "big")), None)
                if found is None:
                    unsigned.add(f"{nameToText(rrset.name.lower())} {rrset.rrType}")
                    continue
                verdict = verifySet(rrset, found, keysOf([key.dnskey for key in keys]), APEX, BEGIN, Work())
                self.assertTrue(verdict.secure, verdict)
                self.assertIsNone(verdict.wildcard)
                assert verdict.key is not None
                self.assertEqual(verdict.key.flags, 257 if rrset.rrType == 48 else 256)
            self.assertEqual(signatures, {})
            glue = {"ns.sub.example.com. 1", "deep.ns.sub.example.com. 1"}
            self.assertEqual(unsigned, glue | {f"{name}.example.com. 2" for name in ("sub", "sec", "x.ins.ent", "y.ins.ent")})

    def test_namesAreInOrder(self) -> None:
        """
        The zone is in canonical order, records of one type are one set, and the NSEC chain goes round.
        """
        sets = signZone(PLAIN, keysFor(15), APEX, BEGIN, END)
        names = [canonicalKey(rrset.name) for rrset in sets]
        self.assertEqual(names, sorted(names))
        [www] = [rrset for rrset in sets if rrset.name.lower() == nameFromText("www.example.com.") and rrset.rrType == 1]
        self.assertEqual(len(www.rdatas), 2)
        chain = [rrset for rrset in sets if rrset.rrType == 47]
        self.assertEqual({rrset.ttl for rrset in chain}, {300})
        lines = {nameToText(rrset.name).lower(): rdataToText(47, rrset.rdatas[0]) for rrset in chain}
        self.assertEqual(lines["example.com."], "a.b.c.d.example.com. NS SOA RRSIG NSEC DNSKEY")
        self.assertEqual(lines["sub.example.com."], "*.w.example.com. NS RRSIG NSEC")
        self.assertEqual(lines["sec.example.com."], "sub.example.com. NS DS RRSIG NSEC")
        self.assertEqual(lines["\\000.z.example.com."], "example.com. TXT RRSIG NSEC")
        self.assertEqual(len(lines), 11)

    def test_hashedChains(self) -> None:
        """
        NSEC3 covers empty non-terminals; with opt-out, it leaves out insecure delegations and those only above them.
        """
        counts = []
        for chain in CHAINS[1:]:
            assert chain is not None
            sets = signZone(PLAIN, keysFor(15), APEX, BEGIN, END, chain)
            found = [rrset for rrset in sets if rrset.rrType == 50]
            counts.append(len(found))
            self.assertEqual({rrset.rdatas[0][1] for rrset in found}, {chain.optOut})
            [parameters] = [rrset for rrset in sets if rrset.rrType == 51]
            self.assertEqual(rdataToText(51, parameters.rdatas[0]), f"1 0 {chain.iterations} {chain.salt.hex().upper() or '-'}")
        self.assertEqual(counts, [18, 18, 13])
        self.assertRaises(CallerFault, signZone, PLAIN, (), APEX, BEGIN, END, Params(1 << 16))

    def test_signedZonesAreSignedAnew(self) -> None:
        """
        A zone that is signed already gets a new chain and new signatures.
        """
        once = signZone(PLAIN, keysFor(15), APEX, BEGIN, END, Params(1))
        self.assertEqual(signZone(once, keysFor(15), APEX, BEGIN, END), signZone(PLAIN, keysFor(15), APEX, BEGIN, END))

    def test_rolesOfKeys(self) -> None:
        """
        A single key signs everything; of two algorithms each signs everything; a revoked key signs keys only.
        """

        def tags(sets: list[RRSet], rrType: int) -> set[int]:
            [found] = [rrset for rrset in sets if rrset.name.lower() == APEX and rrset.rrType == 46 and rrset.rdatas[0][1] == rrType]
            return {int.from_bytes(rdata[16:18], "big") for rdata in found.rdatas}

        one, other, entry, rest = [SigningKey.generate(13, "one"), SigningKey.generate(15, "other", flags=256), *keysFor(8)]
        revoked = SigningKey.generate(13, "revoked").revoked()
        for keys, ofKeys, ofRest in (
            ([one], [one], [one]),
            ([other], [other], [other]),
            ([one, other], [one, other], [one, other]),
            ([entry, rest], [entry], [rest]),
            ([entry, rest, one], [entry, one], [rest, one]),
            ([one, revoked], [one, revoked], [one]),
        ):
            sets = signZone(PLAIN, keys, APEX, BEGIN, END)
            self.assertEqual(tags(sets, 48), {key.tag for key in ofKeys})
            self.assertEqual(tags(sets, 6), {key.tag for key in ofRest})

    def test_wrongZonesAreRefused(self) -> None:
        """
        Records outside of the zone, and zones without an SOA record, are refused.
        """
        self.assertIn("outside", str(self.assertRaises(BadZone, signZone, [recordFromText("a. 1 A 192.0.2.1")], (), APEX, BEGIN, END)))
        self.assertIn("no SOA", str(self.assertRaises(BadZone, signZone, PLAIN[1:], (), APEX, BEGIN, END)))

    def test_wrongLabelsCanBeClaimed(self) -> None:
        """
        For tests of validators, a signature can claim another number of labels.
        """
        [rdata] = sign(PLAIN[3], keysFor(13)[0], APEX, BEGIN, END, labels=2).rdatas
        self.assertEqual(rdata[3], 2)

    def test_dnspythonAccepts(self) -> None:
        """
        dnspython reads the zone, and each signature is right for it.
        """
        origin = dns.name.from_text("example.com.")
        zone = dns.zone.from_text(textOf(signZone(PLAIN, keysFor(13), APEX, BEGIN, END)), origin, relativize=False)
        keys = {origin: zone.find_rdataset(origin, "DNSKEY")}
        checked = 0
        for name, rdataset in zone.iterate_rdatasets():
            if rdataset.rdtype == dns.rdatatype.RRSIG:
                dns.dnssec.validate((name, zone.find_rdataset(name, rdataset.covers)), (name, rdataset), dict(keys), now=BEGIN + 1)
                checked += 1
        self.assertEqual(checked, 22)

    def test_retiredAlgorithmsSign(self) -> None:
        """
        Zones with SHA-1 can be made for the profile that accepts it.
        """
        key = SigningKey.generate(7, "seven")
        [soa, signatures] = signZone(PLAIN, [key], APEX, BEGIN, END, Params())[:2]
        self.assertEqual((soa.rrType, signatures.rrType), (6, 46))
        self.assertTrue(verifySet(soa, signatures, keysOf([key.dnskey]), APEX, BEGIN, Work(), TESTING).secure)


@pytest.mark.parametrize("algorithm", [5, 7, 8, 10, 13, 14, 15, 16])
@pytest.mark.parametrize("chain", CHAINS)
def test_judges(algorithm: int, chain: Params | None) -> None:
    """
    BIND and ldns find the zone completely and rightly signed. (BIND no longer verifies SHA-1.)
    """
    text = textOf(signZone(PLAIN, keysFor(algorithm), APEX, BEGIN, END, chain))
    judges = [[str(peer("ldns-verify-zone")), "-t", "20260101000000"]]
    if algorithm not in (5, 7):
        judges.append([str(peer("dnssec-verify")), "-o", "example.com"])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "example.com.zone"
        path.write_text(text)
        for judge in judges:
            done = subprocess.run([*judge, str(path)], capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
        path.write_text(text.replace("Hello", "Hallo"))
        for judge in judges:
            assert subprocess.run([*judge, str(path)], capture_output=True, check=False, timeout=60).returncode


#: A zone at the root, with delegations and a wildcard.
ROOT_ZONE = """\
. 86400 SOA a.root. h. 1 2 3 4 300
. 86400 NS a.root.
a.root. 60 A 192.0.2.1
com. 60 NS ns.com.
com. 60 DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
ns.com. 60 A 192.0.2.3
net. 60 NS ns.net.
*. 60 TXT "Hello"
"""


@pytest.mark.parametrize("chain", CHAINS)
def test_rootIsSigned(chain: Params | None, tmp_path: Path) -> None:
    """
    The root can be signed as well.
    """
    records = [recordFromText(line) for line in ROOT_ZONE.splitlines()]
    path = tmp_path / "root.zone"
    path.write_text(textOf(signZone(records, keysFor(13), ROOT, BEGIN, END, chain)))
    for judge in ([str(peer("ldns-verify-zone")), "-t", "20260101000000"], [str(peer("dnssec-verify")), "-o", "."]):
        done = subprocess.run([*judge, str(path)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
