"""
Where addresses are, from a file in MaxMind's format: GeoLite2, GeoIP2, or one of another provider. It takes two microseconds, so a hook
need not wait for it::

    places = Places("/var/lib/GeoIP/GeoLite2-Country.mmdb")

    @hook(keep=60, below=["cdn.example.com"])
    def nearest(name, client):
        return answer("A 192.0.2.1") if places.countryOf(client) == "NZ" else PASS
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.files import stateIn

if TYPE_CHECKING:
    from maxminddb import Reader

__all__ = ["Places"]

_log: Final = Logger(__name__)

#: Seconds after which a look-up finds out whether the file is another one: providers publish new ones twice a week.
_LOOK: Final = 10.0

#: Octets that are copied at once.
_PART: Final = 1 << 20

#: What a file has nothing of.
_NOTHING: Final[Mapping[str, object]] = {}


class Places:
    """
    A file in MaxMind's format, of which a copy is mapped into memory. One that takes its place is used ten seconds later; if that cannot be
    read, the former one is used further, and the log says so.
    """

    def __init__(self, path: str, *, clock: Callable[[], float] = monotonic) -> None:
        """
        @param path: the file.
        @param clock: returns seconds.

        @raise BadDescription: it cannot be read, or maxminddb is not installed.
        """
        try:
            from maxminddb import InvalidDatabaseError, open_database
        except ImportError:
            raise BadDescription("this needs maxminddb, which is not installed: pip install 'twisted-ext[geo]'") from None
        self._open, self._invalid = open_database, InvalidDatabaseError
        self._path = path
        self._clock = clock
        self._looked = clock()
        try:
            self._reader, self._state = self._opened()
        except (OSError, ValueError, InvalidDatabaseError) as error:
            raise BadDescription(f"{path} cannot be read: {error}") from None

    def _opened(self) -> tuple[Reader, tuple[int, ...]]:
        # The state before: a file that is replaced meanwhile is found at the next look.
        state = stateIn(os.stat(self._path))
        # A process is killed that reads what is mapped of a file that is written anew in its place.
        with open(self._path, "rb") as file, NamedTemporaryFile() as copy:
            shutil.copyfileobj(file, copy, _PART)
            copy.flush()
            return self._open(copy.name), state

    def of(self, address: str) -> Mapping[str, object]:
        """
        Return what the file has of an address; empty if it has nothing.

        @raise CallerFault: this is not an address.
        """
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._look(now)
        try:
            found = self._reader.get(address)
        except self._invalid as error:
            raise BadDescription(f"{self._path} is damaged: {error}") from None
        except ValueError as error:
            if ":" in address and self._reader.metadata().ip_version == 4:
                # It has no addresses of IPv6.
                return _NOTHING
            raise CallerFault(str(error)) from None
        return found if isinstance(found, dict) else _NOTHING

    def countryOf(self, address: str) -> str:
        """
        Return the ISO code of the country that an address is in, such as C{"NZ"}; C{""} if that is not known.
        """
        country = self.of(address).get("country")
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else ""

    def _look(self, now: float) -> None:
        """
        Use another file that has taken its place.
        """
        self._looked = now
        try:
            if stateIn(os.stat(self._path)) == self._state:
                return
            reader, self._state = self._opened()
        except (OSError, ValueError, self._invalid) as error:
            _log.error("{path} cannot be read, the former file is used further: {error}", path=self._path, error=error)
            return
        former, self._reader = self._reader, reader
        former.close()
        _log.info("{path} has changed and is used from now on", path=self._path)

    def close(self) -> None:
        """
        Close the file.
        """
        self._reader.close()
