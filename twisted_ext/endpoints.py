"""
Endpoints that find out themselves where to connect to: L{SRVEndpoint}, L{HTTPSEndpoint}, L{HostEndpoint} and L{TargetsEndpoint}; and
L{SRVConnector}, for factories that want a connector.

As text, for L{clientFromString<twisted.internet.endpoints.clientFromString>}, the first three are C{srv:_xmpp-client._tcp.example.org},
C{https-rr:www.example.org} and C{dns:www.example.org:80}. What their parameters mean and what they fail with,
L{twisted_ext.edges.connections.endpoints} says.
"""

from __future__ import annotations

from twisted_ext.edges.connections.attempts import Attempt, TargetsFailed
from twisted_ext.edges.connections.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint, TargetsEndpoint
from twisted_ext.edges.connectors import SRVConnector
from twisted_ext.services.targets import Target

__all__ = ["Attempt", "HTTPSEndpoint", "HostEndpoint", "SRVConnector", "SRVEndpoint", "Target", "TargetsEndpoint", "TargetsFailed"]
