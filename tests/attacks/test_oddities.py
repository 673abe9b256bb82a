"""
Attack 8: odd replies that make a resolver stop waiting, so that it fails or the forger gets more tries (TuDoor, 2023).
"""

from __future__ import annotations

from tests.attacks.test_spoofing import GENUINE, VICTIM, forge
from tests.networks import NetworkTestCase, socketOf
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.forward.nextstep import Came
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.exchange import Channel
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message

OURS = questionOf(VICTIM)
OTHER = questionOf("other.test")

_HEADER = b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
_RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x42"

#: What comes while the query is open, each with the right id from the right server to the right port.
ODD = {
    "query": forge(OURS, 0x0180),
    "other question": forge(OTHER),
    "no question": b"\x81\x80" + bytes(8),
    "no question, a record": b"\x81\x80\x00\x00\x00\x01\x00\x00\x00\x00" + _RECORD,
    "two questions": b"\x81\x80\x00\x02\x00\x01\x00\x00\x00\x00" + OURS.toWire() + OTHER.toWire() + _RECORD,
    "update": forge(OURS, 0xA980),
    "notify": forge(OURS, 0xA180),
    "header alone": b"\x81\x82" + bytes(8),
    "less than a header": b"\x81\x80\x00",
    "id alone": b"",
    "format error without question": b"\x81\x81" + bytes(8),
    "cut rdata": _HEADER + OURS.toWire() + _RECORD[:-2],
    "rdata of a wrong length": _HEADER + OURS.toWire() + _RECORD[:10] + b"\x00\x03\xc0\x00\x02",
    "octets behind the end": forge(OURS) + b"\x00",
    "counts that lie": b"\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00" + OURS.toWire() + _RECORD,
    "truncated, other question": forge(OTHER, 0x8380),
    "two OPT records": b"\x81\x80\x00\x01\x00\x00\x00\x00\x00\x02" + OURS.toWire() + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00" * 2,
    "other type": forge(questionOf(VICTIM, "AAAA")),
}


class OddReplyTests(NetworkTestCase):
    """
    Odd replies, and the genuine one a hundred milliseconds later.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE, ("other.test", "A"): "192.0.2.99"})
        # There is no way but UDP, so that nothing but waiting helps.
        self.canned.silentTo = "tcp"
        self.network.shape(source="192.0.2.53", delay=0.1)

    def meet(self, *bodies: bytes) -> tuple[list[str], float]:
        """
        Look the victim up while odd replies come in.

        @return: what was found, and how long it took.
        """
        source = self.forward(self.server)
        asked = self.ask(source, VICTIM)
        self.network.advance(0.05)
        (port,) = self.here.ports()
        (key,) = socketOf(port).keys
        for body in bodies:
            self.network.inject(key + body, ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.network.advance(6)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        return [".".join([str(octet) for octet in rdata]) for rrset in answer.answer for rdata in rrset.rdatas], answer.origin.elapsed

    def test_each(self) -> None:
        """
        Each is passed over, and the genuine reply is what counts, when it comes.
        """
        for what, body in ODD.items():
            with self.subTest(what):
                found, elapsed = self.meet(body)
                self.assertEqual((found, round(elapsed, 2)), ([GENUINE], 0.11))

    def test_all(self) -> None:
        """
        All of them together do not make it worse.
        """
        self.assertEqual(self.meet(*ODD.values())[0], [GENUINE])

    def test_undefended(self) -> None:
        """
        Were an odd reply to end the wait, as in the resolvers that were found, the look-up would fail.
        """

        def ending(flight: ForwardedLookup, octets: bytes, now: float, leg: object, key: bytes) -> bool:
            flight.end(flight._soFar(now))
            return True

        self.patch(ForwardedLookup, "replied", ending)
        self.assertRaises(self.failureException, self.meet, ODD["header alone"])

    def test_truncatedWithOurQuestion(self) -> None:
        """
        The query that goes out by TCP is ours, whatever question the truncated reply had: a reply with another one leads to no TCP with
        that, and one with ours in another case leads to ours in our case.
        """
        self.canned.silentTo = "udp"
        shouted = questionOf(VICTIM.upper())
        for question in (OTHER, shouted):
            self.canned.asked.clear()
            self.meet(buildMessage(Message(0, 0x8380, (question,)))[2:])
            self.assertEqual({asked.question.name for asked in self.canned.asked}, {OURS.name})
            self.assertEqual(self.canned.asked[-1].transport, "tcp")

    def test_formatErrorKeepsTheWindow(self) -> None:
        """
        A forged format error makes us ask once more without EDNS, and no more than once, while the genuine reply to the first query still
        counts.
        """
        self.canned.asked.clear()
        forged = buildMessage(Message(0, 0x8181, (OURS,)))[2:]
        found, elapsed = self.meet(forged, forged, forged)
        # The reply to the first query, and not the one to the second, which comes later.
        self.assertEqual((found, round(elapsed, 2)), ([GENUINE], 0.11))
        self.assertLessEqual(len(self.canned.asked), 2)
        begun = ForwardedLookup._setBack

        def instead(flight: ForwardedLookup, came: Came, fault: DNSFault, now: float, leg: Channel, key: bytes) -> None:
            begun(flight, came, fault, now, leg, key)
            if came is Came.NO_EDNS:
                leg.release(key)

        # With the first query given up for the second, a forger would have moved the window.
        self.patch(ForwardedLookup, "_setBack", instead)
        self.assertEqual(round(self.meet(forged)[1], 2), 0.16)
