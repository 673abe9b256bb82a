"""
Tests of L{twisted_ext.compat.parser}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.names import hosts
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake
from tests.typed import newHosts
from twisted_ext.compat.foreign import NamesSource
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.parser import parseNames
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.strings.descriptions import Site, sourceFromString

#: Objects that the tests find by their paths.
fakeSource = Fake()
ownResolver = NamesResolver(fakeSource, Clock())
foreignResolver = newHosts()
noResolver = None


class Holder:
    """
    A class with a resolver as an attribute.
    """

    resolver = foreignResolver


def makeForeignResolver() -> object:
    """
    Return a resolver.
    """
    return foreignResolver


def raisesValueError() -> object:
    """
    Raise ValueError always.
    """
    raise ValueError("not today")


class ParseNamesTests(SynchronousTestCase):
    """
    Tests of C{names:path}.
    """

    def test_pathFindsResolver(self) -> None:
        """
        A path leads to a resolver itself, to an attribute, to a function that returns one, or to its class.
        """
        site = Site(Clock())
        for path in ("foreignResolver", "Holder.resolver", "makeForeignResolver"):
            source = parseNames(site, f"{__name__}.{path}")
            assert isinstance(source, NamesSource)
            self.assertIs(source.resolver, foreignResolver)
        source = parseNames(site, "twisted.names.hosts.Resolver")
        assert isinstance(source, NamesSource)
        self.assertIsInstance(source.resolver, hosts.Resolver)

    def test_ownSourcesAreNotWrapped(self) -> None:
        """
        Sources and resolvers of this package are used as they are.
        """
        for path in ("fakeSource", "ownResolver"):
            self.assertIs(parseNames(Site(Clock()), f"{__name__}.{path}"), fakeSource)

    def test_namesPrefixInDescriptions(self) -> None:
        """
        Descriptions accept the prefix C{names:}.
        """
        self.assertIsInstance(sourceFromString(Clock(), f"names:{__name__}.foreignResolver"), NamesSource)

    def test_invalidPathIsRefused(self) -> None:
        """
        A path that is malformed, does not exist, fails or leads to something else is refused with a one-line error.
        """
        for path, expected in (
            ("nodots", "dotted"),
            ("a b.c", "dotted"),
            ("", "dotted"),
            ("nosuchmodule.thing", "nosuchmodule"),
            ("twisted.names.nosuch.Resolver", "nosuch"),
            ("twisted.names.hosts.Nosuch", "Nosuch"),
            (f"{__name__}.Holder.nosuch", "nosuch"),
            (f"{__name__}.noResolver", "not a resolver"),
            (f"{__name__}.raisesValueError", "not today"),
            (f"{__name__}.Holder", "not a resolver"),
            ("antigravity", "dotted"),
        ):
            with self.assertRaises(BadDescription) as raised:
                parseNames(Site(Clock()), path)
            self.assertIn(expected, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))
