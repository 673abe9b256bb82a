"""
The table of operations, and what is made from it.
"""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.server.operations.seeing import objectIn, seenServer, talk
from twisted_ext.apps.cli.main import main
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.features.base.verb import Verb, flagOf, numberOf
from twisted_ext.server.operations.control import controlSite
from twisted_ext.server.operations.status import Status
from twisted_ext.server.operations.table import OPERATIONS, allVerbs

__all__: list[str] = []


@pytest.mark.parametrize("verb", allVerbs(), ids=lambda verb: verb.path)
def test_operationHasItsPath(verb: Verb) -> None:
    """
    The control socket has each operation at its path, for the method that changes something or only asks.
    """
    clock = Clock()
    site = controlSite(seenServer(clock).status, clock)
    right, other = ("POST", "GET") if verb.changes else ("GET", "POST")
    wrong = talk(site, clock, f"/{verb.path}", other)
    assert (wrong.code, wrong.headers.get("allow"), wrong.json) == (405, right, {"error": f"/{verb.path} takes {right}"})


@pytest.mark.parametrize("verb", [verb for verb in allVerbs() if verb.run is not None], ids=lambda verb: verb.path)
def test_missingWordsAreNamed(verb: Verb) -> None:
    """
    An operation without the arguments that it needs says which one is missing, and how the command is written.
    """
    needed = [name for name in verb.takes if not name.startswith("[")]
    if needed:
        clock = Clock()
        for given in ("", f"?{verb.keys[0]}="):
            site = controlSite(seenServer(clock).status, clock)
            response = talk(site, clock, f"/{verb.path}{given}", "POST" if verb.changes else "GET")
            assert (response.code, objectIn(response.json)) == (400, {"error": f"{needed[0]} is missing; write: {verb.usage}"})


def test_operationsOfWorkers() -> None:
    """
    What the parent executes cannot be had from a worker, and the streams of the cache are not for those who want one object.
    """
    server = seenServer(Clock())
    worker = Status(Clock(), server)
    for status, path, said in (
        (worker, "views", "views is executed where the whole server is controlled, not in a worker"),
        (server.status, "cache/dump", "cache/dump cannot be executed by itself"),
        (server.status, "cache/load", "FILE is missing"),
        (server.status, "cache", "there is no command cache"),
    ):
        failures: list[Failure] = []
        status.do(path, {}).addErrback(failures.append)
        (failure,) = failures
        assert isinstance(failure.value, CallerFault) and said in failure.getErrorMessage()


def test_emptyArgumentsDoNotCount() -> None:
    """
    An argument without a value is as one that is missing, from the page and the manhole too.
    """
    failures: list[Failure] = []
    seenServer(Clock()).status.do("cache/show", {"name": ""}).addErrback(failures.append)
    assert [failure.getErrorMessage() for failure in failures] == ["NAME is missing; write: txdns control cache show NAME [VIEW]"]


@pytest.mark.parametrize("verb", allVerbs(), ids=lambda verb: verb.path)
def test_functionsOfTheCommandExist(verb: Verb) -> None:
    """
    What an operation says of the command line can be loaded; those that are more than one request have a function of their own there.
    """
    for name in filter(None, (verb.shown, verb.command)):
        module, _, function = name.partition(":")
        assert callable(getattr(import_module(module), function))
    assert verb.run is not None or verb.command


def test_helpHasAll(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The help, and the error for no command, list all operations, each once.
    """
    assert main(["control", "--help"]) == 0
    listed = re.findall(r"^  (\S.*?)  +\S", capsys.readouterr().out, re.MULTILINE)
    wanted = [" ".join([*verb.words, *verb.takes]) for verb in allVerbs()]
    assert [line for line in listed if line in wanted] == wanted
    assert main(["control"]) == 1
    said = capsys.readouterr().err
    for verb in allVerbs():
        assert re.search(rf"\b{verb.words[0]}\b", said) and re.search(rf"\b{verb.words[-1]}\b", said)


def test_optionsBelongToTheirCommand(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A flag of one operation is not taken by another.
    """
    assert {name for verb in OPERATIONS for name in verb.flags} == {"all", "below", "bogus", "broken", "negative"}
    assert main(["control", "status", "--all"]) == 1
    assert "status does not take the option --all" in capsys.readouterr().err
    assert main(["control", "cache", "show", "--below", "a"]) == 1
    assert "cache show does not take the option --below" in capsys.readouterr().err


def test_flagsAndNumbers() -> None:
    """
    A flag is on, yes, true or 1; a number has digits only, and not too many of them.
    """
    assert [flagOf({"all": text}, "all") for text in ("1", "on", "yes", "true", "0", "", "2")] == [True] * 4 + [False] * 3
    assert not flagOf({}, "all")
    assert [numberOf({"after": text}, "after") for text in ("0", "17", "")] == [0, 17, None]
    for text in ("-1", "1.5", "\u0661", "1" * 13):
        with pytest.raises(BadDescription, match="is not a number"):
            numberOf({"after": text}, "after")


def test_keysOfWords() -> None:
    """
    Arguments have the names of words in lower case, without what surrounds them.
    """
    verb = Verb("ferry/sail", "sail", None, takes=("NAME[=UNTIL]", "[COLOR]", "[WORD]..."))
    assert verb.keys == ("name", "color", "word")
    assert verb.usage == "txdns control ferry sail NAME[=UNTIL] [COLOR] [WORD]..."
