"""
Classification of replies for response rate limiting, by their octets.
"""

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "kindOf"]

#: The kinds of replies, in the order of L{kindOf}. Each kind has a limit of its own, so that a flood of denials for one network does not
#: use up the limit for its answers.
KINDS: Final = ("positive", "nxdomain", "nodata", "referral", "error")


def kindOf(reply: bytes) -> int:
    """
    Classify a reply.

    @param reply: the reply without its id.

    @return: the index into L{KINDS}. A reply without answer records that is not authoritative counts as a referral.
    """
    rcode = reply[1] & 15
    if rcode:
        return 1 if rcode == 3 else 4
    if reply[5] or reply[4]:
        return 0
    return 2 if reply[0] & 4 else 3
