"""
The ZONEMD test cases of Wessels and others, and the zones with ZONEMD records in the unit tests of Unbound, with the verdicts of their
authors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.check.checkfile import vet
from twisted_ext.zone.check.zonemd import Verdict, digests, verify
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

#: The digest in C{22-lots-rr-types} was made by a program that gives records without a TTL 3600 s, and 999 s within sets. By RFC 1035,
#: section 5.1, they have the last stated TTL, as in BIND, and by RFC 2181, section 5.2, a set has one TTL. The digest of
#: C{80-mixed-classes} covers records of three classes. By RFC 1035, section 5.2, a file has one class, and neither BIND nor NSD loads this
#: one.
EXCEPTED: Final = frozenset(("22-lots-rr-types", "80-mixed-classes"))

#: Unbound's zones: the apex, and the verdict on each. The digests of C{example_a5} were not updated when a server got other addresses. The
#: others have comments about their faults.
UNBOUND: Final = {
    ("example.org.", Verdict.ABSENT): "example1",
    ("example.com.", Verdict.VERIFIED): "example2 example5 example6 example9 example17",
    ("example.com.", Verdict.FAILED): "example3 example4 example10 example15 example16",
    ("example.com.", Verdict.ABSENT): "example7 example8 example11 example12 example13 example14",
    ("example.", Verdict.VERIFIED): "example_a1 example_a2 example_a3",
    ("uri.arpa.", Verdict.ABSENT): "example_a4",
    ("root-servers.net.", Verdict.FAILED): "example_a5",
}

#: The SHA-384 digest of C{example_a4}: that of RFC 8976, appendix A.4, where the zone has it as a record.
URI_ARPA: Final = "1291b78ddf7669b1a39d014d87626b709b55774c5d7d58fadc556439889a10eaf6f11d615900a4f996bd46279514e473"


def readingOf(path: Path, origin: str) -> MasterFileContent:
    """
    Return the content of a file.
    """
    return readMaster(str(path), nameFromText(origin))


def verdictOf(reading: MasterFileContent) -> Verdict:
    """
    Return the verdict on its digests.
    """
    return verify(Version(Image(reading.builder.finish()))).verdict


class CasesTests(SynchronousTestCase):
    """
    Tests with C{zonemd-test-cases}.
    """

    def test_verdictsOfTheCases(self) -> None:
        """
        Each zone is verified or not, according to its configuration. Records outside of the zone are ignored.
        """
        folder = corpus("zonemd-test-cases") / "zones"
        tried = 0
        for case in sorted(folder.iterdir()):
            said = dict(line.split("=", 1) for line in (case / "config").read_text().split())
            reading = readingOf(case / said["zonefile"], said["origin"])
            with self.subTest(case.name):
                right = verdictOf(reading) is Verdict.VERIFIED
                self.assertEqual(right, (said["expected_result"] == "success") ^ (case.name in EXCEPTED), case.name)
                tried += 1
        self.assertEqual(tried, 28)

    def test_verdictsOfUnbound(self) -> None:
        """
        Each zone of Unbound's tests has its verdict.
        """
        folder = corpus("unbound-unitdata") / "testdata"
        tried = 0
        for (origin, verdict), names in UNBOUND.items():
            for name in names.split():
                self.assertIs(verdictOf(readingOf(folder / f"zonemd.{name}.zone", origin)), verdict, name)
                tried += 1
        self.assertEqual(tried, len(list(folder.glob("zonemd.*.zone"))))

    def test_digestEqualsThatOfRFC8976(self) -> None:
        """
        The digest that we make is the one in the RFC.
        """
        folder = corpus("unbound-unitdata") / "testdata"
        version = Version(Image(readingOf(folder / "zonemd.example_a4.zone", "uri.arpa.").builder.finish()))
        self.assertEqual(digests(version, [1])[1].hex(), URI_ARPA)

    def test_signedRootZoneHasNoFindings(self) -> None:
        """
        A whole signed root zone has no findings at its time, except its SHA-1 digests.
        """
        zone = corpus("zonemd-test-cases") / "zones" / "44-root-zone" / "root.zone.hashed"
        result = vet(str(zone), b"\x00", now=1_611_100_800)
        self.assertEqual([str(finding) for finding in result.report.findings if finding.check != "ds-values"], [])
        assert result.version is not None
        self.assertEqual(result.version.recordCount, 21_424)
