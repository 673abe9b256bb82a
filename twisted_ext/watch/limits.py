"""
Limits for watching names.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "WATCH_SECONDS", "WATCH_MOST_SECONDS", "WATCH_JITTER", "WATCH_RETRY_SECONDS", "WATCH_ALIASES", "ZONE_NAMES", "ZONE_SERVERS",
]

# -- watching

#: Minimum seconds between two look-ups of a name, however short its TTL is. A caller that passes an C{interval} may go below it.
WATCH_SECONDS: Final = Limit(default=5, least=0.1, most=86400)

#: Maximum seconds between two look-ups, however long the TTL is: while the answer is valid, the cache gives it without a query.
WATCH_MOST_SECONDS: Final = Limit(default=300, least=1, most=86400)

#: Maximum random delay of the next look-up, as a part of the time until then, so that many watchers do not query at once.
WATCH_JITTER: Final = Limit(default=0.1, least=0.0, most=1.0)

#: Maximum seconds between two look-ups while they fail; the time doubles up to this.
WATCH_RETRY_SECONDS: Final = Limit(default=60, least=1, most=3600)

#: Maximum length of an alias chain followed for one look-up, where the server leaves that to the client.
WATCH_ALIASES: Final = Limit(default=11, least=1, most=16)

#: Maximum names queried for NS records, from a name upwards, to find its zone. Host names have a handful of labels; those of IPv6 reverse
#: zones have 34.
ZONE_NAMES: Final = Limit(default=36, least=1, most=127)

#: Maximum addresses of name servers queried for one zone; the root's servers have 26.
ZONE_SERVERS: Final = Limit(default=32, least=1, most=256)
