"""
Two servers with the same settings, one with and one without a packet cache, and packets that could yield different replies.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from struct import pack

from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.metrics.counters import Counters
from twisted_ext.native.loops import joined
from twisted_ext.packetcache.clients import Client
from twisted_ext.packetcache.shape import shapeOf
from twisted_ext.packetcache.table import Table
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.tsig import Key, sign
from twisted_ext.zone.zone import Zone

__all__ = ["CLIENTS", "Pair", "Side", "packets"]

#: The start of the clock in seconds since 1970.
_TODAY = 1_795_000_000

_SECRET = bytes(range(16))

_KEY = Key.fromText("hmac-sha256:key.example.org:c2VjcmV0IG9mIGtleXM=")
_STRANGER = Key.fromText("hmac-sha256:stranger.example.org:c2VjcmV0IG9mIGtleXM=")

_ZONE = f"""
$TTL 300
@       SOA     ns1 hostmaster 1 3600 600 86400 60
        NS      ns1
        MX      10 www
ns1     A       192.0.2.1
www     A       192.0.2.80
        AAAA    2001:db8::80
        TYPE16705 \\# 2 4142
alias   CNAME   www
far     CNAME   www.test.example.
*.wild  A       192.0.2.4
sub     NS      ns.sub
ns.sub  A       192.0.2.53
{"".join([f"big     TXT     {number}{190 * 'x'}{chr(10)}" for number in range(5)])}
"""

#: The records of the upstream.
_RECORDS = {
    ("www.test.example", "A"): "192.0.2.80",
    ("www.test.example", "AAAA"): "2001:db8::1",
    ("test.example", "MX"): ["10 mail.test.example.", "20 MAIL.other.test."],
    ("many.test.example", "A"): [f"192.0.2.{number}" for number in range(60)],
    ("text.test.example", "TXT"): [f'"{number}{190 * "y"}"' for number in range(5)],
    ("www.test.example", "TYPE16705"): "\\# 2 4142",
}

_NAMES = [
    "www.example.org", "alias.example.org", "far.example.org", "a.wild.example.org", "sub.example.org", "x.sub.example.org",
    "big.example.org", "no.example.org", "example.org", "www.test.example", "test.example", "many.test.example", "text.test.example",
    "no.test.example", "router.lan", "localhost", "version.bind",
]  # fmt: skip
_TYPES: list[str | int] = ["A", "A", "A", "A", "AAAA", "TXT", "TXT", "MX", "NS", "SOA", "ANY", "AXFR", "IXFR", 0x4141, 0x6161, 0, 41, 250]

#: Three addresses that may query everything, one that needs a cookie, one that may query zones only, one refused, one dropped.
CLIENTS = ("127.0.0.1", "::ffff:127.0.0.1", "fd00::1", "10.9.0.1", "203.0.113.9", "192.168.7.7", "198.51.100.7")

_SETTINGS: dict[str, object] = {
    "hostsFile": "",
    "upstream": ["192.0.2.53"],
    "local": ["router.lan A 192.168.1.1", "router.lan TXT hello"],
    "refuse": ["192.168.7.0/24"],
    "drop": ["198.51.100.0/24"],
    "requireCookie": ["10.9.0.0/16"],
    "versionBind": "us",
    "nsid": "us",
    # The packet cache changes how often the cache is asked, on which prefetching depends.
    "prefetch": False,
}


class Side:
    """
    One of the two servers.

    @ivar beyond: The number of packets that the packet cache could not answer.
    """

    def __init__(self, network: MemoryNetwork, address: str, *, remembers: bool, settings: Mapping[str, object] = _SETTINGS) -> None:
        self.clock = clock = network.reactor(address)
        zones = Zones()
        zones.put(Zone.fromText(_ZONE, "example.org"))
        self.settings = Settings.of(**settings)
        # Shared ones: those of a server alone differ with the C extension.
        site = Site(clock, self.settings, today=clock.seconds, zones=zones, secret=_SECRET, cookieSecrets=(_SECRET,))
        features = Features(site)
        self.stack = stackFor(clock, self.settings, zones, features)
        self.serving = Frontend(features, self.stack, Counters())
        self.serving.see({}, Keys([_KEY]))
        for group in self.serving.packetCache.groups:
            if remembers:
                # Stores every reply when it is first sent.
                group.datagrams, group.messages = Table(1 << 20, sights=0, shown=group.shown), Table(1 << 20, sights=0, stream=True)
            else:
                group.datagrams, group.messages = _Forgetful(), _Forgetful(stream=True)
        self.beyond = 0
        self._sent: list[bytes] = []

    def datagram(self, packet: bytes, client: str) -> None:
        """
        Receive a datagram.
        """
        responder = self.serving.responder

        def receive() -> list[tuple[bytes, tuple[str, int]]]:
            return [(packet[:4096], (client, 4000))]

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            self._sent.extend([octets for octets, _ in joined(queries, replies)])
            return 0

        def beyond(datagram: bytes, address: tuple[str, int], known: Client, now: float) -> None:
            self.beyond += 1
            responder.take(datagram, address, "udp", self._sent.append, None, known)

        self.serving.packetCache.drain(receive, send, self.clock.seconds(), beyond, responder.counters)

    def message(self, packet: bytes, client: str) -> None:
        """
        Receive a message over a stream, as the listener does.
        """
        reply = self.serving.packetCache.find(packet, client, self.clock.seconds())
        if reply is not None:
            self._sent.append(packet[:2] + reply)
            return
        self.beyond += 1
        known = self.serving.packetCache.clients.find(client, self.clock.seconds())
        if known.group.action == "drop" or not self.serving.responder.take(packet, (client, 4000), "tcp", self._sent.append, None, known):
            self._sent.append(b"ended")

    def take(self) -> list[bytes]:
        """
        Return what was sent since the last call.
        """
        sent, self._sent = self._sent, []
        return sent

    def close(self) -> None:
        """
        Close the server.
        """
        self.serving.responder.close()
        self.stack.close()


class _Forgetful(Table):
    """
    A table that stores nothing.
    """

    __slots__ = ()

    def offer(self, datagram: bytes, reply: object, *, varies: bool = False, personal: bool = False) -> None:
        pass


class Pair:
    """
    Both servers and their upstream.
    """

    def __init__(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.recording = False
        self.network.advance(_TODAY)
        self.upstream = CannedServer(_RECORDS)
        self.upstream.listen(self.network.reactor("192.0.2.53"))
        self.quick = Side(self.network, "192.0.2.7", remembers=True)
        self.slow = Side(self.network, "192.0.2.8", remembers=False)

    def replies(self, packet: bytes, client: str, *, stream: bool, passes: float = 0.0) -> tuple[list[bytes], list[bytes]]:
        """
        Return what each of them sends.

        @param passes: The seconds before the packet arrives.
        """
        if passes:
            self.network.advance(passes)
        for side in (self.quick, self.slow):
            if stream:
                side.message(packet, client)
            else:
                side.datagram(packet, client)
        if self.quick.serving.responder.counters.pending or self.slow.serving.responder.counters.pending:
            self.network.advance(0.05)
        return self.quick.take(), self.slow.take()

    def close(self) -> None:
        """
        Close both servers.
        """
        self.quick.close()
        self.slow.close()
        self.network.advance(10)


def _options(dice: random.Random) -> list[tuple[int, bytes]]:
    """
    Return random EDNS options.
    """
    made: list[tuple[int, bytes]] = []
    while dice.random() < 0.4:
        code = dice.choice((COOKIE, COOKIE, COOKIE, 3, 8, 9, 11, 12, 65001))
        octets = dice.choice((b"clientA1", b"clientB2", b"short", bytes(24), b"")) if code == COOKIE else bytes(dice.randrange(5))
        made.append((code, octets))
    return made


def _query(dice: random.Random, cookies: Cookies, today: int, names: list[str]) -> bytes:
    """
    Return a random query.
    """
    opt = b""
    if dice.random() < 0.6:
        options = _options(dice)
        if dice.random() < 0.2:
            # The same cookie for ten minutes, as clients use it.
            client, octets = dice.choice(CLIENTS), b"clientC3"
            good = cookies.check(client.removeprefix("::ffff:"), octets, today - today % 600)
            options.append((COOKIE, good.option[4:]))
        opt = optOf(
            dice.choice((0, 512, 700, 1232, 1232, 1232, 4096, 65535)),
            flags=dice.choice((0, 0, 0, 0x8000, 0x4000)),
            options=options,
            version=dice.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
        )
    made = queryOf(
        dice.choice(names),
        dice.choice(_TYPES),
        id=dice.randrange(4),
        flags=dice.choice((0x0100, 0x0100, 0x0100, 0x0100, 0x0100, 0x0000, 0x0110, 0x0120, 0x8100, 0x2100)),
        rrClass=dice.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 255)),
        opt=opt,
    )
    if dice.random() < 0.3:
        made = mixedCase(made, dice.getrandbits(64))
    if dice.random() < 0.05:
        made = sign(made, dice.choice((_KEY, _KEY, _STRANGER)), today)[0]
    return made


def _changed(dice: random.Random, packet: bytes, other: bytes) -> bytes:
    """
    Return a packet that is a variation of these.
    """
    octets, end, _, _ = shapeOf(packet, packet[2:])
    at = dice.randrange(len(packet)) if packet else 0
    way = dice.randrange(9)
    if way < 3 and octets:
        # What a table could mistake for one of its keys, whole or in parts.
        keys = (octets, octets[1:], octets[: end - 2], octets[2:], octets + other[-11:], octets[: end - 2] + other[-11:])
        return pack(">H", dice.randrange(4)) + dice.choice(keys)
    if way == 3:
        return packet[:at] + bytes([dice.randrange(256)]) + packet[at + 1 :]
    if way == 4:
        return packet[:at] + packet[at + dice.randrange(3) :]
    if way == 5:
        return packet[:at] + dice.randbytes(dice.randrange(3)) + packet[at:]
    if way == 6:
        return packet[:4] + pack(">HHHH", *[dice.choice((0, 0, 1, 1, 2)) for _ in range(4)]) + packet[12:]
    if way == 7:
        return packet[:2] + dice.choice((b"\x81\x80", b"\x81\x00", b"\xfd\x01", b"\xfe\x01", b"\xff\x01", other[2:4])) + packet[4:]
    return packet[:at] + other[at:]


def packets(count: int, seed: int) -> Iterator[tuple[bytes, str, bool, float]]:
    """
    Yield packets, many of them repeated or derived from others, each with its client, whether it comes over a stream, and the
    seconds before it.
    """
    dice = random.Random(seed)
    cookies = Cookies(_SECRET)
    today = float(_TODAY)
    pool: list[bytes] = [_query(dice, cookies, _TODAY, _NAMES)]
    client = CLIENTS[0]
    names = _NAMES
    for number in range(count):
        if number % 200 == 0:
            # Few at a time, so that queries are repeated.
            names = dice.sample(_NAMES, 3)
        passes = dice.choice((0.0,) * 200 + (0.3, 0.7, 1.0, 7.25))
        today += passes
        if dice.random() < 0.15:
            client = dice.choice((CLIENTS[0], CLIENTS[0], *CLIENTS))
        way = dice.random()
        if way < 0.15:
            packet = _query(dice, cookies, int(today), names)
        elif way < 0.75:
            packet = dice.choice(pool)
        else:
            packet = _changed(dice, dice.choice(pool), dice.choice(pool))
        if len(pool) < 40:
            pool.append(packet)
        elif dice.random() < 0.1:
            pool[dice.randrange(len(pool))] = packet
        yield packet, client, dice.random() < 0.25, passes
