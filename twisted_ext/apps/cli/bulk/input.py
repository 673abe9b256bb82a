"""
Reads the names of C{txdns bulk}: lines of a file or pipe, no faster than they are processed, and address ranges.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.errors import BadName, CallerFault
from twisted_ext.limits import BULK_LINE
from twisted_ext.wire.addressranges import AddressRange
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import PTR, typeName, typeNumber

__all__ = ["BYTE_ORDER_MARK", "Fed", "Item", "Lines", "lineText", "namesOf", "rangesOf"]

#: The name as given in the input, and the mnemonic of the type; both appear in the output.
Item: TypeAlias = tuple[str, str]

#: An item and its question, or the error if it is not valid.
Fed: TypeAlias = tuple[Item, Question | CallerFault]

#: What some editors begin UTF-8 files with.
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_CHUNK = 1 << 16


def lineText(line: bytes) -> str:
    """
    Return a line as text. Octets that are not UTF-8 are escaped as in master files: JSON has no room for them, and to replace them would
    make one name of several.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", "surrogateescape")
        return "".join([f"\\{ord(each) - 0xDC00:03d}" if 0xDC80 <= ord(each) <= 0xDCFF else each for each in text])


class Lines:
    """
    Lines of a file or a pipe, one at a time. Blank lines and comments, which begin with C{#}, are skipped.

    @ivar ended: whether the input is exhausted.
    @ivar size: the total number of octets, or L{None} if unknown.
    """

    def __init__(self, reactor: IReactorFDSet, fileno: int, more: Callable[[], object] = lambda: None) -> None:
        """
        @param more: called when lines are available again after C{next} returned L{None}.
        """
        self._reactor = reactor
        self._fileno = fileno
        self._more = more
        status = os.fstat(fileno)
        #: Whether reads never block: not a pipe, socket or terminal.
        self._plain = not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode) or os.isatty(fileno))
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else None
        self.consumed = 0
        self.ended = False
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._isFirst = True
        self._skipping = False
        self._waiting = False

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "input"

    def next(self) -> str | None:
        """
        Return the next line, without its end; L{None} if there is none, now or at the end of the input.
        """
        lines = self._lines
        while True:
            while not lines:
                if self.ended:
                    return None
                if not self._plain:
                    if not self._waiting:
                        self._waiting = True
                        self._reactor.addReader(self)
                    return None
                self._read()
            line = lines.popleft()
            if self._isFirst:
                self._isFirst = False
                line = line.removeprefix(BYTE_ORDER_MARK)
            line = line.strip()
            if line and not line.startswith(b"#"):
                return lineText(line)

    def doRead(self) -> None:
        self._waiting = False
        self._reactor.removeReader(self)
        self._read()
        self._more()

    def connectionLost(self, reason: Failure) -> None:
        # Reactors call this when a pipe is empty and its write end is closed.
        if self._waiting:
            self._waiting = False
            self._end()
            self._more()

    def _end(self) -> None:
        self.ended = True
        if self._rest:
            self._lines.append(self._rest)
            self._rest = b""

    def _read(self) -> None:
        chunk = os.read(self._fileno, _CHUNK)
        self.consumed += len(chunk)
        if not chunk:
            self._end()
            return
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if self._skipping and lines:
            # The rest of an overlong line, whose beginning has been returned already.
            del lines[0]
            self._skipping = False
        most = int(BULK_LINE.default)
        if len(self._rest) > most:
            if not self._skipping:
                lines.append(self._rest[:most])
            self._skipping = True
            self._rest = b""
        self._lines.extend(lines)

    def close(self) -> None:
        if self._waiting:
            self._waiting = False
            self._reactor.removeReader(self)
        self.ended = True


classImplements(Lines, IReadDescriptor)


def namesOf(following: Callable[[], str | None], rrType: int) -> Callable[[], Fed | None]:
    """
    Return a function that reads a name, or a name and a type, from each line.

    @param following: returns the next line; L{None} if there is none, now or at the end.
    """
    usual = typeName(rrType)

    def feed() -> Fed | None:
        line = following()
        if line is None:
            return None
        if " " in line or "\t" in line:
            return _split(line, rrType, usual)
        try:
            return (line, usual), Question(nameFromText(line), rrType)
        except BadName as fault:
            return (line, usual), fault

    return feed


def _split(line: str, rrType: int, usual: str) -> Fed:
    words = line.split()
    if len(words) != 2:
        return (line, usual), BadName(f"{len(words)} words on one line; write a name, or a name and a type")
    name, mnemonic = words
    number = typeNumber(mnemonic)
    if number is None:
        return (line, usual), BadName(f"{mnemonic!r} is not a record type; write a name, or a name and a type such as MX")
    try:
        return (name, typeName(number)), Question(nameFromText(name), number)
    except BadName as fault:
        return (name, typeName(number)), fault


def rangesOf(following: Callable[[], str | None]) -> Callable[[], Fed | None]:
    """
    Return a function that reads an address or range from each line and returns its addresses one by one, for reverse look-ups.
    """
    addresses: Iterator[tuple[str, bytes]] = iter(())

    def feed() -> Fed | None:
        nonlocal addresses
        while True:
            for text, name in addresses:
                return (text, "PTR"), Question(name, PTR)
            line = following()
            if line is None:
                return None
            try:
                addresses = iter(AddressRange.fromText(line))
            except CallerFault as fault:
                return (line, "PTR"), fault

    return feed
