"""
Having the next image of a zone built while the zone is served and changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.errors import StorageFault
from twisted_ext.server.changing import Elsewhere
from twisted_ext.server.children import runModule
from twisted_ext.zone.images import Image
from twisted_ext.zone.journal import fingerprintOf, originOf
from twisted_ext.zone.versions import Version

__all__ = ["Compacting"]

#: Names up to which a thread does it: a process takes longer to begin.
_SMALL: Final = 20_000

_MODULE: Final = "twisted_ext.zone.compacting"


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
        if image.nodes < self._small or not image.path or not os.path.exists(image.path):
            work: Callable[[], object] = lambda: version.compacted(target, fingerprintOf(originOf(image)))  # noqa: E731
            return self._elsewhere(work).addCallback(lambda _: Image.open(target, checked=False))
        words = [image.path, journal, str(version.serial), target]
        built = runModule(self._reactor, _MODULE, words).addErrback(_unbuilt)
        return built.addCallback(lambda _: Image.open(target, checked=False))


def _unbuilt(failure: Failure) -> bytes:
    fault = failure.value
    if isinstance(fault, OSError):
        raise StorageFault(str(fault)) from fault
    assert isinstance(fault, BaseException)
    raise fault
