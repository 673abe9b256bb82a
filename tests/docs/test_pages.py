"""
Tests of lists in the documentation: nothing is missing, and nothing is obsolete.
"""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Final, cast

import pytest

from tests.docs.pages import pagesIn
from tests.test_architecture import ROOT
from twisted_ext import client, errors, limits
from twisted_ext.answers import Security
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.apps.cli.terminal import exits
from twisted_ext.apps.cli.zone.command import SUBCOMMANDS
from twisted_ext.compat.conversion import errors as codes
from twisted_ext.compat.conversion.errors import errorFromFault
from twisted_ext.dnssec import verdicts
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.metrics import limits as metricsLimits
from twisted_ext.resolver.strings.descriptions import BUILT_IN
from twisted_ext.resolver.strings.schema import Schema
from twisted_ext.resolver.system import resolvconf
from twisted_ext.server import limits as serverLimits
from twisted_ext.server.config.setting import Setting, shown
from twisted_ext.server.config.types import File, Table
from twisted_ext.server.config.zonesettings import ZONE_SETTINGS
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.wire.codes import EDE_NAMES, Ede

__all__ = ["DOCS"]

DOCS: Final = ROOT / "docs"

#: Rows of list tables, with their cells.
_ROW: Final = re.compile(r"^   \* - (.*?)(?=^   \* - |^\S|\Z)", re.MULTILINE | re.DOTALL)


def rowsOf(page: str) -> list[list[str]]:
    """
    Return every row of every table on a page, its cells as one line each.
    """
    text = (DOCS / page).read_text("utf-8")
    return [[" ".join(cell.split()) for cell in re.split(r"^     - ?", row, flags=re.MULTILINE)] for row in _ROW.findall(text)]


def words(text: str) -> set[str]:
    """
    Return all texts between double backquotes.
    """
    return set(re.findall(r"``([^`]+)``", text))


#: Numbers of extended errors in code: in a pair, and in constants that are named like codes.
_SENT: Final = re.compile(
    r"\bede=\(\((\d+)|\(\((\d+), \"\"\),\)"
    r"|^_(?:OTHER|CACHED_ERROR|NOT_READY|FILTERED|PROHIBITED|NOT_AUTHORITATIVE|NOT_SUPPORTED|NO_AUTHORITY|NETWORK): Final = (\d+)$"
    r"|\((19) if .* else 3, ",
    re.MULTILINE,
)


_USAGE: Final = runpy.run_path(str(DOCS / "usage.py"))


def test_everyPrefixIsListed() -> None:
    """
    The how-to lists each prefix of descriptions with its class, its purpose and its options, from the docstring of its function.
    """
    found = list(cast("Callable[[], Iterator[tuple[str, str, str, dict[str, str]]]]", _USAGE["prefixes"])())
    assert [usage for usage, *_ in found] == [Schema(parser.load()).usage(parser.prefix) for parser in BUILT_IN]
    for _, path, _, _ in found:
        module, _, name = path.rpartition(".")
        assert name in __import__(module, fromlist=[name]).__all__
    table = cast("Callable[[], str]", _USAGE["prefixTable"])()
    assert "``ndots``: a name with so many dots or more is tried as written first" in table
    assert "Class: ``resolver.combine.searchlist.SearchListSource``\n" in table


def test_everyCommandIsListed() -> None:
    """
    The page of commands has a section with the help of each command and sub-command.
    """
    page = cast("Callable[[], str]", _USAGE["commandSections"])()
    for command in COMMANDS:
        assert f"{command.word}\n{'=' * len(command.word)}\n\n.. code-block:: none\n\n    Usage: txdns {command.word}" in page
        for below in command.subcommands():
            assert f"\n{command.word} {below.word}\n---" in page


def test_everyLimitIsListed() -> None:
    """
    The table of limits has a row for each limit, with a reason, in every module.
    """
    limiting = runpy.run_path(str(DOCS / "limiting.py"))
    rows = cast("Callable[[str], Iterator[tuple[str, str, str]]]", limiting["rows"])
    table = cast("Callable[[], str]", limiting["tables"])()
    modules = cast("Callable[[], list[ModuleType]]", limiting["modules"])()
    assert {limits, metricsLimits, serverLimits} <= set(modules)
    for module in modules:
        found = list(rows(Path(str(module.__file__)).read_text("utf-8")))
        assert sorted(name for _, name, _ in found) == sorted(name for name in module.__all__ if name != "Limit")
        assert [name for section, name, reason in found if not section or not reason] == []
        assert [name for _, name, _ in found if f"   * - ``{name}``\n" not in table] == []
    assert "``LOOKUP_SECONDS``\n     - 5\n     - 0.05\n     - 600\n" in table


def test_everySettingIsListed() -> None:
    """
    The tables of settings have each setting and each key of a table, with its default, an example that is valid, and where it is allowed.
    """
    script = runpy.run_path(str(DOCS / "settings.py"))
    table = cast("Callable[[], str]", script["tables"])()
    exampleOf = cast("Callable[[Setting], str]", script["exampleOf"])
    keysOf = cast("Callable[[Setting], tuple[Setting, ...]]", script["keysOf"])
    for setting in allSettings(plugins=False):
        keys = keysOf(setting)
        assert bool(keys) == isinstance(setting.kind, Table), setting.name
        assert not keys or f"Keys of [[{setting.name}]]\n=" in table
        for each in keys or (setting,):
            row = f"- ``{each.name}``\n     - ``{shown(each.default)}``\n     - ``{exampleOf(each)}``\n"
            assert row in table, each.name
            if not isinstance(each.kind, File):
                each.fromTOML(tomllib.loads(exampleOf(each))[each.name])
    for name, said in (("port", "server; restart"), ("block", "server, view; reload, run time"), ("sign", "server, zone; reload")):
        assert re.search(rf"- ``{name}``\n     - .*\n     - .*\n     - {said}\n", table)
    assert "docs/settings.py docs/_build/settings.rst\n" in (ROOT / "Makefile").read_text("utf-8")


def test_everyNameOfTheClientIsListed() -> None:
    """
    The reference of the client has each name that it exports, with what it is.
    """
    table = cast("Callable[[], str]", runpy.run_path(str(DOCS / "clientnames.py"))["tables"])()
    assert [name for name in client.__all__ if f"``{name}``" not in table] == []
    assert "docs/clientnames.py docs/_build/clientnames.rst\n" in (ROOT / "Makefile").read_text("utf-8")


def test_everyStateAndErrorIsListed() -> None:
    """
    The tables of security states and of extended errors have each state, and each code that this package sends, with its meaning.
    """
    script = runpy.run_path(str(DOCS / "securitystates.py"))
    states, errors = (cast("Callable[[], str]", script[name])() for name in ("states", "errors"))
    for state in Security:
        assert f"``{state.value}``" in states
    sent = {value for name, value in vars(verdicts).items() if name.isupper() and isinstance(value, int)}
    for path in (ROOT / "twisted_ext").rglob("*.py"):
        sent |= {int(number) for found in _SENT.findall(path.read_text("utf-8")) for number in found if number}
    assert {7, 9, 13, 14, 17, 18, 19, 20, 21, 22, 23, 27} <= sent
    assert sent <= set(Ede)
    for code in Ede:
        assert f"   * - {code.value}\n     - {EDE_NAMES[code]}\n     - " in errors
    assert "docs/securitystates.py docs/_build\n" in (ROOT / "Makefile").read_text("utf-8")


def test_resolvConfOptionsAreListed() -> None:
    """
    The page lists every line and option of C{resolv.conf} that is read, and no other.
    """
    told = {word.removesuffix(":N") for row in rowsOf("resolvconf.rst") if len(row) == 2 for word in words(row[0])}
    keywords = set(resolvconf._Reading(resolvconf.SystemConfiguration(), "")._keywords)
    assert told == {*keywords, *resolvconf.FLAGS, "ndots", "timeout", "attempts"}


@pytest.mark.parametrize("option", ["ndots", "timeout", "attempts"])
def test_resolvConfRangesAreCurrent(option: str) -> None:
    """
    The ranges on that page are those of the code.
    """
    row = next(row for row in rowsOf("resolvconf.rst") if f"``{option}:N``" in row[0])
    limit = resolvconf._NUMBERS[option]
    assert f"{limit.least:.0f} to {limit.most:.0f}" in row[1]


def test_everyErrorIsListed() -> None:
    """
    The table of errors has each exception of look-ups, beside the faults that lead to it.
    """
    table = {next(iter(words(row[0]))): row[1] for row in rowsOf("howto/answers.rst") if len(row) == 3 and words(row[0])}
    classes = {name for name in codes.__all__ if isinstance(getattr(codes, name), type)} - {"LookupFailed"}
    assert set(table) == classes
    for name in errors.__all__:
        kind = getattr(errors, name)
        if kind.__subclasses__() and name != "CallerFault" or issubclass(kind, errors.CallerFault) and name != "CallerFault":
            continue
        if kind is ServerFailed:
            continue
        assert name in table[type(errorFromFault(kind("text"))).__name__], name


@pytest.mark.parametrize(("rcode", "word"), [(2, "SERVFAIL"), (5, "REFUSED"), (4, "NOTIMP"), (1, "FORMERR"), (9, "another rcode")])
def test_rcodesAreListedWithErrors(rcode: int, word: str) -> None:
    """
    That table has the rcodes of server failures.
    """
    table = {next(iter(words(row[0]))): row[1] for row in rowsOf("howto/answers.rst") if len(row) == 3 and words(row[0])}
    fault: DNSFault = ServerFailed("text", rcode=rcode)
    assert word in table[type(errorFromFault(fault)).__name__]


def test_clientNamesExist() -> None:
    """
    Every C{client.something} in the pages exists.
    """
    missing = {
        f"{path.relative_to(ROOT)}: client.{name}"
        for path in [ROOT / "README.rst", *DOCS.rglob("*.rst")]
        if "_build" not in path.parts
        for name in re.findall(r"(?<![.\w])client\.([A-Za-z]\w*)", path.read_text("utf-8"))
        if not hasattr(client, name)
    }
    assert missing == set()


def test_modulesExist() -> None:
    """
    Every C{twisted_ext.something} in the pages can be imported.
    """
    missing = []
    for path in [ROOT / "README.rst", *DOCS.rglob("*.rst")]:
        if "_build" in path.parts:
            continue
        for name in sorted(set(re.findall(r"``(twisted_ext(?:\.\w+)+)``", path.read_text("utf-8")))):
            module, _, last = name.rpartition(".")
            try:
                __import__(name)
            except ImportError:
                found = __import__(module, fromlist=[last])
                if not hasattr(found, last):
                    missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert missing == []


def test_movingZonesNamesAreCurrent() -> None:
    """
    The page on moving zones names existing settings and commands, and every zone setting that other servers have.
    """
    known = {setting.name for setting in (*allSettings(plugins=False), *ZONE_SETTINGS)}
    page = (DOCS / "howto/movingzones.rst").read_text("utf-8")
    settings, commands = page.split("What the commands are called")[0], page.split("What the commands are called")[1]
    last = [words(row[3]) for row in rowsOf("howto/movingzones.rst") if len(row) == 4]
    told = set().union(*last)
    unknown = {word for word in told if " " not in word and word not in known | {"[[zone]]", "--config"}}
    assert unknown <= {"serve", "forward", "key", "notify explicit", "tsig-keygen"}, unknown
    ours = {"store", "zonemd", "encrypted-transfers", "allow-update", "member-primaries", "group-primaries", "listed-in", "group", "edit"}
    ours |= {"fallback"}
    assert {setting.name for setting in ZONE_SETTINGS} - told <= ours
    for command in re.findall(r"``txdns (zone|control) ([a-z]+)", commands):
        there = {each.word for each in SUBCOMMANDS} if command[0] == "zone" else {"status", "stats", "zones", "zone", "reload"}
        assert command[1] in there, command
    assert "``file``" in settings


def test_everyExitCodeIsListed() -> None:
    """
    Each exit code of the commands is listed, and no other.
    """
    told = [row[0] for row in rowsOf("commands.rst")[1:]]
    assert sorted(map(int, told)) == sorted(getattr(exits, name) for name in exits.__all__ if name.isupper())


def test_namedModulesAreThere() -> None:
    """
    What pages name by its full path is there under that path.
    """
    gone = []
    for page in pagesIn():
        if "decisions" in page.parts:
            continue
        for name in set(re.findall(r"\btwisted_ext(?:\.\w+)+", page.read_text("utf-8"))):
            try:
                resolve_name(name)
            except (ImportError, AttributeError) as error:
                gone.append(f"{page.name}: {error}")
    assert gone == []
