"""
Tests of L{twisted_ext.recursion.iteration}, driven by hand (attacks 7, 9, 11 and 19).
"""

from __future__ import annotations

from math import inf
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recursion.worlds import ROOT_ADDRESS, World, denial, name, nothing, referral, reply
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import BudgetSpent, DNSFault, ServerFailed
from twisted_ext.recursion.delegations import Delegation, Delegations, FixedDelegation, NameServer
from twisted_ext.recursion.iteration import Iteration, Options, QueryZone
from twisted_ext.recursion.limits import ADDRESS_LOOKUPS, ADDRESS_LOOKUPS_FAILED, REFERRALS, REFRESH_SECONDS
from twisted_ext.recursion.replies import Referral
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelCount
from twisted_ext.wire.rrtypes import AAAA, A

_EXAMPLE = referral("example", "ns.example", glue=("ns.example A 192.0.2.2",))
_SUB = referral("sub.example", "ns.sub.example", glue=("ns.sub.example A 192.0.2.3",))
_WWW = reply("www.sub.example A 192.0.2.80")


def usual() -> World:
    """
    Return a world with the zones C{example} and C{sub.example}, one server each.
    """
    return World({ROOT_ADDRESS: {"example": _EXAMPLE}, "192.0.2.2": {"sub.example": _SUB}, "192.0.2.3": {"www.sub.example A": _WWW}})


def addressesOf(answer: Answer) -> list[str]:
    """
    Return the addresses in an answer.
    """
    return [".".join(map(str, rdata)) for rrset in answer.answer if rrset.rrType == A for rdata in rrset.rdatas]


class DescentTests(SynchronousTestCase):
    """
    From the root to the answer.
    """

    def test_referralsAreFollowed(self) -> None:
        """
        Each zone is asked for one label more, and the last one for the whole name; the next look-up begins at the closest zone.
        """
        world = usual()
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        self.assertEqual(world.asked, ["192.0.2.1 example A", "192.0.2.2 sub.example A", "192.0.2.3 www.sub.example A"])
        world.asked.clear()
        world.resolve("www.sub.example")
        self.assertEqual(world.asked, ["192.0.2.3 www.sub.example A"])

    def test_withoutMinimization(self) -> None:
        """
        Without minimization every server gets the whole question.
        """
        world = usual()
        world.options = Options(minimize=False, families=(A,))
        world.resolve("www.sub.example")
        self.assertEqual(world.asked, [f"192.0.2.{number} www.sub.example A" for number in (1, 2, 3)])

    def test_DSIsAskedOfTheParent(self) -> None:
        """
        The DS set of a zone is asked of its parent, also if the zone's own servers are known; a referral says what it is (RFC 4035, section
        3.1.4.1).
        """
        ds = "sub.example DS 1 13 2 " + "00" * 32
        world = usual()
        signed = reply(authority=("sub.example NS ns.sub.example", ds), flags=0)
        world.servers["192.0.2.2"] = {"sub.example DS": signed, "sub.example": _SUB}
        world.resolve("www.sub.example")
        world.asked.clear()
        answer = world.resolve("sub.example", "DS")
        self.assertEqual((answer.outcome, len(answer.answer), answer.flags), (Outcome.DATA, 1, AA))
        self.assertEqual(world.asked, ["192.0.2.2 sub.example DS"])

    def test_referralUpwards(self) -> None:
        """
        A server that refers upwards or to its own zone is lame: the next one is asked, and the lame one not again.
        """
        for wrong in (referral(".", "a.root"), _EXAMPLE, denial(".")):
            world = usual()
            glue = ("ns.sub.example A 192.0.2.4", "ns.sub.example A 192.0.2.3")
            world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", glue=glue)}
            world.servers["192.0.2.4"] = {"*": wrong}
            self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
            self.assertIn("192.0.2.4 www.sub.example A", world.asked)
            world.asked.clear()
            world.resolve("www.sub.example")
            self.assertEqual(world.asked, ["192.0.2.3 www.sub.example A"])

    def test_emptyReply(self) -> None:
        """
        An empty reply counts only if no server has a better one.
        """
        world = usual()
        glue = ("ns.sub.example A 192.0.2.4", "ns.sub.example A 192.0.2.3")
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", glue=glue)}
        world.servers["192.0.2.4"] = {"*": nothing()}
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        world.servers["192.0.2.3"] = {"*": nothing()}
        self.assertEqual(world.resolve("www.sub.example").outcome, Outcome.NODATA)

    def test_replyWithoutSender(self) -> None:
        """
        A reply that does not help and does not say which server sent it counts for all that were asked, so that the look-up ends.
        """
        for useless in (nothing(), denial(".")):
            steps = Iteration(usual().delegations, questionOf("a.example"), Options(), QueryContext(inf)).run(0.0)
            need = next(steps)
            assert isinstance(need, QueryZone)
            need = steps.send((0.0, _EXAMPLE))
            with self.assertRaises((StopIteration, DNSFault)):
                for _ in range(10):
                    steps.send((0.0, Answer(useless.outcome, (), useless.authority, flags=useless.flags)))

    def test_serversWithBogusDataAreAvoided(self) -> None:
        """
        A server that has sent bogus data is not asked again for the same query of a client.
        """
        world = usual()
        glue = ("ns.sub.example A 192.0.2.3", "ns.sub.example A 192.0.2.4")
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", glue=glue)}
        world.servers["192.0.2.4"] = {"*": reply("www.sub.example A 192.0.2.81")}
        self.assertEqual(addressesOf(world.resolve("www.sub.example", avoided={"192.0.2.3"})), ["192.0.2.81"])
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])


class MinimizationTests(SynchronousTestCase):
    """
    Servers that know shortened names badly (RFC 9156).
    """

    def test_emptyNonterminal(self) -> None:
        """
        A name without data is passed, however the server says that.
        """
        for empty in (denial("example"), reply(), reply("b.example A 192.0.2.9"), reply("b.example CNAME x.example")):
            world = usual()
            world.servers["192.0.2.2"] = {"b.example A": empty, "a.b.example A": reply("a.b.example A 192.0.2.7")}
            self.assertEqual(addressesOf(world.resolve("a.b.example")), ["192.0.2.7"])
            self.assertEqual(world.asked[1:], ["192.0.2.2 b.example A", "192.0.2.2 a.b.example A"])

    def test_wrongDenialOfAnEmptyNonterminal(self) -> None:
        """
        Some servers deny names that have others below them: the whole name is sent then; but not with the strict setting, which believes
        them (RFC 8020).
        """
        replies = {
            "b.example A": denial("example", Outcome.NXDOMAIN),
            "a.b.c.b.example A": reply("a.b.c.b.example A 192.0.2.7"),
        }
        world = usual()
        world.servers["192.0.2.2"] = dict(replies)
        self.assertEqual(addressesOf(world.resolve("a.b.c.b.example")), ["192.0.2.7"])
        self.assertEqual(world.asked[1:], ["192.0.2.2 b.example A", "192.0.2.2 a.b.c.b.example A"])
        world = usual()
        world.servers["192.0.2.2"] = dict(replies)
        world.options = Options(strict=True, families=(A,))
        self.assertEqual(world.resolve("a.b.c.b.example").outcome, Outcome.NXDOMAIN)
        self.assertEqual(world.asked[1:], ["192.0.2.2 b.example A"])

    def test_failureForAShortenedName(self) -> None:
        """
        Servers that fail for a shortened name get the whole one; but not with the strict setting.
        """
        world = usual()
        world.servers["192.0.2.2"] = {"a.b.example A": reply("a.b.example A 192.0.2.7")}
        self.assertEqual(addressesOf(world.resolve("a.b.example")), ["192.0.2.7"])
        world.options = Options(strict=True, families=(A,))
        world.asked.clear()
        with self.assertRaises(ServerFailed):
            world.resolve("a.b.example")
        self.assertEqual(world.asked, ["192.0.2.2 b.example A"])


class AddressesTests(SynchronousTestCase):
    """
    Servers whose addresses have to be found.
    """

    def test_oneServerIsEnough(self) -> None:
        """
        Addresses are looked up one server at a time, and only until one replies.
        """
        world = usual()
        names = [f"ns{number}.other" for number in range(5)]
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", *names)}
        world.hosts = {"ns1.other": ["192.0.2.66"], "ns2.other": ["192.0.2.3"], "ns3.other": ["192.0.2.3"]}
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        found = [each for each in world.asked if each.startswith("find")]
        self.assertEqual(found, ["find ns0.other A", "find ns1.other A", "find ns2.other A"])

    def test_serversWithoutAddresses(self) -> None:
        """
        After a few servers without an address, no further one is looked up (NXNSAttack). Without the limit it would be one for each.
        """
        world = usual()
        names = [f"ns{number}.victim" for number in range(1500)]
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", *names)}
        with self.assertRaises(ServerFailed) as caught:
            world.resolve("www.sub.example")
        self.assertEqual(len([each for each in world.asked if each.startswith("find")]), ADDRESS_LOOKUPS_FAILED.default)
        self.assertEqual(caught.exception.ede[0][0], 22)
        world.asked.clear()
        with (
            patch("twisted_ext.recursion.iteration._LOOKUPS", 2000),
            patch("twisted_ext.recursion.iteration._LOOKUPS_FAILED", 2000),
            patch("twisted_ext.recursion.replies._SERVERS", 2000),
            patch("twisted_ext.dnssec.work._LOOKUPS", 2000),
        ):
            world.delegations.forget()
            self.assertRaises(ServerFailed, world.resolve, "www.sub.example")
        self.assertEqual(len([each for each in world.asked if each.startswith("find")]), 1500)

    def test_serversThatDoNotReply(self) -> None:
        """
        Look-ups of addresses at which no server replies are limited, too (NRDelegation).
        """
        world = usual()
        names = [f"ns{number}.victim" for number in range(13)]
        world.hosts = {each: [f"198.51.100.{number}"] for number, each in enumerate(names)}
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", *names)}
        with self.assertRaises(DNSFault):
            world.resolve("www.sub.example")
        self.assertEqual(len([each for each in world.asked if each.startswith("find")]), ADDRESS_LOOKUPS.default)

    def test_serversInsideOfTheZoneWithoutGlue(self) -> None:
        """
        A server inside of its zone without glue cannot be found, and is not looked up; with another server it can.
        """
        world = usual()
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example")}
        self.assertRaises(ServerFailed, world.resolve, "www.sub.example")
        self.assertEqual([each for each in world.asked if each.startswith("find")], [])
        world = usual()
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", "ns.other")}
        world.hosts = {"ns.other": ["192.0.2.3"]}
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])

    def test_expiredGlue(self) -> None:
        """
        When the glue has expired before its delegation, the parent is asked for it again.
        """
        world = usual()
        glue = ("ns.sub.example 10 A 192.0.2.3",)
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", glue=glue)}
        world.resolve("www.sub.example")
        world.now = 11
        world.asked.clear()
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        self.assertEqual(world.asked, ["192.0.2.2 sub.example A", "192.0.2.3 www.sub.example A"])

    def test_oneFamilyIsEnough(self) -> None:
        """
        Addresses of the second family are looked up only if there are none of the first, or if no server replies at these; and never if the
        options do not have the family.
        """
        late = ["find ns.other A", "192.0.2.66 www.sub.example A"]
        for first, families, queries in (
            (["192.0.2.3"], (A, AAAA), ["find ns.other A", "192.0.2.3 www.sub.example A"]),
            ([], (A, AAAA), ["find ns.other A", "find ns.other AAAA", "2001:db8::3 www.sub.example A"]),
            (["192.0.2.66"], (A, AAAA), [*late, "find ns.other AAAA", "2001:db8::3 www.sub.example A"]),
            (["192.0.2.66"], (A,), late),
        ):
            world = usual()
            world.options = Options(families=families)
            world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.other")}
            world.servers["2001:db8::3"] = world.servers["192.0.2.3"]
            world.hosts = {"ns.other": [*first, "2001:db8::3"]}
            try:
                self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
            except DNSFault:
                self.assertEqual(families, (A,))
            self.assertEqual(world.asked[2:], queries)

    def test_silentServers(self) -> None:
        """
        If the servers whose addresses are known are known not to reply, another one is looked up before they are queried; they are queried
        if there is none.
        """
        for hosts, last in (({"ns.other": ["192.0.2.3"]}, "192.0.2.3"), ({}, "192.0.2.4")):
            world = usual()
            glue = ("ns.sub.example A 192.0.2.4",)
            world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", "ns.other", glue=glue)}
            world.servers["192.0.2.4"] = world.servers["192.0.2.3"]
            world.hosts = dict(hosts)
            world.down = {"192.0.2.4"}
            self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
            self.assertEqual(world.asked[-1], f"{last} www.sub.example A")
            self.assertEqual(len([each for each in world.asked if "www.sub" in each]), 1)


class DisagreementTests(SynchronousTestCase):
    """
    Parents and children that disagree.
    """

    def world(self) -> World:
        """
        Return a world in which C{sub.example} names a server that does not reply.
        """
        world = usual()
        named, glue = "sub.example NS ns2.sub.example", ("ns2.sub.example A 192.0.2.66",)
        answer = reply("www.sub.example A 192.0.2.80", authority=(named,), additional=glue)
        world.servers["192.0.2.3"] = {"sub.example NS": reply(named, additional=glue), "*": answer}
        return world

    def test_childNamesTheServers(self) -> None:
        """
        The servers that the zone itself names when it is asked for them are used from then on, and those of its parent when they do not
        reply. In other replies they do not count: they may be spoofed.
        """
        world = self.world()
        for _ in range(2):
            world.asked.clear()
            world.resolve("www.sub.example")
        self.assertEqual(world.asked, ["192.0.2.3 www.sub.example A"])
        world.resolve("sub.example", "NS")
        world.asked.clear()
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        self.assertEqual(world.asked, ["192.0.2.66 www.sub.example A", "192.0.2.3 www.sub.example A"])

    def test_unauthoritativeReplyNamesNone(self) -> None:
        """
        NS records of a reply without AA, or of another zone, change nothing.
        """
        for authority, flags in (("sub.example NS ns.evil", 0), ("example NS ns.evil", AA), ("www.sub.example NS ns.evil", AA)):
            world = usual()
            world.servers["192.0.2.3"] = {"*": reply("www.sub.example A 192.0.2.80", authority=(authority,), flags=flags)}
            world.resolve("www.sub.example")
            for zone in ("sub.example", "example"):
                known = world.delegations.find(name(zone), 0)
                assert known is not None
                self.assertNotIn(name("ns.evil"), [server.name for server in known.servers])

    def test_parentsAddressOfAnotherZonesServer(self) -> None:
        """
        If the address that a server's own zone gives does not work, that of its parent is queried at last.
        """
        world = usual()
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.other"), "*": denial("example")}
        world.hosts = {"ns.other": ["192.0.2.66"]}
        glue = {name("ns.other"): list(reply("ns.other A 192.0.2.3").answer)}
        world.delegations.learn(Referral(name("other"), (name("ns.other"),), 300, glue, ()), 0, 1)
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        self.assertEqual(world.asked[-2:], ["192.0.2.66 www.sub.example A", "192.0.2.3 www.sub.example A"])
        # Without the reserve it would fail.
        with patch.object(Delegations, "glued", lambda *_: []):
            self.assertRaises(DNSFault, world.resolve, "www.sub.example")


class FailureTests(SynchronousTestCase):
    """
    Zones whose servers fail.
    """

    def test_movedZone(self) -> None:
        """
        When the servers of a zone fail, its parent is asked for newer ones, once.
        """
        world = usual()
        world.resolve("www.sub.example")
        world.now = REFRESH_SECONDS.default
        world.servers["192.0.2.2"] = {"sub.example": referral("sub.example", "ns.sub.example", glue=("ns.sub.example A 192.0.2.4",))}
        world.servers["192.0.2.4"] = world.servers.pop("192.0.2.3")
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])

    def test_deadZoneIsNoBurdenToItsParents(self) -> None:
        """
        For a zone that stays dead, the parent is asked once in a while, no zone above it, and no dead server twice (RFC 4697, section
        2.1.1; RFC 9520).
        """
        world = usual()
        world.resolve("www.sub.example")
        del world.servers["192.0.2.3"]
        world.now = REFRESH_SECONDS.default
        world.asked.clear()
        self.assertRaises(DNSFault, world.resolve, "www.sub.example")
        self.assertEqual(world.asked, ["192.0.2.3 www.sub.example A", "192.0.2.2 sub.example A"])
        world.asked.clear()
        self.assertRaises(DNSFault, world.resolve, "a.sub.example")
        self.assertEqual(world.asked, ["192.0.2.3 a.sub.example A"])

    def test_wholeBranchIsDead(self) -> None:
        """
        If the parent's servers fail as well, no zone above them is asked.
        """
        world = usual()
        world.resolve("www.sub.example")
        del world.servers["192.0.2.3"], world.servers["192.0.2.2"]
        world.now = REFRESH_SECONDS.default
        world.asked.clear()
        self.assertRaises(DNSFault, world.resolve, "www.sub.example")
        self.assertEqual(
            world.asked, ["192.0.2.3 www.sub.example A", "192.0.2.2 sub.example A", "192.0.2.2 www.sub.example A"]
        )

    def test_configuredZoneIsNotAskedElsewhere(self) -> None:
        """
        When the configured servers of a private zone fail, the name is sent nowhere else, and no public denial is the answer. Without the
        rule for configured zones it would be.
        """
        world = usual()
        root = world.delegations.root
        fixed = FixedDelegation(name("corp"), 1, [NameServer(name("corp"), ("192.0.2.9",), inf)])
        world.delegations = Delegations(root, fixed=[fixed])
        world.delegations.primedUntil = 1e9
        world.servers[ROOT_ADDRESS] = {"*": denial(".", Outcome.NXDOMAIN)}
        self.assertRaises(DNSFault, world.resolve, "www.corp")
        self.assertEqual(world.asked, ["192.0.2.9 www.corp A"])
        with patch.object(FixedDelegation, "mayHaveChanged", Delegation.mayHaveChanged):
            self.assertEqual(world.resolve("www.corp").outcome, Outcome.NXDOMAIN)

    def test_rootThatHasMoved(self) -> None:
        """
        When no server that the root has named replies, those of the hints are queried.
        """
        world = usual()
        world.delegations.prime((name("b.root"),), {name("b.root"): list(reply("b.root A 192.0.2.99").answer)}, 3600, 0)
        self.assertEqual(addressesOf(world.resolve("www.sub.example")), ["192.0.2.80"])
        self.assertEqual(world.asked[:3], ["192.0.2.99 example A", "192.0.2.99 www.sub.example A", "192.0.2.1 www.sub.example A"])

    def test_spentBudget(self) -> None:
        """
        When the budget of the client's query is spent, nothing further is tried.
        """
        world = usual()
        world.servers[ROOT_ADDRESS] = {"*": BudgetSpent("enough")}
        self.assertRaises(BudgetSpent, world.resolve, "www.sub.example")
        self.assertEqual(len(world.asked), 1)

    def test_endlessReferrals(self) -> None:
        """
        Referrals to ever deeper zones have an end.
        """

        def deeper(question: Question) -> Answer:
            # A server that refers every name to a zone with one label more than it was asked for.
            count[0] += 1
            labels = "x." * 120
            zone = labels[-2 * count[0] :].rstrip(".")
            return referral(zone, "ns.y", glue=("ns.y A 192.0.2.1",))

        count = [0]
        world = World({ROOT_ADDRESS: deeper}, {"ns.y": [ROOT_ADDRESS]})
        world.options = Options(minimize=False, families=(A,))
        self.assertRaises(DNSFault, world.resolve, "x." * 120)
        self.assertLessEqual(len([each for each in world.asked if not each.startswith("find")]), REFERRALS.default)


class GhostTests(SynchronousTestCase):
    """
    Zones that their parent has removed (attack 19).
    """

    def test_removedZone(self) -> None:
        """
        A removed zone that keeps its delegation in use, renews its NS set and invents zones below it is gone when its delegation expires.
        """
        world = usual()
        glue = ("ns.sub.example 86400 A 192.0.2.3",)
        own = reply("www.sub.example A 192.0.2.80", authority=("sub.example 86400 NS ns.sub.example",), additional=glue)
        world.servers["192.0.2.3"] = {"*": own}
        world.resolve("www.sub.example")
        world.servers["192.0.2.2"] = {"*": denial("example", Outcome.NXDOMAIN)}
        for number in range(29):
            world.now += 10
            zone = f"z{number}.sub.example"
            world.servers["192.0.2.3"] = {
                "www.sub.example A": own,
                zone: referral(zone, "ns.sub.example", ttl=86_400, glue=glue),
                f"www.{zone} A": reply(f"www.{zone} A 192.0.2.81"),
            }
            world.resolve("www.sub.example")
            world.resolve(f"www.{zone}")
        world.now = 301
        # The root's delegation of the parent has expired as well.
        for text in ("www.sub.example", "www.z28.sub.example"):
            self.assertEqual(world.resolve(text).outcome, Outcome.NXDOMAIN)


_REPLIES = st.sampled_from(
    [
        _EXAMPLE, _SUB, _WWW, nothing(), denial("."), denial("example"), denial("sub.example", Outcome.NXDOMAIN),
        denial("example", Outcome.NXDOMAIN), referral("www.sub.example", "ns.sub.example", "ns.other"),
        referral("sub.example", "ns.other", ttl=0), referral("com", "ns.com"),
        referral("example", "ns.sub.example"), reply("www.sub.example CNAME x.example"), reply("sub.example DNAME example"), reply(),
        reply(authority=("sub.example NS ns.other",)), ServerFailed("no", rcode=2), None,
    ]
)  # fmt: skip


@given(st.lists(_REPLIES, min_size=1, max_size=40), st.booleans(), st.booleans(), st.sampled_from(["A", "DS", "NS", "CNAME"]))
def test_anyReplies(replies: list[Answer | DNSFault | None], minimize: bool, strict: bool, rrType: str) -> None:
    """
    Whatever servers reply, a look-up ends with an answer or a fault of ours, after a limited number of queries, and no delegation has more
    labels than names that were asked for.
    """
    count = [0]

    def told(question: Question) -> Answer | DNSFault | None:
        found = replies[count[0] % len(replies)]
        count[0] += 1
        if isinstance(found, Answer):
            return Answer(found.outcome, found.answer, found.authority, found.additional, rcode=found.rcode, flags=found.flags)
        return found

    hosts = {"ns.other": ["192.0.2.4"], "ns.com": ["192.0.2.4"], "ns.sub.example": ["192.0.2.3"]}
    world = World({f"192.0.2.{number}": told for number in range(1, 5)}, hosts)
    world.options = Options(minimize=minimize, strict=strict)
    for _ in range(3):
        try:
            world.resolve("www.sub.example", rrType)
        except DNSFault:
            pass
        world.now += 40
    assert len(world.asked) < 3 * 5 * REFERRALS.default
    assert all(labelCount(each.zone) <= 3 for each in world.delegations)
