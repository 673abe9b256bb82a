"""
The jobs of a process that compiles zones, and signs them, which L{twisted_ext.zone.build.compiler} describes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from twisted_ext.files import forState
from twisted_ext.errors import BadImage, BadKey, BadName, BadZone, StorageFault
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.limits import DIFFERING_OCTETS, TELLING_OCTETS
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.nodes import CNAME, DNAME, hasKind
from twisted_ext.zone.zonefile.findings import Finding, Report
from twisted_ext.zone.zonefile.reader import MasterFileContent, Reader

if TYPE_CHECKING:
    from twisted_ext.zone.store.imagebuilder import ImageBuilder

__all__ = ["CompileJobs", "fingerprintOf"]

#: Names of a zone up to which a server runs all checks when it loads it; in larger ones it looks for fatal errors only, and the
#: command-line check does the rest. So many names take a tenth of a second.
_CHECKED_NODES: Final = 20_000

#: Alignment of images in a pack.
_ALIGNED: Final = 8

#: Octets that count as read for each batch of names that is signed, so that a process that signs for minutes is not taken for one that hangs.
_NAME_OCTETS: Final = 50_000

_Complaint = dict[str, object]

#: Processor cores for this process.
_CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_toJSON: Final = json.JSONEncoder(separators=(",", ":")).encode
_fromJSON: Final = json.JSONDecoder().decode

#: Checks that find each signature that has ended or will end soon.
_ENDS: Final = frozenset(("rrsig-expired", "rrsig-ending"))

#: Records at the apex that belong to the parent zone, by their first octets: DS, DELEG.
_PARENTAL: Final = (b"\xc0\x0c\x00\x2b", b"\xc0\x0c\xf0\x00")


def fingerprintOf(sources: Iterable[Sequence[object]]) -> bytes:
    """
    Return the fingerprint of a zone's sources in its image: equal as long as none of them changes.

    @param sources: path, size and modification time of each file that a zone is read from.
    """
    # As JSON, written by hand since there may be a hundred thousand zones.
    said = ",".join([f"[{quoted(str(path))},{size},{changed}]" for path, size, changed in sources])
    return f"[{said}]".encode("ascii")


class CompileJobs:
    """
    Performs the jobs.
    """

    def __init__(self, live: Callable[[], object] = lambda: None) -> None:
        """
        @param live: called from time to time while a large zone is read or signed.
        """
        self._live = live
        self._untold = 0
        self._each = False
        self._pack: FileIO | None = None
        # The reason why the pack that a job named could not be opened.
        self._unpacked = ""
        self._path = ""
        self._offset = 0
        # The fingerprint of the last zone, which is its sources as JSON; empty if it has no image.
        self._fingerprint = b""
        # The reader of the last zone. Its records are freed after the result was written, as freeing a million takes a while.
        self._reader: Reader | None = None

    def run(self, lines: BinaryIO, results: BinaryIO) -> None:
        """
        Perform the jobs that some lines describe, and write their results.
        """
        for line in lines:
            if line.strip():
                result = self.perform(line)
                results.write(self._line(result))
                if not self.packs(result):
                    results.flush()
                self._reader = None
        results.write(_toJSON(self.end()).encode("ascii") + b"\n")
        results.flush()

    def _line(self, result: dict[str, object]) -> bytes:
        """
        Return a result as a line of JSON.
        """
        if not self._fingerprint or result["complaints"] or "signed" in result or "differs" in result:
            return _toJSON(result).encode("ascii") + b"\n"
        # Written by hand, of what there is already: there may be a hundred thousand zones.
        return (
            f'{{"name":{quoted(str(result["name"]))},"sources":{self._fingerprint.decode("ascii")},"complaints":[],'
            f'"unsaid":{result["unsaid"]},"image":{quoted(str(result["image"]))},"offset":{result["offset"]},"octets":{result["octets"]},'
            f'"serial":{result["serial"]},"records":{result["records"]},"nodes":{result["nodes"]}}}\n'
        ).encode("ascii")

    def perform(self, line: bytes) -> dict[str, object]:
        self._fingerprint = b""
        try:
            job = _fromJSON(line.decode("utf-8"))
            name = job.get("name")
            if "pack" in job:
                self._each = bool(job.get("each"))
                return self._begin(job["pack"])
            if "seal" in job:
                return self.end()
            return self._compile(str(name), str(job["path"]), job)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            return {"name": None, "complaints": [_said(f"no job: {error!r}")], "sources": [], "unsaid": 0}

    def _begin(self, path: str) -> dict[str, object]:
        if self._pack is not None:
            return {"pack": path, "complaints": [_said("the pack before is not sealed yet")]}
        try:
            self._pack = open(path, "wb", buffering=0, opener=forState)
        except OSError as error:
            self._unpacked = f"{path!r} cannot be written: {error.strerror}"
            return {"pack": path, "complaints": [_said(self._unpacked)]}
        self._path, self._offset, self._unpacked = path, 0, ""
        return {"pack": path, "complaints": []}

    def _compile(self, name: str, path: str, job: Mapping[str, Any]) -> dict[str, object]:
        # What an operator knows of a zone that is signed is where it comes from.
        said = str(job.get("origin", path))
        complaints: list[_Complaint] = []
        result: dict[str, object] = {"name": name, "sources": [], "complaints": complaints, "unsaid": 0}
        try:
            apex = nameFromText(name)
            if "sign" in job:
                self._sign(apex, path, job, result)
            else:
                self._read(apex, path, job, result, complaints)
        except BadName as wrong:
            complaints[:] = [_said(f"the zone's name: {wrong}", said)]
        except (BadZone, BadKey, StorageFault) as bad:
            complaints.append(_said(str(bad), said))
            result["again"] = isinstance(bad, StorageFault)
        except OSError as error:
            # That of the image, or a folder of keys.
            result["again"] = True
            what = error.filename or "the image"
            complaints.append(_said(f"{what} cannot be written: {error.strerror or error}", said))
        except MemoryError:
            complaints.append(_said("there is not enough memory for this zone", said))
            result["again"] = True
        return result

    def _read(
        self, apex: bytes, path: str, job: Mapping[str, Any], result: dict[str, object], complaints: list[_Complaint]
    ) -> None:
        """
        Make an image of a master file.
        """
        image: str | None = job.get("image")
        reading = self._master(apex, path)
        result["sources"] = reading.sources
        complaints += [_found(finding) for finding in reading.complaints]
        result["unsaid"] = reading.unsaid
        if not reading.sound or self._refused(reading, complaints):
            return
        builder, fingerprint = reading.builder, fingerprintOf(reading.sources)
        if image is None:
            octets = builder.finish(fingerprint)
            place, offset, size = self._path, self._offset, self._packed(octets)
            made = Image(octets)
        else:
            builder.finishTo(image, fingerprint)
            place, offset, size = image, 0, os.path.getsize(image)
            now = None if job.get("now") is None else float(job["now"])
            made = Image.open(image, checked=False)
            self._checked(made, path, now, complaints)
        if "former" in job:
            former, start = job["former"]
            names = _differing(str(former), int(start), made)
            if names is not None:
                result["differs"] = {"from": [former, start], "names": names}
        if builder.uneven:
            self._uneven(builder, path, complaints)
        result |= {"image": place, "offset": offset, "octets": size, **_counted(builder)}
        self._fingerprint = fingerprint

    def _sign(self, apex: bytes, path: str, job: Mapping[str, Any], result: dict[str, object]) -> None:
        """
        Make a signed image of an unsigned version, which was checked when it came.
        """
        # Imported for zones that are signed only.
        from twisted_ext.zone.sign.job import SignJob
        from twisted_ext.zone.sign.unsigned import changed, inSigningOrder, read, served

        builder, sources = read(apex, path, job.get("offset"), job["sources"])
        former: Image | None = None
        isChanged = bool(job.get("changed"))
        if "served" in job:
            image, journal, serial = job["served"]
            try:
                version = served(str(image), str(journal), int(serial))
            except StorageFault:
                # It may have been replaced meanwhile, which matters only if it is what is to be signed.
                if isChanged:
                    raise
            else:
                builder = changed(builder, version) if isChanged else builder
                former = inSigningOrder(version, builder)
        result["sources"] = sources
        signing = SignJob.fromTable(job["sign"], float(job["now"]))
        ahead: Image | None = None
        with suppress(BadImage):
            ahead = Image.open(str(job["ahead"])) if "ahead" in job else None
        signing.sign(builder, lambda done, all: self._tell(_NAME_OCTETS), former, ahead, isChanged)
        result["sources"] = sources = [*sources, *signing.sources]
        target = str(job["image"])
        builder.finishTo(target, fingerprintOf(sources))
        result |= {"signed": signing.said, "due": signing.due, "begins": signing.begins, "made": signing.policy.toText()}
        result |= {"image": target, "offset": 0, "octets": os.path.getsize(target), **_counted(builder)}
        if former is not None:
            result["change"] = _changeTo(target, former)

    def _master(self, apex: bytes, path: str) -> MasterFileContent:
        reader = self._reader = Reader(apex, tell=self._tell, divided=_CORES > 1)
        reader.read(path)
        return reader.reading

    def _tell(self, octets: int) -> None:
        self._untold += octets
        if self._untold >= TELLING_OCTETS.default:
            self._untold = 0
            self._live()

    def _refused(self, reading: MasterFileContent, complaints: list[_Complaint]) -> bool:
        """
        Report conflicting records at a name; return whether there are any.
        """
        builder = reading.builder
        counts = builder.counts
        top = builder.nodes[b""]
        if not any(mark & (CNAME | DNAME) and counts.get(key, 1) > 1 for key, mark in builder.marks.items()) and not any(
            top.find(kind) >= 0 and hasKind(top, 0, kind) for kind in _PARENTAL
        ):
            return False
        from twisted_ext.zone.check.checkfile import locate, refused

        report = refused(builder)
        locate(reading.sources[0][0], builder.apexName, report)
        complaints += [_found(finding) for finding in report.findings]
        return bool(report.fatal)

    def _checked(self, built: Image, path: str, now: float | None, complaints: list[_Complaint]) -> None:
        if built.nodes > _CHECKED_NODES:
            return
        from twisted_ext.zone.check.checkfile import locate
        from twisted_ext.zone.check.semantics import check
        from twisted_ext.zone.store.version import Version

        report = check(Version(built), now=now)
        locate(path, built.apexName, report)
        # The server warns of signatures that end as long as it serves the zone, with one line for all of them.
        complaints += [_found(finding) for finding in report.findings if finding.check not in _ENDS]

    @staticmethod
    def _uneven(builder: ImageBuilder, path: str, complaints: list[_Complaint]) -> None:
        from twisted_ext.zone.check.checkfile import locate, uneven

        report = Report()
        uneven(builder.apexName, builder.uneven, report)
        locate(path, builder.apexName, report)
        complaints += [_found(finding) for finding in report.findings]

    def _packed(self, image: bytes) -> int:
        """
        Append an image to the pack; return by how many octets it grew.

        @raise OSError: no pack is open, or it cannot be written.
        """
        if self._pack is None:
            raise OSError(self._unpacked or "no pack is open, and the job names no image file for this zone")
        octets = len(image) + -len(image) % _ALIGNED
        padded = image.ljust(octets, b"\x00")
        try:
            written = self._pack.write(padded)
            while written < octets:
                written += self._pack.write(memoryview(padded)[written:])
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


def _differing(path: str, offset: int, image: Image) -> list[str] | None:
    """
    Return the names in which an image differs from a former one, and the zone's own, as hexadecimal keys; L{None} if these are many, or
    the former one cannot be used.
    """
    # Imported for zones that are signed only.
    from twisted_ext.zone.store.traversal import candidates
    from twisted_ext.zone.store.version import Version

    try:
        former = Image.open(path, offset=offset)
    except (OSError, BadImage):
        return None
    names: dict[str, None] = {"": None}
    octets = 0
    for key in candidates(Version(former), Version(image)):
        if key is not None:
            names[key.hex()] = None
            octets += len(key)
            if octets > DIFFERING_OCTETS.default:
                return None
    return [*names]


def _changeTo(path: str, former: Image) -> str:
    """
    Return the difference of an image from a former one as in a journal, in base64; C{""} if it is large.
    """
    # Imported for zones that are signed only.
    from base64 import b64encode

    from twisted_ext.zone.store.journal import encoded
    from twisted_ext.zone.store.steps import finished
    from twisted_ext.zone.store.traversal import differing
    from twisted_ext.zone.store.version import Version

    found = finished(differing(Version(former), Version(Image.open(path, checked=False)), int(DIFFERING_OCTETS.default)))
    return "" if found is None else b64encode(encoded(found)).decode("ascii")


def _counted(builder: ImageBuilder) -> dict[str, object]:
    """
    Return what the image of a builder has.
    """
    header = builder.header
    assert header is not None
    return {"serial": header.serial, "records": header.records, "nodes": header.nodes}


def _found(finding: Finding) -> _Complaint:
    text = f"{finding.subject}: {finding.text}" if finding.subject else finding.text
    return {"path": finding.path, "line": finding.line, "column": finding.column, "text": text, "fatal": finding.fatal}


def _said(text: str, path: str = "") -> _Complaint:
    return {"path": path, "line": 0, "column": 0, "text": text, "fatal": True}
