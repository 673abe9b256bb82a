"""
Attack 10: zones that combine aliases, delegations and minimized names, so that the limits for each multiply (CAMP, 2024; CVE-2026-50045).
"""

from __future__ import annotations

from tests.attacks.recursing import ENDLESS, RecursingTestCase, addressesIn, boundless
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, WorkSpent
from twisted_ext.resolver.ask import Waiter, lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine import aliasfollower
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question

LEVELS = "abcdefghij"


class _ChainCase(RecursingTestCase):
    """
    Seventeen aliases, each of which leads into a zone of its own ten delegations deep.
    """

    def hosts(self, number: int) -> list[str]:
        """
        Return the names of the zones that lead to an alias, from the uppermost one.
        """
        names = [f"c{number}.test"]
        for level in LEVELS[1:]:
            names.append(f"{level}.{names[-1]}")
        return names

    def chain(self, aliases: int = 17, end: str = "www.victim.example") -> None:
        """
        Build the chain, and start a resolver.
        """
        self.internet.zone("victim.example", "www CNAME host.network.example.")
        self.internet.zone("network.example", "host A 192.0.2.80")
        for number in range(aliases):
            *above, last = self.hosts(number)
            for zone in above:
                self.internet.zone(zone, "")
            target = f"www.{self.hosts(number + 1)[-1]}." if number + 1 < aliases else f"{end}."
            self.internet.zone(last, f"www CNAME {target}")
        self.start()

    @property
    def first(self) -> str:
        return f"www.{self.hosts(0)[-1]}"


class ChainTests(_ChainCase):
    """
    Tests of such a chain.
    """

    def test_elevenAliasesAreFollowed(self) -> None:
        """
        Twelve of the names are resolved, each with the eleven packets of its delegations; then the look-up ends, and is not repeated.
        """
        self.chain()
        self.assertIsInstance(self.look(self.first), WorkSpent)
        # Two packets more for the root and the top level; the delegation of the top level is learned once.
        self.assertEqual((self.packets(), self.work.packets), (134, 134))
        self.assertLess(self.took, 1)
        self.assertIsInstance(self.look(self.first), WorkSpent)
        self.assertEqual(self.packets(), 0)

    def test_withoutAliasLimitPacketsAreTheLimit(self) -> None:
        """
        If all aliases were followed, the whole query ends with two hundred packets.
        """
        self.patch(aliasfollower, "_ALIASES", ENDLESS)
        self.chain(20)
        self.assertIsInstance(self.look(self.first), WorkSpent)
        self.assertEqual((self.packets(), self.work.packets), (200, 200))

    def test_withoutBothAllOfItIsSent(self) -> None:
        """
        Without both limits, it takes more.
        """
        self.patch(aliasfollower, "_ALIASES", ENDLESS)
        self.chain(20)
        self.assertEqual(addressesIn(self.look(self.first, work=boundless())), ["192.0.2.80"])
        self.assertGreater(self.packets(), 220)


class SignedChainTests(_ChainCase):
    """
    Tests of such a chain of signed zones, each of which takes a query for its keys as well.
    """

    signed = True

    def test_aliasesAndKeysShareTheirBudget(self) -> None:
        """
        Aliases, and the keys of the zones that they lead through, take no more than two hundred packets and a hundred verifications
        together. Here the latter end the look-up.
        """
        self.chain(12)
        self.assertIsInstance(self.look(self.first), WorkSpent)
        self.assertEqual((self.packets(), self.work.packets, self.work.verifications), (106, 106, 100))
        self.assertIsInstance(self.look(self.first), WorkSpent)
        self.assertEqual((self.packets(), self.work.verifications), (0, 0))

    def test_withoutVerificationLimitPacketsAreTheLimit(self) -> None:
        """
        Without a limit of verifications, two hundred packets end it.
        """
        self.chain(12)
        self.assertIsInstance(self.look(self.first, work=Work(queryVerifications=ENDLESS)), WorkSpent)
        self.assertEqual((self.packets(), self.work.packets), (200, 200))

    def test_budgetForEachTargetWouldMultiply(self) -> None:
        """
        If each target had a budget of its own, they would take more.
        """

        target = vars(aliasfollower)["_Target"]
        prepare = target.prepare

        def unbounded(start: object, waiter: Waiter, context: QueryContext) -> object:
            return prepare(start, waiter, context.but(budget=Work()))

        self.patch(target, "prepare", unbounded)
        self.chain(12)
        self.look(self.first)
        self.assertGreater(self.packets(), 220)


class SignedBystanderTests(_ChainCase):
    """
    Tests of a signed name of another operator at the end of a chain of signed zones, whose signatures use up the checks of the query.
    """

    signed = True

    def denied(self) -> int:
        """
        Resolve the chain with different numbers of checks, and then the name at its end.

        @return: how often the chain fails and the name fails for others after that.
        """
        self.chain(1)
        denied = failed = 0
        for checks in range(16, 44, 3):
            self.start()
            if isinstance(self.look(self.first, work=Work(queryVerifications=checks)), DNSFault):
                failed += 1
                denied += addressesIn(self.look("www.victim.example")) != ["192.0.2.80"]
        self.assertGreater(failed, 3)
        return denied

    def test_uncheckedTargetIsNotRememberedAsBogus(self) -> None:
        """
        Wherever the checks end, the name at the end is resolved for other clients.
        """
        self.assertEqual(self.denied(), 0)

    def test_bogusTargetWouldBeDenied(self) -> None:
        """
        If a name for which no check is left counted as bogus, others would not get it.
        """
        self.patch(Work, "exhausted", False)
        self.assertGreater(self.denied(), 0)


class BystanderTests(_ChainCase):
    """
    Tests of a name of another operator at the end of the chain. It is an alias itself, as names on delivery networks are.
    """

    def attacked(self) -> tuple[Answer | DNSFault, Answer | DNSFault]:
        """
        Return the results of the chain, and then of the name at its end.
        """
        self.chain(11)
        return self.look(self.first), self.look("www.victim.example")

    def test_targetIsNotRememberedAsFailed(self) -> None:
        """
        The chain is too long by one alias, but the name at its end is resolved for other clients.
        """
        chain, end = self.attacked()
        self.assertIsInstance(chain, WorkSpent)
        self.assertEqual(addressesIn(end), ["192.0.2.80"])

    def test_rememberedFailureWouldDenyTheTarget(self) -> None:
        """
        If the failure were remembered for each name of the chain, others would not get it.
        """

        def learnFault(cache: CachedSource, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
            cache.store.failures.note(question.key + context.variant, fault, cache.now(), asked)

        self.patch(CachedSource, "learnFault", learnFault)
        self.assertIsInstance(self.attacked()[1], WorkSpent)

    def joined(self) -> list[str]:
        """
        Let another client ask for the name at the end while the chain has got there.

        @return: the addresses that this client gets.
        """
        self.chain(11)
        self.look("ns1.victim.example")
        self.internet.network.shape("192.0.2.1", delay=0.0)
        chain = self.ask(self.first)
        results: list[object] = []
        coalescing = self.source._inner
        assert isinstance(coalescing, CoalescingSource)
        key = questionOf("www.victim.example").key
        while key not in coalescing._flights:
            self.internet.advance(0.0005)
        context = QueryContext(self.internet.network.clock.seconds() + 5)
        lookUp(self.source, questionOf("www.victim.example"), context).addBoth(results.append)
        self.internet.advance(1)
        self.failureResultOf(chain, WorkSpent)
        return addressesIn(results[0])

    def test_othersWhoWaitAreAnswered(self) -> None:
        """
        A client that waits for the same look-up gets its answer from another one.
        """
        self.assertEqual(self.joined(), ["192.0.2.80"])

    def test_sharedFailureWouldDenyThem(self) -> None:
        """
        If those who wait shared the failure, it would get none.
        """
        self.patch(CoalescingSource, "hasWork", lambda coalescing, flight, context: False)
        self.assertEqual(self.joined(), [])
