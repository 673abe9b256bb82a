"""
Attempts to get to the view of others, or to learn what they asked.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from time import time
from unittest.mock import patch

import pytest
from hpack import Encoder

from tests.attacks.whole import US, WholeServerTestCase
from tests.queries import queryOf
from twisted_ext.server.listeners.https.headers import HeadMemory, HeadReader
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.service import ServerService
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.tsig import Key, sign

_PATH = "/dns-query/children-8f1b2c3d"
_SECRET = b64encode(bytes(range(32))).decode()
_NAME = "secret.test.example"


@pytest.mark.parametrize(
    "target",
    [
        _PATH.upper(),
        _PATH + "/",
        _PATH + "/..",
        "/dns-query/x/../" + _PATH.rpartition("/")[2],
        _PATH.replace("children", "%63hildren"),
        _PATH.replace("/dns-query", "//dns-query"),
        _PATH[:-1],
        "/dns-query" + "?path=" + _PATH,
        _PATH + "\x00",
        "https://dns.example" + _PATH,
    ],
)
def test_otherPathsLeadNowhere(target: str) -> None:
    """
    Only the very octets of a path lead to its view; no other target is taken for it.
    """
    endpoint = Endpoint()
    endpoint.serve([_PATH])
    asked = [each + b"?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA29yZwAAAQAB" for each in (_PATH.encode(), target.encode())]
    wanted, found = [endpoint.head(b"GET", each, None, None) for each in asked]
    assert (wanted.status, wanted.path) == (None, _PATH)
    assert found.path == ""
    assert found.status is not None


def _meanings() -> list[str]:
    """
    Return the paths that two connections mean in turns by the same octets, which refer to what each has said before.
    """
    memory = HeadMemory(Endpoint())
    memory.serve([_PATH])
    found: list[str] = []
    peers = [(Encoder(), HeadReader(memory), path) for path in ("/dns-query", _PATH)]
    blocks: set[bytes] = set()
    for turn in range(4):
        for encoder, reader, path in peers:
            fields = [(":method", "POST"), (":scheme", "https"), (":authority", "dns.example"), (":path", path)]
            block = encoder.encode([*fields, ("content-type", "application/dns-message")])
            head = reader.read(block)
            assert head is not None
            found.append(head.path)
            if turn:
                blocks.add(block)
    assert len(blocks) == 1
    return found


def test_octetsMeanWhatTheirConnectionSays() -> None:
    """
    The octets of a header that refer to the table of their connection never mean the path of another connection. If tables were not told
    apart, they would.
    """
    expected = ["", _PATH] * 4
    assert _meanings() == expected
    with patch.object(HeadMemory, "tableOf", lambda memory, entries: 1):
        assert _meanings() != expected


def test_pathsThatAreServedNoMore() -> None:
    """
    After a reload a path leads to no view any more, whatever was known of its octets.
    """
    memory = HeadMemory(Endpoint())
    memory.serve([_PATH])
    encoder, reader = Encoder(), HeadReader(memory)
    fields = [(":method", "POST"), (":scheme", "https"), (":authority", "dns.example"), (":path", _PATH)]
    fields.append(("content-type", "application/dns-message"))
    for _ in range(4):
        head = reader.read(encoder.encode(fields))
        assert head is not None and (head.path, head.status) == (_PATH, None)
    memory.serve([])
    head = reader.read(encoder.encode(fields))
    assert head is not None and head.path == ""
    assert head.status is not None and head.status.code == 404


class ViewsTests(WholeServerTestCase):
    """
    Attempts on a whole server. The client of the tests is at 192.168.0.9.
    """

    def serving(self, *views: dict[str, object], **values: object) -> ServerService:
        """
        Start a server whose view C{lab} has another upstream.
        """
        CannedServer({(_NAME, "A"): "10.0.0.54"}).listen(self.network.reactor("192.0.2.54"))
        keys = Path(self.mktemp())
        keys.write_text(f"hmac-sha256:partner:{_SECRET}\n")
        keys.chmod(0o600)
        lab = {"name": "lab", "upstream": ["192.0.2.54"], **(views[0] if views else {})}
        return self.run_(view=[{"clients": ["10.0.0.1"], **lab}], keyFile=str(keys), **values)

    def replyTo(self, packet: bytes) -> Message:
        """
        Send a query, and return the reply.
        """
        self.client.got.clear()
        self.network.inject(packet, ("192.168.0.9", 4000), (US, 53))
        self.network.advance(0.5)
        (octets,) = self.client.got
        return Message.fromWire(octets)

    def test_cachesOfOthersCannotBeSounded(self) -> None:
        """
        A query without RD, which is answered from the cache only, does not tell what the clients of another view have asked; nor does the
        TTL of an answer.
        """
        service = self.serving()
        self.upstream.set(_NAME, "A", "192.0.2.80")
        self.network.inject(queryOf(_NAME, id=7), ("10.0.0.1", 4000), (US, 53))
        self.network.advance(0.5)
        self.assertEqual([each.caching.stats.entries for each in service.backends], [0, 1])
        self.assertEqual(self.replyTo(queryOf(_NAME, id=8, flags=0)).flags & 15, Rcode.REFUSED)
        self.network.advance(20)
        self.assertEqual(self.replyTo(queryOf(_NAME, id=9)).answer[0].ttl, 300)

    def test_wrongSignaturesLeadNowhere(self) -> None:
        """
        The name of a key alone, or a signature with another secret, leads to no view: it is refused.
        """
        self.serving({"clients": ["key=partner"]})
        self.upstream.set(_NAME, "A", "192.0.2.80")
        right = Key.fromText(f"hmac-sha256:partner:{_SECRET}")
        for key, expected in ((right, "10.0.0.54"), (Key(right.name, bytes(32)), ""), (right, "10.0.0.54")):
            packet, _ = sign(queryOf(_NAME, id=5), key, time())
            reply = self.replyTo(packet)
            found = ".".join(map(str, reply.answer[0].rdatas[0])) if reply.answer else ""
            self.assertEqual((found, reply.flags & 15), (expected, Rcode.NOERROR if expected else Rcode.NOTAUTH))
            self.assertEqual(self.replyTo(queryOf(_NAME, id=6)).answer[0].rdatas[0], bytes([192, 0, 2, 80]))

    def test_keysLetNoClientIn(self) -> None:
        """
        A valid signature does not help a client that may not query.
        """
        self.serving({"clients": ["key=partner"]}, allow=["10.0.0.0/8"])
        packet, _ = sign(queryOf(_NAME, id=5), Key.fromText(f"hmac-sha256:partner:{_SECRET}"), time())
        self.assertEqual(self.replyTo(packet).flags & 15, Rcode.REFUSED)
