"""
Tests of signatures that are verified.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from unittest.mock import Mock, patch

import pytest

from tests.patching import skipExtending
from tests.test_architecture import ROOT
from tests.zone.sign.zones import builderOf, randomZone
from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSASHA256
from twisted_ext.dnssec.keys import ZoneKey, keyTag
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.errors import StorageFault
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG, A
from twisted_ext.zone.check import verified
from twisted_ext.zone.check.verified import Verified, verify
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import kindOf
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.findings import Report

_NOW = 1_800_000_000


def signed(records: list[RRSet], denial: str = "nsec", keys: tuple[PrivateKey, ...] = (newKey(ECDSA_P256, 257),)) -> tuple[Version, int]:
    """
    Return a signed zone, and how many signatures it has.
    """
    builder = builderOf(records)
    counts = signZone(builder, Signing(Signers(keys), SigningPolicy(denial=denial)), _NOW)
    return Version(Image(builder.finish())), counts.signatures


def damaged(version: Version, key: bytes, rrset: RRSet, rdata: bytes) -> Version:
    """
    Return a version with another record in place of the first one of an RRset.
    """
    builder = ImageBuilder(version.apexName)
    for node in version.nodes():
        if node.sets:
            wrong = rrset.withRdatas((rdata, *rrset.rdatas[1:]))
            builder.addSets(tuple([wrong if node.key == key and kindOf(each) == kindOf(rrset) else each for each in node.sets]))
    return Version(Image(builder.finish()))


def verifiedIn(version: Version, processes: int = 1) -> tuple[Verified, list[tuple[str, str]]]:
    """
    Verify a zone; return the result, and of each finding what it is about, and what it says.
    """
    report = Report()
    found = verify(version, report, processes=processes)
    assert set(report.counts) <= {"rrsig-wrong"}
    return found, [(finding.subject, finding.text) for finding in report.findings]


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("algorithm", [ECDSA_P256, ECDSA_P384, ED25519, ED448, RSASHA256])
def test_right(denial: str, algorithm: int) -> None:
    """
    All signatures of a zone are right, whatever is in it, by one key or two.
    """
    keys = (newKey(algorithm, 257), newKey(algorithm, 256))
    for seed in range(4):
        version, count = signed(randomZone(seed), denial, keys[: 1 + seed % 2])
        assert verifiedIn(version) == ((count, {}), [])


@pytest.mark.parametrize("denial", DENIALS)
def test_wrong(denial: str) -> None:
    """
    If one bit of a record or of its signature is another one, this signature is found, and no other.
    """
    dice = random.Random(denial)
    for seed in range(60):
        version, count = signed(randomZone(seed), denial)
        nodes = [node for node in version.nodes() if node.of(RRSIG) is not None]
        node = dice.choice(nodes)
        several = {rrset for rrset in node.sets if rrset.rrType == A or rrset.rrType == RRSIG}
        rrset = dice.choice(sorted(several, key=lambda each: each.rdatas))
        rdata = bytearray(rrset.rdatas[0])
        # Of a signature the last octets: others are the fields that say which key it is by.
        rdata[dice.randrange(-64 if rrset.rrType == RRSIG else -4, 0)] ^= 1 << dice.randrange(8)
        if bytes(rdata) in rrset.rdatas or (rrset.rrType == A and not any(each.rrType == RRSIG for each in node.sets)):
            continue
        covered = int.from_bytes(rdata[:2], "big") if rrset.rrType == RRSIG else A
        isSigned = any(each.rrType == RRSIG and each.rdatas[0][:2] == covered.to_bytes(2, "big") for each in node.sets)
        found, wrong = verifiedIn(damaged(version, node.key, rrset, bytes(rdata)))
        assert (found.right, len(wrong)) == (count - isSigned, isSigned), (seed, node, rrset)


def manyNames() -> tuple[Version, int]:
    """
    Return a signed zone of 1,300 names, and how many signatures it has.
    """
    lines = [f"n{number}.example.org. 60 A 192.0.2.1" for number in range(1300)]
    lines += ["example.org. 60 SOA ns. mail. 1 2 3 4 5", "example.org. 60 NS ns.example.com."]
    return signed([recordFromText(line) for line in lines])


def test_severalProcesses() -> None:
    """
    Several processes find what one does, in the same order.
    """
    version, count = manyNames()
    for key in (b"\x02n3", b"\x04n700", b"\x05n1200"):
        node = version.find(key)
        assert node is not None
        rrset = node.of(A)
        assert rrset is not None
        version = damaged(version, node.key, rrset, b"\x01\x02\x03\x04")
    found, wrong = alone = verifiedIn(version)
    with patch.object(verified, "_MANY", 1):
        assert verifiedIn(version, processes=3) == alone
    assert (found.right, [subject for subject, _ in wrong]) == (count - 3, [f"n{each}.example.org. A" for each in (3, 700, 1200)])
    assert wrong[1][1].startswith("the signature of A by key ")
    told: list[tuple[int, int]] = []
    verify(version, Report(), lambda done, all: told.append((done, all)), processes=1)
    assert (told[0], told[-1]) == ((500, 1302 - 1), (1301, 1301))


def test_processEnds() -> None:
    """
    If one of the processes ends, such as for want of memory, that is an error.
    """
    version, _ = manyNames()
    ends = patch.object(verified._Verifier, "part", lambda self, begin: os._exit(9))
    with patch.object(verified, "_MANY", 1), ends, pytest.raises(StorageFault, match="is there enough memory"):
        verify(version, Report(), processes=2)


def test_killed() -> None:
    """
    The other processes end if the one that started them is killed, and at once after a Ctrl-C.
    """
    # In another process, where nothing else would say so.
    skipExtending(verified._Verifier)
    code = "import sys; from tests.zone.check.test_verified import verifySlowly; verifySlowly(int(sys.argv[1]))"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        reading, writing = os.pipe()
        command = [sys.executable, "-c", code, str(writing)]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        try:
            for _ in range(10):
                assert os.read(reading, 1)
            process.send_signal(number)
            process.wait()
        finally:
            process.kill()
            process.wait()
        # It ends once no process has the other end.
        more = 0
        while octets := os.read(reading, 100):
            more += len(octets)
        os.close(reading)
        # A tenth of a second's, or until the next look at the parent, of two thousand.
        assert more < 200, number


def verifySlowly(writing: int) -> None:
    """
    Verify in two processes, which write to a pipe, and never end by themselves.
    """

    # What runs tests may have it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def part(self: object, begin: int) -> tuple[int, int, list[object], dict[str, int]]:
        os.write(writing, b".")
        time.sleep(0.05)
        return 0, 0, [], {}

    image = Mock(nodes=10**6)
    version = Mock(image=image)
    version.top.of.return_value = None
    with patch.object(verified._Verifier, "part", part):
        verify(version, Report(), processes=2)


def test_sameTag() -> None:
    """
    If keys have one tag, a signature may be by any of them; one that names another signer is another finding.
    """
    version, count = manyNames()
    keys = version.top.of(DNSKEY)
    assert keys is not None
    both = keys.withRdatas((newKey(ECDSA_P256, 257).dnskey, *keys.rdatas))
    builder = ImageBuilder(version.apexName)
    builder.addSets(tuple([both if rrset.rrType == DNSKEY else rrset for rrset in version.top.sets]))
    more = Version(Image(builder.finish()))
    tag = keyTag(keys.rdatas[0])

    def tagged(rdata: bytes) -> ZoneKey:
        key = ZoneKey(rdata)
        key.tag = tag
        return key

    with patch.object(verified, "ZoneKey", tagged):
        found, wrong = verifiedIn(more)
    # All of the apex are right but that of the keys, which are others now.
    assert (found.right, [subject for subject, _ in wrong]) == (3, ["example.org. DNSKEY"])
    node = version.find(b"\x02n3")
    assert node is not None
    rrset = node.signatures(A)
    assert rrset is not None
    other = rrset.rdatas[0].replace(version.apex, b"\x07example\x03net\0")
    assert verifiedIn(damaged(version, node.key, rrset, other)) == ((count - 1, {}), [])


def test_unknown() -> None:
    """
    Signatures by keys that cannot be used are counted, with the reason; those by keys that the zone does not have are another finding.
    """
    version, count = manyNames()
    with patch.object(ZoneKey, "_parse", lambda self: (None, 0, "it is not known here")):
        assert verifiedIn(version) == ((0, {"of ECDSAP256SHA256: it is not known here": count}), [])
    keys = version.top.of(DNSKEY)
    assert keys is not None
    other = newKey(ECDSA_P256, 257).dnskey
    assert verifiedIn(damaged(version, b"", keys, other)) == ((0, {}), [])
