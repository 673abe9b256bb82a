"""
The settings of a signing policy: a C{[[signing-policy]]} table, or C{--signing-policy "NAME=KEY=VALUE ..."}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSASHA256, algorithmName
from twisted_ext.dnssec.sign.validity import Validity
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import checkedTable, meant, tableFromText, tableToText, tableToTOML
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.server.settings.settings import Settings

__all__ = ["POLICY_SETTINGS", "SigningPolicies", "SigningPolicySettings"]

_ALGORITHMS: Final = {algorithmName(each).lower(): each for each in (ECDSA_P256, ED25519, ECDSA_P384, ED448, RSASHA256)}

#: Which keys are made: one for all records, or one for the DNSKEY records and one for the rest.
_KEYS: Final = ("csk", "ksk+zsk")

#: Names of policies that are built in.
_TAKEN: Final = ("none", "default")

#: The settings of a C{[[signing-policy]]} table.
POLICY_SETTINGS: Final = (
    Setting("name", types.LABEL, "", "The policy's name"),
    Setting("algorithm", types.oneOf(*_ALGORITHMS), "ecdsap256sha256", "The algorithm of keys that are made"),
    Setting("keys", types.oneOf(*_KEYS), "csk", "Which keys are made: one for all, or one for the DNSKEY records and one for the rest"),
    Setting("denial", types.oneOf(*DENIALS), "nsec", "How names are denied; nsec3 hides them; nsec3-opt-out is for many delegations"),
    Setting("signatures", types.duration("1d", "366d"), "21d", "How long a signature is valid"),
    Setting("renew", types.duration("1h", "366d"), "7d", "After how long it is made anew"),
    Setting("dnskey-ttl", types.duration("1m", "7d"), "1h", "The TTL of the DNSKEY records"),
    Setting("cds", types.FLAG, False, "Add CDS and CDNSKEY records, by which parents that look for them take the DS record (RFC 7344)"),
    Setting("zonemd", types.FLAG, False, "Add a ZONEMD record with the digest of the zone (RFC 8976); one in the file is always replaced"),
)

_BY_NAME: Final = {setting.name: setting for setting in POLICY_SETTINGS}

#: What a signature has left when it is made anew, and the server has done so: at least an eighth of its life, for when signing fails.
_LEFT: Final = 8

_DAY: Final = 86_400
_HOUR: Final = 3600


class SigningPolicySettings:
    """
    The settings of a signing policy.

    @ivar name: its name.
    @ivar policy: what they say.
    """

    __slots__ = ("name", "policy", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        """
        @raise BadDescription: signatures would end before they are made anew.
        """
        self.name = str(values["name"])
        signatures, renew = _seconds(values, "signatures"), _seconds(values, "renew")
        try:
            validity = Validity(signatures, renew)
        except ValueError:
            validity = None
        if validity is None or validity.least * _LEFT < signatures:
            said = f"signatures of {_shown(signatures)} that are made anew after {_shown(renew)} could end before that is done"
            raise BadDescription(f'signing-policy {self.name}: {said}; write renew = "{_shown(signatures // 2)}" or less')
        self.policy = SigningPolicy(
            validity,
            algorithm=_ALGORITHMS[str(_value(values, "algorithm"))],
            split=_value(values, "keys") != _KEYS[0],
            denial=str(_value(values, "denial")),
            dnskeyTTL=_seconds(values, "dnskey-ttl"),
            forParent=bool(_value(values, "cds")),
            digested=bool(_value(values, "zonemd")),
        )
        self._values = values

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> SigningPolicySettings:
        values = checkedTable(table, POLICY_SETTINGS, "signing-policy", "registry", folder)
        if values["name"] in _TAKEN:
            raise BadDescription(f"signing-policy {values['name']}: this name is built in; choose another one")
        return cls(values)

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> SigningPolicySettings:
        """
        Parse C{NAME=KEY=VALUE ...}, or the result of L{toText}. A key without a value is switched on.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, "signing-policy"), folder)
        name, equals, rest = text.partition("=")
        if not equals or not name or not rest.split():
            raise BadDescription(f"{text!r} is not a valid policy: write its name, an equals sign, and settings such as denial=nsec3")
        pairs = [word.partition("=") for word in rest.split()]
        return cls.fromTable({"name": name, **{key: value if mark else True for key, mark, value in pairs}}, folder)

    def toText(self) -> str:
        return tableToText(self._values)

    def toTOML(self) -> str:
        return tableToTOML(self._values)


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


def _value(values: Mapping[str, Value], name: str) -> Value:
    return values.get(name, _BY_NAME[name].default)


def _seconds(values: Mapping[str, Value], name: str) -> int:
    return secondsFromDuration(str(_value(values, name)))


def _shown(seconds: int) -> str:
    for unit, letter in ((_DAY, "d"), (_HOUR, "h")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"
