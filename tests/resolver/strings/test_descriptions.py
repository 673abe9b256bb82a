"""
Tests of building answer sources from descriptions.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TypedDict, Unpack

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import DESCRIPTION_CHARACTERS
from twisted_ext.resolver.strings import descriptions, reader
from twisted_ext.resolver.strings.descriptions import BUILT_IN, LazyParser, Site, sourceFromString
from twisted_ext.resolver.strings.schema import Schema
from twisted_ext.wire.message import Question


class Shared(TypedDict, total=False):
    """
    Options that may be left out.
    """

    keep: float
    inner: IAnswerSource | None


class Group(Shared):
    """
    These, and one that may not.
    """

    name: str


@implementer(IAnswerSource)
class Built:
    """
    A source that records its arguments.
    """

    all: list[Built] = []

    def __init__(self, *positional: object, **named: object) -> None:
        self.positional = positional
        self.named = named
        self.closed = 0
        self.all.append(self)

    def ask(self, question: Question, context: QueryContext) -> None:
        return None

    def close(self) -> Deferred[None]:
        self.closed += 1
        for each in (*self.positional, *self.named.values()):
            if isinstance(each, Built):
                each.close()
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


def leaf(
    site: Site, host: str, port: int = 53, *, wait: float = 1.0, strict: bool = False, name: str | None = None
) -> Built:
    """
    Build a source without inner sources.
    """
    return Built(host, port, wait=wait, strict=strict, name=name)


def wrap(site: Site, source: IAnswerSource, *, size: int | None = None) -> Built:
    """
    Build a source around another one.
    """
    return Built(source, size=size)


def many(site: Site, *sources: IAnswerSource) -> Built:
    """
    Build a source of several others.
    """
    return Built(*sources)


def ways(site: Site, other: IAnswerSource | None = None, /, **ways: IAnswerSource) -> Built:
    """
    Build a source of named others.
    """
    return Built(other, **ways)


def url(site: Site, address: str, *, wait: float = 1.0) -> Built:
    """
    Build a source with a URL.
    """
    return Built(address, wait=wait)


def broken(site: Site) -> Built:
    """
    Fail to build a source.
    """
    raise ZeroDivisionError("no")


def nothing(site: Site) -> object:
    """
    Return an object that is not an answer source.
    """
    return "nothing"


FUNCTIONS = {"leaf": leaf, "wrap": wrap, "many": many, "ways": ways, "https": url, "broken": broken, "nothing": nothing}


class DescriptionCase(SynchronousTestCase):
    """
    Descriptions with prefixes for tests.
    """

    def setUp(self) -> None:
        module = ModuleType("tests_described")
        vars(module).update(FUNCTIONS)
        sys.modules["tests_described"] = module
        self.addCleanup(sys.modules.pop, "tests_described")
        # Import it before the prefixes of the tests exist, because it registers all built-in ones.
        importlib.import_module("twisted.plugins.twisted_ext_dropin")
        parsers = [LazyParser(prefix, "tests_described", prefix, "") for prefix in FUNCTIONS if prefix != "https"]
        parsers.append(LazyParser("https", __name__, "url", ""))
        # The ones of the tests first: one of them stands in for a built-in one.
        self.patch(descriptions, "BUILT_IN", (*parsers, *BUILT_IN))
        Built.all.clear()
        self.clock = Clock()

    def build(self, description: str) -> Built:
        """
        Return the source of a description.
        """
        source = sourceFromString(self.clock, description)
        assert isinstance(source, Built)
        return source

    def leaf(self, description: str) -> tuple[object, ...]:
        """
        Return the host and the port of a description.
        """
        return self.build(description).positional

    def errorOf(self, description: str) -> str:
        """
        Return the error of a description without the description itself.
        """
        text = str(self.assertRaises(BadDescription, sourceFromString, self.clock, description))
        self.assertNotIn("\n", text)
        self.assertTrue(text.startswith(f"{description!r}, column "), text)
        return text[len(f"{description!r}, ") :]


class GrammarTests(DescriptionCase):
    """
    Tests for the grammar of descriptions.
    """

    def test_argumentsByPositionOrName(self) -> None:
        """
        Arguments are given by position or by name and are converted to the type of the parameter.
        """
        built = self.build("leaf:ns.example:5353:wait=0.5:strict=yes:name=x")
        self.assertEqual(built.positional, ("ns.example", 5353))
        self.assertEqual(built.named, {"wait": 0.5, "strict": True, "name": "x"})
        self.assertEqual(self.leaf("leaf:port=54:host=a"), ("a", 54))
        self.assertEqual(self.leaf("leaf:a"), ("a", 53))

    def test_backslashEscapesAnyCharacter(self) -> None:
        """
        A backslash removes the special meaning of any character.
        """
        self.assertEqual(self.leaf(r"leaf:a\:b\=c\\d\(\[:1"), ("a:b=c\\d([", 1))
        self.assertEqual(self.build(r"leaf:a:name=x=y\:z").named["name"], "x=y:z")
        (inner,) = self.build(r"wrap:(leaf:a\)b)").positional
        assert isinstance(inner, Built)
        self.assertEqual(inner.positional[0], "a)b")

    def test_colonsInBracketsAreOrdinary(self) -> None:
        """
        Colons in square brackets are ordinary. Brackets around a whole argument are removed.
        """
        self.assertEqual(self.leaf("leaf:[2001:db8::1]:5353"), ("2001:db8::1", 5353))
        self.assertEqual(self.leaf("leaf:[::1]"), ("::1", 53))
        self.assertEqual(self.leaf("leaf:host=[fe80::1%eth0]"), ("fe80::1%eth0", 53))
        self.assertEqual(self.leaf("leaf:[::1],[::2]:1"), ("[::1],[::2]", 1))
        self.assertEqual(self.leaf("leaf:a[:=)]b:1"), ("a[:=)]b", 1))
        self.assertEqual(self.leaf(r"leaf:[a\]:b]"), ("a]:b", 53))

    def test_urlsNeedNoEscapes(self) -> None:
        """
        A URL needs no backslashes, whether it has a port, an address or a query string.
        """
        for text, address, wait in (
            ("https://dns.example/dns-query", "https://dns.example/dns-query", 1.0),
            ("https://dns.example:8443/q?a=b&c=d", "https://dns.example:8443/q?a=b&c=d", 1.0),
            ("https://[2001:db8::1]:443/q:wait=2", "https://[2001:db8::1]:443/q", 2.0),
            ("https://dns.example:443:wait=2", "https://dns.example:443", 2.0),
            ("https://dns.example:wait=2", "https://dns.example", 2.0),
            ("https://dns.example", "https://dns.example", 1.0),
            ("https:address=x", "x", 1.0),
            ("https://dns.example/q{?dns}:wait=2", "https://dns.example/q{?dns}", 2.0),
            ("https://dns.example#a", "https://dns.example#a", 1.0),
            ("https://192.0.2.1#dns.example:wait=2", "https://192.0.2.1#dns.example", 2.0),
            ("https://192.0.2.1:853#dns.example:wait=2", "https://192.0.2.1:853#dns.example", 2.0),
            ("https://[::1]:853#[2001:db8::1]:wait=2", "https://[::1]:853#[2001:db8::1]", 2.0),
        ):
            built = self.build(text)
            self.assertEqual(
                (built.positional or (built.named.get("address"),), built.named["wait"]), ((address,), wait), text
            )
            inner = self.build(f"many:({text}):wrap:{text}")
            self.assertEqual(len(inner.positional), 2)
        self.assertEqual(self.errorOf("https://[::1/q"), "column 9: this bracket is not closed")

    def test_wrapperTakesTheRest(self) -> None:
        """
        The rest of a description belongs to the inner source, and the wrapper's own arguments precede it.
        """
        built = self.build("wrap:size=7:leaf:a:1:name=x")
        inner = built.positional[0]
        assert isinstance(inner, Built)
        self.assertEqual((built.named, inner.positional, inner.named["name"]), ({"size": 7}, ("a", 1), "x"))

    def test_parenthesesEndADescription(self) -> None:
        """
        A description in parentheses ends with them, so that more arguments can follow.
        """
        built = self.build("wrap:(leaf:a:1:name=x):size=7")
        inner = built.positional[0]
        assert isinstance(inner, Built)
        self.assertEqual((built.named, inner.positional), ({"size": 7}, ("a", 1)))
        built = self.build("many:(leaf:a):(many:(leaf:b):(leaf:c)):wrap:leaf:d:2")
        self.assertEqual(len(built.positional), 3)
        self.assertEqual(self.build("many").positional, ())

    def test_descriptionsMayHaveNames(self) -> None:
        """
        Descriptions may have names of any characters.
        """
        built = self.build(r"ways:corp.example=(leaf:a):other=(leaf:b):x\:y=(leaf:c):(leaf:d)")
        self.assertEqual(list(built.named), ["corp.example", "other", "x:y"])
        self.assertIsNotNone(built.positional[0])

    def test_mistakesAreReportedWithColumn(self) -> None:
        """
        A mistake leads to one line: what is wrong, in which column, and what would be right.
        """
        for description, expected in (
            ("", "column 1: expected a prefix here, such as udp or system"),
            (":", "column 1: expected a prefix here, such as udp or system"),
            ("wrap:", "column 6: expected a prefix here, such as udp or system"),
            ("leef:a", "column 1: there is no prefix 'leef'; did you mean 'leaf'?"),
            ("LEAF:a", "column 1: there is no prefix 'LEAF'; did you mean 'leaf'?"),
            ("http://dns.example", "column 1: there is no prefix 'http'; write 'https'"),
            ("wrap:(DoH://dns.example)", "column 7: there is no prefix 'DoH'; write 'https'"),
            ("wrap:leef:a", "column 6: there is no prefix 'leef'; did you mean 'leaf'?"),
            ("leaf", "column 5: host is missing; it is leaf:host[:port][:wait=...][:strict=...][:name=...]"),
            ("wrap:size=1", "column 12: source is missing; it is wrap:(source)[:size=...]"),
            (
                "leaf:a:1:2",
                "column 10: this is one argument too many; it is leaf:host[:port][:wait=...][:strict=...][:name=...]",
            ),
            ("leaf:a:x", "column 8: port takes a whole number, not 'x'"),
            ("leaf:a:1.5", "column 8: port takes a whole number, not '1.5'"),
            ("leaf:a:port=", "column 13: port takes a whole number, not ''"),
            ("leaf:a:wait=nan", "column 13: wait takes a number, not 'nan'"),
            ("leaf:a:wait=soon", "column 13: wait takes a number, not 'soon'"),
            ("leaf:a:strict=maybe", "column 15: strict takes yes or no, not 'maybe'"),
            ("leaf:a:wiat=1", "column 8: leaf has no option 'wiat'; did you mean 'wait'?"),
            ("leaf:a:zzz=1", "column 8: leaf has no option 'zzz'; there are host, port, wait, strict, name"),
            ("leaf:a:wait=1:wait=2", "column 15: wait is given twice"),
            ("leaf:a:host=b", "column 8: host is given twice"),
            ("ways:x=(leaf:a):x=(leaf:b)", "column 17: x is given twice"),
            ("leaf:=a", "column 6: expected a key before '='"),
            ("leaf:[::1", "column 6: this bracket is not closed"),
            ("leaf:a\\", "column 7: a backslash ends the description; write two for the character itself"),
            ("wrap:(leaf:a", "column 6: this parenthesis is not closed"),
            ("wrap:(leaf:a)b", "column 14: behind a closing parenthesis comes a colon or nothing, not 'b'"),
            ("wrap:(leaf:a))", "column 14: behind a closing parenthesis comes a colon or nothing, not ')'"),
            ("broken", "column 1: broken cannot be built: ZeroDivisionError: no"),
            ("nothing", "column 1: nothing built 'nothing', which is not an answer source"),
            ("wrap://x", "column 6: there is no prefix '//x'; there are "),
        ):
            self.assertTrue(self.errorOf(description).startswith(expected), self.errorOf(description))

    def test_failedDescriptionLeavesNothingOpen(self) -> None:
        """
        Nothing is built before the whole description is read, and a failure closes what was built.
        """
        self.errorOf("many:(leaf:a):(leaf:b:x)")
        self.assertEqual(Built.all, [])
        self.errorOf("many:(leaf:a):(wrap:leaf:b):broken")
        self.assertEqual([built.closed for built in Built.all], [1, 1, 1])

    def test_depthAndLengthAreLimited(self) -> None:
        """
        The nesting and the length of a description are limited.
        """
        text = str(self.assertRaises(BadDescription, sourceFromString, self.clock, "wrap:" * 10_000 + "leaf:a"))
        self.assertIn("more than 32 descriptions within each other", text)
        self.assertLess(len(text), 300)
        most = int(DESCRIPTION_CHARACTERS.default)
        text = str(self.assertRaises(BadDescription, sourceFromString, self.clock, "leaf:" + "x" * most))
        self.assertEqual(text, f"a description of {most + 5} characters; {most} are the most")
        self.build("leaf:" + "x" * (most - 5))

    def test_bytesAreRefused(self) -> None:
        """
        A description that is not a string is refused.
        """
        text = str(self.assertRaises(BadDescription, reader.read, b"system"))
        self.assertEqual(text, "a description is a text, not bytes")

    @given(
        st.lists(
            st.sampled_from(["leaf", "wrap", "many", "ways", "https", "a", "1", "wait", *":::===()[]\\/,"]), max_size=20
        ).map("".join)
    )
    def test_arbitraryTextIsSourceOrError(self, description: str) -> None:
        """
        An arbitrary text is a source or a one-line error.
        """
        try:
            sourceFromString(self.clock, description)
        except BadDescription as fault:
            self.assertNotIn("\n", str(fault))


class SchemaTests(SynchronousTestCase):
    """
    Tests for reading the parameters from a signature.
    """

    def test_evaluatedAnnotationsAreUnderstood(self) -> None:
        """
        Annotations that are not strings are understood.
        """

        def function(site: object, a: object, b: object) -> None:
            """
            Do nothing. The test sets the annotations.
            """

        function.__annotations__.update(a=int, b=float | None)
        schema = Schema(function)
        self.assertEqual([parameter.convert("1") for parameter in schema.parameters], [1, 1.0])

    def test_unresolvedAnnotationsAreStrings(self) -> None:
        """
        The interface is recognized even if it is imported for type checkers only. Any other unknown annotation means a string.
        """

        def function(site: object, a: object, b: object, c: object) -> None:
            """
            Do nothing. The test sets the annotations.
            """

        function.__annotations__.update(a="interfaces.IAnswerSource | None", b="Nowhere", c="int | str")
        schema = Schema(function)
        self.assertEqual([parameter.wantsSource for parameter in schema.parameters], [True, False, False])
        self.assertEqual([parameter.convert("1") for parameter in schema.parameters[1:]], ["1", "1"])

    def test_usageShowsWhatIsRequired(self) -> None:
        """
        Optional arguments are in brackets, required ones are not, with or without a key.
        """

        def function(site: object, place: str, port: int = 1, *, name: str, keep: float | None = None) -> None:
            """
            Do nothing.
            """

        self.assertEqual(Schema(function).usage("tls"), "tls:place[:port]:name=...[:keep=...]")

    def test_groupsAreParameters(self) -> None:
        """
        The keys of a group are options, in the order of its bases and then its own, behind the other parameters.
        """

        def function(site: object, place: str, **options: Unpack[Group]) -> None:
            """
            Do nothing.
            """

        for annotation in ("Unpack[Group]", Unpack[Group]):
            function.__annotations__["options"] = annotation
            schema = Schema(function)
            self.assertEqual(schema.usage("tls"), "tls:place[:keep=...][:inner=(source)]:name=...")
            keep, inner, name = schema.parameters[1:]
            self.assertEqual((keep.convert("1"), inner.wantsSource, name.convert("1")), (1.0, True, "1"))
            self.assertIs(schema.named("name"), name)
            self.assertIsNone(schema.named("other"))

    def test_anyNamesAreNoGroup(self) -> None:
        """
        Options that may have any names are no group.
        """

        def function(site: object, /, **options: str) -> None:
            """
            Do nothing.
            """

        self.assertEqual(Schema(function).usage("zone"), "zone[:name=...]")

    def test_objectWithoutSignatureIsRefused(self) -> None:
        """
        An object without a signature is refused.
        """
        self.assertRaises(DNSFault, Schema, 7)
