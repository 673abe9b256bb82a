"""
Bounds of a server that clients, workers and whoever watches can reach.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "CONTROL_OCTETS", "CONTROL_LOAD", "CONTROL_SECONDS", "CONTROL_CLIENTS", "CONTROL_SHOWN", "TRACES_KEPT", "TRACES_TAKEN",
    "MANHOLE_CLIENTS", "MANHOLE_SECONDS", "WEB_CLIENTS", "WEB_CLIENTS_PER_PEER", "WEB_ACCEPTS", "WEB_SECONDS", "WEB_REQUEST_SECONDS",
    "WEB_REPLY_SECONDS", "WEB_REQUEST_OCTETS", "WEB_REQUESTS", "WEB_SHARE", "WEB_FRESH", "CLIENT_STREAMS", "CLIENT_STREAMS_PER_PEER",
    "CLIENT_STREAM_YIELDS", "CLIENT_STREAM_IN_FLIGHT", "CLIENT_STREAM_TURN", "CLIENT_STREAM_UNREAD", "CLIENT_STREAM_IDLE",
    "CLIENT_STREAM_MESSAGE", "CLIENT_STREAM_STALLED", "WORKERS", "DESCRIPTORS", "SETTINGS_OCTETS", "WORKER_SETTLED", "WORKER_PAUSE",
    "WORKER_ENDING", "WORKER_BEAT", "WORKER_SILENT", "WORKER_BUSY", "WORKER_STARTING", "WORKER_REPLY", "WORKER_LINE", "WORKER_PIECE",
    "WORKER_TAKING", "PASSED_WAITING", "PASSED_OCTETS", "PASSED_REPLY", "PASSED_SECONDS", "CLIENT_RATE", "CLIENT_BURST", "CLIENT_SLIP",
    "CLIENTS_METERED", "RESPONSE_RATE", "RESPONSE_SLIP", "RESPONSE_WINDOW", "RESPONSE_PAUSE", "RESPONSE_NETWORKS", "COOKIE_SECONDS",
    "COOKIE_RENEWAL", "COOKIE_AHEAD", "COOKIES_KNOWN", "COOKIE_HASHES", "REFUSAL_TTL", "ZONE_LANE_BYTES", "ZONE_LANE_SIGHTS",
    "WATCH_SECONDS", "WATCH_FILES", "CHANGING_SECONDS", "COMPILERS", "COMPILER_LINE", "COMPILER_SILENCE", "COMPILER_PAUSE",
    "BATCH_ZONES", "BATCH_OCTETS", "LOADING_COMPLAINTS", "KEY_FILE_OCTETS", "TRANSFERS_OUT", "TRANSFERS_OUT_PER_PEER",
    "TRANSFERS_WAITING", "TRANSFERS_IN", "JOURNALS_OPEN", "STARTS", "PROBES", "PROBE_WAIT", "PROBE_TRIES", "NOTIFY_WAIT",
    "NOTIFY_TRIES", "NOTIFIES", "NOTIFY_DELAY", "NOTICES_PER_ZONE", "STORE_LOOKS", "DECLINED_LINES", "DECLINED_SECONDS",
    "UPSTREAM_LINES", "UPSTREAM_LINES_SECONDS", "LOADING_BROKEN", "LOG_OCTETS", "LOG_FLUSH", "WATCHDOG_SECONDS", "WATCHDOG_PATIENCE",
    "WATCHDOG_FAILURES", "WATCHDOG_PORTS", "SPOOL_OCTETS",
]

# -- control and sight

#: Octets of a command to a running server.
CONTROL_OCTETS: Final = Limit(default=65536, least=4096, most=2**20)

#: Octets of a cache file that a running server takes in.
CONTROL_LOAD: Final = Limit(default=2**30, least=2**20, most=2**36)

#: Seconds for which a connection for control may do nothing.
CONTROL_SECONDS: Final = Limit(default=60, least=1, most=3600)

#: Connections for control at a time.
CONTROL_CLIENTS: Final = Limit(default=32, least=1, most=1000)

#: Answers of the cache that are shown for one name.
CONTROL_SHOWN: Final = Limit(default=1000, least=1, most=100_000)

#: Look-ups whose steps are kept while tracing is on; the oldest go first.
TRACES_KEPT: Final = Limit(default=100, least=1, most=10_000)

#: Look-ups after which tracing ends by itself, since somebody may have forgotten it.
TRACES_TAKEN: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Connections to the manhole at a time.
MANHOLE_CLIENTS: Final = Limit(default=8, least=1, most=100)

#: Seconds that somebody at the manhole has to show a key.
MANHOLE_SECONDS: Final = Limit(default=30, least=5, most=600)

#: Connections to the status page at a time. One more closes another that waits for its client, or is closed itself.
WEB_CLIENTS: Final = Limit(default=64, least=1, most=10_000)

#: Those of one client: an address of IPv4, a /64 of IPv6. Browsers open six.
WEB_CLIENTS_PER_PEER: Final = Limit(default=16, least=1, most=10_000)

#: New connections to the status page in a second: taking one costs about 0.3 ms, of a process that has queries to answer. The others wait
#: in the backlog of the system.
WEB_ACCEPTS: Final = Limit(default=100, least=1, most=10_000)

#: Seconds between two requests of one connection to the status page.
WEB_SECONDS: Final = Limit(default=20, least=1, most=600)

#: Seconds for a request to the status page, from its first octet to the end of its header, however regularly its octets come.
WEB_REQUEST_SECONDS: Final = Limit(default=5.0, least=0.5, most=60.0)

#: Seconds for a reply of the status page to be made and read by the client; workers get L{WORKER_REPLY} of them to give their figures.
WEB_REPLY_SECONDS: Final = Limit(default=10.0, least=1.0, most=600.0)

#: Octets of a request to the status page. Browsers send less than 1 KB, and cookies of other servers on the same host.
WEB_REQUEST_OCTETS: Final = Limit(default=16_384, least=1024, most=1 << 20)

#: Requests of one connection to the status page, which is closed after them: half an hour of a page that is open.
WEB_REQUESTS: Final = Limit(default=1000, least=1, most=1_000_000)

#: Share of the time of the process that requests to the status page may take. The rest is for queries.
WEB_SHARE: Final = Limit(default=0.1, least=0.001, most=1.0)

#: Seconds for which one rendering of the figures is given to all who ask for them.
WEB_FRESH: Final = Limit(default=1.0, least=0.0, most=60.0)

# -- upstreams

#: Lines in the log about one upstream that stops to reply and replies again, in C{UPSTREAM_LINES_SECONDS}: three outages and their ends are
#: logged at once, a server that changes all the time is not logged each time.
UPSTREAM_LINES: Final = Limit(default=6, least=2, most=1000)

#: Seconds in which an upstream gets that many lines.
UPSTREAM_LINES_SECONDS: Final = Limit(default=600.0, least=1.0, most=86_400.0)

# -- serving streams

#: Connections of clients at a time. When there is one more, others make room for it: those of client networks that have more than their
#: share before others, and of these the ones that have been idle longest, then the ones that have waited longest for replies.
CLIENT_STREAMS: Final = Limit(default=512, least=1, most=20_000)

#: Those of one peer: an address of IPv4, a /64 of IPv6.
CLIENT_STREAMS_PER_PEER: Final = Limit(default=128, least=1, most=20_000)

#: Seconds for which a connection waits for replies before it may have to make room for a new one. Most look-ups take less.
CLIENT_STREAM_YIELDS: Final = Limit(default=0.5, least=0.0, most=30.0)

#: Requests of one connection that wait for their answers; then it is not read from. What is at hand does not count.
CLIENT_STREAM_IN_FLIGHT: Final = Limit(default=100, least=1, most=10_000)

#: Requests of one connection that are looked at before all others get their turn.
CLIENT_STREAM_TURN: Final = Limit(default=256, least=1, most=65_536)

#: Octets that are written for a client which does not read what was written before; with more the connection ends.
CLIENT_STREAM_UNREAD: Final = Limit(default=1 << 20, least=1 << 16, most=1 << 26)

#: Seconds between requests, the order of magnitude that RFC 7766, section 6.2.3, asks for.
CLIENT_STREAM_IDLE: Final = Limit(default=10.0, least=0.5, most=600.0)

#: Seconds for the first request, and for each one from its first octet to its last, however it dribbles in.
CLIENT_STREAM_MESSAGE: Final = Limit(default=5.0, least=0.5, most=60.0)

#: Seconds for a client to read what was written for it.
CLIENT_STREAM_STALLED: Final = Limit(default=10.0, least=0.5, most=60.0)

# -- zones

#: Octets for the finished replies of a server with zones, by each of UDP and TCP: half of it holds all that a hundred thousand names are
#: asked for.
ZONE_LANE_BYTES: Final = Limit(default=128 << 20, least=1 << 16, most=4 << 30)

#: Queries to such a server that were seen once and are remembered, so that it is noticed when they come again.
ZONE_LANE_SIGHTS: Final = Limit(default=1 << 18, least=1 << 8, most=1 << 24)

#: Seconds between two looks at master files.
WATCH_SECONDS: Final = Limit(default=0.5, least=0.1, most=3600.0)

#: Zones whose master files are looked at each time: fifty thousand in two seconds, for a twentieth of a processor.
WATCH_FILES: Final = Limit(default=12_500, least=1, most=1_000_000)

#: Seconds for which a master file, or a folder of them, may go on changing before it is read nevertheless.
CHANGING_SECONDS: Final = Limit(default=10.0, least=0.5, most=3600.0)

#: Processes that make zones ready at a time; no more than there are processors.
COMPILERS: Final = Limit(default=2, least=1, most=64)

#: Octets of one line that such a process writes.
COMPILER_LINE: Final = Limit(default=1 << 20, least=1 << 14, most=1 << 26)

#: Seconds in which such a process gives no sign before it is ended: while it reads it gives one every few megabytes, and the image of the
#: largest zone is written in less on a busy machine.
COMPILER_SILENCE: Final = Limit(default=300.0, least=0.1, most=86400.0)

#: Seconds after which zones are tried again for which no such process could be started, doubled each time up to the most.
COMPILER_PAUSE: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Small zones that are made ready in one go, into one file.
BATCH_ZONES: Final = Limit(default=500, least=1, most=100_000)

#: Octets of their master files; a larger one is made ready by itself.
BATCH_OCTETS: Final = Limit(default=4 << 20, least=1 << 10, most=1 << 30)

#: What is wrong with the zones of one start or reload: lines in the log, and lines that are told to whoever asked for it.
LOADING_COMPLAINTS: Final = Limit(default=100, least=1, most=10_000)

#: Zones that could not be loaded at one start or reload and are named in the log one by one, whatever else it says; the others are counted,
#: and C{txdns control zones --broken} names all of them.
LOADING_BROKEN: Final = Limit(default=1000, least=1, most=100_000)

# -- a server and its workers

#: Processes that share a port: one for each core, and room for machines to come.
WORKERS: Final = Limit(default=1, least=1, most=256)

#: Files, sockets for the most part, that a process has open. Twenty thousand requests that wait, each asked for several times by sockets of
#: sixteen queries, take some five thousand.
DESCRIPTORS: Final = Limit(default=16_384, least=64, most=1 << 20)

#: Octets that are read of a file of settings, which may have a table for each of a hundred thousand zones.
SETTINGS_OCTETS: Final = Limit(default=64 << 20, least=1 << 10, most=1 << 30)

#: Seconds that a worker has been up for when it counts as having started well; the next one then begins at once where it dies.
WORKER_SETTLED: Final = Limit(default=5.0, least=0.0, most=600.0)

#: Seconds to wait before a worker is started again that did not; doubled each time, up to the most.
WORKER_PAUSE: Final = Limit(default=0.1, least=0.0, most=30.0)

#: Seconds that a worker gets to end by itself, before it is made to.
WORKER_ENDING: Final = Limit(default=5.0, least=0.0, most=60.0)

#: Seconds between two heartbeats that a worker is asked for.
WORKER_BEAT: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Seconds without a sign of a worker that neither runs nor waits for a disk, after which another one replaces it: stopped, or blocked.
WORKER_SILENT: Final = Limit(default=3.5, least=0.5, most=600.0)

#: The same of a worker that runs or waits for a disk: reading a long list of names takes seconds in which it does nothing else, and on a
#: machine with too much to do it may not be scheduled.
WORKER_BUSY: Final = Limit(default=20.0, least=1.0, most=600.0)

#: The same of a worker that does not serve yet.
WORKER_STARTING: Final = Limit(default=60.0, least=1.0, most=3600.0)

#: Seconds that workers get to say how they are; a worker that does not is left out.
WORKER_REPLY: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Octets of one line that a worker and its parent write to each other.
WORKER_LINE: Final = Limit(default=1 << 22, least=1 << 16, most=1 << 26)

#: Octets of records that a worker is told of in one line.
WORKER_PIECE: Final = Limit(default=1 << 18, least=1 << 10, most=1 << 20)

#: Seconds in which a worker does nothing of what it was told of zones when it is ended, so that nobody gets answers from what was.
WORKER_TAKING: Final = Limit(default=30.0, least=1.0, most=600.0)

#: Requests that a worker has passed on to its parent and that wait for a reply: by UDP half of these at most, of one network a quarter.
#: More that came by TCP wait for their turn.
PASSED_WAITING: Final = Limit(default=256, least=1, most=10_000)

#: Octets of these and of those that wait for their turn; by UDP half of them.
PASSED_OCTETS: Final = Limit(default=1 << 20, least=1 << 16, most=1 << 26)

#: Octets of a reply that is passed back; whoever asked for a larger transfer gets it from the worker itself.
PASSED_REPLY: Final = Limit(default=1 << 18, least=1 << 16, most=1 << 21)

#: Seconds for a reply to what was passed on, which have to be more than those in which a worker may do nothing.
PASSED_SECONDS: Final = Limit(default=60.0, least=2.0, most=600.0)

# -- clients and cookies

#: Queries a second of one client, or of its /64; 0 for as many as it likes.
CLIENT_RATE: Final = Limit(default=0, least=0, most=10_000_000)

#: Seconds of that rate that a client may use up at once.
CLIENT_BURST: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Of queries above the rate, one in so many gets a reply with TC, with which an honest client can come by TCP; 0 for none.
CLIENT_SLIP: Final = Limit(default=2, least=0, most=100)

#: Networks of clients whose rates are known at a time.
CLIENTS_METERED: Final = Limit(default=50_000, least=16, most=10_000_000)

#: Replies of one kind in a second that a /24 of IPv4 or a /56 of IPv6 gets by UDP; 0 for as many as it asks for.
RESPONSE_RATE: Final = Limit(default=0, least=0, most=10_000_000)

#: Of the replies above that, one in so many is sent with TC in place of its records (NSD, Knot and BIND have the same number); 0 for none.
RESPONSE_SLIP: Final = Limit(default=2, least=0, most=100)

#: Seconds' worth of replies that a network can come to owe, so that an attack which goes on gets nothing, and an honest resolver that asked
#: too much is answered again this much later.
RESPONSE_WINDOW: Final = Limit(default=5.0, least=0.0, most=3600.0)

#: Seconds for which a network that gets nothing is told so without another look.
RESPONSE_PAUSE: Final = Limit(default=0.1, least=0.001, most=10.0)

#: Networks whose replies are counted at a time, and as many larger ones; some 800 octets each.
RESPONSE_NETWORKS: Final = Limit(default=20_000, least=16, most=10_000_000)

#: Seconds for which a server cookie is good (RFC 9018, section 4.3).
COOKIE_SECONDS: Final = Limit(default=3600, least=60, most=86400)

#: Seconds after which a client gets a new one (RFC 9018, section 4.3).
COOKIE_RENEWAL: Final = Limit(default=1800, least=30, most=43200)

#: Seconds that a cookie may be from the future, made by another server with the same secret (RFC 9018, section 4.3).
COOKIE_AHEAD: Final = Limit(default=300, least=0, most=3600)

#: Pairs of address and cookie that are remembered, so that a client costs one hash and not one for each query.
COOKIES_KNOWN: Final = Limit(default=20_000, least=16, most=10_000_000)

#: Server cookies made within one second for clients that have none yet. Beyond them such clients get replies without a cookie (RFC 7873,
#: section 5.2.3, asks for one "at least occasionally"): each takes nine microseconds, and client cookies can be made up.
COOKIE_HASHES: Final = Limit(default=2000, least=1, most=1_000_000)

#: TTL of what is said in place of an answer to a question for everything (RFC 8482, section 4.2).
REFUSAL_TTL: Final = Limit(default=3600, least=1, most=604800)

# -- transfers and notices

#: Octets of a file of TSIG keys.
KEY_FILE_OCTETS: Final = Limit(default=1 << 20, least=1 << 10, most=16 << 20)

#: Zones that are sent at a time, to clients that may have them (BIND has 10). More of them wait for their turn.
TRANSFERS_OUT: Final = Limit(default=64, least=1, most=10_000)

#: Of these to one client network: an address of IPv4, a /64 of IPv6.
TRANSFERS_OUT_PER_PEER: Final = Limit(default=16, least=1, most=10_000)

#: Requests for transfers that wait for their turn, three quarters of them of one client network at most; some 2 KB each. With more the
#: client gets SERVFAIL. NSD asks for up to 128 zones over each of 128 connections.
TRANSFERS_WAITING: Final = Limit(default=32_768, least=0, most=1_000_000)

#: Zones that are being fetched at a time, three quarters of them from one primary at most.
TRANSFERS_IN: Final = Limit(default=16, least=1, most=1000)

#: Octets of the messages of all transfers that are being fetched, three quarters of them from one primary; they are on disk until the
#: zone's image is made.
SPOOL_OCTETS: Final = Limit(default=2 << 30, least=1 << 20, most=1 << 40)

#: Zones from elsewhere whose journals are open at a time: each takes a descriptor.
JOURNALS_OPEN: Final = Limit(default=1000, least=1, most=100_000)

#: Zones from elsewhere that begin or end in one turn of the reactor: some 15 ms.
STARTS: Final = Limit(default=100, least=1, most=10_000)

#: Looks at the serial number of a primary's zone at a time, each with a socket, three quarters of them at one primary at most.
PROBES: Final = Limit(default=256, least=1, most=10_000)

#: Seconds that a server gets to say what serial number it has, doubled each time.
PROBE_WAIT: Final = Limit(default=2.0, least=0.1, most=60.0)

#: How often it is asked.
PROBE_TRIES: Final = Limit(default=3, least=1, most=10)

#: Seconds that a server gets to confirm a notice, doubled each time (RFC 1996, section 3.6 has 60).
NOTIFY_WAIT: Final = Limit(default=3.0, least=0.1, most=600.0)

#: How often it is told.
NOTIFY_TRIES: Final = Limit(default=6, least=1, most=20)

#: Notices that wait to be confirmed at a time, three quarters of them by one server at most; others come after them.
NOTIFIES: Final = Limit(default=200, least=1, most=10_000)

#: Seconds between a change and the notice of it: changes in a row are told of once.
NOTIFY_DELAY: Final = Limit(default=0.5, least=0.0, most=60.0)

#: Seconds between two looks at the primary that notices of one zone can cause.
NOTICES_PER_ZONE: Final = Limit(default=1.0, least=0.0, most=600.0)

# -- databases

#: Seconds between two looks at a database with zones, which cost next to nothing where nobody has changed anything.
STORE_LOOKS: Final = Limit(default=0.5, least=0.05, most=60)

# -- the log

#: Lines of the log about transfers, notices and updates that are declined, within C{DECLINED_SECONDS}: anybody can cause them.
DECLINED_LINES: Final = Limit(default=20, least=0, most=10_000)

#: Seconds after which such lines are written again, the first of which says how many there were beyond.
DECLINED_SECONDS: Final = Limit(default=60.0, least=1.0, most=86_400)

#: Octets of lines that wait for a pipe that is not read, or for a disk that hangs; others are dropped and counted.
LOG_OCTETS: Final = Limit(default=1 << 20, least=1 << 12, most=1 << 30)

#: Seconds that a process which ends gives its last lines to be written.
LOG_FLUSH: Final = Limit(default=2.0, least=0.0, most=60.0)
# -- the watchdog

#: Seconds between two questions that the server asks itself.
WATCHDOG_SECONDS: Final = Limit(default=5.0, least=0.5, most=3600.0)

#: Seconds that it waits for its own answer.
WATCHDOG_PATIENCE: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Times in a row that a listener gives no answer, and reads nothing, before the process ends to be started anew.
WATCHDOG_FAILURES: Final = Limit(default=3, least=1, most=1000)

#: Ports to ask from where several processes share an address: the chance that none of 24 leads to one of two is one in 16 million.
WATCHDOG_PORTS: Final = Limit(default=24, least=1, most=256)
