"""
Tests of public keys, valid and not.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.publickeys import parsePublicKey
from twisted_ext.testing.internet.seededsigner import SigningKey

#: All algorithms that can sign, and the sizes of signatures by keys of the default size.
SIGNING = {5: 128, 7: 128, 8: 128, 10: 128, 13: 64, 14: 96, 15: 64, 16: 114}


class PublicKeyTests(SynchronousTestCase):
    """
    Tests of L{parsePublicKey}.
    """

    def test_everyAlgorithmVerifies(self) -> None:
        """
        A signature verifies with its key, and neither with other data, nor if any part of it is missing or different.
        """
        for algorithm, size in SIGNING.items():
            key = SigningKey.generate(algorithm, "seed")
            signature = key.signature(b"data")
            self.assertEqual(len(signature), size)
            check, bits, problem = parsePublicKey(algorithm, key.dnskey[4:])
            assert check is not None
            self.assertEqual(problem, "")
            self.assertGreaterEqual(bits, 256)
            self.assertTrue(check(signature, b"data"))
            for wrong in (b"", signature[:-1], signature + b"\0", bytes(size), b"\xff" * size, bytes([signature[0] ^ 1]) + signature[1:]):
                self.assertFalse(check(wrong, b"data"))
            self.assertFalse(check(signature, b"datum"))

    def test_invalidKeysHaveAProblem(self) -> None:
        """
        A key that is cut off, too long, too large or not a point of its curve is of no use, and the text says why.
        """
        modulus = (1 << 1023 | 12345).to_bytes(128, "big")
        for algorithm, key, words in (
            (8, b"", "empty"),
            (8, b"\x03\1\0", "cut off"),
            (8, b"\x00", "cut off"),
            (8, b"\x00\x00\x01", "cut off"),
            (8, b"\x00\xff\xff" + bytes(100), "cut off"),
            (8, b"\x01\x03" + bytes(128), "not a valid"),
            (8, b"\x01\x00" + modulus, "not a valid"),
            (8, b"\x01\x02" + modulus, "not a valid"),
            (8, b"\x01\x01" + modulus, "not a valid"),
            (8, b"\x09\1" + bytes(7) + b"\1" + modulus, "exponent of more than 64 bits"),
            (8, b"\x01\x03" + b"\1" + bytes(511) + b"\1", "modulus of 4097 bits"),
            (13, bytes(64), "not a valid"),
            (13, bytes(63), "63 octets, where 64"),
            (14, b"\1" * 96, "not a valid"),
            (15, bytes(33), "33 octets, where 32"),
            (16, bytes(32), "32 octets, where 57"),
            (3, b"", "size"),
            (3, b"\x09" + bytes(1000), "size"),
            (3, b"\x08" + bytes(30), "31 octets"),
            (3, b"\x00" + bytes(212), "out of range"),
            (1, modulus, "RSAMD5 is not implemented"),
            (12, bytes(64), "ECC-GOST is not implemented"),
            (253, bytes(64), "not implemented"),
        ):
            check, _, problem = parsePublicKey(algorithm, key)
            self.assertIsNone(check)
            self.assertIn(words, problem)

    def test_longExponentsWithLeadingZeros(self) -> None:
        """
        The length of an exponent may take three octets, and numbers may begin with zeros (RFC 3110, section 2).
        """
        key = SigningKey.generate(8, "seed")
        exponent, modulus = key.dnskey[5:8], key.dnskey[8:]
        for octets in (b"\x00\x00\x03" + exponent + modulus, b"\x0c" + bytes(9) + exponent + b"\0" + modulus):
            check, bits, _ = parsePublicKey(8, octets)
            assert check is not None
            self.assertEqual(bits, 1024)
            self.assertTrue(check(key.signature(b"data"), b"data"))

    @given(st.integers(0, 255), st.binary(max_size=600), st.binary(max_size=140), st.binary(max_size=20))
    def test_anyOctetsAreAccepted(self, algorithm: int, key: bytes, signature: bytes, data: bytes) -> None:
        """
        Whatever is claimed to be a key or a signature, the result is yes or no.
        """
        check, _, problem = parsePublicKey(algorithm, key)
        self.assertEqual(check is None, bool(problem))
        if check is not None:
            self.assertIsInstance(check(signature, data), bool)

    @given(st.sampled_from([13, 14, 15, 16, 8, 3]), st.data())
    def test_anyOctetsOfTheRightSize(self, algorithm: int, data: st.DataObject) -> None:
        """
        The same for keys that have the right size.
        """
        size = {13: 64, 14: 96, 15: 32, 16: 57, 8: 132, 3: 213}[algorithm]
        key = data.draw(st.binary(min_size=size, max_size=size))
        if algorithm == 3:
            key = b"\0" + key[1:]
        check, _, _ = parsePublicKey(algorithm, key)
        if check is not None:
            self.assertIsInstance(check(data.draw(st.binary(min_size=size, max_size=size)), b"data"), bool)
