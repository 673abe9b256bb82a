"""
Tests for L{twisted_ext.zone.transfer.ingest}: rdata of received zones is checked.
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
