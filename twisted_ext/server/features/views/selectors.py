"""
Finds the view of a client by its address, and by how it came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.packetcache.doors import NOWHERE, Door, Doors, doorsWithin
from twisted_ext.server.config.clientwords import ClientWords

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["Selectors", "checkedAddress"]

_EVERYONE: Final = ("0.0.0.0/0", "::/0")

#: More than any number of a view.
_NONE: Final = 1 << 62


class _Index:
    """
    Finds the first of several lists of prefixes that has an address. It is an index by the lengths of prefixes: an address that was not
    seen before takes as long among a thousand lists as with one, so that forged addresses cost no more.
    """

    def __init__(self) -> None:
        # By the version of the address and the length of the prefix: the number of the list, by the bits of the prefix.
        self._prefixes: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}

    def __bool__(self) -> bool:
        return any(self._prefixes.values())

    def add(self, network: IPv4Network | IPv6Network, number: int) -> None:
        same = self._prefixes[network.version].setdefault(network.prefixlen, {})
        same.setdefault(int(network.network_address) >> network.max_prefixlen - network.prefixlen, number)

    def firstFor(self, address: IPv4Address | IPv6Address, length: int) -> int:
        """
        Return the number of the first list that has a whole prefix, L{_NONE} if none has.

        @param length: that of the prefix.
        """
        found, bits, most = _NONE, int(address), address.max_prefixlen
        for each, prefixes in self._prefixes[address.version].items():
            if each <= length:
                number = prefixes.get(bits >> most - each, _NONE)
                if number < found:
                    found = number
        return found


class Selectors:
    """
    Finds the first of several views that has a client, by its address and how it came in.

    @ivar doors: the ways of coming in that views name.
    @ivar hidden: by their numbers, views that no client can get to, each with the number of an earlier one that has all of theirs.
    """

    def __init__(self, lists: Sequence[Sequence[str]], names: Sequence[str] = ()) -> None:
        """
        @param lists: of each view the texts that name its clients, see L{ClientWords}.
        @param names: those of the views, for L{admit}.

        @raise BadDescription: a text is not valid.
        """
        self.hidden: dict[int, int] = {}
        self._names = names
        # By how clients come in: their addresses, and the first view that has all of them.
        self._indexes: dict[Door, _Index] = {}
        self._whole: dict[Door, int] = {}
        for number, texts in enumerate(lists):
            earlier: set[int] = set()
            for words in map(ClientWords.fromText, texts):
                door = words.toDoor()
                if words.prefix in ("", "any") and door != NOWHERE:
                    earlier.add(min([self._whole.get(each, _NONE) for each in doorsWithin(door)], default=_NONE))
                    self._whole.setdefault(door, number)
                for prefix in _EVERYONE if words.prefix in ("", "any") else (words.prefix,):
                    network = ip_network(prefix)
                    earlier.add(min([self._first(each, network.network_address, network.prefixlen) for each in doorsWithin(door)]))
                    self._indexes.setdefault(door, _Index()).add(network, number)
            if texts and _NONE not in earlier:
                self.hidden[number] = min(earlier)
        self.doors = Doors.of(self._indexes)

    def _first(self, door: Door, address: IPv4Address | IPv6Address, length: int) -> int:
        index = self._indexes.get(door)
        return _NONE if index is None else index.firstFor(address, length)

    def find(self, client: str, door: Door = NOWHERE) -> int:
        """
        Return the number of the first view that has a client; -1 for none.

        @param client: an address; its scope is ignored. C{""} for clients of a Unix socket, which have none.
        @param door: how it came in.
        """
        if not self._indexes:
            return -1
        doors = doorsWithin(door)
        found = min([self._whole.get(each, _NONE) for each in doors])
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            # Clients of a Unix socket have no address.
            pass
        else:
            if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
                address = address.ipv4_mapped
            found = min([found, *[self._first(each, address, address.max_prefixlen) for each in doors]])
        return -1 if found == _NONE else found

    def admit(self, admission: Admission) -> None:
        """
        Decide which view a client is in that may query everything.
        """
        if admission.action == "allow":
            number = self.find(admission.client, admission.door)
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
