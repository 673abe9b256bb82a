"""
Tests of replies that the C extension makes where limits apply: a server that has them made sends what one does that makes them in Python.
"""

from __future__ import annotations

import random
from ipaddress import ip_address
from typing import Final

from tests.native.differing import extended
from tests.packetcache.pairs import Side
from tests.queries import mixedCase, optOf, queryOf
from twisted_ext.apps.cli.server.report import statLines
from twisted_ext.metrics.figures import figuresOf
from twisted_ext.native.loops import Place, joined
from twisted_ext.packetcache.clients import Client
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.message import Message

#: The start of the clock in seconds since 1970.
_TODAY: Final = 1_795_000_000

#: Clients: two of no view, one of a view, one that needs a cookie, one of no view, one refused, one dropped.
_CLIENTS: Final = ("203.0.113.1", "2001:db8::1", "203.0.9.1", "10.9.0.1", "192.0.2.77", "192.168.7.7", "198.51.100.7")

_NAMES: Final = ("www.example.org", "www.example.org", "no.example.org", "a.wild.example.org", "alias.example.org", "x.y")

_SETTINGS: Final[dict[str, object]] = {
    "role": "serve",
    "refuse": ["192.168.7.0/24"],
    "drop": ["198.51.100.0/24"],
    "requireCookie": ["10.9.0.0/16"],
    "nsid": "us",
    "responseRate": 5,
}

_VIEW: Final = {"name": "children", "clients": ["203.0.9.0/24"], "block": ["a.wild.example.org"]}


class _Limited(Side):
    """
    A server without cached replies, whose clients have addresses as the C extension reads them.
    """

    def __init__(self, network: MemoryNetwork, address: str, **settings: object) -> None:
        super().__init__(network, address, remembers=False, settings={**_SETTINGS, **settings})

    def ask(self, packet: bytes, client: str) -> list[bytes]:
        """
        Receive a datagram, and return what is sent.
        """
        sent: list[bytes] = []
        responder = self.serving.responder

        def receive() -> list[tuple[bytes, Place]]:
            return [(packet, (ip_address(client).packed, b""))]

        def send(queries: list[tuple[bytes, Place]], replies: list[bytes]) -> int:
            sent.extend([octets for octets, _ in joined(queries, replies)])
            return 0

        def beyond(datagram: bytes, address: Place, known: Client, now: float) -> None:
            self.beyond += 1
            responder.take(datagram, (client, 4000), "udp", sent.append, None, known)

        self.serving.packetCache.drain(receive, send, self.clock.seconds(), beyond, responder.counters)
        return sent


def _pair(network: MemoryNetwork, **settings: object) -> tuple[_Limited, _Limited]:
    """
    Return a server whose replies are made in C, and one whose replies are not.
    """
    with extended():
        made = _Limited(network, "192.0.2.7", **settings)
    assert made.serving.packetCache.made is not None
    plain = _Limited(network, "192.0.2.8", **settings)
    plain.serving.packetCache.made = None
    return made, plain


def _network() -> MemoryNetwork:
    network = MemoryNetwork(seed=1)
    network.recording = False
    network.advance(_TODAY)
    return network


def _comparable(reply: bytes) -> bytes:
    """
    Return a reply without its server cookie, of which Python sends one for some seconds, while C makes each anew.
    """
    return reply[:-16] if reply[-28:-24] == b"\x00\x0a\x00\x18" else reply


def test_limitsHoldAlike() -> None:
    """
    With limits of replies and of queries, slips, cookies that are required, access and views, each client gets the same replies, octet by
    octet but for the time in cookies, whether they are made in C or in Python.
    """
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    withheld = 0
    for slip in (0, 1, 2, 3):
        network = _network()
        sides = _pair(network, responseSlip=slip, clientRate=40, view=[_VIEW])
        cookies: dict[str, bytes] = {}
        with extended():
            for number in range(2500):
                if chance.random() < 0.2:
                    network.advance(chance.choice((0.01, 0.1, 0.3, 2.0)))
                client = chance.choice((*_CLIENTS, "203.0.113.1", "203.0.113.1"))
                own = client.encode().ljust(8)[:8]
                options = chance.choice(([], [(10, own)], [(10, own)], [(10, cookies.get(client, own))], [(3, b"")]))
                opt = chance.choice((b"", optOf(options=options), optOf(options=options)))
                name = chance.choice(_NAMES)
                query = queryOf(name, chance.choice(("A", "A", "A", "AAAA", "TXT")), opt=opt)
                if chance.random() < 0.2:
                    query = mixedCase(query, chance.getrandbits(20))
                made, plain = [side.ask(query, client) for side in sides]
                same = [*map(_comparable, made)] == [*map(_comparable, plain)]
                assert same, f"seed {seed}, slip {slip}, query {number} of {client}: {query.hex()}"
                withheld += not made
                for each in made:
                    edns = Message.fromWire(each).edns
                    if edns is not None:
                        cookies[client] = dict(edns.options).get(10, own)
        assert sides[0].beyond < sides[1].beyond
        for side in sides:
            side.close()
    assert withheld > 100


def test_slipsReachClientsWithCookies() -> None:
    """
    A client that sends a client cookie, as BIND and dig do at first, gets the truncated replies that C{response-slip} promises, with
    the server cookie that exempts it from the limit.
    """
    network = _network()
    made, plain = _pair(network, responseSlip=1)
    query = queryOf("www.example.org", opt=optOf(options=[(10, bytes(8))]))
    with extended():
        for side in (made, plain):
            replies = [Message.fromWire(reply) for _ in range(80) for reply in side.ask(query, "203.0.113.1")]
            assert [bool(reply.flags & 0x200) for reply in replies] == [False] * 5 + [True] * 75
            assert all(reply.edns is not None and len(dict(reply.edns.options)[10]) == 24 for reply in replies)
            side.close()


def test_madeRepliesAreCountedApart() -> None:
    """
    Replies that are made from zones in C are no hits of the packet cache, in figures and in what C{txdns control stats} prints.
    """
    network = _network()
    made, plain = _pair(network, responseRate=0)
    with extended():
        for number in range(20):
            for side in (made, plain):
                side.ask(queryOf(f"h{number}.example.org"), "203.0.113.1")
    figures = figuresOf(made.serving.responder.counters)
    # The first query of a client takes the full path.
    assert (figures.queries, figures.numbers["udpMade"], figures.laneHits, figures.atHand) == (20, 19, 0, 20)
    assert ["made", "from", "zones", "19", "95.0%"] in [line.split() for line in statLines(figures.toJSON())]
    figures = figuresOf(plain.serving.responder.counters)
    assert (figures.queries, figures.numbers["udpMade"], figures.laneHits, figures.atHand) == (20, 0, 0, 20)
    assert not any("made from zones" in line for line in statLines(figures.toJSON()))
    for side in (made, plain):
        side.close()
