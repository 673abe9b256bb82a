"""
What this package raises. A denial (no such name, no such data) is an answer and not to be found here: an exception means that
we do not know.
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
    "StorageFault",
    "PeerFault",
    "BadMessage",
    "Unreachable",
    "TimedOut",
    "ServerFailed",
    "NotOffered",
    "UnusableRecords",
    "PolicyFault",
    "Refused",
    "BudgetSpent",
    "QueueFull",
    "TrustFault",
    "Unknown",
    "Closed",
]


class DNSFault(Exception):
    """
    Base of everything this package raises; never raised itself.

    @ivar text: one line for people: what, where, what would be right.
    @ivar rcode: what a server should put in its reply when this escapes (RFC 1035, section 4.1.1).
    @ivar server: the server concerned, as C{"address:port"} or a description, or C{""}.
    @ivar attempts: how many queries had been sent by then.
    @ivar ede: extended errors as C{(info code, extra text)} pairs (RFC 8914).
    @ivar cause: what the servers did, without the question; C{""} where that is the whole text.
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
    Our own caller asked for something that cannot be.
    """

    rcode = 1


class WrongType(CallerFault, TypeError):
    """
    An argument of a type that cannot be used: a number for a name, or an object for a resolver that is not one.
    """


class BadName(CallerFault):
    """
    A text that is no domain name.
    """


class BadRecord(CallerFault):
    """
    A text or a value that is no record of its type.

    @ivar column: where in the text it went wrong, the first character being 1; 0 where there was no text.
    """

    column: int = 0


class BadDescription(CallerFault):
    """
    A resolver description string, an option or a setting that cannot be used.
    """


class BadZone(CallerFault):
    """
    Records that make no zone: no SOA at the apex, or more than one; a name that lies outside.

    @ivar complaints: all that is wrong, a line each, where it was read from a text.
    """

    complaints: tuple[str, ...] = ()


class BadImage(CallerFault):
    """
    Octets that are no image of a zone, or not all of one: it has to be built again from where it came from.
    """


class BadChange(CallerFault):
    """
    A change that would leave what is no zone, such as one without an SOA or with a CNAME beside other data; or one that is made for another
    version than this.
    """


class StorageFault(DNSFault):
    """
    What is to be kept cannot be written, or what was kept cannot be read.
    """


class PeerFault(DNSFault):
    """
    The other side did something wrong, or nothing at all.
    """


class BadMessage(PeerFault):
    """
    Octets that are no DNS message, name or record: the one error that reading from the wire raises.
    """

    rcode = 1


class Unreachable(PeerFault):
    """
    No server could be sent to.
    """


class TimedOut(PeerFault):
    """
    Nobody answered in time.
    """


class ServerFailed(PeerFault):
    """
    The servers answered that they do not know: SERVFAIL, REFUSED, NOTIMP, FORMERR and their like, in C{rcode}.

    @ivar reply: the L{Message<twisted_ext.wire.message.Message>} that says so, for whoever shows it to people; L{None} where there is none.
    """

    reply: object = None


class NotOffered(PeerFault):
    """
    The domain says itself that it does not offer the service.
    """


class UnusableRecords(PeerFault):
    """
    There are records for the service, but none that leads anywhere.
    """


class PolicyFault(DNSFault):
    """
    We decline.
    """


class Refused(PolicyFault):
    """
    This may not be asked here.
    """

    rcode = 5


class BadUpdate(Refused):
    """
    An UPDATE that is not done: C{rcode} is what its sender is told (RFC 2136, section 2.2).
    """

    rcode = 5


class BudgetSpent(PolicyFault):
    """
    The work allowed for one look-up is used up.
    """


class QueueFull(PolicyFault):
    """
    More look-ups wait to be sent than are allowed to.
    """


class TrustFault(DNSFault):
    """
    The answer is there, but cannot be trusted (RFC 4035, section 5).
    """


class Unknown(DNSFault):
    """
    This source has nothing to say on the question; another one may.
    """


class Closed(DNSFault):
    """
    The resolver was closed while the look-up ran, or before it began.
    """
