"""
What resolvers differ in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from tests.live.differential.asking import Reply
from tests.live.differential.reasons import REASONS, Reason
from tests.live.differential.resolvers import RESOLVERS
from tests.live.differential.running import Result
from twisted_ext.testing.internet import Fault

__all__ = ["Difference", "bogusWithoutReason", "differencesIn", "falselySecure", "reasonFor"]


#: Zones in which nothing may be believed.
_NOTHING_VALID: Final = frozenset(
    f"bogus/{fault.value}/{denial}"
    for fault in (
        Fault.MISSING_SIGNATURE, Fault.EXPIRED, Fault.NOT_YET_VALID, Fault.EXPIRED_BEFORE_VALID, Fault.WRONG_SIGNER,
        Fault.SIGNED_BY_ANCESTOR, Fault.CORRUPT_SIGNATURE, Fault.SIGNATURE_OF_OTHER_TYPE, Fault.WRONG_SIGNATURE_TAG,
        Fault.WRONG_SIGNATURE_ALGORITHM, Fault.WRONG_ORIGINAL_TTL, Fault.TOO_MANY_LABELS, Fault.MISSING_KEY, Fault.NO_KEYS,
        Fault.KEYS_NOT_SIGNED_BY_ANCHOR, Fault.NOT_A_ZONE_KEY, Fault.REVOKED_KEY, Fault.WRONG_KEY_PROTOCOL, Fault.WRONG_KEY_ALGORITHM,
        Fault.WRONG_PUBLIC_KEY, Fault.WRONG_DIGEST, Fault.DS_OF_OTHER_KEY, Fault.WRONG_DS_TAG, Fault.WRONG_DS_ALGORITHM,
        Fault.STRIPS_SIGNATURES,
    )
    for denial in ("nsec", "nsec3")
)  # fmt: skip

#: Zones without signatures that count, by a pattern.
_NOTHING_SIGNED: Final = ("bogus/unsupported-*", "servers/*/unsigned", "ordinary/*/unsigned/*", "*/unsigned.curious")

#: Kinds of names that are in the zone itself.
_INSIDE: Final = frozenset(("data", "nodata", "denied", "empty", "large", "case"))


class Difference(NamedTuple):
    """
    A question to which another resolver replies differently.

    @ivar reason: L{None} if none is known.
    """

    result: Result
    peer: str
    theirs: Reply
    reason: Reason | None

    def __str__(self) -> str:
        case = self.result.case
        both = f"ours {_shown(self.result.replies[0])}, {self.peer} {_shown(self.theirs)}"
        return f"{case.world} {case.kind}: {case.name} {case.rrType}: {both}"


def _shown(reply: Reply) -> str:
    return f"{reply.status}{' AD' if reply.ad else ''} with {len(reply.records)} records"


def _is(reply: Reply, kind: str, ours: Reply) -> bool:
    failure = reply.status in ("SERVFAIL", "none")
    match kind:
        case "any":
            return True
        case "failure":
            return failure
        case "answer":
            return not failure
        case "secure":
            return reply.ad and not failure
        case "insecure":
            return not reply.ad and not failure
        case "fewer":
            return not failure and set(reply.records) < set(ours.records)
        case _:
            return reply.status == kind


def reasonFor(result: Result, theirs: Reply) -> Reason | None:
    """
    Return why a reply differs from ours; L{None} if no reason is known.
    """
    case, ours = result.case, result.replies[0]
    for reason in REASONS:
        if (
            any(fnmatchcase(case.world, pattern) for pattern in reason.worlds)
            and any(fnmatchcase(case.kind, pattern) for pattern in reason.kinds)
            and _is(ours, reason.ours, ours)
            and _is(theirs, reason.theirs, ours)
        ):
            return reason
    return None


def differencesIn(results: Iterable[Result]) -> Iterator[Difference]:
    """
    Iterate over the replies of others that are not like ours.
    """
    for result in results:
        for peer, theirs in zip(RESOLVERS[1:], result.replies[1:], strict=True):
            if not theirs.agrees(result.replies[0]):
                yield Difference(result, peer, theirs, reasonFor(result, theirs))


def falselySecure(results: Iterable[Result]) -> list[str]:
    """
    Return the names in bogus zones to which we gave an answer, and those in zones without signatures for which we set AD.
    """
    found = []
    for case, replies in results:
        ours = replies[0]
        if case.world in _NOTHING_VALID:
            isWrong = _is(ours, "answer", ours)
        else:
            isWrong = ours.ad and case.kind in _INSIDE and any(fnmatchcase(case.world, pattern) for pattern in _NOTHING_SIGNED)
        if isWrong:
            found.append(f"{case.name} {case.rrType}")
    return found


def bogusWithoutReason(results: Iterable[Result]) -> list[str]:
    """
    Return the failures of ours in zones that are not validly signed, for which we gave no extended error (RFC 8914).
    """
    return [
        f"{result.case.name} {result.case.rrType}"
        for result in results
        if result.case.world.startswith("bogus/") and result.replies[0].status == "SERVFAIL" and not result.replies[0].ede
    ]
