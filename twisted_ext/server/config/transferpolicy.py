"""
What is said of a zone's transfers and notices, ready for use: who may have it, who is told of its changes, where it comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import Grants, Keys, RemoteServer

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["NOBODY", "USUAL", "Terms", "checkZone", "keysOf", "termsOf"]

#: Grants nothing.
NOBODY: Final = Grants()

#: Settings of zones that terms are made of.
_READ: Final = (
    "primaries", "allow-transfer", "one-answer", "member-primaries", "group-primaries", "notify", "allow-notify", "zonemd",
)  # fmt: skip


def keysOf(settings: Settings) -> Keys:
    """
    @return: the keys that a server shares with others.

    @raise BadDescription: one of them cannot be used; says which.
    """
    return Keys.fromFile(settings.keyFile, weak=settings.weakKeys) if settings.keyFile else Keys()


class Terms:
    """
    What was said of zones. Those of which the same was said have one such together, so that nobody may change it.

    @ivar keys: what the names of keys were looked up among.
    @ivar primaries: where the zone comes from.
    @ivar transfer: who may have it.
    @ivar singly: who of them gets each record in a message of its own.
    @ivar notify: who is told of changes.
    @ivar notices: who may tell of them besides.
    @ivar digest: what is to be done about its ZONEMD record.
    """

    __slots__ = ("keys", "primaries", "transfer", "singly", "notify", "notices", "digest")

    def __init__(self, zone: ZoneSettings | None, keys: Keys) -> None:
        self.keys = keys
        self.primaries: tuple[RemoteServer, ...] = ()
        self.notify: tuple[RemoteServer, ...] = ()
        self.transfer = self.singly = self.notices = NOBODY
        self.digest = ""
        if zone is not None:
            self._read(zone, keys)

    def _read(self, zone: ZoneSettings, keys: Keys) -> None:
        try:
            self.primaries = tuple([RemoteServer.fromText(text, keys) for text in zone.texts("primaries")])
            self.transfer = _grants(zone, "allow-transfer", keys)
            self.singly = _grants(zone, "one-answer", keys)
            # Those of zones that a catalog will list.
            for text in (*zone.texts("member-primaries"), *[text.split(None, 1)[-1] for text in zone.texts("group-primaries")]):
                RemoteServer.fromText(text, keys)
            self.notify = tuple([RemoteServer.fromText(text, keys) for text in zone.texts("notify")])
            self.notices = _grants(zone, "allow-notify", keys)
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        self.digest = str(zone.value("zonemd"))


def _grants(zone: ZoneSettings, name: str, keys: Keys) -> Grants:
    texts = zone.texts(name)
    if not texts:
        return NOBODY
    try:
        return Grants.fromTexts(texts, keys)
    except BadDescription as fault:
        raise BadDescription(f"{name}: {fault}") from None


#: Of zones of which nothing was said but where their records are.
USUAL: Final = Terms(None, Keys())


def termsOf(zone: ZoneSettings, keys: Keys) -> Terms:
    """
    @return: what was said of it; of zones of which the same was, all of ten thousand perhaps, the same for all.

    @raise BadDescription: it cannot be used.
    """
    if zone.plain:
        return USUAL
    terms = zone.terms
    if not isinstance(terms, Terms) or terms.keys is not keys:
        # They are asked for again when they are gone over to.
        said = tuple([zone.values.get(name) for name in _READ])
        terms = keys.terms.get(said)
        if not isinstance(terms, Terms):
            terms = keys.terms[said] = Terms(zone, keys)
        if terms.primaries and zone.file:
            raise BadDescription(f"zone {zone.text}: has a file and primaries; its records come from one or the other")
        zone.terms = terms
    return terms


def checkZone(zone: ZoneSettings, keys: Keys) -> None:
    """
    @raise BadDescription: what is said of a zone's transfers and notices cannot be used.
    """
    termsOf(zone, keys)
