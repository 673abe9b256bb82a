"""
Knot DNS as a live peer, in addition to those of L{tests.peers}.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.peers import LivePeer

__all__ = ["knot"]


def knot(zones: Mapping[str, str], *, address: str = "127.0.0.1", extra: str = "", zoneExtra: str = "") -> LivePeer:
    """
    Return Knot DNS as an authoritative server. Transfers are open to all clients on loopback.

    @param zones: zone files by the names of their zones.
    @param extra: further sections of its configuration, before its templates: keys, policies, remotes.
    @param zoneExtra: further lines of every zone, such as C{dnssec-signing: on}.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            "server:",
            f'  rundir: "{server.folder}"',
            f"  listen: {address}@{server.port}",
            "  udp-workers: 1",
            "  tcp-workers: 1",
            "  background-workers: 1",
            "database:",
            f'  storage: "{server.folder}"',
            # Mapped memory counts against the limits of containers.
            "  journal-db-max-size: 64M",
            "  kasp-db-max-size: 32M",
            "  timer-db-max-size: 8M",
            "log:",
            "  - target: stderr",
            "    any: warning",
            "acl:",
            "  - id: loopback",
            "    address: [127.0.0.0/8, ::1]",
            "    action: transfer",
            *extra.splitlines(),
            "template:",
            "  - id: default",
            f'    storage: "{server.folder}"',
            "    acl: loopback",
            *(f"    {line.strip()}" for line in zoneExtra.splitlines()),
            "zone:",
        ]
        for name in zones:
            lines += [f'  - domain: "{name}"', f'    file: "{server.zoneFile(name)}"']
        return "\n".join([*lines, ""])

    return LivePeer("knotd", [], configure, address, zones)
