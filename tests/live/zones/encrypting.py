"""
Zones over TLS between our server, which runs in this process, and BIND or NSD: certificates, and settings for both sides.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.certificates import authority
from tests.live.zones.replicating import ADDRESS, KEY, SECRET, nsdLines
from tests.peers import LivePeer, freePort
from tests.server.zones.transfer.overtls import NAME, clientPEM
from tests.server.zones.transfer.replicas import Host
from tests.transport.tlsservers import leaf
from twisted_ext.compat.install import globalReactor
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair

__all__ = ["CLIENT", "Files", "bindOverTLS", "hostingTLS", "nsdOverTLS"]

#: The name in the clients' certificate.
CLIENT: Final = "ns2.example"


class Files:
    """
    The files of certificates in a folder.

    @ivar ca: those of the authority.
    @ivar server: key and certificate of the primary.
    @ivar client: key and certificate of the secondary.
    """

    def __init__(self, folder: Path) -> None:
        self.ca = self._written(folder / "ca.pem", authority()[0])
        self.server = self._written(folder / "server.pem", leaf(NAME))
        self.client = self._written(folder / "client.pem", clientPEM(CLIENT))

    def _written(self, path: Path, octets: bytes) -> str:
        path.write_bytes(octets)
        path.chmod(0o644)
        return str(path)


@asynccontextmanager
async def hostingTLS(files: Files, *, asksClients: bool = False) -> AsyncIterator[Host]:
    """
    Return a server of ours that listens for TLS as well.
    """
    reactor = globalReactor()
    text = Path(files.server).read_bytes()
    certificates = Certificates([Pair(text, text, files.server)], reactor.seconds, authority()[0] if asksClients else b"")
    with TemporaryDirectory(prefix="txdns-replica-") as folder:
        host = Host(
            reactor, ADDRESS, f"{folder}/state", port=freePort(ADDRESS), today=time.time, certificates=certificates,
            tlsPort=freePort(ADDRESS),
        )  # fmt: skip
        try:
            yield host
        finally:
            await host.end()


def bindOverTLS(host: Host, files: Files, port: int, *, primary: str = "", isMutual: bool = False, keyed: bool = True) -> LivePeer:
    """
    BIND beside a server of ours, with transfers over TLS.

    @param port: where it listens for TLS.
    @param primary: the zone's master file, where BIND is the primary.
    @param isMutual: whether the secondary shows a certificate.
    @param keyed: whether transfers are signed.
    """

    def configure(server: LivePeer) -> str:
        demanded = f'ca-file "{files.ca}";' if isMutual else ""
        shown = f'cert-file "{files.client}"; key-file "{files.client}";' if isMutual else ""
        signed = f"key {KEY}" if keyed else ""
        lines = [
            f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};',
            f'tls listening {{ cert-file "{files.server}"; key-file "{files.server}"; protocols {{ TLSv1.3; }}; {demanded} }};',
            f'tls ours {{ ca-file "{files.ca}"; remote-hostname "{NAME}"; protocols {{ TLSv1.3; }}; {shown} }};',
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}";',
            f"  listen-on port {server.port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};",
            f"  listen-on port {port} tls listening {{ {ADDRESS}; }};",
            "  recursion no; allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify-delay 0;",
            "  serial-query-rate 100; notify-rate 100; startup-notify-rate 100;",
            "};",
            "controls { };",
        ]
        allowed = f"key {KEY};" if keyed else "any;"
        if primary:
            server.zoneFile("example.org").write_text(primary)
            lines.append(
                f'zone "example.org" {{ type primary; file "{server.zoneFile("example.org")}"; check-names ignore; notify explicit;'
                f" also-notify {{ {host.address} port {host.port} key {KEY}; }};"
                f" allow-transfer transport tls {{ {allowed} }}; allow-update {{ key {KEY}; }}; }};"
            )
        else:
            lines.append(
                f'zone "example.org" {{ type secondary; file "{server.folder}/copy"; masterfile-format text; check-names ignore;'
                f" notify no; primaries {{ {host.address} port {host.tlsPort} {signed} tls ours; }};"
                f" allow-notify {{ key {KEY}; }}; }};"
            )
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, ADDRESS, {})


def nsdOverTLS(host: Host, files: Files, port: int, *, primary: str = "", isMutual: bool = False, keyed: bool = True) -> LivePeer:
    """
    NSD beside a server of ours, with transfers over TLS. See L{bindOverTLS}.
    """

    def configure(server: LivePeer) -> str:
        key = KEY if keyed else "NOKEY"
        lines = [
            *nsdLines(
                server,
                f"  ip-address: {ADDRESS}@{port}",
                f"  tls-port: {port}",
                f'  tls-service-key: "{files.server}"',
                f'  tls-service-pem: "{files.server}"',
                f'  tls-cert-bundle: "{files.ca}"',
            ),
            "tls-auth:",
            "  name: ours",
            f"  auth-domain-name: {NAME}",
            *([f'  client-cert: "{files.client}"', f'  client-key: "{files.client}"'] if isMutual else []),
            "zone:",
            "  name: example.org",
        ]
        if primary:
            server.zoneFile("example.org").write_text(primary)
            lines += [
                f'  zonefile: "{server.zoneFile("example.org")}"',
                f"  notify: {host.address}@{host.port} {KEY}",
                f"  provide-xfr: 127.0.0.0/8 {key}",
                "  store-ixfr: yes",
                "  create-ixfr: yes",
            ]
        else:
            lines += [
                f'  zonefile: "{server.folder}/copy"',
                f"  request-xfr: {host.address}@{host.tlsPort} {key} ours",
                f"  allow-notify: {host.address} {KEY}",
                "  provide-xfr: 127.0.0.0/8 NOKEY",
            ]
        return "\n".join([*lines, ""])

    return LivePeer("nsd", ["-d"], configure, ADDRESS, {})
