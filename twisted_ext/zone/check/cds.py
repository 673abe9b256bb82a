"""
Checks of CDS and CDNSKEY records, which announce keys to the parent zone, and of SVCB and HTTPS records.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.types.dnssec import DNSKEY
from twisted_ext.wire.rdata.types.svcb import SVCB
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS
from twisted_ext.wire.rrtypes import DNSKEY as _DNSKEY
from twisted_ext.wire.rrtypes import SVCB as _SVCB
from twisted_ext.zone.store.nodes import Node

__all__ = ["announcedAt", "announcedKeys"]

#: Reports a finding: the check, the owner, what is wrong, the type.
Say = Callable[[str, bytes, str, int], None]

_DIGESTS: Final = {1: "sha1", 2: "sha256", 4: "sha384"}

#: Offset of the algorithm in each, and octets of a CDS record before the digest.
_ALGORITHM_AT: Final = {CDS: 2, CDNSKEY: 3}
_BEFORE_DIGEST: Final = 4

#: Rdata that asks the parent to delete the DS records (RFC 8078, section 4, with its erratum 5049 and without).
_AWAY: Final = {CDS: (bytes(5), bytes(4)), CDNSKEY: (b"\x00\x00\x03\x00\x00", b"\x00\x00\x03\x00")}

#: Owner names of DNS servers as services: an optional port label, and C{_dns}.
_OWNER: Final = re.compile(rb"(?:\x02_[0-9]|\x03_[0-9]{2}|\x04_[0-9]{3}|\x05_[0-9]{4}|\x06_[0-9]{5})?\x04_dns")

#: Protocols over HTTP.
_OVER_HTTP: Final = frozenset((b"http/1.1", b"h2", b"h3"))

#: A URI template (RFC 6570) that is a path and has the variable C{dns}.
_NAME: Final = r"(?:[A-Za-z0-9_.]|%[0-9A-Fa-f]{2})+(?:\*|:[1-9][0-9]{0,3})?"
_TEMPLATE: Final = re.compile(rf"/(?:[^\s\"<>\\^`|{{}}%]|%[0-9A-Fa-f]{{2}}|\{{[+#./;?&]?{_NAME}(?:,{_NAME})*\}})*")
_VARIABLE: Final = re.compile(r"[{+#./;?&,]dns[*:,}]")


def announcedKeys(top: Node, say: Say) -> None:
    """
    Check the CDS and CDNSKEY records at the apex, which the parent zone would apply.
    """
    named = [rrset for rrset in (top.of(CDS), top.of(CDNSKEY)) if rrset is not None]
    if not named:
        return
    # Records that request the deletion of all DS records.
    away = {rrset.rrType: [rdata for rdata in rrset.rdatas if rdata[_ALGORITHM_AT[rrset.rrType]] == 0] for rrset in named}
    for rrset in named:
        taken = away[rrset.rrType]
        text = ""
        if not set(taken) <= set(_AWAY[rrset.rrType]):
            text = "the request to make the delegation unsigned is written 0 0 0 00 as CDS and 0 3 0 AA== as CDNSKEY"
        elif taken and (len(rrset.rdatas) > 1 or not all(away.values())):
            text = "the delegation is requested to be unsigned, and other keys are announced as well; leave either"
        if text:
            say("cds-values", rrset.name, text, rrset.rrType)
            return
    if any(away.values()):
        return
    keys = top.of(_DNSKEY)
    held = () if keys is None else keys.rdatas
    wanted: list[set[bytes]] = []
    for rrset in named:
        found = set()
        if rrset.rrType == CDS and any(rdata[3] == 1 for rdata in rrset.rdatas):
            say("cds-values", rrset.name, "a digest by SHA-1, which is not to be used any more; make one by SHA-256", CDS)
        for rdata in rrset.rdatas:
            matching = [key for key in held if _isOf(rrset, rdata, key)]
            if not matching:
                say("cds-values", rrset.name, "this is announced of a key that the zone does not have", rrset.rrType)
            found.update(matching)
        wanted.append(found)
    if len({frozenset(found) for found in wanted}) > 1:
        say("cds-values", top.sets[0].name, "CDS and CDNSKEY records announce different keys", CDS)


def _isOf(rrset: RRSet, rdata: bytes, key: bytes) -> bool:
    if rrset.rrType == CDNSKEY:
        return rdata == key
    digest = _DIGESTS.get(rdata[3])
    if rdata[2] != key[3] or int.from_bytes(rdata[:2], "big") != DNSKEY.fromWire(key).keyTag:
        return False
    # Digests of other types cannot be checked.
    return digest is None or rdata[_BEFORE_DIGEST:] == hashlib.new(digest, rrset.name.lower() + key, usedforsecurity=False).digest()


def announcedAt(node: Node, rrset: RRSet, say: Say) -> None:
    """
    Check SVCB and HTTPS records.
    """
    resolver = rrset.rrType == _SVCB and _OWNER.match(node.key) is not None
    for rdata in rrset.rdatas:
        try:
            service = SVCB.fromWire(rdata)
        except BadMessage:
            continue
        if not service.priority:
            continue
        path = service.dohpath
        if path is not None and not (_TEMPLATE.fullmatch(path) and _VARIABLE.search(path)):
            text = f"dohpath is {path[:60]!r}; a path with the variable dns was expected, such as /q{{?dns}}"
            say("svcb-dns", rrset.name, text, rrset.rrType)
        if resolver:
            if not service.alpn:
                say("svcb-dns", rrset.name, "without alpn clients do not know how to ask this resolver, and will not use it", rrset.rrType)
            elif path is None and any(each in _OVER_HTTP for each in service.alpn):
                say("svcb-dns", rrset.name, "HTTP without dohpath: clients do not know what to request", rrset.rrType)
