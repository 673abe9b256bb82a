"""
What a look-up costs a client on a warm connection: ours beside dnspython over TLS and HTTPS, and aiodns over UDP.

Each library has a process of its own on the first core; servers have the last one. No name is asked for twice, so no cache of the client
can answer. Names are asked for one at a time, and with many look-ups under way.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from benchmarks.encrypted.servers import NAME, Ports, Transport, encryptedKinds, oursWith
from benchmarks.peering import CORES, alone, names, pin, zoneServer
from benchmarks.servers import OURS, UNBOUND, Server

__all__ = ["ROWS", "child", "measure", "show"]

#: Look-ups under way at once.
_MANY: Final = 100

#: Library, transport and look-ups under way.
Row = tuple[str, str, int]

ROWS: Final[tuple[Row, ...]] = (
    *[(OURS, transport, window) for transport in ("udp", "tcp", "tls", "https", "quic") for window in (1, _MANY)],
    ("dnspython", "tls", 1),
    ("dnspython", "https", 1),
    ("aiodns", "udp", 1),
    ("aiodns", "udp", _MANY),
)

#: Look-ups before the ones that count, with which the connection is made.
_WARM: Final = 300


def _report(count: int, began: float, used: float) -> None:
    print(json.dumps([(time.process_time() - used) / count * 1e6, count / (time.perf_counter() - began)]))


def _twisted(description: str, window: int, count: int) -> None:
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.python.failure import Failure

    from twisted_ext import client

    resolver = client.resolverFromString(reactor, description)

    async def worker(remaining: Iterator[str]) -> None:
        for name in remaining:
            answers, _, _ = await resolver.lookupAddress(name)
            assert answers[0].payload is not None

    async def main() -> None:
        every = names(_WARM + count)
        for each, isCounted in ((every[:_WARM], False), (every[_WARM:], True)):
            remaining = iter(each)
            began, used = time.perf_counter(), time.process_time()
            await gatherResults([Deferred.fromCoroutine(worker(remaining)) for _ in range(window)])
            if isCounted:
                _report(count, began, used)

    def begin() -> None:
        Deferred.fromCoroutine(main()).addErrback(Failure.printTraceback).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()


def _dnspython(transport: str, port: int, authority: str, count: int) -> None:
    import socket
    import ssl

    from dns.message import Message, make_query
    from dns.query import HTTPVersion, https, tls

    context = ssl.create_default_context(cafile=authority)
    ask: Callable[[Message], Message]
    if transport == "tls":
        encrypted = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=NAME)
        encrypted.setblocking(False)

        def ask(query: Message) -> Message:
            return tls(query, "127.0.0.1", sock=encrypted)
    else:
        import httpx2

        session = httpx2.Client(http1=False, http2=True, verify=context)

        def ask(query: Message) -> Message:
            return https(query, f"https://127.0.0.1:{port}/dns-query", session=session, http_version=HTTPVersion.HTTP_2)

    every = names(_WARM + count)
    began, used = time.perf_counter(), time.process_time()
    for number, name in enumerate(every):
        if number == _WARM:
            began, used = time.perf_counter(), time.process_time()
        assert ask(make_query(name, "A")).answer
    _report(count, began, used)


def _aiodns(port: int, window: int, count: int) -> None:
    import asyncio

    import aiodns

    async def main() -> None:
        lookup = cast("Callable[[str, str], Awaitable[object]]", aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port).query_dns)

        async def worker(remaining: Iterator[str]) -> None:
            for name in remaining:
                await lookup(name, "A")

        remaining = iter(names(count))
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*[worker(remaining) for _ in range(window)])
        _report(count, began, used)

    asyncio.run(main())


def child(words: list[str]) -> None:
    """
    Measure one library; called in a process of its own.

    @param words: the library, the transport, the look-ups under way, the description of the server, its port, its authority's file and the
        number of look-ups.
    """
    library, transport, window, description, port, authority, count = words
    alone()
    if library == OURS:
        _twisted(description, int(window), int(count))
    elif library == "dnspython":
        _dnspython(transport, int(port), authority, int(count))
    else:
        _aiodns(int(port), int(window), int(count))


def measure(rounds: int, count: int, only: str = "") -> dict[Row, list[tuple[float, float]]]:
    """
    @param only: a library.

    @return: for each row, microseconds of processor time for a look-up and look-ups per second, of each round.
    """
    found: dict[Row, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        zone = stack.enter_context(zoneServer(_WARM + count))
        kinds = {kind.name: (kind, ports) for kind, ports in encryptedKinds(folder)}
        kind, ports = kinds[UNBOUND]
        unbound = stack.enter_context(Server(kind, zone.server, {CORES[-1]}))
        quicPorts = Ports.made(folder)
        ours = stack.enter_context(Server(oursWith(quicPorts), zone.server, {CORES[-1]}))
        pin(zone.pid, CORES[-1])
        for number in range(rounds):
            for row in ROWS:
                library, transport, window = row
                if only and library != only:
                    continue
                described, port = f"udp:127.0.0.1@{unbound.port}", unbound.port
                if transport == "quic":
                    # Unbound does not have it.
                    described, port = quicPorts.description("quic", ours.port), quicPorts.quic
                elif transport != "udp":
                    which = cast(Transport, transport)
                    described, port = ports.description(which, unbound.port), ports.of(which, unbound.port)
                words = [library, transport, str(window), described, str(port), str(ports.authority), str(count)]
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.encrypted", "--child", *words], capture_output=True, text=True, timeout=300
                )
                if done.returncode == 0 and done.stdout:
                    cost, speed = json.loads(done.stdout.splitlines()[-1])
                    found.setdefault(row, []).append((cost, speed))
                elif not number:
                    said = (done.stderr.strip() or "no output").splitlines()[-1]
                    print(f"{library} by {transport} is left out: {said}", file=sys.stderr)
    return found


def show(found: dict[Row, list[tuple[float, float]]]) -> list[list[str]]:
    """
    Return the lines of a table.
    """
    lines = [["library", "transport", "under way", "µs each", "look-ups/s"]]
    for (library, transport, window), runs in found.items():
        cost, speed = (statistics.median([run[place] for run in runs]) for place in (0, 1))
        lines.append([library, transport, str(window), f"{cost:.1f}", f"{speed:.0f}"])
    return lines
