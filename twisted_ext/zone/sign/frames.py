"""
What the process with the keys is asked, and says (L{twisted_ext.zone.sign.child}).

Both ways there are frames: four octets of length, then four of the number of the request, one of its kind, and the rest.

    - L{OPEN}, with a JSON object: C{folder}, C{zone} as text, C{now}, C{served} with the DNSKEY records that are served, in hex, or null,
      and C{ttl}, for how long resolvers keep these. The result is a JSON object: C{keys}, for each key that signs its DNSKEY record in hex
      and whether it is announced to the parent, signs the DNSKEY records, signs the rest, and has a DNSKEY record; C{published}, further
      DNSKEY records; C{due}, C{said} and C{sources} of L{Keyring<twisted_ext.dnssec.privatekeys.keyring.Keyring>}.
    - L{SIGN}, with the number of an L{OPEN}, then for each signature two octets with the index of the key, four with the length of the
      data, and the data. The result has two octets of length and the signature for each.
    - L{FORGET}, with the number of an L{OPEN}. It has no result.

A result has the number of the request, and L{DONE}; or L{FAILED} and a text, in which there is nothing of a key. The end of the input ends
the process.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["DONE", "FAILED", "FORGET", "HEAD", "LENGTH", "OPEN", "SIGN", "SIZE", "WANTED"]

OPEN: Final = 1
SIGN: Final = 2
FORGET: Final = 3
DONE: Final = 0
FAILED: Final = 1

#: The length of a frame, and the number of an L{OPEN}; number and kind.
SIZE: Final = Struct(">I")
HEAD: Final = Struct(">IB")

#: Index of a key and octets of data; octets of a signature.
WANTED: Final = Struct(">HI")
LENGTH: Final = Struct(">H")
