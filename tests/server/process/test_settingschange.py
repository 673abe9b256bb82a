"""
Tests of L{twisted_ext.server.process.settingschange}.
"""

from __future__ import annotations

import json
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.server.process.settingschange import SettingsChange, changedBy, changeOf

__all__: list[str] = []

_LISTS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=6)
_VALUES = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from(["a", ""]), _LISTS)
_SETTINGS = st.dictionaries(st.sampled_from(["one", "two", "three", "four"]), _VALUES)


@given(_SETTINGS, _SETTINGS)
def test_changeLeadsThere(before: dict[str, object], after: dict[str, object]) -> None:
    """
    Settings after their change are those that were wanted, whatever they were, also after the change has been a line of JSON.
    """
    sent = cast(SettingsChange, json.loads(json.dumps(changeOf(before, after))))
    changed = changedBy(before, sent)
    assert (changed, {name: type(value) for name, value in changed.items()}) == (after, {name: type(each) for name, each in after.items()})


def test_onlyTheChangeIsSent() -> None:
    """
    One value more, fewer or instead of another among thousands is all that is sent; nothing is sent of settings that are as they were.
    """
    names = [f"name{number}.example." for number in range(10_000)]
    before = {"block": names, "port": 53}
    new = "ads.example."
    for after in ([*names, new], names[:500] + names[501:], [*names[:500], new, *names[501:]], [new, *names]):
        change = changeOf(before, {"block": after, "port": 53})
        assert len(json.dumps(change)) < 100
        assert changedBy(before, change) == {"block": after, "port": 53}
