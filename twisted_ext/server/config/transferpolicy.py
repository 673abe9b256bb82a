"""
What others may do with a zone, from its settings: its primaries, the clients that may transfer it, the servers to send NOTIFY to or accept
it from, and who may update it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.addedkeys import addedKeys
from twisted_ext.server.config.keys import Grants, Keys, RemoteServer
from twisted_ext.zone.update.policy import Policy

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["NOBODY", "USUAL", "Terms", "keysOf", "policyOf", "termsOf"]

#: Grants nothing.
NOBODY: Final = Grants()

#: The zone settings that make up the policy.
_READ: Final = (
    "primaries", "allow-transfer", "one-answer", "member-primaries", "group-primaries", "notify", "allow-notify", "zonemd",
    "encrypted-transfers", "allow-update", "forward-updates", "sign",
)  # fmt: skip

#: The policy of zones without one: no updates.
_NOBODY: Final = Policy()


def policyOf(zone: ZoneSettings, keys: Iterable[bytes]) -> Policy:
    """
    Return the update policy of a zone.

    @param keys: the names of the known TSIG keys.

    @raise BadDescription: the policy of the zone is not valid.
    """
    policy = zone.policy
    if policy is None:
        try:
            policy = Policy.fromTexts(zone.update, zone.apexName) if zone.update else _NOBODY
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        zone.policy = policy
    if not policy.rules:
        return policy
    missing = policy.keysMissing(keys)
    if missing:
        raise BadDescription(f"zone {zone.text}: update: there is no TSIG key {missing[0]!r}; key-file names the file that has it")
    if zone.primaries:
        raise BadDescription(f"zone {zone.text}: update: it comes from its primaries, where it has to be changed")
    return policy


def keysOf(settings: Settings) -> Keys:
    """
    Read the TSIG keys: those of the settings, and those that were added, of which one with the same name is ignored.

    @raise BadDescription: a key is not valid.
    """
    keys = Keys.fromFile(settings.keyFile, weak=settings.weakKeys) if settings.keyFile else Keys()
    added = [key for key in addedKeys(settings) if key.name not in keys]
    if not added:
        return keys
    joined = keys.joined(Keys(added, weak=settings.weakKeys))
    joined.exposed = keys.exposed
    return joined


class Terms:
    """
    The transfer policy of zones. Zones with the same settings share one object, so it must not be changed.

    @ivar keys: the keys that key names were looked up in.
    @ivar singly: the clients among those of C{transfer} that get each record in a separate message.
    @ivar notices: the servers that NOTIFY is accepted from, besides the primaries.
    @ivar digest: how to treat its ZONEMD record.
    @ivar updaters: the clients whose updates are considered; an empty list is all of them.
    @ivar forwards: the clients whose updates are passed on to the primaries.
    @ivar isSigned: whether it is signed here, so that the changes of its primaries are not those of what is served.
    @ivar isEncrypted: whether it is transferred over encrypted transports only (RFC 9103, section 11).
    """

    __slots__ = (
        "keys", "primaries", "transfer", "singly", "notify", "notices", "updaters", "digest", "isEncrypted", "isSigned",
        "forwards",
    )  # fmt: skip

    def __init__(self, zone: ZoneSettings | None, keys: Keys) -> None:
        self.keys = keys
        self.primaries: tuple[RemoteServer, ...] = ()
        self.notify: tuple[RemoteServer, ...] = ()
        self.transfer = self.singly = self.notices = self.updaters = self.forwards = NOBODY
        self.digest = ""
        self.isEncrypted = self.isSigned = False
        if zone is not None:
            self._read(zone, keys)

    def _read(self, zone: ZoneSettings, keys: Keys) -> None:
        try:
            self.isEncrypted = zone.encryptedTransfers
            self.primaries = tuple([self._primary(text, keys) for text in zone.primaries])
            self.transfer = _grants("allow-transfer", zone.allowTransfer, keys)
            self.singly = _grants("one-answer", zone.oneAnswer, keys)
            # Only check these: they are for the member zones of a catalog.
            for text in (*zone.memberPrimaries, *[text.split(None, 1)[-1] for text in zone.groupPrimaries]):
                self._primary(text, keys)
            self.notify = tuple([RemoteServer.fromText(text, keys) for text in zone.notify])
            self.notices = _grants("allow-notify", zone.allowNotify, keys)
            self.updaters = _grants("allow-update", zone.allowUpdate, keys)
            self.forwards = _grants("forward-updates", zone.forwardUpdates, keys)
            if self.forwards and not self.primaries:
                raise BadDescription("forward-updates: it has no primaries to pass them on to; update lists who may change it here")
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        self.digest = zone.zonemd
        self.isSigned = zone.isSigned

    def _primary(self, text: str, keys: Keys) -> RemoteServer:
        remote = RemoteServer.fromText(text, keys)
        if self.isEncrypted and remote.tls is None:
            raise BadDescription(f"{text!r}: with encrypted-transfers, a primary is given by a URL: tls://192.0.2.1#ns1.example")
        return remote


def _grants(name: str, texts: tuple[str, ...], keys: Keys) -> Grants:
    if not texts:
        return NOBODY
    try:
        return Grants.fromTexts(texts, keys)
    except BadDescription as fault:
        raise BadDescription(f"{name}: {fault}") from None


#: The policy of zones with no settings besides their file.
USUAL: Final = Terms(None, Keys())


def termsOf(zone: ZoneSettings, keys: Keys) -> Terms:
    """
    Return the transfer policy of a zone, one object for all zones with the same settings (there may be ten thousand).

    @raise BadDescription: the policy of the zone is not valid.
    """
    if zone.plain:
        return USUAL
    terms = zone.terms
    if not isinstance(terms, Terms) or terms.keys is not keys:
        # Cached, since the policies are needed again when the settings are applied.
        said = tuple([zone.values.get(name) for name in _READ])
        terms = keys.terms.get(said)
        if not isinstance(terms, Terms):
            terms = keys.terms[said] = Terms(zone, keys)
        if terms.primaries and zone.file:
            raise BadDescription(f"zone {zone.text}: has a file and primaries; its records come from one or the other")
        zone.terms = terms
    return terms
