"""
Who speaks to the robot, and where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from string import ascii_lowercase, ascii_uppercase
from typing import Final

__all__ = ["Mask", "Person", "Place", "folded"]

#: IRC's own folding of case (RFC 2812, section 2.2): the capitals of {}|^ are []\~. Letters outside of ASCII are not folded: the sign for
#: kelvin would become a k, and a stranger the owner.
_FOLDING: Final = str.maketrans(f"{ascii_uppercase}[]\\~", f"{ascii_lowercase}{{}}|^")

_MASK: Final = re.compile(r"([^/]+)/(?:account:(.+)|([^!@]+)!([^!@]+)@([^!@]+))", re.DOTALL)


def folded(text: str) -> str:
    """
    Fold the case of a nick or a channel, to compare it.
    """
    return text.translate(_FOLDING)


@dataclass(frozen=True, slots=True)
class Person:
    """
    Someone on a front.

    @ivar front: the name of the front.
    @ivar account: the account on the network's services, or C{""} if the person is not logged in or the network does not say.
    """

    front: str
    nick: str
    user: str = ""
    host: str = ""
    account: str = ""

    @property
    def identities(self) -> tuple[str, ...]:
        """
        The owners of what belongs to this person on the front. The first one is that of new things: the account, or the nick of a person
        without one. What was made before the log-in belongs to the nick.
        """
        nick = f"nick:{folded(self.nick)}"
        return (f"account:{folded(self.account)}", nick) if self.account else (nick,)

    def __str__(self) -> str:
        return f"{self.front}/{self.nick}!{self.user}@{self.host}"


@dataclass(frozen=True, slots=True)
class Place:
    """
    A channel, or a conversation in private.

    @ivar target: the channel's name, or the nick of the other person.
    """

    front: str
    target: str
    private: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.front, folded(self.target)

    def __str__(self) -> str:
        return f"{self.front}/{self.target}"


class Mask:
    """
    A pattern for persons: C{network/account:NAME}, or C{network/nick!user@host} with C{*} and C{?}. The network is part of it because
    anyone can register the account of the same name on another one; C{*} stands for every network.
    """

    def __init__(self, text: str) -> None:
        """
        @raise ValueError: the text is not a valid mask; says what would be right.
        """
        found = _MASK.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a mask; write NETWORK/account:NAME or NETWORK/NICK!USER@HOST, in which * and ? may stand")
        self.text = text
        self._front, self._account = found[1], folded(found[2] or "")
        # Folding leaves no brackets, so that of fnmatch's signs only * and ? remain. Its patterns take linear time.
        self._parts = [re.compile(translate(folded(part))) for part in found.groups()[2:] if part]

    def matches(self, person: Person) -> bool:
        if self._front not in ("*", person.front):
            return False
        if self._account:
            return folded(person.account) == self._account
        return all(part.match(folded(text)) for part, text in zip(self._parts, (person.nick, person.user, person.host), strict=True))
