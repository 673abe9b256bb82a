"""
Tests of when the signatures of a zone end.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.signing import END, signed
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG, SOA, TXT, A
from twisted_ext.zone.check.signatureends import FirstEnd, firstEnd
from twisted_ext.zone.store.serials import serialIn, withSerial
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

APEX = nameFromText("example.")
NAMES = [nameFromText(f"host{number}.example.") for number in range(500)]
TEXT = "@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\n" + "".join([f"host{number} A 192.0.2.1\n" for number in range(500)])


def ending(rrset: RRSet, *ends: int) -> RRSet:
    """
    Return signatures with other expirations.
    """
    rdatas = tuple([rdata[:8] + end.to_bytes(4, "big") + rdata[12:] for rdata, end in zip(rrset.rdatas, ends, strict=True)])
    return RRSet(rrset.name, rrset.rrType, 1, rrset.ttl, rdatas)


def endOf(version: Version, now: float = END - 100) -> FirstEnd | None:
    """
    Find the first end, in small steps.
    """
    steps = firstEnd(version, now)
    with patch("twisted_ext.zone.check.signatureends._STEP", 2000):
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                found: FirstEnd | None = stop.value
                return found


def zoneWith(*ends: tuple[int, int], more: tuple[RRSet, ...] = ()) -> Version:
    """
    Return a signed zone, in which the signature of one host's addresses ends at another time.
    """
    changed = {NAMES[host]: end for host, end in ends}
    sets = [
        ending(rrset, *[changed[rrset.name] if rdata[:2] == b"\x00\x01" else END for rdata in rrset.rdatas])
        if rrset.rrType == RRSIG and rrset.name in changed
        else rrset
        for rrset in signed(TEXT)
    ]
    return Zone.fromRecords(APEX, [*sets, *more]).current


class SignatureEndTests(SynchronousTestCase):
    """
    Tests for L{firstEnd}.
    """

    def test_firstOfAllIsFound(self) -> None:
        """
        The signature that ends first is found wherever it is in the image, with its name and what it covers; none without signatures.
        """
        self.assertIsNone(endOf(Zone.fromText(TEXT, APEX).current))
        found = endOf(zoneWith())
        assert found is not None
        self.assertEqual(found.time, END)
        for host in (0, 250, 499):
            self.assertEqual(endOf(zoneWith((host, END - 60), ((host + 1) % 500, END - 59))), (END - 60, NAMES[host], A))

    def test_octetsInOtherRecordsAreIgnored(self) -> None:
        """
        Records that contain the octets of an RRSIG record are not taken for one.
        """
        fake = b"\xc0\x0c\x00\x2e\x00\x01" + bytes(14) + (END - 5000).to_bytes(4, "big")
        version = zoneWith(more=(RRSet(NAMES[7], TXT, 1, 300, (bytes([len(fake)]) + fake,)),))
        self.assertEqual(getattr(endOf(version), "time", None), END)

    def test_changedNamesCountAsTheyAre(self) -> None:
        """
        Signatures that were replaced since the image was built do not count, and new ones do.
        """
        version = zoneWith((3, END - 60), (4, END - 50))
        for host, end, found in ((3, END + 60, END - 50), (5, END - 70, END - 70)):
            node = version.find(NAMES[host][: -len(APEX)])
            rrset = None if node is None else node.of(RRSIG)
            assert rrset is not None
            transaction = Transaction(version)
            transaction.replace(ending(rrset, *[end] * len(rrset.rdatas)))
            soa = version.soa
            transaction.replace(RRSet(APEX, SOA, 1, soa.ttl, (withSerial(soa.rdatas[0], serialIn(soa.rdatas[0]) + 1),)))
            done = transaction.commit()
            assert done is not None
            version = done[0]
            self.assertEqual(getattr(endOf(version), "time", None), found)

    def test_timesBehind2106(self) -> None:
        """
        Expirations are the times closest to now, behind the end of their 32 bits too.
        """
        wrapped = (1 << 32) + 1000
        found = endOf(zoneWith((3, 1000)), now=wrapped - 86_400)
        assert found is not None
        self.assertEqual((found.time, found.name), (wrapped, NAMES[3]))
