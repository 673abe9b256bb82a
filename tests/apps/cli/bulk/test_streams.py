"""
Tests of what C{txdns bulk} reads from and writes to.
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
from twisted_ext.apps.cli.bulk.args import parseBulk
from twisted_ext.apps.cli.bulk.input import Fed, Lines, namesOf, rangesOf
from twisted_ext.apps.cli.bulk.output import LineWriter
from twisted_ext.apps.cli.bulk.resume import Resuming
from twisted_ext.apps.cli.bulk.streams import Streams
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.errors import CallerFault
from twisted_ext.limits import BULK_LINE, BULK_OUTPUT
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import MX, A


def drain(lines: Lines) -> list[str]:
    """
    @return: all lines that are at hand.
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
        Have a pipe.
        """
        self.reactor = TurningReactor()
        self.fromHere, self.toHere = os.pipe()
        self.addCleanup(os.close, self.fromHere)
        self.open = True
        self.addCleanup(self.shut)

    def shut(self) -> None:
        """
        Close the end that is written to.
        """
        if self.open:
            self.open = False
            os.close(self.toHere)

    def test_file(self) -> None:
        """
        All lines of a file but blank ones and comments, the last one too if nothing ends it, and lines ended as Windows does.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"a.example\r\n\n# names\n b.example \nb\xc3\xbccher.example")
        with path.open("rb") as file:
            lines = Lines(self.reactor, file.fileno())
            self.assertEqual(lines.size, path.stat().st_size)
            self.assertEqual(drain(lines), ["a.example", "b.example", "bücher.example"])
            self.assertTrue(lines.ended)
            self.assertEqual(lines.consumed, lines.size)
        self.assertEqual(self.reactor.readers, set())

    def test_pipe(self) -> None:
        """
        A pipe is waited for without blocking, and read only when lines are wanted.
        """
        called: list[None] = []
        lines = Lines(self.reactor, self.fromHere, lambda: called.append(None))
        os.write(self.toHere, b"a.example\nb.exa")
        self.assertEqual((lines.next(), lines.consumed), (None, 0))
        self.reactor.turn()
        self.assertEqual((len(called), drain(lines)), (1, ["a.example"]))
        os.write(self.toHere, b"mple\n")
        self.reactor.turn()
        self.assertEqual(lines.next(), "b.example")
        self.assertIsNone(lines.next())
        self.shut()
        self.reactor.turn()
        self.assertIsNone(lines.next())
        self.assertTrue(lines.ended)
        self.assertEqual(self.reactor.readers, set())

    def test_hungUp(self) -> None:
        """
        Reactors that report the end of a pipe as a lost connection are understood.
        """
        called: list[None] = []
        lines = Lines(self.reactor, self.fromHere, lambda: called.append(None))
        os.write(self.toHere, b"a.example")
        lines.next()
        self.reactor.turn()
        self.assertIsNone(lines.next())
        self.reactor.readers.clear()
        lines.connectionLost(failureOf(ConnectionDone()))
        self.assertEqual((drain(lines), lines.ended, len(called)), (["a.example"], True, 2))

    def test_backPressure(self) -> None:
        """
        As long as nobody wants lines, nothing more is taken out of the pipe.
        """
        lines = Lines(self.reactor, self.fromHere)
        os.write(self.toHere, b"a.example\nb.example\n")
        lines.next()
        self.reactor.turn()
        os.write(self.toHere, b"c.example\n")
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(lines.consumed, 20)

    def test_endless(self) -> None:
        """
        A line that never ends takes no memory without bound: it comes out cut, once, and the next one is whole.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"x" * 300_000 + b"\nb.example\n")
        most = int(BULK_LINE.default)
        with path.open("rb") as file:
            found = drain(Lines(self.reactor, file.fileno()))
        self.assertEqual([len(found[0]), *found[1:]], [most, "b.example"])

    def test_endlessUnbounded(self) -> None:
        """
        With the bound switched off, all of it is kept.
        """
        self.patch(BULK_LINE, "default", 10**9)
        path = Path(self.mktemp())
        path.write_bytes(b"x" * 300_000 + b"\n")
        with path.open("rb") as file:
            self.assertEqual([len(line) for line in drain(Lines(self.reactor, file.fileno()))], [300_000])


class FeedingTests(SynchronousTestCase):
    """
    Tests for L{namesOf} and L{rangesOf}.
    """

    def feed(self, make: Callable[[Lines], Callable[[], Fed | None]], text: bytes) -> list[Fed]:
        """
        @return: all that comes of this text.
        """
        path = Path(self.mktemp())
        path.write_bytes(text)
        found = []
        with path.open("rb") as file:
            feed = make(Lines(TurningReactor(), file.fileno()))
            while (fed := feed()) is not None:
                found.append(fed)
        return found

    def test_names(self) -> None:
        """
        A line is a name, or a name and a type; every line that is not blank gives one item, whatever is in it.
        """
        text = "a.example\nb.example mx\n\na..b\nc.example FOO\na b c\nbücher.example\n".encode() + b"\xff.example\n"
        found = self.feed(lambda lines: namesOf(lines, A), text)
        self.assertEqual(
            [item for item, _ in found],
            [
                ("a.example", "A"),
                ("b.example", "MX"),
                ("a..b", "A"),
                ("c.example FOO", "A"),
                ("a b c", "A"),
                ("bücher.example", "A"),
                ("\udcff.example", "A"),
            ],
        )
        bad = [isinstance(question, CallerFault) for _, question in found]
        self.assertEqual(bad, [False, False, True, True, True, False, True])
        question = found[1][1]
        assert isinstance(question, Question)
        self.assertEqual(question.rrType, MX)

    def test_ranges(self) -> None:
        """
        A line is an address or a range of them; what is neither has its own line.
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
        Have a pipe that somebody may read.
        """
        self.reactor = TurningReactor()
        self.there, here = os.pipe()
        self.closed = False
        self.addCleanup(self.shut)
        self.addCleanup(os.close, here)
        self.events: list[str] = []
        self.writer = LineWriter(
            self.reactor,
            self.reactor,
            here,
            drained=lambda: self.events.append("drained"),
            failed=lambda error: self.events.append(type(error).__name__),
        )

    def shut(self) -> None:
        """
        Nobody reads any more.
        """
        if not self.closed:
            self.closed = True
            os.close(self.there)

    def test_soon(self) -> None:
        """
        A single line is written within a tenth of a second.
        """
        self.writer.write("a\n")
        self.reactor.turn(0.1)
        self.assertEqual(os.read(self.there, 100), b"a\n")

    def test_slowReader(self) -> None:
        """
        A reader that does not read blocks nobody; it is said when too much waits for it, and when it has caught up. Nothing is lost, and
        it sees whole lines only.
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
        self.shutWriter()
        while piece := os.read(self.there, 1 << 20):
            pieces.append(piece)
        self.assertEqual(b"".join(pieces).decode(), "".join(lines))

    def shutWriter(self) -> None:
        """
        Let the reader see the end.
        """
        os.set_blocking(self.there, False)
        self.patch(os, "read", self.reading(os.read))

    def reading(self, read: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
        """
        @return: C{read}, which gives nothing where there is nothing at present.
        """

        def readOrNothing(fileno: int, most: int) -> bytes:
            try:
                return read(fileno, most)
            except BlockingIOError:
                return b""

        return readOrNothing

    def test_bounded(self) -> None:
        """
        The backlog says that it is full as soon as it is larger than its bound.
        """
        size = 0
        while not self.writer.full:
            self.writer.write("x" * 999 + "\n")
            self.writer.flush()
            size += 1000
        self.assertLess(size, BULK_OUTPUT.default + (1 << 17))

    def test_brokenPipe(self) -> None:
        """
        It is said once that nobody reads any more, and lines are dropped from then on.
        """
        self.shut()
        for _ in range(3):
            self.writer.write("a\n")
            self.writer.flush()
            self.reactor.turn()
        self.assertEqual(self.events, ["BrokenPipeError"])
        self.writer.finish(1.0)
        self.assertEqual((self.reactor.writers, self.reactor.getDelayedCalls()), (set(), []))

    def test_finish(self) -> None:
        """
        At the end what is left is written, though not for ever to a reader that does not read, and no timer is left.
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
    Tests for L{Resuming}.
    """

    def resume(self, text: str) -> Resuming:
        """
        @return: what goes on behind this output.
        """
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        resuming = Resuming(str(self.path))
        self.addCleanup(resuming.close)
        return resuming

    def test_skips(self) -> None:
        """
        What has its line is skipped, as often as it has one; names in other types and names that failed count by themselves.
        """
        resuming = self.resume('{"name":"b","type":"A"}\n{"name":"a","type":"A","error":"x"}\n{"name":"b","type":"A"}\n')
        items = [("a", "A"), ("a", "MX"), ("b", "A"), ("b", "A"), ("b", "A"), ("c", "A")]
        self.assertEqual([resuming.has(item) for item in items], [True, False, True, True, False, False])
        self.assertEqual(resuming.skipped, 3)

    def test_torn(self) -> None:
        """
        A line that was not finished is cut off, and its name is looked up again.
        """
        resuming = self.resume('{"name":"a","type":"A"}\n{"name":"b","ty')
        self.assertEqual([resuming.has(("a", "A")), resuming.has(("b", "A"))], [True, False])
        self.assertEqual(self.path.read_text(), '{"name":"a","type":"A"}\n')

    def test_new(self) -> None:
        """
        A file that is not there yet is made.
        """
        path = Path(self.mktemp())
        resuming = Resuming(str(path))
        self.addCleanup(resuming.close)
        self.assertFalse(resuming.has(("a", "A")))
        self.assertTrue(path.exists())

    def test_held(self) -> None:
        """
        Two runs never write to one file, whichever of them began it; when the first is through, the file is free.
        """
        first = self.resume("")
        with pytest.raises(ExitError, match="another run writes to it"):
            Resuming(str(self.path))
        first.close()
        Resuming(str(self.path)).close()
        path = f"{self.path}.new"
        with Streams(parseBulk(["-", "--output", path])), pytest.raises(ExitError, match="another run writes to it"):
            Resuming(path)
        Resuming(path).close()

    def test_noRegularFile(self) -> None:
        """
        What cannot be gone on with is named, and nobody waits for a pipe.
        """
        pipe = self.mktemp()
        os.mkfifo(pipe)
        for path, why in ((pipe, "it is not a regular file"), (os.devnull, "it is not a regular file"), ("/", "Is a directory")):
            with pytest.raises(ExitError, match=f"--resume {path}: {why}; give the file that --output wrote"):
                Resuming(path)

    def test_memory(self) -> None:
        """
        Only those lines are kept in mind that are ahead of their turn.
        """
        number = 20_000
        resuming = self.resume("".join([f'{{"name":"h{index ^ 7}","type":"A"}}\n' for index in range(number)]))
        most = 0
        for index in range(number):
            self.assertTrue(resuming.has((f"h{index}", "A")))
            most = max(most, len(resuming._ahead))
        self.assertLessEqual(most, 16)

    def test_wrong(self) -> None:
        """
        Another file than one of this command's is refused, and nothing in it is touched.
        """
        for text in ("hello\n", "[]\n", '{"name":"a"}\n', '"x"\n'):
            path = Path(self.mktemp())
            path.write_text(text + "rest")
            with self.assertRaises(ExitError) as caught:
                Resuming(str(path))
            self.assertEqual(caught.exception.code, BATCH)
            self.assertIn("line 1: this is not a line of txdns bulk", caught.exception.line)
            self.assertEqual(path.read_text(), text + "rest")


@given(st.lists(st.sampled_from("abcdef")), st.data())
def test_resumeNeverLoses(names: list[str], data: st.DataObject) -> None:
    """
    Whatever part of the lines was written in whatever order: together with what is looked up then, each name has exactly its lines.
    """
    from collections import Counter
    from tempfile import TemporaryDirectory

    written = data.draw(st.permutations(names).map(lambda order: order[: len(order) // 2]))
    with TemporaryDirectory() as folder:
        path = Path(folder, "out")
        path.write_text("".join([f'{{"name":"{name}","type":"A"}}\n' for name in written]))
        resuming = Resuming(str(path))
        rest = [name for name in names if not resuming.has((name, "A"))]
        resuming.close()
    assert Counter(written) + Counter(rest) == Counter(names)
