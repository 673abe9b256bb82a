"""
Tests of L{twisted_ext.zone.store.events}: changes that are known without a journal.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import record, versionOf
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.events import History
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction


def withRecord(version: Version, text: str) -> tuple[Version, Difference]:
    """
    Return a version with one more record, and the difference.
    """
    transaction = Transaction(version)
    transaction.add(record(text))
    made = transaction.commit()
    assert made is not None
    return made


class HistoryTests(SynchronousTestCase):
    """
    Tests for L{History}.
    """

    def test_gapStartsNewHistory(self) -> None:
        """
        A difference that does not follow the known ones replaces them, so that no gap is bridged.
        """
        first, one = withRecord(versionOf(), "one 60 A 192.0.2.9")
        second, two = withRecord(first, "two 60 A 192.0.2.9")
        _, three = withRecord(second, "three 60 A 192.0.2.9")
        history = History()
        history.note([one, two])
        self.assertEqual(history.since(10), [one, two])
        self.assertEqual(history.since(11), [two])
        self.assertIsNone(history.since(12))
        history.note([one])
        self.assertEqual((history.since(10), history.since(11)), ([one], None))
        history.note([three])
        self.assertEqual((history.since(10), history.since(12)), (None, [three]))
        history.forget()
        self.assertIsNone(history.octetsSince(12))
