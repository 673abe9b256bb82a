"""
The DNS rewrites of AdGuard Home: names with other answers than those of upstreams.

They are local records as far as these do the same. A rewrite to the name itself, or to C{A} or C{AAAA}, keeps what upstreams have, although
another rewrite is for the name; then all of them are lines of a list, where an exception says so.

Rules that a user wrote, lines of ad blockers and of hosts files, are converted here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from ipaddress import ip_address
from typing import Final

from twisted_ext.apps.cli.convert.addresses import isAddress
from twisted_ext.apps.cli.convert.adguard.keys import Key, Table
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.words import isRule
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList

__all__ = ["Rules", "clientsIn", "convertRewrites", "convertRules"]

_DOMAIN: Final = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*")

_TYPES: Final = ("A", "AAAA")

#: A name alone.
_NAME: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+")

#: An expression, in front of the modifiers.
_EXPRESSION: Final = re.compile(r"(?:@@)?/.*/(?:\$[^/]*)?")

#: Modifiers that are for lists of this server, but depend on what the list and the views are.
_REWRITE: Final = "dnsrewrite"
_CLIENT: Final = "client"


@dataclass(slots=True)
class Rules:
    """
    @ivar lines: those of a list.
    @ivar records: local records, each with its place.
    @ivar rewrites: whether a line says what the answer is.
    """

    lines: list[str] = field(default_factory=list)
    records: list[tuple[str, Place]] = field(default_factory=list)
    rewrites: bool = False

    def table(self, name: str) -> dict[str, object]:
        """
        Return the settings of the list.
        """
        return {"name": name, "names": self.lines, **({"rewrite": True} if self.rewrites else {})}


def convertRules(rules: Iterable[Key], views: Mapping[str, str], converted: Converted) -> Rules:
    """
    Return rules in the forms that a server takes. What has no form is a finding.

    @param views: the names of views by those of the clients that they are for.
    """
    found = Rules()
    for rule in rules:
        text, place = " ".join(rule.text.split()), rule.placeOfText
        if text.startswith(("#", "!")):
            continue
        words = text.partition("#")[0].split()
        if len(words) > 1 and isAddress(words[0]):
            _hosts(words, text, place, found)
            continue
        line = _line(text, views, place, converted)
        if line:
            found.lines.append(line)
            found.rewrites = found.rewrites or _REWRITE in dict(_modifiers(text))
    return found


def clientsIn(text: str) -> list[str]:
    """
    Return the names of clients that a rule is for, or is not for.
    """
    return [name for _, name in _clients(dict(_modifiers(text)).get(_CLIENT, ""))]


def _hosts(words: list[str], text: str, place: Place, found: Rules) -> None:
    address = ip_address(words[0].partition("%")[0])
    if address.is_unspecified or address.is_loopback:
        # Names that are blocked, as in hosts files.
        found.lines.append(text)
        return
    kind = "A" if address.version == 4 else "AAAA"
    found.records += [(f"{name.rstrip('.')}. {kind} {address}", place) for name in words[1:]]


def _line(text: str, views: Mapping[str, str], place: Place, converted: Converted) -> str:
    """
    Return a rule as a line of a list, C{""} with a finding if it cannot be one.
    """
    if _NAME.fullmatch(text):
        # The name alone is blocked there, while a name in a list has those below it with it.
        return f"|{text}^"
    given = dict(_modifiers(text))
    if "ctag" in given:
        converted.missing(place, "clients have no tags", "write a [[view]] with these clients, and a list for it")
        return ""
    if _CLIENT in given:
        return _ofClients(text, given[_CLIENT], views, place, converted)
    if _EXPRESSION.fullmatch(text):
        return text if isRule(text, place, converted) else ""
    complaints = Complaints()
    for _ in parseList(BytesIO(text.encode("utf-8", "replace")), complaints):
        pass
    if complaints.count:
        converted.missing(place, "lists have no such rule", "write ||domain^, or a pattern such as ||ad*.example.com^")
        return ""
    return text


def _ofClients(text: str, value: str, views: Mapping[str, str], place: Place, converted: Converted) -> str:
    clients = list(_clients(value))
    if not clients or any(name not in views for _, name in clients):
        converted.missing(place, "a rule is for views only, not for addresses", "write a [[view]] with these clients, and a list for it")
        return ""
    said = "|".join([f"{minus}{views[name]}" for minus, name in clients])
    return text.replace(f"{_CLIENT}={value}", f"{_CLIENT}={said}")


def _modifiers(text: str) -> Iterator[tuple[str, str]]:
    """
    Iterate over the modifiers behind a rule, with their values.
    """
    pattern, dollar, rest = text.partition("$")
    if _EXPRESSION.fullmatch(text):
        # An expression may have a dollar sign as well.
        _, dollar, rest = text.rpartition("/")[2].partition("$")
    if dollar and pattern != "":
        for each in _parts(rest, ","):
            name, _, value = each.partition("=")
            yield name.strip(), value


def _clients(value: str) -> Iterator[tuple[str, str]]:
    """
    Iterate over the clients of a modifier: whether it is not for them, as a tilde or nothing, and the name.
    """
    for each in _parts(value, "|"):
        minus = "~" if each.startswith("~") else ""
        name = each.removeprefix("~")
        if len(name) > 1 and name[0] in "'\"" and name[-1] == name[0]:
            name = name[1:-1]
        name = re.sub(r"\\(.)", r"\1", name)
        if name:
            yield minus, name


def _parts(text: str, separator: str) -> list[str]:
    """
    Split a text where a separator is in no quotes, and behind no backslash.
    """
    found = [""]
    quote = ""
    escaped = False
    for character in text:
        if character == separator and not quote and not escaped:
            found.append("")
            continue
        if character in "'\"" and not escaped and character == (quote or character):
            # A quote begins at the front of a value only: names have apostrophes.
            if quote:
                quote = ""
            elif found[-1][-1:] in ("", "=", "~", "|"):
                quote = character
        escaped = character == "\\" and not escaped
        found[-1] += character
    return found


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
