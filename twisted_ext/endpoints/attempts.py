"""
Failed connection attempts, and the error that lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.error import ConnectError

from twisted_ext.compat.conversion.errors import LookupFailed
from twisted_ext.discovery.targets import Target

__all__ = ["Attempt", "TargetsFailed", "failureOf", "reasonOf"]

#: The number of attempts listed in an error's text; its C{attempts} has them all.
_TOLD: Final = 8


class Attempt:
    """
    A failed connection attempt. Treated as immutable.

    @ivar target: the target.
    @ivar address: the address that was tried; C{""} if the target had none.
    @ivar error: the reason.
    """

    __slots__ = ("target", "address", "error")

    def __init__(self, target: Target, address: str, error: BaseException) -> None:
        self.target = target
        self.address = address
        self.error = error

    def __str__(self) -> str:
        where = str(self.target)
        if self.address and self.address != self.target.host:
            where += f" at {self.address}"
        return f"{where}: {reasonOf(self.error).removeprefix(f'{self.target.host}: ')}"

    def __repr__(self) -> str:
        return f"<Attempt {self}>"


class TargetsFailed(ConnectError):
    """
    Connecting to all targets failed.

    @ivar name: the requested destination.
    @ivar attempts: all attempts, in the order in which they ended.
    """

    def __init__(self, name: str, attempts: Iterable[Attempt]) -> None:
        self.name = name
        self.attempts = tuple(attempts)
        self.text = f"{name}: {self._told()}"
        self.osError = None
        Exception.__init__(self, self.text)

    def _told(self) -> str:
        if not self.attempts:
            return "there is nothing to connect to"
        told = "; ".join([str(attempt) for attempt in self.attempts[:_TOLD]])
        left = len(self.attempts) - _TOLD
        return told if left <= 0 else f"{told}; and {left} more"

    def __str__(self) -> str:
        return self.text


def failureOf(name: str, attempts: list[Attempt]) -> Exception:
    """
    Create the error for failed attempts. If there was only one target and it has no address, this is the error of its address look-up, as
    with other endpoints.
    """
    if len(attempts) == 1 and isinstance(attempts[0].error, LookupFailed):
        return attempts[0].error
    return TargetsFailed(name, attempts)


def reasonOf(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__.startswith("service_identity"):
        return "its certificate is for another name"
    if kind.__module__.startswith("OpenSSL"):
        # A list of (library, function, reason) tuples, of which the first one is relevant.
        try:
            return f"TLS: {error.args[0][0][2]}"
        except (IndexError, TypeError):
            return f"TLS: {error!r}"
    return str(error).rstrip(".") or kind.__name__
