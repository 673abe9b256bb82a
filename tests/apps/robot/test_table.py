"""
Tests of tables of settings.
"""

from __future__ import annotations

from typing import cast

import pytest

from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.table import Table, option
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

__all__: list[str] = []


class Base(Table):
    name: str = option(types.TEXT, None, "Its name")
    serverPort: int = option(types.PORT, 53, "Its port")


class Places(Base):
    folders: tuple[str, ...] = option(types.PATH, (), "Folders")
    loud: bool = option(types.FLAG, False, "Whether it shouts")


class Bare(Table):
    """
    Takes no keys.
    """


def test_valuesAreRead() -> None:
    """
    Keys are the names of the attributes with hyphens, those of base classes included; others have their defaults.
    """
    table = Places.fromTable({"name": "a", "server-port": 54, "folders": ["x", "/y"]}, "/base")
    assert (table.name, table.serverPort, table.folders, table.loud) == ("a", 54, ("/base/x", "/y"), False)
    assert list(Places.declared()) == ["name", "server-port", "folders", "loud"]


def test_readingAgainSetsAll() -> None:
    """
    A key that a later table lacks has its default again.
    """
    table = Places.fromTable({"name": "a", "loud": True})
    table.readFrom({"name": "b"})
    assert (table.name, table.loud) == ("b", False)


@pytest.mark.parametrize(
    ("kind", "given", "fault"),
    [
        (Places, {"name": "a", "lout": True}, "lout: there is no such key; did you mean loud?"),
        (Places, {"name": "a", "x": 1}, "x: there is no such key; there are name, server-port, folders, loud"),
        (Places, {"name": "a", "serverPort": 1}, "serverPort: there is no such key; did you mean server-port?"),
        (Places, {}, "name is missing; it takes a text"),
        (Bare, {"x": 1}, "x: there is no such key; this table takes none"),
        (RobotPlugin, {"x": 1}, "x: there is no such key; this table takes none"),
    ],
)
def test_wrongKeyIsReported(kind: type[Table], given: dict[str, object], fault: str) -> None:
    """
    An unknown or missing key is reported, with the nearest one or all.
    """
    with pytest.raises(BadDescription) as found:
        kind.fromTable(given)
    assert str(found.value) == fault


@pytest.mark.parametrize("value", ["x", 70_000, -1, True, 1.5, None, [], {}])
def test_wrongValueIsReported(value: object) -> None:
    """
    A wrong value is reported with its key and what would be right, and nothing of the table is taken.
    """
    table = Places.fromTable({"name": "a"})
    with pytest.raises(BadDescription, match="^server-port takes ") as found:
        table.readFrom({"name": "b", "server-port": value})
    assert "\n" not in str(found.value)
    assert table.name == "a"


def test_allFaultsAreReported() -> None:
    """
    Each fault has a line, and its key beside it for the line of the file.
    """
    values, wrong = Places.check({"server-port": "x", "lout": True, "loud": True})
    assert [key for key, _ in wrong] == ["server-port", "lout", "name"]
    assert values == {"loud": True}


def test_defaultsAreValid() -> None:
    """
    A table that was made without values has the defaults.
    """
    assert Places().serverPort == 53
    assert cast(object, Places().name) is None
