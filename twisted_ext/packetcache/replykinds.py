"""
What replies say, from their octets.
"""

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "kindOf"]

#: What replies say, in the order of L{kindOf}: whoever limits them counts each kind by itself, so that a flood of denials for one network
#: takes nothing from the answers to it.
KINDS: Final = ("positive", "nxdomain", "nodata", "referral", "error")


def kindOf(reply: bytes) -> int:
    """
    @param reply: one without its id.

    @return: which of L{KINDS} it is. What has no records to answer with and is not authoritative counts as a referral.
    """
    rcode = reply[1] & 15
    if rcode:
        return 1 if rcode == 3 else 4
    if reply[5] or reply[4]:
        return 0
    return 2 if reply[0] & 4 else 3
