"""
Tests of aliases that lead in a circle.
"""

from __future__ import annotations

import pytest

from tests.resolver.recursive.stacks import Stack
from twisted_ext.errors import ServerFailed, TrustFault
from twisted_ext.testing.internet import Internet

_RECORDS = """
first CNAME second
second CNAME first
self CNAME self
across CNAME back.example.net.
"""


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("name", ["first", "second", "self"])
def test_circleIsNamed(name: str, signed: bool) -> None:
    """
    Aliases that lead in a circle are a failure that says so, and are not called bogus.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS, signed=signed)
    with pytest.raises(ServerFailed) as caught:
        Stack(internet).look(f"{name}.example.org")
    assert not isinstance(caught.value, TrustFault)
    [(code, text)] = caught.value.ede
    assert code == 0
    assert f"{name}.example.org. IN A: its aliases lead in a circle back to" in text


def test_circleThroughTwoZonesEnds() -> None:
    """
    Aliases that lead in a circle through two zones are a failure, after few queries.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS)
    internet.zone("example.net", "back CNAME across.example.org.")
    with pytest.raises(ServerFailed) as caught:
        Stack(internet).look("across.example.org")
    assert not isinstance(caught.value, TrustFault)
    assert len(internet.exchanges) < 20
