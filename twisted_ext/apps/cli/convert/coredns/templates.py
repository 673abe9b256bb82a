"""
Converts the plugin C{template} where it answers all names of a zone alike.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.coredns.syntax import Directive
from twisted_ext.apps.cli.convert.outcome import outcomesOf

__all__ = ["OUTCOMES", "templated"]

#: The plugins that become no setting.
OUTCOMES: Final = outcomesOf("coredns")

#: An answer for the name of the query: TTL, class, type and data, without further actions.
_ANSWER: Final = re.compile(r"\{\{\s*\.Name\s*\}\}\s+(?:(\d+)\s+)?(?:IN\s+)?([A-Z]+)\s+([^{}]+)")

#: Patterns that match all names.
_ALL: Final = (".*", "^.*$", ".", "(.*)")


def templated(each: Directive, zones: list[str], converted: Converted, forwarded: bool = False) -> None:
    """
    @param forwarded: whether names of the zones are forwarded, so that other types are.
    """
    words = each.values
    rrClass, rrType, *named = [*words, "ANY", "ANY"][:2] + words[2:]
    zones = [name if name.endswith(".") else f"{name}." for name in named] or zones
    options = {option.name: option for option in each.block}
    rcode = options["rcode"].values[0].upper() if "rcode" in options and options["rcode"].values else "NOERROR"
    matches = [value for option in each.block if option.name in ("match", "regex") for value in option.values]
    answers = [option for option in each.block if option.name in ("answer", "additional")]
    if rrClass.upper() not in ("IN", "ANY") or any(match not in _ALL for match in matches):
        OUTCOMES["template"].report("", each.place, converted)
    elif rcode == "NXDOMAIN" and rrType.upper() == "ANY" and not answers and "." not in zones:
        for zone in zones:
            converted.add("local-domain", zone, each.place)
    elif rcode == "NOERROR" and rrType.upper() in ("A", "AAAA") and not answers and zones == ["."]:
        converted.set(f"filter-{rrType.lower()}", True, each.place)
    elif rcode == "NOERROR" and answers and "." not in zones:
        for option in answers:
            found = _ANSWER.fullmatch(option.values[0].strip() if option.values else "")
            if found is None:
                OUTCOMES["template"].report("", option.place, converted)
                continue
            ttl, kind, data = found.groups()
            for zone in zones:
                for owner in (zone, f"*.{zone}"):
                    converted.add("local", " ".join([owner, *([ttl] if ttl else []), kind, data.strip()]), option.place)
        if forwarded and rrType.upper() != "ANY":
            converted.set("forward-other-types", True, each.place)
    else:
        OUTCOMES["template"].report("", each.place, converted)
