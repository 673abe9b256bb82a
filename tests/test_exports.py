"""
Tests of what modules offer: each says what is public, and no package imports
anything by itself.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.test_architecture import FILES, MODULES, ROOT

__all__ = ["PACKAGES", "PUBLIC"]

#: Modules that say by their names that they are for everyone.
PUBLIC: Final = sorted(
    module
    for module, path in MODULES.items()
    if path.name != "__init__.py" and not any(name.startswith("_") for name in module.split("."))
)

#: The files that make folders packages.
PACKAGES: Final = [path for path in FILES if path.name == "__init__.py"]


def missingFrom(names: object, namespace: dict[str, object]) -> list[str]:
    """
    @param names: the C{__all__} of a module, if it has one.
    @param namespace: everything that is in the module.

    @return: what is wrong with it, in words.
    """
    if not isinstance(names, list | tuple):
        return ["has no __all__"]
    wrong = [f"lists {name!r}, which is not there" for name in names if name not in namespace]
    if len(set(names)) < len(names):
        wrong.append("lists a name twice")
    return wrong


#: The packages that are a face as well, and fetch what they offer when that is asked for.
FACED: Final = tuple(
    [ROOT / "twisted_ext" / room / "__init__.py" for room in ("asyncio", "endpoints", "integrations/aioxmpp", "server", "zone")]
)


def holdsCode(source: str) -> bool:
    """
    @return: whether there is anything in this text but one docstring.
    """
    body = ast.parse(source).body
    return len(body) != 1 or ast.get_docstring(ast.parse(source)) is None


def importsAtOnce(source: str) -> list[str]:
    """
    @return: what this text imports when it is run, other than from the standard library and what imports on demand.
    """
    standard = ("__future__", "typing", "twisted_ext.lazy")
    return [
        ast.unparse(node)
        for node in ast.parse(source).body
        if (isinstance(node, ast.ImportFrom) and node.module not in standard) or isinstance(node, ast.Import)
    ]


@pytest.mark.parametrize("module", PUBLIC)
def test_exports(module: str) -> None:
    """
    A public module lists what it offers, and offers all of it.
    """
    namespace = vars(importlib.import_module(module))
    assert missingFrom(namespace.get("__all__"), namespace) == []


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_initHoldsDocstring(path: Path) -> None:
    """
    A package holds a docstring and no code, so that importing one module of it
    imports one module. The exceptions import nothing either until they are asked.
    """
    source = path.read_text("utf-8")
    assert importsAtOnce(source) == [] if path in FACED else not holdsCode(source)


def test_face() -> None:
    """
    The package of the server offers its factory by either way of importing, and nothing that is not there.
    """
    from twisted_ext import server
    from twisted_ext.server import DNSServerFactory
    from twisted_ext.server.factory import DNSServerFactory as real

    assert server.DNSServerFactory is DNSServerFactory is real
    assert "DNSServerFactory" in dir(server)
    wrong = "DNSServerFactori"
    with pytest.raises(AttributeError, match=wrong):
        getattr(server, wrong)


def test_faceOfZones() -> None:
    """
    The package of zones offers its class by either way of importing, and nothing that is not there.
    """
    from twisted_ext import zone
    from twisted_ext.zone import Zone
    from twisted_ext.zone.zone import Zone as real

    assert zone.Zone is Zone is real
    assert "Zone" in dir(zone)
    wrong = "Zones"
    with pytest.raises(AttributeError, match=wrong):
        getattr(zone, wrong)


def test_faceIsLazy() -> None:
    """
    Who imports a module of the server does not load what meets twisted.names.
    """
    words = "import sys; import twisted_ext.server.reply.acl; print([name for name in sys.modules if name.startswith('twisted.names')])"
    assert subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_noticed() -> None:
    """
    A list that is absent, wrong or doubled, and code in a package, are noticed.
    """
    assert missingFrom(None, {}) == ["has no __all__"]
    assert missingFrom(["there", "gone"], {"there": 1}) == ["lists 'gone', which is not there"]
    assert missingFrom(["there", "there"], {"there": 1}) == ["lists a name twice"]
    assert holdsCode("")
    assert holdsCode('"""Words."""\nimport os')
    assert importsAtOnce("from __future__ import annotations\nif True:\n    import os\n") == []
    assert importsAtOnce("from os import path\nimport sys\n") == ["from os import path", "import sys"]
    assert not holdsCode('"""Words."""\n')
