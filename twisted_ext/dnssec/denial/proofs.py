"""
The result of a proof of nonexistence: what it shows, by which records, and if it fails, why.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial.spans import Span
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet

__all__ = ["BOGUS", "ITERATIONS", "MISSING", "Delegation", "Proof", "Reason", "optedOut", "proven", "unproven"]

#: An info code of RFC 8914 and one line of text.
Reason = tuple[int, str]

#: The info codes of RFC 8914, section 4: DNSSEC Bogus, NSEC Missing, and that of RFC 9276, section 3.2.
BOGUS: Final = 6
MISSING: Final = 12
ITERATIONS: Final = 27


class Delegation(Enum):
    """
    What is known of a name for which its parent zone has no DS records.

    @cvar INSECURE_DELEGATION: it is delegated, and has no DS records: the child is insecure.
    @cvar NOT_A_CUT: it exists, but the zone goes on below it.
    @cvar NO_NAME: no node of the zone has this name, so it is not delegated. A wildcard may match it.
    @cvar OPT_OUT: it may be an unsigned delegation (RFC 5155, section 6): it and all names below it are insecure.
    @cvar UNSUPPORTED: the zone has too many NSEC3 iterations: it counts as insecure (RFC 9276, section 3.2).
    @cvar UNPROVEN: none of these is proven.
    """

    INSECURE_DELEGATION = "insecure delegation"
    NOT_A_CUT = "not a cut"
    NO_NAME = "no name"
    OPT_OUT = "opt-out"
    UNSUPPORTED = "unsupported"
    UNPROVEN = "unproven"


class Proof:
    """
    What records prove, if anything.

    @ivar security: secure if proven, insecure if the records cannot prove it (opt-out, or too many iterations), else bogus.
    @ivar outcome: what is proven; of a wildcard's answer, that this is the data of the name. It is L{None} if C{security} is bogus, or if
        there are too many iterations. A proof of no data may result in no name (RFC 9824).
    @ivar spans: the records that prove it.
    @ivar encloser: the closest encloser of the name if that follows from them, as a folded name.
    @ivar code: the info code of RFC 8914, 0 if there is none.
    """

    __slots__ = ("security", "outcome", "spans", "encloser", "code", "_words", "_names")

    def __init__(
        self,
        security: Security,
        outcome: Outcome | None,
        spans: tuple[Span, ...],
        encloser: bytes | None = None,
        code: int = 0,
        words: str = "",
        names: tuple[bytes, ...] = (),
    ) -> None:
        self.security = security
        self.outcome = outcome
        self.spans = spans
        self.encloser = encloser
        self.code = code
        self._words = words
        self._names = names

    @property
    def secure(self) -> bool:
        """
        Whether all of it is proven.
        """
        return self.security is Security.SECURE

    @property
    def sets(self) -> tuple[RRSet, ...]:
        """
        The sets that prove it, each once.
        """
        return tuple(dict.fromkeys([span.rrset for span in self.spans]))

    @property
    def reason(self) -> Reason | None:
        """
        Why it is not secure: the info code, and one line that names the record; L{None} if there is nothing to report.
        """
        if not self.code:
            return None
        # Formatted only when asked for: most failed proofs are those of records that deny another name.
        return self.code, self._words.format(*[nameToText(name) for name in self._names])

    def __repr__(self) -> str:
        return f"<Proof {self.security.value} {self.outcome and self.outcome.value} {self.reason}>"


def proven(outcome: Outcome, spans: tuple[Span, ...], encloser: bytes | None = None) -> Proof:
    """
    Return a proof.
    """
    return Proof(Security.SECURE, outcome, spans, encloser)


def optedOut(outcome: Outcome, spans: tuple[Span, ...], encloser: bytes | None = None) -> Proof:
    """
    Return the result of records that would prove it if no unsigned delegation could be among them (RFC 5155, section 9.2).
    """
    return Proof(Security.INSECURE, outcome, spans, encloser)


def unproven(code: int, words: str, *names: bytes, spans: tuple[Span, ...] = ()) -> Proof:
    """
    Return a failure.

    @param words: the text of the reason, with C{{}} for each of the names.
    """
    return Proof(Security.BOGUS, None, spans, None, code, words, names)
