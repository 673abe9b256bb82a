"""
Converts C{unbound.conf}.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import (
    NAT64,
    Upstream,
    described,
    isAddress,
    labelOf,
    nameFrom,
    namesAbove,
    networkFrom,
    portFrom,
)
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.outcome import outcomesOf
from twisted_ext.apps.cli.convert.prefixes import Network, Prefixes, networksOf, writeAccess
from twisted_ext.apps.cli.convert.privatereverse import denyPrivateReverse
from twisted_ext.apps.cli.convert.unbound.localzones import LocalZones
from twisted_ext.apps.cli.convert.unbound.policies import convertPolicyZone
from twisted_ext.apps.cli.convert.unbound.syntax import Option, Section, parsed
from twisted_ext.apps.cli.convert.unbound.views import convertViews
from twisted_ext.apps.cli.convert.validation import Validation, validates
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.limits import CACHE_BYTES, STALE_SECONDS, STALE_WAIT
from twisted_ext.resolver.local.specialnames import EMPTY_ZONES
from twisted_ext.resolver.policy.rebinding import PRIVATE_PREFIXES

__all__ = ["HANDLED", "OUTCOMES", "convert"]

#: The options that become no setting.
OUTCOMES: Final = outcomesOf("unbound")

_PLAIN_PORT: Final = 53
_TLS_PORT: Final = 853
_HTTPS_PORT: Final = 443
_QUIC_PORT: Final = 853

#: Networks that Unbound answers if no access-control names any.
_USUAL_CLIENTS: Final = ("127.0.0.0/8", "::1/128")

#: What is done with the queries of a network, by the actions of access-control.
_ACTIONS: Final = {
    **dict.fromkeys(("allow", "allow_setrd", "allow_snoop", "allow_cookie"), "allow"),
    **dict.fromkeys(("deny_non_local", "refuse_non_local"), "zones"),
    "refuse": "refuse",
    "deny": "drop",
}

#: Suffixes of sizes.
_POWERS: Final = {"k": 10, "m": 20, "g": 30}

#: Options that name a file of trust anchors.
_ANCHOR_FILES: Final = ("auto-trust-anchor-file", "trust-anchor-file", "trusted-keys-file")
_ROOT: Final = frozenset((".",))

#: Modules that do what this server does anyway. The others have no counterpart.
_MODULES: Final = frozenset(("validator", "iterator", "respip", "dns64"))


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    sections = parsed(text, path, includes, converted, lambda name: name in OUTCOMES or name in HANDLED)
    _Conversion(sections, Place(path, 0, ""), includes, converted).convert()


class _Conversion:
    """
    One conversion.

    @ivar whole: the place of what the configuration does without saying so.
    """

    def __init__(self, sections: list[Section], whole: Place, includes: Includes, converted: Converted) -> None:
        self.whole = whole
        self.includes = includes
        self.converted = converted
        self.sections = sections
        self.server = Section("server", whole, [option for each in sections if each.name == "server" for option in each.options])
        self.routed: list[str] = []
        owners = {id(option): self._ownersIn(option) for option in self.server.options if option.name in _ANCHOR_FILES and option.value}
        #: Files with trust anchors of other zones than the root.
        self.anchors = [option for option in self.server.options if not owners.get(id(option), _ROOT) <= _ROOT]
        self.validation = self._validation(frozenset[str]().union(*owners.values()))
        self.forwarded = self._zones("forward-zone")
        self.stubs = self._zones("stub-zone")
        self.local = LocalZones(converted)

    def convert(self) -> None:
        for option in self.server.options:
            self.local.take(option)
        self._role()
        self._listen()
        self._clients()
        self._cache()
        self._trust()
        self._private()
        self._addresses()
        for option in self.server.options:
            self._option(option)
        self._reverse()
        private = self.converted.texts("local-domain")
        self.local.finish(self.routed)
        convertViews(self.sections, self.server, private, self.routed, self.converted)
        for section in self.sections:
            self._section(section)
        # Unbound reads no hosts file.
        self.converted.add("hosts-file", "", self.whole)

    # -- what is asked

    def _validation(self, anchors: frozenset[str]) -> Validation:
        """
        @param anchors: the zones of the trust anchors that are in files.
        """
        if "validator" not in self.server.last("module-config", "validator iterator").split() or self.server.flag("val-permissive-mode"):
            return Validation((), ())
        given = [option.text.split()[0] for option in self.server.options if option.name == "trust-anchor" and option.text.split()]
        insecure = self.server.values("domain-insecure")
        if self.server.flag("insecure-lan-zones"):
            insecure += EMPTY_ZONES
        return Validation(
            [*anchors, *[name for text in given if (name := nameFrom(text)) is not None]],
            [name for text in insecure if (name := nameFrom(text)) is not None],
        )

    def _zones(self, kind: str) -> list[tuple[str, Section]]:
        """
        Return the names and sections of forward zones or stub zones; the last one of several with one name applies.
        """
        found: dict[str, Section] = {}
        for section in self.sections:
            if section.name == kind:
                name = nameFrom(section.last("name"))
                if name is None:
                    said = section.last("name")
                    self.converted.wrong(section.place, f"{said!r} is not a domain name" if said else "a name is missing")
                else:
                    if name in found:
                        self.converted.needless(found[name].place, "the last zone of this name applies")
                    found[name] = section
        return list(found.items())

    def _role(self) -> None:
        root = next((section for name, section in self.forwarded if name == "."), None)
        recurses = root is None
        self.converted.set("role", "recurse" if recurses else "forward", self.whole if root is None else root.place)
        for name, section in self.forwarded:
            text = "" if name != "." and self._isDenied(name, section, routed=True) else self._upstreams(name, section, "forward")
            if not text:
                continue
            self.routed.append(name)
            if name == "." and not recurses:
                self.converted.add("upstream", text, section.place)
            else:
                self.converted.add("route", f"{name}={text}", section.place)
            if section.flag("forward-first"):
                self.converted.differs(
                    section.place, "if these servers fail, the look-up fails", "leave forward-first out, or the forward-zone"
                )
            if section.flag("forward-no-cache"):
                self.converted.differs(section.place, "answers of these servers are cached, as long as their TTLs permit")
        for name, section in self.stubs:
            if not self._isDenied(name, section, routed=True):
                self._stub(name, section, recurses)
        if recurses and not self.validation:
            self.converted.set("validate", False, self.whole)

    def _isDenied(self, name: str, section: Section, *, routed: bool) -> bool:
        """
        Return whether a local zone answers for the names of another zone, which is left out then.
        """
        denying = self.local.denying(name, routed=routed)
        if denying:
            self.converted.missing(section.place, f"{name} is left out: local-zone {denying} answers for its names before it does")
        return bool(denying)

    def _upstreams(self, name: str, section: Section, kind: str) -> str:
        """
        Return the description of the servers of a zone, C{""} without one.
        """
        encrypted = any(section.flag(f"{kind}-{word}-upstream") for word in ("tls", "ssl"))
        encrypted = encrypted or self.server.flag("tls-upstream") or self.server.flag("ssl-upstream")
        streamed = section.flag(f"{kind}-tcp-upstream") or self.server.flag("tcp-upstream")
        servers: list[Upstream] = []
        unnamed = False
        for option in section.options:
            if option.name == f"{kind}-addr":
                server = _server(option.value)
                if server is None:
                    said = f"{option.value!r} is not an address"
                    self.converted.wrong(option.place, said, "write 192.0.2.1, or 192.0.2.1@853#dns.example")
                    continue
                if not encrypted:
                    server = Upstream(server.address, server.port)
                unnamed = unnamed or (encrypted and not server.name)
                servers.append(server)
            elif option.name == f"{kind}-host":
                advice = f"look up {option.value}, and write its addresses"
                self.converted.missing(option.place, "an upstream is given by its address", advice)
        if unnamed:
            self.converted.differs(
                section.place, "servers without #NAME have to prove their address; Unbound accepts any certificate then", "add #NAME"
            )
        if not servers:
            if not any(option.name == f"{kind}-host" for option in section.options):
                self.converted.missing(section.place, "a zone without servers, which is resolved as if there were no other, has no route")
            return ""
        transport = "tls" if encrypted else "tcp" if streamed else "udp"
        bundle = self.server.last("tls-cert-bundle") or self.server.last("ssl-cert-bundle")
        return described(servers, transport, self._path(bundle), validated=self.validation.covers(name))

    def _reverse(self) -> None:
        """
        Deny the reverse names of private addresses. With a route for all names, this server would look them up.
        """
        if self.server.flag("unblock-lan-zones"):
            return
        for name, section in (*self.forwarded, *self.stubs):
            zone = next((each for each in namesAbove(name) if each.rstrip(".") in EMPTY_ZONES), "")
            if zone and not any(each in self.local.opened for each in namesAbove(name)):
                text = f"names in it are looked up; without local-zone {zone} nodefault, Unbound denies them by itself"
                self.converted.differs(section.place, text, "leave the zone out")
        root = next((section for name, section in self.forwarded if name == "."), None)
        if root is None:
            return
        servers = [server for value in root.values("forward-addr") if (server := _server(value)) is not None]
        addresses = [server.address for server in servers]
        place = Place(self.whole.file, 0, "zones of private addresses, which Unbound has by itself")
        denyPrivateReverse(self.converted, addresses, {*self.routed, *self.local.opened}, place)

    def _stub(self, name: str, section: Section, recurses: bool) -> None:
        """
        @param recurses: whether stubs are possible; a server that forwards all names has routes only.
        """
        targets: list[str] = []
        for option in section.options:
            host, _, port = option.value.partition("#")[0].partition("@")
            if option.name == "stub-addr" and isAddress(host) and portFrom(port or "53") is not None:
                targets.append(labelOf(host, int(port or 53)))
            elif option.name == "stub-host":
                targets.append(host if not port else f"{host}:{port}")
            elif option.name == "stub-addr":
                self.converted.wrong(option.place, f"{option.value!r} is not an address")
        if any(section.flag(f"stub-{word}") for word in ("tls-upstream", "ssl-upstream", "tcp-upstream")):
            text = self._upstreams(name, section, "stub")
            if text:
                self._routeToStub(name, text, section)
            return
        if not targets:
            self.converted.missing(section.place, "a zone without servers, which is resolved as if there were no other, has no stub")
        elif not recurses:
            text = self._upstreams(name, section, "stub")
            if text:
                self._routeToStub(name, text, section)
        elif self.converted.add("stub", f"{name}={','.join(targets)}", section.place):
            self.routed.append(name)
            self.validation.reportStub(name, section.place, "Unbound", self.converted)
        if section.flag("stub-first"):
            self.converted.differs(section.place, "if these servers fail, the look-up fails")

    def _routeToStub(self, name: str, text: str, section: Section) -> None:
        self.routed.append(name)
        self.converted.add("route", f"{name}={text}", section.place)
        self.converted.note(section.place, "these servers are asked as forwarders, so delegations of theirs are not followed")

    # -- where and for whom

    def _listen(self) -> None:
        ports = {
            "tls": self._ports(_TLS_PORT, "tls-port", "ssl-port", "tls-additional-port", "additional-tls-port"),
            "https": self._ports(_HTTPS_PORT, "https-port"),
            "quic": self._ports(_QUIC_PORT, "quic-port") if self.server.values("quic-port") else set(),
        }
        encrypts = bool(self.server.last("tls-service-key") or self.server.last("ssl-service-key"))
        usual = portFrom(self.server.last("port", str(_PLAIN_PORT)))
        usual = _PLAIN_PORT if usual is None else usual
        plain: dict[int, list[tuple[str, Place]]] = {}
        found = False
        for option in self.server.options:
            if option.name not in ("interface", "ip-address"):
                continue
            found = True
            host, at, digits = option.value.partition("@")
            port = portFrom(digits) if at else usual
            if port is None:
                self.converted.wrong(option.place, f"{digits!r} is not a port")
                continue
            where = "any" if host == "0.0.0.0" else host
            encrypted = [word for word, numbers in ports.items() if encrypts and port in numbers]
            for word in encrypted:
                self.converted.add(word, labelOf(where, port, 0) if where != "any" else f"any:{port}", option.place)
            if not encrypted:
                plain.setdefault(port, []).append((host, option.place))
        if not found and self.server.flag("interface-automatic"):
            plain[usual] = []
        elif not found:
            plain[usual] = [("127.0.0.1", self.whole), ("::1", self.whole)]
        port = usual if usual in plain or not plain else next(iter(plain))
        if port != _PLAIN_PORT:
            self.converted.set("port", port, self._placeOf("port"))
        for number, hosts in plain.items():
            for host, place in hosts:
                if number == port:
                    self.converted.add("interface", host, place)
                else:
                    self.converted.missing(place, f"all addresses have one port, {port}", "run a second instance for this one")
        for setting, names in (("key", ("tls-service-key", "ssl-service-key")), ("certificate", ("tls-service-pem", "ssl-service-pem"))):
            for option in self.server.options:
                if option.name in names and option.value:
                    self.converted.add(setting, self._path(option.value), option.place)
        if self.server.values("http-endpoint"):
            self.converted.set("https-path", self.server.last("http-endpoint"), self._placeOf("http-endpoint"))

    def _ports(self, usual: int, *names: str) -> set[int]:
        given = [portFrom(value) for name in names for value in self.server.values(name)]
        return {usual, *[port for port in given if port is not None]}

    def _clients(self) -> None:
        actions: Prefixes[tuple[str, Place]] = Prefixes()
        # The last one of several for a network decides.
        for option in [each for each in self.server.options if each.name == "access-control"][::-1]:
            network = networkFrom(option.value)
            action = _ACTIONS.get(option.values[1] if len(option.values) > 1 else "")
            if network is None:
                self.converted.wrong(option.place, f"{option.value!r} is not a network", "write 192.0.2.0/24 allow")
                continue
            if action is None:
                self.converted.wrong(option.place, f"{' '.join(option.values[1:])!r} is not an action", "write allow, refuse or deny")
            elif action == "zones":
                self.converted.differs(option.place, "these clients get no local records; zones only if they are in no network of allow")
            elif option.values[1] == "allow_cookie":
                self.converted.add("require-cookie", network, option.place)
            actions.add(ip_network(network), (action or "refuse", option.place))
        order = [*list(actions)[::-1], *networksOf(_USUAL_CLIENTS)]
        for each in networksOf(_USUAL_CLIENTS):
            actions.add(each, ("allow", self.whole))

        def found(network: Network) -> tuple[str, Place]:
            decided = actions.find(network)
            return ("refuse", self.whole) if decided is None else decided[1]

        zones = any(section.name == "auth-zone" for section in self.sections)
        writeAccess(self.converted, order, lambda each: found(each)[0], lambda each: found(each)[1], zones=zones)
        if self.server.last("ip-ratelimit", "0") not in ("0", ""):
            self.converted.set("client-rate", _number(self.server.last("ip-ratelimit")), self._placeOf("ip-ratelimit"))

    # -- caching

    def _cache(self) -> None:
        sizes = [(name, _octets(self.server.last(name))) for name in ("rrset-cache-size", "msg-cache-size") if self.server.values(name)]
        if sizes:
            octets = sum(size or 0 for _, size in sizes)
            self.converted.set("cache-size", int(CACHE_BYTES.pick(octets)), self._placeOf(sizes[0][0]))
        for name, setting in (("cache-max-ttl", "max-ttl"), ("cache-min-ttl", "min-ttl"), ("cache-max-negative-ttl", "max-negative-ttl")):
            if self.server.values(name):
                self.converted.set(setting, _number(self.server.last(name)), self._placeOf(name))
        self.converted.settleTTLs("max-ttl")
        if self.server.values("prefetch"):
            self.converted.set("prefetch", self.server.flag("prefetch"), self._placeOf("prefetch"))
        if not self.server.values("serve-expired"):
            return
        place = self._placeOf("serve-expired")
        if not self.server.flag("serve-expired"):
            self.converted.set("stale", 0, place)
            return
        seconds = _number(self.server.last("serve-expired-ttl", "86400"))
        # 0 means no limit there.
        wanted = STALE_SECONDS.most if seconds == 0 else seconds
        self.converted.set("stale", int(STALE_SECONDS.pick(wanted)), place)
        if self.server.values("serve-expired-client-timeout"):
            wait = _number(self.server.last("serve-expired-client-timeout")) / 1000
            self.converted.set("stale-wait", STALE_WAIT.pick(wait), self._placeOf("serve-expired-client-timeout"))

    # -- trust

    def _trust(self) -> None:
        for option in self.server.options:
            if not self.validation and (option in self.anchors or option.name == "trust-anchor"):
                self.converted.needless(option.place, "nothing is validated")
            elif option in self.anchors:
                if self.converted.values["role"] == "recurse" or validates(self.converted):
                    self.converted.add("trust-anchor", self._path(option.value), option.place)
            elif option.name == "trust-anchor" and option.value:
                owner = option.text.split()[0] if option.text.split() else ""
                if owner == ".":
                    self.converted.needless(option.place, "the trust anchors of the root are built in, and their rollovers are followed")
                else:
                    self.converted.missing(option.place, "trust anchors are read from a file", "write it to a file, and set trust-anchor")
            elif option.name == "domain-insecure" and option.value:
                self.validation.reportException(option.value, option.place, self.converted)

    def _ownersIn(self, option: Option) -> frozenset[str]:
        """
        Return the zones of the trust anchors in a file.
        """
        path = self._path(option.value)
        try:
            text = self.includes.text(path)
        except BadDescription as fault:
            self.converted.note(option.place, f"the trust anchors of the root are built in; this file may have others, but: {fault}")
            return _ROOT
        words = [line.split()[0].strip('"') for line in text.splitlines() if line.strip() and line.lstrip()[0] not in ";#/"]
        owners = frozenset([name for word in words if (name := nameFrom(word)) is not None])
        if owners <= _ROOT:
            self.converted.needless(option.place, "the trust anchors of the root are built in, and their rollovers are followed")
        return owners or _ROOT

    def _private(self) -> None:
        ranges = [ip_network(text) for text in PRIVATE_PREFIXES]
        isSet = False
        for option in self.server.options:
            if option.name == "private-domain" and option.value:
                self.converted.add("rebinding-allow", option.value, option.place)
            if option.name != "private-address":
                continue
            network = networkFrom(option.value)
            if network is None:
                self.converted.wrong(option.place, f"{option.value!r} is not a network")
                continue
            one = ip_network(network)
            if network.startswith("::ffff:0:0/"):
                self.converted.needless(option.place, "IPv4 addresses in IPv6 ones are treated alike")
            elif any(one.version == each.version and one.overlaps(each) for each in ranges):
                isSet = self.converted.set("stop-rebinding", True, option.place) or isSet
            else:
                self.converted.missing(option.place, "stop-rebinding covers private addresses only")
        if isSet:
            if self.routed:
                self.converted.set("rebinding-routes", False, self._placeOf("private-address"))
            self.converted.differs(
                self._placeOf("private-address"),
                "an answer with a private address gets REFUSED; Unbound leaves the address out. All private networks count",
                "rebinding-allow names domains that may have them",
            )

    def _addresses(self) -> None:
        """
        Convert what is said of IPv6 addresses made from others.
        """
        into = self.converted
        isOn = "dns64" in self.server.last("module-config").split()
        if isOn:
            place = self._placeOf("dns64-prefix") if self.server.last("dns64-prefix") else self._placeOf("module-config")
            into.add("dns64", self.server.last("dns64-prefix") or NAT64, place)
        for option in self.server.options:
            if not isOn and option.name in ("dns64-prefix", "dns64-synthall", "dns64-ignore-aaaa"):
                into.needless(option.place, "module-config has no dns64")
            elif option.name == "dns64-ignore-aaaa":
                into.add("dns64-ignore-aaaa", option.value, option.place)
            elif option.name == "dns64-synthall" and option.value == "yes":
                into.add("dns64-ignore-aaaa", ".", option.place)

    # -- everything else

    def _option(self, option: Option) -> None:
        """
        Convert an option of the server by itself.
        """
        name, value, place, into = option.name, option.value, option.place, self.converted
        if name in _FLAGS:
            wanted = _FLAGS[name]
            if value in ("yes", "no"):
                into.set(wanted, value == "yes", place)
        elif name == "qname-minimisation":
            strict = self.server.flag("qname-minimisation-strict")
            into.set("minimize", ("strict" if strict else "yes") if value == "yes" else "no", place)
        elif name == "do-not-query-localhost":
            into.set("query-localhost", value == "no", place)
        elif name == "root-hints" and value:
            into.set("root-hints", self._path(value), place)
        elif name in ("do-ip4", "do-udp", "do-tcp"):
            if value == "no":
                into.missing(place, "UDP, TCP and IPv4 are always used", "interface says which addresses are served")
            else:
                into.needless(place, "it is always so")
        elif name in ("identity", "version"):
            if not self.server.flag(f"hide-{name}") and value:
                into.set("hostname-bind" if name == "identity" else "version-bind", value, place)
        elif name in ("hide-identity", "hide-version"):
            self._hidden(option)
        elif name == "nsid":
            self._nsid(option)
        elif name == "module-config":
            for module in option.text.split():
                if module not in _MODULES:
                    into.missing(place, f"there is no module {module}")
        elif name == "val-permissive-mode":
            if value == "yes":
                into.differs(place, "answers are not validated at all")
        elif name == "log-queries" or name == "log-replies":
            if value == "yes":
                into.set("query-log", True, place)
        elif name in ("log-servfail",):
            into.needless(place, "failures are counted")
        elif name == "incoming-num-tcp":
            into.needless(place, "tcp-connections has a sufficient default")
        elif name == "tcp-idle-timeout":
            into.set("tcp-idle", max(0.5, min(600.0, _number(value) / 1000)), place)
        elif name == "rrset-roundrobin":
            if value == "yes":
                into.set("rrset-roundrobin", True, place)
            else:
                into.needless(place, "records keep the order in which they came")
        elif name == "tcp-connection-limit":
            into.missing(place, "all clients have the same limit", "set tcp-connections-per-client")
        elif name not in HANDLED:
            self._known(option)

    def _known(self, option: Option) -> None:
        outcome = OUTCOMES.get(option.name)
        if outcome is None:
            self.converted.wrong(option.place, "Unbound has no such option")
        else:
            outcome.report(option.value, option.place, self.converted)

    def _hidden(self, option: Option) -> None:
        said = option.name.removeprefix("hide-")
        setting = "hostname-bind" if said == "identity" else "version-bind"
        if option.value == "yes":
            self.converted.needless(option.place, f"{setting} is not set")
        elif not self.server.last(said):
            self.converted.note(option.place, f"queries for {said} are refused by default", f"set {setting}")

    def _nsid(self, option: Option) -> None:
        kind, _, text = option.value.partition("_")
        if kind == "ascii":
            self.converted.set("nsid", text, option.place)
            return
        try:
            self.converted.set("nsid", bytes.fromhex(option.value).decode("ascii"), option.place)
        except ValueError:
            self.converted.missing(option.place, "nsid is a text here")

    def _section(self, section: Section) -> None:
        kind = section.name
        if kind == "auth-zone":
            self._authZone(section)
        elif kind == "remote-control":
            self._remoteControl(section)
        elif kind == "rpz":
            name = nameFrom(section.last("name"))
            if name is None:
                self.converted.wrong(section.place, "the name is missing, or not valid")
            else:
                convertPolicyZone(section, name, self._primaries(section, name), self._path, self.converted)
        elif kind == "view":
            for option in section.options:
                if option.name not in HANDLED:
                    self._known(option)
        elif kind in ("dnscrypt", "python", "dynlib", "cachedb", "ipset"):
            self._known(Option(kind, [], section.place))
        elif kind == "dnstap":
            for option in section.options:
                self._known(option)
        if kind in ("forward-zone", "stub-zone", "auth-zone"):
            for option in section.options:
                if option.name not in HANDLED:
                    self._known(option)

    def _primaries(self, section: Section, name: str) -> list[str]:
        """
        Return the servers that a zone is transferred from.
        """
        primaries: list[str] = []
        for option in section.options:
            if option.name in ("master", "primary"):
                host, _, port = option.value.partition("#")[0].partition("@")
                if isAddress(host):
                    primaries.append(labelOf(host, portFrom(port) or 53))
                elif name != ".":
                    self.converted.missing(option.place, "a primary is given by its address", f"look up {host}, and write its addresses")
            elif option.name == "url":
                self.converted.missing(option.place, "zones are not fetched over HTTP", "transfer the zone, or fetch the file by a timer")
        return primaries

    def _authZone(self, section: Section) -> None:
        name = nameFrom(section.last("name"))
        if name is None:
            self.converted.wrong(section.place, "the name is missing, or not valid")
            return
        if self._isDenied(name, section, routed=False):
            return
        primaries = self._primaries(section, name)
        if section.last("zonefile") and (primaries or name == "."):
            self.converted.needless(section.place, "transferred zones are kept in the folder that state names")
        if name == ".":
            # Port 53 is the only one for the root.
            addresses = [each for each in primaries if isAddress(each)]
            self.converted.add("local-root", ",".join(addresses) or "yes", section.place)
            return
        table: dict[str, object] = {"name": name}
        if primaries:
            table["primaries"] = primaries
        elif section.last("zonefile"):
            table["file"] = self._path(section.last("zonefile"))
        else:
            self.converted.missing(section.place, "it has no file, and no primary with an address")
            return
        notify = [network for value in section.values("allow-notify") if (network := networkFrom(value)) is not None]
        if notify:
            table["allow-notify"] = notify
        if section.flag("zonemd-reject-absence"):
            table["zonemd"] = "require"
        if self.converted.zone(table, section.place):
            self.routed.append(name)
        if section.last("for-downstream") == "no":
            self.converted.differs(section.place, "clients get the records of this zone as authoritative data, without validation")

    def _remoteControl(self, section: Section) -> None:
        for option in section.options:
            if option.name == "control-enable":
                if option.value == "yes":
                    self.converted.needless(option.place, "txdns control works as installed")
                else:
                    self.converted.set("control", "", option.place)
            else:
                self._known(option)

    def _path(self, path: str) -> str:
        """
        Make a path absolute; Unbound takes a root directory out of it.
        """
        if not path:
            return ""
        root = self.server.last("chroot").rstrip("/")
        if path.startswith("/") and root and not path.startswith(f"{root}/"):
            return f"{root}{path}"
        return self.includes.pathOf(path)

    def _placeOf(self, name: str) -> Place:
        return next((option.place for option in reversed(self.server.options) if option.name == name), self.whole)


#: Flags that mean the same here.
_FLAGS: Final[Mapping[str, str]] = {
    "do-ip6": "query-ipv6",
    "use-caps-for-id": "mixed-case",
    "root-key-sentinel": "root-key-sentinel",
    "trust-anchor-signaling": "trust-anchor-signaling",
    "dns-error-reporting": "error-reports",
    "answer-cookie": "cookies",
}

#: The options that are converted.
HANDLED: Final = frozenset(
    """
    access-control access-control-view additional-ssl-port additional-tls-port allow-notify auth-zone auto-trust-anchor-file
    cache-max-negative-ttl cache-max-ttl cache-min-ttl control-enable cookie-secret directory do-ip4 do-not-query-localhost do-tcp do-udp
    domain-insecure for-downstream forward-addr forward-first forward-host forward-ssl-upstream forward-tcp-upstream forward-tls-upstream
    forward-zone hide-identity hide-version http-endpoint https-port identity include incoming-num-tcp interface interface-automatic
    dns64-ignore-aaaa dns64-prefix dns64-synthall
    interface-view ip-address ip-ratelimit local-data local-data-ptr local-zone log-queries log-replies master module-config msg-cache-size
    name nsid port prefetch primary private-address private-domain qname-minimisation quic-port remote-control root-hints rpz
    rpz-action-override rpz-cname-override rpz-log rpz-log-name rpz-signal-nxdomain-ra rrset-cache-size rrset-roundrobin serve-expired
    serve-expired-client-timeout serve-expired-ttl server ssl-cert-bundle ssl-port ssl-service-key ssl-service-pem ssl-upstream stub-addr
    stub-first stub-host stub-ssl-upstream stub-tcp-upstream stub-tls-upstream stub-zone tcp-connection-limit tcp-idle-timeout
    tls-additional-port tls-additional-ports tls-cert-bundle tls-port tls-service-key tls-service-pem tls-upstream trust-anchor
    trust-anchor-file trusted-keys-file url val-permissive-mode version view view-first zonefile
    """.split()
) | frozenset(_FLAGS)


def _server(text: str) -> Upstream | None:
    """
    Parse C{192.0.2.1@853#dns.example}.
    """
    place, _, name = text.partition("#")
    address, at, digits = place.partition("@")
    port = portFrom(digits) if at else 0
    return None if port is None or not isAddress(address) else Upstream(address, port, name)


def _number(text: str) -> int:
    return numberFrom(text) or 0


def _octets(text: str) -> int | None:
    text = text.lower().removesuffix("b")
    power = _POWERS.get(text[-1:], 0)
    digits = text[:-1] if power else text
    number = numberFrom(digits)
    return None if number is None else number << power
