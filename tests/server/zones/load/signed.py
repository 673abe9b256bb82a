"""
Zones that a server signs, for tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.server.zones.load.loaded import LoadingCase
from tests.typed import observing
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images import compilers
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import RRSIG, SOA
from twisted_ext.zone.check.signatureends import FirstEnd
from twisted_ext.zone.store.version import Version

__all__ = ["APEX", "NAME", "SignedLoadingCase"]

NAME = "example.org"
APEX = nameFromText(NAME)


class SignedLoadingCase(LoadingCase):
    """
    Tests of L{ZoneLoader<twisted_ext.server.zones.load.loader.ZoneLoader>} with zones that are signed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.folder = self.folder.absolute()
        self.events: list[LogEvent] = []
        observer = observing(self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.keys = self.folder / "state" / "signing" / "example.org."

    def today(self) -> float:
        """
        Return the time at which zones are signed.
        """
        return float(vars(compilers)["time"]())

    def said(self) -> str:
        return "\n".join(map(str, map(formatEvent, self.events)))

    def writeSigned(self, more: str = "", *, serial: int = 1, sign: bool = True) -> ZoneSettings:
        """
        Write a zone that is to be signed.
        """
        zone = self.write(NAME, more, serial=serial)
        values = {"name": f"{NAME}.", "file": str(Path(zone.file).absolute())}
        return ZoneSettings({**values, "sign": "default"} if sign else values)

    def types(self) -> set[int]:
        """
        Return the types at the apex that are served.
        """
        place = self.zones.at(APEX)
        zone = None if place is None else place.served()
        return set() if zone is None else set(zone.current.top.types)

    def advance(self) -> None:
        """
        Let files be looked at, and what has changed be compiled.
        """
        for _ in range(8):
            self.clock.advance(1)
            self.compilers.run()

    def hours(self, days: int) -> Iterator[tuple[float, int, Version]]:
        """
        Let so many days pass for a zone that is signed. Each hour yield the time, in seconds since 1970, when the first signature ends, and
        the version that is served.
        """
        now = 1_800_000_000.0
        with patch.object(compilers, "time", lambda: now):
            self.load(self.writeSigned("".join([f"h{number} A 192.0.2.1\n" for number in range(20)])))
            self.publisher.today = lambda: now
            place = self.zones.at(APEX)
            assert place is not None
            for _ in range(days * 24):
                now += 3600
                served = place.served()
                assert served is not None
                version = served.current
                signatures = [each for node in version.nodes() for each in node.sets if each.rrType == RRSIG]
                first = min([int.from_bytes(rdata[8:12], "big") for each in signatures for rdata in each.rdatas])
                yield now, first, version
                place.signatures, place.signaturesRead = FirstEnd(first, APEX, SOA), (place.since, version.serial)
                self.clock.advance(3600)
                self.compilers.run()
                self.clock.advance(0.1)
