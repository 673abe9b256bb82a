"""
Register the endpoint prefixes of this package for C{clientFromString}. The implementations are imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, cast

from twisted.internet.interfaces import (
    IReactorCore,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
)
from twisted.plugin import IPlugin
from zope.interface import implementer

__all__ = ["ENDPOINTS", "LazyEndpointParser"]

_Build = Callable[[str, str, object, tuple[object, ...], dict[str, object]], IStreamClientEndpoint]


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
        module = importlib.import_module("twisted_ext.endpoints.strings")
        build = cast(_Build, module.endpointFromWords)
        return build(self.prefix, self.function, reactor, args, kwargs)

    def __repr__(self) -> str:
        return f"<LazyEndpointParser {self.prefix}>"


#: The prefixes of this package.
ENDPOINTS: Final = (
    LazyEndpointParser("srv", "srvEndpoint"),
    LazyEndpointParser("https-rr", "httpsEndpoint"),
    LazyEndpointParser("dns", "dnsEndpoint"),
)
