"""
The keys of signed zones, as clients of PowerDNS ask for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.internet.defer import Deferred

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSASHA256, RSASHA512, algorithmName
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.privatekeys.signingkey import DIGESTS, SigningKey
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, bodyOf
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.types.dnssec import ALGORITHMS
from twisted_ext.wire.rrtypes import DNSKEY, DS

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.web.api.powerdns.zones import PowerDNSZones
    from twisted_ext.web.api.site.site import ApiAsked

__all__ = ["Cryptokeys"]

#: What clients that add and remove keys are told.
_KEPT: Final = "the server makes the keys of a zone that it signs, and keeps them by its signing policy"
_UNSIGNING: Final = "with dnssec: false in a PUT of the zone it is signed no more"

#: The flag of a key that signs keys, in the flags of a DNSKEY record.
_SEP: Final = 1

_ROLES: Final = ("ksk", "zsk", "csk")

#: Algorithms by what PowerDNS calls them, and by what the registry does.
_ALGORITHMS: Final = {
    **{name.lower(): number for name, number in ALGORITHMS.items()},
    "ecdsa256": ECDSA_P256,
    "ecdsa384": ECDSA_P384,
}

#: The sizes of keys that are made, in bits.
_SIZES: Final = {ECDSA_P256: 256, ECDSA_P384: 384, ED25519: 256, ED448: 456, RSASHA256: 2048, RSASHA512: 2048}

#: Characters of a value that an error repeats.
_LONGEST: Final = 40


class KeyBody(msgspec.Struct):
    """
    The body of a POST or PUT of a key.
    """

    keytype: Any = "csk"
    active: bool | str = False
    published: bool | str | None = None
    algorithm: int | str | None = None
    bits: Any = None
    content: str | None = None
    privatekey: str | None = None


class Cryptokeys:
    """
    Replies to these requests.
    """

    def __init__(self, zoneSet: ZoneSet, altering: PowerDNSZones) -> None:
        self._zoneSet = zoneSet
        self._zones = altering

    def all(self, place: Place) -> ApiReply:
        return ApiReply(body=[*keysOf(place)])

    def one(self, place: Place, number: str) -> ApiReply:
        """
        @raise ApiRefusal: there is no such key.
        """
        found = next((each for each in keysOf(place) if str(each["id"]) == number), None)
        if found is None:
            raise ApiRefusal(404, "Not Found")
        return ApiReply(body=found)

    def create(self, asked: ApiAsked, place: Place) -> Deferred[ApiReply]:
        """
        Have a zone signed, for clients that do so by adding its first key.
        """
        asked.expectScope("zones")
        body = bodyOf(asked.body, KeyBody)
        algorithm = _expectSound(body)
        if body.content or body.privatekey or not _isTrue(body.active) or self._zoneSet.originOf(place.apex)[1]:
            raise ApiRefusal(422, f"{place.text}: {_KEPT}; this adds the first one, with active: true and no content")
        if self._zoneSet.addedAt(place.apex) is not None:
            made = self._zoneSet.added.policyOf(place.apex).algorithm
            if algorithm not in (None, made):
                raise ApiRefusal(422, f"{place.text}: the signing policy makes keys of {_shownAlgorithm(made)}; leave algorithm out")
            if body.bits is not None and int(body.bits) != _SIZES[made]:
                raise ApiRefusal(422, f"{place.text}: the signing policy makes keys of {_SIZES[made]} bits; leave bits out")
        signing = self._zones.note(asked, place.apex, lambda notes: {**notes, "dnssec": True})

        def done(_: None) -> ApiReply:
            keys = keysOf(place)
            if not keys:
                raise ApiRefusal(503, f"{place.text} could not be signed yet; the log says why", (("Retry-After", "5"),))
            return ApiReply(201, keys[0])

        return signing.addCallback(done)

    def alter(self, asked: ApiAsked, place: Place, number: str) -> ApiReply:
        """
        Refuse to change a key, but for what it is already.
        """
        asked.expectScope("zones")
        self.one(place, number)
        body = bodyOf(asked.body, KeyBody)
        if not _isTrue(body.active) or (body.published is not None and not _isTrue(body.published)):
            raise ApiRefusal(422, f"{place.text}: {_KEPT}; {_UNSIGNING}")
        return ApiReply(204)

    def remove(self, asked: ApiAsked, place: Place, number: str) -> Deferred[ApiReply]:
        """
        Have a zone signed no more, for clients that do so by removing its only key.
        """
        asked.expectScope("zones")
        self.one(place, number)
        if len(keysOf(place)) > 1:
            raise ApiRefusal(422, f"{place.text}: {_KEPT}; {_UNSIGNING}")
        return self._zones.note(asked, place.apex, lambda notes: {**notes, "dnssec": False}).addCallback(lambda _: ApiReply(204))


def keysOf(place: Place) -> list[dict[str, JSON]]:
    """
    Describe the keys of a signed zone, as it publishes them.
    """
    zone = place.served()
    top = () if zone is None else zone.current.top.sets
    keys = [SigningKey(rdata) for rrset in top if rrset.rrType == DNSKEY for rdata in rrset.rdatas]
    isAlone = all(key.flags & _SEP for key in keys)
    return [_described(key, place.apex, isAlone) for key in keys]


def _described(key: SigningKey, apex: bytes, isAlone: bool) -> dict[str, JSON]:
    """
    @param isAlone: whether no other kind of key signs the zone.
    """
    isEntry = bool(key.flags & _SEP)
    described: dict[str, JSON] = {
        "type": "Cryptokey",
        "id": key.tag,
        "keytype": "zsk" if not isEntry else "csk" if isAlone else "ksk",
        "active": True,
        "published": True,
        "flags": key.flags,
        "algorithm": algorithmName(key.algorithm).upper(),
        "bits": ZoneKey.fromRdata(key.dnskey).bits,
        "dnskey": rdataToText(DNSKEY, key.dnskey),
    }
    if isEntry:
        described["ds"] = [rdataToText(DS, key.ds(apex, digest)) for digest in DIGESTS]
    return described


def _expectSound(body: KeyBody) -> int | None:
    """
    Return the algorithm of a key that is to be added; L{None} if the client leaves it to the server.

    @raise ApiRefusal: there is no such key.
    """
    if body.keytype not in _ROLES:
        raise ApiRefusal(422, f"Invalid keytype {str(body.keytype)[:_LONGEST]!r}; there are {', '.join(_ROLES)}")
    if body.bits is not None and not (type(body.bits) is int and body.bits > 0):
        raise ApiRefusal(422, f"'bits' must be a positive integer value, not {str(body.bits)[:_LONGEST]!r}")
    if body.algorithm is None:
        return None
    given = str(body.algorithm)
    number = int(given) if given.isascii() and given.isdigit() and len(given) < _LONGEST else _ALGORITHMS.get(given.lower())
    if number is None:
        raise ApiRefusal(422, f"Unknown algorithm: {given[:_LONGEST]}")
    if number not in _SIZES:
        raise ApiRefusal(422, f"Can not guess key size for algorithm {number}: this server makes no keys of it")
    if body.bits is None and number in (RSASHA256, RSASHA512):
        raise ApiRefusal(422, f"Creating an algorithm {number} key requires the size (in bits) to be passed")
    if body.bits is not None and body.bits != _SIZES[number]:
        raise ApiRefusal(422, f"The algorithm does not support the given bit size. Keys of algorithm {number} have {_SIZES[number]} bits.")
    return number


def _isTrue(value: bool | str) -> bool:
    """
    Return whether a client means yes, of which some send text.
    """
    return value is True or value == "true"


def _shownAlgorithm(number: int) -> str:
    return f"{algorithmName(number).lower()} ({number})"
