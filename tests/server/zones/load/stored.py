"""
Databases for tests of what serves them.
"""

from __future__ import annotations

from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore, makeDatabase

__all__ = ["newStore"]


def newStore(path: str) -> SQLiteStore:
    """
    Make a database, and open it.
    """
    makeDatabase(path)
    return SQLiteStore(path)
