"""
How clients came in, as far as their addresses do not say it: by which socket, name, path or key. Views may be chosen by that.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["NOWHERE", "NO_DOORS", "Door", "Doors", "doorAt", "foldedName"]


class Door(NamedTuple):
    """
    How a client came in, as far as its address does not say it. Views may be chosen by it.

    @ivar listener: the address of the socket; C{""} if that is one for all addresses.
    @ivar serverName: the name that it asked for in the handshake (SNI), folded and without a final dot; C{""} for none.
    @ivar path: that of its URL over HTTPS; C{""} for the usual one.
    @ivar key: the name of the TSIG key that its signature was verified with; C{b""} for none.
    """

    listener: str = ""
    serverName: str = ""
    path: str = ""
    key: bytes = b""


NOWHERE: Final = Door()


def doorAt(address: str) -> Door:
    """
    Return the door of clients that have connected, or sent, to an address of this machine.

    @param address: as the socket reports it; the unspecified one says nothing.
    """
    plain = address.partition("%")[0]
    if plain.startswith("::ffff:") and "." in plain:
        plain = plain[7:]
    return NOWHERE if plain in ("", "::", "0.0.0.0") else Door(plain)


def foldedName(name: bytes | str) -> str:
    """
    Return the name that a client asks for in a handshake as L{Door} has it.
    """
    text = name if isinstance(name, str) else name.decode("ascii", "replace")
    return text.lower().removesuffix(".")


class Doors(NamedTuple):
    """
    The values of doors that views name: see L{Door}.
    """

    listeners: frozenset[str] = frozenset()
    serverNames: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()

    def nearest(self, door: Door) -> Door:
        """
        Return what of a door matters: two doors with the same result lead to the same views.
        """
        return Door(
            door.listener if door.listener in self.listeners else "",
            door.serverName if door.serverName in self.serverNames else "",
            door.path if door.path in self.paths else "",
            door.key if door.key in self.keys else b"",
        )


NO_DOORS: Final = Doors()
