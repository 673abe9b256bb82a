"""
A robot in a process of its own.

    python -m tests.live.robot.running SETTINGS

SETTINGS is an object of JSON: C{networks}, a list of tables, and C{plugins}, the tables of the plugins to load. The log goes to the
standard error.
"""

from __future__ import annotations

import json
import sys
from typing import cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import globalLogBeginner, textFileLogObserver

from tests.apps.robot.ircnetworks import Echo
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.fronts.irc import IRCFront
from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.loading import BUILT_IN
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.compat.names import NamesResolver

__all__: list[str] = []


async def _run(text: str) -> None:
    wanted = json.loads(text)
    found = [cast(IRobotPlugin, each) for each in (Echo(), *BUILT_IN)]
    settings = RobotSettings(plugins=wanted["plugins"])
    robot = Robot(cast(IReactorTime, reactor), settings, cast(NamesResolver, None), cast(Database, None), lambda: found)
    for table in wanted["networks"]:
        robot.join(IRCFront(robot, NetworkSettings.fromTable(table)))
    for name in ("echo", "help", *wanted["plugins"]):
        await robot.plugins.load(name)
    for front in robot.fronts.values():
        cast(IRCFront, front).startService()


if __name__ == "__main__":
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    core = cast(IReactorCore, reactor)
    core.callWhenRunning(lambda: Deferred.fromCoroutine(_run(sys.argv[1])))
    core.run()
