"""
Limits of validation: the work and memory that a zone's author or a forged reply can cost a validator.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "AGGRESSIVE_BYTES", "AGGRESSIVE_HASHES", "AGGRESSIVE_ZONE_BYTES", "ANCHORS", "ANCHOR_ADD_SECONDS", "ANCHOR_FILE_OCTETS",
    "ANCHOR_KEYS", "ANCHOR_QUERY_SECONDS", "ANCHOR_RETRY_SECONDS", "ANCHOR_SIGHTINGS", "ANCHOR_TOMBSTONES", "CHAINS",
    "CLOCK_BEGINS", "CLOCK_DOUBTED", "DS_TRIED", "EVIDENCE_ANSWERS", "EVIDENCE_STEPS", "EXPONENT_BITS", "FETCH_PACKETS",
    "KEYS_CACHED", "KEYS_PER_TAG", "KEYS_READ", "NAME_SERVER_LOOKUPS", "NEGATIVE_ANCHORS", "NEGATIVE_ANCHOR_SECONDS",
    "NSEC3_HASHES", "NSEC3_ITERATIONS", "NSEC3_PARAMETERS", "NSEC3_PROOF_HASHES", "OCTETS", "PACKETS", "QUERY_FAILURES",
    "QUERY_HASHES", "QUERY_VERIFICATIONS", "REASONS", "RSA_LEAST_BITS", "RSA_MOST_BITS", "TURN_VERIFICATIONS", "VERIFICATIONS",
]

# -- work for one query of a client

#: Packets sent for one query of a client, with all sub-queries and restarts (CAMP; CVE-2026-50045). Unbound and BIND allow 200.
PACKETS: Final = Limit(default=200, least=10, most=1000)

#: Packets sent to resolve one name and type, with the addresses of name servers that this takes (NXNSAttack; aliases, keys and DS records
#: are fetched on their own). BIND and PowerDNS allow 50.
FETCH_PACKETS: Final = Limit(default=50, least=10, most=1000)

#: Name servers whose addresses are looked up for one query of a client, from the cache or not: without packets, only this ends a search
#: through delegations that are known. Unbound allows 64.
NAME_SERVER_LOOKUPS: Final = Limit(default=64, least=8, most=1000)

#: Octets sent and received for it. PowerDNS allows 100,000; this is room for four replies of the largest size.
OCTETS: Final = Limit(default=262_144, least=65_536, most=1 << 24)

#: Signatures verified for one fetch (KeyTrap, CVE-2023-50387): one name and type at one server, with the keys that its answer takes.
#: BIND allows 16, Knot Resolver 32, PowerDNS 30.
VERIFICATIONS: Final = Limit(default=16, least=4, most=100)

#: Names hashed for NSEC3 in one fetch (CVE-2023-50868). Unbound suspends after 8; a denial needs one hash for each label between the name
#: and its closest encloser, and two more.
NSEC3_HASHES: Final = Limit(default=16, least=4, most=150)

#: Signatures verified for one query of a client, over all its fetches. A chain of 11 aliases, each in another zone below two signed
#: ones, takes 56. At the default, ECDSA P-256 takes 5 ms, P-384 50 ms.
QUERY_VERIFICATIONS: Final = Limit(default=100, least=16, most=1000)

#: Signatures that may be wrong for one query of a client: several servers may be asked for a right one.
QUERY_FAILURES: Final = Limit(default=12, least=1, most=100)

#: Signatures that one query checks before the reactor gets its turn (as Unbound). At the default, ECDSA P-256 takes 0.5 ms, P-384 3 ms.
TURN_VERIFICATIONS: Final = Limit(default=8, least=4, most=100)

#: Names hashed for one query of a client. PowerDNS allows 600.
QUERY_HASHES: Final = Limit(default=200, least=16, most=2000)

# -- signatures

#: Keys of a zone with the same tag and algorithm that are tried for one signature (KeyTrap). Collisions of two happen by chance.
KEYS_PER_TAG: Final = Limit(default=2, least=1, most=16)

#: Keys of one zone that are parsed.
KEYS_READ: Final = Limit(default=100, least=8, most=1000)

#: DS records of a zone that are compared with its keys (as PowerDNS).
DS_TRIED: Final = Limit(default=8, least=2, most=64)

#: Reasons given for one RRset that failed.
REASONS: Final = Limit(default=8, least=1, most=64)

# -- keys

#: Bits of an RSA key: shorter ones can be factored. RFC 8301, section 3.2, gives the same number for DKIM.
RSA_LEAST_BITS: Final = Limit(default=1024, least=512, most=2048)

#: Bits of an RSA key: RFC 3110, section 2, allows no more; verification takes longer with the square of them.
RSA_MOST_BITS: Final = Limit(default=4096, least=2048, most=4096)

#: Bits of the public exponent of an RSA key: verification takes longer with each. 17 are usual; OpenSSL allows 64 in long keys.
EXPONENT_BITS: Final = Limit(default=64, least=17, most=4096)

#: Parsed keys that are kept, so that those of busy zones are parsed once. One takes 1 to 3 KB.
KEYS_CACHED: Final = Limit(default=2048, least=16, most=100_000)

# -- clock

#: The clock is wrong if it is before this time, in seconds since 1970: 1 January 2020. A machine without a battery starts in 1970.
CLOCK_BEGINS: Final = Limit(default=1_577_836_800, least=0, most=4_102_444_800)

#: If a signature is expired or not yet valid by this many seconds, a year, the reason says that the clock may be wrong.
CLOCK_DOUBTED: Final = Limit(default=31_536_000, least=86_400, most=1_000_000_000)

# -- denial of existence

#: NSEC3 iterations above which a zone counts as insecure, without a hash (RFC 9276, section 3.2; CVE-2023-50868). BIND, PowerDNS and Knot
#: Resolver: 50, Unbound: 150.
NSEC3_ITERATIONS: Final = Limit(default=50, least=0, most=150)

#: NSEC3 hashes for one proof. Half of them search the closest encloser from the zone's apex downward, the others from the name upward: they
#: are enough for names of up to 14 labels below the apex, and for longer ones unless the closest encloser is in the middle. Unbound: 8
#: before it suspends the query.
NSEC3_PROOF_HASHES: Final = Limit(default=16, least=4, most=64)

#: Sets of NSEC3 parameters tried for one proof: two while a zone changes from one salt to another.
NSEC3_PARAMETERS: Final = Limit(default=2, least=1, most=8)

# -- aggressive use of denials

#: Octets of memory for denials that are used for other names than those asked for (RFC 8198). Unbound: 1 MiB.
AGGRESSIVE_BYTES: Final = Limit(default=8 << 20, least=64 << 10, most=1 << 30)

#: The same for one zone, so that none displaces all others. The root's 1,440 delegations take 2 MB.
AGGRESSIVE_ZONE_BYTES: Final = Limit(default=2 << 20, least=16 << 10, most=1 << 30)

#: NSEC3 hashes to find out whether stored records deny one name.
AGGRESSIVE_HASHES: Final = Limit(default=8, least=3, most=64)

# -- chains of trust

#: Zones whose keys, or the proof that they have none, are in memory. A zone takes about a kilobyte.
CHAINS: Final = Limit(default=20_000, least=100, most=1_000_000)

# -- trust anchors

#: Octets of a file of trust anchors or of the state of their rollovers: the root's anchors take 2,000 as XML, and ten keys of 4,096 bits
#: with their comments 10,000.
ANCHOR_FILE_OCTETS: Final = Limit(default=1 << 20, least=1 << 12, most=1 << 24)

#: Trust anchors from all files together; each is kept for good, and those of one zone are compared with each of its keys.
ANCHORS: Final = Limit(default=1000, least=1, most=100_000)

#: Keys of one zone whose rollovers are followed. RFC 5011, section 6.2, requires five; only a holder of a trusted key can add any, but
#: each takes memory, a line of the state file and up to one signature check in each round.
ANCHOR_KEYS: Final = Limit(default=32, least=5, most=256)

#: Revoked keys of one zone that are remembered, since a revocation is permanent (RFC 5011, section 2.1). The oldest are forgotten first:
#: with one rollover in each year the default remembers 64 years.
ANCHOR_TOMBSTONES: Final = Limit(default=64, least=8, most=1024)

#: Seconds that a new key has to be published before it is trusted, the add hold-down time (RFC 5011, section 2.4.1).
ANCHOR_ADD_SECONDS: Final = Limit(default=30 * 86400, least=1, most=365 * 86400)

#: Times that a new key must have been seen before it is trusted: a clock that jumps ahead by a month must not make the second sight
#: unnecessary (Unbound's figure).
ANCHOR_SIGHTINGS: Final = Limit(default=2, least=2, most=100)

#: Seconds between two queries for the keys of a trust point (RFC 5011, section 2.3); C{default} applies until a reply gives TTL and
#: signatures.
ANCHOR_QUERY_SECONDS: Final = Limit(default=43_200, least=3600, most=15 * 86400)

#: Seconds until the query is repeated after a failure (RFC 5011, section 2.3).
ANCHOR_RETRY_SECONDS: Final = Limit(default=3600, least=3600, most=86400)

#: Seconds for which a negative trust anchor without its own time applies (BIND's C{nta-lifetime}), and the maximum for any (RFC 7646,
#: section 2: not more than a week).
NEGATIVE_ANCHOR_SECONDS: Final = Limit(default=3600, least=1, most=7 * 86400)

#: Negative trust anchors at a time. Each is an exception made by an operator, who has to remember it.
NEGATIVE_ANCHORS: Final = Limit(default=1000, least=1, most=100_000)

# -- evidence

#: Supporting answers in saved evidence: two for each label of two names are usual.
EVIDENCE_ANSWERS: Final = Limit(default=512, least=16, most=10_000)

#: Answers in saved evidence: one, and one for each alias that leads to another zone.
EVIDENCE_STEPS: Final = Limit(default=16, least=1, most=64)
