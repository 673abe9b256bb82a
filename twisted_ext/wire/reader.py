"""
Read names from a message, with bounded work for compression pointers.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from twisted_ext.errors import BadMessage
from twisted_ext.limits import POINTER_HOPS, POINTERS_PER_NAME
from twisted_ext.wire.names import MOST_OCTETS

__all__ = ["Reader"]

_MOST_JUMPS: Final = int(POINTERS_PER_NAME.default)
_MOST_HOPS: Final = int(POINTER_HOPS.default)

#: Real messages have names with up to three jumps.
_FEW_JUMPS: Final = 4


class Reader:
    """
    The octets of a message and the names found in it so far.

    @ivar data: the whole message.
    @ivar names: uncompressed names with few jumps by their offset. A hit costs one step and is not counted: a message has no room for
        enough of them to matter.
    @ivar hops: compression pointers followed in this message; a long chain counts in full each time it is used, even if it is cached.
    """

    __slots__ = ("data", "names", "hops", "_jumps", "_deep")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.names: dict[int, bytes] = {}
        self.hops = 0
        # The number of jumps of the names in C{names} that have any; and names with many jumps.
        self._jumps: dict[int, int] = {}
        self._deep: dict[int, tuple[bytes, int]] = {}

    def name(self, offset: int) -> tuple[bytes, int]:
        """
        Read the name at C{offset}, following pointers, which have to point strictly backward (RFC 1035, section 4.1.4).

        @return: the name, uncompressed, and the offset after it.

        @raise BadMessage: the name is truncated, has more than 255 octets, a label type other than 00 and 11, a pointer that does not point
            backward, or more jumps than L{POINTERS_PER_NAME}, or the message has had more than L{POINTER_HOPS}.
        """
        data = self.data
        position: i64 = offset
        length: i64
        try:
            # The fast path for nearly all names: labels, then the end or a pointer to a name that was read before.
            while (length := data[position]) and length < 64:
                position += length + 1
            if not length:
                behind = position + 1
                name = data[offset:behind]
            elif length >= 192:
                target = (length & 63) << 8 | data[position + 1]
                known = self.names.get(target)
                if known is None or target >= offset:
                    return self._followed(offset)
                jumps = self._jumps.get(target, 0) + 1
                if jumps > _FEW_JUMPS:
                    return self._followed(offset)
                self._jumps[offset] = jumps
                self.hops += jumps
                behind = position + 2
                name = data[offset:position] + known
            else:
                raise BadMessage(f"label type {length >> 6:02b} at octet {position}; only 00 and 11 are defined")
        except IndexError:
            raise BadMessage(f"the name at octet {offset} extends past the end of the message") from None
        if len(name) > MOST_OCTETS:
            raise BadMessage(f"the name at octet {offset} has more than {MOST_OCTETS} octets")
        self.names[offset] = name
        return name, behind

    def _followed(self, offset: int) -> tuple[bytes, int]:
        """
        Read a name step by step, and store its parts for later pointers to them.
        """
        data = self.data
        names = self.names
        deep = self._deep
        parts: list[bytes] = []
        # The target of each jump, and the number of labels read up to it.
        landings: list[tuple[int, int]] = []
        position = lowest = offset
        behind = total = rest = 0
        try:
            while True:
                begin = position
                while (length := data[position]) and length < 64:
                    position += length + 1
                if position > begin:
                    total += position - begin
                    if total >= MOST_OCTETS:
                        raise BadMessage(f"the name at octet {offset} has more than {MOST_OCTETS} octets")
                    parts.append(data[begin:position])
                if not length:
                    parts.append(b"\x00")
                    behind = behind or position + 1
                    break
                if length < 192:
                    raise BadMessage(f"label type {length >> 6:02b} at octet {position}; only 00 and 11 are defined")
                target = (length & 63) << 8 | data[position + 1]
                behind = behind or position + 2
                if target >= lowest:
                    raise BadMessage(f"the pointer at octet {position} does not point backward")
                if len(landings) >= _MOST_JUMPS:
                    raise BadMessage(f"the name at octet {offset} takes too many jumps")
                if (known := names.get(target)) is not None:
                    parts.append(known)
                    rest = self._jumps.get(target, 0) + 1
                    break
                if (reached := deep.get(target)) is not None:
                    parts.append(reached[0])
                    rest = reached[1] + 1
                    break
                landings.append((target, len(parts)))
                position = lowest = target
        except IndexError:
            raise BadMessage(f"the name at octet {offset} extends past the end of the message") from None
        jumps = len(landings) + rest
        self.hops += jumps
        if jumps > _MOST_JUMPS or self.hops > _MOST_HOPS:
            raise BadMessage(f"the name at octet {offset} takes {jumps} jumps, those of the message {self.hops}: too many")
        # From the right, so that each part is joined with its tail once.
        landings.reverse()
        landings.append((offset, 0))
        tail = b""
        index = len(parts)
        for begin, first in landings:
            while index > first:
                index -= 1
                tail = parts[index] + tail
            if rest <= _FEW_JUMPS:
                names[begin] = tail
                if rest:
                    self._jumps[begin] = rest
            else:
                deep[begin] = (tail, rest)
            rest += 1
        if len(tail) > MOST_OCTETS:
            raise BadMessage(f"the name at octet {offset} has more than {MOST_OCTETS} octets")
        return tail, behind
