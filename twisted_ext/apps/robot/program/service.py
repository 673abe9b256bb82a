"""
The robot as a Twisted service: its database, resolver, networks and web pages.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorThreads, IReactorTime
from twisted.logger import Logger

from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.fronts.irc import IRCFront
from twisted_ext.apps.robot.fronts.pages import Pages
from twisted_ext.apps.robot.interfaces import IPages
from twisted_ext.apps.robot.loading import foundPlugins
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.resolver.strings.descriptions import sourceFromString

if TYPE_CHECKING:
    from twisted_ext.apps.robot.program.settings import RobotSettings

__all__ = ["DATABASE", "RobotService", "endRobot", "robotFor"]

_log: Final = Logger(__name__)

#: The file of the database in the folder C{state}.
DATABASE: Final = "robot.sqlite"


def robotFor(reactor: IReactorTime, settings: RobotSettings, folder: str) -> Robot:
    """
    Create a robot without fronts and plugins.

    @param folder: for the database.

    @raise StorageFault: the database cannot be opened.
    """
    database = Database(cast(IReactorThreads, reactor), os.path.join(folder, DATABASE))
    database.open()
    resolver = NamesResolver(sourceFromString(reactor, settings.resolver), reactor)

    # The settings, and the folders in them, may be replaced.
    robot = Robot(reactor, settings, resolver, database, lambda: foundPlugins(robot.settings.pluginFolders))
    return robot


async def endRobot(robot: Robot) -> None:
    """
    Unload the plugins of a robot, and close what L{robotFor} has opened.
    """
    for end in (robot.stop, robot.database.close, robot.resolver.close):
        await _ended(end)


async def _ended(end: Callable[[], Deferred[None] | None]) -> None:
    """
    Call a function that ends something. Its failure is logged: the rest has to end too.
    """
    try:
        await maybeDeferred(end)
    except Exception:
        _log.failure("while the robot stopped a part of it")


class RobotService(Service):
    """
    @ivar robot: the robot, while the service runs.
    """

    robot: Robot

    def __init__(self, reactor: IReactorTime, read: Callable[[], RobotSettings]) -> None:
        """
        @param read: reads the settings; called now, and by L{reload}.

        @raise BadDescription: the settings are not valid.
        """
        self._reactor = reactor
        self._read = read
        self._settings = _complete(read())
        # The networks by name, and the web site with an empty one.
        self._parts: dict[str, IRCFront | Pages] = {}
        self._changing = DeferredLock()

    def startService(self) -> None:
        """
        Open the database, and begin the rest.

        @raise StorageFault: the database cannot be opened.
        """
        self.robot = robotFor(self._reactor, self._settings, self._settings.stateFolder())
        # Networks are found by it too.
        self._restore = self.robot.resolver.install(cast(IReactorPluggableNameResolver, self._reactor))
        super().startService()
        self._apply(None)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._changing.run(lambda: Deferred.fromCoroutine(self._end()))

    def reload(self) -> None:
        """
        Read the settings again. Parts whose settings are the same go on undisturbed; if the settings are not valid, all do.
        """
        try:
            settings = _complete(self._read())
        except DNSFault as fault:
            for each in str(fault).splitlines():
                _log.error("{fault}", fault=each)
            _log.error("the settings are not valid; the robot keeps those that it has")
            return
        old, self._settings = self._settings, settings
        for name in ("state", "resolver"):
            if getattr(old, name) != getattr(settings, name):
                _log.warn("a change of {name} takes a restart", name=name)
        self.robot.settings = settings
        self._apply(old)

    def _apply(self, old: RobotSettings | None) -> None:
        changing = self._changing.run(lambda: Deferred.fromCoroutine(self._follow(old)))
        changing.addErrback(lambda failure: _log.failure("while the settings were applied", failure=failure))

    async def _follow(self, old: RobotSettings | None) -> None:
        """
        Start, stop and restart what the settings have changed. The plugins come before the networks, so that they hear all that is said.
        """
        robot, settings = self.robot, self._settings
        if not self.running:
            return
        if old is None or old.web.values() != settings.web.values():
            # The plugins have pages on the site.
            await robot.plugins.unloadAll()
            await self._stop("")
            if settings.web.listen:
                self._start("", lambda: Pages(robot, settings.web))
        await robot.plugins.follow()
        for name, part in list(self._parts.items()):
            network = settings.networks.get(name)
            if isinstance(part, IRCFront) and (network is None or not part.change(network)):
                await self._stop(name)
        for name, network in settings.networks.items():
            if name not in self._parts and self.running:
                self._start(name, partial(IRCFront, robot, network))
        _log.info("networks: {networks}, plugins: {plugins}", networks=len(settings.networks), plugins=len(robot.plugins.loaded))

    def _start(self, name: str, make: Callable[[], IRCFront | Pages]) -> None:
        try:
            part = self._parts[name] = make()
            if isinstance(part, Pages):
                self.robot.add(IPages, part)
            else:
                self.robot.join(part)
            part.startService()
        except Exception as error:
            # The others shall work nevertheless.
            _log.error("{part} cannot start: {error}", part=name or "the web site", error=str(error))

    async def _stop(self, name: str) -> None:
        part = self._parts.pop(name, None)
        if part is None:
            return
        await _ended(part.stopService)
        if name:
            self.robot.fronts.pop(name, None)
        else:
            self.robot.drop(IPages)

    async def _end(self) -> None:
        for name in reversed(list(self._parts)):
            await self._stop(name)
        self._restore()
        await endRobot(self.robot)


def _complete(settings: RobotSettings) -> RobotSettings:
    if not settings.stateFolder():
        raise BadDescription('state is missing: write the folder for the robot\'s database, such as state = "/var/lib/robot"')
    return settings
