"""
Attempts to connect that came to nothing, and the error that tells of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.error import ConnectError

from twisted_ext.compat.conversion.errors import LookupFailed
from twisted_ext.discovery.targets import Target

__all__ = ["Attempt", "TargetsFailed", "failureOf", "reasonOf"]

#: Attempts that an error's text tells of; all of them are in its C{attempts}.
_TOLD: Final = 8


class Attempt:
    """
    An attempt that failed. Treated as immutable.

    @ivar target: where it led.
    @ivar address: the address that was tried; C{""} where there was none to try.
    @ivar error: why it failed.
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
    None of the targets can be connected to.

    @ivar name: what was to be reached.
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
    @return: what to fail with. Where there is one target only and its name leads to no address, what the look-up failed with, as from any
        other endpoint.
    """
    if len(attempts) == 1 and isinstance(attempts[0].error, LookupFailed):
        return attempts[0].error
    return TargetsFailed(name, attempts)


def reasonOf(error: BaseException) -> str:
    """
    @return: why an attempt failed, in words for people.
    """
    kind = type(error)
    if kind.__module__.startswith("service_identity"):
        return "its certificate is for another name"
    if kind.__module__.startswith("OpenSSL"):
        # A list of library, function and reason, the first of which is what matters.
        try:
            return f"TLS: {error.args[0][0][2]}"
        except (IndexError, TypeError):
            return f"TLS: {error!r}"
    return str(error).rstrip(".") or kind.__name__
