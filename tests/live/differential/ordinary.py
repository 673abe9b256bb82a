"""
Zones without faults: families of a zone, a signed and an unsigned zone below it, each signed in another way and served by another server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.live.differential.questions import Case, casesOf
from twisted_ext.testing.internet import Delegation, KeyPlan
from twisted_ext.testing.internet.seededsigner import Params

if TYPE_CHECKING:
    from twisted_ext.testing.internet import Internet

__all__ = ["LEAF_SERVERS", "TOPS", "addFamilies", "addTops", "familiesFor"]

#: What serves leaf zones. C{own} is the server of L{twisted_ext.testing.internet}.
LEAF_SERVERS: Final = ("nsd", "knot", "bind", "nsd", "knot", "bind", "own")


class _Top(NamedTuple):
    name: str
    server: str
    denial: Params | None


#: Top-level domains, and what serves them.
TOPS: Final = (
    _Top("alpha", "nsd", None),
    _Top("beta", "knot", Params(0, b"", True)),
    _Top("gamma", "bind", Params(0, b"", False)),
    _Top("delta", "own", Params(5, b"\xab\xcd", True)),
)

#: Denials of existence: NSEC, NSEC3 as RFC 9276 wants it, with salt and iterations, and with opt-out.
_DENIALS: Final = (
    ("nsec", None),
    ("nsec3", Params()),
    ("salted", Params(10, b"\xde\xad\xbe\xef", False)),
    ("optout", Params(0, b"", True)),
    ("iterated", Params(50, b"\x01", True)),
)

#: Signing algorithms; two in one zone, and none.
_ALGORITHMS: Final = (
    ("13", KeyPlan(13)),
    ("8", KeyPlan(8)),
    ("13c", KeyPlan(13, combined=True)),
    ("8+13", KeyPlan((8, 13))),
    ("15", KeyPlan(15)),
    ("14", KeyPlan(14, digests=(4,))),
    ("10", KeyPlan(10, digests=(2, 4))),
    ("unsigned", None),
    ("13d", KeyPlan(13, digests=(1, 2))),
    ("16", KeyPlan(16)),
    ("7", KeyPlan(7)),
    ("5", KeyPlan(5)),
)

_LARGE: Final = "\n".join([f'large TXT "{number:03}{"x" * 240}"' for number in range(9)])

_RECORDS: Final = f"""\
@ A 192.0.2.1
@ MX 10 mail
@ MX 20 mail.{{other}}.
@ TXT "the apex"
@ CAA 0 issue "ca.invalid"
Www A 192.0.2.2
www AAAA 2001:db8::2
www TXT "one" "two"
mail A 192.0.2.3
mail A 192.0.2.4
web HTTPS 1 . alpn=h2
_sip._tcp SRV 0 5 5060 www
odd\\.name A 192.0.2.5
type TYPE65280 \\# 4 01020304
alias CNAME www
Upper CNAME WWW
away CNAME www.{{other}}.
gone CNAME nothing
goneaway CNAME nothing.{{other}}.
toplain CNAME www.plain
*.wild A 192.0.2.6
*.wild TXT "wild"
exact.wild TXT "exact"
ent.wild.sub.wild A 192.0.2.7
*.walias CNAME www
*.waway CNAME www.{{other}}.
*.a.*.star A 192.0.2.8
host.first.second.third A 192.0.2.9
redirected DNAME target
a.target A 192.0.2.10
*.wild.target A 192.0.2.11
b.target CNAME www
moved DNAME {{other}}.
chain0 CNAME chain1
chain1 CNAME chain2
chain2 CNAME chain3.{{other}}.
chain3 CNAME chain4
chain4 CNAME www
loop CNAME looped
looped CNAME loop
{_LARGE}
"""

_QUESTIONS: Final = """\
apex @ A AAAA MX NS SOA TXT CAA DNSKEY DS
data www A AAAA TXT
data mail A
data web HTTPS
data _sip._tcp SRV
data odd\\.name A
data type TYPE65280
case wWw A
nodata www MX
nodata mail AAAA
large large TXT
denied missing A
denied missing.below.missing AAAA
denied a.www A
ds www DS
ds missing DS
ds first.second.third DS
alias alias A CNAME MX
alias Upper A
alias away A MX
alias gone A
alias goneaway A
alias toplain A
empty third A
empty second.third A
empty first.second.third MX
empty wild A
denied no.second.third A
data host.first.second.third A
wildcard a.wild A TXT MX
wildcard a.b.wild A
wildcard *.wild A
wildcard exact.wild TXT A
wildcard x.exact.wild A
wildcard sub.wild A
wildcard x.sub.wild A
wildcard a.walias A CNAME
wildcard b.waway A
wildcard x.a.y.star A
wildcard x.a.*.star A
dname redirected DNAME A
dname a.redirected A CNAME
dname b.redirected A
dname x.wild.redirected A
dname missing.redirected A
dname www.moved A
dname a.wild.moved A
dname missing.moved A
chain chain0 A
loop loop A
child child NS SOA DS DNSKEY
child www.child A AAAA
child missing.child A
child a.wild.child A
child far.child A
plain plain NS SOA DS
plain www.plain A MX
plain missing.plain A
plain a.wild.plain A
plain back.plain A
"""

#: Names whose answers come from another zone, and from another one than that.
_LEADING_AWAY: Final = ("away.", "goneaway.", "b.waway.", "www.moved.", "a.wild.moved.", "missing.moved.", "chain0.")
_LEADING_FAR: Final = ("far.child.",)

_CHILD: Final = """\
www A 192.0.2.20
*.wild A 192.0.2.21
far CNAME www.{other}.
"""

_PLAIN: Final = """\
www A 192.0.2.30
*.wild A 192.0.2.31
back CNAME www.{zone}.
"""


def addTops(internet: Internet) -> None:
    """
    Add the TLDs, and the zone of servers that serve many zones.
    """
    for top in TOPS:
        internet.zone(top.name, nsec3=top.denial, servers=(f"a.nic.{top.name}", f"b.nic.{top.name}"))
    internet.zone("hosts.alpha", servers=("ns1.hosts.alpha", "ns2.hosts.alpha"))


def familiesFor(names: int) -> int:
    """
    Return how many families there have to be for a number of names.
    """
    each = len(list(casesOf("", "", _QUESTIONS)))
    return -(-names // each)


def addFamilies(internet: Internet, count: int, served: dict[str, str]) -> Iterator[Case]:
    """
    Add families, and return the questions for them.

    @param served: gets the program for each server's name.
    """
    zones = [f"f{number}.{TOPS[number % len(TOPS)].name}" for number in range(count)]
    worlds = [_worldOf(number) for number in range(count)]
    for number, zone in enumerate(zones):
        parameters = _DENIALS[number // 4 % len(_DENIALS)][1]
        plan = _ALGORITHMS[number // 3 % len(_ALGORITHMS)][1]
        program = LEAF_SERVERS[number % len(LEAF_SERVERS)]
        otherNumber = (number * 7 + 3) % count
        other = zones[otherNumber]
        within = [f"ns1.{zone}", f"ns2.{zone}"]
        hosted = [f"ns{index}.{program}.hosts.alpha" for index in (1, 2)]
        servers = within if number % 8 == 0 else hosted
        internet.zone(zone, _RECORDS.format(other=other), servers, signed=plan or False, nsec3=parameters if plan else None)
        another = LEAF_SERVERS[(number + 1 + number // 5) % len(LEAF_SERVERS)]
        below = servers if number % 5 == 0 else [f"ns{index}.{another}.hosts.alpha" for index in (1, 2)]
        farNumber = (number * 11 + 5) % count
        denial = None if number % 2 else Params()
        internet.zone(f"child.{zone}", _CHILD.format(other=zones[farNumber]), below, signed=KeyPlan(13), nsec3=denial)
        internet.zone(f"plain.{zone}", _PLAIN.format(zone=zone), below, signed=False)
        served.update(dict.fromkeys(servers, program))
        if below is not servers:
            served.update(dict.fromkeys(below, another))
        if _isIsland(number):
            internet.delegate(zone, Delegation(ds=()))
        for case in casesOf(worlds[number], zone, _QUESTIONS):
            if case.name.startswith(_LEADING_AWAY):
                case = case._replace(world=f"{case.world}>{worlds[otherNumber]}")
            elif case.name.startswith(_LEADING_FAR):
                case = case._replace(world=f"{case.world}>{worlds[farNumber]}")
            yield case


def _isIsland(number: int) -> bool:
    """
    Return whether a family is signed, but its parent has no DS records for it.
    """
    return number % 9 == 4 and _ALGORITHMS[number // 3 % len(_ALGORITHMS)][1] is not None


def _worldOf(number: int) -> str:
    """
    Return what is special about a family.
    """
    denial = _DENIALS[number // 4 % len(_DENIALS)][0]
    algorithm = _ALGORITHMS[number // 3 % len(_ALGORITHMS)][0]
    program = LEAF_SERVERS[number % len(LEAF_SERVERS)]
    top = TOPS[number % len(TOPS)].name
    return f"ordinary/{top}/{denial}/{'island-' if _isIsland(number) else ''}{algorithm}/{program}"
