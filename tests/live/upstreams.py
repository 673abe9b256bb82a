"""
An upstream for live tests of forwarders, in threads of the test's own process. Its answers can be changed at any time, and it counts the
queries.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.peers import freePort
from twisted_ext.errors import BadMessage
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Upstream"]


class Upstream:
    """
    An upstream that answers over UDP and TCP on one port of a loopback address.

    @ivar address: its address.
    @ivar port: its port.
    @ivar canned: the answers.
    @ivar silentBelow: names in wire form. Names below them get no reply, and the root silences everything.
    @ivar asked: queries by transport, name and type.
    """

    def __init__(self, address: str = "127.0.0.1", otherwise: Reply = 3, port: int | None = None) -> None:
        self.address = address
        self.port = freePort(address) if port is None else port
        self.canned = CannedServer(otherwise=otherwise)
        self.silentBelow: tuple[bytes, ...] = ()
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._threads = [threading.Thread(target=self._serveDatagrams), threading.Thread(target=self._serveStreams)]
        self._going = True

    @property
    def label(self) -> str:
        """
        Its address in the form of a setting.
        """
        return f"{self.address}:{self.port}"

    def silence(self, *names: str) -> None:
        """
        Send no reply for names below these from now on.
        """
        self.silentBelow = tuple([nameFromText(name) for name in names])

    def __enter__(self) -> Self:
        for each in (self._datagrams, self._streams):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((self.address, self.port))
            each.settimeout(0.1)
        self._datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._streams.listen(128)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()
        self._datagrams.close()
        self._streams.close()

    def _replyTo(self, octets: bytes, transport: str) -> bytes | None:
        try:
            message = Message.fromWire(octets).check()
        except BadMessage:
            return None
        question = message.questions[0]
        self.asked[transport, nameToText(question.name).lower(), typeName(question.rrType)] += 1
        if any(question.key[:-4].endswith(below) for below in self.silentBelow):
            return None
        return self.canned.replyTo(message, transport)

    def _serveDatagrams(self) -> None:
        while self._going:
            with suppress(OSError):
                octets, peer = self._datagrams.recvfrom(65535)
                reply = self._replyTo(octets, "udp")
                if reply is not None:
                    self._datagrams.sendto(reply, peer)

    def _serveStreams(self) -> None:
        connections: list[threading.Thread] = []
        while self._going:
            with suppress(OSError):
                connection, _ = self._streams.accept()
                connections.append(threading.Thread(target=self._serveConnection, args=(connection,)))
                connections[-1].start()
        for each in connections:
            each.join()

    def _serveConnection(self, connection: socket.socket) -> None:
        buffer = StreamBuffer()
        connection.settimeout(0.1)
        with connection:
            while self._going:
                try:
                    data = connection.recv(65535)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                for octets in buffer.feed(data):
                    reply = self._replyTo(octets, "tcp")
                    if reply is not None:
                        with suppress(OSError):
                            connection.sendall(frame(reply))
