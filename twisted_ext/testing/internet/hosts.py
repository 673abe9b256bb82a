"""
The hosts of the application under test, and the faults that these can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.testing.internet.faults import Fault

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["OwnHost"]

_FAULTS: Final = (Fault.DEAD, Fault.CLOSED)


class OwnHost:
    """
    A host that is no name server, such as a web server or a client of the test.

    @ivar addresses: its addresses.
    """

    def __init__(self, reactor: MemoryReactor) -> None:
        self.addresses = reactor.addresses
        self._reactor = reactor

    def begin(self, fault: Fault) -> None:
        """
        @raise ValueError: the fault is one of name servers.
        """
        if fault not in _FAULTS:
            known = " and ".join([each.name for each in _FAULTS])
            raise ValueError(f"{fault.name} is for name servers; the host at {self.addresses[0]} can have {known}")
        self._set(fault, True)

    def end(self, fault: Fault | None) -> None:
        """
        @param fault: L{None} for all.
        """
        for each in _FAULTS if fault is None else (fault,):
            self._set(each, False)

    def _set(self, fault: Fault, on: bool) -> None:
        if fault is Fault.DEAD:
            dead = self._reactor.network.dead
            (dead.update if on else dead.difference_update)(self.addresses)
        elif fault is Fault.CLOSED:
            self._reactor.closed = on
