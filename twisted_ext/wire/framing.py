"""
Messages on a stream: two octets of length before each (RFC 1035, section 4.2.2; RFC 7766, section 8).
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadMessage, CallerFault
from twisted_ext.limits import MESSAGE_SIZE

__all__ = ["StreamBuffer", "frame"]

_PREFIX: Final = 2

_MOST: Final = int(MESSAGE_SIZE.most)


class StreamBuffer:
    """
    Octets of a stream that have come so far, cut into messages.

    However the stream is cut up, each octet is copied a fixed number of times; no more is kept than one message that is not whole yet.
    """

    __slots__ = ("_octets", "_needed")

    def __init__(self) -> None:
        self._octets = bytearray()
        # Octets to have before there is anything to do.
        self._needed = _PREFIX

    @property
    def partial(self) -> int:
        """
        Octets of a message that is not whole yet. Whoever keeps a stream gives a peer little time with this above zero.
        """
        return len(self._octets)

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take what came.

        @return: the messages that are whole now, without their lengths.

        @raise BadMessage: a length is zero. Nothing more can be understood on this stream: it is to be closed.
        """
        octets = self._octets
        if not octets:
            # One whole message in one piece is what nearly always comes.
            length = len(data) - _PREFIX
            if length > 0 and data[0] << 8 | data[1] == length:
                return [data[_PREFIX:]]
        octets += data
        end = len(octets)
        if end < self._needed:
            return []
        messages: list[bytes] = []
        position = 0
        while position + _PREFIX <= end:
            length = octets[position] << 8 | octets[position + 1]
            if not length:
                raise BadMessage("a message of no octets on the stream; its length says zero")
            behind = position + _PREFIX + length
            if behind > end:
                break
            messages.append(bytes(octets[position + _PREFIX : behind]))
            position = behind
        if position:
            del octets[:position]
        rest = end - position
        self._needed = _PREFIX if rest < _PREFIX else _PREFIX + (octets[0] << 8 | octets[1])
        return messages


def frame(message: bytes) -> bytes:
    """
    Put its length before a message.

    @raise CallerFault: it is empty, or longer than two octets can say.
    """
    length = len(message)
    if not 0 < length <= _MOST:
        raise CallerFault(f"a message of {length} octets cannot go on a stream; 1 to {_MOST} can")
    return length.to_bytes(_PREFIX, "big") + message
