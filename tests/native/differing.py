"""
Compares the replies that the C extension makes from zones with those of Python, octet by octet, for random queries.

    python -m tests.native.differing [--queries N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from twisted.internet.task import Clock

from tests.native.twins import CExtension, builtExtension
from tests.packetcache.lanes import Forgetful
from tests.zone.plain import HEAD, setsOf, versionOf
from tests.zone.query.test_answers import ZONE
from tests.zone.query.test_denial import CUTS, RECORDS, byNSEC, signed
from tests.zone.query.test_direct import MORE
from twisted_ext.native import chosen
from twisted_ext.native.loops import Place
from twisted_ext.server.reply import cookies
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table import replying
from twisted_ext.server.zones.table.replying import ZoneReplies, denialOf
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

__all__ = ["SECRET", "TODAY", "Differing", "damagedImage", "extended", "queryFor", "zonesOf"]

SECRET: Final = bytes(range(16))
TODAY: Final = 1_700_000_000.0

#: An apex wildcard, names of the SOA record in the zone, and a TTL above the minimum.
_FLAT: Final = """\
@ 900 SOA ns1.hosts h.m 1 3600 600 86400 60
@ NS ns1.hosts
* A 192.0.2.1
* TXT "any"
www A 192.0.2.2
ns1.hosts A 192.0.2.3
"""

#: A small zone below another one, names of whose SOA record are those of questions.
_INNER: Final = """\
@ 30 SOA ns.example. MAIL.Inner 1 3600 600 86400 600
@ NS ns.example.
www A 192.0.2.9
large TXT "%s" "%s" "%s" "%s"
twice A 192.0.2.1
a.b.c AAAA 2001:db8::1
"""

#: Texts whose replies are just below and above the sizes that clients allow, with and without OPT record and cookie.
_SIZES: Final = "".join(
    [
        f"t{size} TXT {' '.join(pieces)}\n"
        for size in (*range(425, 480), *range(1130, 1200))
        for pieces in [[f'"{"y" * min(255, size - start)}"' for start in range(0, size, 255)]]
    ]
)

#: An apex with a DNAME record.
_AWAY: Final = HEAD + "@ DNAME elsewhere.\n@ A 192.0.2.1\n"

#: Names of a zone with 63 labels, and of one in it with 64.
_DEEP: Final = 62 * "d." + "deep."

_PLAIN: Final = (*(16 * (1,)), *(8 * (16,)))

_TYPES: Final = (*_PLAIN, 28, 28, 5, 2, 6, 15, 33, 257, 12, 39, 43, 46, 47, 50, 128, 255, 252, 99, 64, 249, 0, 41, 65401, 65535)

_LABELS: Final = (b"x", b"x", b"Q", b"www", b"new", b"cut", b"*", b"mail", b"h", b"ns1", b"hosts", b"inner", b"a", b"\x00.\xff", b"z" * 63)


@contextmanager
def extended() -> Iterator[None]:
    """
    Make replies with the C extension in here, also where Python was chosen.
    """
    extension = builtExtension()
    with (
        patch.object(replying, "mapped", extension.mapped),
        patch.object(replying, "replies", extension.replies),
        patch.object(chosen, "replies", extension.replies),
        patch.object(cookies, "replies", extension.replies),
    ):
        yield


def zonesOf(chance: random.Random) -> tuple[Zones, list[bytes]]:
    """
    Return the zones of a server; and names that are in them, or nearly.
    """
    large = ("y" * 200,) * 4
    kinds: list[list[Version]] = [
        [versionOf(ZONE + MORE)],
        [versionOf(signed(HEAD + RECORDS + CUTS + MORE))],
        [byNSEC()],
        [versionOf(HEAD + _SIZES)],
        [versionOf(_FLAT, "flat.test.")],
        [versionOf(ZONE + MORE), versionOf(_INNER % large, "sub.example."), versionOf(_FLAT, "Flat.test."), versionOf(_AWAY, "away.test.")],
        [versionOf("@ SOA a.root. h.root. 1 2 3 4 5\n@ NS a.root.\na.root A 192.0.2.1\n*.wild A 192.0.2.2\n", ".")],
        [versionOf(HEAD + "www A 192.0.2.1\n", _DEEP), versionOf(HEAD + "www A 192.0.2.2\n", f"d.{_DEEP}")],
        [Zone.fromText("@ SOA a. b. 1 2 3 4 5\n@ NS a.\nx ALIAS www\nwww A 192.0.2.1\nx TXT x\n", "alias.test.").current],
    ]
    zones = Zones()
    names: list[bytes] = []
    for version in chance.choice(kinds):
        names += [node.key + version.apexName for node in version.nodes()]
        if chance.random() < 0.4:
            version = _edited(version, chance)
            names += [label + version.apexName for label in (b"\x03new", b"\x01x\x03new", b"\x03cut", b"\x01x\x03cut")]
        zones.put(Zone(version))
    return zones, [*names, nameFromText("other.invalid.")]


def _edited(version: Version, chance: random.Random) -> Version:
    """
    Return a version that differs from its image in some names; perhaps in its cuts.
    """
    transaction = Transaction(version)
    lines = ["new A 192.0.2.77", "www TXT changed", *chance.choice(([], [], ["cut NS ns.elsewhere."], ["deep NS ns.elsewhere."]))]
    for made in setsOf("\n".join(lines), nameToText(version.apex)):
        transaction.add(made)
    committed = transaction.commit()
    assert committed is not None
    return committed[0]


def queryFor(name: bytes, chance: random.Random) -> bytes:
    """
    Return a query, perhaps a damaged one.
    """
    for _ in range(chance.choice((0, 0, 0, 0, 1, 1, 1, 2, 5))):
        label = chance.choice(_LABELS)
        if len(name) + len(label) < 255:
            name = bytes([len(label)]) + label + name
    if chance.random() < 0.3:
        name = b"".join([bytes([each]) if chance.random() < 0.5 else bytes([each]).swapcase() for each in name])
    opt = b""
    if chance.random() < 0.6:
        option = b""
        if chance.random() < 0.4:
            code, length = chance.choice(((10, 8), (10, 8), (10, 8), (10, 24), (10, 7), (3, 0), (8, 4), (12, 4), (65001, 4)))
            option = code.to_bytes(2, "big") + length.to_bytes(2, "big") + chance.randbytes(length)
        size = chance.choice((0, 512, 600, 1232, 4096)).to_bytes(2, "big")
        fields = chance.choice((0, 0, 0x8000, 0x8000, 0x10000, 0xC000, 1 << 24)).to_bytes(4, "big")
        opt = b"\x00\x00\x29" + size + fields + len(option).to_bytes(2, "big") + option
    flags = chance.choice((0, 0x100, 0x110, 0x120, 0x130))
    if chance.random() < 0.1:
        flags ^= 1 << chance.randrange(16)
    rrClass = 1 if chance.random() < 0.98 else chance.choice((3, 255))
    head = b"".join([number.to_bytes(2, "big") for number in (chance.getrandbits(16), flags, 1, 0, 0, 1 if opt else 0)])
    query = head + name + chance.choice(_TYPES).to_bytes(2, "big") + rrClass.to_bytes(2, "big") + opt
    if chance.random() < 0.1:
        octets = bytearray(query)
        for _ in range(chance.choice((1, 1, 2, 5))):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        query = bytes(octets[: chance.choice((len(octets), chance.randrange(len(octets) + 1)))])
    return query


def damagedImage(extension: CExtension, chance: random.Random) -> int:
    """
    Ask for names of a zone some octets of whose image are wrong, which must end nothing and read nothing outside of it.

    @return: how many replies were made.
    """
    zones, names = zonesOf(chance)
    version = next(iter(zones)).zone
    assert version is not None
    mapping = version.current.image.mapping()
    assert mapping is not None
    octets, places = bytearray(mapping[0]), mapping[1]
    for _ in range(chance.choice((1, 10, 1000))):
        octets[chance.randrange(places[1] if chance.random() < 0.5 else 0, len(octets))] = chance.randrange(256)
    try:
        made = extension.mapped(bytes(octets), places, version.apex, {}, denialOf(version.current), False)
    except ValueError:
        return 0
    arrived: list[tuple[bytes, Place]] = [(queryFor(chance.choice(names), chance), (bytes([127, 0, 0, 1]), b"")) for _ in range(300)]
    terms = (0, *ReplyBuilder().opts, bytes(32), SECRET)
    found = extension.replies({version.apex: None}, {version.apex: made}, (1 << 64) - 1, terms, 0, arrived, [])
    if len(found) != len(arrived):
        raise AssertionError(f"{len(found)} results for {len(arrived)} queries")
    return sum([body is not None for body in found])


class Differing:
    """
    @ivar tried: how many queries were compared.
    @ivar made: how many of them the extension has answered.
    @ivar denied: how many of these with NXDOMAIN.
    @ivar cookies: how many of these have a cookie.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.tried = self.made = self.denied = self.cookies = 0

    def run(self, queries: int) -> str:
        """
        @return: the first difference; C{""} without one.
        """
        with extended():
            while self.tried < queries:
                said = self._round(min(500, queries - self.tried))
                if said:
                    return said
        return ""

    def _round(self, count: int) -> str:
        chance = self.chance
        zones, names = zonesOf(chance)
        recursion = chance.random() < 0.3
        builder = ReplyBuilder(recursion=recursion)
        made = Cookies(SECRET)
        packetCache = packetCacheFor(cookies=made, today=lambda: TODAY)
        for group in packetCache.groups:
            group.datagrams = Forgetful()
        gates = standardGates(cookies=made, today=lambda: TODAY)
        responder = Responder(AuthoritySource(zones), Clock(), gates=gates, replyBuilder=builder, packetCache=packetCache)
        makes = ZoneReplies(zones, lambda: TODAY, builder.opts, flags=builder.available, secret=SECRET).repliesTo
        while count > 0:
            address = chance.choice((("127.0.0.1", bytes([127, 0, 0, 1])), ("::1", bytes(15) + b"\x01")))
            many = min(count, chance.choice((1, 2, 64)))
            arrived = [(queryFor(chance.choice(names), chance), (address[1], b"")) for _ in range(many)]
            for (query, _), body in zip(arrived, makes(arrived, 0.0), strict=True):
                self.tried += 1
                if body is None:
                    continue
                self.made += 1
                self.denied += body[1] & 15 == 3
                self.cookies += b"\x00\x0a\x00\x18" in body[-32:]
                sent: list[bytes] = []
                responder.take(query, (address[0], 4000), "udp", sent.append)
                if sent != [query[:2] + body]:
                    return f"{query.hex()}: C replies {(query[:2] + body).hex()}, Python {[each.hex() for each in sent]}"
            count -= many
        return ""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.native.differing", description="Compare replies made in C with those of Python.")
    parser.add_argument("--queries", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosenWords = parser.parse_args(words)
    differing = Differing(chosenWords.seed)
    said = differing.run(chosenWords.queries)
    told = f"{differing.made:,} answered in C, {differing.denied:,} with NXDOMAIN, {differing.cookies:,} with cookies"
    sys.stdout.write(f"{said}\n" if said else f"{differing.tried:,} queries, {told}: no difference\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
