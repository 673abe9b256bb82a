"""
Tests of the frames between processes that answer queries and recorders.
"""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from twisted_ext.server.process.recorders.frames import FRAME_OCTETS, Unframed, framed


@given(some.lists(some.lists(some.one_of(some.binary(), some.text(), some.integers(), some.floats(allow_nan=False)))), some.integers(1, 50))
def test_piecesOfAnyLength(values: list[list[Any]], length: int) -> None:
    """
    The values that were written are read, however the octets arrive.
    """
    octets = b"".join(map(framed, values))
    frames = Unframed()
    found = [value for start in range(0, len(octets), length) for value in frames.feed(octets[start : start + length])]
    assert found == values


@pytest.mark.parametrize("octets", [pack(">I", FRAME_OCTETS + 1), pack(">I", 3) + b"[\xff\xff", pack(">I", 0), pack(">I", 1) + b"Z"])
def test_wrongFrames(octets: bytes) -> None:
    """
    A frame that is too large, torn or damaged is a L{ValueError}; nothing waits for 4 GB.
    """
    with pytest.raises(ValueError, match="frame"):
        list(Unframed().feed(octets))
