"""
Tests of L{twisted_ext.watch.states}.
"""

from __future__ import annotations

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import BadRecord
from twisted_ext.testing.sources import answerOf, questionOf
from twisted_ext.watch.states import Change, Sought, State, stateOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import MX, TXT, A

__all__: list[str] = []

QUESTION = questionOf("www.example.org")
DENIED = Answer(Outcome.NXDOMAIN, rcode=3)


def state(*texts: str, name: str = "www.example.org", rrType: str = "A", ttl: int = 300) -> State:
    """
    Return the state of a name with these records.
    """
    question = questionOf(name, rrType)
    return stateOf(question, answerOf(question, texts, ttl))


class StateTests(SynchronousTestCase):
    """
    Tests of the comparison of states.
    """

    def test_orderTTLAndCaseAreNoChange(self) -> None:
        """
        The order of records, their TTLs and the letter case of names in them are not a change.
        """
        self.assertEqual(state("192.0.2.1", "192.0.2.2"), state("192.0.2.2", "192.0.2.1", ttl=3))
        self.assertEqual(state("10 Mail.EXAMPLE.org.", rrType="MX"), state("10 mail.example.org.", rrType="MX"))
        self.assertEqual(hash(state("10 A.", rrType="MX")), hash(state("10 a.", rrType="MX")))
        self.assertEqual(state("192.0.2.10", "192.0.2.9").texts, ("192.0.2.9", "192.0.2.10"))

    def test_differentRecordsAreAChange(self) -> None:
        """
        An added, removed or changed record is a change. So are a denied name, a name without records and a failed look-up.
        """
        states = [
            state("192.0.2.1"),
            state("192.0.2.1", "192.0.2.2"),
            state("192.0.2.3"),
            state(),
            stateOf(QUESTION, DENIED),
            State(None, error=ValueError("no")),
        ]
        for index, each in enumerate(states):
            self.assertEqual([each == other for other in states], [index == other for other in range(len(states))])
        self.assertNotEqual(state("abc", rrType="TXT"), state("ABC", rrType="TXT"))
        self.assertNotEqual(states[0], "192.0.2.1")

    def test_differentErrorsAreNoChange(self) -> None:
        """
        A failed look-up equals another one, whatever their errors are.
        """
        self.assertEqual(State(None, error=ValueError("one")), State(None, error=ValueError("other")))

    def test_stateAndChangeAsText(self) -> None:
        """
        A state and a change are shown as one line.
        """
        first, denied = state("192.0.2.1", "192.0.2.2"), stateOf(QUESTION, DENIED)
        self.assertEqual(str(first), "192.0.2.1, 192.0.2.2")
        self.assertEqual(str(Change(None, first)), "192.0.2.1, 192.0.2.2")
        self.assertEqual(str(Change(first, denied)), "no such name (was 192.0.2.1, 192.0.2.2)")
        self.assertEqual(str(Change(denied, state())), "no such records (was no such name)")
        failing = State(None, error=ValueError("silence"))
        self.assertEqual(str(failing), "not known: silence")
        self.assertIn("silence", repr(Change(first, failing)) + repr(failing))

    def test_malformedRdataIsShownAsOctets(self) -> None:
        """
        Malformed rdata is shown as octets and takes part in the comparison.
        """
        sets = [RRSet(QUESTION.name, A, 1, 60, (octets,)) for octets in (b"\1\2\3", b"\1\2\4")]
        one, other = [stateOf(QUESTION, Answer(Outcome.DATA, (each,))) for each in sets]
        self.assertEqual(one.texts, ("\\# 3 010203",))
        self.assertNotEqual(one, other)


class SoughtTests(SynchronousTestCase):
    """
    Tests of L{Sought}.
    """

    def test_recordIsFoundInAnySpelling(self) -> None:
        """
        A record is found in any spelling.
        """
        self.assertTrue(Sought(28, "2001:DB8:0::1").isIn(state("2001:db8::1", rrType="AAAA")))
        self.assertTrue(Sought(MX, "10 Mail.Example.org").isIn(state("10 mail.example.org.", "20 b.", rrType="MX")))
        self.assertFalse(Sought(A, "192.0.2.1").isIn(state("192.0.2.10")))
        self.assertFalse(Sought(A, "192.0.2.1").isIn(stateOf(QUESTION, DENIED)))

    def test_txtIsFoundQuotedAndUnquoted(self) -> None:
        """
        A TXT record is found with or without quotation marks, however it is split into strings.
        """
        there = state('"v=spf1 " "include:example.net -all"', '"x;y\\""', rrType="TXT")
        for text in (
            "v=spf1 include:example.net -all",
            '"v=spf1 " "include:example.net -all"',
            '"v=spf1 include:" "example.net -all"',
            'x;y"',
            '"x" ";y\\""',
        ):
            self.assertTrue(Sought(TXT, text).isIn(there), text)
        for text in ("v=spf1", '"v=spf1" "include:example.net -all"', '"x;y'):
            self.assertFalse(Sought(TXT, text).isIn(there), text)
        # The form in which a command line in another encoding passes it.
        self.assertTrue(Sought(TXT, "\udcff").isIn(state('"\\255"', rrType="TXT")))


@pytest.mark.parametrize(("rrType", "text"), [(A, "192.0.2"), (A, ""), (A, "2001:db8::1"), (MX, "mail.example.org.")])
def test_invalidRecordIsRefused(rrType: int, text: str) -> None:
    """
    A record that can never exist is refused before the wait begins.
    """
    with pytest.raises(BadRecord):
        Sought(rrType, text)
