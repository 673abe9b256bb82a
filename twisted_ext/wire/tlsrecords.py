"""
Follow the headers of TLS records, without decrypting them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TLSRecords"]

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
