"""
Tests of L{twisted_ext.discovery.weights}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, permutations
from math import factorial
from random import Random
from typing import Final, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery.limits import SERVICE_TARGETS
from twisted_ext.discovery.weights import drawn, grouped, inOrder, isURI, mailTargets, serverTargets, urisOf
from twisted_ext.errors import NotOffered, UnusableRecords
from twisted_ext.wire.rdata.types.names import MX
from twisted_ext.wire.rdata.types.service import SRV, URI

__all__: list[str] = []

_T = TypeVar("_T")

#: The number of draws where shares are counted.
DRAWS: Final = 30_000

records = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 1, 2, 10, 65535])), max_size=12)


def sharesOf(weights: Sequence[int]) -> dict[tuple[int, ...], Fraction]:
    """
    Compute how often each order occurs according to RFC 2782, as fractions, independently of the code under test.

    @param weights: the weights, with those of 0 first.
    @return: the shares, by the positions of the weights.
    """
    if not weights:
        return {(): Fraction(1)}
    total = sum(weights)
    shares: dict[tuple[int, ...], Fraction] = {}
    for number in range(total + 1):
        place = 0
        running = weights[0]
        while running < number:
            place += 1
            running += weights[place]
        rest = [index for index in range(len(weights)) if index != place]
        for order, share in sharesOf([weights[index] for index in rest]).items():
            key = (place, *[rest[index] for index in order])
            shares[key] = shares.get(key, Fraction(0)) + share / (total + 1)
    return shares


def shuffledShares(weights: Sequence[int]) -> dict[tuple[int, ...], Fraction]:
    """
    Return the shares if each initial order that the RFC allows is equally likely.
    """
    zeros = [index for index, weight in enumerate(weights) if not weight]
    others = [index for index, weight in enumerate(weights) if weight]
    ways = factorial(len(zeros)) * factorial(len(others))
    shares: dict[tuple[int, ...], Fraction] = {}
    for before in permutations(zeros):
        for behind in permutations(others):
            initial = (*before, *behind)
            for order, share in sharesOf([weights[index] for index in initial]).items():
                key = tuple([initial[index] for index in order])
                shares[key] = shares.get(key, Fraction(0)) + share / ways
    return shares


class ScriptedNumbers:
    """
    Returns given numbers and records the requested ranges.
    """

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)
        self.asked: list[tuple[int, int]] = []

    def randint(self, a: int, b: int, /) -> int:
        self.asked.append((a, b))
        return self._numbers.pop(0)


class DrawingTests(SynchronousTestCase):
    """
    Tests of L{drawn} and L{grouped}.
    """

    def test_drawRangeIsInclusive(self) -> None:
        """
        A number from 0 to the sum, both included, selects the first item whose running sum reaches it.
        """
        firsts = [next(drawn([(0, "a"), (1, "b"), (2, "c")], ScriptedNumbers(number))) for number in range(4)]
        self.assertEqual(firsts, ["a", "b", "c", "c"])

    def test_lastItemIsNotDrawn(self) -> None:
        """
        A number is drawn for each item except the last, up to the sum of the remaining weights.
        """
        numbers = ScriptedNumbers(5, 1)
        self.assertEqual(list(drawn([(0, "a"), (1, "b"), (4, "c")], numbers)), ["c", "b", "a"])
        self.assertEqual(numbers.asked, [(0, 5), (0, 1)])

    def test_groupsComeByPriority(self) -> None:
        """
        The lowest priority comes first, the lightest stand first in a group before the draw, and the last of a group is not drawn.
        """
        numbers = ScriptedNumbers(0)
        found = list(grouped([(20, 0, "d"), (10, 5, "b"), (30, 7, "e"), (10, 0, "a")], numbers))
        self.assertEqual(found, ["a", "b", "d", "e"])
        self.assertEqual(numbers.asked, [(0, 5)])

    def test_drawnSharesFollowRFC2782(self) -> None:
        """
        Each order occurs as often in 30,000 draws as RFC 2782 says, within one percent.
        """
        for weights in ([0, 1, 3], [10, 30], [1, 1, 1], [0, 0, 5, 5]):
            rng = Random(2782)
            pairs = [(weight, place) for place, weight in enumerate(weights)]
            seen = Counter(tuple(drawn(pairs, rng)) for _ in range(DRAWS))
            expected = sharesOf(weights)
            self.assertLessEqual(set(seen), set(expected))
            for order, share in expected.items():
                self.assertLess(abs(seen[order] / DRAWS - share), 0.01, (weights, order))

    def test_exclusiveRangeNeverSelectsZeroWeight(self) -> None:
        """
        A draw without the 0 would never select a weight of 0, which shows that the previous test detects it.
        """

        class Exclusive(Random):
            def randint(self, a: int, b: int) -> int:
                return super().randint(min(a + 1, b), b)

        seen = Counter(next(drawn([(0, "a"), (1, "b"), (3, "c")], Exclusive(2782))) for _ in range(1000))
        self.assertEqual(seen["a"], 0)


class OrderTests(SynchronousTestCase):
    """
    Tests of L{inOrder}.
    """

    def test_orderSharesFollowRFC2782(self) -> None:
        """
        Each order, and each first place, occurs as often in 30,000 draws as RFC 2782 says over all initial orders, within one percent.
        """
        for weights in ([0, 1, 3], [1, 1], [0, 0], [10, 60, 30]):
            rng = Random(2782)
            given_ = [(7, weight, place) for place, weight in enumerate(weights)]
            seen = Counter(tuple(inOrder(given_, rng)) for _ in range(DRAWS))
            expected = shuffledShares(weights)
            self.assertLessEqual(set(seen), set(expected))
            for order, share in expected.items():
                self.assertLess(abs(seen[order] / DRAWS - share), 0.01, (weights, order))
            for place in range(len(weights)):
                first = sum(share for order, share in expected.items() if order[0] == place)
                drawnFirst = sum(count for order, count in seen.items() if order[0] == place) / DRAWS
                self.assertLess(abs(drawnFirst - first), 0.01, (weights, place))

    def test_largeWeightsKeepTheirShares(self) -> None:
        """
        Large weights keep their shares, within one percent.
        """
        weights = {"a": 6000, "b": 3000, "c": 1000}
        rng = Random(7)
        seen = Counter(
            inOrder([(0, weight, name) for name, weight in weights.items()], rng, 1)[0] for _ in range(DRAWS)
        )
        for name, weight in weights.items():
            self.assertLess(abs(seen[name] / DRAWS - weight / 10_000), 0.01)

    def test_equalWeightsShareEqually(self) -> None:
        """
        Two weights of 1 get one half each. The first would get two thirds in the fixed order that RFC 2782 also allows.
        """
        rng = Random(1)
        shuffled = Counter(inOrder([(0, 1, "a"), (0, 1, "b")], rng)[0] for _ in range(DRAWS))
        self.assertLess(abs(shuffled["a"] / DRAWS - 1 / 2), 0.01)
        fixed = Counter(next(grouped([(0, 1, "a"), (0, 1, "b")], rng)) for _ in range(DRAWS))
        self.assertLess(abs(fixed["a"] / DRAWS - 2 / 3), 0.01)

    @given(records, st.integers(0, 1000))
    def test_everyItemOccursOnceByPriority(self, pairs: list[tuple[int, int]], seed: int) -> None:
        """
        Each item occurs once, and none before one of a lower priority.
        """
        named = [(priority, weight, place) for place, (priority, weight) in enumerate(pairs)]
        for found in (inOrder(named, Random(seed)), list(grouped(named, Random(seed)))):
            self.assertEqual(sorted(found), list(range(len(pairs))))
            order = [pairs[place][0] for place in found]
            self.assertEqual(order, sorted(order))

    def test_sameSeedGivesSameOrder(self) -> None:
        """
        The same seed gives the same order.
        """
        named = [(place % 2, place, place) for place in range(10)]
        self.assertEqual(inOrder(named, Random(3)), inOrder(named, Random(3)))

    def test_drawsAreBounded(self) -> None:
        """
        The number of draws is bounded for thousands of records, so that the work does not grow with the square.
        """

        class Counting(Random):
            draws = 0

            def randint(self, a: int, b: int) -> int:
                self.draws += 1
                return super().randint(a, b)

        many = [(0, 1, place) for place in range(3000)]
        rng = Counting(1)
        self.assertEqual(len(inOrder(many, rng)), SERVICE_TARGETS.default)
        self.assertEqual(rng.draws, SERVICE_TARGETS.default)
        self.assertEqual(len(inOrder(many, rng, 10_000)), SERVICE_TARGETS.most)


class ServerTests(SynchronousTestCase):
    """
    Tests of L{serverTargets}.
    """

    def find(self, *texts: str) -> list[str]:
        """
        Return the targets of these records.
        """
        return [str(target) for target in serverTargets([SRV.fromText(text) for text in texts], Random(1))]

    def test_lowerPrioritiesComeFirst(self) -> None:
        """
        Lower priorities come first.
        """
        self.assertEqual(
            self.find("20 0 3 c.example.", "1 9 1 a.example.", "10 0 2 b.example."),
            ["a.example:1", "b.example:2", "c.example:3"],
        )

    def test_noRecordsMeanNoTargets(self) -> None:
        """
        No records give no targets.
        """
        self.assertEqual(self.find(), [])

    def test_rootTargetMeansNotOffered(self) -> None:
        """
        The root as target means that there is no such service.
        """
        self.assertRaises(NotOffered, self.find, "0 0 0 .")
        self.assertRaises(NotOffered, self.find, "0 0 0 .", "1 0 443 .")

    def test_unusableRecordsAreSkipped(self) -> None:
        """
        Records without a port or with an invalid host are skipped; it is an error if there are no others.
        """
        self.assertEqual(
            self.find("0 0 0 a.example.", "0 0 443 127.0.0.1.", r"0 0 1 a\032b.", "0 0 443 .", "9 0 443 z.example."),
            ["z.example:443"],
        )
        for text in ("0 0 0 a.example.", "0 0 443 127.0.0.1.", r"0 0 443 a\000b."):
            self.assertRaises(UnusableRecords, self.find, text)
            self.assertRaises(UnusableRecords, self.find, text, "0 0 0 .")

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 65535),
                st.integers(0, 65535),
                st.integers(0, 65535),
                st.sampled_from([".", "a.example.", "1.2."]),
            )
        )
    )
    def test_anyRecordsGiveTargetsOrReason(self, fields: list[tuple[int, int, int, str]]) -> None:
        """
        Any records give targets with host and port, or an exception with the reason.
        """
        try:
            found = serverTargets([SRV.fromText(" ".join(map(str, each))) for each in fields], Random(0))
        except (NotOffered, UnusableRecords):
            self.assertTrue(fields)
            return
        self.assertEqual([target.priority for target in found], sorted(target.priority for target in found))
        self.assertTrue(all(target.host == "a.example" and target.port for target in found))
        self.assertEqual(
            [key for key, _ in groupby(found, lambda target: target.priority)],
            sorted({target.priority for target in found}),
        )


class MailTests(SynchronousTestCase):
    """
    Tests of L{mailTargets}.
    """

    def find(self, *texts: str, seed: int = 1) -> list[str]:
        """
        Return the mail targets of example.org for these records.
        """
        return [
            str(target)
            for target in mailTargets("example.org", [MX.fromText(text) for text in texts], Random(seed))
        ]

    def test_lowestPreferenceComesFirst(self) -> None:
        """
        The lowest preference comes first, at the port for mail.
        """
        self.assertEqual(self.find("20 b.example.", "10 a.example."), ["a.example:25", "b.example:25"])

    def test_equalPreferencesShareTheLoad(self) -> None:
        """
        Mail is spread over hosts of one preference (RFC 5321, section 5.1).
        """
        firsts = Counter(
            self.find("1 a.example.", "1 b.example.", "1 c.example.", seed=seed)[0] for seed in range(3000)
        )
        self.assertEqual(len(firsts), 3)
        self.assertTrue(all(abs(count - 1000) < 100 for count in firsts.values()), firsts)

    def test_noRecordsMeanTheDomainItself(self) -> None:
        """
        A domain without MX records receives its mail itself.
        """
        self.assertEqual(self.find(), ["example.org:25"])

    def test_nullMXMeansNotOffered(self) -> None:
        """
        A null MX means that a domain receives no mail (RFC 7505), unless there are other records.
        """
        self.assertRaises(NotOffered, self.find, "0 .")
        self.assertEqual(self.find("0 .", "10 a.example."), ["a.example:25"])

    def test_invalidHostsAreSkipped(self) -> None:
        """
        Invalid hosts are skipped, and the domain does not take their place.
        """
        self.assertEqual(self.find("0 192.0.2.1.", "10 a.example."), ["a.example:25"])
        self.assertRaises(UnusableRecords, self.find, "0 192.0.2.1.")

    def test_targetsAreBounded(self) -> None:
        """
        The number of targets is bounded for thousands of records.
        """
        found = self.find(*[f"{number} h{number}.example." for number in range(2000)])
        self.assertEqual(len(found), SERVICE_TARGETS.default)
        self.assertEqual(found[0], "h0.example:25")


class URITests(SynchronousTestCase):
    """
    Tests of L{urisOf}.
    """

    def find(self, *texts: str) -> list[str]:
        """
        Return the URIs of these records.
        """
        return urisOf([URI.fromText(text) for text in texts], Random(1))

    def test_lowestPriorityComesFirst(self) -> None:
        """
        The lowest priority comes first; URIs of one priority are drawn by weight.
        """
        self.assertEqual(self.find('2 1 "b:2"', '1 1 "a:1"', '3 1 "c:3"'), ["a:1", "b:2", "c:3"])
        self.assertEqual(self.find('1 0 "b:2"', '1 65535 "a:1"'), ["a:1", "b:2"])

    def test_noRecordsMeanNoURIs(self) -> None:
        """
        No records give no URIs.
        """
        self.assertEqual(self.find(), [])

    def test_invalidURIsAreSkipped(self) -> None:
        """
        Text that is not a URI is skipped; it is an error if there is no other.
        """
        self.assertEqual(self.find('1 1 "no uri"', '2 1 "https://www.example.org/"'), ["https://www.example.org/"])
        for text in (
            '"no uri"',
            '"x"',
            '":x"',
            '"x:"',
            '"1:x"',
            r'"x:\010"',
            r'"x:\255"',
            r'"java\009script:x"',
            r'"x:y\000"',
        ):
            self.assertRaises(UnusableRecords, self.find, f"1 1 {text}")

    def test_utf8URIs(self) -> None:
        """
        URIs in UTF-8 are accepted.
        """
        self.assertEqual(self.find(r'1 1 "x:\195\164"'), ["x:\u00e4"])

    @given(st.text())
    def test_anyURIIsPrintable(self, text: str) -> None:
        """
        An accepted URI has neither blanks nor control characters.
        """
        if isURI(text):
            self.assertTrue(text.isprintable() and len(text.split()) == 1)
