"""
Verdicts of validation, with the reasons for them.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Security

__all__ = [
    "BOGUS", "DNSKEY_MISSING", "EXPIRED", "INDETERMINATE", "INVALID_DATA", "ITERATIONS", "NO_ZONE_KEY_BIT", "NOT_YET_VALID", "NSEC_MISSING",
    "RRSIGS_MISSING", "Reason", "SIGNATURE_EXPIRED_BEFORE_VALID", "UNSUPPORTED_ALGORITHM", "UNSUPPORTED_DIGEST", "Verdict",
]

#: Why something is not secure: the info code of an extended error (RFC 8914), and one line that names the record that failed.
Reason = tuple[int, str]

#: Info codes of extended errors about DNSSEC (RFC 8914, section 4; RFC 9276; IANA's registry).
UNSUPPORTED_ALGORITHM: Final = 1
UNSUPPORTED_DIGEST: Final = 2
INDETERMINATE: Final = 5
BOGUS: Final = 6
EXPIRED: Final = 7
NOT_YET_VALID: Final = 8
DNSKEY_MISSING: Final = 9
RRSIGS_MISSING: Final = 10
NO_ZONE_KEY_BIT: Final = 11
NSEC_MISSING: Final = 12
INVALID_DATA: Final = 24
SIGNATURE_EXPIRED_BEFORE_VALID: Final = 25
ITERATIONS: Final = 27


class Verdict:
    """
    The security status of something, and the reasons if it is not secure, the most telling one first.
    """

    __slots__ = ("security", "reasons")

    def __init__(self, security: Security, reasons: tuple[Reason, ...] = ()) -> None:
        self.security = security
        self.reasons = reasons

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return self.security is other.security and self.reasons == other.reasons

    def __hash__(self) -> int:
        return hash((self.security, self.reasons))

    def __repr__(self) -> str:
        return f"<Verdict {self.security.value} {list(self.reasons)}>"
