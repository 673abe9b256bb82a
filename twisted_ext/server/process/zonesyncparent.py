"""
Keeps the zones of worker processes in sync with the parent: sends the image of each zone and the changes since.

The messages are derived from the versions in force, not from their origin: files, updates, transfers, databases and catalogs are treated
alike. The cost of a change depends on its size, not on that of the zone.
"""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import Logger

from twisted_ext.server.limits import WORKER_PIECE
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.zones.table.zonetable import EXPIRED, LOADING, SERVING, Place, Zones
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

__all__ = ["ZoneSyncParent"]

#: Maximum number of messages in one line, and of names in one message.
_LINE: Final = 500

_log: Final = Logger(__name__)

#: Marks a name that is not in the overlay.
_NOBODY: Final = object()

_NOTHING: Final[Mapping[bytes, Node | None]] = {}


@dataclass(slots=True, eq=False)
class _Shown:
    """
    The state of a zone as sent to the workers.

    @ivar state: as in L{Place}.
    @ivar path: the file with its image, C{""} while they have none.
    @ivar image: that image; L{None} if this process has not opened it.
    @ivar version: the version sent last, L{None} if only the image was sent.
    @ivar edits: number of changes sent since the image.
    @ivar until: when it expires, in seconds since 1970, or L{None}.
    @ivar own: whether the file was made for the workers only.
    """

    state: str = ""
    file: str = ""
    path: str = ""
    offset: int = 0
    serial: int = 0
    records: int = 0
    image: Image | None = None
    version: Version | None = None
    edits: int = 0
    until: float | None = None
    own: bool = False


class ZoneSyncParent:
    """
    Sends the zones of a table to the workers, and all their changes.

    The messages are C{expect}, C{image}, C{more}, C{gone} and C{edit}, C{until}, C{fail}, C{remove}; L{Mirrored
    <twisted_ext.server.zones.load.zonesyncworker.ZoneSyncWorker>} applies them.
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
        @param send: sends messages to all workers.
        @param folder: makes a folder for files that only workers use, and returns its path.
        @param revised: returns, for a zone that has not been opened, whether it has changes beyond its image.
        @param until: returns when a zone expires, in seconds since 1970; L{None} if never.
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
        # Images being written, and images written.
        self._writing: dict[bytes, tuple[Image, Deferred[None]]] = {}
        self._written: dict[bytes, tuple[Image, str]] = {}
        # Unused files that some worker may not have opened yet.
        self._old: list[str] = []
        self._closed = False
        zones.told = self.note

    def note(self, apex: bytes) -> None:
        """
        Note that a zone may have changed since it was last sent.
        """
        self._noted[apex] = None
        if self._timer is None and not self._closed:
            self._timer = self._reactor.callLater(0, self.flush)

    def _replaced(self, zone: Zone) -> None:
        self.note(zone.apex)

    def flush(self) -> None:
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
            # Do not hold back the changes of other zones.
            _log.failure("workers cannot be told of {zone}", zone=nameToText(apex))
            return []

    def settled(self) -> Deferred[None]:
        """
        @return: fires when all changes so far have been sent.
        """
        self.flush()
        writing = [_after(done) for _, done in self._writing.values()]
        if not writing:
            return succeed(None)
        # Another image may be in force by then.
        return gatherResults(writing, consumeErrors=True).addCallback(lambda _: self.settled())

    def taken(self) -> None:
        """
        Remove unused files, as all workers have applied everything sent to them.
        """
        old, self._old = self._old, []
        for path in old:
            with suppress(OSError):
                os.unlink(path)

    @property
    def leftovers(self) -> bool:
        """
        Whether there are files to remove once all workers have applied everything sent to them.
        """
        return bool(self._old)

    def isShown(self, apex: bytes, path: str) -> bool:
        """
        Return whether the image of this zone was last sent with this path.
        """
        shown = self._shown.get(apex)
        return shown is not None and shown.path == path

    def isTruncated(self, apex: bytes) -> bool:
        """
        Return whether the file with the image of this zone is shorter than the image that this process has mapped.
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
            # It is not served at the moment, and may be served again.
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
        # There may be thousands of names, with only one or two of them changed.
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
        # The parent has just verified the images that it has open. Verifying a large zone takes longer than a turn may, so a worker that
        # serves does not repeat it. A worker that is starting does, as the parent's check may be long past.
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
        Return the complete state for a worker that is starting, some messages at a time.
        """
        self.flush()
        return _lines(word for apex, shown in self._shown.items() for word in self._again(apex, shown))

    def _again(self, apex: bytes, shown: _Shown) -> Iterator[list[JSON]]:
        if not shown.path:
            yield ["expect", apex.hex(), shown.file]
        else:
            yield self._image(apex, shown, begins=True)
            if shown.edits:
                # All changes at once; the negative number makes the next change follow the last of these.
                overlay = _NOTHING if shown.version is None else shown.version.overlay
                yield from self._edit(apex, -shown.edits, list(overlay.items()), shown.until)
        if shown.state not in (LOADING, SERVING, ""):
            place = self._zones.at(apex)
            yield ["fail", apex.hex(), "" if place is None else place.said, shown.state]

    # -- files

    def _fileOf(self, place: Place, image: Image) -> tuple[str, int, bool] | None:
        """
        Return the path of a file with an image that will not be replaced, the image's offset in it, and whether it was made for workers
        only; L{None} while it is being written.
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
            _log.error("{zone} cannot be sent to workers: {reason}", zone=place.text, reason=error)
            return None
        if image.path:
            # The original path may get the next image at any moment, so link it under another name.
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
        _log.error("{zone} cannot be sent to workers: {reason}", zone=nameToText(apex), reason=failure.getErrorMessage())

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
        self._closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _isOther(before: Mapping[bytes, Node | None], key: bytes, node: Node | None) -> bool:
    """
    Return whether a name has other records than were sent.
    """
    if key not in before:
        return True
    known = before[key]
    # A node also depends on the names below it; workers derive that part themselves.
    return known is not node and (known is None or node is None or known.sets is not node.sets)


def _lines(words: Iterator[list[JSON]]) -> Iterator[list[JSON]]:
    """
    Group the messages by the size of a line.
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
    Return another Deferred that fires when C{done} has fired.
    """
    later: Deferred[None] = Deferred()

    def over(result: None) -> None:
        later.callback(None)

    done.addBoth(over)
    return later
