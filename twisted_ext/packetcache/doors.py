"""
How clients came in, as far as their addresses do not say it: by which socket, name, path or key. Views may be chosen by that, and access.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Final, NamedTuple

__all__ = ["NOWHERE", "NO_DOORS", "Door", "Doors", "doorAt", "doorsWithin", "foldedName"]


class Door(NamedTuple):
    """
    How a client came in, as far as its address does not say it. Views may be chosen by it, and access.

    @ivar listener: the address of the socket; C{""} if that is one for all addresses.
    @ivar serverName: the name that it asked for in the handshake (SNI), folded and without a final dot; C{""} for none.
    @ivar path: that of its URL over HTTPS; C{""} for the usual one.
    @ivar key: the name of the TSIG key that its signature was verified with; C{b""} for none.
    @ivar port: that of the socket; 0 if it is not known.
    @ivar isEncrypted: whether it came over TLS or QUIC.
    """

    listener: str = ""
    serverName: str = ""
    path: str = ""
    key: bytes = b""
    port: int = 0
    isEncrypted: bool = False

    @property
    def words(self) -> int:
        """
        How much of it is said.
        """
        return sum(map(bool, self))


NOWHERE: Final = Door()


def doorAt(address: str, port: int = 0) -> Door:
    """
    Return the door of clients that have connected, or sent, to an address of this machine.

    @param address: as the socket reports it; the unspecified one says nothing.
    """
    plain = address.partition("%")[0]
    if plain.startswith("::ffff:") and "." in plain:
        plain = plain[7:]
    return Door("" if plain in ("", "::", "0.0.0.0") else plain, port=port)


def doorsWithin(door: Door) -> list[Door]:
    """
    Return all doors that name a part of what this one does: what names no path is for clients of all paths.
    """
    if door == NOWHERE:
        return [NOWHERE]
    listeners, names, paths = [["", value] if value else [""] for value in door[:3]]
    keys = [b"", door.key] if door.key else [b""]
    ports = [0, door.port] if door.port else [0]
    encrypted = [False, True] if door.isEncrypted else [False]
    return [Door(*each) for each in product(listeners, names, paths, keys, ports, encrypted)]


def foldedName(name: bytes | str) -> str:
    """
    Return the name that a client asks for in a handshake as L{Door} has it.
    """
    text = name if isinstance(name, str) else name.decode("ascii", "replace")
    return text.lower().removesuffix(".")


class Doors(NamedTuple):
    """
    The values of doors that are named by what goes by them: see L{Door}.
    """

    listeners: frozenset[str] = frozenset()
    serverNames: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    ports: frozenset[int] = frozenset()
    encrypted: frozenset[bool] = frozenset()

    @classmethod
    def of(cls, doors: Iterable[Door]) -> Doors:
        """
        Return the values that some doors name.
        """
        named = [*doors]
        return cls(*[frozenset(each) - {"", b"", 0} for each in zip(*named, strict=True)]) if named else NO_DOORS

    def beside(self, others: Doors) -> Doors:
        """
        Return the values of both.
        """
        return Doors(
            self.listeners | others.listeners,
            self.serverNames | others.serverNames,
            self.paths | others.paths,
            self.keys | others.keys,
            self.ports | others.ports,
            self.encrypted | others.encrypted,
        )

    def nearest(self, door: Door) -> Door:
        """
        Return what of a door matters: two doors with the same result lead to the same views.
        """
        return Door(
            door.listener if door.listener in self.listeners else "",
            door.serverName if door.serverName in self.serverNames else "",
            door.path if door.path in self.paths else "",
            door.key if door.key in self.keys else b"",
            door.port if door.port in self.ports else 0,
            door.isEncrypted and bool(self.encrypted),
        )


NO_DOORS: Final = Doors()
