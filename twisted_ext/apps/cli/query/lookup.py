"""
The look-ups of C{txdns query} that take a reactor: encrypted ones, those of resolver descriptions, and those with control over every field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.apps.cli.query.args import QueryOptions
from twisted_ext.apps.cli.query.display import chooseLetters, now, show, unanswered
from twisted_ext.apps.cli.query.formats import LookupOutcome, greeting, renderQuery
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.encryption import ENCRYPTED, isURL, trustHint
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError, complain
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import CommandUpstream, upstreamFor
from twisted_ext.errors import DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, IExchange
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import QR
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.options import Cookie, ExtendedError
from twisted_ext.wire.rrtypes import AXFR, IXFR

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.cli.query.direct import DirectSource, Exchange, KeptConnections
    from twisted_ext.wire.tsig import Key

__all__ = ["lookUpAll"]

#: Options that encrypted transports cannot carry out: these choose ids and ports themselves, and other servers are queried in the clear.
_PLAIN_ONLY: Final = ("-b", "+qid", "+trace", "+nssearch")


def lookUpAll(every: Sequence[QueryOptions]) -> int:
    """
    Do look-ups one after the other, and print their replies.

    @return: the exit code, which is the highest of all.
    """

    async def begin(reactor: IReactorTime) -> int:
        code = OK
        # Look-ups over the same encrypted connection need one handshake.
        shared: dict[object, CommandUpstream] = {}
        kept = None
        if any(each.flags["keepopen"] for each in every):
            from twisted_ext.apps.cli.query.direct import KeptConnections

            kept = KeptConnections()
        try:
            for each in every:
                code = max(code, await _one(reactor, each, shared, kept))
        finally:
            if kept is not None:
                kept.close()
            for upstream in shared.values():
                await upstream.source.close()
        return code

    return runUntilDone(begin, command="query")


async def _one(
    reactor: IReactorTime, options: QueryOptions, shared: dict[object, CommandUpstream], kept: KeptConnections | None
) -> int:
    key = (options.target, options.port, options.family, options.encryption.identity)
    upstream = shared.get(key)
    if upstream is None:
        upstream = await upstreamFor(reactor, options.target, options.port, options.family, options.encryption)
        if options.encryption or isURL(options.target):
            shared[key] = upstream
    options.servers = upstream.servers if options.target else 0
    try:
        if options.rrType in (AXFR, IXFR):
            from twisted_ext.apps.cli.query.zonetransfer import showZone

            return await showZone(reactor, upstream, options, _keyFor(options))
        direct = _direct(reactor, upstream, options, kept)
        if direct is not None and options.flags["trace"]:
            from twisted_ext.apps.cli.query.trace import showTrace

            return await showTrace(reactor, upstream, direct, options)
        if direct is not None and options.flags["nssearch"]:
            from twisted_ext.apps.cli.query.trace import showServers

            return await showServers(reactor, upstream, direct, options)
        code = await _lookUp(reactor, upstream, direct, options)
        if code == OK and options.flags["sigchase"]:
            from twisted_ext.apps.cli.query.sigchase import showChain

            return await showChain(reactor, upstream.source, options)
        return code
    finally:
        if key not in shared:
            await upstream.source.close()


def _keyFor(options: QueryOptions) -> Key | None:
    if not options.keyFile:
        return options.key
    from twisted_ext.apps.cli.remote.args import keyFromFile

    return keyFromFile(options.keyFile)


def _direct(
    reactor: IReactorTime, upstream: CommandUpstream, options: QueryOptions, kept: KeptConnections | None
) -> DirectSource | None:
    """
    Return a source that sends queries with the requested header and OPT fields; L{None} if no argument requires that.
    """
    word = options.needsServer
    cookie = any(code == Cookie.code for code, _ in options.ednsOptions)
    if not word and not cookie:
        return None
    from twisted_ext.apps.cli.query.direct import DirectSource
    from twisted_ext.compat.transfers import serversBehind
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    servers = serversBehind(upstream.source)
    encrypted = _encryptedBehind(upstream.source) if not servers else {}
    if encrypted:
        if word in _PLAIN_ONLY:
            raise ExitError(USAGE, f"{word} works over UDP and TCP only; leave it out, or write @192.0.2.53 without encryption")
        servers = list(encrypted)
    if not servers:
        if not word:
            return None
        raise ExitError(USAGE, f"{word} requires a server, such as @192.0.2.53; @{options.target} is not a server")
    if not encrypted and all(forwarder.stream for forwarder in behind(upstream.source, ForwardingSource)):
        options.flags["tcp"] = True

    flags = options.flags
    text = not (flags["short"] or flags["json"] or flags["yaml"])

    def remark(line: str) -> None:
        if text and flags["comments"]:
            sys.stdout.write(paletteFor(sys.stdout, flags["color"]).comment(f";; {line}") + "\n")

    def refused(done: Exchange) -> None:
        question = Question(options.name, options.rrType, options.rrClass)
        reply = LookupOutcome(question, done.reply, done.kind, done.server.label, done.seconds, now(), microseconds=options.microseconds)
        show(reply, options)
        options.first = False

    def sending(query: Message, server: Server) -> None:
        if flags["qr"] and text:
            palette = paletteFor(sys.stdout, flags["color"])
            if flags["cmd"] and options.first:
                sys.stdout.write("\n".join(greeting(" ".join(options.words), palette, options.servers)) + "\n")
                options.first = False
            sys.stdout.write(renderQuery(query, flags, palette))

    return DirectSource(
        reactor, servers, options, _keyFor(options), sending=sending, remark=remark, refused=refused, encrypted=encrypted, kept=kept
    )


def _encryptedBehind(source: IAnswerSource) -> dict[Server, IExchange]:
    """
    Return the encrypted servers that a source queries without anything between.
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    if not isinstance(source, ForwardingSource):
        return {}
    return {upstream.server: upstream.stream for upstream in source.upstreams}


async def _lookUp(reactor: IReactorTime, upstream: CommandUpstream, direct: DirectSource | None, options: QueryOptions) -> int:
    question = Question(options.name, options.rrType, options.rrClass)
    chooseLetters(options)
    began = reactor.seconds()
    trace = Trace()

    def display(found: Answer | ServerFailed) -> None:
        reply = _replyOf(upstream, direct, question, found, options, reactor.seconds() - began)
        reply.truncated = direct is None and any(note.event == "truncated" for note in trace.notes)
        show(reply, options)

    found: Answer | ServerFailed
    try:
        found = await _ask(reactor, upstream, direct, question, options, trace, display)
    except ServerFailed as fault:
        # A reply with an error rcode is displayed like any other.
        found = fault
    except DNSFault as fault:
        if isinstance(fault, TimedOut | Unreachable):
            fault.text += upstream.hint
            if options.encryption or isURL(options.target):
                fault.text += trustHint(fault.text)
        return unanswered(question, fault, options)
    display(found)
    last = direct.last if direct is not None else None
    if last is not None and last.doubt:
        complain(f"txdns query: {last.server.label}: the signature of the reply cannot be trusted: {last.doubt}")
        return NO_REPLY
    return OK


def _replyOf(
    upstream: CommandUpstream,
    direct: DirectSource | None,
    question: Question,
    found: Answer | ServerFailed,
    options: QueryOptions,
    seconds: float,
) -> LookupOutcome:
    """
    @param seconds: since the look-up began.
    """
    origin = None
    if isinstance(found, ServerFailed):
        message = found.reply if isinstance(found.reply, Message) else _made(question, None, found)
        source, server = _wayOf(upstream.source, options), found.server
    else:
        origin = found.origin
        message = found.message if found.message is not None else _made(question, found, None)
        source, server = (origin.source, origin.server) if origin is not None else ("", "")
    # The time of the exchange itself, if there was one, without the start of this program.
    if origin is not None and origin.attempts:
        seconds = origin.elapsed
    last = direct.last if direct is not None else None
    if last is not None:
        seconds, source = last.seconds, last.kind
    reply = LookupOutcome(
        question, message, source=source, server=server, seconds=seconds, when=now(), microseconds=options.microseconds
    )
    if source in ENCRYPTED:
        from twisted_ext.apps.cli.query.session import sessionBehind

        reply.session = sessionBehind(upstream.source, source, server)
    return reply


def _wayOf(source: IAnswerSource, options: QueryOptions) -> str:
    """
    Return the transport of a source of one transport.
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    ways = {each.way for each in behind(source, ForwardingSource)}
    encrypted = ways & set(ENCRYPTED)
    return encrypted.pop() if len(ways) == 1 and encrypted else "tcp" if options.flags["tcp"] else "udp"


async def _ask(
    reactor: IReactorTime, upstream: CommandUpstream, direct: DirectSource | None, question: Question, options: QueryOptions, trace: Trace,
    display: Callable[[Answer | ServerFailed], object],
) -> Answer:  # fmt: skip
    """
    @param display: shows the replies of C{+showsearch} to queries before the last one.
    """
    source = upstream.source if direct is None else direct
    flags = options.flags
    if flags["search"]:
        if flags["showsearch"]:
            from twisted_ext.apps.cli.query.shownsearch import ShownSearch

            source = ShownSearch(source, display)
        source = _searching(reactor, source, upstream, options)
    wait = options.seconds * options.tries * upstream.servers
    context = QueryContext(
        reactor.seconds() + min(wait, LOOKUP_SECONDS.most),
        recursionDesired=bool(flags["recurse"]),
        dnssecOk=options.dnssecOk,
        checkingDisabled=bool(flags["cdflag"]),
        authenticData=bool(flags["adflag"]),
        edns=bool(flags["edns"]) or bool(options.ednsOptions) or options.dnssecOk,
        options=tuple(options.ednsOptions),
        stream=bool(flags["tcp"]),
        waits=(options.seconds,) * (options.tries * upstream.servers),
        relative=options.relative and bool(flags["search"]),
        trace=trace,
    )
    return await lookUp(source, question, context)


def _searching(reactor: IReactorTime, source: IAnswerSource, upstream: CommandUpstream, options: QueryOptions) -> IAnswerSource:
    """
    Return C{source} wrapped in a search list: the domain of C{+domain}, or the system's list.
    """
    from twisted_ext.resolver.combine.searchlist import SearchListSource
    from twisted_ext.resolver.system.configured import System

    domains, ndots = upstream.domains, upstream.ndots
    if options.target:
        # The choice of a server does not change the system's search list.
        configuration = System(reactor).configuration
        domains, ndots = configuration.search, configuration.ndots
    if options.domain is not None:
        domains = (options.domain,)
    return SearchListSource(source, domains, ndots=ndots if options.ndots is None else options.ndots)


def _made(question: Question, answer: Answer | None, fault: DNSFault | None) -> Message:
    """
    Return a message made from an answer or failure that came without one, for display.
    """
    ede = answer.ede if answer is not None else fault.ede if fault is not None else ()
    rcode = answer.rcode if answer is not None else fault.rcode if fault is not None else 0
    edns = None
    if ede or rcode > 15:
        edns = EDNS(options=tuple([ExtendedError.of(code, text).toWire() for code, text in ede]), extendedRcode=rcode >> 4)
    if answer is None:
        return Message(0, QR | rcode & 15, (question,), edns=edns)
    return Message(0, QR | answer.flags | rcode & 15, (question,), answer.answer, answer.authority, answer.additional, edns)
