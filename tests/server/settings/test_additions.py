"""
Tests of values of settings that are added and removed while a server runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.server.settings.running import Running
from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import ViewSettings, viewsOf
from twisted_ext.server.settings import additions
from twisted_ext.server.settings.addedfile import addedIn, write
from twisted_ext.server.settings.additions import AddedSettings, added, checkedValue, removed, withAdded

if TYPE_CHECKING:
    pass

_T = TypeVar("_T")

OWN = Settings.of(
    upstream=["192.0.2.1"],
    block=["ads.example"],
    list=["ads=/etc/ads.txt", "games=/etc/games.txt"],
    lists=["ads"],
    schedule=["homework=mon-fri 14:00-17:30"],
    view=[
        {"name": "children", "clients": ["192.0.2.40"], "block": ["games.example"]},
        {"name": "guests", "clients": ["192.0.2.50"]},
    ],
)


def blockedIn(settings: Settings) -> dict[str, tuple[str, ...]]:
    """
    Return the names that are blocked for all clients, and in each view.
    """
    return {"": settings[BlockingSettings].block} | {each.name: each.settings[BlockingSettings].block for each in viewsOf(settings)}


class AddedTests(SynchronousTestCase):
    """
    What is added and removed is in force on top of the settings.
    """

    def after(self, *changes: tuple[str, str, str, bool]) -> tuple[Settings, list[AddedValue]]:
        values: list[AddedValue] = []
        for setting, text, view, isRemoved in changes:
            change = checkedValue(OWN, AddedValue(setting, text, view, isRemoved))
            values = (removed if isRemoved else added)(values, change, OWN)
        return withAdded(OWN, values), values

    def test_all(self) -> None:
        """
        A value for all clients is added in each view, also where the view has values of its own.
        """
        made, _ = self.after(("block", "one.example", "", False))
        wanted = {
            "": ("ads.example.", "one.example."),
            "children": ("games.example.", "one.example."),
            "guests": ("ads.example.", "one.example."),
        }
        self.assertEqual(blockedIn(made), wanted)
        self.assertIs(made.own, OWN)

    def test_view(self) -> None:
        """
        A value for a view is added to what the view has of all.
        """
        made, _ = self.after(("block", "one.example", "guests", False), ("block", "two.example", "", False))
        wanted = {
            "": ("ads.example.", "two.example."),
            "children": ("games.example.", "two.example."),
            "guests": ("ads.example.", "two.example.", "one.example."),
        }
        self.assertEqual(blockedIn(made), wanted)

    def test_removed(self) -> None:
        """
        A value of the settings is removed, and put back; of one that was added nothing is left.
        """
        made, values = self.after(("block", "ads.example", "", True), ("lists", "ads", "children", True))
        self.assertEqual(blockedIn(made), {"": (), "children": ("games.example.",), "guests": ()})
        self.assertEqual([each.settings[BlockingSettings].lists for each in viewsOf(made)], [(), ("ads",)])
        self.assertEqual([each.isRemoved for each in values], [True, True])
        for first, second in ((False, True), (True, False)):
            made, values = self.after(("block", "ads.example", "", first), ("block", "ads.example", "", second))
            self.assertEqual([each.isRemoved for each in values], [second] if second else [])
            made, values = self.after(("block", "one.example", "", first), ("block", "one.example", "", second))
            self.assertEqual([each.isRemoved for each in values], [] if second else [False])

    def test_viewWins(self) -> None:
        """
        What is removed for a view stays removed there, although it is added for all clients, before or after.
        """
        everyone = ("block", "one.example", "", False)
        for view in ("guests", "children"):
            for changes in ((everyone, ("block", "one.example", view, True)), (everyone, ("block", "one.example", view, True), everyone)):
                made, _ = self.after(*changes)
                found = {name: "one.example." in values for name, values in blockedIn(made).items()}
                self.assertEqual(found, {"": True, "children": view != "children", "guests": view != "guests"})
            made, values = self.after(everyone, ("block", "one.example", view, True), ("block", "one.example", view, False))
            self.assertEqual([(each.view, each.isRemoved) for each in values], [("", False)])

    def test_clients(self) -> None:
        """
        A client is put into a view.
        """
        made, _ = self.after(("clients", "192.0.2.41", "children", False))
        self.assertEqual(viewsOf(made)[0].clients, ("192.0.2.40/32", "192.0.2.41/32"))

    def test_viewKeepsItsOwn(self) -> None:
        """
        What is added for a view is blocked there also after it was removed for all clients, who had it before or got it later.
        """
        mine, all_ = ("block", "one.example", "guests", False), ("block", "one.example", "", False)
        for changes in ((all_, mine), (mine, all_)):
            made, values = self.after(*changes, (*all_[:3], True))
            self.assertIn("one.example.", blockedIn(made)["guests"])
            self.assertNotIn("one.example.", blockedIn(made)[""])
            self.assertEqual(len(self.after(*changes, mine)[1]), 2)

    def test_fileEdited(self) -> None:
        """
        A value that the edited settings have no room for is passed over, with the reason; the others hold. A view whose clients are all
        removed has none, and the server starts.
        """
        _, values = self.after(
            ("clients", "192.0.2.40", "children", True), ("block", "one.example", "guests", False), ("block", "two.example", "", False)
        )
        values += [AddedValue("port", "53"), AddedValue("block", "a..b"), AddedValue("lists", "games", "gone")]
        skipped: list[str] = []
        made = withAdded(OWN, values, lambda value, reason: skipped.append(f"{value.value} {reason}"))
        self.assertEqual([view.clients for view in viewsOf(made)], [(), ("192.0.2.50/32",)])
        self.assertEqual(blockedIn(made)["guests"], ("ads.example.", "two.example.", "one.example."))
        self.assertEqual(len(skipped), 3)
        for said, reason in zip(skipped, ("'port' is not changed", "block takes a domain name", "there is no view gone"), strict=True):
            self.assertIn(reason, said)

    def test_notTogether(self) -> None:
        """
        If the settings cannot be used with all values, each is tried, and those that fit are in force.
        """
        real = additions._made

        def failing(own: Settings, views: Mapping[str, ViewSettings], usable: Sequence[AddedValue]) -> Settings:
            if any(each.value == "bad.example." for each in usable):
                raise BadDescription("these do not fit together")
            return real(own, views, usable)

        values = [AddedValue("block", name) for name in ("one.example.", "bad.example.", "two.example.")]
        skipped: list[str] = []
        with patch.object(additions, "_made", failing):
            made = withAdded(OWN, values, lambda value, reason: skipped.append(f"{value.value} {reason}"))
        self.assertEqual(blockedIn(made)[""], ("ads.example.", "one.example.", "two.example."))
        self.assertEqual(skipped, ["bad.example. these do not fit together"])

    def test_gone(self) -> None:
        """
        What was added for a view or a list that the operator has taken out of the settings since has no effect, and is kept.
        """
        _, values = self.after(
            ("block", "one.example", "guests", False), ("lists", "games during homework", "", False), ("lists", "games", "children", False)
        )
        other = Settings.of(upstream=["192.0.2.1"], list=["ads=/etc/ads.txt"], lists=["ads"])
        self.assertEqual(withAdded(other, values).given, other.given)

    def test_refused(self) -> None:
        """
        What cannot be added is said, with what could be.
        """
        self.patch(DECLARED.byName["local"], "inView", False)
        for setting, text, view, said in (
            ("stub", "lan=192.0.2.1", "", "'stub' is not changed while the server runs"),
            ("blok", "ads.example", "", "did you mean block?"),
            ("block", "a..b", "", "block takes a domain name"),
            ("block", "a.example", "child", "there is no view child; did you mean children?"),
            ("local", "a.lan A 192.0.2.1", "children", "local is the same in all views; leave the view out"),
            ("clients", "192.0.2.1", "", "clients are those of a view; give its name"),
            ("lists", "none", "", "there is no list none in the settings"),
            ("lists", "ads during never", "", "there is no list ads, or no schedule never in the settings"),
            ("block-except", "file:/etc/passwd", "", "files are named in the settings file only"),
            ("local", f"a.lan TXT {'a' * 3000}", "", "a value has at most 2000 characters, not 3010"),
        ):
            with self.assertRaises(BadDescription) as caught:
                checkedValue(OWN, AddedValue(setting, text, view))
            self.assertIn(said, str(caught.exception))
        with self.assertRaises(BadDescription) as caught:
            checkedValue(Settings.of(role="serve"), AddedValue("block", "a.example"))
        self.assertIn("block has no effect with serve", str(caught.exception))
        self.patch(additions, "_MOST", 1)
        with self.assertRaises(CallerFault):
            self.after(("block", "one.example", "", False), ("block", "two.example", "", False))

    def test_reload(self) -> None:
        """
        Settings that are read again keep apart what is their own, with what takes a restart.
        """
        made, values = self.after(("block", "one.example", "", False))
        after = OWN.goingOverTo(made)
        self.assertEqual((after.given["block"], after.own.given["block"]), (("ads.example.", "one.example."), ("ads.example.",)))
        again = after.goingOverTo(withAdded(OWN, []))
        self.assertIs(again.own, again)
        self.assertEqual(again.given["block"], ("ads.example.",))


class RunningTests(SynchronousTestCase):
    """
    Changes while a server runs.
    """

    def test_notKept(self) -> None:
        """
        A change that cannot be written is taken back: what is in force is what the next start has.
        """
        running = Running(Settings.of(upstream=["192.0.2.1"], block=["ads.example"], state=self.mktemp()))
        settings = AddedSettings(running)
        self.assertEqual(len(self.successResultOf(settings.alter([AddedValue("block", "one.example")]))), 1)
        self.assertEqual(running.inForce.given["block"], ("ads.example.", "one.example."))

        def refuse(folder: str, values: object) -> None:
            raise StorageFault("the disk is full")

        with patch.object(additions, "write", refuse):
            self.failureResultOf(settings.alter([AddedValue("block", "two.example")]), StorageFault)
        self.assertEqual(running.inForce.given["block"], ("ads.example.", "one.example."))
        self.assertEqual([each.value for each in addedIn(running.inForce.stateFolder())], ["one.example."])

    def test_changesThatDoNotFit(self) -> None:
        """
        A change that the settings have no room for is refused, and one beside a value that they have no room for any more is made.
        """
        running = Running(Settings.of(upstream=["192.0.2.1"], block=["ads.example"], state=self.mktemp()))
        settings = AddedSettings(running)
        folder = running.inForce.stateFolder()
        write(folder, [AddedValue("lists", "gone")])
        self.successResultOf(settings.alter([AddedValue("block", "one.example")]))
        self.assertEqual(running.inForce.given["block"], ("ads.example.", "one.example."))
        self.assertEqual([each.value for each in addedIn(folder)], ["gone", "one.example."])
        with patch.object(additions, "_made", side_effect=BadDescription("it does not fit")):
            failure = self.failureResultOf(settings.alter([AddedValue("block", "two.example")]), BadDescription)
        self.assertEqual(str(failure.value), "it does not fit")
        self.assertEqual(running.inForce.given["block"], ("ads.example.", "one.example."))


class FileTests(SynchronousTestCase):
    """
    The file in the state folder.
    """

    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.path = os.path.join(self.folder, "added.toml")

    def test_kept(self) -> None:
        """
        What is written is read again; without a file there is nothing.
        """
        self.assertEqual(addedIn(self.folder), [])
        values = [
            AddedValue("block", "ads.example.", "children"),
            AddedValue("lists", "games during homework", isRemoved=True),
            AddedValue("local", 'printer.lan TXT "a \\"b\\" \\\\ \x7f"'),
        ]
        write(self.folder, values)
        self.assertEqual(sorted(addedIn(self.folder), key=str), sorted(values, key=str))

    @given(st.text(max_size=40).filter(str.isprintable))
    def test_anyText(self, text: str) -> None:
        """
        A text is kept as it is, whatever characters it has.
        """
        folder = self.mktemp()
        write(folder, [AddedValue("lists", text)])
        self.assertEqual(addedIn(folder), [AddedValue("lists", text)])

    def test_wrong(self) -> None:
        """
        A file that is not valid says where and what.
        """
        os.makedirs(self.folder)
        for text, said in (
            ("[[added]", "added.toml:1"),
            ("added = 1", "added is not a list of tables"),
            ("[[added]]\nsetting = 1", "has the texts setting, value, view and nothing else"),
            ('[[added]]\nsetting = "block"\nvalue = "a.example"\nother = "x"', "has the texts"),
            ('other = "x"', "other: the file has [[list]], [[schedule]], [[view]], [[added]] and [[removed]] tables and nothing else"),
        ):
            Path(self.path).write_text(text)
            with self.assertRaises(BadDescription) as caught:
                addedIn(self.folder)
            self.assertIn(said, str(caught.exception))
            self.assertIn(self.path, str(caught.exception))

    def test_full(self) -> None:
        """
        If the file cannot be written, the former one stays.
        """
        write(self.folder, [AddedValue("block", "ads.example.")])
        blocked = os.path.join(self.folder, "file", "below")
        Path(self.folder, "file").touch()
        with self.assertRaises(StorageFault):
            write(blocked, [])
        self.assertEqual(len(addedIn(self.folder)), 1)
