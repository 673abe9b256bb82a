"""
Puts together what the views of C{named.conf} say, with who is answered and in which view.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.named.scope import Scope
from twisted_ext.apps.cli.convert.prefixes import EVERYONE, Network, byLength, disjoint, networksOf, writeAccess
from twisted_ext.apps.cli.convert.viewnames import policyZoneName, viewName
from twisted_ext.server.config.setting import ASKING, Setting
from twisted_ext.server.settings.plugged import allSettings

__all__ = ["COPIED", "COPIED_INSTEAD", "JoinedViews", "View"]

#: Settings that are not simply those of one view or another.
_APART: Final = ("role", "allow", "refuse", "drop", "zone", "view", "policy-zone")

#: Settings that matter only where names are looked up, be it from the root on or not.
_LOOKING_UP: Final = ("trust-anchor", "negative-trust-anchor", "stale", "stale-wait", "prefetch", "cache-size", *ASKING[1:])

#: What is said of a zone that two views have, and what to do.
COPIED: Final = "each view has a copy of the zone, and an update changes that of the client's view"
COPIED_INSTEAD: Final = "update both"

#: What is done with clients, the stricter first.
_STRICTNESS: Final = ("refuse", "zones", "allow")


@dataclass(slots=True, eq=False)
class View:
    """
    A view, or all that is said if there are none.

    @ivar known: its name here.
    @ivar own: what it says alone.
    @ivar words: its clients, as the setting has them.
    @ivar zones: the tables of its zones by their names, with their places.
    """

    name: str
    known: str
    place: Place
    scope: Scope
    own: Converted
    words: list[str]
    zones: dict[str, tuple[Mapping[str, object], Place]]

    @classmethod
    def of(cls, name: str, known: str, place: Place, scope: Scope, own: Converted) -> View:
        tables = own.values.get("zone", [])
        assert isinstance(tables, list)
        zones = {table["name"]: (table, place) for table, place in zip(tables, own.places.get("zone", []), strict=True)}
        clients = scope.clients.grants()
        if scope.destinations is not None:
            doors: list[str] = []
            for text in scope.destinations.grants():
                address, _, length = text.partition("/")
                if length in ("32", "128"):
                    doors.append(f"interface={address}")
                else:
                    own.missing(place, f"match-destinations: {text} is not one address", "list the addresses of the server")
            clients = [door if words == "any" else f"{words} {door}" for words in clients for door in doors]
        return cls(name, known, place, scope, own, clients, zones)

    @property
    def looksUp(self) -> bool:
        """
        Whether names outside its zones are looked up.
        """
        return self.own.values["role"] != "serve"

    def has(self, network: Network, key: str = "") -> bool:
        """
        Return whether its setting has the clients of a network that sign with a key.
        """
        return self.scope.clients.has(network) or self.scope.clients.has(network, key)

    def actionFor(self, network: Network) -> str:
        """
        Return what is done with the queries of its clients in a network: C{allow}, C{zones} or C{refuse}.
        """
        queried, recursed = self.scope.queried, self.scope.recursed
        if queried is None or queried.has(network):
            return "allow" if recursed is not None and recursed.has(network) else "zones"
        return "refuse"

    def value(self, setting: Setting) -> object:
        return self.own.values.get(setting.name, _usual(setting))


class JoinedViews:
    """
    Puts the views together.
    """

    def __init__(self, views: list[View], whole: Place, into: Converted) -> None:
        self._views = views
        self._whole = whole
        self._into = into
        self._keys = list(dict.fromkeys([key for view in views for key in view.scope.clients.keys]))
        clients = [network for view in views for network in view.scope.clients.networks]
        self._networks = list(dict.fromkeys([*clients, *networksOf(EVERYONE)]))
        #: The view that is what is said of all clients; L{None} if that is nothing.
        self._base = self._baseOf()

    def convert(self) -> None:
        self._role()
        self._access()
        written = [*self._returning({view.known for view in self._views}), *self._views]
        self._policyZones()
        tables = self._settings(written)
        for view, table in zip(written, tables, strict=True):
            if view is not self._base:
                self._into.add("view", {"name": view.known, "clients": view.words, **table}, view.place)
        self._zones(written)

    def _baseOf(self) -> View | None:
        """
        Return the last view if its zones are no others than those of the others, which are answered from zones for all as well, and no
        clients would be in it that are in no view there.
        """
        if not self._views or any(view.scope.destinations is not None for view in self._views):
            return None
        *others, last = self._views
        if any(last.zones.keys() - view.zones.keys() for view in others):
            return None
        for network in self._networks:
            if not any(view.scope.clients.has(network) for view in self._views):
                if any(view.scope.clients.has(network, key) for view in self._views for key in self._keys):
                    return None
        return last

    # -- what is asked

    def _role(self) -> None:
        roles = {str(view.own.values["role"]): view for view in reversed(self._views)}
        role = next((each for each in ("recurse", "forward") if each in roles), "serve")
        self._into.set("role", role, roles[role].own.places["role"][0] if role in roles else self._whole)
        if role == "serve":
            return
        for view in self._views:
            own = view.own
            own.set("recursive", view.looksUp, view.place)
            own.remove("hosts-file")
            own.add("hosts-file", "", self._whole)
            if role == "recurse" and own.values["role"] == "forward":
                for text, place in own.pairs("upstream"):
                    own.add("route", f".={text}", place)
                own.remove("upstream")

    # -- settings

    def _policyZones(self) -> None:
        """
        Declare the policy zones of all views, each with a name of its own.
        """
        known: dict[str, dict[str, object]] = {}
        for view in self._views:
            own, names = view.own, {}
            tables = own.values.get("policy-zone", [])
            assert isinstance(tables, list)
            for table, place in zip(tables, own.places.get("policy-zone", []), strict=True):
                if "file" not in table and len(self._views) > 1:
                    what = "a policy zone that is transferred, or that clients change, is not one of a view"
                    self._into.missing(place, what, 'give its [[zone]] view = "policy-zones"')
                    continue
                name = str(table["name"])
                same = next((each for each, one in known.items() if one == {**table, "name": each}), "")
                names[name] = same or policyZoneName(name, known)
                if not same:
                    known[names[name]] = {**table, "name": names[name]}
                    self._into.add("policy-zone", known[names[name]], place)
            if "policy-zones" in own.values:
                pairs = [(names[name], place) for name, place in own.pairs("policy-zones") if name in names]
                own.remove("policy-zones")
                for name, place in pairs:
                    own.add("policy-zones", name, place)

    def _settings(self, written: Sequence[View]) -> list[dict[str, object]]:
        """
        Set what is said of all clients, and return what is different for those of each view.
        """
        tables: list[dict[str, object]] = [{} for _ in written]
        for setting in allSettings(plugins=False):
            name = setting.name
            asking = self._asking(setting)
            for view in self._views:
                if view not in asking:
                    for place in view.own.places.get(name, ()):
                        self._into.needless(place, "no names are looked up with it")
            if name in _APART or not any(name in view.own.values for view in asking):
                continue
            if not setting.inView:
                self._common(setting, asking)
                continue
            # What is said of all clients is what the last view says, or without such a one, what all views say.
            among = asking if self._base is None else [self._base] if self._base in asking else []
            same = bool(among) and all(view.value(setting) == among[0].value(setting) for view in among)
            value = among[0].value(setting) if same else _usual(setting)
            if name == "recursive" and self._base is None:
                value = False
            if value != _usual(setting):
                saying = [view for view in among if name in view.own.values]
                self._into.values[name], self._into.places[name] = value, saying[0].own.places[name]
            for view, table in zip(written, tables, strict=True):
                if any(view.own is each.own for each in asking) and view.value(setting) != value:
                    table[name] = view.value(setting)
        return tables

    def _asking(self, setting: Setting) -> list[View]:
        """
        Return the views for which a setting matters.
        """
        if setting.name in _LOOKING_UP:
            return [view for view in self._views if view.looksUp]
        if setting.roles == ("recurse",):
            return [view for view in self._views if view.own.values["role"] == "recurse"]
        return self._views

    def _common(self, setting: Setting, asking: Sequence[View]) -> None:
        """
        Set a setting that cannot differ between views.

        @param asking: the views for which it matters.
        """
        name, into = setting.name, self._into
        if setting.many:
            everywhere = set.intersection(*[set(map(repr, _listed(view, setting))) for view in asking])
            for view in asking:
                for value, place in zip(_listed(view, setting), view.own.places.get(name, []), strict=True):
                    if repr(value) in everywhere:
                        into.add(name, value, place)
                    else:
                        into.missing(place, f"{name} cannot differ between views, and others than {view.name} do not have this")
            return
        leader = self._base if self._base in asking else asking[-1]
        assert leader is not None
        for view in asking:
            if view.value(setting) != leader.value(setting):
                place = view.own.places.get(name, [view.place])[0]
                into.differs(place, f"{name} cannot differ between views: view {view.name} has that of {leader.name}")
        if name in leader.own.values:
            into.values[name], into.places[name] = leader.own.values[name], leader.own.places[name]

    def _zones(self, written: Iterable[View]) -> None:
        base = self._base
        for view in written:
            for name, (table, place) in view.zones.items():
                if view is base:
                    self._into.zone(table, place)
                elif base is None or table != base.zones.get(name, ({}, place))[0]:
                    self._into.zone({"name": name, "view": view.known, **table}, place)

    # -- clients

    def _access(self) -> None:
        """
        Say who is answered. A client that may look names up, but not query the zones, or that is an exception among those that may, is
        refused: clients that may query the zones only are those in no prefix, or in a view that looks nothing up.
        """
        base, into = self._base, self._into
        scopes = [view.scope for view in self._views]
        # It is for all views.
        dropped = scopes[0].blackholed if scopes else None
        blackhole = scopes[0].find("blackhole") if scopes else None
        serves = into.values["role"] == "serve"
        said: dict[tuple[Place, str, str], list[Network]] = {}

        def say(view: View, network: Network, text: str, instead: str) -> None:
            said.setdefault((view.scope.accessPlace(), text, instead), []).append(network)

        def decide(network: Network) -> str:
            if dropped is not None and dropped.has(network):
                return "drop"
            found: list[str] = []
            for view in self._of(network):
                action = view.actionFor(network)
                if action == "refuse" and view.scope.recursed is not None and view.scope.recursed.has(network):
                    text = "clients that may look names up but not query the zones are refused"
                    say(view, network, text, "allow them to query the zones")
                if action == "zones" and not serves and (view is not base or ("allow" in found and not view.looksUp)):
                    action = "allow"
                    if view.looksUp:
                        action = "refuse"
                        text = "clients that may query the zones of their view there, but look no names up, are refused"
                        say(view, network, text, "allow them to look names up")
                found.append(action)
                if len(set(found)) > 1:
                    say(view, network, "clients that may do more than others with the same addresses are treated as these", "")
            return min(found, key=_STRICTNESS.index, default="refuse")

        def placeOf(network: Network) -> Place:
            if blackhole is not None and dropped is not None and dropped.has(network):
                return blackhole.place
            found = next((view.scope for view in self._of(network)), scopes[-1] if scopes else None)
            return self._whole if found is None else found.accessPlace()

        lists = [each for scope in scopes for each in (scope.clients, scope.recursed, scope.queried, dropped) if each is not None]
        networks = [network for each in lists for network in each.networks]
        hasZones = base is not None and bool(base.scope.served)
        writeAccess(into, networks, decide, placeOf, zones=hasZones, looksUp=base is not None and base.looksUp)
        for (place, text, instead), among in said.items():
            into.differs(place, f"{text}: {', '.join(map(str, dict.fromkeys(among)))}", instead)
        named = [(scope, each) for scope in scopes for each in (scope.recursed, scope.queried, dropped) if each is not None]
        for place, key in dict.fromkeys([(scope.accessPlace(), key) for scope, each in named for key in each.keys]):
            into.missing(place, f"clients with the key {key} are not told apart", f"allow their addresses, or key={key} from anywhere")

    def _of(self, network: Network) -> Iterator[View]:
        """
        Iterate over the views in which clients of a network may be.
        """
        for view in self._views:
            if any(view.has(network, key) for key in ("", *self._keys)):
                yield view
            if view.scope.clients.has(network) and view.scope.destinations is None:
                return

    def _returning(self, names: set[str]) -> Iterator[View]:
        """
        Make the views that come before all others, for clients that a view leaves out for their key, and that are in a later one. They are
        as these are.

        @param names: those of views; the names of these are added.
        """
        words: dict[View, list[str]] = {}
        for key in self._keys:
            there: dict[Network, View | None] = {}
            here: dict[Network, View | None] = {}
            for network in self._networks:
                there[network] = next((view for view in self._views if view.scope.clients.has(network, key)), None)
                here[network] = next((view for view in self._views if view.has(network, key)), None)
            for view in dict.fromkeys(there.values()):
                moved = {network for network in self._networks if there[network] is view is not here[network]}
                if view is None:
                    for place in dict.fromkeys([found.place for network in moved if (found := here[network]) is not None]):
                        text = f"a client that signs with {key} is in this view nevertheless, if its address is in it"
                        self._into.differs(place, text, "it could do without the key")
                elif moved:
                    rules = byLength(self._networks, moved.__contains__, False)
                    words.setdefault(view, []).extend(f"key={key}" if each == "any" else f"{each} key={key}" for each in disjoint(rules))
        for view, given in words.items():
            if given:
                known = view.known if view is self._base else viewName(view.name, names)
                names.add(known)
                for table, place in view.zones.values() if view is not self._base else ():
                    if "update" in table:
                        self._into.differs(place, COPIED, COPIED_INSTEAD)
                yield replace(view, known=known, words=given)


def _usual(setting: Setting) -> object:
    return list(setting.default) if isinstance(setting.default, tuple) else setting.default


def _listed(view: View, setting: Setting) -> list[object]:
    found = view.own.values.get(setting.name, [])
    assert isinstance(found, list)
    return found
