"""
Tests of reading requests.
"""

from __future__ import annotations

from struct import pack

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import optOf, queryOf
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText

WHO = ("192.0.2.7", 4000)
FROM_V4 = ("::ffff:192.0.2.7", 4000, 0, 0)


def read(wire: bytes, transport: str = "udp") -> Request:
    """
    @return: what the octets ask.
    """
    request = Request.fromWire(wire, WHO, transport)
    assert request is not None
    return request


class RequestTests(SynchronousTestCase):
    """
    Tests for L{Request}.
    """

    def test_plain(self) -> None:
        """
        A query says who asks what, in which case, and how much the reply may have.
        """
        request = read(queryOf("wWw.Example.test", "AAAA"))
        self.assertIsNone(request.fault)
        self.assertEqual((request.id, request.flags, request.opcode), (0x1234, 0x0100, 0))
        self.assertEqual(request.question.toWire(), nameFromText("wWw.Example.test") + b"\x00\x1c\x00\x01")
        self.assertEqual(request.wire[12 : request.questionEnd], request.question.toWire())
        self.assertEqual((request.client, request.size, request.edns), ("192.0.2.7", 512, None))
        self.assertEqual(read(queryOf(), "tcp").size, 65535)
        self.assertIn("www.example.test", repr(read(queryOf())))

    def test_sizes(self) -> None:
        """
        Never more than is asked for, never more than all paths carry, and 512 octets in any case.
        """
        for said, size in ((0, 512), (511, 512), (600, 600), (1232, 1232), (4096, 1232), (65535, 1232)):
            self.assertEqual(read(queryOf(opt=optOf(said))).size, size)

    def test_mappedClient(self) -> None:
        """
        A client of IPv4 that comes by a socket of IPv6 is the same client.
        """
        request = Request.fromWire(queryOf(), FROM_V4, "udp")
        assert request is not None
        self.assertEqual(request.client, "192.0.2.7")

    def test_silence(self) -> None:
        """
        What is no request must not be replied to, or two servers could be made to talk to each other for ever: replies, whatever is
        wrong with them, and what has no header.
        """
        for wire in (b"", queryOf()[:11], queryOf(flags=0x8100), b"\x00\x00\x80" + bytes(9), b"\x00\x00\xf8" + bytes(30)):
            self.assertIsNone(Request.fromWire(wire, WHO, "udp"))

    def test_malformed(self) -> None:
        """
        What cannot be read says so, and nothing else happens.
        """
        query = queryOf()
        opt = optOf()
        for wire in (
            query[:-1],
            query + b"\x00",
            pack(">HHHHHH", 1, 0x100, 2, 0, 0, 0) + query[12:] * 2,
            pack(">HHHHHH", 1, 0x100, 65535, 0, 0, 0),
            pack(">HHHHHH", 1, 0x100, 1, 1, 0, 0) + query[12:],
            pack(">HHHHHH", 1, 0x100, 1, 0, 1, 0) + query[12:],
            pack(">HHHHHH", 1, 0x100, 1, 0, 0, 65535) + query[12:] + opt,
            pack(">HHHHHH", 1, 0x100, 1, 0, 0, 2) + query[12:] + opt + opt,
            queryOf(opt=opt + b"\x00"),
            queryOf(opt=opt[:-1] + b"\x05"),
            queryOf(opt=b"\x01a\x00" + opt[1:]),
            queryOf(opt=optOf(options=[(65001, b"")] * 101)),
            queryOf(b"\x40a\x00"),
            queryOf(b"\xc0\x0c"),
            queryOf(4 * (b"\x3f" + 63 * b"a") + b"\x00"),
        ):
            fault = read(wire).fault
            assert fault is not None, wire
            self.assertEqual(fault.rcode, Rcode.FORMERR)

    def test_trailer(self) -> None:
        """
        A signature behind the OPT record is no fault of the query's form.
        """
        tsig = b"\x01k\x00" + pack(">HHIH", 250, 255, 0, 17) + bytes(17)
        wire = queryOf(opt=optOf(700) + tsig)
        request = read(wire[:10] + b"\x00\x02" + wire[12:])
        self.assertIsNone(request.fault)
        self.assertEqual(request.size, 700)

    @given(st.binary(max_size=60))
    def test_anyOctets(self, wire: bytes) -> None:
        """
        Any octets are a request or none, with a fault or without; nothing escapes.
        """
        Request.fromWire(wire, WHO, "udp")
        Request.fromWire(b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + wire, WHO, "udp")
