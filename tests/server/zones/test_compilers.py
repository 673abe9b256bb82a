"""
Tests of L{twisted_ext.server.zones.compilers}: processes that make zones ready, one of which may fall silent.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from tests.server.process.test_workers import Process, Processes
from twisted_ext.server.limits import COMPILER_SILENCE
from twisted_ext.server.zones.compilers import Compilers, Job, Result

_SILENCE = COMPILER_SILENCE.default


class SilenceTests(SynchronousTestCase):
    """
    Tests of processes that give no sign, played by the test.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.results: list[Result] = []
        self.compilers = Compilers(cast("IReactorTime", self.reactor), self.results.extend, most=2)
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        End all; nothing waits any more.
        """
        self.compilers.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def running(self) -> list[Process]:
        """
        @return: the processes that are there.
        """
        return [process for process in self.reactor.started if not process.over]

    def texts(self) -> list[tuple[object, str]]:
        """
        @return: what came of zones: each with what is wrong, or nothing.
        """
        found: list[tuple[object, str]] = []
        for result in self.results:
            said = result.get("complaints")
            lines = [str(each["text"]) for each in said if isinstance(each, dict)] if isinstance(said, list) else []
            found.append((result["name"], " ".join(lines)))
        return found

    def silent(self, process: Process, seconds: float = _SILENCE) -> None:
        """
        Let time pass; the process is ended then, and by nobody before.
        """
        self.reactor.advance(seconds - 1)
        self.assertEqual(process.signals, [])
        self.reactor.advance(1)
        self.assertEqual(process.signals, ["KILL"])
        process.end()

    def test_unstarted(self) -> None:
        """
        Of zones for which no process could be started it is said that this is not their fault, as of those whose process ended before it
        gave any sign; not of those whose process ended after that.
        """
        self.reactor.forbidden = True
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.reactor.forbidden = False
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.running()[0].end()
        self.compilers.add(Job("/k", [("c.", "/c")]))
        (process,) = self.running()
        process.say(busy=True)
        process.end()
        self.assertEqual([result.get("unstarted", False) for result in self.results], [True, True, False])
        self.assertEqual([text.partition(":")[0] for _, text in self.texts()], [
            *["no process that makes zones ready can be started"] * 2, "the process that made it ready has ended"])

    def test_onceMore(self) -> None:
        """
        A process that gives no sign is ended, and another one does its job.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (first,) = self.running()
        self.silent(first)
        (second,) = self.running()
        self.assertEqual([each["name"] for each in second.told], ["a."])
        self.assertEqual(self.results, [])
        second.say(name="a.", image="/i", complaints=[])
        self.assertEqual(self.texts(), [("a.", "")])
        self.assertFalse(self.compilers.busy)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_twice(self) -> None:
        """
        The second time nothing comes of the zone, which is said in one line with its file. Zones beside it and behind it are made ready.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.compilers.add(Job("/k", [("c.", "/c")]))
        first, beside = self.running()
        beside.say(name="b.", image="/j", complaints=[])
        beside.say(name="c.", image="/k", complaints=[])
        beside.end()
        self.silent(first)
        (second,) = self.running()
        self.silent(second)
        text = f"the process that made it ready gave no sign for {_SILENCE:g} s and was ended, as was another one before"
        self.assertEqual(self.texts(), [("b.", ""), ("c.", ""), ("a.", text)])
        self.assertEqual(self.results[-1]["complaints"], [{"path": "/a", "line": 0, "column": 0, "text": text, "fatal": True}])
        self.assertEqual(self.running(), [])
        self.assertFalse(self.compilers.busy)

    def test_several(self) -> None:
        """
        Of many zones in one go, only the one is given up over which processes fall silent; those before and behind it are made ready.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b"), ("c.", "/c")]))
        (first,) = self.running()
        self.assertEqual(first.told[0], {"pack": "/i"})
        self.silent(first)
        (second,) = self.running()
        self.assertEqual(second.told[0], {"pack": "/i", "each": True})
        second.say(name="a.", image="/i", complaints=[])
        self.silent(second)
        self.assertEqual([name for name, _ in self.texts()], ["b."])
        (third,) = self.running()
        self.assertEqual([each["name"] for each in third.told if "name" in each], ["a.", "c."])
        third.say(name="a.", image="/i", complaints=[])
        third.say(name="c.", image="/i", complaints=[])
        third.say(done=True)
        self.assertEqual(self.texts()[1:], [("a.", ""), ("c.", "")])

    def test_unwritten(self) -> None:
        """
        Where all zones are done and are not written to the end, nothing comes of any of them.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b")]))
        for _ in range(2):
            (process,) = self.running()
            process.say(name="a.", image="/i", complaints=[])
            process.say(name="b.", image="/i", complaints=[])
            self.silent(process)
        self.assertEqual([name for name, text in self.texts() if "gave no sign" in text], ["a.", "b."])
        self.assertFalse(self.compilers.busy)

    def test_slow(self) -> None:
        """
        A process that is slow and gives signs is left alone for as long as it takes.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        for _ in range(10):
            self.reactor.advance(_SILENCE - 1)
            process.say(busy=True)
        self.assertEqual(process.signals, [])
        process.say(name="a.", image="/i", complaints=[])
        self.reactor.advance(10 * _SILENCE)
        self.assertEqual((process.signals, self.texts()), ([], [("a.", "")]))

    def test_unwatched(self) -> None:
        """
        Without that watch nothing would ever come of a zone whose process is silent.
        """
        self.patch(self.compilers, "silence", 1e9)
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.reactor.advance(100 * _SILENCE)
        self.assertTrue(self.compilers.busy)
        self.assertEqual(self.results, [])

    def test_died(self) -> None:
        """
        A process that ends by itself is watched no more, and the next job gets another one.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        process.end()
        self.assertIn("has ended", self.texts()[0][1])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.assertEqual(len(self.running()), 1)
