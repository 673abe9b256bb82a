"""
Tests of the project's structure: which package imports which, what pure code may import, and how long a file may be.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

__all__ = ["FILES", "MODULES", "ROOT"]

ROOT: Final = Path(__file__).parent.parent

#: The maximum number of lines of a file.
MAX_LINES: Final = 700

#: Packages ("rooms") of twisted_ext, lowest layer first. A room imports itself and rooms of
#: lower layers, never a room of the same layer.
LAYERS: Final[tuple[frozenset[str], ...]] = tuple(
    frozenset(layer.split())
    for layer in (
        "_compiled _version errors files lazy limits",
        "wire ratecontrol",
        "answers",
        "outcomes",
        "aliases cache discovery dnssec hooks packetcache",
        "drawing metrics recursion zone watch",
        "interfaces",
        "native",
        "transport",
        "resolver",
        "server conversion",
        "addrinfo",
        "compat",
        "endpoints",
        "asyncio",
        "integrations",
        "serving",
        "testing",
        "web",
        "apps",
    )
)

#: Modules that are the public face of a room and count as part of it. That of the server, which the package itself exports as well, joins
#: the server with the adapters for foreign resolvers.
FACES: Final = {
    **dict.fromkeys(["bulk", "client", "dns", "error"], "compat"),
    # Conversions of records, names, messages and errors from and to Twisted's, on which the adapters build.
    "compat.conversion": "conversion",
    "server.factory": "serving",
    "__main__": "apps.cli",
}

#: Rooms of pure code.
PURE: Final = frozenset().union(*LAYERS[:6])

#: Modules that pure code may not import: reactor, clock, sockets, threads.
IMPURE: Final = (
    "asyncio",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "twisted.internet",
    "twisted.names",
)

#: Names from these modules without I/O: conversions from text to octets.
PURE_EXCEPTIONS: Final = ("socket.AF_INET", "socket.AF_INET6", "socket.inet_ntop", "socket.inet_pton")

#: Foreign interfaces, which only the adapters import.
FOREIGN: Final = ("asyncio", "twisted.names")

#: The rooms of the adapters.
ADAPTERS: Final = (None, "addrinfo", "asyncio", "compat", "conversion", "endpoints", "integrations")

#: Modules that only tests may import: an oracle must be independent of the code.
ORACLES: Final = ("dns", "hypothesis", "prometheus_client", "pytest", "pytest_twisted", "tests")

#: The module that offers its fixtures to the tests of others, and is imported by pytest alone.
FIXTURES: Final = "testing.internet.fixtures"

#: What a module that declares a feature may import outside of functions: settings are read, and completed on a command line, without the
#: features.
DECLARING: Final = tuple(
    f"twisted_ext.{name}"
    for name in (
        "errors limits metrics.figure server.config.clientwords server.config.setting server.config.tables server.config.types "
        "server.features.base server.limits server.reply.acl.NEARBY wire"
    ).split()
)

#: Module names that say nothing about the contents.
VAGUE_WORDS: Final = frozenset("common engine handler handlers helpers manager processor util utils".split())


@dataclass(frozen=True, slots=True)
class Importing:
    """
    A name that a module imports, with its full dotted path.

    @ivar forTypes: whether only type checkers see the import.
    """

    name: str
    line: int
    inFunction: bool
    forTypes: bool = False
    relative: bool = False

    def within(self, packages: tuple[str, ...]) -> bool:
        """
        Return whether the name is one of these packages or within one.
        """
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


class _Parsed:
    """
    What the rules need of a source text: a small part of its syntax tree, so that it can be kept for all files.

    @ivar imports: all imports, in their order.
    @ivar misquoted: the lines of what has a docstring whose quotes do not stand on lines of their own.
    """

    def __init__(self, source: str) -> None:
        self.imports: list[Importing] = []
        self.misquoted: list[int] = []
        self._visit(ast.parse(source), False, False)

    def _visit(self, node: ast.AST, inFunction: bool, forTypes: bool) -> None:
        if isinstance(node, ast.Import):
            self.imports += [Importing(alias.name, node.lineno, inFunction, forTypes) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module or ''}.{alias.name}"
                self.imports.append(Importing(name, node.lineno, inFunction, forTypes, node.level > 0))
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = ast.get_docstring(node, clean=False)
            if words is not None and not (words.startswith("\n") and words.rstrip(" ").endswith("\n")):
                self.misquoted.append(1 if isinstance(node, ast.Module) else node.lineno)
        inFunction = inFunction or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        forTypes = forTypes or isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        # Expressions hold neither imports nor docstrings.
        for field in ("body", "handlers", "cases", "orelse", "finalbody"):
            for child in getattr(node, field, ()):
                self._visit(child, inFunction, forTypes)


@cache
def _parsed(source: str) -> _Parsed:
    return _Parsed(source)


@cache
def sourceOf(path: Path) -> str:
    """
    Return the text of a file, which is read once.
    """
    return path.read_text("utf-8")


def importsOf(source: str) -> Iterator[Importing]:
    """
    Yield every import in a source text, which is parsed once.
    """
    return iter(_parsed(source).imports)


def roomOf(module: str) -> str | None:
    """
    Return the package that a module belongs to: the first name below C{twisted_ext}, or for the apps, which are independent of each other,
    such as C{"apps.cli"}. It is L{None} for C{twisted_ext} itself and for other projects.

    @param module: a dotted path, such as C{"twisted_ext.cache.entries"}.
    """
    names = module.split(".")
    if names[0] != "twisted_ext" or len(names) == 1:
        return None
    if names == ["twisted_ext", "server"]:
        return "serving"
    room = FACES.get(names[1]) or FACES.get(".".join(names[1:3])) or names[1]
    return ".".join(["apps", *names[2:3]]) if room == "apps" else room


def layerOf(room: str) -> int | None:
    """
    Return the number of the package's layer, or L{None} if no layer lists it.
    """
    name = room.split(".")[0]
    return next((height for height, layer in enumerate(LAYERS) if name in layer), None)


def objectToLayers(module: str, source: str) -> Iterator[str]:
    """
    A package imports only itself and lower layers. Interfaces may use any package's types, and address look-ups that of the resolver whose
    methods they are.
    """
    room = roomOf(module)
    if room is None:
        return
    height = layerOf(room)
    if height is None:
        yield f"{module}: no layer names the room {room!r}"
        return
    for importing in importsOf(source):
        other = roomOf(importing.name)
        if other is None or other == room or (importing.forTypes and room in ("interfaces", "addrinfo")):
            continue
        below = layerOf(other)
        if below is None or below >= height:
            yield f"{module}:{importing.line}: {room} may not import {other}"


def objectToActing(module: str, source: str) -> Iterator[str]:
    """
    Pure code imports no reactor, clock or socket.
    """
    if roomOf(module) in PURE:
        for importing in importsOf(source):
            if importing.within(IMPURE) and importing.name not in PURE_EXCEPTIONS:
                yield f"{module}:{importing.line}: pure code may not import {importing.name}"


def objectToForeign(module: str, source: str) -> Iterator[str]:
    """
    Only the adapters import twisted.names and asyncio.
    """
    if roomOf(module) not in ADAPTERS:
        for importing in importsOf(source):
            if importing.within(FOREIGN):
                yield f"{module}:{importing.line}: only the outermost rooms may import {importing.name}"


def objectToOracle(module: str, source: str) -> Iterator[str]:
    """
    The package does not import what only tests use.
    """
    for importing in importsOf(source):
        if importing.within(ORACLES) and (not module.endswith(FIXTURES) or importing.name != "pytest"):
            yield f"{module}:{importing.line}: only tests may import {importing.name}"


def objectToHeavyDeclaration(module: str, source: str) -> Iterator[str]:
    """
    What declares a feature imports what the feature does when it is switched on.
    """
    parent, _, name = module.rpartition(".")
    if not parent.startswith("twisted_ext.server.features.") or name not in ("feature", "settings"):
        return
    for importing in importsOf(source):
        far = importing.within(("twisted_ext", "twisted")) and not importing.within((*DECLARING, f"{parent}.settings"))
        if far and not (importing.inFunction or importing.forTypes):
            yield f"{module}:{importing.line}: {importing.name} is to be imported where the feature is switched on"


def objectToTwisted(module: str, source: str) -> Iterator[str]:
    """
    Recorders are small processes: they import neither Twisted nor the rest of the server.
    """
    shared = [f"twisted_ext.server.process.recorders.{name}" for name in ("frames", "intake", "room")]
    features = [f"twisted_ext.server.features.{name}" for name in ("queryhistory.recorder", "dnstap.writer", "otlp.exporter")]
    small = (*features, *shared)
    if module.startswith(small):
        for importing in importsOf(source):
            if importing.within(("twisted", "zope", "twisted_ext")) and not importing.within((*small, "twisted_ext.wire")):
                yield f"{module}:{importing.line}: a recorder does without {importing.name}"


def objectToReactor(module: str, source: str) -> Iterator[str]:
    """
    The reactor is a parameter. Only the outermost code imports the global one, and only within functions.
    """
    outermost = ("twisted_ext.apps", "twisted_ext.bulk", "twisted_ext.client", "twisted_ext.dns", "twisted_ext.compat.install")
    mayFetch = Importing(module, 0, False).within(outermost)
    for importing in importsOf(source):
        if importing.within(("twisted.internet.reactor",)) and not (importing.inFunction and mayFetch):
            where = "here" if importing.inFunction else "at module level"
            yield f"{module}:{importing.line}: the global reactor may not be imported {where}"


def objectToRelative(module: str, source: str) -> Iterator[str]:
    """
    Imports are absolute.
    """
    for importing in importsOf(source):
        if importing.relative:
            yield f"{module}:{importing.line}: imports are absolute"


def objectToDocstring(module: str, source: str) -> Iterator[str]:
    """
    The quotes of a docstring stand on lines of their own.
    """
    for line in _parsed(source).misquoted:
        yield f"{module}:{line}: the quotes of a docstring stand on lines of their own"


def objectToName(module: str, source: str) -> Iterator[str]:
    """
    A module's name says what is in it.
    """
    for word in VAGUE_WORDS.intersection(module.split(".")):
        yield f"{module}: {word!r} says nothing about what is in it"


def objectToLength(module: str, source: str) -> Iterator[str]:
    """
    A file is not longer than the limit.
    """
    lines = len(source.splitlines())
    if lines > MAX_LINES:
        yield f"{module}: {lines} lines, at most {MAX_LINES} are allowed"


Rule = Callable[[str, str], Iterator[str]]

#: Rules for the modules of the package.
RULES: Final[tuple[Rule, ...]] = (
    objectToLayers,
    objectToActing,
    objectToForeign,
    objectToOracle,
    objectToHeavyDeclaration,
    objectToTwisted,
    objectToReactor,
    objectToRelative,
    objectToDocstring,
    objectToName,
    objectToLength,
)

#: Rules for every other Python file of the project.
RULES_ELSEWHERE: Final[tuple[Rule, ...]] = (objectToRelative, objectToDocstring, objectToLength)

#: All Python files of the project.
FILES: Final = tuple(
    sorted(
        path
        for folder in ("twisted_ext", "twisted", "tests", "docs", "benchmarks", "typings")
        for pattern in ("*.py", "*.pyi")
        for path in (ROOT / folder).rglob(pattern)
        if "_build" not in path.parts
    )
)

#: The modules of the package, by their dotted names.
MODULES: Final = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
    if path.is_relative_to(ROOT / "twisted_ext")
}


@pytest.mark.parametrize("rule", RULES)
def test_packageKeepsTheRules(rule: Rule) -> None:
    """
    Every module of the package keeps every rule.
    """
    objections = [words for module, path in MODULES.items() for words in rule(module, sourceOf(path))]
    assert not objections, "\n".join(objections)


@pytest.mark.parametrize("rule", RULES_ELSEWHERE)
def test_otherFilesKeepTheirRules(rule: Rule) -> None:
    """
    Tests, docs and benchmarks keep the rules that apply to them.
    """
    objections = [
        words
        for path in FILES
        if path not in MODULES.values()
        for words in rule(str(path.relative_to(ROOT)), sourceOf(path))
    ]
    assert not objections, "\n".join(objections)


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (objectToLayers, "wire.names", "from twisted_ext.answers import Answer"),
        (objectToLayers, "wire.names", "def late():\n    import twisted_ext.cache.store"),
        (objectToLayers, "wire.names", "from twisted_ext import client"),
        (objectToLayers, "cache.store", "from twisted_ext.zone.store.image import Image"),
        (objectToLayers, "server.replies.respond", "from twisted_ext.compat.names import asTuple"),
        (objectToLayers, "server.replies.respond", "from twisted_ext.server.factory import DNSServerFactory"),
        (objectToForeign, "server.factory", "from twisted.names import dns"),
        (objectToLayers, "resolver.asking", "from twisted_ext.client import getResolver"),
        (objectToLayers, "apps.shell.manhole", "from twisted_ext.apps.cli.query.command import show"),
        (objectToLayers, "attic.things", ""),
        (objectToLayers, "interfaces", "from twisted_ext.transport.pending import Reply"),
        (objectToLayers, "wire.names", "if TYPE_CHECKING:\n    from twisted_ext.cache.store import Store"),
        (objectToActing, "wire.names", "import socket"),
        (objectToActing, "zone.reading", "from socket import AF_INET, socket"),
        (objectToActing, "cache.store", "from time import monotonic"),
        (objectToActing, "answers", "from twisted.internet.defer import Deferred"),
        (objectToActing, "dnssec.chains", "from twisted import internet"),
        (objectToForeign, "resolver.asking", "from twisted.names import dns"),
        (objectToForeign, "apps.tap", "import asyncio"),
        (objectToOracle, "compat.names", "import dns.message"),
        (objectToOracle, "testing", "from tests.corpora import corpus"),
        (objectToHeavyDeclaration, "server.features.ferry.feature", "from twisted_ext.resolver.combine.chain import ChainSource"),
        (objectToHeavyDeclaration, "server.features.ferry.settings", "from twisted_ext.resolver.combine.chain import ChainSource"),
        (objectToHeavyDeclaration, "server.features.base.feature", "from twisted_ext.interfaces import IAnswerSource"),
        (objectToHeavyDeclaration, "server.features.ferry.feature", "from twisted.logger import Logger"),
        (objectToTwisted, "server.features.queryhistory.recorder.loop", "from twisted.logger import Logger"),
        (objectToTwisted, "server.features.queryhistory.recorder.loop", "from twisted_ext.server.limits import RECORDER_QUEUE"),
        (objectToTwisted, "server.process.recorders.intake", "from twisted_ext.files import openNow"),
        (objectToReactor, "apps.tap", "from twisted.internet import reactor"),
        (objectToReactor, "apps.tap", "class Options:\n    import twisted.internet.reactor"),
        (objectToReactor, "transport.datagram", "def go():\n    from twisted.internet import reactor"),
        (objectToRelative, "wire.names", "from .codes import Rcode"),
        (objectToRelative, "wire.names", "from . import codes"),
        (objectToDocstring, "wire.names", '"""Names."""'),
        (objectToDocstring, "wire.names", 'class Name:\n    """\n    A name."""'),
        (objectToName, "resolver.utils", ""),
        (objectToName, "common.things", ""),
        (objectToLength, "wire.names", "\n" * (MAX_LINES + 1)),
    ],
)
def test_ruleDetectsViolation(rule: Rule, module: str, source: str) -> None:
    """
    Each rule detects what it is meant to prevent.
    """
    assert list(rule(f"twisted_ext.{module}", source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cache.store", "from twisted_ext.answers import Answer\nfrom twisted_ext.cache import entries"),
        ("compat.install", "def install():\n    from twisted.internet import reactor\n    import twisted.names"),
        ("client", "import asyncio\nfrom twisted_ext.compat.names import asTuple"),
        ("testing", "from twisted_ext.compat.names import asTuple\nfrom twisted.internet.task import Clock"),
        ("apps.cli.main", "from twisted_ext.apps.cli.query.command import show\nfrom twisted_ext.client import getResolver"),
        ("interfaces", "if TYPE_CHECKING:\n    from twisted_ext.transport.pending import Reply"),
        ("bulk", "from twisted_ext.compat.foreign import NamesSource"),
        ("server.factory", "from twisted_ext.compat.server import MessageServing\nimport twisted_ext.server.reply.respond"),
        ("server.features.ferry.feature", "from twisted_ext.server.config import types\ndef make():\n    import twisted_ext.resolver.ask"),
        ("server.features.ferry.feature", "from twisted_ext.server.features.ferry.settings import FerrySettings"),
        ("server.features.ferry.log", "import twisted_ext.resolver.ask"),
        ("server.features.queryhistory.recorder.rows", "import socket\nfrom twisted_ext.wire.names import nameToText"),
        ("wire.names", "\n" * MAX_LINES),
        ("wire.names", '"""\nNames.\n"""\nimport dnslike\nclass Name:\n    """\n    A name.\n    """'),
    ],
)
def test_rulesPermitTheDesign(module: str, source: str) -> None:
    """
    The rules permit what the design needs.
    """
    assert [words for rule in RULES for words in rule(f"twisted_ext.{module}", source)] == []


def test_modulesAreFound() -> None:
    """
    The modules that the rules apply to are found.
    """
    assert "twisted_ext" in MODULES
    assert Path(__file__) in FILES
