"""
Tests of the turns of the reactor that validation takes.
"""

from __future__ import annotations

from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.resolver.recursive.stacks import validatorOf
from twisted_ext.answers import Answer, Origin, QueryContext, Security
from twisted_ext.dnssec.limits import TURN_VERIFICATIONS
from twisted_ext.dnssec.work import Work
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DS, typeName

_RECORDS = """
www A 192.0.2.80
"""


@implementer(IAnswerSource)
class _AtOnce(LocalSource):
    """
    Has each answer from an authoritative server at once, so that a whole validation could take place in one turn.
    """

    def __init__(self, internet: Internet) -> None:
        self._internet = internet

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        name = nameToText(question.name)
        zones = [zone for zone in self._internet.zones if question.key[:-4].endswith(zone)]
        if question.rrType == DS:
            zones = [zone for zone in zones if zone != question.key[:-4]]
        server = self._internet.zones[max(zones, key=len)].servers[0]
        reply = self._internet.ask(server, name, typeName(question.rrType), transport="tcp")
        assert reply is not None
        return answerFromMessage(question, reply, Origin("tcp"))


class TurnTests(SynchronousTestCase):
    """
    Tests with a reactor whose turns are counted.
    """

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=8)
        for zone in ("org", "example.org", "c.example.org", "b.c.example.org", "a.b.c.example.org"):
            internet.zone(zone, _RECORDS)
        self.clock = Clock()
        self.turns = [0]
        verify = Work.verify

        def counted(work: Work) -> None:
            self.turns[-1] += 1
            verify(work)

        self.patch(Work, "verify", counted)

    def look(self, name: str, rrType: str = "A") -> Answer:
        """
        Look a name up, and count the signature checks of each turn.
        """
        source = ValidatingSource(_AtOnce(self.internet), self.clock, validatorOf(self.internet), self.internet.time)
        found = lookUp(source, questionOf(name, rrType), QueryContext(10.0))
        while self.clock.getDelayedCalls():
            self.turns.append(0)
            self.clock.advance(0)
        answer = self.successResultOf(found)
        self.assertIs(answer.security, Security.SECURE)
        return answer

    def test_longChainTakesSeveralTurns(self) -> None:
        """
        A chain of many zones is validated over several turns, none of which checks more signatures than allowed.
        """
        self.look("www.a.b.c.example.org")
        self.assertEqual(sum(self.turns), 12)
        self.assertGreater(len(self.turns), 1)
        self.assertLessEqual(max(self.turns), TURN_VERIFICATIONS.default)

    def test_denialCounts(self) -> None:
        """
        Denials are validated over several turns as well.
        """
        self.look("nope.a.b.c.example.org")
        self.assertGreater(len(self.turns), 1)
        self.assertLessEqual(max(self.turns), TURN_VERIFICATIONS.default)

    def test_withoutTurnsTheReactorWaits(self) -> None:
        """
        Without the limit, the whole chain is one turn.
        """
        self.patch(Work, "beginTurn", lambda work: setattr(work, "turnEnd", inf))
        self.look("www.a.b.c.example.org")
        self.assertEqual(self.turns, [12])

    def test_usualLookUpTakesNoFurtherTurn(self) -> None:
        """
        The three checks of a look-up below a known zone take place in one turn.
        """
        source = ValidatingSource(_AtOnce(self.internet), self.clock, validatorOf(self.internet), self.internet.time)
        for name in ("www.org", "www.example.org"):
            self.turns = [0]
            self.successResultOf(lookUp(source, questionOf(name), QueryContext(10.0)))
        self.assertEqual(self.turns, [3])

    def test_cancelledInBetween(self) -> None:
        """
        A look-up that is canceled while it waits for its next turn leaves nothing behind.
        """
        source = ValidatingSource(_AtOnce(self.internet), self.clock, validatorOf(self.internet), self.internet.time)
        found = lookUp(source, questionOf("www.a.b.c.example.org"), QueryContext(10.0))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        found.addErrback(lambda _: None)
        found.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
