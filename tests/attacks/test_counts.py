"""
Attack 24: headers with wrong counts, octets after the end, two OPT records, endless options (CVE-2026-41292, CVE-2026-42944,
CVE-2026-42004).
"""

from __future__ import annotations

from struct import pack

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import CountingBytes, counting
from tests.networks import NetworkTestCase, socketOf
from twisted_ext.answers import Answer, Origin
from twisted_ext.errors import BadMessage
from twisted_ext.limits import EDNS_OPTIONS, Limit
from twisted_ext.outcomes import answerFromReply, ignoredIn
from twisted_ext.resolver.forward import lookup
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire import message
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message, Question

VICTIM = questionOf("victim.test")
QUESTION = VICTIM.toWire()
RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x42"
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


def header(*counts: int) -> bytes:
    """
    Return the header of a reply, without its ID.
    """
    return b"\x81\x80" + pack(">HHHH", *counts)


def options(count: int) -> bytes:
    """
    Return an OPT record with so many empty options.
    """
    return b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + pack(">H", 4 * count) + b"\x00\x03\x00\x00" * count


#: Messages whose header does not match their content.
LIARS = {
    "65,535 questions in twelve octets": header(65535, 0, 0, 0),
    "65,535 of everything": header(65535, 65535, 65535, 65535) + QUESTION,
    "a question that is not there": header(2, 0, 0, 0) + QUESTION,
    "65,535 answers": header(1, 65535, 0, 0) + QUESTION + RECORD,
    "65,535 authorities": header(1, 1, 65535, 0) + QUESTION + RECORD,
    "65,535 additionals": header(1, 1, 0, 65535) + QUESTION + RECORD + OPT,
    "two OPT records": header(1, 1, 0, 2) + QUESTION + RECORD + OPT + OPT,
    "OPT among the answers": header(1, 2, 0, 0) + QUESTION + RECORD + OPT,
    "sixteen thousand options": header(1, 1, 0, 1) + QUESTION + RECORD + options(16000),
    "an option longer than its record": header(1, 1, 0, 1) + QUESTION + RECORD + OPT[:-1] + b"\x05\x00\x03\xff\xff\x00",
}


class MessageTests(SynchronousTestCase):
    """
    Messages by themselves.
    """

    def test_attack24_lyingMessagesAreRefused(self) -> None:
        """
        Both parsers refuse each message, at a cost of no more than its octets.
        """
        for what, body in LIARS.items():
            with self.subTest(what):
                wire = CountingBytes(b"\x12\x34" + body)
                with counting() as work:
                    self.assertRaises(BadMessage, lambda wire=wire: Message.fromWire(wire).check())
                self.assertLessEqual(work.names, len(wire))
                self.assertLess(wire.touched, 2 * len(wire) + 64)
                if body[2:4] == b"\x00\x01":
                    # The fast parser takes replies with exactly our question.
                    self.assertRaises(BadMessage, answerFromReply, VICTIM, bytes(wire), Origin("udp"))

    def test_attack24_uncountedRecordsAreIgnored(self) -> None:
        """
        What is behind the records that the header counts is not read, and no part of what is kept or passed on, be it a whole message.
        """
        whole = b"\x12\x34" + header(1, 1, 0, 0) + QUESTION + RECORD
        for tail in (b"\x00", RECORD[:-1] + b"\x43", OPT, whole, b"\xc0\x0c" * 1000):
            answer = answerFromReply(VICTIM, whole + tail, Origin("udp"))
            self.assertEqual([rrset.rdatas for rrset in answer.answer], [(b"\xc0\x00\x02\x42",)])
            self.assertEqual(answer.wire, whole)
            self.assertEqual(ignoredIn(answer), {"ignored": len(tail)})
        self.assertEqual(ignoredIn(answerFromReply(VICTIM, whole, Origin("udp"))), {})

    def test_attack24_optionsAreLimited(self) -> None:
        """
        A hundred options are read, and one more is refused. Without that limit all sixteen thousand would be read.
        """
        most = int(EDNS_OPTIONS.default)

        def read(count: int) -> int:
            found = Message.fromWire(b"\x12\x34" + header(0, 0, 0, 1) + options(count)).check().edns
            assert found is not None
            return len(found.options)

        self.assertEqual(read(most), most)
        self.assertRaises(BadMessage, read, most + 1)
        self.patch(message, "EDNS_OPTIONS", Limit(1 << 20, 1, 1 << 20))
        self.assertEqual(read(16000), 16000)

    def test_attack24_firstOfRepeatedOptionsCounts(self) -> None:
        """
        The first of several equal options counts, so that it is answered once.
        """
        found = EDNS(1232, 0, tuple([(3, bytes([number])) for number in range(50)]))
        self.assertEqual(found.option(3), b"\x00")
        again = Message.fromWire(buildMessage(Message(0, 0x8180, (VICTIM,), edns=found))).check().edns
        assert again is not None
        self.assertEqual(again.option(3), b"\x00")


class LookupTests(NetworkTestCase):
    """
    The same messages during a look-up.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(records={("victim.test", "A"): "192.0.2.80"})
        self.canned.silentTo = "tcp"
        self.network.shape(source="192.0.2.53", delay=0.1)

    def meet(self, body: bytes) -> list[str]:
        """
        Return the result of a look-up during which that message arrives.
        """
        asked = self.ask(self.forward(self.server), "victim.test")
        (port,) = self.here.ports()
        (key,) = socketOf(port).keys
        self.network.inject(key + body, ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.network.advance(6)
        return self.told(asked)

    def test_attack24_lookupWaitsForValidReply(self) -> None:
        """
        None of the messages is taken as the answer. A lenient parser, such as Twisted's, would take the forged address.
        """
        for what, body in LIARS.items():
            with self.subTest(what):
                self.assertEqual(self.meet(body), ["192.0.2.80"])

        def lenient(question: Question, octets: bytes, origin: Origin) -> Answer:
            return answerFromReply(question, b"\x12\x34" + header(1, 1, 0, 0) + QUESTION + RECORD, origin)

        self.patch(lookup, "answerFromReply", lenient)
        for what in ("65,535 answers", "two OPT records", "sixteen thousand options"):
            with self.subTest(what):
                self.assertEqual(self.meet(LIARS[what]), ["192.0.2.66"])
