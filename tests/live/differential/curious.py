"""
Zones that are set up in curious ways: by delegations, aliases and names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tests.live.differential.questions import Case, casesOf
from twisted_ext.testing.internet import Delegation, Fault
from twisted_ext.testing.internet.seededsigner import Params

if TYPE_CHECKING:
    from twisted_ext.testing.internet import Internet

__all__ = ["addCurious"]

_RECORDS: Final = """\
@ A 192.0.2.61
@ MX 10 mail
www A 192.0.2.62
www AAAA 2001:db8::62
mail A 192.0.2.63
*.wild A 192.0.2.64
host.empty A 192.0.2.65
alias CNAME www
"""

_QUESTIONS: Final = """\
data @ A MX
servers @ NS
data www A AAAA
nodata www TXT
denied missing A
wildcard a.wild A
empty empty A
data host.empty A
alias alias A
"""

#: Lengths of chains: limits of resolvers are between 8 and 20.
_LENGTHS: Final = (2, 4, 6, 8, 10, 11, 12, 16, 20)

#: The longest labels.
_LONG: Final = ".".join(["a" * 63, "b" * 63, "c" * 40])

#: Many labels.
_DEEP: Final = ".".join("abcdefghijklmnopqrstuvwxyz")

_NAMES: Final = f"""\
{_LONG} A 192.0.2.80
{_DEEP} A 192.0.2.81
\\000\\001\\255 A 192.0.2.82
space\\032d A 192.0.2.83
_under A 192.0.2.84
UPPER.Case A 192.0.2.85
* TXT wildcard
"""

_NAME_QUESTIONS: Final = f"""\
long {_LONG} A
deep {_DEEP} A AAAA
deep x.{_DEEP} A
deep {_DEEP[2:]} A
binary \\000\\001\\255 A MX
space space\\032d A
under _under A
root x TXT A
root x.y.z TXT A
case upper.case A
case UPPER.CASE A
case case TXT A
"""


def addCurious(internet: Internet, top: str) -> Iterator[Case]:
    """
    Add the zones, and return the questions for them.

    @param top: their parent zone, which is added.
    """
    internet.zone(top, f"alias.ns CNAME real.ns\nreal.ns A {_nameServer(internet, f'real.ns.{top}')}\n")
    for signed in (True, False):
        how = "signed" if signed else "unsigned"
        yield from _addDelegations(internet, f"{how}.{top}", top, signed)
        yield from _addAliases(internet, f"{how}.{top}", signed)
        yield from _addNames(internet, f"{how}.{top}", signed)
        yield from _addFailingParts(internet, f"{how}.{top}", signed)
    yield from _addCuts(internet, top)


def _nameServer(internet: Internet, name: str) -> str:
    return internet.server(name).addresses[0]


def _addDelegations(internet: Internet, top: str, above: str, signed: bool) -> Iterator[Case]:
    internet.zone(top, signed=signed)

    def add(kind: str, servers: list[str], delegation: Delegation | None = None, records: str = _RECORDS) -> Iterator[Case]:
        zone = f"{kind}.{top}"
        internet.zone(zone, records, servers, signed=signed, delegation=delegation)
        yield from casesOf(f"delegations/{kind}/{top}", zone, _QUESTIONS)

    # No server has an address, or one of two has none.
    real = f"real.ns.{above}"
    yield from add("addressless", [real], Delegation([f"nowhere.ns.{above}", f"nothing.ns.{above}"]))
    yield from add("half-addressless", [real], Delegation([f"nowhere.ns.{above}", real]))
    # Glue is missing for a server inside of the zone.
    inside = f"ns1.glueless.{top}"
    yield from add("glueless", [inside], Delegation([inside], {inside: []}))
    yield from add("alias", [real], Delegation([f"alias.ns.{above}"]))
    yield from add("half-alias", [real], Delegation([f"alias.ns.{above}", real]))
    # The address is found three zones away, each without glue.
    yield from add("far1", [f"ns1.far1.{top}"])
    yield from add("far2", [f"ns.far1.{top}"])
    yield from add("far3", [f"ns.far2.{top}"])
    yield from add("far4", [f"ns.far3.{top}"])
    # Two zones whose servers are in each other.
    one, other = f"ns.circle1.{top}", f"ns.circle2.{top}"
    internet.server(one)
    internet.server(other)
    yield from add("circle1", [other], Delegation([other], {other: []}))
    yield from add("circle2", [one], Delegation([one], {one: []}))
    # Twelve of thirteen servers do not reply; or they are unreachable.
    for kind, fault in (("twelve-dead", Fault.DEAD), ("twelve-closed", Fault.CLOSED), ("twelve-lame", Fault.REFUSES)):
        servers = [f"ns{number}.{kind}.{top}" for number in range(1, 14)]
        yield from add(kind, servers)
        for server in servers[1:]:
            internet.inject(fault, server)
    # Parent and child name different servers.
    old, new = f"old.ns.{top}", f"new.ns.{top}"
    for kind, parental, own, dead in (
        ("child-adds", [old], [old, new], ""),
        ("child-lacks", [old, new], [old], ""),
        ("disjoint", [old], [new], ""),
        ("child-names-dead", [old], [f"dead1.ns.{top}", f"dead2.ns.{top}"], "dead"),
        ("child-names-nothing", [old], [f"none1.ns.{top}", f"none2.ns.{top}"], "none"),
        ("parent-names-dead", [f"dead1.ns.{top}", new], [new], ""),
    ):
        zone = f"{kind}.{top}"
        records = _RECORDS + "".join([f"@ NS {server}.\n" for server in own])
        yield from add(kind, [old, new], Delegation(parental), records)
        for server in own if dead == "dead" else ():
            internet.server(server)
            internet.inject(Fault.DEAD, server)
    for host in ("dead1", "old", "new"):
        zone = f"hosts-{host}.{top}"
        internet.zone(zone, _RECORDS, [f"{host}.ns.{top}"], signed=signed)
    # A former server still has the zone as it was.
    kind = "former"
    yield from add(kind, [new, old])
    internet.variant(f"{kind}.{top}", _RECORDS.replace("192.0.2.6", "198.51.100.6"), [old])


def _addAliases(internet: Internet, top: str, signed: bool) -> Iterator[Case]:
    records = ["end A 192.0.2.70\n*.end A 192.0.2.71\n"]
    questions = []
    for length in _LENGTHS:
        names = [f"c{number}.inner{length}" for number in range(length)]
        records += [f"{name} CNAME {following}\n" for name, following in zip(names, [*names[1:], "end"], strict=True)]
        names = [f"d{number}.dnames{length}" for number in range(length)]
        records += [f"{name} DNAME {following}\n" for name, following in zip(names, [*names[1:], "end"], strict=True)]
        questions += [f"cnames-{length} c0.inner{length} A TXT", f"dnames-{length} x.d0.dnames{length} A TXT"]
        for number in range(length):
            # Each alias in a zone of its own.
            following = f"alias.outer{length}-{number + 1}" if number < length - 1 else "end.aliases"
            zone = f"outer{length}-{number}.{top}"
            internet.zone(zone, f"alias CNAME {following}.{top}.\n", [f"ns.{top}"], signed=signed)
        yield from casesOf(f"aliases/zones-{length}/{top}", f"outer{length}-0.{top}", f"zones-{length} alias A TXT")
    records += [
        "self CNAME self\nring0 CNAME ring1\nring1 CNAME ring2\nring2 CNAME ring0\n",
        "within DNAME a.within2\nwithin2 DNAME within\n",
        "grow DNAME below.grown\ngrown DNAME grow\n",
        "*.star DNAME end\n",
        f"toolong DNAME {_LONG}\n",
        "both CNAME end\n*.under.both A 192.0.2.72\n",
        "todname CNAME x.d0.dnames2\n",
        "throughwild CNAME anything.starred\n*.starred CNAME end\n",
        f"nowhere CNAME nothing.nowhere.{top}.\nnotop CNAME www.no-such-top.\n",
    ]
    questions += [
        "loop self A", "loop ring0 A", "loop ring2 TXT", "loop x.within A", "loop x.grow A", "wilddname x.star A", "wilddname x.y.star A",
        f"toolong {'x' * 63}.{'y' * 63}.toolong A", "toolong x.toolong A", "under x.under.both A", "todname todname A",
        "throughwild throughwild A TXT", "nowhere nowhere A", "notop notop A TXT",
    ]  # fmt: skip
    zone = f"aliases.{top}"
    internet.zone(zone, "".join(records), signed=signed)
    yield from casesOf(f"aliases/{top}", zone, "\n".join(questions))


def _addNames(internet: Internet, top: str, signed: bool) -> Iterator[Case]:
    for denial, parameters in (("nsec", None), ("nsec3", Params(1, b"\x01\x02"))):
        if parameters is not None and not signed:
            continue
        zone = f"names-{denial}.{top}"
        internet.zone(zone, _NAMES, signed=signed, nsec3=parameters)
        yield from casesOf(f"names/{denial}/{top}", zone, _NAME_QUESTIONS)


def _addFailingParts(internet: Internet, top: str, signed: bool) -> Iterator[Case]:
    """
    Zones whose servers fail for a part of a name that a resolver sends to minimize what they learn (RFC 9156).
    """
    for fault in (Fault.REFUSES, Fault.NOT_IMPLEMENTED, Fault.SERVFAIL, Fault.FORMERR_EDNS, Fault.LAME_EMPTY, Fault.DENIES, Fault.DEAD):
        zone = f"part-{fault.value}.{top}"
        internet.zone(zone, _RECORDS, signed=signed)
        internet.inject(fault, zone, name=f"empty.{zone}")
        yield from casesOf(f"parts/{fault.value}/{top}", zone, "data host.empty A\ndenied no.empty A\nwildcard a.wild A")


def _addCuts(internet: Internet, top: str) -> Iterator[Case]:
    """
    Zones inside of each other on the same servers, signed and unsigned ones below each other.
    """
    same = [f"ns1.cuts.{top}", f"ns2.cuts.{top}"]
    questions = "cut @ DS DNSKEY SOA NS\ndata www A\ndenied missing A\nds www DS\nempty empty A\ndenied x.empty A"
    for states in ("sss", "ssu", "sus", "suu", "uss", "usu", "uus", "sis", "iss"):
        # s: signed, u: unsigned, i: an island, signed without DS records.
        name = top
        name = f"cuts-{states}.{top}"
        zones = [name, f"below.{name}", f"deep.down.below.{name}"]
        for zone, state in zip(zones, states, strict=True):
            delegation = Delegation(ds=()) if state == "i" else None
            nsec3 = Params(0, b"", True) if states.count("s") == 2 else None
            internet.zone(zone, _RECORDS, same, signed=state != "u", delegation=delegation, nsec3=nsec3)
            yield from casesOf(f"cuts/{states}", zone, questions)
        yield from casesOf(f"cuts/{states}", name, "ent down.below A DS\ndenied no.down.below A DS")
