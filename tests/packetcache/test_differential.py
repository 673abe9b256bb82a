"""
A server with a fast lane and one without give the same replies to everything.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.pairs import Pair, packets

#: How many packets; a hundred times as many take some minutes.
_PACKETS = int(os.environ.get("TXDNS_LANE_PACKETS", "6000"))
_SEED = int(os.environ.get("TXDNS_LANE_SEED", "1"))


class DifferentialTests(SynchronousTestCase):
    """
    Tests with forwarded names, zones, local records, views, cookies and signatures, for clients that are treated differently.
    """

    def test_same(self) -> None:
        """
        Well-formed, odd, changed and made-up packets, among them those that are made of what a table looks up, get the same by UDP and by
        TCP, octet for octet.
        """
        pair = Pair()
        self.addCleanup(pair.close)
        for number, (packet, client, stream, passes) in enumerate(packets(_PACKETS, _SEED)):
            quick, slow = pair.replies(packet, client, stream=stream, passes=passes)
            self.assertEqual(quick, slow, f"packet {number} from {client}, stream {stream}: {packet.hex()}")
        # The comparison is one: much of it comes from the lane.
        self.assertEqual(pair.slow.beyond, _PACKETS)
        self.assertLess(pair.quick.beyond, _PACKETS * 0.9)
