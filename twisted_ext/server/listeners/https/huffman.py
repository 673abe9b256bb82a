"""
Huffman codes of header fields (RFC 7541, appendix B), decoded an octet at a time.

The hpack library decodes half an octet at a time, which takes twice as long. The table of all steps would take megabytes, so each step is
made when it is first needed: paths of queries need a few thousand.
"""

from __future__ import annotations

from typing import Final

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

__all__ = ["decoded"]

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
