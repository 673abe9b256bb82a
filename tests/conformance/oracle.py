"""
The opinion of another implementation about a message.
"""

from __future__ import annotations

import dns.exception
import dns.message

__all__ = ["isReadByDnspython"]


def isReadByDnspython(wire: bytes) -> bool:
    """
    Return whether dnspython can read the message to its end.
    """
    try:
        dns.message.from_wire(wire, ignore_trailing=False, keyring=False)
    except (dns.exception.DNSException, ValueError):
        return False
    return True
