"""
Update policies: which clients may change which records of a zone.

A policy has one rule per line::

    key dhcp.example.org subtree dyn.example.org A AAAA TXT
    deny key dhcp.example.org name www.dyn.example.org
    key * self A AAAA
    address 192.0.2.0/24 name status.example.org TXT
    key acme challenges example.org
    key admin.example.org address 192.0.2.0/24 zone ANY

A rule begins with C{allow}, the default, or C{deny}. Then it names the client: by a TSIG key, an address prefix, or both, which then both
have to match. Then the names: C{zone} is every name, C{name} one name, C{subtree} a name and all below it, C{challenges} the names at which
authorities look for challenges (C{_acme-challenge}, RFC 8555, section 8.4) for certificates of a name and all below it, C{self} the name of
the key, C{selfsub} that and all below it; names may be relative to the zone. Last the types: without any, TXT for C{challenges}, and for
others all except those that affect more than one name: SOA, NS and those of DNSSEC. C{ANY} is all types, which is also the default for
C{deny}.

The first rule that matches a record decides; if none does, the record may not be changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import ROOT, isBelow, nameFromText, nameToText
from twisted_ext.wire.rrtypes import ANY, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, TXT, isMeta, typeNumber

__all__ = ["GUARDED", "Policy", "Rule"]

#: Types that a rule without types does not cover, because changing them affects more than one name.
GUARDED: Final = frozenset((SOA, NS, RRSIG, NSEC, NSEC3, NSEC3PARAM))

_PLACES: Final = ("zone", "name", "subtree", "challenges", "self", "selfsub")
#: Keywords whose names are relative to the zone, so that their rules cannot be shared between zones.
_NAMING: Final = frozenset(("name", "subtree", "challenges"))
_FORM: Final = "[allow|deny] [key NAME|*] [address PREFIX] zone|name NAME|subtree NAME|challenges NAME|self|selfsub [TYPE...]"

#: What the names of challenges begin with (RFC 8555, section 8.4).
_CHALLENGE: Final = b"\x0f_acme-challenge"

_Network = IPv4Network | IPv6Network


@dataclass(slots=True, eq=False)
class Rule:
    """
    One rule of a policy.

    @ivar key: the TSIG key that has to sign, folded; L{None} if no signature is required; the root name for any key.
    @ivar network: the address prefix of the client, or L{None}.
    @ivar place: one of C{zone}, C{name}, C{subtree}, C{challenges}, C{self}, C{selfsub}.
    @ivar name: the name for C{name}, C{subtree} and C{challenges}, folded.
    @ivar types: the types, or L{None} for all but L{GUARDED}; empty for all.
    """

    allows: bool
    key: bytes | None
    network: _Network | None
    place: str
    name: bytes
    types: frozenset[int] | None

    @classmethod
    def fromText(cls, text: str, origin: bytes | None = None) -> Rule:
        """
        @param origin: the zone, to which names may be relative.

        @raise BadDescription: the line is not a valid rule.
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
                raise _bad(text, f"{word!r} is left over at the end")
            value = words.pop(0)
            if word == "key":
                key = ROOT if value == "*" else _name(text, value, None)
            else:
                try:
                    network = ip_network(value)
                except ValueError as error:
                    raise _bad(text, str(error)) from None
        if key is None and network is None:
            raise _bad(text, "the client is missing: key or address")
        if not words or words[0] not in _PLACES:
            raise _bad(text, f"{words[0]!r} where {', '.join(_PLACES)} was expected" if words else "the names are missing")
        place = words.pop(0)
        name = b""
        if place in _NAMING:
            if not words:
                raise _bad(text, f"{place!r} takes a name")
            name = _placed(text, words.pop(0), origin)
        elif place != "zone" and key is None:
            raise _bad(text, f"{place!r} means the key's name, and no key is named")
        types = _types(text, words)
        if types is None and not allows:
            # A rule that denies without naming types denies all of them.
            types = frozenset()
        elif types is None and place == "challenges":
            types = frozenset((TXT,))
        return cls(allows, key, network, place, name, types)

    def fitsWho(self, keyName: bytes, client: str) -> bool:
        """
        Return whether the rule applies to a client.

        @param keyName: the key that signed the message, folded; empty for an unsigned message.
        """
        if self.key is not None and (not keyName or (self.key != ROOT and self.key != keyName)):
            return False
        if self.network is None:
            return True
        address = _addressOf(client)
        return address is not None and address in self.network

    def fitsWhat(self, keyName: bytes, name: bytes, rrType: int) -> bool:
        """
        Return whether the rule applies to records of a folded name and a type.
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
        if place == "challenges":
            return name.startswith(_CHALLENGE) and isBelow(name[len(_CHALLENGE) :], self.name)
        if place == "name":
            return name == self.name
        return name == keyName or (place == "selfsub" and isBelow(name, keyName))


    def reaches(self, keyName: bytes, apex: bytes) -> bool:
        """
        Return whether it may apply to records of a zone.

        @param apex: the zone's name, folded.
        """
        if self.place == "zone":
            return True
        name = self.name if self.place in _NAMING else keyName
        return isBelow(name, apex) or (self.place in ("subtree", "challenges", "selfsub") and isBelow(apex, name))


class Policy:
    """
    The rules of a zone, in order. Without rules, no client may change anything.
    """

    __slots__ = ("rules",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)

    @classmethod
    def fromTexts(cls, lines: Iterable[str], origin: bytes | None = None) -> Policy:
        """
        @raise BadDescription: a line is not a valid rule.
        """
        # Ten thousand zones mostly have the same few rules.
        return cls([_sharedRule(line) if _NAMING.isdisjoint(line.split()) else Rule.fromText(line, origin) for line in lines])

    def keysMissing(self, keys: Iterable[bytes]) -> list[str]:
        """
        Return those keys that rules name and that are not among these, as text.
        """
        known = set(keys)
        return [nameToText(rule.key) for rule in self.rules if rule.key is not None and rule.key != ROOT and rule.key not in known]

    def admits(self, keyName: bytes, client: str) -> bool:
        """
        Return whether the client may change anything at all; checked before any other work is done for it.
        """
        return any(rule.allows and rule.fitsWho(keyName, client) for rule in self.rules)

    def reaches(self, keyName: bytes, client: str, apex: bytes) -> bool:
        """
        Return whether the client may change anything in a zone. For the parameters see L{allows} and L{Rule.reaches}.
        """
        return any(rule.allows and rule.reaches(keyName, apex) and rule.fitsWho(keyName, client) for rule in self.rules)

    def mayAdmit(self, client: str, signed: bool) -> bool:
        """
        Return whether L{admits} may be true once the key is known.
        """
        rules = [rule for rule in self.rules if rule.allows and (signed or rule.key is None)]
        return any(rule.fitsWho(rule.key or b"", client) for rule in rules)

    def allows(self, keyName: bytes, client: str, name: bytes, rrType: int) -> bool:
        """
        Return whether a client may change records of a name and type.

        @param keyName: the key that signed the message, folded; empty for an unsigned message.
        """
        folded = name.lower()
        for rule in self.rules:
            if rule.fitsWhat(keyName, folded, rrType) and rule.fitsWho(keyName, client):
                return rule.allows
        return False


@lru_cache(maxsize=256)
def _sharedRule(line: str) -> Rule:
    return Rule.fromText(line)


@lru_cache(maxsize=256)
def _addressOf(client: str) -> IPv4Address | IPv6Address | None:
    """
    Return the address without its scope ID; cached, since all records of an update need it.
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
    Return an absolute name in the zone; taken as absolute if it is in the zone already.
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
