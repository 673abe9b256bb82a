"""
Tests of L{twisted_ext.recursion.replies}: what replies mean, and what of them is believed (attacks 1, 6 and 7).
"""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recursion.worlds import denial, name, nothing, referral, reply, sets
from twisted_ext.aliases import endOf
from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import RRSET_RECORDS
from twisted_ext.recursion.limits import ADDRESSES_PER_SERVER, DELEGATION_SERVERS
from twisted_ext.recursion.replies import Meaning, meaningOf, scrubbed
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DS, NSEC, RRSIG, SOA, A

_ZONE = name("example")
_WWW = questionOf("www.sub.example")


@pytest.mark.parametrize(
    ("found", "meaning"),
    [
        (reply("www.sub.example A 192.0.2.1"), Meaning.ANSWER),
        (reply("WWW.Sub.Example A 192.0.2.1"), Meaning.ANSWER),
        (reply("www.sub.example CNAME www.example"), Meaning.ANSWER),
        (reply("sub.example DNAME example"), Meaning.ANSWER),
        (denial("example"), Meaning.ANSWER),
        (denial("sub.example"), Meaning.ANSWER),
        (denial("example", Outcome.NXDOMAIN), Meaning.ANSWER),
        # Without AA, as some servers reply.
        (reply("www.sub.example A 192.0.2.1", flags=0), Meaning.ANSWER),
        # A denial without SOA record, which is against RFC 2308.
        (reply(), Meaning.ANSWER),
        (reply(authority=("example NS ns.example",)), Meaning.ANSWER),
        (nothing(), Meaning.EMPTY),
        (referral("sub.example", "ns.sub.example"), Meaning.REFERRAL),
        (referral("www.sub.example", "ns.sub.example"), Meaning.REFERRAL),
        # To itself, upwards, sideways, and past the name.
        (referral("example", "ns.example"), Meaning.LAME),
        (referral(".", "a.root"), Meaning.LAME),
        (referral("other", "ns.other"), Meaning.LAME),
        (referral("x.sub.example", "ns.example"), Meaning.LAME),
        (referral("x.www.sub.example", "ns.example"), Meaning.LAME),
        (denial("."), Meaning.LAME),
        (denial("other"), Meaning.LAME),
        # Records that do not answer the question.
        (reply("other.example A 192.0.2.1", flags=0), Meaning.EMPTY),
        (reply("www.sub.example AAAA 2001:db8::1", flags=0), Meaning.EMPTY),
        # A DNAME record of a zone above counts for that zone's servers only.
        (reply(". DNAME example", flags=0), Meaning.EMPTY),
    ],
    ids=lambda value: value.name if isinstance(value, Meaning) else None,
)
def test_meaning(found: Answer, meaning: Meaning) -> None:
    """
    A reply is an answer, a referral to a zone above or at the name, or comes from a server that does not serve the zone.
    """
    assert meaningOf(_WWW, found, _ZONE)[0] is meaning


def test_referralHasWhatTheParentKnows() -> None:
    """
    A referral has the servers, glue of servers inside of the parent's zone, and the DS set; nothing else of the reply.
    """
    found = reply(
        authority=(
            "Sub.example 600 NS NS.sub.example",
            "sub.example NS ns.beside.example",
            "sub.example NS ns.other",
            "sub.example DS 1 13 2 " + "00" * 32,
            "other.example DS 1 13 2 " + "11" * 32,
            "other.example NS ns.other",
        ),
        additional=(
            "ns.SUB.example A 192.0.2.1",
            "ns.sub.example AAAA 2001:db8::1",
            "ns.beside.example A 192.0.2.2",
            "ns.other A 192.0.2.3",
            "www.example A 192.0.2.4",
        ),
        flags=0,
    )
    _, learned = meaningOf(_WWW, found, _ZONE)
    assert learned is not None
    assert (learned.zone, learned.ttl) == (name("sub.example"), 600)
    assert learned.servers == (name("ns.sub.example"), name("ns.beside.example"), name("ns.other"))
    assert set(learned.glue) == {name("ns.sub.example"), name("ns.beside.example")}
    assert len(learned.glue[name("ns.sub.example")]) == 2
    assert [(rrset.name, rrset.rrType) for rrset in learned.proof] == [(name("sub.example"), DS)]
    # Without the limit to the zone, a server could send addresses for any server.
    with patch("twisted_ext.recursion.replies.isBelow", lambda *_: True):
        _, learned = meaningOf(_WWW, found, _ZONE)
    assert learned is not None
    assert name("ns.other") in learned.glue


def test_largeReferral() -> None:
    """
    Servers beyond the limit, and addresses of one server beyond another, are dropped (NXNSAttack, CVE-2026-3592).
    """
    servers = [f"ns{number}.example" for number in range(1500)]
    glue = [f"ns0.example A 192.0.{number}.1" for number in range(100)]
    _, learned = meaningOf(_WWW, referral("sub.example", *servers, glue=tuple(glue)), _ZONE)
    assert learned is not None
    assert len(learned.servers) == DELEGATION_SERVERS.default
    (addresses,) = learned.glue[name("ns0.example")]
    assert len(addresses.rdatas) == ADDRESSES_PER_SERVER.default


def test_answerKeepsWhatTheZoneMayKnow() -> None:
    """
    Of an answer, records outside of the zone, additional records and NS records are dropped.
    """
    found = reply(
        "www.sub.example CNAME www.victim",
        "www.victim A 192.0.2.66",
        authority=("example NS ns.evil", "victim NS ns.evil"),
        additional=("ns.evil A 192.0.2.66",),
    )
    kept = scrubbed(_WWW, found, _ZONE)
    assert [(rrset.name, rrset.rrType) for rrset in kept.answer] == [(name("www.sub.example"), CNAME)]
    assert (kept.authority, kept.additional) == ((), ())
    # The target is a question of its own.
    assert kept.outcome is Outcome.NODATA


def test_denialOfATargetIsNotBelieved() -> None:
    """
    A denial behind an alias says nothing of the alias's target: that is looked up, even in the same zone, where there may be a cut.
    """
    authority = sets("example SOA ns.example h.example 1 2 3 4 5")
    found = Answer(Outcome.NXDOMAIN, sets("www.sub.example CNAME a.b.example"), authority, rcode=3, flags=AA)
    kept = scrubbed(_WWW, found, _ZONE)
    assert (kept.outcome, kept.rcode, kept.authority) == (Outcome.NODATA, 0, ())


def test_aliasesInsideOfTheZone() -> None:
    """
    A chain of aliases inside of the zone that ends in data is kept as a whole.
    """
    found = reply("www.sub.example CNAME a.example", "a.example CNAME b.example", "b.example A 192.0.2.1")
    assert scrubbed(_WWW, found, _ZONE) is found
    assert endOf(_WWW.key[:-4], found.answer, A) == name("b.example")


def test_aliasFromAWildcardKeepsTheDataOfItsTarget() -> None:
    """
    Where an alias comes from a wildcard, what follows it in the zone is dropped behind a DNAME record only.
    """
    signed = "RRSIG CNAME 13 1 300 20300101000000 20200101000000 1 example AAAA"
    lines = ("www.sub.example CNAME a.example", f"www.sub.example {signed}", "a.example A 192.0.2.1")
    found = reply(*lines, authority=("a.example NSEC z.example A",))
    assert scrubbed(_WWW, found, _ZONE) is found
    behind = reply("sub.example DNAME example", *lines, authority=("a.example NSEC z.example A",))
    kept = scrubbed(_WWW, behind, _ZONE)
    assert (kept.outcome, A in [rrset.rrType for rrset in kept.answer]) == (Outcome.NODATA, False)


def test_denialKeepsItsProof() -> None:
    """
    Of a denial, the SOA record and NSEC records of the zone are kept with their signatures.
    """
    authority = (
        "example SOA ns.example h.example 1 2 3 4 5",
        "a.example NSEC z.example A",
        "a.example RRSIG NSEC 13 2 300 20300101000000 20200101000000 1 example AAAA",
        "example NS ns.example",
        "example RRSIG NS 13 1 300 20300101000000 20200101000000 1 example AAAA",
        "victim NSEC z.victim A",
    )
    found = Answer(Outcome.NODATA, (), sets(*authority), flags=AA)
    kept = scrubbed(_WWW, found, _ZONE)
    left = [(nameToText(rrset.name), rrset.rrType) for rrset in kept.authority]
    assert left == [("example.", SOA), ("a.example.", NSEC), ("a.example.", RRSIG)]


def test_veryLargeSet() -> None:
    """
    A set with more records than the limit is a failure (attack 20).
    """
    lines = [f"www.sub.example A 192.0.{number // 250}.{number % 250}" for number in range(int(RRSET_RECORDS.default) + 1)]
    with pytest.raises(ServerFailed):
        scrubbed(_WWW, reply(*lines), _ZONE)
    assert len(scrubbed(_WWW, reply(*lines[1:]), _ZONE).answer[0].rdatas) == RRSET_RECORDS.default


def test_loopOfAliases() -> None:
    """
    A loop of aliases has an end.
    """
    found = sets("a.example CNAME b.example", "b.example CNAME a.example")
    assert endOf(name("a.example"), found, A) in (name("a.example"), name("b.example"))


_NAMES = st.sampled_from(["example", "www.sub.example", "sub.example", "evil", "www.evil", ".", "example.evil", "x.www.sub.example"])
_LINES = {
    "A": "192.0.2.1", "CNAME": "x.example", "DNAME": "evil", "NS": "ns.evil", "SOA": "ns.evil h.evil 1 2 3 4 5", "NSEC": "z.example A",
    "RRSIG": "A 13 2 300 20300101000000 20200101000000 1 example AAAA", "DS": "1 13 2 " + "00" * 32,
}  # fmt: skip
_SETS = st.lists(st.builds(lambda owner, kind: f"{owner} {kind} {_LINES[kind]}", _NAMES, st.sampled_from(sorted(_LINES))), max_size=6)


@given(_SETS, _SETS, _SETS, st.sampled_from(list(Outcome)), st.sampled_from([0, AA]))
def test_anyReply(answer: list[str], authority: list[str], additional: list[str], outcome: Outcome, flags: int) -> None:
    """
    Whatever a server sends, nothing outside of its zone is kept, and a referral leads further down.
    """
    found = Answer(outcome, sets(*answer), sets(*authority), sets(*additional), flags=flags)
    meaning, learned = meaningOf(_WWW, found, _ZONE)
    if learned is not None:
        assert meaning is Meaning.REFERRAL
        assert learned.zone != _ZONE
        assert isBelow(learned.zone, _ZONE)
        assert isBelow(_WWW.key[:-4], learned.zone)
        assert all(isBelow(owner, _ZONE) for owner in learned.glue)
    if meaning is Meaning.ANSWER:
        kept = scrubbed(_WWW, found, _ZONE)
        assert all(_isIn(rrset) for rrset in (*kept.answer, *kept.authority))
        assert {rrset.rrType for rrset in kept.authority} <= {SOA, NSEC, RRSIG}


def _isIn(rrset: RRSet) -> bool:
    return isBelow(rrset.name.lower(), _ZONE) and rrset.rrType >= A
