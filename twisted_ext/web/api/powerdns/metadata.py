"""
Requests about the metadata of zones that were added: some kinds of it are settings here, and C{X-} ones are kept for clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.internet.defer import Deferred

from twisted_ext.web.api.powerdns.rrsets import idToName, noZone
from twisted_ext.web.api.powerdns.zonebodies import METADATA, textsIn
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, bodyOf

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.web.api.powerdns.zones import PowerDNSZones
    from twisted_ext.web.api.site.site import ApiAsked

__all__ = ["PowerDNSMetadata"]

#: Kinds that PowerDNS knows and that have no meaning here; they are shown as empty.
_OTHERS: Final = frozenset(
    "ALLOW-DNSUPDATE-FROM AXFR-MASTER-TSIG AXFR-SOURCE FORWARD-DNSUPDATE GSS-ACCEPTOR-PRINCIPAL GSS-ALLOW-AXFR-PRINCIPAL IXFR"
    " LUA-AXFR-SCRIPT NOTIFY-DNSUPDATE NSEC3NARROW NSEC3PARAM PRESIGNED PUBLISH-CDNSKEY PUBLISH-CDS SLAVE-RENOTIFY SOA-EDIT-DNSUPDATE"
    " TSIG-ALLOW-AXFR TSIG-ALLOW-DNSUPDATE".split()
)

_SOA_EDIT: Final = "SOA-EDIT"

#: What clients may have kept of a zone: kinds, values of each, and characters of a value.
_MOST_KINDS: Final = 50
_MOST_VALUES: Final = 100
_LONGEST: Final = 1024


class MetadataBody(msgspec.Struct):
    """
    The values of a kind.
    """

    kind: Any = None
    metadata: Any = None


class PowerDNSMetadata:
    """
    Replies to these requests.
    """

    def __init__(self, zoneSet: ZoneSet, altering: PowerDNSZones) -> None:
        self._zoneSet = zoneSet
        self._zones = altering

    def all(self, place: Place) -> ApiReply:
        known = self._known(place)
        added = self._zoneSet.addedAt(place.apex)
        soaEditApi = "" if added is None else str(added.notes.get("soa_edit_api", ""))
        known |= {"SOA-EDIT-API": [soaEditApi]} if soaEditApi else {}
        return ApiReply(body=[_shown(kind, known[kind]) for kind in sorted(known)])

    def one(self, place: Place, kind: str) -> ApiReply:
        if not _isKept(kind) and kind not in _OTHERS:
            raise _unsupported(kind)
        return ApiReply(body=_shown(kind, self._known(place).get(kind, [])))

    def _known(self, place: Place) -> dict[str, list[str]]:
        added = self._zoneSet.addedAt(place.apex)
        return {} if added is None else _metadataIn(dict(added.notes))

    def create(self, asked: ApiAsked, name: str) -> Deferred[ApiReply]:
        """
        Add values of a kind to those that there are.
        """
        body = bodyOf(asked.body, MetadataBody)
        if not isinstance(body.kind, str):
            raise ApiRefusal(422, "kind is not specified or not a string")
        return self._put(asked, name, body.kind, _valuesOf(body), more=True)

    def replace(self, asked: ApiAsked, name: str, kind: str) -> Deferred[ApiReply]:
        return self._put(asked, name, kind, _valuesOf(bodyOf(asked.body, MetadataBody)))

    def remove(self, asked: ApiAsked, name: str, kind: str) -> Deferred[ApiReply]:
        return self._put(asked, name, kind, []).addCallback(lambda _: ApiReply(200))

    def _put(self, asked: ApiAsked, name: str, kind: str, values: list[str], *, more: bool = False) -> Deferred[ApiReply]:
        asked.expectScope("zones")
        if self._zoneSet.zones.at(idToName(name)) is None:
            raise noZone(name)
        if not _isKept(kind):
            raise _unsupported(kind)
        whole: list[str] = []

        def change(notes: dict[str, JSON]) -> dict[str, JSON]:
            known = _metadataIn(notes)
            whole.extend(dict.fromkeys([*(known.get(kind, []) if more else []), *values]))
            if len(whole) > _MOST_VALUES:
                raise ApiRefusal(422, f"{kind} has at most {_MOST_VALUES} values")
            if kind == _SOA_EDIT:
                return {**notes, "soa_edit": whole[0] if whole else ""}
            known.pop(_SOA_EDIT, None)
            known[kind] = whole
            if len(known) > _MOST_KINDS:
                raise ApiRefusal(422, f"a zone has at most {_MOST_KINDS} kinds of metadata")
            return {**notes, "metadata": {each: [*texts] for each, texts in known.items() if texts}}

        altering = self._zones.note(asked, idToName(name), change)
        return altering.addCallback(lambda _: ApiReply(201 if more else 200, _shown(kind, whole)))


def _isKept(kind: str) -> bool:
    return kind in METADATA or kind == _SOA_EDIT or (kind.startswith("X-") and len(kind) <= _LONGEST)


def _unsupported(kind: str) -> ApiRefusal:
    return ApiRefusal(422, f"Unsupported metadata kind '{kind}'")


def _metadataIn(notes: dict[str, JSON]) -> dict[str, list[str]]:
    known = notes.get("metadata")
    found = {kind: textsIn(values) for kind, values in known.items()} if isinstance(known, dict) else {}
    if notes.get("soa_edit"):
        found[_SOA_EDIT] = [str(notes["soa_edit"])]
    return found


def _shown(kind: str, values: list[str]) -> dict[str, JSON]:
    return {"type": "Metadata", "kind": kind, "metadata": [*values]}


def _valuesOf(body: MetadataBody) -> list[str]:
    if not isinstance(body.metadata, list):
        raise ApiRefusal(422, "metadata is not specified or not an array")
    for value in body.metadata:
        if not isinstance(value, str):
            raise ApiRefusal(422, "metadata must be strings")
        if len(value) > _LONGEST:
            raise ApiRefusal(422, f"a value of metadata has at most {_LONGEST} characters")
    return [*body.metadata]
