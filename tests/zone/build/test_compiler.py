"""
Tests for L{twisted_ext.zone.build.compiler} and L{twisted_ext.zone.build.jobs}.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.build.compiler import main
from twisted_ext.zone.build.jobs import CompileJobs, fingerprintOf
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.limits import TELLING_OCTETS

ZONE = "@ 60 SOA ns host {serial} 3600 900 604800 300\n@ 60 NS ns\nns 60 A 192.0.2.1\n"


class CompilingTests(SynchronousTestCase):
    """
    Tests of jobs and their results.
    """

    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)

    def at(self, name: str) -> str:
        """
        Return the path of a file in the folder of this test.
        """
        return os.path.join(self.folder, name)

    def write(self, name: str, text: str) -> str:
        """
        Write a file and return its path.
        """
        with open(self.at(name), "w") as file:
            file.write(text)
        return self.at(name)

    def perform(self, *jobs: object) -> list[dict[str, object]]:
        """
        Return the result of each job and of the end. Before them the process reports that it is busy.
        """
        results = io.BytesIO()
        main(io.BytesIO(b"".join([(job if isinstance(job, str) else json.dumps(job)).encode() + b"\n" for job in jobs])), results)
        first, *found = [cast("dict[str, object]", json.loads(line)) for line in results.getvalue().splitlines()]
        self.assertEqual(first, {"busy": True})
        return found

    def texts(self, result: dict[str, object]) -> list[str]:
        """
        Return the texts of the complaints of a result.
        """
        complaints = result["complaints"]
        assert isinstance(complaints, list)
        return [str(each["text"]) for each in complaints]

    def test_progressIsReported(self) -> None:
        """
        The process reports that it is busy while it reads a large zone or many small ones. Each result is reported at once on
        request.
        """
        path = self.write("zone", ZONE.format(serial=1))
        self.patch(TELLING_OCTETS, "default", 4 * os.path.getsize(path))
        jobs = [{"name": f"z{number}.", "path": path} for number in range(10)]
        found = self.perform({"pack": self.at("pack")}, *jobs, {"seal": True})
        self.assertEqual([index for index, result in enumerate(found) if result == {"busy": True}], [4, 9])
        self.assertEqual(len([result for result in found if "image" in result]), 10)
        for each in (False, True):
            compiling = CompileJobs()
            compiling.perform(json.dumps({"pack": self.at("pack"), "each": each}).encode())
            result = compiling.perform(json.dumps(jobs[0]).encode())
            self.assertEqual(compiling.packs(result), not each)
            compiling.end()

    def test_zoneIsCompiledToImage(self) -> None:
        """
        A zone is compiled to an image at the given path, and the result describes its sources and size.
        """
        path = self.write("zone", ZONE.format(serial=7) + "$INCLUDE more\nout.side. 60 A 192.0.2.1\n")
        more = self.write("more", "www 60 A 192.0.2.2\n")
        result, end = self.perform({"name": "example.", "path": path, "image": self.at("image")})
        image = Image.open(self.at("image"))
        sources = [[each, os.stat(each).st_size, os.stat(each).st_mtime_ns] for each in (path, more)]
        complaints = result.pop("complaints")
        assert isinstance(complaints, list)
        (complaint,) = complaints
        self.assertEqual((complaint["line"], complaint["column"], complaint["fatal"], complaint["path"]), (5, 1, False, path))
        self.assertEqual(
            result,
            {
                "name": "example.", "sources": sources, "unsaid": 0, "image": self.at("image"), "offset": 0,
                "octets": os.path.getsize(self.at("image")), "serial": 7, "records": 4, "nodes": 3,
            },
        )  # fmt: skip
        self.assertEqual((image.serial, image.records, image.fingerprint), (7, 4, fingerprintOf(sources)))
        self.assertTrue(end["done"])

    def test_ttlsThatDifferAreReported(self) -> None:
        """
        The log names the records of one set that have different TTLs, with their line, and the one that all of them get.
        """
        path = self.write("zone", ZONE.format(serial=1) + "a 60 A 192.0.2.1\na 120 A 192.0.2.2\n")
        result, _ = self.perform({"name": "example.org", "path": path, "image": self.at("image")})
        self.assertEqual(self.texts(result), ["a.example.org. A: TTLs of 60, 120 s; 60 s is used for all"])
        complaints = cast("list[dict[str, object]]", result["complaints"])
        self.assertEqual((complaints[0]["line"], complaints[0]["fatal"]), (4, False))

    def test_imagesArePackedIntoOneFile(self) -> None:
        """
        Images without a path of their own are packed into one file.
        """
        paths = [self.write(f"zone{number}", ZONE.format(serial=number)) for number in range(20)]
        jobs = [{"name": f"z{number}.example.", "path": path} for number, path in enumerate(paths)]
        began, *results, end = self.perform({"pack": self.at("pack")}, *jobs)
        self.assertEqual(began, {"pack": self.at("pack"), "complaints": []})
        with open(self.at("pack"), "rb") as file:
            pack = file.read()
        for number, result in enumerate(results):
            offset = result["offset"]
            assert isinstance(offset, int)
            image = Image(pack, offset)
            self.assertEqual((image.apex, image.serial, image.sound), (nameFromText(f"z{number}.example"), number, True))
            self.assertEqual(result["image"], self.at("pack"))
        self.assertEqual(end, {"done": True, "pack": self.at("pack"), "octets": len(pack)})

    def test_anyPathIsReported(self) -> None:
        """
        The result for a zone is valid JSON, whatever characters its paths have.
        """
        path = self.write('a "zone" \\ \u20ac', ZONE.format(serial=3))
        status = os.stat(path)
        _, result, _ = self.perform({"pack": self.at('a "pack"')}, {"name": "example.", "path": path})
        expected = {"name": "example.", "sources": [[path, status.st_size, status.st_mtime_ns]], "complaints": [], "unsaid": 0}
        image = {"image": self.at('a "pack"'), "offset": 0, "octets": os.path.getsize(self.at('a "pack"'))}
        self.assertEqual(result, {**expected, **image, "serial": 3, "records": 3, "nodes": 2})

    def test_unwritablePackIsReported(self) -> None:
        """
        Each zone reports the reason if the pack cannot be written.
        """
        jobs = [{"name": "z.example.", "path": self.write("zone", ZONE.format(serial=1))}] * 2
        _, *results, _ = self.perform({"pack": self.at("none/pack")}, *jobs)
        for result in results:
            self.assertIn("No such file", self.texts(result)[0])

    def test_sealedPackIsComplete(self) -> None:
        """
        A sealed pack is complete and another one may follow, but not before.
        """
        job = {"name": "example.", "path": self.write("zone", ZONE.format(serial=5))}
        one, two = {"pack": self.at("one")}, {"pack": self.at("two")}
        _, again, first, sealed, _, second, end = self.perform(one, two, job, {"seal": True}, two, job)
        self.assertEqual(len(self.texts(again)), 1)
        self.assertEqual([each["image"] for each in (first, second)], [self.at("one"), self.at("two")])
        self.assertEqual([each["offset"] for each in (first, second)], [0, 0])
        self.assertEqual([each["pack"] for each in (sealed, end)], [self.at("one"), self.at("two")])
        self.assertEqual([Image.open(self.at(name)).serial for name in ("one", "two")], [5, 5])

    def test_failedJobsDoNotStopOthers(self) -> None:
        """
        Zones that cannot be built and invalid jobs are reported, and the jobs after them are done. An existing image stays.
        """
        good = self.write("good", ZONE.format(serial=1))
        image = self.at("image")
        self.perform({"name": "example.", "path": good, "image": image})
        jobs: list[object] = [
            {"name": "example.", "path": self.write("bad", ZONE.format(serial=1) + "a A 1\n"), "image": image},
            {"name": "example.", "path": self.write("empty", ""), "image": image},
            {"name": "example.", "path": self.at("none"), "image": image},
            {"name": "exa..mple.", "path": good, "image": image},
            {"name": "example.", "path": good, "image": self.at("none/image")},
            {"name": "example.", "path": good},
            {"name": "example."},
            {"pack": self.at("none/pack")},
            "{", "[]", "7", '"x"', "[" * 100_000,
        ]  # fmt: skip
        *results, end = self.perform(*jobs, {"name": "last.", "path": good, "image": self.at("last")})
        texts = [self.texts(result) for result in results]
        self.assertEqual([len(each) for each in texts], [1] * len(jobs) + [0])
        for text, expected in zip(
            texts,
            (
                "192.0.2.1", "no SOA record", "No such file", "label is empty", "No such file", "no pack", "path", "No such file",
                "no job", "no job", "no job", "no job", "no job",
            ),
            strict=False,
        ):  # fmt: skip
            self.assertIn(expected, text[0])
        self.assertTrue(all("image" not in result for result in results[:-1]))
        self.assertEqual(Image.open(image).serial, 1)
        self.assertEqual(Image.open(self.at("last")).apex, b"\x04last\x00")
        self.assertTrue(end["done"])

    def test_parentRecordsAtApexAreRefused(self) -> None:
        """
        A zone with DS or DELEG records at its apex is not built, because they belong to the parent zone (RFC 4035, section 2.4).
        """
        for records in ("@ DS 1 13 2 " + "0" * 64 + "\n", "@ DELEG server-name=a.\n"):
            for more in ("", "a CNAME b.other.\n"):
                path = self.write("zone", ZONE.format(serial=1) + records + more)
                result, _ = self.perform({"name": "example.", "path": path, "image": self.at("image")})
                self.assertNotIn("image", result)
                self.assertIn("records at the apex; they belong to the zone above", "".join(self.texts(result)))

    def test_fullDiskIsReported(self) -> None:
        """
        The zones of a pack are not built if the disk is full, others are, and the final result says that the pack is invalid.
        """
        path = self.write("zone", ZONE.format(serial=1))
        _, result, other, end = self.perform(
            {"pack": "/dev/full"}, {"name": "example.", "path": path}, {"name": "example.", "path": path, "image": self.at("image")}
        )
        self.assertNotIn("image", result)
        self.assertIn("No space left on device", str(result["complaints"]))
        self.assertEqual(other["image"], self.at("image"))
        self.assertFalse(end["done"])

    def test_programReadsJobsFromStdin(self) -> None:
        """
        The program reads jobs from standard input and ends with it. It does not import the reactor.
        """
        path = self.write("zone", ZONE.format(serial=9))
        job = json.dumps({"name": "example.", "path": path, "image": self.at("image")}).encode()
        check = (
            "import sys, runpy; runpy.run_module('twisted_ext.zone.build.compiler', run_name='__main__');"
            "assert not [each for each in sys.modules if each.startswith(('twisted.internet', 'asyncio', 'dataclasses'))]"
        )
        for arguments in (["-m", "twisted_ext.zone.build.compiler"], ["-c", check]):
            done = subprocess.run([sys.executable, *arguments], input=job, capture_output=True, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            runs, result, end = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(runs, {"busy": True})
            self.assertEqual((result["serial"], end["done"]), (9, True))
