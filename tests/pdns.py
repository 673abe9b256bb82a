"""
PowerDNS as a live peer, in addition to those of L{tests.peers}.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.peers import LivePeer

__all__ = ["hasPowerDNS", "powerDNS"]


class _PowerDNS(LivePeer):
    """
    PowerDNS, which takes a folder with files of certain names in place of one file.
    """

    @property
    def _configurationFile(self) -> Path:
        return self.folder / "pdns.conf"

    @property
    def _command(self) -> list[str]:
        return [str(self.executable), *self._arguments, f"--config-dir={self.folder}"]


def hasPowerDNS() -> bool:
    """
    Return whether PowerDNS is installed and can read zone files (Debian: apt install pdns-server pdns-backend-bind). No test needs it.
    """
    program = shutil.which(
        "pdns_server", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    )
    if program is None:
        return False
    listed = subprocess.run([program, "--no-config", "--list-modules"], capture_output=True, text=True)
    return "bind" in listed.stdout.split()


def powerDNS(zones: Mapping[str, str], *, address: str = "127.0.0.1", extra: str = "") -> LivePeer:
    """
    Return PowerDNS as an authoritative server with zone files.

    @param zones: zone files by the names of their zones.
    @param extra: further lines of its configuration.
    """

    def configure(server: LivePeer) -> str:
        listed = server.folder / "zones.conf"
        listed.write_text(
            "".join(
                [
                    f'zone "{name.rstrip(".") or "."}" {{ type native; file "{server.zoneFile(name)}"; }};\n'
                    for name in zones
                ]
            )
        )
        lines = [
            "launch=bind",
            f"bind-config={listed}",
            f"local-address={address}",
            f"local-port={server.port}",
            f"socket-dir={server.folder}",
            "guardian=no",
            "daemon=no",
            "disable-syslog=yes",
            "receiver-threads=1",
            "distributor-threads=1",
            "dname-processing=yes",
            "cache-ttl=0",
            "query-cache-ttl=0",
            "negquery-cache-ttl=0",
            "loglevel=3",
            *extra.splitlines(),
        ]
        return "\n".join([*lines, ""])

    return _PowerDNS("pdns_server", [], configure, address, zones)
