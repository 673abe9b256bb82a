"""
Tests of who may call which command.
"""

from __future__ import annotations

import pytest

from tests.apps.robot.robots import ALICE, BOB, BOSS, CHANNEL
from twisted_ext.apps.robot.commands import ANYONE, OWNER, Access, Call, Command, Effect, command, commandsOf
from twisted_ext.apps.robot.people import Person, Place

__all__: list[str] = []

_ROLES = {"owner": ["net/account:boss"], "friends": ["net/bob!*@other.example"]}


class Actions:
    @command()
    async def read(self, call: Call) -> None: ...

    @command(Effect.WRITES)
    async def write(self, call: Call) -> None: ...

    @command(Effect.REACHES)
    async def reach(self, call: Call) -> None: ...

    @command(Effect.OWNS)
    async def own(self, call: Call) -> None: ...


_COMMANDS: dict[str, Command] = {each.word: each for each in commandsOf(Actions(), "actions")}


def _may(access: Access, word: str, person: Person, place: Place = CHANNEL) -> bool:
    return not access.refusal(_COMMANDS[word], person, place)


@pytest.mark.parametrize("word", _COMMANDS)
def test_strangersMayOnlyRead(word: str) -> None:
    """
    Without settings everyone may call what reads, and the owner everything. What writes, reaches out or controls is denied.
    """
    access = Access(_ROLES)
    assert _may(access, word, ALICE) is (word == "read")
    assert _may(access, word, BOSS)
    assert _may(Access(), word, Person("console", "you"))
    # The defense off: with the effect of a command that reads, strangers may call it.
    _COMMANDS[word].effect, effect = Effect.READS, _COMMANDS[word].effect
    assert _may(access, word, ALICE)
    _COMMANDS[word].effect = effect


def test_commandTakesARole() -> None:
    """
    A command with a role in the settings is for the persons of that role and the owner, whatever its effect.
    """
    access = Access(_ROLES, {"write": "friends", "read": "friends", "reach": ANYONE, "own": "unknown"})
    assert [_may(access, "write", each) for each in (ALICE, BOB, BOSS)] == [False, True, True]
    assert [_may(access, "read", each) for each in (ALICE, BOB, BOSS)] == [False, True, True]
    assert [_may(access, "reach", each) for each in (ALICE, BOB, BOSS)] == [True, True, True]
    assert [_may(access, "own", each) for each in (ALICE, BOB, BOSS)] == [False, False, True]
    assert access.refusal(_COMMANDS["write"], ALICE, CHANNEL) == "write takes the role friends"


def test_sameNickElsewhereIsAnother() -> None:
    """
    The owner's account on another network, the nick without the account, and the nick from another host have no role.
    """
    access = Access(_ROLES)
    assert not access.has(Person("oftc", "boss", "boss", "work.example", account="boss"), OWNER)
    assert not access.has(Person("net", "boss", "boss", "work.example"), OWNER)
    assert not access.has(Person("net", "bob", "bob", "evil.example"), "friends")
    assert access.has(BOB, "friends")


def test_channelTakesItsCommandsOnly() -> None:
    """
    A channel with a list takes no other commands, except from the owner; other channels and private conversations take all.
    """
    access = Access(_ROLES, {"write": ANYONE}, {CHANNEL.key: frozenset(["read"])})
    assert _may(access, "read", ALICE)
    assert not _may(access, "write", ALICE)
    assert not _may(access, "write", ALICE, Place("net", "#DNS"))
    assert _may(access, "write", BOSS)
    assert _may(access, "write", ALICE, Place("net", "#other"))
    assert _may(access, "write", ALICE, Place("oftc", "#dns"))
    assert _may(access, "write", ALICE, Place("net", "alice", private=True))
    assert access.refusal(_COMMANDS["write"], ALICE, CHANNEL) == "write is not allowed in #dns"


def test_refusalNamesTheSetting() -> None:
    """
    The refusal says which setting would allow the command.
    """
    refusal = Access(_ROLES).refusal(_COMMANDS["reach"], ALICE, CHANNEL)
    assert refusal == "reach reaches out: only the owner may call it, unless [access.commands] names a role for it"
