"""
Client endpoints that resolve their targets with DNS: L{SRVEndpoint}, L{HTTPSEndpoint}, L{HostEndpoint} and L{TargetsEndpoint}; those that
authenticate servers by it as well: L{DaneEndpoint} and L{MailEndpoint}; and L{SRVConnector}, for factories that expect a connector.

As strings for L{clientFromString<twisted.internet.endpoints.clientFromString>}, the first three are C{srv:_xmpp-client._tcp.example.org},
C{https-rr:www.example.org} and C{dns:www.example.org:80}, and the next ones C{dane:www.example.org:443} and C{mx:example.org}.
L{twisted_ext.endpoints.endpoints} documents their common parameters and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.discovery.targets import Target
    from twisted_ext.endpoints.dane import DaneEndpoint, DaneMissing
    from twisted_ext.endpoints.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint, TargetsEndpoint
    from twisted_ext.endpoints.happyeyeballs import Attempt, TargetsFailed
    from twisted_ext.endpoints.mail import MailEndpoint
    from twisted_ext.endpoints.srvconnect import SRVConnector
    from twisted_ext.endpoints.starttls import HandshakeFailed

__all__ = [
    "Attempt",
    "DaneEndpoint",
    "DaneMissing",
    "HTTPSEndpoint",
    "HandshakeFailed",
    "HostEndpoint",
    "MailEndpoint",
    "SRVConnector",
    "SRVEndpoint",
    "Target",
    "TargetsEndpoint",
    "TargetsFailed",
]

__getattr__, __dir__ = lazyNames(
    __name__,
    {
        "twisted_ext.discovery.targets": ("Target",),
        "twisted_ext.endpoints.starttls": ("HandshakeFailed",),
        "twisted_ext.endpoints.dane": ("DaneEndpoint", "DaneMissing",),
        "twisted_ext.endpoints.endpoints": ("HTTPSEndpoint", "HostEndpoint", "SRVEndpoint", "TargetsEndpoint",),
        "twisted_ext.endpoints.happyeyeballs": ("Attempt", "TargetsFailed",),
        "twisted_ext.endpoints.mail": ("MailEndpoint",),
        "twisted_ext.endpoints.srvconnect": ("SRVConnector",),
    },
)
