"""
Attack 7: records of which a server knows nothing, or that the resolver has not asked for, in replies that are otherwise right. One spoofed
reply must not be enough to take over a zone (CVE-2025-40778, CVE-2025-11411, CVE-2025-59023).
"""

from __future__ import annotations

from tests.attacks.recursing import RecursingTestCase, addressesIn, anyReferral, repliesWith, serversOf
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.recursion import iteration, replies
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer
from twisted_ext.recursion.iteration import Iteration
from twisted_ext.recursion.replies import Referral, glueOf
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, labelCount, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME, NS, TXT, A

GENUINE, FORGED = "192.0.2.80", "192.0.2.66"
VICTIM = nameFromText("victim.test")

#: The attacker's server, which serves the victim's zone as well.
EVIL = "ns.attacker.test"


class _HijackingCase(RecursingTestCase):
    def setUp(self) -> None:
        super().setUp()
        internet = self.internet
        internet.zone("attacker.test", "", [EVIL])
        internet.zone("victim.test", f"canary A {GENUINE}\nprime A {GENUINE}\ntrigger TXT hello", ["ns.victim.test"])
        internet.variant("victim.test", f"canary A {FORGED}\nonly A {FORGED}\ntrigger A {FORGED}", [EVIL])
        self.evil = internet.servers[nameFromText(EVIL)].addresses[0]
        self.start()
        self.assertEqual(addressesIn(self.look("prime.victim.test")), [GENUINE])

    def reply(self, at: str, trigger: str, answer: list[RRSet], authority: list[RRSet], additional: list[RRSet], flags: int = AA) -> None:
        """
        Have the servers of a zone reply to a question once over UDP as if an attacker had spoofed it.
        """
        key = nameFromText(trigger).lower()
        for server in self.internet.zones[nameFromText(at)].servers:
            repliesWith(
                server,
                lambda question: (answer, authority, additional) if question.key[:-4] == key else None,
                flags=flags,
                transports="udp",
            )

    def isHijacked(self) -> bool:
        """
        Return whether names of the victim's zone come from the attacker.
        """
        found = [addressesIn(self.look("canary.victim.test")), addressesIn(self.look("only.victim.test"))]
        self.assertIn(found, ([[GENUINE], []], [[FORGED], [FORGED]]))
        return found[0] == [FORGED]

    def glue(self, owner: str = EVIL) -> RRSet:
        """
        Return the address of the attacker's server as that of some name.
        """
        return rrsetOf(nameFromText(owner), A, self.evil, 3600)


class TakeoverTests(_HijackingCase):
    """
    Tests of one spoofed reply.
    """

    def believeEverything(self) -> None:
        """
        Have the resolver use each NS set that it sees.
        """

        def refine(iterating: Iteration, delegation: Delegation, reply: Answer) -> None:
            for rrset in reply.authority:
                if rrset.rrType == NS:
                    owner = rrset.name.lower()
                    glue = glueOf(rrset.rdatas, reply, ROOT)
                    iterating._delegations.learn(Referral(owner, rrset.rdatas, rrset.ttl, glue, ()), iterating._now, labelCount(owner))

        self.patch(Iteration, "_refine", refine)

    def spoofSibling(self) -> bool:
        """
        Spoof an answer of the top level's servers for another name, with NS records of the victim's zone.
        """
        text = rrsetOf(nameFromText("trigger.test"), TXT, "spoofed", 3600)
        self.reply("test", "trigger.test", [text], [serversOf("victim.test", [EVIL])], [self.glue()])
        self.look("trigger.test", "TXT")
        return self.isHijacked()

    def test_serversOfSiblingAreNotUsed(self) -> None:
        """
        NS records of another zone in the authority section of an answer are not used.
        """
        self.assertFalse(self.spoofSibling())

    def test_withoutDefenseSiblingIsHijacked(self) -> None:
        """
        If they were, the attacker would have the zone.
        """
        self.believeEverything()
        self.assertTrue(self.spoofSibling())

    def spoofApex(self) -> bool:
        """
        Spoof an answer of the victim's own server, with other NS records of the zone.
        """
        text = rrsetOf(nameFromText("trigger.victim.test"), TXT, "spoofed", 3600)
        self.reply("victim.test", "trigger.victim.test", [text], [serversOf("victim.test", [EVIL])], [])
        self.look("trigger.victim.test", "TXT")
        return self.isHijacked()

    def test_unsolicitedServersOfTheZoneAreNotUsed(self) -> None:
        """
        NS records of the zone itself, in an answer to another question, are not used.
        """
        self.assertFalse(self.spoofApex())

    def test_withoutDefenseZoneIsHijacked(self) -> None:
        """
        If they were, the attacker would have the zone.
        """
        self.believeEverything()
        self.assertTrue(self.spoofApex())

    def spoofGlue(self) -> bool:
        """
        Spoof a referral to a zone below that of the victim, with a wrong address of the victim's own server.
        """
        servers = serversOf("trigger.victim.test", ["ns.victim.test"])
        self.reply("victim.test", "trigger.victim.test", [], [servers], [self.glue("ns.victim.test")], flags=0)
        self.assertEqual(addressesIn(self.look("trigger.victim.test")), [FORGED])
        self.internet.advance(61)
        return self.isHijacked()

    def test_glueOfOneDelegationIsNotUsedForAnother(self) -> None:
        """
        The address is used for the delegation that it came with, and for no other one.
        """
        self.assertFalse(self.spoofGlue())

    def test_sharedGlueWouldHijackTheParent(self) -> None:
        """
        If glue were shared among delegations, the attacker would have the zone.
        """
        learn = Delegations.learn

        def sharing(delegations: Delegations, referral: Referral, now: float, labels: int, referrer: str, until: float) -> Delegation:
            learned = learn(delegations, referral, now, labels, referrer, until)
            known: dict[bytes, NameServer] = {server.name: server for server in learned.servers if server.addresses}
            for delegation in delegations:
                delegation.servers = tuple([known.get(server.name, server) for server in delegation.servers])
            return learned

        self.patch(Delegations, "learn", sharing)
        self.assertTrue(self.spoofGlue())

    def spoofDNAME(self) -> bool:
        """
        Spoof an answer with a DNAME record at the apex of the victim's zone.
        """
        self.internet.zones[nameFromText("attacker.test")].add(f"only A {FORGED}", f"canary A {FORGED}")
        trigger = nameFromText("trigger.victim.test")
        alias = rrsetOf(trigger, CNAME, "trigger.attacker.test.", 3600)
        self.reply("victim.test", "trigger.victim.test", [alias, rrsetOf(VICTIM, DNAME, "attacker.test.", 3600)], [], [])
        self.look("trigger.victim.test", "TXT")
        return self.isHijacked()

    def test_unsignedDNAMEIsUsedForItsNameOnly(self) -> None:
        """
        The record is used for the name that was asked for, and for no other one.
        """
        self.assertFalse(self.spoofDNAME())

    def test_cachedDNAMEWouldRedirectAll(self) -> None:
        """
        If it were cached for all names below it, all of them would lead to the attacker.
        """
        learn = CachedSource.learn

        def everywhere(cache: CachedSource, question: Question, context: QueryContext, answer: Answer) -> Answer | None:
            for rrset in answer.answer:
                if rrset.rrType == DNAME:
                    for label in (b"\x04only", b"\x06canary"):
                        forged = rrsetOf(label + rrset.name, A, FORGED, 3600)
                        made = Answer(Outcome.DATA, (forged,), flags=AA, origin=answer.origin)
                        learn(cache, Question(forged.name, A), QueryContext(0.0), made)
            return learn(cache, question, context, answer)

        self.patch(CachedSource, "learn", everywhere)
        self.assertTrue(self.spoofDNAME())


class ScrubbingTests(_HijackingCase):
    """
    Tests of an attacker's own servers, whose replies say things of the victim's zone.
    """

    def redirect(self, cut: str) -> bool:
        """
        Have the attacker's server refer to the victim's zone, or to one above both.
        """
        self.reply("attacker.test", "x.attacker.test", [], [serversOf(cut, [EVIL])], [self.glue()], flags=0)
        self.look("x.attacker.test")
        return self.isHijacked()

    def test_referralsLeadDownward(self) -> None:
        """
        A referral to a zone beside or above that of the server is not used.
        """
        for cut in ("victim.test", "test", "."):
            self.assertFalse(self.redirect(cut))

    def test_otherReferralsWouldHijack(self) -> None:
        """
        If they were, the attacker would have the zone.
        """
        self.patch(iteration, "meaningOf", anyReferral)
        self.assertTrue(self.redirect("victim.test"))

    def extra(self) -> list[str]:
        """
        Have the attacker's server answer with an alias to the victim's name, and with an address of that.

        @return: the addresses that the alias leads to.
        """
        alias = rrsetOf(nameFromText("x.attacker.test"), CNAME, "canary.victim.test.", 3600)
        forged = rrsetOf(nameFromText("canary.victim.test"), A, FORGED, 3600)
        self.reply("attacker.test", "x.attacker.test", [alias, forged], [serversOf("victim.test", [EVIL])], [self.glue()])
        found = addressesIn(self.look("x.attacker.test"))
        self.assertFalse(self.isHijacked())
        return found

    def test_targetsAreAskedForElsewhere(self) -> None:
        """
        The address comes from the victim's servers.
        """
        self.assertEqual(self.extra(), [GENUINE])

    def test_withoutScrubbingTargetsAreForged(self) -> None:
        """
        Without scrubbing, it would be the attacker's.
        """
        self.patch(iteration, "scrubbed", lambda question, reply, zone, labels: reply)
        self.assertEqual(self.extra(), [FORGED])

    def foreignGlue(self) -> int:
        """
        Have the attacker's server refer to the victim's server, with an address of the attacker's choice.

        @return: how many packets are sent there.
        """
        chosen = "203.0.113.9"
        self.internet.reactor(chosen)
        additional = [rrsetOf(nameFromText("ns.victim.test"), A, chosen, 3600)]
        self.reply("attacker.test", "x.attacker.test", [], [serversOf("x.attacker.test", ["ns.victim.test"])], additional, flags=0)
        self.look("x.attacker.test")
        return self.sentTo(chosen)

    def test_addressesOfForeignServersAreLookedUp(self) -> None:
        """
        The address is not used, because the server is in another zone: it is looked up.
        """
        self.assertEqual(self.foreignGlue(), 0)

    def test_foreignGlueWouldBeUsed(self) -> None:
        """
        Without the check of the zone, it is queried.
        """
        self.patch(replies, "glueOf", lambda servers, reply, zone: glueOf(servers, reply, ROOT))
        self.assertGreater(self.foreignGlue(), 0)

    def test_extraRecordsOfEveryServerAreIgnored(self) -> None:
        """
        If all replies of the attacker's zone, and of the top level, have NS records of the zone above and addresses of other names, all
        names are resolved as before.
        """
        for zone in ("attacker.test", "test"):
            self.internet.inject(Fault.EXTRA_RECORDS, zone)
        for name in ("a.attacker.test", "b.attacker.test", "c.test"):
            self.look(name)
        self.assertFalse(self.isHijacked())
