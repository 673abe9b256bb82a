"""
The terminal of the shell: conch's interpreter, with Deferreds displayed as objects, tab completion, and terminal settings restored at exit.
"""

from __future__ import annotations

import os
import sys
import termios
import tty
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import redirect_stdout
from functools import partial
from inspect import CO_COROUTINE
from io import StringIO
from os.path import commonprefix
from rlcompleter import Completer
from traceback import format_exception_only
from types import CodeType, FunctionType
from typing import Any, Final, cast

from twisted.conch.insults.insults import ServerProtocol, modes
from twisted.conch.manhole import ColoredManhole, Manhole, ManholeInterpreter
from twisted.internet import stdio
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from twisted.python.failure import Failure
from twisted.python.monkey import MonkeyPatcher

__all__ = ["Console", "Interpreter", "ExitCommand", "PlainText", "runConsole"]

_MOST_SHOWN: Final = 100
_TAB: Final = b"\t"
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")

#: Runs a step of a coroutine; the flag is true for steps after the first C{await}.
_Step = Callable[[Callable[[], object], bool], object]


class PlainText(str):
    """
    Text that the shell displays unquoted.
    """

    def __repr__(self) -> str:
        return str(self)


class ExitCommand:
    """
    C{exit} and C{quit} for the shell. Python's own would raise L{SystemExit} inside the reactor.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, code: object = None) -> None:
        self._console.leave(code)

    def __repr__(self) -> str:
        return "Ctrl-D or exit() leaves"


class Interpreter(ManholeInterpreter):
    """
    Executes input and displays the values of expressions.

    @ivar shown: exceptions displayed lately, so that they are not reported again as unhandled.
    """

    def __init__(self, console: Console, names: dict[str, object]) -> None:
        super().__init__(console, names)
        self._console = console
        self.shown: deque[object] = deque(maxlen=_MOST_SHOWN)
        self._waiting: set[int] = set()
        self._hooks: MonkeyPatcher = vars(self)["monkeyPatcher"]
        #: Whether the user may be typing while output is written.
        self._later = False
        self.compile.compiler.flags |= PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: CodeType) -> None:
        """
        Run a piece of input. Code that awaits continues while the user types the next line, and its result is displayed when it is there.
        """
        if not code.co_flags & CO_COROUTINE:
            try:
                super().runcode(code)
            except SystemExit as leaving:
                self._console.leave(leaving.code)
            return
        coroutine = cast("Coroutine[Any, Any, object]", FunctionType(code, self.locals)())
        done = Deferred.fromCoroutine(_stepped(coroutine, self._step))
        done.addErrback(self._raised, done.called)

    def _step(self, take: Callable[[], object], later: bool) -> object:
        """
        Run a step of a coroutine. The output of all but the first step is collected and written at once, because the user is typing by
        then.
        """
        printed = StringIO()
        with self._hooks:
            if not later:
                return take()
            self._later = True
            try:
                with redirect_stdout(printed):
                    return take()
            finally:
                self._later = False
                if text := printed.getvalue().rstrip("\n"):
                    self.write(text, True)

    def _raised(self, failure: Failure, atOnce: bool) -> None:
        if isinstance(failure.value, SystemExit):
            self._console.leave(failure.value.code)
            return
        self.shown.append(failure.value)
        self.write("".join(format_exception_only(failure.value)).rstrip("\n"), not atOnce)

    def displayhook(self, value: object) -> None:
        """
        Display a value and bind it to C{_}; display a Deferred again when it has fired.
        """
        if value is None:
            return
        self.locals["_"] = value
        if not isinstance(value, Deferred):
            self.write(repr(value), self._later)
            return
        self.write(self._described(value), self._later)
        result = getattr(value, "result", self)
        if isinstance(result, Failure):
            self.shown.append(result.value)
        elif result is self and id(value) not in self._waiting:
            self._waiting.add(id(value))
            value.addBoth(self._fired, value)

    def _described(self, deferred: Deferred[Any]) -> str:
        result = getattr(deferred, "result", None)
        return f"<Deferred at {id(deferred):#x} current result:>\n{result}" if isinstance(result, PlainText) else repr(deferred)

    def _fired(self, result: object, deferred: Deferred[Any]) -> object:
        self._waiting.discard(id(deferred))
        if isinstance(result, Failure):
            self.shown.append(result.value)
        self.write(self._described(deferred), True)
        return result


class Console(ColoredManhole):
    def __init__(self, namespace: dict[str, object], banner: str) -> None:
        super().__init__()
        self.code = 0
        #: The octets received so far of an incomplete UTF-8 character.
        self._octets = b""
        self._names = {**namespace, "exit": ExitCommand(self), "quit": ExitCommand(self)}
        self._banner = banner

    def connectionMade(self) -> None:
        super().connectionMade()
        self.interpreter: Interpreter = Interpreter(self, self._names)
        self.keyHandlers[_TAB] = self.handle_TAB

    def initializeScreen(self) -> None:
        """
        Start below the present output of the terminal rather than on a cleared screen.
        """
        for line in self._banner.split("\n"):
            self.terminal.write(line.encode())
            self.terminal.nextLine()
        self.terminal.write(self.ps[self.pn])
        self.setInsertMode()

    def leave(self, code: object) -> None:
        """
        End the session with the exit code that L{sys.exit} would give: a number as it is, 0 for L{None}, 1 for a text, which is displayed.
        """
        if code is None or isinstance(code, int):
            self.code = (code or 0) & 0xFF
        else:
            self.code = 1
            self.interpreter.write(str(code))
        self.handle_QUIT()

    def handle_QUIT(self) -> None:
        """
        Leave without clearing the screen, which conch's implementation does.
        """
        self.terminal.resetModes([modes.IRM])
        self.terminal.transport.loseConnection()

    def keystrokeReceived(self, keyID: bytes | object, modifier: object) -> None:
        """
        Handle an octet or a named key. Conch's implementation drops characters of more than one octet, which corrupts names that have them.
        """
        if not isinstance(keyID, bytes) or keyID < b"\x80":
            self._octets = b""
            super().keystrokeReceived(keyID, modifier)
            return
        self._octets += keyID
        try:
            character = self._octets.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                self._octets = b""
            return
        octets, self._octets = self._octets, b""
        if character.isprintable():
            self.characterReceived(octets, False)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        kind = Manhole if os.environ.get("NO_COLOR") else ColoredManhole
        kind.characterReceived(self, ch, moreCharactersComing)

    def handle_TAB(self) -> None:
        before = b"".join(self.lineBuffer[: self.lineBufferIndex]).decode("utf-8", "replace")
        word = before[len(before.rstrip("".join(_WORD))) :]
        if not word:
            self._type("    ")
            return
        found = _completions(word, self._names)
        common = commonprefix(found)
        if len(common) > len(word):
            self._type(common[len(word) :])
        elif len(found) > 1:
            self.interpreter.write("  ".join([name.rpartition(".")[2] for name in found]), True)

    def _type(self, text: str) -> None:
        self._deliverBuffer([character.encode() for character in text])

    def _deliverBuffer(self, keys: list[bytes]) -> None:
        # Conch's implementation mistakes a list for bytes and fails when output arrives while the user types.
        for index, key in enumerate(keys, 1):
            self.characterReceived(key, index < len(keys))

    def report(self, event: LogEvent) -> None:
        """
        Display unhandled errors from the log, such as those of Deferreds without an errback.
        """
        failure = event.get("log_failure")
        if isinstance(failure, Failure) and not any(failure.value is shown for shown in self.interpreter.shown):
            self.interpreter.write(f"Unhandled: {type(failure.value).__name__}: {failure.getErrorMessage()}", True)

    def connectionLost(self, reason: Failure) -> None:
        from twisted.internet import reactor

        if reactor.running:
            reactor.stop()


def _completions(word: str, names: dict[str, object]) -> list[str]:
    completer = Completer(names)
    found: list[str] = []
    while len(found) < 200 and (match := completer.complete(word, len(found))) is not None:
        found.append(match)
    return sorted(dict.fromkeys([match.rstrip("() ") for match in found]))


def runConsole(namespace: dict[str, object], banner: str) -> int:
    from twisted.internet import reactor

    console = Console(namespace, banner)
    fileno = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
    before = termios.tcgetattr(fileno)
    tty.setraw(fileno)
    try:
        observer = cast(ILogObserver, console.report)
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
        connect: Callable[[ServerProtocol], object] = stdio.StandardIO
        connect(ServerProtocol(lambda: console))
        reactor.run()
    finally:
        termios.tcsetattr(fileno, termios.TCSADRAIN, before)
        sys.stdout.write("\n")
        sys.stdout.flush()
    return console.code

def _stepped(coroutine: Coroutine[Any, Any, object], step: _Step) -> Generator[Any, object, object]:
    """
    Run a coroutine and call C{step} for each of its steps, so that the shell's hooks are in place during the step only.
    """
    take: Callable[[], object] = partial(coroutine.send, None)
    later = False
    while True:
        try:
            awaited = step(take, later)
        except StopIteration as end:
            return end.value
        later = True
        try:
            take = partial(coroutine.send, (yield awaited))
        except BaseException as raised:
            take = partial(coroutine.throw, raised)
