"""
The server: listeners, the way from a request to its reply, and the services that hold them together.

C{DNSServerFactory} is here as well as in L{twisted_ext.server.factory}, for programs that imported it from L{twisted.names.server}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.server.factory import DNSServerFactory

__all__ = ["DNSServerFactory"]

__getattr__, __dir__ = lazyNames(__name__, {"twisted_ext.server.factory": __all__})
