"""
Attack 15: zones whose denials take many NSEC3 hashes (CVE-2023-50868, CVE-2026-1519, CVE-2026-42923), at a whole resolver.
C{tests/dnssec/denial/test_attacks.py} tests the proofs alone.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase, boundless, record, replyWith
from tests.dnssec.chains import nsec3Set, numbers
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial import aggressive, nsec3, proving
from twisted_ext.errors import TrustFault
from twisted_ext.limits import Limit
from twisted_ext.testing.internet import Params
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

ENDLESS: Final = Limit(default=10**6, least=0, most=10**6)

SALT: Final = b"x" * 255

#: A name with 110 labels below the zone.
DEEP: Final = "a." * 110 + "evil.test"


class Hashing:
    """
    Counts the hashes, and their rounds.
    """

    def __init__(self) -> None:
        self.hashes = self.rounds = 0

    def hashOf(self, name: bytes, iterations: int, salt: bytes) -> int:
        self.hashes += 1
        self.rounds += iterations + 1
        return _hashOf(name, iterations, salt)


_hashOf: Final = nsec3.hashOf


class IterationTests(ValidatedTestCase):
    """
    Tests of zones with many iterations.
    """

    def setUp(self) -> None:
        super().setUp()
        self.hashing = Hashing()
        self.patch(nsec3, "hashOf", self.hashing.hashOf)

    def useless(self, iterations: int) -> None:
        """
        Make a zone that denies everything by an NSEC3 record which says nothing of any name.
        """

        def craft(reply: Message) -> Message | None:
            if reply.questions[0].rrType in (DNSKEY, DS):
                return None
            span = nsec3Set(nameFromText("evil.test"), bytes(20), bytes(19) + b"\1", numbers("A"), iterations=iterations, salt=SALT)
            soa = record("evil.test. 300 SOA ns1.evil.test. host.evil.test. 1 2 3 4 300")
            return replyWith(reply, (), self.signed(soa, span, key=key), rcode=Rcode.NXDOMAIN)

        key = self.evil(craft=craft)

    def test_tooManyIterationsAreInsecure(self) -> None:
        """
        A denial with 51 iterations or more is insecure, with EDE 27; nothing is hashed, and nothing is kept for other names.
        """
        for iterations in (51, 151, 65_535):
            self.beginAnew()
            self.useless(iterations)
            resolver = self.resolver()
            answer = resolver.look(DEEP)
            self.assertEqual((answer.outcome, answer.security), (Outcome.NXDOMAIN, Security.INSECURE))
            self.assertEqual([code for code, _ in answer.ede], [27])
            work = resolver.work
            self.assertEqual((work.verifications, work.failures, work.hashes, self.hashing.hashes), (5 + 2, 0, 0, 0))
            self.assertEqual(resolver.denials, 0)
            self.othersResolve(resolver)

    def test_withoutLimitIterationsAreHashed(self) -> None:
        """
        With the limit off, each name is hashed with all iterations.
        """
        self.useless(151)
        with patch.object(proving, "NSEC3_ITERATIONS", ENDLESS):
            self.resolver().fault(DEEP)
        self.assertEqual((self.hashing.hashes, self.hashing.rounds), (16, 16 * 152))

    def test_longNameTakesSixteenHashes(self) -> None:
        """
        With 50 iterations and the longest salt, a name of 112 labels takes sixteen hashes, and is bogus. No other server is asked.
        """
        self.useless(50)
        resolver = self.resolver()
        fault = resolver.fault(DEEP)
        self.assertIsInstance(fault, TrustFault)
        self.assertEqual(fault.ede[0][0], 6)
        self.assertEqual((resolver.work.hashes, resolver.work.verifications, self.hashing.rounds), (16, 5 + 2, 16 * 51))
        self.othersResolve(resolver)

    def test_withoutLimitEachLabelIsHashed(self) -> None:
        """
        With the limits off, each label takes a hash, at each of the four addresses of servers.
        """
        self.useless(50)
        with patch.object(proving, "NSEC3_PROOF_HASHES", ENDLESS):
            self.resolver().fault(DEEP, work=boundless())
        self.assertEqual(self.hashing.hashes, 4 * 111)


class DelegationTests(ValidatedTestCase):
    """
    Tests of the way to a zone that is not signed (CVE-2026-1519).
    """

    def delegated(self, iterations: int) -> Resolver:
        """
        Return a resolver that has looked up a name in an insecure zone below one with NSEC3.
        """
        self.evil(nsec3=Params(iterations, SALT))
        self.internet.zone("plain.evil.test", "www A 192.0.2.7", signed=False)
        resolver = self.resolver()
        self.assertIs(resolver.look("www.plain.evil.test").security, Security.INSECURE)
        return resolver

    def test_fewHashesOnTheWay(self) -> None:
        """
        With 50 iterations, the delegation takes one hash; with 51, none.
        """
        for iterations, hashes in ((50, 1), (51, 0)):
            self.beginAnew()
            work = self.delegated(iterations).work
            self.assertEqual((work.hashes, work.verifications, work.failures), (hashes, 6, 0))

    def test_withoutLimitIterationsAreHashed(self) -> None:
        """
        With the limit off, the delegation is hashed with all iterations.
        """
        hashing = Hashing()
        with patch.object(proving, "NSEC3_ITERATIONS", ENDLESS), patch.object(nsec3, "hashOf", hashing.hashOf):
            self.delegated(150)
        self.assertEqual((hashing.hashes, hashing.rounds), (1, 151))


class AggressiveTests(ValidatedTestCase):
    """
    Tests of the denials that are known (CVE-2026-42923).
    """

    def deepNames(self, count: int) -> Hashing:
        """
        Look up deep names that known records deny, or nearly.
        """
        self.evil("www 300 A 192.0.2.66\n" + "a." * 50 + "c 300 A 192.0.2.66", nsec3=Params(50, SALT))
        resolver = self.resolver()
        for name in ("no", "x." + "a." * 49 + "c", "x." + "a." * 40 + "c"):
            resolver.look(f"{name}.evil.test")
        hashing = Hashing()
        store = resolver.validating.denials
        assert store is not None
        with patch.object(nsec3, "hashOf", hashing.hashOf):
            for number in range(count):
                missing = nameFromText(f"x{number}." + "a." * 45 + "c.evil.test")
                store.deny(missing, 1, resolver.here.seconds())
        return hashing

    def test_knownDenialsTakeEightHashes(self) -> None:
        """
        No name takes more than eight hashes to find out whether known records deny it.
        """
        self.assertEqual(self.deepNames(100).hashes, 100 * 8)

    def test_withoutLimitEachLabelIsHashed(self) -> None:
        """
        With the limit off, nearly each label takes one.
        """
        with patch.object(aggressive, "AGGRESSIVE_HASHES", ENDLESS):
            self.assertGreater(self.deepNames(100).hashes, 100 * 40)
