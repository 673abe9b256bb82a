"""
Tests of what the console tries before it is done: that what was tried is what is added, and what becomes of processes that fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorSocket

from tests.server.settings.running import Running
from twisted_ext.errors import CallerFault
from twisted_ext.resolver.policy.rules.compiler import digestOf
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.copies import Copies
from twisted_ext.server.operations.operations import Operations
from twisted_ext.server.replay.replay import KINDS
from twisted_ext.server.settings.additions import AddedSettings
from twisted_ext.web.console.pages.alterations import Alterations
from twisted_ext.web.console.pages.blocking import trying
from twisted_ext.web.console.pages.blocking.trying import TryPage
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply

URL = "https://lists.example/social.txt?key=hunter2"

NOTHING = {"least": 0, "most": 0, "names": 0, "top": []}


class _Operations:
    """
    What the page needs of a server.
    """

    def __init__(self, trying: Trying) -> None:
        self._trying = trying

    @property
    def inForce(self) -> Settings:
        return self._trying.running.inForce

    def status(self) -> Deferred[object]:
        return succeed({"queryHistory": self._trying.history})

    def alter(self, changes: Iterable[AddedValue]) -> Deferred[list[AddedValue]]:
        return AddedSettings(self._trying.running).alter(changes)

    def applied(self) -> Deferred[list[str]]:
        return succeed([])


class Trying:
    """
    The page, with processes that do not run.

    @ivar jobs: what processes were given, by their modules.
    @ivar fetches: what the next one that fetches has found; a text is the error.
    @ivar replays: the same of the one that decides.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_795_000_000.0
        self.running = Running(Settings.of(upstream=["192.0.2.1"], state=str(folder)))
        self.jobs: list[tuple[str, dict[str, Any]]] = []
        self.text = "chat.example\nmore.example\n"
        self.fails = ""
        self.replays: object = {"queries": 9, "sampled": 9, "agreed": 9, **dict.fromkeys(KINDS, NOTHING)}
        self.history: object = {"folder": str(folder / "history")}
        self.waiting: Deferred[bytes] | None = None
        operations = cast(Operations, _Operations(self))
        self.page = TryPage(operations, Alterations(operations), cast(IReactorSocket, None), maybeDeferred, lambda: self.now)

    def run(self, reactor: object, module: str, *, given: bytes, seconds: float) -> Deferred[bytes]:
        """
        Stand for a process.
        """
        job = json.loads(given)
        self.jobs.append((module.rpartition(".")[2], job))
        if self.fails:
            return fail(OSError(self.fails))
        if module.endswith("fetchlist"):
            path = Path(job["path"])
            path.write_text(self.text)
            with path.open("rb") as file:
                digest = digestOf(file)
            facts = {"digest": digest, "octets": len(self.text), "rules": 2, "etag": '"a"', "modified": "", "source": job["url"]}
            return succeed(json.dumps({"changed": True, **facts}).encode())
        if self.waiting is not None:
            return self.waiting
        return succeed(json.dumps(self.replays).encode())

    def post(self, **form: str) -> ConsoleReply | str:
        """
        Send a form, and return the reply, or why there is none.
        """
        asked = ConsoleAsked("POST", ["blocking", "try"], {}, "192.0.2.1")
        asked.form = form
        found: list[Any] = []
        self.page.do(asked).addBoth(found.append)
        if not found:
            return "it waits"
        if isinstance(found[0], ConsoleReply):
            return found[0]
        assert isinstance(found[0].value, ConsoleRefusal | CallerFault), found[0]
        return str(found[0].value)

    def values(self, **form: str) -> Mapping[str, Any]:
        reply = self.post(**form)
        assert isinstance(reply, ConsoleReply), reply
        return reply.values


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Trying]:
    made = Trying(tmp_path)
    with patch.object(trying, "runModule", made.run):
        yield made


def test_whatWasTriedIsAdded(page: Trying, tmp_path: Path) -> None:
    """
    The list is fetched once, from public addresses only, decided with what was fetched, and added with the same octets.
    """
    values = page.values(action="list", url=URL, view="")
    assert (values["rules"], values["kinds"], values["fields"]) == (2, [], {"url": URL, "name": "social"})
    (_, fetch), (_, replay) = page.jobs
    assert fetch["public"] is True and "upstream" in fetch["settings"] and "state" not in fetch["settings"]
    ((word, (path, digest)),) = replay["copies"].items()
    assert (word, path) == (f"block:social={URL}", fetch["path"])
    assert replay["until"] - replay["since"] == 86_400 and replay["new"]["lists"] == ["social"] and "lists" not in replay["old"]
    page.text = "another.example\n"
    reply = page.post(action="add", token=values["token"], **values["fields"])
    assert isinstance(reply, ConsoleReply) and reply.location == "/blocking"
    assert reply.said == "added list social, from lists.example; applied list social to all clients" and reply.undo is not None
    copies = Copies(str(tmp_path / "lists"))
    copies.load("social", URL)
    copy = copies.get("social")
    assert copy is not None and copy.digest == digest
    assert Path(copies.path("social")).read_text() == "chat.example\nmore.example\n"
    assert not list((tmp_path / "tried").iterdir())
    assert page.post(action="add", token=values["token"], **values["fields"]) == "There is a list social already; choose another name."
    assert page.post(action="add", token=values["token"], url=URL, name="x") == "What was tried is not there any more; try it again."


def test_otherList(page: Trying) -> None:
    """
    What was fetched is not added as another list.
    """
    values = page.values(action="list", url=URL)
    assert page.post(action="add", token=values["token"], url=f"{URL}2", name="x") == "Another list was tried than this one."
    assert page.running.inForce.own is page.running.inForce


def test_whatIsKept(page: Trying, tmp_path: Path) -> None:
    """
    Four lists that were tried are kept, for an hour; what an earlier process has left is removed.
    """
    (tmp_path / "tried").mkdir()
    (tmp_path / "tried" / "old.list").touch()
    tokens = [page.values(action="list", url=f"{URL}{number}")["token"] for number in range(6)]
    assert len(list((tmp_path / "tried").iterdir())) <= 5
    assert page.post(action="add", token=tokens[0], url=f"{URL}0", name="x") == "What was tried is not there any more; try it again."
    page.now += 3_601
    page.values(action="list", url=URL)
    assert len(list((tmp_path / "tried").iterdir())) == 1


def test_oneAtATime(page: Trying) -> None:
    """
    While something is tried nothing else is.
    """
    page.waiting = Deferred()
    assert page.post(action="block", name="a.example") == "it waits"
    assert page.post(action="block", name="b.example") == "Something else is being tried; wait until it is done."
    page.waiting.callback(json.dumps(page.replays).encode())
    page.waiting = None
    assert isinstance(page.post(action="block", name="b.example"), ConsoleReply)


def test_failures(page: Trying, tmp_path: Path) -> None:
    """
    What keeps something from being tried is said.
    """
    page.replays = {"failed": "it takes more than 512 MB of memory"}
    assert page.post(action="block", name="a.example") == "It could not be tried: it takes more than 512 MB of memory."
    page.replays = []
    assert page.post(action="block", name="a.example") == "It could not be tried: nothing was found."
    page.fails = "a child process has taken more than 70 seconds, and was ended"
    assert page.post(action="block", name="a.example") == f"It could not be tried: {page.fails}."
    page.fails = ""
    (tmp_path / "tried").touch()
    reply = page.post(action="list", url=URL)
    assert isinstance(reply, str) and reply.startswith(f"{tmp_path}/tried: File exists")
    page.history = None
    said = "This server keeps no history of queries; set query-history to true in the settings."
    assert page.post(action="allow", name="a.example") == said


def test_shown(page: Trying) -> None:
    """
    Of each kind of change the page has names, counts, which may be between two, and some clients; and how well the record fits.
    """
    clients = [f"192.0.2.{number}" for number in range(6)]
    name = {"name": "a.example.", "least": 1, "most": 3, "clientCount": 9, "clients": ["", *clients], "rules": ["x:1"]}
    blocked = {"least": 1, "most": 3, "names": 1, "top": [name]}
    page.replays = {"queries": 9, "sampled": 10, "agreed": 8, "unknown": 3, "blocked": blocked, "wrong": ["x"], "said": ["y"]}
    values = page.values(action="block", name="a.example", view="")
    (kind,) = values["kinds"]
    assert (kind["count"], values["agreed"], values["unknown"], values["wrong"]) == ("between 1 and 3", "80 %", 3, ["x", "y"])
    (row,) = kind["rows"]
    assert row["clients"] == clients[:5] and row["more"] == 4
    assert values["fields"] == {"name": "a.example"}
    assert "block" not in page.running.inForce.given
