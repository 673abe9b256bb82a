"""
Split a stream into DNS messages: each is preceded by its length in two octets (RFC 1035, section 4.2.2; RFC 7766, section 8). Follow the
headers of TLS records, without decrypting them.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadMessage, CallerFault
from twisted_ext.limits import MESSAGE_SIZE

__all__ = ["StreamBuffer", "TLSRecords", "frame"]

_PREFIX: Final = 2

_MOST: Final = int(MESSAGE_SIZE.most)

#: Octets of a record's header.
_HEADER: Final = 5


class TLSRecords:
    """
    The records that one connection receives.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        # Octets until the next record's header; -1 if that is not known any more.
        self._next = 0

    def isOne(self, data: bytes) -> bool:
        """
        Return whether the data that has arrived is one whole record. OpenSSL need not be asked for more after it: that costs an exception.
        """
        position = self._next
        size = len(data)
        if position == 0 and size > _HEADER and _HEADER + (data[3] << 8 | data[4]) == size:
            return True
        if position >= 0:
            while position + _HEADER <= size:
                position += _HEADER + (data[position + 3] << 8 | data[position + 4])
            # A header in two pieces is not followed, nor is what comes after it.
            self._next = position - size if position >= size else -1
        return False


class StreamBuffer:
    """
    Splits a received stream into messages.

    Each octet is copied a fixed number of times, regardless of how the stream is segmented; at most one incomplete message is buffered.
    """

    __slots__ = ("_octets", "_needed")

    def __init__(self) -> None:
        self._octets = bytearray()
        # Octets to wait for before anything can be parsed.
        self._needed = _PREFIX

    @property
    def partial(self) -> int:
        """
        The number of octets received of an incomplete message. Callers apply a short timeout while this is above zero.
        """
        return len(self._octets)

    def feed(self, data: bytes) -> list[bytes]:
        """
        Add received data, and return the messages that are complete now, without their lengths.

        @raise BadMessage: a length is zero. The stream cannot be parsed any further and has to be closed.
        """
        kept = self._octets
        if kept:
            kept += data
            if len(kept) < self._needed:
                return []
            data = bytes(kept)
        end = len(data)
        messages: list[bytes] = []
        add = messages.append
        position = 0
        while position + _PREFIX <= end:
            length = data[position] << 8 | data[position + 1]
            if not length:
                raise BadMessage("a message of length zero on the stream")
            start = position + _PREFIX
            behind = start + length
            if behind > end:
                break
            add(data[start:behind])
            position = behind
        rest = end - position
        if rest:
            self._needed = _PREFIX if rest < _PREFIX else _PREFIX + (data[position] << 8 | data[position + 1])
            # Keep the start of a new incomplete message; an earlier one that has grown is in the buffer already.
            if position or not kept:
                kept[:] = data[position:]
        elif kept:
            kept.clear()
        return messages


def frame(message: bytes) -> bytes:
    """
    @raise CallerFault: the message is empty, or too long for a length of two octets.
    """
    length = len(message)
    if not 0 < length <= _MOST:
        raise CallerFault(f"a message of {length} octets cannot go on a stream; 1 to {_MOST} can")
    return length.to_bytes(_PREFIX, "big") + message
