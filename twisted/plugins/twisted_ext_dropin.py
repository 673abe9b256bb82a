"""
The plugins of twisted_ext, by name only: nothing heavy is imported until used.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

from twisted_ext.endpoints.prefixes import ENDPOINTS
from twisted_ext.resolver.strings.descriptions import BUILT_IN

__all__ = [
    "cacheParser",
    "chainParser",
    "coalesceParser",
    "dnsEndpoints",
    "hostsParser",
    "httpsEndpoints",
    "namesParser",
    "raceParser",
    "routeParser",
    "searchParser",
    "specialParser",
    "srvEndpoints",
    "systemParser",
    "tcpParser",
    "threadedParser",
    "txdns",
    "udpParser",
    "zoneParser",
]

(
    systemParser,
    hostsParser,
    zoneParser,
    specialParser,
    udpParser,
    tcpParser,
    threadedParser,
    cacheParser,
    coalesceParser,
    chainParser,
    raceParser,
    routeParser,
    searchParser,
    namesParser,
) = BUILT_IN

srvEndpoints, httpsEndpoints, dnsEndpoints = ENDPOINTS

txdns = ServiceMaker("txdns", "twisted_ext.apps.tap", "A DNS server: forwards, caches, has records of its own.", "txdns")
