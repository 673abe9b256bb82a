"""
Formats a server's status as lines of text. Names in them come from untrusted peers: the caller must escape the lines before printing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, cast

from twisted_ext.metrics.counters import BOUNDS
from twisted_ext.metrics.figures import JSON, Figures

__all__ = [
    "bar",
    "cacheLines",
    "clientLines",
    "duration",
    "explanationLines",
    "flushLines",
    "historyLines",
    "latencyLines",
    "listOf",
    "loadedLines",
    "octets",
    "statLines",
    "statusLines",
    "traceLines",
    "tracingLines",
    "typeLines",
    "upstreamLines",
    "zoneLines",
]


def duration(seconds: float) -> str:
    """
    Format a time with its two largest units, such as C{3 d 4 h}.
    """
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def octets(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def bar(share: float, width: int = 30) -> str:
    """
    @param share: the part of C{width} to fill, 0 to 1.
    """
    return "#" * max(round(share * width), 1 if share > 0 else 0)


def statusLines(said: dict[str, JSON]) -> Iterator[str]:
    uptime = said["uptime"]
    up = duration(uptime if isinstance(uptime, int | float) else 0)
    yield f"txdns {said['version']}, {'' if said.get('compiled') else 'not '}compiled, process {said['process']}, up {up}"
    for place in listOf(said["listening"]):
        yield f"  listening: {place}"
    yield f"  queries: {said['perSecond']} per second"
    zones = said.get("zones")
    if isinstance(zones, dict):
        served, wrong, held = zones.get("serving", 0), zones.get("wrong", 0), zones.get("held", 0)
        bare = zones.get("unsigned", 0)
        more = (f", {wrong} with errors" if wrong else "") + (f", {bare} without the signatures they are to have" if bare else "")
        more += f"; the next version of {held} waits" if held else ""
        more += f"; {zones['copied']} of {zones['toCopy']} in databases have a copy" if "toCopy" in zones else ""
        yield f"  zones: {served} of {zones.get('all', 0)} are served{more}"
    for fact in said.values():
        # What features say of themselves.
        if isinstance(fact, dict):
            yield from (f"  {line}" for line in listOf(fact.get("said", [])))
    if said.get("tracing"):
        yield "  tracing live queries"


def zoneLines(said: dict[str, JSON]) -> Iterator[str]:
    zones = listOf(said["zones"])
    if not zones:
        yield "there are no zones"
    for zone in zones:
        assert isinstance(zone, dict)
        serial = f", serial {zone['serial']}, {zone['records']} records" if "serial" in zone else ""
        yield f"{zone['zone']} {zone['state']}{serial}"
        if zone.get("signed"):
            yield "  signed here"
        if "signaturesEnd" in zone:
            yield f"  the first signature ends{_at(zone, 'signaturesEnd')}"
        if zone.get("file"):
            yield f"  from {zone['file']}"
        if zone.get("said"):
            yield f"  {zone['said']}"
        yield from _exchangeLines(zone)
    more = said.get("more")
    if isinstance(more, int) and more > 0:
        yield f"and {more} more zones; use --all to list them"


def _exchangeLines(zone: dict[str, JSON]) -> Iterator[str]:
    """
    Yield what is known of the servers that a zone is exchanged with.
    """
    if "primaries" in zone:
        asked = f", asked again{_at(zone, 'refresh')}" if "refresh" in zone else ""
        confirmed = f", confirmed{_at(zone, 'refreshed')}, expires{_at(zone, 'expires')}" if "refreshed" in zone else ""
        yield f"  {zone.get('refreshState')}{confirmed}{asked}"
    for primary in map(_object, listOf(zone.get("primaries", []))):
        has = f"serial {primary['serial']}" if "serial" in primary else "no serial yet"
        when = _at(primary, "at") if "at" in primary else ", not asked yet"
        if primary.get("said"):
            # What it has was said before it failed.
            when = f"{' before' if 'serial' in primary else ''}, asked{when}"
        yield f"  primary {primary['server']}: {has}{when}{_because(primary)}"
    for told in map(_object, listOf(zone.get("notified", []))):
        what = f"told of {told['serial']}{_at(told, 'at')}" if "at" in told else "told of nothing yet"
        outcome = _because(told) or (", acknowledged" if "at" in told else "")
        yield f"  {told['server']}: {what}{outcome}{', being told now' if told.get('waiting') else ''}"
    for sent in map(_object, listOf(zone.get("fetched", []))):
        yield f"  {sent['client']} has fetched {sent['serial']}{_at(sent, 'at')}"
    if "journal" in zone:
        kept = _object(zone["journal"])
        yield f"  changes from serial {kept['oldest']} to {kept['newest']} are kept, {octets(_number(kept['octets']))}"
    if zone.get("image"):
        yield f"  image {zone['image']}"


def _at(said: dict[str, JSON], key: str) -> str:
    return f" at {datetime.fromtimestamp(_number(said[key]), UTC):%Y-%m-%d %H:%M:%S} UTC"


def _because(said: dict[str, JSON]) -> str:
    return f": {said['said']}" if said.get("said") else ""


def statLines(said: dict[str, JSON]) -> Iterator[str]:
    figures = Figures.fromJSON(said)
    numbers = figures.numbers
    total = figures.queries
    answered = figures.atHand + figures.waited
    yield f"{'queries':<24} {total:>14,}"
    yield f"{'  by UDP':<24} {numbers['udp']:>14,.0f}"
    yield f"{'  by TCP':<24} {numbers['tcp']:>14,.0f}"
    yield f"{'cache hits':<24} {figures.atHand:>14,}{_share(figures.atHand, answered)}"
    yield f"{'  from the packet cache':<24} {figures.laneHits:>14,}{_share(figures.laneHits, answered)}"
    if made := numbers["udpMade"]:
        yield f"{'  made from zones':<24} {made:>14,.0f}{_share(int(made), answered)}"
    yield f"{'look-ups':<24} {figures.waited:>14,}{_share(figures.waited, answered)}"
    if figures.waited:
        yield f"{'  mean latency':<24} {figures.latencyTotal / figures.waited * 1000:>11,.1f} ms"
    if "blocked" in numbers:
        yield f"{'blocked':<24} {numbers['blocked']:>14,.0f}{_share(numbers['blocked'], answered)}"
    of = [(str(name), str(words)) for name, words in _object(said.get("words", {})).items()]
    for name, words in (*_WORDS, *of):
        if numbers.get(name):
            yield f"{words:<24} {numbers[name]:>14,.0f}"
    for name, words in (("cacheOctets", "cache memory"), ("laneOctets", "packet cache memory"), ("residentOctets", "total memory")):
        if name in numbers:
            yield f"{words:<24} {octets(numbers[name]):>14}"
    if "cpuSeconds" in numbers:
        yield f"{'processor time':<24} {numbers['cpuSeconds']:>12,.1f} s"
    for rcode, count in sorted(figures.replies.items(), key=lambda pair: -pair[1]):
        yield f"{'reply ' + rcode:<24} {count:>14,}"
    for gate, count in sorted(figures.refusals.items(), key=lambda pair: -pair[1]):
        yield f"{'declined by ' + gate:<24} {count:>14,}"
    if figures.waited:
        yield ""
        yield "latency of look-ups:"
        yield from latencyLines(figures)
    for title, pairs in (
        ("most queried recently:", [(name, f"{count:,}") for name, count in figures.asked]),
        ("slowest recently:", [(name, f"{seconds * 1000:,.0f} ms") for name, seconds in figures.slowest]),
    ):
        if pairs:
            yield ""
            yield title
            for name, shown in pairs[:10]:
                yield f"  {shown:>12}  {name}"


_WORDS: Final = (
    ("pending", "pending"),
    ("failed", "failed"),
    ("stale", "stale answers"),
    ("truncated", "truncated"),
    ("dropped", "dropped"),
    ("late", "answered too late"),
    ("overflowed", "refused, too many pending"),
    ("unsent", "not sent"),
    ("shed", "dropped, overloaded"),
    ("faults", "internal errors"),
    ("tcpOpen", "TCP connections now"),
    ("tcpOpened", "TCP connections"),
    ("tcpTurnedAway", "TCP closed, too many"),
    ("tcpRejected", "TCP rejected, client's in use"),
    ("tcpIdled", "TCP closed, idle"),
    ("tlsHandshakes", "TLS handshakes"),
    ("tlsFailed", "TLS handshakes failed"),
    ("quicRetries", "QUIC addresses checked"),
    ("cacheEntries", "answers in the cache"),
    ("cacheHits", "found in the cache"),
    ("cacheMisses", "not in the cache"),
    ("cachePrefetches", "prefetched"),
    ("cacheEvictions", "cache evictions"),
    ("laneEntries", "packet cache replies"),
    ("secure", "validated: secure"),
    ("insecure", "validated: insecure"),
    ("bogus", "validated: bogus"),
    ("negativeAnchors", "negative trust anchors"),
    ("delegations", "delegations"),
    ("authorities", "authoritative servers"),
    ("authoritiesSilent", "  not replying"),
    ("authoritiesEncrypted", "  asked over TLS"),
    ("authorityQueries", "queries to them"),
    ("authorityEncryptedQueries", "  over TLS"),
)


def _share(part: float, whole: float) -> str:
    return f"  {part / whole:6.1%}" if whole else ""


def latencyLines(figures: Figures) -> Iterator[str]:
    labels = [f"up to {bound * 1000:g} ms" if bound < 1 else f"up to {bound:g} s" for bound in BOUNDS] + ["more"]
    most = max(figures.latency)
    for label, count in zip(labels, figures.latency, strict=True):
        if count:
            yield f"  {label:>13} {count:>12,}  {bar(count / most)}"


def _whose(described: dict[str, JSON]) -> str:
    views = listOf(described.get("views") or [])
    return f", for {'view' if len(views) == 1 else 'views'} {', '.join(map(str, views))}" if views else ""


def upstreamLines(said: dict[str, JSON]) -> Iterator[str]:
    found = listOf(said["upstreams"])
    if not found:
        yield "there are no upstream servers"
    for each in found:
        upstream = _object(each)
        rtt = upstream.get("rtt")
        speed = f"{rtt * 1000:.1f} ms" if isinstance(rtt, int | float) else "not measured"
        state = "up" if upstream.get("up") else f"down, next attempt in {upstream.get('retryIn')} s"
        trouble = "".join([f", {upstream[key]} {words}" for key, words in _TROUBLE if upstream.get(key)])
        upgrade = f", {upstream['upgrade']}" if upstream.get("upgrade") else ""
        yield f"{upstream.get('server')!s:<28} {upstream.get('way')!s:<9} {speed:>13}  {state}{trouble}{upgrade}{_whose(upstream)}"


def hookLines(said: dict[str, JSON]) -> Iterator[str]:
    found = [_object(each) for each in listOf(said["hooks"])]
    if not found:
        yield "no hook has been loaded"
    for hook in found:
        view = f", view {hook['view']}" if hook.get("view") else ""
        state = "" if hook.get("state") == "asked" else f"  {hook.get('state')}"
        failures = "".join([f", {kind} {_number(count):,.0f}" for kind, count in sorted(_object(hook.get("failures")).items())])
        yield f"{hook['hook']}({', '.join(map(str, listOf(hook['takes'])))}){view}{state}"
        counts = ", ".join([f"{key} {_number(hook[key]):,.0f}" for key in ("calls", "waiting", "kept")])
        yield f"    {counts}; {_number(hook['mean']):.3f} ms, p99 {_number(hook['p99']):.3f} ms{failures}"


def typeLines(said: dict[str, JSON]) -> Iterator[str]:
    types = {name: _number(count) for name, count in _object(said["types"]).items()}
    total = sum(types.values())
    if not total:
        yield "there were no queries"
    for name, count in sorted(types.items(), key=lambda pair: -pair[1]):
        yield f"{name:<12} {count:>14,.0f}{_share(count, total)}"


def clientLines(said: dict[str, JSON]) -> Iterator[str]:
    if not said.get("shown"):
        yield "the server does not count clients; --show-clients, or show-clients = true in its file, makes it do so"
        return
    if "names" in said:
        names = [_object(each) for each in listOf(said["names"])]
        if not names:
            yield f"no query from {said['client']} is known"
        for name in names:
            yield f"{_clock(name['seen'])}  {name['type']!s:<10} {name['name']}"
        return
    total = _number(said["total"])
    clients = [_object(each) for each in listOf(said["clients"])]
    if not clients:
        yield "there were no queries"
    for client in clients:
        count = _number(client["queries"])
        host = f"  {client['host']}" if client.get("host") else ""
        yield f"{client['client']!s:<39} {count:>12,.0f}{_share(count, total)}  {_clock(client['seen'])}{host}"


def _clock(value: JSON) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(_number(value)))


def historyLines(said: dict[str, JSON], span: str) -> Iterator[str]:
    """
    @param span: C{hour} or C{day}, of which each line shows several steps: 5 minutes, or an hour.
    """
    found = _object(said[span])
    columns = [str(column) for column in listOf(found["columns"])]
    length = 300 if span == "hour" else 3600
    rows: dict[int, list[dict[str, JSON]]] = {}
    for each in listOf(found["steps"]):
        step = dict(zip(columns, listOf(each), strict=True))
        rows.setdefault(int(_number(step["start"])) // length, []).append(step)
    if not rows:
        yield "the history is empty: the server has just started"
        return
    yield f"{'from':<19} {'queries':>12} {'hit rate':>9} {'blocked':>9} {'failures':>9} {'latency':>9} {'slowest 5 %':>12}"
    for row, steps in rows.items():
        sums = {name: sum([_number(step[name]) for step in steps]) for name in ("queries", "hits", "lookups", "failures", "blocked")}
        answered = sums["hits"] + sums["lookups"]
        waited = sum([_number(step["latency"] or 0) * _number(step["lookups"]) for step in steps])
        slow = max([_number(step["latency95"] or 0) for step in steps])
        rate = f"{sums['hits'] / answered:.1%}" if answered else "-"
        mean = f"{waited / sums['lookups'] * 1000:,.1f} ms" if sums["lookups"] else "-"
        late = "-" if not slow else f"to {slow * 1000:,.0f} ms" if slow <= BOUNDS[-1] else f"over {BOUNDS[-1]:g} s"
        counts = f"{sums['blocked']:>9,.0f} {sums['failures']:>9,.0f}"
        yield f"{_clock(row * length)} {sums['queries']:>12,.0f} {rate:>9} {counts} {mean:>9} {late:>12}"


def delegationLines(said: dict[str, JSON]) -> Iterator[str]:
    for each in listOf(said["delegations"]):
        zone = _object(each)
        left = zone.get("left")
        ends = f"{left:.0f} s left" if isinstance(left, int | float) else "no end"
        signed = {True: ", signed", False: ", not signed"}.get(cast(bool, zone.get("signed")), "")
        yield f"{zone['zone']} {ends}{signed}{', configured' if zone.get('fixed') else ''}"
        for found in listOf(zone["servers"]):
            server = _object(found)
            addresses = " ".join([str(address) for address in listOf(server["addresses"])])
            yield f"  {server['name']} {addresses or 'without a known address'}"
    more = said.get("more")
    if isinstance(more, int) and more > 0:
        yield f"and {more} more; name a domain to list those below it"


def anchorLines(said: dict[str, JSON]) -> Iterator[str]:
    if not said.get("validates"):
        yield "answers are not validated"
    for each in listOf(said["anchors"]):
        anchor = _object(each)
        yield f"{anchor['zone']} {anchor['type']} {anchor['record']} ; key {anchor['tag']}"
    for each in listOf(said.get("followed", [])):
        key = _object(each)
        since = f" since {key['since']}" if key["since"] else ""
        following = f", queried for again at {key['next']}" if key["next"] else ""
        yield f"{key['zone']} key {key['tag']} is {key['state']}{since}{following}"
    for each in listOf(said["negative"]):
        negative = _object(each)
        yield f"{negative['name']} is not validated until {negative['until']}"


_TROUBLE: Final = (("failures", "without reply"), ("declines", "refused"))


def cacheLines(said: dict[str, JSON]) -> Iterator[str]:
    entries = listOf(said["entries"])
    if not entries:
        yield "there are no cached answers for this name"
    for each in entries:
        entry = _object(each)
        server = f", from {entry['server']}" if entry.get("server") else ""
        left = entry.get("left")
        ends = f"{left:.0f} s left" if isinstance(left, int | float) and left >= 0 else "expired"
        yield f"{entry['name']} {entry['type']}: {entry['outcome']}, {ends}{server}, {entry['security']}{_whose(entry)}"
        for record in listOf(entry["records"]):
            yield f"  {record}"


def flushLines(said: dict[str, JSON]) -> Iterator[str]:
    yield f"{_counted(said.get('flushed'), 'answer')} forgotten"


def loadedLines(said: dict[str, JSON]) -> Iterator[str]:
    taken = f"{_counted(said.get('loaded'), 'answer')} loaded"
    skipped = said.get("skipped", 0)
    if not skipped:
        yield taken
        return
    yield f"{taken}, {_counted(skipped, 'line')} skipped:"
    reasons = listOf(said["said"])
    for reason in reasons:
        yield f"  {reason}"
    if isinstance(skipped, int) and skipped > len(reasons):
        yield f"  and {skipped - len(reasons)} more"


def _counted(count: JSON, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def tracingLines(said: dict[str, JSON]) -> Iterator[str]:
    yield "tracing; to show the queries: txdns control trace show" if said.get("tracing") else "tracing stopped"


def traceLines(said: dict[str, JSON]) -> Iterator[str]:
    traces = listOf(said["traces"])
    if not traces:
        yield "no query has been traced; to start tracing: txdns control trace on"
    for each in traces:
        trace = _object(each)
        yield f"{trace['name']} {trace['type']} from {trace['client']}: {trace['rcode']}"
        yield from _steps(trace)


def explanationLines(said: dict[str, JSON]) -> Iterator[str]:
    view = f", for view {said['view']}" if said.get("view") else ""
    yield f"{said['name']} {said['class']} {said['type']}{view}"
    yield from _steps(said)
    took = said["seconds"]
    verdict = f"{said['outcome']} ({said['rcode']}) after {_number(took) * 1000:.1f} ms"
    origin = said.get("origin")
    if isinstance(origin, dict):
        verdict += ": " + " ".join([str(origin[key]) for key in ("source", "server") if origin.get(key)])
    if said.get("reason"):
        verdict += f": {said['reason']}"
    yield verdict
    for record in listOf(said.get("records") or []):
        yield f"  {record}"
    for ede in listOf(said.get("ede") or []):
        yield f"  {ede}"


def _steps(said: dict[str, JSON]) -> Iterator[str]:
    for each in listOf(said["steps"]):
        step = _object(each)
        details = "".join([f" {key}={value}" for key, value in _object(step["details"]).items() if value is not None])
        yield f"  {_number(step['at']) * 1000:8.1f} ms  {step['source']}  {step['event']}{details}"


def _number(value: JSON) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value


def listOf(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _object(value: JSON) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value
