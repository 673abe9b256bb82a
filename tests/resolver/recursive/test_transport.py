"""
Tests of how authoritative servers are asked: over TCP, without EDNS, and in mixed case, and what is remembered of each.
"""

from __future__ import annotations

import pytest

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import DNSFault
from twisted_ext.limits import NO_EDNS_SECONDS, NO_EDNS_SIGNS, NO_UDP_SECONDS, NO_UDP_SIGNS
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText

SERVER = "ns1.example.org"
RECORDS = "".join([f"h{number} 60 A 192.0.2.{number}\n" for number in range(50)])


def built(signed: bool = True) -> Internet:
    """
    Return an internet with a zone that one server serves.
    """
    internet = Internet(seed=4, families=(4,))
    internet.zone("example.org", RECORDS, (SERVER,), signed=signed)
    return internet


def transports(stack: Stack, since: int = 0) -> list[str]:
    """
    Return how each query was sent to the server.
    """
    return [each.transport for each in stack.sent(SERVER, since)]


def standingOf(stack: Stack) -> ServerStats:
    """
    Return what is known of the server.
    """
    return stack.pool.at(stack.internet.server(SERVER).addresses[0])[1]


# -- TCP


def test_truncatedReplyLeadsToTCP() -> None:
    """
    A truncated reply over UDP leads to TCP.
    """
    internet = built()
    internet.inject(Fault.TRUNCATES, SERVER)
    stack = Stack(internet)
    assert stack.look("h1.example.org").security is Security.SECURE
    assert transports(stack)[:2] == ["udp", "tcp"]


@pytest.mark.parametrize("fault", [Fault.WRONG_ID, Fault.WRONG_QUESTION])
def test_nearMissLeadsToTCP(fault: Fault) -> None:
    """
    A reply with another ID or question looks forged, and leads to TCP at once.
    """
    internet = built()
    stack = Stack(internet)
    stack.look("h0.example.org")
    server = internet.server(SERVER)

    def missing(octets: bytes, transport: str) -> list[bytes]:
        if transport == "tcp":
            return [octets]
        message = Message.fromWire(octets)
        if fault is Fault.WRONG_ID:
            return [bytes((octets[0] ^ 1,)) + octets[1:]]
        question = message.questions[0]
        question = type(question)(nameFromText("wrong.test"), question.rrType, question.rrClass)
        return [buildMessage(Message(message.id, message.flags, (question,), message.answer))]

    server.tamper = missing
    sent = len(internet.exchanges)
    began = internet.network.clock.seconds()
    assert stack.look("h1.example.org").outcome is Outcome.DATA
    assert transports(stack, sent) == ["udp", "tcp"]
    assert internet.network.clock.seconds() - began < 0.3


def test_serverWithoutUDPIsAskedOverTCP() -> None:
    """
    A server that answers over TCP only is asked over TCP, and so at first after some such look-ups, until that time is over.
    """
    internet = built()
    internet.inject(Fault.TCP_ONLY, SERVER)
    stack = Stack(internet)
    for number in range(int(NO_UDP_SIGNS.default)):
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
    sent = len(internet.exchanges)
    assert stack.look("h40.example.org").security is Security.SECURE
    assert transports(stack, sent) == ["tcp"]
    internet.clear()
    internet.advance(NO_UDP_SECONDS.default)
    sent = len(internet.exchanges)
    stack.look("h41.example.org")
    assert set(transports(stack, sent)) == {"udp"}


def test_lossNowAndThenIsNotRemembered() -> None:
    """
    An outage now and then does not lead to TCP for later look-ups.
    """
    internet = built()
    stack = Stack(internet)
    stack.look("h40.example.org")
    for number in range(6):
        internet.link(SERVER, silent=True)
        internet.network.clock.callLater(0.1, internet.link, SERVER)
        stack.look(f"h{2 * number}.example.org")
        stack.look(f"h{2 * number + 1}.example.org")
    assert "tcp" in transports(stack)
    assert standingOf(stack).streamUntil == 0.0


# -- EDNS


def test_serverThatDropsEDNSIsAskedWithout() -> None:
    """
    A server of an unsigned zone that does not reply to queries with EDNS is asked without, and so at first after some such look-ups.
    """
    internet = built(signed=False)
    internet.inject(Fault.DROPS_EDNS, SERVER)
    stack = Stack(internet)
    for number in range(int(NO_EDNS_SIGNS.default)):
        assert stack.look(f"h{number}.example.org").security is Security.INSECURE
    sent = len(internet.exchanges)
    assert stack.look("h40.example.org").security is Security.INSECURE
    assert [each.query.edns for each in stack.sent(SERVER, sent)] == [None]
    internet.advance(NO_EDNS_SECONDS.default)
    sent = len(internet.exchanges)
    internet.clear()
    stack.look("h41.example.org")
    assert all(each.query.edns is not None for each in stack.sent(SERVER, sent))


def test_deadServerIsNotAskedInAllWaysForLong() -> None:
    """
    A server that stays silent is asked without EDNS once, and not by later look-ups.
    """
    internet = built(signed=False)
    stack = Stack(internet)
    stack.look("h0.example.org")
    internet.inject(Fault.DEAD, SERVER)
    for number in range(1, 4):
        with pytest.raises(DNSFault):
            stack.look(f"h{number}.example.org")
    assert len([each for each in stack.sent(SERVER) if each.query.edns is None]) <= 1


def _formerr(octets: bytes, transport: str) -> list[bytes]:
    message = Message.fromWire(octets)
    return [buildMessage(Message(message.id, QR | Rcode.FORMERR, message.questions))] if transport == "udp" else [octets]


def test_forgedFormerrDoesNotEndEDNS() -> None:
    """
    FORMERR over UDP for a zone with a DS set leads to TCP, never to a query without EDNS, and is not remembered (CVE-2026-52690).
    """
    internet = built()
    stack = Stack(internet)
    stack.look("h0.example.org")
    internet.server(SERVER).tamper = _formerr
    for number in range(1, 6):
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
    assert all(each.query.edns is not None for each in stack.sent(SERVER))
    assert standingOf(stack).plainUntil == 0.0
    assert standingOf(stack).plainSigns == 0


def test_forgedFormerrWithoutTheDefense() -> None:
    """
    Where nothing says that the zone is signed, the same replies lead to queries without EDNS, which have no signatures.
    """
    internet = built(signed=False)
    stack = Stack(internet)
    stack.look("h0.example.org")
    internet.server(SERVER).tamper = _formerr
    with pytest.raises(DNSFault):
        stack.look("h1.example.org")
    assert any(each.query.edns is None for each in stack.sent(SERVER))


def test_lostQueriesDoNotEndEDNS() -> None:
    """
    Lost queries for a signed zone do not lead to a query without EDNS.
    """
    internet = built()
    stack = Stack(internet)
    stack.look("h0.example.org")
    internet.inject(Fault.DEAD, SERVER)
    with pytest.raises(DNSFault):
        stack.look("h1.example.org")
    internet.clear()
    assert all(each.query.edns is not None for each in stack.sent(SERVER))
    assert stack.look("h2.example.org").security is Security.SECURE


# -- mixed case


def test_mixedCase() -> None:
    """
    With mixed case, names are sent in random case, and answers have the case of the client.
    """
    internet = built()
    stack = Stack(internet, mixCase=True)
    for number in range(4):
        answer = stack.look(f"h{number}.example.org")
        assert (answer.security, answer.answer[0].name) == (Security.SECURE, nameFromText(f"h{number}.example.org"))
    names = {each.query.questions[0].name for each in stack.sent(SERVER)}
    assert any(name != name.lower() for name in names)
    assert set(transports(stack)) == {"udp"}


def test_serverThatChangesCaseIsRemembered() -> None:
    """
    A reply in other case leads to TCP once; then the server is asked without mixed case, over UDP.
    """
    internet = built()
    internet.inject(Fault.CHANGES_CASE, SERVER)
    stack = Stack(internet, mixCase=True)
    assert stack.look("h1.example.org").security is Security.SECURE
    sent = len(internet.exchanges)
    for number in range(2, 6):
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
    assert set(transports(stack, sent)) == {"udp"}
    assert all(each.query.questions[0].name.islower() for each in stack.sent(SERVER, sent))


def test_replyInOtherCaseIsNotBelieved() -> None:
    """
    A forged reply without the case of the query leads to TCP; without mixed case it is believed.
    """
    for defended in (True, False):
        internet = built(signed=False)
        stack = Stack(internet, mixCase=defended, validate=False)
        stack.look("h1.example.org")

        def forged(octets: bytes, transport: str) -> list[bytes]:
            message = Message.fromWire(octets)
            if transport == "tcp" or not message.answer:
                return [octets]
            question = message.questions[0]
            name = question.name.lower()
            message.answer[0].rdatas = (b"\xcb\x00\x71\x42",)
            question = type(question)(name, question.rrType, question.rrClass)
            return [buildMessage(Message(message.id, message.flags, (question,), message.answer)), octets]

        internet.server(SERVER).tamper = forged
        answer = stack.look("h2.example.org")
        assert answer.answer[0].rdatas == ((b"\xc0\x00\x02\x02",) if defended else (b"\xcb\x00\x71\x42",))
