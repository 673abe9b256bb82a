"""
Limits on the work that service records can cause.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "SERVICE_TARGETS", "SERVICE_HINTS", "SERVICE_ALIASES", "RECORD_DELAY", "REWRITE_LOOKUPS", "REWRITE_STEPS", "PATTERN_PARTS",
    "PATTERN_DEPTH", "PATTERN_WORK", "REWRITTEN_CHARACTERS",
]

# -- services

#: Maximum number of targets of one service; further ones are left out. A message has room for 3,000, each of which could be a third party's
#: host that an attacker wants clients to connect to.
SERVICE_TARGETS: Final = Limit(default=32, least=1, most=1000)

#: Maximum number of address hints used from one record (RFC 9460, section 7.3). The address look-up finds the others.
SERVICE_HINTS: Final = Limit(default=16, least=0, most=64)

#: Maximum number of aliases to follow, of SVCB and CNAME together. RFC 9460, section 2.4.2, requires a limit but leaves its value open;
#: zones are advised to have few.
SERVICE_ALIASES: Final = Limit(default=8, least=1, most=16)

#: How long to wait for HTTPS and SVCB records after the first address of the host, in seconds. Some networks drop queries for unknown
#: types, and a client can do without these records (RFC 9460, section 3). The 50 milliseconds of RFC 8305 are for an answer that only
#: changes the order of addresses. This one may name another host and port, and usually arrives within a quarter of a second if a server has
#: to fetch it.
RECORD_DELAY: Final = Limit(default=0.25, least=0.0, most=600.0)

#: Maximum number of look-ups for one service found by NAPTR, over all branches: each rule may lead to more rules.
REWRITE_LOOKUPS: Final = Limit(default=32, least=1, most=256)

#: Maximum length of a chain of rules that lead from one name to the next. Real ones have one or two.
REWRITE_STEPS: Final = Limit(default=8, least=1, most=32)

#: Maximum number of parts of a rule's pattern, with repetitions expanded: C{(x{255}){255}} has 65,025 parts in eleven characters.
PATTERN_PARTS: Final = Limit(default=2000, least=16, most=20_000)

#: Maximum nesting depth of groups in a pattern. Rules can refer to nine groups.
PATTERN_DEPTH: Final = Limit(default=16, least=1, most=64)

#: Maximum number of steps for matching the patterns of all rules of one look-up. A phone number with a real rule takes some hundred.
PATTERN_WORK: Final = Limit(default=100_000, least=1000, most=10_000_000)

#: Maximum length of the result of a rule, in characters. A rule could repeat a long text nine times.
REWRITTEN_CHARACTERS: Final = Limit(default=4096, least=255, most=65_535)
