"""
Record types by number and mnemonic.
"""

from __future__ import annotations

__all__ = ["typeName"]

_NAMES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 255: "ANY"}


def typeName(number: int) -> str:
    """
    @return: the mnemonic, or C{TYPE65280} (RFC 3597, section 5).
    """
    return _NAMES.get(number) or f"TYPE{number}"
