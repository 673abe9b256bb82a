"""
The self-test query, by which a server checks that it still answers.
"""

from __future__ import annotations

from hashlib import blake2s
from os import urandom

from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import CH
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TXT

__all__ = ["SelfTest"]


class SelfTest:
    """
    Makes the queries that a server sends to itself, and their answers.

    @ivar suffix: the end of the name, folded: the same in all processes that share the secret, and unknown to clients.
    @ivar token: the answer of this process, which no other process gives.
    @ivar connections: addresses and ports of the open connections that such a query came over, which are no clients' connections.
    """

    def __init__(self, secret: bytes) -> None:
        label = blake2s(secret, digest_size=16, person=b"selftest").hexdigest().encode("ascii")
        self.suffix = bytes([len(label)]) + label + b"\x08selftest\x00"
        self.token = urandom(8).hex().encode("ascii")
        self.connections: set[tuple[str, int]] = set()
        self._count = 0

    def query(self) -> bytes:
        self._count += 1
        first = b"%x" % self._count
        question = Question(bytes([len(first)]) + first + self.suffix, TXT, CH)
        return urandom(2) + buildQuery(0, question.toWire(), b"")

    def answer(self, question: Question) -> tuple[RRSet, ...]:
        """
        Return the answer of this process; empty for other questions of class CH.
        """
        if question.rrType != TXT or not question.name.lower().endswith(self.suffix):
            return ()
        return (RRSet(question.name, TXT, CH, 0, (bytes([len(self.token)]) + self.token,)),)
