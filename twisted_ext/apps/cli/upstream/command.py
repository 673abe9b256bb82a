"""
C{txdns upstream}: prints what a server can do.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from json import dumps
from typing import IO, TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, number, valueOf, whole
from twisted_ext.apps.cli.terminal.colors import isTerminal, paletteFor
from twisted_ext.apps.cli.terminal.encryption import Encryption, trustHint
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError, complain
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.errors import CallerFault
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.apps.cli.upstream.findings import ServerFindings
    from twisted_ext.apps.cli.upstream.targets import InspectedServer

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns upstream [OPTION...] URL...

Shows what a server can do: the transports that answer (UDP, TCP, TLS, HTTPS with HTTP/2
and HTTP/3, QUIC), their versions of TLS and their speed, the certificate with its end and its
pin, EDNS, cookies, DNSSEC, padding and so on.

  txdns upstream 192.0.2.53                         all transports at their usual ports
  txdns upstream tls://192.0.2.53#dns.example       with this name in the certificate
  txdns upstream --only https://dns.example/query   HTTPS only, at this path
  txdns upstream 192.0.2.53:5353 tls://192.0.2.53:8853   two ports of one server
  txdns upstream sdns://AAcAAAAAAAAABzguOC44Ljg --json

A server is given by an address, a name, a URL (udp, tcp, tls, https, quic) or a DNS stamp.
URLs with the same host are one server.

{options}

Queries are sent only to servers that prove their identity: by a certificate for the name in
the URL, or for the address if there is no name, from an authority that the system trusts. The
certificate is shown in any case. For a server with a certificate of its own, copy its pin:
--tls-pin replaces the certificate if the server is given by its address without a name.

Exit codes: 0 each server answers, by all transports whose port or URL was given; 1 wrong usage;
9 one does not.
"""

#: Seconds before progress is shown.
_PATIENCE: Final = 1.0

_NAME: Final = Option(
    "-q NAME", "ask for the SOA record of this name, by default iana.org, which is signed", "iana.org", str, what="a name"
)
_COUNT: Final = Option("-n COUNT", "measure so many queries over each transport, by default 5", 5, whole(1, 100), what="a number")
_TIME: Final = Option(
    "--time SECONDS", "wait so long for each reply, by default 3", 3.0, number(LOOKUP_SECONDS.least, 60, " of seconds"), what="a number"
)
_ONLY: Final = flag("--only", "try only the transports that the URLs name")
_HOSTNAME: Final = Option("--tls-hostname NAME", "the name in the server's certificate", "", str, what="a name")
_PIN: Final = Option("--tls-pin PIN", "the digest of the server's key in base64; repeat it for several keys", "", str, what="a pin")
_CA: Final = Option("--tls-ca FILE", "trust the authorities in this file instead of the system's", "", str, what="a file")
_FOUR: Final = flag("-4", "use the server's IPv4 address")
_SIX: Final = flag("-6", "use the server's IPv6 address")
_JSON: Final = flag("--json", "print one JSON object for each server")

ARGUMENTS: Final = Arguments(_HELP, _NAME, _COUNT, _TIME, _ONLY, _HOSTNAME, _PIN, _CA, _FOUR, _SIX, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not given.bare:
        raise ExitError(USAGE, "the server is missing; write one such as 192.0.2.53, tls://dns.example or https://dns.example/dns-query")
    if _FOUR in given and _SIX in given:
        raise ExitError(USAGE, "-4 and -6 exclude each other; leave out one of them, or both")
    encryption = _encryptionIn(given)
    name = valueOf(nameFromText, given[_NAME], "-q")

    from twisted_ext.apps.cli.upstream.targets import serversIn

    try:
        servers = serversIn(given.bare)
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from fault

    async def begin(reactor: IReactorTime) -> int:
        code = OK
        status = _Status(reactor, sys.stderr)
        try:
            for each in servers:
                found = await _inspect(reactor, each, given, encryption, name, status)
                status.clear()
                code = max(code, _show(found, given[_JSON], each is servers[0]))
        finally:
            status.close()
        return code

    return runUntilDone(begin, whileRead=True)


def _encryptionIn(given: Given) -> Encryption:
    from twisted_ext.transport.tls.terms import TLSTerms, pinFromText, pinToText

    encryption = Encryption()
    encryption.name = given[_HOSTNAME]
    encryption.ca = given[_CA]
    encryption.wanted = ("+tls-ca",) if _CA in given else ()
    encryption.pins = tuple([pinToText(valueOf(pinFromText, pin, "--tls-pin")) for pin in given.all(_PIN)])
    if encryption.ca:
        # An error of the command, not of each server.
        valueOf(lambda path: TLSTerms("localhost", ca=path), encryption.ca, "--tls-ca")
    return encryption


async def _inspect(
    reactor: IReactorTime, server: InspectedServer, given: Given, encryption: Encryption, name: bytes, status: _Status
) -> ServerFindings:
    from twisted_ext.apps.cli.terminal.upstream import addressesOf
    from twisted_ext.apps.cli.upstream.findings import Features, ServerFindings
    from twisted_ext.apps.cli.upstream.probe import Probe
    from twisted_ext.transport.urls import isAddress

    family = 4 if _FOUR in given else 6 if _SIX in given else 0
    try:
        address = (await addressesOf(reactor, server.known or server.host, family))[0]
    except ExitError as ending:
        problem = ending.line if ending.code == NO_REPLY else f"it has no {f'IPv{family} ' if family else ''}address"
        return ServerFindings(server.host, "", (), Features(), "", problem)
    targets = server.targets(address, encryption, given[_ONLY])
    wanted = encryption.name or server.name or server.host
    probe = Probe(reactor, name, given[_COUNT], given[_TIME], status.set)
    return await probe.server(server.host, "" if isAddress(wanted) else wanted, targets)


def _show(found: ServerFindings, json: bool, first: bool) -> int:
    from twisted_ext.apps.cli.upstream.report import failureLine, reportData, reportLines

    now = datetime.now(UTC)
    if json:
        sys.stdout.write(dumps(reportData(found, now)) + "\n")
    else:
        lines = list(reportLines(found, now, paletteFor(sys.stdout)))
        sys.stdout.write("\n".join(lines if first else ["", *lines]) + "\n")
    sys.stdout.flush()
    failure = failureLine(found)
    if not failure:
        return OK
    hints = dict.fromkeys([trustHint(each.problem).replace("+", "--") for each in found.failed])
    complain(f"txdns upstream: {failure}{''.join(hints)}")
    return NO_REPLY


class _Status:
    """
    One line on the terminal that says what is done at the moment, once that takes longer than a second.
    """

    def __init__(self, clock: IReactorTime, stream: IO[str]) -> None:
        self._stream = stream
        self._text = ""
        self._drawn = False
        self._shows = False
        self._timer: IDelayedCall | None = None
        if isTerminal(stream):
            self._timer = clock.callLater(_PATIENCE, self._begin)

    def set(self, text: str) -> None:
        self._text = text
        self._draw()

    def _begin(self) -> None:
        self._timer = None
        self._shows = True
        self._draw()

    def _draw(self) -> None:
        if self._shows:
            self._stream.write(f"\r{self._text}\x1b[K")
            self._stream.flush()
            self._drawn = True

    def clear(self) -> None:
        if self._drawn:
            self._drawn = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def close(self) -> None:
        self.clear()
        self._shows = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
