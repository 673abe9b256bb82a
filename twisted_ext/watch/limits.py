"""
Bounds of looking at a name again and again.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "WATCH_SECONDS", "WATCH_MOST_SECONDS", "WATCH_JITTER", "WATCH_RETRY_SECONDS", "WATCH_ALIASES", "ZONE_NAMES", "ZONE_SERVERS",
]

# -- watching

#: Seconds between two looks at a name, at least, however short its TTL is. Whoever asks for an C{interval} may go below it.
WATCH_SECONDS: Final = Limit(default=5, least=0.1, most=86400)

#: Seconds between two looks, at most, however long its TTL is: where the answer still holds, the cache gives it and nobody is asked.
WATCH_MOST_SECONDS: Final = Limit(default=300, least=1, most=86400)

#: Part of the time until the next look by which it comes later, at most and by chance, so that many who watch do not all ask at once.
WATCH_JITTER: Final = Limit(default=0.1, least=0.0, most=1.0)

#: Seconds up to which the time between two looks is doubled while look-ups fail.
WATCH_RETRY_SECONDS: Final = Limit(default=60, least=1, most=3600)

#: Aliases that are followed one after the other for one look, where a server leaves that to whoever asks.
WATCH_ALIASES: Final = Limit(default=11, least=1, most=16)

#: Names that are asked for name servers, from a name upwards, to find its zone. Names for hosts have a handful of labels; those of
#: IPv6 in reverse have 34.
ZONE_NAMES: Final = Limit(default=36, least=1, most=127)

#: Addresses of name servers that one zone may have us ask; the root's servers have 26.
ZONE_SERVERS: Final = Limit(default=32, least=1, most=256)
