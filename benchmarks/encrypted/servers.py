"""
Servers with encrypted listeners, ours among them: the ports, and how each is started.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.servers import KINDS, OURS, UNBOUND, Kind, Place
from tests.certificates import certificateFor, written
from tests.peers import freePort

__all__ = ["KNOT", "NAME", "Ports", "Transport", "encryptedKinds", "oursWith"]

#: The name in the servers' certificate.
NAME: Final = "dns.example"

KNOT: Final = "Knot Resolver"

Transport = Literal["tcp", "tls", "https", "quic", "http3"]


@dataclass(frozen=True)
class Ports:
    """
    Where one server listens, besides the port of its L{Place}, and its certificate.

    @ivar web: the port of its status page, if it is ours.
    @ivar authority: the file with the certificate of the authority, for clients.
    @ivar pair: the file with the certificate and its key.
    """

    tls: int
    https: int
    quic: int
    web: int
    authority: Path
    pair: Path

    @classmethod
    def made(cls, folder: Path) -> Ports:
        """
        Choose ports, and write a certificate to the folder.
        """
        pair = folder / "pair.pem"
        if not pair.exists():
            # dnspython asks for the address over HTTPS.
            pair.write_bytes(certificateFor(NAME, "127.0.0.1"))
        tls, https, quic, web = (freePort("127.0.0.1") for _ in range(4))
        return cls(tls, https, quic, web, written(folder), pair)

    def of(self, transport: Transport, plain: int) -> int:
        """
        Return the port of a transport.

        @param plain: the port of the server for plain TCP.
        """
        return {"tcp": plain, "tls": self.tls, "https": self.https, "quic": self.quic, "http3": self.https}[transport]

    def description(self, transport: Transport, plain: int) -> str:
        """
        Return the string for L{sourceFromString<twisted_ext.resolver.strings.source.sourceFromString>}.
        """
        if transport == "tcp":
            return f"tcp:127.0.0.1@{plain}:keep=10"
        if transport in ("https", "http3"):
            more = ":http3=only" if transport == "http3" else ""
            return f"https://{NAME}:{self.https}/dns-query:address=127.0.0.1:ca={self.authority}{more}"
        return f"{transport}:127.0.0.1@{self.of(transport, plain)}#{NAME}:ca={self.authority}"


def _unbound(place: Place, ports: Ports) -> list[str]:
    plain = next(kind for kind in KINDS if kind.name == UNBOUND).command(place)
    path = Path(plain[-1])
    more = f"""\
server:
  interface: 127.0.0.1@{ports.tls}
  interface: 127.0.0.1@{ports.https}
  tls-port: {ports.tls}
  https-port: {ports.https}
  tls-service-key: "{ports.pair}"
  tls-service-pem: "{ports.pair}"
"""
    path.write_text(path.read_text() + more)
    return plain


def _knot(place: Place, ports: Ports) -> list[str]:
    plain = next(kind for kind in KINDS if kind.name == KNOT).command(place)
    path = place.folder / "server.conf"
    more = f"""\
net.tls('{ports.pair}', '{ports.pair}')
net.listen('127.0.0.1', {ports.tls}, {{ kind = 'tls' }})
net.listen('127.0.0.1', {ports.https}, {{ kind = 'doh2' }})
"""
    path.write_text(path.read_text() + more)
    return plain


def _dnsdist(place: Place, ports: Ports) -> list[str]:
    plain = next(kind for kind in KINDS if kind.name == "dnsdist").command(place)
    path = Path(plain[-1])
    more = f"""\
addTLSLocal("127.0.0.1:{ports.tls}", "{ports.pair}", "{ports.pair}")
addDOHLocal("127.0.0.1:{ports.https}", "{ports.pair}", "{ports.pair}", "/dns-query")
"""
    path.write_text(path.read_text() + more)
    return plain


def _ours(place: Place, ports: Ports, more: Sequence[str] = ()) -> list[str]:
    host, port = place.upstream
    words = f"-n --pidfile= txdns forward --interface 127.0.0.1 --port {place.port} --upstream udp:{host}:{port}"
    words += f" --control {place.folder}/control --http 127.0.0.1:{ports.web}"
    words += f" --tls 127.0.0.1:{ports.tls} --https 127.0.0.1:{ports.https} --quic 127.0.0.1:{ports.quic}"
    words += f" --certificate {ports.pair} --key {ports.pair}"
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words.split(), *more]


def oursWith(ports: Ports, *more: str) -> Kind:
    """
    Return our server with further words of its command.
    """
    plain = next(kind for kind in KINDS if kind.name == OURS)
    return Kind(OURS, sys.executable, "", plain.version, lambda place: _ours(place, ports, more))


def encryptedKinds(folder: Path) -> list[tuple[Kind, Ports]]:
    """
    Return the servers that are compared, each with ports of its own.
    """
    found: list[tuple[Kind, Ports]] = []
    for kind in KINDS:
        ports = Ports.made(folder)
        if kind.name == OURS:
            found.append((oursWith(ports), ports))
            continue
        command = {UNBOUND: _unbound, KNOT: _knot, "dnsdist": _dnsdist}.get(kind.name)
        if command is not None:
            found.append((_bound(kind, ports, command), ports))
    return found


def _bound(kind: Kind, ports: Ports, command: object) -> Kind:
    assert callable(command)
    return Kind(kind.name, kind.program, kind.package, kind.version, lambda place: command(place, ports))
