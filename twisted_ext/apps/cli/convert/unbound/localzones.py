"""
Converts the local zones and local data of Unbound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from twisted_ext.apps.cli.convert.addresses import nameFrom, namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.unbound.syntax import Option

__all__ = ["LocalZones"]

#: Zones that Unbound has by itself, and that this server would ask a private upstream about. It answers the others by itself as well.
_USUAL: Final = ("home.arpa.", "test.")

#: Zones of this many names are better kept in a file of their own.
_MANY: Final = 2000

_TRANSPARENT: Final = ("transparent", "typetransparent", "inform", "always_transparent", "noview")
_REDIRECTS: Final = ("redirect", "inform_redirect")
_DENIES: Final = ("deny", "inform_deny", "always_deny", "refuse", "always_refuse")

#: Those whose names are blocked.
_BLOCKED: Final = ("always_nxdomain", "always_nodata", *_DENIES)

_AGAIN: Final = "the last zone of this name applies"
_NOT_LOOKED_UP: Final = "a name with local records has no records of other types, as in most of the zones here"
_EXISTS: Final = "a name with records exists for all types (NOERROR); Unbound passes on that it does not (NXDOMAIN)"
_LOOKED_UP: Final = "other types of a name with local records are looked up, as in zones of type typetransparent"


@dataclass(slots=True)
class _Record:
    """
    @ivar owner: folded, with its final dot.
    @ivar rest: what follows the owner.
    @ivar isFirst: whether it comes before all zones.
    """

    owner: str
    rest: str
    place: Place
    isFirst: bool = False


class LocalZones:
    """
    Collects zones and records, and converts them once all are known: they can be in any order.
    """

    def __init__(self, converted: Converted) -> None:
        self._converted = converted
        self._zones: dict[str, tuple[str, Place]] = {}
        self._records: list[_Record] = []
        self._private: set[str] = set()

    def take(self, option: Option, *, isFirst: bool = False) -> None:
        """
        Take an option, if it is one of local zones.

        @param isFirst: whether data comes before all zones.
        """
        before = len(self._records)
        if option.name == "local-zone":
            self._zone(option)
        elif option.name == "local-data":
            self._data(option.text, option.place)
        elif option.name == "local-data-ptr":
            self._pointer(option)
        for record in self._records[before:]:
            record.isFirst = isFirst

    @property
    def opened(self) -> list[str]:
        """
        The zones that have a type of their own.
        """
        return list(self._zones)

    def denying(self, name: str, *, routed: bool) -> str:
        """
        Return the local zone that answers for the names of a domain before anything else does; C{""} if there is none.

        @param routed: whether the domain has a route, which has precedence over all but blocked names.
        """
        zone = next((each for each in namesAbove(name) if each in self._zones), "")
        others = (*_TRANSPARENT, "nodefault", *(_BLOCKED if routed else ()))
        return zone if zone and self._zones[zone][0] not in others else ""

    def _zone(self, option: Option) -> None:
        name = nameFrom(option.value)
        kind = option.values[1] if len(option.values) > 1 else ""
        if name is None:
            self._converted.wrong(option.place, f"{option.value!r} is not a domain name")
        elif not kind:
            self._converted.wrong(option.place, "the type is missing", "write static, transparent or another one behind the name")
        elif kind != "nodefault" or name not in self._zones:
            # nodefault is about the zone that Unbound has by itself.
            if name in self._zones:
                self._converted.needless(self._zones[name][1], _AGAIN)
            self._zones[name] = kind, option.place
        else:
            self._converted.needless(option.place, "it is about the zone that Unbound has by itself, and there is one of the same name")

    def _data(self, text: str, place: Place) -> None:
        owner, *rest = text.split(None, 1)
        name = nameFrom(owner)
        if name is None or not rest:
            self._converted.wrong(place, f"{text!r} is not a record", "write a name, a type and its data")
        elif owner.startswith("*."):
            self._converted.missing(place, "in Unbound this is the name with the label *, no wildcard", "write it to a zone for wildcards")
        else:
            self._records.append(_Record(name, " ".join(_unquotedSpaces(rest[0])), place))

    def _pointer(self, option: Option) -> None:
        words = option.text.split()
        try:
            name = ip_address(words[0]).reverse_pointer
            target = words[-1] if words[-1].endswith(".") else f"{words[-1]}."
        except (ValueError, IndexError):
            self._converted.wrong(option.place, f"{option.text!r} is not an address and a name")
            return
        ttl = f"{words[1]} " if len(words) > 2 else ""
        self._records.append(_Record(f"{name}.", f"{ttl}PTR {target}", option.place))

    def finish(self, routed: Iterable[str]) -> None:
        """
        @param routed: domains that a route, a stub or a zone leads to.
        """
        # Private reverse names are denied without a zone that says so.
        self._private = {*self._converted.texts("local-domain")}
        within: dict[str, list[_Record]] = {name: [] for name in self._zones}
        alone: list[_Record] = []
        for record in self._records:
            zone = None if record.isFirst else next((each for each in namesAbove(record.owner) if each in within), None)
            (within[zone] if zone is not None else alone).append(record)
        for record in alone:
            self._keep(record)
        self._otherTypes(within, alone)
        nulls = sum(kind == "always_null" for kind, _ in self._zones.values())
        denied = sum(kind in _BLOCKED for kind, _ in self._zones.values())
        # A list of blocked names gets one reply; the reply of the larger part is taken.
        replies = "null" if nulls > denied else "nxdomain"
        known = set(routed)
        for name, (kind, place) in self._zones.items():
            self._finishZone(name, kind, place, within[name], replies, known)
        for name in _USUAL:
            if name not in self._zones and name not in known:
                self._converted.add("local-domain", name, Place(self._converted.file, 0, "a zone that Unbound has by itself"))
        if self._records:
            # Unbound makes no reverse names of addresses.
            self._converted.set("local-reverse", False, self._records[0].place)
        if len(self._converted.texts("block")) > _MANY:
            place = self._converted.places["block"][0]
            self._converted.note(place, "many names are blocked here", "keep them in a file, and name it with block-list")

    def _otherTypes(self, within: dict[str, list[_Record]], alone: list[_Record]) -> None:
        """
        Have the types that names do not have here looked up, if more of them are in zones of type typetransparent than in others: there is
        one setting for all. Zones that answer by themselves alone need none.
        """
        looked: list[Place] = []
        denied = [record.place for record in alone]
        for name, (kind, place) in self._zones.items():
            if kind == "typetransparent":
                looked += [place] * len(within[name])
            elif kind in _TRANSPARENT or kind in _REDIRECTS:
                denied += [record.place for record in within[name]]
        if len(looked) > len(denied):
            self._converted.set("forward-other-types", True, looked[0])
            self._converted.note(looked[0], _EXISTS)
        elif looked:
            self._converted.differs(looked[0], _NOT_LOOKED_UP, "set forward-other-types = true for all names")
        if len(looked) > len(denied) > 0:
            self._converted.differs(denied[0], _LOOKED_UP)

    def _keep(self, record: _Record) -> None:
        self._converted.add("local", f"{record.owner} {record.rest}", record.place)

    def _finishZone(self, name: str, kind: str, place: Place, records: list[_Record], replies: str, routed: set[str]) -> None:
        into = self._converted
        if name == "." and kind not in ("nodefault", *_TRANSPARENT):
            into.set("recursive", False, place)
            into.differs(place, "no names are looked up, not even those of forward zones, stubs and transparent zones")
        if kind in _REDIRECTS:
            self._redirect(name, place, records)
            return
        if kind.startswith("always_") and kind != "always_null":
            for record in records:
                into.needless(record.place, f"the type {kind} of its zone ignores it")
        else:
            for record in records:
                self._keep(record)
        if name == "." and kind not in _TRANSPARENT:
            return
        if kind == "static":
            if into.add("local-domain", name, place) and not any(record.owner == name for record in records):
                into.differs(place, "the name of the zone itself exists here, without records")
        elif kind in _TRANSPARENT:
            above = next((each for each in namesAbove(name) if each != name and (each in self._zones or each in self._private)), "")
            other = self._zones[above][0] if above in self._zones else "static" if above else "transparent"
            if other.startswith("always_n") or other in _DENIES:
                into.block(name, place, "block-except")
            elif other not in ("nodefault", *_TRANSPARENT):
                into.differs(place, f"names in it are not looked up, as all others in {above}", f"take {above} out of local-domain")
            elif kind != "typetransparent" or not records:
                into.needless(place, "names in it are looked up as usual")
        elif kind == "nodefault":
            if self._private.intersection(namesAbove(name)):
                into.needless(place, "Unbound has no zone of this name by itself, but one for names above it")
            elif any(each in routed for each in namesAbove(name)) or "." in routed:
                into.needless(place, "names in it are looked up where their route or stub leads")
            else:
                into.differs(
                    place, "reverse names of private addresses are denied, unless an upstream is private", f"set a route or stub for {name}"
                )
        elif kind in _BLOCKED:
            if replies == "null":
                into.differs(place, "all blocked names get the same reply, that of block-reply")
            elif kind != "always_nxdomain":
                into.differs(place, "names in it get NXDOMAIN")
            into.block(name, place)
        elif kind == "always_null":
            self._null(name, place, replies, records)
        elif kind.startswith("block_a"):
            into.missing(place, "addresses of single domains cannot be left out")
        else:
            into.wrong(place, f"{kind!r} is not a type of local zones")

    def _null(self, name: str, place: Place, replies: str, records: list[_Record]) -> None:
        if replies == "null" and not records:
            self._converted.set("block-reply", "null", place)
            self._converted.block(name, place)
            return
        types = {(record.owner, word) for record in records for word in record.rest.upper().split()[:3]}
        for owner in dict.fromkeys([name, *[record.owner for record in records]]):
            for data in ("A 0.0.0.0", "AAAA ::"):
                if (owner, data.partition(" ")[0]) not in types:
                    self._converted.add("local", f"{owner} {data}", place)
                self._converted.add("local", f"*.{owner} {data}", place)

    def _redirect(self, name: str, place: Place, records: list[_Record]) -> None:
        if not records:
            self._converted.add("local-domain", name, place)
            self._converted.differs(place, "names in it do not exist; in Unbound they exist without records")
        for record in records:
            if record.owner != name:
                self._converted.wrong(record.place, f"below {name}, whose type is redirect, Unbound permits no records")
                continue
            for owner in (name, "*." if name == "." else f"*.{name}"):
                self._converted.add("local", f"{owner} {record.rest}", record.place)


def _unquotedSpaces(text: str) -> list[str]:
    """
    Split a text at spaces, but for those within double quotes.
    """
    words: list[str] = []
    for index, part in enumerate(text.split('"')):
        if index % 2:
            words.append(f'"{part}"')
        else:
            words += part.split()
    return words
