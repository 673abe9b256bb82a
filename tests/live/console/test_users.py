"""
Live tests of users that are made in the console.
"""

from __future__ import annotations

import html
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.console.test_backup import membersOf
from tests.live.console.test_console import PASSWORD, Browser, Console
from tests.live.twistds import wait

_OTHER = "battery staple"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    made.begin()
    yield made
    made.twistd.stop()


def _fields(password: str = _OTHER, current: str = PASSWORD, **more: str) -> dict[str, str]:
    return {"password": password, "again": password, "current": current, **more}


def _isIn(browser: Browser) -> bool:
    code = browser.get("/zones")
    assert code in (200, 303)
    return code == 200


def test_usersAreMade(console: Console) -> None:
    """
    An administrator makes a user, who changes the password: other browsers of this user sign in again, and so does the user after a change
    of scope. All of it is in the log, and holds after the server was killed.
    """
    anna = Browser(console)
    anna.get("/users")
    assert anna.post("/users", **_fields(name="carl", scope="read")) == 303
    one, other = Browser(console, "carl", _OTHER), Browser(console, "Carl", _OTHER)
    assert (one.get("/users"), one.get("/password")) == (403, 200)
    assert "carl</a> (read)" in one.page
    assert one.post("/password", **_fields("a third password", _OTHER)) == 303
    assert (_isIn(one), _isIn(other)) == (True, False)
    anna.get("/users/carl")
    assert anna.post("/users/carl", action="scope", scope="zones", current=PASSWORD) == 303
    assert not _isIn(one)
    anna.get("/changes")
    page = html.unescape(anna.page)
    for said in ("added user carl with scope read", "gave user carl another password", "gave user carl scope zones"):
        assert said in page
    process = console.twistd.process
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    console.begin()
    carl = Browser(console, "carl", "a third password")
    assert "carl</a> (zones)" in (carl.page if carl.get("/zones") == 200 else "")
    text = "".join([path.read_text("utf-8", "replace") for path in console.folder.rglob("*.log")]) + console.twistd.text()
    assert not [each for each in (PASSWORD, _OTHER, "a third password") if each in text]


def test_whoMayNot(console: Console) -> None:
    """
    Users of other scopes do not make users, nor do other sites, nor an administrator's session without the password, which ends after five
    wrong ones. What is in the operator's file stays.
    """
    for name in ("bert", "guest"):
        browser = Browser(console, name)
        browser.get("/zones")
        for path in ("/users", "/users/anna"):
            assert browser.post(path, **_fields(name="mallory", scope="admin", action="scope")) == 403
    anna = Browser(console)
    anna.get("/users")
    anna.page = ""
    assert anna.post("/users", **_fields(name="mallory", scope="admin")) == 403
    for target, fields in (("/users/anna", {"action": "remove"}), ("/password", {"password": _OTHER, "again": _OTHER})):
        anna.get("/zones/example.org.")
        assert anna.post(target, current=PASSWORD, **fields) == 422
        assert "is in the file of console-users" in anna.page
    for _ in range(5):
        anna.get("/zones/example.org.")
        assert anna.post("/users", **_fields(current="guessed it", name="mallory", scope="admin")) == 403
    assert not _isIn(anna)
    assert not (console.folder / "state" / "console-users.toml").exists()


def test_editedMeanwhile(console: Console) -> None:
    """
    A file of made users that is edited while the server runs is read again; while it is broken only the operator's users sign in, also
    after the server was started anew.
    """
    anna = Browser(console)
    anna.get("/users")
    assert anna.post("/users", **_fields(name="carl", scope="read")) == 303
    file = console.folder / "state" / "console-users.toml"
    text = file.read_text()
    file.write_text(text.replace('"carl"', '"dora"'))
    assert Browser(console, "dora", _OTHER).get("/zones") == 200
    file.write_text("[[user")
    assert _isIn(Browser(console))
    anna.get("/zones/example.org.")
    assert anna.post("/users", **_fields(name="emil", scope="read")) == 422
    assert "console-users.toml" in anna.page
    console.twistd.stop()
    console.begin()
    assert _isIn(Browser(console))
    with pytest.raises(AssertionError):
        Browser(console, "carl", _OTHER)
    file.write_text(text)
    assert _isIn(Browser(console, "carl", _OTHER))
    wait(lambda: "no user of it can sign in until it is mended" in console.twistd.text())


def test_backupWithoutAFileOfUsers(console: Console) -> None:
    """
    In a backup without secrets the console of a server that has made users only is switched off, which is said: no one could sign in at it.
    """
    settings = console.folder / "settings.toml"
    console.twistd.stop()
    made = console.folder / "state" / "console-users.toml"
    made.parent.mkdir(exist_ok=True)
    (console.folder / "users").rename(made)
    settings.write_text("".join([line for line in settings.read_text().splitlines(True) if not line.startswith("console-users")]))
    console.begin()
    for ticked in ({}, {"keys": "1"}):
        anna = Browser(console)
        anna.get("/settings")
        members = membersOf(anna.download("/backup", **ticked))
        assert ("\n# console = " in members["settings.toml"].decode()) is not bool(ticked)
        assert (b"(users made in the console)" in members["README"]) is not bool(ticked)


def test_backups(console: Console) -> None:
    """
    Made users are in a backup only if that is ticked.
    """
    anna = Browser(console)
    anna.get("/users")
    assert anna.post("/users", **_fields(name="carl", scope="read")) == 303
    for ticked in ({}, {"keys": "1"}):
        anna.get("/settings")
        members = membersOf(anna.download("/backup", **ticked))
        assert ("state/console-users.toml" in members, b"argon2id" in b"".join(members.values())) == 2 * (bool(ticked),)
