"""
Checks that clients can come in as views and access lists name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.doors import NOWHERE, doorAt
from twisted_ext.server.config.clientwords import ClientWords
from twisted_ext.server.features.access.feature import AccessSettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.listeners.sockets import Bound

__all__ = ["checkDoors", "warnOfShortPaths"]

#: Transports whose sockets for all addresses do not tell to which of them a query was sent.
_DATAGRAMS: Final = ("", "quic", "http3")

#: Transports by which clients ask for a name, and by which they send a URL.
_NAMED: Final = ("tls", "https", "quic", "http3")
_WEB: Final = ("https", "https-clear", "http3")

#: Characters of a path below which it can be guessed: sixteen random letters are 75 bits.
_SHORT: Final = 16

_log: Final = Logger(__name__)


def checkDoors(settings: Settings, listening: Sequence[Bound]) -> None:
    """
    Check that every view, and every entry of an access list, whose clients are chosen by an address of this machine, a port, a name, a path
    or a key can have clients.

    @param listening: where the server listens.

    @raise BadDescription: one cannot; one line for each fault.
    """
    faults = [*_faultsIn(settings, listening)]
    if faults:
        raise BadDescription("\n".join(faults))


def _wordsIn(settings: Settings) -> Iterator[tuple[str, ClientWords]]:
    for name, texts in settings[AccessSettings].rules.items():
        for text in texts:
            yield f"{name} {text}", ClientWords.fromText(text)
    for view in viewsOf(settings):
        for text in view.clients:
            yield f"view {view.name}: clients {text}", ClientWords.fromText(text)


def _faultsIn(settings: Settings, listening: Sequence[Bound]) -> Iterator[str]:
    known: set[bytes] | None = None
    for said, words in _wordsIn(settings):
        if words.key:
            if known is None:
                from twisted_ext.server.config.transferpolicy import keysOf

                known = {*keysOf(settings)}
            if nameFromText(words.key).lower() not in known:
                yield f"{said}: there is no key {words.key} in key-file"
        ways = {each.encryption for each in listening}
        if words.isEncrypted and ways.isdisjoint(_NAMED):
            yield f"{said}: no transport is encrypted; set tls, https, quic or http3"
        if words.port and words.port not in [each.port for each in listening]:
            yield f"{said}: this server does not listen at port {words.port}"
        if words.serverName and ways.isdisjoint(_NAMED):
            yield f"{said}: clients ask for a name over encrypted transports only; set tls, https, quic or http3"
        if words.path and ways.isdisjoint(_WEB):
            yield f"{said}: a path takes https, https-clear or http3"
        if words.path == settings.httpsPath:
            yield f"{said}: this is https-path, which all clients use"
        if words.interface:
            yield from _faultsAt(said, words.interface, listening)


def _faultsAt(said: str, address: str, listening: Sequence[Bound]) -> Iterator[str]:
    unsure = [each for each in listening if each.encryption in _DATAGRAMS and _isEverywhere(each, address)]
    if unsure:
        yield f"{said}: {unsure[0].labels[0]} does not tell which address a query was sent to; list the addresses in its setting"
    elif not any(doorAt(each.address).listener == address or _isEverywhere(each, address) for each in listening):
        yield f"{said}: this server does not listen at {address}, but at {', '.join(dict.fromkeys([each.address for each in listening]))}"


def _isEverywhere(bound: Bound, address: str) -> bool:
    """
    Return whether a socket is one for all addresses, of which a given one is one.
    """
    if bound.address.startswith("unix:") or doorAt(bound.address) != NOWHERE:
        return False
    return (":" in address) == (":" in bound.address) or bound.address == "::"


def warnOfShortPaths(settings: Settings) -> None:
    """
    Log which paths can be guessed: who knows the path of a view is in it.
    """
    for said, words in _wordsIn(settings):
        if words.path and len(words.path) < _SHORT:
            _log.warn("{said}: the path can be guessed; one of {least} characters or more cannot", said=said, least=_SHORT)
