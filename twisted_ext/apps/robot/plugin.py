"""
The base class of plugins, and plugins in modules that are imported when they are used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_ext.apps.robot.commands import Call, CommandError, Effect, Rest, command, hears
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.table import Table, option

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = [
    "Call",
    "CommandError",
    "Effect",
    "ModulePlugin",
    "Rest",
    "RobotPlugin",
    "command",
    "hears",
    "importAgain",
    "option",
]


@implementer(IPlugin, IRobotPlugin)
class RobotPlugin(Table):
    """
    A plugin: methods marked with C{@command()} are its commands, those marked with C{@hears(Message)} receive events, and class attributes
    made with L{option} are its settings, read from C{[plugin.NAME]}.

    @ivar robot: the robot, from C{init} on.
    """

    robot: Robot

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name or type(self).__name__.lower()

    @property
    def summary(self) -> str:
        """
        The first sentence of the docstring.
        """
        return " ".join((type(self).__doc__ or "").split()).partition(". ")[0].rstrip(".")

    def init(self, robot: Robot) -> Deferred[None] | None:
        self.robot = robot
        return None

    def fini(self, robot: Robot) -> Deferred[None] | None:
        return None


@implementer(IPlugin, IRobotPlugin)
class ModulePlugin:
    """
    A plugin in a module of its own, described by strings. The module has either one subclass of L{RobotPlugin}, or functions
    C{init(robot)} and C{fini(robot)} beside its commands.
    """

    def __init__(self, name: str, module: str, summary: str) -> None:
        self.name = name
        self.module = module
        self.summary = summary

    def load(self, again: bool = False) -> object:
        """
        Import the module and return a new instance of its class, or the module itself.

        @param again: whether to read the module's file again.
        """
        module = importAgain(self.module) if again else import_module(self.module)
        for found in _classesIn(module):
            return found(self.name)
        return module

    def init(self, robot: Robot) -> Deferred[None] | None:
        self._loaded = cast(IRobotPlugin, self.load())
        return self._loaded.init(robot)

    def fini(self, robot: Robot) -> Deferred[None] | None:
        return self._loaded.fini(robot)


def importAgain(name: str) -> ModuleType:
    """
    Import a module from its file although it was imported before. The old module remains as it is, for those who use it.
    """
    old = sys.modules.pop(name, None)
    try:
        return import_module(name)
    except BaseException:
        if old is not None:
            sys.modules[name] = old
        raise


def _classesIn(module: ModuleType) -> Iterator[type[RobotPlugin]]:
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, RobotPlugin) and found.__module__ == module.__name__:
            yield found
