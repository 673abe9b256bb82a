"""
Tests of the table of the console's pages: which page a path has, what it takes to use it, and the navigation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from types import SimpleNamespace
from typing import cast

from twisted.internet.interfaces import IReactorSocket
from twisted.internet.testing import MemoryReactorClock

from twisted_ext.server.operations.operations import Operations
from twisted_ext.web.console.site.madeusers import ConsoleUsers
from twisted_ext.web.console.site.table import ConsoleTable
from twisted_ext.web.console.site.users import Passwords
from twisted_ext.web.console.table import consoleTable

__all__: list[str] = []


_reactor: Callable[[], object] = MemoryReactorClock


def _table() -> ConsoleTable:
    operations = SimpleNamespace(zoneSets=None, inForce=None)
    users, passwords = cast(ConsoleUsers, None), cast(Passwords, None)
    return consoleTable(cast(IReactorSocket, _reactor()), cast(Operations, operations), None, lambda: 0.0, users, passwords)


def test_scopes() -> None:
    """
    Whoever may only look changes nothing: each form takes a scope, that for zones where records are changed, and that of administrators
    for all else. So do the pages with the settings, and with what was changed.
    """
    forms = {row.path: row.scope for row in _table().rows if row.method == "POST"}
    zones = {f"zones/*/{kind}" for kind in ("edit", "text", "changes")}
    # One's own password.
    assert forms.pop("password") == "read"
    assert forms == {path: "zones" if path in zones else "admin" for path in forms}
    assert len(forms) >= 9
    shown = {row.path: row.scope for row in _table().rows if row.method == "GET"}
    assert shown == {path: "admin" if path in ("settings", "changes", "users", "users/*") else "read" for path in shown}


def test_paths() -> None:
    """
    A zone is found by what its path has, also if that is a star; other paths and methods have no page.
    """
    table = _table()
    for name in ("example.org.", "*", "*.example.org."):
        found = table.find("GET", ["zones", name, "file"])
        assert found is not None
        row, star = found
        assert (row.path, row.scope, star) == ("zones/*/file", "read", (name,))
    home = table.find("GET", [])
    assert home is not None and home[0].template == "home"
    wrong = [("GET", ["none"]), ("POST", ["clients", "192.0.2.1"]), ("GET", ["zones", "a", "b"]), ("PUT", ["zones"]), ("GET", ["*"])]
    for method, parts in [*wrong, ("GET", [""])]:
        assert table.find(method, parts) is None, (method, parts)


def test_rowsAreWhole() -> None:
    """
    No path is there twice; what the navigation has is a page without a star, which has a title, and comes in the order of the table; each
    template of a row is there, and each one that is there is one of a row, a part of others, or of where one signs in.
    """
    table = _table()
    assert len({(row.method, row.path) for row in table.rows}) == len(table.rows)
    assert table.places == [(row.path, row.title) for row in table.rows if row.method == "GET" and row.title]
    assert [path for path, _ in table.places][:2] == ["", "queries"]
    assert all("*" not in path and title for path, title in table.places)
    folder = resources.files("twisted_ext.web.console").joinpath("templates")
    there = {each.name.removesuffix(".html") for each in folder.iterdir() if each.name.endswith(".html")}
    assert there == {row.template for row in table.rows if row.template} | {"frame", "resume", "signin", "refused", "around", "parts"}


def test_labels() -> None:
    """
    On a narrow screen rows are stacked, and each cell has the name of its column before it.
    """
    folder = resources.files("twisted_ext.web.console").joinpath("templates")
    count = 0
    for file in folder.iterdir():
        for table in re.findall(r'<table class="stack">.*?</table>', file.read_text(), re.DOTALL):
            head, _, body = table.partition("</thead>")
            columns = [text.strip() for _, text in re.findall(r"<(th|td)\b[^>]*>(.*?)</", head)]
            cells = re.findall(r"<td((?:{{.*?}}|{%.*?%}|[^>])*)>", body)
            labels = [re.search(r'data-label="([^"]*)"', cell) for cell in cells]
            assert [each[1] if each else "" for each in labels] == columns, file.name
            count += 1
    assert count >= 16
