"""
Tests of L{twisted_ext.resolver.policy.rules.rewriting}, of the rules of ad blockers with C{$dnsrewrite} and C{$client}, and of
L{twisted_ext.resolver.policy.rules.safesearch}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.networks import textsOf
from tests.resolver.policy.rules.test_adblocklines import tableOf
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Security, Trace
from twisted_ext.errors import DNSFault, Refused, ServerFailed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.rules.adblocklines import adblockRule
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.resolver.policy.rules.policy import Policy
from twisted_ext.resolver.policy.rules.rewriting import ANYTHING, Rewrite, readRewrite
from twisted_ext.resolver.policy.rules.safesearch import ENGINES, safeHosts
from twisted_ext.resolver.policy.rules.source import PolicySource
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.rules.verdict import OwnRules, Verdict, decided
from twisted_ext.testing.sources import CannedSource, Entry, atHand, questionOf, rrsetOf
from twisted_ext.wire.codes import AD
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, HTTPS, MX, NSEC, RRSIG, A

_NOTHING: Final = OwnRules((), ())


def rewriteOf(address: str) -> Rewrite:
    return Rewrite(0, A, rdataFromText(A, address))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ANYTHING),
        ("192.0.2.1", rewriteOf("192.0.2.1")),
        ("2001:db8::1", Rewrite(0, AAAA, rdataFromText(AAAA, "2001:db8::1"))),
        ("safe.example", Rewrite(0, CNAME, nameFromText("safe.example"))),
        ("safe.example.", Rewrite(0, CNAME, nameFromText("safe.example"))),
        ("nxdomain", Rewrite(3)),
        ("noerror", Rewrite()),
        ("noerror;;", Rewrite()),
        ("refused", Rewrite(5)),
        ("servfail;;", Rewrite(2)),
        ("noerror;a;192.0.2.1", rewriteOf("192.0.2.1")),
        ("noerror;cname;safe.example", Rewrite(0, CNAME, nameFromText("safe.example"))),
        ("noerror;mx;10 mail.example", Rewrite(0, MX, rdataFromText(MX, "10 mail.example."))),
    ],
)
def test_values(value: str, expected: Rewrite) -> None:
    """
    The value of the modifier is an address, a name, an rcode, or an rcode with a record. Packed it is read back.
    """
    found = readRewrite(value.encode())
    assert found == expected == Rewrite.unpack(found.pack())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nxdomain;a;192.0.2.1", "a reply with NXDOMAIN has no records"),
        ("noerror;a;192.0.2", "not a valid A record"),
        ("noerror;a;", "not a valid A record"),
        ("noerror;txt;hello", "'txt' is not a type of records that a rule can give"),
        ("noerror;nonsense;x", "'nonsense' is not a type of records"),
        ("notimp;;", "'notimp' is not an rcode that a rule can give; write NOERROR"),
        ("noerror;mx;mail.example", "not a valid MX record"),
        ("a b", "is not a domain name"),
        ("1.2.3.4.5;", "not an rcode"),
    ],
)
def test_badValues(value: str, said: str) -> None:
    """
    A rule with anything else is left out, and the error says why.
    """
    with pytest.raises(ValueError, match=said):
        readRewrite(value.encode())


@pytest.mark.parametrize("line", ["||a.example^$dnsrewrite", "||a.example^$dnsrewrite=", "||a.example^$client=192.168.1.1"])
def test_rulesLeftOut(line: str) -> None:
    """
    Only an exception needs no value. A rule for the address of a client would be about all clients of its view.
    """
    with pytest.raises(ValueError, match="does not say what clients get|is for a client; make a view of it"):
        adblockRule(line.encode())


def told(table: PolicyTable, name: str, view: str = "") -> str:
    """
    Return what is decided, and the addresses or rcodes of a rewritten answer.
    """
    verdict = decided(nameFromText(name), _NOTHING, table, view=view.encode())
    return "" if verdict is None else shown(verdict)


def shown(verdict: Verdict) -> str:
    rewrites = [str(each.rcode) if each.rcode else ".".join(map(str, each.rdata)) for each in verdict.rewrites]
    return " ".join([verdict.word, verdict.source, str(verdict.line), *rewrites])


@pytest.mark.parametrize(
    ("rules", "name", "expected"),
    [
        # Before all other rules.
        ("||x.example^$important\n||x.example^$dnsrewrite=192.0.2.1", "x.example", "rewritten /0 2 192.0.2.1"),
        ("@@||x.example^$important\n||x.example^$dnsrewrite=192.0.2.1", "a.x.example", "rewritten /0 2 192.0.2.1"),
        ("||example^\n|x.example^$dnsrewrite=192.0.2.1", "a.x.example", "blocked /0 1"),
        # Also when that for a domain above is the one that rewrites.
        ("||example^$dnsrewrite=192.0.2.1\n||x.example^", "x.example", "rewritten /0 1 192.0.2.1"),
        ("||example^$dnsrewrite=192.0.2.1\n@@||x.example^$important", "x.example", "rewritten /0 1 192.0.2.1"),
        ("||example^$dnsrewrite=192.0.2.1\n|a.x.example^", "a.x.example", "rewritten /0 1 192.0.2.1"),
        # Several of one list for one domain together.
        ("|x.example^$dnsrewrite=192.0.2.1\n|x.example^$dnsrewrite=192.0.2.2", "x.example", "rewritten /0 1 192.0.2.1 192.0.2.2"),
        # That for the longer name, and an important one before.
        ("||example.org^$dnsrewrite=192.0.2.1\n||x.example.org^$dnsrewrite=192.0.2.2", "x.example.org", "rewritten /0 2 192.0.2.2"),
        ("||x.org^$dnsrewrite=192.0.2.1,important\n||x.x.org^$dnsrewrite=192.0.2.2", "x.x.org", "rewritten /0 1 192.0.2.1"),
        # Exceptions to all, and to one.
        ("||x.example^$dnsrewrite=192.0.2.1\n@@||x.example^$dnsrewrite", "x.example", ""),
        ("||x.example^\n||x.example^$dnsrewrite=192.0.2.1\n@@||x.example^$dnsrewrite", "x.example", "blocked /0 1"),
        (
            "||x.example^$dnsrewrite=192.0.2.1\n||x.example^$dnsrewrite=192.0.2.2\n@@||x.example^$dnsrewrite=192.0.2.1",
            "x.example",
            "rewritten /0 2 192.0.2.2",
        ),
        ("||x.example^$dnsrewrite=192.0.2.1\n@@||x.example^", "x.example", "rewritten /0 1 192.0.2.1"),
        # Other modifiers hold as well.
        ("||x.example^$dnsrewrite=192.0.2.1,dnstype=aaaa", "x.example", ""),
        ("||x.example^$dnsrewrite=192.0.2.1,denyallow=a.x.example", "a.x.example", ""),
        ("||x.example^$dnsrewrite=192.0.2.1\n||x.example^$dnsrewrite=192.0.2.1,badfilter", "x.example", ""),
        ("||x.example^$dnsrewrite=refused", "x.example", "rewritten /0 1 5"),
    ],
)
def test_whichRuleDecides(rules: str, name: str, expected: str) -> None:
    """
    A rule that rewrites answers comes before others, and is excepted by such exceptions only.
    """
    assert told(tableOf(rules), name) == expected


def test_labelsAboveTheRule() -> None:
    """
    A verdict knows how many labels come before the domain of the rule, those with a dot in them included.
    """
    table = tableOf("||x.example^$dnsrewrite=192.0.2.1")
    for above, labels in (("", 0), ("a.b.", 2), (r"b\.c.", 1), (r"b\.c.a.", 2), (r"a.b\.c.", 2)):
        verdict = decided(nameFromText(f"{above}x.example"), _NOTHING, table)
        assert verdict is not None
        assert (verdict.labels, verdict.domain) == (labels, b"x.example"), above


def test_firstListDecides() -> None:
    """
    Of lists that rewrite the same domain the first one counts.
    """
    rules = [f"||x.example^$dnsrewrite=192.0.2.{number}" for number in (1, 2)]
    assert told(tableOf(*rules), "x.example") == "rewritten /0 1 192.0.2.1"
    assert told(tableOf(*rules[::-1]), "x.example") == "rewritten /0 1 192.0.2.2"


@pytest.mark.parametrize(
    ("clients", "blocked"),
    [
        ("children", ["children"]),
        ("children|guests", ["children", "guests"]),
        ("~children", ["", "guests"]),
        ("'Children'", ["children"]),
        ("~children|~guests", [""]),
        ("guests|~children", ["guests"]),
    ],
)
def test_rulesForViews(clients: str, blocked: Sequence[str]) -> None:
    """
    A rule may be for clients of some views, or for all but these.
    """
    table = tableOf(f"||x.example^$client={clients}".lower())
    assert [view for view in ("", "children", "guests") if told(table, "x.example", view)] == blocked


# -- a plain matcher

_NAMES = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map(".".join)
_VALUES = st.sampled_from(["192.0.2.1", "192.0.2.2", "refused"])
_RULES = st.builds(
    "{}{}{}^{}".format,
    st.sampled_from(["", "", "@@"]),
    st.sampled_from(["||", "|"]),
    _NAMES,
    st.one_of(st.just("$dnsrewrite"), _VALUES.map("$dnsrewrite={}".format), st.just("")),
)


def naively(rules: Sequence[str], name: str) -> str:
    """
    Return what is decided, by looking at each rule.
    """
    rewriting: list[tuple[int, int, str]] = []
    excepted: set[str] = set()
    plain: list[tuple[bool, int, int]] = []
    for number, rule in enumerate(rules, 1):
        body, _, modifier = rule.partition("$")
        exception, body = body.startswith("@@"), body.removeprefix("@@")
        domain = body.strip("|^")
        if not re.fullmatch(f"{r'(?:.*[.])?' if body.startswith('||') else ''}{re.escape(domain)}", name):
            continue
        if modifier:
            value = modifier.partition("=")[2]
            if exception:
                excepted.add(value)
            elif value:
                rewriting.append((-len(domain), number, value))
        else:
            plain.append((exception, len(domain), -number))
    left = [] if "" in excepted else [each for each in rewriting if each[2] not in excepted]
    if left:
        longest, first, _ = min(left)
        values = [value for length, _, value in sorted(left) if length == longest]
        return " ".join(["rewritten", str(first), *sorted({"5" if each == "refused" else each for each in values})])
    if plain:
        exception, _, number = max(plain)
        return f"{'excepted' if exception else 'blocked'} {-number}"
    return ""


@given(st.lists(_RULES, max_size=8), _NAMES)
def test_likePlainMatcher(rules: Sequence[str], name: str) -> None:
    """
    Random rules decide as a matcher that looks at each of them.
    """
    verdict = decided(nameFromText(name), _NOTHING, tableOf("\n".join(rules)))
    found = "" if verdict is None else shown(verdict).replace("/0 ", "")
    word, *rest = found.split() or [""]
    expected = naively(rules, name)
    if word == "rewritten":
        assert " ".join([word, rest[0], *sorted(set(rest[1:]))]) == expected
    else:
        # Of plain rules that say the same the table has one.
        assert word == expected.partition(" ")[0]


# -- lists that are not trusted


def test_onlyTrustedListsRewrite(tmp_path: Path) -> None:
    """
    A list that may not rewrite answers has no such rules: whoever publishes it could lead any name anywhere.
    """
    (tmp_path / "ads").write_text("||bank.example^$dnsrewrite=192.0.2.66\n@@||x.example^$dnsrewrite\n||ads.example^\n")
    for kind, count, word in (("block", 1, ""), ("except", 1, ""), ("rewrite", 3, "rewritten")):
        path = str(tmp_path / kind)
        (made,) = compileLists(path, "", [f"{kind}:ads={tmp_path / 'ads'}"])
        assert (made.names, made.wrong) == (count, 3 - count)
        if made.wrong:
            assert made.said.startswith("line 1: gives bank.example another answer, which this list may not: see rewrite of [[list]]")
        assert told(PolicyTable.map(path), "bank.example").partition(" ")[0] == word
    # A table that is copied into another one keeps its rules.
    (tmp_path / "other").write_text("||other.example^\n")
    words = [f"block:other={tmp_path / 'other'}", f"rewrite:ads={tmp_path / 'ads'}"]
    (tmp_path / "ads").unlink()
    compileLists(str(tmp_path / "again"), str(tmp_path / "rewrite"), words)
    assert told(PolicyTable.map(str(tmp_path / "again")), "bank.example") == "rewritten ads 1 192.0.2.66"


# -- answers

_CHAIN: Final = Answer(
    Outcome.DATA,
    (rrsetOf(nameFromText("alias.example"), CNAME, "x.example."), rrsetOf(nameFromText("x.example"), A, "192.0.2.1")),
    origin=Origin("cache", expires=90.0),
)

_RECORDS: Final[dict[tuple[str, str], Entry]] = {
    ("safe.example", "A"): "192.0.2.9",
    ("safe.example", "AAAA"): "2001:db8::9",
    ("x.example", "A"): "192.0.2.1",
    ("alias.example", "A"): _CHAIN,
    ("www.example.org", "A"): "192.0.2.3",
    ("strict.bing.com", "A"): "192.0.2.20",
    ("www.bing.com", "A"): "192.0.2.21",
}


class Answering:
    """
    A source with rules of one list.
    """

    def __init__(self, rules: str, own: Sequence[str] = (), excepted: Sequence[str] = (), engines: Sequence[str] = ()) -> None:
        self.inner = CannedSource(_RECORDS, now=True)
        self.policy = Policy("children")
        self.source = PolicySource(self.inner, self.policy, cast(IReactorTime, Clock()))
        lists = ("block:/0",) if rules else ()
        self.policy.apply(own, excepted, "nxdomain", lists, safeHosts(engines))
        if rules:
            self.policy.use(tableOf(rules))
        self.trace = Trace(0.0)

    def answer(self, name: str, kind: str = "A") -> Answer:
        self.trace = Trace(0.0)
        found = atHand(self.source, questionOf(name, kind), QueryContext(5.0, trace=self.trace))
        assert found is not None
        return found

    def texts(self, name: str, kind: str = "A") -> str:
        answer = self.answer(name, kind)
        return " ".join(textsOf(answer)) or answer.outcome.value


def test_rewrittenAddresses() -> None:
    """
    Clients get the records of a rule, and none of other types. The reply says that they are not the truth.
    """
    made = Answering("||x.example^$dnsrewrite=192.0.2.5\n||x.example^$dnsrewrite=192.0.2.6\n||x.example^$dnsrewrite=2001:db8::5")
    answer = made.answer("www.x.example")
    assert textsOf(answer) == ["192.0.2.5", "192.0.2.6"]
    assert (answer.ede, answer.answer[0].ttl) == (((4, ""),), 60)
    assert isinstance(answer.origin, Origin)
    assert (answer.origin.source, answer.origin.server, answer.origin.epoch) == ("rewritten", "/0:1", made.policy.epoch)
    assert made.trace.notes[-1].details["rule"] == "/0:1"
    assert made.texts("x.example", "AAAA") == "2001:db8::5"
    assert made.texts("x.example", "TXT") == "nodata"
    assert made.texts("x.example", "ANY") == "192.0.2.5 192.0.2.6"
    assert made.answer("x.example", "TXT").authority[0].name == nameFromText("x.example")


def test_sameAddressTwice() -> None:
    """
    An address that several rules of a list give is in the answer once.
    """
    made = Answering("|x.example^$dnsrewrite=192.0.2.5\n||x.example^$dnsrewrite=192.0.2.5")
    assert textsOf(made.answer("x.example")) == ["192.0.2.5"]


def test_nameInItsOwnPlace() -> None:
    """
    A rule for a domain that gives clients a name in it does not lead that name to itself, whatever letters clients write it in.
    """
    made = Answering("||bing.com^$dnsrewrite=strict.bing.com")
    for name in ("strict.bing.com", "STRICT.Bing.com"):
        answer = made.answer(name)
        assert [rrset.rrType for rrset in answer.answer] == [A], name
        assert textsOf(answer) == ["192.0.2.20"]


def test_rewrittenAliasForAny() -> None:
    """
    A query for records of any type gets the alias that a rule gives, and nothing is asked for it.
    """
    made = Answering("||x.example^$dnsrewrite=safe.example")
    for kind in ("ANY", "CNAME"):
        assert [rrset.rrType for rrset in made.answer("x.example", kind).answer] == [CNAME]
    assert made.inner.asked == 0


def test_otherTypesOfRewrittenNames() -> None:
    """
    What a rule does not give is denied also where blocked names are answered with addresses.
    """
    made = Answering("||x.example^$dnsrewrite=192.0.2.5")
    made.policy.apply((), (), "null", ("block:/0",))
    assert made.texts("x.example") == "192.0.2.5"
    assert made.texts("x.example", "AAAA") == "nodata"


@pytest.mark.parametrize(
    ("rcode", "expected"),
    [("nxdomain", Outcome.NXDOMAIN), ("noerror", Outcome.NODATA), ("refused", Refused), ("servfail", ServerFailed)],
)
def test_rewrittenRcodes(rcode: str, expected: Outcome | type[DNSFault]) -> None:
    """
    Clients get the rcode of a rule.
    """
    made = Answering(f"||x.example^$dnsrewrite={rcode}")
    if isinstance(expected, Outcome):
        answer = made.answer("x.example")
        assert (answer.outcome, answer.ede) == (expected, ((15, ""),))
        return
    with pytest.raises(expected, match="the rule /0:1 says so"):
        made.answer("x.example")


def test_rewrittenNames() -> None:
    """
    Clients get another name with its records, of any type. A rule that leads to a name in its domain leaves that name alone, and one for
    the target decides about it.
    """
    made = Answering("||x.example^$dnsrewrite=safe.example\n||example.org^$dnsrewrite=www.example.org")
    assert made.texts("www.x.example") == "safe.example. 192.0.2.9"
    assert made.texts("www.x.example", "AAAA") == "safe.example. 2001:db8::9"
    assert made.texts("x.example", "CNAME") == "safe.example."
    assert made.answer("x.example").ede[-1] == (4, "")
    assert made.trace.notes[0].details == {"rule": "/0:1", "domain": "x.example", "alias": "safe.example."}
    made.answer("www.example.org")
    assert "rewritten" not in [note.event for note in made.trace.notes]
    blocked = Answering("||x.example^$dnsrewrite=safe.example\n||safe.example^")
    assert blocked.answer("x.example").outcome is Outcome.NXDOMAIN
    further = Answering("||x.example^$dnsrewrite=safe.example\n||safe.example^$dnsrewrite=192.0.2.7")
    assert further.texts("x.example") == "192.0.2.7"


def test_rewrittenIsNotProved() -> None:
    """
    What comes behind an alias of a rule may be proved, but the answer as a whole is not: it is not marked as secure, and has no signatures.
    What is not proved as it should be stays a failure.
    """
    host = nameFromText("safe.example")
    signature = RRSet(host, RRSIG, 1, 300, (rdataFromText(RRSIG, "A 8 2 300 20300101000000 20200101000000 1 example. AAAA"),))
    denial = RRSet(host, NSEC, 1, 300, (rdataFromText(NSEC, "z.example. A RRSIG NSEC"),))
    secure = Answer(
        Outcome.DATA, (rrsetOf(host, A, "192.0.2.9"), signature), (denial,), flags=AD, security=Security.SECURE, origin=Origin("cache")
    )
    made = Answering("||x.example^$dnsrewrite=safe.example")
    made.inner.set("safe.example", "A", secure)
    answer = made.answer("x.example")
    assert textsOf(answer) == ["safe.example.", "192.0.2.9"]
    assert (answer.authority, answer.flags & AD, answer.security) == ((), 0, Security.INDETERMINATE)
    made.inner.set("safe.example", "A", ServerFailed("bogus"))
    faults: list[object] = []
    lookUp(made.source, questionOf("x.example"), QueryContext(5.0)).addErrback(lambda failure: faults.append(failure.value))
    assert [type(each) for each in faults] == [ServerFailed]


def test_aliasesOfRewrittenNames() -> None:
    """
    What leads to a name with an address in a rule gets that address; what leads to one with another name is left alone.
    """
    assert Answering("||x.example^$dnsrewrite=192.0.2.5").texts("alias.example") == "192.0.2.5"
    assert Answering("||x.example^$dnsrewrite=safe.example").texts("alias.example") == "x.example. 192.0.2.1"


def test_errorsBehindRewrittenNames() -> None:
    """
    The extended errors of the answer for the name that a rule leads to reach clients, before that of the rule.
    """
    made = Answering("||x.example^$dnsrewrite=safe.example")
    stale = Answer(Outcome.DATA, (rrsetOf(nameFromText("safe.example"), A, "192.0.2.9"),), ede=((3, "stale"),))
    made.inner.set("safe.example", "A", stale)
    assert made.answer("x.example").ede == ((3, "stale"), (4, ""))


def test_servicesAtTheirOwnNames() -> None:
    """
    A service that is at its own name leads to no other name, whatever an expression matches; neither does a record that is cut off.
    """
    made = Answering("/^(ads\\.example)?$/")
    name = nameFromText("x.example")
    for rdata in (b"\x00\x01\x00", b"\x00\x01"):
        made.inner.set("x.example", "HTTPS", Answer(Outcome.DATA, (RRSet(name, HTTPS, 1, 300, (rdata,)),)))
        assert made.answer("x.example", "HTTPS").outcome is Outcome.DATA
    made.inner.set("x.example", "HTTPS", Answer(Outcome.DATA, (rrsetOf(name, HTTPS, "1 ads.example. alpn=h2"),)))
    assert made.answer("x.example", "HTTPS").outcome is Outcome.NXDOMAIN


def test_aliasesOfRestingRules() -> None:
    """
    During a pause, an alias of a name that a rule gives addresses for is kept by clients for a minute at most; one of a name that is
    replaced by another name keeps its TTLs, as the rule leaves such aliases alone.
    """
    for rules, engines, kept in (
        ("||x.example^$dnsrewrite=192.0.2.5", (), False),
        ("||x.example^$dnsrewrite=safe.example", (), True),
        ("", ("bing",), True),
    ):
        made = Answering(rules, engines=engines)
        target = "www.bing.com" if engines else "x.example"
        chain = (rrsetOf(nameFromText("alias.example"), CNAME, f"{target}."), rrsetOf(nameFromText(target), A, "192.0.2.1"))
        made.inner.set("alias.example", "A", Answer(Outcome.DATA, chain))
        made.policy.pause(True)
        answer = made.answer("alias.example")
        assert textsOf(answer)[-1] == "192.0.2.1"
        assert all(rrset.ttl > 60 for rrset in answer.answer) is kept


def test_safeSearch() -> None:
    """
    A host of a search engine leads to the one that the engine has for children. An exception in a list is none to that: the operator's own
    is. What is blocked stays blocked.
    """
    assert Answering("").texts("www.bing.com") == "192.0.2.21"
    assert Answering("", engines=["bing"]).texts("www.bing.com") == "strict.bing.com. 192.0.2.20"
    assert Answering("", engines=["google"]).texts("www.bing.com") == "192.0.2.21"
    assert Answering("@@||bing.com^", engines=["bing"]).texts("WWW.bing.com") == "strict.bing.com. 192.0.2.20"
    assert Answering("", excepted=["bing.com"], engines=["bing"]).texts("www.bing.com") == "192.0.2.21"
    for made in (Answering("||bing.com^", engines=["bing"]), Answering("", own=["www.bing.com"], engines=["bing"])):
        assert made.texts("www.bing.com") == "nxdomain"
    made = Answering("", engines=["bing"])
    made.policy.pause(True)
    answer = made.answer("www.bing.com")
    assert textsOf(answer) == ["192.0.2.21"]
    verdict = made.policy.verdictWith(nameFromText("www.bing.com"), frozenset())
    assert verdict is not None
    assert (verdict.word, verdict.place, verdict.domain) == ("rewritten", "safe-search", b"www.bing.com")
    assert answer.answer[0].ttl <= 60


def test_hostsOfEngines() -> None:
    """
    Each engine has names, none of which it leads to itself, and a page of its own that says so.
    """
    for word, engine in ENGINES.items():
        hosts = safeHosts([word])
        assert len(hosts) == len(engine.names) > 0
        assert nameFromText(engine.host) not in hosts
        assert all(name == name.lower() for name in hosts)
        assert engine.source.startswith("https://")
    assert len(safeHosts(["google"])) > 180
    assert safeHosts(["youtube-moderate", "youtube"])[nameFromText("m.youtube.com")] == nameFromText("restrictmoderate.youtube.com")
