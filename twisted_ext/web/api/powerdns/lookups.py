"""
Requests that look: search and statistics; and the cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from twisted_ext.errors import CallerFault
from twisted_ext.web.api.powerdns.rrsets import canonicalName, contentOf, typeOf
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.sign.sets import besideMade

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON, Figures
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.load.databases.added import Aside
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.web.api.site.site import ApiAsked

__all__ = ["PowerDNSLookups"]

#: Results of a search, and those that a client may ask for.
_RESULTS: Final = 100
_MOST_RESULTS: Final = 1000

#: Zones or records that are looked at between two turns of others.
_NAMES: Final = 64

#: Characters of what is searched for: a name has as many.
_LONGEST: Final = 256

_KINDS: Final = ("all", "zone", "record", "comment")

#: What PowerDNS calls the rcodes of replies.
_RCODES: Final = {
    "NOERROR": "No Error",
    "FORMERR": "Form Error",
    "SERVFAIL": "Server Failure",
    "NXDOMAIN": "Non-Existent domain",
    "NOTIMP": "Not Implemented",
    "REFUSED": "Query Refused",
    "YXDOMAIN": "Name Exists when it should not",
    "YXRRSET": "RR Set Exists when it should not",
    "NXRRSET": "RR Set that should exist does not",
    "NOTAUTH": "Server Not Authoritative for zone / Not Authorized",
    "NOTZONE": "Name not contained in zone",
    "BADVERS": "Bad OPT Version / TSIG Signature Failure",
}


class PowerDNSLookups:
    """
    Replies to these requests.
    """

    def __init__(self, operations: Operations, today: Callable[[], float]) -> None:
        self._operations = operations
        self._today = today

    @property
    def _zoneSet(self) -> ZoneSet | None:
        """
        The zones for all clients: those of views have no name in this API.
        """
        return None if self._operations.zoneSets is None else self._operations.zoneSets.common

    # -- search

    def search(self, asked: ApiAsked) -> Deferred[ApiReply]:
        """
        Search names and contents for a text, in which an asterisk is any text and a question mark any character. What fits is sent while
        the search goes on, however many records there are.
        """
        wanted = asked.fields.get("q", "")
        most = asked.fields.get("max", str(_RESULTS))
        kind = asked.fields.get("object_type", "all")
        if not wanted:
            raise ApiRefusal(422, "Query q can't be blank")
        if not (most.isascii() and most.isdigit() and int(most[:9])):
            raise ApiRefusal(422, "Maximum entries must be larger than 0")
        if kind not in _KINDS:
            raise ApiRefusal(422, f"object_type must be one of the following options: {', '.join(_KINDS)}")
        if len(wanted) > _LONGEST:
            raise ApiRefusal(422, f"q has at most {_LONGEST} characters")
        glob, limit = _Glob(wanted), min(int(most[:9]), _MOST_RESULTS)
        zoneSet = self._zoneSet
        if zoneSet is None or kind == "zone":
            return succeed(self._found(glob, kind, limit, []))
        beside = zoneSet.added.found(lambda asides: list(islice(_foundBeside(asides, glob, kind), limit)))
        return beside.addCallback(lambda found: self._found(glob, kind, limit, found))

    def _found(self, glob: _Glob, kind: str, limit: int, beside: list[dict[str, JSON]]) -> ApiReply:
        """
        @param beside: what was found beside the records of zones.
        """
        results = chain(self._searching(glob, kind), beside)

        def parts() -> Iterator[bytes]:
            count, before = 0, "["
            for each in results:
                if each is None:
                    # Others get their turn.
                    yield b""
                    continue
                yield f"{before}{json.dumps(each)}".encode("ascii")
                count, before = count + 1, ", "
                if count >= limit:
                    break
            yield b"]" if count else b"[]"

        return ApiReply(200, None, "application/json", parts=parts())

    def _searching(self, glob: _Glob, kind: str) -> Iterator[dict[str, JSON] | None]:
        """
        Iterate over what fits; over L{None} between short steps.
        """
        zoneSet = self._zoneSet
        places = [] if zoneSet is None else list(zoneSet.zones)
        if kind in ("all", "zone"):
            for count, place in enumerate(places):
                if glob.fits(place.text):
                    yield {"name": place.text, "object_type": "zone", "zone_id": place.text}
                elif count % _NAMES == 0:
                    yield None
        if kind not in ("all", "record"):
            return
        looked = 0
        for place in places:
            zone = place.served()
            isSigned = zoneSet is not None and zoneSet.originOf(place.apex)[1]
            for node in () if zone is None else zone.current.nodes():
                for rrset in besideMade(node, isSigned):
                    owner = nameToText(rrset.name)
                    fits = glob.fits(owner)
                    for rdata in rrset.rdatas:
                        looked += 1
                        content = contentOf(rrset.rrType, rdata)
                        if fits or glob.fits(content):
                            yield _foundRecord(place.text, owner, rrset.rrType, rrset.ttl, content)
                        elif looked % _NAMES == 0:
                            yield None

    # -- figures and caches

    def statistics(self, asked: ApiAsked) -> Deferred[ApiReply]:
        wanted = asked.fields.get("statistic", "")

        def shown(figures: Figures) -> ApiReply:
            numbers = self._numbersOf(figures)
            if wanted and wanted not in numbers:
                raise ApiRefusal(422, "Unknown statistic name")
            items = numbers if not wanted else {wanted: numbers[wanted]}
            body: list[JSON] = [{"name": name, "type": "StatisticItem", "value": str(value)} for name, value in sorted(items.items())]
            if not wanted and asked.isOn("includerings", True):
                body += _maps(figures)
            return ApiReply(body=body)

        return self._operations.figures().addCallback(shown)

    def _numbersOf(self, figures: Figures) -> dict[str, int]:
        """
        Return what means the same here, by the name that it has in PowerDNS.
        """
        udp, tcp = int(figures.numbers["udp"]), int(figures.numbers["tcp"])
        return {
            "packetcache-hit": figures.laneHits,
            "packetcache-miss": figures.queries - figures.laneHits,
            "servfail-packets": figures.replies.get("SERVFAIL", 0),
            "tcp-queries": tcp,
            "udp-queries": udp,
            "uptime": round(self._today() - self._operations.started),
        }

    def flush(self, asked: ApiAsked) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        name = canonicalName(asked.fields.get("domain", ""))
        wanted = {"name": nameToText(name), "type": asked.fields.get("type", ""), "below": asked.fields.get("subtree", "")}
        # A server without a cache has nothing to forget: what it answers from a zone is never old.
        flushing = self._operations.do("cache/flush", wanted).addErrback(_nothing)
        return flushing.addCallback(lambda said: ApiReply(body={"count": said.get("flushed", 0), "result": "Flushed cache."}))


class _Glob:
    """
    A text in which an asterisk is any text and a question mark any character. It takes no more steps than the lengths of both multiplied,
    which a regular expression with as many asterisks may.
    """

    def __init__(self, text: str) -> None:
        self._first, *parts = [re.compile(re.escape(each).replace(r"\?", "."), re.DOTALL) for each in text.lower().split("*")]
        self._between, self._last = parts[:-1], parts[-1] if parts else None
        self._least = len(text.lower().rpartition("*")[2])

    def fits(self, text: str) -> bool:
        """
        Return whether a name or a content is meant, a name with its final dot or without it.
        """
        return self._isWhole(text.lower()) or (text.endswith(".") and self._isWhole(text.lower().removesuffix(".")))

    def _isWhole(self, text: str) -> bool:
        if self._last is None:
            return self._first.fullmatch(text) is not None
        found = self._first.match(text)
        place = -1 if found is None else found.end()
        for part in self._between:
            found = None if place < 0 else part.search(text, place)
            place = -1 if found is None else found.end()
        begin = len(text) - self._least
        return 0 <= place <= begin and self._last.fullmatch(text, begin) is not None


def _foundBeside(asides: Iterable[tuple[str, str, int, Aside]], glob: _Glob, kind: str) -> Iterator[dict[str, JSON]]:
    """
    Iterate over comments, and records that are not served, that fit.
    """
    for zone, owner, rrType, aside in asides:
        fits = glob.fits(owner)
        for content in aside.disabled if kind in ("all", "record") else ():
            if fits or glob.fits(content):
                yield _foundRecord(zone, owner, rrType, aside.ttl, content, isDisabled=True)
        for comment in aside.comments if kind in ("all", "comment") else ():
            if fits or glob.fits(str(comment["content"])):
                place: dict[str, JSON] = {"name": owner, "type": typeOf(rrType), "zone": zone, "zone_id": zone}
                yield {"object_type": "comment", "content": comment["content"], **place}


def _foundRecord(zone: str, owner: str, rrType: int, ttl: int, content: str, isDisabled: bool = False) -> dict[str, JSON]:
    return {
        "content": content,
        "disabled": isDisabled,
        "name": owner,
        "object_type": "record",
        "ttl": ttl,
        "type": typeOf(rrType),
        "zone": zone,
        "zone_id": zone,
    }


def _maps(figures: Figures) -> list[JSON]:
    """
    Return what is counted by kind.
    """
    replies = {_RCODES.get(name, name): count for name, count in figures.replies.items()}
    return [_map("response-by-qtype", figures.types), _map("response-by-rcode", replies)]


def _map(name: str, counts: Mapping[str, int]) -> JSON:
    return {"name": name, "type": "MapStatisticItem", "value": [{"name": each, "value": str(count)} for each, count in counts.items()]}


def _nothing(failure: Failure) -> dict[str, JSON]:
    if not isinstance(failure.value, CallerFault):
        failure.raiseException()
    return {}
