"""
Fake routes for tests of address sorting.
"""

from __future__ import annotations

import json
from typing import TypedDict, cast
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from twisted_ext.addrinfo import order
from twisted_ext.addrinfo.routes import SourceFor

__all__ = ["Case", "Cases", "publishedCases", "reachFrom"]


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


def publishedCases() -> Cases:
    """
    Return a published corpus for RFC 6724, none of whose parts is empty.
    """
    cases = cast(Cases, json.loads((corpus("rfc6724") / "rfc6724-cases.json").read_text("utf-8")))
    assert cases["sort"] and cases["policy"] and cases["scope"]
    return cases


def reachFrom(test: SynchronousTestCase, source: SourceFor) -> None:
    """
    Make new resolvers use these routes in place of the machine's until the end of the test.
    """
    patching = patch.multiple(order, sourceFor=source, ownAddresses=dict, GAI_CONF="/nonexistent")
    patching.start()
    test.addCleanup(patching.stop)
