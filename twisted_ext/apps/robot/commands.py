"""
Commands: functions of plugins with typed parameters, called with the words that a person wrote, by those who may.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar, cast

from twisted_ext.apps.robot.interfaces import Urgency
from twisted_ext.apps.robot.people import Mask, Person, Place
from twisted_ext.errors import CallerFault
from twisted_ext.resolver.strings.schema import Schema

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.apps.robot.text import Reply, Said

__all__ = [
    "ANYONE",
    "OWNER",
    "OWN_FRONTS",
    "Access",
    "Call",
    "Command",
    "CommandError",
    "Effect",
    "Rest",
    "command",
    "commandsOf",
    "hears",
    "hooksOf",
]

_F = TypeVar("_F", bound=Callable[..., object])

#: A word, or a text in double quotes, in which a backslash removes the meaning of the next character. An apostrophe is no quote: people
#: write "don't".
_WORD: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S+))')

_ESCAPE: Final = re.compile(r"\\(.)")

#: The attributes that the decorators set.
_COMMAND: Final = "robotCommand"
_HOOK: Final = "robotHook"

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


class CommandError(Exception):
    """
    A command cannot do what was asked for; the text is the one line of its reply.
    """


class Effect(Enum):
    """
    What a command does to the world. Everyone may call those that only read; for the others the owner names who may.
    """

    READS = "reads"
    WRITES = "writes"
    REACHES = "reaches out"
    OWNS = "controls the robot"


class Rest(str):
    """
    The type of a last parameter that takes the rest of the line as it is, quotes included.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> Rest:
        return cls(text)


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of a command; its first argument.
    """

    robot: Robot
    person: Person
    place: Place
    command: Command

    def say(self, said: Said) -> None:
        """
        Say something before the command ends, in the place where it was called.
        """
        self.robot.say(self.place, said, Urgency.REPLY)


class Command:
    """
    @ivar word: the word that calls it.
    @ivar seconds: after this time it is cancelled; L{None} for the robot's setting.
    @ivar summary: its help text.
    """

    __slots__ = ("word", "effect", "seconds", "summary", "plugin", "_function", "_schema", "_rest")

    def __init__(self, function: Callable[..., object], plugin: str) -> None:
        self.word, self.effect, self.seconds = cast("tuple[str, Effect, float | None]", getattr(function, _COMMAND))
        self.plugin = plugin
        self.summary = " ".join((function.__doc__ or "").split())
        self._function = function
        self._schema = Schema(function)
        last = self._schema.positional[-1:]
        self._rest = bool(last) and last[0].kind is Rest

    @property
    def usage(self) -> str:
        words = [self.word]
        for parameter in self._schema.positional:
            shown = f"{parameter.name.upper()}{'...' if parameter.many else ''}"
            words.append(shown if parameter.required else f"[{shown}]")
        return " ".join(words)

    def arguments(self, text: str) -> list[object]:
        """
        Convert what stands behind the command's word.

        @raise CommandError: an argument is missing, superfluous or not valid.
        """
        parameters = self._schema.positional
        found: list[object] = []
        position = 0
        while text[position:].strip():
            parameter = self._schema.at(len(found))
            if parameter is None:
                raise CommandError(f"{text[position:].strip()!r} is too much; usage: {self.usage}")
            if self._rest and parameter is parameters[-1]:
                word, position = text[position:].strip(), len(text)
            else:
                match = _WORD.match(text, position)
                assert match is not None
                position = match.end()
                word = match[2] if match[1] is None else _ESCAPE.sub(r"\1", match[1])
                if match[1] is None and word.startswith('"'):
                    raise CommandError("a quote that opens is not closed; write the text between two of them")
            try:
                found.append(parameter.convert(word))
            except CallerFault as fault:
                raise CommandError(str(fault)) from None
        if len(found) < len(parameters) and parameters[len(found)].required:
            raise CommandError(f"{parameters[len(found)].name} is missing; usage: {self.usage}")
        return found

    def call(self, call: Call, arguments: list[object]) -> Awaitable[Said | Reply]:
        return cast("Awaitable[Said | Reply]", self._function(call, *arguments))


def command(effect: Effect = Effect.READS, *, word: str = "", seconds: float | None = None) -> Callable[[_F], _F]:
    """
    Mark a coroutine function as a command: its parameters after the L{Call} are the command's arguments, its docstring the help.

    Arguments are converted to the annotated types: C{str}, C{int}, C{float}, C{bool}, L{Rest}, or any class with a C{fromText} that raises
    L{CallerFault<twisted_ext.errors.CallerFault>}.
    """

    if not isinstance(effect, Effect):
        raise TypeError("write @command(), with parentheses")

    def mark(function: _F) -> _F:
        setattr(function, _COMMAND, ((word or function.__name__.rstrip("_")).lower(), effect, seconds))
        return function

    return mark


def hears(*kinds: type) -> Callable[[_F], _F]:
    """
    Mark a function that is called with each event of these classes of L{twisted_ext.apps.robot.events}. It may be a coroutine function.
    """

    def mark(function: _F) -> _F:
        setattr(function, _HOOK, kinds)
        return function

    return mark


def commandsOf(owner: object, plugin: str) -> list[Command]:
    """
    Return the commands among the attributes of an instance or a module.
    """
    return [Command(function, plugin) for function in _marked(owner, _COMMAND)]


def hooksOf(owner: object) -> list[tuple[tuple[type, ...], Callable[..., object]]]:
    """
    Return the classes of events and the functions that L{hears} has marked.
    """
    return [(cast("tuple[type, ...]", getattr(function, _HOOK)), function) for function in _marked(owner, _HOOK)]


def _marked(owner: object, mark: str) -> list[Callable[..., object]]:
    """
    Return the marked functions, in the order of their definitions. Nothing else is evaluated: a property may raise, or take its time.
    """
    spaces = [owner] if isinstance(owner, ModuleType) else reversed(type(owner).__mro__)
    defined = {name: value for space in spaces for name, value in vars(space).items()}
    return [getattr(owner, name) for name, value in defined.items() if hasattr(value, mark)]
