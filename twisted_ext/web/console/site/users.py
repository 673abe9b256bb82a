"""
Who may sign in at the console: users in a file, with hashes of their passwords::

    [[user]]
    name = "anna"
    scope = "admin"
    password = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$..."
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type
from twisted.internet.defer import Deferred, DeferredLock

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.secretfiles import SCOPES, SecretTables

if TYPE_CHECKING:
    from twisted_ext.server.zones.update.commit import Elsewhere

__all__ = ["ConsoleUser", "Passwords", "TooManyTries", "UserFile", "hashOf", "tableOf", "userOf", "userToTOML"]

#: Characters of a password: of longer ones the hash would take noticeably longer, and shorter ones are guessed.
_LONGEST: Final = 1024
_SHORTEST: Final = 8

#: 19 MiB and two passes: the first choice of RFC 9106 for servers with little memory, as OWASP gives it; 40 ms.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)

#: Tries that wait for their turn, each of which takes 19 MiB and 40 ms; and how many of these places are for known browsers only.
_WAITING: Final = 8
_KEPT: Final = 2

#: The hash of a password that no one has, so that an unknown name takes as long as a wrong password.
_UNKNOWN: Final = "$argon2id$v=19$m=19456,t=2,p=1$r9QTI48HOMvT5CtSnGPi4w$DIS0N9CRovZOObgNunSWB7814n90zFq8kuMZfK7jef4"


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """
    A user.

    @ivar password: the hash of the password, in the form of argon2.
    """

    name: str
    scope: str
    password: str

    def reaches(self, scope: str) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


class UserFile(SecretTables[str, ConsoleUser]):
    """
    The users of a file, by their names in lower case.
    """

    setting = "console-users"
    word = "user"
    maker = "txdns console user"
    #: 5,000 users.
    most = 1024 * 1024
    denied = "no user can sign in"
    keys = ("password",)
    marks = "._-"

    @classmethod
    def entriesIn(cls, text: str) -> dict[str, ConsoleUser]:
        found: dict[str, ConsoleUser] = {}
        for table in cls.tablesIn(text):
            name, scope, wrong = cls.begun(table)
            password = table.get("password")
            if not isinstance(password, str) or not password.startswith("$argon2id$"):
                raise wrong("password is a hash that begins with $argon2id$; txdns console user makes it")
            if name.lower() in found:
                raise BadDescription(f"user {name}: there are two of this name")
            found[name.lower()] = ConsoleUser(name, scope, password)
        return found


class TooManyTries(Exception):
    """
    So many passwords are being compared that another one has to be tried later.
    """


class Passwords:
    """
    Compares passwords, one at a time in a thread.
    """

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self._turns = DeferredLock()

    def isRight(self, user: ConsoleUser | None, password: str, *, isKnown: bool = False) -> Deferred[bool]:
        """
        Return whether a user has a password; it takes as long for L{None}.

        @param isKnown: whether the user has signed in from this browser before.

        @raise TooManyTries: others wait.
        """
        if len(self._turns.waiting) >= (_WAITING if isKnown else _WAITING - _KEPT):
            raise TooManyTries
        kept = _UNKNOWN if user is None else user.password

        def work() -> bool:
            try:
                return _HASHER.verify(kept, password[:_LONGEST]) and user is not None and len(password) <= _LONGEST
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False

        return self._turns.run(lambda: self._elsewhere(work)).addCallback(bool)


def hashOf(password: str) -> str:
    """
    @raise BadDescription: the password is too short or too long.
    """
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise BadDescription(f"a password has {_SHORTEST} to {_LONGEST} characters, not {len(password)}")
    return _HASHER.hash(password)


def userOf(name: str, scope: str, password: str) -> ConsoleUser:
    """
    Return a user with a password.

    @raise BadDescription: the name, the scope or the password is not valid.
    """
    user = ConsoleUser(name, scope, hashOf(password))
    try:
        UserFile.entriesIn(tableOf(user))
    except tomllib.TOMLDecodeError:
        raise UserFile.nameFault(name) from None
    return user


def tableOf(user: ConsoleUser) -> str:
    """
    Return the entry of a user for a file.
    """
    return f'[[user]]\nname = "{user.name}"\nscope = "{user.scope}"\npassword = "{user.password}"\n'


def userToTOML(name: str, scope: str, password: str) -> str:
    """
    Return the entry of a new user for a file.

    @raise BadDescription: as for L{userOf}.
    """
    return tableOf(userOf(name, scope, password))
