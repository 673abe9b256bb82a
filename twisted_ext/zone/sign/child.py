"""
The only process of a server that keeps private keys in memory: C{python -m twisted_ext.zone.sign.child}. It reads the keys of zones when it
is told, and signs what it gets; L{twisted_ext.zone.sign.frames} has the form of that.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from struct import error
from typing import BinaryIO

from twisted_ext.dnssec.privatekeys.keyring import Keyring
from twisted_ext.dnssec.privatekeys.keys import PrivateKey
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.errors import DNSFault
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import DNSKEY
from twisted_ext.zone.sign.frames import DONE, FAILED, FORGET, HEAD, LENGTH, OPEN, SIZE, WANTED

__all__ = ["KeyChild", "main"]


class KeyChild:
    """
    The keys of all zones that were opened, by the number of the request.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[PrivateKey]] = {}

    def answered(self, frame: bytes) -> bytes:
        """
        Return the frame with the result of one, with its length; nothing if it has none.

        @param frame: without its length.
        """
        number, kind = HEAD.unpack_from(frame)
        rest = frame[HEAD.size :]
        status = DONE
        try:
            if kind == FORGET:
                self._forget(rest)
                return b""
            result = self._open(number, rest) if kind == OPEN else self._sign(rest)
        except DNSFault as fault:
            status, result = FAILED, fault.text.encode()
        except OSError as fault:
            status, result = FAILED, f"{fault.filename}: {fault.strerror or fault}".encode()
        except (ValueError, KeyError, IndexError, TypeError, error):
            # Without what was raised: it may refer to a key.
            status, result = FAILED, b"the request is malformed"
        return SIZE.pack(HEAD.size + len(result)) + HEAD.pack(number, status) + result

    def _open(self, number: int, said: bytes) -> bytes:
        asked = json.loads(said)
        served = None if asked["served"] is None else [bytes.fromhex(each) for each in asked["served"]]
        folder = str(asked["folder"])
        zone = nameFromText(asked["zone"]).lower()
        ring = LivingRing.read(folder, zone) or Keyring(folder, zone, asked["now"], served, asked["ttl"])
        self._keys[number] = ring.active
        signers = ring.signers()
        sources = []
        for path in (folder, *dict.fromkeys([*ring.sources, *[key.source for key in ring.active if key.source]])):
            found = os.stat(path)
            sources.append((path, found.st_size, found.st_mtime_ns))
        result = {
            "keys": [
                [key.dnskey.hex(), *[key in some for some in (signers.entries, signers.of(DNSKEY), signers.published)]]
                for key in ring.active
            ],
            "turns": [[turn.at, [ring.active.index(key) for key in turn.keys]] for turn in signers.ofRest],
            "published": [rdata.hex() for rdata in ring.published],
            "due": ring.due,
            "said": ring.said,
            "sources": sources,
        }
        return json.dumps(result).encode()

    def _sign(self, asked: bytes) -> bytes:
        (number,) = SIZE.unpack_from(asked)
        keys = self._keys[number]
        position, end = SIZE.size, len(asked)
        parts: list[bytes] = []
        while position < end:
            index, octets = WANTED.unpack_from(asked, position)
            begin = position + WANTED.size
            position = begin + octets
            if position > end:
                raise ValueError
            (signature,) = keys[index].signMany((asked[begin:position],))
            parts += (LENGTH.pack(len(signature)), signature)
        return b"".join(parts)

    def _forget(self, asked: bytes) -> None:
        self._keys.pop(SIZE.unpack(asked)[0], None)


def main(asked: BinaryIO, results: BinaryIO) -> None:
    """
    Answer requests until there are no more.
    """
    keys = KeyChild()
    while len(size := asked.read(SIZE.size)) == SIZE.size:
        results.write(keys.answered(asked.read(SIZE.unpack(size)[0])))
        results.flush()


if __name__ == "__main__":
    # A core file would have the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(sys.stdin.buffer, sys.stdout.buffer)
