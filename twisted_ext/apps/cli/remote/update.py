"""
C{txdns update}: sends dynamic updates to primary servers (RFC 2136).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from time import time
from typing import IO, TYPE_CHECKING, Final

from twisted_ext.apps.cli.remote.args import KEY, KEY_FILE, TLS, isAboutTLS, remoteOverTLS
from twisted_ext.apps.cli.remote.statements import Batch, lineOf
from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadDescription, BadMessage, CallerFault, Unreachable
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RD, TC, Opcode, Rcode, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import EDNS, HEADER, Message, Question
from twisted_ext.wire.names import ROOT, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.wire.tsig import sign, signatureError, verify

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import RemoteServer

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns update [@SERVER] [-p PORT] [-k FILE | -y [ALGORITHM:]NAME:SECRET] [--tls-...]
                    [-v] [-l] [FILE]

Changes a zone on its server by dynamic update (RFC 2136). It reads statements from FILE or the
standard input, which are those of nsupdate:

  server ADDRESS [PORT]     the server; by default the zone's primary
  zone NAME                 the zone; by default that of the first name
  ttl SECONDS               the TTL of records that are added without one
  key [ALGORITHM:]NAME SECRET
  local ADDRESS [PORT]      the source address
  prereq nxdomain NAME      only if the name has no records
  prereq yxdomain NAME      only if the name has records
  prereq nxrrset NAME TYPE          only if there are no such records
  prereq yxrrset NAME TYPE [DATA]   only if there are; with DATA, exactly these
  update add NAME [TTL] TYPE DATA
  update delete NAME [TYPE [DATA]]
  show                      print the statements that have not been sent
  send                      send them (all or none take effect); the same as an empty line
  answer                    print the last reply
  quit

{options}

  txdns update @192.0.2.53 -k dhcp.key changes.txt
  txdns update @tls://192.0.2.53#ns1.example.org -k dhcp.key changes.txt    over TLS alone
  echo 'update add www.example.org 300 A 192.0.2.1
  send' | txdns update -l

Exit codes: 0 all changes are made; 1 wrong usage or a statement that is not valid; 2 a server
declined; 8 a file cannot be read; 9 no reply.
"""

#: The maximum size of a message sent over UDP, in octets.
_DATAGRAM: Final = 1232

_TRIES: Final = 3


def _serverOf(text: str) -> tuple[str, int] | str:
    if "://" in text:
        return text
    from twisted_ext.apps.cli.terminal.upstream import nameAndPort, nearlyServer
    from twisted_ext.transport.servers import Server

    try:
        server = Server.fromText(text)
    except BadDescription as fault:
        if nearlyServer(text):
            raise ExitError(USAGE, f"@{text}: {fault}") from None
        name, port = nameAndPort(text)
        return name, port or 53
    return server.address, server.port


_SERVER: Final = Option[tuple[str, int] | str | None](
    "@SERVER", "the same as the statement server, or tls://ADDRESS#NAME", None, _serverOf, what="a server, such as 192.0.2.53"
)
_PORT: Final = Option[int | None]("-p PORT", "the port of this server", None, whole(1, 65535), what="a port")
_STREAM: Final = flag("-v", "use TCP")
_HERE: Final = flag("-l", "use the server of this machine")
_WAIT: Final = Option("-t SECONDS", "how long to wait for a reply (5)", 5, whole(1, 86400))

ARGUMENTS: Final = Arguments(_HELP, _SERVER, _PORT, KEY_FILE, KEY, *TLS, _STREAM, _HERE, _WAIT, exact=True)


def main(words: list[str]) -> int:
    return _Updating(ARGUMENTS.parse(words)).run()


class _Updating:
    def __init__(self, given: Given) -> None:
        if len(given.bare) > 1:
            raise ExitError(USAGE, f"two files, {given.bare[0]!r} and {given.bare[1]!r}; write one")
        self._batch = Batch()
        self._path = given.bare[0] if given.bare else ""
        self._stream = given[_STREAM]
        self._seconds = float(given[_WAIT])
        self._reply: Message | None = None
        self._code = OK
        self._batch.key = given[KEY] or given[KEY_FILE]
        server = ("127.0.0.1", 53) if given[_HERE] else given[_SERVER]
        port = given[_PORT]
        # The server that is only asked over TLS.
        self._remote: RemoteServer | None = None
        if isinstance(server, str):
            try:
                self._remote = remoteOverTLS(given, server, None)
            except BadDescription as fault:
                raise ExitError(USAGE, str(fault)) from None
            server = self._remote.server.address, self._remote.server.port
        elif isAboutTLS(given):
            raise ExitError(USAGE, "options with --tls need a server over TLS: @tls://192.0.2.53#ns1.example.org")
        if port is not None:
            if server is None:
                raise ExitError(USAGE, "-p needs a server: @ADDRESS")
            if self._remote is not None:
                raise ExitError(USAGE, f"-p: write the port in the URL: @tls://{server[0]}:{port}")
            server = (server[0], port)
        self._batch.server = server

    # -- statements

    def run(self) -> int:
        for number, line in self._lines():
            try:
                word = self._batch.take(line)
                if word == "quit":
                    break
                if word:
                    self._do(word)
            except CallerFault as fault:
                where = f"{self._path}:{number}: " if self._path not in ("", "-") else "" if self._talks else f"line {number}: "
                if not self._talks:
                    raise ExitError(USAGE, f"{where}{fault}") from None
                complain(f"{where}{fault}")
            except ExitError as ending:
                if not self._talks:
                    raise
                complain(ending.line)
                self._code = ending.code
        if self._batch.pending:
            what = "1 record was" if self._batch.pending == 1 else f"{self._batch.pending} records were"
            raise ExitError(USAGE, f"{what} not sent; end with send or an empty line")
        return self._code

    @property
    def _talks(self) -> bool:
        return self._path in ("", "-") and sys.stdin.isatty()

    def _lines(self) -> Iterator[tuple[int, str]]:
        if self._path in ("", "-"):
            yield from self._numbered(sys.stdin)
            return
        with fileErrors(self._path), open(self._path, encoding="utf-8") as lines:
            yield from self._numbered(lines)

    def _numbered(self, lines: IO[str]) -> Iterator[tuple[int, str]]:
        number = 0
        while True:
            if self._talks:
                print("> ", end="", flush=True)
            line = lines.readline()
            if not line:
                return
            number += 1
            yield number, line

    def _do(self, word: str) -> None:
        if word == "show":
            self._show(self._batch.prerequisites, "PREREQUISITE")
            self._show(self._batch.changes, "UPDATE")
        elif word == "answer":
            if self._reply is not None:
                print(f";; {rcodeName(self._reply.rcode)}, id {self._reply.id}")
        elif word == "help":
            print(ARGUMENTS.help, end="")
        elif word == "send" and self._batch.pending:
            try:
                self._send()
            finally:
                # Do not send declined changes again with the next ones.
                self._batch.clear()

    def _show(self, records: list[RRSet], section: str) -> None:
        print(f";; {section} SECTION:")
        for record in records:
            print(printable(lineOf(record)))

    # -- sending

    def _send(self) -> None:
        batch = self._batch
        server = batch.server
        zone = batch.zone
        if zone is None or server is None:
            first = zone or (batch.changes or batch.prerequisites)[0].name
            zone, primary = self._zoneAndPrimary(first, server or _systemServer())
            server = server or primary
        wire = self._built(zone)
        mac = b""
        if batch.key is not None:
            wire, mac = sign(wire, batch.key, time())
        octets = self._exchange(wire, server)
        where = f"{server[0]} port {server[1]}"
        try:
            reply = Message.fromWire(octets).check()
            if batch.key is not None:
                verdict = verify(octets, {batch.key.name: batch.key}, time(), requestMac=mac)
                if verdict.error or verdict.record is None:
                    why = signatureError(verdict.error)
                    raise ExitError(NO_REPLY, f"{where} answered {rcodeName(reply.rcode)} without a valid signature: {why}")
                if verdict.record.error:
                    raise ExitError(DECLINED, f"{where} does not accept the signature: {signatureError(verdict.record.error)}")
        except BadMessage as fault:
            raise ExitError(NO_REPLY, f"{where}: {fault}") from None
        self._reply = reply
        if reply.rcode:
            said = "".join([f": {text}" for text in _errorsIn(reply)])
            raise ExitError(DECLINED, f"{where} declined to change {nameToText(zone)}: {rcodeName(reply.rcode)}{said}")

    def _built(self, zone: bytes) -> bytes:
        batch = self._batch
        number = int.from_bytes(os.urandom(2), "big")
        question = Question(zone, SOA, batch.rrClass)
        prerequisites, changes = tuple(batch.prerequisites), tuple(batch.changes)
        # With EDNS the server can send a text with the reason when it declines (RFC 8914).
        message = Message(number, Opcode.UPDATE << 11, (question,), prerequisites, changes, edns=EDNS(_DATAGRAM))
        wire = buildMessage(message, reserve=512)
        if HEADER.unpack_from(wire)[1] & TC:
            raise ExitError(USAGE, f"{batch.pending} records do not fit into one message; write send between them")
        return wire

    def _zoneAndPrimary(self, name: bytes, server: tuple[str, int]) -> tuple[bytes, tuple[str, int]]:
        asked = name
        while True:
            query = buildMessage(Message(int.from_bytes(os.urandom(2), "big"), RD, (Question(asked, SOA, self._batch.rrClass),)))
            try:
                reply = Message.fromWire(self._exchange(query, server)).check()
            except BadMessage as fault:
                raise ExitError(NO_REPLY, f"{server[0]} port {server[1]}: {fault}") from None
            if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
                said = f"answered {rcodeName(reply.rcode)} when asked for the zone of {nameToText(name)}; write the statement zone NAME"
                raise ExitError(NO_REPLY, f"{server[0]} port {server[1]} {said}")
            for rrset in (*reply.answer, *reply.authority):
                if rrset.rrType == SOA:
                    return rrset.name, (_primaryOf(rrset.rdatas[0]), 53)
            if asked == ROOT:
                raise ExitError(NO_REPLY, f"the zone of {nameToText(name)} cannot be found; write the statement zone NAME")
            asked = parentOf(asked)

    def _exchange(self, wire: bytes, server: tuple[str, int]) -> bytes:
        """
        Send a message and return the reply: over UDP, or over TCP if the message is too large or the UDP reply truncated.
        """
        where = f"{server[0]} port {server[1]}"
        try:
            family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ExitError(NO_REPLY, f"{server[0]}: {error.strerror or error}") from None
        remote = self._remote
        if remote is not None and server != (remote.server.address, remote.server.port):
            raise ExitError(USAGE, f"{where}: with @tls://, updates go to {remote.server.label} alone; write the statement zone NAME")
        try:
            if remote is not None:
                return self._overTLS(wire, family, address, remote)
            if not self._stream and len(wire) <= _DATAGRAM:
                reply = self._byDatagram(wire, family, address)
                if not reply[2] & TC >> 8:
                    return reply
            return self._byStream(wire, family, address)
        except TimeoutError:
            raise ExitError(NO_REPLY, f"{where} does not answer") from None
        except OSError as error:
            raise ExitError(NO_REPLY, f"{where}: {error.strerror or error}") from None

    def _byDatagram(self, wire: bytes, family: int, address: tuple[object, ...]) -> bytes:
        with socket.socket(family, socket.SOCK_DGRAM) as opened:
            if self._batch.local is not None:
                opened.bind(self._batch.local)
            opened.connect(address)
            opened.settimeout(self._seconds / _TRIES)
            for left in range(_TRIES - 1, -1, -1):
                opened.send(wire)
                try:
                    while True:
                        reply = opened.recv(65535)
                        if _answers(reply, wire):
                            return reply
                except TimeoutError:
                    if not left:
                        raise
        raise AssertionError("unreachable")

    def _overTLS(self, wire: bytes, family: int, address: tuple[object, ...], remote: RemoteServer) -> bytes:
        from twisted_ext.apps.cli.remote.tlsstream import repliesOverTLS

        assert remote.tls is not None
        with socket.socket(family, socket.SOCK_STREAM) as opened:
            opened.settimeout(self._seconds)
            if self._batch.local is not None:
                opened.bind(self._batch.local)
            opened.connect(address)
            try:
                for reply in repliesOverTLS(opened, remote.server, remote.tls, wire):
                    if _answers(reply, wire):
                        return reply
            except Unreachable as fault:
                raise ExitError(NO_REPLY, str(fault)) from None
        raise TimeoutError

    def _byStream(self, wire: bytes, family: int, address: tuple[object, ...]) -> bytes:
        with socket.socket(family, socket.SOCK_STREAM) as opened:
            opened.settimeout(self._seconds)
            if self._batch.local is not None:
                opened.bind(self._batch.local)
            opened.connect(address)
            opened.sendall(len(wire).to_bytes(2, "big") + wire)
            with opened.makefile("rb") as stream:
                while size := stream.read(2):
                    reply = stream.read(int.from_bytes(size, "big"))
                    if _answers(reply, wire):
                        return reply
        raise TimeoutError


def _answers(reply: bytes, wire: bytes) -> bool:
    return len(reply) >= HEADER.size and reply[:2] == wire[:2] and bool(reply[2] & QR >> 8) and not (reply[2] ^ wire[2]) & 0x78


def _primaryOf(soa: bytes) -> str:
    end = 0
    while soa[end]:
        end += soa[end] + 1
    return nameToText(soa[: end + 1], final=False)


def _systemServer() -> tuple[str, int]:
    from twisted_ext.resolver.system.configured import SYSTEM_RESOLV_CONF
    from twisted_ext.resolver.system.resolvconf import ResolvConf

    server = ResolvConf(SYSTEM_RESOLV_CONF, os.environ).configuration.servers[0]
    return server.address, server.port


def _errorsIn(reply: Message) -> list[str]:
    if reply.edns is None:
        return []
    return [data[2:].decode("utf-8", "replace") for code, data in reply.edns.options if code == 15 and len(data) > 2]
