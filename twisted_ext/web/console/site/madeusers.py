"""
Users that were made in the console, in a file of the state folder, beside those of the operator's file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.files import STATE_FOLDER, replacingFile
from twisted_ext.web.console.site.users import ConsoleUser, UserFile, tableOf

__all__ = ["MADE_USERS", "ConsoleUsers", "MadeUser"]

#: The name of the file in the state folder.
MADE_USERS: Final = "console-users.toml"

#: Only the server reads it.
_MODE: Final = 0o600

#: Users at most: those of a household or a company, and the file is written anew with each change.
_MOST: Final = 1000

_log: Final = Logger(__name__)


class _MadeFile(UserFile):
    """
    The file of users that were made in the console. There may be none, and one that cannot be used does not keep a server from starting.
    """

    def __init__(self, path: str) -> None:
        try:
            super().__init__(path)
        except BadDescription as fault:
            _log.error("{fault}; {denied} until it is mended", fault=fault, denied="no user of it can sign in")
            self._said = str(fault)
            # It is read again.
            self._state, self._entries = None, {}

    def _read(self) -> dict[str, ConsoleUser]:
        return super()._read() if os.path.lexists(self.path) else {}


class MadeUser(NamedTuple):
    """
    A user, and whether it can be changed in the console.
    """

    user: ConsoleUser
    isMade: bool


class ConsoleUsers:
    """
    All who may sign in.
    """

    def __init__(self, given: str, state: str) -> None:
        """
        @param given: the path of the operator's file; C{""} for none.
        @param state: the state folder; C{""} for none.

        @raise BadDescription: the operator's file is not valid.
        @raise CallerFault: there can be no user.
        """
        self._given = UserFile(given) if given else None
        self._made = _MadeFile(f"{state}/{MADE_USERS}") if state else None
        if self._given is None and not (self._made is not None and os.path.lexists(self._made.path)):
            raise CallerFault(
                "console takes console-users, a file with those who may sign in: txdns console user NAME --scope admin >> FILE; "
                "or txdns console setup, which makes all of it"
            )

    @property
    def canMake(self) -> bool:
        """
        Whether users can be made: there is a state folder.
        """
        return self._made is not None

    def find(self, name: str) -> ConsoleUser | None:
        """
        @raise BadDescription: a file has changed, and is not valid any more.
        """
        given = {} if self._given is None else self._given.entries()
        return given.get(name.lower()) or self._madeEntries().get(name.lower())

    def all(self) -> list[MadeUser]:
        """
        Return all of them, those of the operator's file first. One that is in both is that of this file.

        @raise BadDescription: as for L{find}.
        """
        given = {} if self._given is None else self._given.entries()
        made = [user for name, user in self._madeEntries().items() if name not in given]
        return [*[MadeUser(user, False) for user in given.values()], *[MadeUser(user, True) for user in made]]

    def change(self, name: str, made: Callable[[ConsoleUser | None], ConsoleUser | None]) -> None:
        """
        Add, change or remove a user.

        @param made: returns the user in place of the one that there is; L{None} for none.

        @raise CallerFault: it cannot be done.
        @raise BadDescription: as for L{find}.
        @raise StorageFault: the file cannot be written.
        """
        if self._made is None:
            raise CallerFault("users are made in the console only if the server has a state folder; set state")
        given = {} if self._given is None else self._given.entries()
        if name.lower() in given:
            raise CallerFault(f"{name} is in the file of console-users, and is changed there")
        entries = dict(self._madeEntries())
        user = made(entries.pop(name.lower(), None))
        if user is not None:
            entries[name.lower()] = user
        if not any(each.reaches("admin") for each in [*given.values(), *entries.values()]):
            raise CallerFault("there would be no user with scope admin any more; make another one first")
        if len(entries) > _MOST:
            raise CallerFault(f"there are {_MOST:,} users made in the console; remove one first")
        try:
            writeUsers(self._made.path, entries)
        except OSError as error:
            raise StorageFault(f"the users cannot be written: {error.strerror or error}") from None

    def _madeEntries(self) -> Mapping[str, ConsoleUser]:
        return {} if self._made is None else self._made.entries()


def writeUsers(path: str, entries: Mapping[str, ConsoleUser]) -> None:
    """
    Write a file of users, at once or not at all.

    @raise OSError: it cannot be written.
    """
    os.makedirs(os.path.dirname(path), STATE_FOLDER, exist_ok=True)
    with replacingFile(path, _MODE) as file:
        file.write("\n".join([tableOf(each) for each in entries.values()]).encode("utf-8"))
