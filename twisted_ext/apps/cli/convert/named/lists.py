"""
Resolves the lists that C{named.conf} names: addresses (C{acl}), servers (C{primaries}), and keys of servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import isAddress, labelOf, networkFrom, portFrom
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH
from twisted_ext.apps.cli.convert.named.syntax import Statement
from twisted_ext.server.reply.acl import NEARBY

__all__ = ["LOCALHOST", "Clients", "Lists", "Remote"]

#: What C{localhost} matches on any machine. Its other addresses are not known here.
LOCALHOST: Final = ("127.0.0.0/8", "::1/128")

#: Elements that need what is not known here.
_LOCATIONS: Final = ("geoip", "ecs")


@dataclass(slots=True)
class Clients:
    """
    A list of clients.

    @ivar allowed: networks, C{any} among them.
    @ivar denied: networks that are left out.
    @ivar keys: the names of TSIG keys.
    """

    allowed: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def isAny(self) -> bool:
        return "any" in self.allowed and not self.denied

    @property
    def isNone(self) -> bool:
        return not self.allowed and not self.keys

    def grants(self) -> list[str]:
        """
        Return the entries for a zone's access list.
        """
        return [*self.allowed, *[f"key={key}" for key in self.keys]]

    def same(self, other: Clients) -> bool:
        return set(self.allowed) == set(other.allowed) and set(self.denied) == set(other.denied)


@dataclass(slots=True, frozen=True)
class Remote:
    """
    A server of a zone.

    @ivar key: its TSIG key, C{""} without one.
    @ivar tls: the name of its C{tls} statement, C{""} without one.
    """

    address: str
    port: int
    key: str
    tls: str


class Lists:
    def __init__(self, statements: Iterable[Statement], converted: Converted) -> None:
        self._converted = converted
        self._acls: dict[str, Statement] = {}
        self._servers: dict[str, Statement] = {}
        self._keyOf: dict[str, str] = {}
        # What the lists of servers have, by name: lists of lists would double with each level.
        self._remotes: dict[str, list[Remote]] = {}
        self._deepest = int(BLOCK_DEPTH.default)
        for statement in statements:
            if statement.name == "acl":
                self._acls[statement.value] = statement
            elif statement.name in ("primaries", "masters", "parental-agents", "remote-servers"):
                self._servers[statement.value] = statement
            elif statement.name == "server":
                self._server(statement)

    def _server(self, statement: Statement) -> None:
        for each in statement.inside:
            if each.name == "keys":
                words = [*each.words[1:], *[word for inner in each.inside for word in inner.words]]
                if words:
                    self._keyOf[statement.value] = words[0]

    def clients(self, elements: Iterable[Statement], place: Place) -> Clients:
        found = Clients()
        self._addTo(found, elements, place, False, 0, set())
        found.allowed = list(dict.fromkeys(found.allowed))
        found.denied = [each for each in dict.fromkeys(found.denied) if each not in found.allowed]
        return found

    def _addTo(
        self, found: Clients, elements: Iterable[Statement], place: Place, negated: bool, depth: int, added: set[tuple[str, bool]]
    ) -> None:
        """
        @param added: names of lists that were added, and whether negated. Once more they change nothing, but lists of lists would double
            with each level.
        """
        if depth > self._deepest:
            self._converted.wrong(place, "lists of addresses name each other in a circle")
            return
        for element in elements:
            words = list(element.words)
            negative = negated
            while words and words[0].startswith("!"):
                negative = not negative
                words[0] = words[0][1:]
                if not words[0]:
                    words.pop(0)
            if not words and element.block is not None:
                self._addTo(found, element.block, place, negative, depth + 1, added)
                continue
            text = words[0] if words else ""
            network = networkFrom(text)
            if text == "any":
                self._add(found, ["any"], negative, place)
            elif text == "none":
                # "! none" is any.
                if negative:
                    self._add(found, ["any"], False, place)
            elif text == "localhost":
                self._add(found, LOCALHOST, negative, place)
            elif text == "localnets":
                self._add(found, NEARBY, negative, place)
                self._converted.note(place, "localnets: all private networks take the place of those of this machine")
            elif text == "key" and len(words) > 1:
                if negative:
                    self._converted.missing(element.place, "a key cannot be left out")
                else:
                    found.keys.append(words[1])
            elif text in _LOCATIONS:
                self._converted.missing(place, "clients are not told apart by location")
            elif network is not None:
                self._add(found, [network], negative, place)
            elif text in self._acls:
                if (text, negative) not in added:
                    self._addTo(found, self._acls[text].inside, place, negative, depth + 1, added)
                    added.add((text, negative))
            else:
                self._converted.wrong(place, f"{text!r} is not an address, and there is no acl of this name")

    def _add(self, found: Clients, networks: Iterable[str], negative: bool, place: Place) -> None:
        """
        Add networks. named takes the first element that matches, this server the longest prefix: what an element before it decides is left
        out.
        """
        into, others = (found.denied, found.allowed) if negative else (found.allowed, found.denied)
        for network in networks:
            before = next((each for each in others if _covers(each, network)), None)
            if before is None:
                into.append(network)
            else:
                self._converted.note(place, f"{network} has no effect: {before} before it matches these clients")

    def remotes(self, statement: Statement, depth: int = 0) -> list[Remote]:
        """
        Return the servers of C{primaries}, C{also-notify} and the like.
        """
        if depth > self._deepest:
            self._converted.wrong(statement.place, "lists of servers name each other in a circle")
            return []
        usual = portFrom(statement.wordAfter("port") or "53") or 53
        usualTLS = statement.wordAfter("tls")
        found: list[Remote] = []
        for each in statement.inside:
            text = each.words[0] if each.words else ""
            if isAddress(text):
                port = portFrom(each.wordAfter("port")) if each.wordAfter("port") else usual
                key = each.wordAfter("key") or self._keyOf.get(text, "")
                found.append(Remote(text, port or usual, key, each.wordAfter("tls") or usualTLS))
            elif text in self._servers:
                inner = self._remotes.get(text)
                if inner is None:
                    inner = self._remotes[text] = self.remotes(self._servers[text], depth + 1)
                key, tls = each.wordAfter("key"), each.wordAfter("tls")
                found += [Remote(one.address, one.port, key or one.key, tls or one.tls) for one in inner]
            else:
                self._converted.wrong(statement.place, f"{text!r} is not an address, and there is no list of servers of this name")
        return list(dict.fromkeys(found))

    @staticmethod
    def text(remote: Remote, tls: str = "") -> str:
        """
        Return a server as the settings of zones have it.

        @param tls: the name in its certificate, if it is asked over TLS.
        """
        where = labelOf(remote.address, remote.port)
        if remote.tls:
            host = f"[{remote.address}]" if ":" in remote.address else remote.address
            port = f":{remote.port}" if remote.port not in (53, 853) else ""
            where = f"tls://{host}{port}#{tls}"
        return f"{where} key={remote.key}" if remote.key else where


def _covers(wide: str, narrow: str) -> bool:
    if wide == "any":
        return True
    if narrow == "any":
        return False
    one, other = ip_network(wide), ip_network(narrow)
    return one.version == other.version and one.prefixlen <= other.prefixlen and other.network_address in one
