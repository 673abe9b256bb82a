"""
Rdata of unknown record types: opaque octets (RFC 3597). NULL and SINK are known types, but opaque too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_ext.errors import BadRecord
from twisted_ext.wire.escapes import fromHex
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Octets
from twisted_ext.wire.tokens import Tokens

__all__ = ["Unknown"]

_FORM: Final = "\\#, the number of octets, and these in hex,"


class Unknown(Rdata):
    """
    Arbitrary octets, never decompressed and compared bytewise.
    """

    mnemonic = "unknown"
    octets = Octets(bytes.hex, fromHex, _FORM)

    @classmethod
    def words(cls, values: Sequence[object]) -> None:
        return None

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        raise _refusal(tokens)


def _refusal(tokens: Tokens) -> BadRecord:
    return tokens.bad(tokens.take(_FORM), _FORM)
