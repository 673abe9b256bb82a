"""
C{txdns query}: asks, and shows the reply.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.apps.cli.arguments import Wishes, parseQuery
from twisted_ext.apps.cli.coloring import encodable, isTerminal, paletteFor
from twisted_ext.apps.cli.exits import BATCH, NO_REPLY, OK, Ending, complain
from twisted_ext.apps.cli.rendering import Reply, renderFault, renderJSON, renderShort, renderText
from twisted_ext.apps.cli.running import runUntilDone
from twisted_ext.apps.cli.upstream import Upstream, upstreamFor
from twisted_ext.errors import DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.wire.codes import QR
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.options import ExtendedError
from twisted_ext.wire.rrtypes import AXFR, IXFR

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["main"]

HELP: Final = """\
Usage: txdns query [@SERVER] NAME [TYPE] [CLASS] [-OPTION ...] [+OPTION ...]

Asks for the records of a name and shows the reply, in the manner of dig.

  txdns query www.example.com                      addresses, from the system's servers
  txdns query example.com MX @192.0.2.53           from this server, and no other
  txdns query example.com AAAA @[2001:db8::53]:5353
  txdns query -x 192.0.2.1 +short                  the name of an address, and only that
  txdns query bücher.example TXT +json             any script; one JSON object for programs
  txdns query www.example.com @tcp:127.0.0.1:5301  any resolver description
  txdns query version.bind CH TXT @192.0.2.53
  txdns query example.com AXFR @192.0.2.53         the whole zone
  txdns query -f names.txt +short                  one look-up a line, in the same words

TYPE is A and CLASS is IN where nothing is said; without a NAME the root's servers are asked for.

  @SERVER       an address, perhaps with a port; the name of a server; a resolver description
  -x ADDRESS    look up the name of an address
  -p PORT       ask at this port
  -t, -c, -q    type, class and name, for those that look like something else
  -4, -6        ask servers of this family only
  -f FILE       read look-ups from a file; - is the standard input

How to ask (no before a word turns it off):
  +tcp          by TCP at once
  +dnssec       ask for signatures
  +noedns       send no OPT record
  +recurse      let the server look further (on); +cdflag, +adflag: set CD, AD
  +time=5       seconds to wait each time
  +tries=3      times to ask each server
  +search       try the system's search list
  +nsid, +cookie, +expire, +keepalive, +zoneversion, +subnet=192.0.2.0/24, +padding=128,
  +chain=NAME, +ednsopt=65001:c0ffee    EDNS options to send

What to show:
  +short        the data alone
  +json         one JSON object a look-up
  +noall        nothing, unless turned on again: +cmd, +comments, +question, +answer,
                +authority, +additional, +stats; +ttlid and +class are columns
  +idnout, +color    as the terminal is, unless told; NO_COLOR is respected

Exit codes: 0 a reply came, whatever it says; 1 wrong usage; 8 FILE cannot be read; 9 no reply.
"""


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns query}.

    @return: the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    wishes = parseQuery(words)
    every = _batch(wishes, words) if wishes.batch else [wishes]
    async def begin(reactor: IReactorTime) -> int:
        code = OK
        for each in every:
            code = max(code, await _one(reactor, each))
        return code

    return runUntilDone(begin, command="query")


def _batch(wishes: Wishes, words: list[str]) -> list[Wishes]:
    """
    @return: what the lines of the file say, each with the words of the command before it.
    """
    at = next(index for index, word in enumerate(words) if word.startswith("-f"))
    common = words[:at] + words[at + (1 if len(words[at]) > 2 else 2) :]
    try:
        if wishes.batch == "-":
            lines = sys.stdin.read().splitlines()
        else:
            with open(wishes.batch, encoding="utf-8") as file:
                lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Ending(BATCH, f"-f {wishes.batch}: {reason}; give a file with one look-up a line") from error
    every = []
    for number, line in enumerate(lines, 1):
        more = line.split()
        if more and not more[0].startswith((";", "#")):
            try:
                every.append(parseQuery([*common, *more]))
            except Ending as ending:
                raise Ending(ending.code, f"{wishes.batch}, line {number}: {ending.line}") from ending
    return every


async def _one(reactor: IReactorTime, wishes: Wishes) -> int:
    upstream = await upstreamFor(reactor, wishes.target, wishes.port, wishes.family)
    if wishes.rrType in (AXFR, IXFR):
        from twisted_ext.apps.cli.zones import showZone

        try:
            return await showZone(reactor, upstream, wishes)
        finally:
            await upstream.source.close()
    question = Question(wishes.name, wishes.rrType, wishes.rrClass)
    began = reactor.seconds()
    trace = Trace()
    try:
        answer = await _ask(reactor, upstream, question, wishes, trace)
    except ServerFailed as fault:
        # Whatever a server says is a reply, to be shown.
        message = fault.reply if isinstance(fault.reply, Message) else _made(question, None, fault)
        origin = None
        source, server = "tcp" if wishes.flags["tcp"] else "udp", fault.server
    except DNSFault as fault:
        if isinstance(fault, TimedOut | Unreachable):
            fault.text += upstream.hint
        return _unanswered(question, fault, wishes)
    else:
        origin = answer.origin
        message = answer.message if answer.message is not None else _made(question, answer, None)
        source, server = (origin.source, origin.server) if origin is not None else ("", "")
    finally:
        await upstream.source.close()
    # What was measured around the exchange itself, where there was one: our own beginnings do not count.
    seconds = origin.elapsed if origin is not None and origin.attempts else reactor.seconds() - began
    reply = Reply(question, message, source=source, server=server, seconds=seconds, when=datetime.now().astimezone())
    reply.truncated = any(note.event == "truncated" for note in trace.notes)
    _show(reply, wishes)
    return OK


async def _ask(reactor: IReactorTime, upstream: Upstream, question: Question, wishes: Wishes, trace: Trace) -> Answer:
    source = upstream.source
    flags = wishes.flags
    if flags["search"] and upstream.domains:
        from twisted_ext.resolver.searching import Searching

        source = Searching(source, upstream.domains, ndots=upstream.ndots)
    wait = wishes.seconds * wishes.tries * upstream.servers
    context = QueryContext(
        reactor.seconds() + min(wait, LOOKUP_SECONDS.most),
        recursionDesired=bool(flags["recurse"]),
        dnssecOk=bool(flags["dnssec"]),
        checkingDisabled=bool(flags["cdflag"]),
        authenticData=bool(flags["adflag"]),
        edns=bool(flags["edns"]) or bool(wishes.options) or bool(flags["dnssec"]),
        options=tuple(wishes.options),
        stream=bool(flags["tcp"]),
        waits=(wishes.seconds,) * (wishes.tries * upstream.servers),
        relative=wishes.relative and bool(flags["search"]),
        trace=trace,
    )
    return source.answerNow(question, context) or await source.answer(question, context)


def _made(question: Question, answer: Answer | None, fault: DNSFault | None) -> Message:
    """
    @return: what came by no message, as one, so that it can be shown alike.
    """
    ede = answer.ede if answer is not None else fault.ede if fault is not None else ()
    rcode = answer.rcode if answer is not None else fault.rcode if fault is not None else 0
    edns = None
    if ede or rcode > 15:
        edns = EDNS(options=tuple([ExtendedError.of(code, text).toWire() for code, text in ede]), extendedRcode=rcode >> 4)
    if answer is None:
        return Message(0, QR | rcode & 15, (question,), edns=edns)
    return Message(0, QR | answer.flags | rcode & 15, (question,), answer.answer, answer.authority, answer.additional, edns)


def _show(reply: Reply, wishes: Wishes) -> None:
    flags = wishes.flags
    if flags["idnout"] is None:
        flags["idnout"] = isTerminal(sys.stdout) and (sys.stdout.encoding or "").lower().startswith("utf")
    text = _rendered(reply, wishes)
    if flags["idnout"] and not encodable(text, sys.stdout):
        flags["idnout"] = False
        text = _rendered(reply, wishes)
    sys.stdout.write(text)
    sys.stdout.flush()


def _rendered(reply: Reply, wishes: Wishes) -> str:
    flags = wishes.flags
    if flags["json"]:
        return renderJSON(reply)
    if flags["short"]:
        return renderShort(reply, unicode=bool(flags["idnout"]), identify=bool(flags["identify"]))
    return renderText(reply, flags, paletteFor(sys.stdout, flags["color"]), " ".join(wishes.words))


def _unanswered(question: Question, fault: DNSFault, wishes: Wishes) -> int:
    if wishes.flags["json"]:
        sys.stdout.write(renderFault(question, fault))
        sys.stdout.flush()
    complain(f"txdns query: {_why(fault)}")
    return NO_REPLY


def _why(fault: DNSFault) -> str:
    text = str(fault)
    return text if not fault.server or fault.server in text else f"{text} ({fault.server})"
