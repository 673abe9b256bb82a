"""
Rows 11 and 18: servers, or those who spoof them, that refuse each form of a query so that it is sent again (CVE-2026-5950), or sent without
EDNS (CVE-2026-52690).
"""

from __future__ import annotations

import pytest

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import QueryContext, Security
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.resolver.ask import Query, Waiter
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import EDNS, Message, Question

SERVER = "ns1.example.org"


def built() -> Internet:
    """
    Return an internet with a signed zone that one server serves, which supports cookies.
    """
    internet = Internet(seed=4, families=(4,))
    internet.zone("example.org", "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3", (SERVER,))
    internet.server(SERVER).cookies = True
    return internet


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("options", [True, False], ids=["options", "bare"])
@pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP, Rcode.BADVERS, Rcode.BADCOOKIE, Rcode.SERVFAIL, Rcode.REFUSED])
def test_refusalsEnd(rcode: int, options: bool, signed: bool) -> None:
    """
    A server that refuses whatever it is asked gets at most three queries for one question, with and without EDNS in its replies.
    """
    internet = built()
    stack = Stack(internet, cookies=True)

    def refusing(octets: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(octets)
        edns = EDNS(options=() if message.edns is None else message.edns.options, extendedRcode=rcode >> 4)
        return [buildMessage(Message(message.id, QR | rcode & 15, message.questions, edns=edns if options or rcode > 15 else None))]

    server = internet.server(SERVER)
    server.tamper = refusing
    work = Work()
    context = QueryContext(stack.reactor.seconds() + 30, recursionDesired=False, dnssecOk=True, budget=work)
    with pytest.raises(DNSFault):
        internet.wait(stack.pool.lookUp((server.addresses[0],), questionOf("a.example.org"), context, signed), 35)
    assert len(stack.sent(SERVER)) == work.packets
    assert work.packets <= 3


@pytest.mark.parametrize("defended", [True, False])
def test_forgedRefusalOfEDNS(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One who forges FORMERR does not have the servers of a signed zone asked without EDNS; where nothing shows that the zone is signed, the
    answers come without signatures and are bogus.
    """
    internet = built()
    stack = Stack(internet)
    stack.look("a.example.org")
    if not defended:
        prepared = ServerPool.prepare

        def unsigned(
            pool: ServerPool, waiter: Waiter, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool
        ) -> Query:
            return prepared(pool, waiter, addresses, question, context)

        monkeypatch.setattr(ServerPool, "prepare", unsigned)

    def forged(octets: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(octets)
        if transport == "tcp" or message.edns is None:
            return [octets]
        return [buildMessage(Message(message.id, QR | Rcode.FORMERR, message.questions))]

    internet.server(SERVER).tamper = forged
    if defended:
        for name in ("b.example.org", "c.example.org"):
            assert stack.look(name).security is Security.SECURE
    else:
        with pytest.raises(TrustFault):
            stack.look("b.example.org")
    assert any(each.query.edns is None for each in stack.sent(SERVER)) is not defended
