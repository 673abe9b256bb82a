"""
Decide which authoritative servers to ask over an encrypted transport without having been told (RFC 9539): what is remembered of each
address, and what follows from it. No I/O, no clock.

Nothing is delayed for it. A server that is not known to reply over TLS is asked in the clear as usual, and over TLS beside that, which is
the probe; one that is known to is asked over TLS first. All times are in seconds since 1970, because the memory outlives the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.recursion.limits import ENCRYPTED_DAMPING, ENCRYPTED_DECLINES, ENCRYPTED_PERSISTENCE, ENCRYPTED_SERVERS
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText

__all__ = ["EncryptedServer", "EncryptedServers", "Tried"]

_PERSISTENCE: Final = ENCRYPTED_PERSISTENCE.default
_DAMPING: Final = ENCRYPTED_DAMPING.default
_DECLINES: Final = int(ENCRYPTED_DECLINES.default)

_HEADING: Final = "; authoritative servers over TLS (RFC 9539): address, outcome, when it was learned, when the last reply came"

#: Seconds by which a time may be in the future: clocks are corrected.
_AHEAD: Final = 60.0


class Tried(Enum):
    """
    The outcome of the last connection to a server (C{E-status} in RFC 9539, section 4.5).
    """

    #: It has replied.
    WORKED = "works"
    #: The connection was refused or lost, or the replies over it were of no use.
    FAILED = "failed"
    #: Nothing came in time.
    SILENT = "silent"


class EncryptedServer:
    """
    What is remembered of one address.

    @ivar tried: the outcome of the last connection; L{None} before the first.
    @ivar completed: when that was.
    @ivar replied: when the last useful reply came; 0 for none.
    @ivar declines: replies in a row that were of no use.
    @ivar probing: whether a probe is under way.
    """

    __slots__ = ("tried", "completed", "replied", "declines", "probing")

    def __init__(self, tried: Tried | None = None, completed: float = 0.0, replied: float = 0.0) -> None:
        self.tried = tried
        self.completed = completed
        self.replied = replied
        self.declines = 0
        self.probing = False

    def works(self, now: float) -> bool:
        """
        Return whether to ask it over the encrypted transport first: it has replied within the persistence (RFC 9539, section 4.3).
        """
        return self.tried is Tried.WORKED and -_AHEAD <= now - self.replied < _PERSISTENCE

    def due(self, now: float) -> bool:
        """
        Return whether to probe it: not while a probe is under way, nor within the damping after a failure (RFC 9539, section 4.3).
        """
        if self.probing or self.works(now):
            return False
        # A time in the future is that of a clock which has been set back.
        return self.tried is None or self.tried is Tried.WORKED or not -_AHEAD <= now - self.completed < _DAMPING


class EncryptedServers:
    """
    The memory of all addresses, within a limit: those that were learned of first are forgotten first.

    @ivar changed: whether something was learned since C{toText}.
    """

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: addresses to remember.
        """
        self._most = int(ENCRYPTED_SERVERS.pick(most))
        self._known: dict[str, EncryptedServer] = {}
        self.changed = False

    def __len__(self) -> int:
        return len(self._known)

    def items(self) -> Iterable[tuple[str, EncryptedServer]]:
        return self._known.items()

    def works(self, address: str, now: float) -> bool:
        known = self._known.get(address)
        return known is not None and known.works(now)

    def due(self, address: str, now: float) -> bool:
        known = self._known.get(address)
        return known is None or known.due(now)

    def working(self, now: float) -> int:
        """
        Return how many servers are asked over the encrypted transport.
        """
        return sum([known.works(now) for known in self._known.values()])

    def probing(self, address: str) -> None:
        """
        A probe begins. One of the other methods has to be called when it ends.
        """
        self._at(address).probing = True

    def interrupted(self, address: str) -> None:
        """
        A probe or a query was given up: nothing is known of its outcome.
        """
        known = self._known.get(address)
        if known is not None:
            known.probing = False

    def answered(self, address: str, now: float) -> None:
        """
        A useful reply has come.
        """
        known = self._at(address)
        if known.tried is not Tried.WORKED:
            known.completed = now
        known.tried = Tried.WORKED
        known.replied = now
        known.declines = 0
        known.probing = False
        self.changed = True

    def declined(self, address: str, now: float) -> None:
        """
        A reply has come that is of no use, such as REFUSED, or one without authority: perhaps another program listens there. A server that
        has answered before fails only after several of them in a row, as one broken zone does not make a bad server.
        """
        known = self._at(address)
        known.declines += 1
        known.probing = False
        if known.tried is not Tried.WORKED or known.declines >= _DECLINES:
            self._ended(known, Tried.FAILED, now)

    def failed(self, address: str, began: float, now: float, *, silent: bool = False) -> None:
        """
        No reply has come.

        @param began: when the query was sent: a reply to another query since then shows that the connection works.
        @param silent: whether nothing at all has come in time.
        """
        known = self._at(address)
        known.probing = False
        if known.tried is not Tried.WORKED or not began <= known.replied <= now:
            self._ended(known, Tried.SILENT if silent else Tried.FAILED, now)

    def _ended(self, known: EncryptedServer, tried: Tried, now: float) -> None:
        known.tried = tried
        known.completed = now
        known.declines = 0
        self.changed = True

    def _at(self, address: str) -> EncryptedServer:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            known = self._known[address] = EncryptedServer()
        return known

    # -- the file

    def toText(self, now: float) -> str:
        """
        Return what is worth remembering, one line for each address.
        """
        self.changed = False
        return "".join([f"{line}\n" for line in (_HEADING, *self._lines(now), "; end")])

    def _lines(self, now: float) -> Iterator[str]:
        for address, known in self._known.items():
            if known.tried is not None and not known.due(now):
                yield f"{address} {known.tried.value} {known.completed:.0f} {known.replied:.0f}"

    def load(self, text: str, now: float) -> None:
        """
        Take what C{toText} has returned; what is too old by now is left out.

        @raise BadDescription: the text is damaged; nothing is taken then.
        """
        lines = text.split("\n")
        if lines[0] != _HEADING:
            raise BadDescription("line 1 is not the heading of such a file")
        if lines[-2:] != ["; end", ""]:
            raise BadDescription("the end is missing")
        if len(lines) - 3 > ENCRYPTED_SERVERS.most:
            raise BadDescription(f"{len(lines) - 3} servers; {ENCRYPTED_SERVERS.most:.0f} are the most")
        found: dict[str, EncryptedServer] = {}
        for number, line in enumerate(lines[1:-2], 2):
            address, known = _fromLine(line, number)
            if not known.due(now):
                found[address] = known
        self._known.update(list(found.items())[-self._most :])
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]


def _fromLine(line: str, number: int) -> tuple[str, EncryptedServer]:
    words = line.split(" ")
    try:
        address, tried, completed, replied = words
        (ipv6FromText if ":" in address else ipv4FromText)(address)
        if not (completed.isdecimal() and replied.isdecimal() and len(completed) < 16 and len(replied) < 16):
            raise ValueError
        return address, EncryptedServer(Tried(tried), float(completed), float(replied))
    except (ValueError, BadDescription):
        raise BadDescription(f"line {number} is not an address, works, failed or silent, and two times: {line[:80]!r}") from None
