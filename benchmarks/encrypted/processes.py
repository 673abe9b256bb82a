"""
What processes hold: memory and descriptors; and clients that are many connections at once.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.encrypted.servers import NAME
from benchmarks.loads import addressOf, query, right

__all__ = ["TLSClient", "clientContext", "descriptors", "residentKilobytes", "shaken", "withDescriptors"]

_RECORD: Final = 16384


def residentKilobytes(process: int) -> int:
    """
    Return the memory of a process without what it shares with files.
    """
    for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def descriptors(process: int) -> int:
    """
    Return the number of descriptors that a process has open.
    """
    return len(os.listdir(f"/proc/{process}/fd"))


def withDescriptors(wanted: int) -> int:
    """
    Raise the limit on this process's open files, and with it that of its children.

    @return: the limit now in force.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def clientContext(authority: Path, protocol: str = "dot", *, resumes: bool = True) -> ssl.SSLContext:
    """
    Return the settings of a client that checks the server's certificate.
    """
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols([protocol])
    if not resumes:
        context.options |= ssl.OP_NO_TICKET
    return context


class TLSClient:
    """
    One connection that does not block: TLS on a socket of its own, with little memory.

    @ivar isShaken: whether the handshake is complete.
    """

    __slots__ = ("_held", "isShaken", "socket", "tls", "incoming", "outgoing")

    def __init__(self, context: ssl.SSLContext, port: int, source: str, session: ssl.SSLSession | None = None) -> None:
        self.isShaken = False
        self._held = b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME, session=session)
        self.socket = socket.socket()
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
            self.socket.bind((source, 0))
            with suppress(BlockingIOError):
                self.socket.connect(("127.0.0.1", port))
        except BaseException:
            self.socket.close()
            raise

    def step(self) -> bytes | None:
        """
        Read and write what can be.

        @return: what has been decrypted; L{None} once the connection is over.
        """
        try:
            with suppress(BlockingIOError):
                data = self.socket.recv(65536)
                if not data:
                    return None
                self.incoming.write(data)
            plain = b""
            with suppress(ssl.SSLWantReadError):
                if not self.isShaken:
                    self.tls.do_handshake()
                    self.isShaken = True
                while True:
                    piece = self.tls.read(_RECORD)
                    if not piece:
                        break
                    plain += piece
            self._flush()
        except (OSError, ssl.SSLError):
            return None
        return plain

    def send(self, octets: bytes) -> None:
        with suppress(OSError, ssl.SSLError):
            self.tls.write(octets)
            self._flush()

    def _flush(self) -> None:
        data = self._held + self.outgoing.read()
        if data:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            self._held = data[sent:]

    def asks(self, number: int, seconds: float = 5.0) -> bool:
        """
        Ask for a name of the zone and wait for the reply.

        @return: whether it was right.
        """
        asked = query(number, f"h{number}.example.test")
        self.send(len(asked).to_bytes(2, "big") + asked)
        got = b""
        for _ in _until(seconds):
            select.select([self.socket], [], [], 0.1)
            piece = self.step()
            if piece is None:
                return False
            got += piece
            if len(got) > 2 and len(got) >= 2 + int.from_bytes(got[:2], "big"):
                return right(asked, got[2:], addressOf(number))
        return False

    def close(self) -> None:
        self.socket.close()


#: Do not choose a port at bind: that would need one for each connection of all addresses together.
_BIND_NO_PORT: Final = 24


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def shaken(context: ssl.SSLContext, port: int, source: str = "127.0.0.1", seconds: float = 10.0) -> TLSClient:
    """
    Return a client whose handshake is complete.

    @raise OSError: it failed.
    """
    client = TLSClient(context, port, source)
    for _ in _until(seconds):
        select.select([client.socket], [], [], 0.05)
        if client.step() is None:
            break
        if client.isShaken:
            return client
    client.close()
    raise OSError("the handshake failed")
