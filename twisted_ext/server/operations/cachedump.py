"""
Describes the cache entries of a name for operators.
"""

from __future__ import annotations

from twisted_ext.cache.entries import nameOfKey, unpack
from twisted_ext.cache.store import Store
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.lookup.explain import recordLines
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["keptFor"]


def keptFor(store: Store, name: bytes, now: float, most: int) -> list[JSON]:
    """
    Describe the cache entries of a name.

    @param most: the maximum number of entries.

    @return: one object for each entry: C{name}, C{type} (the query type; C{ANY} for an NXDOMAIN), C{outcome}, C{rcode}, C{left} (seconds,
        below zero for stale entries), C{age}, C{server}, C{security}, C{records}.
    """
    folded = name.lower()
    shown: list[JSON] = []
    # Keys begin with the name, so that only the wanted entries are unpacked.
    for key in [key for key in store.keys() if key.startswith(folded)]:
        if len(shown) >= most:
            break
        if nameOfKey(key) != folded:
            continue
        entry = store.ready.get(key)
        if entry is None:
            packed = store.packed(key)
            if packed is None:
                continue
            entry = unpack(key, packed, store.servers)
        kept = entry.kept
        rrType = int.from_bytes(key[len(folded) : len(folded) + 2], "big")
        shown.append(
            {
                "name": nameToText(folded),
                # The cache files NXDOMAIN, which holds for all types, under type 0.
                "type": typeName(rrType) if rrType else "ANY",
                "outcome": kept.outcome.value,
                "rcode": rcodeName(kept.rcode),
                "left": round(entry.expires - now, 3),
                "age": round(now - entry.learned, 3),
                "server": kept.origin.server if kept.origin is not None else "",
                "security": kept.security.value,
                "records": [line for rrset in kept.answer for line in recordLines(rrset)],
            }
        )
    return shown
