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

#: Messages that arrive while the query is outstanding, each with the right ID from the right server to the right port.
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
        # Only UDP works, so that nothing but waiting helps.
        self.canned.silentTo = "tcp"
        self.network.shape(source="192.0.2.53", delay=0.1)

    def meet(self, *bodies: bytes) -> tuple[list[str], float]:
        """
        Look the victim up while odd replies arrive.

        @return: the addresses, and how long the look-up took.
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

    def test_oddReplyIsIgnored(self) -> None:
        """
        Each odd reply is ignored, and the genuine reply is accepted when it comes.
        """
        for what, body in ODD.items():
            with self.subTest(what):
                found, elapsed = self.meet(body)
                self.assertEqual((found, round(elapsed, 2)), ([GENUINE], 0.11))

    def test_allOddRepliesTogetherAreIgnored(self) -> None:
        """
        All odd replies together are ignored as well.
        """
        self.assertEqual(self.meet(*ODD.values())[0], [GENUINE])

    def test_endingOnOddReplyWouldFail(self) -> None:
        """
        If an odd reply ended the look-up, as in vulnerable resolvers, it would fail.
        """

        def ending(flight: ForwardedLookup, octets: bytes, now: float, channel: object, key: bytes) -> bool:
            flight.end(flight._soFar(now))
            return True

        self.patch(ForwardedLookup, "replied", ending)
        self.assertRaises(self.failureException, self.meet, ODD["header alone"])

    def test_TCPQueryHasOurQuestion(self) -> None:
        """
        The query over TCP has our question in our case, whatever question the truncated reply had. A reply with another name causes no
        query for it.
        """
        self.canned.silentTo = "udp"
        shouted = questionOf(VICTIM.upper())
        for question in (OTHER, shouted):
            self.canned.asked.clear()
            self.meet(buildMessage(Message(0, 0x8380, (question,)))[2:])
            self.assertEqual({asked.question.name for asked in self.canned.asked}, {OURS.name})
            self.assertEqual(self.canned.asked[-1].transport, "tcp")

    def test_forgedFORMERRCostsOneQuery(self) -> None:
        """
        A forged FORMERR causes one more query without EDNS, and no more than one. The genuine reply to the first query is still accepted.
        """
        self.canned.asked.clear()
        forged = buildMessage(Message(0, 0x8181, (OURS,)))[2:]
        found, elapsed = self.meet(forged, forged, forged)
        # The reply to the first query, not the later one to the second.
        self.assertEqual((found, round(elapsed, 2)), ([GENUINE], 0.11))
        self.assertLessEqual(len(self.canned.asked), 2)
        begun = ForwardedLookup._setBack

        def instead(flight: ForwardedLookup, came: Came, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
            begun(flight, came, fault, now, channel, key)
            if came is Came.NO_EDNS:
                channel.release(key)

        # If the first query were released for the second, a forger would have moved the window.
        self.patch(ForwardedLookup, "_setBack", instead)
        self.assertEqual(round(self.meet(forged)[1], 2), 0.16)
