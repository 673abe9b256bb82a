"""
Who is signed in at the console. Sessions are in memory only: a restart of the server ends them.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted_ext.web.console.site.replies import Undo
    from twisted_ext.web.console.site.users import ConsoleUser

__all__ = ["ConsoleSession", "ConsoleSessions", "LONGEST"]

#: Seconds after which a session ends, and without a request.
LONGEST: Final = 12 * 3600.0
_IDLE: Final = 3600.0

#: Sessions at a time; the one that was used least recently gives way.
_MOST: Final = 1000

#: Wrong passwords after which a session ends: to sign in again is bounded.
_WRONG: Final = 5

#: Octets of secrets: as many bits as their hashes have.
_SECRET: Final = 32


class ConsoleSession:
    """
    One user in one browser.

    @ivar user: as when the session began.
    @ivar proof: what a form of this session has, and that of another site does not know.
    @ivar said: what its next page says was done.
    @ivar undo: what undoes that.
    @ivar wrong: how often its user has given a wrong password to change something.
    """

    __slots__ = ("user", "proof", "began", "used", "said", "undo", "wrong")

    def __init__(self, user: ConsoleUser, now: float) -> None:
        self.user = user
        self.proof = secrets.token_urlsafe(_SECRET)
        self.began = self.used = now
        self.said = ""
        self.undo: Undo | None = None
        self.wrong = 0

    def isProven(self, proof: str) -> bool:
        return compare_digest(self.proof.encode(), proof.encode("utf-8", "replace"))


class ConsoleSessions:
    """
    All sessions, by the hashes of their secrets: a copy of the memory of this process signs no one in.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, ConsoleSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, user: ConsoleUser, now: float) -> str:
        """
        Return the secret of a new session.
        """
        secret = secrets.token_urlsafe(_SECRET)
        self._known[_keyOf(secret)] = ConsoleSession(user, now)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return secret

    def find(self, secret: str, now: float) -> ConsoleSession | None:
        """
        Return the session with a secret, if it has not ended.
        """
        key = _keyOf(secret)
        session = self._known.get(key)
        if session is None:
            return None
        if now >= session.began + LONGEST or now >= session.used + _IDLE or session.wrong >= _WRONG:
            del self._known[key]
            return None
        session.used = now
        self._known.move_to_end(key)
        return session

    def end(self, secret: str) -> None:
        self._known.pop(_keyOf(secret), None)


def _keyOf(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
