"""
Views by how clients come in: which view is found, and that no reply reaches those who came in otherwise.
"""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.server.views.served import Served, queryFor
from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.clients import Clients
from twisted_ext.packetcache.doors import NO_DOORS, NOWHERE, Door, Doors, doorAt
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.server.config.clientwords import CLIENTS, ClientWords
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.views.keeper import Views
from twisted_ext.server.features.views.selectors import Selectors
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.reply.acl import ACTIONS, Access
from twisted_ext.server.settings.doors import checkDoors
from twisted_ext.testing.network import MemoryNetwork

_PREFIXES = ["", "any", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32"]
_CLIENTS = ["10.0.0.1", "10.1.0.1", "10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "2001:db8::1", "2001:db9::1", ""]
_LISTENERS = ["", "192.0.2.53", "192.0.2.54"]
_SERVERS = ["", "lab.example", "dns.example"]
_PATHS = ["", "/dns-query/a", "/dns-query/b"]
_KEYS = ["", "one.", "two."]


def _texts(dice: random.Random) -> list[str]:
    while True:
        rest = [dice.choice(each) if dice.randrange(2) else "" for each in (_KEYS, _LISTENERS, _SERVERS, _PATHS)]
        key, listener, name, path = rest
        port, isEncrypted = dice.choice((0, 0, 53, 853)), not dice.randrange(4)
        words = ClientWords(dice.choice(_PREFIXES), key, listener, name, path, port, isEncrypted)
        if any(words):
            return [str(words)]


def _door(dice: random.Random) -> Door:
    key = dice.choice(["", "", *_KEYS])
    name = b"\x03" + key[:-1].encode() + b"\x00" if key else b""
    where = dice.choice(_LISTENERS), dice.choice(_SERVERS), dice.choice(_PATHS)
    return Door(*where, name, port=dice.choice((0, 53, 853, 443)), isEncrypted=bool(dice.randrange(2)))


def _has(text: str, client: str, door: Door) -> bool:
    """
    Return whether a text names a client, by what each word says.
    """
    for word in text.split():
        name, equals, value = word.partition("=")
        if word == "tls":
            if not door.isEncrypted:
                return False
        elif not equals:
            if text == "any" and not client:
                return False
            if word != "any":
                address = ip_address(client) if client else None
                mapped = getattr(address, "ipv4_mapped", None) or address
                if mapped is None or mapped not in ip_network(word):
                    return False
        elif {
            "key": "" if not door.key else door.key[1:-1].decode() + ".",
            "interface": door.listener,
            "server-name": door.serverName,
            "https-path": door.path,
            "port": str(door.port),
        }[name] != value:
            return False
    return True


def test_firstViewIsFound() -> None:
    """
    Of random views the first one is found that has a client, as word by word comparison says.
    """
    dice = random.Random(11)
    for _ in range(150):
        views = [[text for _ in range(dice.choice((1, 2, 3))) for text in _texts(dice)] for _ in range(dice.randrange(1, 9))]
        selectors = Selectors(views)
        for _ in range(60):
            client, door = dice.choice(_CLIENTS), _door(dice)
            expected = next((number for number, texts in enumerate(views) if any(_has(text, client, door) for text in texts)), -1)
            assert selectors.find(client, door) == expected, (views, client, door)
            assert selectors.find(client, selectors.doors.nearest(door)) == expected
            assert expected not in selectors.hidden


def test_whatMattersOfADoor() -> None:
    """
    What is named by nothing does not matter, and what two things name matters for both.
    """
    door = Door("192.0.2.53", "lab.example", "/a", b"\x03one\x00", 853, True)
    assert NO_DOORS.nearest(door) == NOWHERE
    alone = [Door(**{field: getattr(door, field)}) for field in Door._fields]
    for one in alone:
        assert Doors.of([NOWHERE, one]).nearest(door) == one
        for other in alone:
            both = Doors.of([one]).beside(Doors.of([other]))
            assert both == Doors.of([one, other])
            assert both.nearest(door).words == (1 if one == other else 2)


def test_accessIsDecided() -> None:
    """
    Of random access lists the entry with the longest prefix decides that has a client, then the one with most words, and then the one that
    refuses more, as word by word comparison says.
    """
    dice = random.Random(12)
    lengths = {each: ip_network(each).prefixlen for each in _PREFIXES if "/" in each}
    seen: set[tuple[str, int]] = set()
    for _ in range(400):
        rules: dict[str, list[str]] = {action: [] for action in ACTIONS}
        for _ in range(dice.randrange(1, 9)):
            (text,) = _texts(dice)
            # An entry is in one list only.
            if text not in sum(rules.values(), []):
                rules[dice.choice(ACTIONS)].append(text)
        try:
            access = Access(rules)
        except BadDescription:
            # As "any key=a" and "key=a".
            continue
        for _ in range(60):
            client, door = dice.choice(_CLIENTS[:-1]), _door(dice)
            having = [
                (lengths.get(text.split()[0], 0), len([word for word in text.split() if "=" in word or word == "tls"]), number, action)
                for number, action in enumerate(ACTIONS)
                for text in rules[action]
                if _has(text, client, door)
            ]
            expected = max(having)[3] if having else "refuse"
            assert access.actionFor(client, door) == expected, (rules, client, door)
            assert access.actionFor(client, access.doors.nearest(door)) == expected
            seen.add((expected, len(having)))
    assert {action for action, count in seen if count > 1} == {*ACTIONS}
    # Clients of a Unix socket are let in by the permissions of the socket.
    assert Access({"refuse": ["any", "tls"]}).actionFor("", Door(isEncrypted=True)) == "allow"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key=", "'key=' has nothing behind the equals sign"),
        ("server-name=", "nothing behind"),
        ("key=a key=b", "two words of one kind"),
        ("10.0.0.0/8 10.0.0.1", "two words of one kind"),
        ("", "names no client"),
        ("interface=eth0", "takes an address of this machine"),
        ("interface=0.0.0.0", "stands for all addresses"),
        ("https-path=dns", "takes the path of a URL"),
        ("10.0.0.0/8 path=/dns", "there is no word 'path'"),
        ("192.0.2", "takes an address with or without the length of a prefix"),
        ("server-name=192.0.2.1", "write a host name"),
        ("port=70000", "takes a number from 0 to 65535"),
        ("tls tls", "two words of one kind"),
        ("tls=yes", "there is no word 'tls'"),
    ],
)
def test_badWords(text: str, said: str) -> None:
    """
    Each error says what would be right.
    """
    with pytest.raises(BadDescription) as caught:
        CLIENTS.fromTOML(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("key=Partner 10.1.2.3", "10.1.2.3/32 key=Partner."),
        ("any key=b", "key=b."),
        ("https-path=/x server-name=LAB.example", "server-name=lab.example https-path=/x"),
        ("interface=2001:DB8:0::1", "interface=2001:db8::1"),
    ],
)
def test_oneForm(text: str, same: str) -> None:
    """
    Words are kept in one form and order.
    """
    assert CLIENTS.fromTOML(text) == CLIENTS.fromTOML(same) == same


def _views(*clients: str) -> Settings:
    return Settings.of(view=[{"name": f"view{number}", "clients": [each]} for number, each in enumerate(clients)])


_BOUND = [Bound("192.0.2.53", 53), Bound("192.0.2.53", 853, encryption="tls")]


@pytest.mark.parametrize(
    ("clients", "listening", "said"),
    [
        ("interface=192.0.2.53", _BOUND, ""),
        ("interface=192.0.2.54", _BOUND, "this server does not listen at 192.0.2.54, but at 192.0.2.53"),
        ("interface=192.0.2.53", [Bound("0.0.0.0", 53)], "udp 0.0.0.0:53 does not tell which address a query was sent to"),
        ("interface=192.0.2.53", [*_BOUND, Bound("0.0.0.0", 853, encryption="quic")], "quic 0.0.0.0:853 does not tell"),
        ("interface=192.0.2.53", [Bound("::", 53)], "does not tell"),
        ("interface=2001:db8::1", [Bound("0.0.0.0", 53)], "does not listen at 2001:db8::1"),
        ("interface=192.0.2.54", [Bound("192.0.2.53", 53), Bound("0.0.0.0", 853, encryption="tls")], ""),
        ("server-name=lab.example", _BOUND, ""),
        ("server-name=lab.example", _BOUND[:1], "set tls, https, quic or http3"),
        ("https-path=/dns-query/children", _BOUND, "a path takes https, https-clear or http3"),
        ("https-path=/dns-query", [Bound("192.0.2.53", 443, encryption="https")], "this is https-path"),
        ("key=partner", _BOUND, "there is no key partner. in key-file"),
    ],
)
def test_doorsWithoutClients(clients: str, listening: list[Bound], said: str) -> None:
    """
    A view that no client can get to is an error, which names it.
    """
    settings = _views("10.0.0.0/8", clients)
    if not said:
        checkDoors(settings, listening)
        return
    with pytest.raises(BadDescription) as caught:
        checkDoors(settings, listening)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"view view1: clients {CLIENTS.fromTOML(clients)}: ")


@pytest.mark.parametrize(
    ("clients", "listening", "said"),
    [
        ("port=853", _BOUND, ""),
        ("port=5353", _BOUND, "this server does not listen at port 5353"),
        ("tls", _BOUND, ""),
        ("10.0.0.0/8 tls", _BOUND[:1], "no transport is encrypted; set tls, https, quic or http3"),
        ("key=partner", _BOUND, "there is no key partner. in key-file"),
    ],
)
def test_accessWithoutClients(clients: str, listening: list[Bound], said: str) -> None:
    """
    An entry of an access list that fits no client is an error, which names it; so it is of a view.
    """
    for settings, place in (
        (Settings.of(allow=[clients]), f"allow {CLIENTS.fromTOML(clients)}: "),
        (Settings.of(refuse=["10.9.9.9", clients]), f"refuse {CLIENTS.fromTOML(clients)}: "),
        (_views(clients), f"view view0: clients {CLIENTS.fromTOML(clients)}: "),
    ):
        if not said:
            checkDoors(settings, listening)
            continue
        with pytest.raises(BadDescription) as caught:
            checkDoors(settings, listening)
        assert str(caught.value).startswith(f"{place}{said}")


def test_knownKey(tmp_path: Path) -> None:
    """
    A key of the key file is one that a view may name.
    """
    keys = tmp_path / "keys"
    keys.write_text("hmac-sha256:partner:c2VjcmV0c2VjcmV0c2VjcmV0\n")
    keys.chmod(0o600)
    view = [{"name": "partner", "clients": ["key=Partner"]}]
    checkDoors(Settings.of(view=view, keyFile=str(keys)), _BOUND)


def test_doorAt() -> None:
    """
    Of the address of a socket neither scope nor form matters, and the unspecified one says nothing.
    """
    assert [doorAt(each).listener for each in ("192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0")] == ["192.0.2.1", "192.0.2.1", "fe80::1"]
    assert {doorAt(each) for each in ("", "0.0.0.0", "::", "::ffff:0.0.0.0")} == {NOWHERE}


def test_shownForAnAddress() -> None:
    """
    C{control views ADDRESS} names the view by the address, and those that it is in if it comes in as their texts say.
    """
    views = Views(_views("10.1.0.0/16 key=partner", "10.0.0.0/8", "server-name=lab.example"))
    assert views.of("10.1.0.1")["said"] == [
        "10.1.0.1 is in view view1, which has 10.0.0.0/8",
        "or in view view0: 10.1.0.0/16 key=partner.",
        "or in view view2: server-name=lab.example",
    ]
    assert views.of("192.0.2.1")["said"] == ["192.0.2.1 is in no view", "or in view view2: server-name=lab.example"]


def test_tablesAreBounded() -> None:
    """
    Clients that combine all addresses, names and paths that views name have no more tables made than there are such values, and together
    these have no more clients than one has.
    """
    texts = [f"{word}={value}" for word, values in (("interface", _LISTENERS), ("https-path", _PATHS)) for value in values if value]
    texts += [f"server-name=n{number}.example" for number in range(20)]
    settings = _views(*texts)
    server = Served(MemoryNetwork(seed=1), "192.0.2.7", settings)
    try:
        cache = server.frontend.packetCache
        for number in range(20):
            for listener in _LISTENERS:
                for path in _PATHS:
                    group = cache.at(Door(listener, f"n{number}.example", path)).find("192.0.2.9", 1.0).group
                    assert group.name != "allowed"
        tables = [*cache._beyond.values()]
        assert len(tables) <= 25
        assert sum(each._most for each in tables) <= cache.clients._most + len(tables)
    finally:
        server.close()


def _differences(seed: int, questions: int) -> int:
    """
    Ask random questions by random doors, and return how many replies are not those of their view.
    """
    dice = random.Random(seed)
    texts = ["server-name=lab.example https-path=/dns-query/a", "10.1.0.0/16 interface=192.0.2.54", "https-path=/dns-query/a", "10.0.0.0/8"]
    names = [f"n{number}.example" for number in range(6)]
    turned = False

    def settings() -> Settings:
        views = [
            {"name": f"view{number}", "clients": [text], "local": [f"{name} A 192.0.{1 + turned}.{number}" for name in names]}
            for number, text in enumerate(texts)
        ]
        common = [f"{name} A 192.0.{1 + turned}.255" for name in names]
        return Settings.of(hostsFile="", recursive=False, allow=["any"], local=common, view=views)

    network = MemoryNetwork(seed=seed)
    server = Served(network, "192.0.2.7", settings())
    wrong = 0
    try:
        for number in range(questions):
            if dice.randrange(300) == 0:
                turned = not turned
                server.reload(settings())
            client, door = dice.choice(["10.0.0.1", "10.1.0.1", "192.0.2.1"]), _door(dice)._replace(key=b"")
            reply = server.ask(queryFor(dice.choice(names), "A", number), client, stream=dice.randrange(2) == 0, door=door)
            assert reply is not None
            view = next((at for at, text in enumerate(texts) if _has(text, client, door)), -1)
            wrong += reply.answer[0].rdatas[0][2:] != bytes([1 + turned, view % 256])
        assert server.frontend.responder.counters.hits > questions // 5
    finally:
        server.close()
    return wrong


def test_eachDoorHasItsReplies() -> None:
    """
    Replies from the packet cache, over UDP and TCP, are those of the view that client and door lead to. If doors were ignored, the
    questions would find that.
    """
    assert _differences(1, 5000) == 0

    def at(cache: PacketCache, door: Door) -> Clients:
        return cache.clients

    with patch.object(PacketCache, "at", at):
        assert _differences(1, 500) > 50
