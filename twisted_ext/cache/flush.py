"""
Flushing a name, a subtree or the whole cache.
"""

from __future__ import annotations

from twisted_ext.cache.entries import nameOfKey, unpack
from twisted_ext.cache.store import Store
from twisted_ext.wire.names import isBelow

__all__ = ["flush"]


def flush(store: Store, name: bytes | None = None, subtree: bool = False) -> int:
    """
    Drop all answers to questions for a name, answers to other questions whose aliases pass through it, and failures.

    @param name: L{None} for everything.
    @param subtree: include all names below it.

    @return: how many answers were dropped.
    """
    if name is None:
        count = len(store)
        store.clear()
        return count
    folded = name.lower()

    def concerns(owner: bytes) -> bool:
        return owner == folded or subtree and isBelow(owner, folded)

    concerned: list[bytes] = []
    for key in store.mentioning(folded):
        if concerns(nameOfKey(key)):
            concerned.append(key)
            continue
        entry = store.ready.get(key)
        if entry is None:
            entry = unpack(key, store.packed(key) or b"", store.servers)
        if len(entry.kept.answer) > 1 and any(concerns(rrset.name.lower()) for rrset in entry.kept.answer):
            concerned.append(key)
    for key in concerned:
        store.drop(key)
    for key in store.failures.keys():
        if concerns(nameOfKey(key)):
            store.failures.forget(key)
    return len(concerned)
