"""
Tests of the checks when a server loads a zone.
"""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.check.test_semantics import PLAIN, SOUND
from tests.zone.plain import HEAD, setsOf, versionOf
from tests.zone.signing import signed
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.build.jobs import CompileJobs
from twisted_ext.zone.check.checkfile import vet
from twisted_ext.zone.zonefile.writer import canonicalFile

WRONG = "$TTL 60\n" + HEAD + "www A 192.0.2.1\nwww CNAME elsewhere.test.\n"
ODD = "$TTL 60\n" + HEAD + "www CNAME nobody\n"


class LoadingTests(SynchronousTestCase):
    """
    Tests of loading zone files.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.image = self.folder / "zone.image"

    def load(self, text: str, now: float | None = None) -> dict[str, object]:
        """
        Return the result of compiling a zone.
        """
        path = self.folder / "zone"
        path.write_text(text)
        job = {"name": "example.", "path": str(path), "image": str(self.image), "now": now}
        return CompileJobs().perform(json.dumps(job).encode())

    def complaints(self, result: dict[str, object]) -> list[tuple[object, object]]:
        """
        Return the line of each complaint and whether it is fatal.
        """
        complaints = result["complaints"]
        assert isinstance(complaints, list)
        return [(each["line"], each["fatal"]) for each in complaints]

    def test_fatalFindingKeepsFormerImage(self) -> None:
        """
        A zone with a fatal mistake is not compiled, and its former image stays.
        """
        self.assertIn("image", self.load("$TTL 60\n" + HEAD))
        before = self.image.read_bytes()
        result = self.load(WRONG)
        self.assertNotIn("image", result)
        self.assertEqual(self.complaints(result), [(5, True)])
        self.assertEqual(self.image.read_bytes(), before)

    def test_repeatedAliasIsOneRecord(self) -> None:
        """
        An alias that is repeated in another letter case is one record.
        """
        result = self.load("$TTL 60\n" + HEAD + "www CNAME other.test.\nWWW CNAME Other.Test.\n")
        self.assertIn("image", result)
        self.assertEqual(self.complaints(result), [])
        report = vet(("$TTL 60\n" + HEAD + "www CNAME other.test.\nWWW CNAME Other.Test.\n").encode(), nameFromText("example.")).report
        self.assertEqual([(each.check, each.line) for each in report.findings if each.check != "soa-values"], [("repeated", 4)])

    def test_warningIsReportedAndZoneServed(self) -> None:
        """
        A zone with mere warnings is compiled, and the warnings are reported.
        """
        result = self.load(ODD)
        self.assertIn("image", result)
        self.assertEqual(self.complaints(result), [(4, False)])

    def test_fatalFindingKeepsZoneOutOfPack(self) -> None:
        """
        A zone with a fatal mistake is not added to a pack.
        """
        path = self.folder / "zone"
        path.write_text(WRONG)
        compiling = CompileJobs()
        compiling.perform(json.dumps({"pack": str(self.folder / "pack")}).encode())
        result = compiling.perform(json.dumps({"name": "example.", "path": str(path)}).encode())
        self.assertNotIn("image", result)
        self.assertEqual(compiling.end()["octets"], 0)


#: The files that are damaged.
FILES = (
    SOUND,
    "".join([f"{line}\n" for line in canonicalFile(signed(PLAIN))]),
    "".join([f"{line}\n" for line in canonicalFile(signed(PLAIN, nsec3=True, optOut=True))]),
)


class DamageTests(SynchronousTestCase):
    """
    Tests of damaged files.
    """

    @given(
        st.sampled_from(FILES),
        st.floats(0, 1),
        st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
        st.sampled_from(["example.org.", "example."]),
    )
    def test_damagedFileIsReportedOrLoaded(self, text: str, end: float, changes: list[tuple[float, int]], apex: str) -> None:
        """
        A file that is cut or modified anywhere leads to findings or to a zone.
        """
        octets = bytearray(text.encode()[: int(end * len(text))])
        for place, octet in changes:
            if octets:
                octets[int(place * (len(octets) - 1))] = octet
        result = vet(bytes(octets), nameFromText(apex), path="zone", now=1.7e9)
        self.assertTrue(result.version is not None or result.report.fatal)
        self.assertTrue(all(str(finding) and finding.toJSON() for finding in result.report.findings))

    def test_nsec3AtApexIsReported(self) -> None:
        """
        An NSEC3 record at the apex is reported.
        """
        text = HEAD + "@ NSEC3PARAM 1 0 0 -\n@ NSEC3 1 0 0 - 00000000000000000000000000000000 A\n"
        version = versionOf(text)
        edited = version.edited({b"": version.top.sets, b"\x01x": tuple(setsOf("x A 192.0.2.1", "example."))})
        self.assertEqual((version.nodeCount, edited.nodeCount), (1, 2))
        self.assertIn("nsec-missing", vet(("$TTL 60\n" + text).encode(), nameFromText("example.")).report.counts)
