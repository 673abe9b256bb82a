"""
The access control list: what to do with a query, by the client's network and how it came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.doors import NOWHERE, Door, Doors, doorsWithin
from twisted_ext.server.config.clientwords import ClientWords

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

_NO_RULES: Final[Mapping[int, Mapping[int, Mapping[int, str]]]] = {4: {}, 6: {}}


class Access:
    """
    Actions by prefix, and by how clients come in. The longest matching prefix decides, regardless of the order of the rules; of rules with
    the same prefix, that which says more of how a client came in, and then the one that refuses. A client that matches none is refused,
    or may query zones only.

    @ivar doors: the ways of coming in that rules name.
    """

    def __init__(self, rules: Mapping[str, Iterable[str]] | None = None, otherwise: str = "refuse") -> None:
        """
        @param otherwise: the action for clients that match no prefix.
        @param rules: clients for each of L{ACTIONS}, such as C{{"allow": ["192.0.2.0/24", "key=partner"], "drop": ["192.0.2.66"]}}, see
            L{ClientWords<twisted_ext.server.config.clientwords.ClientWords>}; C{any} means every address of both families. By default those
            of L{NEARBY} are allowed.

        @raise BadDescription: a prefix or an action is not valid, or a prefix is given two actions.
        """
        self._otherwise = otherwise
        # By how clients come in, the version of the address, the length of the prefix, and its bits.
        self._rules: dict[Door, dict[int, dict[int, dict[int, str]]]] = {NOWHERE: {4: {}, 6: {}}}
        for action, prefixes in ({"allow": NEARBY} if rules is None else rules).items():
            if action not in ACTIONS:
                raise BadDescription(f"access: {action!r} is not a valid action; there are {', '.join(ACTIONS)}")
            for text in prefixes:
                self._add(text, action)
        for byVersion in self._rules.values():
            for version, lengths in byVersion.items():
                byVersion[version] = {length: lengths[length] for length in sorted(lengths, reverse=True)}
        self.doors = Doors.of(self._rules)

    def _add(self, text: str, action: str) -> None:
        prefix, door = text, NOWHERE
        if not text.isascii() or text == "tls" or " " in text or "=" in text:
            words = ClientWords.fromText(text)
            prefix, door = words.prefix or "any", words.toDoor()
        for each in ("0.0.0.0/0", "::/0") if prefix == "any" else (prefix,):
            try:
                network: IPv4Network | IPv6Network = ip_network(each)
            except ValueError as error:
                raise BadDescription(f"access: {error}; write 192.0.2.0/24, 2001:db8::/32 or any") from None
            byVersion = self._rules.setdefault(door, {4: {}, 6: {}})
            same = byVersion[network.version].setdefault(network.prefixlen, {})
            bits = int(network.network_address) >> network.max_prefixlen - network.prefixlen
            if same.setdefault(bits, action) != action:
                said = text if door != NOWHERE else each
                raise BadDescription(f"access: {said} is listed under both {same[bits]} and {action}")

    def actionFor(self, client: str, door: Door = NOWHERE) -> str:
        """
        Return the action for a client.

        @param client: an address; its scope is ignored.
        @param door: how it came in.

        @return: one of L{ACTIONS}, or C{otherwise}.
        """
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            # Clients of a Unix socket have no address; the permissions of the socket file apply.
            return "allow" if not client else "refuse"
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number, most = int(address), address.max_prefixlen
        found, best = self._otherwise, (-1, 0, 0)
        for each in doorsWithin(door):
            for length, prefixes in self._rules.get(each, _NO_RULES)[address.version].items():
                action = prefixes.get(number >> most - length)
                if action is not None:
                    weight = (length, each.words, ACTIONS.index(action))
                    if weight > best:
                        found, best = action, weight
                    break
        return found

    def admit(self, admission: Admission) -> None:
        admission.action = self.actionFor(admission.client, admission.door)
