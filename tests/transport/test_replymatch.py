"""
Tests of the match between queries and replies.
"""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import isBareFailure, isReplyTo, mixed
from twisted_ext.wire.message import Question

WIRE = questionOf("www.test.example").toWire()
HEADER = b"\x00\x07\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00"


class MatchingTests(SynchronousTestCase):
    """
    Tests for L{isReplyTo} and L{isBareFailure}.
    """

    def test_replyMatchesItsQuestion(self) -> None:
        """
        A reply with our question matches in any case, unless the case must be kept.
        """
        self.assertTrue(isReplyTo(HEADER + WIRE, WIRE, True))
        self.assertTrue(isReplyTo(HEADER + WIRE + b"and more", WIRE, True))
        shouted = WIRE[:-4].upper() + WIRE[-4:]
        self.assertTrue(isReplyTo(HEADER + shouted, WIRE, False))
        self.assertFalse(isReplyTo(HEADER + shouted, WIRE, True))

    def test_otherMessagesDoNotMatch(self) -> None:
        """
        Queries, other opcodes, other questions, none or two of them, and fragments do not match.
        """
        for octets in (
            b"",
            HEADER,
            (HEADER + WIRE)[:-1],
            b"\x00\x07\x01" + HEADER[3:] + WIRE,
            b"\x00\x07\xa9" + HEADER[3:] + WIRE,
            HEADER[:4] + b"\x00\x00" + HEADER[6:] + WIRE,
            HEADER[:4] + b"\x00\x02" + HEADER[6:] + WIRE,
            HEADER + questionOf("www.example.invalid").toWire(),
            HEADER + questionOf("www.test.example", "AAAA").toWire(),
            HEADER + WIRE[:-2] + b"\x00\x03",
        ):
            self.assertFalse(isReplyTo(octets, WIRE, False))

    def test_typesAreNotCaseFolded(self) -> None:
        """
        Type 65 does not match type 97, although their octets are A and a.
        """
        https, other = Question(b"\x00", 65).toWire(), Question(b"\x00", 97).toWire()
        self.assertFalse(isReplyTo(HEADER + other, https, False))

    def test_bareFailureIsAHeaderWithError(self) -> None:
        """
        A bare failure is a header with an error rcode, and nothing else.
        """
        bare = b"\x00\x07\x81\x81" + bytes(8)
        self.assertTrue(isBareFailure(bare))
        for octets in (bare + b"\x00", b"\x00\x07\x81\x80" + bytes(8), b"\x00\x07\x01\x81" + bytes(8), b"\x00\x07\x81\x83" + bytes(8)):
            self.assertFalse(isBareFailure(octets))


def _repeated(mask: int, count: int) -> bytes:
    return mask.to_bytes(2, "big") * (count // 2)


class MixingTests(SynchronousTestCase):
    """
    Tests for L{mixed}.
    """

    def test_onlyTheCaseIsRandom(self) -> None:
        """
        Letters get a random case, and everything else is unchanged.
        """
        question = Question(b"\x0cWwW-1.eXa\xc4\x00zZ\x04test\x00", 65)
        seen = {mixed(question, Draw()) for _ in range(200)}
        self.assertGreater(len(seen), 150)
        for octets in seen:
            self.assertEqual(octets[:-4].lower(), question.name.lower())
            self.assertEqual(octets[-4:], question.key[-4:])

    def test_eachLetterHasItsBit(self) -> None:
        """
        Each letter has a random bit of its own.
        """
        question = questionOf("aaaaaaaa.aaaaaaa")
        for mask in (0x0000, 0xFFFF, 0x5555):
            octets = mixed(question, Draw(partial(_repeated, mask)))
            letters = [octets[1 + index : 2 + index] for index in range(8)]
            self.assertEqual([letter.isupper() for letter in letters], [bool(mask >> 1 + index & 1) for index in range(8)])
