"""
Tests of how responses of DNS over HTTPS are judged.
"""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis.strategies import binary, integers
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadMessage
from twisted_ext.limits import HTTPS_PAUSE
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.https.requests import aged, ageOf, declined, shownText
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, A

KIND = (b"content-type", b"application/dns-message")


def replyWith(*ttls: int) -> bytes:
    """
    Return a reply with these TTLs in its sections, and an OPT record whose flags are set.
    """
    name = b"\x03www\x04test\x07example\x00"
    rdatas = (b"\xc0\x00\x02\x01", b"\x02ns\x04test\x07example\x00", b"\xc0\x00\x02\x02")
    answer, authority, additional = [
        RRSet(name, rrType, 1, ttl, (rdata,)) for rrType, ttl, rdata in zip((A, NS, A), ttls, rdatas, strict=True)
    ]
    question = questionOf("www.test.example")
    return buildMessage(Message(0, 0x8180, (question,), (answer,), (authority,), (additional,), EDNS(1232, 0x8000)))


class AgeTests(SynchronousTestCase):
    """
    Tests of TTLs of replies from HTTP caches.
    """

    def test_ttlsAreLessened(self) -> None:
        """
        All TTLs are lessened, down to zero, and the flags of OPT stay.
        """
        message = Message.fromWire(aged(replyWith(300, 100, 50), 100))
        self.assertEqual([rrset.ttl for rrset in (*message.answer, *message.authority, *message.additional)], [200, 0, 0])
        assert message.edns is not None
        self.assertEqual(message.edns.flags, 0x8000)

    def test_hugeTTLIsZero(self) -> None:
        """
        A TTL with the highest bit set means zero (RFC 2181, section 8).
        """
        octets = replyWith(300, 300, 300)
        changed = aged(octets.replace((300).to_bytes(4, "big"), b"\x80\x00\x01\x00"), 1)
        self.assertEqual({rrset.ttl for rrset in Message.fromWire(changed).answer}, {0})

    def test_malformedMessages(self) -> None:
        """
        Messages that are cut off anywhere raise one exception.
        """
        octets = replyWith(300, 300, 300)
        for end in range(12, len(octets)):
            self.assertRaises(BadMessage, aged, octets[:end], 5)

    def test_ageIsRead(self) -> None:
        """
        The age is a number of seconds; anything else is ignored, and large numbers are clamped.
        """
        for text, expected in ((b"0", 0), (b"17", 17), (b"-1", 0), (b"x", 0), (b"", 0), (b"1.5", 0), (b"9" * 5000, 0x7FFFFFFF)):
            self.assertEqual(ageOf([(b":status", b"200"), (b"age", text)]), expected)
        self.assertEqual(ageOf([]), 0)


@given(binary(min_size=12, max_size=200), integers(0, 0x7FFFFFFF))
def test_anyOctetsAreAgedOrRefused(octets: bytes, seconds: int) -> None:
    """
    Any octets are returned with the same length, or refused with one exception.
    """
    try:
        assert len(aged(octets, seconds)) == len(octets)
    except BadMessage:
        pass


class DeclinedTests(SynchronousTestCase):
    """
    Tests of responses that carry no reply.
    """

    def pause(self, status: bytes, *headers: tuple[bytes, bytes]) -> float:
        """
        Return the pause that a response asks for.
        """
        trouble = declined([(b":status", status), *headers])
        assert trouble is not None
        return trouble.pause

    def test_goodResponse(self) -> None:
        """
        A DNS message is not declined, whatever the case and the parameters of its content type.
        """
        for kind in (b"application/dns-message", b"Application/DNS-Message; charset=x"):
            self.assertIsNone(declined([(b":status", b"200"), (b"content-type", kind)]))
        self.assertIsNone(declined([(b":status", b"200"), KIND, (b"content-encoding", b"identity")]))

    def test_retryAfter(self) -> None:
        """
        A pause is given in seconds, or as a date that is compared with the response's; it is within limits, and has a default.
        """
        date = (b"date", b"Sat, 21 Nov 2026 18:00:00 GMT")
        default = HTTPS_PAUSE.default
        self.assertEqual(self.pause(b"429", (b"retry-after", b"20")), 20)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"Sat, 21 Nov 2026 18:01:00 GMT"), date), 60)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"Sat, 21 Nov 2026 17:00:00 GMT"), date), HTTPS_PAUSE.least)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"9" * 40)), HTTPS_PAUSE.most)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"0")), HTTPS_PAUSE.least)
        for text in (b"soon", b"-5", b"", b"Sat, 99 Nov 2026", b"\xff"):
            self.assertEqual(self.pause(b"503", (b"retry-after", text), date), default)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"Sat, 21 Nov 2026 18:01:00 GMT")), default)
        self.assertEqual(self.pause(b"503", (b"retry-after", b"Sat, 21 Nov 2026 18:01:00"), date), default)
        self.assertEqual(self.pause(b"429"), default)
        self.assertEqual(self.pause(b"500", (b"retry-after", b"20")), 0)

    def test_foreignTextsAreOneLine(self) -> None:
        """
        Texts of servers are shortened and have no control characters.
        """
        dice = Random(8484)
        for _ in range(100):
            shown = shownText(dice.randbytes(200))
            self.assertTrue(shown.isprintable())
            self.assertLess(len(shown), 180)

    def test_noStatus(self) -> None:
        """
        A response without a status is malformed.
        """
        trouble = declined([])
        assert trouble is not None
        self.assertTrue(trouble.malformed)
