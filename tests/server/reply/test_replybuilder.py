"""
Tests of the flags and sections of replies.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import optOf, queryOf
from tests.zone.plain import HEAD, answer, versionOf
from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.codes import AA, DO, TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, NSEC, RRSIG, A

ZONE = (
    HEAD
    + "www A 192.0.2.1\n"
    + "sub NS ns.sub\nns.sub A 192.0.2.2\n"
    + "".join([f"crowd NS n{number}.crowd\nn{number}.crowd AAAA 2001:db8::{number}\n" for number in range(1, 20)])
)


class ZoneTests(SynchronousTestCase):
    """
    Tests with answers from zones.
    """

    def setUp(self) -> None:
        self.version = versionOf(ZONE)
        self.replyBuilder = ReplyBuilder(recursion=False)

    def reply(self, name: str, rrType: str = "A", *, opt: bytes = b"", transport: str = "udp") -> Message:
        """
        Return the reply to a query.
        """
        request = Request.fromWire(queryOf(name, rrType, opt=opt), ("127.0.0.1", 53535), transport)
        assert request is not None
        return Message.fromWire(self.replyBuilder.answer(request, answer(self.version, request.question)).octets).check()

    def test_referralHasNoAA(self) -> None:
        """
        AA is set in answers of the zone and clear in referrals, which keep their glue.
        """
        self.assertTrue(self.reply("www.example").flags & AA)
        referral = self.reply("www.sub.example")
        self.assertFalse(referral.flags & AA)
        self.assertEqual([rrset.rdatas for rrset in referral.additional], [(bytes([192, 0, 2, 2]),)])

    def test_upstreamSectionsAreRemoved(self) -> None:
        """
        The reply for an upstream's answer has no AA flag and no name servers or their addresses.
        """
        request = Request.fromWire(queryOf("www.example"), ("127.0.0.1", 53535), "udp")
        assert request is not None
        own = answer(self.version, request.question, minimal=False)
        told = Answer(Outcome.DATA, own.answer, own.authority, own.additional, flags=AA, origin=Origin("udp"))
        read = Message.fromWire(self.replyBuilder.answer(request, told).octets).check()
        self.assertEqual((read.authority, read.additional, read.flags & AA), ((), (), 0))
        self.assertEqual(len(read.answer), 1)

    def test_removedServersLeaveNoSignature(self) -> None:
        """
        Name servers are removed with their signature, while proofs keep theirs.
        """
        owner = nameFromText("www.example")

        def signature(covered: int) -> RRSet:
            rdata = covered.to_bytes(2, "big") + bytes(16) + b"\x00sign"
            return RRSet(owner, RRSIG, 1, 60, (rdata,))

        def other(rrType: int) -> RRSet:
            return RRSet(owner, rrType, 1, 60, (b"\x00",))

        request = Request.fromWire(queryOf("www.example", opt=optOf(1232, flags=DO)), ("127.0.0.1", 53535), "udp")
        assert request is not None
        authority = (other(NS), signature(NS), other(NSEC), signature(NSEC))
        data = RRSet(owner, A, 1, 60, (bytes(4),))
        read = Message.fromWire(self.replyBuilder.answer(request, Answer(Outcome.DATA, (data,), authority)).octets)
        self.assertEqual([(each.rrType, each.rdatas[0][:2]) for each in read.authority], [(NSEC, b"\x00"), (RRSIG, b"\x00\x2f")])

    def test_missingGlueSetsTC(self) -> None:
        """
        TC is set in a referral whose glue does not fit, and clear if it fits (RFC 9471, section 3.1).
        """
        self.assertTrue(self.reply("www.crowd.example").flags & TC)
        for whole in (
            self.reply("www.crowd.example", opt=optOf(1232)),
            self.reply("www.crowd.example", transport="tcp"),
        ):
            self.assertFalse(whole.flags & TC)
            self.assertEqual(len(whole.additional), 19)
