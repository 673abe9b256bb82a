"""
Tests of digests of signed zones that clients change.
"""

from __future__ import annotations

from unittest.mock import patch

from tests.server.zones.signing.test_renewal import TimedCase
from twisted_ext.server.zones.signing.signedzone import SignedZone
from twisted_ext.wire.rrtypes import ZONEMD
from twisted_ext.zone.check.zonemd import Verdict, verify
from twisted_ext.zone.sign.policy import SigningPolicy

_NAMES = "".join([f"h{number} A 192.0.2.1\n" for number in range(20)])


class DigestTests(TimedCase):
    """
    A zone of a file, with a digest.
    """

    def setUp(self) -> None:
        super().setUp()
        self.policy = SigningPolicy(digested=True)

    def isDigested(self) -> bool:
        """
        Return whether the version in force has a digest, which is right; it has none that is wrong.
        """
        isThere = self.served.top.of(ZONEMD) is not None
        if isThere:
            self.assertEqual(verify(self.served).verdict, Verdict.VERIFIED)
        return isThere

    def test_whileChangesCome(self) -> None:
        """
        The digest is gone with the first change, and comes back a minute after the last one: with all changes, signed as a whole.
        """
        self.start(_NAMES)
        self.assertTrue(self.isDigested())
        image = self.image
        for number in range(5):
            self.assertEqual(self.update(f"n{number} 300 A 192.0.2.9"), 0)
            self.assertFalse(self.isDigested())
            self.wait(30)
            self.assertFalse(self.isDigested())
        self.assertEqual(self.image, image)
        self.wait(30)
        self.wait(30)
        self.assertTrue(self.isDigested())
        self.assertNotEqual(self.image, image)
        self.assertLessEqual({f"n{number}" for number in range(5)}, self.names())
        serial = self.served.serial
        for _ in range(5):
            self.wait(60)
        self.assertEqual(self.served.serial, serial)

    def test_overARestart(self) -> None:
        """
        A digest that was missing when the server ended comes back after its next start.
        """
        self.start(_NAMES)
        self.assertEqual(self.update("new 300 A 192.0.2.9"), 0)
        self.restart()
        self.look()
        self.assertFalse(self.isDigested())
        self.wait(30)
        self.assertFalse(self.isDigested())
        self.wait(30)
        self.assertTrue(self.isDigested())
        self.assertIn("new", self.names())

    def test_age(self) -> None:
        """
        Signatures of such a zone are made anew with all of it, not a few names at a time, as each of these changes would take it away.
        """
        self.start(_NAMES)
        self.assertEqual(self.update("new 300 A 192.0.2.9"), 0)
        self.wait(60)
        self.wait(60)
        image, serial = self.image, self.served.serial
        for _ in range(5):
            self.wait(20 * 3600)
        self.assertEqual((self.image, self.served.serial), (image, serial))
        with patch.object(SignedZone, "isDue", return_value=True):
            self.wait(60)
        self.assertTrue(self.isDigested())
        self.assertNotEqual(self.image, image)

    def test_withoutDigest(self) -> None:
        """
        Where the policy wants no digest, none is missing.
        """
        self.policy = SigningPolicy()
        self.start(_NAMES)
        image = self.image
        self.assertEqual(self.update("new 300 A 192.0.2.9"), 0)
        for _ in range(4):
            self.wait(60)
        self.assertEqual(self.image, image)
