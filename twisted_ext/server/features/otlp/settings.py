"""
The settings of OpenTelemetry.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, number, setting
from twisted_ext.server.limits import OTLP_SAMPLE, OTLP_SLOW

__all__ = ["OtlpSettings"]

#: The path of collectors for spans.
_PATH: Final = "/v1/traces"


def _collector(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    # A port that is not a number raises as well.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.port == 0:
        raise ValueError(text)
    return urlunsplit(parts._replace(path=_PATH)) if parts.path in ("", "/") else text


_COLLECTOR: Final = types.Text("the URL of a collector of spans by OTLP over HTTP, such as http://127.0.0.1:4318", _collector)


class OtlpSettings(Section):
    otlp: str = setting(
        _COLLECTOR,
        "",
        "Send look-ups as spans of OpenTelemetry to this collector, with the queries to other servers that they took",
        group="Monitoring",
        roles=RESOLVING,
    )
    otlpSample: int = number(OTLP_SAMPLE, "Send one look-up of so many; 0 for none", roles=RESOLVING)
    otlpSlow: int = number(OTLP_SLOW, "Send each look-up that takes as long; 0 for none", unit="milliseconds", roles=RESOLVING)
    otlpTrust: tuple[str, ...] = setting(
        types.PREFIX,
        (),
        "Clients at these addresses may have look-ups sent as parts of their own traces, by the EDNS option TRACEPARENT",
        roles=RESOLVING,
    )
    otlpService: str = setting(types.TEXT, "txdns", "The name of the service in spans", roles=RESOLVING)
