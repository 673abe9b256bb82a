"""
Tests of L{twisted_ext.resolver.policy.rules.source}.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.networks import textsOf
from twisted_ext.answers import AliasOrigin, Answer, Origin, Outcome, QueryContext, Trace
from twisted_ext.errors import BadDescription, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.policy.rules import policy
from twisted_ext.resolver.policy.rules.policy import Policy, readReply
from twisted_ext.resolver.policy.rules.source import PolicySource
from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, IMPORTANT, SELF, PolicyTable, RuleList, TableBuilder
from twisted_ext.resolver.policy.rules.verdict import decided
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.testing.sources import CannedSource, answerOf, atHand, questionOf, rrsetOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import CNAME, A

_LISTS: Final = ("block:/lists/ads", "except:/lists/good")


@implementer(IAnswerSource)
class _Upstream(LocalSource):
    """
    Answers all questions; names below C{alias.example} are aliases of C{cname.example}, which is an alias of C{x.ads.example}.
    """

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def ask(self, question: Question, context: QueryContext) -> Answer:
        self.asked.append(question)
        if not question.name.endswith(nameFromText("alias.example")):
            return answerOf(question, "192.0.2.80" if question.rrType == A else ())
        chain = (
            rrsetOf(question.name, CNAME, "cname.example."),
            rrsetOf(nameFromText("cname.example"), CNAME, "X.Ads.example."),
            rrsetOf(nameFromText("x.ads.example"), A, "192.0.2.80"),
        )
        return Answer(Outcome.DATA, chain, origin=Origin("cache", learned=7.0, expires=90.0))


class PolicyTests(SynchronousTestCase):
    """
    Tests for L{Policy} and L{PolicySource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.policy = Policy()
        self.upstream = _Upstream()
        self.source = PolicySource(self.upstream, self.policy, self.clock)
        self.own: tuple[tuple[str, ...], tuple[str, ...], str] = ((), (), "nxdomain")
        self.lists: tuple[str, ...] = ()

    def block(self, *domains: str, exceptions: tuple[str, ...] = (), reply: str = "nxdomain") -> None:
        """
        Block domains.
        """
        self.own = (domains, exceptions, reply)
        self.policy.apply(*self.own, self.lists)

    def list_(self, names: dict[bytes, int]) -> None:
        """
        Use a table of these names.
        """
        builder = TableBuilder()
        for line, (name, bits) in enumerate(names.items(), 1):
            builder.add([name], bits | SELF, [line])
        self.lists = _LISTS
        self.policy.apply(*self.own, self.lists)
        self.policy.use(PolicyTable(b"".join(builder.pack([*map(RuleList, _LISTS)]))))

    def answer(self, name: str, rrType: str = "A", trace: Trace | None = None) -> Answer:
        """
        Ask for a name.
        """
        found = atHand(self.source, questionOf(name, rrType), QueryContext(5.0, trace=trace))
        assert found is not None
        return found

    def isBlocked(self, name: str) -> bool:
        """
        Return whether a name is blocked, and so asked nowhere.
        """
        before = len(self.upstream.asked)
        answer = self.answer(name)
        blocked = answer.outcome is Outcome.NXDOMAIN
        self.assertEqual(len(self.upstream.asked) - before, 0 if blocked else 1)
        return blocked

    def test_domainAndAllBelow(self) -> None:
        """
        A domain is blocked with all names below it, in any case of letters; names that only end alike are not.
        """
        self.block("ads.example", "zip.")
        for name in ("ads.example", "x.ads.example", "A.b.ADS.Example", "any.zip", "zip"):
            self.assertTrue(self.isBlocked(name), name)
        for name in ("example", "bads.example", "ads.example.org", "www.example", ".", "unzip"):
            self.assertFalse(self.isBlocked(name), name)

    def test_hostsLinesBlockTheNameAlone(self) -> None:
        """
        A name from a hosts file is blocked, names below it are not.
        """
        self.list_({b"ads.example": 0, b"all.example": BELOW})
        names = ("ads.example", "x.ads.example", "all.example", "y.x.all.example", "example")
        self.assertEqual([self.isBlocked(name) for name in names], [True, False, True, True, False])

    def test_exceptionsWin(self) -> None:
        """
        An exception holds for all names below it, whichever list or setting has them.
        """
        self.block(exceptions=("good.ads.example",))
        excepted = {b"fine.ads.example": 1 | BELOW | EXCEPT, b"one.ads.example": 1 | EXCEPT}
        self.list_({b"ads.example": BELOW, b"x.good.ads.example": BELOW, **excepted})
        for name in ("good.ads.example", "x.good.ads.example", "a.fine.ads.example", "one.ads.example"):
            self.assertFalse(self.isBlocked(name), name)
        for name in ("ads.example", "bad.ads.example", "x.one.ads.example"):
            self.assertTrue(self.isBlocked(name), name)

    def test_ownRulesWin(self) -> None:
        """
        What the operator's settings say comes before all lists.
        """
        self.block("fine.ads.example", exceptions=("ads.example",))
        self.list_({b"ads.example": BELOW | IMPORTANT, b"x.fine.ads.example": 1 | BELOW | EXCEPT | IMPORTANT})
        self.assertEqual([self.isBlocked(name) for name in ("x.ads.example", "x.fine.ads.example")], [False, True])

    def test_dotsInLabels(self) -> None:
        """
        A dot within a label is not taken for the end of one, and gets no name past the list.
        """
        self.list_({b"a.ads.example": 0, b"top.example": BELOW})
        self.assertFalse(self.isBlocked("a\\.ads.example"))
        self.assertTrue(self.isBlocked("x\\.y.top.example"))
        self.assertTrue(self.isBlocked("b.x\\.y.top.example"))

    def test_longestNames(self) -> None:
        """
        Names of 255 octets, with labels of 46 octets or one, are looked up like others.
        """
        self.block("ads.example")
        self.assertTrue(self.isBlocked("a." * 121 + "ads.example"))
        self.assertTrue(self.isBlocked(("b" * 46 + ".") * 5 + "ads.example"))
        self.assertFalse(self.isBlocked(("b" * 46 + ".") * 5 + "good.example"))

    def test_denial(self) -> None:
        """
        By default the name does not exist, for a minute, with the reason in an extended error.
        """
        self.block("ads.example")
        answer = self.answer("x.ads.example")
        self.assertEqual((answer.rcode, answer.answer, answer.ede), (3, (), ((15, ""),)))
        (soa,) = answer.authority
        self.assertEqual((soa.name, soa.ttl, soa.rdatas[0][-4:]), (nameFromText("ads.example"), 60, (60).to_bytes(4, "big")))

    def test_nullAddresses(self) -> None:
        """
        With null, both families have their null address, and other types no data.
        """
        self.block("ads.example", reply="null")
        self.assertEqual(textsOf(self.answer("ads.example")), ["0.0.0.0"])
        self.assertEqual(textsOf(self.answer("ads.example", "AAAA")), ["::"])
        self.assertEqual(textsOf(self.answer("ads.example", "ANY")), ["0.0.0.0"])
        for rrType in ("HTTPS", "MX", "TXT", "NS", "DS"):
            answer = self.answer("ads.example", rrType)
            self.assertEqual((answer.outcome, len(answer.authority), answer.ede), (Outcome.NODATA, 1, ((15, ""),)))

    def test_addressOfOneFamily(self) -> None:
        """
        With one address, the other family has no data; with one of each, both have theirs.
        """
        self.block("ads.example", reply="192.0.2.1")
        self.assertEqual(textsOf(self.answer("ads.example")), ["192.0.2.1"])
        self.assertEqual(self.answer("ads.example", "AAAA").outcome, Outcome.NODATA)
        self.block("ads.example", reply="192.0.2.1, 2001:db8::1")
        self.assertEqual(textsOf(self.answer("ads.example", "AAAA")), ["2001:db8::1"])

    def test_badReplies(self) -> None:
        """
        Other words than the known ones have to be addresses.
        """
        for text in ("", "refused", "192.0.2", "192.0.2.1,"):
            with self.assertRaisesRegex(BadDescription, "is not an address; write nxdomain, null, or addresses"):
                readReply(text)

    def test_aliasesToBlockedNames(self) -> None:
        """
        A name whose aliases lead through a blocked one is blocked, for as long as these are known; unless the name itself is excepted.
        """
        self.block("ads.example")
        answer = self.answer("www.alias.example")
        self.assertEqual((answer.outcome, answer.answer), (Outcome.NXDOMAIN, ()))
        self.assertEqual(answer.authority[0].name, nameFromText("www.alias.example"))
        assert answer.origin is not None
        self.assertEqual((answer.origin.source, answer.origin.expires, answer.origin.epoch), ("blocked", 90.0, None))
        # What the answer had is known, for the history.
        assert isinstance(answer.origin, AliasOrigin)
        self.assertEqual([nameToText(each) for each in answer.origin.aliases], ["cname.example.", "X.Ads.example."])
        self.block("ads.example", exceptions=("alias.example",))
        self.assertEqual(len(self.answer("www.alias.example").answer), 3)
        self.block("ads.example", exceptions=("x.ads.example",))
        self.assertEqual(len(self.answer("www.alias.example").answer), 3)

    def test_traces(self) -> None:
        """
        C{explain} shows the list that has a name, the domain in it, and the alias that led there.
        """
        self.list_({b"ads.example": BELOW})
        trace = Trace()
        self.answer("www.x.ads.example", trace=trace)
        self.answer("www.alias.example", trace=trace)
        self.block(exceptions=("good.example",))
        self.answer("good.example", trace=trace)
        details = {"rule": "/lists/ads:1", "domain": "ads.example"}
        self.assertEqual(
            [(note.source, note.event, note.details) for note in trace.notes],
            [
                ("block", "blocked", {**details, "alias": None}),
                ("block", "blocked", {**details, "alias": "X.Ads.example."}),
                ("block", "excepted", {"rule": "block-except", "domain": "good.example"}),
            ],
        )

    def test_otherClasses(self) -> None:
        """
        Only names of the Internet are blocked.
        """
        self.block("ads.example")
        self.assertIsNotNone(atHand(self.source, Question(nameFromText("ads.example"), A, 3), QueryContext(5.0)))
        self.assertEqual(len(self.upstream.asked), 1)

    def test_epoch(self) -> None:
        """
        Answers for blocked names hold until settings or lists change.
        """
        self.block("ads.example")
        origin = self.answer("ads.example").origin
        assert origin is not None and origin.epoch is not None
        value = origin.epoch.value
        self.list_({b"other.example": 0})
        self.assertGreater(origin.epoch.value, value)

    def test_queriesWaitForTheFirstTable(self) -> None:
        """
        Until the lists have been read once, queries wait: no blocked name is looked up at start-up. Later tables replace the first one
        without waiting.
        """
        self.policy.apply((), (), "nxdomain", _LISTS)
        bad, good = [lookUp(self.source, questionOf(name), QueryContext(5.0)) for name in ("ads.example", "www.example")]
        canceled = lookUp(self.source, questionOf("www.example"), QueryContext(5.0))
        self.assertNoResult(good)
        self.assertEqual(self.upstream.asked, [])
        canceled.cancel()
        self.failureResultOf(canceled)
        self.list_({b"ads.example": BELOW})
        self.assertEqual(self.successResultOf(bad).outcome, Outcome.NXDOMAIN)
        self.assertEqual(textsOf(self.successResultOf(good)), ["192.0.2.80"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.policy.apply((), (), "nxdomain", _LISTS)
        self.assertTrue(self.isBlocked("ads.example"))

    def test_waitingEnds(self) -> None:
        """
        A query that waits fails at its deadline with the reason. If the lists cannot be read, queries are answered without them.
        """
        self.policy.apply((), (), "nxdomain", _LISTS)
        late = lookUp(self.source, questionOf("www.example"), QueryContext(5.0))
        self.clock.advance(5.0)
        fault = self.failureResultOf(late, TimedOut).value
        self.assertEqual(fault.ede, ((14, "the block lists are being read"),))
        waiting = lookUp(self.source, questionOf("www.example"), QueryContext(9.0))
        self.policy.use(None)
        self.assertEqual(textsOf(self.successResultOf(waiting)), ["192.0.2.80"])

    def test_noListsAnyMore(self) -> None:
        """
        If lists are taken out of the settings while they are being read, queries that wait for them are answered at once.
        """
        self.policy.apply((), (), "nxdomain", _LISTS)
        waiting = lookUp(self.source, questionOf("www.example"), QueryContext(9.0))
        self.policy.apply((), (), "nxdomain", ())
        self.assertEqual(textsOf(self.successResultOf(waiting)), ["192.0.2.80"])

    def test_pauseWhileListsAreRead(self) -> None:
        """
        A pause lets queries go on that wait for the lists. If it ends before these have been read, further ones wait.
        """
        self.policy.apply((), (), "nxdomain", _LISTS)
        waiting = lookUp(self.source, questionOf("www.example"), QueryContext(9.0))
        self.policy.pause(True)
        self.assertEqual(textsOf(self.successResultOf(waiting)), ["192.0.2.80"])
        self.policy.pause(False)
        later = lookUp(self.source, questionOf("www.example"), QueryContext(9.0))
        self.assertNoResult(later)
        self.policy.use(None)
        self.assertEqual(textsOf(self.successResultOf(later)), ["192.0.2.80"])

    def test_formerTableStays(self) -> None:
        """
        If a new table cannot be read, the lists of the former one stay in force.
        """
        self.list_({b"ads.example": BELOW})
        self.policy.use(None)
        self.assertTrue(self.isBlocked("x.ads.example"))
        self.assertFalse(self.isBlocked("www.example"))

    def test_waitingIsCancelledMeanwhile(self) -> None:
        """
        A query that continues may cancel another one that waits.
        """
        self.policy.apply((), (), "nxdomain", _LISTS)
        waiting = [lookUp(self.source, questionOf(f"{each}.example"), QueryContext(9.0)) for each in ("one", "two", "three")]
        ended: list[object] = []

        def end(result: object) -> None:
            ended.append(result)
            for other in waiting:
                other.cancel()

        for each in waiting:
            each.addBoth(end)
        self.policy.use(None)
        self.assertEqual(len(ended), 3)

    def test_onlyItsListsApply(self) -> None:
        """
        Of a table with the lists of all only those apply that were chosen.
        """
        self.list_({b"ads.example": BELOW, b"good.ads.example": 1 | BELOW | EXCEPT})
        names = ("ads.example", "good.ads.example")
        found: list[list[bool]] = []
        for chosen in (_LISTS, _LISTS[:1], _LISTS[1:]):
            self.policy.apply((), (), "nxdomain", chosen)
            found.append([self.isBlocked(name) for name in names])
        self.assertEqual(found, [[True, False], [True, True], [False, False]])

    def ttls(self, name: str) -> list[int]:
        """
        Return the TTLs in the answer for a name.
        """
        answer = self.answer(name)
        self.assertTrue(answer.answer)
        return [rrset.ttl for rrset in answer.answer]

    def test_listsThatDoNotApplyNow(self) -> None:
        """
        What a list blocks that does not apply now is let through, for no longer than a minute: clients would keep it when the list applies
        again. The same holds for aliases of such names, and for a pause; other names keep their TTLs.
        """
        self.list_({b"ads.example": BELOW, b"good.example": 1 | BELOW | EXCEPT})
        usual = self.ttls("www.example")
        self.assertGreater(usual[0], 60)
        self.assertTrue(self.policy.select(frozenset()))
        self.assertFalse(self.policy.select(frozenset()))
        for paused in (False, True):
            self.policy.pause(paused)
            self.assertEqual(self.ttls("ads.example"), [60])
            self.assertEqual(self.ttls("www.alias.example"), [60, 60, 60])
            self.assertEqual(self.ttls("www.example"), usual)
            self.assertEqual(self.ttls("good.example"), usual)
        origin = self.answer("www.alias.example").origin
        assert origin is not None
        self.assertIsNone(origin.learned)
        self.policy.pause(False)
        self.policy.select(frozenset(_LISTS))
        self.assertTrue(self.isBlocked("ads.example"))
        self.assertEqual(self.ttls("good.example"), usual)

    def test_exceptionsThatEnd(self) -> None:
        """
        A name that is let through by a list of exceptions is kept by clients for no longer than a minute if that list rests at other times.
        """
        self.list_({b"ads.example": BELOW, b"good.ads.example": 1 | BELOW | EXCEPT})
        usual = self.ttls("good.ads.example")
        self.assertGreater(usual[0], 60)
        everything = frozenset(_LISTS)
        self.policy.apply((), (), "nxdomain", _LISTS, states=(everything, frozenset(_LISTS[:1])))
        self.assertEqual(self.ttls("good.ads.example"), [60])
        self.policy.apply((), (), "nxdomain", _LISTS, states=(everything, frozenset(_LISTS[1:])))
        self.assertEqual(self.ttls("good.ads.example"), usual)

    def test_listsOfOtherViews(self) -> None:
        """
        What would be decided with other lists is decided only by those of them that are for these clients: a table has the lists of all
        views.
        """
        self.list_({b"ads.example": BELOW, b"good.ads.example": 1 | BELOW | EXCEPT})
        name = nameFromText("good.ads.example")
        for chosen, word in ((_LISTS, "excepted"), (_LISTS[:1], "blocked"), (_LISTS[1:], "excepted"), ((), "")):
            self.policy.apply((), (), "nxdomain", chosen)
            self.policy.use(self.policy.table)
            verdict = self.policy.verdictWith(name, frozenset(_LISTS))
            self.assertEqual("" if verdict is None else verdict.word, word)

    def cached(self) -> CannedSource:
        """
        Have a cache between the rules and an upstream.
        """
        canned = CannedSource(
            {
                ("www.example", "A"): "192.0.2.80",
                ("alias.example", "A"): answerOf(questionOf("alias.example"), "192.0.2.80"),
                ("x.example", "CNAME"): "www.example.",
            }
        )
        cached = CachedSource(canned, self.clock, prefetch=False)
        self.addCleanup(cached.close)
        self.source = PolicySource(cached, self.policy, self.clock)
        return canned

    def looks(self, name: str, rrType: str = "A") -> int:
        """
        Ask four times, and return how often rules were looked at.
        """
        with patch.object(policy, "decided", wraps=decided) as deciding:
            for _ in range(4):
                self.successResultOf(lookUp(self.source, questionOf(name, rrType), QueryContext(self.clock.seconds() + 5)))
        return deciding.call_count

    def test_cachedAnswersAreLookedAtOnce(self) -> None:
        """
        An answer in the cache that no rule is about is looked at once for each state of the rules, although its TTLs go down.
        """
        self.cached()
        self.list_({b"ads.example": BELOW})
        self.looks("www.example")
        self.assertEqual(self.looks("www.example"), 0)
        self.clock.advance(2)
        self.assertEqual(self.looks("www.example"), 0)
        self.block("ads.example")
        self.assertEqual(self.looks("www.example"), 1)
        self.list_({b"games.example": BELOW})
        self.assertEqual(self.looks("www.example"), 1)
        self.policy.pause(True)
        self.policy.pause(False)
        self.assertEqual(self.looks("www.example"), 1)
        # While lists rest, the answers that they would withhold are told apart from others each time.
        self.policy.select(frozenset())
        self.assertEqual([self.looks("www.example") for _ in range(2)], [2, 0])
        self.block("www.example")
        self.policy.pause(True)
        self.assertEqual([self.looks("www.example") for _ in range(2)], [4, 4])

    def test_changedRulesMeetCachedAnswers(self) -> None:
        """
        What no rule was about is blocked as soon as one is, for the same type only if the rule is for that; and no longer when it is gone.
        """
        canned = self.cached()
        self.list_({b"ads.example": BELOW})
        self.looks("www.example")
        self.assertEqual(self.looks("www.example"), 0)
        self.list_({b"www.example": BELOW})
        self.assertEqual(self.answer("www.example").outcome, Outcome.NXDOMAIN)
        self.list_({b"ads.example": BELOW})
        self.assertEqual(self.answer("www.example").outcome, Outcome.DATA)
        self.assertEqual(len(canned.questions), 1)

    def test_otherAnswerThanTheMarkedOne(self) -> None:
        """
        A mark holds for the answer that was looked at: that of the next look-up may be an alias of a blocked name.
        """
        canned = self.cached()
        self.list_({b"ads.example": BELOW})
        self.looks("alias.example")
        self.assertEqual(self.looks("alias.example"), 0)
        chain = (rrsetOf(nameFromText("alias.example"), CNAME, "x.ads.example."), rrsetOf(nameFromText("x.ads.example"), A, "192.0.2.80"))
        canned.set("alias.example", "A", Answer(Outcome.DATA, chain))
        self.clock.advance(100_000)
        found = self.successResultOf(lookUp(self.source, questionOf("alias.example"), QueryContext(self.clock.seconds() + 5)))
        self.assertEqual(found.outcome, Outcome.NXDOMAIN)
        self.assertGreater(self.looks("alias.example"), 0)

    def test_listsRemoved(self) -> None:
        """
        Without lists and domains nothing is blocked any more.
        """
        self.list_({b"ads.example": BELOW})
        self.assertTrue(self.policy.given)
        self.lists = ()
        self.block()
        self.assertFalse(self.policy.given)
        self.assertFalse(self.isBlocked("ads.example"))
