"""
More TLS handshakes than a server can make: what becomes of clients that are connected already, and of those beyond its capacity.

C{openssl s_time} makes handshakes in several processes, full ones and resumed ones, each as fast as the server lets it; C{abandoned} sends
the first octets of handshakes at a fixed rate, from many addresses, and never goes on. Meanwhile clients with connections from before ask
for names, each at its own rate, and once a second a new client connects and asks.
"""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import urlopen

from benchmarks.encrypted.processes import TLSClient, clientContext, shaken, withDescriptors
from benchmarks.encrypted.servers import NAME, Ports, oursWith
from benchmarks.loads import addressOf, query, right
from benchmarks.peering import CORES, alone, zoneServer
from benchmarks.servers import Server

__all__ = ["KINDS", "Churn", "GoodClients", "abandon", "figures", "measure"]

#: Kinds of load.
KINDS: Final = ("full", "resumed", "abandoned")

#: Processes of openssl.
_PROCESSES: Final = 8

#: Connections that are begun and abandoned in a second.
_ABANDONED: Final = 4000

#: Clients with connections from before, the queries of each in a second, and the names that they ask for.
_GOOD: Final = 20
_RATE: Final = 10
_NAMES: Final = 100

#: Seconds after which a query is lost.
_PATIENCE: Final = 2.0


@dataclass(frozen=True)
class Churn:
    """
    What came of one load.

    @ivar offered: connections that the load made in a second.
    @ivar completed: handshakes that the server completed in a second.
    @ivar refused: connections in a second that the kernel dropped since the accept queue was full.
    @ivar displaced: connections in a second that made room for others.
    @ivar asked: queries of the clients with connections.
    @ivar lost: those without a right answer in time.
    @ivar median: seconds to an answer.
    @ivar slow: seconds that 99 of 100 answers took at most.
    @ivar newcomers: clients that connected meanwhile, and those of them that got an answer.
    """

    kind: str
    offered: float
    completed: float
    refused: float
    displaced: float
    asked: int
    lost: int
    median: float
    slow: float
    newcomers: tuple[int, int]


def figures(port: int) -> dict[str, float]:
    """
    Return what our server counts, by the name of the metric with its labels.
    """
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def _overflows() -> int:
    """
    Return how many connections this machine's kernel has dropped for full accept queues.
    """
    heads, values = [line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")][:2]
    return int(dict(zip(heads, values, strict=True))["ListenOverflows"])


class GoodClients:
    """
    Clients that keep their connections and ask, each at its own rate.

    @ivar asked: their queries.
    @ivar took: seconds that each right answer took.
    @ivar gone: connections that the server has closed.
    """

    def __init__(self, authority: Path, port: int, number: int = _GOOD, rate: float = _RATE) -> None:
        context = clientContext(authority)
        self._clients = [shaken(context, port, f"127.2.0.{1 + place}") for place in range(number)]
        self._rate = rate
        self.asked = self.gone = 0
        self.took: list[float] = []

    def run(self, seconds: float) -> None:
        """
        Ask for some seconds.
        """
        clients = self._clients
        waiting: dict[tuple[int, int], tuple[float, bytes, int]] = {}
        buffers = [b""] * len(clients)
        places = {client.socket.fileno(): place for place, client in enumerate(clients)}
        poll = select.epoll()
        for client in clients:
            poll.register(client.socket.fileno(), select.EPOLLIN)
        began = time.perf_counter()
        while (now := time.perf_counter()) - began < seconds + _PATIENCE:
            due = int(min(now - began, seconds) * self._rate * len(clients))
            while self.asked < due:
                place, number = self.asked % len(clients), self.asked & 0xFFFF
                asked = query(number, f"h{number % _NAMES}.example.test")
                waiting[place, number] = now, asked, number % _NAMES
                clients[place].send(len(asked).to_bytes(2, "big") + asked)
                self.asked += 1
            if now - began >= seconds and not waiting:
                break
            for file, _ in poll.poll(0.002):
                place = places[file]
                plain = clients[place].step()
                if plain is None:
                    poll.unregister(file)
                    self.gone += 1
                    continue
                data = buffers[place] + plain
                while len(data) > 2 and len(data) >= 2 + int.from_bytes(data[:2], "big"):
                    end = 2 + int.from_bytes(data[:2], "big")
                    reply, data = data[2:end], data[end:]
                    found = waiting.pop((place, int.from_bytes(reply[:2], "big")), None)
                    if found is not None and right(found[1], reply, addressOf(found[2])):
                        self.took.append(time.perf_counter() - found[0])
                buffers[place] = data
        poll.close()
        self.took = [each for each in self.took if each <= _PATIENCE]

    def close(self) -> None:
        for client in self._clients:
            client.close()


def _abandon(authority: str, port: int, seconds: float) -> int:
    """
    Begin handshakes at a fixed rate and never go on.

    @return: the number of connections.
    """
    withDescriptors(15_000)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = clientContext(Path(authority)).wrap_bio(incoming, outgoing, server_hostname=NAME)
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    octets = outgoing.read()
    opened: list[tuple[float, socket.socket]] = []
    poll = select.epoll()
    connecting: dict[int, socket.socket] = {}
    made = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(min(int(passed * _ABANDONED) - made, 100)):
            plain = socket.socket()
            plain.setblocking(False)
            try:
                plain.bind((f"127.3.{made // 200 % 200}.{1 + made % 200}", 0))
                with suppress(BlockingIOError):
                    plain.connect(("127.0.0.1", port))
            except OSError:
                plain.close()
                break
            connecting[plain.fileno()] = plain
            poll.register(plain.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
            opened.append((passed, plain))
            made += 1
        for number, _ in poll.poll(0.001):
            with suppress(OSError, KeyError):
                connecting.pop(number).send(octets)
        while opened and opened[0][0] < passed - 1:
            plain = opened.pop(0)[1]
            connecting.pop(plain.fileno(), None)
            plain.close()
    for _, plain in opened:
        plain.close()
    return made


@contextmanager
def _loaded(kind: str, ports: Ports, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    if kind == "abandoned":
        commands = [[sys.executable, "-m", "benchmarks.encrypted", "--abandon", str(ports.authority), str(ports.tls), str(seconds)]]
    else:
        which = ["-new"] if kind == "full" else ["-reuse", "-tls1_2"]
        where = ["-connect", f"127.0.0.1:{ports.tls}", "-time", str(round(seconds)), "-CAfile", str(ports.authority)]
        commands = [["openssl", "s_time", *where, *which]] * _PROCESSES
    running = [
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CORES[-1]}),
        )
        for command in commands
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _made(kind: str, running: list[subprocess.Popen[str]]) -> int:
    """
    Return the number of connections that the load has made.
    """
    said = [process.communicate(timeout=120)[0] for process in running]
    if kind == "abandoned":
        return int(said[0])
    return sum([int(match[1]) for text in said if (match := re.search(r"(\d+) connections in \d+ real seconds", text))])


class _Newcomers(threading.Thread):
    """
    New clients, one each second.
    """

    def __init__(self, authority: Path, port: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.tried = self.answered = 0
        self._where = authority, port
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        authority, port = self._where
        while time.monotonic() < self._end - 1:
            self.tried += 1
            with suppress(OSError):
                client: TLSClient = shaken(clientContext(authority), port, "127.4.0.1")
                self.answered += client.asks(1)
                client.close()
            time.sleep(1)


def measure(kind: str, seconds: float, *more: str) -> Churn:
    """
    @param kind: of the load.
    @param more: further words of our server's command.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        zone = stack.enter_context(zoneServer(1000))
        ports = Ports.made(folder)
        server = stack.enter_context(Server(oursWith(ports, "--tcp-idle", "60", *more), zone.server, {CORES[0]}))
        os.sched_setaffinity(0, {CORES[-1]})
        # The measuring client has to be served whatever the load takes.
        alone()
        stack.callback(lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)))
        good = GoodClients(ports.authority, ports.tls)
        stack.callback(good.close)
        good.run(2)
        good.asked, good.took = 0, []
        before, dropped = figures(ports.web), _overflows()
        with _loaded(kind, ports, seconds + 3) as running:
            time.sleep(1)
            newcomers = _Newcomers(ports.authority, ports.tls, seconds)
            newcomers.start()
            good.run(seconds)
            newcomers.join()
            made = _made(kind, running)
        after = figures(ports.web)
        assert server.processes

        def rate(name: str) -> float:
            return (after[name] - before[name]) / (seconds + 3)

        took = sorted(good.took) or [0.0]
        return Churn(
            kind,
            made / (seconds + 3),
            rate('txdns_tls_handshakes_total{result="completed"}'),
            (_overflows() - dropped) / (seconds + 3),
            rate('txdns_tcp_closed_total{reason="too many"}'),
            good.asked,
            good.asked - len(good.took),
            took[len(took) // 2],
            took[len(took) * 99 // 100],
            (newcomers.tried, newcomers.answered),
        )


def abandon(words: list[str]) -> None:
    """
    Make the load C{abandoned}; called in a process of its own.
    """
    print(_abandon(words[0], int(words[1]), float(words[2])))
