"""
Fake routes for tests of address sorting.
"""

from __future__ import annotations

from typing import TypedDict
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.addrinfo import order
from twisted_ext.addrinfo.routes import SourceFor

__all__ = ["Case", "Cases", "reachFrom"]


class Case(TypedDict):
    """
    Addresses, their source addresses, and the expected order.
    """

    dsts: list[str]
    srcs: list[str]
    want: list[str]
    also_reversed: bool
    why: str


class Cases(TypedDict):
    """
    The contents of the corpus file.
    """

    sort: list[Case]
    policy: list[tuple[str, str, int, int]]
    scope: list[tuple[str, str]]


def reachFrom(test: SynchronousTestCase, source: SourceFor) -> None:
    """
    Make new resolvers use these routes in place of the machine's until the end of the test.
    """
    patching = patch.multiple(order, sourceFor=source, ownAddresses=dict, GAI_CONF="/nonexistent")
    patching.start()
    test.addCleanup(patching.stop)
