"""
Fixtures of the tests of listings.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.listings import Servers, serving

__all__ = ["servers"]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """
    Start the servers that listings talk to.
    """
    with serving() as running:
        yield running
