"""
Tests of L{twisted_ext.apps.consoleservice}: which page a path has, and what it takes to use it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from twisted.internet.interfaces import IReactorSocket
from twisted.internet.testing import MemoryReactorClock

from twisted_ext.apps.consoleservice import ConsolePageTable
from twisted_ext.server.console.replies import ConsoleAsked
from twisted_ext.server.console.zones.text import ZoneTextPage
from twisted_ext.server.operations.operations import Operations

__all__: list[str] = []


_reactor: Callable[[], object] = MemoryReactorClock


def _pages() -> ConsolePageTable:
    operations = SimpleNamespace(zoneSet=None, inForce=None)
    return ConsolePageTable(cast(IReactorSocket, _reactor()), cast(Operations, operations), None, lambda: 0.0)


def test_scopes() -> None:
    """
    Whoever may only look changes nothing: each form takes a scope, that for zones where records are changed, and that of administrators
    for all else. So does the page with the settings.
    """
    pages = _pages()
    forms = {path[1:]: scope for path, scope in pages.scopes().items() if path[0] == "POST"}
    zones = {("zones", "*", kind) for kind in ("edit", "text", "changes")}
    assert forms == {path: "zones" if path in zones else "admin" for path in forms}
    assert len(forms) >= 9
    shown = {path[1:]: scope for path, scope in pages.scopes().items() if path[0] == "GET"}
    assert shown == {path: "admin" if path == ("settings",) else "read" for path in shown}


def test_paths() -> None:
    """
    A zone is found by what its path has, also if that is a star; other paths and methods have no page.
    """
    pages = _pages()
    for name in ("example.org.", "*", "*.example.org."):
        found = pages("GET", ["zones", name, "file"])
        assert found is not None
        assert found[0] == "read"
        asked = ConsoleAsked("GET", ["zones", name, "file"], {}, "192.0.2.1")
        with patch.object(ZoneTextPage, "file", lambda self, asked, text: text):
            assert cast(Any, _pages()("GET", ["zones", name, "file"]))[1](asked) == name
    wrong = [("GET", ["none"]), ("POST", ["clients", "192.0.2.1"]), ("GET", ["zones", "a", "b"]), ("PUT", ["zones"]), ("GET", ["*"])]
    for method, parts in wrong:
        assert pages(method, parts) is None, (method, parts)
