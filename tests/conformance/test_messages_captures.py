"""
What was captured from networks, the broken and the merely unusual.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.captures import Packet, packetsOf, tapped
from tests.conformance.examining import examine
from tests.corpora import corpus
from twisted_ext.errors import BadMessage
from twisted_ext.wire.framing import StreamBuffer
from twisted_ext.wire.message import Message

#: Ports of servers in these captures.
PORTS = (53, 8053)


def capture(name: str) -> Path:
    """
    @return: the capture of that name.
    """
    path = corpus("tcpdump-dns/tests") / f"{name}.pcap"
    return path if path.exists() else corpus("bad-packets/various-dns-pcaps") / f"{name}.pcap"


def packets(path: Path) -> list[Packet]:
    """
    @return: the packets that carry something from or to a server.
    """
    return [
        packet
        for packet in packetsOf(path.read_bytes())
        if packet.payload and (packet.sourcePort in PORTS or packet.targetPort in PORTS)
    ]


def streams(path: Path) -> dict[bytes, bytes]:
    """
    @return: each direction of each stream, as much of it as there is without a hole.
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
    @param size: octets at a time.

    @return: the messages of a stream, and what was wrong with it.
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
        @return: what becomes of every datagram.
        """
        return [examine(packet.payload) for packet in packets(path) if not packet.tcp]

    def test_broken(self) -> None:
        """
        Loops of pointers, pointers forward, endless names, records that are cut off and octets behind the end are refused.
        """
        reasons = {
            "dns-zlip-1": "backward",
            "dns-zlip-2": "backward",
            "dns-zlip-3": "backward",
            "dns-badlabel": "255 octets",
            "dns_fwdptr": "backward",
            "dnspad": "behind the last record",
            "dns_udp_2": "runs out",
        }
        for name, reason in reasons.items():
            with self.subTest(name):
                bad = [str(outcome) for outcome in self.outcomes(capture(name)) if isinstance(outcome, BadMessage)]
                self.assertEqual(len(bad), 1)
                self.assertIn(reason, bad[0])

    def test_sound(self) -> None:
        """
        Real questions and answers are understood, whatever options they carry.
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

    def test_misbehaving(self) -> None:
        """
        Wrong answers of real servers are read, or refused where they have octets behind their end.
        """
        messages = bad = 0
        for path in sorted(corpus("dns-violations").rglob("*.dnstap")):
            for wire in tapped(path.read_bytes()):
                with self.subTest(path.name):
                    messages += 1
                    outcome = examine(wire)
                    if isinstance(outcome, BadMessage):
                        bad += 1
                        self.assertIn("behind the last record", str(outcome))
        self.assertEqual((messages, bad), (53, 7))


class StreamTests(SynchronousTestCase):
    """
    Tests with streams.
    """

    def test_anyPieces(self) -> None:
        """
        However a stream is cut up, the same messages come out of it.
        """
        for path in sorted(corpus("bad-packets").rglob("*.pcap")) + sorted(corpus("tcpdump-dns").rglob("*tcp*.pcap")):
            for octets in streams(path).values():
                with self.subTest(path.name):
                    messages, wrong = cut(octets, 1)
                    for size in (2, 3, 7, 100, 1460):
                        self.assertEqual(cut(octets, size), (messages, wrong))
                    for message in messages:
                        examine(message)

    def test_whole(self) -> None:
        """
        Streams of many messages, in pieces of their own or not, are read to their end.
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
