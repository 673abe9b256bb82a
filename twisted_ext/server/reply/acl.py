"""
The access control list: what to do with a query, by the client's network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["ACTIONS", "Access", "NEARBY"]

#: Loopback and private networks (RFC 1918; RFC 3927; RFC 4193; RFC 6598; RFC 4291). Internet clients are excluded, so that a newly
#: installed server cannot be used as a reflector.
NEARBY: Final = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
)

#: Actions for a client: answer it, reply REFUSED, or drop its query. The further action C{zones} answers from zones and refuses all other
#: queries.
ACTIONS: Final = ("allow", "refuse", "drop")


class Access:
    """
    Actions by prefix. The longest matching prefix decides, regardless of the order of the rules; a client that matches none is refused, or
    may query zones only.
    """

    def __init__(self, rules: Mapping[str, Iterable[str]] | None = None, otherwise: str = "refuse") -> None:
        """
        @param otherwise: the action for clients that match no prefix.
        @param rules: prefixes for each of L{ACTIONS}, such as C{{"allow": ["192.0.2.0/24"], "drop": ["192.0.2.66"]}}; C{any} means every
            address of both families. By default those of L{NEARBY} are allowed.

        @raise BadDescription: a prefix or an action is not valid, or a prefix is given two actions.
        """
        self._otherwise = otherwise
        self._prefixes: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}
        for action, prefixes in ({"allow": NEARBY} if rules is None else rules).items():
            if action not in ACTIONS:
                raise BadDescription(f"access: {action!r} is not a valid action; there are {', '.join(ACTIONS)}")
            for prefix in prefixes:
                for each in ("0.0.0.0/0", "::/0") if prefix == "any" else (prefix,):
                    self._add(each, action)
        for version, lengths in self._prefixes.items():
            self._prefixes[version] = {length: lengths[length] for length in sorted(lengths, reverse=True)}

    def _add(self, prefix: str, action: str) -> None:
        try:
            network: IPv4Network | IPv6Network = ip_network(prefix)
        except ValueError as error:
            raise BadDescription(f"access: {error}; write 192.0.2.0/24, 2001:db8::/32 or any") from None
        same = self._prefixes[network.version].setdefault(network.prefixlen, {})
        bits = int(network.network_address) >> network.max_prefixlen - network.prefixlen
        if same.setdefault(bits, action) != action:
            raise BadDescription(f"access: {prefix} is listed under both {same[bits]} and {action}")

    def actionFor(self, client: str) -> str:
        """
        Return the action for a client.

        @param client: an address; its scope is ignored.

        @return: one of L{ACTIONS}, or C{otherwise}.
        """
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            # Clients of a Unix socket have no address; the permissions of the socket file apply.
            return "allow" if not client else "refuse"
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for length, prefixes in self._prefixes[address.version].items():
            action = prefixes.get(number >> address.max_prefixlen - length)
            if action is not None:
                return action
        return self._otherwise

    def admit(self, admission: Admission) -> None:
        admission.action = self.actionFor(admission.client)
