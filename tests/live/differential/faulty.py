"""
Zones with one fault each, of those that L{twisted_ext.testing.internet.Fault} lists: bogus ones, and servers that misbehave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tests.live.differential.questions import Case, casesOf
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.internet.seededsigner import Params

if TYPE_CHECKING:
    from twisted_ext.testing.internet import Internet

__all__ = ["BOGUS", "MISBEHAVING", "addBogus", "addMisbehaving"]

_RECORDS: Final = """\
@ A 192.0.2.41
@ MX 10 mail
www A 192.0.2.42
www AAAA 2001:db8::42
mail A 192.0.2.43
*.wild A 192.0.2.44
host.empty A 192.0.2.45
alias CNAME www
"""

_QUESTIONS: Final = """\
apex @ A MX NS SOA
data www A AAAA
nodata www TXT
denied missing A
denied missing.below.missing A
wildcard a.wild A
empty empty A
data host.empty A
alias alias A
"""

#: Faults of zones' data, keys, delegations and proofs.
BOGUS: Final = (
    Fault.MISSING_SIGNATURE, Fault.EXPIRED, Fault.NOT_YET_VALID, Fault.EXPIRED_BEFORE_VALID, Fault.WRONG_SIGNER, Fault.SIGNED_BY_ANCESTOR,
    Fault.CORRUPT_SIGNATURE, Fault.SIGNATURE_OF_OTHER_TYPE, Fault.WRONG_SIGNATURE_TAG, Fault.WRONG_SIGNATURE_ALGORITHM,
    Fault.WRONG_ORIGINAL_TTL, Fault.TOO_MANY_LABELS, Fault.MISSING_KEY, Fault.NO_KEYS, Fault.KEYS_NOT_SIGNED_BY_ANCHOR,
    Fault.NOT_A_ZONE_KEY, Fault.REVOKED_KEY, Fault.WRONG_KEY_PROTOCOL, Fault.WRONG_KEY_ALGORITHM, Fault.WRONG_PUBLIC_KEY,
    Fault.UNSUPPORTED_ALGORITHM, Fault.MISSING_ALGORITHM, Fault.WRONG_DIGEST, Fault.DS_OF_OTHER_KEY, Fault.WRONG_DS_TAG,
    Fault.WRONG_DS_ALGORITHM, Fault.UNSUPPORTED_DIGEST, Fault.STRIPPED_DS, Fault.MISSING_NSEC, Fault.WRONG_NSEC,
    Fault.WILDCARD_WITHOUT_PROOF, Fault.NSEC3_ITERATIONS, Fault.LIES, Fault.DENIES, Fault.STRIPS_SIGNATURES,
)  # fmt: skip

#: Faults of servers.
MISBEHAVING: Final = (
    Fault.DEAD, Fault.CLOSED, Fault.SERVFAIL, Fault.REFUSES, Fault.NOT_IMPLEMENTED, Fault.LAME_UPWARD, Fault.LAME_EMPTY,
    Fault.NOT_AUTHORITATIVE, Fault.SELF_REFERRAL, Fault.FORMERR_EDNS, Fault.IGNORES_EDNS, Fault.BADVERS, Fault.DROPS_EDNS,
    Fault.DROPS_DO, Fault.STRIPS_DO, Fault.TCP_ONLY, Fault.UDP_ONLY, Fault.TRUNCATES, Fault.CHANGES_CASE, Fault.WRONG_ID,
    Fault.WRONG_QUESTION, Fault.NO_QUESTION, Fault.GARBAGE, Fault.WRONG_COOKIE, Fault.BADCOOKIE, Fault.EMPTY_IS_NXDOMAIN,
    Fault.MINIMISED_REFUSED, Fault.LIES, Fault.EXTRA_RECORDS, Fault.DENIES,
)  # fmt: skip

#: Faults of a whole zone rather than of signatures, which cannot be restricted to one name.
_WHOLE: Final = frozenset(BOGUS[BOGUS.index(Fault.MISSING_KEY) : BOGUS.index(Fault.MISSING_NSEC)]) | {Fault.NSEC3_ITERATIONS}


def addBogus(internet: Internet, top: str, faults: tuple[Fault, ...] = BOGUS) -> Iterator[Case]:
    """
    Add a zone for each fault and denial of existence, and one where only one name has the fault.

    @param top: their parent zone, which is added.
    """
    internet.zone(top)
    for fault in faults:
        for denial, parameters in (("nsec", None), ("nsec3", Params()), ("one", None)):
            if fault is Fault.NSEC3_ITERATIONS and denial != "nsec3" or denial == "one" and fault in _WHOLE:
                continue
            zone = f"{fault.value}-{denial}.{top}"
            internet.zone(zone, _RECORDS, nsec3=parameters)
            internet.inject(fault, zone, name=f"www.{zone}" if denial == "one" else None)
            yield from casesOf(f"bogus/{fault.value}/{denial}", zone, _QUESTIONS)


def addMisbehaving(internet: Internet, top: str, faults: tuple[Fault, ...] = MISBEHAVING) -> Iterator[Case]:
    """
    Add zones all of whose servers have a fault, and zones of which one of two servers has it; signed and unsigned ones.

    @param top: their parent zone, which is added.
    """
    internet.zone(top)
    for fault in faults:
        for signed in (True, False):
            for share in ("all", "half"):
                how = "signed" if signed else "unsigned"
                zone = f"{fault.value}-{share}-{how}.{top}"
                internet.zone(zone, _RECORDS, signed=signed)
                for number in (1, 2) if share == "all" else (1,):
                    internet.inject(fault, f"ns{number}.{zone}")
                yield from casesOf(f"servers/{fault.value}/{share}/{how}", zone, _QUESTIONS)
