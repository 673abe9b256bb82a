"""
Tests of commands: their declarations, and the words that persons write.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final, NoReturn

import pytest

from tests.typed import unchecked
from twisted_ext.apps.robot.commands import (
    Call,
    Command,
    CommandError,
    Effect,
    Rest,
    command,
    commandsOf,
    hears,
    hooksOf,
)
from twisted_ext.apps.robot.events import Joined, Message
from twisted_ext.errors import CallerFault

__all__: list[str] = []


class Even:
    """
    An argument of a class of its own.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    @classmethod
    def fromText(cls, text: str) -> Even:
        if not text.isdigit() or int(text) % 2:
            raise CallerFault(f"{text!r} is not an even number; write 2 or 4")
        return cls(int(text))


class Owner:
    @property
    def trap(self) -> NoReturn:
        raise AssertionError("properties are not evaluated")

    @command(Effect.WRITES, seconds=3)
    async def zeta(self, call: Call, name: str, number: int = 4, *more: str) -> None:
        """
        Store
        a name.
        """

    @command(word="Import")
    async def import_(self, call: Call, even: Even, ratio: float = 1.0, yes: bool = False) -> None: ...

    @command()
    async def say_(self, call: Call, nick: str, text: Rest) -> None: ...

    @hears(Message, Joined)
    def listen(self, event: object) -> None: ...


class Heir(Owner):
    @command()
    async def added(self, call: Call) -> None: ...


def _commands(owner: object) -> dict[str, Command]:
    return {each.word: each for each in commandsOf(owner, "owner")}


_COMMANDS: Final = _commands(Owner())


def test_commandsAreFoundInOrder() -> None:
    """
    The commands of a class and its bases are found in the order of their definitions.
    """
    assert list(_COMMANDS) == ["zeta", "import", "say"]
    assert list(_commands(Heir())) == ["zeta", "import", "say", "added"]


def test_commandsOfModulesAreFound() -> None:
    """
    A module has commands and hooks as a class has.
    """
    module = ModuleType("module")
    vars(module).update(zeta=Owner().zeta, listen=Owner().listen, other=3)
    assert list(_commands(module)) == ["zeta"]
    assert hooksOf(module)[0][0] == (Message, Joined)


def test_declarationIsKept() -> None:
    """
    A command has the effect, time, help and usage that its function declares.
    """
    zeta = _COMMANDS["zeta"]
    assert (zeta.effect, zeta.seconds, zeta.summary, zeta.plugin) == (Effect.WRITES, 3, "Store a name.", "owner")
    assert zeta.usage == "zeta NAME [NUMBER] [MORE...]"
    assert _COMMANDS["say"].usage == "say NICK TEXT"
    assert (_COMMANDS["import"].effect, _COMMANDS["import"].seconds) == (Effect.READS, None)


def test_missingParenthesesAreAnError() -> None:
    """
    C{@command} without parentheses would make no command, and is reported where it stands.
    """
    with pytest.raises(TypeError, match=r"write @command\(\), with parentheses"):
        unchecked(command)(lambda self, call: None)


@pytest.mark.parametrize(
    ("word", "text", "arguments"),
    [
        ("zeta", "a", ["a"]),
        ("zeta", "  a   7 ", ["a", 7]),
        ("zeta", "a -7 b c", ["a", -7, "b", "c"]),
        ("zeta", '"a b" 1 "" "c \\"d\\" \\\\"', ["a b", 1, "", 'c "d" \\']),
        ("zeta", "don't", ["don't"]),
        ("zeta", 'a"b', ['a"b']),
        ("zeta", "{0.__class__} ", ["{0.__class__}"]),
        ("say", 'bob  he said: "a  b" ', ["bob", 'he said: "a  b"']),
    ],
)
def test_argumentsAreDivided(word: str, text: str, arguments: list[object]) -> None:
    """
    Words are divided at spaces, quotes keep them together, and the last parameter may take the rest as it is.
    """
    assert _COMMANDS[word].arguments(text) == arguments


def test_argumentsAreConverted() -> None:
    """
    Arguments get the types that the function declares.
    """
    even, *others = _COMMANDS["import"].arguments("4 0.5 yes")
    assert isinstance(even, Even)
    assert even.number == 4
    assert others == [0.5, True]


@pytest.mark.parametrize(
    ("word", "text", "fault"),
    [
        ("zeta", "", "name is missing; usage: zeta NAME [NUMBER] [MORE...]"),
        ("zeta", "a b", "number takes a whole number, not 'b'"),
        ("zeta", "a 9999999999999999999999", "number takes a whole number, not '9999999999999999999999'"),
        ("zeta", 'a "b c', "a quote that opens is not closed; write the text between two of them"),
        ("zeta", '"a"b', "a quote that opens is not closed; write the text between two of them"),
        ("import", "3", "'3' is not an even number; write 2 or 4"),
        ("import", "4 nan", "ratio takes a number, not 'nan'"),
        ("import", "4 1 perhaps", "yes takes yes or no, not 'perhaps'"),
        ("import", "4 1 no more words", "'more words' is too much; usage: import EVEN [RATIO] [YES]"),
        ("say", "bob", "text is missing; usage: say NICK TEXT"),
    ],
)
def test_wrongArgumentsGetOneLine(word: str, text: str, fault: str) -> None:
    """
    Each mistake gets one line, which says what would be right.
    """
    with pytest.raises(CommandError) as found:
        _COMMANDS[word].arguments(text)
    assert str(found.value) == fault
