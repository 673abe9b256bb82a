"""
Servers that follow many small zones of one primary, a server of ours or Knot DNS.

    python -m benchmarks.following [zones] [program ...]

A row has seconds until NSD, BIND, Knot DNS or PowerDNS has all zones, 10,000 where nothing is said, after it was started, and after all of
them have changed at the primary, which reads its files again then.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from tests.live.zones.following import FOLLOWERS, PRIMARIES, hasFollower, measure

#: Seconds for each of both.
_PATIENCE = 180.0


#: Closed connections whose ports the kernel still holds that may be left of the row before.
_MOST_HELD: Final = 500


def _settle() -> None:
    """
    Wait until the kernel has released the ports of the row before, a minute at most: PowerDNS looks for a free one at each transfer, which
    takes it longer than the transfer where 20,000 are held.
    """
    while int(Path("/proc/net/sockstat").read_text("ascii").partition(" tw ")[2].split()[0]) > _MOST_HELD:
        time.sleep(1)


def main() -> int:
    """
    @return: the exit code.
    """
    words = sys.argv[1:]
    count = int(words.pop(0)) if words and words[0].isdigit() else 10_000
    print(f"{count:,} zones{'':<10}{'primary':<10}{'first, s':>10}{'changed, s':>12}")
    for follower in words or FOLLOWERS:
        if not hasFollower(follower):
            print(f"{follower:<22}is not installed")
            continue
        for primary in PRIMARIES:
            _settle()
            try:
                took = measure(primary, follower, count, _PATIENCE)
            except AssertionError as error:
                print(f"{follower:<22}{primary:<10}{str(error).splitlines()[0]}", flush=True)
                continue
            print(f"{follower:<22}{primary:<10}{took.first:>10.1f}{took.changed:>12.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
