"""
Tests of L{twisted_ext.server.zones.update.commit}: changes that take turns, and what happens to the zone meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE, record, textsOf, zoneOf
from twisted_ext.errors import BadChange, StorageFault
from twisted_ext.server.zones.update.commit import CommitQueue, Edited
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.update.transactions import Transaction


class TurnsTests(SynchronousTestCase):
    """
    A queue of which some changes take five turns.
    """

    def setUp(self) -> None:
        self.disk = SlowDisk()
        self.zone = zoneOf()
        self.journal = Journal(self.mktemp(), APEX)
        self.clock = Clock()
        self.addCleanup(self.journal.close)
        self.queue = CommitQueue(self.clock, self.zone, self.journal, self.disk)
        self.made = 0

    def short(self, line: str) -> Deferred[Edited]:
        """
        Add a record at once.
        """

        return self.queue.change(lambda transaction: transaction.add(record(line)))

    def long(self, line: str, fault: Exception | None = None) -> Deferred[Edited]:
        """
        Add a record in five turns.
        """

        def make(transaction: Transaction) -> Generator[object, None, None]:
            self.made += 1
            for _ in range(5):
                # More than a turn may take.
                self.clock.rightNow += 1.0
                yield None
            if fault is not None:
                raise fault
            transaction.add(record(line))

        return self.queue.change(make)

    def turns(self, count: int = 100) -> None:
        """
        Run what is due, a turn at a time.
        """
        for _ in range(count):
            for call in self.clock.getDelayedCalls()[:1]:
                work = cast("DelayedCall", call).func
                call.cancel()
                work()

    def test_othersWait(self) -> None:
        """
        Changes that come while one takes its turns are made after it, in their order, and none is lost; nothing is written before.
        """
        results = [self.short("a 60 A 192.0.2.1"), self.long("b 60 A 192.0.2.2")]
        results += [self.short("c 60 A 192.0.2.3"), self.long("d 60 A 192.0.2.4")]
        self.disk.settle()
        self.assertEqual((self.zone.current.serial, len(self.journal)), (11, 1))
        self.turns()
        self.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in results], [11, 12, 12, 12])
        self.assertEqual((self.made, self.journal.newest), (2, 12))

    def test_othersGoOn(self) -> None:
        """
        One that fails in its last turn changes nothing, and those behind it are made.
        """
        failing, behind = self.long("b 60 A 192.0.2.2", BadChange("not so")), self.short("c 60 A 192.0.2.3")
        self.assertNoResult(failing)
        self.turns()
        self.disk.settle()
        self.assertEqual(str(self.failureResultOf(failing, BadChange).value), "not so")
        self.assertEqual(self.successResultOf(behind).version.serial, 11)

    def test_reloaded(self) -> None:
        """
        A zone that is reloaded meanwhile gets the change too, made of what it has become.
        """
        result = self.long("b 60 A 192.0.2.2")
        self.turns(2)
        self.zone.replace(zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current)
        self.turns()
        self.disk.settle()
        self.assertEqual((self.successResultOf(result).version.serial, self.made), (21, 2))
        self.assertIn(b"\x01b" + APEX, {text[0] for text in textsOf(self.zone.current)})

    def test_reloadedWithoutEnd(self) -> None:
        """
        Where it is reloaded in each of eleven tries, the change fails, and says why; one that was to be made with it is made alone.
        """
        result = self.long("b 60 A 192.0.2.2")
        behind = self.short("c 60 A 192.0.2.3")
        self.turns(2)
        for serial in range(20, 31):
            self.zone.replace(zoneOf(ZONE.replace(" 10 3600", f" {serial} 3600")).current)
            # Into the middle of the next try.
            self.turns(5)
        self.turns()
        self.disk.settle()
        self.assertIn("changes more often", str(self.failureResultOf(result, StorageFault).value))
        self.assertEqual(self.made, 11)
        self.successResultOf(behind)

    def test_theWriteFails(self) -> None:
        """
        Where what was changed before could not be stored, the change is made without that.
        """
        first, result = self.short("a 60 A 192.0.2.1"), self.long("b 60 A 192.0.2.2")
        ((_, done),) = self.disk.waiting
        self.disk.waiting.clear()
        done.errback(StorageFault("no space left"))
        self.failureResultOf(first, StorageFault)
        self.turns()
        self.disk.settle()
        self.assertEqual((self.successResultOf(result).version.serial, self.made), (11, 1))
        self.assertNotIn(b"\x01a" + APEX, {text[0] for text in textsOf(self.zone.current)})

    def test_nothingToChange(self) -> None:
        """
        One that finds at its end that there is nothing to change leaves the zone as it is.
        """
        result = self.long("ns1 3600 A 192.0.2.1")
        self.turns()
        self.assertEqual((self.successResultOf(result).version.serial, self.disk.waiting), (10, []))

    def test_held(self) -> None:
        """
        Work that needs the zone as it is gets it once what has begun is in force; later changes wait until the last one is done with it.
        """
        begun = self.short("a 300 A 192.0.2.1")
        first, second = self.queue.hold(), self.queue.hold()
        later = self.short("b 300 A 192.0.2.1")
        self.assertNoResult(first)
        self.disk.settle()
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [None, None])
        self.assertEqual(self.successResultOf(begun).version.serial, 11)
        self.queue.release()
        self.disk.settle()
        self.assertNoResult(later)
        self.queue.release()
        self.disk.settle()
        self.assertEqual(self.successResultOf(later).version.serial, 12)

    def test_closed(self) -> None:
        """
        A server that ends stores what was made, and fails what was not, at once.
        """
        stored, making, waits = self.short("a 60 A 192.0.2.1"), self.long("b 60 A 192.0.2.2"), self.short("c 60 A 192.0.2.3")
        closing = self.queue.close()
        for each in (making, waits):
            self.assertIn("accepts no more changes", str(self.failureResultOf(each, StorageFault).value))
        self.assertNoResult(closing)
        self.disk.settle()
        self.assertEqual(self.successResultOf(stored).version.serial, 11)
        self.successResultOf(closing)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bounded(self) -> None:
        """
        Those that wait behind one that takes turns are bounded as well.
        """
        queue = self.queue = CommitQueue(self.clock, self.zone, self.journal, self.disk, most=3)
        self.long("b 60 A 192.0.2.2")
        results = [self.short(f"n{number} 60 A 192.0.2.9") for number in range(4)]
        self.failureResultOf(results[-1], StorageFault)
        self.turns()
        self.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in results[:3]], [11, 11, 11])
        self.assertFalse(queue.busy)


class CommittingTests(SynchronousTestCase):
    """
    A transaction that changes more names than one step takes.
    """

    def test_sameInSteps(self) -> None:
        """
        What is committed in steps is what is committed at once, and takes many steps; an abandoned one changes nothing.
        """
        made = []
        for isPaced in (True, False):
            transaction = Transaction(zoneOf().current)
            for number in range(1000):
                transaction.add(record(f"n{number}.sub{number % 7} 60 A 192.0.2.9"))
            steps = 0
            committing = transaction.committing()
            if isPaced:
                while True:
                    try:
                        next(committing)
                    except StopIteration as end:
                        made.append(end.value)
                        break
                    steps += 1
                self.assertGreater(steps, 30)
            else:
                made.append(transaction.commit())
        (version, difference), (other, same) = made
        self.assertEqual((textsOf(version), difference), (textsOf(other), same))
        self.assertEqual(version.serial, 11)
