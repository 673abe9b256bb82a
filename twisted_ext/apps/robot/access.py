"""
Who may call which command, and where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from twisted_ext.apps.robot.commands import Command, Effect
from twisted_ext.apps.robot.people import Mask, Person, Place

__all__ = ["ANYONE", "Access", "OWNER", "OWN_FRONTS"]

#: The role that everyone has.
ANYONE: Final = "anyone"

#: The role that may do everything.
OWNER: Final = "owner"

#: Fronts on which the person is the owner: the console belongs to the operator's terminal.
OWN_FRONTS: Final = frozenset(["console"])


class Access:
    def __init__(
        self,
        roles: Mapping[str, Sequence[str]] | None = None,
        commands: Mapping[str, str] | None = None,
        channels: Mapping[tuple[str, str], frozenset[str]] | None = None,
    ) -> None:
        """
        @param roles: the masks of persons by role; L{OWNER} is one of them.
        @param commands: the roles that may call a command. Without one, everyone may call a command that only reads, and the owner
            any other.
        @param channels: the only commands that are taken in a channel, by L{Place.key}.
        """
        self._roles = {role: [Mask(text) for text in masks] for role, masks in (roles or {}).items()}
        self._commands = dict(commands or {})
        self._channels = dict(channels or {})

    def has(self, person: Person, role: str) -> bool:
        """
        Return whether a person has a role.
        """
        if role == ANYONE:
            return True
        held = [*self._roles.get(role, ()), *self._roles.get(OWNER, ())]
        return person.front in OWN_FRONTS or any(mask.matches(person) for mask in held)

    def refusal(self, command: Command, person: Person, place: Place) -> str:
        """
        Return why a person may not call a command there, or C{""}.
        """
        allowed = self._channels.get(place.key)
        if allowed is not None and command.word not in allowed and not self.has(person, OWNER):
            return f"{command.word} is not allowed in {place.target}"
        role = self._commands.get(command.word, ANYONE if command.effect is Effect.READS else OWNER)
        if self.has(person, role):
            return ""
        if role == OWNER:
            return f"{command.word} {command.effect.value}: only the owner may call it, unless [access.commands] names a role for it"
        return f"{command.word} takes the role {role}"
