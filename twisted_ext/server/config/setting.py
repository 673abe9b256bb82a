"""
Declarations of settings: each says the type of a value, its default and its help text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, cast

from twisted_ext.errors import BadDescription
from twisted_ext.limits import Limit
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Kind, Value

__all__ = ["DECLARED", "GROUPS", "RESOLVING", "Section", "Setting", "number", "octets", "setting", "shown"]

_V = TypeVar("_V")

_ALL: Final = ("forward", "recurse", "serve")

#: The roles of servers that ask others.
RESOLVING: Final = ("forward", "recurse")

#: The headings that settings are listed under, in their order, each with the roles of servers that its settings have an effect with.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Where to listen": _ALL,
    "Encryption": _ALL,
    "What to serve": _ALL,
    "Upstreams": RESOLVING,
    "Recursion": ("recurse",),
    "Local records": RESOLVING,
    "Blocking": RESOLVING,
    "Cache": RESOLVING,
    "Access control and replies": _ALL,
    "Monitoring": _ALL,
}


@dataclass(slots=True, eq=False)
class Setting:
    """
    One setting of the server.

    @ivar name: the option without its hyphens, which is also the key in the file.
    @ivar kind: the type of its value, or of each value where there may be several.
    @ivar help: the help text, one sentence.
    @ivar short: the one-letter option, or C{""}.
    @ivar group: the heading that it is listed under.
    @ivar live: whether a reload applies a new value; if not, it takes a restart.
    @ivar roles: the roles with which it has an effect.
    @ivar serving: the default of servers that answer from their zones alone; L{None} if it is the same.
    @ivar inView: whether each view may have a value of its own.
    @ivar atRunTime: whether values may be added and removed while the server runs, without the settings file.
    @ivar attribute: the name of the attribute of its L{Section}.
    @ivar section: the class that declares it.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    _: KW_ONLY
    short: str = ""
    group: str = ""
    live: bool = True
    roles: tuple[str, ...] = ()
    serving: Value | None = None
    inView: bool = False
    atRunTime: bool = False
    attribute: str = ""
    section: type[object] = object

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.section = owner
        self.attribute = name
        self.name = re.sub("[A-Z]", lambda capital: f"-{capital[0].lower()}", name)

    @property
    def many(self) -> bool:
        return isinstance(self.default, tuple)

    @property
    def allowed(self) -> str:
        return f"{self.kind.allowed}, once or several times" if self.many else self.kind.allowed

    def valueIn(self, given: Mapping[str, Value]) -> Value:
        """
        Return its value among checked ones, which are by name, or else its default with the role that is among them.
        """
        usual = self.default
        if self.serving is not None and given.get("role") == "serve":
            usual = self.serving
        return given.get(self.name, usual)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        """
        Check a TOML value.

        @param folder: the base of relative paths; C{""} for the working directory.

        @raise BadDescription: the value is not valid; says which ones are.
        """
        if not self.many:
            return self.kind.fromTOML(value, folder)
        if isinstance(value, str):
            value = [value]
        if isinstance(self.kind, types.Table) and isinstance(value, dict):
            value = [value]
        if self.kind in (types.ROUTE, types.STUB, types.NEGATIVE_ANCHOR) and isinstance(value, dict):
            value = [
                f"{domain}={','.join(map(str, target)) if self.kind is types.STUB and isinstance(target, list) else target}"
                for domain, target in value.items()
            ]
        if not isinstance(value, list):
            raise BadDescription(f"takes a list, each {self.kind.allowed}, not {value!r}")
        return tuple([str(self.kind.fromTOML(each, folder)) for each in value])


def setting(
    kind: Kind,
    default: _V,
    help: str,
    *,
    short: str = "",
    group: str = "",
    live: bool = True,
    roles: tuple[str, ...] = (),
    serving: _V | None = None,
    inView: bool = False,
    atRunTime: bool = False,
) -> _V:
    """
    Declare a setting as an attribute of a class, which names it. Type checkers see the type of its value.

    @param group: the heading that it and those after it are listed under; C{""} for that of the one before it.
    @param live: whether a reload applies a new value; if not, it takes a restart.
    @param roles: the roles with which it has an effect; C{()} for those of the group.
    @param serving: the default with the role C{serve}; L{None} if it is the same.
    @param inView: whether each view may have a value of its own.
    @param atRunTime: whether values may be added and removed while the server runs.
    """
    value, elsewhere = cast("Value", default), cast("Value | None", serving)
    made = Setting(
        "", kind, value, help, short=short, group=group, live=live, roles=roles, serving=elsewhere, inView=inView, atRunTime=atRunTime
    )
    return cast("_V", made)


def number(
    limit: Limit,
    help: str,
    *,
    unit: str = "",
    whole: bool = True,
    group: str = "",
    live: bool = True,
    roles: tuple[str, ...] = (),
    inView: bool = False,
    atRunTime: bool = False,
) -> int:
    """
    Declare a setting for a number, by default that of the limit.
    """
    default = int(limit.default) if whole else limit.default
    kind = types.Number(limit, unit, whole=whole)
    return setting(kind, cast(int, default), help, group=group, live=live, roles=roles, inView=inView, atRunTime=atRunTime)


def octets(limit: Limit, help: str, *, live: bool = True) -> int:
    """
    Declare a setting for a number of octets, by default that of the limit.
    """
    return setting(types.Octets(limit), int(limit.default), help, live=live)


class Section:
    """
    The settings of one part of the server: an attribute for the value of each. A subclass declares them with L{setting}, L{number} and
    L{octets}, of which the first names its group, one of L{GROUPS} or its own.

    @cvar isFirst: whether they are listed before those of the server itself in the same group.
    """

    isFirst: ClassVar[bool] = False

    def __init__(self, given: Mapping[str, Value]) -> None:
        """
        @param given: checked values by the names of settings; missing ones get their defaults.
        """
        for each in self.declared():
            setattr(self, each.attribute, each.valueIn(given))

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """
        Return the declarations. Those of a group that is none of L{GROUPS} have an effect with all roles, unless they name others.

        @raise ValueError: the first one names no group.
        """
        found = [each for each in vars(cls).values() if isinstance(each, Setting)]
        group = ""
        for each in found:
            group = each.group = each.group or group
            if not group:
                raise ValueError(f"{each.name}: the first setting of a section names its group")
            each.roles = each.roles or GROUPS.get(group, _ALL)
        return tuple(found)


#: The settings from which the sources that query other servers are built.
ASKING: Final = ("recursive", "upstream", "route", "resolv-conf", "upgrade-upstreams", "upgrade-unverified", "hedge", "cache")

#: Those that bound the TTLs of upstream answers.
TTLS: Final = ("min-ttl", "max-ttl", "max-negative-ttl")


class Declarations:
    """
    The settings that there are: those of the server, and those of the features that L{twisted_ext.server.features.order} lists.

    @ivar all: by group, those of the server itself before those of most features. Groups of plugins come last.
    @ivar byName: each by its name.
    @ivar adopt: adds those of plugins, if that has not been done yet.
    """

    def __init__(self) -> None:
        self.all: tuple[Setting, ...] = ()
        self.byName: dict[str, Setting] = {}
        self.adopt: Callable[[], object] = lambda: None

    def declare(self, sections: Iterable[type[Section]]) -> None:
        """
        Replace the settings by those of these sections.
        """
        declared = [each for section in sorted(sections, key=lambda each: not each.isFirst) for each in section.declared()]
        order = {group: place for place, group in enumerate([*GROUPS, *sorted({each.group for each in declared} - {*GROUPS})])}
        self.all = tuple(sorted(declared, key=lambda each: order[each.group]))
        self.byName = {each.name: each for each in self.all}

    def withPlugins(self) -> tuple[Setting, ...]:
        """
        Return all settings, those of plugins too.
        """
        self.adopt()
        return self.all

    def named(self, name: str) -> Setting | None:
        """
        Return the setting of this name. If it is none of this package's, plugins are loaded.
        """
        if name not in self.byName:
            self.adopt()
        return self.byName.get(name)


DECLARED: Final = Declarations()


def shown(value: Value) -> str:
    """
    Format a value as TOML.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join([shown(each) for each in value])}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
