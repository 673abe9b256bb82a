"""
What says which clients are meant, those of a view or those that are answered: addresses, and how they come in.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.doors import Door
from twisted_ext.server.config import types
from twisted_ext.wire.names import nameFromText

__all__ = ["CLIENTS", "ClientWords"]

_FORM: Final = (
    "an address with or without the length of a prefix, such as 192.0.2.0/24, or any, or one of key=NAME, tls, port=PORT, "
    "interface=ADDRESS, server-name=NAME and https-path=/PATH, or several of these with spaces between them, which all have to hold"
)


#: The fields of L{ClientWords}, by what stands in front of an equals sign.
_FIELDS: Final = {"key": "key", "port": "port", "interface": "interface", "server-name": "serverName", "https-path": "path"}

#: The word for encrypted transports, as in the access lists of zones.
_ENCRYPTED: Final = "tls"


class ClientWords(NamedTuple):
    """
    The clients that one text names. All parts have to hold that are not empty.

    @ivar prefix: their addresses: C{"192.0.2.0/24"}, or C{"any"}.
    @ivar key: the name of the TSIG key that their queries are signed with.
    @ivar interface: the address of this machine that they query.
    @ivar serverName: the name that they ask for over TLS or QUIC.
    @ivar path: the path of their URL over HTTPS.
    @ivar port: the port of this machine that they query; 0 for all.
    @ivar isEncrypted: whether they come over TLS or QUIC.
    """

    prefix: str = ""
    key: str = ""
    interface: str = ""
    serverName: str = ""
    path: str = ""
    port: int = 0
    isEncrypted: bool = False

    @classmethod
    def fromText(cls, text: str) -> ClientWords:
        """
        @raise BadDescription: the syntax is wrong.
        """
        found: dict[str, Any] = {}
        for word in text.split():
            name, equals, value = word.partition("=")
            field = _FIELDS.get(name, "") if equals else "isEncrypted" if word == _ENCRYPTED else "prefix"
            if not field:
                raise BadDescription(f"there is no word {name!r}")
            if not equals:
                value = word
            if field in found:
                raise BadDescription(f"{text!r} has two words of one kind; write two texts, of which one has to hold")
            if not value:
                raise BadDescription(f"{word!r} has nothing behind the equals sign")
            found[field] = True if field == "isEncrypted" else _kindOf(field).fromText(value)
        if not found:
            raise BadDescription(f"{text!r} names no client")
        if found.get("prefix") == "any" and len(found) > 1:
            del found["prefix"]
        return cls(**found)

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, field in _FIELDS.items() if (value := getattr(self, field))]
        words += [_ENCRYPTED] if self.isEncrypted else []
        return " ".join([*([self.prefix] if self.prefix else []), *words])

    def toDoor(self) -> Door:
        """
        Return how they come in.
        """
        key = nameFromText(self.key).lower() if self.key else b""
        return Door(self.interface, self.serverName, self.path, key, self.port, self.isEncrypted)


def _kindOf(field: str) -> types.Kind:
    """
    Return the type of the values of a field.
    """
    if field == "key":
        return types.NAME
    if field == "serverName":
        return types.HOST_NAME
    if field == "path":
        return types.URL_PATH
    if field == "port":
        return types.PORT
    return _ADDRESS if field == "interface" else types.PREFIX


def _address(text: str) -> str:
    address = ip_address(text.partition("%")[0])
    if address.is_unspecified:
        raise BadDescription(f"{text} stands for all addresses")
    return str(address)


_ADDRESS: Final = types.Text("an address of this machine, such as 192.0.2.53", _address)

CLIENTS: Final = types.Text(_FORM, lambda text: str(ClientWords.fromText(text)))
