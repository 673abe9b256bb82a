"""
Converts Pi-hole's C{pihole.toml}, and the database C{gravity.db} beside it. What Pi-hole passes on to dnsmasq, which it has in it, is
converted as dnsmasq's own configuration.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final
from urllib.parse import quote, urlsplit

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.dnsmasq.settings import convert as convertDnsmasq
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.outcome import outcomesOf
from twisted_ext.apps.cli.convert.words import isRule, labelFrom, unlike
from twisted_ext.errors import BadDescription

__all__ = ["convert"]

_DATABASE: Final = "gravity.db"

#: Tables of what is no part of a DNS server's answers.
_OTHERS: Final = ("database.", "debug.", "files.", "misc.", "ntp.", "resolver.", "webserver.")

#: Files of dnsmasq that Pi-hole reads if this is switched on.
_DROP_INS: Final = "misc.etc_dnsmasq_d"

#: Keys of dnsmasq that are written as they are if they are true.
_FLAGS: Final = {
    "dns.domainNeeded": "domain-needed",
    "dns.bogusPriv": "bogus-priv",
    "dns.expandHosts": "expand-hosts",
    "dns.dnssec": "dnssec",
    "dns.queryLogging": "log-queries",
}

#: Keys that become no setting.
_OUTCOMES: Final = outcomesOf("pihole")

#: How blocked names are answered.
_MODES: Final = {"NULL": "null", "NXDOMAIN": "nxdomain", "NX": "nxdomain"}

#: Names by which clients ask whether they should use other resolvers, and which do not exist then.
_CANARIES: Final = {
    "dns.specialDomains.mozillaCanary": ("use-application-dns.net",),
    "dns.specialDomains.iCloudPrivateRelay": ("mask.icloud.com", "mask-h2.icloud.com"),
    "dns.specialDomains.designatedResolver": (),
}

#: Hosts with lists of many, whose names are in the path.
_SHARED: Final = ("githubusercontent.com", "github.com", "gitlab.com", "jsdelivr.net")

#: Expressions that are about a domain and all names below it.
_BELOW: Final = re.compile(r"\(\\\.\|\^\)((?:[\w-]+\\\.)+[\w-]+)\$|\(\^\|\\\.\)((?:[\w-]+\\\.)+[\w-]+)\$")

#: The rows that are read of a table: more than anybody has, but for the names of lists, which are not read.
_MOST: Final = 100_000

#: The number of the group of clients that are in no other one.
DEFAULT: Final = 0

_SECTION: Final = re.compile(r"\s*\[([\w.]+)\]\s*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(r"\s*(\w+)\s*=\s*(.*)")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')

#: What Pi-hole writes behind a value that is not the default.
_CHANGED: Final = "### CHANGED"


@dataclass(slots=True, eq=False)
class Key:
    """
    A key with its value.

    @ivar name: with those of its tables: C{dns.upstreams}.
    @ivar line: the line that it begins in.
    @ivar isChanged: whether it is marked as not the default.
    @ivar lines: of an array, the line of each text in it.
    """

    name: str
    path: str
    line: int
    value: object = None
    isChanged: bool = False
    lines: list[int] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(self.path, self.line, self.name)

    def texts(self) -> list[tuple[str, int]]:
        """
        Return the texts of an array, or the text, each with its line; none if it has none.
        """
        values = self.value if isinstance(self.value, list) else [self.value]
        texts = [each for each in values if isinstance(each, str) and each]
        lines = self.lines if len(self.lines) == len(values) else [self.line] * len(values)
        return list(zip(texts, lines, strict=False))


def keysIn(text: str, path: str) -> dict[str, Key]:
    """
    Read a file.

    @raise BadDescription: it is not TOML.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDescription(f"{path}: {error}") from None
    found: dict[str, Key] = {}
    section = ""
    last: Key | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if (matched := _SECTION.fullmatch(line)) is not None:
            section, last = matched[1], None
            continue
        rest = line
        if (matched := _ASSIGNMENT.match(line)) is not None and not line.lstrip().startswith('"'):
            name = f"{section}.{matched[1]}" if section else matched[1]
            last = found.setdefault(name, Key(name, path, number))
            rest = matched[2]
        if last is not None:
            value, mark, _ = rest.partition(_CHANGED)
            last.isChanged = last.isChanged or bool(mark)
            last.lines += [number] * len(_TEXT.findall(value))
    for key in found.values():
        key.value = _valueAt(table, key.name)
    return found


def _valueAt(table: object, name: str) -> object:
    for part in name.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    return table


@dataclass(frozen=True, slots=True)
class Row:
    """
    A list, a domain, or a client.

    @ivar text: its address, its name, or its expression.
    @ivar type: of a list, 1 for exceptions; of a domain, 0 for exceptions, 1 for what is blocked, with 2 added for expressions.
    @ivar groups: the numbers of the groups that it is in.
    """

    number: int
    text: str
    type: int
    groups: frozenset[int]


@dataclass(slots=True)
class Gravity:
    """
    @ivar groups: the names of the groups that are not switched off, by their numbers.
    @ivar lists: those that are not switched off; so are C{domains}.
    """

    groups: dict[int, str] = field(default_factory=dict)
    lists: list[Row] = field(default_factory=list)
    domains: list[Row] = field(default_factory=list)
    clients: list[Row] = field(default_factory=list)


def readGravity(path: str) -> Gravity:
    """
    Read a database, without a change to it.

    @raise BadDescription: it cannot be read.
    """
    try:
        # Immutable: no lock and no journal is written beside it, where this user may not write.
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as database:
            found = Gravity()
            groups = _rows(database, 'SELECT id, name FROM "group" WHERE enabled = 1')
            found.groups = {int(str(number)): str(name) for number, name in groups}
            # Lists of exceptions came with a later version.
            hasType = any(column == "type" for _, column in _rows(database, "SELECT cid, name FROM pragma_table_info('adlist')"))
            found.lists = _joined(database, "adlist", "address", "type" if hasType else "0", "WHERE enabled = 1")
            found.domains = _joined(database, "domainlist", "domain", "type", "WHERE enabled = 1")
            found.clients = _joined(database, "client", "ip", "0", "")
            return found
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise BadDescription(f"{path}: {error}") from None


def _rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    yield from database.execute(query).fetchmany(_MOST)


def _joined(database: sqlite3.Connection, table: str, text: str, type: str, which: str) -> list[Row]:
    groups: dict[int, set[int]] = {}
    for row, group in _rows(database, f"SELECT {table}_id, group_id FROM {table}_by_group"):
        groups.setdefault(int(str(row)), set()).add(int(str(group)))
    return [
        Row(int(str(number)), str(said), int(str(kind)), frozenset(groups.get(int(str(number)), ())))
        for number, said, kind in _rows(database, f"SELECT id, {text}, {type} FROM {table} {which} ORDER BY id")
    ]


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    """
    Convert a file, and the database in its folder if there is one.

    @raise BadDescription: one of them cannot be read.
    """
    _Pihole(keysIn(text, path), path, includes, converted).convert()


class _Pihole:
    def __init__(self, keys: dict[str, Key], path: str, includes: Includes, converted: Converted) -> None:
        self._keys = keys
        self._path = path
        self._includes = includes
        self._converted = converted
        self._known = {*_FLAGS, *_OUTCOMES, *_CANARIES}
        self._listNames: set[str] = set()
        self._expressions: dict[str, list[str]] = {}

    def convert(self) -> None:
        directives = [*self._directives()]
        last = max([line for line, _ in directives], default=0)
        lines: dict[int, str] = {}
        for line, directive in directives:
            # Directives of one line go on behind the last one.
            while line in lines:
                last = line = last + 1
            lines[line] = directive
        text = "\n".join([lines.get(number, "") for number in range(1, max(lines, default=0) + 1)])
        convertDnsmasq(text, self._path, self._includes, self._converted)
        self._blocking()
        self._others()

    def _value(self, name: str) -> object:
        self._known.add(name)
        key = self._keys.get(name)
        return None if key is None else key.value

    def _texts(self, name: str) -> list[tuple[str, int]]:
        self._known.add(name)
        key = self._keys.get(name)
        return [] if key is None else key.texts()

    def _place(self, name: str) -> Place:
        key = self._keys.get(name)
        return Place(self._path, 0, name) if key is None else key.place

    def _directives(self) -> Iterable[tuple[int, str]]:
        """
        Iterate over the directives of dnsmasq that Pi-hole makes of its keys, each with the line that it comes from.
        """
        for server, line in self._texts("dns.upstreams"):
            yield line, f"server={server}"
        if "dns.upstreams" in self._keys:
            yield self._keys["dns.upstreams"].line, "no-resolv"
        for flag, directive in _FLAGS.items():
            if self._value(flag) is True:
                yield self._keys[flag].line, directive
        domain = "dns.domain" if isinstance(self._value("dns.domain"), str) else "dns.domain.name"
        for name, line in self._texts(domain):
            yield line, f"domain={name}"
            if self._value("dns.domain.local") is not False:
                yield line, f"local=/{name}/"
        for host, line in self._texts("dns.hosts"):
            address, _, aliases = host.partition(" ")
            yield line, f"host-record={','.join([*aliases.split(), address])}"
        for alias, line in self._texts("dns.cnameRecords"):
            yield line, f"cname={alias}"
        for record, line in self._texts("dns.hostRecord"):
            yield line, f"host-record={record}"
        for server, line in self._texts("dns.revServers"):
            active, network, target, *names = [*server.split(","), "", ""]
            if active == "true":
                yield line, f"rev-server={network},{target}"
                yield from [(line, f"server=/{name}/{target}") for name in names if name]
        port = self._value("dns.port")
        if isinstance(port, int) and port != 53:
            yield self._keys["dns.port"].line, f"port={port}"
        mode = self._value("dns.listeningMode")
        if mode == "LOCAL":
            yield self._keys["dns.listeningMode"].line, "local-service"
        for interface, line in self._texts("dns.interface"):
            if mode in ("SINGLE", "BIND"):
                yield line, f"interface={interface}"
        for directive, line in self._texts("misc.dnsmasq_lines"):
            yield line, directive

    # -- blocking

    def _blocking(self) -> None:
        converted = self._converted
        if self._value("dns.blocking.active") is False:
            converted.note(self._place("dns.blocking.active"), "blocking is off, so the lists are not converted")
            return
        path = self._includes.pathOf(_DATABASE)
        place = Place(path, 0, "")
        real = self._includes.realPath(path)
        if not os.path.exists(real):
            converted.wrong(place, "there is no such file; it has the lists, groups and clients", f"copy it beside {self._path}")
            gravity = Gravity({DEFAULT: "Default"})
        else:
            gravity = readGravity(real)
        self._reply()
        self._groups(gravity, place)

    def _reply(self) -> None:
        converted, name = self._converted, "dns.blocking.mode"
        mode, place = str(self._value(name) or "NULL"), self._place(name)
        forced = [self._value(f"dns.reply.blocking.force{family}") is True for family in (4, 6)]
        addresses = [str(self._value(f"dns.reply.blocking.IPv{family}") or "") for family in (4, 6)]
        if mode in _MODES:
            converted.set("block-reply", _MODES[mode], place)
        elif mode == "NODATA":
            converted.differs(place, "blocked names do not exist here, or have the addresses 0.0.0.0 and ::")
        elif any(forced):
            said = [address for given, address in zip(forced, addresses, strict=True) if given and address]
            converted.set("block-reply", ",".join(said), place)
        else:
            converted.missing(place, "no address is that of the server", 'write it, such as block-reply = "192.0.2.1"')

    def _groups(self, gravity: Gravity, place: Place) -> None:
        """
        Make lists of those of Pi-hole and of its domains, and a view of each set of groups that clients are in.
        """
        byGroup: dict[int, list[str]] = {number: [] for number in gravity.groups}
        for row in gravity.lists:
            self._subscribed(row, place, byGroup)
        for number, name in gravity.groups.items():
            for allow in (True, False):
                rows = [row for row in gravity.domains if number in row.groups and row.type % 2 != allow]
                lines = [line for row in rows for line in self._lineOf(row, place)]
                if lines:
                    word = "allowed" if allow else "denied"
                    table: dict[str, object] = {"name": f"{labelFrom(name)}-{word}", "names": lines}
                    self._list({**table, "allow": True} if allow else table, place, byGroup, [number])
        for name in byGroup.get(DEFAULT, []):
            self._converted.add("lists", name, place)
        self._views(gravity, byGroup, place)

    def _list(self, table: dict[str, object], place: Place, byGroup: dict[int, list[str]], groups: Iterable[int]) -> None:
        name = unlike(self._listNames, str(table["name"]))
        if self._converted.add("list", {**table, "name": name}, place):
            for group in groups:
                if group in byGroup:
                    byGroup[group].append(name)

    def _subscribed(self, row: Row, place: Place, byGroup: dict[int, list[str]]) -> None:
        groups = [group for group in row.groups if group in byGroup]
        where = place._replace(directive=row.text)
        if not groups:
            self._converted.needless(where, "no group that is switched on has this list")
            return
        table: dict[str, object] = {"name": _nameOf(row.text)}
        if row.text.startswith("file://"):
            table["file"] = row.text.removeprefix("file://")
        elif row.text.startswith("https://"):
            table["url"] = row.text
        else:
            self._converted.missing(where, "lists are fetched over https only", "use its https URL, or download it to a file")
            return
        self._list({**table, "allow": True} if row.type == 1 else table, where, byGroup, groups)

    def _lineOf(self, row: Row, place: Place) -> list[str]:
        """
        Return the line of a list for a domain of Pi-hole.
        """
        if row.type < 2:
            return [f"|{row.text}^"]
        if (matched := _BELOW.fullmatch(row.text)) is not None:
            domain = (matched[1] or matched[2]).replace("\\", "")
            return [f"||{domain}^"]
        where = place._replace(directive=row.text)
        if self._converted.judged(where):
            return self._expressions.get(row.text, [])
        if ";" in row.text:
            self._converted.missing(where, "an expression has no options", "see the modifiers of ad blockers, such as $dnstype=A")
            return []
        line = f"/{row.text}/"
        self._expressions[row.text] = [line] if isRule(line, where, self._converted) else []
        return self._expressions[row.text]

    def _views(self, gravity: Gravity, byGroup: dict[int, list[str]], place: Place) -> None:
        views: dict[frozenset[int], list[str]] = {}
        for row in gravity.clients:
            where = place._replace(directive=row.text)
            groups = frozenset([group for group in row.groups if group in byGroup])
            if groups == {DEFAULT}:
                continue
            try:
                views.setdefault(groups, []).append(str(ip_network(row.text, strict=False)))
            except ValueError:
                self._converted.missing(where, "a client is known by its address only", "give it a fixed address, and write that")
        # Pi-hole takes the most specific network that has a client, a server the first view.
        titles: set[str] = set()
        for groups, clients in sorted(views.items(), key=lambda item: -max([ip_network(each).prefixlen for each in item[1]])):
            lists = list(dict.fromkeys([name for group in sorted(groups) for name in byGroup[group]]))
            title = unlike(titles, "-".join([labelFrom(gravity.groups[group]) for group in sorted(groups)]) or "unblocked")
            self._converted.add("view", {"name": title, "clients": clients, "lists": lists}, place)

    # -- the rest

    def _others(self) -> None:
        for canary, names in _CANARIES.items():
            if self._value(canary) is True:
                for name in names:
                    self._converted.add("local-domain", name, self._place(canary))
        if self._value(_DROP_INS) is True:
            self._converted.missing(self._place(_DROP_INS), "the files in /etc/dnsmasq.d are not read", "convert each as dnsmasq's")
        if self._value("dhcp.active") is True:
            place = self._place("dhcp.active")
            self._converted.missing(place, "this server gives no addresses to clients", "let the router do so, or run dnsmasq for it")
        for name, outcome in _OUTCOMES.items():
            if name in self._keys and self._keys[name].isChanged:
                outcome.report("", self._keys[name].place, self._converted)
        if self._value("dns.listeningMode") == "ALL":
            place = self._place("dns.listeningMode")
            self._converted.differs(place, "clients of private networks only are answered by default", "allow others with allow")
        if "dns.cache.size" in self._keys and self._keys["dns.cache.size"].isChanged:
            self._converted.needless(self._place("dns.cache.size"), "the size of the cache is in octets; see cache-size")
        self._known |= {"dns.cache.size"}
        for name, key in self._keys.items():
            if not key.isChanged or name in self._known or name.startswith("dhcp."):
                continue
            if name.startswith(_OTHERS):
                self._converted.needless(key.place, "it is about Pi-hole's pages, databases and clock")
            else:
                self._converted.missing(key.place, "this key is not known")


def _nameOf(address: str) -> str:
    """
    Return a name for a list: who publishes it, and which one it is.
    """
    parts = urlsplit(address)
    words = [word for word in parts.path.split("/") if word]
    last = words[-1].partition(".")[0] if words else ""
    host = parts.hostname or ""
    whose = words[0] if host.endswith(_SHARED) and len(words) > 1 else host
    return labelFrom(f"{whose}-{last}")
