"""
The sockets of a server: bound before privileges are dropped, handed down to workers, or received from systemd.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.limits import LISTENER_BUFFER, PORT_TRIES
from twisted_ext.resolver.system.interfaces import addressesOf
from twisted_ext.server.config.places import (
    DATAGRAMS,
    UNIX,
    ReceivedPlace,
    UnixPlace,
    describedPlace,
    isInterface,
    labelOf,
)

__all__ = [
    "BACKLOG",
    "Bound",
    "boundSockets",
    "boundTo",
    "closeSockets",
    "dividedSockets",
    "encryptedPlaces",
    "encryptedSockets",
    "freeSocketPath",
    "listenAddresses",
    "receivedSockets",
]

#: The first descriptor that systemd hands down (sd_listen_fds(3)).
_FIRST: Final = 3

#: All addresses of this machine, of both families.
_EVERYWHERE: Final = ("0.0.0.0", "::")

#: The listen(2) backlog: connections that the kernel queues until they are accepted.
BACKLOG: Final = 511


@dataclass(slots=True, eq=False)
class Bound:
    """
    The bound sockets of one address; that for TCP listens. Without sockets the reactor makes them, as in tests on simulated networks.

    @ivar address: the address, as it was given; L{UNIX<twisted_ext.server.config.places.UNIX>} and the path for a Unix socket.
    @ivar port: the port; the real one if 0 was given.
    @ivar datagram: the UDP socket; L{None} if systemd passed none.
    @ivar stream: the TCP socket, likewise.
    @ivar encryption: C{"tls"}, C{"https"}, C{"quic"} or C{"http3"} where it is for an encrypted transport, C{"https-clear"} behind a proxy
        that encrypts; C{""} for plain DNS.
    @ivar name: the name that systemd gave it, or C{""}.
    @ivar path: of a Unix socket, the file to remove when it is closed, C{""} if this process did not make it.
    """

    address: str
    port: int
    datagram: socket.socket | None = None
    stream: socket.socket | None = None
    encryption: str = ""
    name: str = ""
    path: str = ""

    @property
    def sockets(self) -> list[socket.socket]:
        return [each for each in (self.datagram, self.stream) if each is not None]

    @property
    def labels(self) -> list[str]:
        """
        The sockets as displayed: C{"udp 127.0.0.1:53"}.
        """
        where = labelOf(self.address, self.port)
        if self.encryption:
            return [f"{self.encryption} {where}"]
        ways = (("udp", self.datagram), ("tcp", self.stream))
        return [f"{way} {where}" for way, each in ways if each is not None or not self.sockets]


def encryptedPlaces(places: Sequence[str], encryption: str) -> list[Bound]:
    """
    Return what listens at these addresses, without sockets.

    @param places: see L{describedPlace<twisted_ext.server.config.places.describedPlace>}.
    """
    described = dict.fromkeys([describedPlace(place, encryption) for place in places])
    return [
        Bound(each, place[1], encryption=encryption)
        for place in described
        if isinstance(place, tuple)
        for each in (_EVERYWHERE if place[0] == "any" else (place[0],))
    ]


def encryptedSockets(places: Sequence[str], encryption: str, copies: int = 1) -> list[list[Bound]]:
    """
    Bind sockets for an encrypted transport, on UDP for QUIC and HTTP/3 and on TCP for the others.

    @param places: see L{describedPlace<twisted_ext.server.config.places.describedPlace>}; those that systemd passes are left out.
    @param encryption: as for L{Bound}.
    @param copies: how many sets of sockets to bind to the same addresses and ports; a Unix socket is the same in all of them.

    @return: for each copy, the sockets of each address.

    @raise BadDescription: a socket cannot be bound; all of them are closed then.
    """
    way, kind = ("UDP", socket.SOCK_DGRAM) if encryption in DATAGRAMS else ("TCP", socket.SOCK_STREAM)
    made: list[list[Bound]] = [[] for _ in range(copies)]
    for place in encryptedPlaces(places, encryption):
        port = place.port
        try:
            for copy in made:
                opened: list[socket.socket] = []
                try:
                    bound = _bound(place.address, port, kind, copies > 1, opened, probe=copy is made[0])
                except OSError:
                    for each in opened:
                        each.close()
                    raise
                port = int(bound.getsockname()[1])
                datagram, stream = (bound, None) if way == "UDP" else (None, bound)
                copy.append(Bound(place.address, port, datagram, stream, encryption))
        except OSError as error:
            if place.address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and made[0]:
                # A machine without IPv6.
                continue
            for copy in made:
                closeSockets(copy)
            reason = _reason(error, place.address, place.port, way, f"port or address for --{encryption}")
            raise BadDescription(reason) from None
    for unix in dict.fromkeys([describedPlace(place, encryption) for place in places]):
        if isinstance(unix, UnixPlace):
            try:
                listening = _boundUnix(unix)
            except (BadDescription, OSError) as error:
                for copy in made:
                    closeSockets(copy)
                said = error.strerror if isinstance(error, OSError) else None
                raise BadDescription(f"{encryption}: cannot listen at {unix.path}: {said or error}") from None
            for copy in made:
                mine = copy is made[0]
                stream = listening if mine else listening.dup()
                copy.append(Bound(UNIX + unix.path, 0, None, stream, encryption, path=unix.path if mine else ""))
    return made


def _boundUnix(place: UnixPlace) -> socket.socket:
    """
    @raise BadDescription: another program has the path.
    @raise OSError: it cannot be bound.
    """
    problem = freeSocketPath(place.path)
    if problem:
        raise BadDescription(problem)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Keep other users out even before the mode is set.
    mask = os.umask(0o177)
    try:
        made.setblocking(False)
        made.bind(place.path)
        os.chmod(place.path, place.mode)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(mask)
    return made


def closeSockets(several: Iterable[Bound]) -> None:
    for bound in several:
        for each in bound.sockets:
            each.close()
        if bound.path:
            # It may be in a folder that this user cannot write to any more; the next server removes it then.
            with suppress(OSError):
                os.unlink(bound.path)


def listenAddresses(places: Iterable[str], *, strict: bool = True) -> tuple[str, ...]:
    """
    Return addresses as they are, and for each interface its addresses at present.

    @param strict: whether an interface has to exist, and to have an address.

    @raise BadDescription: it does not.
    """
    found: list[str] = []
    for place in places:
        try:
            found += addressesOf(place) if isInterface(place) else [place]
        except BadDescription as fault:
            if strict:
                raise BadDescription(f"interface: {fault}") from None
    return tuple(found)


def boundSockets(addresses: Sequence[str], port: int, copies: int = 1) -> list[list[Bound]]:
    """
    Bind sockets for UDP and TCP.

    @param addresses: addresses or interfaces of this machine; empty for all of them.
    @param port: 0 for any free port.
    @param copies: how many sets of sockets to bind to the same addresses and ports.

    @return: for each copy, the sockets of each address.

    @raise BadDescription: a socket cannot be bound; all of them are closed then.
    """
    wanted = list(dict.fromkeys(each or "any" for each in listenAddresses(addresses))) or ["any"]
    chosen = [each for address in wanted for each in (_EVERYWHERE if address == "any" else (address,))]
    made: list[list[Bound]] = [[] for _ in range(copies)]
    try:
        for address in chosen:
            try:
                bound = _boundPair(address, port, copies)
            except OSError as error:
                if address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and made[0]:
                    # A machine without IPv6.
                    continue
                raise
            port = bound[0].port
            for copy, each in zip(made, bound, strict=True):
                copy.append(each)
    except OSError as error:
        for copy in made:
            closeSockets(copy)
        raise BadDescription(_reason(error, address, port)) from None
    return made


def _reason(error: OSError, address: str, port: int, ways: str = "UDP or TCP", another: str = "--port or --interface") -> str:
    where = labelOf(address, port)
    larger, _, other = another.partition(" or ")
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use: another program, or a listener of this server, has it for {ways}; end it, or choose another {another}"
    if error.errno in (errno.EACCES, errno.EPERM):
        takes = "root (see twistd --uid) or CAP_NET_BIND_SERVICE"
        return f"{where} may not be used: ports below 1024 take {takes}; or choose a larger {larger}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is not an address of this machine; choose another {other}"
    return f"{where} cannot be used: {error.strerror or error}"


def _boundPair(address: str, port: int, copies: int) -> list[Bound]:
    for left in reversed(range(int(PORT_TRIES.default))):
        opened: list[socket.socket] = []
        try:
            pairs: list[Bound] = []
            number = port
            for copy in range(copies):
                datagram = _bound(address, number, socket.SOCK_DGRAM, copies > 1, opened, probe=not copy)
                number = int(datagram.getsockname()[1])
                stream = _bound(address, number, socket.SOCK_STREAM, copies > 1, opened, probe=not copy)
                pairs.append(Bound(address, number, datagram, stream))
            return pairs
        except OSError as error:
            for each in opened:
                each.close()
            # A port that is free for UDP may be in use for TCP.
            if port or not left or error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("unreachable")


def _bound(
    address: str, port: int, kind: socket.SocketKind, shared: bool, opened: list[socket.socket], *, probe: bool
) -> socket.socket:
    """
    @param shared: set SO_REUSEPORT.
    @param probe: fail if another process has the address and port, even one that would share them.
    """
    if shared and probe and port:
        boundTo(address, port, kind).close()
    made = boundTo(address, port, kind, shared)
    opened.append(made)
    return made


def boundTo(address: str, port: int, kind: socket.SocketKind, shared: bool = False) -> socket.socket:
    """
    Bind one socket; that for TCP listens.

    @param shared: let other processes bind to the same address and port, each getting a share of the requests (SO_REUSEPORT).

    @raise socket.gaierror: the address is not valid.
    @raise OSError: it cannot be bound.
    """
    found = socket.getaddrinfo(address, port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # Do not fail because of connections of a previous server in TIME_WAIT.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(LISTENER_BUFFER.default))
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setblocking(False)
        made.bind(where)
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def receivedSockets(environment: MutableMapping[str, str] = os.environ, process: int | None = None) -> list[Bound]:
    """
    Take the sockets that systemd passed to this process, if any (C{LISTEN_FDS}), and remove its variables from the environment.

    @raise BadDescription: DNS cannot be served on one of them.
    """
    if environment.pop("LISTEN_PID", "") != str(os.getpid() if process is None else process):
        return []
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    count = environment.pop("LISTEN_FDS", "")
    found: list[Bound] = []
    for number in range(_FIRST, _FIRST + (int(count) if count.isdecimal() else 0)):
        try:
            taken = socket.socket(fileno=number)
            where = taken.getsockname()
            host, port = (f"{UNIX}{where}", 0) if taken.family == socket.AF_UNIX else where[:2]
        except (OSError, ValueError) as error:
            raise BadDescription(f"descriptor {number} of LISTEN_FDS is not a socket of IPv4 or IPv6, or a Unix socket: {error}") from None
        name = names[number - _FIRST] if number - _FIRST < len(names) else ""
        taken.setblocking(False)
        os.set_inheritable(number, False)
        if taken.type == socket.SOCK_STREAM:
            found.append(Bound(host, port, None, taken, name=name))
        elif taken.type == socket.SOCK_DGRAM:
            found.append(Bound(host, port, taken, None, name=name))
        else:
            raise BadDescription(f"descriptor {number} of LISTEN_FDS is a socket for neither datagrams nor streams")
    return found


def dividedSockets(received: Sequence[Bound], wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[list[Bound], list[Bound]]:
    """
    Divide the sockets that systemd passed between plain DNS and the encrypted transports whose settings name them.

    @param wanted: the places of each encrypted transport.

    @return: those for plain DNS, and those for encrypted transports.

    @raise BadDescription: a setting names a socket that is not there, or there is a Unix socket for plain DNS.
    """
    plain = dict(enumerate(received))
    encrypted: list[Bound] = []
    for encryption, texts in wanted:
        for place in dict.fromkeys([describedPlace(text, encryption) for text in texts]):
            if not isinstance(place, ReceivedPlace):
                continue
            fitting = [index for index, each in plain.items() if _serves(each, encryption)]
            found = [index for index in fitting if place.covers(_domainOf(plain[index]), index, plain[index].name)]
            if not found:
                way = "datagram" if encryption in DATAGRAMS else "stream"
                listed = [f"{index}: {', '.join(each.labels)} (name={each.name})" for index, each in plain.items()]
                raise BadDescription(
                    f"{encryption}: systemd passed no {way} socket that fits {place.text}; those left are {'; '.join(listed) or 'none'}"
                )
            for index in found:
                each = plain.pop(index)
                each.encryption = encryption
                encrypted.append(each)
    for index, each in plain.items():
        if each.address.startswith(UNIX):
            raise BadDescription(f"systemd passed {each.address}, which only https-clear can use: write systemd:index={index} there")
    return list(plain.values()), encrypted


def _domainOf(bound: Bound) -> str:
    return "UNIX" if bound.address.startswith(UNIX) else "INET6" if ":" in bound.address else "INET"


def _serves(bound: Bound, encryption: str) -> bool:
    if encryption in DATAGRAMS:
        return bound.datagram is not None and not bound.address.startswith(UNIX)
    return bound.stream is not None and (encryption == "https-clear" or not bound.address.startswith(UNIX))

def freeSocketPath(path: str) -> str:
    """
    Remove the Unix socket of a program that has ended, if there is one.

    @return: why a socket cannot be bound to the path; C{""} if it can.

    @raise OSError: the path cannot be read.
    """
    try:
        left = os.lstat(path)
    except FileNotFoundError:
        return ""
    if not stat.S_ISSOCK(left.st_mode):
        return f"{path} is there already and is not a socket"
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return ""
    return f"another server listens at {path}"
