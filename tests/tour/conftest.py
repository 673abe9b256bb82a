"""
Fixtures that the tests of the tour share with those of the listings.
"""

from __future__ import annotations

from tests.docs.conftest import servers

__all__ = ["servers"]
