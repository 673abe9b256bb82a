"""
Tests of L{twisted_ext.apps.cli.terminal.arguments}.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import pytest

from twisted_ext.apps.cli.api.command import SUBCOMMANDS as API
from twisted_ext.apps.cli.config.command import SUBCOMMANDS as CONFIG
from twisted_ext.apps.cli.console.command import SUBCOMMANDS as CONSOLE
from twisted_ext.apps.cli.keys.command import SUBCOMMANDS as KEYS
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.apps.cli.policy.command import SUBCOMMANDS as POLICY
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, number, whole
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.apps.cli.zone.command import SUBCOMMANDS as ZONE

OUTPUT: Final = Option("--output FILE", "write to this file", "-", str, also="-o", what="a file")
PORT: Final = Option[int | None]("-p PORT", "send to this port", None, whole(1, 65535))
TIME: Final = Option("--time SECONDS", "wait so long", 5.0, number(0.5, 10, " of seconds"))
COLOR: Final = Option[bool | None]("+[no]color", "use colors", None)
JSON: Final = flag("+json", "write JSON")
TEXT: Final = flag("--text")
SERVER: Final = Option("@SERVER", "query this server", "", str, what="a server")

ARGUMENTS: Final = Arguments(
    "Usage: txdns toy NAME\n                 [...]\n       txdns toy -x\n\n{options}\n", OUTPUT, PORT, TIME, COLOR, JSON, TEXT, SERVER
)


def test_defaultsApply() -> None:
    """
    Options that are not given have their defaults.
    """
    given = ARGUMENTS.parse(["a", "-", "+", "b"])
    assert given.bare == ["a", "-", "+", "b"]
    assert (given[OUTPUT], given[PORT], given[TIME], given[COLOR], given[JSON]) == ("-", None, 5.0, None, False)
    assert OUTPUT not in given and given.all(SERVER) == []


@pytest.mark.parametrize(
    "words",
    ["--output x -p 53 +nocolor +json", "--output=x -p53 --nocolor --json", "-o x -p 1 -p 53 --no +JSON", "--out x -p 53 +no --js"],
)
def test_spellings(words: str) -> None:
    """
    A value is in the same argument or in the next one, names may be abbreviated, C{+} and C{--} are the same, and the last value counts.
    """
    given = ARGUMENTS.parse(words.split())
    assert (given[OUTPUT], given[PORT], given[COLOR], given[JSON], given.bare) == ("x", 53, False, True, [])


def test_serversAndEndOfOptions() -> None:
    """
    A server follows the mark or is the next argument. After C{--} there are no options.
    """
    given = ARGUMENTS.parse(["@a", "@", "b", "--", "@c", "-z"])
    assert (given.all(SERVER), given.bare) == (["a", "b"], ["@c", "-z"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--outptu x", "'--outptu' is not an option; did you mean --output?"),
        ("-z", "'-z' is not an option; the options are --output, -o, -p, --time, +nocolor, +color, +json and --text"),
        ("--t", "--t may mean --time or --text; write it in full"),
        ("--output", "--output must be followed by a file"),
        ("--output=", "--output must be followed by a file"),
        ("@", "@ must be followed by a server"),
        ("+json=1", "+json takes no value"),
        ("-p 0", "-p: '0' is not a number from 1 to 65535"),
        ("--time x", "--time: 'x' is not a number of seconds from 0.5 to 10"),
    ],
)
def test_mistakesAreExplained(words: str, line: str) -> None:
    """
    An argument that is not valid is refused with one line that names it and what is valid.
    """
    with pytest.raises(ExitError) as caught:
        ARGUMENTS.parse(words.split())
    assert (caught.value.code, caught.value.line) == (USAGE, line)


def test_helpHasTheTable(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Help has the options with a description; it is printed even if other arguments are not valid.
    """
    with pytest.raises(ExitError) as caught:
        ARGUMENTS.parse(["--bogus", "--help"])
    assert (caught.value.code, caught.value.line) == (OK, "")
    assert capsys.readouterr().out.splitlines()[4:] == [
        "  --output, -o FILE  write to this file",
        "  -p PORT            send to this port",
        "  --time SECONDS     wait so long",
        "  +[no]color         use colors",
        "  +json              write JSON",
        "  @SERVER            query this server",
    ]
    assert ARGUMENTS.usage == "txdns toy NAME [...]"


#: Other spellings, and options of dig without an effect.
UNTOLD: Final = {"-m", "-d", "-E", "-G", "-V", "+colour", "--json", "--short", "+"}


#: Commands whose help has no options, or those of a server.
_WITHOUT: Final = ("zone", "keys", "config", "policy", "api", "console", "shell", "robot", "forward", "recurse", "serve")

_COMMANDS: Final = (*COMMANDS, *ZONE, *KEYS, *POLICY, *CONFIG, *API, *CONSOLE)


@pytest.mark.parametrize("module", [each.module for each in _COMMANDS if each.word not in _WITHOUT])
def test_helpDescribesEveryOption(module: str) -> None:
    """
    The help of each command has all of its options.
    """
    arguments: Arguments = import_module(f"twisted_ext.apps.{module}").ARGUMENTS
    for option in arguments._options:
        name = next(iter(reversed(option.names)))
        assert name in arguments.help or option.spec in arguments.help or name in UNTOLD, name
