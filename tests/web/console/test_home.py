"""
Tests of what Home of the console says does not work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from twisted.internet.defer import Deferred, fail, succeed

from twisted_ext.errors import TimedOut
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.queryhistory.searching import HistorySearch
from twisted_ext.server.operations.operations import Operations
from twisted_ext.server.settings.addedfile import write
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


def test_changesWithoutEffect(tmp_path: Path) -> None:
    """
    What of C{added.toml} has no effect is looked for if the file or the settings have changed, and left out while the server is busy.
    """
    settings = Settings.of(upstream=["192.0.2.1"], state=str(tmp_path))
    works: list[Callable[[], object]] = []

    def elsewhere(work: Callable[[], object]) -> Deferred[object]:
        works.append(work)
        return fail(TimedOut("busy")) if len(works) == 1 else succeed(work())

    operations = cast(Operations, SimpleNamespace(inForce=settings))
    page = home.HomePage(operations, None, elsewhere, cast(HistorySearch, None), lambda: 0.0)

    def unused() -> object:
        found: list[object] = []
        Deferred.fromCoroutine(page._unused()).addBoth(found.append)
        return found[0]

    assert (unused(), works) == ([], [])
    write(str(tmp_path), [AddedValue("lists", "gone")])
    assert unused() == []
    said = ["lists has gone for all clients: there is no list gone in the settings"]
    assert (unused(), unused(), len(works)) == (said, said, 2)
    write(str(tmp_path), [AddedValue("block", "a.example.")])
    assert unused() == []
