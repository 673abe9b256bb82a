"""
C{txdns query}: sends a query and prints the reply.

Usual queries, over UDP and TCP to one server, are sent by blocking sockets: without a reactor, so that nothing of Twisted is loaded.
Whatever is not usual is left to L{twisted_ext.apps.cli.query.lookup}, which asks anew: other options, and replies other than one that
answers the query. So there is one place that knows what to do about those.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_ext.apps.cli.query.args import ARGUMENTS, PAYLOAD, QueryOptions, parseQueries
from twisted_ext.apps.cli.query.display import chooseLetters, now, show, unanswered
from twisted_ext.apps.cli.query.formats import LookupOutcome, errorsIn
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, TERMINATED, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, BadMessage
from twisted_ext.files import openNow
from twisted_ext.limits import CONFIGURATION_OCTETS, LOOKUP_SECONDS
from twisted_ext.resolver.forward.nextstep import LASTING
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AD, CD, DO, QR, RD, TC, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.rrtypes import AXFR, IXFR

if TYPE_CHECKING:
    from twisted_ext.apps.cli.query.args import QueryOptions
    from twisted_ext.errors import DNSFault

__all__ = ["ARGUMENTS", "main", "plainly"]

#: Options that take more than one query, or a connection that stays.
_OTHERS: Final = ("trace", "nssearch", "sigchase", "search", "keepopen")

#: Response codes after which a query is repeated in another way.
_REPEATED: Final = (Rcode.FORMERR, Rcode.NOTIMP, Rcode.BADVERS, Rcode.BADCOOKIE)

_OPCODE: Final = 0x7800

#: Seconds without an answer after which a terminal shows that the command waits.
_PATIENCE: Final = 1.0


class _Unusual(Exception):
    """
    This look-up takes more than plain sockets.
    """


class _Received(NamedTuple):
    """
    @ivar seconds: since the query was sent.
    """

    reply: Message
    seconds: float


def plainly(every: Sequence[QueryOptions]) -> tuple[int, Sequence[QueryOptions]]:
    """
    Do look-ups one after the other, and print their replies, until one is not usual.

    @return: the highest exit code so far, and the look-ups that are left.
    """
    code = OK
    waiting = _Waiting()
    with _endedByTerm():
        for index, options in enumerate(every):
            server = _serverFor(options)
            if server is None:
                return code, every[index:]
            try:
                found = _lookUp(options, server, waiting)
            except (_Unusual, OSError):
                return code, every[index:]
            if isinstance(found, LookupOutcome):
                show(found, options)
            else:
                code = max(code, unanswered(Question(options.name, options.rrType, options.rrClass), found, options))
    return code, ()


@contextmanager
def _endedByTerm() -> Iterator[None]:
    """
    Return a context manager in which SIGTERM ends the command with the code that shells use for that.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Waiting:
    """
    Waits for sockets, and after a while says so once.
    """

    def __init__(self) -> None:
        self._due = monotonic() + _PATIENCE if sys.stderr.isatty() else float("inf")

    def forReply(self, sockets: Iterable[socket.socket], until: float) -> socket.socket | None:
        """
        @return: one that has something to receive.
        """
        poll = select.poll()
        numbers = {}
        for sock in sockets:
            poll.register(sock, select.POLLIN)
            numbers[sock.fileno()] = sock
        while (left := until - monotonic()) > 0:
            if ready := poll.poll(max(min(left, self._due - monotonic()), 0) * 1000):
                return numbers[ready[0][0]]
            if monotonic() >= self._due:
                self._due = float("inf")
                complain("txdns query: no answer yet; Ctrl-C ends it")
        return None


def _serverFor(options: QueryOptions) -> Server | None:
    """
    Return the one server of a usual look-up.
    """
    flags = options.flags
    isOther = options.encryption or options.ednsOptions or options.rrType in (AXFR, IXFR) or any(flags[word] for word in _OTHERS)
    if isOther or options.needsServer:
        return None
    try:
        server = Server.fromText(options.target, options.port or DNS_PORT) if options.target else _systemsServer(options.port)
    except BadDescription:
        return None
    if server is None or (options.family and (":" in server.address) != (options.family == 6)):
        return None
    return server


def _systemsServer(port: int | None) -> Server | None:
    """
    Return the server of the system, if it has just one, and queries go over UDP.
    """
    from twisted_ext.resolver.system.resolvconf import SYSTEM_RESOLV_CONF, ResolvConf

    configuration = ResolvConf(SYSTEM_RESOLV_CONF, os.environ).configuration
    if len(configuration.servers) != 1 or "use-vc" in configuration.flags:
        return None
    server = configuration.servers[0]
    return Server(server.address, port) if port else server


def _lookUp(options: QueryOptions, server: Server, waiting: _Waiting) -> LookupOutcome | DNSFault:
    """
    @return: the reply, or why there is none.

    @raise OSError: the server cannot be reached.
    """
    options.servers = 1 if options.target else 0
    question = Question(options.name, options.rrType, options.rrClass)
    chooseLetters(options)
    failed = None
    attempts = 0
    stream = bool(options.flags["tcp"])
    began = monotonic()
    until = began + min(options.seconds * options.tries, LOOKUP_SECONDS.most)
    with closing(_Datagrams(server, waiting)) as datagrams:
        while attempts < options.tries and monotonic() < until:
            attempts += 1
            query = _query(options, question)
            truncated = False
            if stream:
                received = _byStream(query, server, until, waiting)
            else:
                datagrams.send(query)
                received = datagrams.receive(min(monotonic() + options.seconds, until))
                truncated = received is not None and bool(received.reply.flags & TC)
                if truncated:
                    received = _byStream(query, server, monotonic() + options.seconds, waiting)
            if received is None:
                if truncated:
                    raise _Unusual
                continue
            reply = received.reply
            if reply.rcode in _REPEATED:
                raise _Unusual
            kind = "tcp" if stream or truncated else "udp"
            outcome = LookupOutcome(
                question, reply, source=kind, server=server.label, seconds=received.seconds, when=now(), microseconds=options.microseconds
            )
            outcome.truncated = truncated
            if reply.rcode != Rcode.SERVFAIL or any(error.infoCode in LASTING for error in errorsIn(reply.edns)):
                return outcome
            # The next attempt may succeed.
            failed = outcome
    return failed or _silent(question, server, options, attempts, monotonic() - began)


def _silent(question: Question, server: Server, options: QueryOptions, attempts: int, seconds: float) -> DNSFault:
    from twisted_ext.resolver.forward.failures import mostTelling
    from twisted_ext.resolver.system.configured import System, hintOf

    fault = mostTelling(question, [], [server.label], attempts, seconds)
    if not options.target:
        from twisted.internet.task import Clock

        fault.text += hintOf(System(Clock()).configuration)
    return fault


def _query(options: QueryOptions, question: Question) -> Message:
    flags = options.flags
    bits = (RD if flags["recurse"] else 0) | (AD if flags["adflag"] else 0) | (CD if flags["cdflag"] else 0)
    edns = EDNS(PAYLOAD, DO if options.dnssecOk else 0) if flags["edns"] or options.dnssecOk else None
    return Message(int.from_bytes(os.urandom(2), "big"), bits, (question,), edns=edns)


def _replyIn(octets: bytes, query: Message) -> Message:
    """
    @raise _Unusual: it is not a reply to this query.
    """
    try:
        reply = Message.fromWire(octets).check()
    except BadMessage as error:
        raise _Unusual from error
    if reply.id != query.id or not reply.flags & QR or (reply.flags ^ query.flags) & _OPCODE or reply.questions != query.questions:
        raise _Unusual
    return reply


class _Datagrams:
    """
    The queries of one look-up over UDP. Each goes out from a port of its own, and stays open: a late reply to an earlier one is an answer.
    """

    def __init__(self, server: Server, waiting: _Waiting) -> None:
        self._server = server
        self._waiting = waiting
        # Each with its socket, and when it was sent.
        self._sent: dict[socket.socket, tuple[Message, float]] = {}

    def send(self, query: Message) -> None:
        """
        @raise OSError: the server cannot be reached.
        """
        sock = socket.socket(self._server.family, socket.SOCK_DGRAM)
        self._sent[sock] = query, monotonic()
        sock.connect(self._server.socketAddress())
        sock.send(buildMessage(query))

    def receive(self, until: float) -> _Received | None:
        """
        @return: a reply, whose query has ended; L{None} if there was none in time.

        @raise OSError: the server cannot be reached.
        """
        sock = self._waiting.forReply(self._sent, until)
        if sock is None:
            return None
        octets = sock.recv(65535)
        now = monotonic()
        query, began = self._sent.pop(sock)
        sock.close()
        return _Received(_replyIn(octets, query), now - began)

    def close(self) -> None:
        for sock in self._sent:
            sock.close()


def _byStream(query: Message, server: Server, until: float, waiting: _Waiting) -> _Received | None:
    """
    @return: L{None} if no connection was made or no whole reply came in time.

    @raise OSError: the server cannot be reached.
    """
    wire = buildMessage(query)
    began = monotonic()
    with socket.socket(server.family, socket.SOCK_STREAM) as sock:
        sock.settimeout(max(until - began, 0.001))
        try:
            sock.connect(server.socketAddress())
        except TimeoutError:
            return None
        sock.sendall(len(wire).to_bytes(2, "big") + wire)
        octets = b""
        while len(octets) < 2 or len(octets) < 2 + int.from_bytes(octets[:2], "big"):
            if waiting.forReply((sock,), until) is None:
                return None
            more = sock.recv(65536)
            if not more:
                raise _Unusual
            octets += more
        seconds = monotonic() - began
    return _Received(_replyIn(octets[2 : 2 + int.from_bytes(octets[:2], "big")], query), seconds)


def main(words: list[str]) -> int:
    ARGUMENTS.showHelp(words)
    if "-v" in words or "-V" in words:
        from twisted_ext.apps.cli.main import versions

        print(versions())
        return OK
    usual = [] if "-r" in words else _usualWords()
    every: list[QueryOptions] = []
    for options in parseQueries(words, usual):
        every += _batch(options, words, usual) if options.batch else [options]

    # One after the other, until one takes more than plain sockets.
    code, left = plainly(every)
    if not left:
        return code
    # Twisted is imported only here.
    from twisted_ext.apps.cli.query.lookup import lookUpAll

    return max(code, lookUpAll(left))


def _usualWords() -> list[str]:
    """
    Return the arguments in C{~/.digrc}. Those that are not valid are reported and ignored, because dig uses the file too.
    """
    path = os.path.join(os.path.expanduser("~"), ".digrc")
    usable: list[str] = []
    try:
        with open(path, encoding="utf-8", opener=openNow) as file:
            lines = file.read(int(CONFIGURATION_OCTETS.default)).splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        complain(f"txdns query: {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}; -r ignores it")
        return []
    for number, line in enumerate(lines, 1):
        said = line.strip()
        if said and not said.startswith(("#", ";")):
            try:
                parseQueries([], said.split())
            except ExitError as ending:
                complain(f"txdns query: {path}, line {number}: {ending.line}; this line is ignored (-r ignores the file)")
            else:
                usable += said.split()
    return usable


def _batch(options: QueryOptions, words: list[str], usual: list[str]) -> list[QueryOptions]:
    """
    Return the look-ups of the batch file. The command's other arguments apply to each of them.
    """
    at = next(index for index, word in enumerate(words) if word.startswith("-f"))
    common = words[:at] + words[at + (1 if len(words[at]) > 2 else 2) :]
    try:
        if options.batch == "-":
            lines = sys.stdin.buffer.read().decode().splitlines()
        else:
            with open(options.batch, encoding="utf-8") as file:
                lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ExitError(BATCH, f"-f {options.batch}: {reason}; write the name of a file with one look-up per line") from error
    every = []
    for number, line in enumerate(lines, 1):
        more = line.split()
        if more and not more[0].startswith((";", "#")):
            try:
                found = parseQueries([*common, *more], usual)
                if any(each.batch for each in found):
                    raise ExitError(USAGE, "-f: a file of look-ups cannot name another one")
                every += found
            except ExitError as ending:
                raise ExitError(ending.code, f"{options.batch}, line {number}: {ending.line}") from ending
    return every
