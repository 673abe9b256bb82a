"""
The settings of a policy zone: a C{[[policy-zone]]} table, or C{--policy-zone NAME=FILE}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.tables import TableSettings, key
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.resolver.policy.zones.policy import Choice

__all__ = ["PolicyZoneSettings"]

_GIVEN: Final = "given"

#: Before the name whose records clients get.
_ALIAS: Final = "cname="

_ACTIONS: Final = ("nxdomain", "nodata", "passthru", "drop", "tcp-only")

#: Seconds for which clients keep what stands in place of a rule.
_TTL: Final = 60


def _override(text: str) -> str:
    if text in (_GIVEN, *_ACTIONS):
        return text
    if not text.startswith(_ALIAS):
        raise BadDescription(f"{text!r} is not one of {', '.join((_GIVEN, *_ACTIONS))}, or {_ALIAS} and a name")
    return f"{_ALIAS}{nameToText(nameFromText(text.removeprefix(_ALIAS)))}"


class PolicyZoneSettings(TableSettings):
    """
    The settings of a policy zone.

    @ivar zone: its name in the DNS.
    @ivar file: the absolute path of its master file.
    @ivar override: what its rules do in place of what they say.
    @ivar trial: whether it is only counted what they would do.
    """

    table = "policy-zone"
    example = "feed"
    short = "its file"

    __slots__ = ()

    zone: str = key(types.NAME, "", "Its name in the DNS, such as rpz.example, below which all names of its file are; by default its name")
    file: str = key(
        types.LIST,
        "",
        "Its master file, which is read again when it has changed; without one, it is the [[zone]] of this server with that name",
    )
    override: str = key(
        types.Text("given, nxdomain, nodata, passthru, drop, tcp-only, or cname= and a name", _override),
        _GIVEN,
        "What each of its rules does in place of what it says: nxdomain, nodata, passthru, drop, tcp-only, or cname= and a name",
    )
    trial: bool = key(types.FLAG, False, "Its rules have no effect: it is only counted what they would do")

    def check(self) -> None:
        if not self.file and not self.zone:
            raise BadDescription(f'policy-zone {self.name} has neither a file nor a zone; write file = "{self.name}.zone"')
        if self.file:
            self.values = {**self.values, "file": os.path.abspath(self.file)}

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        return {"file": text}

    def toText(self) -> str:
        return f"{self.name}={self.file}" if self.file and len(self.values) == 2 else super().toText()

    @property
    def apex(self) -> str:
        """
        Its name in the DNS.
        """
        return self.zone or f"{self.name}."

    @property
    def word(self) -> str:
        """
        The zone, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has it.
        """
        from twisted_ext.resolver.policy.zones.compiler import SERVED, wordFor

        return wordFor(self.name, nameFromText(self.apex).lower(), self.file or SERVED)

    @property
    def choice(self) -> Choice:
        """
        How its rules apply.
        """
        from twisted_ext.resolver.policy.zones.actions import GIVEN, Action
        from twisted_ext.resolver.policy.zones.policy import Choice
        from twisted_ext.wire.rrtypes import CNAME

        override = self.override
        if override == _GIVEN:
            return Choice(self.name, None, self.trial)
        if override in _ACTIONS:
            return Choice(self.name, Action(override, _TTL), self.trial)
        target = nameFromText(override.removeprefix(_ALIAS))
        return Choice(self.name, Action(GIVEN, _TTL, ((CNAME, _TTL, target),)), self.trial)
