"""
Parse the arguments of getaddrinfo(3) like the C library.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from twisted_ext.addrinfo.services import Ports

__all__ = ["AddressInfo", "Hints", "Kind", "Port", "SocketAddress"]

#: A socket address.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

#: Family, type, protocol, canonical name, address. Only the first of a list has a canonical name.
AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress]

#: The types of a C{port} argument.
Port = str | bytes | int | None

#: Type, protocol, port.
Kind = tuple[socket.SocketKind, int, int]

_IPV4: Final = socket.AF_INET
_IPV6: Final = socket.AF_INET6
_NUMERIC: Final = int(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
_CONFIGURED: Final = int(getattr(socket, "AI_ADDRCONFIG", 0))
_V4MAPPED: Final = int(getattr(socket, "AI_V4MAPPED", 0))
_ALL: Final = int(getattr(socket, "AI_ALL", 0))
#: Some systems have only one code for both errors.
_OTHER_FAMILY: Final[int] = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)

#: Matches the numbers of strtoul(3).
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)\Z")
_MOST_LONG: Final = (1 << 64) - 1

#: Type, protocol and the name of the protocol, in the order in which services are looked up. Python does not define all of them.
_PROTOCOLS: Final[tuple[tuple[int, int, bytes], ...]] = (
    (socket.SOCK_STREAM, 6, b"tcp"),
    (socket.SOCK_DGRAM, 17, b"udp"),
    (6, 33, b"dccp"),
    (socket.SOCK_DGRAM, 136, b"udplite"),
    (socket.SOCK_STREAM, 132, b"sctp"),
    (socket.SOCK_SEQPACKET, 132, b"sctp"),
)
_PROTOCOL_NAMES: Final = {protocol: name for _, protocol, name in _PROTOCOLS}


class Hints:
    """
    All arguments of a call except the host.

    @ivar fault: the arguments of a C{socket.gaierror} if they are not valid, else L{None}.
    @ivar kinds: the rows to return for each address.
    @ivar simple: whether the C library takes its shortcut for IPv4, which reports less about errors.
    @ivar families: the indexes of the families to look up, 0 for IPv4 and 1 for IPv6.
    @ivar single: whether the other family of a host's addresses is ignored.
    @ivar mapped: whether to return IPv4 addresses as IPv4-mapped IPv6 addresses.
    @ivar all: whether to do so even if there are IPv6 addresses.
    """

    __slots__ = (
        *("fault", "kinds", "simple", "ipv4", "ipv6", "families", "single"),
        *("mapped", "all", "canonical", "flags", "_given", "_service"),
    )

    def __init__(self, ports: Ports, hostless: bool, port: Port, family: int, type: int, proto: int, flags: int) -> None:
        """
        @raise OSError: C{port} is of the wrong type.
        @raise TypeError: another argument is of the wrong type.
        """
        self.fault: tuple[object, ...] | None = None
        self.kinds: list[Kind] = []
        self.families: tuple[int, ...] = ()
        self.flags = flags
        self.canonical = bool(flags & socket.AI_CANONNAME)
        self.mapped = family == _IPV6 and bool(flags & _V4MAPPED)
        self.all = bool(flags & _ALL)
        self.ipv4 = family != _IPV6 or self.mapped
        self.ipv6 = family != _IPV4
        self.simple = self.single = False
        self._given = port, family, type, proto, flags
        #: The service, if it is given by name.
        self._service = b""
        try:
            self._read(ports, hostless)
        except socket.gaierror as error:
            self.fault = error.args

    def ask(self, host: bytes | None) -> list[AddressInfo]:
        """
        Call the C library, which needs no look-up.
        """
        port, family, kind, protocol, flags = self._given
        return cast("list[AddressInfo]", socket.getaddrinfo(host, port, family, kind, protocol, flags | _NUMERIC))

    def numeric(self, host: bytes | None) -> list[AddressInfo] | None:
        """
        Return the complete result for an address as text, or for no host; L{None} if C{host} is not an address.

        @raise socket.gaierror: it is an address, but not usable with these arguments.
        """
        try:
            rows = self.ask(host)
        except socket.gaierror as error:
            if host is None or error.errno != socket.EAI_NONAME or self.flags & socket.AI_NUMERICHOST or _isScoped(host):
                raise
            return None
        if not self._service:
            return rows
        addresses = dict.fromkeys([(family, address[:1], address[2:]) for family, _, _, _, address in rows])
        named: list[AddressInfo] = []
        text = rows[0][3]
        for family, start, rest in addresses:
            for kind, protocol, port in self.kinds:
                named.append((family, kind, protocol, text, cast(SocketAddress, (*start, port, *rest))))
                text = ""
        return named

    def _read(self, ports: Ports, hostless: bool) -> None:
        """
        Find out how the C library interprets the arguments.
        """
        port, family, kind, protocol, flags = self._given
        service = _serviceOf(port)
        if service is not None and not flags & socket.AI_NUMERICSERV:
            self._service = service
            self._given = 1, family, kind, protocol, flags
        rows = self._probe(family, hostless)
        self.kinds = list(dict.fromkeys([(row[1], row[2], row[4][1]) for row in rows]))
        if service is not None:
            self.kinds = self._named(ports, service, bool(kind or protocol))
        if self.ipv6 and not self.ipv4 and self.flags & _V4MAPPED:
            self.mapped = self.ipv4 = True
        self.families = (0, 1) if self.ipv4 and self.ipv6 else (0,) if self.ipv4 else (1,)
        self.single = not (self.ipv4 and self.ipv6) or self.mapped
        self.simple = self.ipv4 and not self.ipv6 and not self.canonical

    def _probe(self, family: int, hostless: bool) -> list[AddressInfo]:
        if hostless:
            return self.ask(None)
        if family or not self.flags & _CONFIGURED:
            return self.ask(b"::1" if family == _IPV6 else b"127.0.0.1")
        rows: list[AddressInfo] = []
        for literal in (b"127.0.0.1", b"::1"):
            try:
                rows = self.ask(literal)
            except socket.gaierror as error:
                if error.errno != _OTHER_FAMILY:
                    raise
                # This host has no addresses of this family.
                if b":" in literal:
                    self.ipv6 = False
                else:
                    self.ipv4 = False
            else:
                # The result has another family if IPv4 addresses are to be mapped.
                self.ipv4 = self.ipv4 and (b":" in literal or rows[0][0] == _IPV4)
        return rows

    def _named(self, ports: Ports, service: bytes, narrow: bool) -> list[Kind]:
        """
        Return types, protocols and ports of a service given by name.

        @param narrow: whether the caller gave a type or protocol.
        """
        named: list[Kind] = []
        if narrow:
            kind, protocol, _ = self.kinds[0]
            port = ports.portOf(service, _PROTOCOL_NAMES.get(protocol, b""))
            if port is not None:
                named.append((kind, protocol, port))
        else:
            for number, protocol, name in _PROTOCOLS:
                port = ports.portOf(service, name)
                if port is not None:
                    named.append((_kind(number), protocol, port))
        if not named:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        return named


def _kind(number: int) -> socket.SocketKind:
    try:
        return socket.SocketKind(number)
    except ValueError:
        # Python's own getaddrinfo returns plain numbers for types that it does not define, too, although its annotations do not allow it.
        return cast(socket.SocketKind, number)


def _serviceOf(port: Port) -> bytes | None:
    """
    Return the port if the C library would treat it as a service name, else L{None}.
    """
    if not isinstance(port, str | bytes):
        return None
    text = (port.encode() if isinstance(port, str) else port).partition(b"\0")[0]
    if text in (b"", b"*"):
        return None
    number = _NUMBER.match(text)
    if number is None:
        return text
    # The C library parses an unsigned long, and keeps the lower half as a signed number.
    value = int(number[1][:32])
    if abs(value) > _MOST_LONG:
        value = _MOST_LONG
    return text if value & 0x80000000 else None


def _isScoped(host: bytes) -> bool:
    address, mark, _ = host.partition(b"%")
    if not mark:
        return False
    try:
        socket.inet_pton(_IPV6, address.decode("ascii"))
    except (OSError, ValueError):
        return False
    return True
