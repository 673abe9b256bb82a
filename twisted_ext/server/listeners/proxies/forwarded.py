"""
The header fields by which HTTP proxies name their clients: C{Forwarded} (RFC 7239), and the older C{X-Forwarded-For}.

No I/O. Each proxy adds an element at the end, so only the elements behind the last one that is not of a trusted proxy can be believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from twisted_ext.server.limits import FORWARDED_ELEMENTS

__all__ = ["FIELDS", "clientIn"]

#: The names of the fields, as HTTP/2 has them.
FIELDS: Final = (b"forwarded", b"x-forwarded-for")

#: A parameter of an element of C{Forwarded}: a token or a quoted string without escapes, which no address needs.
_PAIR: Final = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:\"([^\"\\]*)\"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))[ \t]*(;|,|$)")

#: An address with or without a port: IPv6 in brackets, or without (and then without a port) in the older field.
_NODE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)")

_MOST: Final = int(FORWARDED_ELEMENTS.default)


def clientIn(forwarded: bytes | None, older: bytes | None, trusts: Callable[[str], bool]) -> str | None:
    """
    Return the client that a trusted proxy names.

    @param forwarded: the values of C{Forwarded}, joined by commas.
    @param older: the values of C{X-Forwarded-For}, likewise.
    @param trusts: returns whether the proxy at an address is trusted, so that what it says of its client is believed.

    @return: the client's address; C{""} if there is none, as the fields are missing or hide it. L{None} if they are malformed, or
        contradict each other: then the client has made one of them up, and the proxy has passed it on.
    """
    found = None if forwarded is None else _last(_elements(forwarded), trusts)
    other = None if older is None else _last(_oldElements(older), trusts)
    if forwarded is None and older is None:
        return ""
    if forwarded is None or older is None:
        return found if older is None else other
    return found if found == other else None


def _last(nodes: list[str] | None, trusts: Callable[[str], bool]) -> str | None:
    if nodes is None or not nodes or len(nodes) > _MOST:
        return None
    client = ""
    for node in reversed(nodes):
        if node == "unknown" or node.startswith("_"):
            # Hidden by the proxy, and so is what is before it.
            return ""
        matched = _NODE.fullmatch(node)
        if matched is None:
            return None
        try:
            client = str(ip_address(matched[1] or matched[2] or matched[3]))
        except ValueError:
            return None
        if not trusts(client):
            return client
    return client


def _elements(value: bytes) -> list[str] | None:
    nodes: list[str] = []
    node = ""
    at = 0
    while True:
        matched = _PAIR.match(value, at)
        if matched is None:
            return None
        name, quoted, token, end = matched.groups()
        if name.lower() == b"for":
            if node:
                return None
            node = (quoted if quoted is not None else token).decode("latin-1")
            if not node:
                return None
        at = matched.end()
        if end == b";":
            continue
        # An element without the parameter hides the client.
        nodes.append(node or "unknown")
        node = ""
        if not end:
            return nodes
        if len(nodes) > _MOST:
            return None


def _oldElements(value: bytes) -> list[str] | None:
    return [each.strip(" \t") for each in value.decode("latin-1").split(",")]
