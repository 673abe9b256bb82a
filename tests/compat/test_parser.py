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

#: Found by their paths.
aSource = Fake()
ours = NamesResolver(aSource, Clock())
theirs = newHosts()
nothing = None


class Holder:
    """
    Something with something in it.
    """

    resolver = theirs


def makeTheirs() -> object:
    """
    @return: a resolver.
    """
    return theirs


def fails() -> object:
    """
    @raise ValueError: always.
    """
    raise ValueError("not today")


class ParseNamesTests(SynchronousTestCase):
    """
    Tests of C{names:path}.
    """

    def test_found(self) -> None:
        """
        A resolver is found by its path: itself, inside something, made by a function, or of a class.
        """
        site = Site(Clock())
        for path in ("theirs", "Holder.resolver", "makeTheirs"):
            source = parseNames(site, f"{__name__}.{path}")
            assert isinstance(source, NamesSource)
            self.assertIs(source.resolver, theirs)
        source = parseNames(site, "twisted.names.hosts.Resolver")
        assert isinstance(source, NamesSource)
        self.assertIsInstance(source.resolver, hosts.Resolver)

    def test_ours(self) -> None:
        """
        Sources and resolvers of our own are taken as they are.
        """
        for path in ("aSource", "ours"):
            self.assertIs(parseNames(Site(Clock()), f"{__name__}.{path}"), aSource)

    def test_description(self) -> None:
        """
        The prefix is known to descriptions.
        """
        self.assertIsInstance(sourceFromString(Clock(), f"names:{__name__}.theirs"), NamesSource)

    def test_wrong(self) -> None:
        """
        A path to nothing, to something else or to something that fails is one line that says so.
        """
        for path, said in (
            ("nodots", "dotted"),
            ("a b.c", "dotted"),
            ("", "dotted"),
            ("nosuchmodule.thing", "nosuchmodule"),
            ("twisted.names.nosuch.Resolver", "nosuch"),
            ("twisted.names.hosts.Nosuch", "Nosuch"),
            (f"{__name__}.Holder.nosuch", "nosuch"),
            (f"{__name__}.nothing", "not a resolver"),
            (f"{__name__}.fails", "not today"),
            (f"{__name__}.Holder", "not a resolver"),
            ("antigravity", "dotted"),
        ):
            with self.assertRaises(BadDescription) as raised:
                parseNames(Site(Clock()), path)
            self.assertIn(said, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))
