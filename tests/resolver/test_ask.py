"""
Tests of L{twisted_ext.resolver.ask}.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import data, nodata, question, rrset
from twisted_ext.answers import Answer, QueryContext, Question
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.ask import askedOn
from twisted_ext.wire.names import nameFromText


def unresolvedAlias(name: str, target: str) -> Answer:
    """
    Return an alias whose target the server has not resolved.
    """
    return nodata(rrset(name, "CNAME", target), soa=False)


class AskedOnTests(SynchronousTestCase):
    """
    Tests of L{askedOn}.
    """

    def ask(self, known: Mapping[str, Answer], effort: int = 10) -> list[Question]:
        """
        Return the questions from C{a.example} on, including the first one.
        """
        self.answers = {question(name): answer for name, answer in known.items()}
        self.contexts: list[QueryContext] = []
        first = question("a.example.")
        context = QueryContext(5.0, relative=True)
        following = Deferred.fromCoroutine(askedOn(self.answer, first, self.answers[first], context, effort))
        steps = self.successResultOf(following)
        for asked, answer in steps:
            self.assertIs(answer, self.answers[asked])
        self.assertEqual(len(self.contexts), len(steps) - 1)
        return [asked for asked, _ in steps]

    def answer(self, asked: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Answer from C{answers}.
        """
        self.contexts.append(context)
        answer = self.answers.get(asked)
        return fail(ServerFailed("no", rcode=2)) if answer is None else succeed(answer)

    def test_unresolvedAliasesAreFollowed(self) -> None:
        """
        Each unresolved alias is asked for within the same deadline, and its target is not searched.
        """
        known = {
            "a.example.": unresolvedAlias("a.example.", "b.example."),
            "b.example.": unresolvedAlias("b.example.", "c.example."),
            "c.example.": data(rrset("c.example.", "A", "192.0.2.1")),
        }
        self.assertEqual(self.ask(known), [question(name) for name in known])
        self.assertEqual([(context.relative, context.deadline) for context in self.contexts], [(False, 5.0)] * 2)

    def test_completeAnswerIsNotFollowed(self) -> None:
        """
        No further question is asked if the first answer is complete.
        """
        for answer in (data(rrset("a.example.", "A", "192.0.2.1")), nodata(), nodata(rrset("a.example.", "CNAME", "b."))):
            self.assertEqual(self.ask({"a.example.": answer}), [question("a.example.")])

    def test_aliasLoopEnds(self) -> None:
        """
        No name is asked for twice.
        """
        self.assertEqual(self.ask({"a.example.": unresolvedAlias("a.example.", "A.example.")}), [question("a.example.")])
        known = {"a.example.": unresolvedAlias("a.example.", "b.example."), "b.example.": unresolvedAlias("b.example.", "a.example.")}
        self.assertEqual(self.ask(known), [question(name) for name in known])

    def test_longChainStopsAtTheLimit(self) -> None:
        """
        A long chain of aliases is followed up to the limit.
        """
        known = {
            f"{'abcdef'[at]}.example.": unresolvedAlias(f"{'abcdef'[at]}.example.", f"{'abcdefg'[at + 1]}.example.") for at in range(6)
        }
        for effort in range(5):
            self.assertEqual(len(self.ask(known, effort)), 1 + effort)

    def test_classOfQuestionIsKept(self) -> None:
        """
        The target of an alias is asked for in the class of the question.
        """
        first = Question(nameFromText("a.example."), 16, 3)
        self.answers = {Question(nameFromText("b.example."), 16, 3): nodata()}
        self.contexts = []
        asking = askedOn(self.answer, first, unresolvedAlias("a.example.", "b.example."), QueryContext(5.0), 10)
        self.assertEqual([asked.rrClass for asked, _ in self.successResultOf(Deferred.fromCoroutine(asking))], [3, 3])

    def test_failureOnTheWayIsRaised(self) -> None:
        """
        The failure of a look-up on the way is raised.
        """
        first = question("a.example.")
        self.answers = {}
        self.contexts = []
        asking = askedOn(self.answer, first, unresolvedAlias("a.example.", "b.example."), QueryContext(5.0), 10)
        self.failureResultOf(Deferred.fromCoroutine(asking), ServerFailed)
