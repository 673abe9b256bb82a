"""
Parses the arguments common to the commands for remote zones: servers, port, key.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.terminal.exits import BATCH, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.config.keys import Keys, RemoteServer
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import Key

__all__ = ["RemoteWords", "keyFromFile"]


def keyFromFile(path: str) -> Key:
    """
    Return the TSIG key in the file of C{-k}.

    @raise ExitError: the file cannot be read, or does not hold exactly one key.
    """
    try:
        keys = Keys.fromFile(path, weak=True)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from None
    if len(keys) != 1:
        raise ExitError(USAGE, f"-k {path}: the file holds {len(keys)} keys instead of one")
    if keys.exposed:
        complain(f"warning: {keys.exposed}")
    return next(iter(keys.values()))


class RemoteWords:
    """
    The parsed arguments.

    @ivar zone: the zone's name, in wire form.
    @ivar remotes: the servers.
    @ivar values: the values of options.
    """

    #: Options common to these commands; each takes a value.
    _COMMON: Final = ("-p", "-y", "-k")

    def __init__(self, command: str, words: list[str], options: tuple[str, ...]) -> None:
        """
        @param options: the command's own options; each takes a value.

        @raise ExitError: an argument is not valid; the message names it and what would be right.
        """
        self.values: dict[str, str] = {}
        self._command = command
        targets: list[str] = []
        names: list[str] = []
        remaining = iter(words)
        for word in remaining:
            if word.startswith("@"):
                targets.append(word[1:])
            elif word in self._COMMON or word in options:
                value = next(remaining, "")
                if not value:
                    raise ExitError(USAGE, f"{word} must be followed by a value; see txdns {command} --help")
                self.values[word] = value
            elif word.startswith("-") and len(word) > 1:
                raise ExitError(USAGE, f"{word!r} is not an option; see txdns {command} --help")
            else:
                names.append(word)
        if len(names) != 1 or not targets:
            raise ExitError(USAGE, f"write one zone and a server: txdns {command} example.org @192.0.2.53")
        try:
            self.zone = nameFromText(names[0])
            key = self._key()
            port = self.number("-p", 1, 65535, DNS_PORT)
            self.remotes = [RemoteServer(Server.fromText(target, port), key) for target in targets]
        except CallerFault as fault:
            raise ExitError(USAGE, str(fault)) from None

    def _key(self) -> Key | None:
        if "-y" in self.values:
            return Key.fromText(self.values["-y"])
        if "-k" in self.values:
            return keyFromFile(self.values["-k"])
        return None

    def number(self, option: str, least: int, most: int, otherwise: int) -> int:
        """
        Return the number that was given for an option.

        @raise ExitError: it is not a number in that range.
        """
        text = self.values.get(option)
        if text is None:
            return otherwise
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ExitError(USAGE, f"{option} {text}: write a number from {least} to {most}")
        return int(text)
