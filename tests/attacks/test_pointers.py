"""
Attack 22: names that never end, have pointer loops or cost more than their message (CVE-2026-42304, CVE-2026-52682), and labels of unknown
types.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.captures import packetsOf
from tests.conformance.examining import CountingBytes, counting
from tests.corpora import corpus
from tests.networks import NetworkTestCase, socketOf
from twisted_ext.errors import BadMessage
from twisted_ext.limits import POINTER_HOPS, POINTERS_PER_NAME
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire import reader
from twisted_ext.wire.message import Message

VICTIM = questionOf("victim.test")
ENDLESS = 1 << 30

#: Invalid owners of records, each after the header and our question, at octet 29.
BAD_OWNERS = {
    "to itself": b"\xc0\x1d",
    "forward": b"\xc0\x20\x00\x01a\x00",
    "around": b"\x01a\xc0\x1d",
    "of type 01": b"\x41" + bytes(16),
    "of type 10": b"\x81" + bytes(16),
    "endless": (b"\x3f" + b"a" * 63) * 4 + b"\x00",
    "endless by a pointer": (b"\x3f" + b"a" * 63) * 3 + b"\x37" + b"a" * 55 + b"\xc0\x0c",
    "cut": b"\x3f",
}

_RECORD = b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x42"


def withOwner(owner: bytes) -> bytes:
    """
    Return a reply without its ID that has a record with this owner.
    """
    return b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + VICTIM.toWire() + owner + _RECORD


def full(owners: int = 5000, jumps: int = 120) -> bytes:
    """
    Return a message of the largest size, whose owners are each at the end of a chain of pointers.
    """
    start = 12 + 11
    links = b"\x00"
    target = start
    for _ in range(jumps):
        links += (0xC000 | target).to_bytes(2, "big")
        target = start + len(links) - 2
    head = bytes(6) + (owners + 1).to_bytes(2, "big") + bytes(4)
    record = (0xC000 | target).to_bytes(2, "big") + b"\xff\x00\x00\x01" + bytes(6)
    wire = head + b"\x00\xff\x00\x00\x01" + bytes(4) + len(links).to_bytes(2, "big") + links + record * owners
    assert len(wire) <= 65_535
    return wire


class PointerTests(SynchronousTestCase):
    """
    Messages by themselves.
    """

    def test_attack22_badNamesAreRefused(self) -> None:
        """
        Pointers that do not point backward, unknown label types and names of more than 255 octets are refused.
        """
        for what, owner in BAD_OWNERS.items():
            with self.subTest(what):
                self.assertRaises(BadMessage, Message.fromWire(b"\x12\x34" + withOwner(owner)).check)

    def test_attack22_capturedNamesAreRefused(self) -> None:
        """
        Captured loops, bad labels and forward pointers are refused.
        """
        for name in ("dns-zlip-1", "dns-zlip-2", "dns-zlip-3", "dns-badlabel", "dns_fwdptr"):
            data = (corpus("tcpdump-dns/tests") / f"{name}.pcap").read_bytes()
            outcomes = []
            for packet in packetsOf(data):
                octets = CountingBytes(packet.payload)
                try:
                    Message.fromWire(octets).check()
                except BadMessage as error:
                    outcomes.append(str(error))
                self.assertLess(octets.touched, 16 * len(octets))
            self.assertEqual(len(outcomes), 1, name)

    def test_attack22_pointerHopsAreLimited(self) -> None:
        """
        Thousands of owners with a hundred and twenty jumps each end at a fixed number of jumps and octets. Without the limit, all six
        hundred thousand jumps would be made.
        """
        wire = full()
        data = CountingBytes(wire)
        with counting() as work:
            self.assertRaises(BadMessage, Message.fromWire(data).check)
        self.assertLessEqual(work.hops, POINTER_HOPS.default + POINTERS_PER_NAME.default)
        self.assertLess(data.touched, len(wire))
        with counting() as work, patch.object(reader, "_MOST_HOPS", ENDLESS):
            Message.fromWire(wire).check()
        self.assertEqual(work.hops, 5000 * 121)

    def test_attack22_withoutLimitsChainsAreFollowed(self) -> None:
        """
        Without the limit of each name as well, longer chains are followed to their end.
        """
        wire = full(4000, 2000)
        self.assertRaises(BadMessage, Message.fromWire(wire).check)
        with patch.object(reader, "_MOST_JUMPS", ENDLESS), patch.object(reader, "_MOST_HOPS", ENDLESS):
            self.assertEqual(len(Message.fromWire(wire).check().records()[0]), 4001)


class ReplyTests(NetworkTestCase):
    """
    The same messages from a forger who knows the ID.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(records={("victim.test", "A"): "192.0.2.80"})
        self.canned.silentTo = "tcp"
        self.network.shape(source="192.0.2.53", delay=0.1)

    def test_attack22_lookupWaitsForValidReply(self) -> None:
        """
        None of the messages is taken as the answer, and the genuine reply is waited for.
        """
        source = self.forward(self.server)
        for what, body in {**{what: withOwner(owner) for what, owner in BAD_OWNERS.items()}, "full": full()[2:]}.items():
            with self.subTest(what):
                asked = self.ask(source, "victim.test")
                (port,) = self.here.ports()
                (key,) = socketOf(port).keys
                self.network.inject(key + body, ("192.0.2.53", 53), ("192.0.2.7", port.port))
                self.assertNoResult(asked)
                self.network.advance(1)
                self.assertEqual(self.told(asked), ["192.0.2.80"])
