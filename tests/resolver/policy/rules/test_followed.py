"""
Tests of L{twisted_ext.resolver.policy.rules.followed}, and of the prefix C{policy:}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from tests.networks import textsOf
from tests.typed import observing, unchecked
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import BadDescription, CallerFault, TimedOut
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.rules import followed
from twisted_ext.resolver.policy.rules.followed import FollowedLists
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import CannedSource, atHand, questionOf


class _Threads(Clock):
    """
    A clock with threads that run when they are told.
    """

    def __init__(self) -> None:
        super().__init__()
        alsoProvides(self, IReactorThreads)
        self.waiting: list[tuple[Callable[[bool, object], object], Callable[[], object]]] = []

    def getThreadPool(self) -> _Threads:
        return self

    def callInThreadWithCallback(self, onResult: Callable[[bool, object], object], work: Callable[[], object]) -> None:
        self.waiting.append((onResult, work))

    def callFromThread(self, call: Callable[..., object], *arguments: object, **named: object) -> None:
        call(*arguments, **named)

    def run(self) -> None:
        """
        Run the first one.
        """
        onResult, work = self.waiting.pop(0)
        try:
            result = work()
        except Exception:
            onResult(False, unchecked(Failure)())
        else:
            onResult(True, result)


class FollowedListsTests(SynchronousTestCase):
    """
    Tests for L{FollowedLists}.
    """

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ads, self.good = folder / "ads.txt", folder / "good.txt"
        self.ads.write_text("||ads.example^\n||nas.example^$dnsrewrite=192.0.2.7\n")
        self.good.write_text("fine.ads.example\n")
        self.events: list[LogEvent] = []
        observer = observing(self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.clock = Clock()
        self.inner = CannedSource(otherwise="192.0.2.80", now=True)

    def lists(
        self, file: Path | None = None, exceptions: Sequence[str] = (), reply: str = "nxdomain", rewrite: bool = False
    ) -> FollowedLists:
        """
        Make a source of the list of blocked names, or of another.
        """
        reactor, files = cast(IReactorTime, self.clock), [str(file or self.ads)]
        return FollowedLists(self.inner, reactor, files, exceptions=exceptions, reply=reply, rewrite=rewrite)

    def texts(self, source: FollowedLists, name: str) -> str:
        """
        Return what a program gets.
        """
        answer = self.successResultOf(lookUp(source, questionOf(name), QueryContext(self.clock.seconds() + 5)))
        return answer.outcome.value if answer.outcome is not Outcome.DATA else " ".join(textsOf(answer))

    def test_rules(self) -> None:
        """
        Names in lists are blocked but for those in exceptions. Lists rewrite answers if they may.
        """
        source = self.lists(exceptions=[str(self.good)])
        names = ("x.ads.example", "fine.ads.example", "nas.example", "example")
        self.assertEqual([self.texts(source, name) for name in names], ["nxdomain", "192.0.2.80", "192.0.2.80", "192.0.2.80"])
        self.assertIn("1 lines that cannot be used: line 2: gives nas.example another answer", formatEvent(self.events[0]))
        self.assertEqual(self.texts(self.lists(rewrite=True, reply="null"), "nas.example"), "192.0.2.7")
        self.assertEqual(self.texts(self.lists(reply="192.0.2.9"), "ads.example"), "192.0.2.9")
        with self.assertRaises(BadDescription):
            self.lists(reply="never")

    def test_changedFile(self) -> None:
        """
        A file that has changed is read when it stays the same for a second. One that disappears keeps its rules.
        """
        source = self.lists()
        self.assertEqual(self.texts(source, "ads.example"), "nxdomain")
        self.ads.write_text("other.example\n")
        for seconds, expected in ((0.5, "nxdomain"), (0.6, "nxdomain"), (1.1, "192.0.2.80")):
            self.clock.advance(seconds)
            self.assertEqual(self.texts(source, "ads.example"), expected)
        self.assertEqual(self.texts(source, "other.example"), "nxdomain")
        self.ads.unlink()
        for _ in range(4):
            self.clock.advance(2)
            self.assertEqual(self.texts(source, "other.example"), "nxdomain")
        self.assertEqual(formatEvent(self.events[-1]), f"block list {self.ads}: cannot be read: No such file or directory")
        self.assertEqual(len([each for each in self.events if "No such file" in formatEvent(each)]), 1)

    def test_missingFile(self) -> None:
        """
        A file that is not there is an error at the beginning.
        """
        with self.assertRaises(BadDescription) as raised:
            self.lists(self.ads.with_name("late.txt"))
        self.assertEqual(str(raised.exception), f"{self.ads.with_name('late.txt')}: No such file or directory")

    def test_threads(self) -> None:
        """
        With threads, names wait for the first rules, and the former ones are in force until others are read. One thread at a time reads.
        """
        threads = self.clock = _Threads()
        source = self.lists()
        waiting = lookUp(source, questionOf("ads.example"), QueryContext(5.0))
        late = lookUp(source, questionOf("x.example"), QueryContext(1.0))
        self.assertNoResult(waiting)
        threads.advance(2)
        self.failureResultOf(late, TimedOut)
        self.assertEqual(len(threads.waiting), 1)
        threads.run()
        self.assertIs(self.successResultOf(waiting).outcome, Outcome.NXDOMAIN)
        self.ads.write_text("other.example\n")
        for _ in range(4):
            threads.advance(2)
            self.assertEqual(self.texts(source, "ads.example"), "nxdomain")
        self.assertEqual(len(threads.waiting), 1)
        threads.run()
        self.assertEqual(self.texts(source, "ads.example"), "192.0.2.80")

    def test_close(self) -> None:
        """
        What waits for the first rules goes on when the source is closed, and rules that come later are not used.
        """
        threads = self.clock = _Threads()
        source = self.lists()
        waiting = lookUp(source, questionOf("ads.example"), QueryContext(5.0))
        self.successResultOf(source.close())
        self.assertEqual(textsOf(self.successResultOf(waiting)), ["192.0.2.80"])
        threads.run()
        self.assertIsNone(source._policy.table)

    def test_failure(self) -> None:
        """
        If rules cannot be read at all, as for lack of memory, names do not wait for them.
        """
        threads = self.clock = _Threads()
        with patch.object(followed, "packLists", side_effect=MemoryError):
            waiting = lookUp(self.lists(), questionOf("ads.example"), QueryContext(5.0))
        threads.run()
        self.assertEqual(textsOf(self.successResultOf(waiting)), ["192.0.2.80"])
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_prefix(self) -> None:
        """
        A description builds such a source, of several files and with safe search.
        """
        reactor = cast(IReactorTime, self.clock)
        description = f"policy:{self.ads},{self.good}:safe=bing,google:reply=null:rewrite=yes:hosts:/dev/null"
        source = sourceFromString(reactor, description)
        assert isinstance(source, FollowedLists)
        for name, expected in (("ads.example", "0.0.0.0"), ("fine.ads.example", "0.0.0.0"), ("nas.example", "192.0.2.7")):
            answer = atHand(source, questionOf(name), QueryContext(5.0))
            assert answer is not None
            self.assertEqual(textsOf(answer), [expected])
        sourceFromString(reactor, "policy:,:safe=google:hosts:/dev/null")
        for text, fault, said in (
            ("policy:,:hosts", CallerFault, "a policy needs a list, such as policy:/etc/ads.txt"),
            ("policy:/dev/null:safe=gogle:hosts", BadDescription, "safe takes search engines, not 'gogle'; there are google, bing"),
            ("policy:/dev/null:reply=no:hosts", BadDescription, "'no' is not an address; write nxdomain, null"),
        ):
            with self.assertRaises(fault) as raised:
                sourceFromString(reactor, text)
            self.assertIn(said, str(raised.exception))
