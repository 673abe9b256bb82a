"""
Resolve a host name and a service to socket addresses like getaddrinfo(3), without blocking.

Numeric hosts and invalid arguments are passed to the C library, which does not block if host and service are declared numeric. Service
names are looked up in the services file, host names with a resolver.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from math import inf
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from twisted_ext.addrinfo.hints import AddressInfo, Hints, Port
from twisted_ext.addrinfo.services import Ports
from twisted_ext.aliases import found, isHostName
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import addressError, errorFromAnswer
from twisted_ext.compat.conversion.timeouts import Timeout, secondsAndWaits
from twisted_ext.errors import BadName, CallerFault, Closed, DNSFault, ServerFailed, Unknown
from twisted_ext.limits import CALL_CHARACTERS, CALL_ROWS, CALLS_REMEMBERED, LOCAL_ALIASES, LOOK_SECONDS
from twisted_ext.resolver.ask import askedOn, behind, lookUp, unknown
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.interfaces import Start
    from twisted_ext.resolver.local.hosts import Hosts

__all__ = ["AddressLookups", "Host"]

#: The types of a C{host} argument.
Host = str | bytes | None

_PAUSE: Final = LOOK_SECONDS.default
_IPV4: Final = socket.AF_INET
_IPV6: Final = socket.AF_INET6
_NUMERIC_HOST: Final = int(socket.AI_NUMERICHOST)
_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK: Final = bytes(15) + b"\x01"
_LOOPBACK_IPV4: Final = bytes((127, 0, 0, 1))

#: AI_IDN and EAI_IDN_ENCODE of glibc, which Python does not define.
_IDN: Final = 0x40 if sys.platform == "linux" else 0
_UNENCODABLE: Final = -105

#: Matches most host names, which need no further check.
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_FILED: Final = Answer(Outcome.DATA, origin=Origin("hosts"))
_NODATA: Final[int] = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)


class _Name:
    """
    A parsed host name.

    @ivar text: the name as passed to the C library.
    @ivar literal: whether it may be an address.
    @ivar questions: the questions for IPv4 and IPv6 addresses; L{None} if this is not a valid name.
    @ivar plain: whether this is a valid host name.
    """

    __slots__ = ("host", "text", "literal", "questions", "relative", "plain", "known")

    def __init__(self, host: str | bytes) -> None:
        """
        @raise TypeError: this is not text.
        @raise ValueError: it contains a null character, or cannot be encoded.
        """
        if isinstance(host, str):
            # The codec would neither change nor reject most names.
            simple = host.isascii() and len(host) < 64 and ".." not in host and host[:1] != "."
            text = host.encode("ascii" if simple else "idna")
        elif isinstance(host, bytes):
            text = host
        else:
            raise TypeError("getaddrinfo() argument 1 must be string or None")
        if b"\0" in text:
            raise ValueError("a name of a host has no null character in it")
        self.host = host
        self.text = text
        self.literal = text[:1].isdigit() or b":" in text or text == b"*"
        self.questions: tuple[Question, Question] | None = None
        self.relative = self.plain = self.known = False
        try:
            name = nameFromText(text)
        except BadName:
            return
        self.questions = Question(name, A), Question(name, AAAA)
        self.relative = not text.endswith(b".")
        self.plain = _PLAIN.fullmatch(text) is not None or isHostName(name)


class AddressLookups:
    """
    Implements L{getaddrinfo} for one resolver. Parsed names are cached; hints and results are cached for a second.
    """

    def __init__(self, resolver: NamesResolver, seconds: Callable[[], float]) -> None:
        self.resolver = resolver
        self.ports = Ports(seconds)
        self._seconds = seconds
        self._until = float("-inf")
        self._names: dict[str | bytes, _Name] = {}
        self._hints: dict[tuple[object, ...], Hints] = {}
        self._lists: dict[tuple[object, ...], list[AddressInfo]] = {}
        self._hosts: list[Hosts] | None = None
        self._most = int(CALLS_REMEMBERED.default)
        #: By whether the name is relative, and whether there is one family.
        self._contexts = {
            pair: QueryContext(inf, relative=pair[0], single=pair[1]) for pair in product((False, True), repeat=2)
        }

    def getaddrinfo(
        self, host: Host, port: Port, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0, timeout: Timeout = None
    ) -> Deferred[list[AddressInfo]]:
        try:
            if timeout is not None:
                # An invalid timeout fails even if the addresses are cached.
                secondsAndWaits(timeout)
            now = self._seconds()
            if not 0.0 < self._until - now <= _PAUSE:
                # This host's addresses, files and routes may have changed.
                self._until = now + _PAUSE
                self._hints.clear()
                self._lists.clear()
                self._hosts = None
            garbled = False
            if flags & _IDN and isinstance(host, bytes) and not host.isascii():
                try:
                    host = host.decode("utf-8")
                except UnicodeDecodeError:
                    garbled = True
            name = None if host is None else self._names.get(host) or _Name(host)
            key = (port, port.__class__, family, type, proto, flags, name is None or name.text == b"*")
            hints = self._hints.get(key) or self._learnHints(key, port, family, type, proto, flags)
            if hints.fault is not None:
                raise socket.gaierror(*hints.fault)
            if garbled:
                raise socket.gaierror(_UNENCODABLE, "Parameter string not correctly encoded")
            if name is None or name.literal or flags & _NUMERIC_HOST:
                rows = hints.numeric(None if name is None else name.text)
                if rows is not None or name is None:
                    return succeed(rows or [])
            return self._find(hints, name, timeout)
        except TypeError as error:
            return fail(_wrongType(host, port) or error)
        except (OSError, ValueError, OverflowError, DNSFault) as error:
            return fail(error)

    def _learnHints(self, key: tuple[object, ...], port: Port, family: int, type: int, proto: int, flags: int) -> Hints:
        hints = Hints(self.ports, bool(key[-1]), port, family, type, proto, flags)
        if isinstance(port, str | bytes) and len(port) > CALL_CHARACTERS.default:
            return hints
        if len(self._hints) >= self._most:
            self._hints.clear()
        self._hints[key] = hints
        return hints

    def _find(self, hints: Hints, name: _Name, timeout: Timeout) -> Deferred[list[AddressInfo]]:
        if name.questions is None:
            raise addressError(socket.EAI_NONAME)
        if self.resolver.closed:
            raise addressError(socket.EAI_FAIL)
        context = self._contexts[name.relative, hints.single]
        ask = self.resolver.source.ask
        halves: list[_Half | None] = [None, None]
        starts: list[Start | None] = [None, None]
        waiting = False
        for index in hints.families:
            question = name.questions[index]
            try:
                ready = ask(question, context)
            except DNSFault as fault:
                halves[index] = (), b"", None, fault
                continue
            if hints.single and index == 0:
                filed = self._filed(question.name)
                if filed and not (isinstance(ready, Answer) and _origin(ready) == "hosts"):
                    halves[index] = filed, question.name, _FILED, None
                    continue
            if isinstance(ready, Answer):
                rdatas, owner, left = found(question, ready)
                if left is None:
                    halves[index] = rdatas, owner, ready, None
                    continue
            elif ready is None:
                halves[index] = (), b"", None, unknown(self.resolver.source, question)
                continue
            else:
                starts[index] = ready
            waiting = True
        if not waiting:
            if not name.known and len(name.text) <= CALL_CHARACTERS.default:
                # Remember only names whose answers were cached: many others are looked up only once.
                name.known = True
                if len(self._names) >= self._most:
                    self._names.clear()
                self._names[name.host] = name
            return succeed(self.again(hints, name, halves[0], halves[1]))
        wishes = self.resolver.contextFor(timeout, name.relative)
        wishes.single = hints.single
        call = _Call(self, hints, name, wishes, halves)
        call.begin(name.questions, starts)
        return call.result

    # -- results

    def again(self, hints: Hints, name: _Name, four: _Half | None, six: _Half | None) -> list[AddressInfo]:
        """
        Call L{conclude} for cached answers, and cache the result.
        """
        if hints.canonical:
            return self.conclude(hints, name, four, six)
        key = (hints, name, four and four[0], six and six[0])
        rows = self._lists.get(key)
        if rows is None:
            rows = self.conclude(hints, name, four, six)
            if len(rows) > CALL_ROWS.default:
                return rows
            if len(self._lists) >= self._most:
                self._lists.clear()
            self._lists[key] = rows
        return rows.copy()

    def conclude(self, hints: Hints, name: _Name, four: _Half | None, six: _Half | None) -> list[AddressInfo]:
        """
        Return the result of a call.

        @raise socket.gaierror: there are no addresses.
        """
        ours: tuple[bytes, ...] = four[0] if four else ()
        theirs: tuple[bytes, ...] = six[0] if six else ()
        if name.literal and any(half and half[2] and _origin(half[2]) == "special" for half in (four, six)):
            # It looks like an address but the C library rejects it, and it cannot be a host name.
            raise addressError(socket.EAI_NONAME)
        if not ours and not theirs:
            raise addressError(_codeFor(hints, name, four, six)) from _cause(name, four, six)
        first = four if four and ours and not (hints.mapped and theirs and not hints.all) else six
        inFile = first is not None and first[2] is not None and _origin(first[2]) == "hosts"
        if not name.plain and not inFile:
            raise addressError(socket.EAI_NONAME)
        if hints.mapped:
            if not hints.all and len(theirs) > 1:
                theirs = tuple([each for each in theirs if not each.startswith(_MAPPED)])
            addresses = [*theirs, *[_MAPPED + each for each in ours if hints.all or not theirs]]
        else:
            addresses = [*ours, *theirs]
        if len(addresses) > 1:
            addresses = self.resolver.order.inOrder(list(dict.fromkeys(addresses)))
        return _rows(addresses, hints, self._canonical(name, first, inFile) if hints.canonical and first else "")

    def _canonical(self, name: _Name, half: _Half, inFile: bool) -> str:
        owner = half[1]
        if inFile:
            folded = owner.lower()
            for hosts in self._hostsFiles():
                table = hosts.table
                owner = table.canonical.get(folded, folded if folded in table.addresses else owner)
        elif name.questions is not None:
            asked = name.questions[0].name[:-1]
            if not isHostName(owner):
                owner = name.questions[0].name
            if owner.lower().startswith(asked.lower()):
                # Use the case of this call, not that of an earlier query in the cache.
                owner = asked + owner[len(asked) :].lower()
        return nameToText(owner, final=False)

    def _hostsFiles(self) -> list[Hosts]:
        if self._hosts is None:
            from twisted_ext.resolver.local.hosts import Hosts

            self._hosts = list(behind(self.resolver.source, Hosts))
        return self._hosts

    def _filed(self, name: bytes) -> tuple[bytes, ...]:
        """
        Return the IPv4 addresses in the hosts files that are written as IPv6 addresses, including C{::1}, as the C library does.
        """
        filed: list[bytes] = []
        for hosts in self._hostsFiles():
            for address in hosts.table.addresses.get(name.lower(), ()):
                if address.startswith(_MAPPED):
                    filed.append(address[12:])
                elif address == _LOOPBACK:
                    filed.append(_LOOPBACK_IPV4)
        return tuple(filed)


#: The result of one look-up: rdata, their owner, and the answer or the fault.
_Half = tuple[tuple[bytes, ...], bytes, "Answer | None", "DNSFault | None"]


class _Call:
    __slots__ = ("result", "_addressing", "_hints", "_name", "_context", "_halves", "_waiting")

    def __init__(
        self, addressing: AddressLookups, hints: Hints, name: _Name, context: QueryContext, halves: list[_Half | None]
    ) -> None:
        self.result: Deferred[list[AddressInfo]] = Deferred(self._cancelled)
        self._addressing = addressing
        self._hints = hints
        self._name = name
        self._context = context
        #: The results, or the pending look-ups.
        self._halves: list[_Half | Deferred[Answer] | Deferred[list[tuple[Question, Answer]]] | None] = [*halves]
        self._waiting = 0

    def begin(self, questions: tuple[Question, Question], starts: list[Start | None]) -> None:
        """
        Look up each address family without a known result.
        """
        halves = self._halves
        unknown = [index for index in self._hints.families if halves[index] is None]
        self._waiting = len(unknown)
        for index in unknown:
            start = starts[index]
            source = self._addressing.resolver.source
            asked = halves[index] = lookUp(source, questions[index], self._context) if start is None else start(self._context)
            asked.addCallbacks(self._answered, self._failed, (index,), {}, (index,))

    def _answered(self, answer: Answer, index: int) -> None:
        question = (self._name.questions or ())[index]
        rdatas, owner, left = found(question, answer)
        if left is None:
            self._arrived(index, (rdatas, owner, answer, None))
            return
        ask = partial(lookUp, self._addressing.resolver.source)
        following = Deferred.fromCoroutine(askedOn(ask, question, answer, self._context, int(LOCAL_ALIASES.default)))
        self._halves[index] = following
        following.addCallbacks(self._followed, self._failed, (index,), {}, (index,))

    def _followed(self, steps: list[tuple[Question, Answer]], index: int) -> None:
        question, answer = steps[-1]
        rdatas, owner, _ = found(question, answer)
        self._arrived(index, (rdatas, owner, answer, None))

    def _failed(self, failure: Failure, index: int) -> None:
        fault = failure.value
        if isinstance(fault, DNSFault):
            self._arrived(index, ((), b"", None, fault))
        elif not self.result.called:
            self.result.errback(failure)
            self._stop()

    def _arrived(self, index: int, half: _Half) -> None:
        halves = self._halves
        halves[index] = half
        self._waiting -= 1
        if self._waiting or self.result.called:
            return
        four, six = halves
        try:
            assert not (isinstance(four, Deferred) or isinstance(six, Deferred))
            rows = self._addressing.conclude(self._hints, self._name, four, six)
        except Exception:
            self.result.errback()
        else:
            self.result.callback(rows)

    def _cancelled(self, result: Deferred[list[AddressInfo]]) -> None:
        result.errback(CancelledError())
        self._stop()

    def _stop(self) -> None:
        for half in self._halves:
            if isinstance(half, Deferred):
                half.cancel()


def _wrongType(host: object, port: object) -> Exception | None:
    """
    Return the exception that the standard library raises for arguments of these types, or L{None}. The order of checks and the texts are
    the same.
    """
    if not isinstance(host, str | bytes | None):
        return TypeError("getaddrinfo() argument 1 must be string or None")
    return None if isinstance(port, str | bytes | int | None) else OSError("Int or String expected")


def _rows(addresses: Sequence[bytes], hints: Hints, text: str) -> list[AddressInfo]:
    rows: list[AddressInfo] = []
    for address in addresses:
        if len(address) == 4:
            written = socket.inet_ntop(_IPV4, address)
            for kind, protocol, port in hints.kinds:
                rows.append((_IPV4, kind, protocol, text, (written, port)))
                text = ""
        else:
            written = socket.inet_ntop(_IPV6, address)
            for kind, protocol, port in hints.kinds:
                rows.append((_IPV6, kind, protocol, text, (written, port, 0, 0)))
                text = ""
    return rows


def _codeFor(hints: Hints, name: _Name, *halves: _Half | None) -> int:
    """
    Return the C library's C{EAI_*} code for missing addresses. A failed look-up is never reported as a nonexistent name.
    """
    empty = False
    for half in halves:
        if half is None:
            continue
        _, _, answer, fault = half
        if answer is None:
            return _codeForFault(fault)
        if answer.outcome is Outcome.NODATA and _origin(answer) != "hosts":
            empty = empty or hints.simple or not answer.answer
    if not name.plain and not (hints.single and hints.canonical):
        empty = False
    return _NODATA if empty else socket.EAI_NONAME


def _cause(name: _Name, *halves: _Half | None) -> BaseException | None:
    for half, question in zip(halves, name.questions or (), strict=False):
        if half is not None and half[3] is not None:
            return half[3]
        if half is not None and half[2] is not None and half[2].outcome is Outcome.NXDOMAIN:
            return errorFromAnswer(question, half[2])
    return None


def _codeForFault(fault: DNSFault | None) -> int:
    if isinstance(fault, CallerFault | Unknown):
        return socket.EAI_NONAME
    lasting = isinstance(fault, Closed) or (isinstance(fault, ServerFailed) and fault.rcode == Rcode.FORMERR)
    return socket.EAI_FAIL if lasting else socket.EAI_AGAIN


def _origin(answer: Answer) -> str:
    return "" if answer.origin is None else answer.origin.source
