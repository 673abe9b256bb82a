"""
Having the next image of a zone built while the zone is served and changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.errors import StorageFault
from twisted_ext.server.jobs.subprocess import runModule
from twisted_ext.server.update.commit import Elsewhere
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, fingerprintOf, originOf
from twisted_ext.zone.store.version import Version

__all__ = ["Compacting"]

#: Names up to which a thread does it: a process takes longer to begin.
_SMALL: Final = 20_000

_MODULE: Final = "twisted_ext.zone.build.compaction"


class Compacting:
    """
    Builds images: of small zones in a thread, of large ones in a process of its own, since threads take turns.
    """

    def __init__(self, reactor: IReactorTime, elsewhere: Elsewhere, *, small: int = _SMALL) -> None:
        """
        @param reactor: provides L{IReactorProcess<twisted.internet.interfaces.IReactorProcess>} as well.
        """
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._small = small

    def __call__(self, version: Version, journal: str, target: str) -> Deferred[Image]:
        """
        @param journal: what has changed since the image that the version is made onto.
        @param target: the file to be written.

        @return: fires with the image; fails where there will be none. Cancelling ends the process.
        """
        image = version.image
        if not self._isForProcess(image):
            def work() -> None:
                version.compacted(target, fingerprintOf(originOf(image)))

            return self._elsewhere(work).addCallback(lambda _: Image.open(target, checked=False))
        return self._built(image.path, journal, version.serial, target)

    def grown(self, version: Version, journal: Journal, target: str, work: Callable[[], Version]) -> Deferred[Version]:
        """
        Take a version to where its journal ends, which is so far that it takes a new image.

        @param target: the file to be written, where a process does it.
        @param work: does it here.

        @return: fires with that version; fails where there will be none. Cancelling ends the process.
        """
        image, newest = version.image, journal.newest
        if newest is None or not self._isForProcess(image):
            return self._elsewhere(work).addCallback(lambda came: cast("Version", came))
        return self._built(image.path, journal.path, newest, target).addCallback(Version)

    def _isForProcess(self, image: Image) -> bool:
        # It would read what stands first in a file that has several.
        return image.nodes >= self._small and not image.start and bool(image.path) and os.path.exists(image.path)

    def _built(self, image: str, journal: str, serial: int, target: str) -> Deferred[Image]:
        built = runModule(self._reactor, _MODULE, [image, journal, str(serial), target]).addErrback(_unbuilt)
        return built.addCallback(lambda _: Image.open(target, checked=False))


def _unbuilt(failure: Failure) -> bytes:
    fault = failure.value
    if isinstance(fault, OSError):
        raise StorageFault(str(fault)) from fault
    assert isinstance(fault, BaseException)
    raise fault
