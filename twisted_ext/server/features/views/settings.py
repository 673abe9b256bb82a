"""
The settings of views: of each a C{[[view]]} table, or C{--view NAME=CLIENTS}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.clientwords import CLIENTS, ClientWords
from twisted_ext.server.config.setting import ASKING, DECLARED, TTLS, Section, Setting, setting
from twisted_ext.server.config.tables import TableSettings, key

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.types import Value

__all__ = ["POLICY_VIEW", "View", "ViewSettings", "ViewsSettings", "backendKey", "doorIn", "isValidating", "viewsOf"]


#: What stands for the view of zones that are rules of policy zones, from which no client is answered.
POLICY_VIEW: Final = "policy-zones"


@dataclass(slots=True, eq=False)
class View:
    """
    A class of clients.

    @ivar clients: texts that name them, see L{ClientWords<twisted_ext.server.config.clientwords.ClientWords>}.
    @ivar settings: all settings that apply to them.
    """

    name: str
    clients: Sequence[str]
    settings: Settings


class ViewSettings(TableSettings):
    """
    The settings of one view.

    @ivar clients: texts that name its clients.
    """

    table = "view"
    example = "children"
    short = "the addresses of its clients"
    # What else it has of its own is changed value by value.
    atRunTime = frozenset(["clients"])

    __slots__ = ()

    clients: tuple[str, ...] = key(
        CLIENTS,
        (),
        "Its clients: 192.168.1.40, 192.168.9.0/24, any; or how they come in: key=NAME of a TSIG key, interface=ADDRESS, server-name=NAME, "
        "https-path=/PATH, or several of these, as 10.0.0.0/8 key=NAME. The first view that has a client applies",
    )

    @property
    def given(self) -> dict[str, Value]:
        """
        The settings that it has of its own, checked, by name.
        """
        return {name: value for name, value in self.values.items() if name not in ("name", "clients")}

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        return (*super().declared(), *[each for each in DECLARED.all if each.inView])

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> Self:
        own = {each.name for each in super().declared()}
        common = [name for name in table if name not in own and (found := DECLARED.named(name)) is not None and not found.inView]
        if common and isinstance(table.get("name"), str):
            raise BadDescription("\n".join([f"view {table['name']}: {name} cannot differ between views" for name in common]))
        return super().fromTable(table, folder)

    def check(self) -> None:
        if self.name == POLICY_VIEW:
            raise BadDescription(f"view {self.name}: zones in a view of this name are for policy-zones; choose another name")
        if self.name in ("all", "default"):
            raise BadDescription(f"view {self.name}: commands mean others by all and default; choose another name")
        # Values that are removed while the server runs may leave an empty list, with which it has no clients.
        if "clients" not in self.values:
            raise BadDescription(f'view {self.name} has no clients; write clients = ["192.168.1.40"]')

    def checkAtRunTime(self) -> None:
        if said := doorIn(self.clients):
            raise BadDescription(f"view {self.name}: {said}")

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        return {"clients": text.split(",")}


def doorIn(clients: Iterable[str]) -> str:
    """
    Return why clients of a view are for the settings file only, and C{""} if they are not: they are more than addresses, which takes keys
    and places to listen that may be gone at the next start.
    """
    for text in clients:
        words = ClientWords.fromText(text)
        if text != words.prefix:
            return f"clients {text[:80]} is for the settings file only; addresses and prefixes are added while the server runs"
    return ""


_VIEW: Final = types.Table(
    "the name of a view and its clients, such as children=192.168.1.40,192.168.1.41, or a table", lambda: ViewSettings
)


class ViewsSettings(Section):
    isFirst = True

    view: tuple[str, ...] = setting(
        _VIEW,
        (),
        "Answer these clients by settings of their own: children=192.168.1.40,192.168.1.41. In the settings file it is a table headed "
        "[[view]], with name, clients and any of lists, block, block-list, block-except and block-reply; what it leaves out is as for all",
        group="Access control and replies",
        atRunTime=True,
    )


def viewsOf(settings: Settings) -> list[View]:
    """
    Return the views, in their order.

    @raise BadDescription: two have the same name.
    """
    found: dict[str, View] = {}
    for text in settings[ViewsSettings].view:
        given = ViewSettings.fromText(text)
        if given.name in found:
            raise BadDescription(f"view {given.name} is given twice")
        found[given.name] = View(given.name, given.clients, type(settings)({**settings.given, **given.given}))
    return list(found.values())


def backendKey(settings: Settings) -> tuple[Value, ...]:
    """
    Return what tells apart the servers that are asked for views: the settings for that which may differ between views. Views for which it
    is equal have a cache in common.
    """
    return settings.valuesOf([name for name in (*ASKING, *TTLS) if DECLARED.byName[name].inView])


def isValidating(settings: Settings) -> bool:
    """
    Return whether answers are validated here for any clients.
    """
    return any(each.isValidating for each in (settings, *[view.settings for view in viewsOf(settings)]))
