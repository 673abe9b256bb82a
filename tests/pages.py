"""
Untyped parts of L{twisted.web}, with types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from twisted.internet.protocol import ServerFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

__all__ = ["Page", "siteOf"]

_begin: Final[Callable[[Resource], None]] = Resource.__init__
_site: Final = cast("Callable[[Resource], ServerFactory]", Site)


class Page(Resource):
    """
    The base class of pages.
    """

    def __init__(self) -> None:
        _begin(self)


def siteOf(page: Resource) -> ServerFactory:
    """
    Return a server factory for the page.
    """
    site = _site(page)
    site.noisy = False
    return site
