"""
What features put on the path of a query is compiled, and can be. A module that is forgotten in C{setup.py} is interpreted, and only its
speed shows it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.features.test_built import FerryFeature
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Feature, Site
from twisted_ext.server.settings.settings import Settings

#: Attributes of which GCC reads the form that a compiled class has, such as C{__signed}, as a word of its own.
_WORDS_OF_C: Final = re.compile(
    r"self\._(alignof|asm|attribute|auto_type|complex|const|imag|inline|int128|null|real|restrict|signed|thread|typeof|volatile)\b(?!\()"
)

ROOT: Final = Path(__file__).parent.parent.parent.parent


def isCompiled(module: str) -> bool:
    """
    Return whether C{setup.py} has a module compiled.

    @param module: its dotted name.
    """
    declared: dict[str, list[str]] = {}
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.Dict) and isinstance(node.targets[0], ast.Name):
            names = node.value.elts if isinstance(node.value, ast.Tuple) else node.value.keys
            declared[node.targets[0].id] = [str(each.value) for each in names if isinstance(each, ast.Constant)]
    path = f"{module.replace('.', '/')}.py"
    return path not in declared["INTERPRETED"] and any(fnmatch(path, pattern) for pattern in declared["COMPILED"])


def interpretedParts(features: Iterable[Feature], settings: Settings) -> Iterator[str]:
    """
    Yield the classes of gates and observers of features that are not compiled, as dotted names.
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
        yield from (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if not isCompiled(kind.__module__))
        active.close(None)


class CompiledTests(SynchronousTestCase):
    def test_gatesAndObservers(self) -> None:
        """
        Every gate and observer of a feature is in a compiled module.
        """
        everything = Settings.of(
            hostsFile="",
            local=["router.lan A 192.0.2.1"],
            domainNeeded=True,
            block=["ads.example"],
            stopRebinding=True,
            filterA=True,
            tls="127.0.0.1",
        )
        # The views of the settings are no part of the path.
        self.assertEqual(list(interpretedParts(order.ORDER, everything)), ["views is not switched on"])

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
            for path in ROOT.glob("twisted_ext/**/*.py")
            if isCompiled(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for word in _WORDS_OF_C.finditer(path.read_text("utf-8"))
        ]
        self.assertEqual(found, [])

    def test_modulesOfSetup(self) -> None:
        self.assertTrue(isCompiled("twisted_ext.server.reply.gates"))
        self.assertFalse(isCompiled("twisted_ext.server.reply.operations"))
        self.assertFalse(isCompiled("twisted_ext.server.service"))
