"""
Tests of L{twisted_ext.server.features.blocking.lists}, and of lists with names in settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server.settings.faults import assertFaults
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.lists import linesOfLists, listsIn, namedLists, unusedLists
from twisted_ext.server.features.blocking.listsettings import ListSettings
from twisted_ext.server.features.blocking.settings import BlockingSettings
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


@pytest.mark.parametrize(
    "given",
    [
        "ads=/lists/ads.txt",
        {"name": "ads", "file": "/lists/ads.txt", "allow": True},
        "ads=https://lists.example/ads.txt",
        {"name": "ads", "url": "https://lists.example/ads.txt#top", "every": "12h", "allow": True},
        {"name": "ads", "names": ["|ads.example^", "más.example"]},
    ],
)
def test_everyFormReadsBack(given: str | dict[str, object]) -> None:
    """
    What C{--show-config} prints, and what workers get, is the same list.
    """
    place = "https://lists.example/ads.txt" if "url" in given or "https" in given else "/lists/ads.txt"
    place = "" if "names" in given else place
    settings = Settings.of(list=[given], lists="ads")
    again = Settings(valuesFromTOML(settings.toTOML(), "txdns.toml"))
    assert again[BlockingSettings].list == settings[BlockingSettings].list
    (one,), (other,) = [namedLists(each[BlockingSettings]).values() for each in (settings, Settings.fromJSON(settings.toJSON()))]
    assert (one.name, one.file, one.url, one.every, one.allow) == (other.name, other.file, other.url, other.every, other.allow)
    assert (one.names, one.word) == (other.names, other.word)
    assert (one.name, one.file or one.url, one.allow) == ("ads", place, "allow" in given)
    assert one.seconds == (43_200 if "every" in given else 86_400)


def test_linesInSettings() -> None:
    """
    A list may have its lines in the settings. Other lines make it another list, so that what was read of the former ones is not used.
    """
    one, same, other = [Settings.of(list=[{"name": "games", "names": lines}], lists="games") for lines in (["a"], ["a"], ["b.example"])]
    assert listsIn(one) == listsIn(same) != listsIn(other)
    assert linesOfLists(other) == {listsIn(other)[0]: ("b.example",)}
    assert linesOfLists(Settings.of(list=[{"name": "games", "names": ["a"]}])) == {}


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
        ('\n[[list]]\nname = "ads"', ['txdns.toml:2: list ads has no file, no url and no names; write file = "ads.txt"']),
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
            ["list ads: file takes the path of a file; https://lists.example/ads.txt is a URL; give the list a name: --list ads=https:"],
        ),
        (
            '[[list]]\nname = "ads"\nurl = "http://lists.example/"',
            ["list ads: url takes a URL, such as https://lists.example/ads.txt; http:// is not used, as anybody on the way could"],
        ),
        ('[[list]]\nname = "ads"\nurl = "lists.example/"', ["'lists.example/' has no https://"]),
        ('[[list]]\nname = "ads"\nurl = "https:///ads"', ["'https:///ads' has no host"]),
        ('[[list]]\nname = "ads"\nurl = "https://a:b@lists.example/"', ["names and passwords in URLs are not supported; leave"]),
        ('[[list]]\nname = "ads"\nurl = "https://lists.example/a b"', ["it has a space, or a character that is not of ASCII;"]),
        ('[[list]]\nname = "ads"\nurl = "https://lists.example:x/"', ["list ads: url takes a URL, such as"]),
        ('[[list]]\nname = "ads"\nurl = "https://[::1/"', ["list ads: url takes a URL, such as"]),
        ('[[list]]\nname = "ads"\nurl = "https://a/"\nevery = "5m"', ["every takes a time from 1h to 30d, such as 12h, not '5m'"]),
        ('[[list]]\nname = "ads"\nurl = "https://a/"\nevery = "daily"', ["every takes a time from 1h to 30d, such as 12h, not 'daily'"]),
        ('[[list]]\nname = "ads"\nurl = "https://a/"\nfile = "a"', ["list ads has a file and a url; leave one of them out"]),
        ('[[list]]\nname = "ads"\nurl = "https://a/"\nnames = "a"', ["list ads has a url and names; leave one of them out"]),
        ('[[list]]\nname = "ads"\nfile = "a"\nallow = true\nrewrite = true', ["list ads has allow and rewrite; a list of exceptions rewr"]),
        ('safe-search = ["gogle"]', ["'gogle' is not one of google, bing, duckduckgo, youtube,"]),
        ('[[list]]\nname = "ads"\nfile = "a"\nevery = "2d"', ["list ads: every is for a list with a url; a file is read when it"]),
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
    with pytest.raises(BadDescription, match="^lists: there is no list ads; give it a file or a URL by list, or a table headed "):
        listsIn(Settings.of(lists="ads"))
    with pytest.raises(BadDescription, match="^list ads is given twice: /lists/one and /lists/two$"):
        listsIn(Settings.of(list=["ads=/lists/one", "ads=/lists/two"], lists="ads"))


@pytest.mark.parametrize("text", ["ads", "=a", "ads=", "ads= ", "{", "[1]", '{"name": "ads"}', "x" * 64 + "=a", "a\x1b[2J=a"])
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
    assert [each.name for each in ListSettings.declared()] == ["name", "file", "url", "names", "every", "allow", "rewrite"]
    assert all(each.help for each in ListSettings.declared())
