"""
Tests of users that are made in the console, and of the pages on which they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs

from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.web.console.pages.users import UsersPage
from twisted_ext.web.console.site.madeusers import MADE_USERS, ConsoleUsers, MadeUser
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply
from twisted_ext.web.console.site.sessions import ConsoleSession, ConsoleSessions
from twisted_ext.web.console.site.users import ConsoleUser, Passwords, TooManyTries, tableOf, userOf

#: Made once: a hash takes 40 ms.
_ANNA: Final = userOf("Anna", "admin", "right password")
_BERT: Final = userOf("bert", "read", "right password")


def _given(folder: Path, *users: ConsoleUser) -> str:
    path = folder / "given"
    path.write_text("\n".join(map(tableOf, users)))
    path.chmod(0o600)
    return str(path)


def _made(folder: Path, *users: ConsoleUser) -> Path:
    path = Path(_given(folder, *users))
    return path.rename(folder / MADE_USERS)


def test_bothFiles(tmp_path: Path) -> None:
    """
    Users of both files are found; one that is in both is the operator's. What is made is there for the next start, and others cannot read
    it.
    """
    users = ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path))
    users.change("bert", lambda former: _BERT)
    assert users.all() == [MadeUser(_ANNA, False), MadeUser(_BERT, True)]
    assert (users.find("ANNA"), users.find("Bert"), users.find("carl")) == (_ANNA, _BERT, None)
    file = tmp_path / MADE_USERS
    assert file.stat().st_mode & 0o777 == 0o600
    assert ConsoleUsers("", str(tmp_path)).find("bert") == _BERT
    again = ConsoleUsers(_given(tmp_path, _ANNA, replace(_BERT, scope="zones")), str(tmp_path))
    assert [(each.user.scope, each.isMade) for each in again.all()] == [("admin", False), ("zones", False)]
    users = ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path))
    users.change("bert", lambda former: None)
    assert ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path)).find("bert") is None


def test_lastAdministrator(tmp_path: Path) -> None:
    """
    There is a user with scope admin at any time.
    """
    _made(tmp_path, _ANNA, _BERT)
    users = ConsoleUsers("", str(tmp_path))
    changes: list[Callable[[ConsoleUser | None], ConsoleUser | None]] = [lambda former: None, lambda former: replace(_ANNA, scope="zones")]
    for change in changes:
        with pytest.raises(CallerFault, match="no user with scope admin"):
            users.change("anna", change)
    users.change("bert", lambda former: replace(_BERT, scope="admin"))
    users.change("anna", lambda former: None)
    assert users.all() == [MadeUser(replace(_BERT, scope="admin"), True)]


def test_whatCannotBeDone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Users of the operator's file are changed there, and without a state folder none are made. Where the file cannot be written, it stays.
    """
    with pytest.raises(CallerFault, match="is in the file of console-users"):
        ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path)).change("anna", lambda former: None)
    with pytest.raises(CallerFault, match="state folder"):
        ConsoleUsers(_given(tmp_path, _ANNA), "").change("bert", lambda former: _BERT)
    with pytest.raises(CallerFault, match="console takes console-users"):
        ConsoleUsers("", str(tmp_path))
    made = _made(tmp_path, _ANNA)
    before = made.read_bytes()
    users = ConsoleUsers("", str(tmp_path))

    def full(*given: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twisted_ext.web.console.site.madeusers.replacingFile", full)
    with pytest.raises(StorageFault, match="No space left"):
        users.change("bert", lambda former: _BERT)
    assert made.read_bytes() == before and users.find("bert") is None


def test_mostUsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    There is a bound on the users that are made.
    """
    monkeypatch.setattr("twisted_ext.web.console.site.madeusers._MOST", 2)
    _made(tmp_path, _ANNA)
    users = ConsoleUsers("", str(tmp_path))
    users.change("bert", lambda former: _BERT)
    with pytest.raises(CallerFault, match="remove one first"):
        users.change("carl", lambda former: replace(_BERT, name="carl"))
    assert len(users.all()) == 2


def test_fileThatCannotBeUsed(tmp_path: Path) -> None:
    """
    A file of made users that is broken does not keep the server from starting, nor the operator's users from signing in. No user is made
    until it is mended.
    """
    file = _made(tmp_path, _BERT)
    text = file.read_text()
    file.write_text(text.replace("read", "all"))
    with capturedLogs() as events:
        users = ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path))
    assert "scope is one of read, zones, admin" in str(events[0]["fault"])
    assert users.find("anna") == _ANNA
    with pytest.raises(BadDescription):
        users.find("bert")
    with pytest.raises(BadDescription):
        users.change("carl", lambda former: replace(_BERT, name="carl"))
    assert "all" in file.read_text()
    file.write_text(text)
    assert users.find("bert") == _BERT


class _Held:
    """
    Compares passwords as if it took no time.
    """

    isFull = False

    def isRight(self, user: ConsoleUser, password: str, *, isKnown: bool = False) -> Deferred[bool]:
        if self.isFull:
            raise TooManyTries
        return maybeDeferred(lambda: password == "right password")


class _Site:
    """
    The pages, and a session of an administrator.
    """

    def __init__(self, folder: Path) -> None:
        _made(folder, _ANNA, _BERT)
        self.users, self.passwords = ConsoleUsers("", str(folder)), _Held()
        self.page = UsersPage(self.users, cast(Passwords, self.passwords), maybeDeferred)
        self.session = ConsoleSession(_ANNA, 0.0)
        self.told: dict[str, object] = {}

    def __call__(self, method: Callable[..., Deferred[ConsoleReply]], *words: str, **form: str) -> str:
        """
        Send a form, and return where its reply leads.
        """
        asked = ConsoleAsked("POST", [], {}, "192.0.2.7")
        asked.form = {"current": "right password", **form}
        asked.user, asked.session = self.session.user, self.session
        found: list[ConsoleReply] = []
        failed: list[BaseException] = []
        method(asked, *words).addCallbacks(found.append, lambda failure: failed.append(failure.value))
        self.told = dict(asked.told)
        if failed:
            raise failed[0]
        return found[0].location


def test_pages(tmp_path: Path) -> None:
    """
    A user is added, gets another scope and another password, and is removed; the log is told of whom, and never a password.
    """
    site = _Site(tmp_path)
    new = {"password": "a new password", "again": "a new password"}
    assert site(site.page.add, name="carl", scope="zones", **new) == "/users"
    assert site.told == {"whom": "carl", "action": "add", "scope": "zones"}
    carl = site.users.find("carl")
    assert carl is not None and carl.scope == "zones"
    assert site(site.page.change, "Carl", action="scope", scope="read") == "/users"
    assert site.users.find("carl") == replace(carl, scope="read")
    assert site(site.page.change, "carl", action="password", **new) == "/users"
    again = site.users.find("carl")
    assert again is not None and again.password != carl.password
    assert "password" not in str({**site.told, "action": ""})
    assert site(site.page.change, "carl", action="remove") == "/users"
    assert site.users.find("carl") is None
    shown = site.page.all(ConsoleAsked("GET", [], {}, "")).values["rows"]
    assert [each.user.name for each in cast("list[MadeUser]", shown)] == ["Anna", "bert"]


@pytest.mark.parametrize(
    ("action", "form", "said"),
    [
        ("add", {"name": "bert", "scope": "read"}, "there is a user bert"),
        ("add", {"name": "BERT", "scope": "read"}, "there is a user bert"),
        ("add", {"name": "a b", "scope": "read"}, "a user's name is"),
        ("add", {"name": 'x"\n[[user]]', "scope": "read"}, "a user's name is"),
        ("add", {"name": "carl", "scope": "all"}, "scope is one of"),
        ("add", {"name": "carl", "scope": "read", "password": "short", "again": "short"}, "8 to 1024 characters"),
        ("add", {"name": "carl", "scope": "read", "again": "another one"}, "the two new passwords differ"),
        ("scope", {"scope": "all"}, "There is no such scope"),
        ("shell", {}, "There is no such action"),
        ("password", {"password": "short", "again": "short"}, "8 to 1024 characters"),
    ],
)
def test_wrongForms(tmp_path: Path, action: str, form: dict[str, str], said: str) -> None:
    """
    A form that cannot be done says why, and nothing has changed.
    """
    site = _Site(tmp_path)
    fields = {"password": "a new password", "again": "a new password", **form}
    before = (tmp_path / MADE_USERS).read_bytes()
    with pytest.raises((CallerFault, ConsoleRefusal)) as caught:
        if action == "add":
            site(site.page.add, **fields)
        else:
            site(site.page.change, "bert", action=action, **fields)
    assert said in str(caught.value)
    assert (tmp_path / MADE_USERS).read_bytes() == before


def test_ownPassword(tmp_path: Path) -> None:
    """
    No change is made without the password of who asks for it; after five wrong ones the session ends. A user who gets another password by
    itself stays signed in, and all its other sessions are of a user that there is no more.
    """
    site = _Site(tmp_path)
    sessions = ConsoleSessions()
    secret = sessions.begin(_ANNA, 0.0)
    found = sessions.find(secret, 0.0)
    assert found is not None
    site.session = found
    new = {"password": "a new password", "again": "a new password"}
    assert site(site.page.changeOwn, **new) == "/password"
    changed = site.users.find("anna")
    assert changed is not None and changed != _ANNA and site.session.user == changed
    for _ in range(5):
        assert sessions.find(secret, 0.0) is found
        with pytest.raises(ConsoleRefusal, match="Your own password is wrong"):
            site(site.page.change, "bert", action="remove", current="guessed")
    assert sessions.find(secret, 0.0) is None
    assert site.users.find("bert") == _BERT
    site.passwords.isFull = True
    with pytest.raises(ConsoleRefusal, match="Too many people"):
        site(site.page.change, "bert", action="remove")


def test_noSuchUser(tmp_path: Path) -> None:
    """
    The page of a user that there is not, and of one of the operator's file.
    """
    page = UsersPage(ConsoleUsers(_given(tmp_path, _ANNA), str(tmp_path)), cast(Passwords, _Held()), maybeDeferred)
    asked = ConsoleAsked("GET", [], {}, "")
    for name, code in (("carl", 404), ("anna", 422)):
        with pytest.raises(ConsoleRefusal) as caught:
            page.one(asked, name)
        assert caught.value.code == code
    asked.user = _ANNA
    assert page.own(asked).values["isMade"] is False
