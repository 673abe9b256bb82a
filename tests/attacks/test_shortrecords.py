"""
Attack 17: keys, digests and signatures that are cut off or lie about their lengths (CVE-2026-33278, CVE-2026-42959 and others).
"""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.algorithms import TESTING
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, keysOf, matches, unusableDelegation
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage, BudgetSpent
from twisted_ext.testing.internet.seededsigner import SigningKey, sign
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

ZONE: Final = nameFromText("evil.test.")
NOW: Final = 1_790_000_000

#: Algorithms with keys of all kinds.
ALGORITHMS: Final = (5, 7, 8, 10, 13, 14, 15, 16)


def messageWith(rrType: int, rdata: bytes) -> bytes:
    """
    Return a reply with one record.
    """
    head = b"\x12\x34\x84\0\0\0\0\1\0\0\0\0"
    return head + ZONE + rrType.to_bytes(2, "big") + b"\0\1\0\0\1\x2c" + len(rdata).to_bytes(2, "big") + rdata


class ShortRecordTests(SynchronousTestCase):
    """
    Tests with each octet in turn missing.
    """

    def test_everyCutOfAKey(self) -> None:
        """
        A DNSKEY record that ends after any of its octets is a key of no use, never an error.
        """
        for algorithm in ALGORITHMS:
            whole = SigningKey.generate(algorithm, "short").dnskey
            signature = SigningKey.generate(algorithm, "short").signature(b"data")
            for length in range(len(whole)):
                key = ZoneKey(whole[:length])
                self.assertFalse(key.verify(signature, b"data"))
                if algorithm not in (5, 7, 8, 10):
                    self.assertTrue(key.problem)
            self.assertTrue(ZoneKey(whole).verify(signature, b"data"))

    def test_everyCutOfADelegation(self) -> None:
        """
        The same for DS records: they match nothing.
        """
        key = SigningKey.generate(13, "short")
        zoneKey = ZoneKey.fromRdata(key.dnskey)
        whole = key.ds(ZONE)
        for length in range(len(whole)):
            self.assertFalse(matches(whole[:length], ZONE, zoneKey))
            self.assertEqual(delegatedKeys([whole[:length]], ZONE, [zoneKey])[0], ())
            unusableDelegation([whole[:length]], ZONE)

    def test_everyCutOfASignature(self) -> None:
        """
        The same for RRSIG records: they verify nothing.
        """
        for algorithm in ALGORITHMS:
            key = SigningKey.generate(algorithm, "short")
            rrset = RRSet(ZONE, 48, 1, 300, (key.dnskey,))
            [whole] = sign(rrset, key, ZONE, NOW - 1, NOW + 1).rdatas
            for length in range(len(whole)):
                signatures = RRSet(ZONE, 46, 1, 300, (whole[:length],))
                verdict = verifySet(rrset, signatures, keysOf(rrset.rdatas), ZONE, NOW, Work(), TESTING)
                self.assertFalse(verdict.secure)

    def test_shortRecordsInTheSet(self) -> None:
        """
        A signed set whose names in rdata are cut off is handled as octets (val_canon_short_px).
        """
        key = SigningKey.generate(13, "short")
        for rrType, rdata in ((26, b"\0\x0a\1A"), (26, b""), (15, b"\0"), (33, b"\0\0\0"), (6, b"\1A"), (46, b"\0"), (35, b"\0\1\0")):
            rrset = RRSet(ZONE, rrType, 1, 300, (rdata, b""))
            verdict = verifySet(rrset, sign(rrset, key, ZONE, NOW - 1, NOW + 1), keysOf([key.dnskey]), ZONE, NOW, Work())
            self.assertTrue(verdict.secure)

    def test_shortRecordsInMessages(self) -> None:
        """
        In a message, such records either are an error of the format, or give keys and signatures that fail.
        """
        key = SigningKey.generate(8, "short")
        rrset = RRSet(ZONE, 48, 1, 300, (key.dnskey,))
        [signature] = sign(rrset, key, ZONE, NOW - 1, NOW + 1).rdatas
        for rrType, whole in ((48, key.dnskey), (43, key.ds(ZONE)), (46, signature)):
            for length in range(24):
                try:
                    [record] = Message.fromWire(messageWith(rrType, whole[:length])).answer
                except BadMessage:
                    continue
                self.assertFalse(ZoneKey(record.rdatas[0]).verify(b"", b"data"))
                try:
                    signatures = RRSet(ZONE, 46, 1, 300, record.rdatas)
                    self.assertFalse(verifySet(rrset, signatures, keysOf(rrset.rdatas), ZONE, NOW, Work()).secure)
                except BudgetSpent:
                    continue
