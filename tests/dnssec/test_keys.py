"""
Tests of zone keys and of the DS records for them.
"""

from __future__ import annotations

from unittest.mock import patch

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec import keys as module
from twisted_ext.dnssec.algorithms import STANDARD, TESTING
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, keysOf, keyTag, matches, unusableDelegation
from twisted_ext.dnssec.limits import KEYS_CACHED, KEYS_READ
from twisted_ext.testing.internet.seededsigner import SigningKey
from twisted_ext.wire.names import nameFromText

ZONE = nameFromText("Example.")
KEY = SigningKey.generate(13, "one")
OTHER = SigningKey.generate(15, "two")


def theirs(rdata: bytes) -> DNSKEY:
    """
    Return dnspython's form of a key.
    """
    found = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, rdata, 0, len(rdata))
    assert isinstance(found, DNSKEY)
    return found


class KeyTests(SynchronousTestCase):
    """
    Tests of L{ZoneKey}.
    """

    @given(st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=1, max_size=300))
    def test_tagsAreThoseOfDnspython(self, flags: int, algorithm: int, public: bytes) -> None:
        """
        The tag of any key is what dnspython computes, also for algorithm 1, which has its own rule.
        """
        rdata = flags.to_bytes(2, "big") + bytes([3, algorithm]) + public
        if algorithm == 1 and len(public) < 3:
            return
        self.assertEqual(keyTag(rdata), dns.dnssec.key_id(theirs(rdata)))
        self.assertEqual(ZoneKey(rdata).tag, keyTag(rdata))

    def test_keysAreParsedOnce(self) -> None:
        """
        The same octets give the same key; the number of kept keys is limited, and large ones are not kept.
        """
        key = ZoneKey.fromRdata(KEY.dnskey)
        self.assertIs(ZoneKey.fromRdata(bytes(bytearray(KEY.dnskey))), key)
        for number in range(3 * int(KEYS_CACHED.default)):
            ZoneKey.fromRdata(b"\1\0\3\x0d" + number.to_bytes(64, "big"))
        self.assertLessEqual(len(module._cache), KEYS_CACHED.default)
        large = b"\1\0\3\x0d" + bytes(5000)
        self.assertIsNot(ZoneKey.fromRdata(large), ZoneKey.fromRdata(large))

    def test_flags(self) -> None:
        """
        The flags say whether a key is one of the zone, and whether it is revoked.
        """
        key = ZoneKey.fromRdata(KEY.dnskey)
        self.assertEqual((key.isZoneKey, key.isRevoked), (True, False))
        revoked = ZoneKey.fromRdata(KEY.revoked().dnskey)
        self.assertEqual((revoked.isZoneKey, revoked.isRevoked), (True, True))
        self.assertEqual(revoked.tag, KEY.revoked().tag)
        self.assertFalse(ZoneKey.fromRdata(b"\0\1" + KEY.dnskey[2:]).isZoneKey)

    def test_malformedKeysVerifyNothing(self) -> None:
        """
        A key of any malformation is an object that verifies nothing and says why.
        """
        for rdata, words in (
            (b"", "cut off"),
            (b"\1\1\3", "cut off"),
            (b"\1\1\3\x0d", "0 octets, where 64"),
            (b"\1\1\2" + KEY.dnskey[3:], "protocol 2 is not that of DNSSEC"),
            (KEY.dnskey[:-1], "63 octets"),
            (b"\1\1\3\1\0\0\0\0", "RSAMD5 is not implemented"),
        ):
            key = ZoneKey.fromRdata(rdata)
            self.assertFalse(key.verify(KEY.signature(b"data"), b"data"))
            self.assertIn(words, key.problem)
            self.assertEqual(key.bits, 0)

    @given(st.binary(max_size=200))
    def test_anyOctetsAreAKey(self, rdata: bytes) -> None:
        """
        No octets make an exception.
        """
        key = ZoneKey(rdata)
        self.assertIsInstance(key.verify(bytes(64), b"data"), bool)
        self.assertIn(str(key.tag), repr(key))
        if key.problem:
            self.assertFalse(key.verify(bytes(64), b"data"))
            self.assertIsNotNone(key.objection(TESTING, ZONE))

    def test_objections(self) -> None:
        """
        What is not accepted is named with its key and the info code.
        """
        short = SigningKey.generate(8, "short", bits=512)
        for rdata, code, words in (
            (SigningKey.generate(5, "five").dnskey, 1, "of Example.: algorithm RSASHA1 is not supported"),
            (b"\0\0" + KEY.dnskey[2:], 11, "has no zone key bit"),
            (short.dnskey, 1, f"key {short.tag} of Example.: keys of 512 bits are not supported"),
            (KEY.dnskey[:-1], 6, "is unusable: it has 63 octets, where 64 are needed"),
        ):
            objection = ZoneKey.fromRdata(rdata).objection(STANDARD, ZONE)
            assert objection is not None
            self.assertEqual(objection[0], code)
            self.assertIn(words, objection[1])
        self.assertIsNone(ZoneKey.fromRdata(KEY.dnskey).objection(STANDARD, ZONE))

    def test_keysOfOneZoneAreLimited(self) -> None:
        """
        No more keys of an RRset are looked at than the limit says.
        """
        rdatas = [b"\1\0\3\x0d" + number.to_bytes(64, "big") for number in range(500)]
        self.assertEqual(len(keysOf(rdatas)), KEYS_READ.default)


class DelegationTests(SynchronousTestCase):
    """
    Tests of DS records.
    """

    def test_digestsAreThoseOfDnspython(self) -> None:
        """
        DS records of all digest types are the same as dnspython's.
        """
        for key in (KEY, OTHER, SigningKey.generate(8, "rsa")):
            for digestType, name in ((2, "SHA256"), (4, "SHA384")):
                made = dns.dnssec.make_ds(dns.name.from_text("Example."), theirs(key.dnskey), name)
                self.assertEqual(key.ds(ZONE, digestType), made.to_wire())

    def test_matching(self) -> None:
        """
        A DS record matches its key only: tag, algorithm, digest type and every octet of the digest count.
        """
        key = ZoneKey.fromRdata(KEY.dnskey)
        right = KEY.ds(ZONE)
        self.assertTrue(matches(right, ZONE, key))
        self.assertTrue(matches(right, ZONE.lower(), key))
        self.assertFalse(matches(right, nameFromText("example.com."), key))
        for position in range(len(right)):
            wrong = bytearray(right)
            wrong[position] ^= 1
            self.assertFalse(matches(bytes(wrong), ZONE, key))
        for rdata in (b"", right[:4], right[:-1], right + b"\0"):
            self.assertFalse(matches(rdata, ZONE, key))

    def test_delegatedKeysAreFound(self) -> None:
        """
        The keys that DS records refer to are found once each; records without a key are named.
        """
        keys = keysOf([KEY.dnskey, OTHER.dnskey])
        found, reasons = delegatedKeys([KEY.ds(ZONE, 4), KEY.ds(ZONE), OTHER.ds(ZONE)], ZONE, keys)
        self.assertEqual((found, reasons), (keys, ()))
        missing = SigningKey.generate(13, "three")
        found, reasons = delegatedKeys([missing.ds(ZONE)], ZONE, keys)
        self.assertEqual(found, ())
        self.assertEqual(reasons, ((9, f"no key {missing.tag} of ECDSAP256SHA256 at Example., to which its DS record refers"),))

    def test_unusableKeysAreNotFound(self) -> None:
        """
        Keys with a wrong digest, without the zone key bit, revoked or malformed are not used, and the reason is given.
        """
        wrong = KEY.ds(ZONE)[:-1] + b"\0"
        found, reasons = delegatedKeys([wrong], ZONE, keysOf([KEY.dnskey]))
        self.assertEqual(found, ())
        self.assertEqual(reasons[0][0], 9)
        self.assertIn(f"SHA-256 digest in the DS record of Example. is not that of key {KEY.tag}", reasons[0][1])
        for flags, code, words in ((0x0001, 11, "zone key bit"), (0x0181, 9, "is revoked")):
            key = SigningKey.generate(13, "four", flags=flags)
            found, reasons = delegatedKeys([key.ds(ZONE)], ZONE, keysOf([key.dnskey]))
            self.assertEqual((found, reasons[0][0]), ((), code))
            self.assertIn(words, reasons[0][1])

    def test_whyNothingIsUsable(self) -> None:
        """
        If no DS record is usable, it is said which algorithm or digest is not supported.
        """
        rdatas = [b"\0\1\5\2" + bytes(32), b"\0\1\x08\3" + bytes(32), b"\0\2\5\2" + bytes(32), b""]
        reasons = unusableDelegation(rdatas, ZONE)
        self.assertEqual(
            reasons,
            (
                (1, "DS record of Example.: algorithm RSASHA1 is not supported"),
                (2, "DS record of Example.: digest GOST R 34.11-94 is not supported"),
                (1, "DS record of Example.: algorithm DELETE is not supported"),
            ),
        )
        self.assertEqual(len(unusableDelegation([bytes([0, 0, number, 2]) for number in range(100, 200)], ZONE)), 8)

    def test_digestsAreLimited(self) -> None:
        """
        However many DS records there are, and keys with their tag, few digests are computed; without the limits, all of them.
        """
        key = SigningKey.generate(13, "five")
        records = [key.ds(ZONE)[:4] + number.to_bytes(32, "big") for number in range(50)]
        keys = [ZoneKey.fromRdata(key.dnskey)] * 50
        count = 0
        original = module.digestOf

        def counted(owner: bytes, rdata: bytes, digestType: int) -> bytes | None:
            nonlocal count
            count += 1
            return original(owner, rdata, digestType)

        with patch.object(module, "digestOf", counted):
            self.assertEqual(delegatedKeys(records, ZONE, keys)[0], ())
            self.assertEqual(count, 16)
            with patch.object(module, "_DS_TRIED", 500), patch.object(module, "_PER_TAG", 500):
                delegatedKeys(records, ZONE, keys)
        self.assertEqual(count, 16 + 2500)
