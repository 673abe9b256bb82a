"""
Converts dnsmasq's configuration (dnsmasq(8), version 2.90).

Most options are converted where they stand. Servers, addresses and hosts files depend on each other, so they are collected first.
"""

from __future__ import annotations

from collections.abc import Callable
from glob import escape
from ipaddress import ip_address
from typing import Final

from twisted_ext.apps.cli.convert.addresses import reverseDomains
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.dnsmasq.lines import Directive, directives, filesIn, plain, split
from twisted_ext.apps.cli.convert.dnsmasq.records import RECORDS, absolute, familyOf
from twisted_ext.apps.cli.convert.dnsmasq.values import (
    Found,
    Upstream,
    domainOf,
    folded,
    isNear,
    isWithin,
    networkOf,
    number,
    together,
)
from twisted_ext.apps.cli.convert.dnsmasq.wholedomains import addressDomains, blockDomains
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.outcome import outcomesOf
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import CACHE_BYTES
from twisted_ext.transport.servers import Server

__all__ = ["OUTCOMES", "convert"]

#: The options that become no setting.
OUTCOMES: Final = outcomesOf("dnsmasq")

#: Octets of our cache for one of dnsmasq's entries, an address.
_ENTRY: Final = 400

#: dnsmasq itself extends TTLs no further.
_LONGEST_MINIMUM: Final = 3600

#: Seconds for which use-stale-cache uses expired answers if it has no number.
_STALE: Final = 86400

#: The size of messages over UDP that this server accepts, and dnsmasq's default.
_MESSAGE: Final = "1232"

#: Reverse domains of private networks (RFC 6303), which bogus-priv denies.
_PRIVATE: Final = (
    "10.in-addr.arpa",
    *[f"{number}.172.in-addr.arpa" for number in range(16, 32)],
    "168.192.in-addr.arpa",
    "254.169.in-addr.arpa",
    "0.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "d.f.ip6.arpa",
    *[f"{digit}.e.f.ip6.arpa" for digit in "89ab"],
)


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    _Dnsmasq(path, includes, converted).convert(text)


class _Dnsmasq:
    def __init__(self, path: str, includes: Includes, converted: Converted) -> None:
        self._path = path
        self._includes = includes
        self._converted = converted
        self._found = Found()
        self._whole = Place(path, 0, "")
        self._steps: dict[str, Callable[[str, Place], object]] = {
            "addn-hosts": self._addHosts,
            "address": self._address,
            "all-servers": lambda _, place: converted.set("hedge", 0, place),
            "cache-size": self._cacheSize,
            "domain-needed": lambda _, place: converted.set("domain-needed", True, place),
            "edns-packet-max": self._messageSize,
            "filter-A": lambda _, place: converted.set("filter-a", True, place),
            "filter-AAAA": lambda _, place: converted.set("filter-aaaa", True, place),
            "filter-rr": self._filter,
            "bogus-nxdomain": self._denied,
            "hostsdir": self._addHosts,
            "interface": self._interface,
            "listen-address": self._listen,
            "local": self._server,
            "local-service": lambda _, place: converted.needless(place, "clients of private networks only are answered by default"),
            "local-ttl": lambda value, place: converted.set("local-ttl", number(value), place),
            "log-debug": lambda _, place: converted.needless(place, "explain, querytrace and query-log show what the server does"),
            "log-queries": lambda _, place: converted.set("query-log", True, place),
            "max-cache-ttl": self._longest,
            "max-tcp-connections": lambda value, place: converted.set("tcp-connections", number(value), place),
            "max-ttl": self._longest,
            "min-cache-ttl": lambda value, place: converted.set("min-ttl", min(number(value), _LONGEST_MINIMUM), place),
            "mx-host": lambda _, place: None,
            "neg-ttl": lambda _, place: converted.missing(place, "a negative answer without an SOA record is not cached for a set time"),
            "no-negcache": lambda _, place: converted.set("max-negative-ttl", 0, place),
            "port": self._port,
            "proxy-dnssec": lambda _, place: converted.needless(place, "the AD bit of upstreams is passed on to clients that ask for it"),
            "rebind-domain-ok": self._rebindAllowed,
            "rev-server": self._reverse,
            "server": self._server,
            "stop-dns-rebind": self._rebinding,
            "strict-order": lambda _, place: converted.needless(place, "upstreams are asked in their order"),
            "use-stale-cache": self._stale,
        }
        # Directives that count only once all others are known.
        self._later = frozenset(
            ("bogus-priv", "dnssec", "domain", "expand-hosts", "mx-target", "no-hosts", "no-resolv", "resolv-file", "trust-anchor")
        )

    def convert(self, text: str) -> None:
        every = list(directives(text, self._path, self._includes, self._converted))
        for each in every:
            if each.name == "domain" and "," in (each.value or ""):
                continue
            # Of several files, dnsmasq takes the one that was changed last.
            if each.name == "resolv-file" and each.name in self._found.options:
                self._converted.missing(each.place, "only one such file is followed", "set resolv-conf to the one that counts")
                continue
            self._found.options[each.name] = each
        for each in every:
            try:
                self._directive(each)
            except CallerFault as fault:
                self._converted.wrong(each.place, str(fault))
        self._found.mail = [each for each in every if each.name == "mx-host"]
        self._mail()
        self._resolvers()
        self._hostsFiles()
        blockDomains(self._found, self._converted)
        addressDomains(self._found, self._converted)
        self._domains()
        self._ownNames()
        self._validation([each for each in every if each.name == "trust-anchor"])
        self._contradictions()
        # What limits the cache gives way to the lowest TTL; what limits replies does not.
        self._converted.settleTTLs("max-ttl" if "max-ttl" in self._found.options else "min-ttl")
        self._notes()
        self._otherTypes()
        self._settleOnce()

    def _directive(self, each: Directive) -> None:
        name, value, place = each
        converted = self._converted
        step = self._steps.get(name)
        outcome = OUTCOMES.get(name) or OUTCOMES.get(f"{name.partition('-')[0]}-*")
        if step is not None:
            step(value or "", place)
        elif name in RECORDS:
            self._record(each)
        elif name in self._later:
            if name == "domain":
                self._domain(value or "", place)
        elif outcome is not None:
            outcome.report(value or "", place, converted)
        else:
            converted.wrong(place, "dnsmasq has no such option")

    def _settleOnce(self) -> None:
        for reason, once in self._found.once.items():
            more = f"; so it is with {once.count - 1} more" if once.count > 1 else ""
            self._converted.differs(once.place, reason + more)

    # -- single options

    def _port(self, value: str, place: Place) -> None:
        if value == "0":
            self._converted.missing(place, "the DNS service of dnsmasq is switched off; all other settings have no effect")
        elif value:
            self._converted.set("port", number(value), place)

    def _cacheSize(self, value: str, place: Place) -> None:
        entries = number(value)
        if not entries:
            self._converted.set("cache", False, place)
        elif entries * _ENTRY > CACHE_BYTES.default:
            self._converted.set("cache-size", int(CACHE_BYTES.pick(entries * _ENTRY)), place)
        else:
            self._converted.needless(place, f"the cache has room for {int(CACHE_BYTES.default) // _ENTRY} addresses by default")

    def _longest(self, value: str, place: Place) -> None:
        seconds = number(value)
        before = self._converted.values.get("max-ttl")
        if not isinstance(before, int) or seconds < before:
            self._converted.set("max-ttl", seconds, place)

    def _messageSize(self, value: str, place: Place) -> None:
        if value in ("", _MESSAGE):
            self._converted.needless(place, f"{_MESSAGE} is the size here")
        else:
            self._converted.missing(place, f"the size of messages over UDP is {_MESSAGE}", "larger answers come over TCP")

    def _filter(self, value: str, place: Place) -> None:
        for word in split(value):
            if word.upper() in ("A", "AAAA"):
                self._converted.set(f"filter-{word.lower()}", True, place)
            elif word.upper() == "ANY":
                self._converted.needless(place, "queries of type ANY get one record only, see minimal-any")
            else:
                self._converted.missing(place, f"records of type {word} are not filtered")

    def _denied(self, value: str, place: Place) -> None:
        if self._converted.add("deny-answer-addresses", value, place):
            text = "other types of such a name are answered; dnsmasq denies them once an address was asked for"
            self._converted.differs(place, text)

    def _stale(self, value: str, place: Place) -> None:
        seconds = number(value) if value else _STALE
        if self._converted.set("stale", seconds, place):
            self._converted.set("stale-wait", 0, place)

    def _listen(self, value: str, place: Place) -> None:
        for word in split(value):
            if word:
                self._converted.add("interface", word, place)

    def _interface(self, value: str, place: Place) -> None:
        for word in split(value):
            if "*" in word:
                self._converted.missing(place, f"{word}: interfaces are given by their whole names", "set interface to each of them")
            elif word and self._converted.add("interface", word, place):
                # dnsmasq adds it itself, but only to interfaces.
                self._converted.add("interface", "lo", place)

    def _rebinding(self, value: str, place: Place) -> None:
        self._converted.set("stop-rebinding", True, place)
        self._found.onceMore("an answer that is blocked is REFUSED here, and without records there", place)

    def _rebindAllowed(self, value: str, place: Place) -> None:
        for word in value.strip("/").split("/"):
            if word:
                self._converted.add("rebinding-allow", plain(word), place)

    def _domain(self, value: str, place: Place) -> None:
        name, *rest = split(value)
        if not name:
            return
        if not rest:
            if name == "#":
                self._converted.missing(place, "the domain is not taken from resolv.conf", "write the domain instead of #")
            return
        if rest[-1] == "local":
            self._local(name, Upstream("", place))
            for domain in reverseDomains(networkOf(rest[0])):
                self._local(domain, Upstream("", place))
        else:
            self._converted.needless(place, "domains of address ranges are those of DHCP clients")

    # -- records

    def _record(self, each: Directive) -> None:
        value, place = each.value or "", each.place
        for text in RECORDS[each.name](value, self._mainDomain()):
            name, *rest = text.split(" ")
            if not self._converted.add("local", text, place):
                continue
            if each.name == "cname":
                self._found.aliases.append((rest[-1], place))
            if each.name in ("cname", "host-record"):
                self._found.names.setdefault(folded(name), place)
            self._found.shared.append(place)

    def _otherTypes(self) -> None:
        """
        Have the upstreams asked for the types that names with local data do not have here.
        """
        converted, shared = self._converted, self._found.shared
        if shared or converted.values.get("hosts-file") != [""]:
            converted.set("forward-other-types", True, self._whole._replace(directive="as dnsmasq does"))
        if shared:
            converted.note(shared[0], "a name with records exists for all types (NOERROR); dnsmasq denies some (NXDOMAIN)")

    def _mail(self) -> None:
        default = self._valueOf("mx-target")
        for _, value, place in self._found.mail:
            name, *rest = split(value or "")
            preference = rest.pop() if rest and rest[-1].isdecimal() else "1"
            target = rest[0] if rest and rest[0] else plain(default)
            if not target:
                self._converted.missing(place, "the default target is the name of the machine", "write the target into the directive")
                continue
            try:
                if self._converted.add("local", f"{absolute(name)} MX {preference} {absolute(target)}", place):
                    self._found.shared.append(place)
            except CallerFault as fault:
                self._converted.wrong(place, str(fault))
        alone = self._found.options.get("mx-target")
        if alone is not None and not self._found.mail:
            self._converted.missing(alone.place, "the machine gets no MX record by itself", 'set local = ["NAME MX 1 TARGET"]')

    def _ownNames(self) -> None:
        """
        Note names that hosts files have as well, and aliases that dnsmasq does not follow, because it does not know their targets.
        """
        found = self._found
        known = self._hostNames() if found.names else set()
        for name, place in found.names.items():
            if name in known:
                self._converted.differs(place, f"dnsmasq adds what hosts files give {name[:-1]}; here it has its records alone")
        known |= found.names.keys()
        for target, place in found.aliases:
            if folded(target) not in known and not self._converted.judged(place):
                self._converted.differs(place, "dnsmasq does not know its target, and answers with the alias alone; here it is followed")

    def _hostNames(self) -> set[str]:
        domain = self._mainDomain() if "expand-hosts" in self._found.options else ""
        found: set[str] = set()
        for path in self._converted.texts("hosts-file") or (["/etc/hosts"] if "no-hosts" not in self._found.options else []):
            try:
                text = self._includes.text(path)
            except BadDescription:
                continue
            for line in text.split("\n"):
                for name in line.partition("#")[0].split()[1:]:
                    folded = name.rstrip(".").lower()
                    found |= {f"{folded}.", f"{folded}.{domain}." if domain and "." not in folded else f"{folded}."}
        return found

    # -- upstreams

    def _server(self, value: str, place: Place) -> None:
        if not value:
            return
        if not value.startswith("/"):
            for server in self._targets(value, place):
                self._found.upstreams.append(Upstream(server, place))
            return
        *domains, target = value[1:].split("/")
        for domain in domains:
            if target and target != "#":
                for server in self._targets(target, place):
                    self._routed(domain, Upstream(server, place))
            else:
                self._routed(domain, Upstream(target, place))

    def _routed(self, domain: str, upstream: Upstream) -> None:
        if domain == "#":
            # All names, before the servers without a domain.
            self._found.everything.append(upstream)
        elif self._pattern(domain, upstream.place):
            if upstream.server:
                self._found.routes.setdefault(domainOf(domain), []).append(upstream)
            else:
                self._local(domainOf(domain), upstream)

    def _local(self, domain: str, upstream: Upstream) -> None:
        if not domain:
            self._converted.set("domain-needed", True, upstream.place)
        else:
            self._converted.add("local-domain", domain, upstream.place)

    def _pattern(self, domain: str, place: Place) -> bool:
        """
        Return whether a domain is not a pattern, for which there is no counterpart.
        """
        if "*" in domain:
            what = "only the names below it" if domain.startswith("*.") else "names that end in it"
            self._converted.missing(place, f"{domain} matches {what}; domains are matched with all names below them here")
            return False
        return True

    def _targets(self, value: str, place: Place) -> list[str]:
        """
        Return the server as an upstream: none if it cannot be used.
        """
        server, *sources = plain(value).split("@")
        if sources:
            self._converted.missing(place, "queries leave from the address and the interface that the kernel selects", "set a route there")
        host, _, port = server.partition("#")
        try:
            number = numberFrom(port or "53")
            address = None if number is None else Server(host, number)
        except CallerFault:
            address = None
        if address is None:
            self._converted.missing(place, f"{server}: an upstream is given by its address", "write the address instead of the name")
            return []
        return [address.label if port else address.address]

    def _reverse(self, value: str, place: Place) -> None:
        network, _, server = value.partition(",")
        for domain in reverseDomains(networkOf(network)):
            if server:
                for each in self._targets(server, place):
                    self._found.routes.setdefault(domain, []).append(Upstream(each, place))
            else:
                self._local(domain, Upstream("", place))

    def _resolvers(self) -> None:
        found = self._found
        converted = self._converted
        noResolv = found.options.get("no-resolv")
        given = [each for each in found.everything if each.server not in ("", "#")]
        if given:
            for each in found.upstreams:
                converted.needless(each.place, "servers for # are asked about all names")
            found.upstreams = given
        for each in found.everything:
            if not each.server:
                converted.needless(each.place, "servers for all names are asked all the same, and without any no names are looked up")
        resolvFile = found.options.get("resolv-file")
        isFollowed = noResolv is None and not given
        if isFollowed and found.upstreams:
            # dnsmasq adds those of resolv.conf.
            found.upstreams += self._fromResolvConf(resolvFile)
        elif isFollowed and resolvFile is not None and resolvFile.value:
            converted.set("resolv-conf", self._includes.pathOf(plain(resolvFile.value)), resolvFile.place)
        elif noResolv is not None and not found.upstreams and found.routes:
            # It knows no other names, so that these are refused.
            converted.add("upstream", "special", noResolv.place)
        elif noResolv is not None and not found.upstreams:
            converted.set("recursive", False, noResolv.place)
        elif noResolv is not None:
            converted.needless(noResolv.place, "the upstreams that are given replace those of resolv.conf")
        for server, place in found.upstreams:
            converted.add("upstream", self._described([server]), place)
        own = {*found.routes, *converted.texts("local-domain"), *found.addressed}
        for domain, upstreams in found.routes.items():
            self._route(domain, upstreams, own)

    def _described(self, servers: list[str]) -> str:
        dnssec = "dnssec" in self._found.options
        return f"validate:({together(servers)})" if dnssec else together(servers)

    def _fromResolvConf(self, given: Directive | None) -> list[Upstream]:
        path = plain(given.value) if given is not None and given.value else "/etc/resolv.conf"
        place = given.place if given is not None else Place(path, 0, "nameserver")
        try:
            text = self._includes.text(path)
        except BadDescription as fault:
            self._converted.note(self._whole, f"dnsmasq asks the servers of {path} as well, which cannot be read here: {fault}")
            return []
        found: list[Upstream] = []
        for index, line in enumerate(text.split("\n"), 1):
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                try:
                    address = ip_address(words[1])
                except ValueError:
                    continue
                # That is dnsmasq itself, which leaves it out.
                if not address.is_loopback:
                    found.append(Upstream(words[1], Place(path, index, line.strip())))
        if found:
            self._converted.note(place, f"dnsmasq asks the servers of {path} as well: they are in upstream; changes are not followed")
        return found

    def _route(self, domain: str, upstreams: list[Upstream], own: set[str]) -> None:
        """
        @param own: the domains that the usual upstreams are not asked about.
        """
        converted = self._converted
        place = upstreams[0].place
        servers = [each.server for each in upstreams]
        if not domain:
            converted.missing(place, "names of one label have no upstreams of their own", "set a route for each of these names")
        elif "#" in servers:
            for each in upstreams:
                if each.server != "#":
                    converted.needless(each.place, f"the usual servers are asked about {domain}, as another line says")
            usual = [each.server for each in self._found.upstreams]
            if not isWithin(domain.partition(".")[2], own):
                converted.needless(place, "the domain is not in one with servers of its own, so the usual upstreams are asked")
            elif usual:
                converted.add("route", f"{domain}={self._described(usual)}", place)
            else:
                converted.missing(place, "a domain cannot have the servers of resolv.conf as its own", f'set route = ["{domain}=ADDRESS"]')
        else:
            if "." not in domain and "domain-needed" in self._found.options:
                converted.note(place, f"with domain-needed, dnsmasq denies {domain} itself; here its servers are asked")
            # Servers of private domains are not validated there, unless the domain has a trust anchor.
            converted.add("route", f"{domain}={together(servers)}", place)

    # -- addresses for whole domains

    def _address(self, value: str, place: Place) -> None:
        if not value.startswith("/"):
            raise BadDescription("/DOMAIN/ADDRESS was expected")
        *domains, target = value[1:].split("/")
        if target not in ("", "#"):
            familyOf(target)
        for domain in domains:
            if self._pattern(domain, place):
                self._found.addresses.setdefault("#" if domain == "#" else domainOf(domain), []).append(Upstream(target, place))

    def _contradictions(self) -> None:
        """
        Take domains with servers of their own out of those that are only known here.
        """
        for domain, place in self._converted.pairs("local-domain"):
            if domain in self._found.routes:
                self._converted.drop("local-domain", domain)
                self._converted.differs(place, f"{domain} has servers of its own as well: these are asked")

    # -- hosts files

    def _addHosts(self, value: str, place: Place) -> None:
        if value:
            self._found.hosts.append(Upstream(plain(value), place))

    def _hostsFiles(self) -> None:
        found = self._found
        without = found.options.get("no-hosts")
        if without is not None and not found.hosts:
            self._converted.add("hosts-file", "", without.place)
        if found.hosts and without is None:
            self._converted.add("hosts-file", "/etc/hosts", self._whole._replace(directive="dnsmasq reads it as well"))
        for path, place in found.hosts:
            whole = self._includes.pathOf(path)
            folder = self._isFolder(whole)
            for each in filesIn(whole, place, self._includes, self._converted) if folder else [whole]:
                self._converted.add("hosts-file", each, place)
            if folder:
                self._converted.differs(place, "files that are added to the folder later are not found", "add them to hosts-file")
        expand = found.options.get("expand-hosts")
        if expand is not None:
            domain = self._mainDomain()
            if domain:
                self._converted.set("expand-hosts", domain, expand.place)
            else:
                self._converted.needless(expand.place, "without a domain, it has no effect")

    def _isFolder(self, path: str) -> bool:
        return bool(self._includes.matching(f"{escape(path)}/"))

    # -- the rest

    def _valueOf(self, name: str) -> str:
        found = self._found.options.get(name)
        return (found.value or "") if found is not None else ""

    def _mainDomain(self) -> str:
        value = plain(self._valueOf("domain"))
        return "" if value == "#" else value

    def _domains(self) -> None:
        each = self._found.options.get("domain")
        if each is not None and self._mainDomain() and "expand-hosts" not in self._found.options:
            self._converted.needless(each.place, "it is the domain of DHCP clients, and of expand-hosts, which is not set")

    def _validation(self, anchors: list[Directive]) -> None:
        dnssec = self._found.options.get("dnssec")
        converted = self._converted
        if dnssec is not None and self._found.upstreams:
            converted.note(dnssec.place, "validate: is in front of each upstream")
        elif dnssec is not None:
            converted.missing(
                dnssec.place,
                "answers of the servers of resolv.conf are not validated",
                'set upstream = ["validate:udp:ADDRESS"], or use twistd txdns recurse',
            )
        for each in anchors:
            name = split(each.value or "")[0]
            if name in (".", "") or dnssec is None:
                converted.needless(each.place, "the keys of the root are built in")
            else:
                converted.missing(each.place, f"a forwarding server here has no trust anchor for {name}", "use twistd txdns recurse")

    def _notes(self) -> None:
        """
        Say what the defaults of both programs do differently.
        """
        found = self._found
        converted = self._converted
        if "local-service" not in found.options:
            converted.note(self._whole, "dnsmasq answers every client, this server private networks only", "set allow for others")
        if "local-ttl" not in found.options and (converted.texts("local") or found.hosts):
            converted.note(self._whole, "the TTL of local records is 0 in dnsmasq", "set local-ttl = 0")
        domains = converted.pairs("local-domain")
        if domains:
            converted.note(domains[0][1], "the name of a local domain itself exists here, without records; dnsmasq denies it (NXDOMAIN)")
        private = found.options.get("bogus-priv")
        if private is None:
            reason = "without bogus-priv, dnsmasq asks upstreams for reverse names of private networks, here only private ones"
            converted.note(self._whole, reason)
        elif not found.upstreams or any(isNear(each.server) for each in found.upstreams):
            for domain in _PRIVATE:
                if domain not in found.routes:
                    converted.add("local-domain", domain, private.place)
        else:
            converted.needless(private.place, "reverse names of private networks are denied anyway")
        converted.note(self._whole, "localhost and other special-use names are answered here; dnsmasq asks upstreams for them (RFC 6761)")
        filtered = [converted.places[name][0] for name in ("filter-a", "filter-aaaa") if name in converted.values]
        if filtered and found.addresses:
            converted.note(filtered[0], "addresses that address= gives to a domain are not left out; dnsmasq leaves them out")
        rebinding = found.options.get("stop-dns-rebind")
        if rebinding is not None and found.routes:
            converted.set("rebinding-routes", False, rebinding.place)
