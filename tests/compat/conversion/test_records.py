"""
Tests of L{twisted_ext.compat.conversion.records}.
"""

from __future__ import annotations

from io import BytesIO

from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.compat.conversion.test_results import encoded
from tests.compat.fakes import data, rrset
from twisted_ext.compat.conversion import records
from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.conversion.records import Record, recordOf
from twisted_ext.compat.conversion.results import resultFromAnswer
from twisted_ext.errors import BadRecord
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText
from twisted_ext.wire.rrtypes import TYPE_NAMES, typeNumber

#: Records of types without a class in Twisted, and their C{repr} here.
NEW_TYPES = [
    ("DS", "1 8 9 abcd", "<DS keyTag=1 algorithm=8 digestType=9 digest='\\xab\\xcd' ttl=300>"),
    ("TLSA", "3 1 0 abcd", "<TLSA usage=3 selector=1 matchingType=0 certificate='\\xab\\xcd' ttl=300>"),
    ("CAA", '0 issue "ca.example"', "<CAA flags=0 tag='issue' value='ca.example' ttl=300>"),
    ("URI", '1 2 "http://x/"', "<URI priority=1 weight=2 target='http://x/' ttl=300>"),
    ("NSEC", "b.example. A MX", "<NSEC next=b.example types=[1, 15] ttl=300>"),
    ("KX", "1 b.example.", "<KX preference=1 exchanger=b.example ttl=300>"),
    ("ISDN", "150862028003217", "<ISDN strings=['150862028003217'] ttl=300>"),
    ("HTTPS", "1 . alpn=h2", None),
    ("SVCB", "0 b.example.", None),
    ("NSAP-PTR", "b.example.", None),
    ("EUI48", "00-00-5e-00-53-2a", None),
    ("LOC", "42 21 54 N 71 06 18 W -24m 30m", None),
    ("APL", "1:192.0.2.0/24 !2:2001:db8::/32", None),
]


def payloads(mnemonic: str, text: str) -> tuple[Record, bytes]:
    """
    Return a record as a look-up returns it, and its octets.
    """
    answer = data(rrset("a.example.", mnemonic, text))
    payload: object = resultFromAnswer(answer)[0][0].payload
    assert isinstance(payload, Record)
    return payload, answer.answer[0].rdatas[0]


class RecordTests(SynchronousTestCase):
    """
    Tests of L{Record}.
    """

    def test_newTypesFollowTwistedStyle(self) -> None:
        """
        A record of a type unknown to Twisted has its own class, attributes and a full text, in Twisted's style.
        """
        for mnemonic, text, shown in NEW_TYPES:
            payload, wire = payloads(mnemonic, text)
            self.assertIs(type(payload), recordOf(payload.TYPE))
            self.assertEqual(type(payload).__name__, f"Record_{mnemonic.replace('-', '_')}")
            self.assertTrue(verifyObject(dns.IEncodableRecord, payload))
            if shown is not None:
                self.assertEqual(repr(payload), shown)
            self.assertEqual(payload.rdata.wire, wire)
            self.assertEqual(payload.rdata.toText(), declarationOf(payload.TYPE).fromWire(wire).toText())

    def test_equalityAndHash(self) -> None:
        """
        Records are equal, with equal hashes, if value and TTL are equal.
        """
        for mnemonic, text, _ in NEW_TYPES:
            one, wire = payloads(mnemonic, text)
            other, _ = payloads(mnemonic, text)
            self.assertEqual(one, other)
            self.assertEqual(hash(one), hash(other))
            other.ttl = 5
            self.assertNotEqual(one, other)
        self.assertNotEqual(payloads("KX", "1 a.")[0], payloads("KX", "2 a.")[0])

    def test_roundTripThroughTwistedMessage(self) -> None:
        """
        A Twisted message with such records can be written and read back.
        """
        for mnemonic, text, _ in NEW_TYPES:
            payload, _ = payloads(mnemonic, text)
            message = dns.Message(answer=1)
            header = dns.RRHeader(b"a.example", payload.TYPE, ttl=300, payload=payload)
            message.answers = [header]
            again = Message()
            again.fromStr(message.toStr())
            self.assertEqual(again.answers, [header])
            plain = type(payload)()
            written = BytesIO()
            payload.encode(written)
            written.seek(0)
            plain.decode(written, len(written.getvalue()))
            plain.ttl = payload.ttl
            self.assertEqual(plain, payload)

    def test_constructorFollowsTwisted(self) -> None:
        """
        Constructors take values in order or by name and names as text, as Twisted's do. Missing values are empty.
        """
        tlsa, kx = recordOf(52), recordOf(36)
        assert tlsa is not None and kx is not None
        self.assertEqual(
            str(tlsa(3, 1, matchingType=1, certificate=b"x", ttl="1H")),
            "<TLSA usage=3 selector=1 matchingType=1 certificate='x' ttl=3600>",
        )
        self.assertEqual(kx(1, "b.example").rdata.wire, b"\x00\x01\x01b\x07example\x00")
        self.assertEqual(kx(1, dns.Name(b"b.example")), kx(1, b"b.example"))
        for record in (tlsa, kx):
            self.assertIn("ttl=None", str(record()))
        with self.assertRaises(TypeError):
            kx(1, "b.example", 3)
        with self.assertRaises(TypeError):
            kx(exchange="b.example")
        with self.assertRaises(BadRecord):
            kx(70000, "b.example").encode(BytesIO())

    def test_malformedRdataRaises(self) -> None:
        """
        Malformed rdata raises the exceptions that Twisted's protocols catch.
        """
        tlsa = recordOf(52)
        assert tlsa is not None
        with self.assertRaises(EOFError):
            tlsa().decode(BytesIO(b"abc"), 4)
        with self.assertRaises(ValueError):
            tlsa().decode(BytesIO(b"a"), 1)

    def test_everyTypeHasAClass(self) -> None:
        """
        Every declared type has a class that can be found by name, and no field shadows a base attribute.
        """
        for number, mnemonic in list(TYPE_NAMES.items()):
            if declarationOf(number) is Unknown or hasattr(dns, f"Record_{mnemonic}"):
                continue
            record = recordOf(number)
            assert record is not None
            for field in record.declaration.fields:
                self.assertNotIn(field.name, ("ttl", "rdata", "encode", "decode", "declaration", "TYPE"))
            self.assertIs(getattr(records, record.__name__), record)
            self.assertEqual(typeNumber(record.fancybasename), number)
            record()

    def test_unknownRecordNameIsNoAttribute(self) -> None:
        """
        The module has no attribute for a name that is not a record type.
        """
        for name in ("Record_XYZZY", "Record_", "Record_nsap-ptr", "Record_TYPE65280", "TLSA"):
            self.assertFalse(hasattr(records, name), name)

    def test_namesInRdataAreExact(self) -> None:
        """
        Names within Twisted's records keep labels that contain a dot.
        """
        for mnemonic, text in (
            ("RP", "a\\.b.c. d."),
            ("MINFO", "a\\.b.c. d."),
            ("NAPTR", '1 2 "" "" "" a\\.b.c.'),
            ("A6", "64 ::1 a\\.b.c."),
        ):
            wire = rdataFromText(typeNumber(mnemonic) or 0, text)
            payload = resultFromAnswer(data(rrset("x.", mnemonic, text)))[0][0].payload
            self.assertEqual(encoded(payload), wire)
            self.assertIn("a\\.b.c", str(payload))
