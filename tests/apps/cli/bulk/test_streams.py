"""
Tests of the input and output of C{txdns bulk}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.turning import TurningReactor
from tests.typed import failureOf
from twisted_ext.apps.cli.bulk.command import parseBulk
from twisted_ext.apps.cli.bulk.input import Fed, Lines, namesOf, rangesOf
from twisted_ext.apps.cli.bulk.output import LineWriter
from twisted_ext.apps.cli.bulk.resume import EarlierOutput
from twisted_ext.apps.cli.bulk.run import Streams
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.errors import CallerFault
from twisted_ext.limits import BULK_LINE, BULK_OUTPUT
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import MX, A


def readLines(lines: Lines) -> list[str]:
    """
    Return all lines that are available.
    """
    found = []
    while (line := lines.next()) is not None:
        found.append(line)
    return found


class LinesTests(SynchronousTestCase):
    """
    Tests for L{Lines}.
    """

    def setUp(self) -> None:
        """
        Create a pipe.
        """
        self.reactor = TurningReactor()
        self.fromHere, self.toHere = os.pipe()
        self.addCleanup(os.close, self.fromHere)
        self.open = True
        self.addCleanup(self.closePipe)

    def closePipe(self) -> None:
        """
        Close the writing end.
        """
        if self.open:
            self.open = False
            os.close(self.toHere)

    def test_linesOfAFile(self) -> None:
        """
        A file gives all lines except blank ones and comments, an unterminated last line and lines with CRLF included. A byte order mark at
        its beginning is not part of a name.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"\xef\xbb\xbfa.example\r\n\n# names\n b.example \nb\xc3\xbccher.example")
        with path.open("rb") as file:
            lines = Lines(self.reactor, file.fileno())
            self.assertEqual(lines.size, path.stat().st_size)
            self.assertEqual(readLines(lines), ["a.example", "b.example", "bücher.example"])
            self.assertTrue(lines.ended)
            self.assertEqual(lines.consumed, lines.size)
        self.assertEqual(self.reactor.readers, set())

    def test_pipeDoesNotBlock(self) -> None:
        """
        A pipe is read without blocking, and only when lines are requested.
        """
        called: list[None] = []
        lines = Lines(self.reactor, self.fromHere, lambda: called.append(None))
        os.write(self.toHere, b"a.example\nb.exa")
        self.assertEqual((lines.next(), lines.consumed), (None, 0))
        self.reactor.turn()
        self.assertEqual((len(called), readLines(lines)), (1, ["a.example"]))
        os.write(self.toHere, b"mple\n")
        self.reactor.turn()
        self.assertEqual(lines.next(), "b.example")
        self.assertIsNone(lines.next())
        self.closePipe()
        self.reactor.turn()
        self.assertIsNone(lines.next())
        self.assertTrue(lines.ended)
        self.assertEqual(self.reactor.readers, set())

    def test_lostConnectionIsTheEnd(self) -> None:
        """
        A reactor that reports the end of a pipe as a lost connection is supported.
        """
        called: list[None] = []
        lines = Lines(self.reactor, self.fromHere, lambda: called.append(None))
        os.write(self.toHere, b"a.example")
        lines.next()
        self.reactor.turn()
        self.assertIsNone(lines.next())
        self.reactor.readers.clear()
        lines.connectionLost(failureOf(ConnectionDone()))
        self.assertEqual((readLines(lines), lines.ended, len(called)), (["a.example"], True, 2))

    def test_unreadLinesStayInThePipe(self) -> None:
        """
        Nothing more is read from the pipe while no lines are requested.
        """
        lines = Lines(self.reactor, self.fromHere)
        os.write(self.toHere, b"a.example\nb.example\n")
        lines.next()
        self.reactor.turn()
        os.write(self.toHere, b"c.example\n")
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(lines.consumed, 20)

    def test_longLineIsCut(self) -> None:
        """
        A very long line is cut once, and the next line is complete.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"x" * 300_000 + b"\nb.example\n")
        limit = int(BULK_LINE.default)
        with path.open("rb") as file:
            found = readLines(Lines(self.reactor, file.fileno()))
        self.assertEqual([len(found[0]), *found[1:]], [limit, "b.example"])

    def test_longLineWithoutLimit(self) -> None:
        """
        A very long line is kept whole without the limit.
        """
        self.patch(BULK_LINE, "default", 10**9)
        path = Path(self.mktemp())
        path.write_bytes(b"x" * 300_000 + b"\n")
        with path.open("rb") as file:
            self.assertEqual([len(line) for line in readLines(Lines(self.reactor, file.fileno()))], [300_000])


class FeedingTests(SynchronousTestCase):
    """
    Tests for L{namesOf} and L{rangesOf}.
    """

    def feed(self, make: Callable[[Lines], Callable[[], Fed | None]], text: bytes) -> list[Fed]:
        """
        Return all items from this text.
        """
        path = Path(self.mktemp())
        path.write_bytes(text)
        found = []
        with path.open("rb") as file:
            feed = make(Lines(TurningReactor(), file.fileno()))
            while (fed := feed()) is not None:
                found.append(fed)
        return found

    def test_everyLineGivesAnItem(self) -> None:
        """
        A line is a name, or a name and a type; every line that is not blank gives one item, valid or not. Octets that are not UTF-8 are
        those of the name, written as in master files.
        """
        text = "a.example\nb.example mx\n\na..b\nc.example FOO\na b c\nbücher.example\n".encode() + b"\xff.example\n"
        found = self.feed(lambda lines: namesOf(lines.next, A), text)
        self.assertEqual(
            [item for item, _ in found],
            [
                ("a.example", "A"),
                ("b.example", "MX"),
                ("a..b", "A"),
                ("c.example FOO", "A"),
                ("a b c", "A"),
                ("bücher.example", "A"),
                ("\\255.example", "A"),
            ],
        )
        bad = [isinstance(question, CallerFault) for _, question in found]
        self.assertEqual(bad, [False, False, True, True, True, False, False])
        question = found[1][1]
        assert isinstance(question, Question)
        self.assertEqual(question.rrType, MX)

    def test_addressesAndRanges(self) -> None:
        """
        A line is an address or a range; an invalid one gives an item of its own.
        """
        found = self.feed(lambda lines: rangesOf(lines.next), b"192.0.2.0/31\nfoo\n2001:db8::1\n")
        self.assertEqual(
            [item for item, _ in found], [("192.0.2.0", "PTR"), ("192.0.2.1", "PTR"), ("foo", "PTR"), ("2001:db8::1", "PTR")]
        )


class LineWriterTests(SynchronousTestCase):
    """
    Tests for L{LineWriter}.
    """

    def setUp(self) -> None:
        """
        Create a pipe with a reader.
        """
        self.reactor = TurningReactor()
        self.there, here = os.pipe()
        self.closed = False
        self.addCleanup(self.closePipe)
        self.addCleanup(os.close, here)
        self.events: list[str] = []
        self.writer = LineWriter(
            self.reactor,
            self.reactor,
            here,
            drained=lambda: self.events.append("drained"),
            failed=lambda error: self.events.append(type(error).__name__),
        )

    def closePipe(self) -> None:
        """
        Close the reading end.
        """
        if not self.closed:
            self.closed = True
            os.close(self.there)

    def test_lineIsWrittenSoon(self) -> None:
        """
        A single line is written within a tenth of a second.
        """
        self.writer.write("a\n")
        self.reactor.turn(0.1)
        self.assertEqual(os.read(self.there, 100), b"a\n")

    def test_slowReaderLosesNothing(self) -> None:
        """
        A slow reader does not block the writer, which reports a full and a drained backlog. Nothing is lost, and lines stay whole.
        """
        lines = [f"{number:0100d}\n" for number in range(20_000)]
        for line in lines:
            self.writer.write(line)
        self.writer.flush()
        self.assertTrue(self.writer.full)
        pieces = []
        emptied = self.writer.emptied()
        while not emptied.called:
            pieces.append(os.read(self.there, 1 << 20))
            self.assertTrue(pieces[-1].endswith(b"\n"))
            self.reactor.turn()
        self.assertEqual(self.events, ["drained"])
        self.writer.finish(1.0)
        self.stopBlocking()
        while piece := os.read(self.there, 1 << 20):
            pieces.append(piece)
        self.assertEqual(b"".join(pieces).decode(), "".join(lines))

    def stopBlocking(self) -> None:
        """
        Let the reader reach the end.
        """
        os.set_blocking(self.there, False)
        self.patch(os, "read", self.nonBlocking(os.read))

    def nonBlocking(self, read: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
        """
        Return a C{read} that gives nothing if nothing is available.
        """

        def readOrNothing(fileno: int, size: int) -> bytes:
            try:
                return read(fileno, size)
            except BlockingIOError:
                return b""

        return readOrNothing

    def test_fullBacklogIsReported(self) -> None:
        """
        The backlog is full as soon as it exceeds its limit.
        """
        size = 0
        while not self.writer.full:
            self.writer.write("x" * 999 + "\n")
            self.writer.flush()
            size += 1000
        self.assertLess(size, BULK_OUTPUT.default + (1 << 17))

    def test_brokenPipeIsReportedOnce(self) -> None:
        """
        A broken pipe is reported once, and later lines are dropped.
        """
        self.closePipe()
        for _ in range(3):
            self.writer.write("a\n")
            self.writer.flush()
            self.reactor.turn()
        self.assertEqual(self.events, ["BrokenPipeError"])
        self.writer.finish(1.0)
        self.assertEqual((self.reactor.writers, self.reactor.getDelayedCalls()), (set(), []))

    def test_finishWaitsALimitedTime(self) -> None:
        """
        C{finish} writes the rest, waits a limited time for the reader, and leaves no timer.
        """
        self.writer.write("a\n")
        self.writer.finish(1.0)
        self.assertEqual(os.read(self.there, 100), b"a\n")
        for _ in range(100_000):
            self.writer.write("x" * 9 + "\n")
        self.writer.finish(0.05)
        self.assertEqual((self.reactor.writers, self.reactor.getDelayedCalls()), (set(), []))


class ResumingTests(SynchronousTestCase):
    """
    Tests for L{EarlierOutput}.
    """

    def resume(self, text: str) -> EarlierOutput:
        """
        Return the state of a run that resumes after this output.
        """
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        resuming = EarlierOutput(str(self.path))
        self.addCleanup(resuming.close)
        return resuming

    def test_writtenNamesAreSkipped(self) -> None:
        """
        Each line skips one look-up of its name and type, failed ones included.
        """
        resuming = self.resume('{"name":"b","type":"A"}\n{"name":"a","type":"A","error":"x"}\n{"name":"b","type":"A"}\n')
        items = [("a", "A"), ("a", "MX"), ("b", "A"), ("b", "A"), ("b", "A"), ("c", "A")]
        self.assertEqual([resuming.has(item) for item in items], [True, False, True, True, False, False])

    def test_tornLineIsCutOff(self) -> None:
        """
        An incomplete last line is cut off, and its name is looked up again.
        """
        resuming = self.resume('{"name":"a","type":"A"}\n{"name":"b","ty')
        self.assertEqual([resuming.has(("a", "A")), resuming.has(("b", "A"))], [True, False])
        self.assertEqual(self.path.read_text(), '{"name":"a","type":"A"}\n')

    def test_missingFileIsCreated(self) -> None:
        """
        A missing file is created.
        """
        path = Path(self.mktemp())
        resuming = EarlierOutput(str(path))
        self.addCleanup(resuming.close)
        self.assertFalse(resuming.has(("a", "A")))
        self.assertTrue(path.exists())

    def test_fileIsLocked(self) -> None:
        """
        Two runs never write to one file, however they opened it; the file is free when the first run ends.
        """
        first = self.resume("")
        with pytest.raises(ExitError, match="another run writes to it"):
            EarlierOutput(str(self.path))
        first.close()
        EarlierOutput(str(self.path)).close()
        path = f"{self.path}.new"
        with Streams(parseBulk(["-", "--output", path])), pytest.raises(ExitError, match="another run writes to it"):
            EarlierOutput(path)
        EarlierOutput(path).close()

    def test_irregularFileIsRefused(self) -> None:
        """
        A pipe, device or directory is refused without blocking.
        """
        pipe = self.mktemp()
        os.mkfifo(pipe)
        for path, why in ((pipe, "it is not a regular file"), (os.devnull, "it is not a regular file"), ("/", "Is a directory")):
            with pytest.raises(ExitError, match=f"--resume {path}: {why}; write the file of an earlier --output"):
                EarlierOutput(path)

    def test_onlyLinesAheadAreKept(self) -> None:
        """
        Only lines ahead of their turn are kept in memory.
        """
        number = 20_000
        resuming = self.resume("".join([f'{{"name":"h{index ^ 7}","type":"A"}}\n' for index in range(number)]))
        largest = 0
        for index in range(number):
            self.assertTrue(resuming.has((f"h{index}", "A")))
            largest = max(largest, len(resuming._ahead))
        self.assertLessEqual(largest, 16)

    def test_foreignFileIsRefused(self) -> None:
        """
        A file of another kind is refused and not changed.
        """
        for text in ("hello\n", "[]\n", '{"name":"a"}\n', '"x"\n'):
            path = Path(self.mktemp())
            path.write_text(text + "rest")
            with self.assertRaises(ExitError) as caught:
                EarlierOutput(str(path))
            self.assertEqual(caught.exception.code, BATCH)
            self.assertIn("line 1: this is not a line of txdns bulk", caught.exception.line)
            self.assertEqual(path.read_text(), text + "rest")


@given(st.lists(st.sampled_from("abcdef")), st.data())
def test_resumeNeverLoses(names: list[str], data: st.DataObject) -> None:
    """
    Each name has exactly its lines after resuming, whichever of them were written, in any order.
    """
    from collections import Counter
    from tempfile import TemporaryDirectory

    written = data.draw(st.permutations(names).map(lambda order: order[: len(order) // 2]))
    with TemporaryDirectory() as folder:
        path = Path(folder, "out")
        path.write_text("".join([f'{{"name":"{name}","type":"A"}}\n' for name in written]))
        resuming = EarlierOutput(str(path))
        rest = [name for name in names if not resuming.has((name, "A"))]
        resuming.close()
    assert Counter(written) + Counter(rest) == Counter(names)
