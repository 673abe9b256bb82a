"""
Attack 27: amplification by datagrams that look like a key of the packet cache.

A reply that differs only by the case of the name or by options is stored under a key made of parts of the query. A datagram of such a key
is a malformed request, and must not be answered with what is stored.
"""

from __future__ import annotations

from tests.attacks.whole import EVIL, WholeServerTestCase
from tests.queries import optOf, queryOf
from tests.server.test_service import US
from twisted_ext.packetcache.shape import shapeOf
from twisted_ext.server.service import ServerService


class ShapeKeyTests(WholeServerTestCase):
    """
    Tests with a name with a large answer, queried by a neighbor of the attacker with an EDNS option.
    """

    def prepare(self, **values: object) -> ServerService:
        """
        Let a long reply be stored by its shape.
        """
        service = self.run_(allow=["192.168.0.0/16"], **values)
        self.upstream.set("big.test.example", "TXT", [f'"{number}{190 * "x"}"' for number in range(5)])
        query = queryOf("big.test.example", "TXT", opt=optOf(options=[(12, b"\x00\x00")]))
        for _ in range(3):
            self.network.inject(query, ("192.168.0.50", 4000), (US, 53))
            self.network.advance(0.5)
        self.assertGreater(self.datagramsSentTo("192.168.0.50"), 0)
        key, _, _, _ = shapeOf(query, query[2:])
        assert key
        self.packet = b"id" + key
        return service

    def attack(self) -> list[bytes]:
        """
        Return what five packets of the key are answered with.
        """
        self.network.recording = True
        for _ in range(5):
            self.network.inject(self.packet, (EVIL, 4000), (US, 53))
            self.network.advance(0.1)
        return [each.octets for each in self.network.datagrams if each.destination[0] == EVIL]

    def test_attack27_shapeKeysGetErrors(self) -> None:
        """
        Such datagrams get replies no larger than they are, which say that they are malformed.
        """
        service = self.prepare()
        packetCache = service.frontend.packetCache
        self.assertEqual([len(group.datagrams) for group in packetCache.groups if len(group.datagrams)], [1])
        replies = self.attack()
        self.assertEqual([reply[3] & 15 for reply in replies], [1] * 5)
        self.assertLessEqual(max(map(len, replies)), len(self.packet))
        self.assertIsNone(packetCache.find(self.packet, EVIL, self.here.seconds()))

    def test_attack27_mixedTablesWouldReply(self) -> None:
        """
        If shapes were stored among whole datagrams, each such datagram would get the whole reply.
        """
        service = self.prepare()
        for group in service.frontend.packetCache.groups:
            for table in (group.datagrams, group.messages):
                table._young.update(table._youngShapes)
        replies = self.attack()
        self.assertEqual(len(replies), 5)
        self.assertGreater(min(map(len, replies)), 20 * len(self.packet))
