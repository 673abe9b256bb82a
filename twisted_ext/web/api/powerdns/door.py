"""
The requests below C{/api}: servers, zones, and changes of their records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BadName
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.load.databases.added import Aside, AsideChange
from twisted_ext.server.zones.load.zonefacts import factsOf
from twisted_ext.server.zones.update.edits import etagOf
from twisted_ext.web.api.powerdns.cryptokeys import Cryptokeys
from twisted_ext.web.api.powerdns.metadata import PowerDNSMetadata
from twisted_ext.web.api.powerdns.rrsets import (
    DELETE,
    EXTEND,
    PRUNE,
    REPLACE,
    PatchBody,
    RRSetChange,
    changeOf,
    contentOf,
    eachOf,
    idToName,
    legible,
    noZone,
    raised,
    typeOf,
)
from twisted_ext.web.api.powerdns.tsigkeys import TSIGKeys
from twisted_ext.web.api.powerdns.zonebodies import MASTER, NATIVE, SLAVE, facetsOf
from twisted_ext.web.api.powerdns.zones import PowerDNSZones
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, bodyOf, withoutFolders
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import ALIAS, CNAME, DNAME, NS, SOA
from twisted_ext.zone.sign.sets import besideMade
from twisted_ext.zone.store.nodes import BESIDE_ALIASES, keyBelow, kindOf
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zonefile.writer import canonicalFile

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.server.zones.update.commit import Edited, Elsewhere
    from twisted_ext.web.api.powerdns.lookups import PowerDNSLookups
    from twisted_ext.web.api.site.site import ApiAsked
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = ["PowerDNSDoor"]

#: Clients ask for 4.2 or later; 4.9 is the first one with EXTEND and PRUNE.
_VERSION: Final = "4.9.12-txdns"

_SERVER: Final = "/api/v1/servers/localhost"

_NO_ASIDE: Final = Aside()

#: What lists of zones tell of each as well.
_LISTED: Final = ("kind", "account", "catalog", "masters")

#: What lists without C{dnssec} leave out.
_OF_SIGNED: Final = ("dnssec", "edited_serial")

#: What a token for some records sees of the rest of its zone.
_UNSEEN: Final[Mapping[str, JSON]] = {
    "account": "", "catalog": "", "masters": [], "master_tsig_key_ids": [], "slave_tsig_key_ids": [],
}  # fmt: skip

#: Steps between which others get their turn: RRsets of a body, names of a zone.
_SETS: Final = 50
_NAMES: Final = 64

Handler = Callable[["ApiAsked"], "ApiReply | Deferred[ApiReply]"]


class PowerDNSDoor:
    """
    Replies to the requests.
    """

    def __init__(
        self, zoneSets: ZoneSets, lookups: PowerDNSLookups, clock: IReactorTime, today: Callable[[], float], elsewhere: Elsewhere
    ) -> None:
        """
        @param zoneSets: those for all clients are served; zones of views have no name in this API.
        @param today: returns seconds since 1970.
        @param elsewhere: runs work in a thread.
        """
        zoneSet = self._zoneSet = zoneSets.common
        self._lookups = lookups
        self._powerDNSZones = PowerDNSZones(zoneSet, clock, today, elsewhere)
        self._metadata = PowerDNSMetadata(zoneSet, self._powerDNSZones)
        self._cryptokeys = Cryptokeys(zoneSet, self._powerDNSZones)
        self._keys = TSIGKeys(zoneSets, elsewhere)
        self._clock = clock
        self._today = today

    def __call__(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        handler = self._handlers(asked.segments).get(asked.method)
        if handler is None:
            allowed = self._handlers(asked.segments)
            if not allowed:
                raise ApiRefusal(404, "Not Found")
            raise ApiRefusal(405, "Method Not Allowed", (("Allow", ", ".join(allowed)),))
        if asked.token.policy is not None:
            self._expectSeen(asked)
        made = handler(asked)
        return made if isinstance(made, Deferred) else succeed(made)

    def _handlers(self, segments: list[str]) -> dict[str, Handler]:
        """
        Return what replies to the methods of a path below C{/api}; empty for one that there is not.
        """
        match segments:
            case []:
                return {"GET": lambda asked: ApiReply(body=[{"version": 1, "url": "/api/v1"}])}
            case ["v1"]:
                return {"GET": lambda asked: ApiReply(body=[{"server_url": "/api/v1/servers{/server}", "api_features": []}])}
            case ["v1", "servers"]:
                return {"GET": lambda asked: ApiReply(body=[_server()])}
            case ["v1", "servers", "localhost"]:
                return {"GET": lambda asked: ApiReply(body=_server())}
            case ["v1", "servers", "localhost", "zones"]:
                return {"GET": self._zones, "POST": self._create}
            case ["v1", "servers", "localhost", "zones", name]:
                return {
                    "GET": lambda asked: self._zone(asked, name),
                    "PATCH": lambda asked: self._patch(asked, name),
                    "PUT": lambda asked: self._powerDNSZones.alter(asked, name).addCallback(lambda _: ApiReply(204)),
                    "DELETE": lambda asked: self._powerDNSZones.remove(asked, name).addCallback(lambda _: ApiReply(204)),
                }
            case ["v1", "servers", "localhost", "zones", name, "export"]:
                return {"GET": lambda asked: self._export(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "notify"]:
                return {"PUT": lambda asked: self._notify(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "axfr-retrieve"]:
                return {"PUT": lambda asked: self._retrieve(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "rectify"]:
                return {"PUT": lambda asked: self._rectify(asked, name)}
            case ["v1", "servers", "localhost", "zones", name, "cryptokeys"]:
                return {
                    "GET": lambda asked: self._cryptokeys.all(self._placeOf(name)),
                    "POST": lambda asked: self._cryptokeys.create(asked, self._placeOf(name)),
                }
            case ["v1", "servers", "localhost", "zones", name, "cryptokeys", number]:
                return {
                    "GET": lambda asked: self._cryptokeys.one(self._placeOf(name), number),
                    "PUT": lambda asked: self._cryptokeys.alter(asked, self._placeOf(name), number),
                    "DELETE": lambda asked: self._cryptokeys.remove(asked, self._placeOf(name), number),
                }
            case ["v1", "servers", "localhost", "zones", name, "metadata"]:
                return {
                    "GET": lambda asked: self._metadata.all(self._placeOf(name)),
                    "POST": lambda asked: self._metadata.create(asked, name),
                }
            case ["v1", "servers", "localhost", "zones", name, "metadata", kind]:
                return {
                    "GET": lambda asked: self._metadata.one(self._placeOf(name), kind),
                    "PUT": lambda asked: self._metadata.replace(asked, name, kind),
                    "DELETE": lambda asked: self._metadata.remove(asked, name, kind),
                }
            case ["v1", "servers", "localhost", "tsigkeys"]:
                return {"GET": self._keys.all, "POST": self._keys.create}
            case ["v1", "servers", "localhost", "tsigkeys", name]:
                return {
                    "GET": lambda asked: self._keys.one(asked, name),
                    "PUT": lambda asked: self._keys.alter(asked, name),
                    "DELETE": lambda asked: self._keys.remove(asked, name),
                }
            case ["v1", "servers", "localhost", "search-data"]:
                return {"GET": self._lookups.search}
            case ["v1", "servers", "localhost", "statistics"]:
                return {"GET": self._lookups.statistics}
            case ["v1", "servers", "localhost", "config"]:
                return {"GET": lambda asked: ApiReply(body=[*_configuration()])}
            case ["v1", "servers", "localhost", "config", name]:
                return {"GET": lambda asked: _configured(name)}
            case ["v1", "servers", "localhost", "autoprimaries"]:
                return {"GET": lambda asked: ApiReply(body=[]), "POST": _expectNoAutoprimary}
            case ["v1", "servers", "localhost", "cache", "flush"]:
                return {"PUT": self._lookups.flush}
        return {}

    def _expectSeen(self, asked: ApiAsked) -> None:
        """
        @raise ApiRefusal: the token is for some records only, and the request is about something else.
        """
        match asked.segments:
            case [] | ["v1"] | ["v1", "servers"] | ["v1", "servers", "localhost"]:
                return
            case ["v1", "servers", "localhost", "zones"] if asked.method == "GET":
                return
            case ["v1", "servers", "localhost", "zones", name] if asked.method in ("GET", "PATCH"):
                pass
            # What clients ask for behind a change.
            case ["v1", "servers", "localhost", "zones", name, "notify" | "rectify"]:
                pass
            case _:
                asked.expectUnlimited()
                return
        # In the same words as of a zone that there is not.
        if not asked.token.sees(asked.client, idToName(name)):
            raise noZone(name)

    # -- reading

    def _placeOf(self, name: str) -> Place:
        """
        @raise ApiRefusal: there is no such zone.
        """
        place = self._zoneSet.zones.at(idToName(name))
        if place is None:
            raise noZone(name)
        return place

    def _versionOf(self, place: Place) -> Version:
        zone = place.served()
        if zone is None:
            raise ApiRefusal(503, f"{place.text} is not loaded: {withoutFolders(place.said) or place.state}", (("Retry-After", "1"),))
        return zone.current

    def _expandsAlias(self, place: Place) -> bool:
        """
        Return whether the addresses of ALIAS records are answered in a zone.
        """
        zone = place.served()
        return self._zoneSet.list.settings.expandAlias or (zone is not None and zone.current.image.aliases)

    def _zones(self, asked: ApiAsked) -> ApiReply:
        if "zone" in asked.fields:
            try:
                places = [self._placeOf(asked.fields["zone"])]
            except ApiRefusal:
                places = []
        else:
            places = list(self._zoneSet.zones)
        if asked.token.policy is not None:
            places = [place for place in places if asked.token.sees(asked.client, place.apex)]

        left = () if asked.isOn("dnssec", True) else _OF_SIGNED

        def parts() -> Iterator[bytes]:
            before = "["
            for place in places:
                shown = self._seen(asked, self._described(place))
                yield f"{before}{json.dumps({key: value for key, value in shown.items() if key not in left})}".encode("ascii")
                before = ", "
            yield b"]" if places else b"[]"

        return ApiReply(200, None, "application/json", parts=parts())

    def _described(self, place: Place, whole: bool = False) -> dict[str, JSON]:
        """
        @param whole: whether to tell what is not in lists of zones.
        """
        facts, added = factsOf(self._zoneSet, place.apex), self._zoneSet.addedAt(place.apex)
        primaries, told = facts.get("primaries"), facts.get("notified")
        serial = place.currentSerial or 0
        notes: dict[str, JSON] = dict(added.notes) if added is not None else {}
        if "kind" not in notes:
            notes["kind"] = SLAVE if facts.get("kind") == "secondary" else MASTER if told else NATIVE
            notes["masters"] = [str(each["server"]) for each in _tables(primaries)]
        facets: dict[str, JSON] = facetsOf(notes)
        shown: dict[str, JSON] = {"nsec3narrow": False, "nsec3param": "", **facets} if whole else {name: facets[name] for name in _LISTED}
        # A path of one dot is another one for clients.
        identifier = "=2E" if place.text == "." else place.text.replace("/", "=2F")
        return {
            "id": identifier,
            "url": f"{_SERVER}/zones/{identifier}",
            "name": place.text,
            "dnssec": bool(facts.get("signed")),
            **shown,
            "serial": serial,
            "edited_serial": serial,
            "notified_serial": max([int(str(each.get("serial", 0))) for each in _tables(told)], default=0),
            "last_check": 0,
        }

    def _seen(self, asked: ApiAsked, described: dict[str, JSON]) -> dict[str, JSON]:
        """
        Return of the description of a zone what the token sees.
        """
        if asked.token.policy is None:
            return described
        return {key: _UNSEEN.get(key, value) for key, value in described.items()}

    def _zone(self, asked: ApiAsked, name: str) -> ApiReply | Deferred[ApiReply]:
        return self._shown(asked, self._placeOf(name))

    def _shown(self, asked: ApiAsked, place: Place, code: int = 200) -> ApiReply | Deferred[ApiReply]:
        described = self._seen(asked, self._described(place, whole=True))
        if not asked.isOn("rrsets", True) and not asked.isOn("record_count", False):
            return ApiReply(code, described)
        added = self._zoneSet.addedAt(place.apex)
        if added is not None and added.isSecondary and place.served() is None:
            # It was not transferred yet, and is no error of this server.
            return ApiReply(code, {**described, "rrsets": []})
        if added is None:
            return self._written(asked, place, described, {}, code)
        asides = self._zoneSet.added.asides(place.apex)
        return asides.addCallback(lambda known: self._written(asked, place, described, known, code))

    def _written(
        self, asked: ApiAsked, place: Place, described: dict[str, JSON], asides: Mapping[tuple[bytes, int], Aside], code: int
    ) -> ApiReply:
        version = self._versionOf(place)
        sees = None if asked.token.policy is None else partial(asked.token.mayChange, asked.client)
        name, kind = asked.fields.get("rrset_name", "").lower(), asked.fields.get("rrset_type", "").upper()
        sets = _setsIn(version, name, kind, dict(asides), sees, isSigned=self._zoneSet.originOf(place.apex)[1])

        isShown = asked.isOn("rrsets", True)

        def parts() -> Iterator[bytes]:
            yield (json.dumps(described)[:-1] + (', "rrsets": [' if isShown else "")).encode("ascii")
            count, before = 0, ""
            while some := list(islice(sets, _NAMES)):
                count += sum([len(each["records"]) for each in some])
                yield (before + json.dumps(some)[1:-1]).encode("ascii") if isShown else b""
                before = ", "
            yield f"{']' if isShown else ''}, \"record_count\": {count}}}".encode("ascii")

        return ApiReply(code, None, "application/json", (("ETag", etagOf(version)),), parts())

    def _export(self, asked: ApiAsked, name: str) -> ApiReply:
        place = self._placeOf(name)
        version, isSigned = self._versionOf(place), self._zoneSet.originOf(place.apex)[1]

        def parts() -> Iterator[bytes]:
            lines = (line for node in version.nodes() for line in canonicalFile(besideMade(node, isSigned)))
            while some := [line.replace(" ", "\t", 4) for line in islice(lines, _NAMES)]:
                yield "".join([f"{line}\n" for line in some]).encode("utf-8")

        def inJSON() -> Iterator[bytes]:
            yield b'{"zone": "'
            for part in parts():
                yield json.dumps(part.decode("utf-8"))[1:-1].encode("ascii")
            yield b'"}'

        if "application/json" in asked.accept:
            return ApiReply(200, None, "application/json", parts=inJSON())
        return ApiReply(200, None, "text/plain; charset=us-ascii", parts=parts())

    # -- doing

    def _create(self, asked: ApiAsked) -> Deferred[ApiReply]:
        def done(apex: bytes) -> ApiReply | Deferred[ApiReply]:
            return self._shown(asked, self._placeOf(nameToText(apex)), 201)

        return self._powerDNSZones.create(asked).addCallback(done)

    def _notify(self, asked: ApiAsked, name: str) -> ApiReply:
        asked.expectScope("zones")
        place = self._placeOf(name)
        self._zoneSet.notify(place.apex)
        return ApiReply(body={"result": "Notification queued"})

    def _retrieve(self, asked: ApiAsked, name: str) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        place = self._placeOf(name)
        if self._zoneSet.originOf(place.apex)[0] != "secondary":
            raise ApiRefusal(422, f"Domain '{place.text}' is not a slave domain (or has no master defined)")
        masters = self._described(place)["masters"]
        source = f" from primary {masters[0]}" if isinstance(masters, list) and masters else ""
        reply = ApiReply(body={"result": f"Added retrieval request for '{place.text}'{source}"})
        return self._zoneSet.reloadZone(place.apex).addCallback(lambda _: reply)

    def _rectify(self, asked: ApiAsked, name: str) -> ApiReply:
        asked.expectScope("zones")
        place = self._placeOf(name)
        if not self._zoneSet.originOf(place.apex)[1]:
            raise ApiRefusal(422, f"Zone '{place.text}' is not DNSSEC signed, not rectifying.")
        # Each change of a signed zone has done so.
        return ApiReply(body={"result": "Rectified"})

    def _patch(self, asked: ApiAsked, name: str) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        place = self._placeOf(name)
        edits = self._zoneSet.edits()
        body = bodyOf(asked.body, PatchBody)
        if body.rrsets is None:
            raise ApiRefusal(422, "No rrsets given in update request")
        bodies, changes = body.rrsets, list[RRSetChange]()
        seen: set[tuple[bytes, int, str]] = set()
        asides: list[AsideChange] = []
        beside: list[AsideChange] = []
        added, now = self._zoneSet.addedAt(place.apex), self._today()

        def steps() -> Iterator[None]:
            for count, each in enumerate(eachOf(bodies)):
                change = changeOf(each, place.apex, now)
                if change is None:
                    continue
                key = (change.name.lower(), change.rrType, change.how)
                if key in seen and change.how in (REPLACE, DELETE):
                    raise ApiRefusal(422, f"Duplicate {change.text} with changetype: {change.how}")
                seen.add(key)
                if not asked.token.mayChange(asked.client, change.name, change.rrType):
                    raise ApiRefusal(403, f"the token {asked.token.name} may not change {change.text}")
                if change.rrType == ALIAS and change.rrset is not None and not self._expandsAlias(place):
                    what = "which has no ALIAS in its master file; set expand-alias = true, or use a zone that the API has added"
                    raise ApiRefusal(422, f"{change.text}: its addresses would not be answered in this zone, {what}")
                changes.append(change)
                if change.comments or change.disabled:
                    if added is None:
                        what = "comments" if change.comments else "disabled records"
                        raise ApiRefusal(422, f"{change.text}: {what} are kept of zones that the API has added only; leave them out")
                    if change.disabled and change.rrType == SOA:
                        raise ApiRefusal(422, f"{change.text}: a zone cannot be disabled; remove it")
                if added is not None:
                    asides.append(change.aside)
                if count % _SETS == 0:
                    yield

        def known(_: object) -> Deferred[dict[tuple[bytes, int], Aside]]:
            return succeed({}) if added is None else self._zoneSet.added.asides(place.apex)

        def choose(there: Mapping[tuple[bytes, int], Aside]) -> Deferred[None]:
            # Of RRsets without such things, nothing is to be written.
            def choosing() -> Iterator[None]:
                for count, each in enumerate(asides):
                    if each.disabled or each.more or each.comments or (each.name.lower(), each.rrType) in there:
                        beside.append(each)
                    if count % _SETS == 0:
                        yield

            return paced(self._clock, choosing())

        def make(_: None) -> Deferred[Edited]:
            who = f"API by {asked.token.name}"
            return edits.change(
                place.apex,
                lambda transaction: _applying(transaction, changes),
                door="api",
                who=who,
                match=asked.match,
                beside=beside,
            )

        def done(edited: Edited) -> ApiReply:
            asked.told = {"zone": place.text, "before": edited.before, "serial": edited.version.serial, "rrsets": len(changes)}
            headers = (
                ("ETag", etagOf(edited.version)),
                ("X-PDNS-Old-Serial", str(edited.before)),
                ("X-PDNS-New-Serial", str(edited.version.serial)),
            )
            return ApiReply(204, headers=headers)

        return paced(self._clock, steps()).addCallback(known).addCallback(choose).addCallback(make).addCallback(done)


def _configuration() -> list[dict[str, JSON]]:
    """
    Return the settings of PowerDNS that clients ask for, as they are here.
    """
    values = {"api": "yes", "daemon": "no", "default-ttl": "3600", "primary": "yes", "secondary": "yes", "version-string": _VERSION}
    return [{"name": name, "type": "ConfigSetting", "value": value} for name, value in values.items()]


def _configured(name: str) -> ApiReply:
    found = next((each for each in _configuration() if each["name"] == name), None)
    if found is None:
        raise ApiRefusal(404, "Not Found")
    return ApiReply(body=found)


def _expectNoAutoprimary(asked: ApiAsked) -> ApiReply:
    raise ApiRefusal(422, "autoprimaries are not taken here: add a zone of kind Slave, or have a catalog list it")


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


def _setsIn(
    version: Version,
    name: str,
    kind: str,
    left: dict[tuple[bytes, int], Aside],
    sees: Callable[[bytes, int], bool] | None = None,
    *,
    isSigned: bool = False,
) -> Iterator[dict[str, Any]]:
    """
    Iterate over the RRsets of a zone.

    @param name: only those of this name, C{""} for all.
    @param kind: only those of this type, C{""} for all.
    @param left: what is kept beside them.
    @param sees: returns whether a name and type is one of those; by default all are.
    @param isSigned: whether the zone is signed here, so that what the signer makes is none of those.
    """
    for node in _nodesOf(version, name):
        for rrset in besideMade(node, isSigned):
            if (kind and typeOf(rrset.rrType) != kind) or (sees is not None and not sees(rrset.name, rrset.rrType)):
                continue
            contents = sorted([contentOf(rrset.rrType, rdata) for rdata in rrset.rdatas])
            records: list[JSON] = [{"content": content, "disabled": False} for content in contents]
            aside = left.pop((rrset.name.lower(), rrset.rrType), _NO_ASIDE)
            yield _setOf(nameToText(rrset.name), rrset.rrType, rrset.ttl, records, aside)
    for (owner, rrType), aside in left.items():
        if sees is not None and not sees(owner, rrType):
            continue
        if (not name or nameToText(owner) == name) and (not kind or typeOf(rrType) == kind):
            yield _setOf(nameToText(owner), rrType, aside.ttl, [], aside)


def _nodesOf(version: Version, name: str) -> Iterable[Node]:
    if not name:
        return version.nodes()
    try:
        key = keyBelow(nameFromText(name), version.apex)
    except BadName:
        key = None
    node = None if key is None else version.find(key)
    return () if node is None else (node,)


def _setOf(owner: str, rrType: int, ttl: int, records: list[JSON], aside: Aside) -> dict[str, Any]:
    disabled: list[JSON] = [{"content": legible(rrType, text), "disabled": True} for text in aside.disabled]
    comments: list[JSON] = [{**each} for each in aside.comments]
    return {"name": owner, "type": typeOf(rrType), "ttl": ttl, "records": [*records, *disabled], "comments": comments}


def _tables(value: JSON) -> list[dict[str, JSON]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _applying(transaction: Transaction, changes: list[RRSetChange]) -> Generator[None, None, None]:
    """
    Apply changes in short steps.

    @raise ApiRefusal: they contradict what is there.
    @raise twisted_ext.errors.BadChange: they make something else that cannot be.
    """
    # In this order, as PowerDNS does: what is to make room for something else comes first.
    for count, change in enumerate(changes, 1):
        rrset = change.rrset
        if rrset is None:
            if change.how not in (EXTEND, PRUNE) and change.hasRecords:
                transaction.removeType(change.name, change.rrType)
        elif change.how == PRUNE:
            transaction.remove(rrset)
        elif change.how == EXTEND:
            present = transaction.setsAt(transaction.keyOf(change.name)).get(kindOf(rrset))
            if present is not None and present.ttl != rrset.ttl:
                raise ApiRefusal(422, f"{change.text}: uses a different TTL value than the remainder of the RRset, {present.ttl}")
            transaction.add(rrset)
        else:
            transaction.replace(raised(rrset, transaction.version))
        if change.rrset is not None and change.how != PRUNE:
            kinds = {kind[0] for kind in transaction.setsAt(transaction.keyOf(change.name))}
            if CNAME in kinds and not kinds <= {CNAME, *BESIDE_ALIASES}:
                raise ApiRefusal(422, f"{change.text}: Conflicts with pre-existing RRset")
            if DNAME in kinds and NS in kinds and change.name.lower() != transaction.version.apex:
                raise ApiRefusal(422, f"{change.text}: Cannot have both NS and DNAME except in zone apex")
        if count % _SETS == 0:
            yield


