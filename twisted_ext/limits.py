"""
Bounds on everything that hostile or careless input can reach: a default, the smallest and largest permitted values, and the reason.

This module has the limits of look-ups and those that several packages share. A package with more limits has a C{limits} module of its own.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "Limit", "MESSAGE_SIZE", "DATAGRAM_SIZE", "POINTERS_PER_NAME", "POINTER_HOPS", "NAMES_COMPRESSED", "EDNS_OPTIONS", "TSIG_FUDGE",
    "TSIG_UNSIGNED", "LOOKUP_SECONDS", "QUESTIONS_REMEMBERED", "NAMES_REMEMBERED", "RESOLUTION_DELAY", "FAMILY_GRACE", "SERVICES_OCTETS",
    "INTERFACE_OCTETS", "ROUTES_REMEMBERED", "ADDRESSES_SORTED", "CALLS_REMEMBERED", "CALL_CHARACTERS", "CALL_ROWS",
    "SYSTEM_SECONDS", "QUERY_TRIES",
    "REPLY_ALIASES",
    "BULK_WINDOW", "BULK_KEPT_BACK", "BULK_ALIASES", "BULK_LINE", "BULK_OUTPUT", "LOSS_SHARE", "RANGE_ADDRESSES", "HOSTS_OCTETS",
    "HOSTS_ADDRESSES", "HOSTS_TTL", "CONFIGURATION_OCTETS",
    "LOST_CONFIGURATION_SECONDS", "FILE_COMPLAINTS", "LOOK_SECONDS", "CONFIGURED_SERVERS", "SEARCH_DOMAINS",
    "NDOTS", "CONFIGURED_TIMEOUT", "CONFIGURED_ATTEMPTS", "SORTLIST_PAIRS", "LOCAL_OCTETS", "LOCAL_TTL", "LOCAL_ALIASES", "HEDGE_SECONDS",
    "RESOLVER_THREADS", "THREADED_WAITING", "LOOP_PATIENCE", "THREADED_TTL", "DESCRIPTION_CHARACTERS", "DESCRIPTION_DEPTH", "CACHE_BYTES",
    "CACHE_ENTRY_BYTES", "CACHE_LARGE_BYTES",
    "CACHE_READY_BYTES", "CACHE_SECONDS", "CACHE_LEAST_SECONDS", "NEGATIVE_SECONDS", "REFERRAL_SECONDS",
    "RRSET_RECORDS", "FAILURE_SECONDS", "FAILURE_MOST_SECONDS", "FAILURES_KEPT", "FAILURE_PATIENCE", "STALE_SECONDS", "STALE_TTL",
    "STALE_WAIT", "STALE_RECHECK", "PREFETCH_SHARE", "PREFETCH_HITS", "PREFETCHES", "CACHE_LINE", "FLIGHT_SECONDS", "FLIGHT_WAITERS",
    "FLIGHT_VARIANTS", "LOOKUPS_BURST", "LOOKUPS_WAITING", "ZONE_LOOKUPS", "DOMAIN_LOOKUPS", "ZONE_CUTS",
    "SOCKET_QUERIES", "POOL_SOCKETS", "PORT_TRIES", "NEAR_MISSES", "NEAR_MISSES_HEARD", "FIRST_WAIT", "SERVER_WAIT",
    "SERVER_TRIES", "FAILURE_TRIES", "FAILURES_IN_A_ROW", "STREAM_WAIT", "STREAM_IN_FLIGHT", "STREAM_WAITING", "STREAM_KEPT", "BACK_OFF",
    "DECLINES", "SILENT_TRIES", "SILENT_SECONDS", "PROBE_AFTER",
    "NO_EDNS_SECONDS", "NO_EDNS_SIGNS", "NO_CASE_SECONDS", "TRANSFER_BEGIN", "TRANSFER_WAIT", "TRANSFER_SECONDS",
    "TRANSFER_RATE", "TRANSFER_OCTETS", "LANE_BYTES", "LANE_SIGHTS", "CLIENTS_KNOWN",
    "REQUEST_SECONDS", "REQUEST_LATE", "REQUESTS_PER_CLIENT", "REQUESTS_WAITING", "REQUEST_YIELDS",
    "LISTENER_BATCH", "LISTENER_BUFFER", "LISTENER_MISSES", "LISTENER_TURN", "FAULT_KINDS", "FAULT_SECONDS",
    "MEMORY_PAUSE", "DESCRIPTIONS_KEPT",
    "ATTEMPT_SECONDS", "ATTEMPT_DELAY", "PRIORITY_DELAY", "ATTEMPTS", "ATTEMPTS_AT_ONCE", "TARGET_ADDRESSES",
]


class Limit:
    """
    A numeric setting with a range.

    @ivar default: the value used unless another one is configured.
    @ivar least: the smallest value that still works.
    @ivar most: the largest value that is still safe.
    """

    __slots__ = ("default", "least", "most")

    def __init__(self, default: float, least: float, most: float) -> None:
        self.default = default
        self.least = least
        self.most = most

    def pick(self, wanted: float | None) -> float:
        """
        Move C{wanted} inside the range.

        @return: the default where C{wanted} is L{None}.
        """
        if wanted is None:
            return self.default
        # In this order, what is no number (NaN) becomes the least, and nothing without end.
        return min(max(self.least, wanted), self.most)

    def __repr__(self) -> str:
        return f"Limit(default={self.default}, least={self.least}, most={self.most})"


# -- wire

#: Octets of a message: what the two-octet length of a stream can say (RFC 1035, section 4.2.2).
MESSAGE_SIZE: Final = Limit(default=65535, least=512, most=65535)

#: Octets that we ask for and send by UDP, so that no path has to fragment (RFC 9715; the DNS flag day of 2020).
DATAGRAM_SIZE: Final = Limit(default=1232, least=512, most=4096)

#: Jumps in one name: 127 labels need no more than 126, each pointing strictly backward.
POINTERS_PER_NAME: Final = Limit(default=126, least=1, most=126)

#: Jumps in one message, chains counted in full. 65,535 octets hold 5,461 records, honest names take one to three jumps.
POINTER_HOPS: Final = Limit(default=16384, least=256, most=65535)

#: Names whose every tail is looked up when a message is built, at up to 127 look-ups each; the others get two (CVE-2024-8508).
NAMES_COMPRESSED: Final = Limit(default=120, least=0, most=4096)

#: EDNS options that are read from one OPT record (CVE-2026-41292).
EDNS_OPTIONS: Final = Limit(default=100, least=1, most=1000)

#: Seconds that clocks may differ by when we sign (RFC 8945, section 10 recommends this).
TSIG_FUDGE: Final = Limit(default=300, least=1, most=3600)

#: Unsigned messages that may come in a row inside a signed stream (RFC 8945, section 5.3.1: 99 have to be taken).
TSIG_UNSIGNED: Final = Limit(default=99, least=0, most=99)

# -- look-ups

#: CNAME records, and DNAME records, of one reply that are followed within it; what is behind more of them is left out. Resolvers follow 11
#: to 16.
REPLY_ALIASES: Final = Limit(default=64, least=1, most=1000)

#: Seconds from the call to the answer, everything included: search list, aliases, retries, TCP.
LOOKUP_SECONDS: Final = Limit(default=5.0, least=0.05, most=600.0)

# -- the edge to Twisted

#: Texts that a resolver remembers as questions, so that asking again for the same name reads nothing.
QUESTIONS_REMEMBERED: Final = Limit(default=1024, least=1, most=65_536)

#: Names remembered in the form that Twisted gives them, so that equal ones share their octets.
NAMES_REMEMBERED: Final = Limit(default=4096, least=1, most=1_000_000)

#: Seconds that addresses of one family wait for those of the other, so that they can be put in order together (RFC 8305, section 8).
RESOLUTION_DELAY: Final = Limit(default=0.05, least=0.0, most=2.0)

#: Seconds that the slower family gets once the other has given addresses: a server that drops questions for one type
#: must not hold up connections for the whole deadline (RFC 4074, section 4.2).
FAMILY_GRACE: Final = Limit(default=1.0, least=0.0, most=600.0)

#: Octets that are read of a file with names of ports; the usual ones have 13,000, those with everything that is registered a million.
SERVICES_OCTETS: Final = Limit(default=4 << 20, least=1 << 10, most=64 << 20)

# -- connecting

#: Seconds that one attempt to connect may take, TLS included, while others are made beside it.
ATTEMPT_SECONDS: Final = Limit(default=30.0, least=0.1, most=600.0)

#: Seconds from the beginning of one attempt to the next, as long as none has failed (RFC 8305, section 8, which has these numbers).
ATTEMPT_DELAY: Final = Limit(default=0.25, least=0.01, most=2.0)

#: Seconds from the last attempt of one priority to the first of the next, as long as the former may still succeed. A server that is far
#: away must not lose to its stand-in that is near (RFC 2782: the lowest priority that can be reached); one that is dead must not hold up
#: connections for the whole time of an attempt.
PRIORITY_DELAY: Final = Limit(default=1.0, least=0.01, most=600.0)

#: Addresses that one call tries to connect to, over all its targets: the owner of a domain must not be able to make us scan a whole
#: network.
ATTEMPTS: Final = Limit(default=64, least=1, most=1000)

#: Attempts of one call that are under way at once; the next waits for one of them to end.
ATTEMPTS_AT_ONCE: Final = Limit(default=16, least=1, most=100)

#: Addresses of one target that are tried; those that come later in their order are left out.
TARGET_ADDRESSES: Final = Limit(default=16, least=1, most=100)

#: Octets that the kernel may say on the addresses of this machine, some 80 for each of them.
INTERFACE_OCTETS: Final = Limit(default=1 << 20, least=1 << 12, most=1 << 24)

#: Addresses of which is remembered for a second how they are reached, so that putting them in order opens no socket for each.
ROUTES_REMEMBERED: Final = Limit(default=1024, least=1, most=65_536)

#: Addresses of one host that are put in order; those behind them stay behind them. Each may cost a look at how it is reached, and a server
#: can put 4,000 into one answer.
ADDRESSES_SORTED: Final = Limit(default=256, least=2, most=4096)

#: Names, hints and results of getaddrinfo that a resolver remembers, each of them, so that the same call again costs little.
CALLS_REMEMBERED: Final = Limit(default=1024, least=1, most=65_536)

#: Characters of a host or a service up to which it is remembered. A name has less than 1,024 whatever is escaped in it.
CALL_CHARACTERS: Final = Limit(default=1024, least=1, most=65_536)

# -- commands

#: Rows of a result of getaddrinfo up to which it is remembered; a host with 4,000 addresses has 12,000, of 300 octets each.
CALL_ROWS: Final = Limit(default=64, least=0, most=1024)

#: Seconds that C{txdns getaddrinfo} waits for the operating system, whose C library may try three servers twice for five seconds each.
SYSTEM_SECONDS: Final = Limit(default=35.0, least=1.0, most=600.0)

#: How often a command asks one server by UDP.
QUERY_TRIES: Final = Limit(default=3, least=1, most=20)

# -- many look-ups at once

#: Look-ups under way at once. Above a few hundred a server's receive buffer is what they wait in, and beyond 900 BIND as a forwarder
#: answers SERVFAIL to the oldest (its C{recursive-clients}).
BULK_WINDOW: Final = Limit(default=800, least=1, most=20_000)

#: Answers kept back so that they come out in the order of their names; a slow name then holds up all others.
BULK_KEPT_BACK: Final = Limit(default=100_000, least=1, most=1_000_000)

#: Aliases that are followed in a row if a server leaves that to the client.
BULK_ALIASES: Final = Limit(default=11, least=1, most=16)

#: Octets of a line of input; a name of 255 octets, each of them escaped, takes 1,016.
BULK_LINE: Final = Limit(default=4096, least=1024, most=1 << 20)

#: Octets of output that may wait for the consumer; at this size no look-ups are started until half of it has been written.
BULK_OUTPUT: Final = Limit(default=1 << 18, least=1 << 12, most=1 << 26)

#: Share of look-ups in a round that may be lost before fewer are kept under way.
LOSS_SHARE: Final = Limit(default=0.05, least=0.0, most=0.9)

#: Addresses in one range, so that a /64 written by mistake is an error and not a thousand years of work.
RANGE_ADDRESSES: Final = Limit(default=2**32, least=1, most=2**32)

# -- answer sources of this machine

#: Octets that are read of a hosts file: lists of 200,000 blocked names take 6 MiB, and reading stops everything else meanwhile.
HOSTS_OCTETS: Final = Limit(default=16 << 20, least=1 << 10, most=256 << 20)

#: Addresses of one name in a hosts file. Each is compared with those before it, and all of them go into one answer.
HOSTS_ADDRESSES: Final = Limit(default=256, least=1, most=2048)

#: Seconds for which others may keep what a hosts file says. We look at the file again when it has changed.
HOSTS_TTL: Final = Limit(default=86400, least=0, most=604800)

#: Octets that are read of a resolver configuration; real ones take a few hundred.
CONFIGURATION_OCTETS: Final = Limit(default=64 << 10, least=1 << 10, most=1 << 20)

#: Seconds for which the servers of C{resolv.conf} are asked on when the file is gone or names none: what writes it may do so in steps, and
#: a network that goes away mostly comes back with the same servers.
LOST_CONFIGURATION_SECONDS: Final = Limit(default=3600.0, least=0.0, most=1e6)

#: Errors in a file that are kept for display; further ones are only counted.
FILE_COMPLAINTS: Final = Limit(default=20, least=0, most=1000)

#: Seconds during which a file that was looked at is not looked at again.
LOOK_SECONDS: Final = Limit(default=1.0, least=0.0, most=3600.0)

#: Name servers taken from a configuration. The C library stops at three; with choice by round trip more do no harm, but every one of
#: them is tried before a look-up fails.
CONFIGURED_SERVERS: Final = Limit(default=8, least=1, most=64)

#: Domains that a relative name is searched in, so also queries that one name can cause. Kubernetes writes up to 32.
SEARCH_DOMAINS: Final = Limit(default=32, least=0, most=64)

#: Dots with which a name is tried as it stands first; the C library's range.
NDOTS: Final = Limit(default=1, least=0, most=15)

#: Seconds to wait for a reply, where C{options timeout:} asks for it; the C library's range.
CONFIGURED_TIMEOUT: Final = Limit(default=5, least=1, most=30)

#: Times that each server is asked, where C{options attempts:} asks for it; the C library's range.
CONFIGURED_ATTEMPTS: Final = Limit(default=2, least=1, most=5)

#: Pairs of address and mask in C{sortlist}; the C library's bound.
SORTLIST_PAIRS: Final = Limit(default=10, least=0, most=10)

#: Octets that are read of a file of local records: some hundred thousand of them.
LOCAL_OCTETS: Final = Limit(default=16 << 20, least=1 << 10, most=256 << 20)

#: TTL of a local record that names none.
LOCAL_TTL: Final = Limit(default=3600, least=0, most=604800)

#: Aliases of local records that are followed one after the other.
LOCAL_ALIASES: Final = Limit(default=8, least=1, most=16)

# -- combining sources

#: Seconds that one source has before the next one is asked as well. Most answers over a network come sooner, so few are asked for twice.
HEDGE_SECONDS: Final = Limit(default=0.25, least=0.0, most=60.0)

#: Threads that wait for the system's own resolver. It may hold one for half a minute.
RESOLVER_THREADS: Final = Limit(default=8, least=1, most=256)

#: Look-ups that wait for such a thread or occupy one.
THREADED_WAITING: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Seconds by which a loop has to be late until a thread that waits for its answer takes it for one that does not run.
LOOP_PATIENCE: Final = Limit(default=5.0, least=0.0, most=60.0)

#: Seconds to keep what the system's resolver says, which tells no TTL.
THREADED_TTL: Final = Limit(default=60, least=0, most=86400)

# -- descriptions of resolvers

#: Characters of a description: room for a few hundred routes.
DESCRIPTION_CHARACTERS: Final = Limit(default=65536, least=1, most=1 << 20)

#: Descriptions within descriptions.
DESCRIPTION_DEPTH: Final = Limit(default=32, least=1, most=64)

# -- cache

#: Octets of memory that a cache may take, its own tables and all overhead counted. This much has room for 170,000 addresses.
CACHE_BYTES: Final = Limit(default=64 * 2**20, least=64 * 2**10, most=64 * 2**30)

#: Octets of memory of one answer; a larger one is passed on but not kept, so that no single answer displaces hundreds.
CACHE_ENTRY_BYTES: Final = Limit(default=64 * 2**10, least=2**10, most=2**20)

#: Octets of memory beyond which an answer counts as large: all large ones share an eighth of a cache, the oldest leaving first, so that
#: names with thousands of records are fetched once and still displace little (CVE-2024-1737).
CACHE_LARGE_BYTES: Final = Limit(default=4096, least=1024, most=2**20)

#: Octets of a cache's memory for answers that are new or asked for often and are kept ready, an eighth of it all at most. The others are
#: kept packed in a quarter of the room, where the collector of garbage does not have to go through them either.
CACHE_READY_BYTES: Final = Limit(default=4 * 2**20, least=2**13, most=2**30)

#: Seconds for which anything is kept at most: days to weeks (RFC 8767, section 4).
CACHE_SECONDS: Final = Limit(default=7 * 86400, least=1, most=28 * 86400)

#: The minimum TTL in the cache, in seconds, for operators who override the zone's TTLs; it does not apply to signed records.
CACHE_LEAST_SECONDS: Final = Limit(default=0, least=0, most=3600)

#: Seconds for which a denial is kept at most (RFC 2308, section 5).
NEGATIVE_SECONDS: Final = Limit(default=10800, least=0, most=10800)

#: Seconds for which a referral is kept where an answer was expected: it denies nothing, but asking again at once would not help either.
REFERRAL_SECONDS: Final = Limit(default=5, least=0, most=60)

#: Records of one set beyond which recursion does not keep it (CVE-2024-1737).
RRSET_RECORDS: Final = Limit(default=100, least=1, most=65535)

#: Seconds to remember that a question could not be answered (RFC 9520, section 3.2); doubled each time that it happens again.
FAILURE_SECONDS: Final = Limit(default=5, least=1, most=300)

#: Seconds up to which they are doubled. RFC 9520 allows 300; a device that regains its network should not have to wait that long.
FAILURE_MOST_SECONDS: Final = Limit(default=30, least=1, most=300)

#: Failures remembered.
FAILURES_KEPT: Final = Limit(default=4096, least=16, most=1_000_000)

#: Seconds that a look-up must have had before its running out of time counts as a failure of the servers, not of its caller's patience.
FAILURE_PATIENCE: Final = Limit(default=2.0, least=0.0, most=60.0)

#: Seconds past its end for which an answer may still be given when no other can be had: 1 to 3 days (RFC 8767, section 5).
STALE_SECONDS: Final = Limit(default=86400, least=0, most=3 * 86400)

#: TTL of such an answer (RFC 8767, section 4).
STALE_TTL: Final = Limit(default=30, least=1, most=60)

#: Seconds to wait for a fresh answer before a stale one is given (RFC 8767, section 5).
STALE_WAIT: Final = Limit(default=1.8, least=0.0, most=10.0)

#: Seconds after a failure for which a stale answer is given at once, without asking (RFC 8767, section 5).
STALE_RECHECK: Final = Limit(default=30, least=1, most=300)

#: Share of an answer's time that is left when asking for it fetches it anew.
PREFETCH_SHARE: Final = Limit(default=0.1, least=0.01, most=0.5)

#: Times that an answer must have been asked for before it is fetched ahead.
PREFETCH_HITS: Final = Limit(default=3, least=1, most=1000)

#: Answers being fetched ahead at the same time.
PREFETCHES: Final = Limit(default=64, least=1, most=10_000)

#: Characters of one line of a cache file.
CACHE_LINE: Final = Limit(default=2**20, least=1024, most=2**24)

# -- shared look-ups

#: Seconds that a look-up shared by several callers may take, regardless of which caller started it.
FLIGHT_SECONDS: Final = Limit(default=5.0, least=0.05, most=600.0)

#: Callers that wait for one shared look-up; more are refused.
FLIGHT_WAITERS: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Look-ups under way for one question that differ in their wishes, client subnets above all (CVE-2025-5994); more are refused.
FLIGHT_VARIANTS: Final = Limit(default=100, least=1, most=10_000)

#: Look-ups that may begin at once at one set of servers, on top of those under way; more wait until others are over. A receive buffer of
#: the usual size has room for 277 datagrams. While look-ups wait, at least so many are under way, and more as long as nothing gets lost.
LOOKUPS_BURST: Final = Limit(default=128, least=16, most=20_000)

#: Look-ups that wait for that, some 2 KB each; more are refused at once.
LOOKUPS_WAITING: Final = Limit(default=100_000, least=1, most=10_000_000)

#: Look-ups under way for names of one zone; more are refused at once. A zone whose servers do not answer must not take what others need
#: (random subdomain attacks): this is a tenth of all requests that may wait, and twice what one client may have waiting.
ZONE_LOOKUPS: Final = Limit(default=2000, least=1, most=1_000_000)

#: Look-ups under way for names in all zones that are known below one registrable domain: zones that an attacker makes by the hundred get
#: the room of four.
DOMAIN_LOOKUPS: Final = Limit(default=8000, least=1, most=1_000_000)

#: Zone cuts below registrable domains that are remembered, about 200 octets each.
ZONE_CUTS: Final = Limit(default=10_000, least=1, most=1_000_000)

# -- transport

#: Queries that one UDP socket serves in its life, so that a port once guessed is of little use (RFC 5452, section 9.2).
SOCKET_QUERIES: Final = Limit(default=16, least=1, most=16)

#: Sockets per server that take queries at a time; each query picks one of them at random.
POOL_SOCKETS: Final = Limit(default=8, least=1, most=64)

#: Random ports tried for one socket before giving up: by then nearly all of them are taken.
PORT_TRIES: Final = Limit(default=64, least=1, most=1024)

#: Replies of the right address and port but with a wrong id or question, after which the query is asked by TCP (the near misses of
#: forgers who guess; PowerDNS has the same number).
NEAR_MISSES: Final = Limit(default=1, least=1, most=16)

#: Near misses after which a socket is not listened to any more: a forger has this many of 65,536 chances, no more.
NEAR_MISSES_HEARD: Final = Limit(default=64, least=1, most=1024)

#: Seconds to wait for a server that has not been measured yet (RFC 6298 would say 1; Unbound has the same number).
FIRST_WAIT: Final = Limit(default=0.376, least=0.05, most=10.0)

#: Seconds to wait for a measured server: the round trip time and four times its deviation within these bounds (the least is Unbound's).
SERVER_WAIT: Final = Limit(default=0.376, least=0.05, most=5.0)

#: Queries by UDP to one server in one look-up. Where half of all datagrams get lost, one look-up in 4,000 is still unanswered after so
#: many; a server that is silent gets all of them at first and then two or three in five seconds, since the waits grow.
SERVER_TRIES: Final = Limit(default=12, least=1, most=16)

#: Times that SERVFAIL may come in one look-up until no server is asked for a second time: as many as Unbound takes.
FAILURE_TRIES: Final = Limit(default=6, least=1, most=16)

#: SERVFAILs in a row from which on a server is not asked a second time after one: a server that fails half of its queries has so many once
#: in 65,000 times, and one that fails all for a domain is not asked five times as often for it.
FAILURES_IN_A_ROW: Final = Limit(default=16, least=1, most=1000)

#: Seconds for one try by TCP, connecting included, while there are other servers to turn to.
STREAM_WAIT: Final = Limit(default=2.5, least=0.1, most=60.0)

#: Unanswered queries on one connection (RFC 7766, section 6.2.1.1); more wait for replies.
STREAM_IN_FLIGHT: Final = Limit(default=200, least=1, most=2000)

#: Queries waiting for one connection; more are refused at once.
STREAM_WAITING: Final = Limit(default=20000, least=1, most=60000)

#: Seconds to keep an idle connection, if keep-alive is enabled (RFC 7828, section 3.4).
STREAM_KEPT: Final = Limit(default=0.0, least=0.0, most=600.0)

#: Seconds for which a server is left alone when it has not answered; doubled each time, up to the most.
BACK_OFF: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Domains in a row for which a server refuses or fails look-ups before it is left alone.
DECLINES: Final = Limit(default=8, least=2, most=1000)

#: Tries in a row without a reply before a server counts as down for operators.
SILENT_TRIES: Final = Limit(default=3, least=1, most=1000)

#: Seconds from the first to now of such tries: at a thousand queries a second three lost datagrams in a row are nothing.
SILENT_SECONDS: Final = Limit(default=1.0, least=0.0, most=600.0)

#: Seconds after which a server that is not asked otherwise gets a copy of a real query, to see how it does.
PROBE_AFTER: Final = Limit(default=30.0, least=1.0, most=3600.0)

#: Seconds to spare a server EDNS after it has shown that it cannot (Unbound keeps what it knows of a server as long).
NO_EDNS_SECONDS: Final = Limit(default=900.0, least=1.0, most=3600.0)

#: Look-ups in a row that must show it: the sign is a datagram that may be forged.
NO_EDNS_SIGNS: Final = Limit(default=3, least=2, most=100)

#: Seconds to spare a server mixed case after it has shown that it does not keep it.
NO_CASE_SECONDS: Final = Limit(default=900.0, least=1.0, most=3600.0)

#: Seconds for the first message of a transfer, the connection included.
TRANSFER_BEGIN: Final = Limit(default=30.0, least=0.1, most=3600.0)

#: Seconds for each further one.
TRANSFER_WAIT: Final = Limit(default=30.0, least=1.0, most=3600.0)

#: Seconds for all of a transfer (BIND has the same number).
TRANSFER_SECONDS: Final = Limit(default=7200.0, least=10.0, most=86400.0)

#: Octets for each second of a transfer that have to come on average, looked at every minute: with a message now and then it would keep its
#: place among those under way for all of that time.
TRANSFER_RATE: Final = Limit(default=512, least=0, most=1 << 30)

#: Octets of one zone by AXFR, for those who have it in memory.
TRANSFER_OCTETS: Final = Limit(default=64 * 2**20, least=65535, most=4 * 2**30)

# -- the fast lane

#: Octets that replies given before may take for one class of clients and one kind of transport: room for some 25,000 of them.
LANE_BYTES: Final = Limit(default=16 << 20, least=1 << 16, most=4 << 30)

#: Queries seen once that are remembered, two octets each; a power of two.
LANE_SIGHTS: Final = Limit(default=1 << 16, least=1 << 8, most=1 << 24)

#: Addresses of clients that are known at a time.
CLIENTS_KNOWN: Final = Limit(default=20_000, least=16, most=10_000_000)

# -- requests

#: Seconds that a request has for everything that answering it takes. Most clients wait 5: they are told the cause of a failure before that.
REQUEST_SECONDS: Final = Limit(default=4.0, least=0.5, most=30.0)

#: Seconds after which an answer is not sent by UDP any more: the client has asked again by then, and replies saved up until one moment
#: are what DNSBomb is made of (CVE-2024-33655; Unbound has the same number). A failure is sent L{REQUEST_SECONDS} after its request, each
#: at a moment of its own.
REQUEST_LATE: Final = Limit(default=1.9, least=0.1, most=30.0)

#: Requests of one client that wait for answers; more are dropped (Unbound has the same number).
REQUESTS_PER_CLIENT: Final = Limit(default=1000, least=1, most=1_000_000)

#: Requests of all clients that wait for answers.
REQUESTS_WAITING: Final = Limit(default=20_000, least=1, most=1_000_000)

#: Seconds that a request has waited for when it gives way to a new one, where no more may wait: most answers come sooner, and what has not
#: come by then is likely to be for a server that is gone (Unbound has the same number).
REQUEST_YIELDS: Final = Limit(default=0.2, least=0.0, most=30.0)

#: Datagrams that are read before any of them is looked at.
LISTENER_BATCH: Final = Limit(default=64, least=1, most=1024)

#: Octets of datagrams that the system keeps for a listener that is busy. It may give less.
LISTENER_BUFFER: Final = Limit(default=1 << 20, least=1 << 12, most=64 << 20)

#: Datagrams without a remembered reply that a listener keeps until it has time for them, and as many whose answer is not at hand; the
#: oldest ones are dropped. At 50 microseconds each the last one waits for a twentieth of a second.
LISTENER_MISSES: Final = Limit(default=1024, least=1, most=1_000_000)

#: Seconds of one turn of the reactor that a listener spends on such datagrams before it reads again, so that those with a remembered reply
#: do not wait for longer. The system keeps some thousands for a socket meanwhile.
LISTENER_TURN: Final = Limit(default=0.002, least=0.0001, most=1.0)

#: Kinds of unexpected exceptions that are logged with their traceback, each of them once.
FAULT_KINDS: Final = Limit(default=50, least=1, most=10_000)

#: Seconds between two times that a server gives up its caches because there is no memory.
MEMORY_PAUSE: Final = Limit(default=10.0, least=0.1, most=3600.0)

#: Seconds between two lines of the log about unexpected exceptions that have been logged before.
FAULT_SECONDS: Final = Limit(default=10.0, least=0.1, most=3600.0)

# -- event loops of asyncio

#: Resolvers that one loop keeps for the descriptions that it was given: programs have few, and one for each request would never end.
DESCRIPTIONS_KEPT: Final = Limit(default=64, least=1, most=10_000)
