"""
Frame streams: U{https://farsightsec.github.io/fstrm/}, in which dnstap is sent and kept.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["ACCEPT", "CONTENT", "FINISH", "FINISHED", "READY", "START", "STOP", "control", "readControl"]

#: The type of the frames.
CONTENT: Final = b"protobuf:dnstap.Dnstap"

ACCEPT, START, STOP, READY, FINISH = range(1, 6)

#: The one field of control frames: the content type.
_TYPE: Final = 1

#: Octets of the longest control frame, as in the reference implementation.
_LONGEST: Final = 512

_word: Final = Struct(">I")


def control(kind: int, content: bytes = CONTENT) -> bytes:
    """
    Return a control frame; C{STOP} and C{FINISH} have no content type.
    """
    field = _word.pack(_TYPE) + _word.pack(len(content)) + content if content else b""
    # After an empty length, which no frame with data has.
    return _word.pack(0) + _word.pack(4 + len(field)) + _word.pack(kind) + field


FINISHED: Final = control(STOP, b"")


def readControl(octets: bytes) -> tuple[int, list[bytes], int] | None:
    """
    Read a control frame at the begin of octets.

    @return: its kind, its content types, and how many octets it has; L{None} if there are too few.

    @raise ValueError: it is none.
    """
    if octets[:4] != bytes(4)[: len(octets)]:
        raise ValueError("what it sends does not begin as frame streams do")
    if len(octets) < 12:
        return None
    (size,) = _word.unpack_from(octets, 4)
    if not 4 <= size <= _LONGEST:
        raise ValueError(f"it sends a control frame of {size} octets")
    if len(octets) < 8 + size:
        return None
    kind = _word.unpack_from(octets, 8)[0]
    types, at, end = [], 12, 8 + size
    while at < end:
        if end - at < 8:
            raise ValueError("it sends a control frame that is not valid")
        field, length = _word.unpack_from(octets, at)[0], _word.unpack_from(octets, at + 4)[0]
        at += 8
        if field != _TYPE or length > end - at:
            raise ValueError("it sends a control frame that is not valid")
        types.append(bytes(octets[at : at + length]))
        at += length
    return kind, types, end
