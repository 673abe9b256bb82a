"""
Tests of L{twisted_ext.server.operations.audit}: who has changed what.
"""

from __future__ import annotations

from pathlib import Path

from tests.live.twistds import wait
from twisted_ext.server.operations.audit import AuditLog
from twisted_ext.web.console.pages.changed import changeIn, isChange


def test_strangersPushNothingOut(tmp_path: Path) -> None:
    """
    Wrong passwords and tokens are in a file of their own, and are told with the others where all is wanted, in the order of time.
    """
    log = AuditLog(str(tmp_path))
    log.startService()
    log.note({"at": 1.0, "user": "anna", "method": "POST", "path": "/settings", "status": 303, "settings": ["blocked x for all clients"]})
    for number in range(20):
        log.note({"at": 2.0 + number, "user": "anna", "method": "POST", "path": "/signin", "status": 401})
    log.note({"at": 30.0, "user": "anna", "method": "POST", "path": "/signin", "status": 303})
    log.note({"at": 31.0, "user": "anna", "method": "POST", "path": "/zones/a./edit", "status": 200, "dry": True})
    wait(lambda: len(log.latest(99, 1e12)) == 23)
    assert [entry["at"] for entry in log.latest(4, 30.5) if isinstance(entry, dict)] == [30.0, 21.0, 20.0, 19.0]
    (change,) = log.latest(10, 1e12, isChange)
    assert isinstance(change, dict)
    assert changeIn(change)["what"] == "blocked x for all clients"
    log.stopService()
    assert len(log.latest(99, 1e12)) == 23
    assert (tmp_path / "refused.jsonl").read_text().count("\n") == 20
