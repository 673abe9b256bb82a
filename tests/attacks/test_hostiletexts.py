"""
Attack 45: names, lines of lists and settings with markup or with escapes of terminals, which pages, logs and commands would show.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.features.blocking.listcase import ListCase
from tests.server.features.blocking.test_downloads import FetchedCase
from tests.server.views.served import tableOf
from tests.typed import unchecked
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.keeper import BlockLists
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.built import Features

#: A line that clears a terminal, one that sets its title, one with markup, a right-to-left mark, and a line with an end in it.
HOSTILE = "\x1b[2Jads.example\n||\x1b]0;owned\x07.example^\n<script>alert(1)</script>\n\u202eads.example example\na\x9b2J.example b\n"


def isPlain(text: str) -> bool:
    """
    Return whether a terminal shows a text as it is, in one line.
    """
    return text.isprintable()


class HostileListTests(ListCase):
    """
    Tests of hostile lines in lists.
    """

    def test_logAndStatus(self) -> None:
        """
        What the log and the status say of lines that cannot be used does nothing to a terminal.
        """
        self.list.write_text(HOSTILE)
        lists = BlockLists(unchecked(Clock)(), Settings.of(blockList=str(self.list)))
        self.addCleanup(lists.close)
        lists.begin(lambda state: None)
        self.children.finish()
        facts = lists.facts()["blocking"]
        assert isinstance(facts, dict) and isinstance(facts["said"], list)
        said = [*map(str, facts["said"]), *self.logged]
        self.assertIn("line 1: ", "".join(said))
        self.assertEqual([line for line in said if not isPlain(line)], [])


class HostileServerTests(FetchedCase):
    """
    Tests of what servers of lists say.
    """

    def test_redirectTarget(self) -> None:
        """
        The name of a host that a list is redirected to does nothing to a terminal.
        """
        made = self.start()
        self.wait(0)
        self.end(failed="a\x1b[2J\n.example: this is a private address")
        facts = made.facts()["blocking"]
        assert isinstance(facts, dict) and isinstance(facts["said"], list)
        said = [*map(str, facts["said"]), *self.logged]
        self.assertIn("this is a private address", "".join(said))
        self.assertEqual([line for line in said if not isPlain(line)], [])


def test_askedNames(tmp_path: Path) -> None:
    """
    Names that operators ask about are shown as text of the DNS.
    """
    (tmp_path / "ads").write_text("||example^\n")
    clock: IReactorTime = unchecked(Clock)()
    features = Features(Site(clock, Settings.of(blockList=str(tmp_path / "ads"))))
    features.begin()
    features.take("blocking", {"table": tableOf(tmp_path / "table", [f"block:{tmp_path}/ads"]), "paused": []})
    active = features.active["blocking"]
    assert isinstance(active, BlockedNames)
    for name in ("\x1b[2J.example", "<script>.example", "a\nb.example", "\\155.example"):
        found = active.whyFor(name, "192.0.2.7")
        said = found["said"]
        assert isinstance(said, list)
        assert found["blocked"]
        assert all(isPlain(str(line)) for line in said), said


@pytest.mark.parametrize("name", ["\x1b[2J", "<b>", "a b", "a\n", "\u202e", "../a", ""])
def test_namesOfListsAndViews(name: str) -> None:
    """
    Names of lists, views and schedules are plain words.
    """
    tables: list[tuple[str, dict[str, object]]] = [
        ("list", {"name": name, "names": ["a"]}),
        ("view", {"name": name, "clients": ["any"]}),
        ("schedule", {"name": name, "times": ["10:00-11:00"]}),
    ]
    for setting, table in tables:
        with pytest.raises(BadDescription) as caught:
            Settings.of(**{setting: [table]})
        assert all(map(isPlain, str(caught.value).splitlines()))
