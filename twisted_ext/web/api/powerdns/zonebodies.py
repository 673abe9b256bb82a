"""
What clients of PowerDNS say of a zone, and what it means for the settings of one that is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from twisted_ext.server.config.keys import REMOTE_FILES
from twisted_ext.web.api.powerdns.rrsets import canonicalName
from twisted_ext.web.api.site.replies import ApiRefusal
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["MASTER", "METADATA", "NATIVE", "SLAVE", "ZoneBody", "expectNoFiles", "facetsOf", "notesOf", "settingsOf", "textsIn"]

NATIVE: Final = "Native"
MASTER: Final = "Master"
SLAVE: Final = "Slave"

#: By what clients write, in any case.
_KINDS: Final = {"native": NATIVE, "master": MASTER, "primary": MASTER, "slave": SLAVE, "secondary": SLAVE}

#: How changes choose the next serial number: what these mean here. Any other word means the default of PowerDNS.
_SERIALS: Final[Mapping[str, str]] = {
    "": "increment",
    "NONE": "increment",
    "OFF": "increment",
    "INCREASE": "increment",
    "SOA-EDIT": "dateserial",
    "SOA-EDIT-INCREASE": "dateserial",
    "EPOCH": "unixtime",
}

#: Kinds of metadata that are settings here, and how a value of theirs is written in these.
METADATA: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = {
    "ALLOW-AXFR-FROM": ("allow-transfer", str),
    "ALSO-NOTIFY": ("notify", str),
}

#: The most characters of a field of a zone, such as its account, that are kept.
_LONGEST: Final = 1024


class ZoneBody(msgspec.Struct):
    """
    The body of a POST or PUT. Fields that have no meaning here are ignored.
    """

    name: str | None = None
    kind: str | None = None
    masters: list[str] | None = None
    nameservers: Any = None
    rrsets: list[msgspec.Raw] | None = None
    zone: str | None = None
    serial: int | None = None
    account: str | None = None
    catalog: str | None = None
    dnssec: bool | None = None
    nsec3param: str | None = None
    soa_edit: str | None = None
    soa_edit_api: str | None = None
    api_rectify: bool | None = None
    master_tsig_key_ids: list[str] | None = None
    slave_tsig_key_ids: list[str] | None = None


def notesOf(body: ZoneBody, former: Mapping[str, JSON]) -> dict[str, JSON]:
    """
    Return what is kept of a zone: what the body says, and where it says nothing what there is.

    @raise ApiRefusal: the body asks for what cannot be.
    """
    notes = dict(former)
    if body.dnssec is not None:
        notes["dnssec"] = body.dnssec
    if body.nsec3param and not notes.get("dnssec"):
        raise ApiRefusal(422, "NSEC3PARAM value provided, but the zone is not DNSSEC secured")
    if body.nsec3param:
        raise ApiRefusal(422, "nsec3param: the signing policy of the server says how names are denied; leave it out")
    if body.kind is not None:
        if body.kind.lower() in ("producer", "consumer"):
            raise ApiRefusal(422, f"kind {body.kind}: catalogs are made by the settings of the server")
        notes["kind"] = _KINDS.get(body.kind.lower(), NATIVE)
    given: dict[str, JSON] = {
        "account": body.account,
        "soa_edit": body.soa_edit,
        "soa_edit_api": body.soa_edit_api,
        "api_rectify": body.api_rectify,
        "masters": None if body.masters is None else [*body.masters],
        "catalog": None if body.catalog is None else nameToText(canonicalName(body.catalog)) if body.catalog else "",
        "master_tsig_key_ids": _keysIn(body.master_tsig_key_ids),
        "slave_tsig_key_ids": _keysIn(body.slave_tsig_key_ids),
    }
    for field, value in given.items():
        if isinstance(value, str) and len(value) > _LONGEST:
            raise ApiRefusal(422, f"{field} has at most {_LONGEST} characters")
        if value is not None:
            notes[field] = value
    return notes


def _keysIn(names: list[str] | None) -> list[JSON] | None:
    return None if names is None else [nameToText(canonicalName(f"{name.rstrip('.')}.")) for name in names]


def facetsOf(notes: Mapping[str, JSON]) -> dict[str, JSON]:
    """
    Return what PowerDNS says of a zone, but for its name and serial numbers.
    """
    return {
        "kind": notes.get("kind", NATIVE),
        "account": notes.get("account", ""),
        "catalog": notes.get("catalog", ""),
        "masters": notes.get("masters", []),
        "api_rectify": notes.get("api_rectify", False),
        "master_tsig_key_ids": notes.get("master_tsig_key_ids", []),
        "slave_tsig_key_ids": notes.get("slave_tsig_key_ids", []),
        "soa_edit": notes.get("soa_edit", ""),
        "soa_edit_api": notes.get("soa_edit_api", "DEFAULT"),
    }


def settingsOf(notes: Mapping[str, JSON]) -> dict[str, object]:
    """
    Return the settings that a zone has here because of these.

    @raise ApiRefusal: it is a secondary zone without a primary.
    """
    settings: dict[str, object] = {}
    keys = _keyNames(notes, "master_tsig_key_ids")
    if notes.get("kind") == SLAVE:
        primaries = [f"{place} key={keys[0]}" if keys else place for place in textsIn(notes.get("masters"))]
        if not primaries:
            raise ApiRefusal(422, "a zone of kind Slave takes masters: the servers that it is transferred from")
        settings["primaries"] = primaries
    else:
        settings["serial"] = _SERIALS.get(str(notes.get("soa_edit_api", "DEFAULT")).upper(), "dateserial")
    if notes.get("dnssec"):
        settings["sign"] = "default"
    if catalog := notes.get("catalog"):
        settings["listed-in"] = catalog
    known = notes.get("metadata")
    metadata = dict(known) if isinstance(known, dict) else {}
    metadata["TSIG-ALLOW-AXFR"] = [*_keyNames(notes, "slave_tsig_key_ids")]
    # What only that of keys is, is no metadata that a client may change.
    for kind, (name, written) in {**METADATA, "TSIG-ALLOW-AXFR": ("allow-transfer", _keyed)}.items():
        texts = [written(text) for text in textsIn(metadata.get(kind))]
        if texts:
            before = settings.get(name, [])
            assert isinstance(before, list)
            settings[name] = [*before, *texts]
    return settings


def expectNoFiles(settings: Mapping[str, object]) -> None:
    """
    @raise ApiRefusal: what a client says of a zone would make the server open a file.
    """
    for text in [*textsIn(settings.get("primaries")), *textsIn(settings.get("notify"))]:
        for word in text.split()[1:]:
            if (option := word.partition("=")[0]) in REMOTE_FILES:
                what = "the API takes the address of a server, its port, key= and pins="
                raise ApiRefusal(422, f"{option}= names a file of the server, which only its settings do; {what}")


def _keyed(name: str) -> str:
    return f"key={name}"


def _keyNames(notes: Mapping[str, JSON], field: str) -> list[str]:
    """
    Return names of keys without their final dot, as in the settings.
    """
    return [name.rstrip(".") for name in textsIn(notes.get(field))]


def textsIn(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
