"""
C{txdns zone format}: writes a zone in canonical order, or laid out for reading.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.exits import OK, fileErrors
from twisted_ext.apps.cli.zone.args import oneZone
from twisted_ext.files import replacingFile

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ARGUMENTS", "main", "replaceFile"]

_HELP: Final = """\
Usage: txdns zone format [NAME=]FILE [--readable] [--zonemd] [--output FILE]

Writes all records of a zone, from a master file or an image: by default one per line with its
full name, TTL and class, in canonical order, so that the files of equal zones are equal.

  txdns zone format example.org.zone
  txdns zone format example.org=/var/lib/txdns/example.org.image --readable
  txdns zone format example.org.zone --readable --output example.org.zone

{options}

Exit codes: 0 the zone is written, 1 wrong usage, 2 the file does not hold a valid zone of this
name, 8 a file cannot be read or written.
"""


_READABLE: Final = flag(
    "--readable",
    "names relative to $ORIGIN, the most frequent TTL as $TTL, columns, comments on numbers. Comments and directives of the original are"
    " lost",
)
_ZONEMD: Final = flag("--zonemd", "add a ZONEMD record with the zone's digest (RFC 8976); it is not signed")
_OUTPUT: Final = Option(
    "--output FILE", "replace this file; it is left alone if writing fails", "", str, also="-o", what="a file"
)

ARGUMENTS: Final = Arguments(_HELP, _READABLE, _ZONEMD, _OUTPUT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    version = oneZone(given, ARGUMENTS).version()
    if given[_ZONEMD]:
        from twisted_ext.zone.check.zonemd import withDigests

        version = withDigests(version)
    lines = (f"{line}\n" for line in _written(version, given[_READABLE]))
    if given[_OUTPUT]:
        replaceFile(given[_OUTPUT], "".join(lines).encode("utf-8", "surrogateescape"))
    else:
        sys.stdout.writelines(lines)
    return OK


def _written(version: Version, readable: bool) -> Iterator[str]:
    from twisted_ext.zone.store.order import orderedNodes
    from twisted_ext.zone.zonefile.writer import canonicalFile, readableFile

    if readable:
        yield from readableFile([rrset for node in version.nodes() for rrset in node.sets], version.apexName, version.image.aliases)
        return
    for node in orderedNodes(version):
        yield from canonicalFile(node.sets, version.image.aliases)


def replaceFile(path: str, octets: bytes) -> None:
    """
    Replace the content of a file atomically, and keep its permissions.
    """
    with fileErrors(path), replacingFile(path) as file:
        file.write(octets)
