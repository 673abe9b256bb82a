"""
Tests of the EDNS options of replies, and of the room that they take.
"""

from __future__ import annotations

import pytest

from tests.queries import COOKIE, optOf, queryOf
from twisted_ext.answers import Answer, Epoch, Origin, Outcome
from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.replybuilder import ReplyBuilder, padded
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.codes import RA, Opcode, Rcode
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import A
from twisted_ext.zone.store.version import DirectAnswer

_NSID = 3
_EXPIRE = 9
_KEEPALIVE = 11
_PADDING = 12
_EDE = 15
_REPORT = 18

_WWW = nameFromText("www.test.example")
_DATA = (RRSet(_WWW, A, 1, 60, (b"\xc0\x00\x02\x01",)),)

#: The same as octets that follow the question.
_RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"


def requestOf(query: bytes, transport: str = "udp") -> Request:
    request = Request.fromWire(query, ("192.0.2.7", 53535), transport)
    assert request is not None
    return request


def ednsOf(octets: bytes) -> EDNS:
    edns = Message.fromWire(octets).check().edns
    assert edns is not None
    return edns


def optionsOf(builder: ReplyBuilder, query: bytes, transport: str = "udp", answer: Answer | None = None) -> list[tuple[int, bytes]]:
    """
    Return the options of the reply to a query.
    """
    reply = builder.answer(requestOf(query, transport), answer or Answer(Outcome.DATA, _DATA))
    return [*ednsOf(reply.octets).options]


def test_identityIfAskedFor() -> None:
    """
    The server's identifier is sent to clients that ask for it, and not to those with other options.
    """
    builder = ReplyBuilder(identity=ChaosIdentity(nsid="here"))
    assert optionsOf(builder, queryOf(opt=optOf(options=[(_NSID, b"")]))) == [(_NSID, b"here")]
    assert optionsOf(builder, queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))) == []
    assert optionsOf(ReplyBuilder(), queryOf(opt=optOf(options=[(_NSID, b"")]))) == []


@pytest.mark.parametrize(
    ("transport", "asked", "expected"), [("tcp", True, True), ("tls", True, True), ("tcp", False, False), ("udp", True, False)]
)
def test_keepaliveIfAskedFor(transport: str, asked: bool, expected: bool) -> None:
    """
    Clients that ask for it over a stream get the time for which an idle connection is kept, in units of 100 ms (RFC 7828).
    """
    query = queryOf(opt=optOf(options=[(_KEEPALIVE if asked else COOKIE, b"" if asked else b"clientA1")]))
    found = optionsOf(ReplyBuilder(idle=7, identity=ChaosIdentity(nsid="here")), query, transport)
    assert found == ([(_KEEPALIVE, b"\x00\x46")] if expected else [])


def test_expireOfNameWithCapitals() -> None:
    """
    The time until a zone expires is found in whatever case of letters the client writes its name (RFC 7314).
    """
    builder = ReplyBuilder()
    builder.expiring = lambda request: {nameFromText("test.example"): 77.0}.get(request.folded)
    query = queryOf("TEST.Example", "SOA", opt=optOf(options=[(_EXPIRE, b"")]))
    assert optionsOf(builder, query) == [(_EXPIRE, b"\x00\x00\x00\x4d")]
    assert optionsOf(builder, queryOf("TEST.Example", "A", opt=optOf(options=[(_EXPIRE, b"")]))) == []


def test_errorsAreBounded() -> None:
    """
    A reply has at most four extended errors, each with at most 200 characters.
    """
    many = tuple([(code, "x" * 300) for code in range(6)])
    found = optionsOf(ReplyBuilder(), queryOf(opt=optOf(4096)), answer=Answer(Outcome.DATA, _DATA, ede=many))
    assert found == [(_EDE, bytes([0, code]) + b"x" * 200) for code in range(4)]


def test_agentForReports() -> None:
    """
    Replies from zones name the agent for reports of failures, except those for the agent's own names (RFC 9567): its failures would be
    reported to itself.
    """
    agent = nameFromText("agent.test.example")
    answer = Answer(Outcome.DATA, _DATA, origin=Origin("zone"))
    builder = ReplyBuilder(agent=agent)
    assert optionsOf(builder, queryOf(opt=optOf()), answer=answer) == [(_REPORT, agent)]
    for name in ("agent.test.example", "x.Agent.test.example"):
        assert optionsOf(builder, queryOf(name, opt=optOf()), answer=answer) == []
    assert optionsOf(builder, queryOf(opt=optOf())) == []


def test_roomForCookie() -> None:
    """
    A reply leaves room for the cookie that is added to it: what does not fit then is truncated.
    """
    request = requestOf(queryOf(opt=optOf(512)))
    request.cookie = bytes(28)
    builder = ReplyBuilder()
    composed: set[int] = set()
    copied: set[int] = set()
    for count in range(20, 40):
        data = RRSet(_WWW, A, 1, 60, tuple([bytes([192, 0, 2, number]) for number in range(count)]))
        composed.add(len(builder.answer(request, Answer(Outcome.DATA, (data,))).octets))
        direct = builder.direct(request, DirectAnswer(_RECORD * count, count, False, Epoch()))
        copied.add(0 if direct is None else len(direct.octets))
    assert 450 < max(composed) <= 512 - 28
    assert 450 < max(copied) <= 512 - 28


def test_countsOfDirectReplies() -> None:
    """
    The header of a reply has the number of its records, whatever replies came before.
    """
    builder = ReplyBuilder()
    for count in (1, 2, 1, 3):
        reply = builder.direct(requestOf(queryOf()), DirectAnswer(_RECORD * count, count, False, Epoch()))
        assert reply is not None and reply.octets[6:8] == bytes([0, count])


def test_directRepliesWithAndWithoutEDNS() -> None:
    """
    A reply has an OPT record in it, and counts that, if its own query has one, whatever queries came before.
    """
    builder = ReplyBuilder()
    for opt in (b"", optOf(), b"", optOf(flags=0x8000)):
        for _ in range(2):
            reply = builder.direct(requestOf(queryOf(opt=opt)), DirectAnswer(_RECORD, 1, False, Epoch()))
            assert reply is not None
            assert (Message.fromWire(reply.octets).check().edns is not None) is bool(opt)


def test_additionalRecordsOfOthers() -> None:
    """
    Additional records of upstreams are left out of answers; those of designated servers, which are made here, are not.
    """
    more = (RRSet(nameFromText("ns.test.example"), A, 1, 60, (b"\xc0\x00\x02\x02",)),)
    for source, expected in (("udp", ()), ("cache", ()), ("special", more)):
        answer = Answer(Outcome.DATA, _DATA, (), more, origin=Origin(source))
        reply = Message.fromWire(ReplyBuilder().answer(requestOf(queryOf()), answer).octets).check()
        assert [each.rdatas for each in reply.additional] == [each.rdatas for each in expected], source


def test_refusalsOfOtherOpcodes() -> None:
    """
    RA is about queries only: a refused NOTIFY or UPDATE does not have it.
    """
    builder = ReplyBuilder()
    for opcode, expected in ((Opcode.QUERY, RA), (Opcode.NOTIFY, 0), (Opcode.UPDATE, 0)):
        octets = builder.refusal(requestOf(queryOf(flags=opcode << 11)), Refusal(Rcode.REFUSED, bare=True))
        assert int.from_bytes(octets[2:4], "big") & RA == expected


def test_refusalsArePadded() -> None:
    """
    Over an encrypted transport, the length of a refusal tells as little as that of an answer.
    """
    request = requestOf(queryOf(opt=optOf(options=[(_PADDING, bytes(10))])), "tls")
    assert request.padded
    assert len(ReplyBuilder().refusal(request, Refusal(Rcode.REFUSED))) == 468


@pytest.mark.parametrize("length", [12, 464, 468, 65_000, 65_531 - 11, 65_531, 65_532, 65_535])
def test_paddingOfLargeReplies(length: int) -> None:
    """
    A padded reply has a multiple of 468 octets, or as many as a message can have; one without room for the option stays as it is.
    """
    octets = bytes(length - 11) + EDNS(1232).toWire()
    found = padded(octets, length - 11)
    assert len(found) <= 65_535
    if length > 65_531:
        assert found == octets
    else:
        assert len(found) % 468 == 0 or len(found) == 65_535
