"""
The server: listeners, what is done with a request, and the services that hold them together.

C{DNSServerFactory} is here as well as in L{twisted_ext.server.factory}, for whoever changes C{from twisted.names import server} and nothing
else; it is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.server.factory import DNSServerFactory

__all__ = ["DNSServerFactory"]


def __getattr__(name: str) -> object:
    """
    Load the factory.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twisted_ext.server.factory import DNSServerFactory

    globals()[name] = DNSServerFactory
    return DNSServerFactory


def __dir__() -> list[str]:
    """
    @return: what there is, and what will be.
    """
    return sorted({*globals(), *__all__})
