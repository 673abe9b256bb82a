"""
One server with two ports, in a process of its own: one port with its packet cache, one without. Both answer from the same cache and share
the state of their clients, so that differing replies at the same moment are a fault of the packet cache.

    python -m tests.live.servers.twofold UPSTREAM HOW

UPSTREAM is an address with a port. HOW is C{right}, or a fault of the packet cache that must be detected: one C{bit} of its replies, or one
C{second} of their age. It prints the two ports as JSON, and its counters when its standard input ends.
"""

from __future__ import annotations

import json
import sys
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tests.docs.serving import serveUntilInputEnds
from tests.packetcache.lanes import forgetAll
from tests.server.stacks import forwardStack
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.table import Reply, Table
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.listeners.sockets import boundSockets
from twisted_ext.server.reply.gates import Gate
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.sources.upstreams import ListenAddresses

__all__ = ["LOADING", "SAMPLED", "main"]

#: The source address of the load, which is not counted with the others.
LOADING: Final = "127.0.0.9"

#: IDs of compared queries start here.
SAMPLED: Final = 0x8000

_SECRET: Final = bytes(range(16))


class _Counting:
    """
    Let every query pass, and count those that are compared.
    """

    name = "counting"

    def __init__(self) -> None:
        self.sampled = 0

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.client != LOADING and request.id >= SAMPLED:
            self.sampled += 1
        return None


class _Wrong(Table):
    """
    A packet cache that remembers wrong replies.
    """

    __slots__ = ("how",)

    def __init__(self, how: str, stream: bool) -> None:
        super().__init__(stream=stream)
        self.how = how

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        """
        @see: L{Table.offer}
        """
        if self.how == "bit":
            # The reserved bit of the header.
            reply.octets = reply.octets[:3] + bytes([reply.octets[3] ^ 0x40]) + reply.octets[4:]
        else:
            reply.learned -= 1.0
        super().offer(datagram, reply, varies=varies, personal=personal)


class _Twofold:
    def __init__(self, reactor: IReactorTime, upstream: str, how: str) -> None:
        bounds = [boundSockets(["127.0.0.1"], 0)[0] for _ in range(2)]
        words: dict[str, object] = {
            "upstream": [upstream],
            "hostsFile": "",
            "loopDetection": False,
            "local": ["local.example.org A 192.0.2.99"],
            "refuse": ["127.0.0.3"],
        }
        settings = Settings.of(**words)
        without = Settings.of(**words)
        self.counting = (_Counting(), _Counting())
        self.counters = (Counters(), Counters())
        stack = forwardStack(reactor, settings, listening=ListenAddresses(("127.0.0.1",), bounds[0][0].port))
        ports = []
        remembering: list[Gate] = []
        for each, bound, counting, counters in zip((settings, without), bounds, self.counting, self.counters, strict=True):
            serving = Frontend(Features(Site(reactor, each, secret=_SECRET)), stack, counters)
            # Both ports share the state of clients' cookies.
            remembering = remembering or [gate for gate in serving.responder.gates if gate.name == "cookie"]
            others = [remembering[0] if gate.name == "cookie" else gate for gate in serving.responder.gates]
            serving.responder.gates = (counting, *others)
            if how != "right" and each is settings:
                for group in serving.packetCache.groups:
                    group.datagrams, group.messages = _Wrong(how, False), _Wrong(how, True)
            if each is without:
                forgetAll(serving.packetCache)
            serving.listen(bound)
            ports.append(bound[0].port)
        stack.started()
        self.ports = ports

    def counted(self) -> dict[str, int]:
        """
        Return the number of queries at the first port, of those that went beyond its packet cache, and of the compared ones among them; and
        of the queries at the second port.
        """
        quick, slow = self.counters
        return {
            "queries": quick.udp + quick.tcp,
            "beyond": quick.udpBeyond + quick.tcpBeyond,
            "sampledBeyond": self.counting[0].sampled,
            "slow": slow.udp + slow.tcp,
            "slowBeyond": slow.udpBeyond + slow.tcpBeyond,
        }


def main(upstream: str, how: str) -> None:
    """
    Serve until standard input ends.
    """
    made: list[_Twofold] = []

    def start(reactor: IReactorTime) -> str:
        made.append(_Twofold(reactor, upstream, how))
        return json.dumps(made[0].ports)

    serveUntilInputEnds(start)
    sys.stdout.write(json.dumps(made[0].counted()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
