"""
Register the endpoint prefixes of this package for C{clientFromString}. The implementations are imported on first use.
"""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
)
from twisted.plugin import IPlugin
from zope.interface import implementer

__all__ = ["ENDPOINTS", "LazyEndpointParser"]


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class LazyEndpointParser:
    """
    An endpoint parser defined by two strings. The module that implements the prefix is imported on first use.
    """

    def __init__(self, prefix: str, function: str) -> None:
        """
        @param function: the name of the function in L{twisted_ext.endpoints.strings} that builds the endpoint.
        """
        self.prefix = prefix
        self.function = function

    def parseStreamClient(self, reactor: IReactorCore, *args: object, **kwargs: object) -> IStreamClientEndpoint:
        from twisted_ext.endpoints.strings import endpointFromWords

        return endpointFromWords(self.prefix, self.function, cast(IReactorTime, reactor), args, kwargs)

    def __repr__(self) -> str:
        return f"<LazyEndpointParser {self.prefix}>"


#: The prefixes of this package.
ENDPOINTS: Final = (
    LazyEndpointParser("srv", "srvEndpoint"),
    LazyEndpointParser("https-rr", "httpsEndpoint"),
    LazyEndpointParser("dns", "dnsEndpoint"),
    LazyEndpointParser("dane", "daneEndpoint"),
    LazyEndpointParser("mx", "mxEndpoint"),
)
