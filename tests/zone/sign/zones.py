"""
Zones to sign.
"""

from __future__ import annotations

import random

from twisted_ext.dnssec.privatekeys.keys import PrivateKey
from twisted_ext.testing.internet.seededsigner import SigningKey
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version

__all__ = ["APEX", "Sets", "builderOf", "bySet", "otherKey", "randomZone", "setsOf"]

#: The TTL and the records of each set, by folded name, type, and for signatures the type covered.
Sets = dict[tuple[bytes, int, bytes], tuple[int, frozenset[bytes]]]

APEX = nameFromText("example.org.")

_LABELS = ("a", "b", "C", "*", "z", "\\000", "\\001x", "ab")


def builderOf(records: list[RRSet], apex: bytes = APEX) -> ImageBuilder:
    builder = ImageBuilder(apex)
    builder.addSets(records)
    return builder


def otherKey(key: PrivateKey) -> SigningKey:
    """
    Return a key as the other implementation of signing has it.
    """
    return SigningKey(key.algorithm, key.flags, key.dnskey[4:], lambda data: key.signMany([data])[0])


def setsOf(builder: ImageBuilder) -> Sets:
    """
    Return the sets of a zone.
    """
    return bySet([rrset for node in Version(Image(builder.finish())).nodes() for rrset in node.sets])


def bySet(sets: list[RRSet]) -> Sets:
    return {
        (rrset.name.lower(), rrset.rrType, rrset.rdatas[0][:2] if rrset.rrType == 46 else b""): (rrset.ttl, frozenset(rrset.rdatas))
        for rrset in sets
    }


def randomZone(seed: int, most: int = 12, apex: bytes = APEX, target: str = "www.Example.com.") -> list[RRSet]:
    """
    Return a zone with delegations, DNAME records, wildcards, empty non-terminals, glue, occluded and odd names.

    @param target: where aliases lead to.
    """
    dice = random.Random(seed)
    lines = ["@ 3600 SOA ns host 1 7200 900 1209600 300", "@ 3600 NS ns", "@ 3600 NS NS.Example.NET.", "ns 300 A 192.0.2.1"]
    names: set[str] = set()
    for _ in range(dice.randrange(most)):
        name = ".".join([dice.choice(_LABELS) for _ in range(dice.randrange(1, 4))])
        if name.lower() in names:
            continue
        names.add(name.lower())
        kind = dice.random()
        if kind < 0.4:
            ttl = dice.choice((60, 300))
            lines += [f"{name} {ttl} A 192.0.2.{number}" for number in range(dice.randrange(1, 4))]
        elif kind < 0.7 and "*" not in name:
            lines += [f"{name} 300 NS ns.{name}", f"{name} 300 NS Ns.Example.net.", f"ns.{name} 300 A 192.0.2.9"]
            if dice.random() < 0.5:
                lines.append(f"{name} 200 DS 1 13 2 {'00' * 32}")
        elif kind < 0.8 and "*" not in name:
            lines.append(f"{name} 300 DNAME {target}")
        elif kind < 0.9:
            lines += [f'{name} 300 TXT "hi"', f"{name} 30 MX 10 Mail.{name}", f"{name} 300 AAAA 2001:db8::1"]
        else:
            lines.append(f"{name} 300 CNAME {target}")
    return [recordFromText(line, apex) for line in lines]
