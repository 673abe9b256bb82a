"""
Renders replies as YAML, in the format of C{dig +yaml}.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.query.formats import PLAIN, LookupOutcome, flagWords, opcodeName
from twisted_ext.apps.cli.query.recordtext import Flags, classText, dataText, typeText
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, DO, rcodeName
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.options import optionFromWire
from twisted_ext.wire.records import RRSet, eachRecord

if TYPE_CHECKING:
    from twisted_ext.wire.edns import EDNS

__all__ = ["renderYAML"]


def renderYAML(reply: LookupOutcome) -> str:
    """
    Return the reply as an element of a YAML list.
    """
    return "".join([f"{line}\n" for line in _lines(reply)])


def _lines(reply: LookupOutcome) -> Iterator[str]:
    message = reply.message
    address, _, port = reply.server.rpartition(":")
    ended = reply.when.astimezone(UTC)
    yield "- type: MESSAGE"
    yield "  message:"
    yield f"    type: {'AUTH' if message.flags & AA else 'RECURSIVE'}_RESPONSE"
    yield f"    query_time: !!timestamp {_timestamp(ended - timedelta(seconds=reply.seconds))}"
    yield f"    response_time: !!timestamp {_timestamp(ended)}"
    if reply.size is not None:
        yield f"    message_size: {reply.size}b"
    if port.isdigit():
        yield f"    socket_family: {'INET6' if address.startswith('[') else 'INET'}"
        yield f"    socket_protocol: {reply.source.upper()}"
        yield f'    response_address: "{address.strip("[]")}"'
        yield f"    response_port: {port}"
    yield "    response_message_data:"
    yield f"      opcode: {opcodeName(message.opcode)}"
    yield f"      status: {rcodeName(message.rcode)}"
    yield f"      id: {message.id}"
    yield f"      flags: {' '.join(flagWords(message))}".rstrip()
    counts = [sum([len(rrset.rdatas) for rrset in section]) for section in _sections(message)]
    yield f"      QUESTION: {len(message.questions)}"
    yield f"      ANSWER: {counts[0]}"
    yield f"      AUTHORITY: {counts[1]}"
    yield f"      ADDITIONAL: {counts[2] + (message.edns is not None)}"
    if message.edns is not None:
        yield from _optLines(message.edns)
    if message.questions:
        yield "      QUESTION_SECTION:"
        for question in message.questions:
            words = [nameToText(question.name), classText(question.rrClass, PLAIN), typeText(question.rrType, PLAIN)]
            yield f"        - {_quoted(' '.join(words))}"
    for name, section in zip(("ANSWER", "AUTHORITY", "ADDITIONAL"), _sections(message), strict=True):
        if section:
            yield f"      {name}_SECTION:"
            for record in eachRecord(section):
                yield f"        - {_quoted(_recordText(record, PLAIN))}"


def _sections(message: Message) -> tuple[tuple[RRSet, ...], ...]:
    return message.answer, message.authority, message.additional


def _recordText(record: RRSet, flags: Flags) -> str:
    words = [nameToText(record.name), str(record.ttl), classText(record.rrClass, flags), typeText(record.rrType, flags)]
    return " ".join([*words, dataText(record, flags)])


def _optLines(edns: EDNS) -> Iterator[str]:
    yield "      OPT_PSEUDOSECTION:"
    yield "        EDNS:"
    yield f"          version: {edns.version}"
    yield f"          flags:{' do' if edns.flags & DO else ''}"
    yield f"          udp: {edns.payloadSize}"
    for code, octets in edns.options:
        try:
            word, _, value = optionFromWire(code, octets).toText().partition(": ")
        except BadMessage:
            word, value = f"OPT={code}", octets.hex()
        yield f"          {word if word.isidentifier() else _quoted(word)}: {_quoted(value)}"


def _timestamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _quoted(text: str) -> str:
    """
    Return a single-quoted scalar, in which only single quotes need an escape.
    """
    return "'" + text.replace("'", "''") + "'"
