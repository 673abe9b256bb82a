"""
The pages of L{twisted_ext.web.setup.page} as clients of HTTPS get them, at the server that they use for queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.server.features.base.offer import Offer
    from twisted_ext.server.listeners.https.request import Status
    from twisted_ext.web.setup.page import SetupPage

__all__ = ["pagesFor", "shownPages"]


def pagesFor(offer: Offer | None, authority: bytes, pin: str, issuer: Callable[[], str]) -> list[SetupPage]:
    """
    Return the page and its files, for what L{SetUp<twisted_ext.server.listeners.offered.SetUp>} takes.
    """
    # Only here: few servers get to show them.
    from twisted_ext.web.setup.page import setupPages

    return setupPages(offer, authority, pin, issuer())


def shownPages(offer: Offer | None, authority: bytes, pin: str, issuer: Callable[[], str]) -> Mapping[bytes, Status]:
    """
    Return the page and its files by their paths, as replies.
    """
    from twisted_ext.server.listeners.https.request import Status
    from twisted_ext.web.setup.page import POLICY

    common = ((b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
    shown: dict[bytes, Status] = {}
    for page in pagesFor(offer, authority, pin, issuer):
        fields = [*common, (b"content-security-policy", POLICY.encode())]
        if page.fileName:
            fields.append((b"content-disposition", f'attachment; filename="{page.fileName}"'.encode()))
        shown[page.path.encode()] = Status(200, page.body, tuple(fields), page.mediaType.encode())
    return shown
