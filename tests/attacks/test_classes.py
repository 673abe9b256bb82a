"""
Attack 29: other classes than IN and those that no record has, with every opcode (CVE-2026-5946), and signatures whose checking would be
dear (SIG(0), TKEY).
"""

from __future__ import annotations

import hmac
from struct import pack
from unittest.mock import patch

from tests.queries import queryOf
from tests.server.askers import Asker
from tests.server.replicas import KEYS, PRIMARY, ReplicaTestCase
from tests.zone.changing import APEX
from twisted_ext.server.gates import ClassGate
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.tsig import sign

CLASSES = (0, 2, 3, 4, 254, 255, 65535)
TYPES = (0, 1, 6, 24, 41, 249, 250, 251, 252, 253, 255, 65535)


class ClassesTests(ReplicaTestCase):
    """
    A server with a zone that everybody may have.
    """

    def setUp(self) -> None:
        super().setUp()
        self.primary.serve()
        self.primary.adopt(allow_transfer=["any"])

    def repliesTo(self, octets: bytes) -> list[bytes]:
        """
        @return: what is replied.
        """
        asker = Asker.at(self.network, self.here, PRIMARY)
        asker.ask(octets)
        self.network.advance(0.5)
        asker.transport.abortConnection()
        self.network.advance(0.1)
        return asker.messages

    def test_everything(self) -> None:
        """
        Whatever class, type and opcode: the reply says no, and nothing goes wrong inside.
        """
        for opcode in range(16):
            for rrClass in CLASSES:
                for rrType in TYPES:
                    for replies in (self.repliesTo(queryOf(APEX, rrType, rrClass=rrClass, flags=opcode << 11)),):
                        for octets in replies:
                            self.assertIn(
                                Message.fromWire(octets).check().flags & 15,
                                (Rcode.REFUSED, Rcode.FORMERR, Rcode.NOTIMP, Rcode.NOTAUTH),
                                (opcode, rrClass, rrType),
                            )
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_gate(self) -> None:
        """
        Without the gate, a zone of the Internet's would be given for one of CHAOS.
        """
        query = queryOf(APEX, "AXFR", rrClass=3)
        self.assertEqual(self.repliesTo(query)[0][3] & 15, Rcode.REFUSED)
        with patch.object(ClassGate, "__call__", lambda *_: None):
            self.assertEqual(self.repliesTo(query)[0][3] & 15, Rcode.NOERROR)

    def test_signatures(self) -> None:
        """
        A SIG(0) record is checked by nobody here, so a thousand of them cost nothing; a TSIG record costs one hash, and none at all where
        nobody has its key.
        """
        sig = b"\x00" + pack(">HHIH", 24, 255, 0, 300) + bytes(18) + b"\x00" + bytes(281)
        query = bytearray(queryOf(APEX, "SOA") + sig)
        query[11] = 1
        key = next(iter(KEYS.values()))
        signed = sign(queryOf(APEX, "SOA"), key, self.here.seconds())[0]
        unknown = sign(queryOf(APEX, "SOA"), type(key)(b"\x05other\x00", b"x"), self.here.seconds())[0]
        counted: list[int] = []
        digest = hmac.digest

        def counting(secret: bytes, octets: bytes, name: str) -> bytes:
            counted.append(len(octets))
            return digest(secret, octets, name)

        with patch("twisted_ext.wire.tsig.hmac.digest", counting):
            for _ in range(20):
                self.repliesTo(bytes(query))
            self.assertEqual(counted, [])
            for _ in range(5):
                self.assertEqual(self.repliesTo(unknown)[0][3] & 15, Rcode.NOTAUTH)
            self.assertEqual(counted, [])
            # One to look at the request, one to sign the reply.
            self.assertEqual(self.repliesTo(signed)[0][3] & 15, 0)
            self.assertEqual(len(counted), 2)
