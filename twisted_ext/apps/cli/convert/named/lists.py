"""
Resolves the lists that C{named.conf} names: addresses (C{acl}), servers (C{primaries}), and keys of servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Union

from twisted_ext.apps.cli.convert.addresses import isAddress, labelOf, networkFrom, portFrom
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH
from twisted_ext.apps.cli.convert.named.syntax import Statement
from twisted_ext.apps.cli.convert.prefixes import EVERYONE, Network, Prefixes, byLength, disjoint, networksOf
from twisted_ext.server.reply.acl import NEARBY

__all__ = ["LOCALHOST", "Clients", "Lists", "Remote"]

#: What C{localhost} matches on any machine. Its other addresses are not known here.
LOCALHOST: Final = ("127.0.0.0/8", "::1/128")

#: Lists of named that need what is not known here, and what takes their place.
_UNKNOWN: Final[Mapping[str, str]] = {
    "localhost": "127.0.0.0/8 and ::1 take the place of all addresses of this machine; its other addresses are missing",
    "localnets": "all private networks take the place of those of this machine",
}

#: Elements that need what is not known here.
_LOCATIONS: Final = ("geoip", "ecs")


#: What an element of a list matches, and whether it is without a C{!}: networks, what is in another list, or with the name of a key the
#: clients that sign with it.
_Element = tuple["Prefixes[bool] | Clients | str", bool]

#: The same, for a single network.
_Item = Union[Network, "Clients", str]


class Clients:
    """
    A list of clients, as named matches them: the first element that matches a client decides. One that none matches is not in the list, nor
    one that an element with C{!} matches.

    @ivar networks: the prefixes at which that may change.
    @ivar keys: the names of TSIG keys in it.
    @ivar hasHoles: whether it leaves clients out because they sign with a key.
    """

    def __init__(self, elements: Iterable[_Element]) -> None:
        # Once more an element changes nothing.
        elements = self._elements = list(dict.fromkeys(elements))
        networks: dict[Network, None] = {}
        keys: dict[str, None] = {}
        for each, _ in self._elements:
            networks |= dict.fromkeys(each.networks if isinstance(each, Clients) else () if isinstance(each, str) else each)
            keys |= dict.fromkeys(each.keys if isinstance(each, Clients) else (each,) if isinstance(each, str) else ())
        self.networks: list[Network] = list(networks)
        self.keys: list[str] = list(keys)
        self.hasHoles: bool = any(
            each.hasHoles if isinstance(each, Clients) else isinstance(each, str) and not isIn for each, isIn in elements
        )
        # Lists of lists may lead to the same one by very many ways.
        self._known: dict[tuple[Network, str], bool] = {}

    @classmethod
    def inOrder(cls, items: Mapping[_Item, bool]) -> Clients:
        """
        Return a list of these elements, each with whether it is without a C{!}.
        """
        elements: list[_Element] = []
        # Networks of the same sign that follow each other may be thousands.
        run: Prefixes[bool] = Prefixes()
        before: bool | None = None
        for item, isIn in items.items():
            if isinstance(item, (Clients, str)):
                elements.append((item, isIn))
                before = None
                continue
            if isIn is not before:
                run, before = Prefixes(), isIn
                elements.append((run, isIn))
            run.add(item, True)
        return cls(elements)

    @classmethod
    def of(cls, networks: Iterable[str]) -> Clients:
        """
        Return a list of these networks.
        """
        prefixes: Prefixes[bool] = Prefixes()
        for network in networksOf(networks):
            prefixes.add(network, True)
        return cls([(prefixes, True)])

    def has(self, network: Network, key: str = "") -> bool:
        """
        Return whether clients in a network, and in no longer one of L{networks}, are in the list if they sign with this key.
        """
        known = self._known.get((network, key))
        if known is None:
            known = self._known[network, key] = next((isIn for each, isIn in self._elements if _matches(each, network, key)), False)
        return known

    @property
    def rules(self) -> list[tuple[Network, bool]]:
        """
        The networks that are in the list without a key, and exceptions in them that are not.
        """
        return byLength(self.networks, self.has, False)

    @property
    def allowed(self) -> list[str]:
        """
        The networks of L{rules} that are in the list; C{any} for all addresses.
        """
        found = [str(network) for network, isIn in self.rules if isIn]
        return ["any", *[each for each in found if each not in EVERYONE]] if set(EVERYONE) <= set(found) else found

    @property
    def denied(self) -> list[str]:
        """
        The networks of L{rules} that are exceptions.
        """
        return [str(network) for network, isIn in self.rules if not isIn]

    def both(self, other: Clients) -> Clients:
        """
        Return a list of the clients that are in this list and in another one.
        """
        outside = Clients([(self, False), (Clients.of(["any"]), True)])
        return Clients([(outside, False), (other, True)])

    def hasAll(self, other: Clients) -> bool:
        """
        Return whether it has all clients of another list.
        """
        networks = [*networksOf(EVERYONE), *self.networks, *other.networks]
        return all(self.has(each, key) or not other.has(each, key) for each in networks for key in ("", *other.keys))

    @property
    def isAny(self) -> bool:
        return self.allowed == ["any"] and not self.denied

    @property
    def isNone(self) -> bool:
        return not self.grants()

    def grants(self) -> list[str]:
        """
        Return the entries for a list without exceptions of a zone: networks, and keys that are needed elsewhere.
        """
        found = disjoint(self.rules)
        for key in self.keys:
            if any(self.has(network, key) and not self.has(network) for network in (*networksOf(EVERYONE), *self.networks)):
                signed = disjoint(byLength(self.networks, partial(self.has, key=key), False))
                found += [f"key={key}" if each == "any" else f"{each} key={key}" for each in signed]
        return found


def _matches(element: Prefixes[bool] | Clients | str, network: Network, key: str) -> bool:
    if isinstance(element, str):
        return element == key
    if isinstance(element, Clients):
        return element.has(network, key)
    return element.find(network) is not None


def _join(found: dict[_Item, bool], inner: Mapping[_Item, bool], isIn: bool) -> None:
    """
    Add a list to the one that has it.
    """
    if not all(inner.values()):
        # Whom it leaves out it does not match, be there a C{!} before it or not.
        found.setdefault(Clients.inOrder(inner), isIn)
        return
    for item in inner:
        found.setdefault(item, isIn)
        if not isIn and not isinstance(item, (Clients, str)):
            # named 9.18 then leaves out the very same network where it stands before, too.
            found[item] = False


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
    """
    The named lists of a configuration.

    @ivar port: that of servers for which no other one is given.
    """

    def __init__(self, statements: Iterable[Statement], converted: Converted, port: int = 53) -> None:
        self.port = port
        self._converted = converted
        self._acls: dict[str, Statement] = {}
        self._servers: dict[str, Statement] = {}
        self._keyOf: dict[str, str] = {}
        # What the lists of servers have, by name: lists of lists would double with each level.
        self._remotes: dict[str, list[Remote]] = {}
        # What the lists of addresses match, by name, for the same reason.
        self._made: dict[str, dict[_Item, bool]] = {}
        self._noted: set[tuple[str, Place]] = set()
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

    def clients(self, elements: Iterable[Statement], place: Place, *, keysApart: bool = False) -> Clients:
        """
        @param keysApart: whether clients are told apart by the keys with which they sign.
        """
        found = Clients.inOrder(self._items(elements, place, 0))
        if found.hasHoles and not keysApart:
            self._converted.missing(place, "a client that signs cannot be left out: it could do without")
        return found

    def _items(self, elements: Iterable[Statement], place: Place, depth: int) -> dict[_Item, bool]:
        """
        Return what a list matches, in its order, and whether it is without a C{!}. Of what is there twice, the first one counts.
        """
        found: dict[_Item, bool] = {}
        if depth > self._deepest:
            self._converted.wrong(place, "lists of addresses name each other in a circle")
            return found
        for element in elements:
            words = list(element.words)
            isIn = True
            while words and words[0].startswith("!"):
                isIn = not isIn
                words[0] = words[0][1:]
                if not words[0]:
                    words.pop(0)
            text = words[0] if words else ""
            if text == "none":
                text, isIn = "any", not isIn
            network = networkFrom(text)
            known = {"any": EVERYONE, "localhost": LOCALHOST, "localnets": NEARBY}.get(text, () if network is None else (network,))
            if text in _UNKNOWN and (text, place) not in self._noted:
                self._noted.add((text, place))
                self._converted.note(place, f"{text}: {_UNKNOWN[text]}")
            if known:
                for each in networksOf(known):
                    found.setdefault(each, isIn)
            elif not words and element.block is not None:
                _join(found, self._items(element.block, place, depth + 1), isIn)
            elif text == "key" and len(words) > 1:
                found.setdefault(words[1], isIn)
            elif text in self._acls:
                if text not in self._made:
                    self._made[text] = self._items(self._acls[text].inside, place, depth + 1)
                _join(found, self._made[text], isIn)
            else:
                if text in _LOCATIONS:
                    self._converted.missing(place, "clients are not told apart by location", "list networks")
                else:
                    self._converted.wrong(place, f"{text!r} is not an address, and there is no acl of this name")
                if not isIn:
                    # It may be any client whom this leaves out.
                    _join(found, dict.fromkeys(networksOf(EVERYONE), True), False)
        return found

    def remotes(self, statement: Statement, depth: int = 0) -> list[Remote]:
        """
        Return the servers of C{primaries}, C{also-notify} and the like.
        """
        if depth > self._deepest:
            self._converted.wrong(statement.place, "lists of servers name each other in a circle")
            return []
        usual = portFrom(statement.wordAfter("port"))
        usualTLS = statement.wordAfter("tls")
        found: list[Remote] = []
        for each in statement.inside:
            text = each.words[0] if each.words else ""
            if isAddress(text):
                tls = each.wordAfter("tls") or usualTLS
                port = portFrom(each.wordAfter("port")) or usual or (53 if tls else self.port)
                found.append(Remote(text, port, each.wordAfter("key") or self._keyOf.get(text, ""), tls))
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

