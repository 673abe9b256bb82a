"""
Our recursion beside that of Unbound, BIND, PowerDNS Recursor and Knot Resolver, in a small internet; C{benchmarks.differential} asks 20,000
names.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.live.differential.asking import Reply
from tests.live.differential.judging import bogusWithoutReason, differencesIn, falselySecure
from tests.live.differential.namespace import PROGRAMS, compare, isUsable
from tests.live.differential.questions import Case
from tests.live.differential.resolvers import RESOLVERS
from tests.live.differential.running import Result
from tests.peers import peer

_RECORD = ("www.f0.alpha. A 192.0.2.1",)


def test_everyDifferenceHasItsReason() -> None:
    """
    All resolvers give the same rcode, answer and AD, but where an RFC decides or allows it; and what is bogus has an extended error, also
    after clients with CD got it.
    """
    for program in PROGRAMS:
        peer(program)
    if not isUsable():
        pytest.skip("this user cannot make network namespaces here")
    results, unchecked = compare(400, small=True, timeout=300)
    assert len(results) >= 400
    assert [str(each) for each in differencesIn(results) if each.reason is None] == []
    assert bogusWithoutReason(results) == falselySecure(results) == unchecked == []
    answered = [result for result in results if result.replies[0].status != "SERVFAIL"]
    assert len(answered) > len(results) / 2


def _result(ours: Reply, theirs: Reply, world: str = "ordinary/nsec/13/nsd", kind: str = "data") -> Result:
    return Result(Case(world, kind, "www.f0.alpha", "A"), (ours, *([theirs] * (len(RESOLVERS) - 1))))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Reply("NOERROR", True, _RECORD), Reply("NXDOMAIN", True)),
        (Reply("NOERROR", True, _RECORD), Reply("NOERROR", False, _RECORD)),
        (Reply("NOERROR", True, _RECORD), Reply("NOERROR", True)),
        (Reply("SERVFAIL"), Reply("NOERROR", True, _RECORD)),
    ],
    ids=["rcode", "ad", "records", "failure"],
)
def test_unknownDifferenceIsFound(ours: Reply, theirs: Reply) -> None:
    """
    Another rcode, answer or AD for an ordinary name is a difference without a reason.
    """
    found = list(differencesIn([_result(ours, theirs)]))
    assert [each.reason for each in found] == [None] * (len(RESOLVERS) - 1)


def test_failuresAreAlike() -> None:
    """
    Failures do not differ by their flags and records, and no difference by the order of records or the time that they took.
    """
    same = _result(Reply("SERVFAIL", False, (), (22,)), Reply("SERVFAIL", True, _RECORD, (), 2.0))
    slow = _result(Reply("NOERROR", True, _RECORD), Reply("NOERROR", True, _RECORD, (), 2.0))
    assert list(differencesIn([same, slow])) == []


def test_reasonDependsOnOurAnswer() -> None:
    """
    A reason that lets others fail does not let us fail.
    """
    answer, failure = Reply("NOERROR", True, _RECORD), Reply("SERVFAIL")
    worlds = "delegations/twelve-dead/signed.curious"
    assert all(each.reason is not None for each in differencesIn([_result(answer, failure, worlds)]))
    assert all(each.reason is None for each in differencesIn([_result(failure, answer, worlds)]))


@pytest.mark.parametrize(
    ("check", "ours", "world"),
    [
        (bogusWithoutReason, Reply("SERVFAIL"), "bogus/expired/nsec"),
        (falselySecure, Reply("NOERROR", False, _RECORD, (7,)), "bogus/expired/nsec3"),
        (falselySecure, Reply("NOERROR", True, _RECORD), "bogus/unsupported-algorithm/nsec"),
        (falselySecure, Reply("NOERROR", True, _RECORD), "servers/truncates/all/unsigned"),
    ],
)
def test_falseTrustIsFound(check: Callable[[list[Result]], list[str]], ours: Reply, world: str) -> None:
    """
    Also where all resolvers agree, failures without an extended error, answers in bogus zones and AD in zones without signatures are found.
    """
    assert check([_result(ours, ours, world)]) == ["www.f0.alpha A"]
