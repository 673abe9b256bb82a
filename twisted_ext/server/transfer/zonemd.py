"""
Verifies the ZONEMD digest of a transferred zone (RFC 8976).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import BadMessage

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["prove"]


def prove(version: Version, wish: str, label: str) -> None:
    """
    Verify the ZONEMD records of a zone. This reads the whole zone.

    @param wish: C{"check"} to accept a zone without a digest, or with only unsupported ones; C{"require"} to reject it. An attacker who
        modifies a zone in transit can also remove its digest.
    @param label: the primary, as displayed.

    @raise BadMessage: the zone is rejected.
    """
    from twisted_ext.zone.check.zonemd import Verdict, verify

    digested = verify(version)
    unproved = digested.verdict in (Verdict.ABSENT, Verdict.UNSUPPORTED)
    if digested.verdict is not Verdict.VERIFIED and (wish == "require" or not unproved):
        raise BadMessage(f"what {label} has as serial {version.serial} is rejected: {digested.text}")
