"""
Tests of how the project is built: who imports whom, what code that decides may
touch, how long a file may get. Rules that nobody checks drift.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

__all__ = ["FILES", "MODULES", "ROOT"]

ROOT: Final = Path(__file__).parent.parent

#: No file of the project is longer than this many lines.
LONGEST: Final = 700

#: Rooms of twisted_ext, lowest layer first. A room imports itself and rooms of
#: lower layers, never a room beside it.
LAYERS: Final[tuple[frozenset[str], ...]] = tuple(
    frozenset(layer.split())
    for layer in (
        "_version errors files lazy limits",
        "wire extras",
        "answers",
        "outcomes",
        "addressranges aliases cache discovery dnssec metrics packetcache ratecontrol recursion",
        "zone watch",
        "interfaces",
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
        "apps",
    )
)

#: Modules that are the public face of a room and count as part of it. The server's own, for which the package stands as well, joins what
#: answers with what meets other people's resolvers.
FACES: Final = {
    **dict.fromkeys(["bulk", "client", "dns", "error"], "compat"),
    # Records, names, messages and errors of Twisted and ours, each made of the other: what meets people's interfaces stands on these.
    "compat.conversion": "conversion",
    "server.factory": "serving",
    "__main__": "apps.cli",
}

#: Rooms that decide and do not act.
PURE: Final = frozenset().union(*LAYERS[:6])

#: What such rooms may not touch: reactor, clock, sockets, threads.
ACTING: Final = (
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

#: What is in these and acts on nothing: it gives octets for a text.
CONVERTING: Final = ("socket.AF_INET", "socket.AF_INET6", "socket.inet_pton")

#: Other people's interfaces, met at the edge only.
FOREIGN: Final = ("asyncio", "twisted.names")

#: Where they are met.
EDGES: Final = (None, "addrinfo", "asyncio", "compat", "conversion", "endpoints", "integrations")

#: What only tests may use: an oracle is no oracle if the code asks it too.
ORACLES: Final = ("dns", "hypothesis", "prometheus_client", "pytest", "pytest_twisted", "tests")

#: Names of modules that would say nothing about what is in them.
EMPTY_WORDS: Final = frozenset("common engine handler handlers helpers manager processor util utils".split())


@dataclass(frozen=True, slots=True)
class Importing:
    """
    One name that a module imports, as the full dotted path.

    @ivar forTypes: whether only type checkers ever see it.
    """

    name: str
    line: int
    inFunction: bool
    forTypes: bool = False
    relative: bool = False

    def within(self, packages: tuple[str, ...]) -> bool:
        """
        @return: whether this is one of these packages, or in one of them.
        """
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


def importsOf(source: str) -> Iterator[Importing]:
    """
    Go through everything that a source text imports, wherever it does so.
    """

    def visit(node: ast.AST, inFunction: bool, forTypes: bool) -> Iterator[Importing]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Importing(alias.name, node.lineno, inFunction, forTypes)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Importing(f"{node.module or ''}.{alias.name}", node.lineno, inFunction, forTypes, node.level > 0)
        inFunction = inFunction or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        forTypes = forTypes or isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inFunction, forTypes)

    return visit(ast.parse(source), False, False)


def roomOf(module: str) -> str | None:
    """
    @param module: a dotted path, such as C{"twisted_ext.cache.entries"}.

    @return: the room that it is in: the first name below the package; among the
        apps, which do not know each other, the app as C{"apps.cli"}. L{None} for
        the package itself and for everything outside of it.
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
    @return: how high up this room is, or L{None} if no layer names it.
    """
    name = room.split(".")[0]
    return next((height for height, layer in enumerate(LAYERS) if name in layer), None)


def objectToLayers(module: str, source: str) -> Iterator[str]:
    """
    A room imports only itself and what is below it. Interfaces may name the
    values of any room as types, and look-ups of addresses the resolver that
    they are methods of.
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
    Code that decides imports no reactor, clock or socket.
    """
    if roomOf(module) in PURE:
        for importing in importsOf(source):
            if importing.within(ACTING) and importing.name not in CONVERTING:
                yield f"{module}:{importing.line}: pure code may not import {importing.name}"


def objectToForeign(module: str, source: str) -> Iterator[str]:
    """
    twisted.names and asyncio are met at the edge.
    """
    if roomOf(module) not in EDGES:
        for importing in importsOf(source):
            if importing.within(FOREIGN):
                yield f"{module}:{importing.line}: only the outermost rooms may import {importing.name}"


def objectToOracle(module: str, source: str) -> Iterator[str]:
    """
    What tests compare us with is not what we are made of.
    """
    for importing in importsOf(source):
        if importing.within(ORACLES):
            yield f"{module}:{importing.line}: only tests may import {importing.name}"


def objectToReactor(module: str, source: str) -> Iterator[str]:
    """
    The reactor is a parameter. Only the outermost code fetches the global one,
    and only when called.
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
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = ast.get_docstring(node, clean=False)
            if words is not None and not (words.startswith("\n") and words.rstrip(" ").endswith("\n")):
                line = 1 if isinstance(node, ast.Module) else node.lineno
                yield f"{module}:{line}: the quotes of a docstring stand on lines of their own"


def objectToName(module: str, source: str) -> Iterator[str]:
    """
    A module is named for what is in it.
    """
    for word in EMPTY_WORDS.intersection(module.split(".")):
        yield f"{module}: {word!r} says nothing about what is in it"


def objectToLength(module: str, source: str) -> Iterator[str]:
    """
    A file can be read in one sitting.
    """
    lines = len(source.splitlines())
    if lines > LONGEST:
        yield f"{module}: {lines} lines, at most {LONGEST} are allowed"


Rule = Callable[[str, str], Iterator[str]]

#: Rules for the modules of the package.
RULES: Final[tuple[Rule, ...]] = (
    objectToLayers,
    objectToActing,
    objectToForeign,
    objectToOracle,
    objectToReactor,
    objectToRelative,
    objectToDocstring,
    objectToName,
    objectToLength,
)

#: Rules for every other Python file of the project.
RULES_ELSEWHERE: Final[tuple[Rule, ...]] = (objectToRelative, objectToDocstring, objectToLength)

#: Where our own Python files are.
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
def test_package(rule: Rule) -> None:
    """
    Every module of the package keeps every rule.
    """
    objections = [words for module, path in MODULES.items() for words in rule(module, path.read_text("utf-8"))]
    assert not objections, "\n".join(objections)


@pytest.mark.parametrize("rule", RULES_ELSEWHERE)
def test_elsewhere(rule: Rule) -> None:
    """
    Tests, docs and benchmarks keep those rules that concern them.
    """
    objections = [
        words
        for path in FILES
        if path not in MODULES.values()
        for words in rule(str(path.relative_to(ROOT)), path.read_text("utf-8"))
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
        (objectToReactor, "apps.tap", "from twisted.internet import reactor"),
        (objectToReactor, "apps.tap", "class Options:\n    import twisted.internet.reactor"),
        (objectToReactor, "transport.datagram", "def go():\n    from twisted.internet import reactor"),
        (objectToRelative, "wire.names", "from .codes import Rcode"),
        (objectToRelative, "wire.names", "from . import codes"),
        (objectToDocstring, "wire.names", '"""Names."""'),
        (objectToDocstring, "wire.names", 'class Name:\n    """\n    A name."""'),
        (objectToName, "resolver.utils", ""),
        (objectToName, "common.things", ""),
        (objectToLength, "wire.names", "\n" * (LONGEST + 1)),
    ],
)
def test_objects(rule: Rule, module: str, source: str) -> None:
    """
    Each rule does object to what it is there to prevent.
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
        ("wire.names", "\n" * LONGEST),
        ("wire.names", '"""\nNames.\n"""\nimport dnslike\nclass Name:\n    """\n    A name.\n    """'),
    ],
)
def test_permits(module: str, source: str) -> None:
    """
    No rule stands in the way of what the design asks for.
    """
    assert [words for rule in RULES for words in rule(f"twisted_ext.{module}", source)] == []


def test_looksAtSomething() -> None:
    """
    The modules that the rules are applied to are found.
    """
    assert "twisted_ext" in MODULES
    assert Path(__file__) in FILES
