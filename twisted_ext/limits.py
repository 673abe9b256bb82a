"""
Limits on everything that hostile or careless input can reach: a default, the smallest and largest permitted values, and the reason.

This module has the limits of look-ups and those that several packages share. A package with more limits has a C{limits} module of its own.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "Limit", "MESSAGE_SIZE", "DATAGRAM_SIZE", "POINTERS_PER_NAME", "POINTER_HOPS", "NAMES_COMPRESSED", "EDNS_OPTIONS",
    "LOOKUP_SECONDS", "RESOLUTION_DELAY", "FAMILY_GRACE", "ROUTES_REMEMBERED", "ADDRESSES_SORTED", "CALLS_REMEMBERED",
    "CALL_CHARACTERS", "CALL_ROWS", "SYSTEM_SECONDS", "QUERY_TRIES", "REPLY_ALIASES", "BULK_WINDOW", "BULK_KEPT_BACK", "BULK_LINE",
    "BULK_OUTPUT", "HOSTS_OCTETS", "HOSTS_ADDRESSES", "HOSTS_TTL", "CONFIGURATION_OCTETS", "LOST_CONFIGURATION_SECONDS",
    "FILE_COMPLAINTS", "LOOK_SECONDS", "CONFIGURED_SERVERS", "SEARCH_DOMAINS", "NDOTS", "CONFIGURED_TIMEOUT", "CONFIGURED_ATTEMPTS",
    "LOCAL_TTL", "LOCAL_ALIASES", "BLOCK_LIST_OCTETS", "BLOCK_NAMES", "BLOCK_SECONDS", "LIST_FETCH_OCTETS", "LIST_FETCH_SECONDS",
    "HEDGE_SECONDS", "RESOLVER_THREADS", "THREADED_WAITING", "THREADED_TTL", "DESCRIPTION_CHARACTERS", "STAMP_CHARACTERS",
    "DESIGNATIONS", "DESIGNATED_LEAST_SECONDS", "DESIGNATED_MOST_SECONDS", "DESIGNATED_RETRY_SECONDS", "DESIGNATED_SECONDS",
    "CACHE_BYTES", "CACHE_ENTRY_BYTES", "CACHE_READY_BYTES", "CACHE_SECONDS", "CACHE_LEAST_SECONDS", "NEGATIVE_SECONDS",
    "REFERRAL_SECONDS", "RRSET_RECORDS", "FAILURE_SECONDS", "FAILURE_MOST_SECONDS", "FAILURES_KEPT", "FAILURE_PATIENCE",
    "STALE_SECONDS", "STALE_WAIT", "CACHE_LINE", "FLIGHT_SECONDS", "FLIGHT_VARIANTS", "LOOKUPS_BURST", "LOOKUPS_WAITING",
    "ZONE_LOOKUPS", "DOMAIN_LOOKUPS", "ZONE_CUTS", "SOCKET_QUERIES", "POOL_SOCKETS", "PORT_TRIES", "NEAR_MISSES_HEARD",
    "FIRST_WAIT", "SERVER_WAIT", "SERVER_TRIES", "FAILURE_TRIES", "FAILURES_IN_A_ROW", "STREAM_WAIT", "STREAM_IN_FLIGHT",
    "STREAM_LOSSES", "QUIC_CREDIT", "STREAM_WAITING", "STREAM_KEPT", "TLS_KEPT", "TLS_SESSIONS", "TLS_SESSION_SECONDS", "TLS_PINS",
    "TRUST_OCTETS", "DANE_RECORDS", "BOOTSTRAP_SECONDS", "BACK_OFF", "DECLINES", "PROBE_AFTER", "COOKIE_CLIENT_SECONDS",
    "NO_COOKIE_SECONDS", "NO_UDP_SECONDS", "NO_UDP_SIGNS", "HTTPS_CANCELED", "HTTPS_FRAMES", "HTTPS_HEADERS", "HTTPS_PAUSE",
    "HTTPS_PROXY_OCTETS", "HTTPS_STREAMS",
    "HTTP3_FAILED", "HTTP3_FRESH", "HTTP3_HANDSHAKE", "NO_EDNS_SECONDS", "NO_EDNS_SIGNS", "TRANSFER_WAIT", "TRANSFER_SECONDS",
    "TRANSFER_RATE", "TRANSFER_OCTETS", "TLS_LINKS", "TLS_LINK_KEPT", "LANE_BYTES", "LANE_SIGHTS", "CLIENTS_KNOWN",
    "REQUEST_SECONDS", "REQUEST_LATE", "REQUESTS_PER_CLIENT", "REQUESTS_WAITING", "REQUEST_YIELDS", "LISTENER_BATCH",
    "LISTENER_BUFFER", "LISTENER_MISSES", "LISTENER_TURN", "FAULT_KINDS", "FAULT_SECONDS", "DESCRIPTIONS_KEPT", "ATTEMPT_SECONDS",
    "ATTEMPT_DELAY", "PRIORITY_DELAY", "ATTEMPTS", "ATTEMPTS_AT_ONCE", "TARGET_ADDRESSES", "STARTTLS_OCTETS",
]


class Limit:
    """
    A numeric setting with a range.

    @ivar default: the value used unless another one is configured.
    @ivar least: the smallest value that still works.
    @ivar most: the largest value that is still safe.
    """

    # Not a dataclass: this module is imported by all others, and dataclasses takes a millisecond.
    __slots__ = ("default", "least", "most")

    def __init__(self, default: float, least: float, most: float) -> None:
        self.default = default
        self.least = least
        self.most = most

    def pick(self, wanted: float | None) -> float:
        """
        Clamp C{wanted} to the range; L{None} gives the default.
        """
        if wanted is None:
            return self.default
        # In this order, NaN becomes the least value.
        return min(max(self.least, wanted), self.most)


# -- wire

#: Octets of a message: the maximum of the two-octet length field in a stream (RFC 1035, section 4.2.2).
MESSAGE_SIZE: Final = Limit(default=65535, least=512, most=65535)

#: Octets of datagrams to request and to send, so that no path has to fragment them (RFC 9715; the DNS flag day of 2020).
DATAGRAM_SIZE: Final = Limit(default=1232, least=512, most=4096)

#: Compression pointers in one name: 127 labels need no more than 126, each pointing strictly backward.
POINTERS_PER_NAME: Final = Limit(default=126, least=1, most=126)

#: Compression pointers followed in one message, chains counted in full. 65,535 octets hold 5,461 records, and real names take one to three
#: pointers.
POINTER_HOPS: Final = Limit(default=16384, least=256, most=65535)

#: Names in one message that are compressed against every suffix, at up to 127 dictionary look-ups each; further names get two
#: (CVE-2024-8508).
NAMES_COMPRESSED: Final = Limit(default=120, least=0, most=4096)

#: EDNS options parsed from one OPT record (CVE-2026-41292).
EDNS_OPTIONS: Final = Limit(default=100, least=1, most=1000)

# -- look-ups

#: CNAME records, and DNAME records, followed within one reply; records after more of them are dropped. Resolvers follow 11 to 16.
REPLY_ALIASES: Final = Limit(default=64, least=1, most=1000)

#: Seconds from the call to the answer, including search list, aliases, retries and TCP.
LOOKUP_SECONDS: Final = Limit(default=5.0, least=0.05, most=600.0)

# -- twisted.names and the reactor

#: Seconds that addresses of one family wait for those of the other, so that they can be sorted together (RFC 8305, section 8).
RESOLUTION_DELAY: Final = Limit(default=0.05, least=0.0, most=2.0)

#: Seconds to wait for the slower address family once addresses of the other have been delivered: a server that drops queries for one type
#: must not delay connections until the deadline (RFC 4074, section 4.2).
FAMILY_GRACE: Final = Limit(default=1.0, least=0.0, most=600.0)

# -- connecting

#: Seconds for one connection attempt, TLS included, while others run in parallel.
ATTEMPT_SECONDS: Final = Limit(default=30.0, least=0.1, most=600.0)

#: Seconds from the start of one connection attempt to the start of the next, unless one fails (numbers from RFC 8305, section 8).
ATTEMPT_DELAY: Final = Limit(default=0.25, least=0.01, most=2.0)

#: Seconds from the last connection attempt of one priority to the first of the next, while the former may still succeed. A distant server
#: must not lose to its backup nearby (RFC 2782: the lowest priority that can be reached); a dead one must not delay connections for the
#: whole timeout of an attempt.
PRIORITY_DELAY: Final = Limit(default=1.0, least=0.01, most=600.0)

#: Addresses tried by one call, over all its targets: the owner of a domain must not be able to make the client scan a network.
ATTEMPTS: Final = Limit(default=64, least=1, most=1000)

#: Parallel connection attempts of one call; the next waits for one of them to end.
ATTEMPTS_AT_ONCE: Final = Limit(default=16, least=1, most=100)

#: Addresses of one target that are tried; later ones are left out.
TARGET_ADDRESSES: Final = Limit(default=16, least=1, most=100)

#: Octets of the replies that an SMTP server has sent before TLS and that are not complete: 128 lines of the longest kind (RFC 5321, section
#: 4.5.3.1.5).
STARTTLS_OCTETS: Final = Limit(default=1 << 16, least=1 << 10, most=1 << 20)

#: Destinations whose source address is cached for a second, so that sorting does not open a socket for each address.
ROUTES_REMEMBERED: Final = Limit(default=1024, least=1, most=65_536)

#: Addresses of one host that are sorted; further ones stay at the end. Each may need a route look-up, and a server can put 4,000 into one
#: answer.
ADDRESSES_SORTED: Final = Limit(default=256, least=2, most=4096)

#: Names, hints and results of getaddrinfo that a resolver caches, this many of each, to make repeated calls cheap.
CALLS_REMEMBERED: Final = Limit(default=1024, least=1, most=65_536)

#: Maximum length of a cached host or service. A name has less than 1,024 characters, even if all are escaped.
CALL_CHARACTERS: Final = Limit(default=1024, least=1, most=65_536)

#: Maximum number of rows of a cached getaddrinfo result; a host with 4,000 addresses has 12,000, of 300 octets each.
CALL_ROWS: Final = Limit(default=64, least=0, most=1024)

# -- commands

#: Seconds that C{txdns getaddrinfo} waits for the operating system, whose C library may try three servers twice for five seconds each.
SYSTEM_SECONDS: Final = Limit(default=35.0, least=1.0, most=600.0)

#: Queries over UDP that a command sends to one server.
QUERY_TRIES: Final = Limit(default=3, least=1, most=20)

# -- bulk look-ups

#: Parallel look-ups. Above a few hundred they wait in the server's receive buffer, and beyond 900 BIND as a forwarder replies SERVFAIL to
#: the oldest (its C{recursive-clients}).
BULK_WINDOW: Final = Limit(default=800, least=1, most=20_000)

#: Answers held back to return them in the order of their names; a slow name then delays all others.
BULK_KEPT_BACK: Final = Limit(default=100_000, least=1, most=1_000_000)

#: Octets of a line of input; a name of 255 octets, each of them escaped, takes 1,016.
BULK_LINE: Final = Limit(default=4096, least=1024, most=1 << 20)

#: Octets of output buffered for the consumer; at this size no look-ups are started until half of it has been written.
BULK_OUTPUT: Final = Limit(default=1 << 18, least=1 << 12, most=1 << 26)

# -- local answer sources

#: Octets read from a hosts file: lists of 200,000 blocked names take 6 MiB, and reading blocks the reactor.
HOSTS_OCTETS: Final = Limit(default=16 << 20, least=1 << 10, most=256 << 20)

#: Addresses of one name in a hosts file. Each is compared with the previous ones, and all of them go into one answer.
HOSTS_ADDRESSES: Final = Limit(default=256, least=1, most=2048)

#: TTL of records from a hosts file, for other caches. The file itself is read again when it changes.
HOSTS_TTL: Final = Limit(default=86400, least=0, most=604800)

#: Octets read from a resolver configuration; real ones take a few hundred.
CONFIGURATION_OCTETS: Final = Limit(default=64 << 10, least=1 << 10, most=1 << 20)

#: Seconds to keep using the servers of C{resolv.conf} when the file is missing or names none: it may be written in several steps, and a
#: network that goes down usually returns with the same servers.
LOST_CONFIGURATION_SECONDS: Final = Limit(default=3600.0, least=0.0, most=1e6)

#: Errors in a file that are stored for display; further ones are only counted.
FILE_COMPLAINTS: Final = Limit(default=20, least=0, most=1000)

#: Minimum time between two checks of a file, in seconds.
LOOK_SECONDS: Final = Limit(default=1.0, least=0.0, most=3600.0)

#: Name servers used from a configuration. The C library uses three. As servers are chosen by round-trip time, more do no harm, but each of
#: them is tried before a look-up fails.
CONFIGURED_SERVERS: Final = Limit(default=8, least=1, most=64)

#: Search domains for relative names, and thus queries that one name can cause. Kubernetes writes up to 32.
SEARCH_DOMAINS: Final = Limit(default=32, least=0, most=64)

#: Dots in a name for it to be tried as an absolute name first; the C library's range.
NDOTS: Final = Limit(default=1, least=0, most=15)

#: Seconds to wait for a reply (C{options timeout:}); the C library's range.
CONFIGURED_TIMEOUT: Final = Limit(default=5, least=1, most=30)

#: Queries to each server (C{options attempts:}); the C library's range.
CONFIGURED_ATTEMPTS: Final = Limit(default=2, least=1, most=5)

#: TTL of local records without their own.
LOCAL_TTL: Final = Limit(default=3600, least=0, most=604800)

#: Consecutive aliases of local records that are followed.
LOCAL_ALIASES: Final = Limit(default=8, least=1, most=16)

# -- block lists

#: Octets of one block list: a million names take 30 MB.
BLOCK_LIST_OCTETS: Final = Limit(default=512 << 20, least=1 << 10, most=1 << 32)

#: Names of all block lists. The process that reads them takes 70 octets for each, the server 15.
BLOCK_NAMES: Final = Limit(default=10_000_000, least=1, most=100_000_000)

#: Seconds for reading one block list. A million names take two seconds, ten times as long on a small router.
BLOCK_SECONDS: Final = Limit(default=120.0, least=1.0, most=3600.0)

#: Octets that a server may send for one list that is fetched. The longest published ones take a third of this.
LIST_FETCH_OCTETS: Final = Limit(default=64 << 20, least=1 << 10, most=1 << 32)

#: Seconds for fetching one list, redirects included: 64 MiB at two megabits per second.
LIST_FETCH_SECONDS: Final = Limit(default=300.0, least=1.0, most=3600.0)

# -- combining sources

#: Seconds that one source has before the next one is queried as well. Most answers over a network arrive sooner, so few questions are
#: queried twice.
HEDGE_SECONDS: Final = Limit(default=0.25, least=0.0, most=60.0)

#: Threads that call the system's own resolver. It may block one for half a minute.
RESOLVER_THREADS: Final = Limit(default=8, least=1, most=256)

#: Look-ups that wait for such a thread or use one.
THREADED_WAITING: Final = Limit(default=10_000, least=1, most=1_000_000)

#: TTL of answers from the system's resolver, which returns none.
THREADED_TTL: Final = Limit(default=60, least=0, most=86400)

# -- descriptions of resolvers

#: Characters of a description: room for a few hundred routes.
DESCRIPTION_CHARACTERS: Final = Limit(default=65536, least=1, most=1 << 20)

#: Characters of a DNS stamp. One with the longest name and path, eight digests and eight addresses has about 1,600.
STAMP_CHARACTERS: Final = Limit(default=4096, least=64, most=65_536)

# -- discovery of designated resolvers

#: Encrypted servers that are tried of those that a plain one designates: each costs a handshake, and a forged reply can name hundreds.
DESIGNATIONS: Final = Limit(default=8, least=1, most=64)

#: Minimum seconds for which designations, or their absence, are not queried again.
DESIGNATED_LEAST_SECONDS: Final = Limit(default=60, least=1, most=86_400)

#: Maximum seconds for which they are: a longer TTL would let one forged reply suppress the upgrade (RFC 9462, section 4.2).
DESIGNATED_MOST_SECONDS: Final = Limit(default=86_400, least=60, most=604_800)

#: Seconds after a query without a reply until the next one, as an attacker may have dropped it (RFC 9462, section 7).
DESIGNATED_RETRY_SECONDS: Final = Limit(default=300, least=1, most=86_400)

#: Seconds that look-ups wait for a discovery: a query and a handshake or two, each with a retransmission.
DESIGNATED_SECONDS: Final = Limit(default=2.5, least=0.1, most=30.0)

# -- cache

#: Octets of memory for a cache, including its tables and all overhead. The default has room for 170,000 addresses.
CACHE_BYTES: Final = Limit(default=64 * 2**20, least=64 * 2**10, most=64 * 2**30)

#: Octets of memory for one answer; larger ones are not cached, so that no single answer displaces hundreds.
CACHE_ENTRY_BYTES: Final = Limit(default=64 * 2**10, least=2**10, most=2**20)

#: Octets of a cache's memory for new and frequently requested answers, which are kept as objects; at most an eighth of the cache. The
#: others are packed, which takes a quarter of the memory and is invisible to the garbage collector.
CACHE_READY_BYTES: Final = Limit(default=4 * 2**20, least=2**13, most=2**30)

#: Maximum lifetime of a cache entry in seconds: days to weeks (RFC 8767, section 4).
CACHE_SECONDS: Final = Limit(default=7 * 86400, least=1, most=28 * 86400)

#: Minimum TTL in the cache, for operators who override the zone's TTLs; it does not apply to signed records.
CACHE_LEAST_SECONDS: Final = Limit(default=0, least=0, most=3600)

#: Maximum lifetime of a cached denial in seconds (RFC 2308, section 5).
NEGATIVE_SECONDS: Final = Limit(default=10800, least=0, most=10800)

#: Seconds to cache a referral received instead of an answer: it denies nothing, but repeating the query at once would not help either.
REFERRAL_SECONDS: Final = Limit(default=5, least=0, most=60)

#: Records of an RRset above which recursion does not cache it (CVE-2024-1737).
RRSET_RECORDS: Final = Limit(default=100, least=1, most=65535)

#: Seconds to cache a resolution failure (RFC 9520, section 3.2); doubled with each further failure.
FAILURE_SECONDS: Final = Limit(default=5, least=1, most=300)

#: Seconds up to which this time is doubled. RFC 9520 allows 300; a device that regains its network should not have to wait that long.
FAILURE_MOST_SECONDS: Final = Limit(default=30, least=1, most=300)

#: Cached resolution failures.
FAILURES_KEPT: Final = Limit(default=4096, least=16, most=1_000_000)

#: Seconds after which a timeout counts as a failure of the servers; shorter ones may be caused by the caller's own timeout.
FAILURE_PATIENCE: Final = Limit(default=2.0, least=0.0, most=60.0)

#: Seconds after expiry during which an answer may be used if no fresh one is available: 1 to 3 days (RFC 8767, section 5).
STALE_SECONDS: Final = Limit(default=86400, least=0, most=3 * 86400)

#: Seconds to wait for a fresh answer before a stale one is used (RFC 8767, section 5).
STALE_WAIT: Final = Limit(default=1.8, least=0.0, most=10.0)

#: Characters of one line of a cache file.
CACHE_LINE: Final = Limit(default=2**20, least=1024, most=2**24)

# -- shared look-ups

#: Seconds that a look-up shared by several callers may take, regardless of which caller started it.
FLIGHT_SECONDS: Final = Limit(default=5.0, least=0.05, most=600.0)

#: Parallel look-ups of one question with different options, above all client subnets (CVE-2025-5994); further ones are refused.
FLIGHT_VARIANTS: Final = Limit(default=100, least=1, most=10_000)

#: Look-ups that may start at once at one set of servers, in addition to those in progress; further ones are queued. A receive buffer of the
#: usual size has room for 277 datagrams. While look-ups are queued, at least this many are in progress, and more as long as none is lost.
LOOKUPS_BURST: Final = Limit(default=128, least=16, most=20_000)

#: Queued look-ups, some 2 KB each; further ones are refused at once.
LOOKUPS_WAITING: Final = Limit(default=100_000, least=1, most=10_000_000)

#: Parallel look-ups for names in one zone; further ones are refused at once. A zone whose servers do not answer must not starve others
#: (random subdomain attacks): this is a tenth of all pending requests, and twice the limit of one client.
ZONE_LOOKUPS: Final = Limit(default=2000, least=1, most=1_000_000)

#: Parallel look-ups for names in all known zones below one registrable domain: an attacker who creates hundreds of zones gets the share of
#: four.
DOMAIN_LOOKUPS: Final = Limit(default=8000, least=1, most=1_000_000)

#: Cached zone cuts below registrable domains, about 200 octets each.
ZONE_CUTS: Final = Limit(default=10_000, least=1, most=1_000_000)

# -- transport

#: Queries sent from one UDP socket, so that a guessed port is of little use (RFC 5452, section 9.2).
SOCKET_QUERIES: Final = Limit(default=16, least=1, most=16)

#: Open sockets per server; each query uses one of them at random.
POOL_SOCKETS: Final = Limit(default=8, least=1, most=64)

#: Random ports tried for one socket: if all are in use, nearly all ports are.
PORT_TRIES: Final = Limit(default=64, least=1, most=1024)

#: Near misses after which a socket is no longer read: an attacker has this many of 65,536 chances.
NEAR_MISSES_HEARD: Final = Limit(default=64, least=1, most=1024)

#: Seconds to wait for a server whose round-trip time is unknown (1 in RFC 6298; same number as Unbound).
FIRST_WAIT: Final = Limit(default=0.376, least=0.05, most=10.0)

#: Seconds to wait for a measured server: the round-trip time plus four times its deviation, within these limits (the minimum is Unbound's).
SERVER_WAIT: Final = Limit(default=0.376, least=0.05, most=5.0)

#: Queries over UDP to one server in one look-up. If half of all datagrams are lost, one look-up in 4,000 is unanswered after this many. A
#: silent server gets all of them at first, and then two or three in five seconds, since the waits grow.
SERVER_TRIES: Final = Limit(default=12, least=1, most=16)

#: SERVFAIL replies in one look-up after which no server is retried (same number as Unbound).
FAILURE_TRIES: Final = Limit(default=6, least=1, most=16)

#: Consecutive SERVFAIL replies after which a server is not retried after a SERVFAIL: a server that fails half of its queries reaches this
#: once in 65,000 times, and one that fails all queries for a domain does not get five times as many.
FAILURES_IN_A_ROW: Final = Limit(default=16, least=1, most=1000)

#: Seconds for one query over TCP, connecting included, while there are other servers to try; and of silence after which a connection that
#: has brought replies is given up for a new one: most servers answer by then, and a new connection can within a look-up's time.
STREAM_WAIT: Final = Limit(default=2.5, least=0.1, most=60.0)

#: Unanswered queries on one connection (RFC 7766, section 6.2.1.1); further ones wait for replies.
STREAM_IN_FLIGHT: Final = Limit(default=200, least=1, most=2000)

#: Connections in a row that a server closes without a reply, after which all queries that wait for it fail. Each shows that one query is
#: bad, and the others have to be able to go to another server in time.
STREAM_LOSSES: Final = Limit(default=6, least=2, most=100)

#: Seconds to wait for a server to permit another stream of QUIC when none is in use, before there is a new connection: some do so a round
#: trip after the end of the last one.
QUIC_CREDIT: Final = Limit(default=0.25, least=0.0, most=10.0)

#: Queries waiting for one connection; further ones are refused at once.
STREAM_WAITING: Final = Limit(default=20000, least=1, most=60000)

#: Seconds to keep an idle connection, if keep-alive is enabled (RFC 7828, section 3.4).
STREAM_KEPT: Final = Limit(default=0.0, least=0.0, most=600.0)

#: The same over TLS, where a new connection costs several round trips and both sides some CPU time (RFC 7858, section 3.4).
TLS_KEPT: Final = Limit(default=10.0, least=0.0, most=600.0)

#: TLS sessions that are kept for later connections of one client, one for each server.
TLS_SESSIONS: Final = Limit(default=256, least=1, most=10000)

#: Seconds for which a TLS session may be resumed, without another check of the server's certificate.
TLS_SESSION_SECONDS: Final = Limit(default=7200, least=60, most=86400)

#: Pins of one server: its present and next key, and those of authorities.
TLS_PINS: Final = Limit(default=64, least=64, most=64)

#: Octets of a file with certificates of authorities or revocation lists. The system's authorities take 0.2 MB, long lists some megabytes.
TRUST_OCTETS: Final = Limit(default=1 << 24, least=1 << 24, most=1 << 24)

#: TLSA records of one server that are compared with its certificates: each takes a digest of each.
DANE_RECORDS: Final = Limit(default=32, least=32, most=32)

#: Seconds before the addresses of a server are looked up again, if it cannot be reached or their TTL is shorter.
BOOTSTRAP_SECONDS: Final = Limit(default=30, least=1, most=3600)

#: Seconds to avoid a server that has not answered; doubled each time, up to the maximum.
BACK_OFF: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Consecutive domains for which a server refuses or fails look-ups before it is avoided.
DECLINES: Final = Limit(default=8, least=2, most=1000)

#: Seconds after which an unused server gets a copy of a real query, to measure it.
PROBE_AFTER: Final = Limit(default=30.0, least=1.0, most=3600.0)

#: Seconds to send queries without EDNS to a server that has shown not to support it (same number as Unbound's host cache).
NO_EDNS_SECONDS: Final = Limit(default=900.0, least=1.0, most=3600.0)

#: Consecutive look-ups that must show it, since a single datagram may be spoofed.
NO_EDNS_SIGNS: Final = Limit(default=3, least=2, most=100)

#: Seconds to send queries over TCP to a server that has shown not to answer over UDP.
NO_UDP_SECONDS: Final = Limit(default=900.0, least=1.0, most=3600.0)

#: Consecutive look-ups that must show it: datagrams are lost by chance as well.
NO_UDP_SIGNS: Final = Limit(default=3, least=2, most=100)

#: Seconds to use one client cookie for a server (RFC 7873, section 7.1: at most 36 days): by it, the server recognizes its client.
COOKIE_CLIENT_SECONDS: Final = Limit(default=86_400.0, least=60.0, most=36 * 86_400.0)

#: Seconds to send no cookie to a server that has shown not to reply to queries with one, after as many signs as L{NO_EDNS_SIGNS}, or that
#: has replied over TCP without the cookie that it sent before: not all locations of an anycast address need to support them.
NO_COOKIE_SECONDS: Final = Limit(default=900.0, least=1.0, most=3600.0)

#: Queries in flight on one HTTPS connection, if the server allows as many (RFC 9113, section 6.5.2, recommends that servers allow 100);
#: further ones wait for replies.
HTTPS_STREAMS: Final = Limit(default=100, least=1, most=1000)

#: Frames from an HTTPS server without a complete reply between them, after which the connection is closed: a flood of frames that carry
#: nothing costs more than any reply (CVE-2019-9512, CVE-2019-9515, CVE-2019-9518).
HTTPS_FRAMES: Final = Limit(default=1000, least=100, most=100_000)

#: Queries given up on one HTTPS connection until another one takes its place: a server may take many resets for an attack (CVE-2023-44487)
#: and close the connection under the other queries.
HTTPS_CANCELED: Final = Limit(default=100, least=1, most=1000)

#: Octets of the headers of a response after decompression. The compressed ones may be a thousandth of that (CVE-2016-6581).
HTTPS_HEADERS: Final = Limit(default=16_384, least=1024, most=65_536)

#: Octets of the headers of a proxy's answer to CONNECT.
HTTPS_PROXY_OCTETS: Final = Limit(default=8192, least=256, most=65_536)

#: Seconds for which an HTTPS server that answers 429 or 503 is not asked, if it does not give another time. Without an upper limit, one
#: wrong Retry-After would turn a server off for good.
HTTPS_PAUSE: Final = Limit(default=5.0, least=1.0, most=300.0)

#: Seconds for the handshake of HTTP/3, after which HTTP/2 is used instead: networks that block UDP drop it without a word. Queries wait
#: meanwhile, and most handshakes take less than 0.2 s.
HTTP3_HANDSHAKE: Final = Limit(default=0.75, least=0.1, most=10.0)

#: Seconds for which HTTP/3 is not tried again after a failure.
HTTP3_FAILED: Final = Limit(default=300.0, least=1.0, most=86_400.0)

#: Seconds for which a server's offer of HTTP/3 is remembered at most. Servers say a day or a month (RFC 7838, section 3.1).
HTTP3_FRESH: Final = Limit(default=86_400.0, least=1.0, most=2_592_000.0)

#: Seconds for each further message.
TRANSFER_WAIT: Final = Limit(default=30.0, least=1.0, most=3600.0)

#: Seconds for a whole transfer (same number as BIND).
TRANSFER_SECONDS: Final = Limit(default=7200.0, least=10.0, most=86400.0)

#: Minimum average rate of a transfer, in octets per second, checked every minute: with an occasional message it would otherwise keep its
#: slot for the whole time.
TRANSFER_RATE: Final = Limit(default=512, least=0, most=1 << 30)

#: Connections over TLS to one server for transfers and what belongs to them (RFC 9103, section 7.6). Servers limit how many they accept
#: from one address.
TLS_LINKS: Final = Limit(default=8, least=1, most=1000)

#: Seconds to keep one of them when it is idle: an SOA query, the transfer after it and those of other zones share it.
TLS_LINK_KEPT: Final = Limit(default=10.0, least=0.0, most=600.0)

#: Octets of a zone that is received by AXFR into memory.
TRANSFER_OCTETS: Final = Limit(default=64 * 2**20, least=65535, most=4 * 2**30)

# -- packet cache

#: Octets of cached replies for one group of clients and one transport: room for some 25,000 replies.
LANE_BYTES: Final = Limit(default=16 << 20, least=1 << 16, most=4 << 30)

#: Queries seen once that are recorded, two octets each; a power of two.
LANE_SIGHTS: Final = Limit(default=1 << 16, least=1 << 8, most=1 << 24)

#: Client addresses known at a time.
CLIENTS_KNOWN: Final = Limit(default=20_000, least=16, most=10_000_000)

# -- requests

#: Seconds for answering a request. Most clients wait 5, and get the cause of a failure before that.
REQUEST_SECONDS: Final = Limit(default=4.0, least=0.5, most=30.0)

#: Seconds after which an answer is no longer sent over UDP: the client has retried by then, and DNSBomb accumulates replies to release them
#: at once (CVE-2024-33655; same number as Unbound). Failures are sent L{REQUEST_SECONDS} after their request, each at its own time.
REQUEST_LATE: Final = Limit(default=1.9, least=0.1, most=30.0)

#: Pending requests of one client; further ones are dropped (same number as Unbound).
REQUESTS_PER_CLIENT: Final = Limit(default=1000, least=1, most=1_000_000)

#: Pending requests of all clients.
REQUESTS_WAITING: Final = Limit(default=20_000, least=1, most=1_000_000)

#: Seconds after which a pending request may be displaced by a new one when the limit is reached: most answers arrive sooner, and the others
#: are probably for a dead server (same number as Unbound).
REQUEST_YIELDS: Final = Limit(default=0.2, least=0.0, most=30.0)

#: Datagrams read in one batch before any of them is processed.
LISTENER_BATCH: Final = Limit(default=64, least=1, most=1024)

#: Octets of a listener's receive buffer. The kernel may allocate less.
LISTENER_BUFFER: Final = Limit(default=1 << 20, least=1 << 12, most=64 << 20)

#: Datagrams without a cached reply that a listener queues, and as many whose answer is not immediately available; the oldest ones are
#: dropped. At 50 microseconds each, the last one waits for a twentieth of a second.
LISTENER_MISSES: Final = Limit(default=1024, least=1, most=1_000_000)

#: Seconds of one reactor iteration that a listener spends on such datagrams before it reads again, so that those with a cached reply do not
#: wait longer. Meanwhile the kernel buffers some thousands for a socket.
LISTENER_TURN: Final = Limit(default=0.002, least=0.0001, most=1.0)

#: Kinds of unexpected exceptions that are logged with a traceback, each once.
FAULT_KINDS: Final = Limit(default=50, least=1, most=10_000)

#: Seconds between two log lines about unexpected exceptions that have been logged before.
FAULT_SECONDS: Final = Limit(default=10.0, least=0.1, most=3600.0)

# -- asyncio

#: Resolvers that one loop keeps for descriptions: applications have few, and one for each request would leak.
DESCRIPTIONS_KEPT: Final = Limit(default=64, least=1, most=10_000)
