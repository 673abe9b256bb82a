"""
The requests below C{/api}: servers, zones, and changes of their records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.server.api.bodies import bodyOf
from twisted_ext.server.api.powerdns.rrsets import (
    EXTEND,
    PRUNE,
    PatchBody,
    RRSetChange,
    changeOf,
    idToName,
)
from twisted_ext.server.api.replies import ApiRefusal, ApiReply
from twisted_ext.server.jobs.turns import paced
from twisted_ext.server.update.edits import etagOf
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import CNAME, typeName
from twisted_ext.zone.update.transactions import BESIDE_ALIASES, Transaction
from twisted_ext.zone.zonefile.writer import canonicalFile

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.api.powerdns.lookups import PowerDNSLookups
    from twisted_ext.server.api.site import ApiAsked
    from twisted_ext.server.authority.zonetable import Place
    from twisted_ext.server.update.edits import Edited
    from twisted_ext.server.zones.zoneset import ZoneSet
    from twisted_ext.zone.store.version import Version

__all__ = ["PowerDNSDoor"]

#: Clients ask for 4.2 or later; 4.9 is the first one with EXTEND and PRUNE.
_VERSION: Final = "4.9.12-txdns"

_SERVER: Final = "/api/v1/servers/localhost"

_NOT_FOUND: Final = "Not Found"

#: Steps between which others get their turn: zones of a list, RRsets of a body, names of a zone.
_ZONES: Final = 100
_SETS: Final = 50
_NAMES: Final = 64

Handler = Callable[["ApiAsked"], "ApiReply | Deferred[ApiReply]"]


class PowerDNSDoor:
    """
    Replies to the requests.
    """

    def __init__(self, zoned: ZoneSet, lookups: PowerDNSLookups, clock: IReactorTime) -> None:
        self._zoned = zoned
        self._lookups = lookups
        self._clock = clock

    def __call__(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        handler = self._handlers(asked.segments).get(asked.method)
        if handler is None:
            allowed = self._handlers(asked.segments)
            if not allowed:
                raise ApiRefusal(404, _NOT_FOUND)
            raise ApiRefusal(405, "Method Not Allowed", (("Allow", ", ".join(allowed)),))
        made = handler(asked)
        return made if isinstance(made, Deferred) else succeed(made)

    def _handlers(self, segments: list[str]) -> dict[str, Handler]:
        """
        Return what replies to the methods of a path below C{/api}; empty for one that there is not.
        """
        match segments:
            case []:
                return {"GET": lambda asked: ApiReply(body=[{"version": 1, "url": "/api/v1"}])}
            case ["v1", "servers"]:
                return {"GET": lambda asked: ApiReply(body=[_server()])}
            case ["v1", "servers", "localhost"]:
                return {"GET": lambda asked: ApiReply(body=_server())}
            case ["v1", "servers", "localhost", "zones"]:
                return {"GET": self._zones}
            case ["v1", "servers", "localhost", "zones", name]:
                return {"GET": lambda asked: self._zone(asked, name), "PATCH": lambda asked: self._patch(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "export"]:
                return {"GET": lambda asked: self._export(name)}
            case ["v1", "servers", "localhost", "zones", name, "notify"]:
                return {"PUT": lambda asked: self._notify(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "axfr-retrieve"]:
                return {"PUT": lambda asked: self._retrieve(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "rectify"]:
                return {"PUT": lambda asked: self._rectify(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "cryptokeys"]:
                return {"GET": lambda asked: self._lookups.cryptokeys(self._placeOf(name))}
            case ["v1", "servers", "localhost", "zones", name, "cryptokeys", number]:
                return {"GET": lambda asked: self._lookups.cryptokey(self._placeOf(name), number)}
            case ["v1", "servers", "localhost", "search-data"]:
                return {"GET": self._lookups.search}
            case ["v1", "servers", "localhost", "statistics"]:
                return {"GET": self._lookups.statistics}
            case ["v1", "servers", "localhost", "cache", "flush"]:
                return {"PUT": self._lookups.flush}
        return {}

    # -- reading

    def _placeOf(self, name: str) -> Place:
        """
        @raise ApiRefusal: there is no such zone.
        """
        place = self._zoned.zones.at(idToName(name))
        if place is None:
            raise ApiRefusal(404, _NOT_FOUND)
        return place

    def _versionOf(self, place: Place) -> Version:
        zone = place.served()
        if zone is None:
            raise ApiRefusal(503, f"{place.text} is not loaded: {place.said or place.state}", (("Retry-After", "1"),))
        return zone.current

    def _zones(self, asked: ApiAsked) -> Deferred[ApiReply]:
        if "zone" in asked.fields:
            try:
                places = [self._placeOf(asked.fields["zone"])]
            except ApiRefusal:
                places = []
        else:
            places = list(self._zoned.zones)
        listed: list[JSON] = []

        def steps() -> Iterator[None]:
            for count, place in enumerate(places):
                listed.append(self._described(place))
                if count % _ZONES == 0:
                    yield

        return paced(self._clock, steps()).addCallback(lambda _: ApiReply(body=listed))

    def _described(self, place: Place) -> dict[str, JSON]:
        facts = self._zoned.facts(place.apex)
        primaries, told = facts.get("primaries"), facts.get("notified")
        serial = place.currentSerial or 0
        kind = "Native"
        if facts.get("kind") == "secondary":
            kind = "Slave"
        elif told:
            kind = "Master"
        return {
            "id": place.text,
            "url": f"{_SERVER}/zones/{place.text}",
            "name": place.text,
            "kind": kind,
            "dnssec": bool(facts.get("signed")),
            "account": "",
            "catalog": "",
            "masters": [str(each["server"]) for each in _tables(primaries)],
            "serial": serial,
            "edited_serial": serial,
            "notified_serial": max([int(str(each.get("serial", 0))) for each in _tables(told)], default=0),
            "last_check": 0,
        }

    def _zone(self, asked: ApiAsked, name: str) -> ApiReply | Deferred[ApiReply]:
        place = self._placeOf(name)
        described = self._described(place) | {
            "api_rectify": False,
            "master_tsig_key_ids": [],
            "nsec3narrow": False,
            "nsec3param": "",
            "slave_tsig_key_ids": [],
            "soa_edit": "",
            "soa_edit_api": "DEFAULT",
        }
        if asked.fields.get("rrsets", "true") == "false":
            return ApiReply(body=described)
        version = self._versionOf(place)
        wantedName, wantedType = asked.fields.get("rrset_name", "").lower(), asked.fields.get("rrset_type", "").upper()
        sets: list[JSON] = []

        def steps() -> Iterator[None]:
            for count, node in enumerate(version.nodes()):
                for rrset in node.sets:
                    owner, kind = nameToText(rrset.name), typeName(rrset.rrType)
                    if (wantedName and owner.lower() != wantedName) or (wantedType and kind != wantedType):
                        continue
                    records: list[JSON] = [
                        {"content": rdataToText(rrset.rrType, rdata), "disabled": False} for rdata in rrset.rdatas
                    ]
                    sets.append({"name": owner, "type": kind, "ttl": rrset.ttl, "records": records, "comments": []})
                if count % _NAMES == 0:
                    yield
            # In pieces, since a large zone takes long.
            yield from self._encoded(described, sets, pieces)

        pieces: list[str] = []
        headers = (("ETag", etagOf(version)),)
        reading = paced(self._clock, steps())
        return reading.addCallback(lambda _: ApiReply(200, "".join(pieces).encode("ascii"), "application/json", headers))

    @staticmethod
    def _encoded(described: dict[str, JSON], sets: list[JSON], pieces: list[str]) -> Iterator[None]:
        pieces.append(json.dumps(described)[:-1] + ', "rrsets": [')
        for begin in range(0, len(sets), _NAMES):
            pieces.append((", " if begin else "") + json.dumps(sets[begin : begin + _NAMES])[1:-1])
            yield
        pieces.append("]}")

    def _export(self, name: str) -> Deferred[ApiReply]:
        version = self._versionOf(self._placeOf(name))
        lines: list[str] = []

        def steps() -> Iterator[None]:
            sets = [rrset for node in version.nodes() for rrset in node.sets]
            for count, line in enumerate(canonicalFile(sets)):
                lines.append(line.replace(" ", "\t", 4) + "\n")
                if count % _NAMES == 0:
                    yield

        reading = paced(self._clock, steps())
        return reading.addCallback(lambda _: ApiReply(200, "".join(lines).encode("utf-8"), "text/plain; charset=us-ascii"))

    # -- doing

    def _notify(self, asked: ApiAsked, name: str) -> ApiReply:
        asked.expectScope("zones")
        place = self._placeOf(name)
        self._zoned.notify(place.apex)
        return ApiReply(body={"result": "Notification queued"})

    def _retrieve(self, asked: ApiAsked, name: str) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        place = self._placeOf(name)
        if self._zoned.facts(place.apex).get("kind") != "secondary":
            raise ApiRefusal(422, f"Domain '{place.text}' is not a slave domain (or has no master defined)")
        reply = ApiReply(body={"result": f"Added retrieval request for '{place.text}'"})
        return self._zoned.reloadZone(place.apex).addCallback(lambda _: reply)

    def _rectify(self, asked: ApiAsked, name: str) -> ApiReply:
        asked.expectScope("zones")
        self._placeOf(name)
        return ApiReply(body={"result": "Rectified"})

    def _patch(self, asked: ApiAsked, name: str) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        place = self._placeOf(name)
        edits = self._zoned.edits()
        body = bodyOf(asked.body, PatchBody)
        if body.rrsets is None:
            raise ApiRefusal(422, "No rrsets given in update request")
        bodies, changes = body.rrsets, list[RRSetChange]()
        seen: set[tuple[bytes, int, str]] = set()

        def steps() -> Iterator[None]:
            for count, each in enumerate(bodies):
                change = changeOf(each, place.apex)
                key = (change.name.lower(), change.rrType, change.how)
                if key in seen:
                    raise ApiRefusal(422, f"Duplicate {change.text} with changetype: {change.how}")
                seen.add(key)
                if not asked.token.mayChange(asked.client, change.name, change.rrType):
                    raise ApiRefusal(403, f"the token {asked.token.name} may not change {change.text}")
                changes.append(change)
                if count % _SETS == 0:
                    yield

        def make(_: object) -> Deferred[Edited]:
            who = f"API by {asked.token.name}"
            return edits.change(place.apex, lambda transaction: _apply(transaction, changes), door="api", who=who, match=asked.match)

        def done(edited: Edited) -> ApiReply:
            asked.told = {"zone": place.text, "before": edited.before, "serial": edited.version.serial, "rrsets": len(changes)}
            headers = (
                ("ETag", etagOf(edited.version)),
                ("X-PDNS-Old-Serial", str(edited.before)),
                ("X-PDNS-New-Serial", str(edited.version.serial)),
            )
            return ApiReply(204, headers=headers)

        return paced(self._clock, steps()).addCallback(make).addCallback(done)


def _server() -> dict[str, JSON]:
    return {
        "type": "Server",
        "id": "localhost",
        "daemon_type": "authoritative",
        "version": _VERSION,
        "url": _SERVER,
        "config_url": f"{_SERVER}/config{{/config_setting}}",
        "zones_url": f"{_SERVER}/zones{{/zone}}",
    }


def _tables(value: JSON) -> list[dict[str, JSON]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _apply(transaction: Transaction, changes: list[RRSetChange]) -> None:
    """
    @raise ApiRefusal: they contradict what is there.
    @raise twisted_ext.errors.BadChange: they make something else that cannot be.
    """
    # In this order, as PowerDNS does: what is to make room for something else comes first.
    for change in changes:
        rrset = change.rrset
        if rrset is None:
            if change.how not in (EXTEND, PRUNE):
                transaction.removeType(change.name, change.rrType)
        elif change.how == PRUNE:
            transaction.remove(rrset)
        elif change.how == EXTEND:
            transaction.add(rrset)
        else:
            transaction.replace(rrset)
        if change.rrset is not None and change.how != PRUNE:
            kinds = {kind[0] for kind in transaction.setsAt(transaction.keyOf(change.name))}
            if CNAME in kinds and not kinds <= {CNAME, *BESIDE_ALIASES}:
                raise ApiRefusal(422, f"{change.text}: Conflicts with pre-existing RRset")


