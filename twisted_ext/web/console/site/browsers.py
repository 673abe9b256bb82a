"""
Browsers that have signed in before. While strangers guess passwords, those who know theirs can sign in from them.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from twisted_ext.files import STATE_FOLDER, openNow, replacingFile

if TYPE_CHECKING:
    from twisted_ext.server.zones.update.commit import Elsewhere

__all__ = ["KNOWN_SECONDS", "KnownBrowsers"]

_log: Final = Logger(__name__)

#: Seconds for which a browser is known after it has signed in.
KNOWN_SECONDS: Final = 90 * 86_400.0

#: Browsers at a time; the one that has signed in least recently is forgotten. A file of so many has some 150,000 octets.
_MOST: Final = 1000
_FILE_OCTETS: Final = 1024 * 1024

_MARK_OCTETS: Final = 32

#: Only the server reads it.
_MODE: Final = 0o600


class KnownBrowsers:
    """
    Marks that browsers keep, by their hashes, each with the user who has signed in. A mark signs no one in: its tries have a count of their
    own.
    """

    def __init__(self, path: str, today: Callable[[], float], elsewhere: Elsewhere) -> None:
        """
        @param path: the file that keeps them for the next start; C{""} for none.
        @param today: returns seconds since 1970.
        @param elsewhere: calls what writes the file.
        """
        self._path = path
        self._today = today
        self._elsewhere = elsewhere
        self._writing = DeferredLock()
        # By hash: the user, and until when.
        self._known: dict[str, tuple[str, float]] = {}
        self._read()

    def _read(self) -> None:
        try:
            with open(self._path, "rb", opener=openNow) as file:
                for mark, user, until in json.loads(file.read(_FILE_OCTETS))[-_MOST:]:
                    self._known[str(mark)] = str(user), float(until)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self._known.clear()
            _log.warn("{path} cannot be used, no browser is known: {error}", path=self._path, error=error)

    def knows(self, mark: str, user: str) -> str:
        """
        Return the name of the count for the tries of a user in a browser that this user has signed in from; C{""} for another one.
        """
        key = _keyOf(mark)
        known, until = self._known.get(key, ("", 0.0))
        return f"{key} {known}" if mark and known == user.lower() and self._today() < until else ""

    def remember(self, former: str, user: str) -> str:
        """
        Return the mark for a browser where a user has signed in.

        @param former: that which it had, which is forgotten.
        """
        self._known.pop(_keyOf(former), None)
        mark = secrets.token_urlsafe(_MARK_OCTETS)
        self._known[_keyOf(mark)] = user.lower(), self._today() + KNOWN_SECONDS
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        if self._path:
            octets = json.dumps([(key, *each) for key, each in self._known.items()]).encode()
            self._writing.run(self._elsewhere, lambda: _write(self._path, octets)).addErrback(
                lambda failure: _log.error("{path} cannot be written: {error}", path=self._path, error=failure.value)
            )
        return mark


def _write(path: str, octets: bytes) -> None:
    os.makedirs(os.path.dirname(path), STATE_FOLDER, exist_ok=True)
    with replacingFile(path, _MODE) as file:
        file.write(octets)


def _keyOf(mark: str) -> str:
    return sha256(mark.encode("utf-8", "replace")).hexdigest()
