"""
Writes the lines of C{txdns bulk}: complete lines only, and no faster than the reader takes them. A line is a JSON object for one name:

  - C{name}, as given in the input, and C{type};
  - C{rcode}, C{ttl} (the lowest of the records; the negative TTL for a negative answer, or null);
  - C{data}: the records in master file format;
  - C{aliases}, if any: the names that led to the data;
  - C{errors}, if any: extended errors as C{code}, C{name}, C{text}.

A failed look-up has C{error} (a sentence), C{kind} (C{BadName}, C{TimedOut}, C{ServerFailed}...) and possibly C{rcode} in place of C{ttl}
and C{data}.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from json import dumps
from json.encoder import encode_basestring_ascii
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.answers import Answer
from twisted_ext.apps.cli.bulk.input import Item
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import BULK_OUTPUT
from twisted_ext.wire.codes import EDE_NAMES, rcodeName
from twisted_ext.wire.escapes import ipv4ToText
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import ANY, CNAME, SOA, A, typeNumber

__all__ = ["LineWriter", "lineOf"]

#: Compiled code would look it up in its module for each line.
_quoted: Final[Callable[[str], str]] = encode_basestring_ascii

#: Octets that a writable pipe accepts without blocking (PIPE_BUF of POSIX; 4096 on Linux).
_PIECE: Final = 4096

#: Lines to collect before they are written.
_BATCH: Final = 256

#: Seconds after which fewer lines are written.
_PATIENCE: Final = 0.05


class LineWriter:
    """
    Writes lines to a file, or to a pipe without blocking.

    @ivar full: whether the backlog is so large that the producer should pause.
    @ivar broken: the error that ended the output, if any.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        clock: IReactorTime,
        fileno: int,
        *,
        drained: Callable[[], object] = lambda: None,
        failed: Callable[[OSError], object] = lambda error: None,
    ) -> None:
        """
        @param drained: called when C{full} becomes false.
        """
        self._reactor = reactor
        self._clock = clock
        self._fileno = fileno
        self._drained = drained
        self._failed = failed
        self._plain = stat.S_ISREG(os.fstat(fileno).st_mode)
        self._lines: list[str] = []
        self._backlog = bytearray()
        self._timer: IDelayedCall | None = None
        self._writing = False
        self._emptied: Deferred[None] | None = None
        self.full = False
        self.broken: OSError | None = None

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "output"

    def write(self, line: str) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) >= _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(_PATIENCE, self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """
        Write the collected lines as far as possible without blocking.
        """
        if self._lines:
            octets = "".join(self._lines).encode("ascii")
            self._lines.clear()
            if self.broken is not None:
                return
            if self._plain:
                self._writePlain(octets)
                return
            self._backlog += octets
            if self._writing and len(self._backlog) > BULK_OUTPUT.default:
                self.full = True
        if not self._writing and self._backlog:
            self.doWrite()

    def _writePlain(self, octets: bytes) -> None:
        view = memoryview(octets)
        try:
            while view:
                # Compiled code evaluates the bound of a slice twice.
                written = os.write(self._fileno, view)
                view = view[written:]
        except OSError as error:
            self._break(error)

    def doWrite(self) -> None:
        if self.broken is None:
            try:
                self._writeWhileReady()
            except OSError as error:
                self._break(error)
        if self._backlog and not self._writing:
            self._writing = True
            self._reactor.addWriter(self)
        elif not self._backlog and self._writing:
            self._writing = False
            self._reactor.removeWriter(self)
        most = BULK_OUTPUT.default
        if len(self._backlog) > most:
            self.full = True
        elif self.full and len(self._backlog) <= most / 2:
            self.full = False
            self._drained()
        if self._emptied is not None and not self._backlog:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _writeWhileReady(self, wait: float = 0) -> None:
        backlog = self._backlog
        while backlog and select.select([], [self._fileno], [], wait)[1]:
            piece = bytes(backlog[:_PIECE])
            if len(piece) < len(backlog):
                # Cut at the end of a line, so that the reader sees complete lines.
                piece = piece[: piece.rfind(b"\n") + 1] or piece
            written = os.write(self._fileno, piece)
            del backlog[:written]

    def emptied(self) -> Deferred[None]:
        """
        Write the whole backlog, as fast as the reader takes it, until it is empty or the reader has closed the pipe.
        """
        self.flush()
        if not self._backlog:
            return succeed(None)
        self._emptied = Deferred()
        return self._emptied

    def _break(self, error: OSError) -> None:
        self.broken = error
        self._backlog.clear()
        self._failed(error)
        if self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def connectionLost(self, reason: Failure) -> None:
        if self.broken is None:
            self._break(BrokenPipeError(32, "Broken pipe"))

    def finish(self, seconds: float) -> None:
        """
        Write the rest and cancel the timers. The rest is discarded when the reader has read nothing for this time.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        if self._backlog and self.broken is None:
            try:
                self._writeWhileReady(seconds)
            except OSError as error:
                self._break(error)
        if self._writing:
            self._writing = False
            self._reactor.removeWriter(self)


classImplements(LineWriter, IWriteDescriptor)


def lineOf(item: Item, result: Answer | Exception) -> str:
    name, rrType = item
    if isinstance(result, Exception):
        return _faultLine(name, rrType, result)
    sets = result.answer
    if len(sets) == 1 and not result.ede:
        # A fast path for the most frequent kind of line.
        rrset = sets[0]
        rdatas = rrset.rdatas
        if rrset.rrType == A and rrType == "A":
            data = ipv4ToText(rdatas[0]) if len(rdatas) == 1 else '","'.join([ipv4ToText(rdata) for rdata in rdatas])
            return f'{{"name":{_quoted(name)},"type":"A","rcode":"NOERROR","ttl":{rrset.ttl},"data":["{data}"]}}\n'
    return _answerLine(name, rrType, result)


def _answerLine(name: str, rrType: str, answer: Answer) -> str:
    wanted = typeNumber(rrType)
    found = [rrset for rrset in answer.answer if rrset.rrType == wanted or (wanted == ANY and rrset.rrType != CNAME)]
    data = [rdataToText(rrset.rrType, rdata) for rrset in found for rdata in rrset.rdatas]
    fields: dict[str, object] = {
        "name": name,
        "type": rrType,
        "rcode": rcodeName(answer.rcode),
        "ttl": min([rrset.ttl for rrset in found]) if found else _denialTTL(answer),
        "data": data,
    }
    aliases = [nameToText(rrset.rdatas[0]) for rrset in answer.answer if rrset.rrType == CNAME and wanted != CNAME]
    if aliases:
        fields["aliases"] = aliases
    if answer.ede:
        fields["errors"] = [{"code": code, "name": EDE_NAMES.get(code, ""), "text": text} for code, text in answer.ede]
    return dumps(fields, separators=(",", ":")) + "\n"


def _denialTTL(answer: Answer) -> int | None:
    # RFC 2308, section 5: the lesser of the SOA record's TTL and its last field.
    for rrset in answer.authority:
        if rrset.rrType == SOA:
            return min(rrset.ttl, int.from_bytes(rrset.rdatas[0][-4:], "big"))
    return None


def _faultLine(name: str, rrType: str, fault: Exception) -> str:
    fields: dict[str, object] = {"name": name, "type": rrType, "error": str(fault) or type(fault).__name__, "kind": type(fault).__name__}
    if isinstance(fault, ServerFailed):
        fields["rcode"] = rcodeName(fault.rcode)
        if fault.ede:
            fields["errors"] = [{"code": code, "name": EDE_NAMES.get(code, ""), "text": text} for code, text in fault.ede]
    return dumps(fields, separators=(",", ":")) + "\n"
