"""
Parts of L{twisted.web} that have no types, with the types that they have.
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
    What pages are made from.
    """

    def __init__(self) -> None:
        _begin(self)


def siteOf(page: Resource) -> ServerFactory:
    """
    @return: the page as what listens.
    """
    site = _site(page)
    site.noisy = False
    return site
