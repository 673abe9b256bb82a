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
        Return the mail targets of example.org for these records.
        """
        return [
            str(target)
            for target in targetsOf("example.org", [MX.fromText(text) for text in texts], Random(seed))
        ]

    def test_lowestPreferenceComesFirst(self) -> None:
        """
        The lowest preference comes first, at the port for mail.
        """
        self.assertEqual(self.find("20 b.example.", "10 a.example."), ["a.example:25", "b.example:25"])

    def test_equalPreferencesShareTheLoad(self) -> None:
        """
        Mail is spread over hosts of one preference (RFC 5321, section 5.1).
        """
        firsts = Counter(
            self.find("1 a.example.", "1 b.example.", "1 c.example.", seed=seed)[0] for seed in range(3000)
        )
        self.assertEqual(len(firsts), 3)
        self.assertTrue(all(abs(count - 1000) < 100 for count in firsts.values()), firsts)

    def test_noRecordsMeanTheDomainItself(self) -> None:
        """
        A domain without MX records receives its mail itself.
        """
        self.assertEqual(self.find(), ["example.org:25"])

    def test_nullMXMeansNotOffered(self) -> None:
        """
        A null MX means that a domain receives no mail (RFC 7505), unless there are other records.
        """
        self.assertRaises(NotOffered, self.find, "0 .")
        self.assertEqual(self.find("0 .", "10 a.example."), ["a.example:25"])

    def test_invalidHostsAreSkipped(self) -> None:
        """
        Invalid hosts are skipped, and the domain does not take their place.
        """
        self.assertEqual(self.find("0 192.0.2.1.", "10 a.example."), ["a.example:25"])
        self.assertRaises(UnusableRecords, self.find, "0 192.0.2.1.")

    def test_targetsAreBounded(self) -> None:
        """
        The number of targets is bounded for thousands of records.
        """
        found = self.find(*[f"{number} h{number}.example." for number in range(2000)])
        self.assertEqual(len(found), SERVICE_TARGETS.default)
        self.assertEqual(found[0], "h0.example:25")
