"""
Machines that are made up, for tests of the order of addresses.
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
    Addresses, where each would be reached from, and the order that they belong in.
    """

    dsts: list[str]
    srcs: list[str]
    want: list[str]
    also_reversed: bool
    why: str


class Cases(TypedDict):
    """
    The whole file of the corpus.
    """

    sort: list[Case]
    policy: list[tuple[str, str, int, int]]
    scope: list[tuple[str, str]]


def reachFrom(test: SynchronousTestCase, source: SourceFor) -> None:
    """
    Let resolvers that put no addresses in order yet take these routes for those of this machine, until the test is over.
    """
    patching = patch.multiple(order, sourceFor=source, ownAddresses=dict, GAI_CONF="/nonexistent")
    patching.start()
    test.addCleanup(patching.stop)
