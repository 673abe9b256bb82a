"""
What is public of a key that signs, wherever its secret is.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from mypy_extensions import mypyc_attr

from twisted_ext.dnssec.algorithms import algorithmName, digestOf
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.errors import CallerFault

__all__ = ["DIGESTS", "SigningKey"]

#: The digests of new DS records (RFC 8624, section 3.3).
DIGESTS: Final = (2, 4)

_ds: Final = Struct(">HBB").pack


@mypyc_attr(allow_interpreted_subclasses=True)
class SigningKey:
    """
    A key that signs.

    @ivar dnskey: rdata of its DNSKEY record.
    @ivar flags: 257 for a key-signing key, or the only key; 256 for a zone-signing key.
    @ivar tag: the key tag.
    """

    __slots__ = ("algorithm", "flags", "dnskey", "tag")

    def __init__(self, dnskey: bytes) -> None:
        """
        @param dnskey: whole; it is not checked.
        """
        self.dnskey = dnskey
        self.flags = dnskey[0] << 8 | dnskey[1]
        self.algorithm = dnskey[3]
        self.tag = keyTag(dnskey)

    def ds(self, owner: bytes, digest: int = 2) -> bytes:
        """
        Return rdata of the DS record for the key.

        @param owner: the zone.

        @raise CallerFault: DS records are not made with this digest.
        """
        made = digestOf(owner, self.dnskey, digest) if digest in DIGESTS else None
        if made is None:
            raise CallerFault(f"DS records are not made with digest type {digest}; 2 (SHA-256) and 4 (SHA-384) are right")
        return _ds(self.tag, self.algorithm, digest) + made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.tag} {algorithmName(self.algorithm)}>"
