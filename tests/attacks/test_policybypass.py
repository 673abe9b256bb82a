"""
Attack 41: ways around the rules of policy zones, and what they made of answers that clients could take for proven.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.networks import NetworkTestCase
from tests.queries import optOf, queryOf
from tests.server.views.served import Served, queryFor
from twisted_ext.resolver.policy.zones.compiler import compileZones, wordFor
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.codes import AD, CD, RD, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME, RRSIG

#: The client that a rule is about, and another one.
BAD: Final = "192.168.0.66"
CLIENT: Final = "192.168.0.9"

ZONE: Final = """\
$TTL 60
ads.example CNAME .
*.ads.example CNAME .
32.66.2.0.192.rpz-ip CNAME .
128.66.zz.db8.2001.rpz-ip CNAME .
32.66.0.168.192.rpz-client-ip CNAME .
wall.example CNAME www.example.
tcp.example CNAME rpz-tcp-only.
drop.example CNAME rpz-drop.
32.82.2.0.192.rpz-ip CNAME rpz-drop.
"""

#: What the upstream says.
RECORDS: Final[dict[tuple[str, str], str | list[str]]] = {
    ("x\\.ads.example", "A"): "192.0.2.80",
    ("ads.example", "A"): "192.0.2.1",
    ("www.example", "A"): "192.0.2.80",
    ("tcp.example", "A"): "192.0.2.81",
    ("lost.example", "A"): "192.0.2.82",
    ("alias.example", "CNAME"): "hop.example.",
    ("hop.example", "CNAME"): "X.Ads.Example.",
    ("x.ads.example", "A"): "192.0.2.1",
    ("near.example", "A"): ["192.0.2.1", "192.0.2.66"],
    ("near.example", "AAAA"): "2001:db8::66",
    ("led.example", "CNAME"): "near.example.",
    ("service.example", "HTTPS"): "1 cdn.ads.example. ipv4hint=192.0.2.1",
    ("hinted.example", "HTTPS"): "1 . ipv4hint=192.0.2.1,192.0.2.66",
    ("hinted6.example", "HTTPS"): "1 . ipv6hint=2001:db8::66",
}


class PolicyBypassTests(NetworkTestCase):
    """
    A server with a policy zone, and clients that want what it withholds.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "feed").write_text(ZONE)
        table = self.table = str(folder / "table")
        compileZones(table, "", [wordFor("feed", nameFromText("rpz.test"), str(folder / "feed"))])
        CannedServer({**RECORDS}).listen(self.network.reactor("192.0.2.53"))
        settings = Settings.of(
            hostsFile="", upstream="192.0.2.53", policyZone=[{"name": "feed", "zone": "rpz.test", "file": str(folder / "feed")}],
            policyZones="feed", dns64=["64:ff9b::/96"], view=[{"name": "own", "clients": ["192.168.0.77"], "policy-zones": []}],
        )  # fmt: skip
        self.served = Served(self.network, "192.168.0.1", settings, zones=table)
        self.addCleanup(self.served.close)

    def reply(self, packet: bytes, client: str = CLIENT, *, stream: bool = False) -> Message:
        """
        Return the reply to a query, which is not the first one: so that it may come from any cache.
        """
        found = [self.served.ask(packet, client, stream=stream) for _ in range(4)][-1]
        assert found is not None
        return found

    def isDenied(self, name: str, rrType: str = "A", client: str = CLIENT, *, stream: bool = False) -> bool:
        found = self.reply(queryFor(name, rrType), client, stream=stream)
        return found.rcode == Rcode.NXDOMAIN and all(rrset.rrType == CNAME for rrset in found.answer)

    def test_otherSpellings(self) -> None:
        """
        Case, the final dot, transport and type make no difference; labels with dots or zeros are not the names that they look like, and no
        way around the domain above.
        """
        odd = ("a\\.b.ads.example", "a\\000b.ads.example", "\\046.Ads.example")
        for name in ("ads.example", "ADS.EXAMPLE", "aDs.eXaMpLe.", "www.ads.example", *odd):
            for rrType in ("A", "AAAA", "HTTPS", "TXT", "TYPE65280"):
                self.assertTrue(self.isDenied(name, rrType), (name, rrType))
                self.assertTrue(self.isDenied(name, rrType, stream=True), (name, rrType))
        self.assertEqual(len(self.reply(queryFor("x\\.ads.example")).answer), 1)

    def test_waysToANameOrAddress(self) -> None:
        """
        Aliases, services and hints lead to what rules are about; a second address does, and IPv6 does not lead around a rule about IPv4.
        """
        for name, rrType in (
            ("alias.example", "A"), ("hop.example", "A"), ("near.example", "A"), ("near.example", "AAAA"), ("led.example", "A"),
            ("hinted.example", "HTTPS"), ("hinted6.example", "HTTPS"),
        ):  # fmt: skip
            self.assertTrue(self.isDenied(name, rrType), (name, rrType))
        self.assertEqual(self.reply(queryFor("service.example", "HTTPS")).answer, ())
        # Nor is an address made of one that is withheld.
        self.assertTrue(self.isDenied("led.example", "AAAA"))
        self.assertEqual(len(self.reply(queryFor("www.example", "AAAA")).answer), 1)

    def test_neverProven(self) -> None:
        """
        What a rule made has neither AD nor signatures, whatever the client says of DNSSEC.
        """
        for flags in (RD, RD | AD, RD | CD, RD | AD | CD):
            for name in ("ads.example", "alias.example", "near.example", "wall.example"):
                found = self.reply(queryOf(name, flags=flags, opt=optOf(flags=0x8000)))
                self.assertEqual(found.flags & AD, 0, name)
                sets = [*found.answer, *found.authority, *found.additional]
                self.assertEqual([each for each in sets if each.rrType == RRSIG], [])
                self.assertEqual(found.rcode == Rcode.NXDOMAIN, name != "wall.example")

    def test_connectionsAreNotExhausted(self) -> None:
        """
        Without a reply, each query would hold a place on its connection, until that takes none any more; over UDP there is none.
        """
        for name in ("drop.example", "lost.example"):
            for number in range(3):
                reply = self.served.ask(queryFor(name, number=number + 1), CLIENT, stream=True)
                assert reply is not None
                self.assertEqual((reply.rcode, reply.answer), (Rcode.REFUSED, ()))
                self.assertIsNone(self.served.ask(queryFor(name), CLIENT))

    def test_ruleForAKnownClient(self) -> None:
        """
        A client that is known already, and that a new rule is about, gives its replies to no one.
        """
        bad = "192.168.0.88"
        for client in (bad, CLIENT):
            self.assertFalse(self.isDenied("www.example", client=client))
        folder = Path(self.table).parent
        (folder / "feed").write_text(f"{ZONE}32.88.0.168.192.rpz-client-ip CNAME .\n")
        compileZones(str(folder / "next"), "", [wordFor("feed", nameFromText("rpz.test"), str(folder / "feed"))])
        self.served.take("", str(folder / "next"))
        for _ in range(2):
            self.assertTrue(self.isDenied("www.example", client=bad))
            self.assertFalse(self.isDenied("www.example"))

    def test_repliesOfOthers(self) -> None:
        """
        Whatever others have asked for before or after, a client that a rule is about gets what it says, and others do not; nor does one
        over UDP get what is for TCP. A view without policy zones has none.
        """
        for _ in range(3):
            for stream in (False, True):
                self.assertTrue(self.isDenied("www.example", client=BAD, stream=stream))
                self.assertFalse(self.isDenied("www.example", stream=stream))
                self.assertFalse(self.isDenied("ads.example", client="192.168.0.77", stream=stream))
                self.assertTrue(self.isDenied("ads.example", stream=stream))
            self.assertEqual(len(self.reply(queryFor("tcp.example"), stream=True).answer), 1)
            self.assertEqual(self.reply(queryFor("tcp.example")).flags & 0x0200, 0x0200)
            self.network.advance(1.0)
