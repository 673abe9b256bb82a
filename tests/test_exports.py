"""
Tests of the public names of modules: each lists them, and no package imports anything by itself.
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

#: Modules with public names.
PUBLIC: Final = sorted(
    module
    for module, path in MODULES.items()
    if path.name != "__init__.py" and not any(name.startswith("_") for name in module.split("."))
)

#: The C{__init__.py} files.
PACKAGES: Final = [path for path in FILES if path.name == "__init__.py"]


def missingFrom(names: object, namespace: dict[str, object]) -> list[str]:
    """
    Return what is wrong with a module's C{__all__}.

    @param names: the C{__all__}, if there is one.
    @param namespace: the contents of the module.
    """
    if not isinstance(names, list | tuple):
        return ["has no __all__"]
    wrong = [f"lists {name!r}, which is not there" for name in names if name not in namespace]
    if len(set(names)) < len(names):
        wrong.append("lists a name twice")
    return wrong


#: The packages that also export names, which they import on first use, and the whole, which imports its source on request.
LAZY_PACKAGES: Final = (
    ROOT / "twisted_ext" / "__init__.py",
    *[
        ROOT / "twisted_ext" / room / "__init__.py"
        for room in ("asyncio", "endpoints", "hooks", "integrations/aioxmpp", "server", "testing/internet", "zone")
    ],
)


def holdsCode(source: str) -> bool:
    """
    Return whether the text has anything but one docstring.
    """
    body = ast.parse(source).body
    return len(body) != 1 or ast.get_docstring(ast.parse(source)) is None


def importsAtOnce(source: str) -> list[str]:
    """
    Return the imports that run at once, other than from L{twisted_ext.lazy} and from modules that Python itself has imported.
    """
    standard = ("__future__", "os", "typing", "twisted_ext.lazy")
    return [
        ast.unparse(node)
        for node in ast.parse(source).body
        if (isinstance(node, ast.ImportFrom) and node.module not in standard) or isinstance(node, ast.Import)
    ]


@pytest.mark.parametrize("module", PUBLIC)
def test_moduleListsItsPublicNames(module: str) -> None:
    """
    A public module lists its public names, and has all of them.
    """
    namespace = vars(importlib.import_module(module))
    assert missingFrom(namespace.get("__all__"), namespace) == []


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_packageHoldsDocstringOnly(path: Path) -> None:
    """
    A package has a docstring and no code, so that importing one of its modules imports nothing else. The exceptions import lazily.
    """
    source = path.read_text("utf-8")
    assert importsAtOnce(source) == [] if path in LAZY_PACKAGES else not holdsCode(source)


def test_serverPackageOffersFactory() -> None:
    """
    The package C{server} offers its factory by both forms of import, and no other names.
    """
    from twisted_ext import server
    from twisted_ext.server import DNSServerFactory
    from twisted_ext.server.factory import DNSServerFactory as real

    assert server.DNSServerFactory is DNSServerFactory is real
    assert "DNSServerFactory" in dir(server)
    wrong = "DNSServerFactori"
    with pytest.raises(AttributeError, match=wrong):
        getattr(server, wrong)


def test_zonePackageOffersZone() -> None:
    """
    The package C{zone} offers its class by both forms of import, and no other names.
    """
    from twisted_ext import zone
    from twisted_ext.zone import Zone
    from twisted_ext.zone.zone import Zone as real

    assert zone.Zone is Zone is real
    assert "Zone" in dir(zone)
    wrong = "Zones"
    with pytest.raises(AttributeError, match=wrong):
        getattr(zone, wrong)


def test_serverPackageImportsLazily() -> None:
    """
    Importing a module of the server does not import twisted.names.
    """
    words = "import sys; import twisted_ext.server.reply.acl; print([name for name in sys.modules if name.startswith('twisted.names')])"
    assert subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_mistakesAreDetected() -> None:
    """
    A list that is missing, wrong or doubled, and code in a package, are detected.
    """
    assert missingFrom(None, {}) == ["has no __all__"]
    assert missingFrom(["there", "gone"], {"there": 1}) == ["lists 'gone', which is not there"]
    assert missingFrom(["there", "there"], {"there": 1}) == ["lists a name twice"]
    assert holdsCode("")
    assert holdsCode('"""Words."""\nimport os')
    assert importsAtOnce("from __future__ import annotations\nif True:\n    import os\n") == []
    assert importsAtOnce("from idna import encode\nimport sys\n") == ["from idna import encode", "import sys"]
    assert not holdsCode('"""Words."""\n')
