"""
Render what C{txdns upstream} has found out, as text and as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.upstream.targets import titleOf
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.apps.cli.upstream.findings import CertificateFacts, Features, ServerFindings, TransportFindings
    from twisted_ext.drawing.palette import Palette

__all__ = ["failureLine", "reportData", "reportLines"]

#: The column of values, and the width of bars.
_COLUMN: Final = 18
_BAR: Final = 30

#: Days before the end of a certificate that are highlighted.
_SOON: Final = 14


def reportLines(found: ServerFindings, now: datetime, palette: Palette) -> Iterator[str]:
    where = f" ({found.address})" if found.address and found.address != found.host else ""
    yield palette.name(f"{found.host}{where}")
    if found.problem:
        yield f"  {palette.error(printable(found.problem))}"
        return
    yield ""
    yield palette.data("Transports")
    for each in found.transports:
        yield from _transport(each, palette)
    measured = [each for each in found.answering if each.seconds]
    if measured:
        yield ""
        yield palette.data("Milliseconds for a query: the least, the median, and on a new connection")
        longest = max([each.median for each in measured])
        for each in measured:
            yield _latency(each, longest)
    for facts in found.certificates(now):
        yield ""
        yield palette.data(f"Certificate shown over {_spelled(facts.shownBy, 'and')}")
        yield from _certificate(facts, palette)
    if found.answering:
        yield ""
        yield palette.data(f"Replies to {found.question}")
        yield from _features(found.features, palette)


def _spelled(transports: Iterable[str], last: str) -> str:
    *others, final = [titleOf(each) for each in transports]
    return f"{', '.join(others)} {last} {final}" if others else final


def failureLine(found: ServerFindings) -> str:
    """
    Return one line on what should answer and does not; C{""} if everything does.
    """
    if found.problem:
        return f"{found.host}: {found.problem}"
    failed = found.failed
    if not failed:
        return ""
    return f"{found.host} does not answer over {_spelled([each.target.transport for each in failed], 'or')}"


def _line(title: str, value: str) -> str:
    return f"  {title:<{_COLUMN - 2}}{value}"


def _transport(found: TransportFindings, palette: Palette) -> Iterator[str]:
    target = found.target
    title = f"{target.title:<6} "
    if found.problem:
        # A transport that the user did not name need not answer.
        paint = palette.error if target.given else palette.comment
        yield f"  {title}{paint('no')}   {printable(found.problem)}"
    else:
        yield f"  {title}{palette.good('yes')}  {target.server.label}"
    if found.session is not None:
        session = found.session
        yield _line("", f"{session.version}, {session.cipher}, ALPN {session.protocol or 'none'}")
        yield _line("", f"authenticated by {printable(found.authenticated)}")
    if found.versions and not found.problem:
        yield _line("", f"speaks {' and '.join(sorted(found.versions))}")
    if found.resumed is not None:
        yield _line("", "resumes sessions" if found.resumed else palette.warning("does not resume sessions"))
    if found.padding is not None:
        block = f"pads replies to multiples of {found.padding} octets" if found.padding else palette.warning("does not pad replies")
        yield _line("", block)
    if found.keepalive is not None:
        yield _line("", f"keeps idle connections for {found.keepalive:g} seconds")


def _latency(found: TransportFindings, longest: float) -> str:
    from twisted_ext.apps.cli.server.report import bar

    share = found.median / longest if longest else 0.0
    new = "" if found.reconnected is None else f"{found.reconnected * 1000:.1f}"
    return f"  {found.target.title:<6}{min(found.seconds) * 1000:8.1f} {found.median * 1000:8.1f} {new:>8}  {bar(share, _BAR)}"


def _certificate(facts: CertificateFacts, palette: Palette) -> Iterator[str]:
    yield _line("for", printable(facts.names))
    yield _line("issued by", printable(facts.issuer))
    left = f"{facts.daysLeft} days left" if facts.daysLeft >= 0 else "expired"
    paint = palette.error if facts.daysLeft < 0 else palette.warning if facts.daysLeft < _SOON else palette.good
    yield _line("valid until", f"{facts.ends:%Y-%m-%d %H:%M} UTC ({paint(left)})")
    yield _line("pin", facts.pin)


def _features(features: Features, palette: Palette) -> Iterator[str]:
    if features.rcode is not None:
        yield _line("status", palette.status(rcodeName(features.rcode)))
    if features.payloadSize is not None:
        size = f"datagrams of up to {features.payloadSize} octets" if features.payloadSize else palette.warning("not supported")
        yield _line("EDNS", size)
    if features.cookies is not None:
        yield _line("cookies", _word(features.cookies, "yes", "no", palette))
    if features.rcode:
        yield _line("DNSSEC", f"unknown: {rcodeName(features.rcode)}; -q NAME asks for another name")
    elif features.validates:
        yield _line("DNSSEC", palette.good("says that the answer is secure (AD), and returns the signatures"))
    else:
        yield _line("DNSSEC", _word(features.signatures, "returns signatures, but does not say that they are valid (AD)", "no", palette))
    yield _line("case of names", _word(features.keepsCase, "preserved (0x20)", "not preserved", palette))


def _word(known: bool | None, yes: str, no: str, palette: Palette) -> str:
    return "unknown" if known is None else palette.good(yes) if known else palette.warning(no)


def reportData(found: ServerFindings, now: datetime) -> dict[str, object]:
    """
    Return the findings for JSON.
    """
    features = found.features
    return {
        "host": found.host,
        "address": found.address,
        "error": found.problem or None,
        "transports": [_transportData(each) for each in found.transports],
        "certificates": [
            {
                "names": each.names,
                "issuer": each.issuer,
                "notBefore": each.begins.isoformat(timespec="seconds"),
                "notAfter": each.ends.isoformat(timespec="seconds"),
                "daysLeft": each.daysLeft,
                "pin": each.pin,
                "transports": list(each.shownBy),
            }
            for each in found.certificates(now)
        ],
        "question": found.question,
        "rcode": None if features.rcode is None else rcodeName(features.rcode),
        "payloadSize": features.payloadSize,
        "cookies": features.cookies,
        "signatures": features.signatures,
        "authenticData": features.validates,
        "preservesCase": features.keepsCase,
    }


def _transportData(found: TransportFindings) -> dict[str, object]:
    session = found.session
    return {
        "transport": found.target.transport,
        "server": found.target.server.label,
        "given": found.target.given,
        "answers": not found.problem,
        "error": found.problem or None,
        "milliseconds": {
            "least": round(min(found.seconds) * 1000, 3),
            "median": round(found.median * 1000, 3),
            "newConnection": None if found.reconnected is None else round(found.reconnected * 1000, 3),
            "queries": len(found.seconds),
        }
        if found.seconds
        else None,
        "versions": found.versions,
        "alpn": found.protocol if session is None else session.protocol,
        "cipher": None if session is None else session.cipher,
        "certificate": None if session is None else session.names,
        "pin": None if session is None else session.pin,
        "authenticated": found.authenticated or None,
        "resumes": found.resumed,
        "padding": found.padding,
        "keepalive": found.keepalive,
    }
