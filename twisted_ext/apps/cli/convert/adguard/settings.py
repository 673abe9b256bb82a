"""
Converts AdGuard Home's C{AdGuardHome.yaml}, with its clients as views. Earlier versions have some tables in others; they are read where
they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import NAT64, isAddress, labelOf, networkFrom
from twisted_ext.apps.cli.convert.adguard.keys import Table, keysIn
from twisted_ext.apps.cli.convert.adguard.rewrites import Rules, clientsIn, convertRewrites, convertRules
from twisted_ext.apps.cli.convert.adguard.upstreams import convertUpstreams
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.outcome import outcomesOf
from twisted_ext.apps.cli.convert.words import labelFrom, numberFrom, unlike
from twisted_ext.server.limits import HISTORY_DAYS

__all__ = ["Client", "clientsFrom", "convert", "enginesIn", "viewTable", "viewsOf"]

#: Keys of C{dns} and C{filtering} that become no setting.
_OUTCOMES: Final = outcomesOf("adguard")

#: Keys and tables of the first level that are no part of a DNS server's answers.
_OTHERS: Final = (
    "http", "users", "auth_attempts", "block_auth_min", "http_proxy", "language", "theme", "debug_pprof", "web_session_ttl",
    "statistics", "log", "os", "bind_host", "bind_port", "beta_bind_port", "rlimit_nofile", "log_compress", "log_localtime",
    "log_max_backups", "log_max_size", "log_max_age", "log_file", "verbose", "schema_version",
)  # fmt: skip

_EVERYWHERE: Final = ("0.0.0.0", "::")

#: Names that AdGuard Home refuses by default, and this server too.
_REFUSED: Final = ("version.bind", "id.server", "hostname.bind")

_PROXIES: Final = {"127.0.0.0/8", "::1/128"}

#: How blocked names are answered.
_MODES: Final = {"default": "null", "null_ip": "null", "nxdomain": "nxdomain"}

_DURATION: Final = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)

#: The longest minimum TTL of a cache.
_HOUR: Final = 3600

#: Hours between two fetches: the default, and the most.
_DAY = 24
_MONTH = 30 * _DAY

#: How long queries are kept if nothing is said about it.
_KEPT: Final = "2160h"

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


def addLists(root: Table, hours: int, names: set[str], converted: Converted) -> Iterator[tuple[str, Place]]:
    """
    Add the lists that are switched on; iterate over the names that they have got, with their places.

    @param hours: how often they are fetched.
    @param names: gets these names.
    """
    every = {} if hours in (0, _DAY) else {"every": f"{min(hours, _MONTH)}h"}
    for key in ("filters", "whitelist_filters"):
        for each in root.tables(key):
            each.know("id", "last_updated")
            url, title = each.text("url").strip(), each.text("name")
            place = each.place("url")._replace(directive=" ".join((url or title).split()))
            if not each.flag("enabled"):
                continue
            table: dict[str, object] = {"name": unlike(names, _label(title, url))}
            if url.startswith("https://"):
                table |= {"url": url, **every}
            elif url.startswith("http://"):
                converted.missing(place, "lists are fetched over https only", "use its https URL, or download it to a file")
                continue
            elif url:
                table["file"] = url
            if key == "whitelist_filters":
                table["allow"] = True
            if converted.add("list", table, place):
                yield str(table["name"]), place


def _label(title: str, url: str) -> str:
    """
    Return a name for a list: its title, or if that has no letters that names have, the last part of its address.
    """
    if re.search("[A-Za-z0-9]", title):
        return labelFrom(title)
    return labelFrom(url.rstrip("/").rpartition("/")[2].partition(".")[0])


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    """
    Convert a file.

    @raise BadDescription: it cannot be read, or the library for it is missing.
    """
    tables: list[Table] = []
    _AdGuard(Table(keysIn(text, path), converted, tables), includes, converted).convert()
    for key in [key for table in tables for key in table.unknown()]:
        converted.missing(key.place, "this key is not known")


class _AdGuard:
    def __init__(self, root: Table, includes: Includes, converted: Converted) -> None:
        self._root = root
        self._includes = includes
        self._converted = converted
        self._dns = root.table("dns")
        self._filtering = root.table("filtering")
        self._names: set[str] = set()

    def convert(self) -> None:
        convertUpstreams(self._dns, self._includes, self._converted)
        self._listeners()
        self._encryption()
        self._access()
        self._cache()
        self._answers()
        self._blocking()
        self._history()
        self._others()

    def _table(self, name: str) -> Table:
        """
        Return the table that has a key: C{filtering}, or C{dns} in earlier versions.
        """
        return self._filtering if self._filtering.has(name) or not self._dns.has(name) else self._dns

    def _flag(self, name: str, default: bool = False) -> bool:
        return self._table(name).flag(name, default)

    def _place(self, name: str) -> Place:
        return self._table(name).place(name)

    # -- listeners

    def _hosts(self) -> list[tuple[str, Place]]:
        found = [*self._dns.texts("bind_hosts"), *self._dns.texts("bind_host")]
        return [(each.text.strip(), each.placeOfText) for each in found]

    def _listeners(self) -> None:
        converted, dns = self._converted, self._dns
        hosts = self._hosts()
        if not any(host in _EVERYWHERE for host, _ in hosts):
            for host, place in hosts:
                converted.add("interface", host, place)
        port = dns.number("port", 53)
        if port != 53:
            converted.set("port", port, dns.place("port"))
        if not dns.flag("serve_plain_dns", default=True):
            converted.missing(dns.place("serve_plain_dns"), "plain DNS cannot be turned off", "let interface be 127.0.0.1")
        if not dns.flag("handle_ddr", default=True):
            converted.set("designate", False, dns.place("handle_ddr"))

    def _encryption(self) -> None:
        converted, tls = self._converted, self._root.table("tls")
        tls.know("force_https", "dnscrypt_config_file", "override_tls_ciphers", "ciphers")
        certificate, key, name = (tls.text(each) for each in ("certificate_path", "private_key_path", "server_name"))
        inline = [each for each in ("certificate_chain", "private_key") if tls.text(each)]
        ports = {"tls": "port_dns_over_tls", "https": "port_https", "quic": "port_dns_over_quic"}
        usual = {"tls": 853, "https": 443, "quic": 853}
        numbers = {setting: tls.number(each, usual[setting]) for setting, each in ports.items()}
        others = [each for each in ("strict_sni_check", "allow_unencrypted_doh") if tls.flag(each)]
        dnscrypt = tls.number("port_dnscrypt")
        http3 = self._dns.flag("serve_http3")
        if not tls.flag("enabled"):
            return
        for each in inline:
            converted.missing(tls.place(each), "certificates and keys are in files", "write it to a file, and name that")
        for each in others:
            reason = "clients are answered whatever name they ask for" if each == "strict_sni_check" else "a proxy has a port of its own"
            advice = "" if each == "strict_sni_check" else "see https-clear"
            converted.missing(tls.place(each), reason, advice)
        if dnscrypt:
            converted.missing(tls.place("port_dnscrypt"), "DNSCrypt is not served")
        if not certificate:
            if not inline:
                converted.missing(tls.place("enabled"), "there is no file with a certificate", "write certificate and key")
            return
        converted.add("certificate", certificate, tls.place("certificate_path"))
        if key:
            converted.add("key", key, tls.place("private_key_path"))
        if name:
            converted.set("designated-name", name, tls.place("server_name"))
        for setting, number in numbers.items():
            self._listen(setting, number, usual[setting], tls.place(ports[setting]))
        if http3:
            self._listen("http3", numbers["https"], 443, self._dns.place("serve_http3"))

    def _listen(self, setting: str, port: int, usual: int, place: Place) -> None:
        hosts = [host for host, _ in self._hosts()]
        if not port:
            return
        for host in hosts if hosts and not any(host in _EVERYWHERE for host in hosts) else [""]:
            self._converted.add(setting, labelOf(host, port, usual) if host else f":{port}", place)

    # -- clients and answers

    def _access(self) -> None:
        converted, dns = self._converted, self._dns
        allowed = dns.texts("allowed_clients")
        for listed, setting in ((allowed, "allow"), (dns.texts("disallowed_clients"), "drop")):
            for each in listed:
                network = networkFrom(each.text)
                if network is None:
                    converted.missing(each.placeOfText, "a client is known by its address only", "write its address")
                elif setting == "drop" and allowed:
                    converted.needless(each.placeOfText, "others than the allowed clients are refused")
                else:
                    converted.add(setting, network, each.placeOfText)
        if allowed and not converted.texts("allow"):
            # By default private networks are answered.
            converted.none("allow")
        if not allowed:
            reason = "clients of private networks only are answered by default"
            converted.note(dns.place("allowed_clients"), reason, "allow others with allow")
        if not {each.text for each in dns.texts("trusted_proxies")} <= _PROXIES:
            reason = "a proxy has a port of its own, and each client at the address of one needs a proxy"
            converted.missing(dns.place("trusted_proxies"), reason, "set https-clear, and trusted-proxies to the proxy alone")
        rate = dns.number("ratelimit")
        if rate:
            converted.set("client-rate", rate, dns.place("ratelimit"))
        if not dns.flag("refuse_any", default=True):
            converted.set("minimal-any", False, dns.place("refuse_any"))

    def _cache(self) -> None:
        converted, dns = self._converted, self._dns
        size = dns.number("cache_size", 1)
        if not dns.flag("cache_enabled", default=True):
            converted.set("cache", False, dns.place("cache_enabled"))
        elif not size:
            converted.set("cache", False, dns.place("cache_size"))
        elif size not in (1, 4 << 20):
            converted.set("cache-size", max(size, 64 << 10), dns.place("cache_size"))
        least, most = dns.number("cache_ttl_min"), dns.number("cache_ttl_max")
        if least:
            converted.set("min-ttl", min(least, _HOUR), dns.place("cache_ttl_min"))
        if most:
            converted.set("max-ttl", most, dns.place("cache_ttl_max"))
        if 0 < most < least:
            converted.differs(dns.place("cache_ttl_max"), "AdGuard Home gives only TTLs above cache_ttl_min this one, and others that one")
            converted.settleTTLs("max-ttl")
        isOptimistic, age = dns.flag("cache_optimistic"), dns.text("cache_optimistic_max_age")
        if isOptimistic:
            converted.set("stale-wait", 0, dns.place("cache_optimistic"))
            matched = _DURATION.fullmatch(age)
            if matched is None:
                converted.wrong(dns.place("cache_optimistic_max_age"), "this is not a time")
            elif age:
                hours, minutes, seconds = (int(each or "0") for each in matched.groups())
                converted.set("stale", hours * 3600 + minutes * 60 + seconds, dns.place("cache_optimistic_max_age"))

    def _answers(self) -> None:
        converted, dns = self._converted, self._dns
        if dns.flag("aaaa_disabled"):
            converted.set("filter-aaaa", True, dns.place("aaaa_disabled"))
        if not dns.flag("hostsfile_enabled", default=True):
            converted.add("hosts-file", "", dns.place("hostsfile_enabled"))
        if dns.flag("enable_dnssec"):
            reason = "clients that ask for DNSSEC get its records; the upstreams are trusted to validate, as AdGuard Home does"
            converted.note(dns.place("enable_dnssec"), reason, "to validate here, write validate: in front of each upstream")
        subnet = dns.get("edns_client_subnet")
        if subnet is not None and isinstance(subnet.value, dict):
            told = dns.table("edns_client_subnet")
            told.know("custom_ip", "use_custom")
            tells = told.flag("enabled")
        else:
            tells = dns.flag("edns_client_subnet")
        if tells:
            converted.missing(dns.place("edns_client_subnet"), "upstreams are told no part of a client's address")
        for name in ("local_domain_name", "autohost_tld"):
            # The domain of the clients of its DHCP server.
            dns.know(name)
        if dns.text("local_domain_name"):
            converted.needless(dns.place("local_domain_name"), "this server gives no addresses to clients")
        for each in dns.texts("bogus_nxdomain"):
            converted.add("deny-answer-addresses", each.text, each.placeOfText)
        prefixes = dns.texts("dns64_prefixes")
        if dns.flag("use_dns64"):
            for each in prefixes:
                converted.add("dns64", each.text, each.place)
            if not prefixes:
                converted.add("dns64", NAT64, dns.place("use_dns64"))

    # -- blocking

    def _blocking(self) -> None:
        converted, root = self._converted, self._root
        engines = enginesIn(self._table("safe_search"), "safesearch_enabled")
        if not engines and self._dns.flag("safesearch_enabled"):
            engines = enginesIn(self._dns, "safesearch_enabled")
        persistent = root.get("clients")
        if persistent is not None and isinstance(persistent.value, list):
            clients = clientsFrom(root.tables("clients"), converted)
        else:
            table = root.table("clients")
            table.know("runtime_sources")
            clients = clientsFrom(table.tables("persistent"), converted)
        hours = self._table("filters_update_interval").number("filters_update_interval", 24)
        self._reply()
        rewrites = self._table("rewrites").tables("rewrites") if self._flag("rewrites_enabled", default=True) else []
        self._table("rewrites").know("rewrites")
        rules, lists = Rules(), []
        isOn = self._flag("protection_enabled", default=True)
        isApplied = isOn and self._flag("filtering_enabled", default=True)
        if self._table("protection_disabled_until").text("protection_disabled_until"):
            converted.note(self._place("protection_disabled_until"), "a pause is not converted", "see txdns control pause")
        written = root.texts("user_rules")
        if isApplied or (isOn and any(each.isOwn and each.isFiltered for each in clients)):
            found = [*addLists(root, hours, self._names, converted)]
            lists = [name for name, _ in found]
            rules = convertRules(written, {name: each.view for each in clients for name in each.names}, converted)
            if isApplied:
                for name, place in found:
                    converted.add("lists", name, place)
        else:
            root.know("filters", "whitelist_filters")
        if not isApplied:
            name = "filtering_enabled" if isOn else "protection_enabled"
            converted.note(self._place(name), "blocking is off, so the lists are not converted, or are for some clients only")
        convertRewrites(rewrites, rules, converted)
        for record, place in rules.records:
            converted.add("local", record, place)
        if rules.lines:
            own = unlike(self._names, "own")
            place = root.place("user_rules") if root.has("user_rules") else self._place("rewrites")
            if converted.add("list", rules.table(own), place):
                lists.append(own)
                if isApplied:
                    converted.add("lists", own, place)
        lists += self._refused()
        if isOn:
            for engine in engines:
                if not converted.add("safe-search", engine, self._place("safe_search")):
                    break
        named = {name for rule in written for name in clientsIn(rule.text)}
        for client, settings in viewsOf(clients if isOn else [], named, lambda client: viewTable(client, lists, engines, isApplied)):
            converted.add("view", settings, client.place)
        self._services()

    def _refused(self) -> list[str]:
        """
        Add a list of the names that nobody may ask for.
        """
        converted, dns = self._converted, self._dns
        refused = [each for each in dns.texts("blocked_hosts") if each.text not in _REFUSED]
        if not refused:
            return []
        place = dns.place("blocked_hosts")
        rules = convertRules(refused, {}, converted)
        name = unlike(self._names, "refused")
        if not rules.lines or not converted.add("list", rules.table(name), place):
            return []
        converted.add("lists", name, place)
        converted.note(place, "these names are blocked; AdGuard Home does not reply to queries for them")
        return [name]

    def _reply(self) -> None:
        converted, table = self._converted, self._table("blocking_mode")
        mode, place = table.text("blocking_mode", "default"), table.place("blocking_mode")
        addresses = [self._table(name).text(name) for name in ("blocking_ipv4", "blocking_ipv6")]
        if mode in _MODES:
            converted.set("block-reply", _MODES[mode], place)
        elif mode == "refused":
            converted.differs(place, "queries for blocked names are not refused: the names do not exist", "see block-reply")
        elif mode == "custom_ip" and any(isAddress(each) for each in addresses):
            converted.set("block-reply", ",".join([each for each in addresses if each]), place)
        else:
            converted.wrong(place, "this is not a way to answer for blocked names, or has no addresses")

    def _services(self) -> None:
        converted, table = self._converted, self._table("blocked_services")
        found = table.get("blocked_services")
        ids = table.texts("blocked_services") if found is None or not isinstance(found.value, dict) else []
        if found is not None and isinstance(found.value, dict):
            inner = table.table("blocked_services")
            # The schedule of what has no counterpart.
            inner.know("schedule")
            ids = inner.texts("ids")
        for each in ids:
            converted.missing(each.placeOfText, "there are no lists of services", "write a [[list]] with the names of this service")
        for name, kind in (("parental_enabled", "adult content"), ("safebrowsing_enabled", "malware and phishing")):
            if self._flag(name):
                converted.missing(self._place(name), "AdGuard's servers are not asked about names", f"apply a list of {kind}")

    # -- the rest

    def _history(self) -> None:
        """
        Convert how long queries are kept, and what is kept of clients.
        """
        converted, dns = self._converted, self._dns
        # In earlier versions, the keys are in dns.
        table, above = (self._root.table("querylog"), "") if self._root.has("querylog") else (dns, "querylog_")
        enabled, written, interval, ignored = [f"{above}{word}" for word in ("enabled", "file_enabled", "interval", "ignored")]
        table.know("dir_path", "size_memory", "ignored_enabled")
        isAnonymous = dns.flag("anonymize_client_ip")
        isWritten = table.flag(written, default=True)
        hours, names = self._hoursOf(table, interval), table.texts(ignored)
        if not table.has(enabled):
            return
        place = table.place(enabled)
        if not table.flag(enabled) or not isWritten:
            converted.needless(place, "by default no queries are kept")
            return
        converted.differs(
            place, "queries are kept only in a folder that is set", "set state to a folder, and query-history = true; txdns log shows them"
        )
        converted.set("query-history-days", int(HISTORY_DAYS.pick(-(-hours // _DAY))), table.place(interval))
        if hours % _DAY:
            converted.differs(table.place(interval), "queries are kept for whole days")
        if isAnonymous:
            converted.set("query-history-clients", "network", dns.place("anonymize_client_ip"))
            converted.differs(
                dns.place("anonymize_client_ip"),
                "the networks /24 and /56 of clients are kept, not /16 and /48",
                "set query-history-clients to hash or none",
            )
        for each in names:
            converted.missing(each.placeOfText, "rules of queries that are not kept are not read", "see query-history-skip")

    def _hoursOf(self, table: Table, name: str) -> int:
        """
        Return the hours for which queries are kept; earlier versions write days.
        """
        text = table.text(name, _KEPT)
        days = numberFrom(text)
        if days is not None:
            return days * _DAY
        matched = _DURATION.fullmatch(text)
        if matched is None:
            self._converted.wrong(table.place(name), "this is not a time")
            return _MONTH
        hours, minutes, seconds = (int(each or "0") for each in matched.groups())
        return hours + -(-(minutes * 60 + seconds) // 3600)

    def _others(self) -> None:
        converted, root = self._converted, self._root
        dhcp = root.get("dhcp")
        if dhcp is not None and isinstance(dhcp.value, dict):
            table = root.table("dhcp")
            table.know(*table.keys)
            if table.flag("enabled"):
                advice = "let the router do so, or run dnsmasq for it"
                converted.missing(table.place("enabled"), "this server gives no addresses to clients", advice)
        for name in _OTHERS:
            found = root.get(name)
            if found is not None and found.value and name != "schema_version":
                converted.needless(found.place, "it is about AdGuard Home's pages, logs and process")
        for table in (self._dns, self._filtering):
            for name, outcome in _OUTCOMES.items():
                key = table.get(name)
                if key is not None and key.value and (outcome.usual or outcome.kind == "missing") and key.text not in outcome.usual:
                    outcome.report("", key.place, converted)
