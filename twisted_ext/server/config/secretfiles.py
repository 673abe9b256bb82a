"""
Files with what lets people or programs in: read by their owner and its group only, and read again when they change. Of files whose content
is run, only root and the server's user may be the owners.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final, Generic, TypeVar

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow, stateOf

__all__ = ["SCOPES", "SecretTables", "readSecret", "refuseForeign"]

#: What one may do with a secret; each includes those before it: read; change the records of zones; everything.
SCOPES: Final = ("read", "zones", "admin")

_log: Final = Logger(__name__)

_K = TypeVar("_K")
_T = TypeVar("_T")


def _above(path: str) -> Iterator[str]:
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def refuseForeign(setting: str, path: str, *, owners: bool = True) -> None:
    """
    Check that a file cannot be changed or replaced by other users: its mode and owner, those of all folders above it, and those of a link's
    target.

    @param owners: whether to check owners; not possible before privileges are dropped, when the user of the server is not known.

    @raise BadDescription: another user can change the file; says where.
    """
    plain, real = os.path.abspath(path), os.path.realpath(path)
    for place in dict.fromkeys([real, *_above(real), *_above(plain)]):
        try:
            found = os.stat(place)
        except OSError as error:
            raise BadDescription(f"{setting}: {place}: {error.strerror or error}") from None
        # In a folder with the sticky bit only owners can replace a file.
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
            raise BadDescription(f"{setting}: {path} is not run: other users can write to {place}; chmod go-w {place}")
        if owners and found.st_uid not in (0, os.geteuid()):
            raise BadDescription(f"{setting}: {path} is not run: {place} belongs to neither root nor the user of the server; chown it")


def readSecret(setting: str, path: str, most: int) -> str:
    """
    @param setting: the setting that names it, for errors.
    @param most: octets from which it is too long.

    @raise BadDescription: it cannot be read, others can read it, or it is too long.
    """
    try:
        with open(path, encoding="utf-8", opener=openNow) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(most + 1)
    except OSError as error:
        raise BadDescription(f"{setting}: {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadDescription(f"{setting}: {path} is not text in UTF-8") from None
    if mode & 0o137:
        raise BadDescription(f"{setting}: {path} can be read by others (mode {mode & 0o777:04o}); write: chmod 0600 {path}")
    if len(text) > most:
        raise BadDescription(f"{setting}: {path} is longer than {most:,} octets")
    return text


class SecretTables(Generic[_K, _T]):
    """
    The tables of a file in TOML, which is read again when it changes. Each has a name and a scope, and is for one program or person.

    @cvar setting: the setting that names the file.
    @cvar word: the word in the heads of the tables.
    @cvar maker: the command that makes them.
    @cvar most: octets from which a file is too long.
    @cvar denied: what does not happen while the file is not valid, for the log.
    @cvar keys: the keys of a table besides C{name} and C{scope}.
    @cvar marks: the characters of names besides letters and digits, in the order of a pattern's class.
    """

    setting: ClassVar[str]
    word: ClassVar[str]
    maker: ClassVar[str]
    most: ClassVar[int]
    denied: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    marks: ClassVar[str] = "_-"

    def __init__(self, path: str) -> None:
        """
        @raise BadDescription: the file is not valid.
        """
        self.path = path
        # None until the file has been read, so that one that is mended is read again.
        self._state: tuple[int, ...] | None = stateOf(path)
        self._said = ""
        self._entries = self._read()

    def entries(self) -> dict[_K, _T]:
        """
        Return what is in the file now.

        @raise BadDescription: it has changed, and is not valid any more. There are no entries then.
        """
        state = stateOf(self.path)
        if state != self._state:
            self._state = None
            try:
                self._entries = self._read()
            except BadDescription as fault:
                # Once: each request tries again.
                if str(fault) != self._said:
                    self._said = str(fault)
                    _log.error("{fault}; {denied} until it is mended", fault=fault, denied=self.denied)
                raise
            self._state, self._said = state, ""
        return self._entries

    def _read(self) -> dict[_K, _T]:
        text = readSecret(self.setting, self.path, self.most)
        try:
            return self.entriesIn(text)
        except (tomllib.TOMLDecodeError, BadDescription) as fault:
            raise BadDescription(f"{self.setting}: {self.path}: {fault}") from None

    @classmethod
    def entriesIn(cls, text: str) -> dict[_K, _T]:
        """
        Read the text of a file.

        @raise BadDescription: an entry is not valid.
        @raise tomllib.TOMLDecodeError: the text is not.
        """
        raise NotImplementedError

    @classmethod
    def tablesIn(cls, text: str) -> list[Mapping[str, object]]:
        whole = tomllib.loads(text)
        tables = whole.get(cls.word, [])
        if set(whole) - {cls.word} or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise BadDescription(f"it has [[{cls.word}]] tables and nothing else; {cls.maker} makes them")
        return tables

    @classmethod
    def begun(cls, table: Mapping[str, object]) -> tuple[str, str, Callable[[str], BadDescription]]:
        """
        Check what all tables have.

        @return: the name, the scope, and what makes an error of the rest of this table.

        @raise BadDescription: they are not valid, or there are other keys.
        """
        name = table.get("name")
        if not isinstance(name, str) or not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9{cls.marks}]{{0,62}}", name):
            raise cls.nameFault(name)

        def wrong(what: str) -> BadDescription:
            return BadDescription(f"{cls.word} {name}: {what}")

        keys = ("name", "scope", *cls.keys)
        if unknown := set(table) - set(keys):
            raise wrong(f"{min(unknown)}: there is no such key; there are {', '.join(keys)}")
        scope = table.get("scope")
        if scope not in SCOPES:
            raise wrong(f"scope is one of {', '.join(SCOPES)}, not {scope!r}")
        return name, str(scope), wrong

    @classmethod
    def nameFault(cls, name: object) -> BadDescription:
        others = {"_-": "- and _", "._-": "dots, - and _"}[cls.marks]
        return BadDescription(f"a {cls.word}'s name is of up to 63 letters of ASCII, digits, {others}, not {name!r}")
