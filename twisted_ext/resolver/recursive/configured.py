"""
What a recursive resolver is configured with: servers of the root, trust anchors, zones whose servers are known, and which servers not to
query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from socket import AF_INET
from typing import Final

from mypy_extensions import mypyc_attr

from twisted_ext.answers import Answer
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.anchors.negative import NegativeTrustAnchors, anchorsFor
from twisted_ext.dnssec.limits import ANCHOR_FILE_OCTETS
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor, TrustAnchors, ZoneAnchors
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.files import openNow
from twisted_ext.recursion.delegations import Delegation
from twisted_ext.recursion.hints import TRANSFER_SERVERS, builtInRoot, rootFromText
from twisted_ext.recursion.iteration import Options
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import Ede
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText
from twisted_ext.wire.names import ROOT, isBelow, nameToText
from twisted_ext.wire.rrtypes import AAAA, A

__all__ = [
    "Minimization", "Trust", "disclosed", "isForServers", "optionsFor", "readAnchors", "readRoot", "transferServersFrom", "usableFor",
]  # fmt: skip

_HINTS_OCTETS: Final = 262_144

#: Beginnings of addresses that no server on the Internet has: this host, and multicast (RFC 6890).
_NONE_V4: Final = (0, 127, *range(224, 256))


@mypyc_attr(native_class=False)
class Minimization(str):
    """
    How to minimize query names: C{yes}, C{no} or C{strict}.
    """

    words: Final = ("yes", "no", "strict")

    @classmethod
    def fromText(cls, text: str) -> Minimization:
        """
        @raise CallerFault: it is none of the words.
        """
        if text not in cls.words:
            raise CallerFault(f"minimize takes yes, no or strict, not {text!r}")
        return cls(text)


class Trust:
    """
    The trust anchors that apply to a name. The object stays the same when anchors change.

    @ivar anchors: the trust anchors.
    @ivar negatives: the names for which validation is suspended.
    @ivar unproved: folded names of zones whose servers are configured. They are validated only with a trust anchor at or below them: the
        Internet may have no such zone.
    @ivar outer: what a whole server trusts, if this is of one of its sources: its suspensions hold here as well, and its anchors if this
        has none of its own.
    """

    __slots__ = ("anchors", "negatives", "unproved", "outer", "isOwn")

    def __init__(
        self,
        anchors: Iterable[Anchor] = ROOT_ANCHORS,
        negatives: NegativeTrustAnchors | None = None,
        unproved: Iterable[bytes] = (),
        isOwn: bool = True,
    ) -> None:
        """
        @param isOwn: whether the anchors hold although the server has others.
        """
        self.anchors = TrustAnchors(anchors)
        self.negatives = negatives or NegativeTrustAnchors()
        self.unproved = tuple(unproved)
        self.outer: Trust | None = None
        self.isOwn = isOwn

    def at(self, name: bytes, now: int) -> ZoneAnchors | None:
        """
        Return the anchors for a name; L{None} if it is not to be validated.

        @param name: folded.
        @param now: seconds since 1970.
        """
        outer = self.outer
        if outer is None:
            found = anchorsFor(name, self.anchors, self.negatives, now)
        else:
            found = anchorsFor(name, self.anchors if self.isOwn else outer.anchors, outer.negatives, now)
        return found if found is None or not self.unproved else self._proving(name, found)

    def usually(self, name: bytes, now: int) -> ZoneAnchors | None:
        """
        Return the anchors for a name as if there were no negative ones.

        @param name: folded.
        @param now: seconds since 1970; what is trusted does not depend on it.
        """
        outer = self.outer
        found = (self.anchors if outer is None or self.isOwn else outer.anchors).closest(name)
        return None if found is None else self._proving(name, found)

    def _proving(self, name: bytes, found: ZoneAnchors) -> ZoneAnchors | None:
        for zone in self.unproved:
            if isBelow(name, zone) and not isBelow(found.zone, zone):
                return None
        return found

    def suspended(self, name: bytes, now: int) -> bytes | None:
        """
        Return the name of the negative trust anchor because of which a name is not validated; L{None} if there is none.

        @param name: folded.
        @param now: seconds since 1970.
        """
        outer = self.outer
        found = (self.negatives if outer is None else outer.negatives).covers(name, now)
        if found is None:
            return None
        anchors = (self.anchors if outer is None or self.isOwn else outer.anchors).closest(name)
        return None if anchors is None or len(found) < len(anchors.zone) else found


def disclosed(answer: Answer, suspended: bytes) -> Answer:
    """
    Return an answer that says that its validation is suspended, as clients cannot see that otherwise.

    @param suspended: the result of L{Trust.suspended}.
    """
    other = answer.having(answer.answer, answer.authority, answer.additional)
    other.ede = ((Ede.NEGATIVE_TRUST_ANCHOR, f"{nameToText(suspended)} is not validated for a time"), *answer.ede)
    return other


def readRoot(path: str) -> Delegation:
    """
    Read the servers of the root from a file of hints; return those built in for C{""}.

    @raise BadDescription: the file is not valid, or cannot be read; one line says what, and where.
    """
    if not path:
        return builtInRoot()
    octets = _contentOf(path, _HINTS_OCTETS)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        expected = "NS, A and AAAA records were expected"
        raise BadDescription(f"{path}:{line}: octet {octets[error.start]} is not UTF-8 text; {expected}") from None
    return rootFromText(text, path)


def readAnchors(paths: Iterable[str], now: int) -> tuple[list[Anchor], list[str]]:
    """
    Read the trust anchors of files. Those of the root that are built in are used as well, unless a file has some of the root.

    @param now: seconds since 1970.

    @return: the anchors; and remarks, one line for each anchor that is not used.

    @raise BadDescription: a file is not valid, or cannot be read; one line for each error.
    """
    found: list[Anchor] = []
    remarks: list[str] = []
    for path in paths:
        # One octet more, so that a file that is too large is reported as such.
        file = anchorsFromFile(_contentOf(path, int(ANCHOR_FILE_OCTETS.default) + 1), path, now)
        found += file.anchors
        remarks += file.remarks
    if all(anchor.zone != ROOT for anchor in found):
        found = [*ROOT_ANCHORS, *found]
    # Check the number.
    TrustAnchors(found)
    return found, remarks


def _contentOf(path: str, most: int) -> bytes:
    try:
        with open(path, "rb", opener=openNow) as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        raise BadDescription(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def optionsFor(minimize: str, ipv6: bool = True) -> Options:
    """
    @param minimize: one of the words of L{Minimization}.
    """
    return Options(minimize=minimize != "no", strict=minimize == "strict", families=(A, AAAA) if ipv6 else (A,))


def transferServersFrom(texts: Iterable[str]) -> tuple[str, ...]:
    """
    Return the addresses of servers that transfer the root zone.

    @param texts: each an address, or several separated by commas; or C{yes} for those built in.

    @raise BadDescription: an address is not valid.
    """
    found: list[str] = []
    for text in texts:
        if text == "yes":
            found += TRANSFER_SERVERS
        else:
            found += [Server(address.strip()).address for address in text.split(",")]
    return tuple(dict.fromkeys(found))


def isForServers(address: str) -> bool:
    """
    Return whether a server on another host may have an address: not the loopback network, the unspecified address, or multicast.
    """
    plain = address.partition("%")[0]
    if ":" not in plain:
        return ipv4FromText(plain)[0] not in _NONE_V4
    packed = ipv6FromText(plain)
    if packed.startswith(bytes(10) + b"\xff\xff"):
        return packed[12] not in _NONE_V4
    return packed[0] != 255 and packed[:15] != bytes(15)


def usableFor(named: Iterable[str], *, ipv6: bool = True, loopback: bool = False) -> Callable[[str], bool] | None:
    """
    Return a function that says whether to query a server at an address that some zone has named.

    @param named: addresses that the configuration names, which may be anywhere.
    @param loopback: whether servers may be on this machine.

    @return: L{None} if all may be queried.
    """
    if ipv6 and loopback:
        return None
    known = frozenset(named)

    def usable(address: str) -> bool:
        if address in known:
            return ipv6 or Server.fromText(address).family == AF_INET
        if address[:1] == "[" or address.count(":") == 1:
            address = Server.fromText(address).address
        return (ipv6 or ":" not in address) and (loopback or isForServers(address))

    return usable
