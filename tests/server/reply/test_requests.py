"""
Tests of parsing requests.
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
from twisted_ext.wire.tsig import Key, sign

CLIENT = ("192.0.2.7", 4000)
MAPPED_CLIENT = ("::ffff:192.0.2.7", 4000, 0, 0)


def read(wire: bytes, transport: str = "udp") -> Request:
    """
    Parse a request from a fixed client.
    """
    request = Request.fromWire(wire, CLIENT, transport)
    assert request is not None
    return request


class RequestTests(SynchronousTestCase):
    """
    Tests for L{Request}.
    """

    def test_requestHasQueryFields(self) -> None:
        """
        A request has the fields of the query, the client's address and the size limit of the reply.
        """
        request = read(queryOf("wWw.test.Example", "AAAA"))
        self.assertIsNone(request.fault)
        self.assertEqual((request.id, request.flags, request.opcode), (0x1234, 0x0100, 0))
        self.assertEqual(request.question.toWire(), nameFromText("wWw.test.Example") + b"\x00\x1c\x00\x01")
        self.assertEqual(request.wire[12 : request.questionEnd], request.question.toWire())
        self.assertEqual((request.client, request.size, request.edns), ("192.0.2.7", 512, None))
        self.assertEqual(read(queryOf(), "tcp").size, 65535)
        self.assertIn("www.test.example", repr(read(queryOf())))

    def test_replySizeIsClamped(self) -> None:
        """
        The size limit is the one in the OPT record, but at least 512 octets and at most what every path carries.
        """
        for said, size in ((0, 512), (511, 512), (600, 600), (1232, 1232), (4096, 1232), (65535, 1232)):
            self.assertEqual(read(queryOf(opt=optOf(said))).size, size)

    def test_mappedAddressIsIPv4Client(self) -> None:
        """
        An IPv4 client on an IPv6 socket has its IPv4 address.
        """
        request = Request.fromWire(queryOf(), MAPPED_CLIENT, "udp")
        assert request is not None
        self.assertEqual(request.client, "192.0.2.7")

    def test_repliesAreNotAnswered(self) -> None:
        """
        Replies and messages without a header get no reply whatever else is wrong with them, since two servers could otherwise answer each
        other forever.
        """
        for wire in (b"", queryOf()[:11], queryOf(flags=0x8100), b"\x00\x00\x80" + bytes(9), b"\x00\x00\xf8" + bytes(30)):
            self.assertIsNone(Request.fromWire(wire, CLIENT, "udp"))

    def test_octetsBehindTheLastRecord(self) -> None:
        """
        Octets behind the last record are ignored: the request is as without them, signed or not.
        """
        opt = optOf()
        for wire in (queryOf(), queryOf(opt=opt), queryOf(opt=optOf(options=[(65001, b"abc")]))):
            for tail in (b"\x00", opt, queryOf()):
                request = read(wire + tail)
                self.assertIsNone(request.fault)
                self.assertEqual((request.wire, request.edns), (wire, read(wire).edns))
        signed = sign(queryOf(), Key(nameFromText("key.test"), b"0123456789abcdef"), 1000)[0]
        request = read(signed + b"\x00")
        self.assertEqual((request.fault, request.wire, request.signature is None), (None, signed, False))

    def test_malformedRequestIsFORMERR(self) -> None:
        """
        A malformed request has the fault FORMERR.
        """
        query = queryOf()
        opt = optOf()
        for wire in (
            query[:-1],
            pack(">HHHHHH", 1, 0x100, 2, 0, 0, 0) + query[12:] * 2,
            pack(">HHHHHH", 1, 0x100, 65535, 0, 0, 0),
            pack(">HHHHHH", 1, 0x100, 1, 1, 0, 0) + query[12:],
            pack(">HHHHHH", 1, 0x100, 1, 0, 1, 0) + query[12:],
            pack(">HHHHHH", 1, 0x100, 1, 0, 0, 65535) + query[12:] + opt,
            pack(">HHHHHH", 1, 0x100, 1, 0, 0, 2) + query[12:] + opt + opt,
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

    def test_signatureBehindOPTIsAccepted(self) -> None:
        """
        A TSIG record behind the OPT record is not a format error.
        """
        tsig = b"\x01k\x00" + pack(">HHIH", 250, 255, 0, 17) + bytes(17)
        wire = queryOf(opt=optOf(700) + tsig)
        request = read(wire[:10] + b"\x00\x02" + wire[12:])
        self.assertIsNone(request.fault)
        self.assertEqual(request.size, 700)

    @given(st.binary(max_size=60))
    def test_anyOctetsParse(self, wire: bytes) -> None:
        """
        Any octets parse as a request or as none, without an exception.
        """
        Request.fromWire(wire, CLIENT, "udp")
        Request.fromWire(b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + wire, CLIENT, "udp")
