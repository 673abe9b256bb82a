"""
What a converted configuration answers: the same as before, or the converter has said that it does not.
"""

from __future__ import annotations

import pytest

from tests.live.convert.comparing import Answered, Comparison, Difference, Question, reportOf
from tests.live.convert.generated import compareGenerated, unsaid
from twisted_ext.apps.cli.convert.converted import Converted, Place

__all__: list[str] = []

_KINDS = ["dnsmasq", "unbound", "named"]


def _differences(kind: str, seed: int) -> str:
    text, result = compareGenerated(kind, seed)
    result.differences = unsaid(result)
    return "\n".join([text, *reportOf(f"{kind} {seed}", result)]) if result.differences else ""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", _KINDS)
def test_allDifferencesAreSaid(kind: str, seed: int) -> None:
    """
    Where answers to 240 questions differ, a line of the converter's names the domain or the kind.
    """
    assert _differences(kind, seed) == ""


@pytest.mark.long
@pytest.mark.parametrize("kind", _KINDS)
def test_ofManyAllAreSaid(kind: str) -> None:
    """
    So it is with sixty.
    """
    assert [each for seed in range(3, 63) if (each := _differences(kind, seed))] == []


def test_aDifferenceIsSaidOfItsDomainOnly() -> None:
    """
    A line about one domain says nothing of names in others.
    """
    converted = Converted("unbound", "unbound.conf")
    converted.differs(Place("unbound.conf", 1, "local-zone: lan. static"), "it is another one")
    found, nothing = Answered("NOERROR", frozenset({("x", "A", "192.0.2.1")})), Answered("REFUSED", frozenset())
    differences = [Difference(Question(name, "A"), nothing, found, "") for name in ("a.lan", "lan", "lan.example", "a.example")]
    assert unsaid(Comparison(converted, differences=differences)) == differences[2:]
