"""
Tests of zones with two keys of one tag and algorithm (RFC 4035, section 5.3.1), with L{twisted_ext.testing.internet}. This happens by
accident once in 65,000 pairs of keys.
"""

from __future__ import annotations

from typing import Final

import pytest
from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.internet import Internet, KeyPlan
from twisted_ext.testing.internet.faults import Faults
from twisted_ext.testing.internet.signatures import SigningZone
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText

_ZONE: Final = nameFromText("tagn.org")

_RECORDS: Final = """
www      300 A     192.0.2.80
*.wild   300 A     192.0.2.81
alias    300 CNAME www
lead     300 CNAME nx
"""

#: The questions, and what they find.
_QUESTIONS: Final = {
    "positive": ("www.tagn.org", "A", Outcome.DATA),
    "alias": ("alias.tagn.org", "A", Outcome.DATA),
    "wildcard": ("any.wild.tagn.org", "A", Outcome.DATA),
    "NXDOMAIN": ("nx.tagn.org", "A", Outcome.NXDOMAIN),
    "NODATA": ("www.tagn.org", "MX", Outcome.NODATA),
    "wildcard NODATA": ("any.wild.tagn.org", "MX", Outcome.NODATA),
    "alias to NXDOMAIN": ("lead.tagn.org", "A", Outcome.NXDOMAIN),
}


def sibling(rdata: bytes) -> bytes:
    """
    Return a DNSKEY record of Ed25519 with the tag of another one, which comes before that in canonical order.
    """
    # The tag is a sum of words: what is taken from one is added to another.
    at = next(at for at in range(4, 32, 2) if rdata[at] and rdata[at + 2] < 255)
    made = bytearray(rdata)
    made[at] -= 1
    made[at + 2] += 1
    assert keyTag(bytes(made)) == keyTag(rdata) and bytes(made) < rdata
    return bytes(made)


@pytest.mark.parametrize("nsec3", [False, True])
@pytest.mark.parametrize("what", _QUESTIONS)
def test_secure(monkeypatch: pytest.MonkeyPatch, what: str, nsec3: bool) -> None:
    """
    Answers and denials are secure, although each signature is checked with the wrong key first.
    """
    internet = Internet(seed=5)
    original = SigningZone.keys

    def keys(signing: SigningZone, now: float, faults: Faults) -> tuple[bytes, ...]:
        found = original(signing, now, faults)
        return (*map(sibling, found), *found) if signing.apex == _ZONE else found

    monkeypatch.setattr(SigningZone, "keys", keys)
    internet.zone("tagn.org", _RECORDS, signed=KeyPlan(15), nsec3=nsec3)
    name, rrType, outcome = _QUESTIONS[what]
    here = internet.reactor()
    resolver = internet.resolver(here)
    context = QueryContext(here.seconds() + 10, dnssecOk=True)
    looking: Deferred[Answer] = lookUp(resolver.source, questionOf(name, rrType), context)
    answer = internet.wait(looking)
    assert (answer.outcome, answer.security) == (outcome, Security.SECURE)
