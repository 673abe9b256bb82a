"""
The server that listings talk to, in a process of its own.

    python -m tests.docs.serving

It prints one line of JSON with its ports at loopback addresses, and ends when its standard input ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Final, cast

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.protocol import Protocol as Connection
from twisted.web.server import Request

from tests.pages import Page, siteOf
from twisted_ext.client import reverseName
from twisted_ext.testing.servers import CannedServer, Reply, whereOf
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ExtendedError

__all__ = ["RECORDS", "SECOND", "listenOn", "serveUntilInputEnds", "server"]

_SERVFAIL: Final = 2
_SILENT: Final = nameFromText("silent.example.com")

#: The records of the first server.
RECORDS: Final[dict[tuple[str, str], Reply]] = {
    ("example.com", "A"): "192.0.2.119",
    ("example.com", "MX"): ["10 mail.example.com.", "20 backup.example.net."],
    ("example.com", "NS"): ["ns1.example.com.", "ns2.example.com."],
    ("example.com", "TXT"): ['"v=spf1 mx -all"', '"made for the documentation"'],
    ("www.example.com", "A"): "192.0.2.80",
    ("www.example.com", "AAAA"): "2001:db8::80",
    ("ipv6.example.com", "AAAA"): "2001:db8::6",
    ("mail.example.com", "A"): "192.0.2.25",
    ("example.net", "TXT"): '"no mail here"',
    ("web.example.com", "A"): "127.0.0.1",
    ("web.example.com", "AAAA"): "::1",
    ("web6.example.com", "AAAA"): "::1",
    ("long.example.com", "TXT"): [f'"{number:03d} {"." * 200}"' for number in range(20)],
    ("broken.example.com", "A"): _SERVFAIL,
    ("_xmpp-client._tcp.example.com", "SRV"): [
        "20 0 5222 backup.example.net.",
        "5 10 5222 chat2.example.com.",
        "5 30 5222 chat1.example.com.",
    ],
    ("_imap._tcp.example.com", "SRV"): "0 0 0 .",
    ("_5222._tcp.chat1.example.com", "TLSA"): f"3 1 1 {'ab' * 32}",
    ("_matrix-fed._tcp.example.com", "SRV"): "10 0 8080 web.example.com.",
    ("_matrix-fed._tcp.example.net", "SRV"): "0 0 0 .",
    ("_http._tcp.example.com", "URI"): '10 1 "https://www.example.com/start"',
    ("shop.example.com", "HTTPS"): "0 cdn.example.net.",
    ("cdn.example.net", "HTTPS"): ["1 . alpn=h2 ipv4hint=192.0.2.81", "2 backup.example.net. port=8443"],
    ("nomail.example.com", "MX"): "0 .",
    ("example.com", "NAPTR"): '10 10 "s" "chat:xmpp" "" _xmpp-client._tcp.example.com.',
    ("8.4.1.0.6.4.9.7.0.2.4.4.e164.arpa", "NAPTR"): r'10 10 "u" "E2U+sip" "!^\\+44(.*)$!sip:0\\1@example.com!" .',
    # The tour shows the TTL.
    ("twistedmatrix.com", "MX"): lambda question: [rrsetOf(question.name, question.rrType, "10 mail.twistedmatrix.com.", 1)],
    (reverseName("192.0.2.80"), "PTR"): "www.example.com.",
    (reverseName("192.0.2.25"), "PTR"): ["mail.example.com.", "smtp.example.com."],
    (reverseName("2001:db8::80"), "PTR"): "www.example.com.",
    # 192.0.2.128 to 255 are delegated by aliases (RFC 2317).
    (reverseName("192.0.2.200"), "CNAME"): "200.128-25.2.0.192.in-addr.arpa.",
    ("200.128-25.2.0.192.in-addr.arpa", "PTR"): "printer.example.org.",
}

#: The records of the second server.
SECOND: Final[dict[tuple[str, str], Reply]] = {("example.com", "A"): "192.0.2.119", ("www.example.com", "A"): "192.0.2.80"}


def _asResolver(octets: bytes, transport: str) -> list[bytes]:
    """
    Reply as a recursive resolver: without AA, and with the reason of a failure.
    """
    message = Message.fromWire(octets)
    if message.questions[0].name == _SILENT:
        return []
    edns = message.edns
    if message.rcode == _SERVFAIL and edns is not None:
        edns = EDNS(1232, edns.flags, options=(ExtendedError.of(22, "all servers of example.com are down").toWire(),))
        octets = buildMessage(Message(message.id, message.flags, message.questions, edns=edns))
    flags = int.from_bytes(octets[2:4], "big") & ~AA
    return [octets[:2] + flags.to_bytes(2, "big") + octets[4:]]


def server(records: dict[tuple[str, str], Reply]) -> CannedServer:
    """
    Return a server that has these records, and denies everything else.
    """
    canned = CannedServer(records)
    canned.tamper = _asResolver
    return canned


class _Page(Page):
    """
    A page that names its host and path.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Return one line, the same for both families.
        """
        return f"{request.getRequestHostname().decode()}, {request.path.decode()}".encode()


class _EndWithInput(Connection):
    """
    Stop the reactor when the parent process closes standard input.
    """

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: object = None) -> None:
        self._reactor.stop()


def listenOn(reactor: IReactorTime) -> dict[str, int]:
    """
    Return the ports, by the ports in the listings.
    """
    site = siteOf(_Page())
    web = IReactorTCP(reactor).listenTCP(0, site, interface="127.0.0.1")
    webPort = whereOf(web.getHost())[1]
    try:
        IReactorTCP(reactor).listenTCP(webPort, site, interface="::1")
        ipv6 = 1
    except CannotListenError:
        ipv6 = 0
    services: dict[tuple[str, str], Reply] = {
        ("_chat._tcp.example.com", "SRV"): ["1 0 1 chat.example.com.", f"2 0 {webPort} chat.example.com."],
        ("_old._tcp.example.com", "SRV"): ["1 0 1 chat.example.com.", "2 0 5222 gone.example.com."],
        ("chat.example.com", "A"): "127.0.0.1",
    }
    return {
        "5301": server({**RECORDS, **services}).listen(reactor, 0, "127.0.0.1").port,
        "5302": server(SECOND).listen(reactor, 0, "127.0.0.1").port,
        "8080": webPort,
        "ipv6": ipv6,
    }


def serveUntilInputEnds(start: Callable[[IReactorTime], str]) -> None:
    """
    Run the reactor until the parent process closes standard input.

    @param start: starts the server, and returns the line to print.
    """
    from twisted.internet import reactor, stdio

    core = cast(IReactorCore, reactor)
    standardIO = cast("Callable[[Connection], object]", stdio.StandardIO)
    # Keep a reference, since the reactor holds none.
    ending = standardIO(_EndWithInput(core))
    sys.stdout.write(start(cast(IReactorTime, reactor)) + "\n")
    sys.stdout.flush()
    core.run()
    del ending


if __name__ == "__main__":
    serveUntilInputEnds(lambda reactor: json.dumps(listenOn(reactor)))
