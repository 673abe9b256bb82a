"""
Tests of what Home of the console says does not work.
"""

from __future__ import annotations

from twisted_ext.metrics.figures import JSON
from twisted_ext.web.console.pages import home


def test_problems() -> None:
    """
    Queries that are not written, lists and policy zones that cannot be used, and upstreams that do not reply are named, each with its page.
    """
    status: dict[str, JSON] = {
        "queryHistory": {"folder": "/x", "wrong": "No space left on device", "since": 0.0},
        "blocking": {"shown": {"lists": [{"name": "ads", "failing": True}, {"name": "games", "failing": False}], "paused": []}},
        "policyZones": {"zones": [{"zone": "feed", "kept": True, "said": "cannot be read: No such file"}, {"zone": "good", "kept": False}]},
    }
    upstreams: list[dict[str, JSON]] = [{"server": "192.0.2.53:53", "up": False}, {"server": "192.0.2.54:53", "up": True}, {"server": "x"}]
    found = list(home._problemsIn(status, upstreams))
    assert [path for _, path in found] == ["/queries", "/blocking", "", "/upstreams"]
    assert [text for text, _ in found][1:] == [
        "List ads could not be fetched or read. What it had before stays in force.",
        "Policy zone feed cannot be read: No such file.",
        "Upstream 192.0.2.53:53 does not reply.",
    ]
    assert "No space left on device" in found[0][0]
    assert list(home._problemsIn({"queryHistory": {"folder": "/x"}, "blocking": "x"}, [])) == []
