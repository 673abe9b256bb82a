"""
The TLS layer of one connection, between TCP and the protocol above.
"""

from __future__ import annotations

from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

__all__ = ["TLSLayer"]


class TLSLayer(TLSMemoryBIOProtocol):
    """
    Twisted's, without the reference cycle that it leaves when a connection ends: the error's traceback has the frame that holds the error,
    and OpenSSL's connection with its buffers. They would stay until the garbage collector runs.
    """

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        if reason is not None and reason.value is not None:
            reason.value.__traceback__ = reason.tb = None
        super()._tlsShutdownFinished(reason)
