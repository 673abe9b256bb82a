"""
Pain 16: a UDP server that never truncates (Twisted #6949, #12604).
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from tests.queries import optOf, queryOf
from tests.server.zones.transfer.askers import Asker, Datagrams
from tests.server.zones.transfer.replicas import PRIMARY, Host
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Message
from twisted_ext.zone.zone import Zone

ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.1
""" + "".join([f'big TXT "{number:03d} {"x" * 200}"\nmany A 192.0.2.{number}\n' for number in range(1, 60)])


class TruncationTests(NetworkTestCase):
    """
    A server with names that have many records.
    """

    def setUp(self) -> None:
        super().setUp()
        self.host = Host(self.network.reactor(PRIMARY), PRIMARY)
        self.host.zones.put(Zone.fromText(ZONE, "example.org"))

    def tearDown(self) -> None:
        self.host.end()
        self.network.advance(1)
        super().tearDown()

    def datagram(self, query: bytes) -> Message:
        """
        Return the reply over UDP.
        """
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        port.write(query, (PRIMARY, 53))
        self.network.advance(1)
        port.stopListening()
        return Message.fromWire(socket.replies[0]).check()

    def test_pain16_largeRepliesAreTruncated(self) -> None:
        """
        A reply never exceeds the client's size or 1,232 octets. Sets that do not fit are left out whole, with TC.
        """
        for size, opt in ((512, b""), (512, optOf(100)), (800, optOf(800)), (1232, optOf(1232)), (1232, optOf(65535))):
            for name in ("big", "many"):
                reply = self.datagram(queryOf(f"{name}.example.org", "TXT" if name == "big" else "A", opt=opt))
                self.assertLessEqual(len(reply.wire), size)
                count = sum(len(rrset.rdatas) for rrset in reply.answer)
                self.assertEqual((bool(reply.flags & TC), count), (True, 0) if count == 0 else (False, 59))
        self.assertTrue(self.datagram(queryOf("many.example.org", opt=b"")).flags & TC)
        self.assertFalse(self.datagram(queryOf("many.example.org", opt=optOf(1232))).flags & TC)

    def test_pain16_TCPGivesTheWholeSet(self) -> None:
        """
        The whole set comes over TCP.
        """
        asker = Asker.at(self.network, self.here, PRIMARY)
        asker.ask(queryOf("big.example.org", "TXT"))
        self.network.advance(1)
        (rrset,) = Message.fromWire(asker.messages[0]).check().answer
        self.assertEqual((len(rrset.rdatas), len(asker.messages[0]) > 10_000), (59, True))
        asker.transport.abortConnection()
        self.network.advance(1)
