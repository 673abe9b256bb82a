"""
Reads lines of lists in the formats of other DNS servers: C{address=/ads.example/} of dnsmasq, C{local-zone: "ads.example" always_nxdomain}
of Unbound, and C{ads.example CNAME .} of response policy zones. Only what blocks a name, or excepts it, can be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, SELF

__all__ = ["Found", "foreignRules", "isFrame"]

#: Names, and the bits of the rule for each.
Found = Sequence[tuple[bytes, int]]

_DNSMASQ: Final = re.compile(rb"(address|server|local)=/(.*)/([^/]*)")

_UNBOUND: Final = re.compile(rb"local-(zone|data):\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))\s*(\S*)")

#: A record of a policy zone. Its owner is relative to the zone.
_POLICY: Final = re.compile(rb"(\S+)\s+(?:\d+[smhdw]?\s+)?(?:in\s+)?(?:\d+[smhdw]?\s+)?cname\s+(\S+)")

#: What a policy zone has besides its rules, and the clause that lines of Unbound are in.
_FRAME: Final = re.compile(rb"\$(?:ttl|origin)\b.*|@?\s+(?:\d+[smhdw]?\s+)?(?:in\s+)?(?:soa|ns)\s.*|server:")

#: Types of local zones by which a name and all below it get no answer of another server.
_CLOSED: Final = frozenset(
    b"always_nxdomain always_nodata always_null always_refuse always_deny refuse static deny inform_deny redirect inform_redirect".split()
)

#: Addresses by which names are blocked.
_NOWHERE: Final = frozenset((b"", b"#", b"0.0.0.0", b"127.0.0.1", b"::", b"::1"))


def isFrame(line: bytes) -> bool:
    """
    Return whether a line of such a format is needed there, and has no rule.

    @param line: lower case. White space at its beginning counts.
    """
    return _FRAME.fullmatch(line) is not None


def foreignRules(line: bytes) -> Found | None:
    """
    Return the rules in a line; L{None} if it is in none of these formats.

    @param line: lower case, without white space around it.

    @raise ValueError: it is, but does something else than block or except names.
    """
    if (matched := _DNSMASQ.fullmatch(line)) is not None:
        return _dnsmasq(matched[1], matched[2].split(b"/"), matched[3])
    if (matched := _UNBOUND.fullmatch(line)) is not None:
        return _unbound(matched[1], matched[2] or matched[3] or matched[4] or b"", matched[5])
    if (matched := _POLICY.fullmatch(line.partition(b";")[0].rstrip())) is not None:
        return _policy(matched[1], matched[2])
    return None


def _dnsmasq(option: bytes, domains: list[bytes], target: bytes) -> Found:
    if b"#" in domains or b"" in domains:
        raise ValueError("is for all names, or for those without a dot")
    if option == b"address" and target not in _NOWHERE:
        raise ValueError("has an address of its own; write 0.0.0.0 to block a name")
    if option != b"address" and target not in (b"", b"#"):
        raise ValueError("forwards names to a server; use route")
    exception = EXCEPT if option != b"address" and target else 0
    return [(domain.removeprefix(b"*.").removeprefix(b"."), SELF | BELOW | exception) for domain in domains]


def _unbound(option: bytes, text: bytes, kind: bytes) -> Found:
    if option == b"zone":
        if kind not in _CLOSED:
            raise ValueError("is a local zone that blocks nothing")
        return [(text.removesuffix(b"."), SELF | BELOW)]
    words = text.split()
    if len(words) < 3 or words[-2] not in (b"a", b"aaaa") or words[-1] not in _NOWHERE:
        raise ValueError("is a local record that blocks nothing")
    return [(words[0].removesuffix(b"."), SELF)]


def _policy(owner: bytes, target: bytes) -> Found:
    if b"rpz-" in owner:
        raise ValueError("depends on more than the name that is asked for")
    if target not in (b".", b"*.", b"rpz-passthru."):
        raise ValueError("neither blocks a name nor excepts it")
    exception = EXCEPT if target == b"rpz-passthru." else 0
    below = owner.startswith(b"*.")
    return [(owner.removeprefix(b"*.").removesuffix(b"."), (BELOW if below else SELF) | exception)]
