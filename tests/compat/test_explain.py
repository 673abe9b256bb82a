"""
Tests of L{NamesResolver.explain<twisted_ext.compat.names.NamesResolver.explain>}.
"""

from __future__ import annotations

import json

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, data, denied, nodata, question, rrset
from twisted_ext.answers import Answer, Note, Origin, Outcome, QueryContext, Question
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import sourceFor
from twisted_ext.errors import CallerFault, ServerFailed
from twisted_ext.resolver.lookup.explain import Explanation, recordLines
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.records import RRSet


class TracingFake(Fake):
    """
    Adds a note to the trace of each query.
    """

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(2.0, "forward", "sent", server="192.0.2.53:53", wait=0.25, cookie=None)
        return super()._start(question, context)


class ExplanationTests(SynchronousTestCase):
    """
    Tests of L{Explanation} as C{explain} returns it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1.5)
        self.source = TracingFake()
        self.resolver = NamesResolver(self.source, self.clock)

    def explain(self, name: str = "a.example", rrType: int | str | None = None) -> Explanation:
        """
        Return the explanation of a look-up.
        """
        return self.successResultOf(self.resolver.explain(name, rrType))

    def test_textShowsStepsAndAnswer(self) -> None:
        """
        The text shows the question, each step with its time, and the answer.
        """
        self.source.knows("a.example.", "A", answer := data(rrset("a.example.", "A", "192.0.2.1")))
        answer.origin = Origin("cache", "192.0.2.53:53", 2, 0.1, 7.4)
        answer.ede = ((3, ""), (15, "why"), (4711, ""))
        lines = str(self.explain()).splitlines()
        self.assertEqual(lines[0], "a.example. IN A")
        self.assertEqual(lines[1].split(), ["500.0", "ms", "forward", "sent", "server=192.0.2.53:53", "wait=0.25"])
        self.assertEqual(
            lines[2], "answered after 0.0 ms: cache 192.0.2.53:53, 2 queries sent, learned 7 s ago; indeterminate"
        )
        self.assertEqual(
            lines[3:], ["  a.example. 300 IN A 192.0.2.1", "  Stale Answer", "  Blocked: why", "  EDE 4711"]
        )

    def test_dataIsJSON(self) -> None:
        """
        C{data} has the same contents and survives a round trip through JSON.
        """
        self.source.knows("a.example.", "MX", data(rrset("a.example.", "MX", "1 b.example.")))
        details = self.explain("a.example", "mx").data
        self.assertEqual(json.loads(json.dumps(details)), details)
        self.assertEqual(
            (details["name"], details["type"], details["outcome"], details["rcode"]), ("a.example.", "MX", "data", "NOERROR")
        )
        self.assertEqual(details["records"], ["a.example. 300 IN MX 1 b.example."])
        self.assertEqual(
            details["steps"],
            [
                {
                    "at": 0.5,
                    "source": "forward",
                    "event": "sent",
                    "details": {"server": "192.0.2.53:53", "wait": 0.25, "cookie": None},
                }
            ],
        )

    def test_denialIsShown(self) -> None:
        """
        Denials are shown as such.
        """
        self.source.knows("a.example.", "A", denied())
        self.assertIn("no such name", str(self.explain()))
        self.assertEqual(self.explain().data["outcome"], "nxdomain")
        self.source.knows("a.example.", "A", nodata())
        self.assertIn("no such data", repr(self.explain()))
        self.source.knows("a.example.", "A", Answer(Outcome.NODATA))
        self.assertIsNone(self.explain().data["origin"])
        self.assertIn("no such data after", str(self.explain()))

    def test_failureIsShown(self) -> None:
        """
        A failed look-up is shown with its error.
        """
        self.source.knows(
            "a.example.",
            "A",
            ServerFailed("192.0.2.53:53 answered REFUSED", server="192.0.2.53:53", rcode=5, attempts=3),
        )
        explanation = self.explain()
        self.assertIn("not known after 0.0 ms: ServerFailed: 192.0.2.53:53 answered REFUSED", str(explanation))
        details = explanation.data
        self.assertEqual((details["outcome"], details["rcode"], details["attempts"]), ("unknown", "REFUSED", 3))

    def test_typeAsMnemonicOrNumber(self) -> None:
        """
        Types are given as mnemonics or numbers; A is the default.
        """
        for rrType, asked in ((None, "A"), ("MX", "MX"), ("type65280", "TYPE65280"), (28, "AAAA")):
            self.explain("a.example.", rrType)
            self.assertEqual(self.source.asked[-1], question("a.example.", asked))
            self.assertFalse(self.source.contexts[-1].relative)
        self.failureResultOf(self.resolver.explain("a", "XYZZY"), CallerFault)
        self.failureResultOf(self.resolver.explain("a..b"), CallerFault)

    def test_cancelReachesTheSource(self) -> None:
        """
        Canceling cancels the look-up.
        """
        self.source.held = True
        explaining = self.resolver.explain("a.example")
        explaining.cancel()
        self.failureResultOf(explaining, CancelledError)
        self.assertEqual(self.source.cancelled, [question("a.example.")])

    def test_controlCharactersAreEscaped(self) -> None:
        """
        Control characters and line breaks in texts of servers are escaped.
        """
        self.source.knows("a.example.", "A", answer := data(rrset("a.example.", "A", "192.0.2.1")))
        answer.ede = ((15, "\x1b]0;title\x07 and\nanswered"),)
        lines = str(self.explain()).splitlines()
        self.assertTrue(all(line.isprintable() for line in lines))
        self.assertIn("\\x1b]0;title\\x07 and\\nanswered", lines[-1])
        self.source.knows("b.example.", "A", ServerFailed("it said \x1b[31m"))
        self.assertIn("\\x1b[31m", str(self.explain("b.example")))

    def test_eachStepIsNotedOnce(self) -> None:
        """
        Each step through hosts file, cache and server is noted once.
        """
        network = MemoryNetwork()
        here = network.reactor()
        server = CannedServer({("a.example", "A"): "192.0.2.1"}).listen(network.reactor("192.0.2.53"))
        resolver = NamesResolver(sourceFor(here, [(server.address, 53)], None, "/nonexistent"), here)
        explaining = resolver.explain("a.example")
        network.advance(1)
        steps = [(note.source, note.event) for note in self.successResultOf(explaining).notes]
        self.assertEqual(len(set(steps)), len(steps))
        self.assertIn(("forward", "sent"), steps)
        again = self.successResultOf(resolver.explain("a.example"))
        self.assertIn(("cache", "hit"), [(note.source, note.event) for note in again.notes])


class RecordLinesTests(SynchronousTestCase):
    """
    Tests of L{recordLines}.
    """

    def test_malformedRdataIsShownAsOctets(self) -> None:
        """
        Malformed rdata is shown in the generic form of octets.
        """
        self.assertEqual(recordLines(RRSet(b"\x01a\x00", 15, 1, 5, (b"\x07",))), ["a. 5 IN MX \\# 1 07"])
        self.assertEqual(recordLines(RRSet(b"\x01a\x00", 65280, 3, 5, (b"",))), ["a. 5 CH TYPE65280 \\# 0"])

    def test_explanationWithoutSteps(self) -> None:
        """
        An explanation without steps has the question and the outcome.
        """
        notes: list[Note] = []
        explanation = Explanation(question("a."), Answer(Outcome.NODATA), None, notes, 1.0, 1.25)
        self.assertEqual(explanation.text, "a. IN A\nno such data after 250.0 ms")
