"""
Tests of what is said of answers that are bogus for unusual reasons, with L{twisted_ext.testing.internet}.
"""

from __future__ import annotations

from base64 import b32hexencode

from tests.attacks.validated import ValidatedTestCase, record, replyWith
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.internet.seededsigner import SigningKey
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, NSEC3, A


class ReasonTests(ValidatedTestCase):
    """
    Tests of the first reason.
    """

    def reason(self, rrType: str = "A") -> str:
        """
        Return the text of the failure.
        """
        return str(self.resolver().fault("www.evil.test", rrType))

    def test_algorithmOfSignature(self) -> None:
        """
        A signature of another algorithm than its key is said to be so; the key is not said to be missing.
        """
        self.evil()
        self.internet.inject(Fault.WRONG_SIGNATURE_ALGORITHM, "evil.test", rrType="A")
        said = self.reason()
        self.assertRegex(said, r": the key is of algorithm ED25519, but the signature is of \w+")
        self.assertNotIn("no key", said)

    def test_keyWithoutZoneBit(self) -> None:
        """
        A signature by a key without the zone key bit says that of the key.
        """
        other = SigningKey.generate(15, "other", flags=0)

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType == DNSKEY:
                return replyWith(reply, self.signed(RRSet(question.name, DNSKEY, 1, 300, (key.dnskey, other.dnskey)), key=key))
            if question.rrType == DS:
                return None
            return replyWith(reply, self.signed(RRSet(question.name, A, 1, 300, (b"\xc0\0\2\x42",)), key=other))

        key = self.evil(craft=craft)
        said = self.reason()
        self.assertIn(f"key {other.tag} of evil.test. has no zone key bit", said)
        self.assertNotIn("no key", said)

    def test_hashOfOtherLength(self) -> None:
        """
        An NSEC3 record of an unknown hash algorithm is said to be so, whatever the length of its hash is.
        """

        def craft(reply: Message) -> Message | None:
            if reply.questions[0].rrType in (DNSKEY, DS):
                return None
            owner = b"\x34" + b32hexencode(bytes(32)).lower().rstrip(b"=") + nameFromText("evil.test")
            denial = RRSet(owner, NSEC3, 1, 300, (b"\x06\0\0\0\0\x20" + bytes(31) + b"\x01",))
            soa = record("evil.test. 300 SOA ns.evil.test. host.evil.test. 1 2 3 4 300")
            return replyWith(reply, (), self.signed(soa, denial, key=key))

        key = self.evil(craft=craft)
        self.assertIn(" has the unknown hash algorithm 6", self.reason())
