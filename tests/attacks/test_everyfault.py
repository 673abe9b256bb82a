"""
Attacks 16 to 18 and 35: every fault that a simulated internet can have, at a recursive resolver and at one behind a forwarder that does not
validate. What is bogus is refused with an extended error, what is insecure never has AD, and no answer is false.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.attacks.validated import Forwarded, Resolver
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.testing.internet import Fault, Internet, Params
from twisted_ext.wire.codes import AD
from twisted_ext.wire.rrtypes import A

#: What is true: the address of each name, or L{None} if it does not exist.
TRUTH: Final = {
    "www.evil.test": b"\xc0\0\2\x42",
    "a.w.evil.test": b"\xc0\0\2\x43",
    "no.evil.test": None,
    "www.plain.evil.test": b"\xc0\0\2\x44",
    "away.example.net": b"\xc0\0\2\x42",
}

#: Names in a zone that is not signed.
INSECURE: Final = ("www.plain.evil.test",)

#: Faults by which all signed names of the zone are bogus, with the info codes that describe them.
BOGUS: Final = {
    Fault.STRIPS_SIGNATURES: {10},
    Fault.STRIPS_DO: {10},
    Fault.IGNORES_EDNS: {10},
    Fault.FORMERR_EDNS: {10},
    Fault.BADVERS: {10},
    Fault.MISSING_SIGNATURE: {10},
    Fault.EXPIRED: {7},
    Fault.NOT_YET_VALID: {8},
    Fault.EXPIRED_BEFORE_VALID: {25},
    Fault.WRONG_SIGNER: {6},
    Fault.SIGNED_BY_ANCESTOR: {6},
    Fault.CORRUPT_SIGNATURE: {6},
    Fault.SIGNATURE_OF_OTHER_TYPE: {6},
    Fault.WRONG_SIGNATURE_TAG: {6, 9},
    Fault.WRONG_SIGNATURE_ALGORITHM: {6, 9},
    Fault.WRONG_ORIGINAL_TTL: {6},
    Fault.TOO_MANY_LABELS: {6},
    Fault.MISSING_KEY: {9},
    Fault.NO_KEYS: {9},
    Fault.KEYS_NOT_SIGNED_BY_ANCHOR: {6, 9},
    Fault.NOT_A_ZONE_KEY: {11},
    Fault.REVOKED_KEY: {9},
    Fault.WRONG_KEY_PROTOCOL: {6, 9},
    Fault.WRONG_KEY_ALGORITHM: {9},
    Fault.WRONG_PUBLIC_KEY: {9},
    Fault.WRONG_DIGEST: {9},
    Fault.DS_OF_OTHER_KEY: {9},
    Fault.WRONG_DS_TAG: {9},
    Fault.WRONG_DS_ALGORITHM: {9},
}

#: Those by which names of the zone are insecure, with the info codes.
UNSIGNED: Final = {Fault.UNSUPPORTED_ALGORITHM: {1}, Fault.UNSUPPORTED_DIGEST: {2}}

#: Some of those, for tests that take longer.
FEW: Final = (Fault.STRIPS_SIGNATURES, Fault.EXPIRED, Fault.CORRUPT_SIGNATURE, Fault.NO_KEYS, Fault.WRONG_DIGEST)

KINDS: Final = ("recursive", "forwarded")


def internetWith(fault: Fault | None, params: Params | None = None) -> Internet:
    """
    Return an internet with a fault.
    """
    internet = Internet(seed=35)
    internet.zone("evil.test", "www 300 A 192.0.2.66\n*.w 300 A 192.0.2.67", nsec3=params)
    internet.zone("plain.evil.test", "www 300 A 192.0.2.68", signed=False)
    internet.zone("example.net", "away 300 CNAME www.evil.test.")
    if fault is Fault.CLOSED:
        for server in ("ns1.evil.test", "ns2.evil.test"):
            internet.inject(fault, server)
    elif fault is not None:
        internet.inject(fault, "evil.test")
    return internet


@contextmanager
def resolverIn(internet: Internet, kind: str, folder: Path) -> Iterator[Resolver]:
    """
    Run a resolver that gives stale answers where it may.
    """
    if kind == "recursive":
        resolver = Resolver(internet, stale=86_400)
    else:
        hints = folder / "hints"
        hints.write_text(internet.hints)
        resolver = Forwarded(internet, hints, stale=86_400)
    try:
        yield resolver
    finally:
        resolver.close()
        internet.advance(1)


def securityOf(fault: Fault, kind: str) -> Security | None:
    """
    Return the status of signed names with data in the zone, L{None} if that depends on the name.
    """
    if fault is Fault.SIGNED_BY_ANCESTOR and kind == "forwarded":
        # A forwarder does not say which zone a record is from. The parent, which has signed it, could delegate the zone to itself as well.
        return None
    if fault in BOGUS:
        return Security.BOGUS
    return Security.INSECURE if fault in UNSIGNED else None


def isTrue(name: str, answer: Answer) -> bool:
    """
    Return whether an answer says what is true.
    """
    addresses = [rdata for rrset in answer.answer if rrset.rrType == A for rdata in rrset.rdatas]
    truth = TRUTH[name]
    return answer.outcome is Outcome.NXDOMAIN and not addresses if truth is None else addresses == [truth]


def check(resolver: Resolver, fault: Fault, kind: str, name: str) -> None:
    """
    Look up a name for clients with and without DO, twice each.
    """
    for dnssecOk in (True, False, True):
        try:
            answer = resolver.look(name, dnssecOk=dnssecOk)
        except TrustFault as bogus:
            # Clients get SERVFAIL, and this.
            assert bogus.ede
            assert not (name in INSECURE and fault in UNSIGNED)
            if fault in BOGUS and name == "www.evil.test":
                assert bogus.ede[0][0] in BOGUS[fault], bogus.ede
        except DNSFault as failure:
            assert failure.ede
            assert securityOf(fault, kind) is not Security.INSECURE
        else:
            secure = answer.security is Security.SECURE
            # Without DO, a client has to ask for AD.
            assert bool(answer.flags & AD) is (secure and dnssecOk)
            assert answer.security in (Security.SECURE, Security.INSECURE)
            if secure or fault not in (Fault.LIES, Fault.DENIES):
                assert isTrue(name, answer), answer
            if name in INSECURE:
                assert not secure
            elif securityOf(fault, kind) is not None:
                assert answer.security is securityOf(fault, kind), name
            if fault in UNSIGNED and name == "www.evil.test":
                assert answer.ede[0][0] in UNSIGNED[fault]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NSEC3_ITERATIONS])
def test_faultIsNoticed(fault: Fault, kind: str, tmp_path: Path) -> None:
    """
    With the fault, each name fails or is answered truly, and the status and the extended error are right.
    """
    internet = internetWith(fault)
    with resolverIn(internet, kind, tmp_path) as resolver:
        for name in TRUTH:
            check(resolver, fault, kind, name)


#: Servers with these are asked in no other way, so nothing bogus is seen: a failure, for which what has expired may stand in.
_REFUSING: Final = (Fault.FORMERR_EDNS, Fault.BADVERS)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [*[(fault, "recursive") for fault in BOGUS if fault not in _REFUSING], *[(fault, "forwarded") for fault in FEW]],
)
def test_bogusIsNotStale(fault: Fault, kind: str, tmp_path: Path) -> None:
    """
    What was secure and has expired is not given when its successor is bogus, and the fault is noticed as before.
    """
    internet = internetWith(None)
    with resolverIn(internet, kind, tmp_path) as resolver:
        for name in TRUTH:
            assert isTrue(name, resolver.look(name))
        # Keys and delegations expire as well.
        internet.advance(4000)
        internet.inject(fault, "evil.test")
        for _ in range(2):
            with pytest.raises(TrustFault) as caught:
                resolver.look("www.evil.test")
            assert caught.value.ede[0][0] in BOGUS[fault]
            internet.advance(40)


@pytest.mark.parametrize("kind", KINDS)
def test_tooManyIterationsAreInsecure(kind: str, tmp_path: Path) -> None:
    """
    With too many NSEC3 iterations, data is secure, and denials and data of wildcards are insecure with EDE 27.
    """
    internet = internetWith(Fault.NSEC3_ITERATIONS, Params())
    with resolverIn(internet, kind, tmp_path) as resolver:
        assert resolver.look("www.evil.test").security is Security.SECURE
        for name in ("no.evil.test", "a.w.evil.test"):
            answer = resolver.look(name)
            assert (answer.security, answer.flags & AD, answer.ede[0][0]) == (Security.INSECURE, 0, 27)
            assert isTrue(name, answer)
