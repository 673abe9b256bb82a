"""
Tests of L{twisted_ext.resolver.combine.aliasfollower}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome
from twisted_ext.resolver.combine.aliasfollower import targetOf
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText


class TargetTests(SynchronousTestCase):
    """
    Tests of L{targetOf}.
    """

    def test_whatDeniesATarget(self) -> None:
        """
        The target of an alias is left to look up unless the answer has an SOA record of a zone that it may be in. That of the alias's own
        zone, which some authoritative servers add, says nothing of a target outside.
        """
        alias = recordFromText("www.corp.example. 300 CNAME cdn.Public.example.")
        target = nameFromText("cdn.Public.example.")
        for zone, left in (
            ("", target), ("corp.example.", target), ("www.corp.example.", target), ("x.cdn.public.example.", target),
            ("public.example.", None), ("cdn.public.EXAMPLE.", None), ("example.", None), (".", None),
        ):  # fmt: skip
            authority = (recordFromText(f"{zone} 300 SOA a. b. 1 2 3 4 5"),) if zone else ()
            answer = Answer(Outcome.NODATA, (alias,), authority)
            self.assertEqual(targetOf(questionOf("www.corp.example"), answer), left, zone)
            self.assertIsNone(targetOf(questionOf("www.corp.example", "CNAME"), answer))
            self.assertIsNone(targetOf(questionOf("www.corp.example", "ANY"), answer))
        self.assertIsNone(targetOf(questionOf("other.corp.example"), Answer(Outcome.NODATA, (alias,))))
        self.assertIsNone(targetOf(questionOf("www.corp.example"), Answer(Outcome.NXDOMAIN, (alias,), rcode=3)))
        self.assertIsNone(targetOf(questionOf("www.corp.example"), Answer(Outcome.NODATA)))
