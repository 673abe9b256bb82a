"""
EDNS compliance of each encrypted listener, by dig and by dnspython, and equal replies over all transports.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.live.encrypted.everywhere import QUERIES, TRANSPORTS
from tests.live.encrypted.serving import NAME, Encrypted, output, serving
from tests.live.servers.test_serving import COMPLIANCE
from tests.patience import PATIENCE
from tests.peers import peer
from tests.test_architecture import ROOT

#: Replies by query and transport. Each is a dictionary, or the text of an error.
Replies = dict[str, dict[str, dict[str, object]]]

_SOA = ["test.example. 300 IN SOA ns.test.example. mail.test.example. 1 3600 600 86400 300"]

#: What the replies have in common: rcode, number of answers, and version, flags and options of EDNS, of which -1 means none.
_EXPECTED: dict[str, tuple[str, int, list[object]]] = {
    "plain": ("NOERROR", 1, [-1, 0, 0, []]),
    "norec": ("NOERROR", 1, [-1, 0, 0, []]),
    "edns": ("NOERROR", 1, [0, 0, 1232, []]),
    "edns100": ("BADVERS", 0, [0, 0, 1232, []]),
    "ednsopt": ("NOERROR", 1, [0, 0, 1232, []]),
    "ednsopt with data": ("NOERROR", 1, [0, 0, 1232, []]),
    "ednsflags": ("NOERROR", 1, [0, 0, 1232, []]),
    "do": ("NOERROR", 1, [0, 0x8000, 1232, []]),
    "edns100opt": ("BADVERS", 0, [0, 0, 1232, []]),
    "type666": ("NOERROR", 0, [0, 0, 1232, []]),
    "opcode15": ("NOTIMP", 0, [-1, 0, 0, []]),
    "header only": ("NOTIMP", 0, [-1, 0, 0, []]),
    "z": ("NOERROR", 1, [-1, 0, 0, []]),
    "tc": ("NOERROR", 1, [-1, 0, 0, []]),
    "ra": ("NOERROR", 1, [-1, 0, 0, []]),
    "cookie": ("NOERROR", 1, [0, 0, 1232, ["cookie for b'12345678'"]]),
    "short cookie": ("FORMERR", 0, [0, 0, 1232, []]),
    "client subnet": ("NOERROR", 1, [0, 0, 1232, []]),
}


@pytest.fixture(scope="module")
def replies(server: Encrypted) -> Replies:
    """
    Return all replies.
    """
    ports = {"plain": server.port, "tls": server.tls, "https": server.https, "quic": server.quic}
    command = [sys.executable, "-m", "tests.live.encrypted.everywhere", json.dumps(ports), str(server.trust.ca), NAME]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found: Replies = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("title", QUERIES)
def test_repliesAreEqual(replies: Replies, title: str) -> None:
    """
    The reply to a query is the same over all transports, but for padding and cookies. Only UDP truncates.
    """
    found = replies[title]
    expected = found["tcp"]
    assert isinstance(expected, dict), expected
    if title.startswith("long"):
        assert str(found["udp"]["flags"]).split() == ["QR", "AA", "TC", "RD", "RA"]
        found = {**found, "udp": expected}
    assert [transport for transport in TRANSPORTS if found[transport] != expected] == [], found


@pytest.mark.parametrize("title", _EXPECTED)
def test_repliesComply(replies: Replies, title: str) -> None:
    """
    Queries with unknown versions, flags, options, types and operations get what the EDNS compliance tests ask for.
    """
    reply = replies[title]["quic"]
    sections = reply["sections"]
    assert isinstance(sections, list)
    assert (reply["rcode"], len(sections[1]), reply["edns"]) == _EXPECTED[title]
    assert len(sections[1]) == 0 or sections[1] == _SOA
    assert not {"TC", "AD", "Z"} & set(str(reply["flags"]).split())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """
    Start our server with the zone of the list for dig.
    """
    folder = tmp_path_factory.mktemp("authority")
    zone = folder / "example.org"
    zone.write_text("$TTL 300\n@ SOA ns mail 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
    with serving(folder, "--role", "serve", "--zone", f"example.org={zone}") as server:
        yield server


@pytest.mark.parametrize("transport", ["+tls", "+https", "+https-get"])
def test_listForDig(authority: Encrypted, transport: str) -> None:
    """
    Each query of the EDNS compliance tests gets its reply over TLS, and over HTTPS by both methods.
    """
    dig = peer("dig")
    port = str(authority.tls if transport == "+tls" else authority.https)
    for title, (words, present, absent) in COMPLIANCE.items():
        said = output(dig, "@127.0.0.1", "-p", port, transport, "+tries=1", "+time=10", "+norec", *words.split())
        assert [text for text in present if text not in said] == [], (title, said)
        assert [text for text in absent if text in said.partition("Got answer")[2]] == [], (title, said)
