"""
C{txdns keys ds}: prints the DS records of keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.keys.made import dsText, keyErrors, keysAt
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError
from twisted_ext.errors import BadDescription

if TYPE_CHECKING:
    from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
    from twisted_ext.dnssec.privatekeys.keys import PrivateKey

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns keys ds KEY|FOLDER [--digest NUMBER]

Prints the DS records for the parent of a zone: of one key, or of all keys that sign DNSKEY
records in a folder, or in those below it. A key is named with or without .key or .private.

  txdns keys ds /etc/keys/Kexample.org.+013+44703
  txdns keys ds /etc/keys
  txdns keys ds /var/lib/txdns

{options}

Exit codes: 0 they are printed, 1 wrong usage, 8 a key cannot be used.
"""


def _digest(text: str) -> int:
    if text not in ("2", "4"):
        raise BadDescription(f"{text!r} is not a digest that parents take; write 2 for SHA-256 or 4 for SHA-384")
    return int(text)


_DIGEST: Final = Option("--digest NUMBER", "2 for SHA-256, the default, or 4 for SHA-384", 2, _digest, what="a number", words=("2", "4"))

ARGUMENTS: Final = Arguments(_HELP, _DIGEST)


def _entries(files: list[KeyFile], zone: bytes) -> tuple[PrivateKey, ...]:
    from twisted_ext.dnssec.privatekeys.roles import Signers

    return Signers([file.key for file in files if file.zone == zone]).entries


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"one key or folder is wanted; write: {ARGUMENTS.usage}")
    (path,) = given.bare

    from twisted_ext.dnssec.privatekeys.keyfolder import loadKey

    files: list[KeyFile] = []
    with keyErrors(path):
        files = [loadKey(each) for each in keysAt(path)]
    entries = [(zone, key) for zone in dict.fromkeys([file.zone for file in files]) for key in _entries(files, zone)]
    if not entries:
        raise ExitError(BATCH, f"{path}: there is no key that signs DNSKEY records and is not revoked")
    for zone, key in entries:
        print(dsText(zone, key, given[_DIGEST]))
    return OK
