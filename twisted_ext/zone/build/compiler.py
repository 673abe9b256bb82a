"""
Builds images from master files, in a child process: C{python -m twisted_ext.zone.build.compiler}.

Standard input has one job per line, a JSON object; standard output one result for each, as soon as it is done. In jobs, C{now} is the
time at which to check signatures::

    {"pack": "/state/zones/7.pack"}                 where images without a file of their own go; sent first, if there are any; with
                                                    "each": true the result of each of these zones is flushed at once
    {"name": "example.org.", "path": "/zones/example.org", "image": "/state/zones/example.org.image", "now": …}
    {"name": "example.net.", "path": "/zones/example.net"}
    {"seal": true}                                  the pack is complete; another one may follow

Results, for a zone that could be built and for one that could not::

    {"name": …, "image": …, "offset": 0, "octets": …, "serial": …, "records": …, "nodes": …, "sources": [[path, octets, mtime], …],
     "complaints": [{"path": …, "line": …, "column": …, "text": …, "fatal": false}, …], "unsaid": 0}
    {"name": …, "sources": […], "complaints": […], "unsaid": 0}

C{{"busy": true}} in between means that a large file is being read.

C{{"seal": true}} or the end of the input synchronizes the pack, reported as C{{"done": true}}: only then are its images durable. Images
in files of their own are synchronized before their result is written. A write error becomes a complaint, and the next job is read.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, BinaryIO, Final

from twisted_ext.zone.store.nodes import CNAME, DNAME, hasKind

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.findings import Finding
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.zonefile.reader import MasterFileContent

__all__ = ["CompileJobs", "fingerprintOf", "main"]

#: Alignment of images in a pack.
_ALIGNED: Final = 8

_Complaint = dict[str, object]

_toJSON: Final = json.JSONEncoder(separators=(",", ":")).encode

#: Records at the apex that belong to the parent zone, by their first octets: DS, DELEG.
_PARENTAL: Final = (b"\xc0\x0c\x00\x2b", b"\xc0\x0c\xf0\x00")

#: Garbage collector threshold: objects allocated, minus those freed, before it looks for cycles.
_MADE: Final = 100_000


def fingerprintOf(sources: Iterable[Iterable[object]]) -> bytes:
    """
    Return the fingerprint of a zone's sources in its image: equal as long as none of them changes.

    @param sources: path, size and modification time of each file that a zone is read from.
    """
    return _toJSON([list(source) for source in sources]).encode("utf-8", "surrogateescape")


class CompileJobs:
    """
    Performs the jobs.
    """

    def __init__(self, sign: Callable[[], object] = lambda: None) -> None:
        """
        @param sign: called from time to time while master files are read.
        """
        self._sign = sign
        self._untold = 0
        self._each = False
        self._pack: FileIO | None = None
        # Why there is no pack although a job asked for one.
        self._unpacked = ""
        self._path = ""
        self._offset = 0

    def perform(self, line: bytes) -> dict[str, object]:
        try:
            job = json.loads(line)
            name = job.get("name")
            if "pack" in job:
                self._each = bool(job.get("each"))
                return self._begin(job["pack"])
            if "seal" in job:
                return self.end()
            now = job.get("now")
            return self._compile(str(name), str(job["path"]), job.get("image"), float(now) if now is not None else None)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            return {"name": None, "complaints": [_said(f"no job: {error!r}")], "sources": [], "unsaid": 0}

    def _begin(self, path: str) -> dict[str, object]:
        if self._pack is not None:
            return {"pack": path, "complaints": [_said("the pack before is not sealed yet")]}
        try:
            self._pack = open(path, "wb", buffering=0)
        except OSError as error:
            self._unpacked = f"{path!r} cannot be written: {error.strerror}"
            return {"pack": path, "complaints": [_said(self._unpacked)]}
        self._path, self._offset, self._unpacked = path, 0, ""
        return {"pack": path, "complaints": []}

    def _compile(self, name: str, path: str, image: str | None, now: float | None) -> dict[str, object]:
        from twisted_ext.errors import BadName, BadZone
        from twisted_ext.wire.names import nameFromText
        from twisted_ext.zone.store.image import Image
        from twisted_ext.zone.zonefile.reader import Reader

        complaints: list[_Complaint] = []
        result: dict[str, object] = {"name": name, "sources": [], "complaints": complaints, "unsaid": 0}
        try:
            reader = Reader(nameFromText(name), tell=self._tell)
            reader.read(path)
            reading = reader.reading
            result["sources"] = [list(source) for source in reading.sources]
            complaints += [_found(finding) for finding in reading.complaints]
            result["unsaid"] = reading.unsaid
            if reading.sound and not self._refused(reading, complaints):
                builder = reading.builder
                fingerprint = fingerprintOf(reading.sources)
                if image is None:
                    octets = builder.finish(fingerprint)
                    place, offset, size = self._path, self._offset, self._packed(octets)
                else:
                    builder.finishTo(image, fingerprint)
                    place, offset, size = image, 0, os.path.getsize(image)
                    self._checked(Image.open(image, checked=False), path, now, complaints)
                header = builder.header
                assert header is not None
                result |= {"image": place, "offset": offset, "octets": size}
                result |= {"serial": header.serial, "records": header.records, "nodes": header.nodes}
        except BadName as error:
            complaints[:] = [_said(f"the zone's name: {error}", path)]
        except BadZone as error:
            complaints.append(_said(str(error), path))
        except OSError as error:
            complaints.append(_said(f"the image cannot be written: {error.strerror or error}", path))
        except MemoryError:
            complaints.append(_said("there is not enough memory for this zone", path))
        return result

    def _tell(self, octets: int) -> None:
        from twisted_ext.zone.limits import TELLING_OCTETS

        self._untold += octets
        if self._untold >= TELLING_OCTETS.default:
            self._untold = 0
            self._sign()

    def _refused(self, reading: MasterFileContent, complaints: list[_Complaint]) -> bool:
        """
        Report conflicting records at a name; return whether there are any.
        """
        builder = reading.builder
        counts = builder.counts
        if not any(mark & (CNAME | DNAME) and counts.get(key, 1) > 1 for key, mark in builder.marks.items()) and not any(
            hasKind(builder.nodes[b""], 0, kind) for kind in _PARENTAL
        ):
            return False
        from twisted_ext.zone.check.checkfile import locate, refused

        report = refused(builder)
        locate(reading.sources[0][0], builder.apexName, report)
        complaints += [_found(finding) for finding in report.findings]
        return bool(report.fatal)

    def _checked(self, built: Image, path: str, now: float | None, complaints: list[_Complaint]) -> None:
        from twisted_ext.zone.limits import CHECKED_NODES

        if built.nodes > CHECKED_NODES.default:
            return
        from twisted_ext.zone.check.checkfile import locate
        from twisted_ext.zone.check.semantics import check
        from twisted_ext.zone.store.version import Version

        report = check(Version(built), now=now)
        locate(path, built.apexName, report)
        complaints += [_found(finding) for finding in report.findings]

    def _packed(self, image: bytes) -> int:
        """
        Append an image to the pack; return by how many octets it grew.

        @raise OSError: there is no pack, or it cannot be written.
        """
        if self._pack is None:
            raise OSError(self._unpacked or "there is no pack for images without a file of their own")
        octets = len(image) + -len(image) % _ALIGNED
        left = memoryview(image.ljust(octets, b"\x00"))
        try:
            while left:
                written = self._pack.write(left)
                left = left[written:]
        except OSError:
            # The next image overwrites the partial one.
            with suppress(OSError):
                self._pack.seek(self._offset)
            raise
        self._offset += octets
        return octets

    def packs(self, result: dict[str, object]) -> bool:
        """
        Return whether the image of a zone is unusable until the pack is complete.
        """
        return self._pack is not None and not self._each and result.get("image") == self._path

    def end(self) -> dict[str, object]:
        """
        Complete the pack. The result says whether it is on disk.
        """
        pack, self._pack = self._pack, None
        if pack is not None:
            try:
                os.fsync(pack.fileno())
            except OSError as error:
                return {"done": False, "complaints": [_said(f"{self._path!r} cannot be written: {error.strerror}")]}
            finally:
                pack.close()
        return {"done": True, "pack": self._path, "octets": self._offset}


def _found(finding: Finding) -> _Complaint:
    text = f"{finding.subject}: {finding.text}" if finding.subject else finding.text
    return {"path": finding.path, "line": finding.line, "column": finding.column, "text": text, "fatal": finding.fatal}


def _said(text: str, path: str = "") -> _Complaint:
    return {"path": path, "line": 0, "column": 0, "text": text, "fatal": True}


def main(lines: BinaryIO, results: BinaryIO) -> None:
    def sign() -> None:
        results.write(b'{"busy":true}\n')
        results.flush()

    # Report at once that the process has started.
    sign()
    compiling = CompileJobs(sign)
    for line in lines:
        if line.strip():
            result = compiling.perform(line)
            results.write(_toJSON(result).encode("ascii") + b"\n")
            if not compiling.packs(result):
                results.flush()
    results.write(json.dumps(compiling.end()).encode("ascii") + b"\n")
    results.flush()


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(_MADE)
    main(sys.stdin.buffer, sys.stdout.buffer)
