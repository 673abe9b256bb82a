"""
The DNS server: listeners, request processing, zones, and the services that tie them together.

C{DNSServerFactory} is also available here, for programs that used to import it from L{twisted.names.server}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.server.factory import DNSServerFactory

__all__ = ["DNSServerFactory"]

__getattr__, __dir__ = lazyNames(__name__, {"twisted_ext.server.factory": __all__})
