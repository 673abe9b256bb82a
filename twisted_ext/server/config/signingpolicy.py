"""
The settings of a signing policy: a C{[[signing-policy]]} table, or C{--signing-policy "NAME=KEY=VALUE ..."}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSASHA256, algorithmName
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.dnssec.rolls.states import ZSK, Record
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.keys import Keys, RemoteServer
from twisted_ext.server.config.tables import TableSettings, key, meant
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.zone.sign.policy import DENIALS, RollTimes, SigningPolicy

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["SigningPolicies", "SigningPolicySettings"]

_ALGORITHMS: Final = {algorithmName(each).lower(): each for each in (ECDSA_P256, ED25519, ECDSA_P384, ED448, RSASHA256)}

#: Which keys are made: one for all records, or one for the DNSKEY records and one for the rest.
_KEYS: Final = ("csk", "ksk+zsk")

#: Names of policies that are built in.
_TAKEN: Final = ("none", "default")

#: What a signature has left when it is made anew, and the server has done so: at least an eighth of its life, for when signing fails.
_LEFT: Final = 8

#: The key that has several values.
_LISTED: Final = "parental-agents"

#: Servers of a parent: the root has 26 addresses.
_AGENTS: Final = 64

_DAY: Final = 86_400
_HOUR: Final = 3600


class SigningPolicySettings(TableSettings):
    """
    The settings of a signing policy.

    @ivar policy: what they say.
    """

    table = "signing-policy"
    example = "registry"
    short = "settings such as denial=nsec3"

    __slots__ = ("policy",)

    algorithm: str = key(types.Choice(*_ALGORITHMS), "ecdsap256sha256", "The algorithm of keys that are made")
    keys: str = key(types.Choice(*_KEYS), "csk", "Which keys are made: one for all, or one for the DNSKEY records and one for the rest")
    denial: str = key(types.Choice(*DENIALS), "nsec", "How names are denied; nsec3 hides them; nsec3-opt-out is for many delegations")
    signatures: str = key(types.duration("1d", "366d"), "21d", "How long a signature is valid")
    renew: str = key(types.duration("1h", "366d"), "7d", "After how long it is made anew")
    dnskeyTtl: str = key(types.duration("1s", "7d"), "1h", "The TTL of the DNSKEY records")
    cds: bool = key(types.FLAG, False, "Add CDS and CDNSKEY records, by which parents that look for them take the DS record (RFC 7344)")
    zonemd: bool = key(
        types.FLAG, False, "Add a ZONEMD record with the digest of the zone (RFC 8976); one in the file is always replaced"
    )
    roll: bool = key(types.FLAG, False, "Replace keys by this policy: when their lifetime ends, or algorithm or keys say otherwise")
    kskLifetime: str = key(types.duration("0s", "3650d"), "0s", "How long keys of DNSKEY records, or of all, are in use; 0s for ever")
    zskLifetime: str = key(types.duration("0s", "3650d"), "0s", "How long keys of the other records are in use; 0s for ever")
    propagation: str = key(types.duration("0s", "30d"), "1h", "How long it takes until all servers have a new version")
    parentPropagation: str = key(types.duration("0s", "30d"), "1h", "How long it takes until all servers of the parent have DS records")
    parentDsTtl: str = key(types.duration("0s", "30d"), "1d", "The TTL of the DS records at the parent")
    insecure: bool = key(types.FLAG, False, "Have the parent remove its DS records, so that zones need not be signed any more")
    gradual: bool = key(types.FLAG, False, "Have a new key sign names as their signatures are made anew, not all at once: for large zones")
    parentalAgents: tuple[str, ...] = key(
        types.REMOTE,
        (),
        "Servers of the parent, which are asked which DS records they have: 192.0.2.1, tls://192.0.2.1#ns1.example",
    )
    parentCheck: str = key(types.duration("1s", "1d"), "1h", "How often they are asked while a roll waits for DS records; else once a day")

    def check(self) -> None:
        if self.name in _TAKEN:
            raise BadDescription(f"signing-policy {self.name}: this name is built in; choose another one")
        signatures, renew = secondsFromDuration(self.signatures), secondsFromDuration(self.renew)
        try:
            validity = Validity(signatures, renew)
        except ValueError:
            validity = None
        if validity is None or validity.least * _LEFT < signatures:
            said = f"signatures of {_shown(signatures)} that are made anew after {_shown(renew)} could end before that is done"
            raise BadDescription(f'signing-policy {self.name}: {said}; write renew = "{_shown(signatures // 2)}" or less')
        self.policy = SigningPolicy(
            validity,
            algorithm=_ALGORITHMS[self.algorithm],
            split=self.keys != _KEYS[0],
            denial=self.denial,
            dnskeyTTL=secondsFromDuration(self.dnskeyTtl),
            forParent=self.cds,
            digested=self.zonemd,
            rolls=self._rolls(),
            agents=self._agents(),
            check=secondsFromDuration(self.parentCheck),
        )

    def _agents(self) -> tuple[str, ...]:
        """
        @raise BadDescription: one cannot be asked, or nothing would wait for what it says.
        """
        where = f"signing-policy {self.name}: parental-agents"
        if self.parentalAgents and not self.roll:
            raise BadDescription(f"{where}: they are asked for keys that are replaced by the policy; write roll = true as well")
        if len(self.parentalAgents) > _AGENTS:
            raise BadDescription(f"{where}: there are {len(self.parentalAgents)} servers; {_AGENTS} or fewer are right")
        for text in self.parentalAgents:
            if " key=" in text:
                raise BadDescription(f"{where}: {text!r}: a question for DS records takes no TSIG key; write the address alone")
            try:
                RemoteServer.fromText(text, Keys())
            except BadDescription as fault:
                raise BadDescription(f"{where}: {fault}") from None
        return self.parentalAgents

    def _rolls(self) -> RollTimes | None:
        """
        Return how keys are replaced; L{None} if they are not.

        @raise BadDescription: a lifetime is shorter than a roll.
        """
        times = RollTimes(
            secondsFromDuration(self.kskLifetime),
            secondsFromDuration(self.zskLifetime),
            secondsFromDuration(self.propagation),
            secondsFromDuration(self.parentPropagation),
            secondsFromDuration(self.parentDsTtl),
            self.insecure,
            secondsFromDuration(self.renew) if self.gradual else 0,
        )
        split = self.keys != _KEYS[0]
        rolls = times.of(_ALGORITHMS[self.algorithm], split, secondsFromDuration(self.dnskeyTtl), _DAY)
        where = f"signing-policy {self.name}"
        if self.insecure and not self.roll:
            raise BadDescription(f"{where}: insecure is for keys that live by the policy; write roll = true as well")
        if self.gradual and not self.roll:
            raise BadDescription(f"{where}: gradual is for keys that are replaced by the policy; write roll = true as well")
        for name, lifetime, role in (("ksk-lifetime", times.ksk, rolls.roles[0]), ("zsk-lifetime", times.zsk, ZSK)):
            if lifetime and not self.roll:
                raise BadDescription(f"{where}: {name} is for keys that are replaced by the policy; write roll = true as well")
            if lifetime and role not in rolls.roles:
                raise BadDescription(f'{where}: {name} is for a key that this policy does not have; write keys = "ksk+zsk" as well')
            if lifetime and lifetime < rolls.shortest(role):
                said = f"a key of {_shown(lifetime)} would be replaced before its predecessor is gone"
                raise BadDescription(
                    f"{where}: {said}: that takes twice {_shown(rolls.wait(Record.DNSKEY))} for DNSKEY records, and "
                    f"{_shown(rolls.longest(role))} for what resolvers have of the rest, with TTLs of a day; write {name} = "
                    f'"{_shown(-(-rolls.shortest(role) // _DAY) * _DAY)}" or more'
                )
        return times if self.roll else None

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        """
        Return keys from C{KEY=VALUE ...}; one without a value is switched on, and of one with several there are commas between them.
        """
        said = {name: value if mark else True for name, mark, value in [word.partition("=") for word in text.split()]}
        return {name: value.split(",") if name == _LISTED and isinstance(value, str) else value for name, value in said.items()}


class SigningPolicies:
    """
    The policies of a server by their names.
    """

    def __init__(self, settings: Settings) -> None:
        """
        @raise BadDescription: there are two of a name.
        """
        self._named = {"default": SigningPolicy()}
        for each in map(SigningPolicySettings.fromText, settings.signingPolicy):
            if each.name in self._named:
                raise BadDescription(f"signing-policy {each.name} is given twice; give one of them another name")
            self._named[each.name] = each.policy

    def named(self, name: str, where: str) -> SigningPolicy:
        """
        @param where: what names it, for the error.

        @raise BadDescription: there is no such policy.
        """
        found = self._named.get(name)
        if found is None:
            raise BadDescription(f"{where}: there is no signing-policy {name}{meant(name, list(self._named))}")
        return found


def _shown(seconds: int) -> str:
    for unit, letter in ((_DAY, "d"), (_HOUR, "h")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"
