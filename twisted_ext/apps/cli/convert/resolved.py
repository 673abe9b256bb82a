"""
Converts systemd-resolved's C{resolved.conf} with its drop-ins (resolved.conf(5)).

A later file replaces settings of earlier ones, but lists grow, and an empty value empties them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from glob import escape
from typing import Final, NamedTuple

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadName
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["convert"]

#: Keys whose values add up over lines and files.
_LISTS: Final = ("DNS", "FallbackDNS", "Domains", "DNSStubListenerExtra")

_TRUE: Final = ("1", "yes", "y", "true", "t", "on")
_FALSE: Final = ("0", "no", "n", "false", "f", "off")

#: The address at which systemd-resolved serves programs on this machine.
_STUB: Final = "127.0.0.53"

#: Where systemd-resolved lists the servers that it learned from networks.
_LEARNED: Final = "/run/systemd/resolve/resolv.conf"

#: The folder of the main file, and others with drop-ins for it. Of files with the same name, that of the first folder counts.
_MAIN: Final = "/etc/systemd"
_OTHERS: Final = ("/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")

#: Seconds of the units of systemd.time(7).
_UNITS: Final = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800}


class _Assignment(NamedTuple):
    value: str
    place: Place


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    """
    Convert C{resolved.conf}, and the files C{*.conf} in the folder of its name with C{.d}.

    @raise BadDescription: a file cannot be read, or there are too many.
    """
    assigned: dict[str, list[_Assignment]] = {}
    _read(text, path, assigned, converted)
    for dropIn in _dropIns(path, includes):
        with includes.including(dropIn) as more:
            _read(more, dropIn, assigned, converted)
    _Resolved(path, assigned, includes, converted).convert()


def _dropIns(path: str, includes: Includes) -> list[str]:
    folder, name = os.path.split(includes.pathOf(path))
    found: dict[str, str] = {}
    for each in (folder, *(_OTHERS if folder == _MAIN else ())):
        for dropIn in includes.matching(f"{escape(f'{each}/{name}.d')}/*.conf"):
            found.setdefault(os.path.basename(dropIn), dropIn)
    return [found[each] for each in sorted(found)]


def _read(text: str, path: str, assigned: dict[str, list[_Assignment]], converted: Converted) -> None:
    section = ""
    for number, line in _lines(text):
        place = Place(path, number, line)
        if line.startswith("["):
            section = line
            if section != "[Resolve]":
                converted.wrong(place, "only the section [Resolve] is known")
            continue
        key, equals, value = [part.strip() for part in line.partition("=")]
        if not equals:
            converted.wrong(place, "an assignment KEY=VALUE was expected")
        elif section == "[Resolve]":
            if key not in _LISTS or not value:
                assigned[key] = []
            assigned.setdefault(key, []).append(_Assignment(value, place))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """
    Iterate over the lines with their numbers, without comments. A line that ends in a backslash is continued.
    """
    begun: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        # A comment may stand between the lines of one assignment.
        if line[:1] in ("#", ";") or not (line or begun):
            continue
        first = first if begun else number
        begun.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            yield first, " ".join(begun).strip()
            begun = []
    if begun:
        yield first, " ".join(begun).strip()


class _Resolved:
    def __init__(self, path: str, assigned: dict[str, list[_Assignment]], includes: Includes, converted: Converted) -> None:
        self._whole = Place(path, 0, "")
        self._assigned = assigned
        self._includes = includes
        self._converted = converted
        self._tls = self._mode("DNSOverTLS", ("opportunistic",), "no")
        self._dnssec = self._mode("DNSSEC", ("allow-downgrade",), "no")
        self._hasServers = any(each.value for each in assigned.get("DNS", ()))

    def convert(self) -> None:
        steps: dict[str, Callable[[str, Place], None]] = {
            "DNS": self._servers,
            "FallbackDNS": self._fallback,
            "Domains": self._domains,
            "DNSSEC": self._validation,
            "DNSOverTLS": self._encryption,
            "Cache": self._cache,
            "CacheFromLocalhost": self._cacheFromLocalhost,
            "DNSStubListener": self._listener,
            "DNSStubListenerExtra": self._listeners,
            "ReadEtcHosts": self._hosts,
            "ReadStaticRecords": self._records,
            "RefuseRecordTypes": self._refused,
            "LLMNR": self._multicast,
            "MulticastDNS": self._multicast,
            "ResolveUnicastSingleLabel": self._singleLabels,
            "StaleRetentionSec": self._stale,
        }
        if self._mode("DNSStubListener", ("udp", "tcp"), "yes") != "no":
            listener = self._assigned.get("DNSStubListener")
            self._converted.add("interface", _STUB, listener[-1].place if listener else self._whole._replace(directive="the default"))
        for key, assignments in self._assigned.items():
            step = steps.get(key)
            for each in assignments:
                if step is None:
                    self._converted.wrong(each.place, "no such key is known in resolved.conf")
                elif each.value:
                    step(each.value, each.place)
        self._defaults()

    def _defaults(self) -> None:
        converted = self._converted
        default = self._whole._replace(directive="the default")
        if "ResolveUnicastSingleLabel" not in self._assigned:
            converted.set("domain-needed", True, default)
        if self._hasServers:
            converted.note(self._whole, "servers of single network links are not asked", 'set route = ["DOMAIN=ADDRESS"] for their domains')
        elif self._includes.matching(_LEARNED):
            # In /etc/resolv.conf there is this stub listener itself.
            converted.set("resolv-conf", _LEARNED, default)
            converted.note(self._whole, "the servers of networks are in this file for as long as systemd-resolved runs", "set upstream")
        else:
            converted.note(self._whole, "systemd-resolved learns servers from networks, this server from /etc/resolv.conf", "set upstream")
        converted.note(self._whole, "the name of this machine, _gateway and _outbound are answered for programs that use nss-resolve only")

    def _mode(self, key: str, words: tuple[str, ...], default: str) -> str:
        """
        Return the value of a key that takes a boolean or one of these words.
        """
        found = self._assigned.get(key)
        value = found[-1].value.lower() if found else ""
        return "yes" if value in _TRUE else "no" if value in _FALSE else value if value in words else default

    # -- upstreams

    def _servers(self, value: str, place: Place) -> None:
        for word in value.split():
            server, _, name = word.partition("#")
            if "%" in server and not server.lower().startswith(("fe80:", "[fe80:")):
                self._converted.differs(place, f"{word}: queries leave by the route that the kernel has, not by a named interface")
                server = re.sub(r"%[^\]:]*", "", server)
            self._converted.add("upstream", self._described(server, name), place)

    def _described(self, server: str, name: str) -> str:
        host, port = _hostAndPort(server)
        if self._tls == "yes":
            text = f"tls:{host}{f'@{port}' if port else ''}{f'#{name}' if name else ''}"
        elif self._dnssec == "yes":
            text = f"udp:{host}{f':{port}' if port else ''}"
        else:
            return server
        return f"validate:({text})" if self._dnssec == "yes" else text

    def _fallback(self, value: str, place: Place) -> None:
        if self._hasServers:
            self._converted.needless(place, "they are used only where no other servers are known")
        else:
            self._converted.missing(place, "servers for the time without any others", "set upstream to them if they are to be asked always")

    def _domains(self, value: str, place: Place) -> None:
        for word in value.split():
            domain = word.removeprefix("~")
            try:
                domain = nameToText(nameFromText(domain))
            except BadName as fault:
                self._converted.wrong(place, f"{word}: {fault}")
                continue
            if not word.startswith("~"):
                self._converted.missing(
                    place,
                    f"{word}: a search list belongs to the clients: names arrive here complete",
                    f"write search {word} into /etc/resolv.conf of the clients, or hand it out by DHCP",
                )
            elif domain == "." or self._hasServers:
                self._converted.needless(place, f"{word}: all names are asked of the upstreams anyway")
            else:
                self._converted.missing(
                    place, f"{word}: its servers are those of a network link", f'set route = ["{domain.rstrip(".")}=ADDRESS"]'
                )

    def _validation(self, value: str, place: Place) -> None:
        if self._dnssec == "no":
            self._converted.needless(place, "answers of upstreams are not validated by default")
        elif self._dnssec != "yes":
            self._converted.missing(
                place, "answers are validated or not, whatever the upstream can do", 'set upstream = ["validate:udp:ADDRESS"] to validate'
            )
        elif not self._hasServers:
            self._converted.missing(place, "only upstreams that are given are validated", 'set upstream = ["validate:udp:ADDRESS"]')
        else:
            self._converted.needless(place, "validate: is in front of each upstream")

    def _encryption(self, value: str, place: Place) -> None:
        if self._tls == "opportunistic":
            self._converted.set("upgrade-upstreams", "yes", place)
            self._converted.differs(place, "TLS is used with upstreams that designate it and prove their address, not by trying port 853")
        elif self._tls == "no":
            self._converted.needless(place, "upstreams are asked in the clear by default")
        elif not self._hasServers:
            self._converted.set("upgrade-upstreams", "require", place)
        else:
            self._converted.needless(place, "tls: is in front of each upstream")

    # -- the cache

    def _cache(self, value: str, place: Place) -> None:
        mode = self._mode("Cache", ("no-negative",), "yes")
        if mode == "no-negative":
            self._converted.set("max-negative-ttl", 0, place)
        elif mode == "no":
            self._converted.set("cache", False, place)
        else:
            self._converted.needless(place, "answers are cached by default")

    def _cacheFromLocalhost(self, value: str, place: Place) -> None:
        if value.lower() in _TRUE:
            self._converted.needless(place, "answers of upstreams on this machine are cached like those of others")
        else:
            self._converted.note(place, "answers of upstreams on this machine are cached like those of others", "set cache = false")

    def _stale(self, value: str, place: Place) -> None:
        parts = re.findall(r"([0-9]+)\s*([a-z]*)", value.lower())
        if not parts or any(unit not in _UNITS for _, unit in parts):
            self._converted.wrong(place, f"{value!r} is not a valid time, such as 1d or 3600")
            return
        self._converted.set("stale", sum([(numberFrom(number) or 0) * _UNITS[unit] for number, unit in parts]), place)

    # -- clients

    def _listener(self, value: str, place: Place) -> None:
        mode = self._mode("DNSStubListener", ("udp", "tcp"), "yes")
        if mode == "no" and not self._assigned.get("DNSStubListenerExtra"):
            reason = "without it, programs reach systemd-resolved by D-Bus and NSS, and this server not at all"
            self._converted.missing(place, reason, "set interface = [\"127.0.0.1\"], and write nameserver 127.0.0.1 into /etc/resolv.conf")
        elif mode in ("udp", "tcp"):
            self._converted.differs(place, "the server listens for both UDP and TCP")

    def _listeners(self, value: str, place: Place) -> None:
        word = value
        for transport in ("udp:", "tcp:"):
            if word.startswith(transport):
                word = word.removeprefix(transport)
                self._converted.differs(place, "the server listens for both UDP and TCP")
        host, port = _hostAndPort(word)
        before = str(self._converted.values.get("port", 53))
        number = numberFrom(port)
        if port and port != before and (self._converted.texts("interface") or number is None):
            self._converted.missing(place, f"all addresses have one port, here {before}", f"start another server with port = {port}")
            return
        if number is not None:
            self._converted.set("port", number, place)
        self._converted.add("interface", host.strip("[]"), place)

    def _hosts(self, value: str, place: Place) -> None:
        if value.lower() in _FALSE:
            self._converted.add("hosts-file", "", place)
        else:
            self._converted.needless(place, "/etc/hosts is read by default")

    def _records(self, value: str, place: Place) -> None:
        if value.lower() in _FALSE:
            self._converted.needless(place, "records are those of local and local-file only")
        else:
            self._converted.missing(place, "files below /etc/systemd/resolve/static.d are not read", "set local to their records")

    def _refused(self, value: str, place: Place) -> None:
        for word in value.upper().split():
            if word in ("A", "AAAA"):
                self._converted.set(f"filter-{word.lower()}", True, place)
                self._converted.differs(place, f"queries for {word} get an answer without records; systemd-resolved refuses them")
            else:
                self._converted.missing(place, f"queries of type {word} are not refused")

    def _multicast(self, value: str, place: Place) -> None:
        if value.lower() in _FALSE:
            self._converted.needless(place, "this server asks by unicast only")
        else:
            self._converted.missing(place, "this server asks by unicast only", "keep systemd-resolved or Avahi for names of the local link")

    def _singleLabels(self, value: str, place: Place) -> None:
        if value.lower() in _TRUE:
            self._converted.needless(place, "names of one label are asked of upstreams by default")
        else:
            self._converted.set("domain-needed", True, place)


def _hostAndPort(text: str) -> tuple[str, str]:
    """
    Split C{ADDRESS[:PORT]}. An IPv6 address is in brackets then, and stays in them.
    """
    if text.startswith("["):
        host, _, port = text.partition("]")
        return f"{host}]", port.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return (f"[{text}]", "") if ":" in text else (text, "")
