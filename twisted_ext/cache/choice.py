"""
Which of the answers for a name are to be forgotten.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.wire.rrtypes import AAAA, ANY, DNSKEY, DS, NS, A

__all__ = ["EVERYTHING", "Choice"]


class Choice(NamedTuple):
    """
    What of a name is meant.

    @ivar rrType: what belongs to a type: its records, their denials, and that the name does not exist; 0 for all types.
    @ivar isBogus: what has failed validation.
    @ivar isNegative: denials and failures. If neither this nor C{isBogus} is set, all is meant, and otherwise what either says.
    """

    rrType: int = 0
    isBogus: bool = False
    isNegative: bool = False

    @property
    def isAll(self) -> bool:
        return not any(self)

    def hasType(self, rrType: int) -> bool:
        """
        Return whether answers to questions of a type are meant.

        @param rrType: 0 for that a name does not exist.
        """
        return not self.rrType or rrType in (0, ANY, self.rrType)

    def hasAnswer(self, outcome: Outcome, security: Security) -> bool:
        if not (self.isBogus or self.isNegative):
            return True
        return (self.isNegative and outcome is not Outcome.DATA) or (self.isBogus and security is Security.BOGUS)

    def hasFailure(self, fault: DNSFault) -> bool:
        return self.isNegative or not self.isBogus or isinstance(fault, TrustFault)

    # -- what resolvers know besides answers

    @property
    def hasDelegations(self) -> bool:
        return self.isAll or self == (NS, False, False)

    @property
    def hasAddresses(self) -> bool:
        """
        Whether addresses of servers are meant.
        """
        return self.isAll or (self.rrType in (NS, A, AAAA) and not self.isBogus)

    @property
    def hasKeys(self) -> bool:
        """
        Whether it is meant which zones are signed, and by which keys.
        """
        return self.isAll or self in ((DS, False, False), (DNSKEY, False, False))

    @property
    def hasDenials(self) -> bool:
        """
        Whether records that deny other names are meant.
        """
        return self.isNegative or not self.isBogus


#: All that is known of a name.
EVERYTHING: Final = Choice()
