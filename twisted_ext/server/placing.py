"""
What is told of zones that have been made ready, told to those who answer: to a table in this process, and to workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import DNSFault
from twisted_ext.server.authority import Place, Zones
from twisted_ext.server.images import Built, Maps
from twisted_ext.server.replaying import Replaying, Steps, finished

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.zone.versions import Version

__all__ = ["Placing", "Told", "obey"]

#: Zones up to which they are opened at once, so that what is wrong with an image is found before somebody asks.
_FEW: Final = 100

#: Zones that a worker is told of in one line.
_LINE: Final = 500

_log: Final = Logger()


class Told:
    """
    What workers are told of zones, one of the four.

    @ivar do: C{"expect"}, C{"loaded"}, C{"fail"}, C{"remove"}.
    """

    __slots__ = ("do", "apex", "words")

    def __init__(self, do: str, apex: bytes, *words: JSON) -> None:
        self.do = do
        self.apex = apex
        self.words = words

    def toList(self) -> list[JSON]:
        """
        @return: the same as JSON can say it.
        """
        return [self.do, self.apex.hex(), *self.words]


class Placing:
    """
    Puts zones into a table, and says so to who passes it on. Provides L{Sink<twisted_ext.server.loading.Sink>}.

    @ivar tell: is called with each change, to be told to workers; to be set before there are any zones.
    """

    def __init__(
        self,
        zones: Zones,
        *,
        tell: Callable[[Told], object] | None = None,
        maps: Maps | None = None,
        revise: Callable[[Version], Steps] | None = None,
        takesLong: Callable[[bytes], bool] = lambda apex: False,
        replaying: Replaying | None = None,
        put: Callable[[Place], object] | None = None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param tell: is called with each change.
        @param revise: leads to what is to be served in place of a version that was read, such as one with what was changed since.
        @param takesLong: says whether that takes long for a zone, so that others are to have their turn meanwhile.
        @param replaying: sees to that.
        @param put: called when a version of a zone has been put in force.
        @param today: gives seconds since 1970.
        """
        self._put = put
        self._zones = zones
        self._maps = Maps() if maps is None else maps
        self.tell = tell
        self._revise = revise
        self._takesLong = takesLong
        self._replaying = replaying
        # What went wrong with the next version of a zone while this one was on its way.
        self._later: dict[bytes, str] = {}
        self._today = today
        self._images: dict[bytes, tuple[str, int]] = {}

    def expect(self, apex: bytes, file: str) -> None:
        self._zones.expect(apex, file)
        if self.tell is not None:
            self.tell(Told("expect", apex, file))

    def loaded(self, apex: bytes, file: str, built: Built) -> None:
        self.place(apex, file, built.path, built.offset, built.serial, built.records)

    def place(self, apex: bytes, file: str, path: str, offset: int, serial: int, records: int) -> None:
        """
        Serve the zone of an image.

        @raise DNSFault: it cannot be used.
        @raise OSError: likewise.
        """
        place = self._zones.expect(apex, file)
        opening = self._maps.opening(apex, path, offset)
        revise, opened, replaying = self._revise, opening, self._replaying
        if revise is not None:
            opening = lambda: finished(revise(opened()))  # noqa: E731
            if replaying is not None:
                self._cancel(apex)
                if self._takesLong(apex) and place.served() is None:
                    steps = revise(opened())
                    self._zones.defer(apex, file)

                    def done(version: Version) -> None:
                        self._serve(place, file, lambda: version, path, offset, serial, records)
                        if said := self._later.pop(apex, ""):
                            self.fail(apex, said)

                    replaying.begin(apex, steps, done, lambda said: self._failed(place, said))
                    return
        self._serve(place, file, opening, path, offset, serial, records)

    def _failed(self, place: Place, said: str) -> None:
        _log.error("{zone}: {said}", zone=place.text, said=said)
        self._later.pop(place.apex, None)
        self.fail(place.apex, said)

    def _cancel(self, apex: bytes) -> None:
        if self._replaying is not None:
            self._replaying.cancel(apex)
            self._later.pop(apex, None)

    def _serve(
        self, place: Place, file: str, opening: Callable[[], Version], path: str, offset: int, serial: int, records: int
    ) -> None:
        zones, apex = self._zones, place.apex
        if len(zones) <= _FEW and place.zone is None:
            version = opening()
            opening = lambda: version  # noqa: E731
        zones.putLater(apex, opening, serial, records, self._today())
        if self._put is not None:
            self._put(place)
        if self.tell is not None:
            self._images[apex] = (path, offset)
            self.tell(Told("loaded", apex, file, path, offset, serial, records))

    def fail(self, apex: bytes, said: str) -> None:
        if self._replaying is not None and apex in self._replaying:
            # What is on its way is of use nevertheless.
            self._later[apex] = said
            return
        self._zones.fail(apex, said)
        self._pass(Told("fail", apex, said))

    def remove(self, apex: bytes) -> None:
        self._cancel(apex)
        self._zones.remove(apex)
        self._images.pop(apex, None)
        self._pass(Told("remove", apex))

    def close(self) -> None:
        """
        Put no more zones there.
        """
        if self._replaying is not None:
            self._replaying.close()

    def _pass(self, told: Told) -> None:
        if self.tell is not None:
            self.tell(told)

    def everything(self) -> Iterator[list[JSON]]:
        """
        @return: what a worker that begins is told, some zones at a time.
        """
        some: list[JSON] = []
        for place in self._zones:
            image = self._images.get(place.apex)
            if image is None:
                some.append(Told("expect", place.apex, place.file).toList())
            else:
                some.append(Told("loaded", place.apex, place.file, *image, place.serial, place.records).toList())
            if place.said:
                some.append(Told("fail", place.apex, place.said).toList())
            if len(some) >= _LINE:
                yield some
                some = []
        if some:
            yield some


def obey(placing: Placing, said: Iterable[JSON]) -> None:
    """
    Do in a worker what was done in its parent.

    @param said: what L{Told.toList} gave.

    @raise ValueError: this is nothing of the kind.
    """
    for each in said:
        if not isinstance(each, list) or len(each) < 2:
            raise ValueError(f"{each!r:.100} is nothing that a worker could do")
        do, apex, words = each[0], bytes.fromhex(str(each[1])), each[2:]
        if do == "loaded":
            file, path, offset, serial, records = words
            try:
                placing.place(apex, str(file), str(path), int(str(offset)), int(str(serial)), int(str(records)))
            except (DNSFault, OSError) as fault:
                # The parent could use it. It may have been replaced meanwhile; then another one follows.
                placing.fail(apex, str(fault))
        elif do == "expect":
            placing.expect(apex, str(words[0]))
        elif do == "fail":
            placing.fail(apex, str(words[0]))
        elif do == "remove":
            placing.remove(apex)
