"""
Read C{resolv.conf} (resolv.conf(5), as in the GNU C library), and follow its changes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.limits import (
    CONFIGURATION_OCTETS,
    CONFIGURED_ATTEMPTS,
    CONFIGURED_SERVERS,
    CONFIGURED_TIMEOUT,
    LOST_CONFIGURATION_SECONDS,
    NDOTS,
    SEARCH_DOMAINS,
    Limit,
)
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import ROOT, nameFromText, nameToText

__all__ = ["DEFAULT_SERVER", "FLAGS", "SYSTEM_RESOLV_CONF", "ResolvConf", "SystemConfiguration"]

#: Pairs of address and mask in C{sortlist}; the C library's limit.
_SORTLIST_PAIRS: Final = 10

#: The server if none is configured, as in Twisted and the C library.
DEFAULT_SERVER: Final = "127.0.0.1"

#: The resolver configuration on POSIX systems. Windows has no such file: name the servers there, or use C{threaded}.
SYSTEM_RESOLV_CONF: Final = "/etc/resolv.conf"

#: The environment variable with the addresses of other servers than those of L{SYSTEM_RESOLV_CONF}. The C library has none for this.
_NAMESERVERS: Final = "TXDNS_NAMESERVERS"

_VARIABLES: Final = ("LOCALDOMAIN", "RES_OPTIONS", _NAMESERVERS)

#: Options without a number, and their effect, or the reason why they have none.
FLAGS: Final = {
    "rotate": "servers are asked in turn",
    "no-tld-query": "a name without dots is only searched",
    "use-vc": "everything is asked over TCP",
    "no-reload": "the file is read once",
    "trust-ad": "the AD bit of these servers is asked for",
    "no-aaaa": "IPv6 addresses are not asked of servers",
    "single-request": "each query is matched by port, id and question, so that no reply is taken for another one's; nothing changes",
    "single-request-reopen": "each query is matched by port, id and question, so that no reply is taken for another one's; nothing changes",
    "edns0": "EDNS is used anyway",
    "no-check-names": "names are octets here; nothing is checked",
    **dict.fromkeys(("inet6", "ip6-bytestring", "ip6-dotint", "no-ip6-dotint"), "of no effect, in the C library neither"),
    "debug": "C{explain} tells more",
}

_NUMBERS: Final[dict[str, Limit]] = {"ndots": NDOTS, "timeout": CONFIGURED_TIMEOUT, "attempts": CONFIGURED_ATTEMPTS}


@dataclass(slots=True, eq=False, repr=False)
class SystemConfiguration:
    """
    The configuration from a C{resolv.conf} and the environment. Lines that cannot be parsed are skipped, with a complaint.

    @ivar servers: the name servers; L{DEFAULT_SERVER} if none is configured.
    @ivar defaulted: whether no server is configured.
    @ivar variable: the environment variable that the servers are from, if they are not from the file.
    @ivar ndots: a name with this many dots is first tried as an absolute name.
    @ivar timeout: seconds for each attempt, or L{None} if not configured.
    @ivar attempts: queries to each server, or L{None} if not configured.
    @ivar flags: the options of L{FLAGS} that are set.
    @ivar sortlist: addresses with their masks, packed. The IPv4 addresses of a name are sorted by the first entry that matches.
    """

    servers: tuple[Server, ...] = ()
    defaulted: bool = False
    variable: str | None = None
    search: tuple[bytes, ...] = ()
    ndots: int = int(NDOTS.default)
    timeout: int | None = None
    attempts: int | None = None
    flags: set[str] = field(default_factory=set)
    sortlist: list[tuple[bytes, bytes]] = field(default_factory=list)
    complaints: Complaints = field(default_factory=Complaints)

    @classmethod
    def parse(cls, data: bytes, environment: Mapping[str, str] | None = None, hostName: str = "") -> SystemConfiguration:
        """
        @param environment: C{LOCALDOMAIN} replaces the search list, C{RES_OPTIONS} adds to the options, and C{TXDNS_NAMESERVERS} replaces
            the servers.
        @param hostName: the name of this host; the part after its first dot is the search list if the file has none.
        """
        self = cls()
        reading = _Reading(self, hostName)
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            # In the C library a comment begins in the first column; some current programs also write comments at the end of a line.
            fields = line.split("#")[0].split(";")[0].split()
            if fields:
                reading.line(number, fields[0], fields[1:])
        reading.finish(environment or {})
        return self

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """
        Return the configuration as strings and numbers, for display.
        """
        return {
            "servers": ", ".join([server.label for server in self.servers]),
            "variable": self.variable,
            "defaulted": self.defaulted,
            "search": " ".join([nameToText(domain, final=domain == ROOT) for domain in self.search]),
            "ndots": self.ndots,
            "timeout": self.timeout,
            "attempts": self.attempts,
            "flags": " ".join(sorted(self.flags)),
            "complaints": str(self.complaints) or None,
        }


class _Reading:
    def __init__(self, into: SystemConfiguration, hostName: str) -> None:
        self.into = into
        self.servers: list[Server] = []
        _, dot, behind = hostName.partition(".")
        self.search = [behind] if dot and behind else []
        self.searchLine = 0
        self._keywords: dict[str, Callable[[int, list[str]], None]] = {
            "nameserver": self.nameserver,
            "domain": lambda number, values: self.searched(number, values[:1]),
            "search": self.searched,
            "sortlist": self.sortlist,
            "options": self.options,
        }

    def line(self, number: int, keyword: str, values: list[str]) -> None:
        read = self._keywords.get(keyword)
        if read is None:
            self.into.complaints.add(number, f"{keyword!r} is not one of {', '.join(self._keywords)}")
        elif not values:
            self.into.complaints.add(number, f"{keyword!r} has no value")
        else:
            read(number, values)

    def nameserver(self, number: int, values: list[str]) -> None:
        complaints = self.into.complaints
        try:
            server = Server.fromText(values[0])
        except BadDescription as error:
            complaints.add(number, str(error))
            return
        if len(values) > 1:
            complaints.add(number, "a nameserver line takes one address; write a line for each")
        if server in self.servers:
            return
        if len(self.servers) >= CONFIGURED_SERVERS.default:
            complaints.add(number, f"{server.label} is not used: {CONFIGURED_SERVERS.default:.0f} servers are the most")
            return
        self.servers.append(server)

    def searched(self, number: int, values: list[str]) -> None:
        self.search = values
        self.searchLine = number

    def sortlist(self, number: int, values: list[str]) -> None:
        into = self.into
        for value in values:
            try:
                pair = _masked(value)
            except (OSError, ValueError):
                into.complaints.add(number, f"{value!r} is not an address with a mask, such as 192.0.2.0/255.255.255.0")
                continue
            if len(into.sortlist) >= _SORTLIST_PAIRS:
                into.complaints.add(number, f"{value!r} is not used: {_SORTLIST_PAIRS:.0f} pairs are the most")
            else:
                into.sortlist.append(pair)

    def options(self, number: int, values: list[str]) -> None:
        into = self.into
        for value in values:
            word, colon, digits = value.partition(":")
            limit = _NUMBERS.get(word)
            if limit is not None:
                if not (digits.isascii() and digits.isdigit()):
                    into.complaints.add(number, f"option {value!r} takes a number, such as {word}:{limit.default:.0f}")
                else:
                    setattr(into, word, int(limit.pick(int(digits[:9]))))
            elif word in FLAGS and not colon:
                into.flags.add(word)
            elif word.startswith("-") and word[1:] in FLAGS:
                into.flags.discard(word[1:])
            else:
                into.complaints.add(number, f"option {value!r} is not known")

    def finish(self, environment: Mapping[str, str]) -> None:
        into = self.into
        local = environment.get("LOCALDOMAIN")
        if local is not None:
            self.search = local.split()
            self.searchLine = 0
        if wanted := environment.get("RES_OPTIONS"):
            self.options(0, wanted.split())
        if addresses := environment.get(_NAMESERVERS, "").split():
            self.servers.clear()
            into.variable = _NAMESERVERS
            for address in addresses:
                self.nameserver(0, [address])
        domains: list[bytes] = []
        for text in self.search:
            try:
                domain = nameFromText(text).lower()
            except BadName as error:
                into.complaints.add(self.searchLine, str(error))
                continue
            if domain in domains:
                continue
            if len(domains) >= SEARCH_DOMAINS.default:
                into.complaints.add(
                    self.searchLine, f"{text!r} is not searched: {SEARCH_DOMAINS.default:.0f} domains are the most"
                )
            else:
                domains.append(domain)
        into.search = tuple(domains)
        into.defaulted = not self.servers
        into.servers = tuple(self.servers) or (Server(DEFAULT_SERVER),)


def _masked(text: str) -> tuple[bytes, bytes]:
    """
    Parse an address with its mask, by default the natural one of its class.
    """
    address, slash, mask = text.partition("/")
    packed = socket.inet_pton(socket.AF_INET, address)
    if not slash:
        return packed, socket.inet_aton(
            "255.0.0.0" if packed[0] < 128 else "255.255.0.0" if packed[0] < 192 else "255.255.255.0"
        )
    if mask.isdigit():
        return packed, (0xFFFFFFFF << 32 - int(mask) & 0xFFFFFFFF).to_bytes(4, "big")
    return packed, socket.inet_pton(socket.AF_INET, mask)


class ResolvConf:
    """
    Follows a C{resolv.conf}, which may be missing or empty for a moment while another program writes it. If the file disappears, cannot be
    read or names no server, the previous servers remain in use for L{LOST_CONFIGURATION_SECONDS}.

    @ivar configuration: the configuration in use.
    @ivar lostAt: since when the file has named no server although the configuration in use does; L{None} while it names one.
    """

    def __init__(self, path: str, environment: Mapping[str, str], hostName: str = "") -> None:
        self._file = FollowedFile(path)
        self._environment = {name: value for name, value in environment.items() if name in _VARIABLES}
        if path != SYSTEM_RESOLV_CONF:
            # A file that the program or its settings name has precedence.
            self._environment.pop(_NAMESERVERS, None)
        self._hostName = hostName
        self._file.changed()
        self._latest = self.configuration = self._read()
        self.lostAt: float | None = None

    @property
    def path(self) -> str:
        return self._file.path

    def forget(self) -> None:
        self._file.forget()

    def _read(self) -> SystemConfiguration:
        complaints = Complaints()
        data = self._file.read(int(CONFIGURATION_OCTETS.default), complaints)
        configuration = SystemConfiguration.parse(data or b"", self._environment, self._hostName)
        configuration.complaints.texts[:0] = complaints.texts
        configuration.complaints.count += complaints.count
        return configuration

    def look(self, now: float) -> SystemConfiguration | None:
        """
        Check the file for a change. Return the previous configuration, if it was replaced.
        """
        if self._file.changed():
            self._latest = self._read()
            if self._latest.defaulted and not self.configuration.defaulted:
                if self.lostAt is None:
                    self.lostAt = now
                return None
            self.lostAt = None
        elif self.lostAt is None or 0.0 <= now - self.lostAt < LOST_CONFIGURATION_SECONDS.default:
            return None
        self.lostAt = None
        before, self.configuration = self.configuration, self._latest
        return None if before.describe() == self.configuration.describe() else before
