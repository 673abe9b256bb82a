"""
Tests of algorithms, and of what a validator accepts.
"""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.algorithms import STANDARD, TESTING, Profile, algorithmName, digestName, digestOf
from twisted_ext.wire.names import nameFromText


class ProfileTests(SynchronousTestCase):
    """
    Tests of L{Profile}.
    """

    def test_retiredAlgorithmsAreLeftOut(self) -> None:
        """
        The default accepts no MD5, DSA, SHA-1 or GOST (RFC 9904 to 9906); recorded scenarios may have SHA-1 and DSA.
        """
        self.assertEqual([number for number in range(256) if STANDARD.supports(number)], [8, 10, 13, 14, 15, 16])
        self.assertEqual([number for number in range(256) if TESTING.supports(number)], [3, 5, 6, 7, 8, 10, 13, 14, 15, 16])

    def test_sizesOfRSAKeysAreLimited(self) -> None:
        """
        RSA keys are accepted within two sizes, which can be set; other keys have no size to choose.
        """
        for bits, standard, testing in ((511, False, False), (512, False, True), (1023, False, True), (1024, True, True)):
            self.assertEqual((STANDARD.supports(8, bits), TESTING.supports(8, bits)), (standard, testing))
        self.assertEqual((STANDARD.supports(8, 4096), STANDARD.supports(8, 4097)), (True, False))
        self.assertTrue(STANDARD.supports(15, 256))
        self.assertFalse(Profile([8], leastBits=2048).supports(8, 1024))
        self.assertEqual(Profile([8], leastBits=1).leastBits, 512)

    def test_sha1DigestsYieldToBetterOnes(self) -> None:
        """
        SHA-1 digests are ignored beside better ones that can be used, and used if there are no others (RFC 4509, section 3).
        """
        old, new = b"\0\1\x08\1" + bytes(20), b"\0\1\x08\2" + bytes(32)
        unknown, retired = b"\0\1\x08\3" + bytes(32), b"\0\1\5\2" + bytes(32)
        self.assertEqual(STANDARD.usable([old, new]), (new,))
        self.assertEqual(STANDARD.usable([old, unknown, retired]), (old,))
        self.assertEqual(STANDARD.usable([unknown, retired, b"", b"\0\1\x08\2"]), ())
        self.assertEqual(TESTING.usable([retired, old]), (retired,))

    def test_namesAreThoseOfTheRegistry(self) -> None:
        """
        Algorithms and digests are named as in IANA's registries, unknown ones by number.
        """
        for number, name in ((5, "RSASHA1"), (7, "RSASHA1-NSEC3-SHA1"), (8, "RSASHA256"), (13, "ECDSAP256SHA256"), (99, "99")):
            self.assertEqual(algorithmName(number), name)
        self.assertEqual([digestName(number) for number in (1, 2, 4, 99)], ["SHA-1", "SHA-256", "SHA-384", "99"])

    def test_unknownDigestsHaveNoValue(self) -> None:
        """
        There is no digest of an unknown type.
        """
        self.assertIsNone(digestOf(nameFromText("example."), b"key", 3))

    def test_cryptographyIsImportedLate(self) -> None:
        """
        A program that validates nothing does not wait for cryptography to be imported.
        """
        text = "import sys, twisted_ext.dnssec.signatures; sys.exit('cryptography' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", text], check=False, timeout=60).returncode, 0)
