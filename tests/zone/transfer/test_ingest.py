"""
Tests for L{twisted_ext.zone.transfer.ingest}: owners are read however they are compressed, and rdata of received zones is checked.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText
from twisted_ext.wire.rrtypes import DS, NSEC, NSEC3, RRSIG, TXT
from twisted_ext.zone.transfer import ingest

_TEXTS = {
    DS: "1 13 2 00ff",
    NSEC: "a.example. A TYPE1234",
    NSEC3: "1 0 0 ab 0123456789abcdefghijklmnopqrstuv A RRSIG",
    RRSIG: "A 13 1 60 20300101000000 20200101000000 1 a.example. AAAA",
    TXT: '"a" "" "b c"',
}

_VALID = {rrType: rdataFromText(rrType, text) for rrType, text in _TEXTS.items()}


_APEX = b"\4test\0"

_SOA = b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x16\0\0" + bytes(20)

#: Labels above the apex: names below each other, and ones that share labels.
_OWNERS = [b"", b"\1a", b"\1b\1a", b"\1A", b"\1c\1b\1a", b"\2bb\1b\1a", b"\1b", b"\1*\1b"]


def _record(owner: bytes) -> bytes:
    return owner + b"\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"


def _message(records: list[bytes]) -> bytes:
    return b"id\x84\0\0\1" + len(records).to_bytes(2, "big") + bytes(4) + _APEX + b"\0\xfc\0\1" + b"".join(records)


class OwnerTests(SynchronousTestCase):
    """
    Tests for owners of L{ingest.TransferIngest}.
    """

    def owners(self, *records: bytes) -> dict[bytes, int]:
        """
        Take a message with these records, and return how many records each name has.
        """
        taking = ingest.TransferIngest(_APEX)
        taking.take(_message([_SOA, *records]))
        return {key: taking.builder.counts.get(key, 1) for key in taking.builder.nodes}

    @given(st.lists(st.tuples(st.sampled_from(_OWNERS), st.integers(0, 30)), max_size=8))
    def test_ownersAreReadHoweverTheyAreCompressed(self, chosen: list[tuple[bytes, int]]) -> None:
        """
        An owner may point to any earlier occurrence of its last labels: those of another owner, of the end of one, or of the apex.
        """
        offsets: dict[bytes, list[int]] = {_APEX: [12]}
        offset = len(_message([_SOA]))
        records: list[bytes] = []
        expected = {b"": 1}
        for owner, choice in chosen:
            ways = [owner + _APEX]
            position = 0
            name = owner + _APEX
            while position < len(name) - 1:
                ways += [name[:position] + (0xC000 | target).to_bytes(2, "big") for target in offsets.get(name[position:], [])]
                position += name[position] + 1
            way = ways[choice % len(ways)]
            position = 0
            while position < len(way) and 0 < way[position] < 64:
                offsets.setdefault(name[position:], []).append(offset + position)
                position += way[position] + 1
            if way[:1] >= b"\xc0":
                offsets.setdefault(name, []).append(offset)
            records.append(_record(way))
            offset += len(records[-1])
            expected[owner.lower()] = expected.get(owner.lower(), 0) + 1
        self.assertEqual(self.owners(*records), expected)

    def test_wrongPointersAreRejected(self) -> None:
        """
        An owner that points to itself, to a later name or to the header is rejected. Where it points to a name that is not in the zone, the
        record is left out.
        """
        offset = len(_message([_SOA]))
        for target in (0, 2, offset, offset + 2, offset + 40, 13):
            with self.assertRaises(BadMessage):
                self.owners(_record((0xC000 | target).to_bytes(2, "big")))
            with self.assertRaises(BadMessage):
                self.owners(_record(b"\1a\xc0\x0c"), _record(b"\1b" + (0xC000 | target + 18 * (target >= offset)).to_bytes(2, "big")))
        self.assertEqual(self.owners(_record((0xC000 | 18).to_bytes(2, "big"))), {b"": 1})
        for records in (
            # To the next owner, and to the middle of the last one's label.
            [_record((0xC000 | offset + 16).to_bytes(2, "big")), _record(b"\1b\xc0\x0c")],
            [_record(b"\1b\xc0\x0c"), _record((0xC000 | offset + 1).to_bytes(2, "big"))],
        ):
            with self.assertRaises(BadMessage):
                self.owners(*records)

    def test_pointersAboveTheApex(self) -> None:
        """
        An owner in the zone may point to a name that is not: to the end of the apex.
        """
        taking = ingest.TransferIngest(b"\2in" + _APEX)
        head = b"id\x84\0\0\1\0\2" + bytes(4) + b"\2in" + _APEX + b"\0\xfc\0\1"
        taking.take(head + _SOA + _record(b"\1a\2in\xc0\x0f"))
        self.assertEqual(list(taking.builder.nodes), [b"", b"\1a"])

    def test_tooLongOwnersAreRejected(self) -> None:
        """
        Owners of up to 255 octets are taken, and no longer ones, whatever they point to.
        """
        most = b"".join([b"\x3f" + b"a" * 63] * 3) + b"\x38" + b"b" * 56
        offset = len(_message([_SOA]))
        self.assertEqual(len(most + _APEX), 255)
        self.assertIn(most, self.owners(_record(most + b"\xc0\x0c")))
        with self.assertRaises(BadMessage):
            self.owners(_record(b"\1c" + most + b"\xc0\x0c"))
        with self.assertRaises(BadMessage):
            self.owners(_record(most + b"\xc0\x0c"), _record(b"\1c" + (0xC000 | offset).to_bytes(2, "big")))


class CheckTests(SynchronousTestCase):
    """
    Tests for L{ingest._check}.
    """

    def assertChecked(self, rrType: int, rdata: bytes) -> None:
        """
        Assert that rdata is taken if its type's declaration takes it, the first and the second time.
        """
        complaints: list[str] = []
        try:
            declarationOf(rrType).fromWire(rdata)
        except BadMessage as fault:
            complaints.append(fault.text)
        for _ in range(2):
            if complaints:
                with self.assertRaises(BadMessage) as caught:
                    ingest._check(rrType, rdata)
                self.assertEqual([caught.exception.text], complaints)
            else:
                ingest._check(rrType, rdata)

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(sorted(_VALID)),
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255), st.sampled_from(["change", "add", "cut"])), max_size=3),
    )
    def test_damagedRdataIsCheckedLikeByItsDeclaration(self, rrType: int, changes: list[tuple[int, int, str]]) -> None:
        """
        Changed, longer and shorter rdata of frequent types is valid exactly if the declaration of its type says so.
        """
        rdata = bytearray(_VALID[rrType])
        self.assertChecked(rrType, bytes(rdata))
        for place, octet, how in changes:
            place %= len(rdata) + 1
            if how == "cut":
                del rdata[place:]
            else:
                rdata[place : place + (how == "change")] = bytes([octet])
        self.assertChecked(rrType, bytes(rdata))

    def test_ordinaryRdataNeedsNoDeclaration(self) -> None:
        """
        Valid rdata of frequent types is recognized without parsing it, once its type bitmap is known.
        """
        for rrType, rdata in _VALID.items():
            ingest._check(rrType, rdata)
            self.assertTrue(ingest._isCertain(rrType, rdata), rrType)

    def test_namesOfTooManyOctetsAreRejected(self) -> None:
        """
        A signer's name of more than 255 octets and one with a compression pointer are rejected.
        """
        long = b"".join([b"\x3f" + b"a" * 63] * 4) + b"\x00"
        for name in (long, b"\xc0\x0c", b"\x40" + b"a" * 64 + b"\x00"):
            self.assertChecked(RRSIG, _VALID[RRSIG][:18] + name + b"\x01")
            self.assertChecked(NSEC, name + b"\x00\x01\x40")
