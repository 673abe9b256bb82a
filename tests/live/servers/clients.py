"""
Clients of a server under load: one that checks every reply, and some slow ones.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Final, Self

from tests.live.servers.enduring import BRIEF, HOT, LOST, answerOf, expectedAnswer
from tests.queries import optOf, queryOf
from twisted_ext.errors import BadMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

__all__ = ["Background", "Checker", "SlowClients"]

_SERVFAIL: Final = 2
_EDE: Final = 15


class Background:
    """
    Steps that run in threads while a test does other things.
    """

    def __init__(self, *steps: Callable[[], object]) -> None:
        """
        @param steps: each of them is called again and again in a thread of its own.
        """
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(step,)) for step in steps]
        self._failed: list[BaseException] = []

    def _repeat(self, step: Callable[[], object]) -> None:
        try:
            while not self._ending.is_set():
                step()
        except BaseException as error:
            self._failed.append(error)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if self._failed and error is None:
            raise self._failed[0]


class Checker:
    """
    A client that knows the zone and compares each reply with it as a whole.

    @ivar down: whether an upstream is down, so that failures are allowed.
    @ivar outages: the number of outages so far, plus one.
    @ivar right: replies that match the zone.
    @ivar stale: how many of those were stale.
    @ivar wrong: descriptions of replies that do not match.
    @ivar excused: failures with a reason, and missing replies, while an upstream was down.
    @ivar failed: descriptions of all other failures.
    @ivar lost: UDP queries without a reply while no upstream was down. The kernel may have dropped them.
    """

    def __init__(self, port: int) -> None:
        self.down = False
        self.outages = 1
        self.right = self.stale = self.excused = self.lost = 0
        self.wrong: list[str] = []
        self.failed: list[str] = []
        self._port = port
        self._random = Random(port)
        self._count = 0
        self._forgiven: set[str] = set()

    def step(self) -> None:
        """
        Send one query.
        """
        draw = self._random.random
        self._count += 1
        chance = draw()
        rrType = "A"
        if chance < 0.35:
            name, rrType = f"h{self._random.randrange(HOT)}.example.org", self._random.choice(("A", "A", "MX", "AAAA"))
        elif chance < 0.60:
            name = f"c{self._count}.wild.example.org"
        elif chance < 0.75:
            name = f"c{self._count}.none.example.org"
        else:
            name = f"s{self._random.randrange(BRIEF)}.example.org"
        self.check(name, rrType, stream=draw() < 0.1)
        time.sleep(0.002)

    def checkFresh(self) -> bool:
        """
        Return whether a name is answered that was never queried before.
        """
        self._count += 1
        return self.check(f"p{self._count}.wild.example.org")

    def check(self, name: str, rrType: str = "A", *, stream: bool = False) -> bool:
        """
        Return whether the reply is correct.
        """
        before = 0 if self.down else self.outages
        try:
            reply = self._exchange(queryOf(name, rrType, id=self._random.randrange(65536), opt=optOf()), stream)
            told = answerOf(reply.check())
        except TimeoutError:
            if not stream and not self._excuses(before):
                self.lost += 1
                return False
            return self._fails(before, f"{name} {rrType}: no reply")
        except OSError as error:
            return self._fails(before, f"{name} {rrType}: {error!r}")
        except BadMessage as error:
            self.wrong.append(f"{name} {rrType}: {error!r}")
            return False
        edns = reply.edns
        explained = edns is not None and edns.option(_EDE) is not None
        if told == expectedAnswer(name, rrType):
            self.right += 1
            self.stale += explained
            return True
        if reply.rcode == _SERVFAIL and explained and not told[1]:
            return self._fails(before, f"{name} {rrType}: {reply!r}")
        self.wrong.append(f"{name} {rrType}: {told}, not {expectedAnswer(name, rrType)}")
        return False

    def _excuses(self, before: int) -> bool:
        """
        Return whether an upstream has been down since a query was sent.

        @param before: how many outages there had been when it was sent, or 0 during an outage.
        """
        return self.down or before != self.outages

    def _fails(self, before: int, what: str) -> bool:
        question = what.partition(":")[0]
        # A failure is cached for a while and does not count twice.
        if self._excuses(before) or question in self._forgiven:
            self._forgiven.add(question)
            self.excused += 1
        else:
            self.failed.append(what)
        return False

    def _exchange(self, query: bytes, stream: bool) -> Message:
        """
        Return the reply.

        @raise OSError: no reply came.
        """
        with socket.socket(type=socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as asking:
            asking.settimeout(LOST)
            asking.connect(("127.0.0.1", self._port))
            if stream:
                asking.sendall(frame(query))
                with asking.makefile("rb") as reading:
                    reply = reading.read(int.from_bytes(reading.read(2), "big"))
            else:
                asking.send(query)
                reply = asking.recv(65535)
        if not reply:
            raise ConnectionError("closed")
        if reply[:2] != query[:2]:
            self.wrong.append("a reply to somebody else")
        return Message.fromWire(reply)


class SlowClients:
    """
    TCP clients that send an octet now and then, send nothing at all, or send many queries and read nothing. They reconnect after the server
    closes their connections.

    @ivar opened: the number of connections so far.
    """

    def __init__(self, port: int, count: int) -> None:
        self.opened = 0
        self._port = port
        self._random = Random(count)
        self._clients: list[socket.socket | None] = [None] * count
        self._sent = [0] * count
        self._dribbled = frame(queryOf("h1.example.org"))
        self._greedy = b"".join([frame(queryOf("large.example.org", "TXT", id=number)) for number in range(50)])

    def step(self) -> None:
        """
        Let each client act once.
        """
        for number, client in enumerate(self._clients):
            if client is None:
                self._clients[number] = self._open(number)
                continue
            try:
                if number % 3 == 0:
                    client.send(self._greedy)
                elif number % 3 == 1:
                    at = self._sent[number] % len(self._dribbled)
                    self._sent[number] += client.send(self._dribbled[at : at + 1])
                elif not client.recv(1):
                    raise ConnectionError("closed")
            except BlockingIOError:
                # The server has stopped reading, or sends nothing, as intended.
                continue
            except OSError:
                client.close()
                self._clients[number] = None
        time.sleep(0.2)

    def _open(self, number: int) -> socket.socket | None:
        client = socket.socket()
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.bind((f"127.0.1.{number + 1}", 0))
            client.settimeout(LOST)
            client.connect(("127.0.0.1", self._port))
            client.setblocking(False)
        except OSError:
            client.close()
            return None
        self.opened += 1
        self._sent[number] = 0
        return client

    def close(self) -> None:
        """
        Close all connections.
        """
        for client in self._clients:
            if client is not None:
                client.close()
