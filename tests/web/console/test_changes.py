"""
Tests of the page of changes, beside a model: what is taken back, and what is not because it was changed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from tests.live.twistds import wait
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.operations.audit import AuditLog
from twisted_ext.server.operations.operations import Operations
from twisted_ext.web.console.pages.alterations import Alterations
from twisted_ext.web.console.pages.changes import ChangesPage
from twisted_ext.web.console.pages.settings import SettingsPage
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply

_Triple = tuple[str, str, str]


class Consoles:
    """
    The two pages, a server that only keeps values, and a log whose clock goes on with each entry.
    """

    def __init__(self, folder: Path) -> None:
        self.values: set[_Triple] = set()
        self.audit = AuditLog(str(folder))
        self.audit.startService()
        self.now = 0.0

        def alter(changes: Iterable[AddedValue]) -> Deferred[list[AddedValue]]:
            done: list[AddedValue] = []
            for each in changes:
                key = each.setting, each.value, each.view
                if (key in self.values) is each.isRemoved:
                    (self.values.discard if each.isRemoved else self.values.add)(key)
                    done.append(each)
            return succeed(done)

        operations = cast(Operations, SimpleNamespace(alter=alter, applied=lambda: succeed([])))
        self.alterations = Alterations(operations)
        self.settings = SettingsPage(operations, self.alterations)
        self.page = ChangesPage(self.alterations, self.audit, lambda work: maybeDeferred(work))

    def _done(self, work: Callable[[ConsoleAsked], Deferred[ConsoleReply]], form: dict[str, str], user: str) -> ConsoleReply | str:
        """
        Send a form, note that as the site does, and return the reply, or why it is refused.
        """
        asked = ConsoleAsked("POST", ["settings"], {}, "192.0.2.1")
        asked.form = form
        found: list[Any] = []
        work(asked).addBoth(found.append)
        self.now += 1.0
        reply: Any = found[0]
        status = 303
        if not isinstance(reply, ConsoleReply):
            assert isinstance(reply.value, ConsoleRefusal), reply
            reply, status = reply.value.text, reply.value.code
        self.audit.note({"at": self.now, "user": user, "method": "POST", "path": "/x", "status": status, "from": "", **asked.told})
        return cast("ConsoleReply | str", reply)

    def change(self, setting: str, value: str, view: str, action: str, user: str = "anna") -> str:
        """
        Make a change, and return the number of its entry; C{""} if nothing has changed.
        """
        reply = self._done(self.settings.do, {"action": action, "setting": setting, "value": value, "view": view}, user)
        assert isinstance(reply, ConsoleReply)
        return "" if reply.undo is None else reply.undo.fields["entry"]

    def undo(self, entry: str, user: str = "anna") -> str:
        """
        Take back a change, and return what is said, or why not, with an exclamation mark before it.
        """
        reply = self._done(self.page.undo, {"entry": entry}, user)
        return f"!{reply}" if isinstance(reply, str) else reply.said

    def rows(self, **fields: str) -> list[dict[str, str]]:
        """
        Return the rows of the page.
        """
        asked = ConsoleAsked("GET", ["changes"], fields, "192.0.2.1")
        found: list[Any] = []
        self.page.show(asked).addBoth(found.append)
        return list(found[0].values["rows"])


@pytest.fixture
def consoles(tmp_path: Path) -> Iterator[Consoles]:
    made = Consoles(tmp_path)
    yield made
    made.audit.stopService()


def test_undoOfAnyChange(consoles: Consoles) -> None:
    """
    Of two hundred changes in random order each can be taken back, which restores what it has changed, unless one of its values was changed
    again: then it is refused, with who has done so.
    """
    chance = Random(5)
    known: list[tuple[str, list[_Triple], str]] = []
    undone = refused = 0
    for _ in range(600):
        user = chance.choice(("anna", "bert"))
        if known and chance.random() < 0.5:
            entry, keys, _ = chance.choice(known)
            place = next(number for number, each in enumerate(known) if each[0] == entry)
            later = [each for each in known[place + 1 :] if not set(each[1]).isdisjoint(keys)]
            before = set(consoles.values)
            said = consoles.undo(entry, user)
            if later:
                refused += 1
                assert said.startswith(f"!{later[-1][2]} has changed that since, at ") and said.endswith("Take that back first.")
                assert consoles.values == before
                continue
            undone += 1
            assert consoles.values == before.symmetric_difference(keys)
            row = consoles.rows()[0]
            assert row["id"]
            known.append((row["id"], keys, user))
            continue
        key = chance.choice(("block", "lists")), f"v{chance.randrange(12)}", chance.choice(("", "kids"))
        before = set(consoles.values)
        entry = consoles.change(*key, chance.choice(("add", "remove")), user)
        assert bool(entry) is (before != consoles.values)
        if entry:
            known.append((entry, [key], user))
    assert undone > 60 and refused > 60


def test_whatTheLogHas(consoles: Consoles, tmp_path: Path) -> None:
    """
    Changes of an earlier process can be taken back, too. A number that is none, or that of a change that was refused, takes back nothing;
    what a form says of changes does not count.
    """
    first = consoles.change("block", "a.example", "", "add")
    consoles.change("block", "b.example", "", "add")
    for number in range(150):
        consoles.change("block", f"n{number}.example", "kids", "add", "bert")
    wait(lambda: (tmp_path / "audit.jsonl").read_text().count("\n") == 152)
    later = Consoles(tmp_path)
    later.values, later.now = consoles.values, consoles.now
    try:
        assert len(later.rows()) == 50
        assert len(later.rows(before="100")) == 50
        assert later.rows(before="3")[0]["what"] == "blocked b.example for all clients"
        assert later.undo(first) == "no longer blocks a.example for all clients"
        assert ("block", "a.example", "") not in later.values
        before = set(later.values)
        for wrong in ("", "0", "x" * 1000, first[:-1]):
            assert later.undo(wrong) == "!This change is not among those that are noted."
        assert later.undo(first).startswith("!anna has changed that since")
        assert later.values == before
    finally:
        later.audit.stopService()
    without = ChangesPage(consoles.alterations, None, lambda work: maybeDeferred(work))
    found: list[Any] = []
    without.show(ConsoleAsked("GET", ["changes"], {}, "")).addBoth(found.append)
    assert found[0].value.code == 404
