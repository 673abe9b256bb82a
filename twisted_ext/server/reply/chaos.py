"""
The server's identity: CHAOS names (RFC 4892) and NSID (RFC 5001), not disclosed by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.wire.codes import CH
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, TXT

if TYPE_CHECKING:
    from twisted_ext.server.settings.settings import Settings

__all__ = ["ChaosIdentity"]

_VERSION: Final = (b"\x07version\x04bind\x00", b"\x07version\x06server\x00")
_HOST: Final = (b"\x08hostname\x04bind\x00", b"\x02id\x06server\x00")


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
