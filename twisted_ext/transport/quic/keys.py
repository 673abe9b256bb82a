"""
Which private keys QUIC can use.

Needs the extra C{quic}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.tls import Context

if TYPE_CHECKING:
    from twisted_ext.transport.tls.pemfiles import Key

__all__ = ["signsWith"]


def signsWith(key: Key) -> bool:
    """
    Return whether aioquic can sign handshakes with a key.
    """
    context = Context(is_client=False)
    context.certificate_private_key = key
    return bool(context._signature_algorithms_for_private_key())
