"""
Parses the arguments of commands for zones, and reads the zones.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK, USAGE, ExitError, complain
from twisted_ext.errors import BadImage, BadName, DNSFault
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.store.version import Version

__all__ = ["BAD_ZONE", "DIFFERENT", "Percentage", "ZoneWord", "oneZone", "transferred"]

#: Exit code: the zone cannot be served.
BAD_ZONE: Final = 2

#: Exit code: the zones differ. The same as that of C{diff}.
DIFFERENT: Final = 1

#: Endings of file names that are not part of the zone's name.
_ENDINGS: Final = (".zone", ".db", ".txt", ".signed")

#: The timeout of a transfer, in seconds.
_PATIENCE: Final = 60.0


def oneZone(given: Given, arguments: Arguments) -> ZoneWord:
    """
    Return the only zone in the parsed arguments.

    @raise ExitError: there is not exactly one, or its name cannot be determined.
    """
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'two zones' if given.bare else 'no zone'}; write: {arguments.usage}")
    return ZoneWord(given.bare[0])


class ZoneWord:
    """
    A zone, given as C{FILE} or C{NAME=FILE}.

    @ivar path: of the file; C{"-"} for standard input.
    @ivar apex: the zone's name.
    """

    __slots__ = ("path", "apex")

    def __init__(self, text: str) -> None:
        """
        @raise ExitError: the name of the zone cannot be determined.
        """
        name, equals, path = text.partition("=")
        if equals and name and path and not os.path.exists(text):
            self.path = path
        else:
            self.path = path = text
            name = os.path.basename(text)
            for ending in _ENDINGS:
                name = name.removesuffix(ending)
            if path == "-" or not ("." in name or name != os.path.basename(text)):
                raise ExitError(USAGE, f"{text}: the zone's name is missing; write NAME={text}")
        try:
            self.apex = nameFromText(name)
        except BadName as fault:
            raise ExitError(USAGE, f"{text}: {fault}") from fault

    def octets(self) -> bytes | None:
        """
        Return the content of the standard input; L{None} for a file.
        """
        return sys.stdin.buffer.read() if self.path == "-" else None

    def readable(self) -> None:
        """
        Check that the file can be read.

        @raise ExitError: it cannot.
        """
        if self.path == "-":
            return
        try:
            with open(self.path, "rb") as file:
                file.read(1)
        except OSError as error:
            raise ExitError(BATCH, f"{self.path}: {error.strerror or error}") from error

    def version(self) -> Version:
        """
        Return the zone, from a master file or an image.

        @raise ExitError: the zone is not valid; its errors are written to the standard error.
        """
        from twisted_ext.errors import BadZone
        from twisted_ext.zone.store.image import MAGIC, Image
        from twisted_ext.zone.store.version import Version
        from twisted_ext.zone.zonefile.reader import readMaster

        self.readable()
        octets = self.octets()
        if octets is None:
            with open(self.path, "rb") as file:
                image = file.read(len(MAGIC)) == MAGIC
            if image:
                try:
                    return Version(Image.open(self.path))
                except BadImage as wrong:
                    raise ExitError(BAD_ZONE, str(wrong)) from wrong
        reading = readMaster(self.path if octets is None else octets, self.apex, path="" if octets is None else "standard input")
        for complaint in reading.complaints:
            if complaint.fatal:
                complain(str(complaint))
        if not reading.sound:
            raise ExitError(BAD_ZONE, f"{nameToText(self.apex)} cannot be read")
        try:
            return Version(Image(reading.builder.finish()))
        except BadZone as wrong:
            raise ExitError(BAD_ZONE, f"{self.path}: {wrong}") from wrong


def transferred(target: str, apex: bytes) -> Version:
    """
    Return the zone as transferred from a server.

    @param target: the server after C{@}.

    @raise ExitError: the transfer failed.
    """
    from twisted_ext.apps.cli.terminal.run import runUntilDone

    found: list[Version] = []

    async def begin(reactor: IReactorTime) -> int:
        from twisted_ext.apps.cli.terminal.upstream import upstreamFor
        from twisted_ext.compat.transfers import serversBehind
        from twisted_ext.resolver.lookup.transfer import transferZone
        from twisted_ext.zone.zone import Zone

        upstream = await upstreamFor(reactor, target)
        servers = serversBehind(upstream.source)
        if not servers:
            raise ExitError(USAGE, f"@{target} is not a server that can transfer zones; write one such as @192.0.2.53")
        try:
            records = await transferZone(reactor, servers, apex, reactor.seconds() + _PATIENCE)
            found.append(Zone.fromRecords(apex, records).current)
        except DNSFault as fault:
            raise ExitError(NO_REPLY, f"@{target}: {fault}") from fault
        return OK

    code = runUntilDone(begin)
    if not found:
        raise ExitError(code)
    return found[0]


class Percentage:
    """
    Shows a percentage, on a terminal only.
    """

    def __init__(self, what: str) -> None:
        from twisted_ext.apps.cli.terminal.colors import isTerminal

        self._what = what
        self._on = isTerminal(sys.stderr)
        self._said = ""

    def __call__(self, done: int, all: int) -> None:
        if self._on:
            said = f"\r{self._what} {100 * done // max(all, 1)}%"
            if said != self._said:
                self._said = said
                print(said, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """
        Remove the percentage.
        """
        if self._said:
            print("\r" + " " * len(self._said) + "\r", end="", file=sys.stderr, flush=True)
