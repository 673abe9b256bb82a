"""
The exceptions of this package. A denial (no such name, no such data) is an answer, not an exception: an exception means that the answer
is unknown.
"""

from __future__ import annotations

__all__ = [
    "DNSFault",
    "CallerFault",
    "WrongType",
    "BadName",
    "BadRecord",
    "BadDescription",
    "BadZone",
    "BadImage",
    "BadChange",
    "BadUpdate",
    "BadKey",
    "StorageFault",
    "KeyFault",
    "PeerFault",
    "BadMessage",
    "Unreachable",
    "TimedOut",
    "ServerFailed",
    "NotOffered",
    "UnusableRecords",
    "PolicyFault",
    "Refused",
    "Withheld",
    "BudgetSpent",
    "WorkSpent",
    "QueueFull",
    "TrustFault",
    "Unknown",
    "Closed",
]


class DNSFault(Exception):
    """
    The base class of this package's exceptions; never raised itself.

    @ivar text: one line for users: what is wrong, where, what would be right.
    @ivar rcode: the rcode of a server's reply if this is not handled (RFC 1035, section 4.1.1).
    @ivar server: the server concerned, as C{"address:port"} or a description, or C{""}.
    @ivar attempts: the number of queries sent.
    @ivar ede: extended errors as C{(info code, extra text)} pairs (RFC 8914).
    @ivar cause: the part of C{text} that describes the servers' behavior, without the question; C{""} if that is the whole text.
    """

    rcode: int = 2
    cause: str = ""

    def __init__(
        self,
        text: str = "",
        *,
        server: str = "",
        attempts: int = 0,
        rcode: int | None = None,
        ede: tuple[tuple[int, str], ...] = (),
    ) -> None:
        super().__init__(text)
        self.text = text
        self.server = server
        self.attempts = attempts
        self.ede = ede
        if rcode is not None:
            self.rcode = rcode

    def __str__(self) -> str:
        return self.text or type(self).__name__


class CallerFault(DNSFault, ValueError):
    """
    The caller passed invalid arguments or requested something impossible.
    """

    rcode = 1


class WrongType(CallerFault, TypeError):
    """
    An argument has the wrong type: a number for a name, or an object that is not a resolver.
    """


class BadName(CallerFault):
    """
    A text is not a valid domain name.
    """


class BadRecord(CallerFault):
    """
    A text or a value is not a valid record of its type.

    @ivar column: the column of the error in the text, the first character being 1; 0 if there was no text.
    """

    column: int = 0


class BadDescription(CallerFault):
    """
    A resolver description, an option or a setting is not valid.
    """


class BadZone(CallerFault):
    """
    Records do not form a valid zone: no SOA at the apex, or more than one; an out-of-zone name.

    @ivar complaints: all errors, one line each, if the zone was read from text.
    """

    complaints: tuple[str, ...] = ()


class BadImage(CallerFault):
    """
    Octets are not a complete zone image: the image has to be rebuilt from its source.
    """


class BadChange(CallerFault):
    """
    A change would make the zone invalid, such as without an SOA or with a CNAME beside other data; or it applies to another version of the
    zone.
    """


class BadKey(CallerFault):
    """
    A private key, or a file with one, is damaged, not kept secret, or not one that zones are signed with. The text never has a part of the
    key.
    """


class StorageFault(DNSFault):
    """
    Persistent data cannot be written or read.
    """


class StoreMoved(StorageFault):
    """
    A database has another version of a zone than the one that was to be changed.
    """


class KeyFault(StorageFault):
    """
    A private key does not sign at present, such as one in a token that was removed.
    """


class PeerFault(DNSFault):
    """
    The peer violated the protocol, failed, or did not respond.
    """


class BadMessage(PeerFault):
    """
    Octets are not a valid DNS message, name or record: the only exception that wire format parsing raises.
    """

    rcode = 1


class Unreachable(PeerFault):
    """
    No server is reachable.

    @ivar refused: whether the host of a server has replied that nothing listens there. A server that is restarted does so for a moment.
    """

    refused: bool = False


class TimedOut(PeerFault):
    """
    No server replied in time.
    """


class ServerFailed(PeerFault):
    """
    The servers replied with an error, such as SERVFAIL, REFUSED, NOTIMP or FORMERR, in C{rcode}.

    @ivar reply: the L{Message<twisted_ext.wire.message.Message>} with that error, for display to users; L{None} if there is none.
    """

    reply: object = None


class NotOffered(PeerFault):
    """
    The domain's records declare that it does not offer the service.
    """


class UnusableRecords(PeerFault):
    """
    The service has records, but none is usable.
    """


class PolicyFault(DNSFault):
    """
    Local policy forbids the operation.
    """


class Refused(PolicyFault):
    """
    The query is not permitted here.
    """

    rcode = 5


class Withheld(PolicyFault):
    """
    A rule says that the client gets no answer. With the rcode 0 there is no reply at all, unless the client is told to ask over TCP.

    @ivar rule: its place.
    @ivar isTruncated: whether the client is told to ask over TCP.
    """

    rcode = 0

    def __init__(
        self, text: str = "", rule: str = "", *, isTruncated: bool = False, rcode: int = 0, ede: tuple[tuple[int, str], ...] = ()
    ) -> None:
        super().__init__(text, rcode=rcode, ede=ede)
        self.rule = rule
        self.isTruncated = isTruncated

    @property
    def isSilent(self) -> bool:
        """
        Whether there is no reply at all.
        """
        return not (self.isTruncated or self.rcode)


class BadUpdate(Refused):
    """
    An UPDATE was not performed: C{rcode} is that of the reply (RFC 2136, section 2.2).
    """


class BudgetSpent(PolicyFault):
    """
    The work budget of one look-up is exhausted.
    """


class WorkSpent(BudgetSpent):
    """
    A query of a client would cause more work than one query may. Alone, the question that failed may well have an answer: it is a part of
    that query.
    """


class QueueFull(PolicyFault):
    """
    Too many look-ups are waiting to be sent.
    """


class TrustFault(DNSFault):
    """
    The answer failed DNSSEC validation (RFC 4035, section 5).
    """


class Unknown(DNSFault):
    """
    This source has no information on the question; another one may.
    """


class Closed(DNSFault):
    """
    The resolver was closed while the look-up ran, or before it began.
    """
