"""
C{txdns console setup}: makes a folder with all that a server with a console needs, and starts it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.console.user import askedPassword
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError
from twisted_ext.errors import BadDescription, CallerFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted_ext.apps.cli.terminal.arguments import Given

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns console setup FOLDER [OPTION ...]

Makes a folder with a settings file, a user who may sign in at the console, whose password it asks
for, and a certificate if other machines are to reach the console; and starts the server, until
Ctrl-C. All else is done in the browser. The password is asked for at a terminal; otherwise it is
the first line of the standard input.

  txdns console setup home
  txdns console setup /var/lib/home-dns --listen 192.168.1.2 --user anna

{options}

A server at port 53 takes the rights for that: start it as root, with --no-start and then
systemd, or choose another port. Exit codes: those of the server; 0 done, with --no-start;
1 wrong usage; 8 the folder cannot be written.
"""

_USER: Final = Option("--user NAME", "the name of the first user (admin)", "admin", str, what="a name")
_LISTEN: Final = Option(
    "--listen ADDRESS", "where the console is: 127.0.0.1:8082, for this machine only, or an address of it in your network", "", str
)
_PORT: Final = Option("--port N", "the port at which queries are answered (53)", 53, whole(1, 65535), what="a port")
_INTERFACE: Final = Option("--interface ADDRESS", "answer at this address only; by default at all of this machine", "", str)
_UPSTREAM: Final = Option("--upstream UPSTREAM", "the server to ask; by default those of resolv.conf", "", str)
_NO_START: Final = flag("--no-start", "do not start the server")

ARGUMENTS: Final = Arguments(_HELP, _USER, _LISTEN, _PORT, _INTERFACE, _UPSTREAM, _NO_START)

_SETTINGS: Final = "txdns.toml"
_STATE: Final = "state"
_PEM: Final = "console.pem"

_LOOPBACK: Final = "127.0.0.1:8082"

_START: Final = "from twisted.scripts.twistd import run; run()"


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'there is one folder' if given.bare else 'the folder is missing'}; write: {ARGUMENTS.usage}")
    folder = os.path.abspath(given.bare[0])
    try:
        from twisted_ext.web.console.site.madeusers import MADE_USERS
        from twisted_ext.web.console.site.users import userToTOML
    except ModuleNotFoundError as error:
        raise ExitError(USAGE, f"this needs {error.name}, which is not installed: pip install 'twisted-ext[console]'") from error
    users = f"{_STATE}/{MADE_USERS}"
    for name in (_SETTINGS, users, _PEM):
        if os.path.lexists(f"{folder}/{name}"):
            raise ExitError(USAGE, f"{folder} has a file {name}, which stays as it is; choose another folder")
    try:
        host, isOpen, place = _placeOf(given[_LISTEN] or _LOOPBACK)
        text = _textOf(given, place, isOpen)
        _check(text, f"{folder}/{_SETTINGS}")
        user = userToTOML(given[_USER], "admin", askedPassword())
    except (BadDescription, CallerFault) as fault:
        raise ExitError(USAGE, str(fault)) from None
    files = {users: (user.encode("utf-8"), 0o600)}
    if isOpen:
        pair, print_ = _certificate(host)
        files[_PEM] = pair, 0o600
        sys.stdout.write(f"The browser warns of the certificate once; compare its SHA-256 fingerprint:\n  {print_}\n")
    # Last, so that there is no such file if another one could not be written.
    files[_SETTINGS] = text.encode("utf-8"), 0o644
    _write(folder, files)
    sys.stdout.write(f"The console: {'https' if isOpen else 'http'}://{place}/, for user {given[_USER]}.\n")
    again = "" if given[_NO_START] else " again"
    sys.stdout.write(f"To start the server{again}: twistd -n txdns --config {folder}/{_SETTINGS}\n")
    sys.stdout.flush()
    if given[_NO_START]:
        return OK
    from twisted_ext.server.process.jobs.subprocess import pythonCommand

    command = pythonCommand("-c", _START, "-n", "--pidfile", "", "txdns", "--config", f"{folder}/{_SETTINGS}")
    os.execv(command[0], command)


def _placeOf(text: str) -> tuple[str, bool, str]:
    """
    Return the address of the console, whether other machines reach it, and the address with its port.

    @raise BadDescription: it is not valid.
    """
    from twisted_ext.server.config.types import CONSOLE_PORT
    from twisted_ext.transport.servers import Server

    server = Server.fromText(text, CONSOLE_PORT)
    address = ip_address(server.address.partition("%")[0])
    if address.is_unspecified:
        raise BadDescription(f"--listen {text}: the certificate of the console is for one address; write that which browsers use")
    return server.address, not address.is_loopback, server.label


def _textOf(given: Given, place: str, isOpen: bool) -> str:
    """
    Return the text of the settings file.
    """
    from twisted_ext.server.config.setting import shown

    lines = ["# All else is changed in the console, and kept in the folder state.", 'role = "forward"']
    lines += [f"interface = [{shown(given[_INTERFACE])}]"] if given[_INTERFACE] else []
    lines += [f"port = {given[_PORT]}"]
    lines += [f"upstream = [{shown(given[_UPSTREAM])}]"] if given[_UPSTREAM] else []
    lines += [f"state = {shown(_STATE)}", f"console = {shown(place)}"]
    lines += [f"console-tls = {shown(_PEM)}"] if isOpen else []
    return "\n".join([*lines, "", "# What clients ask is kept for the console.", "query-history = true", ""])


def _check(text: str, path: str) -> None:
    """
    @raise BadDescription: a setting is not valid.
    """
    from twisted_ext.server.settings.tomlfile import valuesFromTOML

    # The files that it names are written after it is known to be valid.
    kept = [line for line in text.splitlines() if not line.startswith("console-tls")]
    valuesFromTOML("\n".join(kept), path)


def _certificate(host: str) -> tuple[bytes, str]:
    """
    Return a key with its certificate, and the fingerprint of that.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    from twisted_ext.server.listeners.tls.encryption import newPair

    certificate, key = newPair([host]).texts
    digest = x509.load_pem_x509_certificate(certificate).fingerprint(SHA256())
    return key + certificate, digest.hex(":").upper()


def _write(folder: str, files: Mapping[str, tuple[bytes, int]]) -> None:
    """
    Write files, all or none.

    @raise ExitError: one cannot be written.
    """
    made: list[str] = []
    state = f"{folder}/{_STATE}"
    hadState = os.path.isdir(state)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        os.makedirs(state, 0o700, exist_ok=True)
        for name, (octets, mode) in files.items():
            path = f"{folder}/{name}"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
                made.append(path)
                file.write(octets)
    except OSError as error:
        for path in made:
            with suppress(OSError):
                os.unlink(path)
        if not hadState:
            with suppress(OSError):
                os.rmdir(state)
        raise ExitError(BATCH, f"{error.filename or folder}: {error.strerror or error}") from error
