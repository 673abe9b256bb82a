"""
Access by keys and by how clients come in: who is answered, in which way all others are refused, and that no reply reaches them.
"""

from __future__ import annotations

import random

import pytest

from tests.server.views.served import Served, queryFor
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply.gates import AccessGate, KeyGate
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.tsig import Key, sign, verify

_TODAY = 1_000_000

_KEYS = Keys.fromTexts([f"hmac-sha256:{name}:{4 * letter}c2VjcmV0" for name, letter in (("partner", "a"), ("other", "b"), ("spare", "c"))])

_FORGED = Key.fromText("hmac-sha256:partner:eHh4eHh4eHg=")

_UNKNOWN = Key.fromText("hmac-sha256:unknown:eHh4eHh4eHg=")

_SETTINGS = {
    "allow": ["10.0.0.0/8", "key=partner", "192.0.2.0/28 key=other tls"],
    "refuse": ["10.9.9.9"],
    "drop": ["10.66.66.66"],
    "local": ["www.example A 192.0.2.80"],
    "recursive": False,
    "hostsFile": "",
}

_TLS = Door(isEncrypted=True)


def _server(network: MemoryNetwork, **values: object) -> Served:
    server = Served(network, "192.0.2.7", Settings.of(**_SETTINGS | values), today=lambda: _TODAY)
    server.frontend.see({}, _KEYS)
    return server


def _asked(server: Served, client: str, key: Key | None, door: Door, number: int = 1, stream: bool = False) -> int | None:
    """
    Return the RCODE of a reply, with the signature that is expected; L{None} without a reply.
    """
    packet, mac = queryFor("www.example", "A", number), b""
    if key is not None:
        packet, mac = sign(packet, key, _TODAY)
    reply = server.ask(packet, client, door=door, stream=stream or door is _TLS)
    if reply is None:
        return None
    if key is not None and key.name in _KEYS and reply.rcode != Rcode.NOTAUTH:
        verdict = verify(reply.wire, _KEYS, _TODAY, requestMac=mac)
        assert (verdict.key is not None) == (reply.trailer is not None)
    return reply.rcode


_PARTNER, _OTHER, _SPARE = [_KEYS.named(name) for name in ("partner", "other", "spare")]


@pytest.mark.parametrize(
    ("client", "key", "door", "expected"),
    [
        ("10.0.0.1", None, NOWHERE, Rcode.NOERROR),
        ("10.0.0.1", _PARTNER, NOWHERE, Rcode.NOERROR),
        ("10.0.0.1", _SPARE, NOWHERE, Rcode.NOERROR),
        ("10.0.0.1", _FORGED, NOWHERE, Rcode.NOTAUTH),
        ("203.0.113.1", None, NOWHERE, Rcode.REFUSED),
        ("203.0.113.1", None, _TLS, Rcode.REFUSED),
        ("203.0.113.1", _PARTNER, NOWHERE, Rcode.NOERROR),
        ("2001:db8::1", _PARTNER, NOWHERE, Rcode.NOERROR),
        ("203.0.113.1", _FORGED, NOWHERE, Rcode.NOTAUTH),
        # Who knows no key that lets clients in does not learn whether there is one.
        ("203.0.113.1", _UNKNOWN, NOWHERE, Rcode.REFUSED),
        ("203.0.113.1", _SPARE, NOWHERE, Rcode.REFUSED),
        # It lets others in.
        ("203.0.113.1", _OTHER, _TLS, Rcode.REFUSED),
        ("192.0.2.1", _OTHER, NOWHERE, Rcode.REFUSED),
        ("192.0.2.1", _OTHER, _TLS, Rcode.NOERROR),
        ("192.0.2.1", None, _TLS, Rcode.REFUSED),
        # A longer prefix decides.
        ("10.9.9.9", _PARTNER, NOWHERE, Rcode.REFUSED),
        ("10.66.66.66", _PARTNER, NOWHERE, None),
    ],
)
def test_whoIsAnswered(client: str, key: Key | None, door: Door, expected: int | None) -> None:
    """
    Each client is answered, refused or dropped as the settings say, at the first time and again, whatever others have asked before.
    """
    server = _server(MemoryNetwork(seed=1))
    try:
        for number in range(4):
            assert _asked(server, client, key, door, number) == expected
            # Replies to those who are let in are in the packet cache.
            assert _asked(server, "10.0.0.2", None, NOWHERE, number) == Rcode.NOERROR
            assert _asked(server, "203.0.113.9", _PARTNER, NOWHERE, number) == Rcode.NOERROR
    finally:
        server.close()


def test_reload() -> None:
    """
    Another access list holds for the next query.
    """
    server = _server(MemoryNetwork(seed=1))
    try:
        assert _asked(server, "203.0.113.1", _PARTNER, NOWHERE) == Rcode.NOERROR
        server.reload(Settings.of(**_SETTINGS | {"allow": ["10.0.0.0/8", "key=spare"]}))
        assert _asked(server, "203.0.113.1", _PARTNER, NOWHERE) == Rcode.REFUSED
        assert _asked(server, "203.0.113.1", _SPARE, NOWHERE) == Rcode.NOERROR
        server.reload(Settings.of(**_SETTINGS | {"allow": ["any"]}))
        assert _asked(server, "203.0.113.1", None, NOWHERE) == Rcode.NOERROR
    finally:
        server.close()


def test_viewsOfThoseWhoAreLetIn() -> None:
    """
    A client that a key lets in is in the view that the key, or its address, leads to.
    """
    views = [
        {"name": "partner", "clients": ["key=partner"], "local": ["www.example A 192.0.2.81"]},
        {"name": "lab", "clients": ["203.0.113.0/24"], "local": ["www.example A 192.0.2.82"]},
    ]
    server = _server(MemoryNetwork(seed=1), view=views, allow=["key=partner", "key=spare"])
    try:
        for key, expected in ((_PARTNER, 81), (_SPARE, 82)):
            reply = server.ask(sign(queryFor("www.example"), key, _TODAY)[0], "203.0.113.1")
            assert reply is not None
            assert reply.answer[0].rdatas[0][3] == expected
        assert _asked(server, "203.0.113.1", None, NOWHERE) == Rcode.REFUSED
    finally:
        server.close()


def test_randomQueries() -> None:
    """
    Of ten thousand queries by random clients, keys and ways each is answered as the entries say that have it.
    """
    dice = random.Random(4)
    server = _server(MemoryNetwork(seed=1))
    keys = (None, None, None, _PARTNER, _OTHER, _SPARE, _FORGED)
    try:
        for number in range(10_000):
            client = dice.choice(["10.0.0.1", "10.9.9.9", "192.0.2.1", "192.0.2.99", "203.0.113.1"])
            key, door = dice.choice(keys), dice.choice([NOWHERE, _TLS, Door("192.0.2.7", port=53)])
            isIn = client == "10.0.0.1" or (key is _PARTNER and client != "10.9.9.9")
            isIn = isIn or (client == "192.0.2.1" and key is _OTHER and door is _TLS)
            expected = Rcode.NOERROR if isIn else Rcode.REFUSED
            # An address that is refused by itself may still be in by its key.
            if key is _FORGED:
                expected = Rcode.NOTAUTH
            stream = dice.randrange(2) == 0
            assert _asked(server, client, key, door, number % 65536, stream) == expected, (client, key, door)
        assert server.frontend.responder.counters.hits > 1000
    finally:
        server.close()


def test_withoutKeys() -> None:
    """
    Where no key lets anybody in, the queries of strangers are refused before their signatures are looked at.
    """
    server = _server(MemoryNetwork(seed=1), allow=["10.0.0.0/8"])
    try:
        for key in (_PARTNER, _FORGED, _UNKNOWN):
            assert _asked(server, "203.0.113.1", key, NOWHERE) == Rcode.REFUSED
        gates = server.frontend.responder.gates
        assert [type(gate) for gate in gates].index(KeyGate) > [type(gate) for gate in gates].index(AccessGate)
    finally:
        server.close()
