"""
Tests of L{twisted_ext.server.process.jobs.logqueue}.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.limits import LOG_OCTETS
from twisted_ext.server.process.jobs.logqueue import Descriptor, LogQueue

#: Seconds to wait for an event that takes milliseconds.
TIMEOUT = 30.0


class BlockingSink:
    """
    A sink whose writes block until it is opened.

    @ivar taken: the text that was written.
    @ivar began: is set when a write has started.
    @ivar fault: raised by each write.
    """

    def __init__(self) -> None:
        self.taken = ""
        self.open = threading.Event()
        self.began = threading.Event()
        self.fault: OSError | None = None

    def write(self, text: str) -> None:
        """
        Wait until the sink is open, and take the text.
        """
        self.began.set()
        assert self.open.wait(TIMEOUT)
        if self.fault is not None:
            raise self.fault
        self.taken += text

    def flush(self) -> None:
        """
        Do nothing, since nothing is buffered.
        """


class QueueTests(SynchronousTestCase):
    """
    Tests for L{LogQueue}.
    """

    def setUp(self) -> None:
        self.pipe = BlockingSink()
        self.addCleanup(self.pipe.open.set)

    def queue(self, most: float = LOG_OCTETS.least) -> LogQueue:
        """
        Return a queue that has been started.
        """
        queue = LogQueue(self.pipe, lambda count: f"{count} dropped\n", most)
        queue.start()
        return queue

    def blockThread(self, queue: LogQueue) -> None:
        """
        Let the thread of a queue block in a write.
        """
        queue.write("first\n")
        self.assertTrue(self.pipe.began.wait(TIMEOUT))

    def test_unstartedQueueWritesDirectly(self) -> None:
        """
        The caller writes lines itself before the queue is started.
        """
        self.pipe.open.set()
        queue = LogQueue(self.pipe, str)
        queue.write("a\n")
        self.assertEqual(self.pipe.taken, "a\n")
        self.assertTrue(queue.drain(0.0))

    def test_linesKeepTheirOrder(self) -> None:
        """
        Lines are written in order, and none is lost, while the sink accepts them.
        """
        self.pipe.open.set()
        queue = self.queue(LOG_OCTETS.default)
        lines = [f"{number}\n" for number in range(10_000)]
        for line in lines:
            queue.write(line)
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(self.pipe.taken, "".join(lines))

    def test_blockedSinkNeverBlocksCaller(self) -> None:
        """
        A caller never blocks while the sink does. Lines over the limit are dropped, and reported in their place.
        """
        queue = self.queue()
        self.blockThread(queue)
        line = "x" * 99 + "\n"
        kept = (int(LOG_OCTETS.least) - len("first\n")) // len(line)
        for _ in range(kept + 7):
            queue.write(line)
        self.assertEqual(queue.dropped, 7)
        self.pipe.open.set()
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(self.pipe.taken, "first\n" + line * kept + "7 dropped\n")
        queue.write("last\n")
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertTrue(self.pipe.taken.endswith("7 dropped\nlast\n"))

    def test_dropReportComesFirst(self) -> None:
        """
        The report of dropped lines comes before the next line that fits.
        """
        queue = self.queue()
        self.blockThread(queue)
        queue.write("y" * 4000 + "\n")
        queue.write("z" * 4000 + "\n")
        queue.write("short\n")
        self.pipe.open.set()
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(self.pipe.taken, "first\n" + "y" * 4000 + "\n1 dropped\nshort\n")

    def test_drainWaitsForLimitedTime(self) -> None:
        """
        A process that ends waits only for a limited time for its last lines.
        """
        queue = self.queue()
        self.blockThread(queue)
        queue.write("last\n")
        self.assertFalse(queue.drain(0.01))
        self.pipe.open.set()
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(self.pipe.taken, "first\nlast\n")

    def test_lastLineIsWrittenAtExit(self) -> None:
        """
        A process that exits waits for each line, so that the last one is written, with a limit on the total time.
        """
        queue = self.queue()
        self.blockThread(queue)
        replyBuilder = threading.Thread(target=queue.finish)
        replyBuilder.start()
        self.pipe.open.set()
        replyBuilder.join(TIMEOUT)
        self.assertEqual(self.pipe.taken, "first\n")
        queue.write("last\n")
        self.assertEqual(self.pipe.taken, "first\nlast\n")

    def test_callRunsBetweenLines(self) -> None:
        """
        A log file is rotated between the lines before the call and those after it.
        """
        queue = self.queue()
        self.blockThread(queue)
        seen: list[str] = []
        queue.call(lambda: seen.append(self.pipe.taken))
        queue.write("second\n")
        self.pipe.open.set()
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual((seen, self.pipe.taken), (["first\n"], "first\nsecond\n"))

    def test_failingSinkLosesOnlyLines(self) -> None:
        """
        A failing sink, such as a full disk, loses only lines; they are reported when the sink works again.
        """
        self.pipe.open.set()
        self.pipe.fault = OSError(28, "No space left on device")
        queue = self.queue()
        queue.write("a\nb\n")
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual((queue.dropped, self.pipe.taken), (2, ""))
        self.pipe.fault = None
        queue.write("c\n")
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(self.pipe.taken, "2 dropped\nc\n")


class DescriptorTests(SynchronousTestCase):
    """
    Tests for L{Descriptor}.
    """

    def pipe(self) -> tuple[int, int]:
        """
        Return both ends of a pipe.
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

    def test_partialWritesAreContinued(self) -> None:
        """
        The whole text is written although each write takes only a part of it, to a non-blocking pipe as well.
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
            thread.join(TIMEOUT)
            self.assertEqual(b"".join(got), "é".encode() * 150_000)

    def test_closedPipeDropsLines(self) -> None:
        """
        A closed pipe is an error for the queue, which drops the lines.
        """
        reading, writing = self.pipe()
        os.close(reading)
        queue = LogQueue(Descriptor(writing), str)
        queue.start()
        queue.write("a\n")
        self.assertTrue(queue.drain(TIMEOUT))
        self.assertEqual(queue.dropped, 1)
