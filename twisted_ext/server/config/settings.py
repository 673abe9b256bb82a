"""
The table of all settings. Command-line options, keys of the TOML file, C{--show-config} and the documentation are all made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

class Setting:
    """
    One setting of the server.

    @ivar name: the option without its hyphens, which is also the key in the file.
    @ivar kind: the type of its value, or of each value where there may be several.
    @ivar default: the default value.
    @ivar help: one sentence.
    @ivar short: a letter for the option, or C{""}.
    @ivar group: the heading under which it is shown.
    @ivar live: whether a reload applies a new value; if not, it takes a restart.
    """

    __slots__ = ("name", "kind", "default", "help", "short", "group", "live")

    def __init__(
        self, name: str, kind: Kind, default: Value, help: str, *, short: str = "", group: str = "", live: bool = True
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.help = help
        self.short = short
        self.group = group
        self.live = live

    @property
    def many(self) -> bool:
        """
        Whether there may be several values.
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
        What may be written, in words.
        """
        return f"{self.kind.allowed}, once or several times" if self.many else self.kind.allowed

    def fromTOML(self, value: object, folder: str = "") -> Value:
        """
        @param folder: where relative paths begin; C{""} for the working directory.

        @raise BadDescription: the value is not allowed; says what is.
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
        "Listen at this address; all of this machine's by default",
        short="i",
        group=listening,
        live=False,
    )
    yield Setting("port", types.PORT, 53, "Listen at this port, for UDP and TCP", short="p", group=listening, live=False)
    yield Setting(
        "tcp-idle",
        types.Number(CLIENT_STREAM_IDLE, "seconds", whole=False),
        CLIENT_STREAM_IDLE.default,
        "Seconds between requests for which a connection is kept, told to clients that ask for it (RFC 7828)",
        group=listening,
        live=False,
    )
    yield Setting("workers", types.Number(WORKERS), 1, "Processes that share the port", group=listening, live=False)
    serving = "What to serve"
    yield Setting(
        "role",
        types.ROLE,
        "forward",
        "What the server does: forward asks others for what it has no zone for, serve has its zones alone. The sub-command says it",
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
    yield Setting("pyzone", types.READABLE, (), "Serve the zone that this file of Python code makes, as for twistd dns", group=serving)
    yield Setting(
        "state",
        types.PATH,
        "",
        "Folder for what is to be found again at the next start, such as zones made ready; by default that which systemd made, else a "
        "private one that goes with the server",
        group=serving,
        live=False,
    )
    yield Setting("watch", types.FLAG, True, "Load master files again when they have changed", group=serving)
    yield Setting(
        "key-file",
        types.READABLE,
        "",
        "TSIG keys that are shared with other servers: one on each line as NAME:SECRET or hmac-sha512:NAME:SECRET, or as tsig-keygen "
        "writes them",
        group=serving,
    )
    yield Setting(
        "transfers-out",
        types.Number(TRANSFERS_OUT),
        int(TRANSFERS_OUT.default),
        "Send so many zones to other servers at a time; requests beyond that wait, and networks take turns",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-out-per-client",
        types.Number(TRANSFERS_OUT_PER_PEER),
        int(TRANSFERS_OUT_PER_PEER.default),
        "Of these to one IPv4 address or IPv6 /64",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-waiting",
        types.Number(TRANSFERS_WAITING),
        int(TRANSFERS_WAITING.default),
        "Have so many requests for transfers wait; more get SERVFAIL",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-in",
        types.Number(TRANSFERS_IN),
        int(TRANSFERS_IN.default),
        "Fetch so many zones from primaries at a time, three quarters of them from one primary",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfer-max-size",
        types.Octets(RECEIVED_OCTETS),
        int(RECEIVED_OCTETS.default),
        "Fetch no zone whose transfer has more octets, or as 64M",
        group=serving,
        live=False,
    )
    yield Setting(
        "transfers-max-size",
        types.Octets(SPOOL_OCTETS),
        int(SPOOL_OCTETS.default),
        "Octets of all transfers that are being fetched, which are kept on disk meanwhile; three quarters of them from one primary",
        group=serving,
        live=False,
    )
    yield Setting("weak-keys", types.FLAG, False, "Take keys for hmac-md5 and hmac-sha1 too", group=serving)
    yield Setting(
        "expand-alias",
        types.FLAG,
        False,
        "Take records of type 65401 in all zones for ALIAS records; by default only where a master file calls them ALIAS",
        group=serving,
    )
    asking = "Whom to ask"
    yield Setting(
        "recursive", types.FLAG, True, "Ask others for what is not known here", short="r", group=asking
    )
    yield Setting(
        "upstream",
        types.DESCRIPTION,
        (),
        "Ask this server: an address or a description. Of several, the next one is asked as well where one takes long. By default those of "
        "resolv.conf",
        group=asking,
    )
    yield Setting(
        "route", types.ROUTE, (), "Ask another server for a domain and all below it: corp.example=udp:192.0.2.53", group=asking
    )
    yield Setting(
        "resolv-conf", types.READABLE, "", "Take the servers from this file instead of /etc/resolv.conf (implies --recursive)", group=asking
    )
    yield Setting(
        "hedge",
        types.Number(HEDGE_SECONDS, "seconds", whole=False),
        HEDGE_SECONDS.default,
        "Seconds that an upstream has before the next one is asked as well",
        group=asking,
    )
    yield Setting("loop-detection", types.FLAG, True, "Leave out upstreams that ask this server in their turn", group=asking)
    known = "What is known here"
    yield Setting("hosts-file", types.READABLE, "/etc/hosts", 'Answer from this hosts file; "" for none', group=known)
    yield Setting("local", types.RECORD, (), 'Answer with this record: "router.lan A 192.168.1.1"', group=known)
    yield Setting("local-file", types.READABLE, (), "Answer with the records of this file, one on each line", group=known)
    cache = "The cache"
    yield Setting("cache", types.FLAG, True, "Remember answers", short="c", group=cache)
    size = int(CACHE_BYTES.default)
    yield Setting("cache-size", types.Octets(CACHE_BYTES), size, "Memory for them, in octets, or as 64M", group=cache, live=False)
    yield Setting("prefetch", types.FLAG, True, "Fetch what is asked for often anew before it ends", group=cache)
    yield Setting(
        "stale",
        types.Number(STALE_SECONDS, "seconds"),
        int(STALE_SECONDS.default),
        "Seconds past its end for which an answer is given where no other can be had",
        group=cache,
    )
    yield Setting(
        "stale-wait",
        types.Number(STALE_WAIT, "seconds", whole=False),
        STALE_WAIT.default,
        "Seconds to wait for a better one before that",
        group=cache,
    )
    guarding = "Who may ask, and what is given"
    yield Setting(
        "allow",
        types.PREFIX,
        NEARBY,
        "Answer these addresses and refuse all others; by default this machine and private networks, and with serve everybody",
        group=guarding,
    )
    yield Setting("refuse", types.PREFIX, (), "Refuse these, although they are within what is allowed", group=guarding)
    yield Setting("drop", types.PREFIX, (), "Give these no reply at all", group=guarding)
    yield Setting("cookies", types.FLAG, True, "Give and check cookies (RFC 7873)", group=guarding, live=False)
    yield Setting(
        "cookie-secret",
        types.SECRET,
        "",
        "File with 32 hexadecimal digits to make cookies with, for servers that share an address; by default drawn at each start",
        group=guarding,
        live=False,
    )
    yield Setting(
        "require-cookie",
        types.PREFIX,
        (),
        "Answer these addresses by UDP only if they show a cookie of this server; who shows none is sent to TCP",
        group=guarding,
        live=False,
    )
    yield Setting("minimal-any", types.FLAG, True, "Answer questions for type ANY with one record (RFC 8482)", group=guarding)
    yield Setting(
        "client-rate",
        types.Number(CLIENT_RATE, "queries"),
        int(CLIENT_RATE.default),
        "What one client may ask in a second; 0 for as much as it likes",
        group=guarding,
    )
    yield Setting(
        "response-rate",
        types.Number(RESPONSE_RATE, "replies"),
        int(RESPONSE_RATE.default),
        "Replies of one kind in a second that one client network gets by UDP, since its addresses may be spoofed; 0 for no limit",
        group=guarding,
    )
    yield Setting(
        "response-slip",
        types.Number(RESPONSE_SLIP, "replies"),
        int(RESPONSE_SLIP.default),
        "Of the replies above that rate, one in so many is sent truncated, so that who is really there comes by TCP; 0 for none",
        group=guarding,
    )
    yield Setting("response-exempt", types.PREFIX, (), "Give these addresses as many replies as they ask for", group=guarding)
    yield Setting("version-bind", types.TEXT, "", "Answer to version.bind; refused by default", group=guarding)
    yield Setting("hostname-bind", types.TEXT, "", "Answer to hostname.bind and id.server; refused by default", group=guarding)
    yield Setting("nsid", types.TEXT, "", "Name of this server for who asks for it (RFC 5001)", group=guarding)
    yield Setting(
        "stop-rebinding",
        types.FLAG,
        False,
        "Hold back answers of upstreams with private addresses (DNS rebinding)",
        group=guarding,
    )
    yield Setting(
        "rebinding-allow",
        types.NAME,
        (),
        "With stop-rebinding: this domain and all below it may have private addresses; those with a route may anyway",
        group=guarding,
    )
    watching = "Watching it"
    yield Setting("verbose", types.COUNT, 0, "Log every query, as twistd dns does", short="v", group=watching)
    yield Setting("query-log", types.FLAG, False, "Log every query with its reply", group=watching)
    yield Setting(
        "log-format",
        types.LOG_FORMAT,
        "text",
        "Write the log as text, or as json: one object on each line. Not with twistd's --syslog and --logger",
        group=watching,
        live=False,
    )
    yield Setting("http", types.HTTP_ADDRESS, "", "Show the status page and /metrics at this address", group=watching, live=False)
    yield Setting("control", types.CONTROL, "auto", 'Unix socket for txdns control; "" for none', group=watching, live=False)
    yield Setting("manhole", types.TEXT, "", "Endpoint of an SSH shell inside the server, such as tcp:5022:interface=127.0.0.1",
                  group=watching, live=False)
    yield Setting("manhole-keys", types.READABLE, "", "Who may use it: a file in the form of authorized_keys", group=watching, live=False)


#: The table.
SETTINGS: Final = tuple(_settings())

#: Defaults of servers that answer from their zones alone: everybody may ask them.
_SERVING: Final[Mapping[str, Value]] = {"allow": ("any",), "recursive": False, "hosts-file": "", "cache": False, "loop-detection": False}
_NOTHING: Final[Mapping[str, Value]] = {}

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


def settingNamed(name: str) -> Setting | None:
    """
    @return: the setting of this name, if there is one.
    """
    return _BY_NAME.get(name)


class Settings:
    """
    A value for each setting. What each of them means stands in the table.
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
        @param values: checked ones, by the names of the table. Defaults stand for the others.
        """
        given = values or {}
        self.given = dict(given)
        usual = _SERVING if given.get("role") == "serve" else _NOTHING
        for setting in SETTINGS:
            setattr(self, setting.attribute, given.get(setting.name, usual.get(setting.name, setting.default)))

    @classmethod
    def of(cls, **values: object) -> Settings:
        """
        Check values and take them, for programs: C{Settings.of(port=5300, upstream=["192.0.2.1"])}. Names are those of attributes.

        @raise BadDescription: a value is not allowed; says which and what is.
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
        @return: what L{fromJSON} makes the same settings of, in another process of this version.
        """
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.given.items()}

    @classmethod
    def fromJSON(cls, values: Mapping[str, object]) -> Settings:
        """
        Take what L{toJSON} gave. It was checked there.
        """
        return cls({name: tuple(value) if isinstance(value, list) else cast("Value", value) for name, value in values.items()})

    def value(self, setting: Setting) -> Value:
        """
        @return: its value.
        """
        found: Value = getattr(self, setting.attribute)
        return found

    def differing(self, other: Settings) -> list[Setting]:
        """
        @return: settings that C{other} has another value of.
        """
        return [setting for setting in SETTINGS if self.value(setting) != other.value(setting)]

    def goingOverTo(self, other: Settings) -> Settings:
        """
        @return: what is in force when a server that runs with these has read others: of theirs what can change meanwhile, and the rest of
            these.
        """
        mixed = [(setting.name, (other if setting.live else self).given) for setting in SETTINGS]
        return Settings({name: given[name] for name, given in mixed if name in given})

    def toTOML(self) -> str:
        """
        @return: a file that says the same, with what each setting is for.
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
    @return: a value as TOML has it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join([shown(each) for each in value])}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
