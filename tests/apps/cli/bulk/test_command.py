"""
Tests of C{txdns bulk} with a source in place of servers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.turning import TurningReactor
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.apps.cli.bulk import run as working
from twisted_ext.apps.cli.bulk.command import parseBulk
from twisted_ext.apps.cli.bulk.run import BulkWork, Streams
from twisted_ext.apps.cli.terminal.exits import BATCH, BROKEN_PIPE, INTERRUPTED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import CommandUpstream
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME, SOA, A


class BulkWorkTests(SynchronousTestCase):
    """
    Tests for L{BulkWork}.
    """

    def setUp(self) -> None:
        """
        Create the paths of input and output.
        """
        self.reactor = TurningReactor()
        self.input = Path(self.mktemp())
        self.output = Path(self.mktemp())
        self.source: IAnswerSource = CannedSource(otherwise="192.0.2.1")

    def begin(self, names: str, *words: str) -> Deferred[int]:
        """
        Start a run that fires with its exit code.
        """
        self.input.write_text(names)
        options = parseBulk([str(self.input), "--no-progress", *words])
        streams = Streams(options)

        def closeStreams(result: int | Failure) -> int | Failure:
            streams.__exit__()
            return result

        async def upstreamFor(reactor: object, target: str) -> CommandUpstream:
            return CommandUpstream(self.source)

        self.patch(working, "upstreamFor", upstreamFor)
        self.work = BulkWork(self.reactor, options, streams)
        return Deferred.fromCoroutine(self.work.run()).addBoth(closeStreams)

    def finish(self, done: Deferred[int]) -> int:
        """
        Return the exit code.
        """
        for _ in range(1000):
            if done.called:
                break
            self.reactor.turn()
        self.assertEqual((self.reactor.readers, self.reactor.writers), (set(), set()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.triggers, [])
        return self.successResultOf(done)

    def run_(self, names: str, *words: str) -> list[dict[str, object]]:
        """
        Run and return the lines of output.
        """
        done = self.begin(names, "--output", str(self.output), *words)
        self.assertEqual(self.finish(done), OK)
        return self.lines()

    def lines(self) -> list[dict[str, object]]:
        """
        Return the lines of output.
        """
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def test_everyLineGivesALine(self) -> None:
        """
        Every line of input gives one line of output, valid or not.
        """
        names = [f"h{number}.example.org" for number in range(2000)] + ["a..b", "x y z"]
        lines = self.run_("\n".join(names) + "\n")
        self.assertEqual(sorted([str(line["name"]) for line in lines]), sorted(names))
        self.assertEqual(len([line for line in lines if "error" in line]), 2)

    def test_rateLimitsAreRemarkedOn(self) -> None:
        """
        A server that answers half of the queries only when they are repeated is named once; one that does so less often is not.
        """

        class Limited(CannedSource):
            every = 3
            count = 0

            def ask(self, question: Question, context: QueryContext) -> Answer:
                self.count += 1
                attempts = 1 if self.count % 3 < self.every else 2
                return Answer(Outcome.NODATA, origin=Origin("udp", "192.0.2.53:53", attempts))

        for every, said in ((2, ""), (1, "txdns bulk: 192.0.2.53:53 loses or truncates half of its replies: a rate limit?\n")):
            self.source = source = Limited()
            source.every = every
            self.output = Path(self.mktemp())
            with redirect_stderr(StringIO()) as written:
                self.run_("".join([f"h{number}.example.org\n" for number in range(2000)]))
            self.assertEqual(written.getvalue(), said)

    def test_blankLinesAndCommentsAreSkipped(self) -> None:
        """
        Blank lines and comments give no line of output.
        """
        lines = self.run_("# hosts\n\none.example.org\n  \t\n  # two\n#three\ntwo.example.org #\n\n", "--ordered")
        self.assertEqual([line["name"] for line in lines], ["one.example.org", "two.example.org #"])

    def test_blankLinesAmongRangesAreSkipped(self) -> None:
        """
        Blank lines and comments among ranges give no line of output.
        """
        lines = self.run_("# ranges\n\n192.0.2.0/31\n\n#192.0.2.9\n", "--ordered", "--reverse")
        self.assertEqual([line["name"] for line in lines], ["192.0.2.0", "192.0.2.1"])

    def test_linesHaveTheDocumentedShape(self) -> None:
        """
        Lines have the documented shape: data, denials, aliases, extended errors and failures.
        """
        www, target = nameFromText("alias.example.org"), nameFromText("www.example.net")
        soa = rrsetOf(nameFromText("example.org"), SOA, "ns.example.org. mail.example.org. 1 2 3 4 60", 3600)
        self.source = CannedSource(
            {
                ("two.example.org", "A"): ["192.0.2.1", "192.0.2.2"],
                ("alias.example.org", "A"): Answer(
                    Outcome.DATA, (rrsetOf(www, CNAME, "www.example.net."), rrsetOf(target, A, "192.0.2.1", 60))
                ),
                ("mail.example.org", "MX"): "10 mail.example.org.",
                ("none.example.org", "A"): Answer(Outcome.NODATA, (), (soa,)),
                ("no.example.org", "A"): Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, ede=((29, "made up"),)),
                ("bad.example.org", "A"): ServerFailed("said SERVFAIL", rcode=2, ede=((22, ""),)),
                ("late.example.org", "A"): TimedOut("too late"),
            }
        )
        names = ["two.example.org", "alias.example.org", "mail.example.org mx", "none.example.org", "no.example.org"]
        self.assertEqual(
            self.run_("\n".join([*names, "bad.example.org", "late.example.org"]), "--ordered"),
            [
                {"name": "two.example.org", "type": "A", "rcode": "NOERROR", "ttl": 300, "data": ["192.0.2.1", "192.0.2.2"]},
                {
                    "name": "alias.example.org",
                    "type": "A",
                    "rcode": "NOERROR",
                    "ttl": 60,
                    "data": ["192.0.2.1"],
                    "aliases": ["www.example.net."],
                },
                {"name": "mail.example.org", "type": "MX", "rcode": "NOERROR", "ttl": 300, "data": ["10 mail.example.org."]},
                {"name": "none.example.org", "type": "A", "rcode": "NOERROR", "ttl": 60, "data": []},
                {
                    "name": "no.example.org",
                    "type": "A",
                    "rcode": "NXDOMAIN",
                    "ttl": 60,
                    "data": [],
                    "errors": [{"code": 29, "name": "Synthesized", "text": "made up"}],
                },
                {
                    "name": "bad.example.org",
                    "type": "A",
                    "error": "said SERVFAIL",
                    "kind": "ServerFailed",
                    "rcode": "SERVFAIL",
                    "errors": [{"code": 22, "name": "No Reachable Authority", "text": ""}],
                },
                {"name": "late.example.org", "type": "A", "error": "too late", "kind": "TimedOut"},
            ],
        )

    def test_namesAreWrittenAsTheyCame(self) -> None:
        """
        Names of any content are written unchanged, as valid JSON.
        """
        names = ['"quoted".example', "back\\\\slash.example", "bücher.example", "\\000.example", "\x01.example"]
        self.assertEqual([line["name"] for line in self.run_("\n".join(names), "--ordered")], names)

    def test_orderedKeepsInputOrder(self) -> None:
        """
        C{--ordered} keeps the order of the input.
        """
        self.source = held = HeldSource()
        done = self.begin("a.example\nb.example\nc.example\n", "--ordered", "--output", str(self.output))
        for name in ("c.example", "a.example", "b.example"):
            held.release(answerOf(questionOf(name), "192.0.2.1"), questionOf(name))
            self.reactor.turn()
        self.assertEqual(self.finish(done), OK)
        self.assertEqual([line["name"] for line in self.lines()], ["a.example", "b.example", "c.example"])

    def test_rangesGiveALinePerAddress(self) -> None:
        """
        A range gives a line for each address.
        """
        self.source = CannedSource(otherwise="host.example.org.")
        lines = self.run_("192.0.2.0/25\nfoo\n2001:db8::1\n", "--reverse")
        self.assertEqual(len(lines), 130)
        self.assertIn({"name": "192.0.2.127", "type": "PTR", "rcode": "NOERROR", "ttl": 300, "data": ["host.example.org."]}, lines)
        self.assertEqual([line["name"] for line in lines if "error" in line], ["foo"])

    def test_rangesAsArguments(self) -> None:
        """
        Ranges can be arguments.
        """
        options = parseBulk(["--reverse", "192.0.2.0/30", "2001:db8::1", "--output", str(self.output), "--no-progress"])
        streams = Streams(options)
        self.addCleanup(streams.__exit__)

        async def upstreamFor(reactor: object, target: str) -> CommandUpstream:
            return CommandUpstream(CannedSource(otherwise="host.example.org."))

        self.patch(working, "upstreamFor", upstreamFor)
        self.assertEqual(self.finish(Deferred.fromCoroutine(BulkWork(self.reactor, options, streams).run())), OK)
        self.assertEqual(len(self.lines()), 5)

    def test_emptyInput(self) -> None:
        """
        An empty input gives no lines and no error.
        """
        self.assertEqual(self.run_(""), [])

    def test_resumeLooksUpTheRest(self) -> None:
        """
        A resumed run looks up only the names without a line, and every name has one in the end.
        """
        names = "".join([f"h{number}.example.org\n" for number in range(500)])
        self.source = held = HeldSource()
        done = self.begin(names, "--output", str(self.output), "--window", "50")
        for question in held.held[::2]:
            held.release(answerOf(question, "192.0.2.1"), question)
        (trigger,) = self.reactor.triggers
        self.assertTrue(getattr(trigger(), "called", False))
        self.reactor.triggers.clear()
        ending = self.failureResultOf(done, ExitError).value
        self.assertEqual((ending.code, held.held), (INTERRUPTED, []))
        self.assertIn(f"--resume {self.output}", ending.line)
        written = self.lines()
        self.assertTrue(0 < len(written) < 500)
        with self.output.open("a") as file:
            file.write('{"name":"h499.exa')
        self.source = again = CannedSource(otherwise="192.0.2.1")
        self.assertEqual(self.finish(self.begin(names, "--resume", str(self.output))), OK)
        self.assertEqual(again.asked, 500 - len(written))
        self.assertEqual(sorted([str(line["name"]) for line in self.lines()]), sorted(names.split()))

    def test_foreignLineEndsTheRun(self) -> None:
        """
        A foreign line in the output to resume ends the run with an error.
        """
        good = '{"name":"a.example","type":"A"}\n'
        self.output.write_text(good + "oh\n")
        failure = self.failureResultOf(self.begin("a.example\nb.example\n", "--resume", str(self.output)), ExitError)
        self.assertIn("line 2: this is not a line of txdns bulk", failure.value.line)

    def test_silentServersHaveAnExitCode(self) -> None:
        """
        Every name has its line if no server replies, and the exit code is that of C{dig}.
        """
        self.source = CannedSource(otherwise=TimedOut("nobody there"))
        done = self.begin("a.example\nb.example\n", "--output", str(self.output))
        self.reactor.turn()
        self.reactor.turn()
        failure = self.failureResultOf(done, ExitError)
        self.assertEqual((failure.value.code, failure.value.line), (NO_REPLY, "no name got a reply: nobody there"))
        self.assertEqual(len(self.lines()), 2)

    def test_resentQueryShrinksTheWindow(self) -> None:
        """
        A query that was sent again shrinks the window.
        """
        resent = Answer(Outcome.DATA, (rrsetOf(nameFromText("a.example"), A, "192.0.2.1"),), origin=Origin("udp", "", 2))
        self.source = CannedSource(otherwise=resent)
        self.run_("".join([f"h{number}.example.org\n" for number in range(100)]))
        self.assertLess(self.work._window.size, 32)


class PipeTests(SynchronousTestCase):
    """
    Tests for L{BulkWork} between two pipes.
    """

    def setUp(self) -> None:
        """
        Start a run between two pipes.
        """
        self.reactor = TurningReactor()
        inputThere, self.inputHere = os.pipe()
        self.outputHere, outputThere = os.pipe()
        self.source = CannedSource(otherwise="192.0.2.1")
        options = parseBulk(["-", "--no-progress"])
        streams = Streams(options)
        streams.input, streams.output = inputThere, outputThere
        self.closing = {inputThere, self.inputHere, self.outputHere, outputThere}
        self.addCleanup(self.closeAll)

        async def upstreamFor(reactor: object, target: str) -> CommandUpstream:
            return CommandUpstream(self.source)

        self.patch(working, "upstreamFor", upstreamFor)
        self.done = Deferred.fromCoroutine(BulkWork(self.reactor, options, streams).run())

    def closeAll(self) -> None:
        """
        Close all pipes.
        """
        for fileno in self.closing:
            os.close(fileno)

    def close(self, fileno: int) -> None:
        """
        Close one end of a pipe.
        """
        self.closing.discard(fileno)
        os.close(fileno)

    def until(self, reached: Callable[[], bool]) -> None:
        """
        Turn the reactor until the condition holds.
        """
        for _ in range(200):
            if reached():
                return
            self.reactor.turn()
        self.fail("it never is")

    def test_lineComesBeforeInputEnds(self) -> None:
        """
        A name gets its line soon, while the input is still open.
        """
        os.write(self.inputHere, b"a.example\n")
        self.until(lambda: self.source.asked == 1)
        self.until(lambda: not self.reactor.getDelayedCalls())
        self.assertEqual(json.loads(os.read(self.outputHere, 1000))["name"], "a.example")
        self.close(self.inputHere)
        self.until(lambda: self.done.called)
        self.assertEqual(self.successResultOf(self.done), OK)

    def test_slowReaderStopsTheInput(self) -> None:
        """
        The run stops reading names while nothing reads its output, and completes later.
        """
        os.set_blocking(self.inputHere, False)
        written = 0

        def feed() -> None:
            nonlocal written
            try:
                while written < 20_000:
                    os.write(self.inputHere, f"h{written:07d}.example\n".encode())
                    written += 1
            except BlockingIOError:
                pass

        for _ in range(100):
            feed()
            self.reactor.turn()
        stopped = self.source.asked
        self.assertLess(stopped, 15_000)
        for _ in range(20):
            feed()
            self.reactor.turn()
        self.assertEqual(self.source.asked, stopped)
        os.set_blocking(self.outputHere, False)
        octets = b""
        while not self.done.called:
            feed()
            if written >= 20_000 and self.inputHere in self.closing:
                self.close(self.inputHere)
            try:
                octets += os.read(self.outputHere, 1 << 20)
            except BlockingIOError:
                self.reactor.turn()
        self.assertEqual(self.successResultOf(self.done), OK)
        try:
            octets += os.read(self.outputHere, 1 << 20)
        except BlockingIOError:
            pass
        self.assertEqual(len({json.loads(line)["name"] for line in octets.splitlines()}), 20_000)

    def test_closedReaderEndsQuietly(self) -> None:
        """
        The run ends without an error if the reader closes the pipe.
        """
        self.close(self.outputHere)
        os.write(self.inputHere, b"a.example\n")
        self.until(lambda: self.done.called)
        self.assertEqual(self.successResultOf(self.done), BROKEN_PIPE)


class ArgumentTests(SynchronousTestCase):
    """
    Tests of mistakes in arguments to L{parseBulk} and L{Streams}: one line, and no side effect.
    """

    def line(self, *words: str) -> tuple[int, str]:
        """
        Return the exit code and the error.
        """
        with self.assertRaises(ExitError) as caught:
            Streams(parseBulk(list(words)))
        self.assertNotIn("\n", caught.exception.line)
        return caught.exception.code, caught.exception.line

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        Invalid arguments are usage errors.
        """
        for words, hint in [
            (["a.txt", "b.txt"], "'b.txt' is not a record type, and the file of names is given already"),
            (["-", "--window", "0"], "is not a number from 1 to"),
            (["-", "--rate", "fast"], "is not a number from 0.001 to 1000000000"),
            (["-", "--rate-server", "0.5"], "is not a number from 1 to 1000000000"),
            (["-", "--time", "0"], "is not a number from 0.05"),
            (["-", "--foo"], "--foo"),
            (["-", "--output", "x", "--resume", "x"], "write one of them"),
            (["-", "@192.0.2.1", "@192.0.2.2"], "two servers"),
            (["-", "@"], "@ must be followed by a server"),
            (["-", "MX", "A"], "two types, MX and A"),
            (["--reverse", "192.0.2.1/24"], "192.0.2.0/24"),
            (["--reverse", "2001:db8::/32"], "a range may have"),
            (["--reverse", "192.0.2.1", "x.txt"], "not an address or range"),
        ]:
            code, line = self.line(*words)
            self.assertEqual(code, USAGE, words)
            self.assertIn(hint, line)

    def test_unusableFilesAreRefused(self) -> None:
        """
        Files that cannot be read or written are errors, and existing ones stay unchanged.
        """
        there = Path(self.mktemp())
        there.write_text("a.example\n")
        for words, hint in [
            (["no-such-file"], "no-such-file: No such file or directory; write a file with one name per line"),
            (["/"], "/: Is a directory"),
            ([str(there), "--output", str(there)], "File exists; write the name of a new file, or use --resume to continue this one"),
            ([str(there), "--output", "/no-such-folder/x"], "No such file or directory"),
            ([str(there), "--resume", "/no-such-folder/x"], "No such file or directory"),
            (["/", "--output", "/"], "/: Is a directory; write a file with one name per line"),
            ([str(there), "--output", "/"], "/: File exists; write the name of a new file"),
            (["--reverse", "foo"], "foo: No such file or directory; write a range such as 192.0.2.0/24, or a file of them"),
            ([str(there), "--resume", str(there)], "this is not a line of txdns bulk"),
        ]:
            code, line = self.line(*words)
            self.assertEqual(code, BATCH, words)
            self.assertIn(hint, line)
        self.assertEqual(there.read_text(), "a.example\n")
