"""
Descriptions of databases of zones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.plugin import IPlugin
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.server.zones.load.stored import newStore
from tests.zone.changing import APEX, ZONE, records
from twisted_ext.apps.cli.main import main
from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.interfaces import IStoreParser, IZoneStore
from twisted_ext.resolver.strings import plugins
from twisted_ext.server.config.stores import BUILT_IN, LazyStore, describedStore, foundStores, storeFrom
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.databases.sqlite import makeDatabase

__all__: list[str] = []

_OPENED: list[str] = []


@implementer(IStoreParser, IPlugin)
class CellarParser:
    """
    A kind of databases that is an SQLite database with a secret.
    """

    prefix = "cellar"
    summary = "databases in a cellar: cellar:secret@path"

    def load(self) -> Callable[[str], IZoneStore]:
        """
        Return what opens one.
        """

        def opened(text: str) -> IZoneStore:
            _OPENED.append(text)
            store = newStore(text.partition("@")[2])
            store.label = f"cellar:{store.path}"
            return store

        return opened


class Nameless(CellarParser):
    prefix = "Not a word"


class Taken(CellarParser):
    prefix = "sqlite"


@pytest.fixture
def cellar(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    Install the plugins.
    """
    kinds: list[object] = [CellarParser(), Nameless(), Taken()]
    monkeypatch.setattr(plugins, "pluginsFor", lambda interface: (kinds if interface is IStoreParser else [], []))
    foundStores.cache_clear()
    _OPENED.clear()
    yield
    foundStores.cache_clear()


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A path is that of an SQLite database, with the prefix or without, and absolute from then on; plugins are not looked for.
    """
    monkeypatch.setattr(plugins, "pluginsFor", None)
    monkeypatch.chdir(tmp_path)
    for text in ("zones.db", "sqlite:zones.db", "./zones.db", f"{tmp_path}/zones.db", f"sqlite:{tmp_path}/zones.db"):
        assert describedStore(text) == f"{tmp_path}/zones.db"
    assert describedStore("zones.db", "/etc/txdns") == "/etc/txdns/zones.db"
    assert describedStore("./sqlite:zones.db") == f"{tmp_path}/sqlite:zones.db"
    with pytest.raises(StorageFault, match="there is no database; txdns zone edit --store"):
        storeFrom("zones.db")
    assert not os.path.exists("zones.db")
    makeDatabase("zones.db")
    store = storeFrom("zones.db")
    verifyObject(IZoneStore, store)
    assert store.label == f"{tmp_path}/zones.db"
    store.close()


@pytest.mark.usefixtures("cellar")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mongo:zones", "there is no kind of databases mongo: there are sqlite:, cellar:; write ./mongo:zones for a path"),
        ("postgresql://db/zones", "there is no kind of databases postgresql"),
        ("sqlite:", "is not the path of a database"),
        ("a\x00b", "is not the path of a database"),
    ],
)
def test_badDescriptions(text: str, said: str) -> None:
    """
    What is no database is an error that says what would be; nothing is created.
    """
    with pytest.raises(BadDescription) as caught:
        storeFrom(text)
    assert said in str(caught.value)
    with pytest.raises(BadDescription, match="zone example.org: store "):
        ZoneSettings.fromTable({"name": "example.org", "store": text})


@pytest.mark.usefixtures("cellar")
def test_kindsOfPlugins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A plugin opens what is behind its prefix. One without a word for a prefix, or with one that is taken, is not used.
    """
    text = f"cellar:secret@{tmp_path}/zones.db"
    zone = ZoneSettings.fromTable({"name": "example.org", "store": text}, "/etc/txdns")
    assert zone.store == text
    assert ZoneSettings.fromText(zone.toText()).store == text
    store = storeFrom(zone.store)
    assert (store.label, _OPENED) == (f"cellar:{tmp_path}/zones.db", [f"secret@{tmp_path}/zones.db"])
    store.create(APEX, records(ZONE))
    assert list(store.zones()) == [APEX]
    store.close()
    assert main(["plugins"]) == 0
    shown = capsys.readouterr()
    assert "\nstore cellar from tests.server.config.test_stores\n  databases in a cellar: cellar:secret@path\n" in shown.out
    assert main(["plugins", "+json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"store": "cellar", "summary": CellarParser.summary, "from": "tests.server.config.test_stores"}
    assert "has no prefix" in shown.err and "the prefix 'sqlite' is taken by <LazyStore sqlite:" in shown.err


def test_builtIn() -> None:
    """
    Those that are built in are described by strings, and load when they are used.
    """
    for kind in BUILT_IN:
        verifyObject(IStoreParser, kind)
        assert callable(kind.load())
    assert repr(LazyStore("a1", "b", "c", "d")) == "<LazyStore a1: b.c>"
