"""
Attack 16, by mistake: servers that make an NSEC3 record for each question, and leave types out of its list which they have not looked for,
so that denials that are made from it deny what exists.
"""

from __future__ import annotations

from typing import Final

from tests.attacks.validated import ValidatedTestCase, replyWith
from tests.dnssec.chains import nsec3Set
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial import aggressive
from twisted_ext.dnssec.denial.nsec3 import hashOf
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, DNSKEY, DS, RRSIG, SOA, A

_ZONE: Final = nameFromText("evil.test")

_SOA: Final = recordFromText("evil.test. 300 SOA ns.evil.test. host.evil.test. 1 2 3 4 300")


class MinimalSpanTests(ValidatedTestCase):
    """
    Tests with a server whose NSEC3 records cover one hash at most.
    """

    def setUp(self) -> None:
        super().setUp()

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType in (DNSKEY, DS):
                return None
            if question.rrType in (A, AAAA):
                data = b"\xc0\0\2\x42" if question.rrType == A else bytes(16)
                return replyWith(reply, self.signed(RRSet(question.name, question.rrType, 1, 300, (data,)), key=key))
            digest = hashOf(question.name.lower(), 0, b"")
            # It has not looked whether there are addresses.
            denial = nsec3Set(_ZONE, digest.to_bytes(20, "big"), (digest + 1).to_bytes(20, "big"), (SOA, RRSIG), ttl=300)
            return replyWith(reply, (), self.signed(_SOA, denial, key=key))

        key = self.evil(craft=craft)

    def outcomes(self) -> list[tuple[Outcome, Security]]:
        """
        Ask for a type that does not exist, and then for those that do.
        """
        resolver = self.resolver()
        answers = [resolver.look("www.evil.test", rrType) for rrType in ("MX", "A", "AAAA")]
        return [(answer.outcome, answer.security) for answer in answers]

    def test_otherTypesExist(self) -> None:
        """
        The denial of one type is secure, and other types are asked for.
        """
        data = (Outcome.DATA, Security.SECURE)
        self.assertEqual(self.outcomes(), [(Outcome.NODATA, Security.SECURE), data, data])
        self.assertIn("A", self.asked())

    def test_withoutDefense(self) -> None:
        """
        If these records were stored, the addresses would be denied, as if that were proved.
        """
        self.patch(aggressive, "_MINIMAL", frozenset())
        self.assertEqual(self.outcomes(), [(Outcome.NODATA, Security.SECURE)] * 3)
        self.assertNotIn("A", self.asked())
