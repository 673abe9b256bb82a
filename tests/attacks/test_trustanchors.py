"""
Attack 39: poisoned trust anchors. A thief has a key of the zone that was trusted, and publishes a key of their own with it.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.anchors import rollover
from twisted_ext.dnssec.anchors.managed import observeSet
from twisted_ext.dnssec.anchors.rollover import Round, TrustPoint
from twisted_ext.dnssec.anchors.statefile import trustPointFromText, trustPointToText
from twisted_ext.dnssec.limits import ANCHOR_TOMBSTONES
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.dnssec.work import Work
from twisted_ext.limits import Limit
from twisted_ext.testing.internet.seededsigner import SigningKey, sign
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG

DAY = 86400

ZONE = nameFromText("example.com")

#: The owner's two keys, of which the first is stolen, and the thief's own.
STOLEN = SigningKey.generate(ECDSA_P256, "owner 1")
SPARE = SigningKey.generate(ECDSA_P256, "owner 2")
THIEF = SigningKey.generate(ECDSA_P256, "thief")

BEGIN = 20_000 * DAY

OFF = Limit(default=0, least=0, most=0)


class Validator:
    """
    A validator that trusts both keys of the owner and queries each day.
    """

    def __init__(self) -> None:
        self.point = TrustPoint(ZONE, [Anchor(ZONE, DNSKEY, key.dnskey) for key in (STOLEN, SPARE)])
        self.day = 0
        self.work = Work()

    def sees(self, keys: list[SigningKey], signers: list[SigningKey], days: int = 1) -> Round:
        """
        Return what the last of some days with this reply resulted in.
        """
        for _ in range(days):
            self.day += 1
            now = BEGIN + self.day * DAY
            rrset = RRSet(ZONE, DNSKEY, IN, 3600, tuple([key.dnskey for key in keys]))
            rdatas = tuple([rdata for key in signers for rdata in sign(rrset, key, ZONE, now - DAY, now + DAY).rdatas])
            self.work = Work()
            result = observeSet(self.point, rrset, RRSet(ZONE, RRSIG, IN, 3600, rdatas), now, self.work)
        return result

    def trusts(self, key: SigningKey) -> bool:
        return key.dnskey in self.point.anchors().keys


class StolenKeyTests(SynchronousTestCase):
    """
    Tests of the hold-down time and of revocation.
    """

    def test_thiefIsNotTrustedWithinThirtyDays(self) -> None:
        """
        The owner has thirty days to revoke the stolen key; then the thief's key is dropped. One check is made for each look.
        """
        validator = Validator()
        validator.sees([STOLEN, THIEF], [STOLEN, THIEF], days=29)
        self.assertEqual((validator.work.verifications, validator.work.failures), (1, 0))
        self.assertFalse(validator.trusts(THIEF))
        validator.sees([STOLEN.revoked(), SPARE], [STOLEN.revoked(), SPARE])
        self.assertEqual((validator.work.verifications, validator.work.failures), (2, 0))
        self.assertFalse(validator.trusts(STOLEN))
        # Whatever is signed with the stolen key from now on does not count.
        result = validator.sees([STOLEN, THIEF], [STOLEN, THIEF], days=100)
        self.assertFalse(result.validated)
        self.assertFalse(validator.trusts(THIEF) or validator.trusts(STOLEN))
        self.assertTrue(validator.trusts(SPARE))

    def test_withoutHoldDownTheThiefIsTrusted(self) -> None:
        """
        With the hold-down time off, the second look is enough.
        """
        validator = Validator()
        with patch.object(rollover, "ANCHOR_ADD_SECONDS", OFF):
            validator.sees([STOLEN, THIEF], [STOLEN, THIEF], days=2)
        self.assertTrue(validator.trusts(THIEF))

    def test_anHonestLookInBetweenBeginsAgain(self) -> None:
        """
        A thief who reaches the validator only some of the time never gets there.
        """
        validator = Validator()
        for _ in range(10):
            validator.sees([STOLEN, SPARE, THIEF], [STOLEN, THIEF], days=25)
            validator.sees([STOLEN, SPARE], [SPARE])
            self.assertFalse(validator.trusts(THIEF))

    def test_restartsDoNotHelpTheThief(self) -> None:
        """
        Neither a restart nor a state file that the disk damaged shortens the time.
        """
        validator = Validator()
        for _ in range(29):
            validator.sees([STOLEN, THIEF], [STOLEN, THIEF])
            validator.point = trustPointFromText(trustPointToText(validator.point), "state")
            self.assertFalse(validator.trusts(THIEF))

    def test_revokedKeyIsNotAddedAgain(self) -> None:
        """
        A revoked key stays untrusted for good, even if the other keys vouch for it; with revoked keys forgotten, it would be added.
        """
        for limit, trusted in ((ANCHOR_TOMBSTONES, False), (OFF, True)):
            validator = Validator()
            with patch.object(rollover, "ANCHOR_TOMBSTONES", limit):
                validator.sees([STOLEN.revoked(), SPARE], [STOLEN.revoked(), SPARE])
                validator.sees([SPARE], [SPARE], days=40)
                validator.sees([STOLEN, SPARE], [SPARE], days=40)
            self.assertIs(validator.trusts(STOLEN), trusted)

    def test_thiefCannotRevokeOtherKeys(self) -> None:
        """
        A key is revoked by its own signature alone.
        """
        validator = Validator()
        validator.sees([STOLEN, SPARE.revoked(), THIEF], [STOLEN, THIEF], days=3)
        self.assertTrue(validator.trusts(SPARE))
