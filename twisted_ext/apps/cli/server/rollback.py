"""
C{txdns control rollback}: writes the settings file as it was, and has the server read it. It is the command that writes, with the rights of
the operator: servers may not write their settings. So a server must not choose what root writes: root names the file, and nothing is
written that is not settings.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError, fileErrors
from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow, replacingFile
from twisted_ext.server.settings.tomlfile import valuesFromTOML

if TYPE_CHECKING:
    from twisted_ext.apps.cli.server.control import ControlCommand
    from twisted_ext.metrics.figures import JSON

__all__ = ["rollBack"]


def rollBack(command: ControlCommand) -> int:
    """
    Execute the command.

    @raise ExitError: nothing has changed then.
    """
    words = command.words or ["1"]
    if len(words) > 2 or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 4):
        raise ExitError(USAGE, f"write: {command.verb.usage}; N is a number, 0 for what is in force")
    number = int(words[0])
    said = command.channel.ask("GET", "configurations")
    path, kept = str(said["file"]), cast("list[dict[str, str]]", said["kept"])
    if len(words) > 1 and os.path.realpath(words[1]) != os.path.realpath(path):
        raise ExitError(USAGE, f"the settings file of this server is {path}, not {words[1]}")
    if len(words) < 2 and os.geteuid() == 0:
        raise ExitError(USAGE, f"root names the file that is written: txdns control rollback {number} {path}")
    if number >= len(kept):
        has = f"only {len(kept)} are kept" if len(kept) > 1 else "none before that in force is kept"
        raise ExitError(USAGE, f"{has}; txdns control configurations lists them")
    source = kept[number]["path"]
    with fileErrors(source):
        wanted = _read(source)
        _expectSettings(wanted.decode("utf-8"), source, path)
    with fileErrors(path):
        present = _read(path)
        if wanted != present:
            _write(f"{path}.replaced", present, os.stat(path).st_mode & 0o777)
            _write(path, wanted)
    try:
        told = command.channel.ask("POST", "reload")
    except ExitError as ending:
        if wanted != present:
            with fileErrors(path):
                _write(path, present)
        raise ExitError(ending.code, f"{ending.line}; {path} is as it was") from None
    lines: list[JSON] = [f"{path} is as it was since {kept[number]['since']}"]
    if wanted != present:
        lines.append(f"what it had before is in {path}.replaced")
    more = told.get("said")
    lines += more if isinstance(more, list) else []
    return command.show({**told, "said": lines}, lambda shown: cast("list[str]", shown["said"]))


def _expectSettings(text: str, source: str, path: str) -> None:
    try:
        valuesFromTOML(text, path)
    except BadDescription as fault:
        raise ExitError(USAGE, f"{source} cannot be used: {fault}") from None


def _read(path: str) -> bytes:
    with open(path, "rb", opener=openNow) as file:
        return file.read()


def _write(path: str, octets: bytes, mode: int | None = None) -> None:
    with replacingFile(path, mode) as file:
        file.write(octets)
