"""
Captured network traffic, broken and merely unusual.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.captures import Packet, messagesOf, packetsOf
from tests.conformance.examining import examine
from tests.corpora import corpus
from twisted_ext.errors import BadMessage
from twisted_ext.wire.framing import StreamBuffer
from twisted_ext.wire.message import Message

#: Ports of servers in these captures.
PORTS = (53, 8053)


def capture(name: str) -> Path:
    """
    Return the path of the capture with that name.
    """
    path = corpus("tcpdump-dns/tests") / f"{name}.pcap"
    return path if path.exists() else corpus("bad-packets/various-dns-pcaps") / f"{name}.pcap"


def packets(path: Path) -> list[Packet]:
    """
    Return the packets with a payload from or to a server.
    """
    return [
        packet
        for packet in packetsOf(path.read_bytes())
        if packet.payload and (packet.sourcePort in PORTS or packet.targetPort in PORTS)
    ]


def streams(path: Path) -> dict[bytes, bytes]:
    """
    Return each direction of each stream, up to its first gap.
    """
    found: dict[bytes, bytearray] = {}
    following: dict[bytes, int] = {}
    for packet in packets(path):
        if packet.tcp:
            expected = following.setdefault(packet.ends, packet.sequence)
            if packet.sequence == expected:
                found.setdefault(packet.ends, bytearray()).extend(packet.payload)
                following[packet.ends] = packet.sequence + len(packet.payload)
    return {ends: bytes(octets) for ends, octets in found.items()}


def cut(octets: bytes, size: int) -> tuple[list[bytes], str]:
    """
    Return the messages of a stream, and its error.

    @param size: octets at a time.
    """
    buffer = StreamBuffer()
    messages: list[bytes] = []
    try:
        for position in range(0, len(octets), size):
            messages += buffer.feed(octets[position : position + size])
    except BadMessage as error:
        return messages, str(error)
    return messages, ""


class DatagramTests(SynchronousTestCase):
    """
    Tests with datagrams.
    """

    def outcomes(self, path: Path) -> list[Message | BadMessage]:
        """
        Return the result of each datagram.
        """
        return [examine(packet.payload) for packet in packets(path) if not packet.tcp]

    def test_brokenDatagramsAreRefused(self) -> None:
        """
        Pointer loops, forward pointers, endless names and truncated records are refused.
        """
        reasons = {
            "dns-zlip-1": "backward",
            "dns-zlip-2": "backward",
            "dns-zlip-3": "backward",
            "dns-badlabel": "255 octets",
            "dns_fwdptr": "backward",
            "dns_udp_2": "extends past",
        }
        for name, reason in reasons.items():
            with self.subTest(name):
                bad = [str(outcome) for outcome in self.outcomes(capture(name)) if isinstance(outcome, BadMessage)]
                self.assertEqual(len(bad), 1)
                self.assertIn(reason, bad[0])

    def test_realDatagramsAreRead(self) -> None:
        """
        Real queries and answers are read, whatever options they have.
        """
        counts = {
            "dns": 82,
            "dns-badcookie": 4,
            "dns-badvers": 4,
            "dns-uri": 4,
            "dns_udp": 2,
            "dns_udp_2": 1,
            "dns_udp_8053": 2,
            "dnssec": 6,
            "edns-opts": 42,
        }
        for name, count in counts.items():
            with self.subTest(name):
                good = [outcome for outcome in self.outcomes(capture(name)) if isinstance(outcome, Message)]
                self.assertEqual(len(good), count)

    def test_octetsBehindTheEndAreIgnored(self) -> None:
        """
        A message with octets behind its last record is read without them.
        """
        assert [each.behind > 0 for each in self.outcomes(capture("dnspad")) if isinstance(each, Message)].count(True) == 1

    def test_violationsAreRead(self) -> None:
        """
        Wrong answers of real servers are read, some without the octets behind their last record.
        """
        messages = behind = 0
        for path in sorted(corpus("dns-violations").rglob("*.dnstap")):
            for wire in messagesOf(path.read_bytes()):
                with self.subTest(path.name):
                    messages += 1
                    outcome = examine(wire)
                    assert isinstance(outcome, Message)
                    behind += outcome.behind > 0
        self.assertEqual((messages, behind), (53, 7))


class StreamTests(SynchronousTestCase):
    """
    Tests with streams.
    """

    def test_streamInAnyPieces(self) -> None:
        """
        The same messages come out of a stream in whatever pieces it arrives.
        """
        for path in sorted(corpus("bad-packets").rglob("*.pcap")) + sorted(corpus("tcpdump-dns").rglob("*tcp*.pcap")):
            for octets in streams(path).values():
                with self.subTest(path.name):
                    messages, wrong = cut(octets, 1)
                    for size in (2, 3, 7, 100, 1460):
                        self.assertEqual(cut(octets, size), (messages, wrong))
                    for message in messages:
                        examine(message)

    def test_streamsAreReadToTheEnd(self) -> None:
        """
        Streams of many messages are read to their end.
        """
        for name, count in (("dnso1tcp", 82), ("dnsotcp-many1pkt", 4), ("dnsotcp-manyopkts", 3), ("1qtcppadd", 2), ("dns_tcp", 2)):
            with self.subTest(name):
                messages = 0
                for octets in streams(capture(name)).values():
                    found, wrong = cut(octets, len(octets))
                    self.assertEqual(wrong, "")
                    self.assertEqual(sum([len(message) + 2 for message in found]), len(octets))
                    for message in found:
                        self.assertIsInstance(examine(message), Message)
                    messages += len(found)
                self.assertEqual(messages, count)
