"""
Builds the next image of a zone that was changed often.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from twisted_ext.errors import StorageFault
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.zone.store.image import Image, compactedFrom
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.server.zones.update.commit import Elsewhere

__all__ = ["Compactor"]

#: Names up to which a thread builds the image: a process takes longer to start.
_SMALL: Final = 20_000


class Compactor:
    """
    Builds images: small ones in a thread, large ones in a subprocess, since threads compete with the reactor for the interpreter.
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
        @param journal: the journal with the changes since the version's image.
        @param target: the file to write.

        @return: fires with the image; fails if it cannot be built. Cancelling ends the process.
        """
        image = version.image
        if not self._isForProcess(image):
            def work() -> None:
                version.compacted(target, compactedFrom(image.origin))

            return self._elsewhere(work).addCallback(lambda _: Image.open(target, checked=False))
        return self._built(image.path, journal, version.serial, target)

    def grown(self, version: Version, journal: Journal, target: str, work: Callable[[], Version]) -> Deferred[Version]:
        """
        Apply a journal that is so long that a new image is needed.

        @param target: the file to write, if a subprocess is used.
        @param work: does the same in this process.

        @return: fires with the resulting version; fails if there is none. Cancelling ends the process.
        """
        image, newest = version.image, journal.newest
        if newest is None or not self._isForProcess(image):
            return self._elsewhere(work).addCallback(lambda came: cast("Version", came))
        return self._built(image.path, journal.path, newest, target).addCallback(Version)

    def _isForProcess(self, image: Image) -> bool:
        # The subprocess would read the first image of a file that has several.
        return image.nodes >= self._small and not image.start and bool(image.path) and os.path.exists(image.path)

    def _built(self, image: str, journal: str, serial: int, target: str) -> Deferred[Image]:
        built = runModule(self._reactor, "twisted_ext.zone.build.compaction", [image, journal, str(serial), target]).addErrback(_unbuilt)
        return built.addCallback(lambda _: Image.open(target, checked=False))


def _unbuilt(failure: Failure) -> bytes:
    fault = failure.value
    if isinstance(fault, OSError):
        raise StorageFault(str(fault)) from fault
    assert isinstance(fault, BaseException)
    raise fault
