"""
Errors in settings files.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__ = ["assertFaults"]


def assertFaults(text: str, said: Sequence[str]) -> None:
    """
    Check that a settings file has these errors.

    @param said: a part of the line of each, in their order.
    """
    with pytest.raises(BadDescription) as caught:
        valuesFromTOML(f"{text}\n", "txdns.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said), lines
    assert all(part in line for part, line in zip(said, lines, strict=True)), lines
