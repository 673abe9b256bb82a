"""
Persons from whom the robot takes no commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_ext.apps.robot.commands import OWNER
from twisted_ext.apps.robot.interfaces import JSON, IDiscriminating, IStorage, RetrievalError
from twisted_ext.apps.robot.limits import IGNORED
from twisted_ext.apps.robot.people import Mask, Person
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, RobotPlugin, command
from twisted_ext.apps.robot.text import Said

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Ignore"]

_STORED = ("ignore", "1")


@implementer(IDiscriminating)
class _Discriminating:
    """
    @ivar _masks: until when each applies; L{None} for always.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._masks: dict[str, tuple[Mask, float | None]] = {}

    async def load(self) -> None:
        try:
            found = await IStorage(self._robot).retrieve(*_STORED)
        except RetrievalError:
            return
        assert isinstance(found, dict)
        for text, until in found.items():
            assert until is None or isinstance(until, float)
            self._masks[text] = (Mask(text), until)

    def isIgnored(self, person: Person) -> bool:
        if not any(mask.matches(person) for mask, until in self._masks.values() if self._applies(until)):
            return False
        # An owner could not undo it.
        return not self._robot.access.has(person, OWNER)

    def ignore(self, mask: str, seconds: float | None = None) -> Deferred[None]:
        made = Mask(mask)
        if seconds is not None and seconds <= 0:
            raise ValueError(f"a mask can be ignored for a time above 0, not for {seconds:g} s")
        if mask not in self._masks and len(self.masks()) >= IGNORED.default:
            raise ValueError(f"{IGNORED.default} masks are ignored already; unignore some, or write one that matches more")
        self._masks[mask] = (made, None if seconds is None else self._robot.reactor.seconds() + seconds)
        return self._store()

    def unignore(self, mask: str) -> Deferred[bool]:
        if mask not in self.masks():
            return succeed(False)
        del self._masks[mask]
        return self._store().addCallback(lambda _: True)

    def masks(self) -> list[str]:
        self._masks = {text: (mask, until) for text, (mask, until) in self._masks.items() if self._applies(until)}
        return list(self._masks)

    def _applies(self, until: float | None) -> bool:
        return until is None or until > self._robot.reactor.seconds()

    def _store(self) -> Deferred[None]:
        value: dict[str, JSON] = {text: until for text, (_, until) in self._masks.items()}
        return IStorage(self._robot).store(*_STORED, value)


class Ignore(RobotPlugin):
    """
    Persons from whom the robot takes no commands.
    """

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        discriminating = _Discriminating(self.robot)
        await discriminating.load()
        self.robot.add(IDiscriminating, discriminating)

    @command(Effect.WRITES)
    async def ignore(self, call: Call, who: str, hours: float = 0.0) -> Said:
        """
        Take no more commands from a nick or a mask such as libera/*!*@host.example, for some hours or for always.
        """
        mask = _maskOf(call, who)
        try:
            await IDiscriminating(self.robot).ignore(mask, hours * 3600 or None)
        except ValueError as error:
            raise CommandError(str(error)) from None
        return f"{mask} is ignored"

    @command(Effect.WRITES)
    async def unignore(self, call: Call, who: str) -> Said:
        """
        Take commands again from a nick or a mask.
        """
        mask = _maskOf(call, who)
        if not await IDiscriminating(self.robot).unignore(mask):
            raise CommandError(f"{mask} is not ignored; ignored lists the masks")
        return f"{mask} is not ignored any more"

    @command(Effect.WRITES)
    async def ignored(self, call: Call) -> Said:
        """
        List the masks of ignored persons.
        """
        return IDiscriminating(self.robot).masks() or "no mask is ignored"


def _maskOf(call: Call, who: str) -> str:
    return who if "/" in who else f"{call.place.front}/{who}!*@*"
