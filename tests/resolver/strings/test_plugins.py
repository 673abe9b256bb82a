"""
Tests of prefixes from other packages' plugins.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted import plugins
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local.hosts import Hosts
from twisted_ext.resolver.strings.descriptions import BUILT_IN, LazyParser, foundParsers, parserFor, sourceFromString

GOOD = """
from twisted_ext.resolver.strings.descriptions import LazyParser

toy = LazyParser("toy", "txdns_test_toy", "parseToy", "a toy")
empty = LazyParser("empty", "txdns_test_absent", "parse", "its module is missing")
lacking = LazyParser("lacking", "txdns_test_toy", "parseNothing", "its function is missing")
shadow = LazyParser("udp", "txdns_test_toy", "parseToy", "takes a prefix of ours")
"""

TOY = """
from twisted_ext.resolver.local.hosts import Hosts

def parseToy(site, path: str):
    return Hosts(site.reactor, path)
"""


class PluggedTests(SynchronousTestCase):
    """
    Tests for plugins in a separate folder.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "twisted" / "plugins").mkdir(parents=True)
        self.plugins = self.folder / "twisted" / "plugins"
        (self.folder / "txdns_test_toy.py").write_text(TOY)
        self.patch(sys, "path", [str(self.folder), *sys.path])
        self.patch(plugins, "__path__", [str(self.plugins), *plugins.__path__])
        importlib.invalidate_caches()

    def tearDown(self) -> None:
        for name in [name for name in sys.modules if name.startswith(("txdns_test_", "twisted.plugins.txdns_test_"))]:
            del sys.modules[name]

    def test_pluginPrefixIsFound(self) -> None:
        """
        A dropin adds a prefix without any registration. It cannot replace a built-in prefix.
        """
        (self.plugins / "txdns_test_good.py").write_text(GOOD)
        source = sourceFromString(Clock(), "toy:/dev/null")
        assert isinstance(source, Hosts)
        self.assertEqual(source.path, "/dev/null")
        parsers, complaints = foundParsers()
        self.assertEqual(
            [parser.prefix for parser in parsers], [*[parser.prefix for parser in BUILT_IN], "empty", "lacking", "toy"]
        )
        self.assertEqual(len(complaints), 1)
        self.assertIn("the prefix 'udp' is taken", complaints[0])
        self.assertIs(parserFor("udp"), next(parser for parser in BUILT_IN if parser.prefix == "udp"))

    def test_brokenPluginModuleIsReported(self) -> None:
        """
        A plugin module that cannot be imported is reported, and the others work.
        """
        (self.plugins / "txdns_test_good.py").write_text(GOOD)
        (self.plugins / "txdns_test_bad.py").write_text("import txdns_test_absent\n")
        self.assertIsInstance(sourceFromString(Clock(), "toy:/dev/null"), Hosts)
        _, complaints = foundParsers()
        self.assertIn(
            "a plugin module cannot be imported: ModuleNotFoundError: No module named 'txdns_test_absent'", complaints
        )
        text = str(self.assertRaises(BadDescription, sourceFromString, Clock(), "bad:1"))
        self.assertIn("No module named 'txdns_test_absent'", text)
        self.assertNotEqual(self.flushLoggedErrors(ModuleNotFoundError), [])

    def test_warningsOfPluginsAreHidden(self) -> None:
        """
        Warnings from the import of other plugins are not shown, and these plugins work.
        """
        (self.plugins / "txdns_test_warns.py").write_text(
            "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n" + GOOD
        )
        self.assertEqual(len(foundParsers()[1]), 1)
        self.assertIsInstance(sourceFromString(Clock(), "toy:/dev/null"), Hosts)
        self.assertEqual(self.flushWarnings(), [])

    def test_unusablePrefixIsReportedOnUse(self) -> None:
        """
        A prefix whose module or function is missing is reported when it is used.
        """
        (self.plugins / "txdns_test_good.py").write_text(GOOD)
        for prefix, what in (
            ("empty", "ModuleNotFoundError: No module named 'txdns_test_absent'"),
            ("lacking", "has no attribute 'parseNothing'"),
        ):
            text = str(self.assertRaises(BadDescription, sourceFromString, Clock(), prefix))
            self.assertIn(f"column 1: the prefix {prefix!r} cannot be used", text)
            self.assertIn(what, text)

    def test_namelessAndRepeatedPrefixesAreReported(self) -> None:
        """
        A plugin without a prefix and the second plugin with the same prefix are reported.
        """
        (self.plugins / "txdns_test_good.py").write_text(
            GOOD
            + 'first = LazyParser("two", "", "", "")\nsecond = LazyParser("two", "", "", "")\nnone = LazyParser("", "", "", "")\n'
        )
        complaints = foundParsers()[1]
        self.assertEqual(len(complaints), 3)
        self.assertIn("has no prefix", "".join(complaints))

    def test_ownDropinOffersEveryPrefix(self) -> None:
        """
        Our own dropin offers every built-in prefix.
        """
        dropin = importlib.import_module("twisted.plugins.twisted_ext_dropin")
        offered = [value for value in vars(dropin).values() if isinstance(value, LazyParser)]
        self.assertEqual(set(offered), set(BUILT_IN))
        parsers = {name.removesuffix("Parser") for name in dropin.__all__ if name.endswith("Parser")}
        self.assertEqual(parsers, {parser.prefix for parser in BUILT_IN})
