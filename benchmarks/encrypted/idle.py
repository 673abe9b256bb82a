"""
Thousands of idle connections: the memory that each takes, and how long another client waits meanwhile.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.encrypted.processes import TLSClient, clientContext, residentKilobytes, shaken, withDescriptors
from benchmarks.encrypted.servers import Ports, oursWith
from benchmarks.loads import query
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import Server

__all__ = ["Idle", "measure"]

#: Connections from one address.
_PER_ADDRESS: Final = 100

#: Handshakes under way at once.
_WINDOW: Final = 100

#: Queries of another client.
_ASKED: Final = 200


@dataclass(frozen=True)
class Idle:
    """
    What came of it.

    @ivar opened: connections whose handshake was completed, each with an answered query.
    @ivar kept: those still open at the end.
    @ivar each: kilobytes of the server's memory for each.
    @ivar slowest: seconds that the slowest of the other client's answers took.
    @ivar median: and half of them, at most.
    @ivar wrong: its queries without a right answer.
    """

    transport: str
    opened: int
    kept: int
    each: float
    median: float
    slowest: float
    wrong: int


def _opened(clients: list[TLSClient], making: Iterator[TLSClient]) -> None:
    """
    Complete the handshakes, some at a time, and ask a query on each connection: one that has asked nothing is closed soon.
    """
    poll = select.epoll()
    under: dict[int, TLSClient] = {}
    asked: set[int] = set()
    giveUp = time.monotonic() + 120
    asking = query(1, "h1.example.test")
    question = len(asking).to_bytes(2, "big") + asking
    done = False
    while (under or not done) and time.monotonic() < giveUp:
        while len(under) < _WINDOW and not done:
            client = next(making, None)
            if client is None:
                done = True
                break
            under[client.socket.fileno()] = client
            poll.register(client.socket.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        for number, _ in poll.poll(1):
            client = under[number]
            plain = client.step()
            if plain is None:
                poll.unregister(number)
                del under[number]
                client.close()
                continue
            if client.isShaken and number not in asked:
                asked.add(number)
                client.send(question)
            if plain:
                poll.unregister(number)
                del under[number]
                asked.discard(number)
                clients.append(client)
    for client in under.values():
        client.close()
    poll.close()


def _close(clients: list[TLSClient]) -> None:
    for client in clients:
        client.close()


def measure(count: int) -> Idle:
    """
    Open so many connections over TLS, from many addresses.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        count = min(count, withDescriptors(count + 1000) - 500)
        zone = stack.enter_context(zoneServer(1000))
        ports = Ports.made(folder)
        words = ("--tcp-connections", str(count + 100), "--tcp-connections-per-client", "500", "--tcp-idle", "600")
        server = stack.enter_context(Server(oursWith(ports, *words), zone.server, {CORES[0]}))
        process = server.processes[0]
        context = clientContext(ports.authority)
        clients: list[TLSClient] = []
        stack.callback(_close, clients)

        def making(first: int, number: int) -> Iterator[TLSClient]:
            for place in range(first, first + number):
                yield TLSClient(context, ports.tls, f"127.1.{place // _PER_ADDRESS // 250}.{1 + place // _PER_ADDRESS % 250}")

        # What the server learns with its first clients is not memory of connections.
        first = min(count // 2, 100)
        _opened(clients, making(0, first))
        before, some = residentKilobytes(process), len(clients)
        _opened(clients, making(first, count - first))
        time.sleep(1)
        each = (residentKilobytes(process) - before) / max(len(clients) - some, 1)
        other = shaken(context, ports.tls)
        stack.callback(other.close)
        took: list[float] = []
        wrong = 0
        for number in range(_ASKED):
            began = time.perf_counter()
            wrong += not other.asks(number % 100)
            took.append(time.perf_counter() - began)
        kept = sum([client.step() is not None for client in clients])
        took.sort()
        return Idle("tls", len(clients), kept, each, took[len(took) // 2], took[-1], wrong)
