"""
Finds the view of a client by its address.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription, CallerFault

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["Selectors", "checkedAddress"]

_EVERYONE: Final = ("0.0.0.0/0", "::/0")


class Selectors:
    """
    Finds the first of several lists of prefixes that has an address. It is an index by the lengths of prefixes: an address that was not
    seen before takes as long among a thousand lists as with one, so that forged addresses cost no more.

    @ivar hidden: by their numbers, lists that no address can get to, each with the number of an earlier one that has all of theirs.
    """

    def __init__(self, lists: Sequence[Sequence[str]], names: Sequence[str] = ()) -> None:
        """
        @param lists: prefixes such as C{"192.0.2.0/24"}, or C{"any"}.
        @param names: those of the views that they are of, for L{admit}.

        @raise BadDescription: a prefix is not valid.
        """
        # By the version of the address and the length of the prefix: the number of the list, by the bits of the prefix.
        self._prefixes: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}
        self.hidden: dict[int, int] = {}
        self._names = names
        for number, prefixes in enumerate(lists):
            earlier: set[int] = set()
            for prefix in [each for given in prefixes for each in (_EVERYONE if given == "any" else (given,))]:
                try:
                    network = ip_network(prefix)
                except ValueError as error:
                    raise BadDescription(f"{error}; write 192.0.2.0/24, 2001:db8::/32 or any") from None
                bits = int(network.network_address)
                earlier.add(self._firstFor(network.version, bits, network.prefixlen, network.max_prefixlen))
                same = self._prefixes[network.version].setdefault(network.prefixlen, {})
                same.setdefault(bits >> network.max_prefixlen - network.prefixlen, number)
            if prefixes and -1 not in earlier:
                self.hidden[number] = min(earlier)

    def _firstFor(self, version: int, bits: int, length: int, most: int) -> int:
        """
        Return the number of the first list that has a whole prefix, -1 for none.
        """
        found = -1
        for each, prefixes in self._prefixes[version].items():
            if each <= length:
                number = prefixes.get(bits >> most - each, -1)
                if number >= 0 and not 0 <= found < number:
                    found = number
        return found

    def find(self, client: str) -> int:
        """
        Return the number of the first list that has a client; -1 for none.

        @param client: an address; its scope is ignored.
        """
        if not self._prefixes[4] and not self._prefixes[6]:
            return -1
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            # Clients of a Unix socket have no address.
            return -1
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return self._firstFor(address.version, int(address), address.max_prefixlen, address.max_prefixlen)

    def admit(self, admission: Admission) -> None:
        """
        Decide which view a client is in that may query everything.
        """
        if admission.action == "allow":
            number = self.find(admission.client)
            if number >= 0:
                admission.view = self._names[number]


def checkedAddress(text: str) -> str:
    """
    Return the address of a client that an operator has written.

    @raise CallerFault: it is none.
    """
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        raise CallerFault(f"{text!r} is not an address; write 192.0.2.1 or 2001:db8::1") from None
    return text
