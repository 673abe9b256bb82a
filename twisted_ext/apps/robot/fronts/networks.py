"""
Settings of an IRC network: the tables C{[[network]]}.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.endpoints import clientFromString, wrapClientTLS

from twisted_ext.apps.robot.limits import LINE_BURST, LINE_SECONDS
from twisted_ext.apps.robot.people import folded
from twisted_ext.apps.robot.table import SECRET, Table, option
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IStreamClientEndpoint

    from twisted_ext.server.config.types import Value

__all__ = ["NetworkSettings", "endpointFrom"]

#: Settings that an existing connection follows.
_LIVE: Final = ("channels", "colors", "burst", "interval", "recover")

_CHANNEL: Final = re.compile(r"[#&+!][^\x00-\x20,\x7f]{1,199}")


def _matching(allowed: str, pattern: str) -> types.Text:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise BadDescription(f"{text!r} is not valid")
        return text

    return types.Text(allowed, check)


#: Persons on the console are owners, so no network may have its name.
_NAME: Final = _matching(
    "letters, digits, dots and hyphens, but not console or webhook", r"(?!(?:console|webhook)$)[A-Za-z0-9_.-]{1,40}"
)

_NICK: Final = _matching("a nick: letters, digits and []\\`_^{|}-", r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,30}")


def endpointFrom(reactor: object, text: str, tlsName: str = "") -> IStreamClientEndpoint:
    """
    @param tlsName: see L{NetworkSettings.tlsName}.
    """
    endpoint = cast("Callable[[object, str], IStreamClientEndpoint]", clientFromString)(reactor, text)
    if not tlsName:
        return endpoint
    from twisted.internet.ssl import optionsForClientTLS

    return wrapClientTLS(optionsForClientTLS(tlsName), endpoint)


def _endpoint(text: str) -> str:
    from twisted.internet import reactor

    try:
        endpointFrom(reactor, text)
    except (ValueError, TypeError, LookupError) as error:
        raise BadDescription(f"{text!r}: {error}") from None
    return text


class _Channel:
    """
    A channel, as its name, and its key if it has one.
    """

    allowed = 'a channel such as "#dns", or with its key { name = "#dns", key = { file = "PATH" } }'

    def fromText(self, text: str) -> Value:
        if not _CHANNEL.fullmatch(text) or not text.isprintable():
            raise BadDescription(f"takes {self.allowed}, not {text!r}")
        return text

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if isinstance(value, str):
            return self.fromText(value)
        if not isinstance(value, dict) or set(value) != {"name", "key"} or not isinstance(value["name"], str):
            raise BadDescription(f"takes {self.allowed}")
        key = str(SECRET.fromTOML(value["key"], folder))
        if " " in key or "," in key:
            raise BadDescription("takes a key without spaces and commas")
        return f"{self.fromText(value['name'])} {key}"


class NetworkSettings(Table):
    """
    A table C{[[network]]}.
    """

    name: str = option(_NAME, None, "The network's name")
    endpoint: str = option(
        types.Text("an endpoint, such as tls:irc.example.org:6697 or srv:_irc._tcp.example.org", _endpoint), None, "How to connect"
    )
    tlsName: str = option(
        _matching("the name of a host or domain", r"[A-Za-z0-9_.:-]{1,253}"),
        "",
        "Encrypt the connection of an endpoint such as srv: with TLS, and expect a certificate for this name",
    )
    nick: str = option(_NICK, "txbot", "The robot's nick")
    username: str = option(_NICK, "txbot", "The user name, the second part of the robot's mask")
    realname: str = option(types.TEXT, "information robot", "What WHOIS shows")
    channels: tuple[str, ...] = option(_Channel(), (), "The channels to join")
    password: str = option(SECRET, "", "The server's password")
    account: str = option(types.TEXT, "", "The robot's account on the network")
    accountPassword: str = option(SECRET, "", "Its password, for SASL PLAIN")
    sasl: str = option(
        _matching("no, plain or external", "no|plain|external"), "plain", "How to log in; for external, endpoint names a certificate"
    )
    recover: str = option(
        _matching("no, ghost or regain", "no|ghost|regain"), "no", "The command of NickServ with which the robot, logged in, frees its nick"
    )
    colors: bool = option(types.FLAG, False, "Whether replies have colors")
    burst: int = option(types.Number(LINE_BURST), int(LINE_BURST.default), "Short lines that are sent at once")
    interval: float = option(types.Number(LINE_SECONDS, "seconds", whole=False), LINE_SECONDS.default, "Seconds for each further line")

    @property
    def keys(self) -> dict[str, tuple[str, str]]:
        """
        The name and the key of each channel, by its folded name.
        """
        split = [each.partition(" ") for each in self.channels]
        return {folded(name): (name, key) for name, _, key in split}

    def takesConnection(self, other: NetworkSettings) -> bool:
        """
        Return whether a change to other settings takes a new connection.
        """
        keys = [each.attribute for each in self.declared().values() if each.attribute not in _LIVE]
        return any(getattr(self, key) != getattr(other, key) for key in keys)
