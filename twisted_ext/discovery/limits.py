"""
Bounds on the work that service records can cause.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "SERVICE_TARGETS", "SERVICE_HINTS", "SERVICE_ALIASES", "RECORD_DELAY", "REWRITE_LOOKUPS", "REWRITE_STEPS", "PATTERN_PARTS",
    "PATTERN_DEPTH", "PATTERN_WORK", "REWRITTEN_CHARACTERS",
]

# -- services

#: The most targets of one service; those later in its order are left out. A message has room for 3,000, each of which could be a third
#: party's host that an attacker wants us to connect to.
SERVICE_TARGETS: Final = Limit(default=32, least=1, most=1000)

#: Addresses that one record may hint at (RFC 9460, section 7.3); the others are left to the look-up that follows.
SERVICE_HINTS: Final = Limit(default=16, least=0, most=64)

#: Aliases, of SVCB and CNAME together, that are followed to a service. There has to be such a bound, and how high it is, is left to us
#: (RFC 9460, section 2.4.2); zones are advised to have few.
SERVICE_ALIASES: Final = Limit(default=8, least=1, most=16)

#: Seconds that HTTPS and SVCB records are waited for from the first address of the host on. Some networks drop questions for types that
#: they do not know, and a client can do without these (RFC 9460, section 3). The 50 milliseconds of RFC 8305 are for an answer that changes
#: an order only. This one may name another host and port, and mostly comes within a quarter of a second if a server has to fetch it.
RECORD_DELAY: Final = Limit(default=0.25, least=0.0, most=600.0)

#: Look-ups that one service found by NAPTR may cause, all its branches counted: each rule may lead to more rules.
REWRITE_LOOKUPS: Final = Limit(default=32, least=1, most=256)

#: Rules that lead from one name to the next, one behind the other; honest ones have one or two.
REWRITE_STEPS: Final = Limit(default=8, least=1, most=32)

#: Parts of a rule's pattern, repetitions written out: C{(x{255}){255}} would make 65,025 of eleven characters.
PATTERN_PARTS: Final = Limit(default=2000, least=16, most=20_000)

#: Groups within groups of a pattern; rules can refer to nine of them.
PATTERN_DEPTH: Final = Limit(default=16, least=1, most=64)

#: Steps that the patterns of all rules of one look-up may take together; a phone number against an honest rule takes some hundred.
PATTERN_WORK: Final = Limit(default=100_000, least=1000, most=10_000_000)

#: Characters of what a rule gives, so that repeating a long text nine times over is not done.
REWRITTEN_CHARACTERS: Final = Limit(default=4096, least=255, most=65_535)
