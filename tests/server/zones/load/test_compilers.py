"""
Tests of L{twisted_ext.server.zones.images.compilers}: processes that build images, one of which may become silent.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from tests.server.process.test_workers import Process, Processes
from twisted_ext.server.limits import COMPILER_LINE, COMPILER_SILENCE
from twisted_ext.server.zones.images.compilers import Compilers, Job, Result

_SILENCE = COMPILER_SILENCE.default


class SimulatedCase(SynchronousTestCase):
    """
    At most two simulated processes at a time.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.results: list[Result] = []
        self.compilers = Compilers(cast("IReactorTime", self.reactor), self.results.extend, most=2)
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        Stop all processes, and check that nothing is left.
        """
        self.compilers.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def running(self) -> list[Process]:
        """
        Return the running processes.
        """
        return [process for process in self.reactor.started if not process.over]

    def texts(self) -> list[tuple[object, str]]:
        """
        Return the name and the error text of each result.
        """
        found: list[tuple[object, str]] = []
        for result in self.results:
            said = result.get("complaints")
            lines = [str(each["text"]) for each in said if isinstance(each, dict)] if isinstance(said, list) else []
            found.append((result["name"], " ".join(lines)))
        return found

    def expectKill(self, process: Process, seconds: float = _SILENCE) -> None:
        """
        Let time pass, and check that the process is killed at its end and not before.
        """
        self.reactor.advance(seconds - 1)
        self.assertEqual(process.signals, [])
        self.reactor.advance(1)
        self.assertEqual(process.signals, ["KILL"])
        process.end()


class SilenceTests(SimulatedCase):
    """
    Tests of simulated processes that become silent.
    """

    def test_unstartedJobIsMarked(self) -> None:
        """
        The result of a zone is marked as unstarted if no process could be started, or if it ended before any sign of life; not if it ended
        later.
        """
        self.reactor.forbidden = True
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.reactor.forbidden = False
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.running()[0].end()
        self.compilers.add(Job("/k", [("c.", "/c")]))
        (process,) = self.running()
        process.writeLine(busy=True)
        process.end()
        self.assertEqual([result.get("unstarted", False) for result in self.results], [True, True, False])
        self.assertEqual([text.partition(":")[0] for _, text in self.texts()], [
            *["no process to compile zones can be started"] * 2, "the process that compiled it has ended"])

    def test_silentProcessIsReplaced(self) -> None:
        """
        A silent process is killed, and another one takes its job.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (first,) = self.running()
        self.expectKill(first)
        (second,) = self.running()
        self.assertEqual([each["name"] for each in second.received], ["a."])
        self.assertEqual(self.results, [])
        second.writeLine(name="a.", image="/i", complaints=[])
        self.assertEqual(self.texts(), [("a.", "")])
        self.assertFalse(self.compilers.busy)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_secondSilenceFailsZone(self) -> None:
        """
        After the second silent process the zone fails with one line that names its file. Other zones are built.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.compilers.add(Job("/k", [("c.", "/c")]))
        first, beside = self.running()
        beside.writeLine(name="b.", image="/j", complaints=[])
        beside.writeLine(name="c.", image="/k", complaints=[])
        beside.end()
        self.expectKill(first)
        (second,) = self.running()
        self.expectKill(second)
        text = f"the process that compiled it wrote nothing for {_SILENCE:g} s and was ended, as was another one before"
        self.assertEqual(self.texts(), [("b.", ""), ("c.", ""), ("a.", text)])
        self.assertEqual(self.results[-1]["complaints"], [{"path": "/a", "line": 0, "column": 0, "text": text, "fatal": True}])
        self.assertEqual(self.running(), [])
        self.assertFalse(self.compilers.busy)

    def test_onlySilentZoneFails(self) -> None:
        """
        Of several zones in one job only the one whose processes become silent fails; those before and behind it are built.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b"), ("c.", "/c")]))
        (first,) = self.running()
        self.assertEqual(first.received[0], {"pack": "/i"})
        self.expectKill(first)
        (second,) = self.running()
        self.assertEqual(second.received[0], {"pack": "/i", "each": True})
        second.writeLine(name="a.", image="/i", complaints=[])
        self.expectKill(second)
        self.assertEqual([name for name, _ in self.texts()], ["b."])
        (third,) = self.running()
        self.assertEqual([each["name"] for each in third.received if "name" in each], ["a.", "c."])
        third.writeLine(name="a.", image="/i", complaints=[])
        third.writeLine(name="c.", image="/i", complaints=[])
        third.writeLine(done=True)
        self.assertEqual(self.texts()[1:], [("a.", ""), ("c.", "")])

    def test_unfinishedPackFailsAllZones(self) -> None:
        """
        All zones of a job fail if they are built and the file is not finished.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b")]))
        for _ in range(2):
            (process,) = self.running()
            process.writeLine(name="a.", image="/i", complaints=[])
            process.writeLine(name="b.", image="/i", complaints=[])
            self.expectKill(process)
        self.assertEqual([name for name, text in self.texts() if "wrote nothing" in text], ["a.", "b."])
        self.assertFalse(self.compilers.busy)

    def test_slowProcessIsSpared(self) -> None:
        """
        A slow process that gives signs of life is not killed.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        for _ in range(10):
            self.reactor.advance(_SILENCE - 1)
            process.writeLine(busy=True)
        self.assertEqual(process.signals, [])
        process.writeLine(name="a.", image="/i", complaints=[])
        self.reactor.advance(10 * _SILENCE)
        self.assertEqual((process.signals, self.texts()), ([], [("a.", "")]))

    def test_silentProcessBlocksUnwatched(self) -> None:
        """
        Without the watch the zone of a silent process would never get a result.
        """
        self.patch(self.compilers, "silence", 1e9)
        self.compilers.add(Job("/i", [("a.", "/a")]))
        self.reactor.advance(100 * _SILENCE)
        self.assertTrue(self.compilers.busy)
        self.assertEqual(self.results, [])

    def test_endedProcessIsReplaced(self) -> None:
        """
        A process that ends by itself is not watched any more, and the next job gets a new one.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        process.end()
        self.assertIn("has ended", self.texts()[0][1])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.compilers.add(Job("/j", [("b.", "/b")]))
        self.assertEqual(len(self.running()), 1)

    def test_stagesAreTriedAgainToo(self) -> None:
        """
        If the process that signs a zone becomes silent, the other one gets the same job, and signs it as well.
        """
        self.compilers.add(Job("/i", [("a.", "/a")], {"a.": ',"stages":{"sign":{"keys":"/keys"}}'}))
        (first,) = self.running()
        self.expectKill(first)
        (second,) = self.running()
        self.assertEqual([each["stages"] for each in first.received + second.received], [{"sign": {"keys": "/keys"}}] * 2)


class EndTests(SimulatedCase):
    """
    Tests of simulated processes that end, or write something unexpected.
    """

    def test_endInTheMiddleOfPack(self) -> None:
        """
        If a process ends before a file with several zones is finished, all of them fail: nothing is served from that file.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b")]))
        (process,) = self.running()
        process.writeLine(name="a.", image="/i", complaints=[])
        process.end()
        self.assertEqual([(name, "has ended" in text) for name, text in self.texts()], [("a.", True), ("b.", True)])
        self.assertEqual([result.get("image") for result in self.results], [None, None])

    def test_packThatCannotBeWritten(self) -> None:
        """
        If the file with several zones could not be written to the disk, all of them fail.
        """
        self.compilers.add(Job("/i", [("a.", "/a"), ("b.", "/b")]))
        (process,) = self.running()
        for name in ("a.", "b."):
            process.writeLine(name=name, image="/i", complaints=[])
        process.writeLine(done=False)
        self.assertEqual(self.texts(), [(name, "the images could not be written") for name in ("a.", "b.")])
        self.assertFalse(self.compilers.busy)

    def test_waitingJobsGoOn(self) -> None:
        """
        When a process ends by itself, a new one takes the next of the jobs that wait.
        """
        for name in ("a", "b", "c"):
            self.compilers.add(Job(f"/{name}.image", [(f"{name}.", f"/{name}")]))
        first, _ = self.running()
        self.assertTrue(self.compilers.queued)
        first.end()
        self.assertFalse(self.compilers.queued)
        self.assertEqual([each["name"] for each in self.running()[1].received], ["c."])

    def test_lastWordsInPieces(self) -> None:
        """
        The result names the last line that a process has written to its standard error, in however many pieces it comes.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        for piece in (b"Traceback\nout", b" of ", b"memory\n"):
            process.protocol.childDataReceived(2, piece)
        process.end()
        self.assertEqual([text.rpartition(": ")[2] for _, text in self.texts()], ["out of memory"])

    def test_endlessLine(self) -> None:
        """
        A process that writes a line without an end is killed, so that the server does not keep all of it.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        process.protocol.childDataReceived(1, b"x" * int(COMPILER_LINE.default))
        self.assertEqual(process.signals, [])
        process.protocol.childDataReceived(1, b"x")
        self.assertEqual(process.signals, ["KILL"])

    def test_linesOfOtherKinds(self) -> None:
        """
        Lines that are not JSON, or no JSON objects, are ignored; those beside them are not.
        """
        self.compilers.add(Job("/i", [("a.", "/a")]))
        (process,) = self.running()
        process.protocol.childDataReceived(1, b'5\n[1]\n{"busy":\nnull\n\xff\n{"name":"a.","image":"/i","complaints":[]}\n')
        self.assertEqual(self.texts(), [("a.", "")])
