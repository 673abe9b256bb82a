"""
Attack 41: names written, aliased or asked for in other ways, so that rules do not see them; answers of which clients could think that they
are proven, although rules made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from unittest.mock import patch

from tests.networks import NetworkTestCase
from tests.queries import optOf, queryOf
from tests.server.views.served import Served, queryFor, tableOf
from twisted_ext.resolver.policy.rules import source
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.codes import AD, CD, RD, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import HINFO, RRSIG

CLIENT: Final = "192.168.0.9"

#: What the upstream says.
RECORDS: Final[dict[tuple[str, str], str]] = {
    ("x\\.ads.example", "A"): "192.0.2.80",
    ("ads.example", "A"): "192.0.2.66",
    ("www.ads.example", "A"): "192.0.2.66",
    ("www.example", "A"): "192.0.2.80",
    ("alias.example", "CNAME"): "hop.example.",
    ("hop.example", "CNAME"): "X.Ads.Example.",
    ("x.ads.example", "A"): "192.0.2.66",
    ("service.example", "HTTPS"): "1 cdn.ads.example. ipv4hint=192.0.2.66",
    ("aliased.example", "HTTPS"): "0 cdn.ads.example.",
    ("own.example", "HTTPS"): "1 . ipv4hint=192.0.2.80",
}


class BlockedBypassTests(NetworkTestCase):
    """
    A server with a list, and a client that wants what is blocked.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "ads").write_text("||ads.example^\n")
        table = tableOf(folder / "table", [f"block:{folder}/ads"])
        CannedServer({**RECORDS}).listen(self.network.reactor("192.0.2.53"))
        settings = Settings.of(hostsFile="", upstream="192.0.2.53", blockList=str(folder / "ads"))
        self.served = Served(self.network, "192.168.0.1", settings, table)
        self.addCleanup(self.served.close)

    def reply(self, packet: bytes, stream: bool = False) -> Message:
        """
        Return the reply to a query, which is not the first one: so that it may come from any cache.
        """
        found = [self.served.ask(packet, CLIENT, stream=stream) for _ in range(3)][-1]
        assert found is not None
        return found

    def isBlocked(self, name: str, rrType: str = "A", stream: bool = False) -> bool:
        found = self.reply(queryFor(name, rrType), stream)
        return found.rcode == Rcode.NXDOMAIN and not found.answer

    def test_otherSpellings(self) -> None:
        """
        Case and the final dot make no difference, nor does the transport or the type.
        """
        for name in ("ads.example", "ADS.EXAMPLE", "aDs.eXaMpLe.", "www.ads.example", "WWW.Ads.Example"):
            for rrType in ("A", "AAAA", "HTTPS", "SVCB", "TXT", "TYPE65280"):
                self.assertTrue(self.isBlocked(name, rrType), (name, rrType))
                self.assertTrue(self.isBlocked(name, rrType, stream=True), (name, rrType))
        self.assertFalse(self.isBlocked("www.example"))
        # ANY gets neither an address nor a denial (RFC 8482).
        self.assertEqual([each.rrType for each in self.reply(queryFor("ads.example", "ANY")).answer], [HINFO])

    def test_labelsWithDots(self) -> None:
        """
        A label with a dot or a zero octet in it is not the name that its text looks like, and no way around the domain above it.
        """
        for name in ("a\\.b.ads.example", "a\\000b.ads.example", "\\046.ads.example", "\\255.www.ads.example"):
            self.assertTrue(self.isBlocked(name), name)
        # Two labels, of which no rule is about either.
        self.assertEqual(len(self.reply(queryFor("x\\.ads.example")).answer), 1)

    def test_aliases(self) -> None:
        """
        An alias leads to a blocked name through any number of others; so does a service, whose hints would save the look-up of its address.
        """
        for name, rrType in (("alias.example", "A"), ("hop.example", "A"), ("service.example", "HTTPS"), ("aliased.example", "HTTPS")):
            self.assertTrue(self.isBlocked(name, rrType), name)
        self.assertFalse(self.isBlocked("own.example", "HTTPS"))

    def test_withoutTheTargets(self) -> None:
        """
        It is the look at targets that keeps aliases and services from leading around the rules.
        """
        with patch.object(source, "targetsOf", lambda rrset: ()):
            self.assertFalse(self.isBlocked("alias.example"))
            self.assertFalse(self.isBlocked("service.example", "HTTPS"))

    def test_neverProven(self) -> None:
        """
        An answer that rules made is never one that was validated, and has no signatures, whatever the client says of DNSSEC; CD does not
        get the truth either.
        """
        for flags in (RD, RD | AD, RD | CD, RD | AD | CD):
            for name in ("ads.example", "alias.example"):
                found = self.reply(queryOf(name, flags=flags, opt=optOf(flags=0x8000)))
                self.assertEqual((found.rcode, found.answer, found.flags & AD), (Rcode.NXDOMAIN, (), 0))
                sets = [*found.answer, *found.authority, *found.additional]
                self.assertEqual([each for each in sets if each.rrType == RRSIG], [])
