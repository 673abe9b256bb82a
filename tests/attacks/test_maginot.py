"""
Attack 6: a server for one zone that poisons what recursion uses for others, where one resolver forwards and recurses (MaginotDNS, 2023).
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.attacks.recursing import RecursingTestCase, addressesIn, anyReferral, repliesWith, serversOf
from tests.server.stacks import forwardStack
from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.recursion import iteration
from twisted_ext.recursion.delegations import Delegations
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.stubs import stubDelegation
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, A

GENUINE, FORGED = "192.0.2.80", "192.0.2.66"
EVIL = "ns.attacker.test"
VICTIM = nameFromText("www.victim.example")


def poison(question: Question, evil: str) -> tuple[list[RRSet], list[RRSet], list[RRSet]]:
    """
    Return sections with an alias to the victim's name, its address, and NS records of the zones above it.
    """
    answer = [rrsetOf(question.name, CNAME, "www.victim.example.", 3600), rrsetOf(VICTIM, A, FORGED, 3600)]
    authority = [serversOf(zone, [EVIL]) for zone in ("example", "victim.example", ".")]
    return answer, authority, [rrsetOf(nameFromText(EVIL), A, evil, 3600), answer[1]]


class StubTests(RecursingTestCase):
    """
    Tests of a zone whose server the configuration names, and that an attacker has.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("attacker.test", "", [EVIL])
        self.internet.zone("victim.example", f"www A {GENUINE}")
        self.internet.variant("victim.example", f"www A {FORGED}", [EVIL])
        self.evil = self.internet.servers[nameFromText(EVIL)]
        self.start()
        corp = nameFromText("corp.test")
        fixed = stubDelegation(corp, self.evil.addresses)
        self.recursive.delegations = Delegations(self.recursive.delegations.root, fixed=[fixed])

    def afterwards(self) -> tuple[list[str], list[str]]:
        """
        Return the addresses of a name of the stub zone, and then those of the victim's name.
        """
        first = addressesIn(self.look("x.corp.test"))
        return first, addressesIn(self.look("www.victim.example"))

    def test_stubSaysNothingOfOtherZones(self) -> None:
        """
        Neither the address nor the NS records that its server sends are used: the alias leads to the victim's own address.
        """
        (address,) = self.evil.addresses
        repliesWith(self.evil, lambda question: poison(question, address) if question.name.endswith(b"\x04corp\x04test\x00") else None)
        self.assertEqual(self.afterwards(), ([GENUINE], [GENUINE]))

    def test_withoutScrubbingAliasIsForged(self) -> None:
        """
        Without scrubbing, the alias leads to the attacker. The victim's own name is not touched even then: answers are cached by question.
        """
        self.patch(iteration, "scrubbed", lambda question, reply, zone, labels: reply)
        (address,) = self.evil.addresses
        repliesWith(self.evil, lambda question: poison(question, address) if question.name.endswith(b"\x04corp\x04test\x00") else None)
        self.assertEqual(self.afterwards(), ([FORGED], [GENUINE]))

    def referToItself(self) -> None:
        """
        Have the server of the stub zone refer to one for the victim's zone.
        """
        (address,) = self.evil.addresses
        sections: tuple[list[RRSet], ...] = ([], [serversOf("victim.example", [EVIL])], [rrsetOf(nameFromText(EVIL), A, address, 3600)])
        repliesWith(self.evil, lambda question: sections if question.name.endswith(b"\x04corp\x04test\x00") else None, flags=0)

    def test_stubRefersToNoOtherZone(self) -> None:
        """
        A referral out of the zone is not used.
        """
        self.referToItself()
        self.assertEqual(self.afterwards(), ([], [GENUINE]))

    def test_otherReferralsWouldBeUsed(self) -> None:
        """
        If they were, the victim's zone would be the attacker's.
        """
        self.referToItself()
        self.patch(iteration, "meaningOf", anyReferral)
        self.assertEqual(self.afterwards()[1], [FORGED])

    def test_silentStubDoesNotLeakItsNames(self) -> None:
        """
        If the server does not answer, no name of its zone is sent to servers of the Internet.
        """
        self.evil.silent = True
        self.look("secret.corp.test")
        self.assertEqual(self.packets(), self.sentTo(self.evil.addresses[0]))


class RouteTests(RecursingTestCase):
    """
    The same for a forwarder of some names beside recursion, in one server with one cache.
    """

    def test_forwarderSaysNothingOfOtherZones(self) -> None:
        """
        What a forwarder for one domain adds to its replies is not used for any other one.
        """
        internet = self.internet = Internet(seed=3, start=time.time(), signed=False, families=(4,), rtt=0.002)
        internet.zone("victim.example", f"www A {GENUINE}")
        here = internet.reactor()
        canned = CannedServer()
        server = canned.listen(internet.network.reactor("203.0.113.53"))

        def tamper(octets: bytes, transport: str) -> list[bytes]:
            message = Message.fromWire(octets)
            answer, authority, additional = poison(message.questions[0], "203.0.113.53")
            made = Message(message.id, message.flags & ~15 | AA, message.questions, (*answer,), (*authority,), (*additional,), message.edns)
            return [buildMessage(made)]

        canned.tamper = tamper
        hints = Path(self.mktemp())
        hints.write_text(internet.hints)
        settings = Settings.of(role="recurse", hostsFile="", rootHints=str(hints), validate=False, route={"corp.test": server.label})
        stack = forwardStack(here, settings)
        self.addCleanup(stack.close)
        for name in ("x.corp.test", "y.corp.test", "www.victim.example"):
            try:
                found = internet.wait(lookUp(stack, questionOf(name), QueryContext(here.seconds() + 5)))
            except DNSFault:
                continue
        self.assertGreater(len(canned.asked), 0)
        self.assertEqual(addressesIn(found), [GENUINE])
        self.assertNotIn(ROOT, [each.question.name for each in canned.asked])
