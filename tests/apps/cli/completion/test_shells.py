"""
Tests of the completion in real shells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.apps.cli.completion.shells import Terminal, candidatesOfFish, terminal
from twisted_ext.apps.cli.completion.shells import PROGRAMS
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.wire.rrtypes import TYPE_NAMES
from twisted_ext.wire.tsig import ALGORITHMS

#: Command lines, and the whole set of candidates for their last word.
LISTED: Final = {
    "txdns ": {*[command.word for command in COMMANDS], "help"},
    "txdns zone c": {"check", "compile"},
    "txdns help zone c": {"check", "compile"},
    "txdns query -t m": {name for name in TYPE_NAMES.values() if name.startswith("M")},
    "txdns query -c ": {"IN", "CH", "HS", "ANY"},
    "txdns query +shor": {"+short"},
    "txdns query +noshor": {"+noshort"},
    "txdns query example.com @tl": {"@tls:", "@tls://"},
    "txdns query +opcode=": {"+opcode=QUERY", "+opcode=NOTIFY", "+opcode=STATUS", "+opcode=UPDATE"},
    "txdns query +tls-ca=na": {"+tls-ca=names.txt"},
    "txdns query +tim": {"+time="},
    "txdns query --j": {"--json"},
    "txdns upstream ht": {"https://"},
    "txdns plugins ra": {"race"},
    "txdns bulk --output na": {"names.txt"},
    "txdns control c": {"cache", "chain", "clients", "configurations"},
    "txdns control nta rem": {"remove"},
    "txdns zone keygen -a ": {*ALGORITHMS},
    "txdns zone serial --bump da": {"dateserial"},
    "txdns setup --for fi": {"firefox"},
    "txdns completion f": {"fish"},
    "txdns completion bash ": {*PROGRAMS},
}

#: The same for C{twistd txdns}, whose options depend on the sub-command.
LISTED_TWISTD: Final = {
    "twistd -n txdns re": {"recurse"},
    "twistd --nod": {"--nodaemon"},
    "twistd -n txdns --config na": {"names.txt"},
    "twistd -n txdns --log-format ": {"text", "json"},
    "twistd -n txdns recurse --root-h": {"--root-hints"},
    "twistd -n txdns serve --root-h": set(),
    "twistd -n txdns robot --ch": {"--check"},
    "twistd -n txdns --no-vali": {"--no-validate"},
}

#: Keys that complete one word, and the arguments that the program gets.
COMPLETED: Final = {
    "txdns que\x14 exa": ["query", "exa"],
    "txdns query a @tl\x14192.0.2.53": ["query", "a", "@tls:192.0.2.53"],
    "txdns query a +tls-ca=na\x14 @a": ["query", "a", "+tls-ca=names.txt", "@a"],
    "txdns query a +tim\x145": ["query", "a", "+time=5"],
    "txdns zone serial --bump=da\x14 x": ["zone", "serial", "--bump=dateserial", "x"],
    "txdns zone check a=na\x14 --str\x14": ["zone", "check", "a=names.txt", "--strict"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder with one file and one sub-folder.
    """
    made = tmp_path_factory.mktemp("folder")
    (made / "zones").mkdir()
    (made / "names.txt").write_text("")
    return made


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str, Terminal]]:
    """
    Yield a running shell with its name.
    """
    name = str(request.param)
    with terminal(name, folder, *PROGRAMS) as found:
        yield name, found


def test_candidatesAreListed(shell: tuple[str, Terminal]) -> None:
    """
    Tab offers commands, options, record types, servers, files and the usual values of options, each where it is valid.
    """
    name, typing = shell
    for line, expected in LISTED.items():
        got = typing.typed(f"{line}\t")
        # bash inserts what follows the equals sign, once for each candidate.
        head = line.rpartition(" ")[2].partition("=")[0] + "="
        found = {each if "=" not in line or each.startswith(head) else head + each for each in got[len(line.split(" ")) - 2 :]}
        assert found == expected, line
    for line, expected in LISTED_TWISTD.items():
        if name == "zsh" and "txdns" not in line:
            # This is up to the completion that comes with zsh, which runs twistd.
            continue
        words = typing.typed(f"{line}\t")[len(line.split(" ")) - 2 :]
        assert set(words) == (expected or {line.rpartition(" ")[2]}), line


def test_aWordIsCompleted(shell: tuple[str, Terminal]) -> None:
    """
    The only candidate takes the place of the word, also behind characters at which bash divides words. A space follows
    unless a value has to follow.
    """
    for keys, expected in COMPLETED.items():
        assert shell[1].typed(keys) == expected, keys


def test_fishListsCandidates(folder: Path) -> None:
    """
    fish offers the same, with descriptions from the help.
    """
    listed = candidatesOfFish("txdns", [*LISTED], folder)
    for line, expected in LISTED.items():
        # Commands that take files list those of the folder as well, and fish lists hidden matches of the middle of words.
        word = line.rpartition(" ")[2]
        found = {each for each in listed[line] if each.lower().startswith(word.lower())} - {"script.fish", "names.txt", "zones/"}
        assert found == expected - {"names.txt"}, line
    assert listed["txdns query +shor"]["+short"] == "print the data of the records only"
    assert "names.txt" in listed["txdns bulk --output na"]
    twistd = candidatesOfFish("twistd", [*LISTED_TWISTD], folder)
    for line, expected in LISTED_TWISTD.items():
        assert {each for each in twistd[line] if each.startswith(line.rpartition(" ")[2])} - {"script.fish", "zones/"} == expected, line


def test_everySettingIsOffered(folder: Path) -> None:
    """
    Every setting is an option with a description in the completion of twistd txdns.
    """
    offered = candidatesOfFish("twistd", ["twistd txdns --"], folder)["twistd txdns --"]
    assert {f"--{setting.name}" for setting in allSettings(plugins=False)} <= {name for name, help in offered.items() if help}
