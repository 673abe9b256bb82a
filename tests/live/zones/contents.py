"""
Random contents of zones, some of which no zone can have, and what is to be said of them.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

__all__ = ["UNWISE", "WRONG", "Record", "drawn", "factsOf"]

_DIGEST: Final = 64 * "0"
_KEY: Final = f"257 3 13 {86 * 'A'}=="

#: Owner, type and data, relative to a zone.
Record = tuple[str, str, str]

#: Of what contents are drawn.
_POOL: Final[list[Record]] = [
    ("a", "A", "192.0.2.1"), ("a", "TXT", '"x"'), ("a", "CNAME", "b"), ("a", "CNAME", "c"),
    ("b", "DNAME", "x.example."), ("b", "DNAME", "y.example."), ("b", "NS", "ns1"), ("b", "TXT", '"x"'), ("b", "CNAME", "c"),
    ("@", "DS", f"1 13 2 {_DIGEST}"), ("@", "CNAME", "a"), ("@", "DNSKEY", _KEY), ("@", "MX", "10 ns1"), ("@", "TXT", '"x"'),
    ("c", "SOA", "ns1 h 1 2 3 4 5"), ("c", "DNSKEY", _KEY), ("c", "NSEC3PARAM", "1 0 0 -"), ("c", "NS", "ns1"),
    ("c", "DS", f"1 13 2 {_DIGEST}"), ("c", "SRV", "0 0 53 ns1"), ("c", "TYPE65280", r"\# 2 abcd"),
]  # fmt: skip

#: What no door takes. Knot takes an SOA below the apex, and DS records at it; BIND does not.
WRONG: Final = frozenset(("alias and others", "two aliases", "two DNAME", "SOA below", "DS at the apex"))

#: What no change brings into a zone, and a master file may have, as with BIND. Knot refuses the last one.
UNWISE: Final = frozenset(("DNSKEY below", "NSEC3PARAM below", "DNAME and NS"))


def factsOf(records: list[Record]) -> set[str]:
    """
    Return what is to be said of some records.
    """
    facts = set()
    for owner in {owner for owner, _, _ in records}:
        types = Counter([kind for at, kind, _ in records if at == owner])
        others = {*types, "SOA", "NS"} if owner == "@" else {*types}
        if types["CNAME"] and others != {"CNAME"}:
            facts.add("alias and others")
        if types["CNAME"] > 1:
            facts.add("two aliases")
        if types["DNAME"] > 1:
            facts.add("two DNAME")
        if types["DNAME"] and types["NS"]:
            facts.add("DNAME and NS")
        if owner == "@" and types["DS"]:
            facts.add("DS at the apex")
        if owner != "@":
            facts |= {f"{kind} below" for kind in ("SOA", "DNSKEY", "NSEC3PARAM") if types[kind]}
    return facts


def drawn(random: Random) -> list[Record]:
    """
    Return up to three records of each of two names.
    """
    records: list[Record] = []
    for owner in random.sample(["@", "a", "b", "c"], 2):
        theirs = [record for record in _POOL if record[0] == owner]
        records += random.sample(theirs, random.randint(0, 3))
    return records or [_POOL[0]]
