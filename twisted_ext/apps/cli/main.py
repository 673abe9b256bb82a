"""
C{txdns}: selects the command and returns its exit code. It imports only the modules that the command uses.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Final, NamedTuple

from twisted_ext._compiled import isCompiled, useSource
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
from twisted_ext.lazy import lazily

__all__ = ["COMMANDS", "Command", "main", "program", "runBelow", "versions"]


class Command(NamedTuple):
    """
    A command of C{txdns}.

    @ivar module: its module, relative to C{twisted_ext.apps}.
    @ivar summary: one line for C{txdns --help}.
    @ivar function: the name of the function in it.
    """

    word: str
    module: str
    summary: str
    function: str = "main"

    def load(self) -> Callable[[list[str]], int]:
        """
        Import the command's function, which takes the arguments after the command's name and returns the exit code.
        """
        # Twisted imports it, and with it what fetches web pages.
        lazily("http.cookiejar")
        found: Callable[[list[str]], int] = getattr(import_module(f"twisted_ext.apps.{self.module}"), self.function)
        return found

    def subcommands(self) -> Sequence[Command]:
        """
        Return its sub-commands, which are the C{SUBCOMMANDS} of its module.
        """
        found: Sequence[Command] = getattr(import_module(f"twisted_ext.apps.{self.module}"), "SUBCOMMANDS", ())
        return found


#: All commands, in the order in which help lists them.
COMMANDS: Final = (
    Command("query", "cli.query.command", "query a server and show the reply as dig does"),
    Command("upstream", "cli.upstream.command", "show what a server can do: transports, certificate, speed"),
    Command("explain", "cli.names.explain", "look up a name and show each step of the look-up"),
    Command("validate", "cli.names.validate", "validate an answer with DNSSEC, and show the chain of trust"),
    Command("trace", "cli.names.trace", "resolve a name from the root, and show each query with its reason"),
    Command("services", "cli.names.services", "locate a service by SRV, HTTPS, MX and other records"),
    Command("watch", "cli.names.watch", "show each change of a name's records, or wait for one"),
    Command("getaddrinfo", "cli.names.getaddrinfo", "compare getaddrinfo results of this package and the system"),
    Command("bulk", "cli.bulk.command", "look up any number of names, or the names of address ranges"),
    Command("transfer", "cli.remote.transfer", "fetch a zone or its changes from a server (AXFR, IXFR)"),
    Command("notify", "cli.remote.notify", "notify servers that a zone has changed (NOTIFY)"),
    Command("update", "cli.remote.update", "change a zone on its server by dynamic update, like nsupdate"),
    Command("zone", "cli.zone.command", "check, format, compare and edit zone files"),
    Command("keys", "cli.keys.command", "make and list keys that sign zones"),
    Command("policy", "cli.policy.command", "check lists of blocked names, and tell which rule decides about a name"),
    Command("config", "cli.config.command", "check and compare settings files, and print their schema"),
    Command("forward", "launch", "run a DNS server that answers from a cache and asks other servers", "forward"),
    Command("recurse", "launch", "run a validating resolver, which asks from the root on", "recurse"),
    Command("serve", "launch", "run an authoritative DNS server", "serve"),
    Command("shell", "shell.session", "start a Python shell with a running reactor and a resolver"),
    Command("control", "cli.server.control", "inspect and control a running server"),
    Command("top", "cli.server.top", "show live statistics of a running server"),
    Command("log", "cli.server.log", "search the history of queries that a server keeps"),
    Command("console", "cli.console.command", "make users for the console of a server"),
    Command("api", "cli.api.command", "make tokens for the HTTP API of a server, and send requests to it"),
    Command("setup", "cli.server.setup", "print settings for phones and browsers that use an encrypted server"),
    Command("convert", "cli.convert.command", "convert the configuration of dnsmasq and others to settings of this server"),
    Command("robot", "robot.program.console", "try the information robot and its plugins in this terminal"),
    Command("demo", "cli.demo", "run the servers that the examples of the documentation query"),
    Command("plugins", "cli.plugins", "list the prefixes of resolver descriptions"),
    Command("completion", "cli.completion.command", "print the completion of command lines for bash, zsh or fish"),
)

_HELP: Final = """\
Usage: txdns COMMAND [...]

Commands:
{commands}

For the options and examples of a command: txdns help COMMAND or txdns COMMAND --help.
For the version, and whether it is compiled: txdns --version
To run the source where it is compiled: txdns --pure COMMAND, or TXDNS_PURE=1 in the environment

Examples:
  txdns query www.example.com              query the servers of the system's configuration
  txdns query -x 192.0.2.1 +short          print the name of an address and nothing else
  txdns query example.com MX @192.0.2.53   query this server
  txdns explain www.example.com            show which file, cache or server had the answer

A server may be written as a resolver description: udp:127.0.0.1:5301, cache:system,
chain:(hosts):(udp:192.0.2.53).

To run a DNS server in the background, use twistd: twistd txdns

Exit codes: 0 a reply came, 1 wrong usage, 2 a server declined, 8 a file cannot be read,
9 no reply, 10 internal error, 130 interrupted, 143 terminated by SIGTERM.
"""


#: Commands that start threads and programs of their own, which Python ends at its exit.
_LASTING: Final = (["shell"], ["robot"], ["forward"], ["recurse"], ["serve"])


def program() -> int:
    """
    Run C{txdns} as the program of this process: exit with its code, without freeing each object, which takes 40 ms.

    @return: the exit code, if the process has to end as others do: for commands with threads of their own, and if it is traced or profiled.
    """
    code = main()
    if sys.argv[1:2] in _LASTING or sys.gettrace() is not None or sys.getprofile() is not None or _hasThreads():
        return code
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    _settleErrors()
    os._exit(code)


def _hasThreads() -> bool:
    """
    Return whether Python would wait for a thread at its exit.
    """
    threading = sys.modules.get("threading")
    return threading is not None and sum(not each.daemon for each in threading.enumerate()) > 1


def main(words: Sequence[str] | None = None) -> int:
    """
    Run C{txdns} with these arguments, by default those of this process, and return the exit code.
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
            # The kernel assigns the lowest free descriptor, which is this one.
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
    Discard unwritten text of the standard error. Python 3.11.2 keeps such text, tries again at exit, and exits with 120.
    """
    try:
        sys.stderr.flush()
    except OSError:
        _writeNoMore(2)


def _say(words: list[str], line: str, code: int) -> int:
    for each in line.splitlines():
        complain(f"{_fullCommand(words)}: {each}")
    return code


def _fullCommand(words: list[str]) -> str:
    for command in COMMANDS:
        if words[:1] == [command.word]:
            below = any(words[1:2] == [each.word] for each in command.subcommands())
            return f"txdns {' '.join(words[: 1 + below])}"
    return "txdns"


def _dispatch(words: list[str]) -> int:
    if not words:
        print(_help(), end="", file=sys.stderr)
        return USAGE
    if words[0] == "--pure" and len(words) > 1:
        # So far, nothing has been imported that may be compiled.
        useSource()
        words = words[1:]
    word = words[0]
    if word == "help" and len(words) > 1 and any(command.word == words[1] for command in COMMANDS):
        # Further words are sub-commands, as in: txdns help zone check.
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


def runBelow(subcommands: Sequence[Command], help: str, words: list[str]) -> int:
    """
    Run a command that has sub-commands.

    @param help: its help, with C{{commands}} in the place of the list of these.
    @param words: the arguments after its name.

    @return: the exit code.
    """
    told = help.format(commands="\n".join([f"  {command.word:<9} {command.summary}" for command in subcommands]))
    if not words:
        print(told, end="", file=sys.stderr)
        return USAGE
    word = words[0]
    if word in ("-h", "--help", "help"):
        print(told, end="")
        return OK
    for command in subcommands:
        if command.word == word:
            return command.load()(words[1:])
    from twisted_ext.apps.cli.terminal.arguments import didYouMean

    known = [command.word for command in subcommands]
    raise ExitError(USAGE, f"unknown command {word!r}; {didYouMean(word, known, 'write one of ' + ', '.join(known))}")


def _help() -> str:
    return _HELP.format(commands="\n".join([f"  {command.word:<11} {command.summary}" for command in COMMANDS]))


def versions() -> str:
    import platform

    from twisted import __version__ as twisted

    kind = "compiled" if isCompiled() else "not compiled"
    return f"txdns {__version__}, {kind} (Twisted {twisted}, Python {platform.python_version()})"


#: Guesses at the name of the command that starts a server.
_SERVING: Final = ("server", "run", "start", "listen", "daemon")


def _unknown(word: str, words: list[str]) -> str:
    from twisted_ext.apps.cli.terminal.arguments import didYouMean

    if word in _SERVING:
        return f"unknown command {word!r}; to run a server, write: txdns forward, txdns recurse or txdns serve"
    known = [command.word for command in COMMANDS]
    later = next((each for each in words if each in known), "")
    if word.startswith("-") and later:
        return f"unknown option {word!r}: the command comes first, and its options follow it; write: txdns {later} {word}"
    hint = f"write one of {', '.join(known)}"
    if word[:1] in "@+-" or "." in word:
        hint = f"to look up a name, write: txdns query {' '.join(words)}"
    return f"unknown command {word!r}; {didYouMean(word, known, hint)}"


if __name__ == "__main__":
    sys.exit(program())
