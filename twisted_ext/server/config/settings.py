"""
The settings of the server itself, and the values of all. Those of a feature are declared in its folder. Command-line options, keys of the
TOML file, C{--show-config} and the documentation are made from these declarations.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from twisted_ext.errors import BadDescription
from twisted_ext.limits import (
    CACHE_BYTES,
    CACHE_LEAST_SECONDS,
    CACHE_SECONDS,
    HEDGE_SECONDS,
    NEGATIVE_SECONDS,
    STALE_SECONDS,
    STALE_WAIT,
)
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, RESOLVING, Section, Setting, number, octets, setting, shown
from twisted_ext.server.limits import (
    CLIENT_STREAM_IDLE,
    CLIENT_STREAM_IN_FLIGHT,
    CLIENT_STREAM_MESSAGE,
    CLIENT_STREAMS,
    CLIENT_STREAMS_PER_PEER,
    RECORDS_LOST,
    SPOOL_OCTETS,
    TRANSFERS_IN,
    TRANSFERS_OUT,
    TRANSFERS_OUT_PER_PEER,
    TRANSFERS_WAITING,
    WORKERS,
    ZONE_METRICS,
    ZONES_LOST,
)
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.limits import RECEIVED_OCTETS

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["ZONE", "Origin", "Settings"]

_S = TypeVar("_S", bound=Section)


def _zoneTable() -> type[types.Tabled]:
    from twisted_ext.server.config.zonesettings import ZoneSettings

    return ZoneSettings


#: The zones of a server.
ZONE: Final = types.Table(
    "the name of a zone and its master file, such as example.org=/etc/zones/example.org, or a table", _zoneTable
)


def _policyTable() -> type[types.Tabled]:
    from twisted_ext.server.config.signingpolicy import SigningPolicySettings

    return SigningPolicySettings


_POLICY: Final = types.Table("the name of a policy and its settings, such as hidden=denial=nsec3 keys=ksk+zsk, or a table", _policyTable)


class Origin(NamedTuple):
    """
    A settings file as it was read.

    @ivar path: its absolute path.
    @ivar digest: the hash of what it had, in this process.
    """

    path: str
    digest: int

    @classmethod
    def of(cls, path: str, text: str) -> Origin:
        return cls(os.path.abspath(path), hash(text.encode("utf-8")))


class Settings(Section):
    """
    A value for each setting: those of the server itself are attributes, and C{settings[RebindingSettings]} has those of a feature as
    attributes.

    @ivar given: those that do not have their defaults, by name.
    @ivar options: the names of those that are given by options.
    @ivar origin: the file that the others were read from; L{None} for none.
    """

    interface: tuple[str, ...] = setting(
        types.PLACE,
        (),
        "Listen at this address, or at all addresses that this interface, such as eth0, has at the start; by default at all addresses of "
        "this machine",
        short="i",
        live=False,
        group="Where to listen",
    )
    port: int = setting(types.PORT, 53, "Listen at this port, for UDP and TCP", short="p", live=False)
    tcpIdle: float = number(
        CLIENT_STREAM_IDLE,
        "Seconds for which an idle TCP connection is kept, announced to clients that ask for it (RFC 7828)",
        unit="seconds",
        whole=False,
        live=False,
    )
    tcpTimeout: float = number(
        CLIENT_STREAM_MESSAGE,
        "Seconds for the first request of a connection, with the TLS handshake before it, and for each request from its first octet to its "
        "last",
        unit="seconds",
        whole=False,
        live=False,
    )
    tcpConnections: int = number(
        CLIENT_STREAMS,
        "TCP connections of clients at a time, those of TLS and HTTPS included; to make room, those of networks with more than their share "
        "are closed first",
        live=False,
    )
    tcpConnectionsPerClient: int = number(
        CLIENT_STREAMS_PER_PEER, "TCP connections at a time of one IPv4 address or IPv6 /64", live=False
    )
    tcpRequests: int = number(
        CLIENT_STREAM_IN_FLIGHT, "Requests of one TCP connection that wait for answers; with HTTP/2 its concurrent streams", live=False
    )
    workers: int = number(WORKERS, "Number of processes that share the port", live=False)
    tls: tuple[str, ...] = setting(
        types.LISTEN_TLS,
        (),
        "Serve DNS over TLS (RFC 7858) at this address, by default at port 853, or at this endpoint, such as tcp:853:interface=192.0.2.1 "
        "or systemd:name=dot. Needs certificate and key, or self-signed",
        live=False,
        group="Encryption",
    )
    https: tuple[str, ...] = setting(
        types.LISTEN_HTTPS,
        (),
        "Serve DNS over HTTPS (RFC 8484) at this address, by default at port 443, or at an endpoint as for tls. Needs certificate and "
        "key, or self-signed, and the extra https",
        live=False,
    )
    httpsClear: tuple[str, ...] = setting(
        types.LISTEN_HTTPS_CLEAR,
        (),
        "Serve DNS over HTTPS without TLS, with HTTP/1.1 and HTTP/2, to a reverse proxy at this address, by default at port 80, or at an "
        "endpoint as for tls or of a Unix socket, such as unix:/run/txdns/doh.sock:mode=660. Needs trusted-proxies, for a Unix socket "
        "with unix, and the extra https",
        live=False,
    )
    httpsPath: str = setting(
        types.URL_PATH, "/dns-query", "Path of the URL of DNS over HTTPS; no other path serves DNS", live=False
    )
    quic: tuple[str, ...] = setting(
        types.LISTEN_QUIC,
        (),
        "Serve DNS over QUIC (RFC 9250) at this address, by default at port 853 of UDP, or at sockets of systemd, such as "
        "systemd:name=doq. Needs certificate and key, or self-signed, and the extra quic. If this machine has several addresses, list "
        "those that clients use: with any, all replies leave from one of them",
        live=False,
    )
    http3: tuple[str, ...] = setting(
        types.LISTEN_HTTP3,
        (),
        "Serve DNS over HTTPS with HTTP/3 (RFC 9114) at this address, by default at port 443 of UDP, and offer it to the clients of https "
        "(Alt-Svc). Needs what https needs, and the extra quic. Addresses are as for quic",
        live=False,
    )
    trustedProxies: tuple[str, ...] = setting(
        types.PROXY,
        (),
        "Trust proxies at these addresses, or with unix those at Unix sockets, to name their clients: in the PROXY protocol over UDP, "
        "TCP, TLS and HTTPS, and in Forwarded or X-Forwarded-For. Access lists and limits apply to these clients; queries for which a "
        "proxy names none are refused",
    )
    certificate: tuple[str, ...] = setting(
        types.PEM,
        (),
        "Show clients the certificate of this file, with its chain, in PEM. With several, clients get the one for the name that they ask "
        "for (SNI), by default the first. The files are read again when they have changed",
    )
    key: tuple[str, ...] = setting(
        types.PEM, (), "File with the private key of the certificate, not encrypted; by default it is in the certificate's file"
    )
    clientCa: str = setting(
        types.PEM,
        "",
        "Ask clients of the TLS listener for a certificate of one of these authorities, in PEM, which allow-transfer and allow-notify can "
        "demand. Clients without one are served everything else",
    )
    selfSigned: bool = setting(
        types.FLAG,
        False,
        "For trials, use a certificate that this server makes itself, and log the pin by which clients can check it. Needs a state "
        "folder, which keeps the pin across restarts",
        live=False,
    )

    role: str = setting(
        types.ROLE,
        "forward",
        "forward answers from its zones and asks upstreams for other names; recurse asks authoritative servers from the root on, and "
        "validates; serve answers from its zones alone. Set by the sub-command",
        live=False,
        group="What to serve",
        roles=RESOLVING,
    )
    zone: tuple[str, ...] = setting(ZONE, (), "Serve this zone from this master file: example.org=/etc/zones/example.org")
    zoneDirectory: str = setting(
        types.PATH,
        "",
        "Folder where relative paths of zone start; by default that of the settings file, and for options the working directory",
    )
    zones: tuple[str, ...] = setting(
        types.LISTING,
        (),
        "Serve the zones of this folder, whose files are named like their zones, or of this list, with a name and a file on each line",
    )
    sign: str = setting(
        types.SIGNING,
        "none",
        "Sign zones with DNSSEC that have a master file and no other settings: default, or the name of a signing-policy. Keys are in the "
        "state folder, and made if there are none. In a [[zone]] table it is for that zone",
    )
    serveUnsigned: bool = setting(
        types.FLAG,
        True,
        "Until a zone that is to be signed from now on is signed, serve it without signatures, as before; with no its clients get "
        "SERVFAIL. At a start no zone is served without its signatures",
    )
    signingPolicy: tuple[str, ...] = setting(
        _POLICY,
        (),
        "Give this way of signing zones a name, for sign: hidden=denial=nsec3 keys=ksk+zsk. In the settings file it is a table headed "
        "[[signing-policy]], with name, algorithm, keys, denial, signatures, renew, dnskey-ttl, cds, zonemd, and roll with times",
    )
    pyzone: tuple[str, ...] = setting(types.READABLE, (), "Serve the zone made by this file of Python code, as for twistd dns")
    state: str = setting(
        types.PATH,
        "",
        "Folder for data that is kept for the next start, such as compiled zones, block lists and the state of trust anchors; by default "
        "the one made by systemd, else a temporary one",
        live=False,
    )
    watch: bool = setting(types.FLAG, True, "Reload master files when they have changed")
    keyFile: str = setting(
        types.READABLE, "", "File of TSIG keys: one on each line as NAME:SECRET or hmac-sha512:NAME:SECRET, or in the format of tsig-keygen"
    )
    transfersOut: int = number(
        TRANSFERS_OUT, "Outgoing zone transfers at a time; further requests are queued, and client networks take turns", live=False
    )
    transfersOutPerClient: int = number(
        TRANSFERS_OUT_PER_PEER, "Outgoing zone transfers at a time to one IPv4 address or IPv6 /64", live=False
    )
    transfersWaiting: int = number(TRANSFERS_WAITING, "Queued requests for transfers; further ones get SERVFAIL", live=False)
    transfersIn: int = number(
        TRANSFERS_IN, "Incoming zone transfers at a time, at most three quarters of them from one primary", live=False
    )
    transferMaxSize: int = octets(RECEIVED_OCTETS, "Maximum octets of an incoming transfer, or as 64M", live=False)
    transfersMaxSize: int = octets(
        SPOOL_OCTETS,
        "Maximum octets of all incoming transfers under way, which are on disk meanwhile; at most three quarters from one primary",
        live=False,
    )
    weakKeys: bool = setting(types.FLAG, False, "Allow keys for hmac-md5 and hmac-sha1")
    expandAlias: bool = setting(
        types.FLAG, False, "Treat records of type 65401 in all zones as ALIAS records; by default only if a master file calls them ALIAS"
    )

    recursive: bool = setting(
        types.FLAG, True, "Ask upstreams for names that are not known here", short="r", group="Upstreams", serving=False, inView=True
    )
    upstream: tuple[str, ...] = setting(
        types.DESCRIPTION,
        (),
        "Ask this upstream: an address or a description. With several, the next one is asked as well if one takes long. By default the "
        "servers of resolv.conf",
        roles=("forward",),
        inView=True,
        atRunTime=True,
    )
    route: tuple[str, ...] = setting(
        types.ROUTE,
        (),
        "Ask another upstream for a domain and all names below it: corp.example=udp:192.0.2.53",
        inView=True,
        atRunTime=True,
    )
    resolvConf: str = setting(
        types.READABLE, "", "Take upstreams from this file instead of /etc/resolv.conf (implies --recursive)", roles=("forward",)
    )
    upgradeUpstreams: str = setting(
        types.UPGRADE,
        "no",
        "Ask plain upstreams, also those of resolv.conf, over the encrypted transports that they designate (DDR, RFC 9462), once the "
        "certificate has proved their address: no, yes, or require, which fails look-ups instead of asking in the clear",
        atRunTime=True,
    )
    upgradeUnverified: bool = setting(
        types.FLAG,
        False,
        "With upgrade-upstreams = yes, do so without proof as well if the encrypted server is at the same, private address, such as that "
        "of a router (RFC 9462, section 4.3)",
    )
    hedge: float = number(
        HEDGE_SECONDS,
        "Seconds to wait for an upstream before the next one is asked as well",
        unit="seconds",
        whole=False,
        roles=("forward",),
    )
    loopDetection: bool = setting(types.FLAG, True, "Leave out upstreams that forward back to this server", serving=False)

    rootHints: str = setting(
        types.READABLE, "", "Take the servers of the root from this file, such as named.root, instead of those built in", group="Recursion"
    )
    localRoot: tuple[str, ...] = setting(
        types.LOCAL_ROOT,
        (),
        "Transfer the root zone from these servers, and take delegations from the copy while it is secure and current (RFC 8806): "
        "addresses, or yes for servers that are built in",
    )
    validate: bool = setting(types.FLAG, True, "Validate answers with DNSSEC, and answer SERVFAIL instead of bogus data")
    trustAnchor: tuple[str, ...] = setting(
        types.READABLE,
        (),
        "Trust the DS and DNSKEY records of this file: records, trust-anchors of BIND, the state of Unbound, or the XML of IANA. It "
        "replaces the anchors of the root that are built in if it has some of the root",
    )
    trustAnchorRollover: bool = setting(
        types.FLAG,
        True,
        "Follow the rollovers of trust anchors (RFC 5011), but for those that are static in a file for BIND. It takes a state folder",
    )
    trustAnchorSignaling: bool = setting(
        types.FLAG, True, "Tell the operators of zones with trust anchors which keys are trusted, by a query each day (RFC 8145)"
    )
    rootKeySentinel: bool = setting(types.FLAG, True, "Let clients find out which keys of the root are trusted (RFC 8509)")
    negativeTrustAnchor: tuple[str, ...] = setting(
        types.NEGATIVE_ANCHOR,
        (),
        "Do not validate this domain and all names below it until a time, at most a week from now: example.com=+2d or "
        "example.com=2026-12-01T12:00Z",
    )
    stub: tuple[str, ...] = setting(
        types.STUB,
        (),
        "Ask these authoritative servers about a domain and all names below it: corp.example=192.0.2.1, 192.0.2.1:5353 or ns.example.net. "
        "It is validated only with a trust anchor for it",
    )
    minimize: str = setting(
        types.MINIMIZATION,
        "yes",
        "Send servers only the part of a name that they need (RFC 9156): yes, no, or strict, also to servers that fail for it",
    )
    opportunistic: bool = setting(
        types.FLAG,
        False,
        "Ask authoritative servers over TLS if they support it, which is probed beside the queries in the clear (RFC 9539). They are "
        "not authenticated, so only observers are kept out, not attackers. A state folder keeps what was learned",
    )
    queryCookies: bool = setting(types.FLAG, True, "Send DNS cookies to authoritative servers: spoofers cannot know them (RFC 7873)")
    mixedCase: bool = setting(
        types.FLAG, False, "Send names to authoritative servers in mixed case, which spoofers have to guess; not to those that change it"
    )
    errorReports: bool = setting(types.FLAG, False, "Report failures to the agents that the servers of zones name for that (RFC 9567)")
    queryIpv6: bool = setting(types.FLAG, True, "Query servers at IPv6 addresses as well")
    queryLocalhost: bool = setting(types.FLAG, False, "Query servers on this machine if a zone names them")

    cache: bool = setting(types.FLAG, True, "Cache answers", short="c", group="Cache", serving=False)
    cacheSize: int = octets(CACHE_BYTES, "Memory for the cache, in octets, or as 64M", live=False)
    prefetch: bool = setting(types.FLAG, True, "Refresh frequently requested answers before they expire")
    minTtl: int = number(
        CACHE_LEAST_SECONDS,
        "Cache answers of upstreams for so long although their TTL is shorter, but not signed ones",
        unit="seconds",
        inView=True,
    )
    maxTtl: int = number(CACHE_SECONDS, "Longest TTL of answers of upstreams", unit="seconds", inView=True)
    maxNegativeTtl: int = number(
        NEGATIVE_SECONDS, "Longest TTL of answers of upstreams that deny a name or a type", unit="seconds", inView=True
    )
    stale: int = number(STALE_SECONDS, "Seconds after expiry for which an answer is used if no other is available", unit="seconds")
    staleWait: float = number(STALE_WAIT, "Seconds to wait for a fresh answer before a stale one is used", unit="seconds", whole=False)

    minimalAny: bool = setting(
        types.FLAG, True, "Answer queries for type ANY with one record (RFC 8482)", group="Access control and replies"
    )
    versionBind: str = setting(types.TEXT, "", "Answer to version.bind; by default such queries are refused")
    hostnameBind: str = setting(types.TEXT, "", "Answer to hostname.bind and id.server; by default such queries are refused")
    reportAgent: str = setting(
        types.OPTIONAL_NAME, "", "Domain to which resolvers should report failures of the zones served here (RFC 9567)"
    )
    nsid: str = setting(types.TEXT, "", "Name of this server for clients that ask for it (RFC 5001)")

    verbose: int = setting(types.COUNT, 0, "Log every query, as twistd dns does", short="v", group="Monitoring")
    logFormat: str = setting(
        types.LOG_FORMAT,
        "text",
        "Format of the log: text, or json with one object on each line. Not with twistd's --syslog and --logger",
        live=False,
    )
    http: str = setting(types.HTTP_ADDRESS, "", "Show the status page and /metrics at this address", live=False)
    api: str = setting(
        types.API_ADDRESS,
        "",
        "Serve the HTTP API, by which other programs change zones, at this address; it takes api-tokens, and api-tls unless only this "
        "machine reaches the address",
        live=False,
    )
    apiTls: str = setting(
        types.PEM,
        "",
        "Serve the API over HTTPS, with the certificate of this file, its chain and its private key, in PEM; read again when it changes",
        live=False,
    )
    apiTokens: str = setting(types.READABLE, "", "File with the tokens of the API, which txdns api token makes", live=False)
    apiHosts: tuple[str, ...] = setting(
        types.HOST_NAME, (), "Names by which clients address the API; addresses and localhost are taken always", live=False
    )
    console: str = setting(
        types.CONSOLE_ADDRESS,
        "",
        "Serve the console, by which people change zones in a browser, at this address; it takes console-users, or the user that "
        "txdns console setup makes, and console-tls unless only this machine reaches the address",
        live=False,
    )
    consoleTls: str = setting(
        types.PEM,
        "",
        "Serve the console over HTTPS, with the certificate of this file, its chain and its key, in PEM; read again when it changes",
        live=False,
    )
    consoleUsers: str = setting(types.READABLE, "", "File with the users of the console, which txdns console user makes", live=False)
    consoleHosts: tuple[str, ...] = setting(
        types.HOST_NAME, (), "Names by which browsers address the console; addresses and localhost are taken always", live=False
    )
    defaultSoa: str = setting(
        types.TEXT,
        "a.misconfigured.dns.server.invalid. hostmaster.@ 0 10800 3600 604800 3600",
        "SOA record of a zone that is added while the server runs, and without one; @ is the name of the zone",
        live=False,
    )
    ready: tuple[str, ...] = setting(
        types.READINESS,
        ("zones", "upstreams", "workers"),
        "What has to work before /ready and txdns control ready say that this server should get queries: zones are loaded, no zone is held "
        "since its next version has lost much, none that is to be signed is without signatures, an upstream replies, all workers answer",
    )
    zoneMetrics: int = number(
        ZONE_METRICS, "Number of zones up to which /metrics has series for each zone; with more, it has only totals and the first expiries"
    )
    recordsLost: int = number(
        RECORDS_LOST,
        "Percent of a zone's records that may be gone from its next version; if it has lost more, and more than 10, it waits until txdns "
        "control zone accept takes it. With 100 nothing waits",
    )
    zonesLost: int = number(
        ZONES_LOST,
        "The same for zones that catalogs, folders and lists name: percent of them that may be gone at once",
    )
    showClients: bool = setting(
        types.FLAG, False, "Count queries by client, and show clients and live queries on the status page and to txdns control"
    )
    control: str = setting(types.CONTROL, "auto", 'Unix socket for txdns control; "" for none', live=False)
    manhole: str = setting(types.TEXT, "", "Endpoint of an SSH shell inside the server, such as tcp:5022:interface=127.0.0.1", live=False)
    manholeKeys: str = setting(
        types.READABLE, "", "Keys that may log in to the manhole: a file in the format of authorized_keys", live=False
    )

    def __init__(
        self,
        values: Mapping[str, Value] | None = None,
        *,
        own: Settings | None = None,
        options: Collection[str] = (),
        origin: Origin | None = None,
    ) -> None:
        """
        @param values: checked values by setting name; missing ones get their defaults.
        @param own: by default these.
        @param origin: the file that they were read from; L{None} for none.
        """
        given = values or {}
        super().__init__(given)
        self.given = dict(given)
        self.options = options
        self.origin = origin
        self._own = own
        self._sections: dict[type[Section], Section] = {}

    def __getitem__(self, section: type[_S]) -> _S:
        """
        Return the values of the settings of a feature.
        """
        found = self._sections.get(section)
        if found is None:
            found = self._sections[section] = section(self.given)
        return cast("_S", found)

    @classmethod
    def of(cls, **values: object) -> Settings:
        """
        Check values given by a program, by attribute name: C{Settings.of(port=5300, upstream=["192.0.2.1"])}.

        @raise BadDescription: a value is not valid; says which one, and what would be.
        """
        byAttribute = {each.attribute: each for each in DECLARED.all}
        if not values.keys() <= byAttribute.keys():
            byAttribute = {each.attribute: each for each in DECLARED.withPlugins()}
        checked: dict[str, Value] = {}
        for name, value in values.items():
            if name not in byAttribute:
                raise BadDescription(f"there is no setting {name!r}")
            named = byAttribute[name]
            folder = str(values.get("zoneDirectory", "")) if named.kind is ZONE else ""
            try:
                checked[named.name] = named.fromTOML(list(value) if isinstance(value, tuple) else value, folder)
            except BadDescription as fault:
                raise BadDescription(f"{name} {fault}") from None
        return cls(checked)

    def toJSON(self) -> dict[str, object]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.given.items()}

    @classmethod
    def fromJSON(cls, values: Mapping[str, object]) -> Settings:
        """
        Make settings from the result of L{toJSON}, without checking them again.
        """
        if not values.keys() <= DECLARED.byName.keys():
            DECLARED.adopt()
        return cls({name: tuple(value) if isinstance(value, list) else cast("Value", value) for name, value in values.items()})

    def stateFolder(self, environment: Mapping[str, str] = os.environ) -> str:
        """
        Return the folder for persistent state, C{""} for none.
        """
        # systemd separates several folders by colons.
        return self.state or environment.get("STATE_DIRECTORY", "").partition(":")[0]

    def routedDomains(self) -> list[bytes]:
        """
        Return the domains that have an upstream or servers of their own.
        """
        own = [*self.route, *(self.stub if self.role == "recurse" else ())]
        return [nameFromText(each.partition("=")[0]) for each in own]

    def value(self, declared: Setting) -> Value:
        section = declared.section
        found: Value = getattr(self[section] if issubclass(section, Section) and section is not Settings else self, declared.attribute)
        return found

    def valuesOf(self, names: Iterable[str]) -> tuple[Value, ...]:
        """
        Return the values of settings by their names.
        """
        return tuple([self.value(DECLARED.byName[name]) for name in names])

    def differing(self, other: Settings) -> list[Setting]:
        return [each for each in DECLARED.all if self.value(each) != other.value(each)]

    def goingOverTo(self, other: Settings) -> Settings:
        """
        Return the settings in force after a reload: from C{other} those that can change at run time, the rest from these.
        """
        mixed = [(each.name, (other if each.live else self).given) for each in DECLARED.all]
        own = None if other._own is None else self.own.goingOverTo(other.own)
        return Settings({name: given[name] for name, given in mixed if name in given}, own=own, options=other.options, origin=other.origin)

    @property
    def isValidating(self) -> bool:
        """
        Whether answers are validated here: from the root, or those of upstreams and routes whose descriptions say so.
        """
        if self.role == "recurse" and self.validate:
            return True
        return any(word in each for word in ("validate:", "recursive") for each in (*self.upstream, *self.route))

    @property
    def own(self) -> Settings:
        """
        These, without the values that were added and removed while the server ran.
        """
        return self if self._own is None else self._own

    def toTOML(self) -> str:
        lines: list[str] = []
        group = ""
        for each in DECLARED.withPlugins():
            if each.group != group:
                group = each.group
                lines += ["", f"# -- {group}"]
            several = " A list." if each.many else ""
            value = self.value(each)
            if isinstance(each.kind, types.Table) and isinstance(value, tuple):
                text = f"[{', '.join(map(each.kind.shown, value))}]"
            else:
                text = shown(value)
            lines += [f"# {each.help}.{several}", f"{each.name} = {text}"]
        return "\n".join([*lines[1:], ""])


DECLARED.declare([Settings])
