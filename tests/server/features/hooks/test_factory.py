"""
Tests of hooks of an application that serves from its own program.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.server.factories import Server
from twisted_ext.errors import CallerFault
from twisted_ext.hooks import DROP, PASS, Verdict, answer, hook, refuse, upstream
from twisted_ext.server import DNSServerFactory
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.codes import Rcode
from twisted_ext.zone import Zone


class FactoryHookTests(Server):
    """
    Tests of L{DNSServerFactory} with hooks.
    """

    def serving(self, *hooks: Callable[..., object], **more: object) -> DNSServerFactory:
        source = CannedSource({("www.example.com", "A"): "192.0.2.90"})
        make: Callable[..., DNSServerFactory] = DNSServerFactory
        return self.serve(make(clients=[source], hooks=hooks, reactor=self.serverHost, **more))

    def test_decides(self) -> None:
        """
        The first hook that does not pass decides, over UDP and TCP, and may wait.
        """

        @hook(keep=0)
        async def quarantine(client: str, name: str) -> Verdict:
            await deferLater(self.serverHost, 0.01)
            return refuse("infected") if client == "192.0.2.7" and name != "www.example.com" else PASS

        def last(name: str) -> Verdict:
            return answer("A 203.0.113.80", ttl=5) if name == "other.example.com" else PASS

        self.serving(quarantine, last)
        self.assertEqual(self.texts(self.ask("www.example.com")), ["300 192.0.2.90"])
        self.assertEqual(self.ask("other.example.com").rcode, Rcode.REFUSED)
        self.assertEqual(quarantine.hook.name, "FactoryHookTests.test_decides.<locals>.quarantine")

    def test_withoutRD(self) -> None:
        """
        What a cache has is decided about as well if no recursion is wanted.
        """
        cached = CannedSource({("www.example.com", "A"): "192.0.2.91", ("ads.example.com", "A"): "192.0.2.92"})
        make: Callable[..., DNSServerFactory] = DNSServerFactory

        def decide(name: str) -> Verdict:
            return refuse() if name == "ads.example.com" else PASS

        self.serve(make(caches=[cached], clients=[CannedSource({})], hooks=[decide], reactor=self.serverHost))
        found = []
        for name in ("www.example.com", "ads.example.com"):
            packet = bytearray(self.query(name))
            packet[2] &= ~1
            (reply,) = self.udp(bytes(packet))
            found.append((reply[3] & 15, reply[-1]) if reply[7] else reply[3] & 15)
        self.assertEqual(found, [(0, 91), 5])

    def test_dropped(self) -> None:
        """
        A query that a hook drops gets nothing over UDP, and is refused over TCP.
        """
        self.serving(lambda name: DROP)
        packet = self.query("www.example.com")
        self.assertEqual((self.udp(packet), [reply[3] & 15 for reply in self.tcp(packet)]), ([], [5]))

    def test_zonesComeFirst(self) -> None:
        """
        What a zone among the authorities has, signed or not, no hook decides; the target of its alias is another name.
        """
        text = "@ 60 SOA ns admin 1 3600 900 604800 60\n@ 60 NS ns\nns 60 A 192.0.2.1\nfar 60 CNAME www.example.com.\n"
        self.serving(lambda name: answer("A 203.0.113.80"), authorities=[Zone.fromText(text, "example.org")])
        self.assertEqual(self.texts(self.ask("ns.example.org")), ["60 192.0.2.1"])
        self.assertEqual(self.ask("none.example.org").rcode, Rcode.NXDOMAIN)
        self.assertEqual(self.texts(self.ask("www.example.com")), ["60 203.0.113.80"])
        self.assertEqual(self.texts(self.ask("far.example.org")), ["60 www.example.com.", "60 203.0.113.80"])

    def test_noUpstreams(self) -> None:
        """
        There are no named upstreams here.
        """
        self.serving(lambda name: upstream("canary"))
        self.assertEqual(self.ask("www.example.com").rcode, Rcode.SERVFAIL)

    def test_repliesOfItsOwn(self) -> None:
        """
        A subclass that makes replies by itself cannot have hooks, which it would pass by. One that decides who may query can.
        """

        class Own(DNSServerFactory):
            def gotResolverResponse(self, *arguments: object) -> None:
                pass

        class Picky(DNSServerFactory):
            def allowQuery(self, *arguments: object) -> bool:
                return True

        with self.assertRaisesRegex(CallerFault, "Own makes replies by itself, past its hooks"):
            Own(clients=[CannedSource({})], hooks=[lambda name: PASS], reactor=self.serverHost)
        self.serve(Picky(clients=[CannedSource({})], hooks=[lambda name: answer("A 192.0.2.1")], reactor=self.serverHost))
        self.assertEqual(self.texts(self.ask("www.example.com")), ["60 192.0.2.1"])

    def test_wrongHook(self) -> None:
        """
        A hook that takes what it cannot be told is an error when the factory is made.
        """
        with self.assertRaisesRegex(CallerFault, "takes color, which a hook cannot be told"):
            self.serving(lambda color: PASS)

    def test_stopped(self) -> None:
        """
        Calls end with the factory, which can be started again.
        """
        closed: list[int] = []
        waits: Deferred[Verdict] = Deferred()

        class Asking:
            def __init__(self, reactor: object) -> None:
                pass

            def ask(self, name: str) -> Deferred[Verdict] | Verdict:
                return waits if name == "slow.example.com" else answer("A 192.0.2.1")

            def close(self) -> None:
                closed.append(1)

        factory = self.serving(Asking)
        self.assertEqual(self.texts(self.ask("www.example.com")), ["60 192.0.2.1"])
        for listener in list(self.serverHost.listeners.values()):
            listener.stopListening()
        self.assertEqual(closed, [1])
        self.serverHost.listenTCP(53, factory)
        self.assertEqual(self.texts(self.ask("www.example.com")), ["60 192.0.2.1"])
        for listener in list(self.serverHost.listeners.values()):
            listener.stopListening()
        self.assertEqual(closed, [1, 1])
