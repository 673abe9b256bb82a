"""
The page of the keys and signatures of a zone that is signed: what the zone above needs, what keys that are replaced by a policy do and wait
for, and how long the signatures are still valid.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from twisted_ext.dnssec.algorithms import algorithmName, digestOf
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.errors import CallerFault
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.load.zonefacts import changeKey, factsOf
from twisted_ext.web.console.pages.zones.pages import expectZone, pathOf, placeOf, setOf
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.zone.store.version import Version

__all__ = ["ZoneKeysPage"]

#: Names that are looked at between two turns of others.
_NAMES: Final = 200

#: The flag of keys that sign keys (RFC 4034, section 2.1.1), and the type of digest that zones above want (RFC 8624, section 3.3).
_SEP: Final = 1
_SHA256: Final = 2

#: Where the rdata of a signature has the time until which it is valid (RFC 4034, section 3.1).
_EXPIRATION: Final = slice(8, 12)

_DAY: Final = 86_400

_SHOWN: Final = "%Y-%m-%d %H:%M UTC"

_ROLES: Final = {"ksk": "signs keys", "zsk": "signs records", "csk": "signs all"}

#: What is said once it is done.
_SAID: Final = {
    "roll": "{} will be replaced.",
    "published": "The DS record of {} is published, as you say.",
    "withdrawn": "The DS record of {} is withdrawn, as you say.",
}

#: Days that have a row of their own.
_DAYS: Final = 40


class ZoneKeysPage:
    """
    Makes the page, and does what its forms ask for.
    """

    def __init__(self, operations: Operations, clock: IReactorTime, today: Callable[[], float]) -> None:
        self._operations = operations
        self._clock = clock
        self._today = today

    def do(self, asked: ConsoleAsked, text: str) -> ConsoleReply:
        """
        Have a key replaced, or take in what the parent has of it.
        """
        place, key, action = placeOf(self._operations, text), asked.form.get("key", ""), asked.form.get("action", "")
        asked.told = {"zone": place.text, "action": action, "key": key}
        try:
            changeKey(setOf(self._operations, place), place.apex, key, action)
        except CallerFault as fault:
            raise ConsoleRefusal(422, f"{fault}.") from None
        return leadingTo(f"{pathOf(place.text)}/keys", _SAID[action].format(key))

    def show(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        place, version = expectZone(self._operations, text)
        keys = [rdata for rrset in version.top.sets if rrset.rrType == DNSKEY for rdata in rrset.rdatas]
        if not keys:
            raise ConsoleRefusal(404, f"{place.text} has no keys: it is not signed.")
        now = self._today()
        left: Counter[int] = Counter()
        first = float("inf")

        def steps() -> Iterator[None]:
            nonlocal first
            for number, node in enumerate(version.nodes()):
                if number % _NAMES == _NAMES - 1:
                    yield
                for rrset in node.sets:
                    for rdata in rrset.rdatas if rrset.rrType == RRSIG else ():
                        expires = int.from_bytes(rdata[_EXPIRATION], "big")
                        first = min(first, expires)
                        left[min(max(int((expires - now) // _DAY), -1), _DAYS)] += 1

        def page(_: object) -> ConsoleReply:
            most = max(left.values(), default=1)
            rows = [{"days": _daysText(days), "count": left[days], "share": left[days] / most, "isOver": days < 0} for days in sorted(left)]
            facts = factsOf(setOf(self._operations, place), place.apex)
            values: dict[str, object] = {
                "title": f"Keys of {place.text}",
                "rolling": [_rollingOf(each) for each in cast("list[dict[str, Any]]", facts.get("keys") or [])],
                "parents": facts.get("parents") or [],
                "place": place,
                "path": pathOf(place.text),
                "keys": [_keyOf(version, rdata) for rdata in keys],
                "first": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(first)) if left else "",
                "rows": rows,
            }
            return ConsoleReply(values)

        return paced(self._clock, steps()).addCallback(page)


def _rollingOf(key: dict[str, Any]) -> dict[str, object]:
    """
    Return what a key does, from what L{keysShown<twisted_ext.dnssec.rolls.shown.keysShown>} says of it.
    """
    records: list[dict[str, object]] = []
    for record, state in key["records"].items():
        waits = key["waits"].get(record)
        until = None if waits is None or waits["until"] is None else time.strftime(_SHOWN, time.gmtime(waits["until"]))
        why = "" if waits is None else f"{waits['next']} next: {waits['why']}{'' if until is None else f', until {until}'}"
        records.append({"record": record, "state": state, "why": why})
    asked = key["waits"].get("DS", {})
    successor = key.get("successor")
    return {
        "name": key["key"],
        "role": _ROLES[key["role"]],
        "isWanted": key["wanted"],
        "records": records,
        # The two sentences in which a roll says that it waits for the parent.
        "action": {"omnipresent": "published", "hidden": "withdrawn"}.get(asked.get("next", ""), "") if asked.get("until") is None else "",
        "successor": "" if successor is None else time.strftime(_SHOWN, time.gmtime(successor)),
    }


def _keyOf(version: Version, rdata: bytes) -> dict[str, object]:
    isSigningKeys = bool(int.from_bytes(rdata[:2], "big") & _SEP)
    tag, algorithm = keyTag(rdata), rdata[3]
    digest = digestOf(version.apexName, rdata, _SHA256) if isSigningKeys else None
    above = "" if digest is None else f"{nameToText(version.apexName)} DS {tag} {algorithm} {_SHA256} {digest.hex().upper()}"
    role = "signs keys (KSK or CSK)" if isSigningKeys else "signs records (ZSK)"
    return {"tag": tag, "role": role, "algorithm": algorithmName(algorithm), "ds": above}


def _daysText(days: int) -> str:
    if days < 0:
        return "not valid any more"
    if days == 0:
        return "less than a day"
    return f"{days} days or more" if days == _DAYS else f"{days} day{'s' if days > 1 else ''}"
