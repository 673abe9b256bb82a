"""
Whether anything is left behind by look-ups that succeed, fail and are cancelled, while the server is killed and started again, reads its
settings again, and gets other certificates.

Our client asks our server. Afterwards the client's process may hold no socket, timer or query, the server no connection or request beyond
those at the beginning, and neither may have grown since a fifth of the look-ups were done.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.encrypted.churn import figures
from benchmarks.encrypted.processes import descriptors, residentKilobytes
from benchmarks.encrypted.servers import Ports, Transport, oursWith
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import Server
from tests.certificates import pem

__all__ = ["TRANSPORTS", "Leaks", "child", "measure"]

TRANSPORTS: Final[tuple[Transport, ...]] = ("tls", "https", "quic", "http3")

_WINDOW: Final = 100
_NAMES: Final = 1000

#: Of so many look-ups one is cancelled, and one fails.
_CANCELLED: Final = 7
_FAILING: Final = 11

#: Seconds between two disturbances of the server.
_BETWEEN: Final = 1.0

#: Kilobytes by which a process may grow: what is not used again, of memory that was freed.
GROWTH: Final = 6000


@dataclass(frozen=True)
class Leaks:
    """
    What came of it.

    @ivar asked: look-ups.
    @ivar failed: those that failed or were cancelled.
    @ivar disturbed: how often the server was killed, read its settings again and got another certificate.
    @ivar clientLeft: what the client's process held at the end: descriptors and timers beyond those at its beginning, look-ups without an
        end.
    @ivar clientGrew: kilobytes.
    @ivar serverLeft: what the server holds: open connections, pending requests, descriptors beyond those at its start.
    @ivar serverGrew: kilobytes.
    """

    transport: str
    asked: int
    failed: int
    disturbed: tuple[int, int, int]
    clientLeft: tuple[int, int, int]
    clientGrew: int
    serverLeft: tuple[int, int, int]
    serverGrew: int

    def faults(self) -> list[str]:
        """
        Return a description of each leak.
        """
        said = []
        if any(self.clientLeft):
            said.append(f"the client holds {self.clientLeft[0]} descriptors, {self.clientLeft[1]} timers, {self.clientLeft[2]} look-ups")
        if any(self.serverLeft):
            connections, requests, files = self.serverLeft
            said.append(f"the server holds {connections} connections, {requests} requests, {files} descriptors")
        for name, grew in (("client", self.clientGrew), ("server", self.serverGrew)):
            if grew > GROWTH:
                said.append(f"the {name} grew by {grew} kB")
        return said


def child(words: list[str]) -> None:
    """
    Look names up; called in a process of its own. A line tells the parent that it can disturb the server, and that no more is asked.

    @param words: the description of the server, and the number of look-ups.
    """
    from twisted.internet import reactor as globalReactor
    from twisted.internet.defer import CancelledError, Deferred, gatherResults
    from twisted.internet.interfaces import IReactorTime
    from twisted.internet.task import deferLater
    from twisted.python.failure import Failure

    from twisted_ext.answers import QueryContext
    from twisted_ext.errors import DNSFault
    from twisted_ext.resolver.ask import lookUp
    from twisted_ext.resolver.strings.descriptions import sourceFromString
    from twisted_ext.testing.sources import questionOf

    description, count = words[0], int(words[1])
    reactor = IReactorTime(globalReactor)
    ended = failed = early = before = 0

    async def worker(remaining: Iterator[int]) -> None:
        nonlocal ended, failed, early
        for number in remaining:
            name = "www.elsewhere.test" if number % _FAILING == 0 else f"h{number % _NAMES}.example.test"
            looked = lookUp(source, questionOf(name), QueryContext(reactor.seconds() + 3.0))
            if number % _CANCELLED == 0:
                reactor.callLater(0.0003 * (number % 9), looked.cancel)
            try:
                await looked
            except (DNSFault, CancelledError) as fault:
                failed += 1
                if not isinstance(fault, CancelledError):
                    # A server that is down refuses at once.
                    await deferLater(globalReactor, 0.01)
            ended += 1
            if ended == count // 5:
                early = residentKilobytes(os.getpid())

    async def main() -> None:
        remaining = iter(range(count))
        print("ready", flush=True)
        await gatherResults([Deferred.fromCoroutine(worker(remaining)) for _ in range(_WINDOW)])
        print("done", flush=True)
        await source.close()
        await deferLater(globalReactor, 0.2)
        grew = residentKilobytes(os.getpid()) - early
        calls = [call for call in reactor.getDelayedCalls() if call.active()]
        print(json.dumps([count, failed, descriptors(os.getpid()) - before, len(calls), count - ended, grew]), flush=True)

    def begin() -> None:
        nonlocal before
        before = descriptors(os.getpid())
        Deferred.fromCoroutine(main()).addErrback(Failure.printTraceback).addBoth(lambda _: globalReactor.stop())

    source = sourceFromString(reactor, description)
    globalReactor.callWhenRunning(begin)
    globalReactor.run()


class _Disturbed(Server):
    """
    A server that is killed and started again.
    """

    def crash(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._start()


def _renew(ports: Ports) -> None:
    """
    Write another certificate with another key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from benchmarks.encrypted.servers import NAME
    from tests.certificates import authority, made

    key = ec.generate_private_key(ec.SECP256R1())
    signed = made(NAME, key, "made up", authority()[1], x509.SubjectAlternativeName([x509.DNSName(NAME)]))
    ports.pair.write_bytes(pem(key, signed))


def measure(transport: Transport, count: int, between: float = _BETWEEN) -> Leaks:
    """
    Make so many look-ups.

    @param between: seconds between two disturbances of the server.

    @raise OSError: the client failed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        zone = stack.enter_context(zoneServer(_NAMES))
        os.sched_setaffinity(0, set(CORES))
        ports = Ports.made(folder)
        more = ("--http3", f"127.0.0.1:{ports.https}") if transport == "http3" else ()
        server = stack.enter_context(_Disturbed(oursWith(ports, *more), zone.server, {CORES[0]}))
        words = [sys.executable, "-m", "benchmarks.encrypted", "--leaks", ports.description(transport, server.port), str(count)]
        disturbed = [0, 0, 0]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as asking:
            stack.callback(asking.kill)
            assert asking.stdout is not None
            asking.stdout.readline()
            os.set_blocking(asking.stdout.fileno(), False)
            said = ""
            turn = 0
            early = base = 0
            while "done" not in said and asking.poll() is None:
                # The first one comes while even a few look-ups are under way.
                time.sleep(between if turn else min(between, 0.02))
                with suppress(BlockingIOError, TypeError):
                    said += asking.stdout.read() or ""
                if "done" in said:
                    break
                # It is killed three times; later disturbances leave the process alone, so that its growth can be seen.
                isKilled = turn in (0, 2, 4)
                turn += 1
                if isKilled:
                    server.crash()
                    disturbed[0] += 1
                    early = 0
                elif turn % 3 == 0:
                    _renew(ports)
                    disturbed[2] += 1
                else:
                    os.kill(server.processes[0], signal.SIGHUP)
                    disturbed[1] += 1
                if turn >= 7 and not early:
                    early = residentKilobytes(server.processes[0])
            os.set_blocking(asking.stdout.fileno(), True)
            said += asking.stdout.read()
        if asking.returncode:
            raise OSError(f"the client by {transport} ended with {asking.returncode}")
        asked, failed, *left, grew = json.loads(said.strip().splitlines()[-1])
        # Connections of clients that are gone are noticed at once, those over QUIC after their idle time-out.
        giveUp = time.monotonic() + 40
        holding = (1, 0, 0)
        while any(holding) and time.monotonic() < giveUp:
            time.sleep(0.5)
            now = figures(ports.web)
            process = server.processes[0]
            base = base or _descriptorsOfNew(ports, zone.server, transport == "http3")
            holding = (int(now["txdns_tcp_connections"]), int(now["txdns_pending"]), max(descriptors(process) - base, 0))
        grown = residentKilobytes(server.processes[0]) - early if early else 0
        crashes, reloads, renewals = disturbed
        files, timers, lookups = left
        return Leaks(transport, asked, failed, (crashes, reloads, renewals), (files, timers, lookups), grew, holding, grown)


def _descriptorsOfNew(ports: Ports, upstream: tuple[str, int], isHTTP3: bool) -> int:
    """
    Return the number of descriptors of a server that has answered one query.
    """
    other = Ports.made(ports.pair.parent)
    more = ("--http3", f"127.0.0.1:{other.https}") if isHTTP3 else ()
    with Server(oursWith(other, *more), upstream, {CORES[0]}) as server:
        figures(other.web)
        return descriptors(server.processes[0])
