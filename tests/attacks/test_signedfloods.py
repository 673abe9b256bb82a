"""
Attack 58: clients that may change a signed zone, and change it as often and as expensively as they can.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.defer import Deferred

from tests.server.zones.signing.test_renewal import TimedCase, leastLife
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.server.zones.update.commit import CommitQueue, Edited, Steps
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.zone.limits import UPDATES_WAITING
from twisted_ext.zone.sign.policy import SigningPolicy

_DAY = 86_400
_NAMES = "".join([f"h{number} A 192.0.2.1\n" for number in range(60)])
_FLOOD = int(UPDATES_WAITING.default) + 500


class FloodTests(TimedCase):
    """
    A server whose zone gets more updates than it can make.
    """

    def flood(self) -> list[int | None]:
        """
        Let half a day pass, send updates all at once, and have done what is due meanwhile. Return the rcode of each.
        """
        self.policy = SigningPolicy(validity=Validity(signatures=6 * _DAY, renew=2 * _DAY))
        self.start(_NAMES)
        self.assertEqual(self.update("first 300 A 192.0.2.9"), 0)
        self.now += 5 * 3600
        self.clock.rightNow += 5 * 3600
        replies = [self.send(f"n{number} 300 A 192.0.2.1") for number in range(_FLOOD)]
        # Of more than may wait, each has its reply at once.
        at_once = [Message.fromWire(reply[0]).rcode for reply in replies if reply]
        self.assertEqual(set(at_once), {Rcode.SERVFAIL})
        self.assertGreater(len(at_once), 300)
        self.look()
        return [Message.fromWire(reply[0]).rcode if reply else None for reply in replies]

    def test_renewalsComeFirst(self) -> None:
        """
        Signatures that are due are made anew, however many updates wait, and those that were acknowledged are there.
        """
        rcodes = self.flood()
        self.assertNotIn("cannot be made anew", self.said())
        self.assertGreater(leastLife(self.served, self.now), 4 * _DAY - 1)
        self.assertNotIn(None, rcodes)
        self.assertLessEqual({f"n{number}" for number, rcode in enumerate(rcodes) if rcode == 0}, self.names())
        self.expectSigned()

    def test_withoutThat(self) -> None:
        """
        If they had to wait like updates, the flood would keep them out.
        """
        change = CommitQueue.change

        def equal(queue: CommitQueue, steps: Steps, *, isAlone: bool = False, isOwn: bool = False) -> Deferred[Edited]:
            return change(queue, steps, isAlone=isAlone)

        with patch.object(CommitQueue, "change", equal):
            self.flood()
        self.assertIn("cannot be made anew", self.said())

    def test_expensiveChanges(self) -> None:
        """
        A delegation above many names touches them all; beyond a limit the change is refused, and the zone is served as it is.
        """
        self.start("".join([f"h{number}.deep A 192.0.2.1\n" for number in range(300)]))
        with patch("twisted_ext.zone.sign.completer.MOST_NAMES", 200):
            self.assertNotEqual(self.update("deep 300 NS ns.example.net."), 0)
        self.assertEqual(len(self.names()), 301)
        self.expectSigned()
        self.assertEqual(self.update("deep 300 NS ns.example.net."), 0)
        self.expectSigned()
