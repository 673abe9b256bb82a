"""
Tests of the search list.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question
from tests.resolver.told import Mistaken, Said, Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.searchlist import SearchListSource
from twisted_ext.testing.sources import HeldSource, atHand
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

SERVFAIL = ServerFailed("no", rcode=2)
REFUSED = ServerFailed("not you", rcode=5)

#: The questions of a look-up of a short name in two domains that finds nothing.
BOTH = ["www.corp.example A", "www.lab.example A", "www A"]


def relative(trace: Trace | None = None) -> QueryContext:
    """
    Return the context of a query for a name without a final dot.
    """
    return QueryContext(1e9, relative=True, trace=trace)


class SearchListTests(SynchronousTestCase):
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
        Return the result and the questions. Answers at hand and look-ups must agree.
        """
        inner = Told(known, otherwise=otherwise)
        names = [nameFromText(domain) for domain in domains.split()]
        source = SearchListSource(inner, names, ndots, topLevel=topLevel)
        context = QueryContext(1e9) if absolute else relative()
        context.single = single
        results: list[Answer | DNSFault] = []
        lookUp(source, question(name, rrType), context).addCallbacks(
            results.append, lambda failure: results.append(failure.value)
        )
        self.assertFalse(any(context.relative for context in inner.contexts))
        inner.ready = True
        try:
            now = atHand(source, question(name, rrType), context)
        except DNSFault as fault:
            self.assertIs(results[0], fault)
            return fault, inner.asked
        first = results[0]
        assert isinstance(first, Answer) and now is not None
        self.assertEqual((now.outcome, now.answer), (first.outcome, first.answer))
        self.assertEqual(context.relative, not absolute)
        return addresses(first) or first.outcome, inner.asked

    def test_callersContextIsNotChanged(self) -> None:
        """
        The context of the caller is not changed, so that a nested look-up with the same context is searched as well.
        """
        context = relative()
        flags: list[tuple[bool, bool]] = []
        nested: list[Answer | None] = []

        class NestedLookup(Told):
            def ask(self, question: Question, inward: QueryContext) -> Answer | Start | None:
                flags.append((context.relative, inward.relative))
                self.contexts.append(inward)
                if not nested:
                    nested.append(None)
                    nested[0] = atHand(source, short, context)
                return super().ask(question, inward)

        inner = NestedLookup({"www.corp.example A": "192.0.2.1"}, ready=True)
        short = question("www")
        source = SearchListSource(inner, [nameFromText("corp.example")])
        answers = [atHand(source, short, context), *nested]
        self.assertEqual([addresses(answer) for answer in answers if answer is not None], [["192.0.2.1"], ["192.0.2.1"]])
        self.assertEqual(set(flags), {(True, False)})
        for context.trace in (Trace(0.0), None):
            atHand(source, short, context)
            self.assertIs(inner.contexts[-1].trace, context.trace)

    def test_providesIAnswerSource(self) -> None:
        """
        The search list is an answer source and lists its inner source.
        """
        inner = Told()
        source = SearchListSource(inner, [])
        verifyObject(IAnswerSource, source)
        self.assertEqual(source.sources(), (inner,))

    def test_shortNameIsFoundInFirstDomain(self) -> None:
        """
        A name without dots is found in the first domain that has it.
        """
        found, asked = self.search("www", {"www.lab.example A": "192.0.2.2"})
        self.assertEqual((found, asked), (["192.0.2.2"], BOTH[:2]))

    def test_recordsKeepTheFoundName(self) -> None:
        """
        The records keep the name that was found, so that the caller learns which host it is.
        """
        source = SearchListSource(Told({"www.corp.example A": "192.0.2.2"}), [nameFromText("corp.example")])
        answer = self.successResultOf(lookUp(source, question("www"), relative()))
        self.assertEqual(nameToText(answer.answer[0].name), "www.corp.example.")

    def test_shortNameIsTriedAsIsLast(self) -> None:
        """
        A short name that no domain has is tried as it is, and that result is returned.
        """
        self.assertEqual(self.search("www", {"www A": "192.0.2.9"}), (["192.0.2.9"], BOTH))
        self.assertEqual(self.search("www"), (Outcome.NXDOMAIN, BOTH))

    def test_nameWithDotsIsTriedAsIsFirst(self) -> None:
        """
        A name with enough dots is tried as it is first, and not again at the end.
        """
        self.assertEqual(self.search("www.x", {"www.x A": "192.0.2.1"}), (["192.0.2.1"], ["www.x A"]))
        expected = ["www.x A", "www.x.corp.example A", "www.x.lab.example A"]
        self.assertEqual(self.search("www.x"), (Outcome.NXDOMAIN, expected))
        self.assertEqual(self.search("www.x", {"www.x.lab.example A": "192.0.2.2"}), (["192.0.2.2"], expected))

    def test_ndotsIsConfigurable(self) -> None:
        """
        The number of dots that makes a name tried as it is first is configurable.
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

    def test_absoluteNameIsNotSearched(self) -> None:
        """
        A name with a final dot is never searched.
        """
        self.assertEqual(self.search("www", absolute=True), (Outcome.NXDOMAIN, ["www A"]))

    def test_emptyListAsksOnce(self) -> None:
        """
        An empty search list leads to one question.
        """
        for name in ("www", "www.x"):
            self.assertEqual(self.search(name, domains=""), (Outcome.NXDOMAIN, [f"{name} A"]))
            self.assertEqual(self.search(name, domains="", otherwise=SERVFAIL), (SERVFAIL, [f"{name} A"]))

    def test_reverseNamesAreNotSearched(self) -> None:
        """
        Reverse names are not searched, so that a failed reverse look-up costs one query.
        """
        for name in ("1.2.0.192.in-addr.arpa", "1.2.0.192.IN-ADDR.ARPA"):
            for ndots in (1, 15):
                self.assertEqual(self.search(name, rrType="PTR", ndots=ndots), (Outcome.NXDOMAIN, [f"{name} PTR"]))
        self.assertEqual(len(self.search("host.xarpa")[1]), 3)

    def test_lastLabelFirst(self) -> None:
        """
        With more than one dot wanted, a domain is asked for the last label of a name before the name. If it has nothing there, it is asked
        for the name only after the absolute name was.
        """
        ask = partial(self.search, "a.b.net", ndots=5)
        probes = ["net.corp.example A", "net.lab.example A"]
        self.assertEqual(ask({"a.b.net A": "192.0.2.9"}), (["192.0.2.9"], [*probes, "a.b.net A"]))
        self.assertEqual(ask({"a.b.net AAAA": "2001:db8::9"}, rrType="AAAA"), (["2001:db8::9"], [*probes, "a.b.net AAAA"]))
        names = ["a.b.net.corp.example A", "a.b.net.lab.example A"]
        self.assertEqual(ask(), (Outcome.NXDOMAIN, [*probes, "a.b.net A", *names]))
        # Its server denies what it has names below.
        self.assertEqual(ask({names[1]: "192.0.2.9"}), (["192.0.2.9"], [*probes, "a.b.net A", *names]))
        for last in (Outcome.NODATA, SERVFAIL, Unknown("?"), "192.0.2.1"):
            known: dict[str, Said] = {probes[1]: last, names[1]: "192.0.2.9", "a.b.net A": "192.0.2.1"}
            self.assertEqual(ask(known), (["192.0.2.9"], [*probes, names[1]]))
            del known[names[1]]
            self.assertEqual(ask(known), (["192.0.2.1"], [*probes, names[1], "a.b.net A"]))
        # The other family of a name, of which the absolute one has none either.
        found = ask({names[0]: Outcome.NODATA, "a.b.net.corp.example AAAA": "2001:db8::9", "a.b.net A": SERVFAIL})
        self.assertEqual(found, (Outcome.NODATA, [*probes, "a.b.net A", names[0], "a.b.net.corp.example AAAA"]))
        # A server that is not there is not waited for twice.
        late = TimedOut("late")
        self.assertEqual(ask({probes[0]: late})[1], [probes[0], "a.b.net A"])
        self.assertEqual(ask({probes[1]: late, "a.b.net A": "192.0.2.1"}), (["192.0.2.1"], [*probes, "a.b.net A"]))
        self.assertEqual(ask({"a.b.net A": late})[1], [*probes, "a.b.net A"])
        # A name that is looked up as it is first, or has no dot, is not one of these.
        for name, ndots in (("a.b.net", 2), ("a", 5), ("a.net", 1)):
            self.assertNotIn("net.corp.example A", self.search(name, ndots=ndots)[1])
        self.assertEqual(ask({"a.b.net A": "192.0.2.9"}, domains="corp.example . lab.example")[1], [probes[0], "a.b.net A"])

    def test_namesOfAContainer(self) -> None:
        """
        The names that a container looks up take as many queries as they would without a search list, but for the few that its domains have
        nothing below: for both families.
        """
        domains = "shop.svc.cluster.local svc.cluster.local cluster.local eu.internal"
        services: dict[str, Said] = {f"{each}.svc.cluster.local": "10.0.0.1" for each in ("db.shop", "cart.shop", "mail.office")}
        empty = ("shop.svc.cluster.local", "office.svc.cluster.local", "svc.cluster.local", "svc.cluster.local")
        internet = [f"{host}.{zone}" for zone in ("example.com", "example.org", "b.example.com") for host in ("www", "api", "cdn")]
        known: dict[str, Said] = {
            **{f"{name} A": said for name, said in services.items()},
            **{f"{name} AAAA": Outcome.NODATA for name in services},
            **{f"{name} {each}": Outcome.NODATA for name in empty for each in ("A", "AAAA")},
            **{f"{name} A": "192.0.2.1" for name in internet},
            **{f"{name} AAAA": "2001:db8::1" for name in internet},
        }
        asked: dict[int, int] = {}
        for ndots in (1, 5):
            inner = Told(known, otherwise=Outcome.NXDOMAIN)
            source = SearchListSource(inner, [nameFromText(domain) for domain in domains.split()], ndots)
            for name in (*internet, "db", "cart", "mail.office", "mail.office.svc", "mail.office.svc.cluster.local"):
                for rrType in ("A", "AAAA"):
                    wanted = addresses(self.successResultOf(lookUp(source, question(name, rrType), relative())))
                    self.assertEqual(bool(wanted), name in internet or rrType == "A", name)
            # Each question once, as a cache has the answer then.
            asked[ndots] = len(set(inner.asked))
        self.assertEqual(asked, {1: 34, 5: 41})

    def test_rootInListMeansNameAsIs(self) -> None:
        """
        The root in the search list stands for the name as it is.
        """
        self.assertEqual(
            self.search("www", domains="corp.example ."), (Outcome.NXDOMAIN, ["www.corp.example A", "www A"])
        )
        self.assertEqual(
            self.search("www", domains=". corp.example"), (Outcome.NXDOMAIN, ["www A", "www.corp.example A"])
        )

    def test_noTldQueryOnlySearches(self) -> None:
        """
        A name without dots is only searched if C{no-tld-query} is set.
        """
        self.assertEqual(self.search("www", topLevel=False), (Outcome.NXDOMAIN, BOTH[:2]))
        _, asked = self.search("a.b", topLevel=False, ndots=2)
        self.assertIn("a.b A", asked)

    def test_nodataContinuesTheSearch(self) -> None:
        """
        NODATA, as below a wildcard, does not end the search, but is the result if nothing else is found.
        """
        known: dict[str, Said] = {"www.corp.example MX": Outcome.NODATA}
        self.assertEqual(self.search("www", known, rrType="MX"), (Outcome.NODATA, [each[:-1] + "MX" for each in BOTH]))

    def test_otherFamilyEndsTheSearch(self) -> None:
        """
        A host with IPv4 addresses only has no IPv6 addresses. The addresses of a host of the same name in the next domain are not
        returned.
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
        # The search continues if the host has neither.
        known["www.corp.example A"] = Outcome.NODATA
        self.assertEqual(self.search("www", known, rrType="AAAA")[0], ["2001:db8::1"])

    def test_singleFamilyContinuesTheSearch(self) -> None:
        """
        A caller interested in one family only gets the first host with addresses of that family, as with the C library.
        """
        known: dict[str, Said] = {
            "www.corp.example A": "192.0.2.1",
            "www.corp.example AAAA": Outcome.NODATA,
            "www.lab.example AAAA": "2001:db8::1",
        }
        found, asked = self.search("www", known, rrType="AAAA", single=True)
        self.assertEqual((found, asked), (["2001:db8::1"], ["www.corp.example AAAA", "www.lab.example AAAA"]))

    def test_servfailContinuesTheSearch(self) -> None:
        """
        A domain whose servers fail does not keep a name from being found in the next one.
        """
        self.assertEqual(
            self.search("www", {"www.corp.example A": SERVFAIL, "www.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"]
        )
        # NXDOMAIN would not be true.
        self.assertEqual(self.search("www", {"www.corp.example A": SERVFAIL}), (SERVFAIL, BOTH))

    def test_otherFailuresEndTheList(self) -> None:
        """
        Any other failure ends the search list, and the name is still tried as it is.
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

    def test_failureOfNameAsIsIsRaised(self) -> None:
        """
        The failure of the name as it is is raised unless a domain has the name.
        """
        self.assertEqual(self.search("www.x", {"www.x A": SERVFAIL})[0], SERVFAIL)
        self.assertEqual(
            self.search("www.x", {"www.x A": SERVFAIL, "www.x.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"]
        )
        for fault in (TimedOut("late"), ServerFailed("no", rcode=Rcode.REFUSED)):
            self.assertEqual(self.search("www.x", {"www.x A": fault, "www.x.lab.example A": "192.0.2.2"})[0], ["192.0.2.2"])
            self.assertEqual(self.search("www.x", {"www.x A": fault})[0], fault)

    def test_timeoutInDomainIsRaised(self) -> None:
        """
        The timeout in a domain is raised, not that of the name as it is, which had no time left.
        """
        late = TimedOut("after 5 seconds")
        result = self.search("www", {"www.corp.example A": late, "www A": TimedOut("after 0 seconds")})
        self.assertEqual(result[0], late)

    def test_denialWinsOverFailingDomain(self) -> None:
        """
        A failing search domain does not turn the denial of a full name into a failure.
        """
        self.assertEqual(self.search("www.x", {"www.x.corp.example A": SERVFAIL})[0], Outcome.NXDOMAIN)

    def test_unknownContinuesTheSearch(self) -> None:
        """
        A source without an answer continues the search, and the error says so if none has one.
        """
        self.assertEqual(self.search("www", {"www A": "192.0.2.9"}, otherwise=Unknown(""))[0], ["192.0.2.9"])
        source = SearchListSource(Told(otherwise=Unknown("")), [nameFromText("corp.example")])
        failure = self.failureResultOf(lookUp(source, question("www"), relative()), Unknown)
        self.assertEqual(str(failure.value), "the search list has no information on www. IN A")

    def test_tooLongNamesAreSkipped(self) -> None:
        """
        A domain that makes the name too long is skipped.
        """
        name = ".".join(["x" * 63] * 3 + ["y" * 50])
        _, asked = self.search(name, domains="corp.example com")
        self.assertEqual(len(asked), 2)
        self.assertTrue(asked[1].endswith(".com A"))

    def test_queriesPerNameAreLimited(self) -> None:
        """
        One name causes a limited number of queries.
        """
        _, asked = self.search("www", domains=" ".join([f"d{number}.example" for number in range(1000)]))
        self.assertEqual(len(asked), 65)

    def test_repeatedDomainIsSearchedOnce(self) -> None:
        """
        A domain that is listed twice is searched once.
        """
        _, asked = self.search("www", domains="corp.example Corp.Example")
        self.assertEqual(asked, [BOTH[0], BOTH[2]])

    def test_searchAtHandNeedsAllNames(self) -> None:
        """
        There is no answer at hand while one of the searched names needs a wait.
        """
        inner = Told({"www A": "192.0.2.9"})
        source = SearchListSource(inner, [nameFromText("corp.example")])
        self.assertIsNone(atHand(source, question("www"), relative()))
        self.assertIsNone(atHand(source, question("www.x"), relative()))

    def test_traceShowsTriedNames(self) -> None:
        """
        The trace shows which names were tried.
        """
        trace = Trace()
        lookUp(SearchListSource(Told(), [nameFromText("corp.example")]), question("www"), relative(trace))
        self.assertEqual([note.details["name"] for note in trace.notes], ["www.corp.example.", "www."])
        trace = Trace()
        lookUp(SearchListSource(Told(), [nameFromText("corp.example")]), question("a.b"), relative(trace))
        self.assertEqual([note.details["name"] for note in trace.notes], ["a.b.", "a.b.corp.example."])

    def test_cancelEndsEachStep(self) -> None:
        """
        Cancelling ends the look-up at each step, and nothing more is asked.
        """
        for name in ("www", "www.x"):
            held = HeldSource()
            asking = lookUp(SearchListSource(held, [nameFromText("corp.example")]), question(name), relative())
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            self.assertEqual((len(held.cancelled), held.asked), (1, 1))
        held = HeldSource()
        asking = lookUp(SearchListSource(held, [nameFromText("corp.example")]), question("www.x", "MX"), relative())
        held.release(said(question("www.x", "MX"), Outcome.NXDOMAIN))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual((len(held.cancelled), held.asked), (1, 2))

    def test_unexpectedErrorsPassUnchanged(self) -> None:
        """
        An exception that is not a DNS failure passes unchanged.
        """
        for name in ("www", "www.x"):
            asking = lookUp(SearchListSource(Mistaken(), [nameFromText("corp.example")]), question(name), relative())
            self.failureResultOf(asking, ZeroDivisionError)

    def test_closeEndsLookupsAndInnerSource(self) -> None:
        """
        Closing ends running look-ups and closes the inner source. A second close does nothing.
        """
        held = HeldSource()
        source = SearchListSource(held, [nameFromText("corp.example")])
        asking = lookUp(source, question("www.x"), relative())
        self.successResultOf(source.close())
        self.successResultOf(source.close())
        self.assertTrue(held.closed)
        self.failureResultOf(asking, Closed)
