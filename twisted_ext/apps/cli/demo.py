"""
C{txdns demo}: runs the servers that the examples of the documentation query, on loopback addresses.

There are two name servers, which reply like recursive resolvers from the records below, and a web page for the examples that connect to a
host. The tests of the documentation run against the same servers, on other ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, whole
from twisted_ext.apps.cli.terminal.exits import INTERRUPTED, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.testing.servers import CannedServer, Reply, whereOf
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.addressranges import reverseName
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ExtendedError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.internet.protocol import ServerFactory

__all__ = ["ARGUMENTS", "PAGE", "PORT", "RECORDS", "SECOND", "Ports", "listen", "main", "server"]

#: The ports in the documentation: of the first name server, that of the second being the next one, and of the web page.
PORT: Final = 5301
PAGE: Final = 8080

_HELP: Final = """\
Usage: txdns demo [--port N] [--page N]

Runs the servers that the examples of the documentation query, on this machine only: two name
servers with names below example.com and example.net, and a web page. Ctrl-C ends it.

  txdns demo
  export TXDNS_NAMESERVERS=127.0.0.1:5301      in another terminal, and then for example:
  txdns query www.example.com

{options}

Exit codes: 0 Ctrl-C; 1 wrong usage, or a port is taken; 143 terminated by SIGTERM.
"""

_PORT: Final = Option("--port N", "the port of the first name server; the second has the next one", PORT, whole(1, 65534), what="a port")
_PAGE: Final = Option("--page N", "the port of the web page", PAGE, whole(1, 65535), what="a port")

ARGUMENTS: Final = Arguments(_HELP, _PORT, _PAGE)

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
    ("chat1.example.com", "A"): "192.0.2.221",
    ("chat2.example.com", "A"): "192.0.2.222",
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
    Return a name server that has these records, and denies everything else.
    """
    canned = CannedServer(records)
    canned.tamper = _asResolver
    return canned


def _servicesAt(page: int) -> dict[tuple[str, str], Reply]:
    """
    Return the records that name the port of the web page.
    """
    return {
        ("_chat._tcp.example.com", "SRV"): ["1 0 1 chat.example.com.", f"2 0 {page} chat.example.com."],
        ("_old._tcp.example.com", "SRV"): ["1 0 1 chat.example.com.", "2 0 5222 gone.example.com."],
        ("chat.example.com", "A"): "127.0.0.1",
    }


class Ports:
    """
    The ports on which the servers listen.

    @ivar hasIPv6: whether the web page is at C{::1} as well.
    """

    def __init__(self, first: int, second: int, page: int, hasIPv6: bool) -> None:
        self.first = first
        self.second = second
        self.page = page
        self.hasIPv6 = hasIPv6


def listen(reactor: IReactorTime, first: int = PORT, second: int = PORT + 1, page: int = PAGE) -> Ports:
    """
    Start all servers.

    @param first: the port of the first name server; 0 for any free port, as for the others.

    @raise CannotListenError: A port is taken.
    """
    from twisted.internet.error import CannotListenError
    from twisted.internet.interfaces import IReactorTCP

    site = _site()
    page = whereOf(IReactorTCP(reactor).listenTCP(page, site, interface="127.0.0.1").getHost())[1]
    try:
        IReactorTCP(reactor).listenTCP(page, site, interface="::1")
        hasIPv6 = True
    except CannotListenError:
        # Many machines have no IPv6, and few examples need it.
        hasIPv6 = False
    first = server({**RECORDS, **_servicesAt(page)}).listen(reactor, first, "127.0.0.1").port
    second = server(SECOND).listen(reactor, second, "127.0.0.1").port
    return Ports(first, second, page, hasIPv6)


def _site() -> ServerFactory:
    """
    Return the web site, whose only page names its host and path.
    """
    from twisted.web.resource import Resource
    from twisted.web.server import Request, Site

    class Page(Resource):
        isLeaf = True

        def render_GET(self, request: Request) -> bytes:
            # It has parts of the request, which are not markup.
            request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
            # One line, the same for both families.
            return b"%b, %b" % (request.getRequestHostname(), request.path)

    make = cast("Callable[[Resource], ServerFactory]", Site)
    page = cast("Callable[[], Resource]", Page)
    site = make(page())
    site.noisy = False
    return site


def _toTry(ports: Ports) -> str:
    """
    Return what to print once the servers listen.
    """
    address = f"127.0.0.1:{ports.first}"
    lines = [
        "The servers of the documentation's examples run on this machine:",
        f"    {address}    a name server, with names below example.com",
        f"    127.0.0.1:{ports.second}    another one, with fewer names",
        f"    127.0.0.1:{ports.page}    a web page{', also at ::1' if ports.hasIPv6 else ' (not at ::1: this machine has no IPv6)'}",
        "",
        "In another terminal, type the examples of any page. First let programs query this name server, and not those of the system:",
        f"    export TXDNS_NAMESERVERS={address}",
        "and try it:",
        "    txdns query www.example.com +short",
        f"    txdns explain example.com MX @cache:udp:{address}",
        f"    dig @127.0.0.1 -p {ports.first} www.example.com",
        "",
    ]
    if (ports.first, ports.page) != (PORT, PAGE):
        lines += [f"These are not the ports of the documentation, {PORT}, {PORT + 1} and {PAGE}: write them in the examples instead.", ""]
    return "\n".join([*lines, "Ctrl-C ends it."])


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if given.bare:
        raise ExitError(USAGE, f"{given.bare[0]!r} is not an option; write: txdns demo --port {PORT} --page {PAGE}")
    code = runUntilDone(lambda reactor: _serve(reactor, given[_PORT], given[_PAGE]))
    # It ends in no other way.
    return OK if code == INTERRUPTED else code


async def _serve(reactor: IReactorTime, port: int, page: int) -> int:
    from twisted.internet.defer import Deferred
    from twisted.internet.error import CannotListenError

    try:
        ports = listen(reactor, port, port + 1, page)
    except CannotListenError as error:
        option, make = ("--page", "PAGE") if error.port == page else ("--port", "PORT")
        other = error.port + 10 if error.port < 65000 else error.port - 10
        why = getattr(error.socketError, "strerror", None) or error.socketError
        raise ExitError(
            USAGE, f"127.0.0.1, port {error.port}: {why}; for another one: txdns demo {option} {other}, or make demo {make}={other}"
        ) from error
    print(_toTry(ports), flush=True)
    forever: Deferred[int] = Deferred()
    return await forever
