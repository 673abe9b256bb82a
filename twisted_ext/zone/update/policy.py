"""
Who may change what of a zone.

One rule a line, in words::

    key dhcp.example.org subtree dyn.example.org A AAAA TXT
    deny key dhcp.example.org name www.dyn.example.org
    key * self A AAAA
    address 192.0.2.0/24 name status.example.org TXT
    key admin.example.org address 192.0.2.0/24 zone ANY

C{allow} or C{deny} may stand first; C{allow} goes without saying. Then who: a TSIG key, an address prefix, or both, which have to be right
both. Then what: C{zone} is everything, C{name} one name, C{subtree} a name and all below it, C{self} the name that the key has,
C{selfsub} that and all below it; names may leave out the zone's. Then types; without any, all but those that hold the zone together:
SOA, NS and DNSSEC's. C{ANY} is all, as it is with C{deny} where none are named.

The first rule that fits a record decides; where none does, it may not be changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import ROOT, isBelow, nameFromText, nameToText
from twisted_ext.wire.rrtypes import ANY, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, isMeta, typeNumber

__all__ = ["GUARDED", "Policy", "Rule"]

#: Types that a rule without types does not cover: with them, more than one name is changed.
GUARDED: Final = frozenset((SOA, NS, RRSIG, NSEC, NSEC3, NSEC3PARAM))

_PLACES: Final = ("zone", "name", "subtree", "self", "selfsub")
#: Words of rules that mean something else in each zone.
_NAMING: Final = frozenset(("name", "subtree"))
_FORM: Final = "[allow|deny] [key NAME|*] [address PREFIX] zone|name NAME|subtree NAME|self|selfsub [TYPE...]"

_Network = IPv4Network | IPv6Network


class Rule:
    """
    One line of a policy.

    @ivar allows: whether what it fits is allowed.
    @ivar key: the TSIG key that has to have signed, folded; L{None} where any or none will do; the root's name for any key.
    @ivar network: where the change has to come from, or L{None}.
    @ivar place: one of C{zone}, C{name}, C{subtree}, C{self}, C{selfsub}.
    @ivar name: the name for those that take one, folded.
    @ivar types: the types, or L{None} for all but L{GUARDED}; empty for all.
    """

    __slots__ = ("allows", "key", "network", "place", "name", "types")

    def __init__(
        self, allows: bool, key: bytes | None, network: _Network | None, place: str, name: bytes, types: frozenset[int] | None
    ) -> None:
        self.allows = allows
        self.key = key
        self.network = network
        self.place = place
        self.name = name
        self.types = types

    @classmethod
    def fromText(cls, text: str, origin: bytes | None = None) -> Rule:
        """
        @param origin: the zone, which names of places may leave out.

        @raise BadDescription: the line is no rule.
        """
        words = text.split()
        allows = True
        if words and words[0] in ("allow", "deny"):
            allows = words.pop(0) == "allow"
        key: bytes | None = None
        network: _Network | None = None
        while words and words[0] in ("key", "address"):
            word = words.pop(0)
            if not words:
                raise _bad(text, f"{word!r} stands at the end")
            value = words.pop(0)
            if word == "key":
                key = ROOT if value == "*" else _name(text, value, None)
            else:
                try:
                    network = ip_network(value)
                except ValueError as error:
                    raise _bad(text, str(error)) from None
        if key is None and network is None:
            raise _bad(text, "it does not say who, by key or address")
        if not words or words[0] not in _PLACES:
            raise _bad(text, f"{words[0]!r} where {', '.join(_PLACES)} was expected" if words else "it does not say what")
        place = words.pop(0)
        name = b""
        if place in ("name", "subtree"):
            if not words:
                raise _bad(text, f"{place!r} takes a name")
            name = _placed(text, words.pop(0), origin)
        elif place != "zone" and key is None:
            raise _bad(text, f"{place!r} means the key's name, and no key is named")
        types = _types(text, words)
        # What is denied without naming types is all of it.
        return cls(allows, key, network, place, name, frozenset() if types is None and not allows else types)

    def fitsWho(self, keyName: bytes, client: str) -> bool:
        """
        @param keyName: the key that has signed, folded; empty where none has.
        @param client: the address.
        """
        if self.key is not None and (not keyName or (self.key != ROOT and self.key != keyName)):
            return False
        if self.network is None:
            return True
        address = _addressOf(client)
        return address is not None and address in self.network

    def mayFit(self, client: str, signed: bool) -> bool:
        """
        @param signed: whether there may be a key that has signed.

        @return: whether L{fitsWho} can be true once that is known.
        """
        return (signed or self.key is None) and self.fitsWho(b"" if self.key is None else self.key, client)

    def fitsWhat(self, keyName: bytes, name: bytes, rrType: int) -> bool:
        """
        @param name: folded.
        """
        types = self.types
        if types is None:
            if rrType in GUARDED:
                return False
        elif types and rrType not in types:
            return False
        place = self.place
        if place == "zone":
            return True
        if place == "subtree":
            return isBelow(name, self.name)
        if place == "name":
            return name == self.name
        return name == keyName or (place == "selfsub" and isBelow(name, keyName))

    def __repr__(self) -> str:
        return f"<Rule {'allow' if self.allows else 'deny'} {self.place}>"


class Policy:
    """
    The rules of a zone, in their order. Without rules nobody may change anything.
    """

    __slots__ = ("rules",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)

    @classmethod
    def fromTexts(cls, lines: Iterable[str], origin: bytes | None = None) -> Policy:
        """
        @raise BadDescription: a line that is no rule.
        """
        # Of ten thousand zones most have the same few rules.
        return cls([_sharedRule(line) if _NAMING.isdisjoint(line.split()) else Rule.fromText(line, origin) for line in lines])

    def keysMissing(self, keys: Iterable[bytes]) -> list[str]:
        """
        @param keys: the names of those that there are.

        @return: keys that rules name and nobody has, for people.
        """
        known = set(keys)
        return [nameToText(rule.key) for rule in self.rules if rule.key is not None and rule.key != ROOT and rule.key not in known]

    def admits(self, keyName: bytes, client: str) -> bool:
        """
        @return: whether there is anything at all that whoever this is may change: looked at before any work is done for him.
        """
        return any(rule.allows and rule.fitsWho(keyName, client) for rule in self.rules)

    def mayAdmit(self, client: str, signed: bool) -> bool:
        """
        @param signed: whether there may be a key that has signed.

        @return: whether L{admits} can be true once that is known.
        """
        return any(rule.allows and rule.mayFit(client, signed) for rule in self.rules)

    def allows(self, keyName: bytes, client: str, name: bytes, rrType: int) -> bool:
        """
        @param keyName: the key that has signed, folded; empty where none has.
        @param client: the address.
        @param name: whose records are to be changed.
        @param rrType: of which type.
        """
        folded = name.lower()
        for rule in self.rules:
            if rule.fitsWhat(keyName, folded, rrType) and rule.fitsWho(keyName, client):
                return rule.allows
        return False


@lru_cache(maxsize=256)
def _sharedRule(line: str) -> Rule:
    """
    @return: a rule that is the same for all zones.
    """
    return Rule.fromText(line)


@lru_cache(maxsize=256)
def _addressOf(client: str) -> IPv4Address | IPv6Address | None:
    """
    @return: the address, without what may stand behind it; looked at once for all records of an update.
    """
    try:
        return ip_address(client.partition("%")[0])
    except ValueError:
        return None


def _bad(text: str, what: str) -> BadDescription:
    return BadDescription(f"update rule {text!r}: {what}; write {_FORM}")


def _name(text: str, value: str, origin: bytes | None) -> bytes:
    try:
        return nameFromText(value, origin).lower()
    except BadName as error:
        raise _bad(text, str(error)) from None


def _placed(text: str, value: str, origin: bytes | None) -> bytes:
    """
    @return: a name in the zone: as it stands, if that is in the zone already.
    """
    name = _name(text, value, None)
    if origin is None or isBelow(name, origin.lower()):
        return name
    if value.endswith("."):
        raise _bad(text, f"{value} is not in the zone {nameToText(origin)}")
    return _name(text, value, origin)


def _types(text: str, words: list[str]) -> frozenset[int] | None:
    if not words:
        return None
    numbers: list[int] = []
    for word in words:
        number = typeNumber(word)
        if number == ANY:
            return frozenset()
        if number is None or isMeta(number):
            raise _bad(text, f"{word!r} is not a record type")
        numbers.append(number)
    return frozenset(numbers)
