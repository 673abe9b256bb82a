"""
Tests for what clients of a view are answered from.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zone.changing import record
from tests.zone.plain import HEAD, versionOf
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import BadName, ServerFailed
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.viewzones import ViewZones
from twisted_ext.server.zones.table.zonetable import Zones, variantIn, variantText
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

__all__: list[str] = []


def _tables(own: dict[str, str], common: dict[str, str], *fallbacks: str) -> ViewZones:
    """
    Return what a view is answered from.

    @param own: records of its zones by their names; C{""} for a zone that is not loaded.
    """
    tables = []
    for view, zones in (("partners", own), ("", common)):
        table = Zones(view=view)
        for name, text in zones.items():
            if text:
                table.put(Zone(versionOf(HEAD + text, name)))
            else:
                table.expect(nameFromText(name))
        tables.append(table)
    return ViewZones(tables[0], tables[1], [nameFromText(name) for name in fallbacks])


def _ask(zones: ViewZones, name: str, rrType: str = "TXT") -> Answer | None:
    return AuthoritySource(zones).ask(questionOf(name, rrType), QueryContext(deadline=5.0))


def _said(zones: ViewZones, name: str) -> str:
    """
    Return the texts of an answer, or its outcome.
    """
    found = _ask(zones, name)
    if found is None:
        return "none"
    texts = [rdataToText(rrset.rrType, rdata) for rrset in found.answer for rdata in rrset.rdatas]
    return " ".join(texts) or ("nxdomain" if found.outcome is Outcome.NXDOMAIN else "nodata" if found.flags else "referral")


def test_longestNameAnswers() -> None:
    """
    The zone with the longest name answers, whichever table it is in; of two with the same name that of the view.
    """
    zones = _tables(
        {"corp.example.": "who TXT own\n", "deep.lab.example.": "@ TXT own\n"},
        {
            "corp.example.": "who TXT all\nmore TXT all\n",
            "sub.corp.example.": "who TXT all\n",
            "lab.example.": "x.deep TXT all\ny TXT all\n",
        },
    )
    for name, said in (
        ("who.corp.example.", '"own"'),
        ("WHO.Corp.example.", '"own"'),
        ("more.corp.example.", "nxdomain"),
        ("who.sub.corp.example.", '"all"'),
        ("deep.lab.example.", '"own"'),
        ("x.deep.lab.example.", "nxdomain"),
        ("y.lab.example.", '"all"'),
        ("other.example.", "none"),
    ):
        assert _said(zones, name) == said, name
    assert len(zones) == 5
    places = [zones.find(nameFromText(name)) for name in ("corp.example.", "sub.corp.example.")]
    assert [place.text for place in places if place is not None] == ["corp.example..partners", "sub.corp.example."]


_OWN = """\
who TXT own
*.wild TXT own
cut NS ns.invalid.
alias CNAME target
away CNAME other.invalid.
moved DNAME elsewhere.invalid.
a.between TXT own
data A 192.0.2.1
"""
_ALL = """\
who TXT all
only TXT all
x.wild TXT all
x.cut TXT all
target TXT all
x.moved TXT all
between TXT all
data TXT all
below.only TXT all
toOwn CNAME who
*.star TXT all
"""


def test_fallback() -> None:
    """
    What the view's zone does not have at all comes from the one for all; nothing that it has, denies at a name that exists, delegates,
    redirects, or answers with a wildcard.
    """
    zones = _tables({"corp.example.": _OWN}, {"corp.example.": _ALL}, "corp.example.")
    for name, said in (
        ("who", '"own"'),
        ("only", '"all"'),
        ("below.only", '"all"'),
        ("x.wild", '"own"'),
        ("x.cut", "referral"),
        ("alias", 'target.corp.example. "all"'),
        ("away", "other.invalid."),
        ("x.moved", "elsewhere.invalid. x.elsewhere.invalid."),
        ("between", "nodata"),
        ("data", "nodata"),
        ("toOwn", 'who.corp.example. "own"'),
        ("any.star", '"all"'),
        ("nowhere", "nxdomain"),
    ):
        assert _said(zones, f"{name}.corp.example.") == said, name
        found = _ask(zones, f"{name}.corp.example.")
        # It depends on two zones, so the packet cache may not keep it until one of them changes.
        assert found is not None and found.origin is not None and found.origin.epoch is None, name
        assert AuthoritySource(zones).directAnswer(questionOf(f"{name}.corp.example.", "TXT"), False) is None
    without = _tables({"corp.example.": _OWN}, {"corp.example.": _ALL})
    assert _said(without, "only.corp.example.") == "nxdomain"
    assert AuthoritySource(without).directAnswer(questionOf("who.corp.example.", "TXT"), False) is not None


def test_fallbackToAnotherName() -> None:
    """
    The fallback is the zone with the same name, not one above it; without such a zone there is none.
    """
    zones = _tables({"corp.example.": _OWN}, {"example.": "only.corp TXT above\n"}, "corp.example.")
    assert _said(zones, "only.corp.example.") == "nxdomain"


@pytest.mark.parametrize("own,common", [(True, False), (False, True)])
def test_signedZonesHaveNoFallback(own: bool, common: bool) -> None:
    """
    A zone with signatures stands for itself.
    """
    signature = "@ RRSIG SOA 13 2 300 20300101000000 20200101000000 1 corp.example. AAAA\n"
    key = "@ DNSKEY 257 3 13 AAAA\n"
    more = signature + key
    zones = _tables({"corp.example.": _OWN + more * own}, {"corp.example.": _ALL + more * common}, "corp.example.")
    assert _said(zones, "only.corp.example.") == "nxdomain"


def test_loadingZones() -> None:
    """
    While the zone of a view is being loaded, nothing else answers for it. If the one for all is, names that the view's has are answered.
    """
    zones = _tables({"corp.example.": ""}, {"corp.example.": _ALL}, "corp.example.")
    with pytest.raises(ServerFailed, match=r"corp\.example\.\.partners is loading"):
        _said(zones, "only.corp.example.")
    zones = _tables({"corp.example.": _OWN}, {"corp.example.": ""}, "corp.example.")
    assert [_said(zones, f"{name}.corp.example.") for name in ("who", "only")] == ['"own"', "nxdomain"]


def test_changesShow() -> None:
    """
    A name that the view's zone gets, and one that it loses, are answered so at once.
    """
    zones = _tables({"corp.example.": _OWN}, {"corp.example.": _ALL}, "corp.example.")
    place = zones.own.at(nameFromText("corp.example."))
    assert place is not None and place.zone is not None
    transaction = Transaction(place.zone.current)
    transaction.add(record("only.corp.example. 300 TXT own"))
    transaction.removeName(nameFromText("who.corp.example."))
    done = transaction.commit()
    assert done is not None
    place.zone.replace(done[0])
    assert [_said(zones, f"{name}.corp.example.") for name in ("who", "only")] == ['"all"', '"own"']


def test_mergedModel() -> None:
    """
    Random zones in two tables answer as one table does in which a zone of the view takes the place of that with the same name.
    """
    chance = random.Random(40)
    names = ["example.", "a.example.", "b.a.example.", "c.example.", "d.c.example.", "e.d.c.example."]
    for _ in range(200):
        chosen = [{name: f"@ TXT {who}\n*.w TXT {who}\n" for name in names if chance.random() < 0.5} for who in ("own", "all")]
        zones, merged = _tables(chosen[0], chosen[1]), _tables({}, {**chosen[1], **chosen[0]})
        for name in [*names, *[f"x.{name}" for name in names], *[f"y.w.{name}" for name in names]]:
            assert _said(zones, name) == _said(merged, name), (chosen, name)


@given(labels=st.lists(st.binary(min_size=1, max_size=5), max_size=4), view=st.sampled_from(["", "lab", "a-b_c"]))
def test_variantTexts(labels: list[bytes], view: str) -> None:
    """
    The name of a zone and its view come back from their text, whatever octets the name has.
    """
    apex = b"".join([bytes([len(label)]) + label.lower() for label in labels]) + b"\0"
    text = variantText(apex, view)
    assert variantIn(text) == (apex, view)
    assert text.endswith(f"..{view}") == bool(view)


def test_variantTextsByHand() -> None:
    apex = nameFromText("corp.example")
    assert variantIn("Corp.example..lab") == (apex, "lab")
    assert variantIn("corp.example") == variantIn("corp.example.") == (apex, "")
    assert variantIn("...lab") == variantIn("..lab") == (b"\0", "lab")
    for text in ("corp..example.org", "..", "corp...", "corp.example..lab..x"):
        with pytest.raises(BadName):
            variantIn(text)
