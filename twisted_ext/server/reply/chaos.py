"""
What a server answers of itself: its identity, CHAOS names (RFC 4892) and NSID (RFC 5001), which is not disclosed by default; and the
self-test query, by which it checks that it still answers.
"""

from __future__ import annotations

from hashlib import blake2s
from os import urandom
from typing import TYPE_CHECKING, Final

from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import CH
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, TXT

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["ChaosIdentity", "SelfTest"]

_VERSION: Final = (b"\x07version\x04bind\x00", b"\x07version\x06server\x00")
_HOST: Final = (b"\x08hostname\x04bind\x00", b"\x02id\x06server\x00")


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


class ChaosIdentity:
    """
    What the server discloses about itself (RFC 4892; RFC 5001).

    @ivar nsid: the octets of the NSID option; empty to send none.
    """

    def __init__(self, *, version: str = "", host: str = "", nsid: bytes | str = b"") -> None:
        """
        @param version: for C{version.bind} and C{version.server}; empty to refuse such queries.
        @param host: for C{hostname.bind} and C{id.server}; empty to refuse such queries.
        """
        self.nsid = nsid.encode("utf-8") if isinstance(nsid, str) else nsid
        self._texts = {name: text.encode("utf-8")[:255] for names, text in ((_VERSION, version), (_HOST, host)) for name in names if text}

    @classmethod
    def of(cls, settings: Settings) -> ChaosIdentity:
        return cls(version=settings.versionBind, host=settings.hostnameBind, nsid=settings.nsid)

    def answer(self, question: Question) -> tuple[RRSet, ...]:
        """
        Return the answer section; empty if the query is to be refused.

        @param question: a question of class CH.
        """
        text = self._texts.get(question.name.lower())
        if text is None or question.rrType not in (TXT, ANY):
            return ()
        return (RRSet(question.name, TXT, CH, 0, (bytes([len(text)]) + text,)),)
