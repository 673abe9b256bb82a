"""
Whether a server should get queries: a load balancer, or who starts one server after the other, asks before it sends clients there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.server.authority.zonetable import LOADING, SERVING

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["CHECKS", "areSilent", "checksIn", "commonOf", "readiness", "upstreamReasons", "workerReasons", "zoneReasons"]

#: What may be looked at.
CHECKS: Final = ("zones", "upstreams", "workers")


def checksIn(text: str, default: Collection[str]) -> Collection[str]:
    """
    Return what is to be looked at.

    @param text: words with commas between them; C{""} for the default.

    @raise CallerFault: there is no such word.
    """
    words = [each.strip() for each in text.split(",")] if text else list(default)
    for word in words:
        if word not in CHECKS:
            raise CallerFault(f"{word!r} is nothing to look at; there are {', '.join(CHECKS)}")
    return words


def zoneReasons(counts: Mapping[str, int]) -> list[str]:
    """
    Return why a server is not ready because of its zones. A zone that is broken is so on all servers, and one that has expired was given up
    by its primaries: neither is a reason to ask none of them, unless nothing else can be served.

    @param counts: see L{countsOf<twisted_ext.server.authority.zonetable.countsOf>}.
    """
    every, loading = counts["all"], counts.get(LOADING, 0)
    if loading:
        return [f"{loading} of {_counted(every, 'zone')} {'is' if loading == 1 else 'are'} being loaded"]
    return [f"none of {_counted(every, 'zone')} can be served"] if every and not counts[SERVING] else []


def areSilent(upstreams: Sequence[Mapping[str, JSON]]) -> bool:
    """
    Return whether there are upstreams, and none of them replies. Authoritative servers are none.

    @param upstreams: see L{upstreamsOf<twisted_ext.server.operations.upstreamfigures.upstreamsOf>}.
    """
    asked = [each for each in upstreams if not str(each.get("way")).startswith("authority")]
    return bool(asked) and not any(each.get("up") for each in asked)


def upstreamReasons(upstreams: Sequence[Mapping[str, JSON]]) -> list[str]:
    return [f"none of {_counted(len(upstreams), 'upstream')} replies"] if areSilent(upstreams) else []


def workerReasons(serving: int, every: int) -> list[str]:
    """
    Return why a server is not ready because of its workers. The system goes on giving queries to one that has ended, until another one
    replaces it.
    """
    missing = every - serving
    return [f"{missing} of {_counted(every, 'worker')} {'does' if missing == 1 else 'do'} not answer"] if missing else []


def readiness(reasons: Sequence[str]) -> dict[str, JSON]:
    """
    Return the answer: C{ready}, C{reasons}; and C{said} and C{failed} for C{txdns control}.
    """
    said: list[JSON] = [f"not ready: {each}" for each in reasons] or ["ready"]
    return {"ready": not reasons, "reasons": [*reasons], "said": said, "failed": bool(reasons)}


def commonOf(said: Sequence[JSON]) -> list[str]:
    """
    Return the reasons that all workers give: an upstream that one of them has heard of works.
    """
    found = [each["reasons"] for each in said if isinstance(each, dict)]
    several = [[str(reason) for reason in reasons] for reasons in found if isinstance(reasons, list)]
    return [reason for reason in several[0] if all(reason in others for others in several)] if several else []


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
