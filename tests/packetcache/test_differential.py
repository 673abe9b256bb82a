"""
A server with a packet cache and one without give the same replies to everything.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.pairs import Pair, packets

#: The number of packets. A hundred times as many take some minutes.
_PACKETS = int(os.environ.get("TXDNS_LANE_PACKETS", "6000"))
_SEED = int(os.environ.get("TXDNS_LANE_SEED", "1"))


class DifferentialTests(SynchronousTestCase):
    """
    Tests with forwarded names, zones, local records, views, cookies and signatures, for clients that are treated differently.
    """

    def test_packetCacheChangesNoReply(self) -> None:
        """
        Valid, odd, mutated and random packets get identical replies with and without a packet cache, over UDP and TCP. Some of them
        look like keys of the table.
        """
        pair = Pair()
        self.addCleanup(pair.close)
        for number, (packet, client, stream, passes) in enumerate(packets(_PACKETS, _SEED)):
            quick, slow = pair.replies(packet, client, stream=stream, passes=passes)
            self.assertEqual(quick, slow, f"packet {number} from {client}, stream {stream}: {packet.hex()}")
        # Make sure that the packet cache has answered many of them.
        self.assertEqual(pair.slow.beyond, _PACKETS)
        self.assertLess(pair.quick.beyond, _PACKETS * 0.9)
