"""
Tests of the order of records in an answer: see L{twisted_ext.outcomes.relevant}.
"""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Origin, Outcome
from twisted_ext.outcomes import answerFromReply, relevant
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet


def signature(owner: str, covered: str) -> str:
    """
    Return a signature.
    """
    return f"{owner} 300 RRSIG {covered} 13 2 300 20300101000000 20200101000000 7 example. AAAA"


def records(lines: list[str]) -> tuple[RRSet, ...]:
    """
    Return RRsets from lines, each of one record.
    """
    return tuple([recordFromText(line) for line in lines])


#: Answers to the question for an address of C{www.example.}, each as it should be.
ORDERED = {
    "an alias": ["www.example. 300 CNAME t.example.", "t.example. 300 A 192.0.2.1"],
    "three aliases": [
        "www.example. 300 CNAME b.example.", "b.example. 300 CNAME c.example.", "c.example. 300 CNAME d.example.",
        "d.example. 300 A 192.0.2.1",
    ],
    "signed": [
        "www.example. 300 CNAME t.example.", signature("www.example.", "CNAME"), "t.example. 300 A 192.0.2.1", signature("t.example.", "A"),
    ],
    "a DNAME": [
        "example. 300 DNAME example.net.", signature("example.", "DNAME"), "www.example. 300 CNAME www.example.net.",
        "www.example.net. 300 A 192.0.2.1",
    ],
    "an alias alone": ["www.example. 300 CNAME b.example.", "b.example. 300 CNAME c.example."],
    "signed data": ["www.example. 300 A 192.0.2.1", signature("www.example.", "A")],
}  # fmt: skip


class OrderTests(SynchronousTestCase):
    """
    Tests of answers whose records a server has sent in any order.
    """

    def test_aliasesComeFirst(self) -> None:
        """
        Aliases come first, as they follow each other, then the data, each with its signatures, however a server has sent them: the address
        functions of the C library find no address in front of its alias.
        """
        question = questionOf("www.example")
        for case, lines in ORDERED.items():
            for order in permutations(lines):
                reply = Message(1, 0x8180, (question,), records(list(order)))
                answer = answerFromReply(question, buildMessage(reply), Origin("udp", "192.0.2.1:53"))
                if case == "signed data":
                    # A set beside its signatures is found in any order.
                    self.assertEqual(set(answer.answer), set(records(lines)))
                    continue
                self.assertEqual(answer.answer, records(lines), (case, order))
                self.assertIs(answer.outcome, Outcome.NODATA if case == "an alias alone" else Outcome.DATA)
                # What is passed on as octets is in order as well.
                self.assertTrue(not answer.wire or list(order) == lines)

    def test_unrelatedRecordsAreDropped(self) -> None:
        """
        Records that the chain does not lead to are dropped from an answer that is put in order, and a loop ends.
        """
        question = questionOf("www.example")
        foreign = ["other.example. 300 A 192.0.2.2", "t.example. 300 TXT x"]
        lines = ["t.example. 300 A 192.0.2.1", *foreign, "www.example. 300 CNAME t.example."]
        self.assertEqual(relevant(question, records(lines)), records([lines[3], lines[0]]))
        lines = ["b.example. 300 CNAME www.example.", "www.example. 300 CNAME b.example."]
        self.assertEqual(relevant(question, records(lines)), records(lines[::-1]))

    def test_orderedAnswerIsLeftAlone(self) -> None:
        """
        An answer that is in order is not copied, so that the octets that it came in can be sent on.
        """
        for lines in ORDERED.values():
            answer = records(lines)
            self.assertIs(relevant(questionOf("www.example"), answer), answer)
