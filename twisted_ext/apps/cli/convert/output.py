"""
Writes converted settings as TOML, with the places that they come from, or as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.server.config import types
from twisted_ext.wire.escapes import printable

__all__ = ["jsonOf", "tomlOf"]


def tomlOf(converted: Converted) -> str:
    """
    Format the settings as C{--show-config} groups them. A comment names file, line and directive of each value.
    """
    lines = [f"# Converted from {printable(converted.file)} by txdns convert.", ""]
    tables: list[str] = []
    group = ""
    for setting, value in converted.ordered():
        places = converted.places[setting.name]
        if isinstance(setting.kind, types.Table):
            assert isinstance(value, list)
            for table, place in zip(value, places, strict=True):
                tables += ["", _from(place), f"[[{setting.name}]]", *_table(table)]
            continue
        if setting.group != group:
            group = setting.group
            lines += ["", f"# -- {group}"] if lines[-1] else [f"# -- {group}"]
        if isinstance(value, list) and setting.many and value:
            lines.append(f"{setting.name} = [")
            lines += [f"    {_toml(each)}, {_from(place)}" for each, place in zip(value, places, strict=True)]
            lines.append("]")
        else:
            lines += [*[_from(place) for place in places], f"{setting.name} = {_toml(value)}"]
    # Tables come last: all that follows them in the file would be theirs.
    return "\n".join([*lines, *tables, ""])


def _from(place: Place) -> str:
    said = f"# {place}: {place.directive}" if place.directive else f"# {place}"
    return printable(" ".join(said.split()))


def _table(table: Mapping[str, object]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join([_toml(each) for each in value])}]"
    # The escapes of JSON are valid in TOML. Further ones, so that a terminal does not interpret what is in a foreign file.
    text = json.dumps(str(value), ensure_ascii=False)
    return text if text.isprintable() else "".join([each if each.isprintable() else f"\\U{ord(each):08x}" for each in text])


def jsonOf(converted: Converted) -> str:
    """
    Format settings, places and findings as one object.
    """
    document = {
        "format": converted.kind,
        "file": converted.file,
        "complete": converted.complete,
        "settings": {setting.name: value for setting, value in converted.ordered()},
        "places": {setting.name: [place._asdict() for place in converted.places[setting.name]] for setting, _ in converted.ordered()},
        "findings": [
            {**each.place._asdict(), "severity": each.severity.value, "reason": each.reason, "instead": each.instead}
            for each in converted.sortedFindings()
        ],
    }
    return json.dumps(document, indent=2)
