"""
C{txdns setup}: prints settings for clients of an encrypted server.
"""

from __future__ import annotations

import os
import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, fileErrors
from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted_ext.web.setup.documents import SetupDocument

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns setup [-a ADDRESS]... [--for CLIENT] [--qr] [--ca FILE] [-o FILE] URL...

Prints settings for phones, browsers and systems that are to use an encrypted server: a profile
for Apple's systems, the host name for Android, commands for Windows, files for
systemd-resolved, Firefox and Chromium, DNS stamps, and records by which clients discover the
server. The URLs are those of one server, such as tls://dns.example and
https://dns.example/dns-query, the preferred one first.

{options}

  txdns setup -a 192.0.2.53 tls://dns.example https://dns.example/dns-query
  txdns setup --for apple -o dns.mobileconfig https://dns.example/dns-query
  txdns setup --for android --qr tls://dns.example

Exit codes: 0 done, 1 wrong usage, 8 a file cannot be read or written.
"""

#: The length of lines of advice.
_COLUMNS: Final = 96

_ADDRESS: Final = Option(
    "-a ADDRESS", "an IP address of the server, so that its name need not be looked up; repeat it for several", "", str, what="an address"
)
_FOR: Final = Option(
    "--for CLIENT",
    "for apple, android, windows, systemd-resolved, firefox, chromium, stamp or zone only; by default for all that can use the server",
    "",
    str,
    what="a kind of client",
    words=("apple", "android", "windows", "systemd-resolved", "firefox", "chromium", "stamp", "zone"),
)
_QR: Final = flag("--qr", "print a QR code of the name, the URL or the stamp")
_CA: Final = Option(
    "--ca FILE", "the certificate of a private authority in PEM, which Apple's profile installs as well", "", str, what="a file"
)
_OUTPUT: Final = Option("-o FILE", "write the settings to this new file", "", str, what="a file")

ARGUMENTS: Final = Arguments(_HELP, _ADDRESS, _FOR, _QR, _CA, _OUTPUT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    client, path = given[_FOR], given[_OUTPUT]
    if not given.bare:
        raise ExitError(USAGE, "the URL of the server is missing; write one such as tls://dns.example")
    for option, name in ((_OUTPUT, "-o"), (_QR, "--qr")):
        if option in given and not client:
            raise ExitError(USAGE, f"{name} needs --for, such as --for android")
    if path and given[_QR]:
        raise ExitError(USAGE, "--qr prints to the terminal; leave out -o")
    authority = _authority(given[_CA]) if given[_CA] else b""

    from twisted_ext.server.features.base.offer import Offer
    from twisted_ext.web.setup.documents import documentFor, documentsFor

    try:
        offer = Offer.of(given.bare, given.all(_ADDRESS))
        if not client:
            _printAll(list(documentsFor(offer, authority)))
            return OK
        document = documentFor(client, offer, authority)
        if given[_QR]:
            if not document.code:
                raise ExitError(USAGE, f"--qr: {client} takes a file; publish it on a web server, and make a code of its URL")
            from twisted_ext.web.setup.qrcode import qrText

            sys.stdout.write(qrText(document.code))
            return OK
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from None
    if not path:
        sys.stdout.write(document.text)
        return OK
    with fileErrors(path):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "w", encoding="utf-8") as file:
            file.write(document.text)
    return OK


def _printAll(documents: list[tuple[str, SetupDocument]]) -> None:
    palette = paletteFor(sys.stdout)
    lines: list[str] = []
    for client, document in documents:
        lines += ["", *[palette.comment(f"# {line}") for line in wrap(f"{document.title} (--for {client}): {document.advice}", _COLUMNS)]]
        if document.fileName:
            lines.append(palette.comment(f"# {document.fileName}"))
        lines += document.text.splitlines()
    print("\n".join(lines[1:]))


def _authority(path: str) -> bytes:
    """
    Return a certificate as DER.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    with fileErrors(path):
        with open(path, "rb") as file:
            octets = file.read()
    try:
        found = x509.load_pem_x509_certificates(octets)
    except ValueError:
        found = []
    if len(found) != 1:
        raise ExitError(BATCH, f"{path}: one certificate in PEM was expected; it has {len(found)}")
    return found[0].public_bytes(Encoding.DER)
