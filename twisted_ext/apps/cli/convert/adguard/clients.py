"""
The clients of AdGuard Home that have settings of their own, as views.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import networkFrom
from twisted_ext.apps.cli.convert.adguard.keys import Table
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.labels import labelFrom, unlike

__all__ = ["Client", "clientsFrom", "enginesIn", "viewTable", "viewsOf"]

#: Search engines, and whether they are restricted if nothing is said about them.
_ENGINES: Final = {
    "google": True,
    "bing": True,
    "duckduckgo": True,
    "youtube": True,
    "yandex": True,
    "ecosia": True,
    "pixabay": True,
    "brave": False,
}

#: What changes no answers.
_NEEDLESS: Final = ("uid", "tags", "ignore_querylog", "ignore_statistics", "upstreams_cache_size", "upstreams_cache_enabled")


@dataclass(slots=True)
class Client:
    """
    @ivar name: that of AdGuard Home.
    @ivar view: the name of its view.
    @ivar networks: its addresses.
    @ivar isOwn: whether it has settings of its own.
    @ivar isFiltered: whether lists apply to it.
    @ivar engines: the search engines that are restricted for it.
    """

    name: str
    view: str
    place: Place
    networks: list[str] = field(default_factory=list)
    isOwn: bool = False
    isFiltered: bool = True
    engines: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """
        The names by which rules have it: its own, and its address if it has just one.
        """
        if len(self.networks) == 1 and (only := ip_network(self.networks[0])).num_addresses == 1:
            return [self.name, str(only.network_address)]
        return [self.name]


def enginesIn(table: Table, earlier: str) -> list[str]:
    """
    Return the search engines whose results are restricted.

    @param earlier: the key of a switch for all of them, in earlier versions.
    """
    if not table.has("safe_search"):
        return [name for name, usual in _ENGINES.items() if usual] if table.flag(earlier) else []
    table.know(earlier)
    said = table.table("safe_search")
    isOn = said.flag("enabled")
    return [name for name, usual in _ENGINES.items() if said.flag(name, usual) and isOn]


def clientsFrom(tables: Iterable[Table], converted: Converted) -> list[Client]:
    """
    Return the clients that can be told by their addresses, the most specific ones first, as AdGuard Home looks for them.
    """
    found: list[Client] = []
    views: set[str] = set()
    for table in tables:
        name = table.text("name")
        place = table.place("name")._replace(directive=" ".join(name.split()))
        client = Client(name, "", place)
        for key in ("ids", "ip", "mac"):
            for each in table.texts(key):
                network = networkFrom(each.text)
                if network is None:
                    converted.missing(each.placeOfText, "a client is known by its address only", "give it a fixed address, and write that")
                else:
                    client.networks.append(network)
        _settings(client, table, converted)
        if client.networks:
            client.view = unlike(views, labelFrom(name))
            found.append(client)
    return sorted(found, key=lambda client: -max([ip_network(each).prefixlen for each in client.networks]))


def _settings(client: Client, table: Table, converted: Converted) -> None:
    table.know(*_NEEDLESS)
    client.isOwn = not table.flag("use_global_settings")
    client.isFiltered = table.flag("filtering_enabled")
    client.engines = enginesIn(table, "safesearch_enabled")
    for key, kind in (("parental_enabled", "adult content"), ("safebrowsing_enabled", "malware and phishing")):
        if table.flag(key) and client.isOwn:
            converted.missing(table.place(key), "AdGuard's servers are not asked about names", f"give the view a list of {kind}")
    ownServices = not table.flag("use_global_blocked_services", default=True)
    services = table.get("blocked_services")
    if services is not None and isinstance(services.value, dict):
        inner = table.table("blocked_services")
        # The schedule of what has no counterpart.
        inner.know("schedule")
        ids = inner.texts("ids")
    else:
        ids = table.texts("blocked_services")
    if ids and ownServices:
        converted.missing(table.place("blocked_services"), "there are no lists of services", "give the view a list with their names")
    if table.texts("upstreams"):
        converted.missing(table.place("upstreams"), "upstreams are for all clients", "run a second server for these clients")


def viewTable(client: Client, lists: Collection[str], engines: Collection[str], isApplied: bool) -> dict[str, object]:
    """
    Return the settings of the view of a client.

    @param lists: the lists that there are.
    @param engines: the search engines that are restricted for all.
    @param isApplied: whether lists apply to all clients.
    """
    table: dict[str, object] = {"name": client.view, "clients": client.networks}
    if not client.isOwn:
        return table
    if client.isFiltered != isApplied:
        table["lists"] = [*lists] if client.isFiltered else []
    if [*engines] != client.engines:
        table["safe-search"] = client.engines
    return table


def viewsOf(
    clients: Sequence[Client], named: Collection[str], made: Callable[[Client], dict[str, object]]
) -> list[tuple[Client, dict[str, object]]]:
    """
    Return the clients that need a view, with its settings, in the same order: those with settings of their own, those that rules name, and
    those that would be in the view of a larger network otherwise.
    """
    found: list[tuple[Client, dict[str, object]]] = []
    wider: list[IPv4Network | IPv6Network] = []
    for client in reversed(clients):
        table = made(client)
        networks = [ip_network(each) for each in client.networks]
        isWithin = any(each.version == other.version and each.overlaps(other) for each in networks for other in wider)
        if len(table) > 2 or any(name in named for name in client.names) or isWithin:
            found.append((client, table))
            wider += networks
    return found[::-1]
