"""
The negative trust anchors that operators have added, in a process that answers. One ends before its time once what it is for is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_ext.server.features.base.feature import Active, Site
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON

__all__ = ["Suspended"]

_log: Final = Logger(__name__)

#: Seconds between two tries to validate a name nevertheless, as BIND's C{nta-recheck} has them. Names are tried one after the other.
_PAUSE: Final = 300.0


class _Exception(NamedTuple):
    """
    What the keeper says of a name.

    @ivar until: the time until which it is not validated; L{None} if one of the settings was removed.
    @ivar isForced: whether it goes on until then although the name could be validated.
    """

    until: int | None
    isForced: bool = False


class Suspended(Active):
    """
    Has all that validates except what the keeper says.
    """

    def __init__(self, site: Site, former: Suspended | None) -> None:
        self._site = site
        # By folded names.
        self._taken: Mapping[bytes, _Exception] = {} if former is None else former._taken
        # When names are tried next, by the clock of the reactor; the first one is next.
        self._due: dict[bytes, float] = {} if former is None else dict(former._due)
        self._trying: Deferred[None] | None = None

    def take(self, state: JSON) -> None:
        wanted = {bytes.fromhex(name): _read(said) for name, said in (state if isinstance(state, dict) else {}).items()}
        before, self._taken = self._taken, wanted
        for name, former in before.items():
            if former.until is not None and name not in wanted:
                self._due.pop(name, None)
                self._site.suspend(name, None)
        for name, each in wanted.items():
            if before.get(name) == each:
                continue
            self._due.pop(name, None)
            if each.until is not None and not each.isForced:
                self._due[name] = self._site.reactor.seconds() + _PAUSE
            self._site.suspend(name, each.until)

    def look(self) -> None:
        if self._trying is not None or not self._due:
            return
        name, now = next(iter(self._due)), self._site.reactor.seconds()
        if self._due[name] > now:
            return
        del self._due[name]
        each = self._taken[name]
        if each.until is None or each.until <= self._site.today():
            return
        # The last one now.
        self._due[name] = now + _PAUSE
        trying = self._trying = self._site.validates(name).addCallbacks(self._tried, self._failed, (name, each))
        trying.addBoth(self._done)

    def _tried(self, isValid: bool, name: bytes, each: _Exception) -> None:
        # An operator may have said something else meanwhile.
        if not isValid or self._taken.get(name) != each:
            return
        del self._due[name]
        _log.info("the negative trust anchor {name} has ended: the name can be validated", name=nameToText(name))
        self._site.suspend(name, None)

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("a name with a negative trust anchor was not tried", failure)

    def _done(self, _: None) -> None:
        self._trying = None

    def close(self, heir: Active | None) -> None:
        if self._trying is not None:
            self._trying.cancel()


def _read(said: JSON) -> _Exception:
    if not isinstance(said, dict):
        return _Exception(None)
    return _Exception(int(str(said["until"])), said["forced"] is True)
