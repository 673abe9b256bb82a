"""
Tests of lists, schedules, views and single values that are added and removed while a server runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import fail

from tests.server.settings.running import Running
from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.lists import namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.settings import additions
from twisted_ext.server.settings.addedfile import addedIn, write
from twisted_ext.server.settings.additions import AddedSettings, checkedValue, withAdded
from twisted_ext.server.settings.changeable import changeable, tableKind
from twisted_ext.server.settings.startup import withAdded as withAddedAtStart
from twisted_ext.server.settings.tomlfile import readSettings

URL = "https://lists.example/social.txt"


class Changed:
    """
    A server whose settings are changed while it runs.
    """

    def __init__(self, folder: Path, **given: object) -> None:
        self.folder = str(folder)
        self.done: list[list[AddedValue]] = []
        self.edit(**given)

    def edit(self, **given: object) -> None:
        """
        Start the server again with another settings file.
        """
        given = {"list": "ads=/etc/ads.txt", "lists": "ads", "view": {"name": "guests", "clients": ["any"]}, **given}
        self.own = Settings.of(upstream=["192.0.2.1"], state=self.folder, **given)
        self.running = Running(withAdded(self.own, addedIn(self.folder)))

    def alter(self, *wanted: AddedValue) -> list[AddedValue]:
        """
        Make changes, and return those that were made.
        """
        found: list[Any] = []
        AddedSettings(self.running).alter(wanted).addBoth(found.append)
        if not isinstance(found[0], list):
            raise found[0].value
        if found[0]:
            self.done.append(found[0])
        # The next start has the same.
        assert withAdded(self.own, addedIn(self.folder)).given == self.running.inForce.given
        return found[0]

    def undo(self) -> list[AddedValue]:
        """
        Take back the last change.
        """
        undone = self.alter(*[each.opposite for each in reversed(self.done.pop())])
        self.done.pop()
        return undone

    @property
    def blocking(self) -> BlockingSettings:
        return self.running.inForce[BlockingSettings]

    def views(self) -> dict[str, tuple[str, ...]]:
        """
        Return the lists that apply in each view.
        """
        return {view.name: view.settings[BlockingSettings].lists for view in viewsOf(self.running.inForce)}

    def whyNot(self, *wanted: AddedValue) -> str:
        """
        Return why changes are refused, and check that nothing has changed.
        """
        before = self.running.inForce.given, addedIn(self.folder)
        with pytest.raises((BadDescription, CallerFault)) as caught:
            self.alter(*wanted)
        assert (self.running.inForce.given, addedIn(self.folder)) == before
        return str(caught.value)


@pytest.fixture
def server(tmp_path: Path) -> Changed:
    return Changed(tmp_path)


def test_listScheduleAndView(server: Changed) -> None:
    """
    A list, a schedule and a view are added in one change, in any form that settings take, with what uses them; the view comes before those
    of the settings file, of which one has all clients. They are in force at the next start, too, and one undo takes all of them back.
    """
    before = server.running.inForce.given
    server.alter(
        AddedValue("list", f"social={URL}"),
        AddedValue("schedule", "homework=mon-fri 14:00-17:30"),
        AddedValue("view", '{"clients": ["192.0.2.40"], "name": "children"}'),
        AddedValue("lists", "social during homework", "children"),
    )
    assert namedLists(server.blocking)["social"].url == URL
    assert [*schedulesIn(server.blocking)] == ["homework"]
    assert server.views() == {"children": ("ads", "social during homework"), "guests": ("ads",)}
    said = [each.sentence for each in server.done[0]]
    assert said == [
        "added list social, from lists.example",
        "added schedule homework: mon-fri, 14:00-17:30",
        "added view children: 192.0.2.40/32",
        "applied list social during homework to view children",
    ]
    assert [str(each) for each in server.done[0]][:1] == ["list social was added"]
    server.undo()
    assert server.running.inForce.given == before and addedIn(server.folder) == []


def test_removalTakesUsesAlong(server: Changed) -> None:
    """
    With a list or a schedule goes what applies it, also where the settings file does so, and with a view what was changed for it; the undo
    brings all of it back.
    """
    server = Changed(Path(server.folder), lists=["ads", "social"], list=["ads=/etc/ads.txt", "social=/etc/social.txt"])
    server.alter(
        AddedValue("schedule", "night=21:00-06:30"),
        AddedValue("list", f"games={URL}"),
        AddedValue("view", "children=192.0.2.40"),
        AddedValue("lists", "games during night"),
        AddedValue("lists", "games", "children"),
        AddedValue("lists", "social", "children", isRemoved=True),
        AddedValue("block-reply", "null", "children"),
    )
    full = server.running.inForce.given
    kept = sorted(map(str, addedIn(server.folder)))
    for wanted, views in (
        (AddedValue("list", "games", isRemoved=True), {"children": ("ads",), "guests": ("ads", "social")}),
        (AddedValue("schedule", "night", isRemoved=True), {"children": ("ads", "games"), "guests": ("ads", "social")}),
        (AddedValue("view", "children", isRemoved=True), {"guests": ("ads", "social", "games during night")}),
    ):
        server.alter(wanted)
        assert server.views() == views
        server.undo()
        assert server.running.inForce.toJSON() == Settings(full).toJSON()
        assert sorted(map(str, addedIn(server.folder))) == kept


def test_tableIsChanged(server: Changed) -> None:
    """
    A table takes the place of the one with its name; the undo brings that back. Who changes one that another user has changed meanwhile is
    told.
    """
    server.alter(AddedValue("schedule", "night=21:00-06:30"))
    server.alter(AddedValue("view", "children=192.0.2.40"), AddedValue("view", "first=192.0.2.41"))
    assert [*server.views()] == ["children", "first", "guests"]
    (former,) = [each for each in addedIn(server.folder) if each.setting == "schedule"]
    (changed,) = server.alter(AddedValue("schedule", "night=20:00-07:00", before=former.value))
    assert changed.sentence == "changed schedule night: 20:00-07:00"
    assert schedulesIn(server.blocking)["night"].times == ("20:00-07:00",)
    said = server.whyNot(AddedValue("schedule", "night=22:00-05:00", before=former.value))
    assert said == "schedule night was changed meanwhile; look at it again"
    server.undo()
    assert schedulesIn(server.blocking)["night"].times == ("21:00-06:30",)
    server.alter(AddedValue("view", "children=192.0.2.42"))
    assert [*server.views()] == ["children", "first", "guests"]
    assert server.alter(AddedValue("schedule", "night=21:00-06:30")) == []
    # One for a network comes after those for devices, also if it has become one.
    server.alter(AddedValue("clients", "10.0.0.0/8", "children"))
    assert [*server.views()] == ["first", "children", "guests"]


def test_tablesThatAreRefused(server: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a table may not have, and what is the operator's, is said; nothing changes.
    """
    for setting, text, said in (
        ("list", "x=/etc/passwd", "list x: file is for the settings file only"),
        ("list", '{"name": "x", "file": "y.txt"}', "list x: file is for the settings file only"),
        ("list", '{"name": "x", "url": "https://a.example/", "rewrite": true}', "list x: rewrite is for the settings file only"),
        ("list", "x=http://a.example/", "anybody on the way could change the list"),
        ("list", "x=https://user:word@a.example/", "names and passwords in URLs are not supported"),
        ("list", '{"name": "../x", "names": ["a.example"]}', "list ../x: name takes"),
        ("list", '{"name": "\\u202ex", "names": ["a.example"]}', "name takes"),
        ("list", '{"names": ["a.example"]}', "has no name"),
        ("list", '{"name"', "is not a valid list"),
        ("list", "[]", "'[]' is not a valid list"),
        ("list", f"ads={URL}", "the settings file has a list ads; change it there, or choose another name"),
        ("list", f"x=https://a.example/{'a' * 10_000}", "a value has at most 10000 characters"),
        ("schedule", "x=someday", "schedule x:"),
        ("view", "guests=192.0.2.9", "the settings file has a view guests"),
        ("view", "default=192.0.2.9", "commands mean others by all and default"),
        ("view", '{"name": "x", "clients": ["192.0.2.9"], "block-list": ["/etc/passwd"]}', "view x: block-list is for the settings file"),
        ("view", '{"name": "x", "clients": ["192.0.2.9"], "upstream": ["192.0.2.1"]}', "view x: upstream is for the settings file only"),
        ("view", "x=key=partner", "clients key=partner. is for the settings file only"),
        ("zone", "example.org=/etc/passwd", "'zone' is not changed while the server runs"),
    ):
        assert said in server.whyNot(AddedValue(setting, text)), text
    assert "is for the settings file only" in server.whyNot(AddedValue("clients", "server-name=a.example", "guests"))
    assert "list ads is in the settings file; remove it there" in server.whyNot(AddedValue("list", "ads", isRemoved=True))
    assert "there is no list none; did you mean" not in server.whyNot(AddedValue("list", "none", isRemoved=True))
    assert "is not the name of a list" in server.whyNot(AddedValue("list", "{}", isRemoved=True))
    monkeypatch.setattr(additions, "_MOST_TABLES", 1)
    server.alter(AddedValue("list", f"x={URL}"))
    assert "1 tables [[list]] were added while the server ran" in server.whyNot(AddedValue("list", f"y={URL}"))
    server.alter(AddedValue("schedule", "x=mon"))


def test_singleValues(server: Changed) -> None:
    """
    A setting with one value has another one for all clients, or for a view, which is the former one again once that ends.
    """

    def replies() -> list[str]:
        everywhere = [server.running.inForce, *[view.settings for view in viewsOf(server.running.inForce)]]
        return [each[BlockingSettings].blockReply for each in everywhere]

    assert replies() == ["nxdomain", "nxdomain"]
    (change,) = server.alter(AddedValue("block-reply", "null"))
    assert change.sentence == "set block-reply to null for all clients"
    (change,) = server.alter(AddedValue("block-reply", "192.0.2.5", "guests"))
    assert replies() == ["null", "192.0.2.5"]
    server.alter(AddedValue("block-reply", "192.0.2.6", "guests"))
    assert server.alter(AddedValue("block-reply", "192.0.2.6", "guests")) == []
    server.undo()
    assert replies() == ["null", "192.0.2.5"]
    (change,) = server.alter(AddedValue("block-reply", "", "guests", isRemoved=True))
    assert change.sentence == "set block-reply for view guests back to what the server's file says"
    assert server.alter(AddedValue("block-reply", "", "guests", isRemoved=True)) == []
    assert replies() == ["null", "null"]
    server.undo()
    assert replies() == ["null", "192.0.2.5"]
    assert "block-reply takes" in server.whyNot(AddedValue("block-reply", "maybe"))
    assert "time-zone is the same in all views" in server.whyNot(AddedValue("time-zone", "Europe/Berlin", "guests"))
    server.alter(AddedValue("time-zone", "Europe/Berlin"))
    assert server.blocking.timeZone == "Europe/Berlin"


def test_undoAfterAnEditOfTheFile(server: Changed) -> None:
    """
    A change is taken back also if the settings file says the same, or the opposite, by now; what comes back with a view need not have an
    effect.
    """
    (blocked,) = server.alter(AddedValue("block", "a.example."))
    server.edit(block=["a.example"])
    server.alter(blocked.opposite)
    assert server.blocking.block == ()
    server = Changed(Path(server.folder) / "other", block=["a.example"])
    (allowed,) = server.alter(AddedValue("block", "a.example.", isRemoved=True))
    server.edit()
    server.alter(allowed.opposite)
    assert server.blocking.block == ("a.example.",)
    server.alter(AddedValue("list", f"social={URL}"), AddedValue("view", "kids=192.0.2.40"), AddedValue("lists", "social", "kids"))
    removed = server.alter(AddedValue("view", "kids", isRemoved=True))
    server.alter(AddedValue("list", "social", isRemoved=True))
    server.alter(*[each.opposite for each in reversed(removed)])
    assert server.views() == {"kids": ("ads",), "guests": ("ads",)}


def test_valuesLikeTables(server: Changed) -> None:
    """
    A value that begins as a table does is one like others.
    """
    (change,) = server.alter(AddedValue("local", "{x.lan A 192.0.2.1"))
    assert change.key[1] == change.value and change.sentence == f"added the local name {change.value}"
    assert "block takes a domain" in server.whyNot(AddedValue("block", "{x"))
    server.undo()
    assert addedIn(server.folder) == []


def test_notKept(server: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Tables that cannot be written are taken back; a server that cannot use them keeps what it has.
    """
    before = server.running.inForce.given

    def full(folder: str, values: object) -> None:
        raise StorageFault("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(additions, "write", full)
        with pytest.raises(StorageFault):
            server.alter(AddedValue("view", "children=192.0.2.40"))
    assert server.running.inForce.given == before
    monkeypatch.setattr(server.running, "goOver", lambda settings: fail(BadDescription("it does not fit")))
    assert server.whyNot(AddedValue("view", "children=192.0.2.40")) == "it does not fit"


def test_fileIsPartOfASettingsFile(server: Changed) -> None:
    """
    Tables are written as settings files have them, with any characters that they may have.
    """
    names = ["||ads.example^$important", '"quoted" \\ ä']
    server.alter(
        AddedValue("list", str(Settings.of(list={"name": "own", "names": names, "allow": True})[BlockingSettings].list[0])),
        AddedValue("schedule", "night=sat sun 21:00-06:30"),
        AddedValue("view", "children=192.0.2.40,2001:db8::/64"),
    )
    copied = Path(server.folder, "copied.toml")
    copied.write_text(Path(server.folder, "added.toml").read_text())
    found = readSettings(str(copied))
    inForce = server.running.inForce.given
    assert {name: cast("tuple[str, ...]", value) for name, value in found.items()} == {
        "list": cast("tuple[str, ...]", inForce["list"])[1:],
        "schedule": inForce["schedule"],
        "view": cast("tuple[str, ...]", inForce["view"])[:1],
    }


def test_noEntryKeepsTheServerFromStarting(server: Changed) -> None:
    """
    Entries that cannot be used, as another version or an editor has written them or as the settings file has changed, are left out and
    said; the others are in force. While the server runs nothing is changed as long as there are some that would be lost.
    """
    file = Path(server.folder, "added.toml")
    good = '[[list]]\nname = "social"\nnames = ["a.example"]\n\n[[added]]\nsetting = "lists"\nvalue = "social"\n\n'
    lost = (
        '[[list]]\nnames = ["x.example"]',
        '[[view]]\nname = "x"\nclients = { a = 1 }',
        "[[schedule]]\nname = 5",
        "[schedule]\nx = 5",
        "[other]\nname = 5",
        '[[added]]\nsetting = "block"\nvalue = 5',
        '[[added]]\nsetting = "list"\nvalue = "x"',
        'removed = "x"',
    )
    kept = (
        '[[list]]\nname = "x"\nfile = "/etc/passwd"',
        '[[list]]\nname = "ads"\nurl = "https://lists.example/"',
        '[[list]]\nname = "x"\nmore = "x"',
        '[[schedule]]\nname = "x"',
        '[[view]]\nname = "guests"\nclients = ["192.0.2.1"]',
        '[[view]]\nname = "x"\nclients = ["key=x"]',
        '[[added]]\nsetting = "clients"\nvalue = "key=x"\nview = "guests"',
        '[[added]]\nsetting = "block-reply"\nvalue = "maybe"',
        '[[added]]\nsetting = "lists"\nvalue = "games"',
        '[[added]]\nsetting = "nothing"\nvalue = "games"',
        '[[added]]\nsetting = "block"\nvalue = "{x"',
        '[[removed]]\nsetting = "nothing"\nvalue = "{"',
    )
    for entry in (*lost, *kept):
        file.write_text(entry + "\n" + good if entry.startswith("removed") else good + entry)
        settings = withAddedAtStart(server.own)
        assert settings[BlockingSettings].lists == ("ads", "social"), entry
        assert [view.name for view in viewsOf(settings)] == ["guests"], entry
        if entry in kept:
            before = addedIn(server.folder)
            write(server.folder, before)
            assert addedIn(server.folder) == before
        else:
            text = file.read_text()
            with pytest.raises(BadDescription) as caught:
                server.alter(AddedValue("block", "b.example"))
            assert str(file) in str(caught.value)
            assert file.read_text() == text


def test_whichSettings() -> None:
    """
    These settings are changed while the server runs, and no others: not those that take a restart, have a path, open a door or give trust.
    """
    several = ["block", "block-except", "clients", "local", "local-domain", "lists", "query-history-skip", "route", "safe-search"]
    several += ["upstream"]
    single = ["block-reply", "query-history", "query-history-clients", "query-history-days", "time-zone", "upgrade-upstreams"]
    tables = {"list": ["allow", "every", "names", "url"], "schedule": ["days", "times"], "view": ["clients"]}
    known = changeable()
    assert sorted(known) == sorted([*several, *single, *tables])
    assert [name for name in sorted(known) if not known[name].many] == single
    assert {name: sorted(tableKind(known[name]).atRunTime) for name in tables} == tables
    for setting in DECLARED.withPlugins():
        if setting.name in known:
            assert setting.live, setting.name
            continue
        for text in ("x", "true", "1", "192.0.2.1"):
            with pytest.raises(BadDescription) as caught:
                checkedValue(Settings.of(upstream=["192.0.2.1"]), AddedValue(setting.name, text))
            assert f"'{setting.name}' is not changed while the server runs" in str(caught.value)


def test_serversOnTheNetwork(server: Changed) -> None:
    """
    An upstream or a route is a server on the network; other descriptions may read files or do what a plugin does.
    """
    usual = ("192.0.2.1", "tls:192.0.2.1:name=dns.example", "tls://dns.example", "https://dns.example/dns-query", "quic:192.0.2.1")
    for description in usual:
        server.alter(AddedValue("upstream", description))
        server.alter(AddedValue("route", f"lan={description}"), AddedValue("route", f"lan={description}", isRemoved=True))
    for description in ("zone:x=/etc/passwd", "cache:udp:192.0.2.1", "tls:192.0.2.1:ca=/etc/passwd", "hosts", "names:os.system", "system"):
        for wanted in (AddedValue("upstream", description), AddedValue("route", f"lan={description}", "guests")):
            said = server.whyNot(wanted)
            assert "is for the settings file only" in said or "takes" in said, said
