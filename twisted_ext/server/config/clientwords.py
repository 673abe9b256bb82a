"""
What says which clients a view has: addresses, and how they come in.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, NamedTuple

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

__all__ = ["CLIENTS", "ClientWords"]

_FORM: Final = (
    "an address with or without the length of a prefix, such as 192.0.2.0/24, or any, or one of key=NAME, interface=ADDRESS, "
    "server-name=NAME and https-path=/PATH, or several of these with spaces between them, which all have to hold"
)


#: The fields of L{ClientWords}, by what stands in front of an equals sign.
_FIELDS: Final = {"key": "key", "interface": "interface", "server-name": "serverName", "https-path": "path"}


class ClientWords(NamedTuple):
    """
    The clients that one text names. All parts have to hold that are not empty.

    @ivar prefix: their addresses: C{"192.0.2.0/24"}, or C{"any"}.
    @ivar key: the name of the TSIG key that their queries are signed with.
    @ivar interface: the address of this machine that they query.
    @ivar serverName: the name that they ask for over TLS or QUIC.
    @ivar path: the path of their URL over HTTPS.
    """

    prefix: str = ""
    key: str = ""
    interface: str = ""
    serverName: str = ""
    path: str = ""

    @classmethod
    def fromText(cls, text: str) -> ClientWords:
        """
        @raise BadDescription: the syntax is wrong.
        """
        found: dict[str, str] = {}
        for word in text.split():
            name, equals, value = word.partition("=")
            field = _FIELDS.get(name, "") if equals else "prefix"
            if not field:
                raise BadDescription(f"there is no word {name!r}")
            if not equals:
                value = word
            if field in found:
                raise BadDescription(f"{text!r} has two words of one kind; write two texts, of which one has to hold")
            if not value:
                raise BadDescription(f"{word!r} has nothing behind the equals sign")
            found[field] = str(_kindOf(field).fromTOML(value))
        if not found:
            raise BadDescription(f"{text!r} names no client")
        if found.get("prefix") == "any" and len(found) > 1:
            del found["prefix"]
        return cls(**found)

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, field in _FIELDS.items() if (value := str(getattr(self, field)))]
        return " ".join([*([self.prefix] if self.prefix else []), *words])


def _kindOf(field: str) -> types.Text:
    """
    Return the type of the values of a field.
    """
    if field == "key":
        return types.NAME
    if field == "serverName":
        return types.HOST_NAME
    if field == "path":
        return types.URL_PATH
    return _ADDRESS if field == "interface" else types.PREFIX


def _address(text: str) -> str:
    address = ip_address(text.partition("%")[0])
    if address.is_unspecified:
        raise BadDescription(f"{text} stands for all addresses")
    return str(address)


_ADDRESS: Final = types.Text("an address of this machine, such as 192.0.2.53", _address)

CLIENTS: Final = types.Text(_FORM, lambda text: str(ClientWords.fromText(text)))
