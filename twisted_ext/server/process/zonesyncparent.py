"""
The zones of a server with several workers, told to these: which image each is in, and what has changed since.

What is told follows from what is in force, and not from how it came to be: files, updates, transfers, databases and catalogs are all the
same here. A change costs what it changes, and no copy of the zone.
"""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import Logger

from twisted_ext.server.authority.zonetable import EXPIRED, LOADING, SERVING, Place, Zones
from twisted_ext.server.jobs.subprocess import inThread
from twisted_ext.server.limits import WORKER_PIECE
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.store.changeset import rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["Mirroring"]

#: Words in one line, and names in one word.
_LINE: Final = 500

_log: Final = Logger()

#: Stands for a name of which nothing is known.
_NOBODY: Final = object()

_NOTHING: Final[Mapping[bytes, Node | None]] = {}


class _Shown:
    """
    A zone as the workers know it.

    @ivar state: as in L{Place}.
    @ivar path: the file with its image, C{""} while they have none.
    @ivar image: what that is; L{None} where this process has not opened it.
    @ivar version: what of it was told last, L{None} where that is nothing but the image.
    @ivar edits: how often it was told that there are others.
    @ivar until: seconds since 1970 until when it holds, or L{None}.
    @ivar own: whether the file is one of those that are there for workers alone.
    """

    __slots__ = ("state", "file", "path", "offset", "serial", "records", "image", "version", "edits", "until", "own")

    def __init__(self) -> None:
        self.state = ""
        self.file = ""
        self.path = ""
        self.offset = self.serial = self.records = 0
        self.image: Image | None = None
        self.version: Version | None = None
        self.edits = 0
        self.until: float | None = None
        self.own = False


class Mirroring:
    """
    Tells workers of the zones in a table.

    There are these words: C{expect}, C{image}, C{more}, C{gone} and C{edit}, C{until}, C{fail}, C{remove}; L{Mirrored
    <twisted_ext.server.zones.zonesyncworker.Mirrored>} does what they say.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        zones: Zones,
        send: Callable[[list[JSON]], object],
        folder: Callable[[], str],
        *,
        revised: Callable[[bytes], bool] = lambda apex: False,
        until: Callable[[bytes], float | None] = lambda apex: None,
    ) -> None:
        """
        @param send: tells all workers some words.
        @param folder: makes a folder for files that are there for workers alone, and gives its path.
        @param revised: says of a zone that has not been opened whether its image is not all that there is to it.
        @param until: gives when a zone expires, in seconds since 1970; L{None} of those that never do.
        """
        self._reactor = reactor
        self._zones = zones
        self._send = send
        self._makeFolder = folder
        self._revised = revised
        self._until = until
        self._folder = ""
        self._count = 0
        self._shown: dict[bytes, _Shown] = {}
        self._noted: dict[bytes, None] = {}
        self._timer: IDelayedCall | None = None
        # Images that are being written, and those that have been.
        self._writing: dict[bytes, tuple[Image, Deferred[None]]] = {}
        self._written: dict[bytes, tuple[Image, str]] = {}
        # Files that some worker may not have opened yet.
        self._old: list[str] = []
        self._closed = False
        zones.told = self.note

    def note(self, apex: bytes) -> None:
        """
        Something about a zone may be otherwise than it was told.
        """
        self._noted[apex] = None
        if self._timer is None and not self._closed:
            self._timer = self._reactor.callLater(0, self.flush)

    def _replaced(self, zone: Zone) -> None:
        self.note(zone.apex)

    def flush(self) -> None:
        """
        Tell what has not been told yet.
        """
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        noted, self._noted = self._noted, {}
        for words in _lines(word for apex in noted for word in self._soundly(apex)):
            self._send(words)

    def _soundly(self, apex: bytes) -> list[list[JSON]]:
        try:
            return list(self._words(apex))
        except Exception:
            # Others are not to miss what concerns them.
            _log.failure("workers cannot be told of {zone}", zone=nameToText(apex))
            return []

    def settled(self) -> Deferred[None]:
        """
        @return: fires when everything has been told that there was to tell.
        """
        self.flush()
        writing = [_after(done) for _, done in self._writing.values()]
        if not writing:
            return succeed(None)
        # By then another image may be in force.
        return gatherResults(writing, consumeErrors=True).addCallback(lambda _: self.settled())

    def taken(self) -> None:
        """
        All workers have done what they were told.
        """
        old, self._old = self._old, []
        for path in old:
            with suppress(OSError):
                os.unlink(path)

    @property
    def leftovers(self) -> bool:
        """
        Whether there are files that nobody needs once all workers have done what they were told.
        """
        return bool(self._old)

    def isShown(self, apex: bytes, path: str) -> bool:
        """
        @return: whether the workers are to have the image of this zone in this file.
        """
        shown = self._shown.get(apex)
        return shown is not None and shown.path == path

    def isTruncated(self, apex: bytes) -> bool:
        """
        @return: whether the file with the image of this zone is shorter than the image, of which this process has a map too.
        """
        shown = self._shown.get(apex)
        if shown is None or shown.image is None:
            return False
        try:
            return os.stat(shown.path).st_size < shown.image.end
        except OSError:
            return False

    # -- words

    def _words(self, apex: bytes) -> Iterator[list[JSON]]:
        place = self._zones.at(apex)
        shown = self._shown.get(apex)
        if place is None:
            if shown is not None:
                del self._shown[apex]
                self._drop(shown)
                self._written.pop(apex, None)
                yield ["remove", apex.hex()]
            return
        if shown is None:
            shown = self._shown[apex] = _Shown()
        if shown.path and place.state not in (SERVING, EXPIRED):
            # It has gone, and is to come again.
            self._drop(shown)
            shown = self._shown[apex] = _Shown()
            yield ["remove", apex.hex()]
        if place.state == LOADING:
            if shown.state != LOADING or shown.file != place.file:
                shown.state, shown.file = LOADING, place.file
                yield ["expect", apex.hex(), place.file]
            return
        if place.state != SERVING:
            if shown.state != place.state:
                shown.state = place.state
                yield ["fail", apex.hex(), place.said, place.state]
            return
        yield from self._serving(place, shown)

    def _serving(self, place: Place, shown: _Shown) -> Iterator[list[JSON]]:
        apex = place.apex
        until = self._until(apex)
        if place.unopened and place.source is not None and not self._revised(apex):
            if (shown.path, shown.offset) != place.source or shown.edits or shown.state != SERVING:
                self._show(shown, place, *place.source, None)
                shown.until = until
                yield self._image(apex, shown)
            return
        zone = place.served()
        if zone is None or place.state != SERVING:
            shown.state = place.state
            yield ["fail", apex.hex(), place.said, place.state]
            return
        zone.told = self._replaced
        version = zone.current
        image = version.image
        if shown.image is not image:
            found = self._fileOf(place, image)
            if found is None:
                # It is being written.
                if not shown.path and shown.state != LOADING:
                    shown.state = LOADING
                    yield ["expect", apex.hex(), place.file]
                return
            path, offset, own = found
            if shown.image is not None or (shown.path, shown.offset) != (path, offset):
                self._show(shown, place, path, offset, image)
                shown.own, shown.until = own, until
                yield self._image(apex, shown)
            shown.image = image
        told, shown.version = shown.version, version
        before = _NOTHING if told is None else told.overlay
        back = shown.state != SERVING
        shown.state = SERVING
        known, now = before.get, version.overlay
        # There may be thousands of names, of which one or two have changed.
        others = [(key, now[key]) for key in version.keysSince(told) if known(key, _NOBODY) is not now[key]]
        changed = [(key, node) for key, node in others if _isOther(before, key, node)]
        if changed or back:
            shown.edits += 1
            shown.until = until
            yield from self._edit(apex, shown.edits, changed, until)
        elif shown.until != until:
            shown.until = until
            yield ["until", apex.hex(), until]

    def _show(self, shown: _Shown, place: Place, path: str, offset: int, image: Image | None) -> None:
        self._drop(shown)
        shown.state, shown.file = SERVING, place.file
        shown.path, shown.offset, shown.image = path, offset, image
        shown.serial = place.serial if image is None else image.serial
        shown.records = place.records if image is None else image.records
        shown.version = None
        shown.edits = 0
        shown.own = False

    def _image(self, apex: bytes, shown: _Shown, *, begins: bool = False) -> list[JSON]:
        # What this process has open it has just seen to be as it was written, and to look at all of a large zone takes longer than a turn
        # may: a worker that serves does not do that again. One that only begins does, since it may be long since.
        how = "" if shown.image is None else "now" if begins else "sound"
        return ["image", apex.hex(), shown.file, shown.path, shown.offset, shown.serial, shown.records, shown.until, how]

    def _edit(
        self, apex: bytes, number: int, changed: list[tuple[bytes, Node | None]], until: float | None
    ) -> Iterator[list[JSON]]:
        gone: list[JSON] = [key.hex() for key, node in changed if node is None or not node.sets]
        octets = b"".join([rendered(node.sets, apex) for _, node in changed if node is not None and node.sets])
        piece = int(WORKER_PIECE.default)
        while len(octets) > piece:
            yield ["more", apex.hex(), b64encode(octets[:piece]).decode("ascii")]
            octets = octets[piece:]
        while len(gone) > _LINE:
            yield ["gone", apex.hex(), gone[:_LINE]]
            gone = gone[_LINE:]
        yield ["edit", apex.hex(), number, gone, b64encode(octets).decode("ascii"), until]

    def everything(self) -> Iterator[list[JSON]]:
        """
        @return: what a worker that begins is told, some words at a time.
        """
        self.flush()
        return _lines(word for apex, shown in self._shown.items() for word in self._again(apex, shown))

    def _again(self, apex: bytes, shown: _Shown) -> Iterator[list[JSON]]:
        if not shown.path:
            yield ["expect", apex.hex(), shown.file]
        else:
            yield self._image(apex, shown, begins=True)
            if shown.edits:
                # All at once, and yet the next one is the one after these.
                overlay = _NOTHING if shown.version is None else shown.version.overlay
                yield from self._edit(apex, -shown.edits, list(overlay.items()), shown.until)
        if shown.state not in (LOADING, SERVING, ""):
            place = self._zones.at(apex)
            yield ["fail", apex.hex(), "" if place is None else place.said, shown.state]

    # -- files

    def _fileOf(self, place: Place, image: Image) -> tuple[str, int, bool] | None:
        """
        @return: the file with an image that is no other one's and never becomes one, where the image begins in it, and whether it is there
            for workers alone; L{None} while it is being written.
        """
        if place.source is not None and image.path == place.source[0]:
            return *place.source, False
        apex = place.apex
        known, path = self._written.get(apex, (None, ""))
        if known is image:
            del self._written[apex]
            return path, 0, True
        writing = self._writing.get(apex)
        if writing is not None:
            return None
        try:
            path = self._path()
        except OSError as error:
            _log.error("workers cannot be told of {zone}: {reason}", zone=place.text, reason=error)
            return None
        if image.path:
            # By its own name there may be the next one at any moment.
            try:
                os.link(image.path, path)
                return path, 0, True
            except OSError:
                pass
        done: Deferred[None] = Deferred()
        self._writing[apex] = image, done
        inThread(self._reactor, lambda: image.copyTo(path)).addCallbacks(
            self._cbWritten, self._ebWritten, (apex, image, path), {}, (apex,)
        ).addErrback(lambda failure: _log.failure("workers cannot be told", failure)).addBoth(lambda _: done.callback(None))
        if apex not in self._writing:
            return self._fileOf(place, image) if apex in self._written else None
        return None

    def _cbWritten(self, _: None, apex: bytes, image: Image, path: str) -> None:
        del self._writing[apex]
        before = self._written.pop(apex, None)
        if before is not None:
            self._old.append(before[1])
        self._written[apex] = image, path
        self.note(apex)

    def _ebWritten(self, failure: Failure, apex: bytes) -> None:
        del self._writing[apex]
        _log.error("workers cannot be told of {zone}: {reason}", zone=nameToText(apex), reason=failure.getErrorMessage())

    def _path(self) -> str:
        if not self._folder:
            self._folder = self._makeFolder()
        self._count += 1
        return f"{self._folder}/{self._count}.image"

    def _drop(self, shown: _Shown) -> None:
        if shown.own:
            self._old.append(shown.path)
            shown.own = False

    def close(self) -> None:
        """
        Tell nothing any more.
        """
        self._closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _isOther(before: Mapping[bytes, Node | None], key: bytes, node: Node | None) -> bool:
    """
    @return: whether there are other records at a name than were told.
    """
    if key not in before:
        return True
    known = before[key]
    # What is below a name has a say in its node too, and follows from what is told of that.
    return known is not node and (known is None or node is None or known.sets is not node.sets)


def _lines(words: Iterator[list[JSON]]) -> Iterator[list[JSON]]:
    """
    @return: the words, as many at a time as a line may have.
    """
    some: list[JSON] = []
    octets = 0
    for word in words:
        some.append(word)
        for each in word:
            if isinstance(each, str):
                octets += len(each)
            elif isinstance(each, list):
                octets += sum([len(str(key)) for key in each])
        if len(some) >= _LINE or octets >= WORKER_PIECE.default:
            yield some
            some, octets = [], 0
    if some:
        yield some


def _after(done: Deferred[None]) -> Deferred[None]:
    """
    @return: fires when that has.
    """
    later: Deferred[None] = Deferred()

    def over(result: None) -> None:
        later.callback(None)

    done.addBoth(over)
    return later
