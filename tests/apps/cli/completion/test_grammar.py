"""
Tests of what manual pages and completion know of each command.
"""

from __future__ import annotations

from twisted_ext.apps.cli.completion.grammar import FILES, TEXT, Grammar, commandGrammars, short, twistdGrammars
from twisted_ext.apps.cli.query.args import PLUS_WORDS
from twisted_ext.apps.cli.query.plushelp import PLUS_HELP
from twisted_ext.zone.store.serials import SERIALS


def grammars() -> dict[str, Grammar]:
    return {each.path: each for each in (*commandGrammars(), *twistdGrammars())}


def test_everyPlusOptionIsDescribed() -> None:
    """
    Each C{+} option of C{txdns query} has a description.
    """
    assert set(PLUS_HELP) == set(PLUS_WORDS)
    assert [*PLUS_HELP] == sorted(PLUS_HELP)


def test_everyOptionIsDescribed() -> None:
    """
    Each option of each command has a description, in the words of its help.
    """
    found = grammars()
    assert [(each.path, word.name) for each in found.values() for word in each.options if not word.help] == []
    (strict,) = [word for word in found["txdns zone check"].options if word.name == "--strict"]
    assert strict.help == "warnings also change the exit code"


def test_argumentsAreReadFromUsage() -> None:
    """
    The kinds of arguments come from the usage lines of the help, those of C{txdns control} from its list of commands.
    """
    found = grammars()
    assert found["txdns query"].bare == ["hosts", "types", "classes"]
    assert found["txdns query"].servers
    assert found["txdns bulk"].bare == ["files", "types"]
    assert found["txdns zone check"].bare == ["files"]
    assert found["txdns zone diff"].servers
    assert found["txdns zone edit"].bare == ["hosts"]
    assert found["txdns setup"].bare == ["urls"]
    assert list(found["txdns control cache"].below) == ["show", "flush", "dump", "load"]
    assert list(found["txdns control trace"].below) == ["on", "show", "off"]
    assert found["txdns control explain"].bare == ["hosts", "types"]


def test_valuesAreThoseOfTheCode() -> None:
    """
    Words that are offered as values are those that the option takes; a setting for a file takes file names.
    """
    found = grammars()
    (bump,) = [word for word in found["txdns zone serial"].options if word.name == "--bump"]
    assert set(bump.words) == {"auto", *SERIALS}
    settings = {word.name: word for word in found["twistd txdns"].options}
    assert settings["--hosts-file"].kind == settings["--zone"].kind == FILES
    assert settings["--minimize"].words == ("yes", "no", "strict")
    assert settings["--port"].kind == TEXT and settings["--validate"].kind == "" and settings["--no-validate"].negative


def test_descriptionsAreShort() -> None:
    """
    A description is the first clause of the help, in one line.
    """
    assert short("Cache answers. More") == "Cache answers"
    assert short("one object: zone, file") == "one object"
    assert len(short("word " * 100)) <= 72
