"""
Parses the arguments common to the commands for remote zones: servers, port, key.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Given, Option, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.config.keys import Keys, RemoteServer
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import Key

__all__ = ["KEY", "KEY_FILE", "PORT", "keyFromFile", "zoneAndServers"]


def keyFromFile(path: str) -> Key:
    try:
        keys = Keys.fromFile(path, weak=True)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from None
    if len(keys) != 1:
        raise ExitError(USAGE, f"-k {path}: the file holds {len(keys)} keys instead of one")
    if keys.exposed:
        complain(f"warning: {keys.exposed}")
    return next(iter(keys.values()))


#: Options common to these commands.
PORT: Final = Option("-p PORT", "the port of servers that are given without one", DNS_PORT, whole(1, 65535), what="a port")
KEY_FILE: Final = Option[Key | None](
    "-k FILE", "a file with the TSIG key, as tsig-keygen and txdns zone keygen write it", None, keyFromFile, what="a file with a TSIG key"
)
KEY: Final = Option[Key | None](
    "-y ...", "the key itself, which other users of this machine can see", None, Key.fromText, what="a TSIG key, [ALGORITHM:]NAME:SECRET"
)


def zoneAndServers(given: Given, servers: Option[str], command: str) -> tuple[bytes, list[RemoteServer]]:
    targets = given.all(servers)
    if len(given.bare) != 1 or not targets:
        raise ExitError(USAGE, f"write one zone and a server: txdns {command} example.org @192.0.2.53")
    key = given[KEY] or given[KEY_FILE]
    try:
        return nameFromText(given.bare[0]), [RemoteServer(Server.fromText(target, given[PORT]), key) for target in targets]
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from None
