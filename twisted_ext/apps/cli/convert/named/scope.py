"""
Converts what C{named.conf} says to the clients of one view, or to all: options, upstreams, and zones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from twisted_ext.apps.cli.convert.addresses import Upstream, described, labelOf, nameFrom, portFrom
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.named.lists import LOCALHOST, Clients, Lists
from twisted_ext.apps.cli.convert.named.policies import convertPolicies
from twisted_ext.apps.cli.convert.named.syntax import Statement
from twisted_ext.apps.cli.convert.named.zones import SERVED, ZONE_HANDLED, Zones, forwardersOf
from twisted_ext.apps.cli.convert.outcome import outcomesOf
from twisted_ext.apps.cli.convert.prefixes import EVERYONE
from twisted_ext.apps.cli.convert.privatereverse import denyPrivateReverse
from twisted_ext.apps.cli.convert.validation import Validation, validates
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.limits import CACHE_BYTES, STALE_SECONDS, STALE_WAIT
from twisted_ext.server.reply.acl import NEARBY

__all__ = ["HANDLED", "OUTCOMES", "Scope", "secondsIn"]

#: The statements that become no setting.
OUTCOMES: Final = outcomesOf("named")

#: Statements that are converted, besides those of zones.
HANDLED: Final = (
    frozenset(
        """
        acl key tls http zone view options server logging statistics-channels trust-anchors managed-keys trusted-keys dnssec-keys primaries
        masters remote-servers directory listen-on listen-on-v6 port tls-port https-port http-port recursion allow-recursion
        allow-query-cache allow-query blackhole dnssec-validation validate-except version hostname server-id rate-limit max-cache-size
        deny-answer-addresses deny-answer-aliases
        max-cache-ttl max-ncache-ttl min-cache-ttl stale-answer-enable stale-cache-enable max-stale-ttl stale-answer-client-timeout prefetch
        minimal-any qname-minimization querylog tcp-clients tcp-idle-timeout transfers-in transfers-out cookie-secret
        require-server-cookie response-policy dns64 root-key-sentinel catalog-zones match-clients match-destinations
        """.split()
    )
    | ZONE_HANDLED
)

#: Statements about look-ups.
_LOOKING_UP: Final = (
    "max-cache-ttl", "min-cache-ttl", "max-ncache-ttl", "max-cache-size", "prefetch", "stale-answer-enable", "allow-recursion",
    "allow-query-cache",
)  # fmt: skip

_TRUST: Final = ("trust-anchors", "managed-keys", "trusted-keys", "dnssec-keys")

#: Statements of views that stand beside others, not in options.
_AMONG_OTHERS: Final = ("zone", "key", "server", *_TRUST)
_POWERS: Final = {"k": 10, "m": 20, "g": 30}

#: Algorithms of keys by the names and numbers that named knows them by.
_ALGORITHMS: Final = {
    "rsasha256": "rsasha256", "8": "rsasha256", "ecdsap256sha256": "ecdsap256sha256", "ecdsa256": "ecdsap256sha256",
    "13": "ecdsap256sha256", "ecdsap384sha384": "ecdsap384sha384", "ecdsa384": "ecdsap384sha384", "14": "ecdsap384sha384",
    "ed25519": "ed25519", "15": "ed25519", "ed448": "ed448", "16": "ed448",
}  # fmt: skip

#: Seconds for which signatures are valid in named, and for which one is left when it is made anew.
_VALID: Final = 14 * 86_400
_LEFT: Final = 5 * 86_400

_UNITS: Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DATE_UNITS: Final = {"y": 31_536_000, "m": 2_678_400, "w": 604800, "d": 86400}

#: How long named waits, besides TTLs, while keys are replaced, and the TTL of DS records, in seconds.
_DELAYS: Final = {
    "publish-safety": 3600, "retire-safety": 3600, "zone-propagation-delay": 300, "parent-propagation-delay": 3600, "parent-ds-ttl": 86400,
}  # fmt: skip


def secondsIn(text: str) -> int:
    """
    Parse C{3600}, C{1h}, C{1w2d} and C{P1Y2M3DT4H}. As in named, a month has 31 days.
    """
    folded = text.lower()
    days, _, rest = folded.removeprefix("p").partition("t") if folded.startswith("p") else ("", "", folded)
    return _secondsIn(days, _DATE_UNITS) + _secondsIn(rest, _UNITS)


def _secondsIn(text: str, units: Mapping[str, int]) -> int:
    total, digits = 0, ""
    for letter in text:
        if letter.isdecimal():
            digits += letter
        elif letter in units and digits:
            total += (numberFrom(digits) or 0) * units[letter]
            digits = ""
    return total + (numberFrom(digits) or 0)


def addPolicy(statement: Statement, into: Converted) -> bool:
    """
    Add a policy; no zone is signed by it.

    @return: whether it is valid.
    """
    # named adds these records by itself.
    table: dict[str, object] = {"name": statement.value, "cds": True}
    valid, left = _VALID, _LEFT
    times = {**_DELAYS}
    for each in statement.inside:
        if each.name in times:
            times[each.name] = secondsIn(each.value)
        elif each.name == "keys":
            _keys(each, table, into)
        elif each.name == "dnskey-ttl":
            table["dnskey-ttl"] = f"{secondsIn(each.value)}s"
        elif each.name == "signatures-validity":
            valid = secondsIn(each.value)
        elif each.name == "signatures-refresh":
            left = secondsIn(each.value)
        elif each.name == "nsec3param":
            table["denial"] = "nsec3-opt-out" if each.wordAfter("optout").lower() in ("yes", "true", "1") else "nsec3"
            if each.wordAfter("iterations") not in ("", "0") or each.wordAfter("salt-length") not in ("", "0"):
                into.differs(each.place, "NSEC3 has no iterations and no salt here (RFC 9276)")
        else:
            into.needless(each.place, "the longest TTL is known from the zone, and files of former keys stay until you remove them")
    if "roll" in table:
        safety = max(times["publish-safety"], times["retire-safety"])
        table["propagation"] = f"{times['zone-propagation-delay'] + safety}s"
        table["parent-propagation"] = f"{times['parent-propagation-delay'] + safety}s"
        table["parent-ds-ttl"] = f"{times['parent-ds-ttl']}s"
        said = "name the parent's servers in parental-agents, or say what they have with txdns keys checkds, as with rndc dnssec -checkds"
        into.note(statement.place, said)
    if valid - left > valid // 2:
        into.note(statement.place, "signatures are made anew after half of their life at the latest")
    table |= {"signatures": f"{valid}s", "renew": f"{max(min(valid - left, valid // 2), 0)}s"}
    return into.add("signing-policy", table, statement.place)


def _keys(statement: Statement, table: dict[str, object], into: Converted) -> None:
    kinds = {each.name for each in statement.inside}
    table["keys"] = "csk" if "csk" in kinds else "ksk+zsk"
    for each in statement.inside:
        named = each.wordAfter("algorithm").lower()
        table["algorithm"] = _ALGORITHMS.get(named, named)
        lifetime = each.wordAfter("lifetime").lower()
        if lifetime not in ("", "unlimited", "0"):
            table["roll"] = True
            table["zsk-lifetime" if each.name == "zsk" else "ksk-lifetime"] = f"{secondsIn(lifetime)}s"


class Scope:
    """
    The statements that apply to the clients of a view, or to all clients if there are no views, and what is decided for all of its zones.

    @ivar clients: the clients of the view.
    @ivar destinations: the addresses of the server at which the view is; L{None} for all.
    @ivar blackholed: the clients that are not answered.
    @ivar queried: the clients that may query the zones; L{None} for all.
    @ivar recursed: the clients whose names outside the zones are looked up; L{None} for none.
    @ivar served: the zones that clients query.
    @ivar queriedIn: by the names of these zones, the clients that may query them; L{None} for all.
    @ivar sharing: the zones that are those of other views: by their names, the name of the view and the place that says so.
    @ivar recurses: whether names outside the zones are looked up from the root on.
    @ivar tlsNames: the names in certificates by the name of the C{tls} statement.
    """

    def __init__(
        self, statements: Sequence[Statement], whole: Place, includes: Includes, converted: Converted, view: Statement | None = None
    ) -> None:
        """
        @param whole: the place of the configuration.
        @param view: one of the statements.
        """
        self.includes = includes
        self._converted = converted
        self._whole = whole
        moved = () if view is None else [each for each in view.inside if each.name in _AMONG_OTHERS]
        self._statements = [*[each for each in statements if each.name != "view"], *moved]
        # Those of a view come first: they have precedence over those of options.
        self._view = view
        self._options: dict[str, list[Statement]] = {}
        for statement in [*([] if view is None else [view]), *[each for each in statements if each.name == "options"]]:
            for each in statement.inside:
                self._options.setdefault(each.name, []).append(each)
        # Servers are asked at the port that this one has itself, where no other is given.
        self._lists = Lists(self._statements, converted, self._port("port", 53))
        self.tlsNames = {
            each.value: inner.value
            for each in statements if each.name == "tls" for inner in each.inside if inner.name == "remote-hostname"
        }  # fmt: skip
        directory = self.find("directory")
        self._folder = includes.pathOf(directory.value) if directory is not None else includes.folder
        self._forwarders = forwardersOf(self.find("forwarders"), self._lists)
        self.clients = self._matching("match-clients") or Clients.of(["any"])
        self.destinations = self._matching("match-destinations")
        self.blackholed = self._clientsOf("blackhole")
        self.queried = self._clientsOf("allow-query")
        self.recursed = self._recursed()
        #: Statements with trust anchors of other zones than the root.
        self._anchored = [each for each in self._statements if each.name in _TRUST and any(one.words[:1] != ["."] for one in each.inside)]
        self.validation = self._validation()
        zones = [each for each in self._statements if each.name == "zone"]
        self.served = [each for each in zones if any(inner.name == "type" and inner.value.lower() in SERVED for inner in each.inside)]
        self.queried = self._ofZones() or self.queried
        self.queriedIn: dict[str, Clients | None] = {}
        self.sharing: dict[str, tuple[str, Place]] = {}
        self.recurses = self.recursed is not None and not self._forwarders

    def find(self, name: str) -> Statement | None:
        """
        Return a statement of the view or of options.
        """
        found = self._options.get(name)
        return found[0] if found else None

    def transport(self, servers: Iterable[Upstream]) -> str:
        return "tls" if any(server.name for server in servers) else "udp"

    def described(self, name: str, servers: Iterable[Upstream], transport: str = "udp") -> str:
        """
        Return the description of the servers that are asked about a domain.
        """
        return described(servers, transport, validated=self.validation.covers(name.lower()))

    # -- the whole

    def convert(self) -> None:
        self._role()
        self._listen()
        zones = Zones(self, self._lists, self._converted, self._path)
        self._catalogs(zones)
        self._policies()
        for statement in self._statements:
            if statement.name == "zone":
                zones.convert(statement, self._known)
        zones.finish()
        for name, given in self._options.items():
            if name not in HANDLED:
                for each in given:
                    self._known(each)
        self._simple()
        self._cache()
        self._addresses()
        self._denied()
        for statement in self._statements:
            self._statement(statement)
        if self.recursed is not None:
            self._converted.add("hosts-file", "", self._whole)

    def _path(self, path: str) -> str:
        return self.includes.pathOf(path if path.startswith("/") else f"{self._folder}/{path}")

    def _known(self, statement: Statement) -> None:
        outcome = OUTCOMES.get(statement.name)
        if outcome is not None:
            outcome.report(statement.value, statement.place, self._converted)
        elif statement.name not in HANDLED:
            self._converted.wrong(statement.place, "named has no such statement")

    def _flag(self, name: str, default: bool) -> bool:
        found = self.find(name)
        return default if found is None else found.value.lower() in ("yes", "true", "1")

    def _clientsOf(self, name: str) -> Clients | None:
        found = self.find(name)
        return None if found is None else self._lists.clients(found.inside, found.place)

    def _matching(self, name: str) -> Clients | None:
        """
        Return what a statement of a view matches. A client that it leaves out for its key may be in another view.
        """
        found = self.find(name)
        return None if found is None else self._lists.clients(found.inside, found.place, keysApart=True)

    def accessPlace(self) -> Place:
        """
        Return the place that says who is answered.
        """
        found = next((each for name in ("allow-recursion", "allow-query-cache", "allow-query") if (each := self.find(name))), None)
        return self._whole if found is None else found.place

    def _ofZones(self) -> Clients | None:
        """
        Return the clients that may query the zones, if each zone says so by itself and all say the same.
        """
        said = [inner for each in self.served for inner in each.inside if inner.name == "allow-query"]
        lists = [self._lists.clients(each.inside, each.place) for each in said]
        if not lists or len(lists) < len(self.served) or not all(lists[0].hasAll(each) and each.hasAll(lists[0]) for each in lists):
            return None
        return lists[0]

    # -- what is asked

    def _recursed(self) -> Clients | None:
        """
        Return the clients whose names outside the zones are looked up, L{None} for none.
        """
        if not self._flag("recursion", True):
            return None
        found = self._clientsOf("allow-recursion")
        cached = self._clientsOf("allow-query-cache")
        if found is not None and cached is not None:
            # Each of the two stands for the other one, if that is missing.
            found = found.both(cached)
        found = found or cached
        if found is not None:
            return None if found.isNone else found
        if self.queried is not None:
            return None if self.queried.isNone else self.queried
        place = Place(self._whole.file, 0, "allow-recursion")
        self._converted.note(place, "by default named looks names up for its own networks; here, for all private networks")
        return Clients.of([*LOCALHOST, *NEARBY])

    def _role(self) -> None:
        said = self.find("recursion")
        place = said.place if said is not None else self._whole
        if self.recursed is None:
            self._converted.set("role", "serve", place)
            return
        forwarders = self.find("forwarders")
        if forwarders is None or not self._forwarders:
            self._converted.set("role", "recurse", place)
            if not self.validation:
                found = self.find("dnssec-validation")
                self._converted.set("validate", False, self._whole if found is None else found.place)
            return
        self._converted.set("role", "forward", forwarders.place)
        servers = [Upstream(each.address, each.port, self.tlsNames.get(each.name, "") if each.name else "") for each in self._forwarders]
        transport = "tls" if any(each.name for each in self._forwarders) else "udp"
        self._converted.add("upstream", self.described(".", servers, transport), forwarders.place)
        forward = self.find("forward")
        if forward is None or forward.value.lower() != "only":
            # With forward only, named has no such zones.
            if self._flag("empty-zones-enable", True):
                place = Place(self._whole.file, 0, "zones of private addresses, which named has by itself")
                denyPrivateReverse(self._converted, [each.address for each in servers], self._named(), place)
            self._converted.note(forwarders.place, "if the forwarders fail, the look-up fails, as with forward only", "list several")

    def _named(self) -> list[str]:
        """
        Return the names of zones, and of zones that are not empty.
        """
        zones = [each.value for each in self._statements if each.name == "zone"]
        zones += [each.value for each in self._options.get("disable-empty-zone", [])]
        return [f"{zone.rstrip('.').lower()}." for zone in zones]

    def _validation(self) -> Validation:
        found = self.find("dnssec-validation")
        auto = found is None or found.value.lower() == "auto"
        if not auto and not self._flag("dnssec-validation", False):
            return Validation((), ())
        given = [one.words[0] for each in self._statements if each.name in _TRUST for one in each.inside if one.words]
        if not given and not auto and found is not None:
            forwards = self._forwarders and self.find("forwarders") is not None
            instead = "write validate: in front of each upstream" if forwards else "set validate = true"
            self._converted.note(found.place, "with yes and no trust anchors, named validates nothing", instead)
        excepted = [each.words[0] for each in self._excepted() if each.words]
        return Validation(
            [*(["."] if auto else []), *[name for text in given if (name := nameFrom(text)) is not None]],
            [name for text in excepted if (name := nameFrom(text)) is not None],
            exceptionsFirst=True,
        )

    def _excepted(self) -> list[Statement]:
        found = self.find("validate-except")
        return [] if found is None else found.inside

    def _fileOf(self, statement: Statement) -> str:
        """
        Return the path of the file that a statement with trust anchors is in; C{""} for the configuration itself, which is none of these.
        """
        file = statement.place.file
        return "" if file == self._whole.file else self.includes.pathOf(file)

    # -- where and for whom

    def _listen(self) -> None:
        usual = self._port("port", 53)
        any4 = any6 = False
        places: dict[int, list[tuple[str, Place]]] = {}
        for name in ("listen-on", "listen-on-v6"):
            given = self._options.get(name, [])
            plain = [each for each in given if not each.wordAfter("tls") and not each.wordAfter("http")]
            if not given:
                any4, any6 = any4 or name == "listen-on", any6 or name == "listen-on-v6"
            for each in given:
                clients = self._lists.clients(each.inside, each.place)
                if each not in plain:
                    self._encrypted(each, clients)
                    continue
                port = portFrom(each.wordAfter("port")) if each.wordAfter("port") else usual
                wildcard = "0.0.0.0" if name == "listen-on" else "::"
                for network in clients.allowed:
                    address, _, length = network.partition("/")
                    if network == "any":
                        any4, any6 = any4 or name == "listen-on", any6 or name == "listen-on-v6"
                        places.setdefault(port or usual, []).append((wildcard, each.place))
                    elif (":" in address) != (name == "listen-on-v6"):
                        continue
                    elif network in LOCALHOST or length in ("32", "128"):
                        address = "127.0.0.1" if network == LOCALHOST[0] else address
                        places.setdefault(port or usual, []).append((address, each.place))
                    else:
                        self._converted.missing(each.place, f"{network}: write single addresses, or names of network interfaces")
                if clients.denied:
                    self._converted.missing(each.place, "addresses cannot be left out", "list the others in interface")
        port = usual if usual in places or not places else next(iter(places))
        if port != 53:
            found = self.find("port")
            self._converted.set("port", port, places[port][0][1] if port in places else found.place if found is not None else self._whole)
        for number, hosts in places.items():
            for address, place in hosts:
                if number != port:
                    self._converted.missing(place, f"all addresses have one port, {port}", "run a second instance for this one")
                elif not (any4 and any6):
                    self._converted.add("interface", address, place)
        # With any of one family by default, the addresses of the other one say where.
        if any4 is not any6:
            self._converted.add("interface", "0.0.0.0" if any4 else "::", self._whole)

    def _port(self, name: str, default: int) -> int:
        found = self.find(name)
        port = portFrom(found.value) if found is not None else default
        return default if port is None else port

    def _encrypted(self, statement: Statement, clients: Clients) -> None:
        tls, http = statement.wordAfter("tls"), statement.wordAfter("http")
        kind = "tls" if not http else "https-clear" if tls == "none" else "https"
        defaults = {"tls": ("tls-port", 853), "https": ("https-port", 443), "https-clear": ("http-port", 80)}
        port = portFrom(statement.wordAfter("port")) or self._port(*defaults[kind])
        for network in clients.allowed:
            address = "any" if network == "any" else "127.0.0.1" if network == LOCALHOST[0] else network.partition("/")[0]
            self._converted.add(kind, f"any:{port}" if address == "any" else labelOf(address, port, 0), statement.place)
        if tls == "ephemeral":
            self._converted.set("self-signed", True, statement.place)
        for each in self._statements:
            if each.name == "tls" and each.value == tls:
                for inner in each.inside:
                    if inner.name in ("cert-file", "key-file", "ca-file"):
                        path = self._path(inner.value)
                        if inner.name == "ca-file":
                            self._converted.set("client-ca", path, inner.place)
                        else:
                            self._converted.add("certificate" if inner.name == "cert-file" else "key", path, inner.place)
            elif each.name == "http" and each.value == http:
                paths = [word for inner in each.inside if inner.name == "endpoints" for one in inner.inside for word in one.words]
                if paths:
                    self._converted.set("https-path", paths[0], each.place)
                for path in paths[1:]:
                    self._converted.missing(each.place, f"DNS over HTTPS has one path; {path} is not served")

    # -- options

    def _simple(self) -> None:
        into = self._converted
        for name, setting in (("version", "version-bind"), ("hostname", "hostname-bind"), ("server-id", "hostname-bind")):
            found = self.find(name)
            if found is None:
                continue
            if found.value.lower() in ("none", ""):
                into.needless(found.place, f"{setting} is not set")
            elif found.value.lower() == "hostname" and name == "server-id":
                into.note(found.place, "the name of the machine is not taken by itself", "set hostname-bind")
            else:
                into.set(setting, found.value, found.place)
        for name, setting in (
            ("querylog", "query-log"), ("root-key-sentinel", "root-key-sentinel"), ("minimal-any", "minimal-any"),
        ):  # fmt: skip
            found = self.find(name)
            if found is not None:
                into.set(setting, self._flag(name, False), found.place)
        for name, setting in (("tcp-clients", "tcp-connections"), ("transfers-in", "transfers-in"), ("transfers-out", "transfers-out")):
            found = self.find(name)
            if found is not None:
                into.set(setting, _number(found.value), found.place)
        found = self.find("qname-minimization")
        if found is not None:
            into.set("minimize", {"strict": "strict", "relaxed": "yes"}.get(found.value.lower(), "no"), found.place)
        found = self.find("tcp-idle-timeout")
        if found is not None:
            # named counts tenths of seconds.
            into.set("tcp-idle", _number(found.value) / 10, found.place)
        for each in self._excepted():
            if each.words:
                self.validation.reportException(each.words[0], each.place, into)
        found = self.find("require-server-cookie")
        if found is not None and self._flag("require-server-cookie", False):
            into.add("require-cookie", "any", found.place)
            into.differs(found.place, "clients that send no cookie need TCP as well", "set require-cookie to the networks of those that do")
        found = self.find("cookie-secret")
        if found is not None:
            into.missing(found.place, "secrets for cookies are in a file", "write each on a line of a file, and set cookie-secret to it")
        limit = self.find("rate-limit")
        if limit is not None:
            # The usual rate goes before those of other kinds.
            for each in sorted(limit.inside, key=lambda each: each.name != "responses-per-second"):
                if each.name == "responses-per-second":
                    into.set("response-rate", _number(each.value), each.place)
                elif each.name == "slip":
                    into.set("response-slip", _number(each.value), each.place)
                elif each.name == "exempt-clients":
                    for network in self._lists.clients(each.inside, each.place).grants():
                        if "key=" not in network:
                            into.add("response-exempt", network, each.place)
                elif each.name.endswith("-per-second") and "response-rate" not in into.values:
                    into.set("response-rate", _number(each.value), each.place)
                    into.differs(each.place, "one rate is for replies of all kinds")
                elif each.name == "log-only" and each.value.lower() == "yes":
                    into.differs(each.place, "replies above the rate are dropped, not only logged", "leave response-rate out")
                else:
                    into.needless(each.place, "one rate is for replies of all kinds")

    def _cache(self) -> None:
        into = self._converted
        if self.recursed is None:
            for name in _LOOKING_UP:
                if (each := self.find(name)) is not None:
                    into.needless(each.place, "no names are looked up")
            return
        for name, setting in (("max-cache-ttl", "max-ttl"), ("min-cache-ttl", "min-ttl"), ("max-ncache-ttl", "max-negative-ttl")):
            found = self.find(name)
            if found is not None:
                into.set(setting, secondsIn(found.value), found.place)
        into.settleTTLs("min-ttl")
        found = self.find("max-cache-size")
        if found is not None:
            octets = _octets(found.value)
            if octets:
                into.set("cache-size", int(CACHE_BYTES.pick(octets)), found.place)
            else:
                into.note(found.place, f"the cache has {int(CACHE_BYTES.default) >> 20} MiB by default", "set cache-size")
        found = self.find("prefetch")
        if found is not None:
            into.set("prefetch", found.value != "0", found.place)
        found = self.find("stale-answer-enable")
        if found is None:
            return
        if not self._flag("stale-answer-enable", False):
            into.set("stale", 0, found.place)
            return
        longest = self.find("max-stale-ttl")
        into.set("stale", int(STALE_SECONDS.pick(secondsIn(longest.value) if longest is not None else 86400)), found.place)
        wait = self.find("stale-answer-client-timeout")
        if wait is not None and (milliseconds := numberFrom(wait.value)) is not None:
            into.set("stale-wait", STALE_WAIT.pick(milliseconds / 1000), wait.place)
        else:
            place = found.place if wait is None else wait.place
            into.differs(place, "stale answers do not wait until the look-up has failed, but as long as stale-wait says", "set stale-wait")

    def _addresses(self) -> None:
        """
        Convert what is said of IPv6 addresses made from others. That of a view takes the place of that of options.
        """
        into = self._converted
        given = self._options.get("dns64", [])
        own = [each for each in given if self._view is not None and each in self._view.inside]
        for each in own or given:
            if self.recursed is None:
                into.needless(each.place, "no names are looked up")
                continue
            inner = {one.name: one for one in each.inside}
            if not into.add("dns64", each.value, each.place):
                continue
            for name, text in (("clients", "clients are told apart by views only"), ("mapped", "all IPv4 addresses are used")):
                if name in inner and not self._lists.clients(inner[name].inside, inner[name].place).isAny:
                    into.missing(inner[name].place, text, "write a table [[view]] with its dns64" if name == "clients" else "")
            if "exclude" in inner:
                for network in self._lists.clients(inner["exclude"].inside, inner["exclude"].place).allowed:
                    if ":" in network:
                        into.add("dns64-exclude", network, inner["exclude"].place)
            if "suffix" in inner and inner["suffix"].value != "::":
                into.missing(inner["suffix"].place, "what follows the IPv4 address is zero")
            if self.served and ("recursive-only" not in inner or inner["recursive-only"].value.lower() not in ("yes", "true", "1")):
                into.differs(each.place, "names of zones that are served here get no addresses", "add AAAA records to the zones")

    def _denied(self) -> None:
        """
        Convert what is said of names whose answers have certain addresses, or lead to certain domains.
        """
        into = self._converted
        addresses, aliases = self.find("deny-answer-addresses"), self.find("deny-answer-aliases")
        found = addresses or aliases
        if found is None:
            return
        if self.recursed is None:
            into.needless(found.place, "no names are looked up")
            return
        if addresses is not None:
            networks = self._lists.clients(addresses.inside, addresses.place)
            for network in networks.grants():
                for each in EVERYONE if network == "any" else (network,):
                    into.add("deny-answer-addresses", each, addresses.place)
        for alias in aliases.inside if aliases is not None else ():
            into.add("deny-answer-aliases", alias.words[0] if alias.words else "", alias.place)
        exceptions = [_exceptedIn(each) for each in (addresses, aliases) if each is not None]
        for name, place in dict.fromkeys([one for each in exceptions for one in each]):
            into.add("deny-answer-except", name, place)
        if len(exceptions) > 1 and {name for name, _ in exceptions[0]} != {name for name, _ in exceptions[1]}:
            into.differs(found.place, "names are excepted from both, or from neither")
        into.differs(found.place, "such names do not exist; named says SERVFAIL, and leaves out aliases within the domain of their servers")

    def _catalogs(self, zones: Zones) -> None:
        found = self.find("catalog-zones")
        for each in found.inside if found is not None else ():
            if each.name == "zone":
                usual = next((one for one in each.words if one in ("default-primaries", "default-masters")), "")
                members = self._lists.remotes(Statement(each.place, [usual], each.block)) if usual else []
                zones.catalogs[f"{each.value.rstrip('.').lower()}."] = members

    def _policies(self) -> None:
        found = self.find("response-policy")
        if found is not None:
            convertPolicies(found, self.served, self._path, self._converted)

    # -- other statements

    def _statement(self, statement: Statement) -> None:
        name, into = statement.name, self._converted
        if name in ("options", "zone", "acl", "key", "primaries", "masters", "remote-servers", "http", "tls"):
            return
        if name == "logging":
            self._logging(statement)
        elif name == "statistics-channels":
            for each in statement.inside:
                host = "127.0.0.1" if each.value in ("*", "") else each.value
                into.set("http", labelOf(host, portFrom(each.wordAfter("port")) or 80, 0), each.place)
        elif name in _TRUST:
            self._trust(statement)
        elif name == "server":
            self._server(statement)
        elif name == "dnssec-policy":
            addPolicy(statement, into)
        else:
            self._known(statement)

    def _logging(self, statement: Statement) -> None:
        queries = [each for each in statement.inside if each.name == "category" and each.value == "queries"]
        for each in queries:
            if any(word != "null" for inner in each.inside for word in inner.words):
                self._converted.set("query-log", True, each.place)
        what, instead = "the log goes to the journal or to the terminal", "--logfile or --syslog of twistd changes that"
        channels = [each.value for each in statement.inside if each.name == "channel"]
        if channels:
            self._converted.missing(statement.place, f"{what}, not to the channels {', '.join(channels)}", instead)
        else:
            self._converted.needless(statement.place, what, instead)

    def _trust(self, statement: Statement) -> None:
        if statement not in self._anchored:
            self._converted.needless(statement.place, "the trust anchors of the root are built in, and their rollovers are followed")
            return
        if not self.validation:
            self._converted.needless(statement.place, "nothing is validated")
            return
        path = self._fileOf(statement)
        if not path:
            instead = "write this statement to a file, and set trust-anchor to its path"
            self._converted.missing(statement.place, "trust anchors are read from a file", instead)
        elif self.recurses or validates(self._converted):
            self._converted.add("trust-anchor", path, statement.place)

    def _server(self, statement: Statement) -> None:
        for each in statement.inside:
            if each.name == "keys":
                continue
            if each.name == "bogus" and each.value.lower() == "yes":
                self._converted.missing(each.place, "single servers cannot be left out")
            elif each.name == "tcp-only" and each.value.lower() == "yes":
                self._converted.missing(each.place, "UDP is tried first")
            elif each.name == "edns" and each.value.lower() == "no":
                self._converted.needless(each.place, "servers that do not support EDNS are recognized")
            elif each.name == "transfer-format" and each.value.lower() == "one-answer":
                self._converted.missing(each.place, "it is set for each zone", f'one-answer = ["{statement.value}"] in its table')
            else:
                self._converted.needless(each.place, "it has a fixed value that suits all servers")


def _exceptedIn(statement: Statement) -> list[tuple[str, Place]]:
    """
    Return the names in the block after C{except-from}.
    """
    found = [each for block in statement.after if isinstance(block, list) for each in block]
    return [(each.words[0], each.place) for each in found if each.words]


def _number(text: str) -> int:
    return numberFrom(text) or 0


def _octets(text: str) -> int:
    text = text.lower()
    power = _POWERS.get(text[-1:], 0)
    digits = text[:-1] if power else text
    return _number(digits) << power
