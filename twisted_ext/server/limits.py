"""
Limits of the server: resources that clients, workers and operators can use up.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "CONTROL_SECONDS", "CONTROL_CLIENTS", "CONTROL_SHOWN", "TRACES_KEPT", "TRACES_TAKEN", "MANHOLE_SECONDS", "WEB_CLIENTS",
    "WEB_CLIENTS_PER_PEER", "WEB_ACCEPTS", "WEB_SECONDS", "WEB_REQUEST_SECONDS", "WEB_REPLY_SECONDS", "WEB_REQUEST_OCTETS",
    "WEB_REQUESTS", "WEB_SHARE", "WEB_FRESH", "CLIENT_STREAMS", "CLIENT_STREAMS_PER_PEER", "CLIENT_STREAM_YIELDS",
    "CLIENT_STREAM_IN_FLIGHT", "CLIENT_STREAM_TURN", "CLIENT_STREAM_UNREAD", "CLIENT_STREAM_IDLE", "CLIENT_STREAM_GRACE",
    "CLIENT_STREAMS_PER_SECONDARY", "SECONDARIES_KNOWN", "CLIENT_STREAM_MESSAGE", "CLIENT_STREAM_STALLED", "CERTIFICATE_OCTETS",
    "TICKET_KEY_SECONDS", "QUIC_CONNECTIONS", "QUIC_CONNECTIONS_PER_PEER", "QUIC_HALF_OPEN", "QUIC_IDLE", "WORKERS", "DESCRIPTORS",
    "WORKER_SETTLED", "WORKER_PAUSE", "WORKER_ENDING", "WORKER_BEAT", "WORKER_SILENT", "WORKER_BUSY", "WORKER_STARTING",
    "WORKER_REPLY", "WORKER_PIECE", "WORKER_TAKING", "PASSED_WAITING", "PASSED_OCTETS", "PASSED_SECONDS", "CLIENT_RATE",
    "CLIENT_BURST", "CLIENT_SLIP", "CLIENTS_METERED", "RESPONSE_RATE", "RESPONSE_SLIP", "RESPONSE_WINDOW", "RESPONSE_NETWORKS",
    "COOKIES_KNOWN", "COOKIE_HASHES", "WATCH_SECONDS", "CHANGING_SECONDS", "COMPILERS", "COMPILER_LINE", "COMPILER_SILENCE",
    "COMPILER_PAUSE", "SIGNER_PAUSE", "SIGNER_SILENCE", "PARENT_LOOKS", "PARENT_RATE", "PARENT_REST", "PARENT_SECONDS",
    "DNSTAP_OCTETS", "DNSTAP_SAMPLE", "OTLP_SAMPLE", "OTLP_SLOW",
    "HISTORY_DAYS", "HISTORY_OCTETS", "RECORDER_PAUSE", "RECORDER_QUEUE", "HEALTH_PAUSE", "PEERS_KNOWN",
    "FORWARDED_UPDATES", "FORWARDING_SECONDS",
    "PEERS_PER_ZONE", "BATCH_OCTETS", "LOADING_COMPLAINTS", "TRANSFERS_OUT", "TRANSFERS_OUT_PER_PEER", "TRANSFERS_WAITING",
    "TRANSFERS_IN", "JOURNALS_OPEN", "STARTS", "PROBES", "PROBE_WAIT", "PROBE_TRIES", "NOTIFIES", "NOTIFY_DELAY", "NOTIFY_CHECK",
    "NOTIFY_WATCHED", "STORE_LOOKS", "DECLINED_LINES", "DECLINED_SECONDS", "SIGNATURE_LINES", "ZONE_METRICS", "RECORDS_LOST",
    "ZONES_LOST", "COPY_PAUSE", "LOADING_BROKEN", "LOG_OCTETS", "LOG_FLUSH", "WATCHDOG_SECONDS", "WATCHDOG_PATIENCE",
    "WATCHDOG_FAILURES", "SPOOL_OCTETS", "HTTPS_HEAD", "HTTPS_FIELDS", "HTTPS_CONTINUATIONS", "HTTPS_BODIES", "HTTPS_RESETS",
    "HTTPS_CONTROLS", "HTTPS_REMEMBERED", "PROXY_HEADER", "FORWARDED_ELEMENTS", "TLS_HANDSHAKES_TURN",
]

# -- control and monitoring

#: Seconds for which a control connection may be idle.
CONTROL_SECONDS: Final = Limit(default=60, least=1, most=3600)

#: Control connections at a time.
CONTROL_CLIENTS: Final = Limit(default=32, least=1, most=1000)

#: Cached answers shown for one name.
CONTROL_SHOWN: Final = Limit(default=1000, least=1, most=100_000)

#: Look-ups whose steps are kept while tracing is on; the oldest are dropped first.
TRACES_KEPT: Final = Limit(default=100, least=1, most=10_000)

#: Look-ups after which tracing stops by itself, in case the operator forgot to turn it off.
TRACES_TAKEN: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Seconds that a client of the manhole has to authenticate with its key.
MANHOLE_SECONDS: Final = Limit(default=30, least=5, most=600)

#: Connections to the status page at a time. One more closes another that is waiting for its client, or is closed itself.
WEB_CLIENTS: Final = Limit(default=64, least=1, most=10_000)

#: The same for one client: an IPv4 address or an IPv6 /64. Browsers open six.
WEB_CLIENTS_PER_PEER: Final = Limit(default=16, least=1, most=10_000)

#: New connections to the status page per second: accepting one costs about 0.3 ms in a process that has queries to answer. The others
#: wait in the kernel's backlog.
WEB_ACCEPTS: Final = Limit(default=100, least=1, most=10_000)

#: Seconds between two requests of one connection to the status page.
WEB_SECONDS: Final = Limit(default=20, least=1, most=600)

#: Seconds for a request to the status page, from its first octet to the end of its header, however steadily its octets arrive.
WEB_REQUEST_SECONDS: Final = Limit(default=5.0, least=0.5, most=60.0)

#: Seconds for the server to build a reply of the status page and for the client to read it; workers get L{WORKER_REPLY} of these to
#: report their figures.
WEB_REPLY_SECONDS: Final = Limit(default=10.0, least=1.0, most=600.0)

#: Octets of a request to the status page. Browsers send less than 1 KB plus the cookies of other servers on the same host.
WEB_REQUEST_OCTETS: Final = Limit(default=16_384, least=1024, most=1 << 20)

#: Requests on one connection to the status page before it is closed: half an hour of an open page.
WEB_REQUESTS: Final = Limit(default=1000, least=1, most=1_000_000)

#: Share of the process's time that requests to the status page may take. The rest is for queries.
WEB_SHARE: Final = Limit(default=0.1, least=0.001, most=1.0)

#: Seconds for which one rendering of the figures is reused for all clients.
WEB_FRESH: Final = Limit(default=1.0, least=0.0, most=60.0)

#: Seconds between two tries to reach upstreams that do not reply, while it is asked whether the server is ready.
HEALTH_PAUSE: Final = Limit(default=2.0, least=0.1, most=60.0)

# -- client connections

#: Client connections at a time. To make room for one more, others are closed: first those of client networks that hold more than their
#: share, and of these the ones idle longest, then the ones that have waited longest for replies.
CLIENT_STREAMS: Final = Limit(default=512, least=1, most=20_000)

#: The same for one peer: an IPv4 address or an IPv6 /64.
CLIENT_STREAMS_PER_PEER: Final = Limit(default=128, least=1, most=20_000)

#: The same for a peer that has been sent a zone, unless C{CLIENT_STREAMS_PER_PEER} is set lower than its default: NSD alone opens 128 when
#: many zones change at once, and a second secondary may share its address.
CLIENT_STREAMS_PER_SECONDARY: Final = Limit(default=400, least=1, most=20_000)

#: Peers that are remembered as secondaries; the one whose last transfer is the longest ago is forgotten first.
SECONDARIES_KNOWN: Final = Limit(default=1000, least=1, most=100_000)

#: Seconds for which a connection waits for replies before it may be closed to make room for a new one. Most look-ups take less.
CLIENT_STREAM_YIELDS: Final = Limit(default=0.5, least=0.0, most=30.0)

#: Seconds after a reply for which a connection is in use and makes no room for another one of the same client: a secondary sends its IXFR
#: query after the reply to its SOA query. Of 19,500 queries of NSD and Knot DNS behind one address, for 4,000 zones that had changed, half
#: came within 0.1 ms of the reply before, with more than 100 connections open 99 % within 46 ms, and the last one after 104 ms. A slow
#: network and a busy machine get twenty times as long. Without the grace, two to fifteen of these zones stayed old after each change.
CLIENT_STREAM_GRACE: Final = Limit(default=2.0, least=0.0, most=30.0)

#: Requests of one connection that wait for their answers; at this number the server stops reading from it. Requests answered at once do
#: not count.
CLIENT_STREAM_IN_FLIGHT: Final = Limit(default=100, least=1, most=10_000)

#: Requests of one connection that are handled before the other connections get a turn.
CLIENT_STREAM_TURN: Final = Limit(default=256, least=1, most=65_536)

#: Octets queued for a client that does not read its replies; above this the connection is closed.
CLIENT_STREAM_UNREAD: Final = Limit(default=1 << 20, least=1 << 16, most=1 << 26)

#: Seconds between requests, of the order of magnitude recommended by RFC 7766, section 6.2.3.
CLIENT_STREAM_IDLE: Final = Limit(default=10.0, least=0.5, most=600.0)

#: Seconds for the first request, and for each request from its first octet to its last, however slowly it arrives.
CLIENT_STREAM_MESSAGE: Final = Limit(default=5.0, least=0.5, most=60.0)

#: Seconds for a client to read the octets written to it.
CLIENT_STREAM_STALLED: Final = Limit(default=10.0, least=0.5, most=60.0)

#: TLS handshakes that are continued in one turn of the reactor: some milliseconds' worth. The rest waits, so that a flood of them delays
#: replies on established connections by no more.
TLS_HANDSHAKES_TURN: Final = Limit(default=8, least=1, most=10_000)

# -- HTTPS clients

#: Octets of a request's header as the client sends them, compressed in HTTP/2 or plain in HTTP/1.1. Browsers send less than 1 KB.
HTTPS_HEAD: Final = Limit(default=16_384, least=1024, most=131_072)

#: Octets of its header fields once they are decompressed, with 32 octets for each field (RFC 9113, section 6.5.2): one octet may stand for
#: a field of 4 KB.
HTTPS_FIELDS: Final = Limit(default=32_768, least=4096, most=262_144)

#: CONTINUATION frames of one header. The octets above fit into one frame, so clients need none.
HTTPS_CONTINUATIONS: Final = Limit(default=8, least=0, most=128)

#: Octets of incomplete request bodies on one connection, which the server grants as its flow-control window. Room for a few of the largest
#: messages, or for a hundred small ones.
HTTPS_BODIES: Final = Limit(default=262_144, least=65_536, most=1 << 24)

#: Streams that a client may reset, or cause the server to reset, before the connection is closed (CVE-2023-44487, CVE-2025-8671). Browsers
#: that leave a page reset a few dozen. nghttp2 has the same number.
HTTPS_RESETS: Final = Limit(default=1000, least=10, most=1_000_000)

#: Frames that carry no part of a request, such as SETTINGS, PING and PRIORITY, before the connection is closed.
HTTPS_CONTROLS: Final = Limit(default=1000, least=10, most=1_000_000)

#: Octets of decoded headers that are kept for all connections, so that the same header need not be decompressed again.
HTTPS_REMEMBERED: Final = Limit(default=4 << 20, least=1 << 16, most=1 << 30)

# -- proxies

#: Octets of the PROXY header in front of a connection or a datagram. The addresses take 52 octets; what else proxies send, such as the name
#: in a client's certificate, takes some hundred.
PROXY_HEADER: Final = Limit(default=2048, least=232, most=65_551)

#: Proxies that one request has passed through, as it says (RFC 7239). One or two are usual.
FORWARDED_ELEMENTS: Final = Limit(default=32, least=1, most=1000)

# -- certificates

#: Octets of a file with a certificate and its chain, or with a key. Chains take some 10 KB.
CERTIFICATE_OCTETS: Final = Limit(default=1 << 18, least=1 << 12, most=1 << 22)

#: Seconds for which one key encrypts session tickets: a client can resume a session for at most as long (RFC 9325, section 3.3, has keys
#: replaced regularly, such as once a day).
TICKET_KEY_SECONDS: Final = Limit(default=86_400, least=60, most=604_800)

# -- QUIC

#: QUIC connections at a time. To make room for one more, one that waits for no reply is closed, else the new one is ignored.
QUIC_CONNECTIONS: Final = Limit(default=512, least=1, most=20_000)

#: The same for one peer: an IPv4 address or an IPv6 /64.
QUIC_CONNECTIONS_PER_PEER: Final = Limit(default=64, least=1, most=20_000)

#: QUIC handshakes under way at a time. With more, clients first have to prove their addresses (Retry, RFC 9000, section 8.1.2), which costs
#: them a round trip, and the server no memory.
QUIC_HALF_OPEN: Final = Limit(default=32, least=0, most=20_000)

#: Seconds between queries on a QUIC connection. More than for TCP: a new handshake is expensive for both ends.
QUIC_IDLE: Final = Limit(default=30.0, least=0.5, most=600.0)

# -- zones

#: Seconds between two checks of the master files.
WATCH_SECONDS: Final = Limit(default=0.5, least=0.1, most=3600.0)

#: Seconds for which a master file, or a folder of them, may keep changing before it is read regardless.
CHANGING_SECONDS: Final = Limit(default=10.0, least=0.5, most=3600.0)

#: Processes that compile zones at a time; no more than there are processors.
COMPILERS: Final = Limit(default=2, least=1, most=64)

#: Octets of one line that such a process writes.
COMPILER_LINE: Final = Limit(default=1 << 20, least=1 << 14, most=1 << 26)

#: Seconds without output after which such a process is killed: while it reads, it reports every few megabytes, and even on a busy
#: machine the image of the largest zone is written in less.
COMPILER_SILENCE: Final = Limit(default=300.0, least=0.1, most=86400.0)

#: Seconds before zones are retried for which no such process could be started, doubled each time up to the maximum.
COMPILER_PAUSE: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Seconds without a result after which the process with the keys is killed: it signs thousands of records a second.
SIGNER_SILENCE: Final = Limit(default=10.0, least=0.1, most=3600.0)

#: Seconds before it is started again after it ended, doubled each time up to the maximum until it has answered.
SIGNER_PAUSE: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Signed zones at a time for which the servers of their parents are asked: a silent one may take ten seconds.
PARENT_LOOKS: Final = Limit(default=8, least=1, most=1000)

#: Servers of parents that are asked a second: those of one registry may be asked for all zones.
PARENT_RATE: Final = Limit(default=2.0, least=0.01, most=1000.0)

#: Seconds between two looks at a parent while nothing waits for it: what an operator of the parent did is known after a day.
PARENT_REST: Final = Limit(default=86_400, least=60, most=864_000)

#: Seconds for its answer, with those for the connection.
PARENT_SECONDS: Final = Limit(default=10.0, least=0.1, most=600.0)

#: Octets of their master files together; a larger file is compiled by itself.
BATCH_OCTETS: Final = Limit(default=4 << 20, least=1 << 10, most=1 << 30)

#: Problems with the zones reported for one start or reload: lines in the log, and lines returned to the operator who requested the
#: reload.
LOADING_COMPLAINTS: Final = Limit(default=100, least=1, most=10_000)

#: Zones that failed to load at one start or reload and are named in the log one by one, in addition to the lines above; the rest are
#: counted, and C{txdns control zones --broken} names all of them.
LOADING_BROKEN: Final = Limit(default=1000, least=1, most=100_000)

#: Log lines about signatures that end soon, each time; further zones are counted.
SIGNATURE_LINES: Final = Limit(default=100, least=1, most=100_000)

#: Zones up to which each has metrics of its own, four series each; with more, only totals and the first ends of all zones are shown.
ZONE_METRICS: Final = Limit(default=1000, least=0, most=1_000_000)

# -- dnstap

#: Octets of a file: a busy hour of a small server. Files are not compressed, and five of them are kept.
DNSTAP_OCTETS: Final = Limit(default=100_000_000, least=2**20, most=2**40)

#: One query of so many is written.
DNSTAP_SAMPLE: Final = Limit(default=1, least=1, most=1_000_000)

# -- OpenTelemetry

#: One look-up of so many is sent as a span; 0 for none. To send each would cost as much as the look-ups.
OTLP_SAMPLE: Final = Limit(default=100, least=0, most=1_000_000)

#: Milliseconds of a look-up that is sent in any case; 0 for none. A client asks again after some seconds.
OTLP_SLOW: Final = Limit(default=1000, least=0, most=60_000)

# -- history

#: Days for which the history of queries is kept.
HISTORY_DAYS: Final = Limit(default=30, least=1, most=3650)

#: Octets that it takes: a million queries take some 70 MB, and the file that is written cannot be removed.
HISTORY_OCTETS: Final = Limit(default=4_000_000_000, least=256_000_000, most=2**44)

#: Octets that wait for the process that writes the history, or dnstap; some seconds of a busy server.
RECORDER_QUEUE: Final = Limit(default=2**23, least=2**16, most=2**28)

#: Seconds until such a process is started again, doubled each time up to the maximum.
RECORDER_PAUSE: Final = Limit(default=1.0, least=0.1, most=60.0)

# -- a server and its workers

#: Worker processes that share a port: one for each core, with room for future machines.
WORKERS: Final = Limit(default=1, least=1, most=256)

#: Open files of one process, mostly sockets. Twenty thousand waiting requests, each sent several times over sockets of sixteen queries,
#: take some five thousand.
DESCRIPTORS: Final = Limit(default=16_384, least=64, most=1 << 20)

#: Seconds of uptime after which a worker counts as having started well; if it dies later, its replacement starts at once.
WORKER_SETTLED: Final = Limit(default=5.0, least=0.0, most=600.0)

#: Seconds before a worker that did not start well is restarted; doubled each time, up to the maximum.
WORKER_PAUSE: Final = Limit(default=0.1, least=0.0, most=30.0)

#: Seconds that a worker gets to exit by itself before it is killed.
WORKER_ENDING: Final = Limit(default=5.0, least=0.0, most=60.0)

#: Seconds between two heartbeats requested from a worker.
WORKER_BEAT: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Seconds without output from a worker that is neither running nor waiting for a disk, after which it is replaced: it is stopped or
#: blocked.
WORKER_SILENT: Final = Limit(default=3.5, least=0.5, most=600.0)

#: The same for a worker that is running or waiting for a disk: reading a long list of names takes seconds during which it does nothing
#: else, and an overloaded machine may not schedule it.
WORKER_BUSY: Final = Limit(default=20.0, least=1.0, most=600.0)

#: The same for a worker that does not serve yet.
WORKER_STARTING: Final = Limit(default=60.0, least=1.0, most=3600.0)

#: Seconds that workers get to report their status; a worker that does not is left out.
WORKER_REPLY: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Octets of records sent to a worker in one line.
WORKER_PIECE: Final = Limit(default=1 << 18, least=1 << 10, most=1 << 20)

#: Seconds without progress on zone changes after which a worker is killed, so that clients do not get answers from old data.
WORKER_TAKING: Final = Limit(default=30.0, least=1.0, most=600.0)

#: Requests that a worker has forwarded to its parent and that wait for a reply: at most half of them over UDP and a quarter from one
#: network. Further requests over TCP are queued.
PASSED_WAITING: Final = Limit(default=256, least=1, most=10_000)

#: Octets of these and of the queued ones; half of them for UDP.
PASSED_OCTETS: Final = Limit(default=1 << 20, least=1 << 16, most=1 << 26)

#: Seconds for a reply to a forwarded request; has to be more than the seconds for which a worker may make no progress.
PASSED_SECONDS: Final = Limit(default=60.0, least=2.0, most=600.0)

# -- clients and cookies

#: Queries per second from one client, or its /64; 0 for no limit.
CLIENT_RATE: Final = Limit(default=0, least=0, most=10_000_000)

#: Seconds' worth of that rate that a client may use up at once.
CLIENT_BURST: Final = Limit(default=2.0, least=0.1, most=60.0)

#: One in this many queries above the rate gets a reply with TC, so that an honest client can retry over TCP; 0 for none.
CLIENT_SLIP: Final = Limit(default=2, least=0, most=100)

#: Client networks whose rates are tracked at a time.
CLIENTS_METERED: Final = Limit(default=50_000, least=16, most=10_000_000)

#: Replies of one kind per second to an IPv4 /24 or an IPv6 /56 over UDP; 0 for no limit.
RESPONSE_RATE: Final = Limit(default=0, least=0, most=10_000_000)

#: One in this many replies above that is sent with TC in place of its records (NSD, Knot and BIND have the same number); 0 for none.
RESPONSE_SLIP: Final = Limit(default=2, least=0, most=100)

#: Seconds' worth of replies that a network can run up as debt, so that a continuing attack gets nothing, and an honest resolver that
#: sent too many queries is answered again this much later.
RESPONSE_WINDOW: Final = Limit(default=5.0, least=0.0, most=3600.0)

#: Networks whose replies are counted at a time, and as many larger ones; some 800 octets each.
RESPONSE_NETWORKS: Final = Limit(default=20_000, least=16, most=10_000_000)

#: Pairs of address and cookie that are cached, so that a client costs one hash instead of one for each query.
COOKIES_KNOWN: Final = Limit(default=20_000, least=16, most=10_000_000)

#: Server cookies made per second for clients that have none yet. Beyond that such clients get replies without a cookie (RFC 7873,
#: section 5.2.3, requires one "at least occasionally"): each takes nine microseconds, and client cookies can be forged.
COOKIE_HASHES: Final = Limit(default=2000, least=1, most=1_000_000)

# -- transfers and NOTIFY

#: Outgoing zone transfers at a time (BIND has 10). Further ones are queued.
TRANSFERS_OUT: Final = Limit(default=64, least=1, most=10_000)

#: The same to one client network: an IPv4 address or an IPv6 /64.
TRANSFERS_OUT_PER_PEER: Final = Limit(default=16, least=1, most=10_000)

#: Queued requests for transfers, at most three quarters of them from one client network; some 2 KB each. Beyond that the client gets
#: SERVFAIL. NSD requests up to 128 zones over each of 128 connections.
TRANSFERS_WAITING: Final = Limit(default=32_768, least=0, most=1_000_000)

#: Incoming zone transfers at a time, at most three quarters of them from one primary.
TRANSFERS_IN: Final = Limit(default=16, least=1, most=1000)

#: Octets of the messages of all incoming transfers, at most three quarters of them from one primary; they are on disk until the zone's
#: image is built.
SPOOL_OCTETS: Final = Limit(default=2 << 30, least=1 << 20, most=1 << 40)

#: Secondary zones whose journals are open at a time: each takes a descriptor.
JOURNALS_OPEN: Final = Limit(default=1000, least=1, most=100_000)

#: Secondary zones started or stopped in one turn of the reactor: some 15 ms.
STARTS: Final = Limit(default=100, least=1, most=10_000)

#: SOA queries to primaries at a time, each with a socket, at most three quarters of them to one primary.
PROBES: Final = Limit(default=256, least=1, most=10_000)

#: Seconds that a primary gets to reply to an SOA query, doubled each time.
PROBE_WAIT: Final = Limit(default=2.0, least=0.1, most=60.0)

#: How often the SOA query is sent.
PROBE_TRIES: Final = Limit(default=3, least=1, most=10)

#: NOTIFY messages awaiting a reply at a time, at most three quarters of them to one server; further ones are queued.
NOTIFIES: Final = Limit(default=200, least=1, most=10_000)

#: Seconds between a change and its NOTIFY: several changes in a row cause one NOTIFY.
NOTIFY_DELAY: Final = Limit(default=0.5, least=0.0, most=60.0)

#: Seconds after an acknowledged NOTIFY before a secondary that has not transferred the zone is checked with an SOA query, and notified
#: again; three times as long before each later check. A thousand small zones are transferred in less.
NOTIFY_CHECK: Final = Limit(default=10.0, least=1.0, most=3600.0)

#: Pairs of a zone and a secondary to be checked at a time, some 300 octets each. For further ones the acknowledgment has to do.
NOTIFY_WATCHED: Final = Limit(default=50_000, least=0, most=1_000_000)

#: Servers of one zone of which it is kept what happened with them last, for operators.
PEERS_PER_ZONE: Final = Limit(default=64, least=1, most=10_000)

#: The same for all zones: some 200 octets each.
PEERS_KNOWN: Final = Limit(default=100_000, least=64, most=10_000_000)

# -- databases

#: Seconds between two polls of a database with zones; a poll costs almost nothing if nothing has changed.
STORE_LOOKS: Final = Limit(default=0.5, least=0.05, most=60)

#: Seconds between two writes of the last good copy of a zone: it is needed only where its database is away, so that a zone that changes
#: all the time need not be written all the time.
COPY_PAUSE: Final = Limit(default=10, least=1, most=3600)

# -- guards

#: Percent of a zone's records that may be gone from its next version: half is more than people change in one go, and much less than a
#: mistake takes away. At 100 nothing waits.
RECORDS_LOST: Final = Limit(default=50, least=1, most=100)

#: Percent of a catalog's zones that may be gone from its next version; the same for lists and folders of zones.
ZONES_LOST: Final = Limit(default=10, least=1, most=100)

# -- the log

#: Updates that are passed on to primaries at a time: each takes a connection.
FORWARDED_UPDATES: Final = Limit(default=100, least=1, most=10_000)

#: Seconds for each, with all primaries of its zone together: clients try again after some seconds.
FORWARDING_SECONDS: Final = Limit(default=10.0, least=0.1, most=600.0)

#: Log lines about refused transfers, NOTIFY messages and updates within C{DECLINED_SECONDS}: any client can cause them.
DECLINED_LINES: Final = Limit(default=20, least=0, most=10_000)

#: Seconds after which such lines are logged again; the first one reports how many were suppressed.
DECLINED_SECONDS: Final = Limit(default=60.0, least=1.0, most=86_400)

#: Octets of log lines queued while a pipe is not read or a disk hangs; further lines are dropped and counted.
LOG_OCTETS: Final = Limit(default=1 << 20, least=1 << 12, most=1 << 30)

#: Seconds that an exiting process waits for its last log lines to be written.
LOG_FLUSH: Final = Limit(default=2.0, least=0.0, most=60.0)
# -- the watchdog

#: Seconds between two self-test queries.
WATCHDOG_SECONDS: Final = Limit(default=5.0, least=0.5, most=3600.0)

#: Seconds that the server waits for its own reply.
WATCHDOG_PATIENCE: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Times in a row that a listener neither replies nor reads anything before the process exits to be restarted.
WATCHDOG_FAILURES: Final = Limit(default=3, least=1, most=1000)
