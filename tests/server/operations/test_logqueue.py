"""
Tests of L{twisted_ext.server.operations.logqueue}.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.limits import LOG_OCTETS
from twisted_ext.server.operations.logqueue import Descriptor, LogQueue

#: Seconds for what takes milliseconds.
PATIENCE = 30.0


class Pipe:
    """
    A sink that takes nothing while it is shut.

    @ivar taken: what it took.
    @ivar began: set once a write has begun.
    @ivar fault: raised by each write.
    """

    def __init__(self) -> None:
        self.taken = ""
        self.open = threading.Event()
        self.began = threading.Event()
        self.fault: OSError | None = None

    def write(self, text: str) -> None:
        """
        Wait until it is open, and take this.
        """
        self.began.set()
        assert self.open.wait(PATIENCE)
        if self.fault is not None:
            raise self.fault
        self.taken += text

    def flush(self) -> None:
        """
        Nothing is kept.
        """


class QueueTests(SynchronousTestCase):
    """
    Tests for L{LogQueue}.
    """

    def setUp(self) -> None:
        self.pipe = Pipe()
        self.addCleanup(self.pipe.open.set)

    def queue(self, most: float = LOG_OCTETS.least) -> LogQueue:
        """
        @return: a queue that has been started.
        """
        queue = LogQueue(self.pipe, lambda count: f"{count} dropped\n", most)
        queue.start()
        return queue

    def shut(self, queue: LogQueue) -> None:
        """
        Have the thread of a queue wait in a write.
        """
        queue.write("first\n")
        self.assertTrue(self.pipe.began.wait(PATIENCE))

    def test_unstarted(self) -> None:
        """
        Before it is started lines are written by the caller.
        """
        self.pipe.open.set()
        queue = LogQueue(self.pipe, str)
        queue.write("a\n")
        self.assertEqual(self.pipe.taken, "a\n")
        self.assertTrue(queue.drain(0.0))

    def test_order(self) -> None:
        """
        Lines arrive in their order, and none is lost, while the sink takes them.
        """
        self.pipe.open.set()
        queue = self.queue(LOG_OCTETS.default)
        lines = [f"{number}\n" for number in range(10_000)]
        for line in lines:
            queue.write(line)
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(self.pipe.taken, "".join(lines))

    def test_blocked(self) -> None:
        """
        While the sink takes nothing a caller is never held up. What is beyond the bound is dropped, and reported where it would have been.
        """
        queue = self.queue()
        self.shut(queue)
        line = "x" * 99 + "\n"
        kept = (int(LOG_OCTETS.least) - len("first\n")) // len(line)
        for _ in range(kept + 7):
            queue.write(line)
        self.assertEqual(queue.dropped, 7)
        self.pipe.open.set()
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(self.pipe.taken, "first\n" + line * kept + "7 dropped\n")
        queue.write("last\n")
        self.assertTrue(queue.drain(PATIENCE))
        self.assertTrue(self.pipe.taken.endswith("7 dropped\nlast\n"))

    def test_reportedBefore(self) -> None:
        """
        A line that there is room for again comes after the report of those before it.
        """
        queue = self.queue()
        self.shut(queue)
        queue.write("y" * 4000 + "\n")
        queue.write("z" * 4000 + "\n")
        queue.write("short\n")
        self.pipe.open.set()
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(self.pipe.taken, "first\n" + "y" * 4000 + "\n1 dropped\nshort\n")

    def test_drain(self) -> None:
        """
        A process that ends waits for its last lines only so long.
        """
        queue = self.queue()
        self.shut(queue)
        queue.write("last\n")
        self.assertFalse(queue.drain(0.01))
        self.pipe.open.set()
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(self.pipe.taken, "first\nlast\n")

    def test_finish(self) -> None:
        """
        In a process that exits each line is waited for, so that the last one is written, but not for long in all.
        """
        queue = self.queue()
        self.shut(queue)
        finishing = threading.Thread(target=queue.finish)
        finishing.start()
        self.pipe.open.set()
        finishing.join(PATIENCE)
        self.assertEqual(self.pipe.taken, "first\n")
        queue.write("last\n")
        self.assertEqual(self.pipe.taken, "first\nlast\n")

    def test_call(self) -> None:
        """
        A file is rotated between the lines before and those after.
        """
        queue = self.queue()
        self.shut(queue)
        seen: list[str] = []
        queue.call(lambda: seen.append(self.pipe.taken))
        queue.write("second\n")
        self.pipe.open.set()
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual((seen, self.pipe.taken), (["first\n"], "first\nsecond\n"))

    def test_failing(self) -> None:
        """
        A sink that fails, as a full disk, loses lines and nothing else, and they are reported when it takes lines again.
        """
        self.pipe.open.set()
        self.pipe.fault = OSError(28, "No space left on device")
        queue = self.queue()
        queue.write("a\nb\n")
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual((queue.dropped, self.pipe.taken), (2, ""))
        self.pipe.fault = None
        queue.write("c\n")
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(self.pipe.taken, "2 dropped\nc\n")


class DescriptorTests(SynchronousTestCase):
    """
    Tests for L{Descriptor}.
    """

    def pipe(self) -> tuple[int, int]:
        """
        @return: both ends of a pipe.
        """
        reading, writing = os.pipe()

        def close(descriptor: int) -> Callable[[], None]:
            def closing() -> None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

            return closing

        self.addCleanup(close(reading))
        self.addCleanup(close(writing))
        return reading, writing

    def test_all(self) -> None:
        """
        All of a text is written, whatever is taken of it at a time, in a pipe that does not block too.
        """
        for blocking in (True, False):
            reading, writing = self.pipe()
            os.set_blocking(writing, blocking)
            got: list[bytes] = []

            def read(reading: int = reading, got: list[bytes] = got) -> None:
                while sum(map(len, got)) < 300_000:
                    got.append(os.read(reading, 65536))

            thread = threading.Thread(target=read)
            thread.start()
            Descriptor(writing).write("é" * 150_000)
            thread.join(PATIENCE)
            self.assertEqual(b"".join(got), "é".encode() * 150_000)

    def test_closed(self) -> None:
        """
        A pipe that was closed is an error for the queue, which drops the lines.
        """
        reading, writing = self.pipe()
        os.close(reading)
        queue = LogQueue(Descriptor(writing), str)
        queue.start()
        queue.write("a\n")
        self.assertTrue(queue.drain(PATIENCE))
        self.assertEqual(queue.dropped, 1)
