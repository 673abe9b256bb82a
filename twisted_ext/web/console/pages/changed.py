"""
What was changed, in words, from the entries of the audit log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["changeIn", "isChange"]

#: What is said of a zone, by what a form asks for.
_ZONE_WORDS: Final = {
    "reload": "loaded zone {} again",
    "notify": "notified the secondaries of zone {}",
    "freeze": "froze zone {}",
    "thaw": "thawed zone {}",
    "roll": "had a key of zone {} replaced",
    "published": "said that the parent of zone {} has a DS record",
    "withdrawn": "said that the parent of zone {} has a DS record no more",
    "remove": "removed zone {}",
}

#: What is said of a user of the console and a scope, in the same way.
_USER_WORDS: Final = {
    "add": "added user {} with scope {}",
    "scope": "gave user {} scope {}",
    "password": "gave user {} another password",
    "remove": "removed user {}",
}

#: The pages where one signs in and out.
_SIGNING: Final = ("/signin", "/signout")

_REFUSED: Final = 400


def isChange(entry: Mapping[str, JSON]) -> bool:
    """
    Return whether an entry is about a change, or an attempt at one: not about who has signed in, nor about what would be changed.
    """
    return entry.get("path") not in _SIGNING and not entry.get("dry") and entry.get("settings") != []


def changeIn(entry: Mapping[str, JSON]) -> dict[str, str]:
    """
    Return C{at}, the local time; C{who}, a user of the console or a token of the API; C{client}, the address; and C{what}, a sentence
    without its subject.
    """
    who = entry.get("user") or entry.get("token") or "someone"
    return {
        "at": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(str(entry.get("at") or 0)))),
        "who": str(who),
        "client": str(entry.get("from") or ""),
        "what": _sentence(entry),
    }


def _sentence(entry: Mapping[str, JSON]) -> str:
    status = entry.get("status")
    what = _did(entry)
    if isinstance(status, int) and status >= _REFUSED:
        return f"tried: {what}; that was refused ({status})"
    return what


def _did(entry: Mapping[str, JSON]) -> str:
    settings, zone, action = entry.get("settings"), entry.get("zone"), str(entry.get("action") or "")
    if isinstance(settings, list) and settings:
        return "; ".join(map(str, settings))
    if whom := entry.get("whom"):
        return _USER_WORDS.get(action, "changed user {}").format(whom, entry.get("scope"))
    if entry.get("path") == "/blocking":
        return _paused(entry, action)
    if action == "flush":
        return f"had the cache forget {entry.get('name')}"
    if zone:
        return _zoned(entry, str(zone), action)
    if entry.get("path") == "/backup":
        return f"made a backup, with{'' if entry.get('keys') else 'out'} private keys"
    return f"{entry.get('method')} {entry.get('path')}"


def _paused(entry: Mapping[str, JSON], action: str) -> str:
    view = str(entry.get("view") or "default")
    whom = {"default": "clients in no view", "all": "all clients"}.get(view, f"view {view}")
    if action == "pause":
        return f"paused blocking for {whom} for {entry.get('time')}"
    return f"ended the pause of blocking for {whom}" if action == "resume" else f"fetched list {entry.get('list')}"


def _zoned(entry: Mapping[str, JSON], zone: str, action: str) -> str:
    before, serial = entry.get("before"), entry.get("serial")
    serials = f", serial {before} to {serial}" if before is not None and serial is not None else ""
    if action in _ZONE_WORDS:
        return _ZONE_WORDS[action].format(zone)
    if entry.get("back") is not None:
        return f"went back to serial {entry['back']} of zone {zone}{serials}"
    if entry.get("name") and entry.get("type"):
        return f"changed {entry['name']} {entry['type']} of zone {zone}{serials}"
    if serials:
        return f"changed records of zone {zone}{serials}"
    return f"{action or 'added'} zone {zone}" if entry.get("path") == "/zones" else f"{action or entry.get('method')} zone {zone}"
