"""
Tests of L{twisted_ext.dnssec.privatekeys.roles}.
"""

from __future__ import annotations

from itertools import product

from tests.zone.sign.zones import otherKey
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.privatekeys.roles import Signers, Turn
from twisted_ext.testing.internet.seededsigner import _Signers
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, NSEC, SOA

_KEYS = [newKey(algorithm, flags) for algorithm in (13, 15) for flags in (256, 257, 385)]


def test_likeTheOtherSigner() -> None:
    """
    Of each set of keys the same ones sign what they sign in the other implementation.
    """
    for chosen in product((False, True), repeat=len(_KEYS)):
        keys = [key for key, isIn in zip(_KEYS, chosen, strict=True) if isIn]
        signers, others = Signers(keys), _Signers([otherKey(key) for key in keys], b"\x00", 1, 2)
        for rrType in (DNSKEY, CDS, CDNSKEY):
            assert [key.tag for key in signers.of(rrType)] == [key.tag for key in others.ofKeys]
        for rrType in (SOA, NSEC):
            assert [key.tag for key in signers.of(rrType)] == [key.tag for key in others.ofRest]
        assert signers.entries == tuple([key for key in signers.of(DNSKEY) if key.flags != 385])


def test_turns() -> None:
    """
    A name is signed by the keys whose turn it was when its signatures were made; what is for the keys is signed by the same ones always.
    """
    entry, *others = _KEYS[:4]
    signers = Signers(_KEYS[:4], ofKeys=[entry], ofRest=[Turn(100.0, others[:1]), Turn(200.0, others[1:2]), Turn(300.5, others)])
    for made, keys in ((99.0, others[:1]), (199.9, others[:1]), (200, others[1:2]), (300.4, others[1:2]), (300.5, others)):
        assert [*signers.of(SOA, made)] == keys
        assert [*signers.of(CDS, made)] == [entry]
    assert [*signers.of(SOA)] == others
