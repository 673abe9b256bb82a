"""
Zones of other projects: BIND 10, dnspython, NLnet Labs, RFCs and the ZONEMD test cases.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import dns.exception
import dns.zone
from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.zone.masters import linesOf
from twisted_ext.errors import BadZone
from twisted_ext.wire.codes import CH
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.check.checkfile import vet
from twisted_ext.zone.zonefile.findings import WARNING
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

Record = tuple[bytes, int, int, bytes]

#: Invalid zones of BIND 10, and the line of the error, or 0 where it has no single line.
BROKEN: Final = {
    "datasrc/tests/memory/testdata/empty.zone": 0,
    "datasrc/tests/memory/testdata/example.org-broken1.zone": 1,
    "datasrc/tests/memory/testdata/example.org-broken2.zone": 5,
    "dns/tests/testdata/broken.zone": 3,
}

#: Zones of class CH: all of their records are left out unless they are read as class CH.
CHAOS: Final = ("datasrc/tests/testdata/static.zone", "datasrc/tests/testdata/static-bad.zone")

_SOA: Final = re.compile(r"(?m)^([^\s;$]+)\s.*\bSOA\b")
_ORIGIN: Final = re.compile(r"(?m)^\$ORIGIN\s+(\S+)")


def apexOf(path: Path) -> str:
    """
    Return the name of the zone in a file.
    """
    text = path.read_text("latin-1")
    found, origin = _SOA.search(text), _ORIGIN.search(text)
    apex = found[1] if found else "example.org."
    return apex if apex != "@" else origin[1] if origin else "example."


def recordsOf(reading: MasterFileContent) -> set[Record]:
    """
    Return the records without duplicates.
    """
    return set(reading.records())


def theirs(text: str, apex: str) -> set[Record] | None:
    """
    Return the records that dnspython reads, each set with its lowest TTL, or L{None} where it refuses the zone.
    """
    try:
        zone = dns.zone.from_text(text, origin=apex, relativize=False, check_origin=False)
    except (dns.exception.DNSException, ValueError):
        return None
    found: set[Record] = set()
    for name, ttl, rdata in zone.iterate_rdatas():
        found.add((name.to_wire() or b"", int(rdata.rdtype), ttl, rdata.to_wire() or b""))
    return found


def leveled(records: set[Record]) -> set[Record]:
    """
    Return the records in lower case, each set with its lowest TTL.
    """
    least: dict[tuple[bytes, int, bytes], int] = {}
    keyed = [((owner.lower(), rrType, rdata[:2] if rrType == 46 else b""), ttl, rdata) for owner, rrType, ttl, rdata in records]
    for key, ttl, _ in keyed:
        least[key] = min(ttl, least.get(key, ttl))
    return {(key[0], key[1], least[key], rdata) for key, _, rdata in keyed}


class OthersTests(SynchronousTestCase):
    """
    Tests with whole zones.
    """

    def assertReads(self, path: Path, apex: str = "") -> MasterFileContent:
        """
        Assert that a zone is sound and has the records that dnspython reads from it, where it does.
        """
        apex = apex or apexOf(path)
        reading = readMaster(str(path), nameFromText(apex))
        self.assertEqual([str(each) for each in reading.complaints if each.fatal], [])
        # Of several CNAME and DNAME records, dnspython keeps the last.
        other = None if path.stem in ("example.org-multiple-cname", "example.org-multiple-dname") else theirs(path.read_text("utf-8"), apex)
        if other is not None:
            self.compared += 1
            self.assertEqual(leveled(recordsOf(reading)), leveled(other), path)
        return reading

    compared = 0

    def test_zonesOfBIND10(self) -> None:
        """
        BIND 10's zones load, except broken ones, whose error has its line. Zones of class CH are refused.
        """
        folder = corpus("bind10")
        library = folder / "src/lib"
        paths = sorted([*library.glob("**/*.zone"), *library.glob("**/*.signed"), *library.glob("**/*-signed")])
        paths += [library / "dns/tests/testdata" / name for name in ("example.org", "masterload.txt", "origincheck.txt")]
        paths += [path for path in (folder / "tests/lettuce/data").iterdir() if path.is_file() and path.name[:2] in ("ex", "in", "ge")]
        paths.append(folder / "tests/lettuce/configurations/nsec3/rfc5155-example.zone.signed")
        self.assertGreater(len(paths), 50)
        for path in paths:
            name = str(path.relative_to(library)) if path.is_relative_to(library) else path.name
            if name in BROKEN:
                reading = readMaster(str(path), nameFromText(apexOf(path)))
                self.assertEqual([each.line for each in reading.complaints if each.fatal], [BROKEN[name]] if BROKEN[name] else [])
                self.assertRaises(BadZone, reading.builder.finish) if not BROKEN[name] else None
            elif name in CHAOS:
                reading = readMaster(str(path), nameFromText(apexOf(path)))
                self.assertEqual([each.line for each in reading.complaints], [1, 2, 3])
                self.assertRaises(BadZone, reading.builder.finish)
                reading = readMaster(str(path), nameFromText(apexOf(path)), rrClass=CH)
                self.assertEqual((reading.complaints, [rrType for _, rrType, _, _ in reading.records()]), ([], [6, 2, 16]))
                with self.assertRaises(BadZone) as caught:
                    reading.builder.finish()
                self.assertIn("is of class CH; only zones of class IN are served", str(caught.exception))
            else:
                self.assertReads(path)
        self.assertGreater(self.compared, 40)

    def test_DNAMEAtDelegationIsReported(self) -> None:
        """
        A DNAME record at a delegation is reported. BIND 10 and Knot load no such zone (RFC 6672, section 2.4), while BIND 9, NSD and we do:
        the delegation counts (RFC 1034, section 4.3.2).
        """
        paths = sorted(corpus("bind10").glob("**/*dname-ns-*.zone"))
        self.assertEqual(len(paths), 4)
        for path in paths:
            report = vet(str(path), nameFromText("example.org.")).report
            said = [(nameToText(each.owner), each.level) for each in report.findings if each.check == "dname-ns"]
            self.assertEqual(said, [("ns1.example.org.", WARNING)] if "nonapex" in path.stem else [])

    def test_zoneOfDnspython(self) -> None:
        """
        dnspython's zone of nearly every type and its four renderings hold the same records.
        """
        folder = corpus("dnspython/tests")
        zones = [self.assertReads(folder / "example", "example.")]
        zones += [readMaster(str(folder / f"example{number}.good"), nameFromText("example.")) for number in range(1, 5)]
        for reading in zones:
            self.assertTrue(reading.sound, reading.complaints)
            self.assertEqual(len(recordsOf(reading)), 178)
            self.assertEqual(recordsOf(reading), recordsOf(zones[0]))

    def test_zonesOfRFCs(self) -> None:
        """
        The zones of RFC 1034, RFC 4035 and RFC 5155 are read as by dnspython, in both copies of them.
        """
        paths = sorted([*corpus("rfc-zones").glob("*.zone"), *corpus("nlnet-domain/test-data").glob("**/*.zone")])
        self.assertEqual(len(paths), 9)
        for path in paths:
            self.assertTrue(self.assertReads(path).builder.finish())
        self.assertGreaterEqual(self.compared, 8)

    def test_zonesOfNLnetLabs(self) -> None:
        """
        NLnet Labs' zones, one of ten thousand records among them, are read as by dnspython.
        """
        folder = corpus("nlnet-domain/test-data/zonefiles")
        for name in ("big.example.com.txt", "nsd-example.txt", "example.com.txt"):
            self.assertReads(folder / name, "example.com.")
        self.assertEqual(self.compared, 3)

    def test_zonesOfZONEMDCases(self) -> None:
        """
        The zones of the ZONEMD cases are read as by dnspython. The too short digests of two are reported, and a zone with records of other
        classes is refused, as by BIND.
        """
        folders = sorted(corpus("zonemd-test-cases/zones").iterdir())
        self.assertEqual(len(folders), 28)
        for folder in folders:
            said = dict(line.split("=", 1) for line in (folder / "config").read_text().split() if "=" in line)
            apex = said["origin"].rstrip(".") + "."
            path = folder / said["zonefile"]
            if folder.name.startswith(("31-", "32-")):
                self.assertEqual([each.line for each in readMaster(str(path), nameFromText(apex)).complaints], [3])
            elif folder.name == "80-mixed-classes":
                self.assertEqual([each.line for each in readMaster(str(path), nameFromText(apex)).complaints if each.fatal], [5, 6])
            else:
                reading = self.assertReads(path, apex)
                self.assertTrue(reading.builder.finish())
                if said["origin"] == ".":
                    self.assertEqual(len(linesOf(reading)), len(path.read_text().splitlines()))
        self.assertGreater(self.compared, 20)
