"""
Attack 29: classes other than IN, and classes that no record has, with every opcode (CVE-2026-5946), and signatures whose verification would
be expensive (SIG(0), TKEY).
"""

from __future__ import annotations

import hmac
from struct import pack
from unittest.mock import patch

from tests.queries import queryOf
from tests.server.zones.transfer.askers import Asker
from tests.server.zones.transfer.replicas import KEYS, PRIMARY, ReplicaTestCase
from tests.zone.changing import APEX
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.server.reply.gates import ClassGate, FormGate, OpcodeGate, SignatureGate, TypeGate
from twisted_ext.server.reply.opcodes import opcodesOf
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.tsig import sign

CLASSES = (0, 2, 3, 4, 254, 255, 65535)
TYPES = (0, 1, 6, 24, 41, 249, 250, 251, 252, 253, 255, 65535)


class ClassesTests(ReplicaTestCase):
    """
    A server with a zone that every client may transfer.
    """

    def setUp(self) -> None:
        super().setUp()
        self.primary.serve()
        self.primary.apply(allow_transfer=["any"])

    def repliesTo(self, octets: bytes) -> list[bytes]:
        """
        Return the replies.
        """
        asker = Asker.at(self.network, self.here, PRIMARY)
        asker.ask(octets)
        self.network.advance(0.5)
        asker.transport.abortConnection()
        self.network.advance(0.1)
        return asker.messages

    def test_oddClassesAreRefused(self) -> None:
        """
        Every combination of class, type and opcode is refused without an internal error.
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

    def test_classGateRefusesTransfers(self) -> None:
        """
        Without the class gate, a zone of class IN would be transferred as one of CHAOS.
        """
        query = queryOf(APEX, "AXFR", rrClass=3)
        self.assertEqual(self.repliesTo(query)[0][3] & 15, Rcode.REFUSED)
        with patch.object(ClassGate, "__call__", lambda *_: None):
            self.assertEqual(self.repliesTo(query)[0][3] & 15, Rcode.NOERROR)

    def test_signaturesCostAtMostOneHash(self) -> None:
        """
        SIG(0) records are not verified and cost nothing. A TSIG record costs one hash, and none when its key is unknown.
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
            for number in range(20):
                self.repliesTo(_about(bytes(query), number))
            self.assertEqual(counted, [])
            for _ in range(5):
                self.assertEqual(self.repliesTo(unknown)[0][3] & 15, Rcode.NOTAUTH)
            self.assertEqual(counted, [])
            # One to verify the request, one to sign the reply.
            self.assertEqual(self.repliesTo(signed)[0][3] & 15, 0)
            self.assertEqual(len(counted), 2)
            # If each signature were verified with any key, each would cost a hash.
            counted.clear()
            responder = self.primary.responder
            every = patch.object(responder, "_plainGates", responder.gates)
            with every, patch.object(FormGate, "__call__", _checking), patch.object(SignatureGate, "__call__", _trying):
                for octets in (bytes(query), unknown):
                    for number in range(20):
                        self.repliesTo(_about(octets, number))
                    self.assertGreaterEqual(len(counted), 20)
                    counted.clear()

    def countLookups(self, octets: bytes) -> int:
        """
        Return how many look-ups twenty such requests cost, each about another name.
        """
        looked: list[bytes] = []
        genuine = AuthoritySource.ask

        def looking(alone: AuthoritySource, question: Question, context: QueryContext) -> Answer | None:
            looked.append(question.name)
            return genuine(alone, question, context)

        with patch.object(AuthoritySource, "ask", looking):
            for number in range(20):
                self.repliesTo(_about(octets, number))
        return len(looked)

    def test_TKEYCostsNothing(self) -> None:
        """
        A query for TKEY (RFC 2930) costs no look-up and no hash, with or without such a record. Without the type gate each would be looked
        up.
        """
        record = b"\x00" + pack(">HHIH", 249, 255, 0, 16) + bytes(16)
        query = bytearray(queryOf(APEX, 249) + record)
        query[11] = 1
        for octets in (queryOf(APEX, 249), bytes(query)):
            with patch("twisted_ext.wire.tsig.hmac.digest", side_effect=AssertionError):
                self.assertIn(self.repliesTo(octets)[0][3] & 15, (Rcode.NOTIMP, Rcode.FORMERR))
                self.assertEqual(self.countLookups(octets), 0)
        with patch.object(TypeGate, "__call__", lambda *_: None):
            self.assertEqual(self.countLookups(queryOf(APEX, 249)), 20)

    def test_unknownOpcodesCostNoLookup(self) -> None:
        """
        Requests with unsupported opcodes cost no look-up. Without the opcode gate they would be answered like queries.
        """
        others = [opcode for opcode in range(1, 16) if opcode not in opcodesOf(self.primary.replication.handlers)]
        self.assertGreater(len(others), 12)
        for opcode in others:
            self.assertEqual(self.countLookups(queryOf(APEX, "SOA", flags=opcode << 11)), 0)
        with patch.object(OpcodeGate, "__call__", lambda *_: None):
            for opcode in others:
                self.assertEqual(self.countLookups(queryOf(APEX, "SOA", flags=opcode << 11)), 20)


def _about(octets: bytes, number: int) -> bytes:
    """
    Return the same request about a name below, since the reply to an earlier one would be repeated.
    """
    return octets[:12] + b"\x02n%c" % (ord("a") + number) + octets[12:]


def _checking(gate: FormGate, request: Request, now: float) -> Refusal | None:
    """
    Verify SIG(0) before anything else, as a careless implementation might.
    """
    if b"\x00\x18\x00\xff" in request.wire:
        hmac.digest(b"key", request.wire, "sha256")
    return request.fault


def _trying(gate: SignatureGate, request: Request, now: float) -> Refusal | None:
    """
    Try all keys with a TSIG record, whatever its name.
    """
    if request.signature is not None:
        for key in KEYS.values():
            hmac.digest(key.secret, request.wire, "sha256")
    return None
