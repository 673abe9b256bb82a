"""
Attack 9: referrals to many name servers, each of which makes a resolver send queries to a victim (NXNSAttack, 2020; NRDelegation, 2022;
CVE-2026-3592).
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.attacks.recursing import ENDLESS, RecursingTestCase, addressesIn, boundless, repliesWith, serversOf
from twisted_ext.answers import Answer
from twisted_ext.dnssec import work as workModule
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import ServerFailed, WorkSpent
from twisted_ext.recursion import delegations, iteration, replies
from twisted_ext.recursion.delegations import Delegation
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelsOf, nameFromLabels, nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet


class DelegationTests(RecursingTestCase):
    """
    Tests of a zone whose servers refer to many others, without addresses.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("attacker.test", "")
        self.internet.zone("victim.example", "*.deep TXT hello")
        self.start()

    def switchOff(self) -> Work:
        """
        Switch all limits off.
        """
        for module, names in (
            (replies, ["_SERVERS"]),
            (iteration, ["_LOOKUPS", "_LOOKUPS_FAILED"]),
            (workModule, ["_LOOKUPS"]),
        ):
            for name in names:
                self.patch(module, name, ENDLESS)
        return boundless()

    def test_victimGetsTenQueries(self) -> None:
        """
        Of 1,500 name servers in the victim's zone, five are looked up with ten packets; the client gets SERVFAIL at once, and again
        without a packet. Another name in the attacker's zone costs as much, and not more.
        """
        self.refer("attacker.test", "sub.attacker.test", [f"ns.x{number}.victim.example" for number in range(1500)])
        for name in ("a.sub.attacker.test", "b.sub.attacker.test"):
            found = self.look(name)
            assert isinstance(found, ServerFailed)
            self.assertEqual(found.ede[0][0], 22)
            self.assertEqual((self.packets("victim.example"), self.work.lookups), (10, 5))
            self.assertLess(self.packets(), 20)
            self.assertEqual(self.packets(), self.work.packets)
            self.assertLess(self.took, 0.1)
        self.assertIsInstance(self.look("a.sub.attacker.test"), ServerFailed)
        self.assertEqual(self.packets(), 0)

    def test_withoutLimitsVictimGetsThemAll(self) -> None:
        """
        Without limits, the victim gets two queries for each of the name servers.
        """
        self.refer("attacker.test", "sub.attacker.test", [f"ns.x{number}.victim.example" for number in range(400)])
        self.look("a.sub.attacker.test", work=self.switchOff())
        self.assertEqual(self.packets("victim.example"), 800)

    def test_longNamesCostNoMore(self) -> None:
        """
        Names that exist and have ten labels, so that each takes several minimized queries, end the look-up after fifty packets.
        """
        labels = ".".join("abcdefgh")
        self.refer("attacker.test", "sub.attacker.test", [f"{labels}.x{number}.deep.victim.example" for number in range(13)])
        self.assertIsInstance(self.look("a.sub.attacker.test"), WorkSpent)
        self.assertEqual((self.packets(), self.work.packets), (50, 50))
        self.assertIsInstance(self.look("a.sub.attacker.test"), WorkSpent)
        self.assertEqual(self.packets(), 0)

    def test_withoutBudgetLongNamesCostMore(self) -> None:
        """
        Without the limit for a fetch and that of failed name servers, they cost the victim more than a hundred packets.
        """
        labels = ".".join("abcdefgh")
        self.refer("attacker.test", "sub.attacker.test", [f"{labels}.x{number}.deep.victim.example" for number in range(13)])
        self.look("a.sub.attacker.test", work=self.switchOff())
        self.assertGreater(self.packets("victim.example"), 100)

    def test_silentServersEndInTime(self) -> None:
        """
        If the servers of the victim's zone are silent, the look-up ends within seven seconds and fifty packets (NRDelegation).
        """
        self.refer("attacker.test", "sub.attacker.test", [f"ns.x{number}.victim.example" for number in range(1500)])
        self.internet.inject(Fault.DEAD, "victim.example")
        self.look("a.sub.attacker.test")
        self.assertLess(self.took, 7)
        self.assertLess(self.packets(), 20)

    def tree(self, work: Work | None = None) -> None:
        """
        Look up a name in a zone with three name servers, each in a zone with three other ones, five levels deep, of which the last do not
        exist.
        """
        zone = nameFromText("attacker.test")
        soa = recordFromText("attacker.test. 3600 SOA a. b. 1 2 3 4 3600")

        def sectionsFor(question: Question) -> Sequence[Sequence[RRSet]] | None:
            path = labelsOf(question.key[:-4])[-3]
            if len(path) > 5:
                return (), [soa], ()
            cut = nameFromLabels([path])[:-1] + zone
            return (), [serversOf(nameToText(cut), [f"ns.{path.decode()}{each}.attacker.test" for each in "xyz"])], ()

        for server in self.internet.zones[zone].servers:
            repliesWith(server, sectionsFor, flags=0)
        self.assertNotIsInstance(self.look("ns.a.attacker.test", work=work), Answer)
        # They may be looked up again.
        self.internet.advance(70)
        self.assertNotIsInstance(self.look("ns.a.attacker.test", work=work), Answer)

    def test_nameServersOfNameServersAreLimited(self) -> None:
        """
        However many packets a look-up may take, it does not look up more than 64 name servers.
        """
        self.tree(boundless())
        self.assertEqual(self.work.lookups, 64)
        self.tree()
        self.assertLessEqual(self.packets(), 50)

    @pytest.mark.long
    def test_withoutLimitSearchIsLong(self) -> None:
        """
        Without the limit, hundreds of name servers are looked up.
        """
        self.tree(self.switchOff())
        self.assertGreater(self.work.lookups, 700)


class AddressTests(RecursingTestCase):
    """
    Tests of name servers with many addresses, at which nothing answers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("attacker.test", "")
        for number in range(1, 61):
            self.internet.reactor(f"203.0.113.{number}")
        self.internet.network.shape("203.0.113.1", silent=True)
        self.start()

    def queries(self) -> int:
        """
        Return how many packets the last look-up has sent to the victim's network.
        """
        return sum([self.sentTo(f"203.0.113.{number}") for number in range(1, 61)])

    def test_oneAddressCountsOnce(self) -> None:
        """
        An address that thirteen name servers have is queried as that of one: with a cookie, without it, over TCP, and without EDNS.
        """
        names = [f"ns{number}.sub.attacker.test" for number in range(13)]
        self.refer("attacker.test", "sub.attacker.test", names, {name: ["203.0.113.1"] for name in names})
        self.assertIsInstance(self.look("a.sub.attacker.test"), ServerFailed)
        self.assertEqual(self.queries(), 4)

    def test_withoutMergingItIsQueriedOften(self) -> None:
        """
        If each name counted for itself, the address would be queried for each of them.
        """

        def addresses(delegation: Delegation, now: float, rrType: int, *, spare: bool = False) -> list[str]:
            return [address for server in delegation.servers if now < server.expires for address in server.addresses]

        self.patch(Delegation, "addresses", addresses)
        names = [f"ns{number}.sub.attacker.test" for number in range(13)]
        self.refer("attacker.test", "sub.attacker.test", names, {name: ["203.0.113.1"] for name in names})
        self.assertNotEqual(addressesIn(self.look("a.sub.attacker.test")), ["203.0.113.1"])
        self.assertGreater(self.queries(), 10)

    def referToMany(self) -> None:
        """
        Refer to one name server with sixty addresses, none of which has a server.
        """
        name = "ns.sub.attacker.test"
        self.refer("attacker.test", "sub.attacker.test", [name], {name: [f"203.0.113.{number}" for number in range(1, 61)]})

    def test_sixAddressesAreUsed(self) -> None:
        """
        Of sixty addresses of one name server, six are queried.
        """
        self.referToMany()
        self.look("a.sub.attacker.test")
        self.assertEqual(len([number for number in range(1, 61) if self.sentTo(f"203.0.113.{number}")]), 6)
        self.assertLess(self.queries(), 19)

    def test_withoutLimitAllAddressesAreUsed(self) -> None:
        """
        Without the limit, all of them are.
        """
        self.patch(replies, "_ADDRESSES", ENDLESS)
        self.patch(delegations, "_ADDRESSES", ENDLESS)
        self.referToMany()
        self.look("a.sub.attacker.test", work=boundless())
        self.assertEqual(len([number for number in range(1, 61) if self.sentTo(f"203.0.113.{number}")]), 60)
