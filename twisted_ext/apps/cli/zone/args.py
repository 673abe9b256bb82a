"""
Parses the arguments of commands for zones, and reads the zones.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, valueOf
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadImage, DNSFault
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zonefile.reader import MasterFileContent

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
    Return the zone that a command is for, given as L{ZoneWord} has it, or as C{NAME FILE}.
    """
    if len(given.bare) == 2 and "=" not in given.bare[0] and not os.path.exists(given.bare[0]):
        given.bare[:] = ["=".join(given.bare)]
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'two zones' if given.bare else 'no zone'}; write: {arguments.usage}")
    return ZoneWord(given.bare[0])


class ZoneWord:
    """
    A zone, given as C{FILE} or C{NAME=FILE}.

    @ivar path: of the file; C{"-"} for standard input.
    @ivar apex: the zone's name.
    """

    __slots__ = ("path", "apex", "_piped")

    def __init__(self, text: str) -> None:
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
        self.apex = valueOf(nameFromText, name, text)
        # Whether the octets can be read only once, and from nowhere but the beginning.
        self._piped = path == "-" or _isPipe(path)

    def source(self) -> tuple[bytes | str, str]:
        """
        Return the path of the file, and C{""}; for the standard input, or a pipe, its content, and a name for it in errors.
        """
        if self.path == "-":
            return sys.stdin.buffer.read(), "standard input"
        if not self._piped:
            return self.path, ""
        with fileErrors(self.path), open(self.path, "rb") as file:
            return file.read(), self.path

    def readable(self) -> None:
        if not self._piped:
            with fileErrors(self.path), open(self.path, "rb") as file:
                file.read(1)

    def content(self, *, warnings: bool = True) -> MasterFileContent:
        """
        Read the master file, and print what is wrong with it.

        @raise ExitError: it is not sound.
        """
        from twisted_ext.zone.zonefile.reader import readMaster

        source, path = self.source()
        content = readMaster(source, self.apex, path=path)
        for complaint in content.complaints:
            if warnings or complaint.fatal:
                complain(str(complaint))
        if not content.sound:
            raise ExitError(BAD_ZONE, f"{nameToText(self.apex)} cannot be read")
        return content

    def image(self) -> Version | None:
        """
        Return the zone if the file is an image.
        """
        from twisted_ext.zone.store.image import MAGIC, Image
        from twisted_ext.zone.store.version import Version

        if self._piped:
            return None
        with fileErrors(self.path), open(self.path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
        try:
            return Version(Image.open(self.path))
        except BadImage as wrong:
            raise ExitError(BAD_ZONE, str(wrong)) from wrong

    def version(self) -> Version:
        from twisted_ext.errors import BadZone
        from twisted_ext.zone.store.image import Image
        from twisted_ext.zone.store.version import Version

        image = self.image()
        if image is not None:
            return image
        content = self.content(warnings=False)
        try:
            return Version(Image(content.builder.finish()))
        except BadZone as wrong:
            raise ExitError(BAD_ZONE, f"{self.path}: {wrong}") from wrong


def _isPipe(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # Whoever opens it says why.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def transferred(target: str, apex: bytes) -> Version:
    from twisted_ext.apps.cli.terminal.run import runUntilDone

    found: list[Version] = []

    async def begin(reactor: IReactorTime) -> int:
        from twisted_ext.apps.cli.terminal.upstream import upstreamFor
        from twisted_ext.compat.transfers import zoneServersBehind
        from twisted_ext.resolver.lookup.transfer import transferZone
        from twisted_ext.zone.zone import Zone

        upstream = await upstreamFor(reactor, target)
        servers = zoneServersBehind(upstream.source)
        if not servers:
            raise ExitError(USAGE, f"@{target} is not a server that can transfer zones; write one such as @192.0.2.53")
        try:
            records = await transferZone(reactor, servers, apex, reactor.seconds() + _PATIENCE, complain)
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
        if self._said:
            print("\r" + " " * len(self._said) + "\r", end="", file=sys.stderr, flush=True)
