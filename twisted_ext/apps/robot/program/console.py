"""
C{txdns robot --console}: the robot in a terminal, without a network, for trying plugins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IFront, Urgency
from twisted_ext.apps.robot.limits import CONSOLE_OCTETS
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.text import Line, Style, bad, linesOf
from twisted_ext.errors import DNSFault
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.apps.robot.program.settings import RobotSettings
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Console", "main"]

_log: Final = Logger(__name__)

_HELP: Final = """\
Usage: txdns robot --console [--config FILE]

Starts the robot in this terminal, without networks and web pages, to try its plugins.
You are the owner. Type "help" for the commands and "quit" to leave. Nothing is kept.

  --console       start it in this terminal
  --config FILE   the settings of the robot, such as those of its plugins

  txdns robot --console
  > dig example.org mx
  echo "dig example.org mx" | txdns robot --console

To run the robot, use twistd: twistd txdns robot --config FILE
"""

_USAGE: Final = 1

#: SGR parameters (ECMA-48, section 8.3.117).
_COLORS: Final = {
    Style.PLAIN: "",
    Style.BOLD: "1",
    Style.DIM: "2",
    Style.NAME: "36",
    Style.GOOD: "32",
    Style.WARNING: "33",
    Style.BAD: "31;1",
}

_QUIT: Final = frozenset(["quit", "exit"])


@implementer(IFront, IHalfCloseableProtocol)
class Console(LineReceiver):
    """
    The front of the person at the terminal. A line is read when the command of the one before has ended.
    """

    delimiter = b"\n"
    MAX_LENGTH = int(CONSOLE_OCTETS.default)
    name = "console"
    nick = "txbot"
    most = 100

    def __init__(self, robot: Robot, user: str, *, colors: bool = False, prompt: str = "") -> None:
        self._robot = robot
        self._person = Person(self.name, user)
        self._place = Place(self.name, user, private=True)
        self._colors = colors
        self._prompt = prompt
        #: Fires when the last reply is written.
        self.ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self._write(self._prompt)

    def lineReceived(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text.lower() in _QUIT:
            self._leave()
            return
        cast("Callable[[], None]", self.pauseProducing)()
        if text:
            self._robot.receive(Message(self._person, self._place, text))
        self._robot.idle().addCallback(self._next)

    def _next(self, result: object) -> None:
        self._write(self._prompt)
        cast("Callable[[], None]", self.resumeProducing)()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.send("", linesOf(bad(f"a line has at most {self.MAX_LENGTH} octets")))

    def readConnectionLost(self) -> None:
        rest = cast("Callable[[], bytes]", self.clearLineBuffer)()
        if rest:
            self.lineReceived(rest)
        self._robot.idle().addCallback(lambda _: self._leave())

    def writeConnectionLost(self) -> None:
        self._leave()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.ended.callback(None)

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        self._write("".join([f"{self._painted(each)}\n" for each in lines]))

    def members(self, channel: str) -> Sequence[str]:
        return ()

    def isReady(self, target: str) -> bool:
        return self.transport is not None

    def _leave(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def _painted(self, line: Line) -> str:
        if not self._colors:
            return str(line)
        return "".join([f"\x1b[{_COLORS[style]}m{text}\x1b[0m" if _COLORS[style] else text for text, style in line])

    def _write(self, text: str) -> None:
        if self.transport is not None and text:
            self.transport.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def main(words: list[str]) -> int:
    if any(word in ("-h", "--help") for word in words):
        print(_HELP, end="")
        return 0
    path = ""
    rest = [word for word in words if word != "--console"]
    if rest and rest[0].startswith("--config="):
        path, rest = rest[0].removeprefix("--config="), rest[1:]
    elif rest[:1] == ["--config"] and len(rest) > 1:
        path, rest = rest[1], rest[2:]
    if rest:
        return _refuse(f"{' '.join(rest)!r}: write nothing, or --config FILE; see txdns robot --help")
    if "--console" not in words:
        return _refuse("write --console to try it in this terminal; to run it on networks, write: twistd txdns robot --config FILE")
    from twisted_ext.apps.robot.program.settings import readRobotSettings, robotSettingsIn

    try:
        settings = readRobotSettings(path) if path else robotSettingsIn("", "no file")
        with TemporaryDirectory(prefix="txdns-robot-") as folder:
            return _run(settings, folder)
    except (DNSFault, OSError) as fault:
        return _refuse(str(fault))


def _run(settings: RobotSettings, folder: str) -> int:
    from twisted.internet import reactor, stdio

    from twisted_ext.apps.robot.program.service import endRobot, robotFor

    # Exceptions of plugins, which the robot's own log would have.
    shown = FilteringLogObserver(textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.warn)])
    globalLogBeginner.beginLoggingTo([shown], redirectStandardIO=False, discardBuffer=True)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    colors = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    robot = robotFor(reactor, settings, folder)

    async def begin() -> None:
        try:
            await robot.plugins.follow()
            console = Console(robot, os.environ.get("USER") or "you", colors=colors, prompt="> " if terminal else "")
            robot.join(console)
            cast("Callable[[Console], object]", stdio.StandardIO)(console)
            await console.ended
        except Exception:
            _log.failure("the console has an error")
        with suppress(ReactorNotRunning):
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()))
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(endRobot(robot)))
    reactor.run()
    number: object = getattr(reactor, "_exitSignal", None)
    return 128 + number if isinstance(number, int) else 0


def _refuse(said: str) -> int:
    for line in said.splitlines():
        print(f"txdns robot: {printable(line)}", file=sys.stderr)
    return _USAGE
