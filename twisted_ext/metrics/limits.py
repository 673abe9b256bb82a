"""
Limits on what metrics count and keep.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "NAMES_COUNTED", "NAMES_SLOW", "HISTORY_HOUR", "HISTORY_DAY", "HISTORY_UPSTREAMS", "HISTORY_LATENCIES", "HISTORY_SAVED",
    "HISTORY_OCTETS", "CLIENTS_COUNTED", "CLIENTS_SHOWN", "CLIENT_NAMES", "HITS_SAMPLED", "LIVE_KEPT", "LIVE_RATE", "LIVE_SECONDS",
    "LIVE_SHOWN",
]

# -- names and history

#: Names whose queries are counted; a flood of other names at most halves the counts.
NAMES_COUNTED: Final = Limit(default=1024, least=16, most=65536)

#: Names whose look-up times are kept.
NAMES_SLOW: Final = Limit(default=64, least=8, most=4096)

#: Steps of the last hour, each 3600 seconds divided by this number; some 300 octets each.
HISTORY_HOUR: Final = Limit(default=180, least=12, most=3600)

#: Steps of the last day, each 86,400 seconds divided by this number.
HISTORY_DAY: Final = Limit(default=288, least=24, most=1440)

#: Upstreams whose latency is kept for an hour: a recursive resolver knows thousands of servers, and shows those that it asked most.
HISTORY_UPSTREAMS: Final = Limit(default=64, least=1, most=1000)

#: Latencies kept for each upstream, a minute apart.
HISTORY_LATENCIES: Final = Limit(default=60, least=2, most=1440)

#: Seconds between two copies of the history in the state folder: a crash loses no more.
HISTORY_SAVED: Final = Limit(default=300, least=10, most=86_400)

#: Octets of a stored history that are read at start; a complete one takes some 100 KB.
HISTORY_OCTETS: Final = Limit(default=1 << 20, least=1 << 14, most=1 << 24)

# -- clients and live queries

#: Clients whose queries are counted, with C{show-clients}; a flood of forged addresses at most halves the counts.
CLIENTS_COUNTED: Final = Limit(default=512, least=16, most=65536)

#: Clients shown at a time.
CLIENTS_SHOWN: Final = Limit(default=50, least=1, most=1000)

#: Most recent names kept for each client. All clients together take at most some 10 MB, if each name is of maximum length.
CLIENT_NAMES: Final = Limit(default=20, least=1, most=1000)

#: Of so many queries a second that the packet cache answers, each is counted for its client; of more, a sample is, in which each query
#: stands for several. Counting one takes a microsecond, a tenth of what such an answer takes.
HITS_SAMPLED: Final = Limit(default=1000, least=10, most=1_000_000)

#: Queries in the live list; the oldest are dropped first.
LIVE_KEPT: Final = Limit(default=1000, least=10, most=100_000)

#: Queries a second that the live list takes; further ones are only counted, so that a page that looks at it does not slow down the server.
LIVE_RATE: Final = Limit(default=200, least=1, most=10_000)

#: Seconds after the last request for the live list when the server stops collecting it.
LIVE_SECONDS: Final = Limit(default=10.0, least=2.0, most=600.0)

#: Queries in one reply to a page that looks at the live list.
LIVE_SHOWN: Final = Limit(default=500, least=10, most=10_000)
