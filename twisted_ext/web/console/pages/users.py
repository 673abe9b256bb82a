"""
The pages of users: who may sign in, and what they may do; and that of one's own password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.secretfiles import SCOPES
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo
from twisted_ext.web.console.site.users import ConsoleUser, TooManyTries, hashOf, userOf

if TYPE_CHECKING:
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.web.console.site.madeusers import ConsoleUsers
    from twisted_ext.web.console.site.users import Passwords

__all__ = ["UsersPage"]

#: What each scope lets a user do.
_MEANINGS: Final = {
    "read": "sees pages; what clients ask with show-clients only",
    "zones": "changes the records of zones, too",
    "admin": "does everything",
}

#: Returns a user in place of another one: in a thread, as the hash of a password takes its time.
_Making = Callable[[], Callable[[ConsoleUser | None], ConsoleUser | None]]


class UsersPage:
    """
    Makes the pages. Each change takes the password of the user who makes it: a session that was left open lets no one in for longer.
    """

    def __init__(self, users: ConsoleUsers, passwords: Passwords, elsewhere: Elsewhere) -> None:
        """
        @param elsewhere: runs work in a thread.
        """
        self._users = users
        self._passwords = passwords
        self._elsewhere = elsewhere
        self._lock = DeferredLock()

    def all(self, asked: ConsoleAsked) -> ConsoleReply:
        return ConsoleReply({"rows": self._users.all(), "meanings": _MEANINGS, "canMake": self._users.canMake})

    def one(self, asked: ConsoleAsked, name: str) -> ConsoleReply:
        found = next((each for each in self._users.all() if each.user.name.lower() == name.lower()), None)
        if found is None:
            raise ConsoleRefusal(404, "There is no such user.")
        if not found.isMade:
            raise ConsoleRefusal(422, f"{found.user.name} is in the file of console-users, and is changed there.")
        return ConsoleReply({"title": f"User {found.user.name}", "whom": found.user, "meanings": _MEANINGS})

    def own(self, asked: ConsoleAsked) -> ConsoleReply:
        """
        Return the page of one's own password.
        """
        name = "" if asked.user is None else asked.user.name
        return ConsoleReply({"title": "Your password", "isMade": any(each.isMade for each in self._users.all() if each.user.name == name)})

    def add(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Add a user.
        """
        name, scope = asked.form.get("name", ""), asked.form.get("scope", "")

        def making() -> Callable[[ConsoleUser | None], ConsoleUser | None]:
            user = userOf(name, scope, _passwordIn(asked))

            def added(former: ConsoleUser | None) -> ConsoleUser:
                if former is not None:
                    raise CallerFault(f"there is a user {former.name}")
                return user

            return added

        asked.told = {"whom": name[:64], "action": "add", "scope": scope[:64]}
        return self._changed(asked, name, making, "/users", f"{name} can sign in now, with scope {scope}.")

    def change(self, asked: ConsoleAsked, name: str) -> Deferred[ConsoleReply]:
        """
        Give a user another scope or another password, or remove it.
        """
        action, scope = asked.form.get("action", ""), asked.form.get("scope", "")
        if action == "scope" and scope not in SCOPES:
            raise ConsoleRefusal(422, "There is no such scope.")
        if action not in ("scope", "password", "remove"):
            raise ConsoleRefusal(422, "There is no such action.")

        def making() -> Callable[[ConsoleUser | None], ConsoleUser | None]:
            password = hashOf(_passwordIn(asked)) if action == "password" else ""

            def changed(former: ConsoleUser | None) -> ConsoleUser | None:
                if former is None:
                    raise CallerFault(f"there is no user {name}")
                if action == "remove":
                    return None
                return replace(former, password=password) if password else replace(former, scope=scope)

            return changed

        asked.told = {"whom": name[:64], "action": action, "scope": scope[:64]}
        done = {
            "scope": f"{name} has scope {scope} now, and signs in again.",
            "password": f"{name} has another password now, and signs in again.",
            "remove": f"{name} cannot sign in any more.",
        }
        return self._changed(asked, name, making, "/users", done[action])

    def changeOwn(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Give the user who asks another password. It stays signed in, in this browser only.
        """
        assert asked.user is not None

        def making() -> Callable[[ConsoleUser | None], ConsoleUser | None]:
            password = hashOf(_passwordIn(asked))
            return lambda former: None if former is None else replace(former, password=password)

        asked.told = {"whom": asked.user.name, "action": "password"}
        return self._changed(asked, asked.user.name, making, "/password", "You have another password now. Other browsers sign in again.")

    def _changed(self, asked: ConsoleAsked, name: str, making: _Making, back: str, said: str) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._change(asked, name, making, back, said))

    async def _change(self, asked: ConsoleAsked, name: str, making: _Making, back: str, said: str) -> ConsoleReply:
        user, session = asked.user, asked.session
        assert user is not None and session is not None
        try:
            isRight = await self._passwords.isRight(user, asked.form.get("current", ""), isKnown=True)
        except TooManyTries:
            raise ConsoleRefusal(429, "Too many people are signing in at this moment. Try again.") from None
        if not isRight:
            session.wrong += 1
            raise ConsoleRefusal(403, "Your own password is wrong. Nothing has changed.")
        await self._lock.run(self._elsewhere, lambda: self._users.change(name, making()))
        if asked.told["action"] == "password" and name.lower() == user.name.lower():
            # Its other sessions end, as the user is not the one whom they have.
            session.user = self._users.find(name) or user
        return leadingTo(back, said)


def _passwordIn(asked: ConsoleAsked) -> str:
    """
    Return the new password of a form.

    @raise CallerFault: it is not there twice.
    """
    password = asked.form.get("password", "")
    if asked.form.get("again", "") != password:
        raise CallerFault("the two new passwords differ")
    return password
