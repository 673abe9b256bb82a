"""
Pain 15: an authority with wrong answers: AA, wildcards, empty non-terminals, zone cuts, CNAME chains (Twisted #11990, #12042, #12043,
#12484, #12610, #6732).
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from tests.queries import queryOf
from tests.server.zones.transfer.askers import Datagrams
from tests.server.zones.transfer.replicas import PRIMARY, Host
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.zone import Zone

ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.80
alias CNAME second
second CNAME www
out CNAME www.elsewhere.example.
nowhere CNAME missing
*.wild A 192.0.2.7
deep.under.ent A 192.0.2.8
sub NS ns.sub
sub NS ns.elsewhere.example.
ns.sub A 192.0.2.53
"""


def _texts(sets: tuple[RRSet, ...]) -> list[str]:
    return [
        f"{nameToText(rrset.name, final=False)} {typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}"
        for rrset in sets
        for rdata in rrset.rdatas
    ]


class AuthorityTests(NetworkTestCase):
    """
    A server with this zone.
    """

    def setUp(self) -> None:
        super().setUp()
        self.host = Host(self.network.reactor(PRIMARY), PRIMARY)
        self.host.zones.put(Zone.fromText(ZONE, "example.org"))

    def tearDown(self) -> None:
        self.host.end()
        self.network.advance(1)
        super().tearDown()

    def reply(self, name: str, rrType: str = "A") -> tuple[int, bool, list[str], list[str], list[str]]:
        """
        Return the rcode, whether AA is set, and the records of each section.
        """
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        port.write(queryOf(f"{name}.example.org" if name else "example.org", rrType), (PRIMARY, 53))
        self.network.advance(1)
        port.stopListening()
        reply = Message.fromWire(socket.replies[0]).check()
        return reply.rcode, bool(reply.flags & AA), _texts(reply.answer), _texts(reply.authority), _texts(reply.additional)

    def test_pain15_answersAreAuthoritative(self) -> None:
        """
        Answers and denials of the zone have AA set. A denial has the SOA with the negative TTL.
        """
        soa = ["example.org SOA ns1.example.org. hostmaster.example.org. 1 3600 600 86400 60"]
        self.assertEqual(self.reply("www"), (0, True, ["www.example.org A 192.0.2.80"], [], []))
        self.assertEqual(self.reply("www", "AAAA"), (0, True, [], soa, []))
        self.assertEqual(self.reply("missing"), (Rcode.NXDOMAIN, True, [], soa, []))

    def test_pain15_wildcardsCoverMissingNames(self) -> None:
        """
        A wildcard applies to missing names and to all their types, but not to its own parent or to existing names.
        """
        self.assertEqual(self.reply("a.b.wild")[:3], (0, True, ["a.b.wild.example.org A 192.0.2.7"]))
        self.assertEqual(self.reply("a.wild", "AAAA")[:3], (0, True, []))
        self.assertEqual(self.reply("wild")[:3], (0, True, []))

    def test_pain15_emptyNonTerminalsExist(self) -> None:
        """
        A name without records exists if there are names below it (RFC 8020).
        """
        for name in ("ent", "under.ent"):
            self.assertEqual(self.reply(name)[:3], (0, True, []))
        self.assertEqual(self.reply("other.ent")[0], Rcode.NXDOMAIN)

    def test_pain15_delegationsGiveReferrals(self) -> None:
        """
        Names below a delegation get a referral without AA, with the necessary glue.
        """
        servers = ["sub.example.org NS ns.sub.example.org.", "sub.example.org NS ns.elsewhere.example."]
        for name in ("sub", "www.sub", "ns.sub"):
            self.assertEqual(self.reply(name), (0, False, [], servers, ["ns.sub.example.org A 192.0.2.53"]))

    def test_pain15_aliasesAreFollowedInZone(self) -> None:
        """
        Aliases are followed to their end inside of the zone, and no further.
        """
        chain = ["alias.example.org CNAME second.example.org.", "second.example.org CNAME www.example.org."]
        self.assertEqual(self.reply("alias")[:3], (0, True, [*chain, "www.example.org A 192.0.2.80"]))
        self.assertEqual(self.reply("out")[:3], (0, True, ["out.example.org CNAME www.elsewhere.example."]))
        self.assertEqual(self.reply("nowhere")[:3], (Rcode.NXDOMAIN, True, ["nowhere.example.org CNAME missing.example.org."]))
        self.assertEqual(self.reply("alias", "CNAME")[:3], (0, True, chain[:1]))
