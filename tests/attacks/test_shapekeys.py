"""
Attack 27: amplification by datagrams that look like a key of the packet cache.

A reply that differs only by the case of the name or by options is stored under a key made of parts of the query. A datagram of such a key
is a malformed request, and must not be answered.
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
        self.upstream.set("big.example.test", "TXT", [f'"{number}{190 * "x"}"' for number in range(5)])
        query = queryOf("big.example.test", "TXT", opt=optOf(options=[(12, b"\x00\x00")]))
        for _ in range(3):
            self.network.inject(query, ("192.168.0.50", 4000), (US, 53))
            self.network.advance(0.5)
        self.assertGreater(self.datagramsSentTo("192.168.0.50"), 0)
        shape = shapeOf(query)
        assert shape is not None
        self.packet = b"id" + shape.key
        return service

    def attack(self) -> int:
        """
        Return the datagrams that five packets of the key cause.
        """
        before = self.datagramsSentTo()
        for _ in range(5):
            self.network.inject(self.packet, (EVIL, 4000), (US, 53))
            self.network.advance(0.1)
        return self.datagramsSentTo() - before

    def test_attack27_shapeKeysGetNoReply(self) -> None:
        """
        Such datagrams get no reply, over UDP or TCP.
        """
        service = self.prepare()
        packetCache = service._parts.packetCache
        self.assertEqual([len(group.datagrams) for group in packetCache.groups if len(group.datagrams)], [1])
        self.assertEqual(self.attack(), 0)
        self.assertIsNone(packetCache.find(self.packet, EVIL, self.here.seconds()))

    def test_attack27_mixedTablesWouldReply(self) -> None:
        """
        If shapes were stored among whole datagrams, each such datagram would get the whole reply.
        """
        service = self.prepare()
        for group in service._parts.packetCache.groups:
            for table in (group.datagrams, group.messages):
                table._young.update(table._youngShapes)
        self.assertEqual(self.attack(), 5)
        self.assertLess(len(self.packet) * 30, 1069)
