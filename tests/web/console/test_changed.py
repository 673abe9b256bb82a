"""
Tests of what the console says was changed.
"""

from __future__ import annotations

import pytest

from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.web.console.pages.changed import changeIn


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"settings": ["blocked a for view b", "allowed c for all clients"]}, "blocked a for view b; allowed c for all clients"),
        ({"path": "/blocking", "action": "pause", "view": "all", "time": "5 minutes"}, "paused blocking for all clients for 5 minutes"),
        ({"path": "/blocking", "action": "resume", "view": "kids"}, "ended the pause of blocking for view kids"),
        ({"path": "/blocking", "action": "fetch", "list": "ads", "view": ""}, "fetched list ads"),
        ({"path": "/look", "action": "flush", "name": "a."}, "had the cache forget a."),
        ({"path": "/zones/a.", "zone": "a.", "action": "notify"}, "notified the secondaries of zone a."),
        ({"path": "/zones", "zone": "a."}, "added zone a."),
        (
            {"path": "/zones/a./edit", "zone": "a.", "name": "b.a.", "type": "A", "before": 1, "serial": 2},
            "changed b.a. A of zone a., serial 1 to 2",
        ),
        ({"path": "/zones/a./text", "zone": "a.", "before": 1, "serial": 2}, "changed records of zone a., serial 1 to 2"),
        (
            {"path": "/zones/a./changes", "zone": "a.", "back": 1, "before": 4, "serial": 5},
            "went back to serial 1 of zone a., serial 4 to 5",
        ),
        ({"path": "/backup", "keys": True}, "made a backup, with private keys"),
        ({"path": "/api/2/views", "method": "PUT", "status": 403}, "tried: PUT /api/2/views; that was refused (403)"),
        ({"path": "/api/2/zones/a.", "method": "DELETE", "zone": "a."}, "DELETE zone a."),
    ],
)
def test_sentences(told: dict[str, JSON], what: str) -> None:
    """
    Each kind of change has its words; what has none is told by its path.
    """
    entry: dict[str, JSON] = {"at": 5.0, "user": None, "token": "t", "from": "192.0.2.1", "method": "POST", "path": "/x", "status": 200}
    change = changeIn({**entry, **told})
    assert (change["who"], change["client"], change["what"]) == ("t", "192.0.2.1", what)


@pytest.mark.parametrize(
    ("added", "what"),
    [
        (AddedValue("block", "a.example"), "blocked a.example for all clients"),
        (AddedValue("block-except", "a.example", "kids", True), "no longer allows a.example for view kids"),
        (AddedValue("lists", "ads", "kids"), "applied list ads to view kids"),
        (AddedValue("clients", "192.0.2.7", "kids"), "put client 192.0.2.7 into view kids"),
        (AddedValue("clients", "192.0.2.7", "kids", True), "took client 192.0.2.7 out of view kids"),
        (AddedValue("local", "printer A 192.0.2.9"), "added the local name printer A 192.0.2.9"),
        (AddedValue("safe-search", "bing", "", True), "switched safe search of bing off for all clients"),
        (AddedValue("route", "a=b"), "added a=b to route for all clients"),
    ],
)
def test_sentencesOfSettings(added: AddedValue, what: str) -> None:
    """
    So does each value of a setting that was added or removed.
    """
    assert added.sentence == what
