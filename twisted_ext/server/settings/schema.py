"""
The JSON schema of the settings file, made from the declarations of settings, for editors and checks that know nothing of this server.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.settings.plugged import allSettings

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.types import Kind

__all__ = ["schemaOf"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

#: Settings that take a table of domains as well, each with what stands behind the equals sign.
_BY_DOMAIN: Final = (types.ROUTE, types.STUB, types.NEGATIVE_ANCHOR)

_Schema = dict[str, "JSON"]


def schemaOf(settings: Iterable[Setting] | None = None) -> _Schema:
    """
    Return the schema.

    What it refuses the server refuses as well. Of texts that are more than one of a few words it does not know which the server takes, nor
    whether settings contradict each other.

    @param settings: by default all, those of plugins too.
    """
    return {
        "$schema": _DRAFT,
        "title": "Settings of txdns",
        **_tableOf(allSettings() if settings is None else settings),
    }


def _tableOf(settings: Iterable[Setting]) -> _Schema:
    properties: _Schema = {each.name: _settingOf(each) for each in settings}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _settingOf(setting: Setting) -> _Schema:
    one = _kindOf(setting.kind)
    found = dict(one)
    if setting.many:
        forms: list[JSON] = [{"type": "array", "items": one}, {"type": "string"} if isinstance(setting.kind, types.Table) else one]
        if isinstance(setting.kind, types.Table):
            forms.append(_rowOf(setting.kind))
        elif setting.kind in _BY_DOMAIN:
            forms.append({"type": "object", "additionalProperties": _targetOf(setting.kind)})
        found = {"anyOf": forms}
    found["description"] = setting.help
    if setting.default not in ("", ()):
        found["default"] = [*setting.default] if isinstance(setting.default, tuple) else setting.default
    return found


def _kindOf(kind: Kind) -> _Schema:
    if isinstance(kind, types.Flag):
        return {"type": "boolean"}
    if isinstance(kind, types.Octets):
        return {"anyOf": [_numberOf(kind), {"type": "string", "pattern": "^[0-9]+[KMGkmg]?$"}]}
    if isinstance(kind, types.Number):
        return _numberOf(kind)
    if isinstance(kind, types.Choice):
        return {"enum": [*kind.words]}
    if isinstance(kind, types.Table):
        return {"anyOf": [{"type": "string"}, _rowOf(kind)]}
    if isinstance(kind, types.Text):
        return {"type": "string"}
    # One of a plugin.
    return {}


def _numberOf(kind: types.Number) -> _Schema:
    return {"type": "integer" if kind.whole else "number", "minimum": kind.limit.least, "maximum": kind.limit.most}


def _rowOf(kind: types.Table) -> _Schema:
    found = _tableOf(kind.load().declared())
    properties = found["properties"]
    assert isinstance(properties, dict)
    name = properties["name"]
    assert isinstance(name, dict)
    name["minLength"] = 1
    return {**found, "required": ["name"]}


def _targetOf(kind: Kind) -> _Schema:
    text: JSON = {"type": "string"}
    return {"anyOf": [text, {"type": "array", "items": text}]} if kind is types.STUB else {"type": "string"}
