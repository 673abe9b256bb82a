"""
Tests of L{twisted_ext.discovery.mail}.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery.limits import SERVICE_TARGETS
from twisted_ext.discovery.mail import targetsOf
from twisted_ext.errors import NotOffered, UnusableRecords
from twisted_ext.wire.rdata.types.names import MX

__all__: list[str] = []


class MailTests(SynchronousTestCase):
    """
    Tests of L{targetsOf}.
    """

    def find(self, *texts: str, seed: int = 1) -> list[str]:
        """
        @return: where these records have the mail for example.org go.
        """
        return [
            str(target)
            for target in targetsOf("example.org", [MX.fromText(text) for text in texts], Random(seed))
        ]

    def test_order(self) -> None:
        """
        The lowest preference comes first, at the port of mail.
        """
        self.assertEqual(self.find("20 b.example.", "10 a.example."), ["a.example:25", "b.example:25"])

    def test_even(self) -> None:
        """
        Mail is spread over hosts of one preference (RFC 5321, section 5.1).
        """
        firsts = Counter(
            self.find("1 a.example.", "1 b.example.", "1 c.example.", seed=seed)[0] for seed in range(3000)
        )
        self.assertEqual(len(firsts), 3)
        self.assertTrue(all(abs(count - 1000) < 100 for count in firsts.values()), firsts)

    def test_itself(self) -> None:
        """
        A domain without MX records takes its mail itself.
        """
        self.assertEqual(self.find(), ["example.org:25"])

    def test_null(self) -> None:
        """
        A domain may say that it takes no mail (RFC 7505), but not beside saying where.
        """
        self.assertRaises(NotOffered, self.find, "0 .")
        self.assertEqual(self.find("0 .", "10 a.example."), ["a.example:25"])

    def test_unusable(self) -> None:
        """
        What is no host is passed over, and the domain does not take its place.
        """
        self.assertEqual(self.find("0 192.0.2.1.", "10 a.example."), ["a.example:25"])
        self.assertRaises(UnusableRecords, self.find, "0 192.0.2.1.")

    def test_bounded(self) -> None:
        """
        Of thousands of records the first few are tried.
        """
        found = self.find(*[f"{number} h{number}.example." for number in range(2000)])
        self.assertEqual(len(found), SERVICE_TARGETS.default)
        self.assertEqual(found[0], "h0.example:25")
