"""
Tests of L{twisted_ext.web.console.site.users}.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.web.console.site.users import ConsoleUser, Passwords, TooManyTries, UserFile, hashOf, userToTOML


class UserTests(SynchronousTestCase):
    """
    A file of users.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text(userToTOML("Anna", "admin", "a long password"))
        self.path.chmod(0o600)

    def test_found(self) -> None:
        """
        A user is found by the name in lower case, and the file is read again when it changes.
        """
        users = UserFile(str(self.path))
        found = users.entries().get("anna")
        assert found is not None
        self.assertEqual((found.name, found.scope), ("Anna", "admin"))
        self.assertEqual([found.reaches(scope) for scope in ("read", "zones", "admin")], [True, True, True])
        self.assertIsNone(users.entries().get("bert"))
        self.path.write_text(self.path.read_text() + userToTOML("bert", "read", "another one"))
        self.assertIsNotNone(users.entries().get("bert"))
        self.path.write_text("")
        self.assertIsNone(users.entries().get("anna"))

    def test_wrongFiles(self) -> None:
        """
        A file that others can read, or that has something else, lets nobody in and says what is wrong.
        """
        hashed = hashOf("a long password")
        entry = f'[[user]]\nname = "a"\nscope = "read"\npassword = "{hashed}"\n'
        for text, said in (
            ("nonsense", "Expected '='"),
            ("a = 1", "it has [[user]] tables and nothing else"),
            ("[user]", "it has [[user]] tables and nothing else"),
            (entry + entry, "user a: there are two of this name"),
            (entry.replace("read", "all"), "scope is one of read, zones, admin, not 'all'"),
            (entry.replace(hashed, "secret"), "password is a hash that begins with $argon2id$"),
            (entry.replace('"a"', '"a b"'), "a user's name is of up to 63 letters"),
            (f"{entry}color = 1\n", "user a: color: there is no such key"),
        ):
            self.path.write_text(text)
            with self.assertRaises(BadDescription) as caught:
                UserFile(str(self.path))
            self.assertIn(said, str(caught.exception))
        self.path.write_text(entry)
        self.path.chmod(0o644)
        with self.assertRaises(BadDescription) as caught:
            UserFile(str(self.path))
        self.assertIn("chmod 0600", str(caught.exception))
        for name, scope, password in (('a"b', "read", "a long password"), ("a", "all", "a long password"), ("a", "read", "short")):
            with self.assertRaises(BadDescription):
                userToTOML(name, scope, password)

    def test_passwords(self) -> None:
        """
        Passwords are compared one at a time, for unknown users as well, and no more wait than there is memory for.
        """
        begun: list[tuple[Callable[[], object], Deferred[object]]] = []

        def outside(work: Callable[[], object]) -> Deferred[object]:
            done: Deferred[object] = Deferred()
            begun.append((work, done))
            return done

        passwords = Passwords(outside)
        user = ConsoleUser("anna", "read", hashOf("a long password"))
        tries = [(user, "a long password"), (user, "wrong"), (None, "a long password"), (user, "a long password" * 1000)]
        comparing = [passwords.isRight(*each) for each in tries]
        for each in range(3):
            passwords.isRight(user, str(each))
        self.assertRaises(TooManyTries, passwords.isRight, user, "one more")
        # There are two places for those who have signed in from there before.
        for each in range(2):
            passwords.isRight(user, str(each), isKnown=True)
        self.assertRaises(TooManyTries, passwords.isRight, user, "one more", isKnown=True)
        self.assertEqual(len(begun), 1)
        for work, done in begun:
            done.callback(work())
            if len(begun) == len(tries):
                break
        work, done = begun[-1]
        if not done.called:
            done.callback(work())
        self.assertEqual([self.successResultOf(each) for each in comparing], [True, False, False, False])
