"""
Attack 1, its second half: a forger who wins for a random name adds records for the victim's name (Kaminsky, 2008; RFC 2181, section 5.4.1).
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText

VICTIM = "www.victim.test"
GENUINE, FORGED = "192.0.2.80", "192.0.2.66"


class UnaskedTests(NetworkTestCase):
    """
    A server whose every reply has records of the victim as well.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, server = self.serve(records={(VICTIM, "A"): GENUINE})
        self.canned.otherwise = "192.0.2.1"
        self.canned.tamper = self.bring
        self.cache = CachedSource(CoalescingSource(self.forward(server), self.here), self.here)

    def bring(self, reply: bytes, transport: str) -> list[bytes]:
        """
        Return the reply with unrequested records in every section.
        """
        message = Message.fromWire(reply)
        if message.questions[0] == questionOf(VICTIM):
            return [reply]
        victim, zone = nameFromText(VICTIM), nameFromText("victim.test")
        forged = rrsetOf(victim, 1, FORGED, 86400)
        servers = rrsetOf(zone, 2, f"{VICTIM}.", 86400)
        alias = rrsetOf(message.questions[0].name, 5, f"{VICTIM}.", 86400)
        answer = (alias, forged) if self.aliased else (*message.answer, forged)
        return [buildMessage(Message(message.id, message.flags, message.questions, answer, (servers,), (forged,), message.edns))]

    def poisoned(self) -> bool:
        """
        Return whether the victim's name leads to the forger after look-ups of other names, with and without the cache.
        """
        for self.aliased in (False, True):
            for number in range(20):
                self.find(self.cache, f"r{number}{'a' if self.aliased else ''}.victim.test")
        found = self.find(self.cache, VICTIM)
        self.assertEqual(found, self.find(self.cache, VICTIM))
        return found != [GENUINE]

    def test_attack01_unrequestedRecordsAreNotUsed(self) -> None:
        """
        Unrequested records are not used: neither those of the additional or authority section, nor those behind an alias. A cache that
        stores records by their owners would use them.
        """
        self.assertFalse(self.poisoned())
        self.cache.flush()
        learn = CachedSource.learn

        def everything(cache: CachedSource, question: Question, context: QueryContext, answer: Answer) -> None:
            for rrset in (*answer.answer, *answer.additional):
                about = Question(rrset.name, rrset.rrType)
                learn(cache, about, context, Answer(Outcome.DATA, (rrset,), flags=answer.flags, origin=answer.origin))
            learn(cache, question, context, answer)

        self.patch(CachedSource, "learn", everything)
        self.assertTrue(self.poisoned())
