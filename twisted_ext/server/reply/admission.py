"""
What is decided of a client whose address was not seen lately, before anything of it is answered.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_ext.packetcache.clients import UNMETERED, Account, Bucket

__all__ = ["Admission", "Admit"]


class Admission:
    """
    What features decide, one after the other.

    @ivar client: the address, an IPv4 one not mapped into IPv6; C{""} for a client of a Unix socket.
    @ivar now: the clock's seconds.
    @ivar action: what the client gets: C{"allow"}, C{"zones"}, C{"refuse"} or C{"drop"}, see L{twisted_ext.server.reply.acl}.
    @ivar view: the name of the view that it is in; C{""} for none.
    @ivar needsCookie: whether it is answered over UDP only with a valid cookie.
    @ivar bucket: the rate limit of its queries.
    @ivar accounts: those of the replies to its network; L{None} for no limit.
    """

    __slots__ = ("client", "now", "action", "view", "needsCookie", "bucket", "accounts")

    def __init__(self, client: str, now: float) -> None:
        self.client = client
        self.now = now
        self.action = "allow"
        self.view = ""
        self.needsCookie = False
        self.bucket: Bucket = UNMETERED
        self.accounts: tuple[Account, ...] | None = None


#: Decides something of a client.
Admit = Callable[[Admission], None]
