"""
The plugins of twisted_ext, by name only: nothing heavy is imported until used.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

from twisted_ext.endpoints.prefixes import ENDPOINTS
from twisted_ext.resolver.strings.descriptions import BUILT_IN

__all__ = ["daneEndpoints", "dnsEndpoints", "httpsEndpoints", "mxEndpoints", "srvEndpoints", "txdns"]

# One plugin for each prefix: systemParser, udpParser...
_parsers = {f"{parser.prefix}Parser": parser for parser in BUILT_IN}
globals().update(_parsers)
__all__ += list(_parsers)

srvEndpoints, httpsEndpoints, dnsEndpoints, daneEndpoints, mxEndpoints = ENDPOINTS

txdns = ServiceMaker("txdns", "twisted_ext.apps.tap", "A DNS server: forwards, caches, has records of its own.", "txdns")
