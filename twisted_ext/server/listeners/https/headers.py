"""
HTTP/2 header blocks: reading requests with the hpack library, and writing replies (RFC 7541).

Decompression takes most of the time of a request. A block that refers to the connection's table without changing it means the same
whenever the table is the same, so its meaning is kept, for all connections. Clients that send the same few headers again and again, as they
do, cost one dictionary look-up. Where only the path differs from a header before, only the path is decompressed.

Huffman codes (RFC 7541, appendix B) are decoded an octet at a time: the hpack library decodes half an octet at a time, which takes twice as
long. The table of all steps would take megabytes, so each step is made when it is first needed: paths of queries need a few thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from twisted_ext.server.limits import HTTPS_FIELDS, HTTPS_REMEMBERED
from twisted_ext.server.listeners.https.request import MEDIA_TYPE, Head, Status, fieldsOf
from twisted_ext.server.listeners.proxies.forwarded import FIELDS

if TYPE_CHECKING:
    from twisted_ext.server.listeners.https.request import Endpoint

__all__ = [
    "BadBlock",
    "HeadMemory",
    "HeadReader",
    "OversizedBlock",
    "alternativesBlock",
    "decoded",
    "headOf",
    "messageBlock",
    "statusBlock",
]

#: Octets that a kept meaning takes besides its block and its message.
_ENTRY: Final = 700

#: Tables that are told apart.
_TABLES: Final = 1024

#: Written reply headers that are kept.
_WRITTEN: Final = 4096

_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path"))

#: Fields that belong to HTTP/1.1 and make a request of HTTP/2 malformed (RFC 9113, section 8.2.2).
_CONNECTION: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))

# Indexes of names in the static table (RFC 7541, appendix A), as literals that are not added to the dynamic table.
_NAMES: Final = {
    b":status": b"\x08",
    b"allow": b"\x0f\x07",
    b"alt-svc": b"\x00\x07alt-svc",
    b"cache-control": b"\x0f\x09",
    b"content-disposition": b"\x0f\x0a",
    b"content-length": b"\x0f\x0d",
    b"content-type": b"\x0f\x10",
    b"retry-after": b"\x0f\x26",
}

#: The status 200 as an index.
_OK: Final = b"\x88"


#: The first octets of a path that is not added to the table: one that may be, and one that never may be.
_PATHS: Final = (0x04, 0x14)

#: Fields before the path that are looked at, and octets of a path that is decompressed by itself.
_BEFORE: Final = 8
_PATH: Final = 4096

#: Headers of one connection that are known but for the path.
_FORMS: Final = 8

#: Steps that are kept; octets of hostile paths could need 65,536.
_STEPS: Final = 8192

#: The end of a string, which does not occur in one.
_END: Final = 256

#: The node after an error.
_WRONG: Final = -1


def _tree() -> list[list[int]]:
    """
    Return the inner nodes of the code's tree: for each bit the next node, or the complement of a symbol. The root is node 0.
    """
    nodes = [[0, 0]]
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        node = 0
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if not nodes[node][bit]:
                nodes[node][bit] = len(nodes)
                nodes.append([0, 0])
            node = nodes[node][bit]
        nodes[node][code & 1] = ~symbol
    return nodes


_nodes: Final = _tree()


def _endStates() -> frozenset[int]:
    """
    Return the nodes at which a string may end: its last octet is filled with up to seven ones.
    """
    found = [0]
    for _ in range(7):
        found.append(_nodes[found[-1]][1])
    return frozenset(found)


_ends: Final = _endStates()


class _Steps:
    """
    The steps of the decoder.

    @ivar known: for 256 times a node plus an octet, 256 times the node after it, and the symbols; L{None} until that is needed. A list,
        since compiled code finds its elements without making an object of the number.
    @ivar count: how many are known.
    """

    def __init__(self) -> None:
        self.known: list[tuple[int, bytes] | None] = [None] * (len(_nodes) << 8)
        self.count = 0

    def make(self, key: int) -> tuple[int, bytes]:
        if self.count >= _STEPS:
            self.known[:] = [None] * len(self.known)
            self.count = 0
        node = key >> 8
        symbols = bytearray()
        for shift in range(7, -1, -1):
            node = _nodes[node][key >> shift & 1]
            if node < 0:
                if ~node == _END:
                    node = _WRONG
                    break
                symbols.append(~node)
                node = 0
        made = self.known[key] = (node << 8, bytes(symbols))
        self.count += 1
        return made


_steps: Final = _Steps()


def decoded(octets: bytes) -> bytes | None:
    """
    Return the string, or L{None} if it is malformed.
    """
    known = _steps.known
    node = 0
    symbols = []
    for octet in octets:
        step = known[node | octet]
        if step is None:
            step = _steps.make(node | octet)
        node, some = step
        if node < 0:
            return None
        symbols.append(some)
    return b"".join(symbols) if node >> 8 in _ends else None


class BadBlock(Exception):
    """
    A header block cannot be decompressed, which ends the connection.
    """


class OversizedBlock(BadBlock):
    """
    A header block decompresses to more than the limit.
    """


class HeadMemory:
    """
    The meanings of header blocks, for all connections of a listener.
    """

    def __init__(self, endpoint: Endpoint, most: float | None = None) -> None:
        self.endpoint = endpoint
        self._half = int(HTTPS_REMEMBERED.pick(most)) // 2
        # Meanings used or added lately, and those from before; by table and block.
        self._young: dict[tuple[int, bytes], Head] = {}
        self._old: dict[tuple[int, bytes], Head] = {}
        self._octets = 0
        self._tables: dict[tuple[tuple[bytes, bytes], ...], int] = {}
        self._last = 0
        self.find: Callable[[tuple[int, bytes]], Head | None] = self._young.get

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def findOld(self, key: tuple[int, bytes]) -> Head | None:
        """
        Find what L{find} did not.
        """
        head = self._old.pop(key, None)
        if head is not None:
            self.keep(key, head)
        return head

    def keep(self, key: tuple[int, bytes], head: Head) -> None:
        octets = _ENTRY + len(key[1]) + len(head.query or b"")
        if self._octets + octets > self._half:
            self._old = self._young
            self._young = {}
            self.find = self._young.get
            self._octets = 0
        self._young[key] = head
        self._octets += octets

    def serve(self, paths: Collection[str]) -> None:
        """
        Serve DNS at these further paths.
        """
        self.endpoint.serve(paths)
        # What was found of other paths before.
        self._young.clear()
        self._old.clear()
        self._octets = 0

    def tableOf(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """
        Return the number of a dynamic table: the same for the same entries.
        """
        key = tuple(entries)
        number = self._tables.get(key)
        if number is None:
            if len(self._tables) >= _TABLES:
                # Numbers are not used twice, so the meanings for forgotten tables are never found again.
                self._tables.clear()
            self._last = number = self._last + 1
            self._tables[key] = number
        return number


class HeadReader:
    """
    Reads the header blocks of one connection.
    """

    def __init__(self, memory: HeadMemory) -> None:
        self._memory = memory
        self._decoder = Decoder(int(HTTPS_FIELDS.default))
        # The number of the dynamic table; 0 while it keeps changing.
        self._table = 0
        # Headers that do not change the table, as the octets around the path: the method, the type and the length that they say.
        self._forms: dict[tuple[bytes, bytes], tuple[bytes, bytes | None, bytes | None]] = {}

    def read(self, block: bytes) -> Head | None:
        """
        Return the meaning of a request's header block, or L{None} if the request is malformed.

        @raise BadBlock: it cannot be decompressed.
        """
        memory = self._memory
        if memory.endpoint.proxies is not None:
            # Each client has another header.
            return headOf(self._decode(block), memory.endpoint)
        if self._table:
            key = (self._table, block)
            head = memory.find(key) or memory.findOld(key)
            if head is not None:
                return head
            around = _aroundPath(block)
            if around is not None:
                form = self._forms.get(around[0])
                if form is not None:
                    head = memory.endpoint.head(form[0], around[1], form[1], form[2])
                    if head.status is None:
                        memory.keep(key, head)
                    return head
        table = self._decoder.header_table
        # Compiled code takes pairs apart and makes others when it reads them with their type; here they are compared by identity.
        entries: Any = table.dynamic_entries
        before: Any = (entries[0] if entries else None, len(entries), table.maxsize)
        fields = self._decode(block)
        head = headOf(fields, memory.endpoint)
        after: Any = (entries[0] if entries else None, len(entries), table.maxsize)
        # A new entry comes first, and is another object even if it has the same name and value.
        if before[0] is not after[0] or before[1:] != after[1:]:
            self._table = 0
            self._forms.clear()
            return head
        if not self._table:
            self._table = memory.tableOf(entries)
        if head is not None and head.status is None:
            memory.keep((self._table, block), head)
            around = _aroundPath(block)
            if around is not None:
                if len(self._forms) >= _FORMS:
                    self._forms.clear()
                said = dict(fields)
                self._forms[around[0]] = said[b":method"], said.get(b"content-type"), said.get(b"content-length")
        return head

    def skip(self, block: bytes) -> bool:
        """
        Read a block whose fields do not matter, such as that of trailers.

        @return: whether it may be one of trailers.

        @raise BadBlock: it cannot be decompressed.
        """
        self._table = 0
        self._forms.clear()
        return not any(name.startswith(b":") for name, _ in self._decode(block))

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise OversizedBlock from None
        except (HPACKError, IndexError, ValueError) as error:
            raise BadBlock from error


def _aroundPath(block: bytes) -> tuple[tuple[bytes, bytes], bytes] | None:
    """
    Split a block into the octets around the path, and the path; L{None} if it is not of that form: fields that each are one index, then the
    path, then any.
    """
    at = 0
    size = len(block)
    while at < size and block[at] > 0x80 and block[at] != 0xFF:
        at += 1
    if at > _BEFORE or at + 3 > size or block[at] not in _PATHS:
        return None
    first = block[at + 1]
    start = at + 2
    length = first & 0x7F
    if length == 0x7F:
        # An integer of more octets (RFC 7541, section 5.1).
        more = block[start]
        length += more & 0x7F
        start += 1
        if more & 0x80:
            if start >= size or block[start] & 0x80:
                return None
            length += block[start] << 7
            start += 1
    end = start + length
    if end > size or not 0 < length <= _PATH:
        return None
    path = block[start:end]
    if first & 0x80:
        whole = decoded(path)
        if whole is None:
            return None
        path = whole
    return (block[: at + 1], block[end:]), path


def headOf(fields: list[tuple[bytes, bytes]], endpoint: Endpoint) -> Head | None:
    """
    Check what RFC 9113, section 8, requires of a request, and return what it asks for.
    """
    pseudo: dict[bytes, bytes] = {}
    kind = length = None
    said: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name in pseudo or name not in _PSEUDO:
                return None
            pseudo[name] = value
            continue
        regular = True
        if name.lower() != name or name in _CONNECTION or (name == b"te" and value != b"trailers"):
            return None
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            if length is not None and length != value:
                return None
            length = value
        elif name in FIELDS:
            said[name] = said[name] + b"," + value if name in said else value
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if not method or not path or not pseudo.get(b":scheme"):
        return None
    return endpoint.named(endpoint.head(method, path, kind, length), *map(said.get, FIELDS))


def _field(name: bytes, value: bytes) -> bytes:
    index = _NAMES.get(name) or b"\x00%c%b" % (len(name), name)
    length = len(value)
    # An integer with a prefix of seven bits (RFC 7541, section 5.1); values are short.
    return index + (bytes((length,)) if length < 127 else bytes((127, length - 127))) + value


_TYPE: Final = _OK + _field(b"content-type", MEDIA_TYPE)

_written: Final[dict[int, bytes]] = {}


def messageBlock(length: int, seconds: int) -> bytes:
    """
    Return the header block of a reply with a DNS message.

    @param length: the message's length.
    @param seconds: how long it may be cached.
    """
    key = seconds << 16 | length
    block = _written.get(key)
    if block is None:
        if len(_written) >= _WRITTEN:
            _written.clear()
        block = _TYPE + _field(b"content-length", b"%d" % length) + _field(b"cache-control", b"max-age=%d" % seconds)
        _written[key] = block
    return block


def alternativesBlock(value: bytes) -> bytes:
    """
    Return what follows the header block of any reply to offer other versions of HTTP (RFC 7838).

    @param value: that of the header; C{b""} for none.
    """
    return _field(b"alt-svc", value) if value else b""


def statusBlock(status: Status) -> bytes:
    code = _OK if status.code == 200 else _field(b":status", b"%d" % status.code)
    return code + b"".join([_field(name, value) for name, value in fieldsOf(status)])
