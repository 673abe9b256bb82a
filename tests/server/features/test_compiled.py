"""
What features put on the path of a query is compiled, and can be. A module that is forgotten in C{setup.py} is interpreted, and only its
speed shows it. What compiled modules may not contain is here as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.features.test_built import FerryFeature
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Feature, Site

#: Attributes of which GCC reads the form that a compiled class has, such as C{__signed}, as a word of its own.
_WORDS_OF_C: Final = re.compile(
    r"self\._(alignof|asm|attribute|auto_type|complex|const|imag|inline|int128|null|real|restrict|signed|thread|typeof|volatile)\b(?!\()"
)

ROOT: Final = Path(__file__).parent.parent.parent.parent


@cache
def _declared() -> dict[str, list[str]]:
    """
    Return the lists of C{setup.py}, by their names.
    """
    declared: dict[str, list[str]] = {}
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.Dict) and isinstance(node.targets[0], ast.Name):
            names = node.value.elts if isinstance(node.value, ast.Tuple) else node.value.keys
            declared[node.targets[0].id] = [str(each.value) for each in names if isinstance(each, ast.Constant)]
    return declared


def isCompiled(module: str) -> bool:
    """
    Return whether C{setup.py} has a module compiled.

    @param module: its dotted name.
    """
    path = f"{module.replace('.', '/')}.py"
    return path not in _declared()["INTERPRETED"] and any(fnmatch(path, pattern) for pattern in _declared()["COMPILED"])


def compiledFiles() -> Iterator[Path]:
    """
    Yield the source of each compiled module.
    """
    for path in ROOT.glob("twisted_ext/**/*.py"):
        if isCompiled(".".join(path.relative_to(ROOT).with_suffix("").parts)):
            yield path


def yieldsWhileHandling(source: str) -> Iterator[int]:
    """
    Yield the lines at which a generator or coroutine is left while it handles an exception.
    """
    for handler in ast.walk(ast.parse(source)):
        if isinstance(handler, ast.ExceptHandler):
            for node in ast.walk(handler):
                if isinstance(node, ast.Yield | ast.YieldFrom | ast.Await | ast.AsyncFor | ast.AsyncWith):
                    yield node.lineno


def interpretedParts(features: Iterable[Feature], settings: Settings) -> Iterator[str]:
    """
    Yield the classes of gates, observers and what decides of clients, of features that are not compiled, as dotted names.
    """
    for feature in features:
        active = feature.make(Site(Clock(), settings), None)
        if active is None:
            yield f"{feature.name} is not switched on"
            continue
        active.begin()
        kinds: list[type[object]] = [type(part.gate) for part in active.parts if part.gate is not None]
        observer = active.observer()
        kinds += [] if observer is None else [type(observer)]
        kinds += [type(each) for each in (getattr(active.admits, "__self__", None), active.cookies, active.limiting) if each is not None]
        yield from (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if not isCompiled(kind.__module__))
        active.close(None)


class CompiledTests(SynchronousTestCase):
    def test_gatesAndObservers(self) -> None:
        """
        Every gate and observer of a feature, and what decides of clients, is in a compiled module.
        """
        folder = Path(self.mktemp())
        folder.mkdir(0o700)
        hooks = folder / "hooks.py"
        hooks.write_text("from twisted_ext.hooks import PASS\n\ndef who(client):\n    return PASS\n")
        hooks.chmod(0o600)
        everything = Settings.of(
            hook=[f"{hooks.absolute()}:who"],
            hostsFile="",
            local=["router.lan A 192.0.2.1"],
            domainNeeded=True,
            block=["ads.example"],
            policyZone=["feed=/etc/hosts"],
            policyZones=["feed"],
            denyAnswerAddresses=["192.0.2.0/24"],
            stopRebinding=True,
            filterAaaa=True,
            rrsetRoundrobin=True,
            dns64=["64:ff9b::/96"],
            tls="127.0.0.1",
            queryLog=True,
            queryHistory=True,
            dnstap=["file:/var/log/txdns.tap"],
            otlp="http://127.0.0.1:4318",
            otlpTrust=["192.0.2.1"],
            clientRate=5,
            responseRate=5,
            requireCookie=["192.0.2.1"],
            view=["children=192.0.2.1"],
            route=["corp.example=validate:udp:192.0.2.53"],
        )
        # This one has nothing where queries are answered.
        features = [each for each in order.ORDER if each.name != "configurations"]
        self.assertEqual(list(interpretedParts(features, everything)), [])

    def test_interpretedOnesAreFound(self) -> None:
        settings = Settings({"ferry-fleet": 1})
        self.assertEqual(list(interpretedParts([FerryFeature()], settings)), ["tests.server.features.test_built.FerryGate"])
        self.assertEqual(list(interpretedParts([FerryFeature()], Settings())), ["ferry is not switched on"])

    def test_attributesHaveNamesThatCTakes(self) -> None:
        """
        No compiled module has an attribute whose name is a word of the compiler of C, which otherwise only a compiled package shows.
        """
        self.assertIsNotNone(_WORDS_OF_C.search("self._signed = 1"))
        found = [
            f"{path.relative_to(ROOT)}: {word.group()}"
            for path in compiledFiles()
            for word in _WORDS_OF_C.finditer(path.read_text("utf-8"))
        ]
        self.assertEqual(found, [])

    def test_nothingIsYieldedWhileAnExceptionIsHandled(self) -> None:
        """
        No compiled generator yields in an C{except} block. Python sets the exception aside meanwhile; mypyc's code leaves it as what the
        process is handling, so that it is the context of each later one, stays in memory and is in tracebacks of other faults.
        """
        self.assertEqual(list(yieldsWhileHandling("def f():\n    try:\n        yield 1\n    except OSError:\n        yield 2\n")), [5])
        found = [
            f"{path.relative_to(ROOT)}:{line}"
            for path in compiledFiles()
            if "yield" in (text := path.read_text("utf-8")) or "await" in text
            for line in yieldsWhileHandling(text)
        ]
        self.assertEqual(found, [])

    def test_modulesOfSetup(self) -> None:
        self.assertTrue(isCompiled("twisted_ext.server.reply.gates"))
        self.assertFalse(isCompiled("twisted_ext.server.reply.opcodes"))
        self.assertFalse(isCompiled("twisted_ext.server.service"))
