"""
The table of all settings. Command-line options, keys of the TOML file, C{--show-config} and the documentation are all made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Final, cast

from twisted_ext.errors import BadDescription
from twisted_ext.limits import CACHE_BYTES, HEDGE_SECONDS, STALE_SECONDS, STALE_WAIT
from twisted_ext.server.config import types
from twisted_ext.server.limits import (
    CLIENT_RATE,
    CLIENT_STREAM_IDLE,
    RESPONSE_RATE,
    RESPONSE_SLIP,
    SPOOL_OCTETS,
    TRANSFERS_IN,
    TRANSFERS_OUT,
    TRANSFERS_OUT_PER_PEER,
    TRANSFERS_WAITING,
    WORKERS,
)
from twisted_ext.server.reply.acl import NEARBY
from twisted_ext.zone.limits import RECEIVED_OCTETS

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Kind, Value

__all__ = ["SETTINGS", "Setting", "Settings", "settingNamed", "shown"]

@dataclass(slots=True, eq=False)
class Setting:
    """
    One setting of the server.

    @ivar name: the option without its hyphens, which is also the key in the file.
    @ivar kind: the type of its value, or of each value where there may be several.
    @ivar default: the default value.
    @ivar help: the help text, one sentence.
    @ivar short: the one-letter option, or C{""}.
    @ivar group: the heading that it is listed under.
    @ivar live: whether a reload applies a new value; if not, it takes a restart.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    _: KW_ONLY
    short: str = ""
    group: str = ""
    live: bool = True

    @property
    def many(self) -> bool:
        """
        Whether the setting takes several values.
        """
        return isinstance(self.default, tuple)

    @property
    def attribute(self) -> str:
        """
        The name of the attribute of L{Settings}.
        """
        first, *others = self.name.split("-")
        return first + "".join([word.capitalize() for word in others])

    @property
    def allowed(self) -> str:
        """
        The valid values, described in words.
        """
        return f"{self.kind.allowed}, once or several times" if self.many else self.kind.allowed

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
        if self.kind is types.ZONE and isinstance(value, dict):
            value = [value]
        if self.kind is types.ROUTE and isinstance(value, dict):
            value = [f"{domain}={target}" for domain, target in value.items()]
        if not isinstance(value, list):
            raise BadDescription(f"takes a list, each {self.kind.allowed}, not {value!r}")
        return tuple([str(self.kind.fromTOML(each, folder)) for each in value])


def _settings() -> Iterable[Setting]:
    listening = "Where to listen"
    yield Setting(
        "interface",
        types.ADDRESS,
        (),
        "Listen at this address; by default at all addresses of this machine",
        short="i",
        group=listening,
        live=False,
    )
    yield Setting("port", types.PORT, 53, "Listen at this port, for UDP and TCP", short="p", group=listening, live=False)
    yield Setting(
        "tcp-idle",
        types.Number(CLIENT_STREAM_IDLE, "seconds", whole=False),
        CLIENT_STREAM_IDLE.default,
        "Seconds for which an idle TCP connection is kept, announced to clients that ask for it (RFC 7828)",
        group=listening,
        live=False,
    )
    yield Setting("workers", types.Number(WORKERS), 1, "Number of processes that share the port", group=listening, live=False)
    serving = "What to serve"
    yield Setting(
        "role",
        types.ROLE,
        "forward",
        "forward answers from its zones and asks upstreams for other names; serve answers from its zones alone. Set by the sub-command",
        group=serving,
        live=False,
    )
    yield Setting("zone", types.ZONE, (), "Serve this zone from this master file: example.org=/etc/zones/example.org", group=serving)
    yield Setting(
        "zones",
        types.LISTING,
        (),
        "Serve the zones of this folder, whose files are named like their zones, or of this list, with a name and a file on each line",
        group=serving,
    )
    yield Setting("pyzone", types.READABLE, (), "Serve the zone made by this file of Python code, as for twistd dns", group=serving)
    yield Setting(
        "state",
        types.PATH,
        "",
        "Folder for data that is kept for the next start, such as compiled zones; by default the one made by systemd, else a temporary "
        "one",
        group=serving,
        live=False,
    )
    yield Setting("watch", types.FLAG, True, "Reload master files when they have changed", group=serving)
    yield Setting(
        "key-file",
        types.READABLE,
        "",
        "File of TSIG keys: one on each line as NAME:SECRET or hmac-sha512:NAME:SECRET, or in the format of tsig-keygen",
        group=serving,
    )
    yield Setting(
        "transfers-out",
        types.Number(TRANSFERS_OUT),
        int(TRANSFERS_OUT.default),
        "Outgoing zone transfers at a time; further requests are queued, and client networks take turns",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-out-per-client",
        types.Number(TRANSFERS_OUT_PER_PEER),
        int(TRANSFERS_OUT_PER_PEER.default),
        "Outgoing zone transfers at a time to one IPv4 address or IPv6 /64",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-waiting",
        types.Number(TRANSFERS_WAITING),
        int(TRANSFERS_WAITING.default),
        "Queued requests for transfers; further ones get SERVFAIL",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-in",
        types.Number(TRANSFERS_IN),
        int(TRANSFERS_IN.default),
        "Incoming zone transfers at a time, at most three quarters of them from one primary",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfer-max-size",
        types.Octets(RECEIVED_OCTETS),
        int(RECEIVED_OCTETS.default),
        "Maximum octets of an incoming transfer, or as 64M",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-max-size",
        types.Octets(SPOOL_OCTETS),
        int(SPOOL_OCTETS.default),
        "Maximum octets of all incoming transfers under way, which are on disk meanwhile; at most three quarters from one primary",
        group=serving,
        live=False,
    )
    yield Setting("weak-keys", types.FLAG, False, "Allow keys for hmac-md5 and hmac-sha1", group=serving)
    yield Setting(
        "expand-alias",
        types.FLAG,
        False,
        "Treat records of type 65401 in all zones as ALIAS records; by default only if a master file calls them ALIAS",
        group=serving,
    )
    asking = "Upstreams"
    yield Setting(
        "recursive", types.FLAG, True, "Ask upstreams for names that are not known here", short="r", group=asking
    )
    yield Setting(
        "upstream",
        types.DESCRIPTION,
        (),
        "Ask this upstream: an address or a description. With several, the next one is asked as well if one takes long. By default the "
        "servers of resolv.conf",
        group=asking,
    )
    yield Setting(
        "route", types.ROUTE, (), "Ask another upstream for a domain and all names below it: corp.example=udp:192.0.2.53", group=asking
    )
    yield Setting(
        "resolv-conf", types.READABLE, "", "Take upstreams from this file instead of /etc/resolv.conf (implies --recursive)", group=asking
    )
    yield Setting(
        "hedge",
        types.Number(HEDGE_SECONDS, "seconds", whole=False),
        HEDGE_SECONDS.default,
        "Seconds to wait for an upstream before the next one is asked as well",
        group=asking,
    )
    yield Setting("loop-detection", types.FLAG, True, "Leave out upstreams that forward back to this server", group=asking)
    known = "Local records"
    yield Setting("hosts-file", types.READABLE, "/etc/hosts", 'Answer from this hosts file; "" for none', group=known)
    yield Setting("local", types.RECORD, (), 'Answer with this record: "router.lan A 192.168.1.1"', group=known)
    yield Setting("local-file", types.READABLE, (), "Answer with the records of this file, one on each line", group=known)
    cache = "Cache"
    yield Setting("cache", types.FLAG, True, "Cache answers", short="c", group=cache)
    size = int(CACHE_BYTES.default)
    yield Setting("cache-size", types.Octets(CACHE_BYTES), size, "Memory for the cache, in octets, or as 64M", group=cache, live=False)
    yield Setting("prefetch", types.FLAG, True, "Refresh frequently requested answers before they expire", group=cache)
    yield Setting(
        "stale",
        types.Number(STALE_SECONDS, "seconds"),
        int(STALE_SECONDS.default),
        "Seconds after expiry for which an answer is used if no other is available",
        group=cache,
    )
    yield Setting(
        "stale-wait",
        types.Number(STALE_WAIT, "seconds", whole=False),
        STALE_WAIT.default,
        "Seconds to wait for a fresh answer before a stale one is used",
        group=cache,
    )
    guarding = "Access control and replies"
    yield Setting(
        "allow",
        types.PREFIX,
        NEARBY,
        "Answer clients at these addresses and refuse all others; by default this machine and private networks, with serve all clients",
        group=guarding,
    )
    yield Setting("refuse", types.PREFIX, (), "Refuse these clients, although they are in an allowed network", group=guarding)
    yield Setting("drop", types.PREFIX, (), "Send these clients no reply at all", group=guarding)
    yield Setting("cookies", types.FLAG, True, "Send and check DNS cookies (RFC 7873)", group=guarding, live=False)
    yield Setting(
        "cookie-secret",
        types.SECRET,
        "",
        "File with 32 hexadecimal digits as secret for cookies, for servers that share an address; by default drawn at each start",
        group=guarding,
        live=False,
    )
    yield Setting(
        "require-cookie",
        types.PREFIX,
        (),
        "Answer these clients over UDP only with a valid cookie of this server; clients without a cookie have to use TCP",
        group=guarding,
        live=False,
    )
    yield Setting("minimal-any", types.FLAG, True, "Answer queries for type ANY with one record (RFC 8482)", group=guarding)
    yield Setting(
        "client-rate",
        types.Number(CLIENT_RATE, "queries"),
        int(CLIENT_RATE.default),
        "Queries per second from one client; 0 for no limit",
        group=guarding,
    )
    yield Setting(
        "response-rate",
        types.Number(RESPONSE_RATE, "replies"),
        int(RESPONSE_RATE.default),
        "UDP replies of one kind per second to one client network, since source addresses may be spoofed; 0 for no limit",
        group=guarding,
    )
    yield Setting(
        "response-slip",
        types.Number(RESPONSE_SLIP, "replies"),
        int(RESPONSE_SLIP.default),
        "Of the replies above that rate, one in this many is sent truncated, so that a real client can retry over TCP; 0 for none",
        group=guarding,
    )
    yield Setting("response-exempt", types.PREFIX, (), "Do not limit replies to these addresses", group=guarding)
    yield Setting("version-bind", types.TEXT, "", "Answer to version.bind; by default such queries are refused", group=guarding)
    yield Setting(
        "hostname-bind", types.TEXT, "",
        "Answer to hostname.bind and id.server; by default such queries are refused",
        group=guarding,
    )
    yield Setting("nsid", types.TEXT, "", "Name of this server for clients that ask for it (RFC 5001)", group=guarding)
    yield Setting(
        "stop-rebinding",
        types.FLAG,
        False,
        "Block answers of upstreams that have private addresses (DNS rebinding)",
        group=guarding,
    )
    yield Setting(
        "rebinding-allow",
        types.NAME,
        (),
        "With stop-rebinding: this domain and all names below it may have private addresses; those with a route always may",
        group=guarding,
    )
    watching = "Monitoring"
    yield Setting("verbose", types.COUNT, 0, "Log every query, as twistd dns does", short="v", group=watching)
    yield Setting("query-log", types.FLAG, False, "Log every query with its reply", group=watching)
    yield Setting(
        "log-format",
        types.LOG_FORMAT,
        "text",
        "Format of the log: text, or json with one object on each line. Not with twistd's --syslog and --logger",
        group=watching,
        live=False,
    )
    yield Setting("http", types.HTTP_ADDRESS, "", "Show the status page and /metrics at this address", group=watching, live=False)
    yield Setting("control", types.CONTROL, "auto", 'Unix socket for txdns control; "" for none', group=watching, live=False)
    yield Setting("manhole", types.TEXT, "", "Endpoint of an SSH shell inside the server, such as tcp:5022:interface=127.0.0.1",
                  group=watching, live=False)
    yield Setting(
        "manhole-keys", types.READABLE, "",
        "Keys that may log in to the manhole: a file in the format of authorized_keys",
        group=watching, live=False,
    )


#: The table.
SETTINGS: Final = tuple(_settings())

#: Defaults of servers that answer from their zones alone: every client may query them.
_SERVING: Final[Mapping[str, Value]] = {"allow": ("any",), "recursive": False, "hosts-file": "", "cache": False, "loop-detection": False}
_NOTHING: Final[Mapping[str, Value]] = {}

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


def settingNamed(name: str) -> Setting | None:
    return _BY_NAME.get(name)


class Settings:
    """
    A value for each setting; see the table for their meaning.
    """

    interface: tuple[str, ...]
    port: int
    tcpIdle: float
    workers: int
    role: str
    zone: tuple[str, ...]
    zones: tuple[str, ...]
    pyzone: tuple[str, ...]
    state: str
    keyFile: str
    transfersOut: int
    transfersOutPerClient: int
    transfersWaiting: int
    transfersIn: int
    transferMaxSize: int
    transfersMaxSize: int
    weakKeys: bool
    expandAlias: bool
    watch: bool
    recursive: bool
    upstream: tuple[str, ...]
    route: tuple[str, ...]
    resolvConf: str
    hedge: float
    loopDetection: bool
    hostsFile: str
    local: tuple[str, ...]
    localFile: tuple[str, ...]
    cache: bool
    cacheSize: int
    prefetch: bool
    stale: int
    staleWait: float
    allow: tuple[str, ...]
    refuse: tuple[str, ...]
    drop: tuple[str, ...]
    cookies: bool
    cookieSecret: str
    requireCookie: tuple[str, ...]
    minimalAny: bool
    clientRate: int
    responseRate: int
    responseSlip: int
    responseExempt: tuple[str, ...]
    versionBind: str
    hostnameBind: str
    nsid: str
    stopRebinding: bool
    rebindingAllow: tuple[str, ...]
    verbose: int
    queryLog: bool
    logFormat: str
    http: str
    control: str
    manhole: str
    manholeKeys: str

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """
        @param values: checked values by setting name; missing ones get their defaults.
        """
        given = values or {}
        self.given = dict(given)
        usual = _SERVING if given.get("role") == "serve" else _NOTHING
        for setting in SETTINGS:
            setattr(self, setting.attribute, given.get(setting.name, usual.get(setting.name, setting.default)))

    @classmethod
    def of(cls, **values: object) -> Settings:
        """
        Check values given by a program, by attribute name: C{Settings.of(port=5300, upstream=["192.0.2.1"])}.

        @raise BadDescription: a value is not valid; says which one, and what would be.
        """
        byAttribute = {setting.attribute: setting for setting in SETTINGS}
        checked: dict[str, Value] = {}
        for name, value in values.items():
            if name not in byAttribute:
                raise BadDescription(f"there is no setting {name!r}")
            setting = byAttribute[name]
            try:
                checked[setting.name] = setting.fromTOML(list(value) if isinstance(value, tuple) else value)
            except BadDescription as fault:
                raise BadDescription(f"{name} {fault}") from None
        return cls(checked)

    def toJSON(self) -> dict[str, object]:
        """
        Serialize the settings for L{fromJSON} in another process of the same version.
        """
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.given.items()}

    @classmethod
    def fromJSON(cls, values: Mapping[str, object]) -> Settings:
        """
        Make settings from the result of L{toJSON}, without checking them again.
        """
        return cls({name: tuple(value) if isinstance(value, list) else cast("Value", value) for name, value in values.items()})

    def value(self, setting: Setting) -> Value:
        found: Value = getattr(self, setting.attribute)
        return found

    def differing(self, other: Settings) -> list[Setting]:
        """
        Return the settings that have another value in C{other}.
        """
        return [setting for setting in SETTINGS if self.value(setting) != other.value(setting)]

    def goingOverTo(self, other: Settings) -> Settings:
        """
        Return the settings in force after a reload: from C{other} those that can change at run time, the rest from these.
        """
        mixed = [(setting.name, (other if setting.live else self).given) for setting in SETTINGS]
        return Settings({name: given[name] for name, given in mixed if name in given})

    def toTOML(self) -> str:
        """
        Format the settings as a TOML file, with a comment on each.
        """
        lines: list[str] = []
        group = ""
        for setting in SETTINGS:
            if setting.group != group:
                group = setting.group
                lines += ["", f"# -- {group}"]
            several = " A list." if setting.many else ""
            value = self.value(setting)
            if setting.kind is types.ZONE and isinstance(value, tuple):
                text = f"[{', '.join([types.ZONE.shown(each) for each in value])}]"
            else:
                text = shown(value)
            lines += [f"# {setting.help}.{several}", f"{setting.name} = {text}"]
        return "\n".join([*lines[1:], ""])


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
