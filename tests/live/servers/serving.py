"""
Our servers for live tests, each in a process of its own.

    python -m tests.live.servers.serving KIND ADDRESS ...

KIND is C{listeners} for the listeners of C{twistd txdns}, or C{factory} for the factory of any program. It prints one line of JSON with its
port, and ends when its standard input ends. Both kinds answer from the same records.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorTCP, IReactorTime, IReactorUDP
from zope.interface import implementer

from tests.docs.serving import serveUntilInputEnds
from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext import dns
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.server import DNSServerFactory
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.listeners.stream import StreamListener
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import CannedSource, questionOf, rrsetOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question

__all__ = ["ADDRESSES", "KINDS", "RunningServer", "runServer"]

KINDS: Final = ("listeners", "factory")
ADDRESSES: Final = ("127.0.0.1", "::1")

_ORIGIN: Final = Origin("zone", "example.org")

#: Records by name and type.
_RECORDS: Final = {
    ("example.org", "SOA"): ["ns.example.org. mail.example.org. 1 3600 600 86400 60"],
    ("example.org", "DNSKEY"): [f"257 3 13 {'A' * 340}{number}AA=" for number in range(5)],
    ("www.example.org", "A"): ["192.0.2.80"],
    ("big.example.org", "TXT"): [f'"{number:03d} {"." * 230}"' for number in range(250)],
}
_NAMES: Final = {questionOf(name).name for name, _ in _RECORDS}


def _answer(name: str, rrType: str) -> Answer:
    question = questionOf(name, rrType)
    return Answer(
        Outcome.DATA, (rrsetOf(question.name, question.rrType, _RECORDS[name, rrType]),), flags=AA, origin=_ORIGIN
    )


def _otherwise(question: Question) -> Answer:
    if not question.name.lower().endswith(questionOf("example.org").name):
        raise Unknown("that is not ours")
    there = question.name.lower() in _NAMES
    soa = _answer("example.org", "SOA").answer
    return Answer(
        Outcome.NODATA if there else Outcome.NXDOMAIN, (), soa, rcode=0 if there else 3, flags=AA, origin=_ORIGIN
    )


@implementer(IAnswerSource)
class _Records(CannedSource):
    """
    A source that has all records at hand.
    """

    def ask(self, question: Question, context: QueryContext) -> Answer:
        return self._find(question)


def _source() -> CannedSource:
    return _Records({key: _answer(*key) for key in _RECORDS}, _otherwise, now=True)


def _listen(reactor: IReactorTime, address: str, port: int) -> None:
    access = Access({"allow": ["any"]})
    cookies = Cookies(bytes(16))
    responder = Responder(
        _source(),
        reactor,
        gates=standardGates(cookies=cookies),
        replyBuilder=ReplyBuilder(recursion=False),
        packetCache=packetCacheFor(access, None, cookies),
        unrecursed=True,
    )
    DatagramListener(reactor, responder, address, port).start()
    StreamListener(reactor, responder, address, port).start()


def _make(reactor: IReactorTime, address: str, port: int) -> None:
    factory = DNSServerFactory(authorities=[_source()])
    IReactorUDP(reactor).listenUDP(port, dns.DNSDatagramProtocol(controller=factory), address, 8192)
    IReactorTCP(reactor).listenTCP(port, factory, interface=address)


def _start(kind: str, addresses: list[str], reactor: IReactorTime) -> str:
    port = freePort(addresses[0])
    for address in addresses:
        (_make if kind == "factory" else _listen)(reactor, address, port)
    return json.dumps({"port": port})


class RunningServer:
    """
    A running server.

    @ivar port: the port that it listens on.
    """

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self.process = process

    @property
    def descriptors(self) -> int:
        """
        The number of its open descriptors.
        """
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def kilobytes(self) -> int:
        """
        Its resident memory.
        """
        for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("it is gone")


@contextmanager
def runServer(kind: str, *addresses: str) -> Iterator[RunningServer]:
    """
    Start a server, and stop it afterwards. Output on its standard error is a failure.

    @param addresses: the addresses that it listens on, C{127.0.0.1} by default.
    """
    command = [sys.executable, "-m", "tests.live.servers.serving", kind, *(addresses or ADDRESSES[:1])]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        try:
            yield RunningServer(json.loads(process.stdout.readline())["port"], process)
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        complaints = process.stderr.read()
        assert not complaints, complaints


if __name__ == "__main__":
    serveUntilInputEnds(lambda reactor: _start(sys.argv[1], sys.argv[2:], reactor))
