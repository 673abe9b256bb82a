"""
The settings of dnstap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, number, octets, setting
from twisted_ext.server.limits import DNSTAP_OCTETS, DNSTAP_SAMPLE

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["MESSAGES", "DnstapSettings"]

#: Kinds of messages, by the servers that their queries are for.
MESSAGES: Final = ("client", "auth", "update", "forwarder", "resolver")


def _checked(text: str) -> str:
    from twisted_ext.server.features.dnstap.places import placeIn

    text = _inFolder(text, "")
    placeIn(text)
    return text


def _inFolder(text: str, folder: str) -> str:
    way, colon, path = text.partition(":")
    return f"{way}{colon}{os.path.abspath(os.path.join(folder, path))}" if way in ("unix", "file") and path else text


class _Place(types.Text):
    """
    A place. A path is relative to the folder of the settings file if it comes from one.
    """

    def __init__(self) -> None:
        super().__init__("unix:PATH, tcp:ADDRESS:PORT, tls:ADDRESS:PORT#NAME or file:PATH, such as unix:/run/dnstap.sock", _checked)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        return super().fromTOML(_inFolder(value, folder) if isinstance(value, str) else value)


_PLACE: Final = _Place()


class DnstapSettings(Section):
    dnstap: tuple[str, ...] = setting(
        _PLACE,
        (),
        "Write messages as dnstap, in frame streams: to a collector that listens at a Unix socket or over TCP, over TLS too, or to a file",
        group="Monitoring",
    )
    dnstapMessages: tuple[str, ...] = setting(
        types.Choice(*MESSAGES),
        MESSAGES,
        "What is written: messages of clients that want recursion, of others, of updates, and those with upstreams and with authoritative "
        "servers",
    )
    dnstapSample: int = number(DNSTAP_SAMPLE, "Write one query of so many, with its reply")
    dnstapIdentity: str = setting(types.TEXT, "", "The name of this server in what is written, by default that for NSID, or of the host")
    dnstapSize: int = octets(DNSTAP_OCTETS, "Octets of a file, after which it gives way to a new one; four older ones are kept")
    dnstapCa: str = setting(types.PATH, "", "PEM file of those who sign the certificates of collectors; those of the system by default")
