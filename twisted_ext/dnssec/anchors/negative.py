"""
Negative trust anchors: names at and below which validation is suspended for a time, because the zone's operator broke it (RFC 7646).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted_ext.dnssec.limits import NEGATIVE_ANCHOR_SECONDS, NEGATIVE_ANCHORS
from twisted_ext.dnssec.times import timeFromText, timeToText
from twisted_ext.dnssec.trustanchors import TrustAnchors, ZoneAnchors
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import ROOT, canonicalKey, nameFromText, nameToText
from twisted_ext.wire.rdata.times import secondsFromDuration

__all__ = ["NegativeTrustAnchors", "anchorsFor", "hasEnded", "negativeAnchorFromText", "negativeFromText", "negativesOf", "textsByName"]

_EXAMPLE: Final = "write NAME=UNTIL, such as example.com=+2d or example.com=2026-12-01T12:00Z"


def negativeAnchorFromText(text: str, now: int) -> tuple[bytes, int]:
    """
    Parse C{NAME=UNTIL}: a time of ISO 8601, or a duration from now such as C{+1h} or C{+2d}.

    @return: the folded name, and the time in seconds since 1970.

    @raise BadDescription: it is not valid, in the past, or more than a week ahead.
    """
    shown = repr(text if len(text) <= 300 else text[:297] + "...")
    name, equals, until = text.rpartition("=")
    if not equals or not name or not until:
        raise BadDescription(f"{shown} is not a valid negative trust anchor: {_EXAMPLE}")
    try:
        wire = nameFromText(name.strip()).lower()
    except BadName as error:
        raise BadDescription(f"{shown} is not a valid negative trust anchor: {error.text}") from None
    until = until.strip()
    try:
        if until.startswith("+"):
            expires = now + secondsFromDuration(until[1:])
        else:
            expires = timeFromText(until)
    except (ValueError, OverflowError):
        raise BadDescription(f"{shown} is not a valid negative trust anchor: {until[:48]!r} is not a time; {_EXAMPLE}") from None
    return wire, _checked(wire, expires, now)


def negativeFromText(text: str, now: int) -> tuple[bytes, int]:
    """
    Parse a negative trust anchor as operators write it.

    @param text: C{NAME=UNTIL}, or only the name for the usual time.

    @return: the folded name, and the time when it ends.

    @raise BadDescription: it is not valid.
    """
    if "=" in text:
        return negativeAnchorFromText(text, now)
    try:
        return nameFromText(text).lower(), now + int(NEGATIVE_ANCHOR_SECONDS.default)
    except BadName as error:
        raise BadDescription(f"{text[:300]!r} is not a valid negative trust anchor: {error.text}") from None


def hasEnded(text: str, now: int) -> bool:
    """
    Return whether C{NAME=UNTIL} has a time that is past, as after a restart. It is not an error then.
    """
    until = text.rpartition("=")[2].strip()
    try:
        return not until.startswith("+") and timeFromText(until) <= now
    except (ValueError, OverflowError):
        return False


def negativesOf(texts: Iterable[str], now: int) -> tuple[dict[bytes, int], list[str]]:
    """
    Parse those of the settings.

    @return: the folded names, with the times when that ends; and the texts of those that have ended.

    @raise BadDescription: one is not valid, or there are too many.
    """
    trial, ended = NegativeTrustAnchors(), [text for text in texts if hasEnded(text, now)]
    for text in texts:
        if text not in ended:
            name, until = negativeAnchorFromText(text, now)
            trial.add(name, now, until)
    return dict(trial.listed(now)), ended


def textsByName(texts: Iterable[str]) -> dict[bytes, str]:
    """
    Return those of the settings by the folded name, as they are written: a duration begins only when its text changes.

    @param texts: valid ones.
    """
    return {nameFromText(text.rpartition("=")[0].strip()).lower(): text for text in texts}


def _checked(name: bytes, until: int, now: int) -> int:
    """
    @raise BadDescription: the time is not between now and a week from now.
    """
    most = int(NEGATIVE_ANCHOR_SECONDS.most)
    if until <= now:
        said = f"{timeToText(until)} is past: it is {timeToText(now)}; a time in the next {most // 86400} days was expected"
    elif until > now + most:
        said = f"{timeToText(until)} is too late: it is {timeToText(now)}, and at most {most // 86400} days are allowed"
    else:
        return until
    raise BadDescription(f"negative trust anchor {nameToText(name)}: {said}")


class NegativeTrustAnchors:
    """
    The negative trust anchors in force.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[bytes, int] = {}

    def add(self, name: bytes, now: int, until: int | None = None) -> int:
        """
        Suspend validation at and below a name; for a name that has been added before, the new time applies.

        @param name: a folded name.
        @param until: the time when it ends; by default that of C{NEGATIVE_ANCHOR_SECONDS}.

        @return: the time when it ends.

        @raise BadDescription: that is not between now and a week from now, or there are too many.
        """
        until = _checked(name, now + int(NEGATIVE_ANCHOR_SECONDS.default) if until is None else until, now)
        if name not in self._until:
            self.expire(now)
            if len(self._until) >= NEGATIVE_ANCHORS.default:
                most = int(NEGATIVE_ANCHORS.default)
                raise BadDescription(f"negative trust anchor {nameToText(name)}: there are {most}, at most {most} are allowed; remove one")
        self._until[name] = until
        return until

    def remove(self, name: bytes) -> bool:
        """
        Resume validation.

        @return: whether there was one for exactly this name.
        """
        return self._until.pop(name, None) is not None

    def covers(self, name: bytes, now: int) -> bytes | None:
        """
        Return the deepest name with a negative trust anchor at or above a name, if there is one.

        @param name: a folded name.
        """
        until = self._until
        if not until:
            return None
        # A clock that was set back must not extend an exception.
        latest = now + NEGATIVE_ANCHOR_SECONDS.most
        while True:
            ends = until.get(name)
            if ends is not None and now < ends <= latest:
                return name
            if name == ROOT:
                return None
            name = name[name[0] + 1 :]

    def expire(self, now: int) -> list[bytes]:
        """
        Remove those that have ended.

        @return: their names.
        """
        ended = [name for name, until in self._until.items() if until <= now]
        for name in ended:
            del self._until[name]
        return ended

    def listed(self, now: int) -> list[tuple[bytes, int]]:
        """
        Return the names with the times when they end, in canonical order.
        """
        return [(name, self._until[name]) for name in sorted(self._until, key=canonicalKey) if self._until[name] > now]


def anchorsFor(name: bytes, anchors: TrustAnchors, negatives: NegativeTrustAnchors, now: int) -> ZoneAnchors | None:
    """
    Return the trust anchors that apply to a name; L{None} if there are none, or if a negative trust anchor is at or below theirs. The
    deepest decides, and of two at the same name the negative one (RFC 7646, section 2).

    @param name: a folded name.
    """
    found = anchors.closest(name)
    if found is None:
        return None
    suspended = negatives.covers(name, now)
    # Both are ancestors of the name, so the longer one is deeper.
    if suspended is not None and len(suspended) >= len(found.zone):
        return None
    return found
