"""
Parses the arguments common to the commands for remote zones: servers, port, key.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Given, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.config.keys import Keys, RemoteServer
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import Key

__all__ = ["KEY", "KEY_FILE", "PORT", "TLS", "isAboutTLS", "keyFromFile", "remoteOverTLS", "zoneAndServers"]


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


_CA: Final = Option(
    "--tls-ca FILE", "of tls:// servers, trust the authorities in this file instead of the system's", "", str, what="a file"
)
_PIN: Final = Option(
    "--tls-pin PIN", "of tls:// servers, require this public key: its SHA-256 digest in base64; several with commas", "", str, what="a pin"
)
_CERTIFICATE: Final = Option("--tls-cert FILE", "show tls:// servers this certificate, in PEM", "", str, what="a file")
_CERTIFICATE_KEY: Final = Option("--tls-key FILE", "its private key, by default in the same file", "", str, what="a file")
_NO_ALPN: Final = flag("--tls-no-alpn", "accept tls:// servers that choose no protocol by ALPN, such as NSD 4.6")

#: What tls:// servers have to prove.
TLS: Final = (_CA, _PIN, _CERTIFICATE, _CERTIFICATE_KEY, _NO_ALPN)


def isAboutTLS(given: Given) -> bool:
    """
    Return whether there are options for C{tls://} servers.
    """
    return given[_NO_ALPN] or any(given[option] for option in (_CA, _PIN, _CERTIFICATE, _CERTIFICATE_KEY))


def remoteOverTLS(given: Given, url: str, key: Key | None) -> RemoteServer:
    """
    Return the server of a URL.

    @raise BadDescription: the URL or an option is not valid, or a file cannot be used.
    """
    words = {"ca": given[_CA], "pins": given[_PIN], "certificate": given[_CERTIFICATE], "private-key": given[_CERTIFICATE_KEY]}
    said = {word: value for word, value in words.items() if value}
    return RemoteServer.overTLS(url, key, {**said, "alpn": "no"} if given[_NO_ALPN] else said)


def zoneAndServers(given: Given, servers: Option[str], command: str) -> tuple[bytes, list[RemoteServer]]:
    targets = given.all(servers)
    if len(given.bare) != 1 or not targets:
        raise ExitError(USAGE, f"write one zone and a server: txdns {command} example.org @192.0.2.53")
    key = given[KEY] or given[KEY_FILE]
    try:
        zone = nameFromText(given.bare[0])
        remotes = [
            remoteOverTLS(given, target, key) if "://" in target else RemoteServer(Server.fromText(target, given[PORT]), key)
            for target in targets
        ]
        if isAboutTLS(given) and not any(remote.tls for remote in remotes):
            raise ExitError(USAGE, f"options with --tls need a server over TLS: @tls://{remotes[0].server.label.removesuffix(':53')}")
        return zone, remotes
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from None
