"""
Converts a C{Corefile}. Its servers become one: their zones are routes, zones and local records beside each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import (
    NAT64,
    Upstream,
    described,
    isAddress,
    labelOf,
    nameFrom,
    networkFrom,
    portFrom,
    reverseDomains,
)
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.coredns.syntax import Directive, Server, parsed
from twisted_ext.apps.cli.convert.coredns.templates import OUTCOMES, templated
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.prefixes import Network, Prefixes, networksOf, writeAccess
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.limits import STALE_SECONDS
from twisted_ext.server.reply.acl import ACTIONS

__all__ = ["HANDLED", "convert"]

#: Schemes of servers: the setting, and the usual port.
_SCHEMES: Final[Mapping[str, tuple[str, int]]] = {
    "dns": ("", 53),
    "tls": ("tls", 853),
    "https": ("https", 443),
    "https3": ("http3", 443),
    "quic": ("quic", 853),
}

#: The highest TTLs of the plugin cache, for answers and denials.
_CACHED: Final = 3600
_DENIED: Final = 1800

_DURATION: Final = re.compile(r"([0-9]+)(h|m|s|ms)?")
_UNITS: Final = {"h": 3600, "m": 60, "s": 1, "": 1, "ms": 0}

#: Patterns of zone files: text, any text, text.
_NAMES: Final = re.compile(r"([\w-]*(?:\\\.)?)\(\.\*\)((?:\\\.)?[\w-]*)")


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    _Conversion(Place(path, 0, ""), includes, converted).convert(parsed(text, path, includes, converted))


@dataclass(slots=True)
class _Block:
    """
    A server that is converted.

    @ivar zones: with their final dots.
    """

    server: Server
    zones: list[str] = field(default_factory=list)


class _Conversion:
    def __init__(self, whole: Place, includes: Includes, converted: Converted) -> None:
        self._whole = whole
        self._includes = includes
        self._converted = converted
        self._port: int | None = None
        self._folder = includes.folder
        #: Routes by domain.
        self._routes: dict[str, tuple[str, Place]] = {}
        self._zones: set[str] = set()
        self._caches = False
        #: The first plugin C{hosts}, which denies other types of its names.
        self._hostsAt: Place | None = None
        #: The rules of each access list: actions and networks.
        self._access: list[list[tuple[str, Prefixes[Place]]]] = []
        self._handlers: Mapping[str, Callable[[_Block, Directive], None]] = {
            "acl": self._acl,
            "auto": self._auto,
            "bind": self._bind,
            "cache": self._cache,
            "chaos": self._chaos,
            "dns64": self._dns64,
            "file": self._file,
            "forward": self._forward,
            "hosts": self._hosts,
            "log": self._log,
            "nsid": self._nsid,
            "prometheus": self._prometheus,
            "rewrite": self._rewrite,
            "rrl": self._rrl,
            "secondary": self._secondary,
            "template": self._template,
            "timeouts": self._timeouts,
            "tls": self._tls,
            "transfer": self._transfer,
            "tsig": self._tsig,
        }

    def convert(self, servers: list[Server]) -> None:
        blocks = [block for server in servers if (block := self._block(server)) is not None]
        for block in blocks:
            for each in block.server.directives:
                if each.name == "root" and each.values:
                    self._folder = self._includes.pathOf(each.values[0])
        for block in blocks:
            for each in block.server.directives:
                self._directive(block, each)
        self._finish()

    def _directive(self, block: _Block, each: Directive) -> None:
        handler = self._handlers.get(each.name)
        if handler is not None:
            handler(block, each)
        elif each.name in OUTCOMES:
            OUTCOMES[each.name].report(each.values[0] if each.values else "", each.place, self._converted)
        else:
            self._converted.missing(each.place, f"{each.name} is not one of CoreDNS's own plugins, and is not known here")

    # -- servers

    def _block(self, server: Server) -> _Block | None:
        block = _Block(server)
        for key in server.keys:
            scheme, rest = key.split("://", 1) if "://" in key else ("dns", key)
            if scheme not in _SCHEMES:
                self._converted.missing(server.place, f"DNS over {scheme} is not served")
                continue
            setting, usual = _SCHEMES[scheme]
            zone, port = _zoneAndPort(rest, usual)
            if setting:
                self._listener(setting, port, server)
            elif self._port is None:
                self._port = port
                if port != 53:
                    self._converted.set("port", port, server.place)
            elif port != self._port:
                self._converted.missing(
                    server.place, f"all zones have one port, {self._port}", "convert this server by itself, and run a second instance"
                )
                continue
            for name in _zonesOf(zone):
                if name is None:
                    self._converted.wrong(server.place, f"{zone!r} is not a zone")
                elif name not in block.zones:
                    block.zones.append(name)
        return block if block.zones else None

    def _listener(self, setting: str, port: int, server: Server) -> None:
        hosts = [host for each in server.directives if each.name == "bind" for host in each.values] or ["any"]
        for host in hosts:
            self._converted.add(setting, f"any:{port}" if host == "any" else labelOf(host, port, 0), server.place)

    def _bind(self, block: _Block, each: Directive) -> None:
        if any("://" in key and not key.startswith("dns://") for key in block.server.keys):
            return
        for host in each.values:
            self._converted.add("interface", host, each.place)
        if each.find("except") is not None:
            self._converted.missing(each.place, "addresses cannot be left out", "list the others in interface")

    def _tls(self, block: _Block, each: Directive) -> None:
        for setting, path in zip(("certificate", "key"), each.values, strict=False):
            self._converted.add(setting, self._path(path), each.place)
        if len(each.values) > 2:
            self._converted.set("client-ca", self._path(each.values[2]), each.place)

    def _path(self, path: str) -> str:
        return self._includes.pathOf(path if path.startswith("/") else f"{self._folder}/{path}")

    # -- upstreams

    def _forward(self, block: _Block, each: Directive) -> None:
        if len(each.values) < 2:
            self._converted.wrong(each.place, "write forward, a domain, and servers")
            return
        origin = nameFrom(each.values[0])
        if origin is None:
            self._converted.wrong(each.place, f"{each.values[0]!r} is not a domain name")
            return
        options = {option.name: option for option in each.block}
        for option in each.block:
            self._forwardOption(option)
        texts = self._upstreams(each, options)
        for zone in block.zones if origin == "." else [origin]:
            if zone == "." and texts is None:
                self._converted.set("resolv-conf", self._path(each.values[1]), each.place)
                self._routes.setdefault(".", ("", each.place))
            elif texts is None:
                self._converted.missing(each.place, "the servers of a file are for all names", f"write their addresses for {zone}")
            elif texts and zone in self._routes:
                self._converted.wrong(each.place, f"{zone} is forwarded twice, and the first one applies")
            elif texts:
                text = texts[0] if len(texts) == 1 else f"race:{':'.join([f'({text})' for text in texts])}"
                self._routes[zone] = text, each.place

    def _upstreams(self, each: Directive, options: Mapping[str, Directive]) -> list[str] | None:
        """
        Return a description for each transport, L{None} for the servers of a file.
        """
        name = options["tls_servername"].values[0] if "tls_servername" in options and options["tls_servername"].values else ""
        authorities = options["tls"].values[-1] if "tls" in options and len(options["tls"].values) in (1, 3) else ""
        groups: dict[str, list[Upstream]] = {}
        single: list[str] = []
        for text in each.values[1:]:
            scheme, rest = text.split("://", 1) if "://" in text else ("dns", text)
            host, _, own = rest.partition("%")
            server = _serverIn(host, own or name)
            if scheme == "dns" and text.startswith("/"):
                return None
            if scheme not in ("dns", "tls"):
                self._converted.missing(each.place, f"{text!r} is not an address", "write 192.0.2.1 or tls://192.0.2.1")
            elif server is None and scheme == "tls":
                single.append(f"tls://{host}")
            elif server is None:
                self._converted.missing(each.place, f"an upstream is given by its address; {text!r} is not one", f"look up {host}")
            else:
                transport = "tls" if scheme == "tls" else "tcp" if "force_tcp" in options else "udp"
                groups.setdefault(transport, []).append(server if scheme == "tls" else Upstream(server.address, server.port))
        return [*[described(servers, transport, authorities) for transport, servers in groups.items()], *single]

    def _forwardOption(self, option: Directive) -> None:
        if option.name == "except":
            for text in option.values:
                name = nameFrom(text)
                if name is not None:
                    self._converted.add("local-domain", name, option.place)
            self._converted.differs(option.place, "names that are not forwarded get NXDOMAIN")
        elif option.name == "policy":
            self._converted.needless(option.place, "the fastest server is asked")
        elif option.name == "tls" and len(option.values) > 1:
            self._converted.missing(option.place, "the certificate of a client is named in the description", "add certificate= and key=")
        elif option.name in ("next", "failover"):
            self._converted.missing(option.place, "an answer is taken whatever its response code; no other servers are asked then")
        elif option.name not in ("force_tcp", "tls", "tls_servername"):
            self._converted.needless(option.place, "servers that fail are left out for a time that doubles")

    def _rewrite(self, block: _Block, each: Directive) -> None:
        words = [word for word in each.values if word not in ("stop", "continue", "exact")]
        if len(words) == 3 and words[0] == "name" and not each.block:
            owner, target = nameFrom(words[1]), nameFrom(words[2])
            if owner is not None and target is not None and "(" not in words[1]:
                self._converted.add("local", f"{owner} CNAME {target}", each.place)
                self._converted.differs(each.place, "clients see an alias, and the name that it leads to")
                return
        OUTCOMES["rewrite"].report("", each.place, self._converted)

    # -- zones

    def _file(self, block: _Block, each: Directive) -> None:
        if not each.values:
            self._converted.wrong(each.place, "the file is missing")
            return
        for zone in self._named(each, each.values[1:]) or block.zones:
            self._table({"name": zone, "file": self._path(each.values[0])}, block, each)
        if each.find("fallthrough") is not None:
            self._converted.differs(each.place, "names that its zone does not have do not exist")
        self._followed(each)

    def _followed(self, each: Directive) -> None:
        for option in each.block:
            if option.name not in ("fallthrough", "directory", "transfer"):
                self._converted.needless(option.place, "zone files are read again on change")

    def _auto(self, block: _Block, each: Directive) -> None:
        option = each.find("directory")
        if option is None or not option.values:
            self._converted.wrong(each.place, "the directory is missing")
            return
        folder = self._path(option.values[0])
        found = _NAMES.fullmatch(option.values[1] if len(option.values) > 1 else r"db\.(.*)")
        if found is None or (len(option.values) > 2 and option.values[2] != "{1}"):
            advice = f'set zones = ["{folder}"], or a table for each'
            self._converted.missing(option.place, "files are named like their zones, or listed", advice)
            return
        prefix, suffix = [part.replace("\\", "") for part in found.groups()]
        try:
            paths = self._includes.matching(f"{folder}/{prefix}*{suffix}")
        except BadDescription as fault:
            self._converted.wrong(option.place, str(fault))
            return
        for path in paths:
            name = nameFrom(path.rpartition("/")[2].removeprefix(prefix).removesuffix(suffix))
            if name is not None and any(_isBelow(name, zone) for zone in block.zones):
                self._table({"name": name, "file": path}, block, each)
        self._converted.note(option.place, "these are the present files", "zones serves all files that are named like their zone")
        self._followed(each)

    def _secondary(self, block: _Block, each: Directive) -> None:
        primaries: list[str] = []
        for option in each.block:
            if option.name == "transfer" and option.values[:1] == ["from"]:
                primaries += [label for text in option.values[1:] if (label := _label(text))]
        if not primaries:
            self._converted.wrong(each.place, "the servers are missing: write transfer from 192.0.2.1")
            return
        for zone in self._named(each, each.values) or block.zones:
            self._table({"name": zone, "primaries": primaries}, block, each)

    def _table(self, table: dict[str, object], block: _Block, each: Directive) -> None:
        grants: list[str] = []
        notified: list[str] = []
        inside = [option for option in each.block if option.name == "transfer"]
        name = str(table["name"])
        plugins = [other for other in block.server.directives if other.name == "transfer"]
        # Without zones, those of the server.
        plugins = [other for other in plugins if not other.values or any(_isBelow(name, zone) for zone in self._named(other, other.values))]
        plugin = [option for other in plugins for option in other.block]
        for option in [*inside, *plugin]:
            words = option.values[1:] if option.name == "transfer" else option.values
            if option.name == "to" or option.values[:1] == ["to"]:
                grants += ["any" for word in words if word == "*"]
                grants += [network for word in words if (network := networkFrom(_hostOf(word))) is not None]
                notified += [label for word in words if word != "*" and (label := _label(word))]
        if grants:
            table["allow-transfer"] = list(dict.fromkeys(grants))
        if notified:
            table["notify"] = notified
        if self._converted.zone(table, each.place):
            self._zones.add(name)

    def _transfer(self, block: _Block, each: Directive) -> None:
        if not any(other.name in ("file", "auto", "secondary") for other in block.server.directives):
            self._converted.needless(each.place, "this server has no zone to transfer")

    def _tsig(self, block: _Block, each: Directive) -> None:
        for option in each.block:
            if option.name == "secrets" and option.values:
                self._converted.set("key-file", self._path(option.values[0]), option.place)
            elif option.name == "secret":
                self._converted.missing(option.place, "keys are in a file of their own", "write NAME:SECRET to it, and set key-file")
            else:
                self._converted.missing(option.place, "a key is demanded for single zones and actions", "write key=NAME in allow-transfer")

    # -- local names

    def _hosts(self, block: _Block, each: Directive) -> None:
        values = [value for value in each.values if value]
        # The first word is the file, unless it cannot be one.
        path = self._path(values[0]) if values else "/etc/hosts"
        self._converted.add("hosts-file", path, each.place)
        self._hostsAt = self._hostsAt or each.place
        zones = self._named(each, values[1:]) or block.zones
        if zones != ["."]:
            self._converted.note(each.place, "all names of a hosts file are answered, not only those in these zones")
        falls = False
        for option in each.block:
            if isAddress(option.name):
                for name in option.values:
                    kind = "AAAA" if ":" in option.name else "A"
                    self._converted.add("local", f"{nameOf(name)} {kind} {option.name}", option.place)
            elif option.name == "fallthrough":
                falls = True
            elif option.name == "no_reverse":
                self._converted.set("local-reverse", False, option.place)
            elif option.name == "ttl" and option.values:
                self._converted.set("local-ttl", _seconds(option.values[0]), option.place)
            else:
                self._converted.needless(option.place, "hosts files are read again on change")
        if falls:
            return
        for zone in zones:
            if zone != ".":
                self._converted.add("local-domain", zone, each.place)
            elif any(other.name == "forward" for other in block.server.directives):
                self._converted.differs(each.place, "names that it does not have are looked up, as with fallthrough")

    def _template(self, block: _Block, each: Directive) -> None:
        templated(each, block.zones, self._converted, any(other.name == "forward" for other in block.server.directives))

    # -- the rest

    def _cache(self, block: _Block, each: Directive) -> None:
        self._caches = True
        seconds = _numbers(each.values)
        longest = seconds[0] if seconds else _CACHED
        denied = min(longest, _DENIED)
        for option in each.block:
            numbers = _numbers(option.values)
            if option.name == "success" and len(numbers) > 1:
                longest = numbers[1]
                if len(numbers) > 2:
                    self._lowest("min-ttl", numbers[2], option.place)
            elif option.name == "denial" and len(numbers) > 1:
                denied = numbers[1]
            elif option.name == "serve_stale":
                wanted = _seconds(option.values[0]) if option.values else 3600
                self._converted.set("stale", int(STALE_SECONDS.pick(wanted)), option.place)
            elif option.name == "disable":
                self._converted.differs(option.place, "answers of all kinds and zones are cached")
            else:
                self._converted.needless(option.place, "frequent answers are refreshed in time, and the cache is sized in octets")
        self._lowest("max-ttl", longest, each.place)
        self._lowest("max-negative-ttl", denied, each.place)
        self._converted.settleTTLs("max-ttl")

    def _lowest(self, setting: str, seconds: int, place: Place) -> None:
        before = self._converted.values.get(setting)
        if isinstance(before, int) and before != seconds:
            self._converted.differs(place, f"all zones have one {setting}, the lower one")
            seconds = min(seconds, before)
        self._converted.set(setting, seconds, place)

    def _acl(self, block: _Block, each: Directive) -> None:
        if (self._named(each, each.values) or block.zones) != ["."]:
            self._converted.differs(each.place, "clients are not told apart by zone: those that it stops get no answers from other zones")
        rules: list[tuple[str, Prefixes[Place]]] = []
        for option in each.block:
            words = list(option.values)
            if words[:1] == ["type"]:
                end = words.index("net") if "net" in words else len(words)
                if words[1:end] not in ([], ["*"]):
                    self._converted.missing(option.place, "clients are not told apart by type")
                    continue
                words = words[end:]
            action = {"allow": "allow", "block": "refuse", "drop": "drop", "filter": "refuse"}.get(option.name)
            if action is None:
                self._converted.wrong(option.place, "clients are allowed, blocked, dropped or filtered")
                continue
            if option.name == "filter":
                self._converted.differs(option.place, "these clients are refused; they do not get empty answers")
            if words[:1] not in ([], ["net"]):
                self._converted.wrong(option.place, f"{words[0]!r} is not the word net", "write net 192.0.2.0/24")
                continue
            networks: Prefixes[Place] = Prefixes()
            for word in words[1:] or ["*"]:
                network = "any" if word == "*" else networkFrom(word)
                if network is None:
                    self._converted.wrong(option.place, f"{word!r} is not a network", "write net 192.0.2.0/24")
                for prefix in networksOf([] if network is None else [network]):
                    networks.add(prefix, option.place)
            rules.append((action, networks))
        self._access.append(rules)

    def _decided(self, network: Network) -> tuple[str, Place]:
        """
        Return what access lists say of clients, and where: in each the first rule decides, of several the strictest one.
        """
        found = ("allow", self._whole)
        for rules in self._access:
            for action, networks in rules:
                place = networks.find(network)
                if place is not None:
                    if ACTIONS.index(action) > ACTIONS.index(found[0]) or found[1] is self._whole:
                        found = action, place[1]
                    break
        return found

    def _log(self, block: _Block, each: Directive) -> None:
        self._converted.set("query-log", True, each.place)

    def _nsid(self, block: _Block, each: Directive) -> None:
        if each.values:
            self._converted.set("nsid", " ".join(each.values), each.place)
        else:
            self._converted.note(each.place, "the name of the machine is not taken by itself", "set nsid")

    def _dns64(self, block: _Block, each: Directive) -> None:
        prefix, options = each.values[0] if each.values else NAT64, {option.name for option in each.block}
        for option in each.block:
            if option.name == "prefix" and option.values:
                prefix = option.values[0]
            elif option.name == "translate_all":
                self._converted.add("dns64-ignore-aaaa", ".", option.place)
        self._converted.add("dns64", prefix, each.place)
        if "allow_ipv4" not in options:
            text = "clients that ask over IPv4 get addresses as well"
            self._converted.differs(each.place, text, "write a table [[view]] with 0.0.0.0/0 as clients and dns64 = []")

    def _chaos(self, block: _Block, each: Directive) -> None:
        if each.values:
            self._converted.set("version-bind", each.values[0], each.place)
        else:
            self._converted.needless(each.place, "version-bind is not set")

    def _prometheus(self, block: _Block, each: Directive) -> None:
        where = each.values[0] if each.values else "127.0.0.1:9153"
        host, _, port = where.rpartition(":")
        host = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host)
        self._converted.set("http", f"{host}:{port}", each.place)

    def _rrl(self, block: _Block, each: Directive) -> None:
        for option in each.block:
            number = numberFrom(option.values[0]) if option.values else None
            if option.name == "responses-per-second" and number is not None:
                self._converted.set("response-rate", number, option.place)
            elif option.name == "slip-ratio" and number is not None:
                self._converted.set("response-slip", number, option.place)
            else:
                self._converted.needless(option.place, "one rate is for replies of all kinds")

    def _timeouts(self, block: _Block, each: Directive) -> None:
        for option in each.block:
            if option.name == "idle" and option.values:
                self._converted.set("tcp-idle", max(0.5, float(min(600, _seconds(option.values[0])))), option.place)
            elif option.name == "read" and option.values:
                self._converted.set("tcp-timeout", max(0.5, float(min(600, _seconds(option.values[0])))), option.place)
            else:
                self._converted.needless(option.place, "clients that read slowly are closed")

    def _finish(self) -> None:
        into = self._converted
        root = self._routes.pop(".", None)
        serves = root is None and not self._routes and not into.texts("hosts-file") and not into.texts("local")
        into.set("role", "serve" if serves else "forward", self._whole)
        if root is not None:
            if root[0]:
                into.add("upstream", root[0], root[1])
            for zone, (text, place) in self._routes.items():
                into.add("route", f"{zone}={text}", place)
        elif self._routes:
            # Names outside these zones are asked of no upstream.
            place = next(iter(self._routes.values()))[1]
            parts = [f"{zone}=({text})" for zone, (text, _) in self._routes.items()]
            into.add("upstream", f"route:{':'.join(parts)}", place)
        elif not serves:
            into.set("recursive", False, self._whole)
        if not serves:
            if not into.texts("hosts-file"):
                into.add("hosts-file", "", self._whole)
            if not self._caches:
                into.set("cache", False, self._whole)
        if "forward-other-types" in into.values and self._hostsAt is not None:
            into.differs(self._hostsAt, "other types of its names are looked up, as with template", "set forward-other-types = false")
        named = [network for rules in self._access for _, networks in rules for network in networks]
        zones = bool(into.texts("zone") or into.texts("zones"))
        writeAccess(into, named, lambda each: self._decided(each)[0], lambda each: self._decided(each)[1], zones=zones)

    def _named(self, each: Directive, words: list[str]) -> list[str]:
        found = [nameFrom(word) for word in words]
        for word, name in zip(words, found, strict=True):
            if name is None:
                self._converted.wrong(each.place, f"{word!r} is not a domain name")
        return [name for name in found if name is not None]


#: The plugins that are converted.
HANDLED: Final = frozenset(
    """
    acl auto bind cache chaos dns64 file forward hosts log nsid prometheus rewrite root rrl secondary template timeouts tls transfer tsig
    """.split()
)


def nameOf(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _isBelow(name: str, zone: str) -> bool:
    return zone == "." or name == zone or name.endswith(f".{zone}")


def _hostOf(text: str) -> str:
    if isAddress(text):
        return text
    return text.rpartition(":")[0].strip("[]") if ":" in text else text


def _label(text: str) -> str:
    host = _hostOf(text)
    port = portFrom(text.rpartition(":")[2]) if not isAddress(text) and ":" in text else 53
    return labelOf(host, port or 53) if isAddress(host) else ""


def _serverIn(text: str, name: str) -> Upstream | None:
    if isAddress(text):
        return Upstream(text, 0, name)
    host, port = _hostOf(text), portFrom(text.rpartition(":")[2])
    return Upstream(host, port, name) if isAddress(host) and port is not None else None


def _zoneAndPort(text: str, usual: int) -> tuple[str, int]:
    zone, colon, digits = text.rpartition(":")
    port = portFrom(digits)
    if not colon or port is None or (":" in zone and "/" not in zone):
        return text or ".", usual
    return zone or ".", port


def _zonesOf(text: str) -> Iterator[str | None]:
    """
    Return the zone of a server; a network stands for its reverse zones.
    """
    network = networkFrom(text) if "/" in text else None
    if network is None:
        yield nameFrom(text)
        return
    yield from [f"{each}." for each in reverseDomains(ip_network(network))]


def _numbers(words: list[str]) -> list[int]:
    return [number for number in map(numberFrom, words) if number is not None]


def _seconds(text: str) -> int:
    return sum((numberFrom(number) or 0) * _UNITS[unit] for number, unit in _DURATION.findall(text))
