"""
Proof that a zone which came from elsewhere is what it says it is (RFC 8976).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import BadMessage

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["prove"]


def prove(version: Version, wish: str, label: str) -> None:
    """
    Check a zone against its ZONEMD records. All of it is gone through.

    @param wish: C{"check"} to take what has no digest of a known kind, or none at all; C{"require"} not to. Whoever changes a zone
        on its way takes its digest out.
    @param label: where it came from, for people.

    @raise BadMessage: it may not be taken.
    """
    from twisted_ext.zone.check.zonemd import Verdict, verify

    digested = verify(version)
    unproved = digested.verdict in (Verdict.ABSENT, Verdict.UNSUPPORTED)
    if digested.verdict is not Verdict.VERIFIED and (wish == "require" or not unproved):
        raise BadMessage(f"what {label} has as serial {version.serial} is not taken: {digested.text}")
