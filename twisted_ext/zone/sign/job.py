"""
The part of a job that signs a zone, in the process that compiles it. No other process of a server has keys.
"""

from __future__ import annotations

import os
from calendar import timegm
from typing import Final

from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.sign.keyfiles import nameOf
from twisted_ext.dnssec.sign.keyring import Keyring, makeKeys
from twisted_ext.dnssec.sign.roles import Signers
from twisted_ext.dnssec.sign.validity import Validity
from twisted_ext.errors import BadKey
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.times import dateFromSeconds
from twisted_ext.wire.rrtypes import DS
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import signWhole, withoutSignatures
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import BETWEEN
from twisted_ext.zone.store.serials import isNewer, nextSerial, serialIn, withSerial

__all__ = ["SignJob"]

#: When this was written: a clock that is before has not been set.
_WRITTEN: Final = timegm((2026, 11, 1, 0, 0, 0))

_DAY: Final = 24 * 3600


class SignJob:
    """
    Signs the records of a builder.

    @ivar said: what the operator has to know: which keys were made, and what the parent needs.
    @ivar sources: the keys, as the sources of an image: path, octets and modification time. The first one is the folder.
    """

    __slots__ = ("said", "sources", "_folder", "_last", "_now", "_wasSigned")

    def __init__(self, folder: str, last: int | None, now: float, wasSigned: bool = False) -> None:
        """
        @param folder: of the zone's keys; they are made there if there are none.
        @param last: the serial of the version that is served; L{None} for none.
        @param now: seconds since 1970.
        @param wasSigned: whether the zone was signed with keys of this folder before. Then the parent has a DS record for one of them, and
            none is made.
        """
        self.said: list[str] = []
        self.sources: list[tuple[str, int, int]] = []
        self._folder = folder
        self._last = last
        self._now = now
        self._wasSigned = wasSigned

    def sign(self, builder: ImageBuilder) -> None:
        """
        Sign a zone, and give it a serial behind that of the version that is served.

        @raise BadKey: a key cannot be used, or the clock is wrong.
        @raise BadZone: the zone cannot be signed.
        @raise StorageFault: keys cannot be written.
        @raise OSError: the folder cannot be made.
        """
        zone, now = builder.apexName.lower(), self._now
        if now < _WRITTEN:
            text = dateFromSeconds(max(int(now), 0))
            said = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
            raise BadKey(f"the clock is at {said}, before this program was written; nothing is signed until it is set")
        ring = Keyring(self._folder, zone, now)
        active = ring.active
        if not active and self._wasSigned:
            name = nameToText(zone)
            raise BadKey(
                f"{self._folder}: the keys that signed {name} are gone; put them back, since resolvers take no others while the parent has "
                f"the DS record; or make a key for another DS record: txdns keys new {name} --keys {self._folder}"
            )
        if not active:
            os.makedirs(os.path.dirname(self._folder), 0o700, exist_ok=True)
            for file in makeKeys(self._folder, zone, ECDSA_P256, now):
                self.said.append(f"made the key {nameOf(file)} in {self._folder}")
                active.append(file.key)
        signers = Signers(active)
        gone = withoutSignatures(builder)
        if gone:
            self.said.append(f"{gone} signatures and denials in the file are replaced")
        expire, validity = self._renumber(builder), Validity()
        days = validity.least // _DAY
        if expire > days * _DAY:
            self.said.append(
                f"a secondary that loses this server serves the zone for {expire // _DAY} d (SOA expire), and its signatures may end after "
                f"{days} d; an expire of at most {days * _DAY} would do"
            )
        counts = signWhole(builder, Signing(signers, validity, tuple(ring.published)), now)
        ends = dateFromSeconds(counts.ends)
        text = f"{counts.signatures} signatures, the first of which ends {ends[:4]}-{ends[4:6]}-{ends[6:8]}"
        self.said.append(f"signed: {text}")
        name = nameToText(zone)
        self.said += [f"the parent needs: {name} IN DS {rdataToText(DS, key.ds(zone))}" for key in signers.entries]
        for path in (self._folder, *[key.source for key in ring.active if key.source]):
            found = os.stat(path)
            self.sources.append((path, found.st_size, found.st_mtime_ns))

    def _renumber(self, builder: ImageBuilder) -> int:
        """
        Give a zone its serial, and return its SOA expire, in seconds.
        """
        builder.ordered()
        records = builder.nodes[b""]
        end = BETWEEN + (records[10] << 8 | records[11])
        soa = records[BETWEEN:end]
        last = self._last
        if last is not None and not isNewer(serialIn(soa), last):
            builder.nodes[b""] = records[:BETWEEN] + withSerial(soa, nextSerial(last)) + records[end:]
        return int.from_bytes(soa[-8:-4], "big")

