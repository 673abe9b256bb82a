"""
What a server has to endure for a while: load with known answers, clients that take their time, one that compares; and what came of it.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

from tests.peers import peer
from tests.queries import optOf, queryOf
from tests.test_architecture import ROOT
from twisted_ext.errors import BadMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import typeName

__all__ = [
    "OUTSTANDING",
    "ZONE",
    "Background",
    "Checker",
    "Perf",
    "SlowClients",
    "dropped",
    "expected",
    "kilobytes",
    "started",
    "warmUp",
    "workload",
]

#: Queries that dnsperf has under way at most.
OUTSTANDING: Final = 100

#: Names that are asked for all the time.
HOT: Final = 200

#: Names whose records hold for a second.
BRIEF: Final = 20

#: Seconds after which a query counts as lost.
_LOST: Final = 5

_SERVFAIL: Final = 2
_EDE: Final = 15

_SOA: Final = "ns.example.org. mail.example.org. 1 3600 600 86400 60"

ZONE: Final = (
    f"$ORIGIN example.org.\n$TTL 3000\n@ SOA {_SOA}\n@ NS ns\nns A 127.0.0.1\n*.wild A 192.0.2.81\n"
    + "".join([f"h{number} A 192.0.2.{number % 250}\nh{number} MX 10 ns\n" for number in range(HOT)])
    + "".join([f"s{number} 1 A 198.51.100.{number}\n" for number in range(BRIEF)])
    + "".join([f'large TXT "{number:03d} {"." * 200}"\n' for number in range(100)])
)

#: An rcode, and what the records of the answer section and of the authority section say.
_Known = tuple[int, tuple[str, ...], tuple[str, ...]]


def expected(name: str, rrType: str) -> _Known:
    """
    @return: what the zone has.
    """
    label = name.partition(".")[0]
    number = int("0" + re.sub("[^0-9]", "", label))
    if name.endswith(".wild.example.org"):
        found = "192.0.2.81" if rrType == "A" else ""
    elif name == f"h{number}.example.org" and number < HOT:
        found = {"A": f"192.0.2.{number % 250}", "MX": "10 ns.example.org."}.get(rrType, "")
    elif name == f"s{number}.example.org" and number < BRIEF:
        found = f"198.51.100.{number}" if rrType == "A" else ""
    else:
        return 3, (), (f"example.org. SOA {_SOA}",)
    return (0, (f"{name}. {rrType} {found}",), ()) if found else (0, (), (f"example.org. SOA {_SOA}",))


def _told(message: Message) -> _Known:
    answer, authority = (
        tuple(
            [
                f"{nameToText(rrset.name)} {typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}"
                for rrset in section
                for rdata in rrset.rdatas
            ]
        )
        for section in (message.answer, message.authority)
    )
    return message.rcode, answer, authority


def warmUp() -> Iterator[str]:
    """
    @return: lines for dnsperf, after which a small cache is full and the fast lane has what is asked for all the time.
    """
    for number in range(8000):
        yield f"w{number}.wild.example.org A\n"
    for _ in range(3):
        for number in range(HOT):
            yield from (f"h{number}.example.org {rrType}\n" for rrType in ("A", "MX", "AAAA"))
        yield from (f"s{number}.example.org A\n" for number in range(BRIEF))


def workload(count: int) -> Iterator[str]:
    """
    @return: lines for dnsperf, a fifth of them for names that nobody has asked for before.
    """
    random = Random(count)
    for number in range(count):
        chance = random.random()
        if chance < 0.14:
            yield f"u{number}.wild.example.org A\n"
        elif chance < 0.20:
            yield f"u{number}.none.example.org A\n"
        elif chance < 0.25:
            yield f"s{random.randrange(BRIEF)}.example.org A\n"
        elif chance < 0.30:
            yield f"h{random.randrange(HOT)}.example.org {random.choice(('MX', 'AAAA'))}\n"
        else:
            yield f"h{random.randrange(HOT)}.example.org A\n"


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
    @ivar right: replies that say what the zone has.
    @ivar stale: how many of those said that they are past their end.
    @ivar wrong: those that say something else, in words.
    @ivar excused: failures while an upstream was down, each with a reason in the reply; and what was not answered then.
    @ivar failed: all other failures, in words.
    """

    def __init__(self, port: int) -> None:
        self.down = False
        self.right = self.stale = self.excused = 0
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
        before = self.down
        try:
            reply = self._exchange(queryOf(name, rrType, id=self._random.randrange(65536), opt=optOf()), stream)
            told = _told(reply.check())
        except (OSError, EOFError) as error:
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

    def _fails(self, before: bool, what: str) -> bool:
        question = what.partition(":")[0]
        # A failure is remembered for a while, which is no second one.
        if before or self.down or question in self._forgiven:
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
            asking.settimeout(_LOST)
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
            client.settimeout(_LOST)
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


class Perf:
    """
    A running dnsperf that tells of each query, and what it has told.
    """

    def __init__(self, folder: Path, port: int, lines: Iterable[str], *words: str) -> None:
        """
        @param words: further options.
        """
        self._port = port
        self._told = folder / "dnsperf.log"
        self._words = words
        self._asked = folder / "dnsperf.txt"
        self._asked.write_text("".join(lines))

    def run(self) -> subprocess.Popen[bytes]:
        """
        Start it.
        """
        where = ["-s", "127.0.0.1", "-p", str(self._port), "-d", str(self._asked), "-T", "1", "-t", str(_LOST)]
        # What it tells is to be there when it is told, not when there is enough of it.
        command = [str(peer("stdbuf")), "-oL", str(peer("dnsperf")), "-v", *where, *self._words]
        with self._told.open("wb") as told:
            return subprocess.Popen(command, stdout=told, stderr=told)

    @property
    def octets(self) -> int:
        """
        A mark: how much it has told until now.
        """
        return self._told.stat().st_size

    def told(self, start: int = 0, end: int | None = None) -> list[tuple[str, str, str]]:
        """
        @param start: a mark.
        @param end: another one.

        @return: for each query that ended between the two marks its rcode, C{"T"} where no reply came; name; type.
        """
        octets = self._told.read_bytes()[start:end]
        return [(rcode, name, rrType) for rcode, name, rrType in re.findall(r"^> (\S+) (\S+) (\S+)", octets.decode(), re.MULTILINE)]

    def text(self) -> str:
        """
        @return: what it says at its end.
        """
        return self._told.read_text().partition("Statistics:")[2]


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """
    Have a program of these tests run, until its standard input ends.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(OSError, ValueError):
                if process.stdin is not None:
                    process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def kilobytes(process: int) -> int:
    """
    @return: memory that a process has.
    """
    for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("it is gone")


def dropped(port: int) -> int:
    """
    @return: datagrams to a port of 127.0.0.1 that the system had no room for.
    """
    place = f"0100007F:{port:04X}"
    return sum([int(line.split()[-1]) for line in Path("/proc/net/udp").read_text().splitlines() if line.split()[1] == place])
