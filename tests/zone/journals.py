"""
Helpers for tests of journals.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, record, versionOf
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

__all__ = ["JournalTestCase", "steps"]


def steps(version: Version, count: int) -> list[tuple[Version, Difference]]:
    """
    Return successive versions with their differences.
    """
    found = []
    for _ in range(count):
        transaction = Transaction(version)
        transaction.add(record(f"host{version.serial} 60 A 192.0.2.{version.serial % 256}"))
        committed = transaction.commit()
        assert committed is not None
        found.append(committed)
        version = committed[0]
    return found


class JournalTestCase(SynchronousTestCase):
    """
    A test case with a journal.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()

    def journal(self, *, most: float | None = None, readOnly: bool = False) -> Journal:
        """
        Open the journal, and close it after the test.
        """
        journal = Journal(self.path, APEX, most=most, readOnly=readOnly)
        self.addCleanup(journal.close)
        return journal

    def filled(self, count: int) -> list[Version]:
        """
        Write a journal with this number of differences, close it, and return its versions.
        """
        journal = self.journal()
        versions = [versionOf()]
        for version, difference in steps(versions[0], count):
            journal.append([difference])
            versions.append(version)
        journal.close()
        return versions

    def hurry(self) -> None:
        """
        Do not wait for the disk, for tests that open hundreds of files.
        """
        for name in ("fsync", "fdatasync"):
            self.patch(os, name, lambda file: None)
