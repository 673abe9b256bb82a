"""
Sign and verify streams of messages, such as zone transfers, with TSIG (RFC 8945, section 5.3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import TSIG_FUDGE, TSIG_UNSIGNED
from twisted_ext.wire.tsig import BADSIG, Key, Verdict, judge, sign, splitSigned, verify

__all__ = ["StreamSigning", "StreamVerifying"]

_MOST_UNSIGNED: Final = int(TSIG_UNSIGNED.default)


class StreamSigning:
    """
    Signs each message of a reply in turn.
    """

    __slots__ = ("_key", "_mac", "_first", "_fudge")

    def __init__(self, key: Key, requestMac: bytes, *, fudge: int = int(TSIG_FUDGE.default)) -> None:
        self._key = key
        self._mac = requestMac
        self._first = True
        self._fudge = fudge

    def sign(self, message: bytes, now: float) -> bytes:
        """
        Sign the next message of the reply.
        """
        signed, self._mac = sign(
            message, self._key, now, requestMac=self._mac, fudge=self._fudge, timersOnly=not self._first
        )
        self._first = False
        return signed


class StreamVerifying:
    """
    Verifies the messages of a reply in turn. Up to L{TSIG_UNSIGNED} in a row may be unsigned, but not the first or the last one.

    @ivar complete: whether the latest message was signed: only then may the messages received so far be used.
    """

    __slots__ = ("_keys", "_mac", "_unsigned", "_count", "_failed", "complete")

    def __init__(self, keys: Mapping[bytes, Key], requestMac: bytes) -> None:
        self._keys = keys
        self._mac = requestMac
        self._unsigned: list[bytes] = []
        self._count = 0
        self._failed = False
        self.complete = False

    def feed(self, message: bytes, now: float) -> Verdict:
        """
        Verify the next message.

        @return: its verdict. An unsigned message where one is allowed has error 0 and no record: it is trusted only after a later signed
            message.

        @raise BadMessage: see L{verify}.
        """
        if self._failed:
            raise BadMessage("a message after one with a bad signature in the same stream")
        # Until this one is verified.
        self._failed = True
        if not self._count:
            verdict = verify(message, self._keys, now, requestMac=self._mac)
        else:
            octets, record = splitSigned(message)
            if record is None:
                self.complete = False
                self._unsigned.append(octets)
                self._failed = len(self._unsigned) > _MOST_UNSIGNED
                return Verdict(BADSIG if self._failed else 0, None, None, octets)
            covered = b"".join((len(self._mac).to_bytes(2, "big"), self._mac, *self._unsigned, octets))
            verdict = judge(covered, octets, record, self._keys, now, record.timers())
        self._count += 1
        self._failed = bool(verdict.error)
        self.complete = verdict.good
        self._mac = verdict.mac
        self._unsigned.clear()
        return verdict
