"""
What another implementation says of a message.
"""

from __future__ import annotations

import dns.exception
import dns.message

__all__ = ["understood"]


def understood(wire: bytes) -> bool:
    """
    @return: whether dnspython can read the message to its end.
    """
    try:
        dns.message.from_wire(wire, ignore_trailing=False, keyring=False)
    except (dns.exception.DNSException, ValueError):
        return False
    return True
