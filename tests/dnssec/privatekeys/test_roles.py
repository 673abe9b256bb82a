"""
Tests of L{twisted_ext.dnssec.privatekeys.roles}.
"""

from __future__ import annotations

from itertools import product

from tests.zone.sign.zones import otherKey
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
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
