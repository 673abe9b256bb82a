"""
Makes rows of the history of what processes that answer queries have told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hmac import digest
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from twisted_ext.wire.names import nameToText

__all__ = [
    "CLIENT", "EDE", "KEY", "KEY_OCTETS", "NAME", "RULE", "SECURITIES", "STATUSES", "TRANSPORTS", "UPSTREAM", "VIEW", "Row",
    "Rows", "formsOf", "reversedName", "shownName",
]  # fmt: skip

#: Kinds of words: texts that queries refer to by numbers.
NAME, CLIENT, EDE, RULE, UPSTREAM, VIEW = range(6)

#: What became of a query. What is not listed is C{"local"}.
STATUSES: Final = ("local", "cached", "forwarded", "blocked", "refused", "failed", "dropped")

#: What DNSSEC has proved of an answer; C{""} if nothing was validated.
SECURITIES: Final = ("", "insecure", "secure", "bogus")

TRANSPORTS: Final = ("udp", "tcp", "tls", "https", "quic")

_STATUS: Final = {word: number for number, word in enumerate(STATUSES)}
_SECURITY: Final = {word: number for number, word in enumerate(SECURITIES)}
_TRANSPORT: Final = {word: number for number, word in enumerate(TRANSPORTS)}

_HEADER: Final = 12

#: Causes that are remembered for queries that the packet cache answers; then half of them are forgotten.
_CAUSES: Final = 100_000

#: That of what nothing has decided or proved, and those of what was only validated.
_NO_CAUSE: Final = ("", "", False, 0, None)
_PROVED: Final = tuple([("", "", False, number, "") for number in range(len(SECURITIES))])

#: Characters of a text that is kept, such as that of an extended error, which other servers choose.
_TEXT: Final = 200

#: Characters of all names that a name is an alias of; of more than that they are not known. Other servers choose them.
_ALIASES: Final = 1_000

#: The name of the file in the folder of the history that has the key for hashes of addresses, and the octets of that key.
KEY: Final = "key"
KEY_OCTETS: Final = 32

#: Octets of the digest of a client's address.
_DIGEST: Final = 12


class Row(NamedTuple):
    """
    A query.

    @ivar at: when it was answered, in microseconds since 1970.
    @ivar client: its address, or what is kept of that; C{""} for nothing.
    @ivar name: with its labels in reverse, so that all names below another one are next to each other; in lower case.
    @ivar rcode: -1 if there was no reply.
    @ivar ede: the text of the first extended error.
    @ivar micros: how long the answer took; 0 if it was at hand.
    @ivar rule: the list and line that has decided; C{""} for none.
    @ivar upstream: the server that has answered; C{""} for none.
    @ivar status: the place of what became of it in L{STATUSES}.
    @ivar transport: the same in L{TRANSPORTS}.
    @ivar security: the same in L{SECURITIES}.
    @ivar alias: the names that it is an alias of, as C{name}, in the order of the answer, with spaces between them; C{""} for none;
        L{None} if that is not known.
    """

    at: int
    client: str
    name: str
    type: int
    rcode: int
    ede: str
    micros: int
    rule: str
    upstream: str
    view: str
    status: int
    transport: int
    security: int = 0
    alias: str | None = None


def reversedName(name: bytes) -> str:
    """
    Return a name in wire form as text with its labels in reverse: C{"org.example.www"}. That of the root is C{""}.
    """
    labels: list[str] = []
    position = 0
    while position < len(name) and name[position]:
        end = position + 1 + name[position]
        labels.append(nameToText(name[position:end] + b"\0", final=False).lower())
        position = end
    return ".".join(reversed(labels))


def shownName(text: str) -> str:
    """
    Return the name that L{reversedName} has written, with its final dot.
    """
    labels: list[str] = []
    label = ""
    isEscaped = False
    for character in text:
        if character == "." and not isEscaped:
            labels.append(label)
            label = ""
            continue
        isEscaped = character == "\\" and not isEscaped
        label += character
    labels.append(label)
    return ".".join([*reversed(labels), ""]) if text else "."


class Rows:
    """
    Makes rows. What the packet cache has answered has no cause: it gets that of the last query of the same view, name and type that was not
    answered by it.
    """

    def __init__(self, clients: str = "full", key: bytes = b"", skip: Sequence[str] = (), views: Sequence[str] = ()) -> None:
        """
        @param clients: how clients are kept, C{"full"}, C{"network"}, C{"hash"} or C{"none"}.
        @param key: for C{"hash"}.
        @param skip: names in wire form as hexadecimal digits; these and those below them are not kept.
        @param views: the views whose queries are not kept.
        """
        self._shown = _showing(clients, key)
        self._clients: dict[str, str] = {}
        self._skip = [reversedName(bytes.fromhex(each)) for each in skip]
        self._views = frozenset(views)
        self._names: dict[bytes, str] = {}
        self._causes: dict[tuple[str, str, int], tuple[str, str, bool, int, str | None]] = {}

    def of(self, batch: object) -> Iterator[Row]:
        """
        Return the rows of a batch.

        @raise ValueError: it is not valid.
        """
        if not isinstance(batch, list):
            raise ValueError("a batch is a list")
        for told in batch:
            try:
                if told[0] == "h":
                    yield from self._hits(told)
                elif told[0] == "r":
                    row = self._replied(told)
                    if row is not None:
                        yield row
            except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise ValueError(f"what was told cannot be used: {error!r}") from None

    def _nameOf(self, name: bytes) -> str:
        found = self._names.get(name)
        if found is None:
            if len(self._names) >= _CAUSES:
                self._names.clear()
            found = self._names[name] = reversedName(name)
        return found

    def _aliasOf(self, targets: Sequence[bytes] | None) -> str | None:
        if targets is None or sum([len(each) for each in targets]) > _ALIASES:
            return None
        return " ".join([self._nameOf(each.lower()) for each in targets])

    def _clientOf(self, address: str) -> str:
        found = self._clients.get(address)
        if found is None:
            if len(self._clients) >= _CAUSES:
                self._clients.clear()
            found = self._clients[address] = self._shown(address)
        return found

    def _isSkipped(self, name: str, view: str) -> bool:
        return view in self._views or any(name == each or name.startswith(f"{each}.") or not each for each in self._skip)

    def _hits(self, told: tuple[Any, ...]) -> Iterator[Row]:
        _, time, transport, queries, replies, clients, views, blocked = told
        at, way = int(time * 1_000_000), _TRANSPORT[transport]
        stopped = frozenset(blocked)
        for place, (query, reply, client, view) in enumerate(zip(queries, replies, clients, views, strict=True)):
            end = _endOf(query)
            name = self._nameOf(query[_HEADER:end].lower())
            if self._isSkipped(name, view):
                continue
            rrType = int.from_bytes(query[end : end + 2], "big")
            ede, rule, wasBlocked, security, alias = self._causes.get((view, name, rrType), _NO_CAUSE)
            isBlocked = place in stopped
            if isBlocked != wasBlocked:
                # It repeats another answer, such as one from before a list was changed.
                ede = rule = ""
                security, alias = 0, None
            status = _STATUS["blocked" if isBlocked else "cached"]
            yield Row(at, self._clientOf(client), name, rrType, reply[1] & 15, ede, 0, rule, "", view, status, way, security, alias)

    def _replied(self, told: tuple[Any, ...]) -> Row | None:
        _, time, micros, transport, client, view, wire, rrType, rcode, ede, status, server, rule, secured, targets = told
        name = self._nameOf(wire.lower())
        if self._isSkipped(name, view):
            return None
        ede, rule, server = ede[:_TEXT], rule[:_TEXT], server[:_TEXT]
        key = (view, name, rrType)
        self._causes.pop(key, None)
        security, alias = _SECURITY[secured], self._aliasOf(targets)
        # Most are only secure or insecure.
        isPlain = not ede and not rule and alias == ""
        self._causes[key] = _PROVED[security] if isPlain else (ede, rule, status == "blocked", security, alias)
        if len(self._causes) > _CAUSES:
            for each in list(self._causes)[: _CAUSES // 2]:
                del self._causes[each]
        at, kept, number, way = int(time * 1_000_000), self._clientOf(client), _STATUS.get(status, 0), _TRANSPORT[transport]
        return Row(at, kept, name, rrType, rcode, ede, micros, rule, server, view, number, way, security, alias)


def _endOf(query: bytes) -> int:
    """
    Return where the name of the question ends.
    """
    end = _HEADER
    while query[end]:
        end += 1 + query[end]
    return end + 1


def formsOf(address: str, key: bytes = b"") -> frozenset[str]:
    """
    Return all that can be kept of a client's address.

    @param key: of the hashes, if it is known.
    """
    ways = ("full", "network", "hash") if key else ("full", "network")
    return frozenset([_showing(how, key)(address) for how in ways])


def _showing(how: str, key: bytes) -> Callable[[str], str]:
    """
    Return what makes of an address what is kept of it.
    """
    if how == "full":
        return lambda address: address
    if how == "none":
        return lambda address: ""

    def network(address: str) -> str:
        try:
            parsed: Any = ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        return str(ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False))

    if how == "network":
        return network
    return lambda address: digest(key, address.encode(), "sha256")[:_DIGEST].hex() if address else ""
