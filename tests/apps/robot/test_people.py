"""
Tests of persons, places and masks.
"""

from __future__ import annotations

import pytest

from twisted_ext.apps.robot.people import Mask, Person, Place, folded

__all__: list[str] = []

_PERSON = Person("net", "Bo[t]", "~bo", "a.b.example", account="Bo")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("Nick", "nICK", True), ("a[]\\~", "A{}|^", True), ("a]", "a|", False), ("a\\", "a}", False), ("kelvin", "\u212aelvin", False)],
)
def test_caseIsThatOfIRC(one: str, other: str, same: bool) -> None:
    """
    Nicks that IRC takes for one are one, and no others: neither by a wrong pair of brackets nor by a letter outside of ASCII.
    """
    assert (folded(one) == folded(other)) is same
    assert (Place("net", one).key == Place("net", other).key) is same
    assert Mask(f"net/account:{one}").matches(Person("net", "x", account=other)) is same
    assert Mask(f"net/{one}!*@*").matches(Person("net", other)) is same


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        ("net/account:bo", True),
        ("*/account:BO", True),
        ("other/account:bo", False),
        ("net/account:bot", False),
        ("net/account:b*", False),
        ("net/bo[t]!*@*", True),
        ("net/bot!*@*", False),
        ("net/bo?t?!?bo@*.example", True),
        ("net/*!*@*.B.EXAMPLE", True),
        ("net/*!*@b.example", False),
        ("NET/*!*@*", False),
    ],
)
def test_maskMatches(mask: str, matches: bool) -> None:
    """
    A mask matches an account by its whole name, or nick, user and host as patterns, on its network only.
    """
    assert Mask(mask).matches(_PERSON) is matches


def test_noAccountMatchesNoMask() -> None:
    """
    A person who is not logged in has no account, whatever the mask says.
    """
    assert not Mask("net/account:*").matches(Person("net", "bo"))


@pytest.mark.parametrize("person", [Person("net", "eve!x@trusted", "u", "evil"), Person("net", "eve", "u!x@trusted", "evil")])
def test_partsAreComparedForThemselves(person: Person) -> None:
    """
    A nick or user name that looks like a whole mask does not pass for a host.
    """
    assert not Mask("net/*!*@trusted").matches(person)
    assert not Mask("net/*!x@*").matches(person)


@pytest.mark.parametrize("text", ["", "net", "net/", "/a!b@c", "net/nick", "net/a!b", "net/a@b", "net/account:", "a!b@c", "net/a!b@c@d"])
def test_wrongMaskIsRefused(text: str) -> None:
    """
    What is not a mask is refused in one line that says what would be right.
    """
    with pytest.raises(ValueError, match="is not a mask; write NETWORK/account:NAME or NETWORK/NICK!USER@HOST") as found:
        Mask(text)
    assert "\n" not in str(found.value)


def test_hostileMaskTakesNoTime() -> None:
    """
    A mask of many stars is matched in linear time: with a plain translation to C{.*} this would take longer than the universe has.
    """
    mask = Mask(f"net/{'*a' * 40}!*@*")
    assert not mask.matches(Person("net", "a" * 39 + "b" * 400))
    assert mask.matches(Person("net", "ab" * 40 + "a"))
