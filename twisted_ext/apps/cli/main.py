"""
C{txdns}: selects the command and turns its outcome into an exit code. It imports only what the command needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Final

from twisted_ext._version import __version__
from twisted_ext.apps.cli.terminal.exits import (
    BATCH,
    BROKEN_PIPE,
    INTERNAL,
    INTERRUPTED,
    OK,
    USAGE,
    ExitError,
    complain,
)

__all__ = ["COMMANDS", "Command", "main", "versions"]


class Command:
    """
    One word after C{txdns}.

    @ivar summary: one line for C{txdns --help}.
    """

    __slots__ = ("word", "summary", "_module")

    def __init__(self, word: str, module: str, summary: str) -> None:
        """
        @param module: below C{twisted_ext.apps}; it has a function C{main}.
        """
        self.word = word
        self.summary = summary
        self._module = module

    def load(self) -> Callable[[list[str]], int]:
        """
        Import what does the work: a function of the words behind the command's own that gives the exit code.
        """
        found: Callable[[list[str]], int] = import_module(f"twisted_ext.apps.{self._module}").main
        return found


#: All commands, in the order in which help lists them.
COMMANDS: Final = (
    Command("query", "cli.query.command", "ask for a name, and show the reply as dig does"),
    Command("explain", "cli.names.explain", "look a name up and tell how the answer came about"),
    Command("services", "cli.names.services", "show where a service is, by SRV, HTTPS, MX and other records"),
    Command("watch", "cli.names.watch", "show each change of what a name stands for, or wait for one"),
    Command("getaddrinfo", "cli.names.getaddrinfo", "show the addresses that programs get, and what the system gives"),
    Command("bulk", "cli.bulk.command", "look up any number of names, or ranges of addresses in reverse"),
    Command("transfer", "cli.remote.transfer", "fetch a zone, or what has changed in it, from a server that has it"),
    Command("notify", "cli.remote.notify", "tell servers that a zone has changed"),
    Command("update", "cli.remote.update", "change zones on the servers that have them, as nsupdate does"),
    Command("zone", "cli.zone.command", "check, format, compare and change zones in files"),
    Command("shell", "shell.session", "type Python with a reactor running and a resolver at hand"),
    Command("control", "cli.server.control", "look at a running server, and tell it what to do"),
    Command("top", "cli.server.top", "watch a running server live"),
    Command("plugins", "cli.plugins", "list what resolver descriptions may begin with"),
)

_HELP: Final = """\
Usage: txdns COMMAND [...]

Commands:
{commands}

txdns help COMMAND or txdns COMMAND --help shows more, with examples. txdns --version names the
version.

To begin with:
  txdns query www.example.com              what the system's servers say
  txdns query -x 192.0.2.1 +short          the name of an address, and only that
  txdns query example.com MX @192.0.2.53   what this server says
  txdns explain www.example.com            which file, cache or server had it

A server may be written as a resolver description: udp:127.0.0.1:5301, cache:system,
chain:(hosts):(udp:192.0.2.53).

A server of your own is not started by txdns, but by: twistd txdns

Exit codes: 0 a reply came, 1 wrong usage, 2 a server declined, 8 a file cannot be read,
9 no reply, 10 internal error, 130 interrupted, 143 ended by SIGTERM.
"""


def main(words: Sequence[str] | None = None) -> int:
    """
    Run C{txdns}.

    @param words: what stands behind C{txdns}; by default what this process was called with.

    @return: the exit code.
    """
    words = list(sys.argv[1:] if words is None else words)
    _standIn()
    try:
        return _run(words)
    finally:
        _settleErrors()


def _run(words: list[str]) -> int:
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except ExitError as ending:
        return _say(words, ending.line, ending.code)
    except BrokenPipeError:
        # The reader has closed the pipe, which is not an error.
        _writeNoMore()
        return BROKEN_PIPE
    except OSError as error:
        _writeNoMore()
        return _say(words, f"{error.filename or 'standard output'}: {error.strerror or error}", BATCH)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("TXDNS_DEBUG"):
            raise
        return _say(words, f"internal error: {type(error).__name__}: {error} (TXDNS_DEBUG=1 shows where)", INTERNAL)


def _standIn() -> None:
    """
    Reopen standard streams that the parent process has closed, or the next file or socket would get their descriptors. Reading or writing
    them still fails.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest one that is free is this one.
            os.open(os.devnull, flags)
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A character that the locale cannot encode is escaped: no text that a server sends may end the command with an error. This
            # flushes the stream; one that cannot be written to is reported when the command writes to it.
            with suppress(OSError):
                stream.reconfigure(errors="backslashreplace")


def _writeNoMore(fileno: int = 1) -> None:
    # Python flushes both streams at exit: a failure there would print a complaint, or change the exit code to 120.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fileno)
    os.close(null)


def _settleErrors() -> None:
    """
    Discard what could not be written to the standard error. Python 3.11.2 keeps such text, tries again at exit, and exits with 120.
    """
    try:
        sys.stderr.flush()
    except OSError:
        _writeNoMore(2)


def _say(words: list[str], line: str, code: int) -> int:
    if line:
        prefix = f"txdns {words[0]}" if any(words[:1] == [command.word] for command in COMMANDS) else "txdns"
        for each in line.splitlines():
            complain(f"{prefix}: {each}")
    return code


def _dispatch(words: list[str]) -> int:
    if not words:
        print(_help(), end="", file=sys.stderr)
        return USAGE
    word = words[0]
    if word == "help" and len(words) > 1 and any(command.word == words[1] for command in COMMANDS):
        # Further words name the command's own commands, as in: txdns help zone check.
        word, words = words[1], [*words[1:], "--help"]
    elif word == "help" and len(words) > 1 and words[1] not in ("-h", "--help", "help"):
        raise ExitError(USAGE, _unknown(words[1], words[1:]))
    if word in ("-h", "--help", "help"):
        print(_help(), end="")
        return OK
    if word in ("-V", "--version", "version"):
        print(versions())
        return OK
    for command in COMMANDS:
        if command.word == word:
            return command.load()(words[1:])
    raise ExitError(USAGE, _unknown(word, words))


def _help() -> str:
    return _HELP.format(commands="\n".join([f"  {command.word:<11} {command.summary}" for command in COMMANDS]))


def versions() -> str:
    """
    @return: what C{txdns --version} prints.
    """
    import platform

    from twisted import __version__ as twisted

    return f"txdns {__version__} (Twisted {twisted}, Python {platform.python_version()})"


#: What people call the command that starts a server.
_SERVING: Final = ("serve", "server", "forward", "run", "start", "listen", "daemon")


def _unknown(word: str, words: list[str]) -> str:
    from difflib import get_close_matches

    if word in _SERVING:
        kind = " serve" if word == "serve" else ""
        return f"no command is called {word!r}; a server is started by: twistd -n txdns{kind} ..., see twistd txdns{kind} --help"
    known = [command.word for command in COMMANDS]
    close = get_close_matches(word, known, 1)
    if close:
        return f"no command is called {word!r}; did you mean {close[0]}?"
    if word[:1] in "@+-" or "." in word:
        return f"no command is called {word!r}; to look a name up, write: txdns query {' '.join(words)}"
    return f"no command is called {word!r}; there are {', '.join(known)}"


if __name__ == "__main__":
    sys.exit(main())
