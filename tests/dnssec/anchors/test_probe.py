"""
Tests of L{twisted_ext.dnssec.anchors.managed} and L{twisted_ext.dnssec.anchors.managed}, with keys that sign.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.algorithms import ECDSA_P256, RSASHA256
from twisted_ext.dnssec.anchors.managed import ManagedAnchors, observeSet
from twisted_ext.dnssec.anchors.rollover import KeyState, Round, TrustPoint
from twisted_ext.dnssec.times import timeFromText
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor
from twisted_ext.dnssec.work import Work
from twisted_ext.testing.internet.seededsigner import SigningKey, sign
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, RRSIG

DAY = 86400

TTL = 172_800

OLD = SigningKey.generate(RSASHA256, "root 2017")
NEW = SigningKey.generate(RSASHA256, "root 2024")
ZSK = SigningKey.generate(ECDSA_P256, "root zone", flags=256)


def reply(keys: list[SigningKey], signers: list[SigningKey], now: int) -> tuple[RRSet, RRSet]:
    """
    Return the keys of the root and the signatures over them.
    """
    rrset = RRSet(ROOT, DNSKEY, IN, TTL, tuple([key.dnskey for key in keys]))
    rdatas = [rdata for key in signers for rdata in sign(rrset, key, ROOT, now - DAY, now + 20 * DAY).rdatas]
    return rrset, RRSet(ROOT, RRSIG, IN, TTL, tuple(rdatas))


class ProbeTests(SynchronousTestCase):
    """
    Tests for L{observeSet}.
    """

    def look(self, point: TrustPoint, keys: list[SigningKey], signers: list[SigningKey], now: int) -> Round:
        self.work = Work()
        return observeSet(point, *reply(keys, signers, now), now, self.work)

    def test_rootRollsWithRealSignatures(self) -> None:
        """
        From the digest of the old key alone, the new one is learned, and the old one revoked, by signatures.
        """
        point = TrustPoint(ROOT, [Anchor(ROOT, DS, OLD.ds(ROOT))])
        revoked = OLD.revoked()
        for date, keys, signers, trusted in (
            ("2024-12-01", [OLD, ZSK], [OLD], [OLD]),
            ("2025-01-11", [OLD, NEW, ZSK], [OLD], [OLD]),
            ("2025-02-09", [OLD, NEW, ZSK], [OLD], [OLD]),
            ("2025-02-10", [OLD, NEW, ZSK], [OLD], [OLD, NEW]),
            ("2026-10-11", [OLD, NEW, ZSK], [NEW], [OLD, NEW]),
            ("2027-01-11", [revoked, NEW, ZSK], [revoked, NEW], [NEW]),
            ("2027-03-22", [NEW, ZSK], [NEW], [NEW]),
            ("2027-04-22", [NEW, ZSK], [NEW], [NEW]),
        ):
            result = self.look(point, keys, signers, timeFromText(date))
            self.assertTrue(result.validated, result.events)
            self.assertEqual(point.anchors().keys, tuple([key.dnskey for key in trusted]), date)
            self.assertEqual(result.nextQuery, timeFromText(date) + DAY)
        self.assertEqual([key.state for key in point.keys.values()], [KeyState.REMOVED, KeyState.VALID])

    def test_checksAreLimitedByTrustedKeys(self) -> None:
        """
        A set with hundreds of keys and signatures costs one check for each trusted key at most.
        """
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey), Anchor(ROOT, DNSKEY, NEW.dnskey)])
        now = timeFromText("2026-01-01")
        others = [SigningKey.generate(ECDSA_P256, f"{number}") for number in range(30)]
        self.assertTrue(self.look(point, [OLD, NEW, *others], [*others, OLD, NEW], now).validated)
        self.assertEqual((self.work.verifications, self.work.failures), (2, 0))
        self.assertTrue(self.look(point, [OLD.revoked(), NEW, *others], [*others, OLD.revoked(), NEW], now + 2 * DAY).validated)
        self.assertEqual(self.work.verifications, 2)

    def test_wrongSignaturesSpendTheBudget(self) -> None:
        """
        Many wrong signatures with the tag of a trusted key end the check; nothing changes, and it is repeated later. With a larger budget
        the right one behind them is found.
        """
        now = timeFromText("2026-01-01")
        keys, signatures = reply([OLD, ZSK], [OLD], now)
        right = signatures.rdatas[0]
        wrong = tuple([right[:-2] + bytes([number, right[-1] ^ 1]) for number in range(6)])
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey)])
        result = observeSet(point, keys, RRSet(ROOT, RRSIG, IN, TTL, (*wrong, right)), now, Work())
        self.assertFalse(result.validated)
        self.assertEqual((point.failures, result.nextQuery, result.changed), (1, now + 3600, False))
        result = observeSet(point, keys, RRSet(ROOT, RRSIG, IN, TTL, (*wrong, right)), now, Work(failures=10, queryFailures=10))
        self.assertTrue(result.validated)

    def test_budgetThatEndsBehindAValidSignatureSuffices(self) -> None:
        """
        Wrong signatures of one trusted key do not hide the right one of another.
        """
        now = timeFromText("2026-01-01")
        keys, signatures = reply([NEW, OLD, ZSK], [NEW, OLD], now)
        first, right = signatures.rdatas
        wrong = tuple([right[:-2] + bytes([number, right[-1] ^ 1]) for number in range(6)])
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey), Anchor(ROOT, DNSKEY, NEW.dnskey)])
        work = Work()
        self.assertTrue(observeSet(point, keys, RRSet(ROOT, RRSIG, IN, TTL, (first, *wrong)), now, work).validated)
        self.assertGreater(work.failures, 1)

    def test_logSaysWhyNothingIsValid(self) -> None:
        """
        The log has the reason why the signature of the trusted key is not valid.
        """
        now = timeFromText("2026-01-01")
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey)])
        result = observeSet(point, *reply([OLD, ZSK], [ZSK, OLD], now - 100 * DAY), now, Work())
        self.assertIn(f"trust anchor .: no trusted key ({OLD.tag}) has a valid signature over the zone's keys; ", result.events[0])
        self.assertIn("expired", result.events[0])
        keys, _ = reply([OLD], [], now)
        self.assertFalse(observeSet(point, keys, None, now, Work()).validated)

    def test_revocationByAForgedSetIsRefused(self) -> None:
        """
        A set with the revoked form of a trusted key, without its signature, revokes nothing.
        """
        now = timeFromText("2026-01-01")
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey), Anchor(ROOT, DNSKEY, NEW.dnskey)])
        forger = SigningKey.generate(RSASHA256, "forger")
        result = self.look(point, [OLD.revoked(), NEW.revoked(), forger], [forger], now)
        self.assertFalse(result.validated or result.changed or result.deleted)

    def test_keyOfAnUnsupportedSizeIsNotFollowed(self) -> None:
        """
        A new key that the validator could not use is not followed.
        """
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey)])
        small = SigningKey.generate(RSASHA256, "small", bits=512)
        self.look(point, [OLD, small], [OLD], timeFromText("2026-01-01"))
        self.assertEqual(list(point.keys), [OLD.dnskey])


    @given(
        st.lists(st.one_of(st.binary(max_size=12), st.sampled_from([OLD.dnskey, OLD.revoked().dnskey, OLD.dnskey[:3]])), max_size=6),
        st.lists(st.one_of(st.binary(max_size=40), st.binary(max_size=300).map(b"\0\x30\x08\0".__add__)), max_size=6),
        st.integers(0, 2**33),
        st.integers(0, 2**32 - 1),
    )
    def test_noExceptionForAnyReply(self, rdatas: list[bytes], signatures: list[bytes], now: int, ttl: int) -> None:
        """
        Whatever a reply consists of, the round ends, and the trust point keeps its anchors.
        """
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, OLD.dnskey), Anchor(ROOT, DS, NEW.ds(ROOT))])
        keys = RRSet(ROOT, DNSKEY, IN, ttl, tuple(rdatas))
        result = observeSet(point, keys, RRSet(ROOT, RRSIG, IN, ttl, tuple(signatures)), now, Work())
        self.assertFalse(result.validated or result.changed)
        self.assertEqual(len(point.anchors().keys) + len(point.anchors().digests), 2)


class ManagedTests(SynchronousTestCase):
    """
    Tests for L{ManagedAnchors}.
    """

    def test_fixedAnchorsStay(self) -> None:
        """
        Anchors that are not managed are trusted whatever becomes of the others of the zone.
        """
        now = timeFromText("2026-01-01")
        managed = ManagedAnchors([Anchor(ROOT, DS, OLD.ds(ROOT)), Anchor(ROOT, DNSKEY, NEW.dnskey, False)])
        point = managed.points[ROOT]
        observeSet(point, *reply([OLD.revoked()], [OLD.revoked()], now), now, Work())
        managed.apply(point)
        found = managed.anchors.closest(ROOT)
        assert found is not None
        self.assertEqual((found.digests, found.keys), ((), (NEW.dnskey,)))
        self.assertIsNone(managed.due(now))

    def test_deletedTrustPointLeavesNothing(self) -> None:
        """
        Without others, a zone whose keys are all revoked is not a trust point.
        """
        now = timeFromText("2026-01-01")
        managed = ManagedAnchors([Anchor(ROOT, DNSKEY, OLD.dnskey)])
        observeSet(managed.points[ROOT], *reply([OLD.revoked()], [OLD.revoked()], now), now, Work())
        managed.apply(managed.points[ROOT])
        self.assertIsNone(managed.anchors.closest(ROOT))

    def test_stateCountsBeforeConfiguration(self) -> None:
        """
        A restored trust point keeps its keys; the state of a zone that is not configured is not used, which the log says.
        """
        point = TrustPoint(ROOT, [Anchor(ROOT, DNSKEY, NEW.dnskey)])
        other = TrustPoint(nameFromText("example.org"), [])
        managed = ManagedAnchors(ROOT_ANCHORS, [point, other])
        self.assertIs(managed.points[ROOT], point)
        found = managed.anchors.closest(ROOT)
        assert found is not None
        self.assertEqual((len(found.digests), found.keys), (2, (NEW.dnskey,)))
        self.assertEqual(
            managed.events, ("trust anchor example.org.: its state is not used, since no trust anchor is configured for it",)
        )

    def test_earliestIsDue(self) -> None:
        """
        Of several trust points, the one to be queried first is returned.
        """
        zone = nameFromText("example.org")
        managed = ManagedAnchors([*ROOT_ANCHORS, Anchor(zone, DNSKEY, NEW.dnskey)])
        managed.points[ROOT].nextQuery = 2000
        managed.points[zone].nextQuery = 1500
        self.assertEqual(managed.due(1000), (1500, managed.points[zone]))
        managed.points[zone].deleted = True
        self.assertEqual(managed.due(1000), (2000, managed.points[ROOT]))
