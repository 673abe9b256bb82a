"""
Tests of the replies that the C extension makes for a server of zones: no client, limit or counter sees a difference.
"""

from __future__ import annotations

from socket import htons, inet_pton
from struct import pack
from typing import Any
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.native.differing import extended
from tests.queries import optOf, queryOf
from tests.zone.plain import HEAD, versionOf
from twisted_ext.metrics.counters import Counters
from twisted_ext.native import chosen
from twisted_ext.native.loops import Place, joined
from twisted_ext.packetcache.clients import Client, Group, View
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.dnstap.feature import Tapped
from twisted_ext.server.features.dnstap.settings import MESSAGES
from twisted_ext.server.features.dnstap.writer.messages import Messages
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.operations.querytrace import QueryTracer, TracedSource
from twisted_ext.server.process.recorders.frames import Unframed
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.codes import DO, TC
from twisted_ext.zone.zone import Zone

_ZONE = HEAD + "".join(f"h{number} A 192.0.2.{number}\n" for number in range(10)) + "*.wild A 192.0.2.7\nalias CNAME h1\n"


class Serving:
    """
    A server of zones on a clock.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.zones = Zones()
        self.zone = Zone(versionOf(_ZONE))
        self.zones.put(self.zone)
        made = Settings.of(**{"role": "serve", "hostsFile": "", **settings})
        site = Site(self.clock, made, today=self.clock.seconds, zones=self.zones, secret=bytes(16))
        self.features = Features(site)
        self.stack = stackFor(self.clock, made, self.zones, self.features)
        self.counters = Counters()
        self.frontend = Frontend(self.features, self.stack, self.counters)
        self.beyond = 0

    def ask(self, *queries: bytes, client: str = "127.0.0.1") -> list[bytes]:
        """
        Receive datagrams together; return the replies in the order in which they are sent.
        """
        octets = inet_pton(2, client)
        place: Place = (octets, pack("=HH", 2, htons(4000)) + octets + bytes(8))
        sent: list[bytes] = []

        def send(several: list[tuple[bytes, Place]], replies: list[bytes]) -> int:
            sent.extend([octets for octets, _ in joined(several, replies)])
            return 0

        def beyond(datagram: bytes, _: Place, known: Client, now: float) -> None:
            self.beyond += 1
            self.frontend.responder.take(datagram, (client, 4000), "udp", sent.append, None, known)

        arrived = [(query, place) for query in queries]
        self.frontend.packetCache.drain(lambda: arrived, send, self.clock.seconds(), beyond, self.counters)
        return sent


def _compared(reply: bytes) -> bytes:
    """
    Return a reply as it is compared: a truncated one may have the flags of the reply in whose place it is sent, as those of the packet
    cache; and in Python a server cookie is used again for a while.
    """
    if reply[2] << 8 & TC:
        return reply[:2] + b"\x83\x00" + reply[4:]
    return reply[:-16] if reply[-28:-24] == b"\x00\x0a\x00\x18" else reply


class _Strange:
    """
    A gate of a plugin, which nobody here knows.
    """

    name = "strange"

    def __call__(self, request: Request, now: float) -> None:
        return None


class ZoneRepliesTests(SynchronousTestCase):
    """
    Two servers get the same queries, one of which makes replies with the extension.
    """

    #: Whether replies are withheld, which the packet cache does not count as replies and the full path does.
    isLimited = False

    def begin(self, **settings: object) -> None:
        """
        Start both.
        """
        patching = extended()
        patching.__enter__()
        self.addCleanup(patching.__exit__, None, None, None)
        self.quick = Serving(settings)
        with patch.object(chosen, "replies", None):
            self.plain = Serving(settings)
        self.assertIsNone(self.plain.frontend.packetCache.made)

    def ask(self, *queries: bytes, client: str = "127.0.0.1") -> list[bytes]:
        """
        Ask both, and check that they reply and count alike; return the replies.
        """
        made = self.quick.ask(*queries, client=client)
        self.assertEqual(sorted(map(_compared, made)), sorted(map(_compared, self.plain.ask(*queries, client=client))))
        for name in ("udp", "refusals", "dropped", "unsent", *([] if self.isLimited else ["replies"])):
            self.assertEqual(getattr(self.quick.counters, name), getattr(self.plain.counters, name), name)
        one, other = [
            serving.frontend.packetCache.clients.find(inet_pton(2, client), 0.0).bucket.tokens for serving in (self.quick, self.plain)
        ]
        self.assertEqual(one, other)
        return made

    def advance(self, seconds: float) -> None:
        for serving in (self.quick, self.plain):
            serving.clock.advance(seconds)

    def test_sameRepliesAndNumbers(self) -> None:
        """
        Plain queries, denials, wildcards, aliases, and names outside get the same replies and are counted by the same rcodes; only that
        most are not seen by what answers the rest.
        """
        self.begin()
        names = ["h1.example.", "H2.example.", "no.example.", "x.wild.example.", "alias.example.", "example.", "elsewhere."]
        for _ in range(3):
            for opt in (b"", optOf(), optOf(flags=DO), optOf(512), optOf(options=[(10, bytes(8))]), optOf(options=[(3, b"")])):
                self.ask(*[queryOf(name, opt=opt, id=number) for number, name in enumerate(names)])
            self.advance(1.0)
        # The first batch maps the zone, and three names are for Python.
        self.assertLess(self.quick.beyond, self.plain.beyond)
        before = self.quick.beyond
        self.ask(*[queryOf(f"fresh{number}.wild.example.") for number in range(50)])
        self.assertEqual(self.quick.beyond, before)

    def test_clientRates(self) -> None:
        """
        Each reply takes a token of its client; without one the query is refused as ever.
        """
        self.begin(clientRate=5)
        for round in range(8):
            self.ask(*[queryOf(f"h{number}.example.", id=round) for number in range(4)], client="192.0.2.77")
            self.advance(0.3)
        self.assertGreater(self.quick.counters.refusals.get("rate", 0), 5)

    def test_responseRates(self) -> None:
        """
        Replies of one kind to a network are limited, and some of those over the limit are truncated.
        """
        self.isLimited = True
        self.begin(responseRate=5)
        cut = 0
        for round in range(60):
            opt = optOf() if round % 2 else b""
            names = [f"x{number}-{round}.example." for number in range(1 + round % 7)]
            replies = self.ask(*[queryOf(name, opt=opt) for name in names], client="192.0.2.77")
            cut += sum([bool(reply[2] << 8 & TC) for reply in replies])
            self.advance(0.2 + round % 5 / 2)
        self.assertGreater(self.quick.counters.refusals.get("limit", 0), 10)
        self.assertGreater(cut, 5)

    def test_requiredCookies(self) -> None:
        """
        Clients that need a valid cookie get no address without one.
        """
        self.begin(requireCookie=["192.0.2.0/24"])
        for _ in range(3):
            for opt in (b"", optOf(), optOf(options=[(10, bytes(8))])):
                for reply in self.ask(queryOf("h1.example.", opt=opt), client="192.0.2.77"):
                    self.assertEqual(reply[6:8], b"\x00\x00")
        self.assertEqual(self.ask(queryOf("h1.example."))[0][6:8], b"\x00\x01")

    def test_access(self) -> None:
        """
        Refused and dropped clients get what they get without the extension.
        """
        self.begin(refuse=["192.0.2.1"], drop=["192.0.2.2"])
        for client in ("127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
            for _ in range(3):
                replies = self.ask(queryOf("h1.example."), queryOf("no.example."), client=client)
                rcodes = {"192.0.2.1": [5, 5], "192.0.2.2": []}.get(client, [0, 3])
                self.assertEqual(sorted(reply[3] & 15 for reply in replies), rcodes)

    def test_changesAreSeenAtOnce(self) -> None:
        """
        After a version is published no reply has data of the former one.
        """
        self.begin()
        for number in range(20):
            for serving in (self.quick, self.plain):
                serving.zone.replace(versionOf(_ZONE.replace("192.0.2.1\n", f"192.0.2.{100 + number}\n")))
            for _ in range(3):
                (reply,) = self.ask(queryOf("h1.example."))
                self.assertEqual(reply[-1], 100 + number)

    def test_cookiesOfBothAreKnown(self) -> None:
        """
        A cookie that the extension has made is valid in Python, and the other way round.
        """
        self.begin()
        query = queryOf("h1.example.", opt=optOf(options=[(10, bytes(8))]))
        self.ask(query)
        (reply,) = self.ask(query)
        frontend = self.quick.frontend
        for _ in range(2):
            self.ask(queryOf("h1.example.", opt=optOf(options=[(10, reply[-24:])])))
        options = frontend.packetCache.cookies
        assert options is not None
        ending = options.optionFor("127.0.0.1", reply[-24:], self.quick.clock.seconds())
        assert ending is not None
        self.assertEqual(ending[-24:], reply[-24:])

    def test_aliasesAreExpanded(self) -> None:
        """
        Where records of type 65401 are ALIAS records by a setting, an address of their target is no denial.
        """
        with patch(f"{__name__}._ZONE", f"{_ZONE}apart TYPE65401 \\# 4 02683100\n"):
            self.begin(expandAlias=True)
        for _ in range(2):
            self.ask(queryOf("apart.example."), queryOf("h1.example."))

    def test_samples(self) -> None:
        """
        The client and the name of what was made are counted as samples.
        """
        self.begin(showClients=True)
        self.ask(queryOf("no.example."))
        for _ in range(5):
            self.advance(10.0)
            self.ask(queryOf("no.example."), queryOf("no.example."))
        made, plain = self.quick.counters.activity, self.plain.counters.activity
        assert made is not None and plain is not None
        self.assertEqual((made.clientsJSON()["total"], made.namesJSON("127.0.0.1")), (11, plain.namesJSON("127.0.0.1")))
        self.assertEqual(made.clientsJSON(), plain.clientsJSON())

    def test_onlyWhileNobodyElseLooks(self) -> None:
        """
        Nothing is made while queries are logged or traced, where an agent for reports is named, or by a server that asks upstreams; and a
        view's clients get their answers.
        """
        self.begin()
        frontend = self.quick.frontend
        self.assertIsNotNone(frontend.packetCache.made)
        frontend.responder.around = lambda source: TracedSource(source, QueryTracer(), self.quick.clock)
        frontend.observe()
        self.assertIsNone(frontend.packetCache.made)
        frontend.responder.around = None
        frontend.observe()
        self.assertIsNotNone(frontend.packetCache.made)
        gates = frontend.responder.gates
        frontend.responder.gates = (*gates, _Strange())
        frontend.observe()
        self.assertIsNone(frontend.packetCache.made)
        frontend.responder.gates = gates
        frontend.observe()
        self.assertTrue(all(group.isZonal == (group.action in ("allow", "zones")) for group in frontend.packetCache.groups))
        self.assertFalse(Group("children", view=View("children", frontend.responder.source)).isZonal)
        for settings in ({"queryLog": True}, {"reportAgent": "agent.example."}, {"role": "forward", "upstream": ["192.0.2.99"]}):
            self.assertIsNone(Serving(settings).frontend.packetCache.made, settings)

    def test_dnstap(self) -> None:
        """
        dnstap is told of replies that were made, with the same octets as of those that were not.
        """
        self.begin(dnstap=["file:/var/log/txdns.tap"])
        self.assertIsNotNone(self.quick.frontend.packetCache.made)
        names = ("h1.example", "h2.example", "a.wild.example", "no.example")
        queries = [queryOf(name, id=number) for number, name in enumerate(names)]
        # The first batch maps the zone.
        for _ in range(2):
            self.ask(*queries, client="192.0.2.77")
        self.assertLess(self.quick.beyond, self.plain.beyond)
        told = []
        for serving in (self.quick, self.plain):
            active = serving.features.active["dnstap"]
            assert isinstance(active, Tapped)
            active.gathering.flush()
            made = Messages("ns1", "v", MESSAGES, False)
            batches = [batch for octets in vars(active.pipe)["_waiting"] for batch in Unframed().feed(octets)]
            told.append(sorted([frame for batch in batches for frame in made.of(batch)]))
            active.close(None)
        self.assertEqual(told[0], told[1])
        self.assertEqual(len(told[0]), 4 * len(queries))
