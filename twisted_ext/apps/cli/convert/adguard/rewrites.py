"""
The DNS rewrites of AdGuard Home: names with other answers than those of upstreams.

They are local records as far as these do the same. A rewrite to the name itself, or to C{A} or C{AAAA}, keeps what upstreams have, although
another rewrite is for the name; then all of them are lines of a list, where an exception says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twisted_ext.apps.cli.convert.addresses import isAddress
from twisted_ext.apps.cli.convert.adguard.keys import Table
from twisted_ext.apps.cli.convert.adguard.rules import Rules
from twisted_ext.apps.cli.convert.converted import Converted, Place

__all__ = ["convertRewrites"]

_DOMAIN: Final = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*")

_TYPES: Final = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class _Rewrite:
    domain: str
    answer: str
    place: Place

    @property
    def keeps(self) -> bool:
        """
        Whether upstreams are asked for it.
        """
        return self.answer in (*_TYPES, self.domain)

    @property
    def type(self) -> str:
        if not isAddress(self.answer):
            return "CNAME"
        return "AAAA" if ":" in self.answer else "A"

    def covers(self, domain: str) -> bool:
        return self.domain == domain or (self.domain.startswith("*.") and domain.endswith(self.domain[1:]))


def convertRewrites(tables: Iterable[Table], rules: Rules, converted: Converted) -> None:
    """
    Add rewrites to the records and lines of a user's rules.
    """
    rewrites = [each for table in tables for each in _read(table, converted)]
    kept = [each for each in rewrites if each.keeps]
    kept = [each for each in kept if any(other.covers(each.domain) for other in rewrites if not other.keeps)]
    for each in rewrites:
        if each.keeps and each not in kept:
            converted.needless(each.place, "no other rewrite is for this name, so that upstreams are asked anyway")
    aliases: dict[str, str] = {}
    for each in rewrites:
        if not each.keeps and each.type == "CNAME":
            aliases.setdefault(each.domain, each.answer)
    for each in rewrites:
        if each.keeps:
            continue
        if aliases.get(each.domain, each.answer) != each.answer:
            converted.missing(each.place, "a name with an alias has no other records")
        elif any(each.covers(other.domain) for other in kept):
            _addLine(each, [other for other in kept if other.domain == each.domain], rules)
        else:
            answer = f"{each.answer.rstrip('.')}." if each.type == "CNAME" else each.answer
            rules.records.append((f"{each.domain}. {each.type} {answer}", each.place))
    for each in kept:
        if any(other.covers(each.domain) and other.domain != each.domain for other in rewrites if not other.keeps):
            rules.rewrites = True
            types = f",dnstype={each.answer}" if each.answer in _TYPES else ""
            rules.lines.append(f"@@{_pattern(each.domain)}$dnsrewrite{types}")


def _read(table: Table, converted: Converted) -> list[_Rewrite]:
    domain, answer = table.text("domain").strip().lower().rstrip("."), table.text("answer").strip()
    place = table.place("domain")._replace(directive=" ".join(f"{domain} {answer}".split()))
    if not table.flag("enabled", default=True):
        return []
    answer = answer if answer in _TYPES else answer.lower()
    if not _DOMAIN.fullmatch(domain) or not (isAddress(answer) or _DOMAIN.fullmatch(answer.rstrip("."))) or "%" in answer:
        if answer not in _TYPES or not _DOMAIN.fullmatch(domain):
            converted.wrong(place, "this is not a domain with an address or another domain")
            return []
    return [_Rewrite(domain, answer, place)]


def _addLine(rewrite: _Rewrite, kept: list[_Rewrite], rules: Rules) -> None:
    types = [each.answer for each in kept if each.answer in _TYPES]
    if any(each.answer == rewrite.domain for each in kept) or rewrite.type in types:
        # Upstreams are asked for it, whatever else there is.
        return
    only = f",dnstype={rewrite.type if rewrite.type in _TYPES else f'~{types[0]}'}" if types else ""
    rules.rewrites = True
    rules.lines.append(f"{_pattern(rewrite.domain)}$dnsrewrite={rewrite.answer.rstrip('.')}{only}")


def _pattern(domain: str) -> str:
    return f"||{domain}^" if domain.startswith("*.") else f"|{domain}^"
