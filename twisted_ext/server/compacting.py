"""
Having the next image of a zone built while the zone is served and changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.utils import getProcessOutputAndValue

from twisted_ext.errors import StorageFault
from twisted_ext.server.changing import Elsewhere
from twisted_ext.zone.images import Image
from twisted_ext.zone.journal import fingerprintOf, originOf
from twisted_ext.zone.versions import Version

__all__ = ["Compacting"]

#: Names up to which a thread does it: a process takes longer to begin.
_SMALL: Final = 20_000


_run: Final = cast(
    "Callable[[str, list[str], Mapping[str, str], None, IReactorProcess], Deferred[tuple[bytes, bytes, int]]]", getProcessOutputAndValue
)


class Compacting:
    """
    Builds images: of small zones in a thread, of large ones in a process of its own, since threads take turns.
    """

    def __init__(self, reactor: IReactorTime, elsewhere: Elsewhere, *, small: int = _SMALL) -> None:
        """
        @param reactor: provides L{IReactorProcess} as well.
        """
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._small = small

    def __call__(self, version: Version, journal: str, target: str) -> Deferred[Image]:
        """
        @param journal: what has changed since the image that the version is made onto.
        @param target: the file to be written.

        @return: fires with the image; fails where there will be none.
        """
        image = version.image
        if image.nodes < self._small or not image.path or not os.path.exists(image.path):
            work: Callable[[], object] = lambda: version.compacted(target, fingerprintOf(originOf(image)))  # noqa: E731
            return self._elsewhere(work).addCallback(lambda _: Image.open(target, checked=False))
        words = ["-m", "twisted_ext.zone.compacting", image.path, journal, str(version.serial), target]
        process = _run(sys.executable, words, os.environ, None, IReactorProcess(self._reactor))
        return process.addCallback(self._built, target)

    def _built(self, outcome: tuple[bytes, bytes, int], target: str) -> Image:
        _, complaint, code = outcome
        if code:
            raise StorageFault(complaint.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"exit code {code}")
        return Image.open(target, checked=False)
