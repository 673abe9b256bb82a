"""
From when until when signatures are valid.

A signature is a function of records, key and time, without dice: so the same zone has the same signatures wherever and however often it is
signed, and those of a large zone are spread evenly. Each name has a bucket, by a checksum. The signatures of a bucket are made anew at one
point of each period of renewal, and a zone that is signed in between gets those that were made there.
"""

from __future__ import annotations

from math import floor
from typing import Final
from zlib import crc32

__all__ = ["BUCKETS", "Validity"]

#: Buckets of names: with a million names each has 244, which take a twentieth of a second.
BUCKETS: Final = 4096

#: How much of a period of renewal passes until a zone with many names is signed again: some of its names are due at any time.
_DELAY: Final = 8

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


class Validity:
    """
    How long signatures are valid.

    @ivar signatures: how long a signature is valid after it was made, in seconds.
    @ivar renew: after how long it is made anew. So each has at least the difference left.
    @ivar least: how long each signature that a server sends has left at least, in seconds.
    @ivar overdue: how long one has left that a server should have made anew well before, in seconds.
    @ivar offset: how long before it was made it is valid already: clocks of validators differ.
    """

    __slots__ = ("signatures", "renew", "least", "overdue", "offset")

    def __init__(self, signatures: int = 21 * _DAY, renew: int = 7 * _DAY, offset: int = _HOUR) -> None:
        """
        The defaults leave signatures 14 days, which is how long secondaries usually serve a zone whose primary is gone (SOA expire).

        @raise ValueError: signatures would end before they are made anew.
        """
        if not 0 < renew < signatures:
            raise ValueError(f"signatures of {signatures} seconds that are made anew after {renew} end before that")
        self.signatures = signatures
        self.renew = renew
        self.least = signatures - renew - renew // _DELAY
        self.overdue = max(self.least - renew // _DELAY, 0)
        self.offset = offset

    def slot(self, key: bytes, now: float) -> tuple[int, int]:
        """
        Return inception and expiration of the signatures of a name, in seconds since 1970.

        @param key: the name, folded, relative to the apex.
        """
        return self.times(crc32(key) & BUCKETS - 1, now)

    def times(self, bucket: int, now: float) -> tuple[int, int]:
        """
        Return those of a bucket.
        """
        late = bucket * self.renew // BUCKETS
        made = floor((now - late) / self.renew) * self.renew + late
        return made - self.offset, made + self.signatures

    def due(self, since: float, now: float) -> list[int]:
        """
        Return the buckets whose signatures were to be made anew after C{since}, up to C{now}, the earliest first.
        """
        if now - since >= self.renew:
            return [*range(BUCKETS)]
        # Those around the first one, and how many follow: there are four thousand, of which most often none is due.
        first = floor(since % self.renew * BUCKETS / self.renew)
        count = floor((now - since) * BUCKETS / self.renew) + 3
        among = dict.fromkeys([(first + each) % BUCKETS for each in range(min(count, BUCKETS))])
        return [bucket for bucket in among if self.times(bucket, since) != self.times(bucket, now)]
