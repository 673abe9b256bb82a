"""
Tests of L{tests.ordering}.
"""

from __future__ import annotations

import random

from tests.ordering import quickLast


def test_quickOnesAreLast() -> None:
    """
    Each of four equal parts ends with quick tests; all tests are there once, and those of a module stay together.
    """
    dice = random.Random(1)
    modules = [(f"{dice.choice(('slow', 'quick', 'quick'))}{number}", dice.randrange(1, 30)) for number in range(400)]
    items = [(name, number) for name, count in modules for number in range(count)]
    found = quickLast(items, lambda item: item[0], lambda name: name.startswith("quick"), 4)
    assert sorted(found) == sorted(items)
    assert found != items
    for name, count in modules:
        assert [item for item in found if item[0] == name] == [(name, number) for number in range(count)]
        places = [place for place, item in enumerate(found) if item[0] == name]
        assert places == [*range(places[0], places[0] + count)]
    size = len(items) // 4
    for part in range(4):
        tail = found[(part + 1) * size - size // 20 : (part + 1) * size - 30]
        assert all(name.startswith("quick") for name, _ in tail), part


def test_nothingQuick() -> None:
    """
    Without quick tests, or without any, nothing is lost.
    """
    items = [("slow", number) for number in range(10)]
    assert quickLast(items, lambda item: item[0], lambda name: False, 4) == items
    assert quickLast(items[:0], lambda item: item[0], lambda name: True, 2) == []
