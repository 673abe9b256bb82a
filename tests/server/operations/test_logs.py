"""
Tests of L{twisted_ext.server.operations.logs}.
"""

from __future__ import annotations

import json
import os
import tempfile
from io import StringIO

from twisted.logger import FileLogObserver, LogEvent, Logger, LogLevel, LogPublisher, formatTime
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import observing
from twisted_ext.server.operations.logs import formatterFor, isOfJournal, relayed, relayedLine


class LogsTests(SynchronousTestCase):
    """
    Tests of the format of log lines.
    """

    def setUp(self) -> None:
        self.file = StringIO()
        self.publisher = LogPublisher()
        self.log = Logger(namespace="twisted_ext.server.service.ServerService", observer=self.publisher)

    def write(self, style: str, journal: bool = False) -> None:
        """
        Write events to C{self.file} from now on.
        """
        self.publisher.addObserver(FileLogObserver(self.file, formatterFor(style, journal)))

    @property
    def lines(self) -> list[str]:
        """
        The lines that have been written.
        """
        return self.file.getvalue().splitlines()

    def test_textLineHasTimeAndLevel(self) -> None:
        """
        A line has a time and a level and no class name; further lines of an event are indented.
        """
        self.write("text")
        self.log.info("answering at {where}", where="udp 127.0.0.1:53")
        self.log.warn("one\ntwo")
        first, second, third = self.lines
        self.assertRegex(first, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \[info\] answering at udp 127\.0\.0\.1:53$")
        self.assertRegex(second, r" \[warn\] one$")
        self.assertEqual(third, "  two")

    def test_eachLineHasItsOwnTime(self) -> None:
        """
        Lines of one second have the same time, those of others another one, also if they were queued.
        """
        line = formatterFor("text")
        times = (1e9, 1e9 + 0.9, 1e9 + 1, 1e9 + 70, 1e9 + 0.5)
        said = [line({"log_time": each, "log_format": "x", "log_level": LogLevel.info}) for each in times]
        self.assertEqual(said, [f"{formatTime(each)} [info] x\n" for each in times])
        self.assertEqual(len(set(said)), 3)
        self.assertEqual(line({"log_format": "x", "log_level": LogLevel.info}), "- [info] x\n")

    def test_journalLineHasPriority(self) -> None:
        """
        Each line for the journal has a priority instead of a time.
        """
        self.write("text", journal=True)
        self.log.info("fine")
        self.log.error("bad\nworse")
        self.assertEqual(self.lines, ["<6>fine", "<3>bad", "<3>  worse"])

    def test_failureHasTraceback(self) -> None:
        """
        A failure is logged with its traceback.
        """
        self.write("text")
        try:
            raise ValueError("that")
        except ValueError:
            self.log.failure("while trying")
        self.assertRegex(self.lines[0], r"\[critical\] while trying$")
        self.assertEqual(self.lines[-1].strip(), "builtins.ValueError: that")
        self.assertEqual([line for line in self.lines[1:] if line and not line.startswith("  ")], [])

    def test_jsonEventIsOneLine(self) -> None:
        """
        Each event is one JSON object on one line, with its fields, or with its text if it has no fields.
        """
        self.write("json")
        self.log.info("two\nlines \x1b {odd}", odd="\u2028")
        self.log.warn("{text}", text="what people read", fields={"event": "upstream", "state": "down"})
        first, second = [json.loads(line) for line in self.lines]
        self.assertRegex(first.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(first, {"level": "info", "event": "log", "text": "two\nlines \x1b \u2028"})
        del second["time"]
        self.assertEqual(second, {"level": "warn", "event": "upstream", "state": "down"})
        self.assertTrue(self.file.getvalue().isascii())

    def test_noiseOfTwistedIsOmitted(self) -> None:
        """
        Messages of Twisted about its own parts are omitted, and other messages of Twisted are kept.
        """
        self.write("text")
        for namespace, text, kept in (
            ("twisted.plugin", "Unable to write to plugin cache {path}: error number {errno}", False),
            ("twisted.scripts._twistd_unix.UnixAppLogger", "reactor class: {reactor}.", False),
            ("twisted.scripts._twistd_unix.UnixAppLogger", "twistd {version} starting up.", True),
            ("log_legacy", "StreamServings starting on 53", False),
            ("log_legacy", "(TCP Port 53 Closed)", False),
            ("log_legacy", "set uid/gid 1/1", True),
            ("twisted.internet.base", "Main loop terminated.", True),
        ):
            before = len(self.lines)
            Logger(namespace=namespace, observer=self.publisher).info(text, path="p", errno=13, reactor="r", version="1")
            self.assertEqual(len(self.lines) - before, int(kept), text)

    def test_journalIsDetected(self) -> None:
        """
        The journal is detected by JOURNAL_STREAM, which must name the same file.
        """
        with tempfile.TemporaryFile("w") as file:
            found = os.fstat(file.fileno())
            stream = f"{found.st_dev}:{found.st_ino}"
            self.assertTrue(isOfJournal(file, {"JOURNAL_STREAM": stream}))
            for environment in ({}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": f"{stream}1"}, {"JOURNAL_STREAM": "x"}):
                self.assertFalse(isOfJournal(file, environment))
        self.assertFalse(isOfJournal(StringIO(), {"JOURNAL_STREAM": stream}))

    def test_workerEventsKeepLevelAndFields(self) -> None:
        """
        An event of a worker arrives at the parent with its level and fields; any other line of its standard error is logged as it is.
        """
        told: list[str] = []
        worker = Logger(namespace="worker", observer=observing(lambda event: told.append(relayedLine(event) or "")))
        worker.error("no {thing}", thing="luck", fields={"event": "query", "rcode": "SERVFAIL"})
        worker.warn("two\nlines")
        Logger(namespace="log_legacy", observer=observing(lambda event: told.append(relayedLine(event) or ""))).info("X starting on 53")
        seen: list[LogEvent] = []
        parent = Logger(namespace="parent", observer=observing(seen.append))
        self.assertEqual(told[2], "")
        for line in [*told[:2], "Segmentation fault", '{"level": 5}', '{"level": ']:
            self.assertEqual(relayed(line.rstrip("\n").encode(), 3, parent), {})
        self.assertEqual([event["log_level"].name for event in seen], ["error", "warn", "info", "info", "info"])
        self.assertEqual([event["line"] for event in seen], ["no luck", "two\nlines", "Segmentation fault", '{"level": 5}', '{"level": '])
        self.assertEqual(seen[0]["fields"], {"event": "query", "rcode": "SERVFAIL"})
        self.write("json")
        self.publisher(seen[0])
        self.publisher(seen[1])
        first, second = [json.loads(line) for line in self.lines]
        self.assertEqual((first["worker"], first["rcode"], second["text"]), (3, "SERVFAIL", "two\nlines"))

    def test_upstreamEventsGoToCaller(self) -> None:
        """
        An upstream event of a worker is returned to the caller, which compares it with those of other workers.
        """
        line = json.dumps({"level": "warn", "text": "x", "fields": {"event": "upstream", "server": "192.0.2.1:53"}}).encode()
        seen: list[LogEvent] = []
        self.assertEqual(relayed(line, 0, Logger(observer=observing(seen.append)))["server"], "192.0.2.1:53")
        self.assertEqual(seen, [])
