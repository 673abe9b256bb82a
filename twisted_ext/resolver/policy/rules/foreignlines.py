"""
Reads lines of lists in the formats of other DNS servers: C{address=/ads.example/} of dnsmasq, C{local-zone: "ads.example" always_nxdomain}
of Unbound, and C{ads.example CNAME .} of response policy zones. Only what blocks a name, or excepts it, can be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, SELF

__all__ = ["Found", "PolicyZone", "foreignRules"]

#: Names, and the bits of the rule for each.
Found = Sequence[tuple[bytes, int]]

_DNSMASQ: Final = re.compile(rb"(address|server|local)=/(.*)/([^/]*)")

_UNBOUND: Final = re.compile(rb"local-(zone|data):\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))\s*(\S*)")

#: A record of a policy zone.
_POLICY: Final = re.compile(rb"(\S+)\s+(?:\d+[smhdw]?\s+)?(?:in\s+)?(?:\d+[smhdw]?\s+)?cname\s+(\S+)")

#: The owner and the type of a record that a policy zone has besides its rules. An address begins a line of a hosts file.
_APEX: Final = re.compile(rb"((?![;#!]|\d+\.\d+\.)\S*)\s+(?:\d+[smhdw]?\s+)?(?:in\s+)?(?:\d+[smhdw]?\s+)?(soa|ns)\s.*")

_ORIGIN: Final = re.compile(rb"\$origin\s+(\S+)\s*(?:;.*)?")

#: What else has no rule: a directive of zone files, and the clause that lines of Unbound are in.
_FRAME: Final = re.compile(rb"\$ttl\b.*|server:")

#: Types of local zones by which a name and all below it get no answer of another server.
_CLOSED: Final = frozenset(
    b"always_nxdomain always_nodata always_null always_refuse always_deny refuse static deny inform_deny redirect inform_redirect".split()
)

#: Addresses by which names are blocked.
_NOWHERE: Final = frozenset((b"", b"#", b"0.0.0.0", b"127.0.0.1", b"::", b"::1"))


class PolicyZone:
    """
    What lines of a list depend on that stand before them, if it is a policy zone: the owners of rules are relative to the zone's name, and
    may be written relative to C{$ORIGIN}.
    """

    __slots__ = ("_apex", "_open", "_origin")

    def __init__(self) -> None:
        # The zone's name, and what is behind relative owners, without a final dot; None while they are not known.
        self._apex: bytes | None = None
        self._origin: bytes | None = None
        # Whether the SOA record goes on in the next line.
        self._open = False

    def takes(self, line: bytes) -> bool:
        """
        Return whether a line belongs to the zone, and has no rule.

        @param line: lower case. White space at its beginning counts.
        """
        if self._open:
            self._open = b")" not in line.partition(b";")[0]
            return True
        if (matched := _ORIGIN.fullmatch(line)) is not None:
            self._origin = self._absolute(matched[1])
            # Lists without an SOA record may have it all the same.
            self._apex = self._apex or self._origin
            return True
        if (matched := _APEX.fullmatch(line)) is None:
            return _FRAME.fullmatch(line) is not None
        if matched[2] == b"soa":
            text = line.partition(b";")[0]
            self._open = b"(" in text and b")" not in text
            if matched[1] not in (b"", b"@"):
                self._apex = self._absolute(matched[1])
            else:
                self._apex = self._origin
        return True

    def _absolute(self, name: bytes) -> bytes:
        if name.endswith(b".") or not self._origin:
            return name.removesuffix(b".")
        return b"%b.%b" % (name, self._origin)

    def ownerIn(self, name: bytes) -> bytes:
        """
        Return the owner of a rule, relative to the zone.

        @raise ValueError: it is not in the zone.
        """
        if not self._apex or not (name.endswith(b".") or self._origin is not None):
            return name.removesuffix(b".")
        inside = self._absolute(name)
        if not inside.endswith(b"." + self._apex):
            raise ValueError(f"has a name that is not below that of the zone, {self._apex.decode('ascii', 'replace')}")
        return inside[: -len(self._apex) - 1]


def foreignRules(line: bytes, zone: PolicyZone) -> Found | None:
    """
    Return the rules in a line; L{None} if it is in none of these formats.

    @param line: lower case, without white space around it.
    @param zone: what the lines before it say of a policy zone.

    @raise ValueError: it is, but does something else than block or except names.
    """
    if (matched := _DNSMASQ.fullmatch(line)) is not None:
        return _dnsmasq(matched[1], matched[2].split(b"/"), matched[3])
    if (matched := _UNBOUND.fullmatch(line)) is not None:
        return _unbound(matched[1], matched[2] or matched[3] or matched[4] or b"", matched[5])
    if (matched := _POLICY.fullmatch(line.partition(b";")[0].rstrip())) is not None:
        return _policy(zone.ownerIn(matched[1]), matched[2])
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
    return [(owner.removeprefix(b"*."), (BELOW if below else SELF) | exception)]
