"""
Tests of DNS cookies in queries to authoritative servers (RFC 7873; RFC 9018), and in those of a forwarder.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import QueryContext, Security, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.limits import COOKIE_CLIENT_SECONDS, NO_EDNS_SIGNS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward import lookup
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.internet import Exchange, Fault, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import EDNS, Message

SERVER = "ns1.example.org"
RECORDS = "".join([f"h{number} 60 A 192.0.2.{number}\n" for number in range(50)])


def built(signed: bool = True) -> Internet:
    """
    Return an internet with a zone that one server serves, which supports cookies.
    """
    internet = Internet(seed=4, families=(4,))
    internet.zone("example.org", RECORDS, (SERVER,), signed=signed)
    internet.server(SERVER).cookies = True
    return internet


def cookieOf(exchange: Exchange) -> bytes | None:
    """
    Return the cookies in a query.
    """
    edns = exchange.query.edns
    return None if edns is None else edns.option(10)


def stripped(octets: bytes) -> bytes:
    """
    Return a reply without EDNS options, as a spoofer sends it who has not seen the query.
    """
    message = Message.fromWire(octets)
    if message.edns is not None:
        message.edns.options = ()
    return buildMessage(Message(message.id, message.flags, message.questions, message.answer, message.authority, (), message.edns))


def test_serverCookieIsLearned() -> None:
    """
    The first query has a client cookie, and later ones have the server's part as well.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    for number in range(3):
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
    sizes = [len(cookieOf(each) or b"") for each in stack.sent(SERVER)]
    assert sizes[0] == 8
    assert set(sizes[1:]) == {24}
    assert all(each.transport == "udp" for each in internet.exchanges)


def test_eachServerGetsItsOwnCookie() -> None:
    """
    Client cookies differ from server to server, so that none knows that of another.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    stack.look("h1.example.org")
    cookies = {each.server: (cookieOf(each) or b"")[:8] for each in internet.exchanges}
    assert len(cookies) > 2
    assert len(set(cookies.values())) == len(cookies)


def test_clientCookieIsReplaced() -> None:
    """
    After a day a server gets another client cookie.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    stack.look("h1.example.org")
    internet.advance(COOKIE_CLIENT_SECONDS.default + 1)
    stack.look("h2.example.org")
    assert len({(cookieOf(each) or b"")[:8] for each in stack.sent(SERVER)}) == 2


def test_withoutCookies() -> None:
    """
    Cookies can be switched off.
    """
    internet = built()
    Stack(internet).look("h1.example.org")
    assert {cookieOf(each) for each in internet.exchanges} == {None}


def test_refusedCookieIsReplaced() -> None:
    """
    BADCOOKIE brings the right cookie, with which the query is repeated over UDP.
    """
    internet = built()
    internet.inject(Fault.BADCOOKIE, SERVER)
    stack = Stack(internet, cookies=True)
    assert stack.look("h1.example.org").security is Security.SECURE
    assert [each.transport for each in stack.sent(SERVER)][:2] == ["udp", "udp"]
    sent = len(internet.exchanges)
    stack.look("h2.example.org")
    assert len(stack.sent(SERVER, sent)) == 1


def refusing(octets: bytes, transport: str) -> list[bytes]:
    """
    Make a reply BADCOOKIE, over UDP.
    """
    message = Message.fromWire(octets)
    if transport == "tcp" or message.edns is None:
        return [octets]
    message.edns.extendedRcode = Rcode.BADCOOKIE >> 4
    return [buildMessage(Message(message.id, message.flags | Rcode.BADCOOKIE & 15, message.questions, edns=message.edns))]


def test_cookiesThatAreRefusedAgainLeadToTCP() -> None:
    """
    A server that answers BADCOOKIE to its own cookie is asked over TCP.
    """
    internet = built()
    internet.server(SERVER).tamper = refusing
    stack = Stack(internet, cookies=True)
    assert stack.look("h1.example.org").security is Security.SECURE
    assert [each.transport for each in stack.sent(SERVER)][:3] == ["udp", "udp", "tcp"]


def test_foreverBadCookieEnds() -> None:
    """
    A server that answers BADCOOKIE over TCP too is asked three times for one question.
    """
    internet = built()
    internet.server(SERVER).tamper = lambda octets, transport: refusing(octets, "udp")
    stack = Stack(internet, cookies=True, validate=False)
    with pytest.raises(DNSFault):
        stack.look("example.org")
    asked = [each.transport for each in stack.sent(SERVER)]
    assert asked[:3] == ["udp", "udp", "tcp"]
    assert len(asked) <= 6


def test_replyWithoutCookieLeadsToTCP() -> None:
    """
    A reply without the cookie of a server that supports them is not believed; TCP brings the answer.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    stack.look("h1.example.org")
    internet.server(SERVER).tamper = lambda octets, transport: [stripped(octets)] if transport == "udp" else [octets]
    sent = len(internet.exchanges)
    trace = Trace()
    assert stack.look("h2.example.org", trace=trace).security is Security.SECURE
    assert [each.transport for each in stack.sent(SERVER, sent)] == ["udp", "tcp"]
    assert "near miss" in [note.event for note in trace.notes]


def test_serverThatStopsCookiesIsAskedOnceOverTCP() -> None:
    """
    A server that sends no cookie over TCP either does not support them any more, and is asked over UDP again.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    stack.look("h1.example.org")
    internet.server(SERVER).cookies = False
    for number in range(2, 5):
        stack.look(f"h{number}.example.org")
    assert [each.transport for each in stack.sent(SERVER)].count("tcp") == 1
    assert stack.sent(SERVER)[-1].transport == "udp"


def test_anycastWithCookiesAtSomeLocationsOnly() -> None:
    """
    A server whose locations differ, so that some replies have cookies and others do not, is not asked over TCP again and again.
    """
    internet = built()
    stack = Stack(internet, cookies=True)
    server = internet.server(SERVER)
    for number in range(20):
        server.cookies = not number % 2
        stack.look(f"h{number}.example.org")
    assert [each.transport for each in stack.sent(SERVER)].count("tcp") == 1


def test_wrongCookieLeadsToTCP() -> None:
    """
    A reply with another client cookie is not believed, whether the server is known to support cookies or not.
    """
    internet = built()
    internet.inject(Fault.WRONG_COOKIE, SERVER)
    stack = Stack(internet, cookies=True)
    assert stack.look("h1.example.org").security is Security.SECURE
    assert [each.transport for each in stack.sent(SERVER)][:2] == ["udp", "tcp"]


@pytest.mark.parametrize("defended", [True, False])
def test_spooferWithoutCookieIsNotBelieved(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A forged reply with the right ID, port and question is not an answer without the cookie; without this check it is.
    """
    internet = built(signed=False)
    stack = Stack(internet, cookies=True, validate=False)
    stack.look("h1.example.org")

    def forged(octets: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(octets)
        if transport == "tcp" or not message.answer:
            return [octets]
        message.answer[0].rdatas = (b"\xcb\x00\x71\x42",)
        return [stripped(buildMessage(message)), octets]

    internet.server(SERVER).tamper = forged
    if not defended:
        monkeypatch.setattr(lookup, "cookieFits", lambda octets, standing, now, reliable, plain: True)
    answer = stack.look("h2.example.org")
    assert answer.answer[0].rdatas == ((b"\xc0\x00\x02\x02",) if defended else (b"\xcb\x00\x71\x42",))


@pytest.mark.parametrize("rcode", [None, Rcode.FORMERR, Rcode.BADVERS], ids=["drops", "formerr", "badvers"])
def test_serverThatFailsWithCookiesIsRemembered(rcode: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server that does not answer queries with a cookie is asked without, but with EDNS, and so at first after some such look-ups.
    """
    internet = built()
    server = internet.server(SERVER)
    replies = server.repliesTo

    def failing(query: Message, transport: str) -> Sequence[bytes]:
        made = replies(query, transport)
        if query.edns is None or not query.edns.options:
            return made
        if rcode is None:
            return []
        return [buildMessage(Message(query.id, QR | rcode & 15, query.questions, edns=EDNS(extendedRcode=rcode >> 4)))]

    monkeypatch.setattr(server, "repliesTo", failing)
    stack = Stack(internet, cookies=True)
    for number in range(int(NO_EDNS_SIGNS.default) + 1):
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
    sent = len(internet.exchanges)
    stack.look("h40.example.org")
    [last] = stack.sent(SERVER, sent)
    assert (last.transport, cookieOf(last)) == ("udp", None)
    assert all(each.query.edns is not None for each in stack.sent(SERVER))


@pytest.mark.parametrize("cookies", [True, False])
def test_forwarderMaySendCookies(cookies: bool) -> None:
    """
    A forwarder sends cookies if it is told to, and not by default.
    """
    internet = built()
    here = internet.reactor()
    source = ForwardingSource(here, [Server(internet.server(SERVER).addresses[0])], cookies=cookies)
    for number in range(2):
        internet.wait(lookUp(source, questionOf(f"h{number}.example.org"), QueryContext(here.seconds() + 5)))
    assert [len(cookieOf(each) or b"") for each in internet.exchanges] == ([8, 24] if cookies else [0, 0])
