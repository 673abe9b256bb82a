"""
Packets of Unbound's unit tests, in hexadecimal.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.conformance.oracle import isReadByDnspython
from tests.corpora import corpus
from twisted_ext.wire.message import Message


def packetsOf(path: Path) -> list[bytes]:
    """
    Return the packets of a file: one per line, or several lines each with marks between them.
    """
    lines = path.read_text("latin-1").splitlines()
    marked = any(line.startswith(";-- ") for line in lines)
    packets = [""]
    for line in lines:
        if line.startswith(";--") or not marked:
            packets.append("")
        digits = "".join(line.partition(";")[0].split())
        # A short number on its own line counts the packets.
        if len(digits) > 6:
            packets[-1] += digits
    return [bytes.fromhex(packet) for packet in packets if packet]


class UnboundTests(SynchronousTestCase):
    """
    Tests with these packets.
    """

    def test_messagesAreRead(self) -> None:
        """
        Every DNS message is read. The others are TCP segments, truncated, or invalid: pointers forward and to themselves, and two OPT
        records.

        One is Unbound's exception, and not ours: its header counts a record that is missing (RFC 1035, section 4.1.1).
        """
        expected = {2: (17, 8), 3: (196, 37), 4: (15, 1), 5: (4, 5), 6: (2, 0), 7: (2, 0), 8: (0, 1), 9: (1, 0)}
        for number, counts in expected.items():
            with self.subTest(number):
                good = bad = 0
                for packet in packetsOf(corpus("unbound-unitdata/testdata") / f"test_packets.{number}"):
                    if isinstance(examine(packet), Message):
                        good += 1
                    else:
                        bad += 1
                        self.assertFalse(isReadByDnspython(packet))
                self.assertEqual((good, bad), counts)
