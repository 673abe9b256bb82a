"""
Tests of L{twisted_ext.server.features.blocking.lists}, and of lists with names in settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server.settings.faults import assertFaults
from twisted_ext.errors import BadDescription
from twisted_ext.server.features.blocking.lists import listsIn, namedLists, unusedLists
from twisted_ext.server.features.blocking.listsettings import LIST_SETTINGS, ListSettings
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.settings.settings import Settings
from twisted_ext.server.settings.tomlfile import readSettings, valuesFromTOML


def test_tables(tmp_path: Path) -> None:
    """
    Tables of lists are read with their files beside the settings file; C{lists} says which are applied, in this order.
    """
    path = tmp_path / "txdns.toml"
    path.write_text(
        'lists = ["good", "ads"]\nblock-list = ["plain.txt"]\n'
        '[[list]]\nname = "ads"\nfile = "ads.txt"\n'
        '[[list]]\nname = "good"\nfile = "/lists/good.txt"\nallow = true\n'
        '[[list]]\nname = "games"\nfile = "games.txt"\n'
    )
    settings = Settings(readSettings(str(path)))
    assert list(namedLists(settings[BlockingSettings])) == ["ads", "good", "games"]
    assert listsIn(settings) == [f"block:{tmp_path}/plain.txt", "except:good=/lists/good.txt", f"block:ads={tmp_path}/ads.txt"]
    assert unusedLists(settings) == ["games"]


@pytest.mark.parametrize("given", ["ads=/lists/ads.txt", {"name": "ads", "file": "/lists/ads.txt", "allow": True}])
def test_everyFormReadsBack(given: object) -> None:
    """
    What C{--show-config} prints, and what workers get, is the same list.
    """
    settings = Settings.of(list=[given], lists="ads")
    again = Settings(valuesFromTOML(settings.toTOML(), "txdns.toml"))
    assert again[BlockingSettings].list == settings[BlockingSettings].list
    (one,), (other,) = [namedLists(each[BlockingSettings]).values() for each in (settings, Settings.fromJSON(settings.toJSON()))]
    assert (one.name, one.file, one.allow) == (other.name, other.file, other.allow) == ("ads", "/lists/ads.txt", isinstance(given, dict))


def test_exceptionsToNothing() -> None:
    """
    Lists of exceptions are not read if nothing is blocked.
    """
    given = {"name": "good", "file": "/lists/good.txt", "allow": True}
    assert listsIn(Settings.of(list=[given], lists="good")) == []
    assert listsIn(Settings.of(list=[given], lists="good", block="ads.example")) == ["except:good=/lists/good.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[list]]\nfile = "a"', ['txdns.toml:1: a list has no name; write name = "ads"']),
        ('\n[[list]]\nname = "ads"', ['txdns.toml:2: list ads has no file; write file = "ads.txt"']),
        (
            '[[list]]\nname = "ads"\nfille = "a"\nallow = 3',
            [
                "txdns.toml:1: list ads: fille: there is no such key; did you mean file?",
                "txdns.toml:1: list ads: allow takes true or false, not 3",
            ],
        ),
        ('[[list]]\nname = "a b"\nfile = "a"', ["list a b: name takes a name of up to 63 letters of ASCII, digits, - and _; 'a b' has"]),
        ('list = ["ads"]', ["txdns.toml:1: list 'ads' is not a valid list: write its name, an equals sign, and its file"]),
        ('[[lists]]\nname = "ads"\nfile = "a"', ["; tables of lists are headed [[list]]"]),
        (
            '[[list]]\nname = "ads"\nfile = "https://lists.example/ads.txt"',
            ["list ads: file takes the path of a file; lists are not downloaded; give the path of a file, and download to it: "],
        ),
    ],
)
def test_badTables(text: str, said: Sequence[str]) -> None:
    """
    Each error is reported with its line and what would be right.
    """
    assertFaults(text, said)


def test_unknownLists() -> None:
    """
    A list that does not exist cannot be applied, and no two may have the same name.
    """
    with pytest.raises(BadDescription, match="^lists: there is no list game; did you mean games[?]$"):
        listsIn(Settings.of(list=["games=/lists/games"], lists="game"))
    with pytest.raises(BadDescription, match="^lists: there is no list ads; give it a file by list, or a table headed "):
        listsIn(Settings.of(lists="ads"))
    with pytest.raises(BadDescription, match="^list ads is given twice: /lists/one and /lists/two$"):
        listsIn(Settings.of(list=["ads=/lists/one", "ads=/lists/two"], lists="ads"))


@pytest.mark.parametrize("text", ["ads", "=a", "ads=", "{", "[1]", '{"name": "ads"}', "x" * 64 + "=a", "a\x1b[2J=a"])
def test_badTexts(text: str) -> None:
    """
    What is neither a name and a file nor a table is refused.
    """
    with pytest.raises(BadDescription):
        ListSettings.fromText(text)


def test_settingsOfTables() -> None:
    """
    Each key of a table is explained.
    """
    assert [each.name for each in LIST_SETTINGS] == ["name", "file", "allow"]
    assert all(each.help for each in LIST_SETTINGS)
