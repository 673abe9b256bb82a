"""
Clients of a server under load: one that knows what is right, and some that take their time.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Final, Self

from tests.live.servers.enduring import BRIEF, HOT, LOST, expected, known
from tests.queries import optOf, queryOf
from twisted_ext.errors import BadMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

__all__ = ["Background", "Checker", "SlowClients"]

_SERVFAIL: Final = 2
_EDE: Final = 15


class Background:
    """
    Something that goes on in threads while a test does other things.
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
    A client that knows the zone, and compares each reply with it as a whole.

    @ivar down: whether an upstream is down, so that there may be failures.
    @ivar outages: goes up whenever one goes down.
    @ivar right: replies that say what the zone has.
    @ivar stale: how many of those said that they are past their end.
    @ivar wrong: those that say something else, in words.
    @ivar excused: failures while an upstream was down, each with a reason in the reply; and what was not answered then.
    @ivar failed: all other failures, in words.
    @ivar lost: queries by UDP that were not answered although no upstream was down. The system may have had no room for them.
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
        Ask once.
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
        @return: whether a name that nobody has asked for before is answered.
        """
        self._count += 1
        return self.check(f"p{self._count}.wild.example.org")

    def check(self, name: str, rrType: str = "A", *, stream: bool = False) -> bool:
        """
        @return: whether the reply is the right one.
        """
        before = 0 if self.down else self.outages
        try:
            reply = self._exchange(queryOf(name, rrType, id=self._random.randrange(65536), opt=optOf()), stream)
            told = known(reply.check())
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
        if told == expected(name, rrType):
            self.right += 1
            self.stale += explained
            return True
        if reply.rcode == _SERVFAIL and explained and not told[1]:
            return self._fails(before, f"{name} {rrType}: {reply!r}")
        self.wrong.append(f"{name} {rrType}: {told}, not {expected(name, rrType)}")
        return False

    def _excuses(self, before: int) -> bool:
        """
        @param before: how many outages there had been when a query was sent; 0 for during one.

        @return: whether an upstream has been down since.
        """
        return self.down or before != self.outages

    def _fails(self, before: int, what: str) -> bool:
        question = what.partition(":")[0]
        # A failure is remembered for a while, which is no second one.
        if self._excuses(before) or question in self._forgiven:
            self._forgiven.add(question)
            self.excused += 1
        else:
            self.failed.append(what)
        return False

    def _exchange(self, query: bytes, stream: bool) -> Message:
        """
        @raise OSError: no reply.
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
    Clients by TCP that send an octet now and then, say nothing at all, or ask for much and read nothing. Whoever is let go comes back.

    @ivar opened: connections that there were.
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
        Let each of them do a little.
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
                # It is not read from, or nothing is said to it, which is the point.
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
        Let all of them go.
        """
        for client in self._clients:
            if client is not None:
                client.close()
