"""
Tests of the benchmark behind the figures of docs/measured.rst: they measure nothing and check its parsing and calculations.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from struct import pack
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import packetcache, recursion
from benchmarks.commandline import endsLikeControlC, lacks, parserFor, words
from benchmarks.internets import HOSTS, TLDS, Internet
from benchmarks.loads import Load, addressOf, query, readDnsperf, right, spelled, written
from benchmarks.served import RECORD, installed, replaced
from benchmarks.servers import KINDS, OURS, UNBOUND, Place, processorTime, residentMegabytes, versionIn
from benchmarks.unreliable import Came, Trouble, replyTo, row
from benchmarks.verdicts import ALONE, BOTH, BUDGETS, WORKERS, Report, block, table, verdicts
from tests.test_architecture import ROOT

_DNSPERF: Final = """\
Statistics:

  Queries sent:         1000
  Queries completed:    998 (99.80%)
  Queries lost:         2 (0.20%)

  Response codes:       SERVFAIL 8 (0.80%), NOERROR 990 (99.20%)
  Average packet size:  request 36, response 52
  Run time (s):         2.000000
  Queries per second:   499.000000

  Average Latency (s):  0.000150 (min 0.000021, max 0.003401)
"""


def _report() -> Report:
    report = Report("2026-11-20", "2 cores", 3, 2, 100_000, {UNBOUND: "1", OURS: "2"})
    for theirs, ours in ((4.0, 5.0), (8.0, 8.0), (4.0, 6.0)):
        report.keep("udp", UNBOUND, cpu=theirs, speed=1000)
        report.keep("udp", OURS, cpu=ours, speed=850)
        report.keep("worker", ALONE, cpu=5)
        report.keep("worker", WORKERS[0], cpu=5)
        report.keep("worker", WORKERS[1], cpu=6)
        report.keep("workers", ALONE, cpu=5)
        report.keep("workers", BOTH, cpu=5.5)
    return report


class LoadTests(SynchronousTestCase):
    """
    Tests of the load and its results.
    """

    def test_dnsperfOutputIsParsed(self) -> None:
        """
        The output of dnsperf is parsed, and other text is refused.
        """
        self.assertEqual(readDnsperf(_DNSPERF), Load(1000, 998, 990, 2.0, 0.00015))
        self.assertRaises(ValueError, readDnsperf, "Error: unable to connect")

    def test_unansweredLoadIsInvalid(self) -> None:
        """
        A load without answers is invalid.
        """
        lines = [line for line in _DNSPERF.splitlines() if "Latency" not in line and "codes" not in line]
        load = readDnsperf("\n".join(lines).replace("998 (99.80%)", "0 (0.00%)"))
        self.assertEqual(load.objection(), "no answers")

    def test_badLoadIsInvalid(self) -> None:
        """
        A load with errors, losses or wrong answers is invalid, with the reason.
        """
        self.assertIsNone(Load(1000, 998, 990, 2.0).objection())
        self.assertIn("errors", str(Load(1000, 1000, 980, 2.0).objection()))
        self.assertIn("lost", str(Load(1000, 990, 990, 2.0).objection()))
        self.assertIn("zone", str(Load(1000, 1000, 1000, 2.0, wrong=1).objection()))

    def test_rightAnswer(self) -> None:
        """
        A right answer has the ID, the exact question and the zone's address.
        """
        for cookie in (b"", b"12345678"):
            asked = query(7, "H258.example.TEST", cookie)
            end = asked.index(b"\x00", 12) + 5
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04" + addressOf(258)
            reply = pack(">6H", 7, 0x8180, 1, 1, 0, 0) + asked[12:end] + record
            self.assertTrue(right(asked, reply, b"\x0a\x00\x01\x02"))
            self.assertFalse(right(asked, reply, addressOf(259)))
            self.assertFalse(right(asked, reply.replace(b"H258", b"h258"), addressOf(258)))
            self.assertFalse(right(asked, b"\x00\x08" + reply[2:], addressOf(258)))
            self.assertFalse(right(asked, reply[:3] + b"\x82" + reply[4:], addressOf(258)))
            self.assertFalse(right(asked, reply[:end], addressOf(258)))
            self.assertFalse(right(asked, b"", addressOf(258)))

    def test_bitsSelectLetterCase(self) -> None:
        """
        Each bit selects the case of one letter; digits and dots have none.
        """
        self.assertEqual(spelled("h1.test", 0b10011), "H1.TesT")
        self.assertEqual(len({spelled("h1.test", bits) for bits in range(32)}), 32)

    def test_queryFiles(self) -> None:
        """
        Query files for dnsperf have the names of the zone, and those in random case rarely repeat a line.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        lines = {shape: written(folder, shape, 5000).read_text().splitlines() for shape in ("plain", "case", "each")}
        self.assertEqual([len(each) for each in lines.values()], [5000] * 3)
        self.assertEqual(len(set(lines["each"])), 5000)
        self.assertLess(len(set(lines["plain"])), 4000)
        self.assertGreater(len(set(lines["case"])), 4800)
        self.assertLessEqual({line.lower() for line in lines["case"]}, {f"h{index}.example.test a" for index in range(8000)})


class AccountingTests(SynchronousTestCase):
    """
    Tests of the resource measurements.
    """

    def test_processorTimeCountsChildren(self) -> None:
        """
        User and system time of all processes count, ended children included, whatever a program's name.
        """
        stat = "12 (odd) name 1 2) S 1 12 12 0 -1 4194560 100 0 0 0 {} {} {} {} 20 0 1 0 4000 1000 50"
        ticks = processorTime([stat.format(100, 50, 20, 30), stat.format(1, 2, 3, 4)])
        self.assertApproximates(ticks, 210 * processorTime([stat.format(1, 0, 0, 0)]), 0.001)

    def test_processorTimeIsInSeconds(self) -> None:
        """
        The time is in seconds and agrees with the process's own.
        """
        work = "sum(range(3_000_000))"
        script = f"import time; {work}; print(open('/proc/self/stat').read().strip()); print(time.process_time())"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        stat, ownTime = done.stdout.splitlines()
        self.assertApproximates(processorTime([stat]), float(ownTime), 0.05)

    def test_memoryOfAllProcesses(self) -> None:
        """
        Memory is the sum over all processes.
        """
        self.assertEqual(residentMegabytes(["Name:\tx\nVmRSS:\t    2048 kB\n", "VmHWM:\t 9 kB\nVmRSS:\t 1024 kB\n", ""]), 3.0)

    def test_versionsAreParsed(self) -> None:
        """
        Versions are found in the output of servers.
        """
        said = {
            "Version 1.17.1\n\nConfigure line: --build=x86_64": "1.17.1",
            "BIND 9.18.49-1~deb12u3-Debian (Extended Support Version)": "9.18.49",
            "Nov 20 10:51:20 PowerDNS Recursor 4.8.8 (C) 2001-2022": "4.8.8",
            "Dnsmasq version 2.90  Copyright (c) 2000-2024": "2.90",
            "nothing": "",
        }
        self.assertEqual({text: versionIn(text) for text in said}, said)


    def test_missingServerIsSkipped(self) -> None:
        """
        A server that is not installed is skipped with the package to install; the others show their versions.
        """
        report = Report("", "", 1, 1, 1)
        ours = next(kind for kind in KINDS if kind.name == OURS)
        with redirect_stderr(StringIO()) as said:
            found = installed(report, [replace(ours, name="Other", program="no-such-name-server", package="other"), ours])
        self.assertEqual(found, [ours])
        self.assertEqual(report.remarks, ["Other is not installed (Debian: apt install other); it is left out."])
        self.assertEqual(said.getvalue().splitlines(), report.remarks)
        self.assertEqual(set(report.versions), {OURS})
        self.assertTrue(report.versions[OURS])


class VerdictTests(SynchronousTestCase):
    """
    Tests of the report.
    """

    def test_ratiosAreWithinARound(self) -> None:
        """
        Ratios are taken within a round, so that a slow round does not distort them.
        """
        report = _report()
        self.assertEqual(report.middle("udp", "cpu"), 6.0)
        self.assertEqual(report.ratio("udp", "cpu"), 1.25)

    def test_everyBudgetHasAVerdict(self) -> None:
        """
        Each budget is held, missed or not measured.
        """
        held = {budget.what: (figure, holds) for budget, figure, holds in verdicts(_report())}
        self.assertEqual(len(held), len(BUDGETS))
        self.assertEqual(held["UDP hit, CPU, by Unbound's"], (1.25, True))
        self.assertEqual(held["UDP hits a second, by Unbound's"], (0.85, False))
        self.assertEqual(held["TCP hit, CPU, by Unbound's"], (None, None))
        self.assertEqual(held["hit of each of two workers, CPU, by one process's"], (1.2, False))

    def test_reportRoundTrips(self) -> None:
        """
        A report can be written and read back.
        """
        report = _report()
        self.assertEqual(Report.fromJSON(report.toJSON()), report)

    def test_tableHasEveryServer(self) -> None:
        """
        Every server has a row, and every measurement a column.
        """
        headings, rows = table(_report())
        self.assertEqual(headings, ["server", "UDP µs", "UDP /s", "UDP ratio"])
        self.assertEqual(rows, [[UNBOUND, "4.0", "1,000", "1.00"], [OURS, "6.0", "850", "1.25"]])

    def test_pageShowsTheRecord(self) -> None:
        """
        The page shows the recorded figures with date and machine; none is written by hand.
        """
        page = (ROOT / "docs" / "measured.rst").read_text("utf-8")
        report = Report.fromJSON(RECORD.read_text("utf-8"))
        self.assertEqual(replaced(page, block(report)), page)
        for word in (report.date, report.machine.split(",")[0], f"{report.rounds} rounds"):
            self.assertIn(word, " ".join(block(report).split()))
        altered = Report.fromJSON(RECORD.read_text("utf-8"))
        altered.figures["udp"][OURS]["cpu"] = [random.uniform(1000, 2000)]
        self.assertNotEqual(replaced(page, block(altered)), page)
        self.assertRaises(ValueError, replaced, "nothing", "")


class RecursionTests(SynchronousTestCase):
    """
    Tests of the benchmark of recursive resolvers.
    """

    def _report(self) -> Report:
        report = Report("2026-11-21", "2 cores", 2, 0, 100_000, {UNBOUND: "1", OURS: "2"})
        for theirs, ours, plain in ((300, 420, 150), (310, 465, 160)):
            report.keep("cold", UNBOUND, cpu=theirs, packets=3.0)
            report.keep("cold", OURS, cpu=ours, packets=3.0)
            report.keep("plain", OURS, cpu=plain)
        report.keep("late", UNBOUND, latency=80)
        report.keep("late", OURS, latency=110)
        return report

    def test_zonesAreSigned(self) -> None:
        """
        Every domain of the internet is delegated with its key, and every host has a signature.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        internet = Internet(folder, 2)
        internet.build()
        self.assertEqual(len(list(folder.glob("*.zone"))), 1 + TLDS + 2 * TLDS)
        parent = (folder / "t3.zone").read_text().splitlines()
        self.assertEqual(len([line for line in parent if line.startswith("d1.t3. 3600 IN DS ")]), 1)
        zone = (folder / "d1.t3.zone").read_text().splitlines()
        self.assertEqual(len([line for line in zone if " IN RRSIG A " in line]), HOSTS + 1)
        self.assertIn("h7.d1.t3. 3600 IN A 10.48.1.7", zone)
        self.assertEqual(len(internet.names(range(HOSTS))), HOSTS * TLDS)
        self.assertTrue(internet.hints.read_text() and internet.ds.read_text() and internet.key.read_text())

    def test_everyResolverIsConfigured(self) -> None:
        """
        Each resolver gets the hints and the trust anchor of the internet.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        internet = Internet(folder, 2)
        internet.build()
        for kind in recursion.kindsFor(internet):
            words = " ".join(kind.command(Place("program", folder, 5300, ("", 0))))
            files = [each.read_text() for each in folder.iterdir() if each.name in ("server.conf", "recursor.conf")]
            self.assertTrue(any(str(internet.hints) in text for text in (words, *files)), kind.name)

    def test_budgetsOfRecursion(self) -> None:
        """
        Each budget is judged by ratios within a round; what was not measured has no verdict.
        """
        held = [(figure, holds) for _, figure, holds in verdicts(self._report(), recursion.BUDGETS)]
        self.assertEqual([holds for _, holds in held], [True, True, True, False, None])
        self.assertEqual([figure for figure, _ in held[2:]], [1.0, 30.0, None])
        self.assertAlmostEqual(held[0][0] or 0, 1.45)

    def test_percentileIsReached(self) -> None:
        """
        The 99th percentile of 100 values is the second largest.
        """
        self.assertEqual(recursion.percentile(range(1, 101), 0.99), 99)
        self.assertEqual(recursion.percentile([5.0], 0.99), 5.0)

    def test_pageShowsTheRecordOfRecursion(self) -> None:
        """
        The page shows the recorded figures of recursion; none is written by hand.
        """
        page = (ROOT / "docs" / "measured.rst").read_text("utf-8")
        report = Report.fromJSON(recursion.RECORD.read_text("utf-8"))
        self.assertEqual(replaced(page, recursion.block(report), "recursion"), page)
        self.assertIn(report.date, recursion.block(report))


class UnreliableTests(SynchronousTestCase):
    """
    Tests of the upstream that loses or fails queries, and of the counts in front of it.
    """

    def test_troubleHasItsShare(self) -> None:
        """
        The share of lost or failed queries is about as requested; all others get the address of their name.
        """
        asked = query(7, "h77.example.test")
        for kind, share in (("none", 0.5), ("loss", 0.5), ("servfail", 0.25)):
            trouble = Trouble(kind, share)
            replies = [replyTo(asked, trouble) for _ in range(2000)]
            good = [reply for reply in replies if reply is not None and right(asked, reply, addressOf(77))]
            failed = [reply for reply in replies if reply is not None and reply[3] & 15 == 2]
            expected = 0.0 if kind == "none" else share
            self.assertLess(abs(len(good) / 2000 - (1 - expected)), 0.05)
            self.assertEqual(len(good) + len(failed) + replies.count(None), 2000)
            self.assertEqual((bool(failed), None in replies), (kind == "servfail", kind == "loss"))

    def test_rowHasCountsAndTimes(self) -> None:
        """
        A row has the counts, the times in milliseconds, and the queries for each name.
        """
        came = Came(times=[0.001] * 98 + [0.4, 0.5], failed=3, lost=4, queries=214)
        self.assertEqual(row("Unbound", "loss", 107, came).split(), ["loss", "Unbound", "100", "3", "4", "0", "1.0", "500.0", "2.00"])
        self.assertIn("nan", row("Unbound", "loss", 1, Came()))


class CommandLineTests(SynchronousTestCase):
    """
    Tests of what command lines have in common.
    """

    def test_missingProgramIsReported(self) -> None:
        """
        A program that is not installed is reported with the package to install.
        """
        output = StringIO()
        with redirect_stderr(output):
            self.assertFalse(lacks("served", "sh"))
            self.assertTrue(lacks("served", "sh", "no-such-program"))
        self.assertEqual(
            output.getvalue(),
            "served: no-such-program is not installed (Debian: apt install no-such-program); nothing is measured without it\n",
        )

    def test_optionsOfRecords(self) -> None:
        """
        The options name the file of the benchmark, and its rounds are the default.
        """
        parser = parserFor("bounds", "\nA table.\n\nMore.\n", 5)
        self.assertEqual(parser.parse_args(["--resume"]).__dict__, {"rounds": 5, "seconds": 1, "resume": True, "record": False})
        self.assertEqual(parser.description, "A table.")
        self.assertIn("measure what benchmarks/bounds.json does not have", " ".join(parser.format_help().split()))

    def test_wordsAreSeparatedByCommas(self) -> None:
        """
        Blanks, empty words and upper case do not count.
        """
        self.assertEqual(words("UDP, case,,"), ["udp", "case"])

    def test_terminationEndsAsControlCDoes(self) -> None:
        """
        A benchmark that is terminated ends its servers, as it does at Ctrl-C.
        """
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        endsLikeControlC()
        self.assertRaises(KeyboardInterrupt, os.kill, os.getpid(), signal.SIGTERM)


class PacketCacheTests(SynchronousTestCase):
    """
    Tests of the measurement of the packet cache.
    """

    def test_hitsAreHits(self) -> None:
        """
        What is reported as a hit was one: the measurement fails otherwise.
        """
        self.assertEqual(len(packetcache.measure(1)), 5)
        self.patch(packetcache._Answering, "letGo", lambda source: source.waiting.clear())
        self.assertRaisesRegex(RuntimeError, "were no hits", packetcache.measure, 1)
