"""
Images of zones on disk: which exist, what they were made from, and whether that has changed.

A folder holds files with one or more images, and C{index}, to which a line is appended for each new image. Files are complete or absent,
and a truncated line is ignored: after a crash, an image that was made a moment ago may have to be made once more. One with what clients
have changed, which nothing else has, is on the disk with its line before it is used.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from json.encoder import encode_basestring_ascii as quoted
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from mypy_extensions import mypyc_attr

from twisted_ext.errors import BadDescription, BadImage
from twisted_ext.files import STATE_FOLDER, closeLocked, forState

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Built", "Images", "Maps"]

_INDEX: Final = "index"
_ENDING: Final = ".image"

#: Lines that say nothing any more, besides as many as there are zones, from which on the index is written anew.
_GARBAGE: Final = 100

#: A file that a zone was made from: its path, its octets, and its modification time in nanoseconds.
Source = tuple[str, int, int]


class Built:
    """
    An image of a zone.

    @ivar zone: the zone's name, as text with its final dot.
    @ivar path: the file with the image.
    @ivar offset: the offset of the image in the file.
    @ivar sources: the files that it was made from, the zone's own first.
    @ivar made: how it was signed, see L{SigningPolicy.toText<twisted_ext.zone.sign.policy.SigningPolicy.toText>}; C{""} if it was not.
    @ivar taken: the serial of the unsigned version that it was made of, if it was signed.
    @ivar isEdited: whether it has what clients have changed since that version.
    @ivar reached: the serial up to which what has changed since, and is in a journal, follows from C{sources}: that of its origin, and
        signatures that were made anew; its own if there is nothing.
    @ivar renewed: until when the signatures that were due were made, with it or by such changes, in seconds since 1970; 0 if that is not
        known.
    @ivar due: when it has to be signed again because a key does something else then, in seconds since 1970; 0 for never.
    @ivar begins: when the last of its signatures becomes valid, in seconds since 1970.
    """

    __slots__ = (
        "zone", "path", "offset", "octets", "serial", "records", "sources", "made", "due", "begins", "taken", "isEdited", "reached",
        "renewed",
    )  # fmt: skip

    def __init__(
        self,
        zone: str,
        path: str,
        offset: int,
        octets: int,
        serial: int,
        records: int,
        sources: tuple[Source, ...],
        made: str = "",
        due: int = 0,
        begins: int = 0,
        taken: int = 0,
        isEdited: bool = False,
        reached: int | None = None,
        renewed: int = 0,
    ) -> None:
        self.zone = zone
        self.path = path
        self.offset = offset
        self.octets = octets
        self.serial = serial
        self.records = records
        self.sources = sources
        self.made = made
        self.due = due
        self.begins = begins
        self.taken = taken
        self.isEdited = isEdited
        self.reached = serial if reached is None else reached
        self.renewed = renewed

    def toJSON(self) -> str:
        # There may be a hundred thousand of them, and making an encoder for each would take longer than using it.
        sources = ", ".join([f"[{quoted(path)}, {size}, {changed}]" for path, size, changed in self.sources])
        numbers = f"{self.offset}, {self.octets}, {self.serial}, {self.records}"
        more = f"{self.due}, {self.begins}, {self.taken}, {int(self.isEdited)}, {self.reached}, {self.renewed}"
        made = f", {quoted(self.made)}, {more}" if self.made else ""
        return f"[{quoted(self.zone)}, {quoted(self.path)}, {numbers}, [{sources}]{made}]\n"

    @classmethod
    def fromList(cls, said: object) -> Built:
        """
        @raise ValueError: the value is not a valid index entry.
        """
        try:
            if not isinstance(said, list):
                raise TypeError
            zone, path, offset, octets, serial, records, sources, *rest = said
            # It is not made, or by a release that did not note more.
            more: list[object] = [*rest, *["", 0, 0, serial, 0, serial, 0][len(rest) :]]
            made, (due, begins, taken, isEdited, reached, renewed) = str(more[0]), [int(str(each)) for each in more[1:]]
            found = tuple([(str(file), int(size), int(changed)) for file, size, changed in sources])
            numbers = int(offset), int(octets), int(serial), int(records)
            return cls(str(zone), str(path), *numbers, found, made, due, begins, taken, bool(isEdited), reached, renewed)
        except (TypeError, ValueError):
            raise ValueError(f"{said!r:.200} is not an image") from None

    def isWhole(self, reached: int | None) -> bool:
        """
        Return whether what was noted of changes in its journal is there, and until when signatures were made.

        @param reached: the serial to which the journal leads; L{None} if there is none.
        """
        return bool(self.renewed) and self.reached in (self.serial, reached)

    @property
    def isSigned(self) -> bool:
        """
        Whether it was signed here.
        """
        return bool(self.made)

    @property
    def current(self) -> bool:
        """
        Whether all files that it was made from are unchanged.
        """
        return all(statusOf(path) == (size, changed) for path, size, changed in self.sources)


def statusOf(path: str) -> tuple[int, int] | None:
    """
    Return the octets and modification time in nanoseconds of a file; L{None} if C{stat} fails.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        # ValueError: no file can have such a name.
        return None
    return found.st_size, found.st_mtime_ns


@mypyc_attr(native_class=False)  # It is referred to weakly.
class _Mapped:
    """
    A file mapped into memory, shared by all images in it.
    """

    __slots__ = ("buffer", "words", "__weakref__")

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise BadImage(f"{path}: an empty file is not an image of a zone")
            self.buffer = mmap(file.fileno(), 0, access=ACCESS_READ)
        self.words = memoryview(self.buffer)[: size & ~3].cast("I")


class Maps:
    """
    Mapped files, each mapped once for all zones in it.
    """

    def __init__(self) -> None:
        self._mapped: WeakValueDictionary[str, _Mapped] = WeakValueDictionary()

    def opening(self, zone: bytes, path: str, offset: int, *, checked: bool = True) -> Callable[[], Version]:
        """
        Map a file, so that it stays available even if it is removed.

        @param zone: the folded name.
        @param checked: whether to verify the image's contents.

        @return: a function that returns the version in it.

        @raise OSError: it cannot be read.
        @raise BadImage: it is empty.
        """
        mapped = self._mapped.get(path)
        if mapped is None:
            mapped = self._mapped[path] = _Mapped(path)
        return partial(_opened, mapped, zone, path, offset, checked)


def _opened(mapped: _Mapped, zone: bytes, path: str, offset: int, checked: bool) -> Version:
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.version import Version

    image = Image(mapped.buffer, offset, mapped.words)
    if image.apex != zone:
        raise BadImage(f"{path}: the image at {offset} is another zone's")
    if checked and not image.sound:
        raise BadImage(f"{path}: the image at {offset} is damaged")
    image.path = path
    return Version(image)


class Images:
    """
    The images in a folder. The folder belongs to one server; its workers only read files that it names to them.
    """

    def __init__(self, folder: str, temporary: str = "") -> None:
        """
        @param temporary: the folder for new images if nothing can be written in C{folder}.

        @raise BadDescription: the folder cannot be used, or belongs to another server.
        """
        self.folder = os.path.abspath(folder)
        self._new = temporary or self.folder
        self._known: dict[str, Built] = {}
        self._uses: dict[str, int] = {}
        self._count = 0
        self._garbage = 0
        try:
            os.makedirs(self._new, STATE_FOLDER, exist_ok=True)
            self._lock = forState(f"{self._new}/lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise BadDescription(f"state: {self._new} cannot be used: {error.strerror or error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise BadDescription(f"state: {self.folder} is another server's; give this one a folder of its own") from None
        # A subprocess of an earlier server may still be running, and must not write to the same files.
        self._mark = os.urandom(4).hex()
        try:
            self._read()
            self._sweep()
        except BaseException:
            self.close()
            raise
        if self._garbage > len(self._known) + _GARBAGE:
            self._rewrite()

    def _read(self) -> None:
        try:
            with open(f"{self.folder}/{_INDEX}", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        said = json.loads(line)
                        if isinstance(said, str):
                            self._known.pop(said, None)
                            self._garbage += 2
                            continue
                        built = Built.fromList(said)
                    except ValueError:
                        self._garbage += 1
                        continue
                    if built.zone in self._known:
                        self._garbage += 1
                        if not os.path.exists(built.path):
                            # It was noted and could not be used; the one before is there.
                            continue
                    self._known[built.zone] = built
        except FileNotFoundError:
            pass
        except OSError as error:
            raise BadDescription(f"state: {self.folder}/{_INDEX} cannot be read: {error.strerror or error}") from None
        for built in self._known.values():
            self._uses[built.path] = self._uses.get(built.path, 0) + 1

    def _sweep(self) -> None:
        """
        Remove files without an index entry, and entries without a file.
        """
        try:
            there = {f"{self.folder}/{name}" for name in os.listdir(self.folder)} if os.path.isdir(self.folder) else set()
        except OSError as error:
            raise BadDescription(f"state: {self.folder} cannot be read: {error.strerror or error}") from None
        for path in there:
            if path.endswith((_ENDING, f"{_ENDING}.new")):
                number = os.path.basename(path).partition(".")[0]
                self._count = max(self._count, int(number) if number.isdecimal() else 0)
                if path not in self._uses:
                    _unlink(path)
        gone = [zone for zone, built in self._known.items() if built.path not in there]
        for zone in gone:
            del self._known[zone]

    def _rewrite(self) -> None:
        temporary = f"{self.folder}/{_INDEX}.new"
        try:
            with open(temporary, "w", encoding="utf-8", opener=forState) as file:
                for built in self._known.values():
                    file.write(built.toJSON())
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, f"{self.folder}/{_INDEX}")
        except OSError:
            # If the disk is full, the longer index still works, until as many lines are of no use again.
            _unlink(temporary)
        self._garbage = 0

    def newPath(self) -> str:
        self._count += 1
        return f"{self._new}/{self._count}.{self._mark}{_ENDING}"

    def of(self, zone: str) -> Built | None:
        """
        Return the image of a zone, current or not. Its name is text with a final dot.
        """
        return self._known.get(zone)

    def __iter__(self) -> Iterator[Built]:
        return iter(self._known.values())

    def keep(self, built: Built) -> None:
        """
        Note an image so that it is found after a crash.

        @raise OSError: that is not certain. Once the file of it is removed, the former image of the zone is the one noted.
        """
        with open(f"{self.folder}/{_INDEX}", "a", encoding="utf-8", opener=forState) as file:
            # What was written before may have been cut off, since the disk was full.
            file.write("\n" + built.toJSON())
            file.flush()
            os.fsync(file.fileno())
        self.note([built], isWritten=True)

    def note(self, several: list[Built], isWritten: bool = False) -> None:
        """
        @param isWritten: whether the index has them already.
        """
        lines = []
        for built in several:
            self._uses[built.path] = self._uses.get(built.path, 0) + 1
            former = self._known.get(built.zone)
            self._garbage += former is not None
            self._release(former)
            self._known[built.zone] = built
            lines.append(built.toJSON())
        if lines and not isWritten:
            self._write("".join(lines))
        if self._garbage > len(self._known) + _GARBAGE:
            self._rewrite()

    def rename(self, former: str, zone: str) -> None:
        """
        Have the image of a zone be that of another name: the same one with other capitals.
        """
        built = self._known.pop(former, None)
        if built is not None:
            built.zone = zone
            self._known[zone] = built
            self._write(built.toJSON() + json.dumps(former) + "\n")

    def forget(self, *zones: str) -> None:
        """
        Drop the images of zones that were removed, or images that are damaged.
        """
        lines: list[str] = []
        for zone in zones:
            built = self._known.pop(zone, None)
            if built is not None:
                self._release(built)
                lines.append(json.dumps(zone) + "\n")
        if lines:
            self._write("".join(lines))

    def discard(self, path: str) -> None:
        if path not in self._uses:
            _unlink(path)

    def _release(self, built: Built | None) -> None:
        if built is None:
            return
        left = self._uses[built.path] = self._uses.get(built.path, 1) - 1
        if left <= 0:
            del self._uses[built.path]
            # Processes that have it mapped keep it.
            _unlink(built.path)

    def _write(self, lines: str) -> None:
        # After an error the only loss is that the zone is compiled again next time.
        with suppress(OSError), open(f"{self.folder}/{_INDEX}", "a", encoding="utf-8", opener=forState) as file:
            file.write(lines)

    def close(self) -> None:
        closeLocked(self._lock)


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
