"""
Tests of the search list.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question
from tests.resolver.told import Mistaken, Said, Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.combine.searchlist import SearchListSource
from twisted_ext.testing.sources import HeldSource
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

SERVFAIL = ServerFailed("no", rcode=2)
REFUSED = ServerFailed("not you", rcode=5)

#: What a look-up of a short name in two domains asks where nothing is found.
BOTH = ["www.corp.example A", "www.lab.example A", "www A"]


def relative(trace: Trace | None = None) -> QueryContext:
    """
    @return: the wishes of somebody who wrote no final dot.
    """
    return QueryContext(1e9, relative=True, trace=trace)


class SearchingTests(SynchronousTestCase):
    """
    Tests for L{SearchListSource}.
    """

    def search(
        self,
        name: str,
        known: dict[str, Said] | None = None,
        *,
        rrType: str = "A",
        domains: str = "corp.example lab.example",
        ndots: int = 1,
        topLevel: bool = True,
        otherwise: Said = Outcome.NXDOMAIN,
        absolute: bool = False,
        single: bool = False,
    ) -> tuple[list[str] | Outcome | DNSFault, list[str]]:
        """
        Search both ways, and see that they agree.

        @return: what came of it, and what was asked.
        """
        told = Told(known, otherwise=otherwise)
        names = [nameFromText(domain) for domain in domains.split()]
        source = SearchListSource(told, names, ndots, topLevel=topLevel)
        context = QueryContext(1e9) if absolute else relative()
        context.single = single
        results: list[Answer | DNSFault] = []
        source.answer(question(name, rrType), context).addCallbacks(
            results.append, lambda failure: results.append(failure.value)
        )
        self.assertFalse(any(context.relative for context in told.contexts))
        told.ready = True
        try:
            now = source.answerNow(question(name, rrType), context)
        except DNSFault as fault:
            self.assertIs(results[0], fault)
            return fault, told.asked
        first = results[0]
        assert isinstance(first, Answer) and now is not None
        self.assertEqual((now.outcome, now.answer), (first.outcome, first.answer))
        self.assertEqual(context.relative, not absolute)
        return addresses(first) or first.outcome, told.asked

    def test_wishesUntouched(self) -> None:
        """
        The wishes of whoever asks stay as they were, for whom they are shared with as well: a look-up that begins while another one is
        looked for at hand is searched like any other.
        """
        context = relative()
        seen: list[tuple[bool, bool]] = []
        nested: list[Answer | None] = []

        class Asking(Told):
            def answerNow(self, question: Question, inward: QueryContext) -> Answer | None:
                seen.append((context.relative, inward.relative))
                self.contexts.append(inward)
                if not nested:
                    nested.append(None)
                    nested[0] = source.answerNow(short, context)
                return super().answerNow(question, inward)

        told = Asking({"www.corp.example A": "192.0.2.1"}, ready=True)
        short = question("www")
        source = SearchListSource(told, [nameFromText("corp.example")])
        answers = [source.answerNow(short, context), *nested]
        self.assertEqual([addresses(answer) for answer in answers if answer is not None], [["192.0.2.1"], ["192.0.2.1"]])
        self.assertEqual(set(seen), {(True, False)})
        for context.trace in (Trace(0.0), None):
            source.answerNow(short, context)
            self.assertIs(told.contexts[-1].trace, context.trace)

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions, and says what is in it.
        """
        told = Told()
        source = SearchListSource(told, [])
        verifyObject(IAnswerSource, source)
        self.assertEqual(source.sources(), (told,))

    def test_short(self) -> None:
        """
        A name without dots is found in the first domain that has it.
        """
        found, asked = self.search("www", {"www.lab.example A": "192.0.2.2"})
        self.assertEqual((found, asked), (["192.0.2.2"], BOTH[:2]))

    def test_owner(self) -> None:
        """
        The records belong to the name that was found, so one can see which host it is.
        """
        source = SearchListSource(Told({"www.corp.example A": "192.0.2.2"}), [nameFromText("corp.example")])
        answer = self.successResultOf(source.answer(question("www"), relative()))
        self.assertEqual(nameToText(answer.answer[0].name), "www.corp.example.")

    def test_shortLast(self) -> None:
        """
        Where no domain has it, it is tried as it stands, and what is said of that is the answer.
        """
        self.assertEqual(self.search("www", {"www A": "192.0.2.9"}), (["192.0.2.9"], BOTH))
        self.assertEqual(self.search("www"), (Outcome.NXDOMAIN, BOTH))

    def test_dots(self) -> None:
        """
        A name with enough dots is tried as it stands first, and not again at the end.
        """
        self.assertEqual(self.search("www.x", {"www.x A": "192.0.2.1"}), (["192.0.2.1"], ["www.x A"]))
        expected = ["www.x A", "www.x.corp.example A", "www.x.lab.example A"]
        self.assertEqual(self.search("www.x"), (Outcome.NXDOMAIN, expected))
        self.assertEqual(self.search("www.x", {"www.x.lab.example A": "192.0.2.2"}), (["192.0.2.2"], expected))

    def test_ndots(self) -> None:
        """
        How many dots are enough is configured.
        """
        for name, ndots, asIsFirst in (
            ("www", 0, True),
            ("www", 1, False),
            ("a.b", 2, False),
            ("a.b.c", 2, True),
            ("a.b.c.d.e", 5, False),
        ):
            _, asked = self.search(name, ndots=ndots)
            self.assertEqual(asked.index(f"{name} A"), 0 if asIsFirst else 2, name)

    def test_absolute(self) -> None:
        """
        A name that was written with its final dot is never searched.
        """
        self.assertEqual(self.search("www", absolute=True), (Outcome.NXDOMAIN, ["www A"]))

    def test_noDomains(self) -> None:
        """
        Without domains there is one question.
        """
        for name in ("www", "www.x"):
            self.assertEqual(self.search(name, domains=""), (Outcome.NXDOMAIN, [f"{name} A"]))
            self.assertEqual(self.search(name, domains="", otherwise=SERVFAIL), (SERVFAIL, [f"{name} A"]))

    def test_reverse(self) -> None:
        """
        The name that an address is looked up under is not searched, so a look-up in vain costs one query and not many.
        """
        for name in ("1.2.0.192.in-addr.arpa", "1.2.0.192.IN-ADDR.ARPA"):
            for ndots in (1, 15):
                self.assertEqual(self.search(name, rrType="PTR", ndots=ndots), (Outcome.NXDOMAIN, [f"{name} PTR"]))
        self.assertEqual(len(self.search("host.xarpa")[1]), 3)

    def test_rootDomain(self) -> None:
        """
        The root in the list stands for the name as it is.
        """
        self.assertEqual(
            self.search("www", domains="corp.example ."), (Outcome.NXDOMAIN, ["www.corp.example A", "www A"])
        )
        self.assertEqual(
            self.search("www", domains=". corp.example"), (Outcome.NXDOMAIN, ["www A", "www.corp.example A"])
        )

    def test_noTopLevel(self) -> None:
        """
        With no-tld-query a name without dots is only searched.
        """
        self.assertEqual(self.search("www", topLevel=False), (Outcome.NXDOMAIN, BOTH[:2]))
        _, asked = self.search("a.b", topLevel=False, ndots=2)
        self.assertEqual(asked[-1], "a.b A")

    def test_noDataLeadsOn(self) -> None:
        """
        A name that exists without such data, as below a wildcard, does not end the search; but that it exists is said in the end.
        """
        known: dict[str, Said] = {"www.corp.example MX": Outcome.NODATA}
        self.assertEqual(self.search("www", known, rrType="MX"), (Outcome.NODATA, [each[:-1] + "MX" for each in BOTH]))

    def test_oneFamily(self) -> None:
        """
        A host with IPv4 only has no IPv6 addresses: those of another host of the same name in the next domain are not taken for its own.
        """
        known: dict[str, Said] = {
            "www.corp.example A": "192.0.2.1",
            "www.corp.example AAAA": Outcome.NODATA,
            "www.lab.example AAAA": "2001:db8::1",
        }
        found, asked = self.search("www", known, rrType="AAAA")
        self.assertEqual((found, asked), (Outcome.NODATA, ["www.corp.example AAAA", "www.corp.example A"]))
        known["www.corp.example A"] = SERVFAIL
        self.assertEqual(self.search("www", known, rrType="AAAA")[0], Outcome.NODATA)
        # Where it has neither, the search goes on.
        known["www.corp.example A"] = Outcome.NODATA
        self.assertEqual(self.search("www", known, rrType="AAAA")[0], ["2001:db8::1"])

    def test_single(self) -> None:
        """
        Who says that the other family is of no interest is led on to a host that has addresses of his own, as by the C library.
        """
        known: dict[str, Said] = {
            "www.corp.example A": "192.0.2.1",
            "www.corp.example AAAA": Outcome.NODATA,
            "www.lab.example AAAA": "2001:db8::1",
        }
        found, asked = self.search("www", known, rrType="AAAA", single=True)
        self.assertEqual((found, asked), (["2001:db8::1"], ["www.corp.example AAAA", "www.lab.example AAAA"]))

    def test_servfailLeadsOn(self) -> None:
        """
        A domain whose servers fail does not keep a name from being found in the next one.
        """
        self.assertEqual(
            self.search("www", {"www.corp.example A": SERVFAIL, "www.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"]
        )
        # But that there is no such name cannot be said.
        self.assertEqual(self.search("www", {"www.corp.example A": SERVFAIL}), (SERVFAIL, BOTH))

    def test_otherFailures(self) -> None:
        """
        Any other failure ends the list; the name as it stands is still tried.
        """
        for fault in (REFUSED, TimedOut("late")):
            known: dict[str, Said] = {
                "www.corp.example A": fault,
                "www.lab.example A": "192.0.2.2",
                "www A": "192.0.2.9",
            }
            self.assertEqual(self.search("www", known), (["192.0.2.9"], [BOTH[0], BOTH[2]]))
            del known["www A"]
            self.assertEqual(self.search("www", known), (fault, [BOTH[0], BOTH[2]]))

    def test_asIsFails(self) -> None:
        """
        Where the name as it stands could not be looked up, that is what is raised, unless a domain has it.
        """
        self.assertEqual(self.search("www.x", {"www.x A": SERVFAIL})[0], SERVFAIL)
        self.assertEqual(
            self.search("www.x", {"www.x A": SERVFAIL, "www.x.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"]
        )
        for fault in (TimedOut("late"), ServerFailed("no", rcode=Rcode.REFUSED)):
            self.assertEqual(self.search("www.x", {"www.x A": fault, "www.x.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"])
            self.assertEqual(self.search("www.x", {"www.x A": fault})[0], fault)

    def test_noTimeLeft(self) -> None:
        """
        Where the time was used up by a domain, that is what is raised, not that the name as it stands had none left.
        """
        late = TimedOut("after 5 seconds")
        said = self.search("www", {"www.corp.example A": late, "www A": TimedOut("after 0 seconds")})
        self.assertEqual(said[0], late)

    def test_asIsDenied(self) -> None:
        """
        A failing search domain does not turn the denial of a full name into a failure.
        """
        self.assertEqual(self.search("www.x", {"www.x.corp.example A": SERVFAIL})[0], Outcome.NXDOMAIN)

    def test_unknown(self) -> None:
        """
        A source that knows nothing of the names leads on; if it knows of none, that is said.
        """
        self.assertEqual(self.search("www", {"www A": "192.0.2.9"}, otherwise=Unknown(""))[0], ["192.0.2.9"])
        source = SearchListSource(Told(otherwise=Unknown("")), [nameFromText("corp.example")])
        failure = self.failureResultOf(source.answer(question("www"), relative()), Unknown)
        self.assertEqual(str(failure.value), "the search list has nothing on www. IN A")

    def test_longNames(self) -> None:
        """
        A domain that makes the name too long is left out.
        """
        name = ".".join(["x" * 63] * 3 + ["y" * 50])
        _, asked = self.search(name, domains="corp.example com")
        self.assertEqual(len(asked), 2)
        self.assertTrue(asked[1].endswith(".com A"))

    def test_bounded(self) -> None:
        """
        One name causes so many queries and no more.
        """
        _, asked = self.search("www", domains=" ".join([f"d{number}.example" for number in range(1000)]))
        self.assertEqual(len(asked), 65)

    def test_twice(self) -> None:
        """
        A domain that is listed twice is searched once.
        """
        _, asked = self.search("www", domains="corp.example Corp.Example")
        self.assertEqual(asked, [BOTH[0], BOTH[2]])

    def test_nowWaits(self) -> None:
        """
        As long as one of the names on the way would have to be waited for, nothing is at hand.
        """
        told = Told({"www A": "192.0.2.9"})
        source = SearchListSource(told, [nameFromText("corp.example")])
        self.assertIsNone(source.answerNow(question("www"), relative()))
        self.assertIsNone(source.answerNow(question("www.x"), relative()))

    def test_trace(self) -> None:
        """
        Explaining tells which names were tried.
        """
        trace = Trace()
        SearchListSource(Told(), [nameFromText("corp.example")]).answer(question("www"), relative(trace))
        self.assertEqual([note.details["name"] for note in trace.notes], ["www.corp.example.", "www."])
        trace = Trace()
        SearchListSource(Told(), [nameFromText("corp.example")]).answer(question("a.b"), relative(trace))
        self.assertEqual([note.details["name"] for note in trace.notes], ["a.b.", "a.b.corp.example."])

    def test_cancel(self) -> None:
        """
        Cancelling ends what is being waited for, at every step, and nothing more is asked.
        """
        for name in ("www", "www.x"):
            held = HeldSource()
            asking = SearchListSource(held, [nameFromText("corp.example")]).answer(question(name), relative())
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            self.assertEqual((len(held.cancelled), held.asked), (1, 1))
        held = HeldSource()
        asking = SearchListSource(held, [nameFromText("corp.example")]).answer(question("www.x", "MX"), relative())
        held.release(said(question("www.x", "MX"), Outcome.NXDOMAIN))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual((len(held.cancelled), held.asked), (1, 2))

    def test_mistakes(self) -> None:
        """
        What is no fault of the network comes through as it is.
        """
        for name in ("www", "www.x"):
            asking = SearchListSource(Mistaken(), [nameFromText("corp.example")]).answer(question(name), relative())
            self.failureResultOf(asking, ZeroDivisionError)

    def test_close(self) -> None:
        """
        Closing it closes what is in it, ends what runs, and may be done again.
        """
        held = HeldSource()
        source = SearchListSource(held, [nameFromText("corp.example")])
        asking = source.answer(question("www.x"), relative())
        self.successResultOf(source.close())
        self.successResultOf(source.close())
        self.assertTrue(held.closed)
        self.failureResultOf(asking, Closed)
