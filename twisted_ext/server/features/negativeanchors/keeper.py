"""
The negative trust anchors that an operator has added or removed, for all processes that answer.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

from twisted.logger import Logger

from twisted_ext.dnssec.anchors.negative import NegativeTrustAnchors, negativeFromText, negativesOf, textsByName
from twisted_ext.dnssec.times import timeToText
from twisted_ext.errors import BadDescription
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["NegativeAnchors"]


class NegativeAnchors(Keeper):
    log = Logger(__name__)

    def __init__(self, settings: Settings, today: Callable[[], float] = time) -> None:
        self._today = today
        self._publish: Callable[[JSON], object] = lambda state: None
        # Folded names, with the times when that ends.
        self._given: dict[bytes, int] = {}
        self._texts: dict[bytes, str] = {}
        self._added: dict[bytes, int] = {}
        # Those of them that go on although the names could be validated.
        self._forced: set[bytes] = set()
        self._removed: set[bytes] = set()
        self.apply(settings)

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self._publish = publish

    def apply(self, settings: Settings) -> None:
        wanted = settings.negativeTrustAnchor if settings.validate else ()
        self._given, _ = negativesOf(wanted, int(self._today()))
        former, self._texts = self._texts, textsByName(wanted)
        # What was removed stays so until the settings say something else of it.
        changed = {name for name in self._removed if former.get(name) != self._texts.get(name)}
        if changed:
            self._removed -= changed
            self._tell()

    def add(self, text: str, isForced: bool = False) -> dict[str, JSON]:
        """
        Add one, or change its end.

        @param text: C{NAME=UNTIL}, or only the name.
        @param isForced: whether it goes on although the name could be validated.

        @raise BadDescription: the text is not valid, or there are too many.
        """
        now = int(self._today())
        name, until = negativeFromText(text, now)
        self._inForce(now).add(name, now, until)
        self._added[name] = until
        (self._forced.add if isForced else self._forced.discard)(name)
        self._removed.discard(name)
        said = f"{nameToText(name)} is not validated until {timeToText(until)}{'' if isForced else ', or until it could be'}"
        self.log.info("{said}", said=said)
        self._tell()
        return {"added": text, "said": [said]}

    def remove(self, text: str) -> dict[str, JSON]:
        """
        Remove one.

        @raise BadDescription: there is none for this name.
        """
        name = nameFromText(text).lower()
        if not self._inForce(int(self._today())).remove(name):
            raise BadDescription(f"there is no negative trust anchor {nameToText(name)}")
        self._added.pop(name, None)
        if name in self._given:
            self._removed.add(name)
        said = f"{nameToText(name)} is validated again"
        self.log.info("{said}", said=said)
        self._tell()
        return {"removed": text, "said": [said]}

    def _inForce(self, now: int) -> NegativeTrustAnchors:
        found = NegativeTrustAnchors()
        for name, until in (self._given | self._added).items():
            if name not in self._removed and until > now:
                found.add(name, now, until)
        return found

    def _tell(self) -> None:
        now = int(self._today())
        self._added = {name: until for name, until in self._added.items() if until > now}
        self._forced &= self._added.keys()
        state: dict[str, JSON] = {name.hex(): None for name in self._removed}
        added: dict[str, JSON] = {name.hex(): {"until": until, "forced": name in self._forced} for name, until in self._added.items()}
        self._publish((state | added) or None)
