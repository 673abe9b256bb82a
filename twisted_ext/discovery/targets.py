"""
A host and port to connect to, as a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.errors import BadName, CallerFault
from twisted_ext.wire.names import ROOT, nameFromText, nameToText

__all__ = ["BEHIND", "Target", "checkedPort", "hostIn", "hostOf", "protocolsIn"]

#: The priority of targets that are not from a record, such as the host itself: higher than any 16 bit number.
BEHIND: Final = 0x10000

#: Letters, digits and hyphens (RFC 1123, section 2.1), and underscores, which hosts in home networks and clusters have.
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")

#: Names that other code parses as an IPv4 address: the last label is a decimal or hexadecimal number.
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")


@dataclass(slots=True, repr=False)
class Target:
    """
    A host and port to connect to. Treated as immutable.

    @ivar host: a name without its final dot, or the address that the caller gave; never empty.
    @ivar port: never 0.
    @ivar priority: lower ones are tried first; targets of the same priority are already in the order in which to try them. From L{BEHIND}
        on: the target is not from a record.
    @ivar weight: the relative weight among targets of the same priority; 0 if the record type has no weight.
    @ivar addresses: address hints of the record, usable until the host's addresses are known.
    @ivar alpn: ALPN protocols that the record announces and the caller supports; empty if the record announces none. In TLS, the client
        must still offer all protocols that it supports (RFC 9460, section 7.1.2).
    @ivar protocol: the protocol that the rule names (RFC 3958), as the caller spells it; empty for other record types.
    @ivar parameters: all parameters of an SVCB record by key.
    """

    host: str
    port: int
    priority: int = 0
    weight: int = 0
    addresses: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    protocol: str = ""
    parameters: Mapping[int, bytes] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.host, self.port, self.priority, self.weight, self.protocol))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        said = [f"priority {self.priority}", f"weight {self.weight}"]
        if self.protocol:
            said.append(self.protocol)
        if self.alpn:
            said.append("alpn " + ",".join(self.alpn))
        if self.addresses:
            said.append("at " + ",".join(self.addresses))
        return f"<Target {self} {' '.join(said)}>"


def hostOf(name: bytes) -> str | None:
    """
    Return the text of a host name.

    @param name: in wire form.

    @return: the host without its final dot, or L{None} if this is not a valid host name. A name that looks like an address, such as
        C{127.0.0.1.}, is not valid: code that connects to it would use that address without a look-up that could have filtered it.
    """
    if name == ROOT:
        return None
    text = nameToText(name, final=False)
    return text if _HOST.fullmatch(text) and not _NUMBER.fullmatch(text) else None


def hostIn(text: str) -> str:
    """
    Return a host name in ASCII, without a final dot.

    @param text: an absolute host name from the caller.

    @raise BadName: it is not a valid host name.
    """
    host = hostOf(nameFromText(text))
    if host is None:
        raise BadName(f"{text!r:.80} is not a valid host name; write one such as 'www.example.org'")
    return host


def checkedPort(port: object) -> int:
    """
    @raise CallerFault: C{port} is not a valid port.
    """
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 0x10000:
        raise CallerFault(f"{port!r:.80} is not a valid port; they are numbered from 1 to 65535")
    return port


def protocolsIn(what: str, given: object) -> tuple[str, ...]:
    """
    Check a list of protocol names.

    @param what: the parameter's name, for error messages.

    @raise CallerFault: it is not a list of valid protocol names.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise CallerFault(f"{what}: {given!r:.80} is not a list of protocols; write one such as ['h2', 'http/1.1']")
    found = tuple(given)
    for each in found:
        if not (isinstance(each, str) and each.isascii() and 0 < len(each) < 256):
            raise CallerFault(f"{what}: {each!r:.80} is not a valid protocol name, such as 'h2'")
    return found
