"""
Limits of iterative resolution: what one query of a client, or a hostile zone, can use up.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "ADDRESSES_PER_SERVER", "ADDRESS_LOOKUPS", "ADDRESS_LOOKUPS_FAILED", "DELEGATIONS", "DELEGATION_SECONDS", "DELEGATION_SERVERS",
    "ENCRYPTED_CONNECTIONS", "ENCRYPTED_DAMPING", "ENCRYPTED_DECLINES", "ENCRYPTED_PERSISTENCE", "ENCRYPTED_PROBES",
    "ENCRYPTED_SAVE_SECONDS", "ENCRYPTED_SECONDS", "ENCRYPTED_SERVERS", "ENCRYPTED_WAIT", "LAME_PAIRS", "LAME_SECONDS",
    "MINIMIZED_LABELS", "MINIMIZED_QUERIES", "REFERRALS", "REFRESH_SECONDS", "REPORTS_PER_SECOND", "REPORTS_REMEMBERED",
    "REPORT_AGENTS", "REPORT_AGENT_SECONDS", "REPORT_SECONDS", "SERVERS", "UNRESOLVED_SECONDS",
]

# -- recursion

#: Referrals that one look-up follows: a name has at most 127 labels, and real ones have few cuts.
REFERRALS: Final = Limit(default=30, least=10, most=130)

#: Name servers of a delegation that are used; others are ignored. The root and the large zones have 13.
DELEGATION_SERVERS: Final = Limit(default=13, least=2, most=50)

#: Addresses of a name server that are used, of each family (CVE-2026-3592): as BIND.
ADDRESSES_PER_SERVER: Final = Limit(default=6, least=1, most=30)

#: Name servers of one delegation whose addresses are looked up for one query (NXNSAttack, NRDelegation): as PowerDNS.
ADDRESS_LOOKUPS: Final = Limit(default=10, least=2, most=50)

#: Name servers of one delegation without an address, after which no further one is looked up for the query: as Unbound.
ADDRESS_LOOKUPS_FAILED: Final = Limit(default=5, least=1, most=50)

#: Queries with a shortened name in one look-up, after which the whole name is sent (RFC 9156, section 2.3).
MINIMIZED_QUERIES: Final = Limit(default=10, least=1, most=50)

#: Labels that the first of these queries add one at a time; later ones share the remaining labels (RFC 9156, section 2.3).
MINIMIZED_LABELS: Final = Limit(default=4, least=1, most=50)

#: Delegations in memory. Each takes about two kilobytes.
DELEGATIONS: Final = Limit(default=20_000, least=100, most=1_000_000)

#: Seconds that a delegation is used without asking its parent again.
DELEGATION_SECONDS: Final = Limit(default=86_400, least=1, most=604_800)

#: Seconds after a referral for which its sender is not asked again when the servers of the zone do not help (RFC 4697, section 2.1.1). A
#: zone that has moved is found after them.
REFRESH_SECONDS: Final = Limit(default=30, least=1, most=300)

#: Seconds for which a server that replies to a type as if it did not serve the zone is not asked for this type: as Unbound's time for its
#: infrastructure cache.
LAME_SECONDS: Final = Limit(default=900, least=1, most=86_400)

#: Pairs of server and type in this memory of one zone. A client can ask for 65,535 types; few are in use. The oldest are forgotten first.
LAME_PAIRS: Final = Limit(default=256, least=16, most=4096)

#: Seconds for which a name server whose address could not be found is not looked up again: as PowerDNS.
UNRESOLVED_SECONDS: Final = Limit(default=60, least=1, most=3600)

#: Authoritative servers whose statistics are remembered; the oldest are forgotten first. As Unbound's infrastructure cache.
SERVERS: Final = Limit(default=10_000, least=100, most=1_000_000)

# -- encryption towards authoritative servers

#: Seconds for which a server that has replied over TLS is asked that way first (RFC 9539, section 4.3).
ENCRYPTED_PERSISTENCE: Final = Limit(default=259_200, least=60, most=2_592_000)

#: Seconds after a failed connection for which a server is not probed again (RFC 9539, section 4.3).
ENCRYPTED_DAMPING: Final = Limit(default=86_400, least=60, most=2_592_000)

#: Seconds after which a probe, or a query over TLS, has failed (RFC 9539, section 4.3).
ENCRYPTED_SECONDS: Final = Limit(default=4.0, least=0.1, most=30.0)

#: Seconds until a server that is known to reply over TLS is asked in the clear as well: three round trips to the other side of the world.
#: If its port becomes blocked, look-ups wait that long until the failure is noticed.
ENCRYPTED_WAIT: Final = Limit(default=1.0, least=0.05, most=4.0)

#: Useless replies in a row after which a server counts as one without TLS: one broken zone takes a few queries.
ENCRYPTED_DECLINES: Final = Limit(default=8, least=1, most=100)

#: Probes under way. A hostile zone can name any address as that of its servers, and each probe sends it a handshake.
ENCRYPTED_PROBES: Final = Limit(default=32, least=1, most=1000)

#: Servers with a TLS connection. Each idle one takes some 40 kilobytes for ten seconds.
ENCRYPTED_CONNECTIONS: Final = Limit(default=256, least=1, most=10_000)

#: Servers of which it is remembered whether they reply over TLS, as many as those with statistics. Each takes some 300 octets.
ENCRYPTED_SERVERS: Final = Limit(default=10_000, least=100, most=100_000)

#: Seconds between two saves of this memory.
ENCRYPTED_SAVE_SECONDS: Final = Limit(default=600, least=10, most=86_400)

# -- reports of errors

#: Zones whose agents for reports are remembered (RFC 9567).
REPORT_AGENTS: Final = Limit(default=4096, least=16, most=1_000_000)

#: Seconds for which an agent is used after a server of the zone has named it.
REPORT_AGENT_SECONDS: Final = Limit(default=86_400, least=60, most=604_800)

#: Reports sent in one second: an agent may be in a domain whose operator has not agreed to it.
REPORTS_PER_SECOND: Final = Limit(default=10, least=1, most=1000)

#: Seconds for which the same report is not repeated. RFC 9567, section 6.2, leaves that to the TTL of the agent's reply.
REPORT_SECONDS: Final = Limit(default=3600, least=60, most=86_400)

#: Reports that are remembered for that.
REPORTS_REMEMBERED: Final = Limit(default=1024, least=16, most=1_000_000)
