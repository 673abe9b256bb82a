"""
Metrics in the text format of Prometheus (version 0.0.4). Query names never become labels: a client could create any number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from twisted_ext.metrics.counters import BOUNDS
from twisted_ext.metrics.figure import Figure
from twisted_ext.metrics.figures import JSON, Figures, ZoneFigures, isAuthority, viewsOf

__all__ = ["CONTENT_TYPE", "CURRENT", "TOTALS", "exposition"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[Mapping[str, str], float]

#: Metric, kind, help text, and the figures it is made of, by label value where there is a label.
_PLAIN: Final[tuple[tuple[str, str, str, str, tuple[tuple[str, str], ...]], ...]] = (
    ("txdns_queries_total", "counter", "Messages received.", "transport", (("udp", "udp"), ("tcp", "tcp"))),
    ("txdns_ready_total", "counter", "Replies without a look-up, not from the packet cache.", "", (("", "ready"),)),
    ("txdns_made_total", "counter", "Replies made from zones in C, which need no packet cache.", "", (("", "udpMade"),)),
    ("txdns_truncated_total", "counter", "Truncated replies (TC).", "", (("", "truncated"),)),
    ("txdns_stale_total", "counter", "Replies with stale data (RFC 8767).", "", (("", "stale"),)),
    ("txdns_failed_total", "counter", "SERVFAIL replies after failed look-ups.", "", (("", "failed"),)),
    ("txdns_dropped_total", "counter", "Requests dropped without a reply.", "", (("", "dropped"),)),
    ("txdns_late_total", "counter", "Answers that came too late for the client.", "", (("", "late"),)),
    ("txdns_overflowed_total", "counter", "Requests refused because too many were pending.", "", (("", "overflowed"),)),
    ("txdns_unsent_total", "counter", "Replies that the kernel did not accept.", "", (("", "unsent"),)),
    ("txdns_shed_total", "counter", "Datagrams dropped because of overload.", "", (("", "shed"),)),
    ("txdns_internal_errors_total", "counter", "Unexpected exceptions that were caught.", "", (("", "faults"),)),
    ("txdns_pending", "gauge", "Requests waiting for an answer now.", "", (("", "pending"),)),
    ("txdns_tcp_connections", "gauge", "TCP connections open now.", "", (("", "tcpOpen"),)),
    ("txdns_tcp_connections_total", "counter", "TCP connections accepted.", "", (("", "tcpOpened"),)),
    (
        "txdns_tcp_closed_total",
        "counter",
        "TCP connections closed by the server.",
        "reason",
        (("too many", "tcpTurnedAway"), ("idle", "tcpIdled")),
    ),
    (
        "txdns_tcp_rejected_total",
        "counter",
        "TCP connections rejected because all connections of the client were in use.",
        "",
        (("", "tcpRejected"),),
    ),
    (
        "txdns_tls_handshakes_total",
        "counter",
        "TLS handshakes of clients.",
        "result",
        (("completed", "tlsHandshakes"), ("failed", "tlsFailed")),
    ),
    ("txdns_quic_retries_total", "counter", "QUIC clients that had to prove their addresses.", "", (("", "quicRetries"),)),
    (
        "txdns_certificate_expiry_seconds",
        "gauge",
        "When the first certificate of the encrypted listeners expires, in seconds since 1970.",
        "",
        (("", "certificateExpiry"),),
    ),
    ("txdns_zones", "gauge", "Configured zones.", "", (("", "zones"),)),
    ("txdns_zones_served", "gauge", "Zones that are served.", "", (("", "zonesServed"),)),
    ("txdns_zones_wrong", "gauge", "Zones with errors, served or not.", "", (("", "zonesWrong"),)),
    ("txdns_zones_unsigned", "gauge", "Zones that are to be signed and are served without signatures.", "", (("", "zonesUnsigned"),)),
    ("txdns_zones_held", "gauge", "Zones whose next version has lost so much that it waits for an operator.", "", (("", "zonesHeld"),)),
    ("txdns_zones_to_copy", "gauge", "Zones in databases, of which a last good copy is to be kept.", "", (("", "zonesToCopy"),)),
    ("txdns_zones_copied", "gauge", "Those of them that have a last good copy.", "", (("", "zonesCopied"),)),
    (
        "txdns_zones_signature_expiry_seconds",
        "gauge",
        "When the first signature of all zones expires, in seconds since 1970.",
        "",
        (("", "zonesSignatureExpiry"),),
    ),
    (
        "txdns_zones_ds_asked_seconds",
        "gauge",
        "Since when the first zone waits for its parent to have, or to lose, a DS record of a key that is replaced, in seconds since 1970.",
        "",
        (("", "zonesParentAsked"),),
    ),
    (
        "txdns_zones_ds_unknown",
        "gauge",
        "Signed zones whose parents have DS records of none of their keys.",
        "",
        (("", "zonesDelegationUnknown"),),
    ),
    (
        "txdns_zones_expiry_seconds",
        "gauge",
        "When the first secondary zone expires, in seconds since 1970.",
        "",
        (("", "zonesExpiry"),),
    ),
    (
        "txdns_transfers_total",
        "counter",
        "Complete zone transfers.",
        "direction",
        (("in", "transfersReceived"), ("out", "transfersSent")),
    ),
    (
        "txdns_notifies_total",
        "counter",
        "NOTIFY messages to secondaries.",
        "result",
        (("acknowledged", "notifiesConfirmed"), ("failed", "notifiesGivenUp")),
    ),
    (
        "txdns_notifies_repeated_total",
        "counter",
        "NOTIFY messages sent again to secondaries that had acknowledged one and were not seen with the version.",
        "",
        (("", "notifiesRepeated"),),
    ),
    (
        "txdns_notifies_unseen_total",
        "counter",
        "Acknowledged changes of a zone that a secondary was not seen with after the last check.",
        "",
        (("", "notifiesUnseen"),),
    ),
    ("txdns_blocked_total", "counter", "Replies for blocked names.", "", (("", "blocked"),)),
    ("txdns_lane_entries", "gauge", "Replies in the packet cache.", "", (("", "laneEntries"),)),
    ("txdns_lane_bytes", "gauge", "Memory of the packet cache.", "", (("", "laneOctets"),)),
    ("txdns_cache_entries", "gauge", "Answers in the cache.", "", (("", "cacheEntries"),)),
    ("txdns_cache_bytes", "gauge", "Memory of the cache.", "", (("", "cacheOctets"),)),
    ("txdns_cache_hits_total", "counter", "Answers from the cache.", "", (("", "cacheHits"),)),
    ("txdns_cache_misses_total", "counter", "Questions without an answer in the cache.", "", (("", "cacheMisses"),)),
    ("txdns_cache_failures_total", "counter", "Questions answered by a cached failure.", "", (("", "cacheFailures"),)),
    ("txdns_cache_prefetches_total", "counter", "Answers prefetched.", "", (("", "cachePrefetches"),)),
    ("txdns_cache_evictions_total", "counter", "Answers evicted from the full cache.", "", (("", "cacheEvictions"),)),
    (
        "txdns_validated_total",
        "counter",
        "Answers by what their validation found.",
        "security",
        tuple([(security, security) for security in ("secure", "insecure", "bogus", "indeterminate")]),
    ),
    ("txdns_authorities", "gauge", "Authoritative servers that are remembered.", "", (("", "authorities"),)),
    ("txdns_authorities_silent", "gauge", "Authoritative servers that do not reply.", "", (("", "authoritiesSilent"),)),
    ("txdns_authority_queries_total", "counter", "Queries sent to authoritative servers.", "", (("", "authorityQueries"),)),
    ("txdns_authorities_encrypted", "gauge", "Authoritative servers that are asked over TLS first.", "", (("", "authoritiesEncrypted"),)),
    (
        "txdns_authority_encrypted_queries_total",
        "counter",
        "Queries sent to authoritative servers over TLS, probes included.",
        "",
        (("", "authorityEncryptedQueries"),),
    ),
    ("txdns_delegations", "gauge", "Delegations that are remembered.", "", (("", "delegations"),)),
    ("txdns_negative_trust_anchors", "gauge", "Names whose validation is suspended.", "", (("", "negativeAnchors"),)),
    ("process_cpu_seconds_total", "counter", "User and system CPU time of all processes.", "", (("", "cpuSeconds"),)),
    ("process_resident_memory_bytes", "gauge", "Resident memory of all processes.", "", (("", "residentOctets"),)),
)

#: The figures that are totals, which stay when the process ends that has counted, and those that are current values, which do not.
TOTALS: Final = frozenset([name for _, kind, _, _, parts in _PLAIN for _, name in parts if kind == "counter"])
CURRENT: Final = frozenset([name for _, kind, _, _, parts in _PLAIN for _, name in parts if kind == "gauge"])

_NONE: Final[Mapping[str, Mapping[str, float]]] = {}


def exposition(
    figures: Figures,
    *,
    version: str,
    started: float,
    zones: Sequence[ZoneFigures] = (),
    declared: Iterable[Figure] = (),
    samples: Mapping[str, Mapping[str, float]] = _NONE,
) -> str:
    """
    Return the metrics page.

    @param started: when the server was started, in seconds since 1970.
    @param zones: the zones that have metrics of their own.
    @param declared: the numbers of features.
    @param samples: those with a label, by the key and the value of the label.
    """
    own = [*_features(figures, declared, samples)]
    return "".join([f"{line}\n" for line in _lines(figures, version, started, zones, own)])


def _features(figures: Figures, declared: Iterable[Figure], samples: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for each in declared:
        kind = "counter" if each.grows else "gauge"
        if each.label:
            told = {f"{each.key} {value}": number for value, number in samples.get(each.key, {}).items()} or figures.numbers
            labels = each.label.split()
            found = [(key.split(" ", len(labels))[1:], number) for key, number in told.items() if key.startswith(f"{each.key} ")]
            if found:
                yield from _metric(
                    each.metric, kind, each.meaning, [(dict(zip(labels, values, strict=True)), number) for values, number in found]
                )
        elif each.key in figures.numbers:
            yield from _metric(each.metric, kind, each.meaning, [({}, figures.numbers[each.key])])


def _lines(
    figures: Figures, version: str, started: float, zones: Sequence[ZoneFigures], own: Iterable[str]
) -> Iterator[str]:
    numbers = figures.numbers
    for metric, kind, meaning, label, parts in _PLAIN:
        samples: list[_Sample] = [({label: value} if label else {}, numbers[name]) for value, name in parts if name in numbers]
        if samples:
            yield from _metric(metric, kind, meaning, samples)
    yield from own
    yield from _metric("txdns_lane_hits_total", "counter", "Queries answered from the packet cache.", [({}, figures.laneHits)])
    meaning = "Questions by type; packet cache hits are sampled."
    yield from _metric("txdns_questions_total", "counter", meaning, _labeled("type", figures.types))
    yield from _metric("txdns_replies_total", "counter", "Replies sent.", _labeled("rcode", figures.replies))
    yield from _metric("txdns_refusals_total", "counter", "Requests declined, by gate.", _labeled("gate", figures.refusals))
    yield from _latency(figures)
    # Authoritative servers come and go, and any zone can name its own: as labels they would be without bound.
    upstreams = [(_server(upstream), upstream) for upstream in figures.upstreams if not isAuthority(upstream)]
    up = [(labels, 1.0 if upstream.get("up") else 0.0) for labels, upstream in upstreams]
    yield from _metric("txdns_upstream_up", "gauge", "Whether an upstream server replies, with any rcode.", up)
    yield from _upstreams(upstreams)
    times = [(labels, rtt) for labels, upstream in upstreams if isinstance(rtt := upstream.get("rtt"), int | float)]
    yield from _metric("txdns_upstream_rtt_seconds", "gauge", "Smoothed round-trip time of an upstream server.", times)
    yield from _zones(zones)
    yield from _metric("txdns_processes", "gauge", "Serving processes.", [({}, figures.processes)])
    yield from _metric("txdns_build_info", "gauge", "The version, as a label.", [({"version": version}, 1)])
    yield from _metric("process_start_time_seconds", "gauge", "Start time in seconds since 1970.", [({}, started)])


def _labeled(label: str, counts: Mapping[str, int]) -> list[_Sample]:
    return [({label: value}, count) for value, count in sorted(counts.items())]


def _server(upstream: dict[str, JSON]) -> dict[str, str]:
    views = viewsOf(upstream)
    return {"server": str(upstream.get("server", "")), "way": str(upstream.get("way", "")), **({"views": views} if views else {})}


def _upstreams(upstreams: list[tuple[dict[str, str], dict[str, JSON]]]) -> Iterator[str]:
    sent = [(labels, count) for labels, upstream in upstreams if isinstance(count := upstream.get("queries"), int | float)]
    yield from _metric("txdns_upstream_queries_total", "counter", "Queries sent to an upstream server.", sent)
    failures = [
        ({**labels, "kind": kind}, count)
        for labels, upstream in upstreams
        if isinstance(troubles := upstream.get("troubles"), dict)
        for kind, count in sorted(troubles.items())
        if isinstance(count, int | float)
    ]
    meaning = "Failed queries to an upstream server: timeout, unreachable, malformed, or the rcode of the reply."
    yield from _metric("txdns_upstream_failures_total", "counter", meaning, failures)
    metric = "txdns_upstream_reply_seconds"
    yield f"# HELP {metric} Time from query to reply, for look-ups with one query in flight."
    yield f"# TYPE {metric} summary"
    for labels, upstream in upstreams:
        for suffix, key in (("sum", "replySeconds"), ("count", "replies")):
            value = upstream.get(key)
            if isinstance(value, int | float):
                yield _sample(f"{metric}_{suffix}", labels, value)


def _zones(zones: Sequence[ZoneFigures]) -> Iterator[str]:
    if not zones:
        return
    for metric, meaning, values in (
        ("txdns_zone_serial", "Serial number of a zone.", [(zone, zone.serial) for zone in zones]),
        (
            "txdns_zone_expiry_seconds",
            "When a secondary zone expires, in seconds since 1970.",
            [(zone, zone.expiry) for zone in zones],
        ),
        (
            "txdns_zone_signature_expiry_seconds",
            "When the first signature of a zone expires, in seconds since 1970.",
            [(zone, zone.signatureExpiry) for zone in zones],
        ),
        (
            "txdns_zone_ds_asked_seconds",
            "Since when a zone waits for its parent to have, or to lose, a DS record of a key that is replaced, in seconds since 1970.",
            [(zone, zone.parentAsked) for zone in zones],
        ),
    ):
        yield from _metric(metric, "gauge", meaning, [({"zone": zone.zone}, value) for zone, value in values if value is not None])
    transfers = [
        ({"zone": zone.zone, "direction": direction}, count)
        for zone in zones
        for direction, count in (("in", zone.received), ("out", zone.sent))
        if count
    ]
    yield from _metric("txdns_zone_transfers_total", "counter", "Complete transfers of a zone.", transfers)


def _latency(figures: Figures) -> Iterator[str]:
    metric = "txdns_reply_seconds"
    meaning = "Time from request to reply. Replies without a look-up are in the first bucket and add nothing to the sum."
    yield f"# HELP {metric} {meaning}"
    yield f"# TYPE {metric} histogram"
    running = figures.atHand
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], figures.latency, strict=True):
        running += count
        yield f'{metric}_bucket{{le="{bound}"}} {running}'
    yield f"{metric}_sum {_number(figures.latencyTotal)}"
    yield f"{metric}_count {running}"


def _metric(metric: str, kind: str, meaning: str, samples: Iterable[_Sample]) -> Iterator[str]:
    yield f"# HELP {metric} {meaning}"
    yield f"# TYPE {metric} {kind}"
    for labels, value in samples:
        yield _sample(metric, labels, value)


def _sample(metric: str, labels: Mapping[str, str], value: float) -> str:
    text = ",".join([f'{label}="{_escaped(said)}"' for label, said in labels.items()])
    return f"{metric}{{{text}}} {_number(value)}" if text else f"{metric} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 9))
