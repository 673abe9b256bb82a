"""
Attack 14: zones with so many keys, signatures and DS records that a validator is busy with one query for hours (KeyTrap,
CVE-2023-50387; CVE-2025-8677).
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec import keys as keysModule
from twisted_ext.dnssec import signatures as signaturesModule
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.signing import SigningKey, sign
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

ZONE: Final = nameFromText("evil.test.")
NOW: Final = 1_790_000_000
A: Final = RRSet(nameFromText("www.evil.test."), 1, 1, 300, (b"\xc0\0\2\1",))

#: Keys, signatures and DS records.
MANY: Final = 500

#: What the test without limits makes do with.
SOME: Final = 30

#: No budget to speak of.
BOUNDLESS: Final = {"verifications": 10**9, "failures": 10**9, "queryVerifications": 10**9, "queryFailures": 10**9}


class Counting:
    """
    Counts the signatures that any key checks.
    """

    def __init__(self) -> None:
        self.checks = 0

    def check(self, signature: bytes, data: bytes) -> bool:
        self.checks += 1
        return False


def trap(count: int, counting: Counting) -> tuple[list[ZoneKey], RRSet]:
    """
    Return keys that have the same tag, and wrong signatures by it.
    """
    real = SigningKey.generate(13, "trap")
    keys = []
    for number in range(count):
        key = ZoneKey(real.dnskey[:-2] + number.to_bytes(2, "big"))
        key.tag = real.tag
        key._parsed = counting.check, 256, ""
        keys.append(key)
    [rdata] = sign(A, real, ZONE, NOW - 1, NOW + 1).rdatas
    return keys, RRSet(A.name, 46, 1, 300, tuple([rdata[:-2] + number.to_bytes(2, "big") for number in range(count)]))


class KeyTrapTests(SynchronousTestCase):
    """
    Tests with 500 keys of one tag and 500 signatures by it.
    """

    def test_oneSetTakesFewChecks(self) -> None:
        """
        The set ends the fetch after three checks, and the error says why.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work()
        with self.assertRaises(BudgetSpent) as caught:
            verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((counting.checks, work.verifications, work.failures), (3, 3, 3))
        self.assertEqual({code for code, _ in caught.exception.ede}, {6})

    def test_fewChecksWithoutBudget(self) -> None:
        """
        Without a budget it takes sixteen checks: eight signatures, and two keys for each.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work(**BOUNDLESS)
        self.assertFalse(verifySet(A, signatures, keys, ZONE, NOW, work).secure)
        self.assertEqual((counting.checks, work.verifications), (16, 16))

    def test_manySetsTakeFewChecks(self) -> None:
        """
        However often the look-up begins again, it ends with the first wrong signature above the limit for a query.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work()
        for _ in range(200):
            work.fetch()
            with self.assertRaises(BudgetSpent):
                verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((counting.checks, work.verifications, work.failures), (13, 13, 13))

    def test_withoutLimitsTheTrapCloses(self) -> None:
        """
        With the limits off, each signature is checked with each key.
        """
        counting = Counting()
        keys, signatures = trap(SOME, counting)
        with patch.object(signaturesModule, "_TRIED", MANY), patch.object(signaturesModule, "_PER_TAG", MANY):
            verifySet(A, signatures, keys, ZONE, NOW, Work(**BOUNDLESS))
        self.assertEqual(counting.checks, SOME * SOME)

    def test_malformedKeysCountAsFailures(self) -> None:
        """
        Keys that cannot be parsed end the fetch like wrong signatures do.
        """
        real = SigningKey.generate(13, "trap")
        keys = []
        for _ in range(MANY):
            key = ZoneKey(real.dnskey[:-64] + bytes(64))
            key.tag = real.tag
            keys.append(key)
        _, signatures = trap(MANY, Counting())
        work = Work()
        with self.assertRaises(BudgetSpent):
            verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((work.verifications, work.failures), (0, 3))

    def test_manyDelegationsTakeFewDigests(self) -> None:
        """
        Of 500 DS records with 500 keys of their tag, sixteen digests are computed; with the limits off, one for each pair.
        """
        counting = Counting()
        keys, _ = trap(MANY, counting)
        records = [SigningKey.generate(13, "trap").ds(ZONE)[:4] + number.to_bytes(32, "big") for number in range(MANY)]
        digests = 0
        original = keysModule.digestOf

        def counted(owner: bytes, rdata: bytes, digestType: int) -> bytes | None:
            nonlocal digests
            digests += 1
            return original(owner, rdata, digestType)

        with patch.object(keysModule, "digestOf", counted):
            self.assertEqual(delegatedKeys(records, ZONE, keys)[0], ())
            self.assertEqual(digests, 16)
            with patch.object(keysModule, "_DS_TRIED", MANY), patch.object(keysModule, "_PER_TAG", MANY):
                delegatedKeys(records[:SOME], ZONE, keys[:SOME])
        self.assertEqual(digests, 16 + SOME * SOME)
