"""
Tests of L{twisted_ext.resolver.policy.zones}: rules as named applies them, beside a search through all rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import BadDescription, BadImage
from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList, TableBuilder
from twisted_ext.resolver.policy.zones.actions import (
    DROP,
    GIVEN,
    KINDS,
    NODATA,
    NXDOMAIN,
    PASSTHRU,
    TCP_ONLY,
    Action,
    actionOf,
)
from twisted_ext.resolver.policy.zones.reading import Record, RulesOfZone
from twisted_ext.resolver.policy.zones.rules import CLIENT, PolicyZones, PolicyZonesBuilder
from twisted_ext.resolver.policy.zones.verdict import Hit, Selection
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import AAAA, CNAME, TXT, A, typeNumber

APEX = nameFromText("rpz.example")


class Row(NamedTuple):
    """
    A record of a policy zone as text, its owner below the zone.
    """

    owner: str
    rrType: str
    rdata: str


def recordsOf(rows: Sequence[Row]) -> list[Record]:
    found: list[Record] = []
    for row in sorted(rows, key=lambda row: row.owner):
        number = typeNumber(row.rrType)
        assert number is not None
        owner = nameFromText(f"{row.owner}.rpz.example" if row.owner else "rpz.example")
        found.append((owner, number, 60, rdataFromText(number, row.rdata)))
    return found


def zonesOf(*zones: Sequence[Row]) -> PolicyZones:
    builder = PolicyZonesBuilder()
    for number, rows in enumerate(zones):
        builder.add(f"zone:zone{number}", RulesOfZone(recordsOf(rows), APEX))
    return PolicyZones(PolicyTable(b"".join(builder.pack())))


# -- a search through all rules, for zones as texts


def _nodes(rows: Sequence[Row]) -> set[tuple[str, ...]]:
    """
    Return all names of a zone, as their labels backwards, with those between others.
    """
    found: set[tuple[str, ...]] = {()}
    for row in rows:
        labels = tuple(row.owner.split(".")[::-1])
        found |= {labels[:count] for count in range(len(labels) + 1)}
    return found


def ownerFor(rows: Sequence[Row], name: str) -> str | None:
    """
    Return the owner of the rule that a zone has about a name (RFC 1034, section 4.3.2; RFC 4592).
    """
    owners = {row.owner for row in rows}
    if name in owners:
        return name
    nodes = _nodes(rows)
    labels = tuple(name.split(".")[::-1])
    if labels in nodes:
        return None
    closest = max([count for count in range(len(labels) + 1) if labels[:count] in nodes])
    wild = ".".join(["*", *labels[:closest][::-1]])
    return wild if wild in owners else None


def networkIn(owner: str) -> IPv4Network | IPv6Network | None:
    length, *parts = owner.split(".")[:-1]
    backwards = parts[::-1]
    text = ".".join(backwards) if len(parts) == 4 and "zz" not in parts else ":".join(backwards).replace("zz", "")
    text = text.replace(":::", "::") if ":" in text else text
    text = f"{text}:" if text.endswith(":") and not text.endswith("::") else text
    text = f":{text}" if text.startswith(":") and not text.startswith("::") else text
    return ip_network(f"{text}/{length}")


def networkFor(rows: Sequence[Row], suffix: str, addresses: Sequence[str]) -> str | None:
    """
    Return the owner of the rule about addresses: the longest prefix, of equal ones the lowest.
    """
    found: list[tuple[int, int, str]] = []
    for owner in {row.owner for row in rows if row.owner.endswith(suffix)}:
        network = networkIn(owner)
        assert network is not None
        for text in addresses:
            if ip_address(text) in network:
                found.append((-network.prefixlen - (96 if network.version == 4 else 0), int(network.network_address), owner))
    return min(found)[2] if found else None


def serverFor(rows: Sequence[Row], servers: Sequence[str]) -> str | None:
    """
    Return the owner of the rule about names of servers: that about the last name in the order of DNSSEC.
    """
    suffix = ".rpz-nsdname"
    about = [Row(row.owner.removesuffix(suffix), row.rrType, row.rdata) for row in rows if row.owner.endswith(suffix)]
    found = None
    for name in sorted(servers, key=lambda name: name.split(".")[::-1]):
        owner = ownerFor(about, name) if about else None
        found = found if owner is None else owner + suffix
    return found


def decisionOf(
    zones: Sequence[Sequence[Row]],
    client: str,
    chain: Sequence[str],
    addresses: dict[str, list[str]],
    servers: dict[str, tuple[list[str], list[str]]],
) -> tuple[int, int, str] | None:
    """
    Return the position, the zone and the owner of the rule that decides.
    """
    for position, name in enumerate(chain):
        for number, rows in enumerate(zones):
            names = [row for row in rows if ".rpz-" not in row.owner]
            hosts, near = servers.get(name, ([], []))
            candidates = [
                networkFor(rows, ".rpz-client-ip", [client]) if position == 0 else None,
                ownerFor(names, name) if names else None,
                networkFor(rows, ".rpz-ip", addresses.get(name, [])),
                serverFor(rows, hosts),
                networkFor(rows, ".rpz-nsip", near),
            ]
            owner = next((each for each in candidates if each is not None), None)
            if owner is not None:
                return position, number, owner
    return None


_NAMES = ["a.t", "b.a.t", "c.b.a.t", "s.t", "d5.s.t", "t", "x.u"]
_OWNERS = [*_NAMES, *[f"*.{name}" for name in _NAMES], "*"]
_PREFIXES = [
    "32.1.2.0.192.rpz-ip", "24.0.2.0.192.rpz-ip", "8.0.0.0.192.rpz-ip", "32.2.2.0.192.rpz-ip", "128.1.zz.db8.2001.rpz-ip",
    "32.zz.db8.2001.rpz-ip", "0.0.0.0.0.rpz-ip", "32.1.0.0.10.rpz-client-ip", "8.0.0.0.10.rpz-client-ip",
]  # fmt: skip
_HOSTS = ["a.t", "b.a.t", "ns.s.t", "d5.s.t", "ns.u"]
_SERVERS = [
    *[f"{owner}.rpz-nsdname" for owner in ("a.t", "*.t", "*.s.t", "d5.s.t", "ns.u", "*")],
    *["32.1.2.0.192.rpz-nsip", "24.0.2.0.192.rpz-nsip", "32.zz.db8.2001.rpz-nsip"],
]
_ACTIONS = [
    ("CNAME", "."), ("CNAME", "*."), ("CNAME", "rpz-passthru."), ("CNAME", "rpz-drop."), ("CNAME", "rpz-tcp-only."), ("A", "9.9.9.9"),
]  # fmt: skip
_ZONE = st.dictionaries(st.sampled_from([*_OWNERS, *_PREFIXES, *_SERVERS]), st.sampled_from(_ACTIONS), max_size=7)
_ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.7.7", "198.51.100.1"]


@given(
    st.lists(_ZONE, min_size=1, max_size=3),
    st.lists(st.sampled_from([*_NAMES, "y.x.u", "z.d5.s.t", "h0.s.t"]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(_ADDRESSES), max_size=3, unique=True),
    st.lists(st.sampled_from(["2001:db8::1", "2001:db8::2", "2001:db9::1"]), max_size=2, unique=True),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "11.0.0.1", "2001:db8::1"]),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(_NAMES),
        st.tuples(st.lists(st.sampled_from(_HOSTS), max_size=3, unique=True), st.lists(st.sampled_from(_ADDRESSES), max_size=2)),
        max_size=3,
    ),
)
def test_theRuleThatDecides(
    zones: list[dict[str, tuple[str, str]]],
    chain: list[str],
    four: list[str],
    six: list[str],
    client: str,
    isFour: bool,
    servers: dict[str, tuple[list[str], list[str]]],
) -> None:
    """
    For random zones, names with aliases, addresses, servers and clients, it is the one that a search through all rules finds.
    """
    rows = [[Row(owner, *action) for owner, action in zone.items()] for zone in zones]
    found = zonesOf(*rows)
    addresses = four if isFour else six
    rrType, number = ("A", A) if isFour else ("AAAA", AAAA)
    question = questionOf(chain[0], rrType)
    sets = [rrsetOf(nameFromText(name), CNAME, f"{target}.") for name, target in zip(chain, chain[1:], strict=False)]
    if addresses:
        sets.append(rrsetOf(nameFromText(chain[-1]), number, addresses))
    answer = Answer(Outcome.DATA, tuple(sets))
    selection = every(found)
    asked: list[tuple[str, bool]] = []

    def serversOf(name: bytes, given: Answer | None) -> tuple[list[bytes], list[bytes]]:
        asked.append((nameToText(name, final=False), given is answer))
        names, near = servers.get(asked[-1][0], ([], []))
        return [nameFromText(each) for each in names], [ip_address(each).packed for each in near]

    first = selection.before(question.name, selection.ofClient(ip_address(client).packed))
    hit = selection.after(question, answer, first, serversOf) if selection.waits(first) else first
    wanted = decisionOf(rows, client, chain, {chain[-1]: addresses}, servers)
    # The server that has sent the answer is one of the last name of the chain.
    assert [name for name, isGiven in asked if isGiven is not (name == chain[-1])] == []
    assert (None if hit is None else (hit.position, hit.zone, hit.owner)) == wanted
    if hit is not None:
        kind, rdata = zones[hit.zone][hit.owner]
        assert hit.action == actionOf([(record[1], 60, record[3]) for record in recordsOf([Row(hit.owner, kind, rdata)])])
        assert hit.name == nameFromText(chain[hit.position])
        # What has waited for the answer needlessly is the same.
        assert selection.after(question, answer, first, serversOf) == hit


# -- single promises


def every(zones: PolicyZones) -> Selection:
    return Selection(zones, range(len(zones.zones)))


def _hit(selection: Selection, name: str) -> Hit:
    found = selection.before(nameFromText(name))
    assert found is not None
    return found


def test_wildcardsReachFromTheClosestName() -> None:
    """
    With a rule for d5.s.t, that for all names below t is none for h0.s.t.
    """
    zones = zonesOf([Row("d5.s.t", "CNAME", "."), Row("*.t", "CNAME", "*.")])
    assert every(zones).before(nameFromText("h0.s.t")) is None
    assert _hit(every(zones), "h0.r.t").owner == "*.t"
    assert _hit(every(zones), "D5.s.T").action.kind == NXDOMAIN
    assert every(zones).before(nameFromText("t")) is None


def test_namesBetweenEndWildcards() -> None:
    """
    So do names that have no rule, but are between the wildcard and longer names: at each level, and below a rule for all names.
    """
    for above, wild in (("t", "*.t"), ("", "*")):
        end = f".{above}" if above else ""
        zones = zonesOf([Row(f"x.b.c{end}", "CNAME", "."), Row(wild, "CNAME", "*.")])
        for name in (f"q.b.c{end}", f"b.c{end}", f"q.c{end}", f"c{end}", f"q.x.b.c{end}"):
            assert every(zones).before(nameFromText(name)) is None
        assert _hit(every(zones), f"q.d{end}").owner == wild


def test_ofSeveralPrefixes() -> None:
    """
    The longest one applies; of equal ones that of the lowest address, in whatever order the addresses come.
    """
    rows = [Row(f"{length}.0.{net}.0.192.rpz-ip", "CNAME", ".") for length, net in ((24, 2), (24, 3), (23, 2))]
    zones = zonesOf([*rows, Row("8.0.0.0.192.rpz-ip", "CNAME", "*.")])
    question = questionOf("www.example")
    for addresses, owner in (
        (["192.0.3.1", "192.0.2.1"], "24.0.2.0.192.rpz-ip"), (["192.0.2.1", "192.0.3.1"], "24.0.2.0.192.rpz-ip"),
        (["192.9.9.9", "192.0.3.1"], "24.0.3.0.192.rpz-ip"), (["192.9.9.9"], "8.0.0.0.192.rpz-ip"),
    ):  # fmt: skip
        answer = Answer(Outcome.DATA, (rrsetOf(question.name, A, addresses),))
        hit = every(zones).after(question, answer, None)
        assert hit is not None
        assert hit.owner == owner


def test_aliasesThatAreAskedFor() -> None:
    """
    Who asks for the alias itself does not go on to its target.
    """
    zones = zonesOf([Row("bad.example", "CNAME", ".")])
    for rrType, isHit in (("A", True), ("TXT", True), ("CNAME", False)):
        question = questionOf("www.example", rrType)
        hit = every(zones).after(question, Answer(Outcome.DATA, (rrsetOf(question.name, CNAME, "bad.example."),)), None)
        assert (hit is not None) is isHit


@pytest.mark.parametrize(
    ("name", "address", "decided"),
    [
        ("sub.test.example", "192.0.2.42", (0, PASSTHRU)), ("higher.example", "192.0.2.66", (0, GIVEN)),
        ("same.example", "192.0.2.66", (0, PASSTHRU)), ("blocked.example", "192.0.2.100", (0, PASSTHRU)),
        ("delegated.example", "192.0.2.42", (0, PASSTHRU)), ("else.example", "192.0.2.42", (1, NXDOMAIN)),
    ],
)  # fmt: skip
def test_precedenceAsPowerDNSTestsIt(name: str, address: str, decided: tuple[int, str]) -> None:
    """
    A rule of an earlier zone about an address, or about that of a server, comes before one of a later zone about the name, and after one of
    its own zone. PowerDNS denies "blocked" without a look-up, against its own reading of the draft.
    """
    zones = zonesOf(
        [
            Row("*.test.example", "CNAME", "rpz-passthru."), Row("32.66.2.0.192.rpz-ip", "A", "192.0.2.1"),
            Row("32.100.2.0.192.rpz-ip", "CNAME", "rpz-passthru."), Row("same.example", "CNAME", "rpz-passthru."),
            Row("32.1.0.0.127.rpz-nsip", "CNAME", "rpz-passthru."),
        ],
        [
            Row("sub.test.example", "CNAME", "."), Row("higher.example", "CNAME", "rpz-passthru."),
            Row("blocked.example", "A", "192.0.2.1"), Row("32.42.2.0.192.rpz-ip", "CNAME", "."),
        ],
    )  # fmt: skip
    selection, question = every(zones), questionOf(name)
    answer = Answer(Outcome.DATA, (rrsetOf(question.name, A, address),))
    near = [bytes((127, 0, 0, 1))] if name == "delegated.example" else []
    hit = selection.after(question, answer, selection.before(question.name), lambda *_: ([], near))
    assert hit is not None
    assert (hit.zone, hit.action.kind) == decided


def test_zonesThatApply() -> None:
    """
    Of the zones that apply the first one decides, in the order of who uses them.
    """
    zones = zonesOf([Row("a.t", "CNAME", ".")], [Row("*.t", "CNAME", "*.")], [Row("a.t", "CNAME", "rpz-drop.")])
    orders = ((0, 1, 2), (1, 2), (2,), (0, 2), (2, 0), (1, 0))
    assert [_hit(Selection(zones, order), "a.t").zone for order in orders] == [0, 1, 2, 0, 2, 1]
    assert Selection(zones, ()).before(nameFromText("a.t")) is None
    assert [each.names for each in zones.zones] == [1, 1, 1]


def test_whenTheAnswerIsNeeded() -> None:
    """
    Only a rule about addresses or servers in a zone that comes before can come before one that is found.
    """
    name, address = Row("a.t", "CNAME", "."), Row("24.0.2.0.192.rpz-ip", "CNAME", "*.")
    client, server = Row("24.0.2.0.192.rpz-client-ip", "CNAME", "."), Row("ns.t.rpz-nsdname", "CNAME", "*.")
    for rows, order, isNeeded in (
        (([name], [address]), (0, 1), False), (([name], [address]), (1, 0), True), (([name, address],), (0,), False),
        (([address], [name]), (0, 1), True), (([address], [name]), (1,), False), (([client], [name]), (0, 1), False),
        (([server], [name]), (0, 1), True), (([name, server],), (0,), False),
    ):  # fmt: skip
        selection = Selection(zonesOf(*rows), order)
        assert selection.waits(_hit(selection, "a.t")) is isNeeded
        assert selection.waits(None)


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([Row("a", "CNAME", ".")], NXDOMAIN), ([Row("a", "CNAME", "*.")], NODATA), ([Row("a", "CNAME", "RPZ-Passthru.")], PASSTHRU),
        ([Row("a", "CNAME", "rpz-drop.")], DROP), ([Row("a", "CNAME", "rpz-tcp-only.")], TCP_ONLY),
        ([Row("a", "CNAME", "wall.example.")], GIVEN), ([Row("a", "A", "192.0.2.1"), Row("a", "TXT", "x")], GIVEN),
        ([Row("a", "CNAME", "."), Row("a", "TXT", "x")], None), ([Row("a", "CNAME", "."), Row("a", "CNAME", "c.")], NXDOMAIN),
        ([Row("a", "CNAME", "b."), Row("a", "CNAME", ".")], GIVEN),
    ],
)  # fmt: skip
def test_actions(records: list[Row], kind: str | None) -> None:
    """
    Special aliases stand for actions, others and other records are given; an alias beside anything else contradicts it, and of several
    aliases the first one counts.
    """
    found = actionOf([(record[1], record[2], record[3]) for record in recordsOf(records)])
    assert (None if found is None else found.kind) == kind
    if found is not None:
        assert Action.unpack(b"xx" + found.pack(), 2) == found
    several = actionOf([(A, 300, bytes(4)), (A, 20, bytes(4)), (TXT, 60, b"\1x")])
    assert several is not None
    assert several.ttl == 20


def test_aliasesOfRules() -> None:
    """
    An alias with a wildcard has the name itself in front of it.
    """
    wild = zonesOf([Row("*.t", "CNAME", "*.Garden.example."), Row("b.t", "CNAME", "wall.example.")])
    name = nameFromText("A.t")
    assert _hit(every(wild), "A.t").action.aliasFor(name) == nameFromText("A.t.Garden.example")
    assert _hit(every(wild), "b.t").action.aliasFor(name) == nameFromText("wall.example")
    assert zonesOf([Row("c", "TXT", "x")]) and Action(GIVEN, 1, ((TXT, 1, b"\1x"),)).alias == b""
    assert set(KINDS) == {NXDOMAIN, NODATA, PASSTHRU, DROP, TCP_ONLY, GIVEN}


@pytest.mark.parametrize(
    ("owner", "rdata", "name", "kind"),
    [
        ("a.t", "A.t.", "a.T", PASSTHRU), ("*.t", "b.t.", "b.t", PASSTHRU), ("*.t", "b.t.", "c.t", GIVEN), ("a.t", "b.t.", "a.t", GIVEN),
        ("24.0.2.0.192.rpz-ip", "24.0.2.0.192.", "x", PASSTHRU), ("24.0.2.0.192.rpz-ip", "24.0.3.0.192.", "x", GIVEN),
        ("ns.t.rpz-nsdname", "ns.t.", "x", PASSTHRU), ("16.0.0.3.10.rpz-nsip", "16.0.0.3.10.", "x", PASSTHRU),
    ],
)  # fmt: skip
def test_aliasesOfThemselves(owner: str, rdata: str, name: str, kind: str) -> None:
    """
    An alias of what a rule is about to itself lets it through, as before there was rpz-passthru.
    """
    selection, question = every(zonesOf([Row(owner, "CNAME", rdata)])), questionOf(name)
    answer = Answer(Outcome.DATA, (rrsetOf(question.name, A, "192.0.2.1"),))
    hit = selection.after(question, answer, selection.before(question.name), lambda *_: ([nameFromText("ns.t")], [bytes((10, 3, 0, 9))]))
    assert hit is not None
    assert hit.action.kind == kind


def test_whatCannotBeUsed() -> None:
    """
    Records at the apex are about the zone. Prefixes that are none or have bits beyond their length, names that are none, and contradictions
    are counted; the first rule about something counts.
    """
    rows = [
        Row("", "A", "192.0.2.1"), Row("", "NS", "localhost."), Row("33.1.2.0.192.rpz-ip", "CNAME", "."),
        Row("24.1.2.0.192.rpz-ip", "CNAME", "."), Row("rpz-ip", "CNAME", "."), Row("24.x.rpz-client-ip", "CNAME", "."),
        Row("rpz-nsdname", "CNAME", "."), Row("33.1.2.0.192.rpz-nsip", "CNAME", "."),
        Row("a", "CNAME", "."), Row("a", "A", "9.9.9.9"),
        Row("b", "CNAME", "."), Row("c", "DS", "1 13 2 " + 64 * "0"), Row("128.1.zz.2.zz.2001.rpz-ip", "CNAME", "."),
    ]  # fmt: skip
    found = RulesOfZone(recordsOf(rows), APEX)
    assert [rule.name for rule in found] == [nameFromText("b")]
    assert found.complaints.count == 8
    said = str(found.complaints)
    lines = ("as ns.example.rpz-nsdname", "33.1.2.0.192.rpz-nsip: ", "a: an alias stands alone", "has host bits set", "as 24.0.2.0")
    assert [words for words in lines if words not in said] == []
    builder = PolicyZonesBuilder()
    twice = [*RulesOfZone(recordsOf([Row("b", "CNAME", ".")]), APEX), *RulesOfZone(recordsOf([Row("b", "CNAME", "*.")]), APEX)]
    assert builder.add("z", twice).names == 1
    zones = PolicyZones(PolicyTable(b"".join(builder.pack())))
    assert _hit(every(zones), "b").action.kind == NXDOMAIN


def test_clientsOfBothFamilies() -> None:
    """
    The prefix of zero bits has all addresses of its family, and no other.
    """
    zones = zonesOf([Row("0.0.0.0.0.rpz-client-ip", "CNAME", ".")])
    assert zones.forAddress(bytes(4), CLIENT)
    assert not zones.forAddress(bytes(16), CLIENT)


def test_tablesOfOthers() -> None:
    """
    A table of lists is none of policy zones, and there are no more zones than bits of a mask.
    """
    builder = TableBuilder()
    builder.add([b"example"], 0, [1])
    with pytest.raises(BadImage):
        PolicyZones(PolicyTable(b"".join(builder.pack([RuleList("block:/a")]))))
    many = PolicyZonesBuilder()
    for number in range(64):
        many.add(str(number), ())
    with pytest.raises(BadDescription, match="more than 64"):
        many.add("one more", ())
