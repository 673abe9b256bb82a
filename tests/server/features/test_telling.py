"""
Tests of features that tell a process of their own what happens.
"""

from __future__ import annotations

from twisted_ext.server.features.base.feature import Active
from twisted_ext.server.features.base.telling import Telling

__all__: list[str] = []


class Way:
    """
    A way that notes what becomes of it, and of what is gathered for it.
    """

    def __init__(self) -> None:
        self.told, self.dropped = 7, 2
        self.noted: list[str] = []

    def follow(self, path: str) -> None:
        """
        Note a path.
        """
        self.noted.append(f"follow {path}".strip())

    def flush(self) -> None:
        """
        Note it.
        """
        self.noted.append("flush")

    def close(self) -> None:
        """
        Note it.
        """
        self.noted.append("close")


class Told(Telling):
    """
    A feature that tells something.
    """

    keys = ("oneTold", "oneDropped")


def test_whereItListens() -> None:
    """
    What was gathered is for the process that has been there, before another one is, or none.
    """
    way = Way()
    told = Told(way, way)
    told.take("/run/socket")
    told.take(None)
    assert way.noted == ["flush", "follow /run/socket", "flush", "follow"]
    assert told.figures() == {"oneTold": 7, "oneDropped": 2}


def test_reloads() -> None:
    """
    A successor goes on with both; the last one ends them, what was gathered first.
    """
    way, gathers = Way(), Way()
    gathers.noted = way.noted
    told = Told(way, gathers)
    told.close(Active())
    assert way.noted == []
    told.close(None)
    assert way.noted == ["close", "close"]
