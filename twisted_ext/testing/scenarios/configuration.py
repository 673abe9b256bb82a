"""
The configuration of a replay scenario: what a resolver has to be set to before the scenario is played.

Two forms are read: that of C{unbound.conf}, with clauses (C{server:}, C{stub-zone:}, C{forward-zone:}), and that of Deckard, in which
C{stub-addr} is the address of a root server and C{forward-addr} a forwarder for everything.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Final, NamedTuple

from twisted_ext.errors import DNSFault
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["BadScenario", "Configuration", "Setting", "configurationOf", "settingsIn"]

#: The name of the root server whose address a scenario in Deckard's form has, if it does not say another one.
ROOT_SERVER: Final = "k.root-servers.net."

#: Clauses, which have no value. Deckard's scenarios have none.
_CLAUSES: Final = frozenset(
    "server stub-zone forward-zone auth-zone view python remote-control dynlib dnscrypt cachedb ipset rpz redis".split()
)

_TRUE: Final = frozenset(("yes", "true", "on", "1"))
_FALSE: Final = frozenset(("no", "false", "off", "0"))

#: First words of lines with files for the resolver (Unbound).
_FILES: Final = ("AUTOTRUST_FILE", "TEMPFILE_NAME", "TEMPFILE_CONTENTS")

#: A value in quotes, and what follows it.
_QUOTED: Final = re.compile(r'^(?:"([^"]*)"|\'([^\']*)\')\s*(?:[#;].*)?$')

#: One of several settings on a line.
_SEVERAL: Final = re.compile(r"([\w-]+):\s*(\"[^\"]*\"|\S+)")

#: A comment behind a value without quotes.
_COMMENT: Final = re.compile(r"(?:^|\s)[#;].*$")


class BadScenario(ValueError):
    """
    A file is not a valid scenario. The error has the position.
    """


class Setting(NamedTuple):
    """
    A line of the configuration.

    @ivar line: its number.
    @ivar value: without quotes and comment.
    """

    line: int
    key: str
    value: str


class Configuration:
    """
    The configuration of a scenario. Without hints, stubs and forwarders for the root, the built-in root servers are meant; without anchors,
    nothing is validated. The addresses of hints, stubs and forwarders are queried even if L{queryLocalhost} is false.

    @ivar isUnbound: whether it has the form of C{unbound.conf}: then the last range of the file that matches has the reply, and replies
        have the ID of the query (C{testbound}).
    @ivar today: seconds since 1970 at which the scenario begins, or L{None} if it does not matter.
    @ivar ignoresDates: whether the dates of signatures do not count (C{val-override-date: -1}).
    @ivar anchors: trust anchors, as the text of DS and DNSKEY records.
    @ivar hints: addresses of the root servers by their names.
    @ivar stubs: addresses, or names, of the servers of other zones, by the name of the zone (C{stub-zone}).
    @ivar forwarders: addresses, or names, of forwarders, by the name of the zone; C{"."} for everything.
    @ivar insecure: zones that are not validated.
    @ivar ipv4: whether to query servers over IPv4.
    @ivar ipv6: whether to query servers over IPv6.
    @ivar minimize: whether to send only the part of a name that a server needs; L{None} for the resolver's default.
    @ivar strict: whether to do so even if a server fails for it.
    @ivar hardenGlue: whether to ignore addresses of servers from outside of the zone that they came from.
    @ivar minimalResponses: whether positive replies have nothing beside the answer that clients do not need.
    @ivar queryLocalhost: whether servers on loopback addresses are queried.
    @ivar iterations: the most NSEC3 iterations by key size (C{val-nsec3-keysize-iterations}).
    @ivar accessControl: networks and what is allowed to them.
    @ivar features: Deckard's settings for single programs, by key.
    @ivar others: values and lines of other settings, by key: a resolver that cannot follow one of them cannot play the scenario.
    """

    def __init__(self) -> None:
        self.isUnbound = False
        self.today: float | None = None
        self.ignoresDates = False
        self.anchors: list[str] = []
        self.hints: dict[str, list[str]] = {}
        self.stubs: dict[str, list[str]] = {}
        self.forwarders: dict[str, list[str]] = {}
        self.insecure: list[str] = []
        self.ipv4 = True
        self.ipv6 = True
        self.minimize: bool | None = None
        self.strict = False
        self.hardenGlue = True
        self.minimalResponses = True
        self.queryLocalhost = False
        self.iterations: dict[int, int] = {}
        self.accessControl: list[tuple[str, str]] = []
        self.features: dict[str, list[str]] = {}
        self.others: dict[str, list[tuple[int, str]]] = {}

    @property
    def rootAddresses(self) -> list[str]:
        """
        The addresses of the root servers.
        """
        return [address for addresses in self.hints.values() for address in addresses]


def settingsIn(lines: Iterator[tuple[int, str]], block: Callable[[int, str, list[str]], None]) -> list[Setting]:
    """
    Take the lines up to C{CONFIG_END}.

    @param lines: with their numbers.
    @param block: called with the number, the first word and the other words of a line that is not a setting, but begins
        a file for the resolver. It takes the following lines that belong to it.
    """
    settings: list[Setting] = []
    number = 0
    for number, line in lines:
        bare = line.strip()
        if bare == "CONFIG_END":
            return settings
        if bare.startswith(_FILES):
            word, *words = bare.split()
            block(number, word, words)
            continue
        key, separator, value = bare.partition(":")
        if bare[:1] in ("", "#", ";") or not separator:
            continue
        key, value = key.strip(), _valueIn(value.strip())
        if key in _CLAUSES and value:
            # The whole clause is on one line.
            settings.append(Setting(number, key, ""))
            settings += [Setting(number, each[1], _valueIn(each[2])) for each in _SEVERAL.finditer(value)]
        else:
            settings.append(Setting(number, key, value))
    raise BadScenario(f"line {number + 1}: no CONFIG_END")


def _valueIn(text: str) -> str:
    quoted = _QUOTED.match(text)
    if quoted is not None:
        return quoted[1] if quoted[1] is not None else quoted[2]
    return _COMMENT.sub("", text).strip().strip('"')


def configurationOf(settings: list[Setting]) -> Configuration:
    """
    Return the meaning of the settings.

    @raise BadScenario: a value is not valid; with its line.
    """
    configuration = Configuration()
    clause = ""
    zone: list[Setting] = []
    rootName = ""
    rootAddresses: list[str] = []
    for setting in settings:
        key, value = setting.key, setting.value
        if key in _CLAUSES and not value:
            configuration.isUnbound = True
            _endZone(configuration, clause, zone)
            clause, zone = key, []
        elif clause in ("stub-zone", "forward-zone"):
            zone.append(setting)
        elif clause not in ("", "server"):
            configuration.others.setdefault(f"{clause}: {key}", []).append((setting.line, value))
        elif key == "stub-addr":
            rootAddresses.append(_address(setting))
        elif key == "stub-name":
            rootName = value if value.endswith(".") else f"{value}."
        elif key == "forward-addr":
            configuration.forwarders.setdefault(".", []).append(_address(setting))
        else:
            _apply(configuration, setting)
    _endZone(configuration, clause, zone)
    if rootAddresses:
        configuration.hints.setdefault(rootName or ROOT_SERVER, []).extend(rootAddresses)
    return configuration


def _apply(configuration: Configuration, setting: Setting) -> None:
    key, value = setting.key, setting.value
    if key == "do-ip4":
        configuration.ipv4 = _truth(setting)
    elif key == "do-ip6":
        configuration.ipv6 = _truth(setting)
    elif key in ("query-minimization", "qname-minimisation"):
        configuration.minimize = _truth(setting)
    elif key == "qname-minimisation-strict":
        configuration.strict = _truth(setting)
    elif key == "harden-glue":
        configuration.hardenGlue = _truth(setting)
    elif key == "minimal-responses":
        configuration.minimalResponses = _truth(setting)
    elif key == "do-not-query-localhost":
        configuration.queryLocalhost = not _truth(setting)
    elif key == "val-override-date":
        configuration.ignoresDates = value == "-1"
        configuration.today = _dateOf(setting)
    elif key == "val-override-timestamp":
        configuration.today = float(_integer(setting, value))
    elif key == "trust-anchor":
        configuration.anchors.append(_anchorIn(setting))
    elif key == "domain-insecure":
        configuration.insecure.append(value)
    elif key == "access-control":
        network, _, action = value.partition(" ")
        configuration.accessControl.append((network, action.strip()))
    elif key == "val-nsec3-keysize-iterations":
        numbers = [_integer(setting, word) for word in value.split()]
        if len(numbers) % 2:
            raise _bad(setting, "pairs of a key size and a number of iterations are expected")
        configuration.iterations.update(zip(numbers[::2], numbers[1::2], strict=True))
    elif key == "features":
        for each in value.split(";"):
            name, _, what = each.partition("=")
            configuration.features.setdefault(name.strip(), []).append(what.strip())
    elif key == "feature-list":
        name, separator, what = value.partition("=")
        if not separator:
            raise _bad(setting, "NAME=VALUE is expected")
        configuration.features.setdefault(name.strip(), []).append(what.strip())
    else:
        configuration.others.setdefault(key, []).append((setting.line, value))


def _endZone(configuration: Configuration, clause: str, settings: list[Setting]) -> None:
    """
    Apply a whole C{stub-zone} or C{forward-zone} clause.
    """
    if not settings:
        return
    name = next((setting.value for setting in settings if setting.key == "name"), None)
    if name is None:
        raise _bad(settings[0], f"the {clause} has no name")
    name = name if name.endswith(".") else f"{name}."
    servers: list[str] = []
    for setting in settings:
        key = setting.key.removeprefix("stub-").removeprefix("forward-")
        if key == "addr":
            servers.append(_address(setting))
        elif key == "host":
            servers.append(setting.value)
        elif key != "name":
            configuration.others.setdefault(f"{clause}: {setting.key}", []).append((setting.line, setting.value))
    if clause == "forward-zone":
        configuration.forwarders.setdefault(name, []).extend(servers)
    elif name == ".":
        configuration.hints.setdefault(ROOT_SERVER, []).extend(servers)
    else:
        configuration.stubs.setdefault(name, []).extend(servers)


def _bad(setting: Setting, said: str) -> BadScenario:
    return BadScenario(f"line {setting.line}: {setting.key}: {said} instead of {setting.value!r}")


def _truth(setting: Setting) -> bool:
    word = setting.value.lower()
    if word not in _TRUE | _FALSE:
        raise _bad(setting, "yes or no is expected")
    return word in _TRUE


def _integer(setting: Setting, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _bad(setting, "a number is expected")
    return int(text)


def _dateOf(setting: Setting) -> float | None:
    text = setting.value
    if text in ("", "0", "-1"):
        return None
    if len(text) != 14:
        return float(_integer(setting, text))
    _integer(setting, text)
    try:
        return float(timegm(datetime.strptime(text, "%Y%m%d%H%M%S").timetuple()))
    except ValueError:
        raise _bad(setting, "a date as YYYYMMDDHHMMSS, or seconds since 1970, is expected") from None


def _anchorIn(setting: Setting) -> str:
    text = setting.value.partition(";")[0].strip()
    try:
        record = recordFromText(text, ROOT, 0)
    except (DNSFault, ValueError) as error:
        raise BadScenario(f"line {setting.line}: {setting.key}: {error}") from error
    if record.rrType not in (DS, DNSKEY):
        raise _bad(setting, "a DS or DNSKEY record is expected")
    return text


def _address(setting: Setting) -> str:
    # unbound.conf allows a port behind it: 192.0.2.1@5301, and a name for TLS behind #.
    address = setting.value.partition("#")[0].partition("@")[0].strip()
    try:
        return str(ip_address(address))
    except ValueError:
        raise _bad(setting, "an IP address is expected") from None
