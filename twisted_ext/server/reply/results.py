"""
What became of a request, for those who are told of it.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import KINDS, Answer, Security
from twisted_ext.metrics.activity import statusOf
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["Result", "resultOf"]

#: What all transports to upstreams are called.
_UPSTREAM: Final = "upstream"


class Result:
    """
    What became of a request.

    @ivar source: the kind of source, the name of the gate that refused it, or why there is no reply.
    @ivar server: the upstream, or the place of the rule.
    @ivar rcode: L{None} without a reply.
    @ivar size: octets of the reply.
    @ivar security: the DNSSEC status, a value of L{Security<twisted_ext.answers.Security>}; C{""} if nothing was validated.
    @ivar isAnswered: whether a source has answered, perhaps one of another package.
    """

    __slots__ = ("source", "server", "rcode", "ede", "size", "truncated", "security", "isAnswered")

    def __init__(
        self,
        source: str,
        server: str = "",
        rcode: int | None = None,
        ede: tuple[tuple[int, str], ...] = (),
        size: int = 0,
        truncated: bool = False,
        *,
        security: str = "",
        isAnswered: bool = False,
    ) -> None:
        self.source = source
        self.server = server
        self.rcode = rcode
        self.ede = ede
        self.size = size
        self.truncated = truncated
        self.security = security
        self.isAnswered = isAnswered

    @property
    def status(self) -> str:
        """
        Return what became of it, for people.
        """
        source = "local" if self.isAnswered and self.source not in KINDS and self.source != _UPSTREAM else self.source
        return statusOf(source, self.ede)


def resultOf(octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> Result:
    source = server = security = ""
    rcode = octets[3] & 15 if octets else 0
    ede: tuple[tuple[int, str], ...] = ()
    if isinstance(cause, Answer):
        origin = cause.origin
        if origin is not None:
            source = origin.source
            kind = KINDS.get(source)
            if kind is not None and kind.upstream:
                source = _UPSTREAM
            if kind is not None and (kind.upstream or kind.ruled):
                server = origin.server
        rcode, ede = cause.rcode or rcode, cause.ede
        if cause.security is not Security.INDETERMINATE:
            security = cause.security.value
    elif isinstance(cause, Refusal):
        source = gate or "failure"
        rcode, ede = cause.rcode or rcode, cause.ede
        if cause.isBogus:
            security = Security.BOGUS.value
    else:
        source = "zone" if isinstance(cause, DirectAnswer) else gate
    truncated = bool(octets and octets[2] & 2)
    return Result(source, server, rcode, ede, len(octets), truncated, security=security, isAnswered=isinstance(cause, Answer))
