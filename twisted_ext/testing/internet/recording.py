"""
Writes what happened on an internet as a replay scenario.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, AD, CD, DO, QR, RA, RD, TC, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, nameToText
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.testing.internet.nameservers import NameServer
    from twisted_ext.testing.internet.world import Internet

__all__ = ["recordingOf"]

_FLAGS: Final = {"QR": QR, "AA": AA, "TC": TC, "RD": RD, "RA": RA, "AD": AD, "CD": CD}

#: The last step of a range that holds for the whole scenario.
_ALWAYS: Final = 1_000_000

#: Steps between two questions.
_APART: Final = 10


#: Replies by question, transport and DO.
_Replies = dict[tuple[bytes, str, bool], Message]


def recordingOf(internet: Internet, title: str, steps: Sequence[tuple[Question, Message | Answer]], complete: bool) -> str:
    """
    Return the exchanges of an internet as a scenario: a range for each server, with one entry for each question and each transport. Where a
    server replied to a question in more than one way, the first reply is taken.

    @param steps: the questions of the client, each with the answer that it got.
    @param complete: ask the other servers of each zone as well.
    """
    lines = [*_config(internet), "CONFIG_END", "", f"SCENARIO_BEGIN {title or 'Recorded from a simulated internet'}", ""]
    found: dict[NameServer, _Replies] = {}
    exchanges = list(internet.exchanges)
    for exchange in exchanges:
        _keep(found, exchange.server, exchange.query, exchange.transport, exchange.reply)
    for exchange in exchanges if complete else ():
        question = exchange.query.questions[0]
        zone = exchange.server.zoneFor(question.key[:-4], question.rrType)
        for server in zone.servers if zone is not None else ():
            replies = server.repliesTo(exchange.query, exchange.transport)
            _keep(found, server, exchange.query, exchange.transport, replies[0] if replies else b"")
    for server, entries in found.items():
        lines += [f"; {nameToText(server.name)}", f"RANGE_BEGIN 0 {_ALWAYS}"]
        lines += [f"\tADDRESS {address}" for address in server.addresses]
        for (which, transport, dnssecOk), reply in entries.items():
            if not reply.questions:
                continue
            match = "MATCH opcode qtype qname"
            if (which, "udp" if transport == "tcp" else "tcp", dnssecOk) in entries:
                match += f" {transport.upper()}"
            lines += ["ENTRY_BEGIN", match, "ADJUST copy_id copy_query", *_message(reply, reply.questions[0]), "ENTRY_END"]
        lines += ["RANGE_END", ""]
    for number, (question, given) in enumerate(steps):
        answer = _replyFrom(question, given) if isinstance(given, Answer) else given
        step = number * _APART + 1
        asked = ["REPLY RD" + (" DO" if answer.edns is not None and answer.edns.dnssecOk else "")]
        lines += [f"STEP {step} QUERY", "ENTRY_BEGIN", *asked, "SECTION QUESTION", _question(question), "ENTRY_END"]
        lines += [f"STEP {step + 1} CHECK_ANSWER", "ENTRY_BEGIN", "MATCH all", *_message(answer, question), "ENTRY_END", ""]
    return "\n".join([*lines, "SCENARIO_END", ""])


def _keep(found: dict[NameServer, _Replies], server: NameServer, query: Message, transport: str, octets: bytes) -> None:
    """
    Add a reply, unless there is one already or it is none.
    """
    try:
        reply = Message.fromWire(octets).check()
    except BadMessage:
        return
    edns = query.edns
    key = (query.questions[0].key, transport, edns is not None and edns.dnssecOk)
    found.setdefault(server, {}).setdefault(key, reply)


def _config(internet: Internet) -> Iterator[str]:
    yield "server:"
    for line in internet.anchors.splitlines():
        yield f'\ttrust-anchor: "{" ".join(line.split())}"'
    yield f'\tval-override-date: "{datetime.fromtimestamp(internet.start, UTC):%Y%m%d%H%M%S}"'
    yield "stub-zone:"
    yield '\tname: "."'
    for server in internet.zones[ROOT].servers:
        for address in server.addresses:
            yield f"\tstub-addr: {address}"


def _replyFrom(question: Question, answer: Answer) -> Message:
    """
    Return the reply to a client that asks a recursive server without DO and AD.
    """
    authority = () if answer.outcome is Outcome.DATA else answer.authority
    return Message(0, QR | RD | RA | answer.rcode & 15, (question,), answer.answer, authority)


def _question(question: Question) -> str:
    return f"{nameToText(question.name)} IN {typeName(question.rrType)}"


def _message(message: Message, question: Question) -> Iterator[str]:
    words = [word for word, bit in _FLAGS.items() if message.flags & bit]
    opcode = message.flags >> 11 & 15
    if opcode:
        words.append(Opcode(opcode).name)
    edns = message.edns
    rcode = message.flags & 15 | (0 if edns is None else edns.extendedRcode << 4)
    words.append(Rcode(rcode).name if rcode in list(Rcode) else f"RCODE{rcode}")
    if edns is not None and edns.flags & DO:
        words.append("DO")
    yield f"REPLY {' '.join(words)}"
    yield "SECTION QUESTION"
    yield _question(question)
    for name, sets in (("ANSWER", message.answer), ("AUTHORITY", message.authority), ("ADDITIONAL", message.additional)):
        if sets:
            yield f"SECTION {name}"
            for rrset in sets:
                yield from recordToText(rrset)
