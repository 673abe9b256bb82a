"""
Build answer sources from description strings such as C{cache:udp:192.0.2.1:5353}.

The grammar: a description is a prefix and its arguments, with a colon before each argument. An argument is C{key=value} or positional. An
argument that is a source is itself a description: in parentheses, or, as the last argument, without them; then it extends to the end. So
the arguments of a wrapper come before what it wraps: C{cache:mostBytes=1000000:udp:192.0.2.1}.

    - C{chain:(hosts):(special):cache:udp:192.0.2.1} combines three sources.
    - C{route:corp.example=(udp:192.0.2.53):system} has descriptions as values.
    - C{udp:[2001:db8::1]:5353}: in square brackets a colon is an ordinary character.
    - C{https://dns.example:443/dns-query:timeout=2}: a colon and two slashes begin a URL, in which only a colon after the path (or the
      port) begins an argument. C{tls://192.0.2.53#dns.example}: after C{#} comes the name that the server's certificate must have.
    - A backslash removes the special meaning of the next character: C{hosts:C\\:\\\\hosts}.

The arguments of a prefix are given by its function's signature; see L{IResolverParser}.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_ext.interfaces import IAnswerSource, IResolverParser

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.transport.servers import Server

__all__ = ["BUILT_IN", "LazyParser", "Site", "foundParsers", "parserFor", "sourceFromString"]


@implementer(IPlugin, IResolverParser)
class LazyParser:
    """
    A prefix described by strings only. Its module is imported when the prefix is first used.
    """

    def __init__(self, prefix: str, module: str, function: str, summary: str) -> None:
        """
        @param module: the dotted name of the module that contains C{function}.
        @param function: see L{IResolverParser.load}.
        """
        self.prefix = prefix
        self.module = module
        self.function = function
        self.summary = summary

    def load(self) -> Callable[..., IAnswerSource]:
        return cast("Callable[..., IAnswerSource]", getattr(importlib.import_module(self.module), self.function))

    def __repr__(self) -> str:
        return f"<LazyParser {self.prefix}: {self.module}.{self.function}>"


_PARSERS: Final = "twisted_ext.resolver.strings.parsers"
_RECURSIVE: Final = "twisted_ext.resolver.strings.recursion"

#: The built-in prefixes. They are found without a search for plugins, which takes milliseconds and reads files.
BUILT_IN: Final = (
    LazyParser(
        "system", _PARSERS, "parseSystem", "the system's configuration: hosts file, search list, servers"
    ),
    LazyParser("hosts", _PARSERS, "parseHosts", "hosts files: hosts[:path]..."),
    LazyParser("localdomain", _PARSERS, "parseLocalDomain", "domains that only a hosts file knows: localdomain:name[,name...]:hosts"),
    LazyParser("zone", _PARSERS, "parseZone", "zones from master files: zone:name=path..."),
    LazyParser("special", _PARSERS, "parseSpecial", "special-use names and literal addresses"),
    LazyParser(
        "udp",
        _PARSERS,
        "parseUDP",
        "servers queried over UDP, and over TCP if a reply is truncated: udp:address[,address...][:port]",
    ),
    LazyParser("tcp", _PARSERS, "parseTCP", "servers queried over TCP: tcp:address[,address...][:port]"),
    LazyParser(
        "tls",
        "twisted_ext.resolver.strings.encrypted",
        "parseTLS",
        "servers queried over TLS: tls:address[@port][#name],...[:port], or tls://host[:port][#name]",
    ),
    LazyParser(
        "quic",
        "twisted_ext.resolver.strings.quic",
        "parseQUIC",
        "servers queried over QUIC: quic:address[@port][#name],...[:port], or quic://host[:port][#name]",
    ),
    LazyParser(
        "https",
        "twisted_ext.resolver.strings.https",
        "parseHTTPS",
        "a server queried over HTTPS: https://host[:port][/path][{?dns}]",
    ),
    LazyParser(
        "ddr",
        "twisted_ext.resolver.strings.designated",
        "parseDDR",
        "servers queried over the encrypted transports that they designate: ddr:address[,address...][:port] or ddr:system",
    ),
    LazyParser("sdns", "twisted_ext.resolver.strings.stamps", "parseStamp", "the server of a DNS stamp: sdns://..."),
    LazyParser("threaded", _PARSERS, "parseThreaded", "the operating system's own resolver, in threads"),
    LazyParser(
        "recursive", _RECURSIVE, "parseRecursive", "resolve from the root with DNSSEC validation: recursive[:hints=file][:anchor=file]"
    ),
    LazyParser("validate", _RECURSIVE, "parseValidate", "validate the answers of a source with DNSSEC: validate:source"),
    LazyParser("cache", _PARSERS, "parseCache", "cache answers: cache:source"),
    LazyParser("coalesce", _PARSERS, "parseCoalesce", "one query for all callers with the same question: coalesce:source"),
    LazyParser("policy", _PARSERS, "parsePolicy", "names that lists block are not asked about: policy:file[,file...]:source"),
    LazyParser("filter", _PARSERS, "parseFilter", "no addresses of one family: filter:AAAA:source"),
    LazyParser("chain", _PARSERS, "parseChain", "one after the other until one answers: chain:(source):(source)..."),
    LazyParser("race", _PARSERS, "parseRace", "the first to answer wins: race:(source):(source)..."),
    LazyParser(
        "route", _PARSERS, "parseRoute", "one source for each domain: route:domain=(source)...[:source for all others]"
    ),
    LazyParser("search", _PARSERS, "parseSearch", "a search list: search:domain[,domain...]:source"),
    LazyParser("names", "twisted_ext.compat.parser", "parseNames", "any resolver of twisted.names: names:dotted.path"),
)


class Site:
    """
    The environment for building a source.

    @ivar reactor: provides the clock, sockets and threads.
    @ivar isItself: says whether a server is the one that the source is built for, which must not wait for itself.
    """

    __slots__ = ("reactor", "isItself")

    def __init__(self, reactor: IReactorTime, isItself: Callable[[Server], bool] = lambda server: False) -> None:
        self.reactor = reactor
        self.isItself = isItself

    def source(self, description: str) -> IAnswerSource:
        """
        Build another source, for functions that parse descriptions in their own arguments.

        @raise BadDescription: the description is not valid.
        """
        return sourceFromString(self.reactor, description, self.isItself)


def parserFor(prefix: str) -> IResolverParser | None:
    """
    Find a prefix among the built-in ones, then among the plugins.
    """
    for parser in BUILT_IN:
        if parser.prefix == prefix:
            return parser
    return next((parser for parser in _plugged()[0] if parser.prefix == prefix), None)


def foundParsers() -> tuple[list[IResolverParser], list[str]]:
    """
    Find all prefixes.

    @return: the built-in ones, then those of plugins, sorted by name; and an error text for each plugin that is not usable.
    """
    plugged, complaints = _plugged()
    return [*BUILT_IN, *sorted(plugged, key=lambda parser: parser.prefix)], complaints


def _plugged() -> tuple[list[IResolverParser], list[str]]:
    from twisted_ext.resolver.strings.plugins import pluggedParsers

    return pluggedParsers({parser.prefix: parser for parser in BUILT_IN})


def sourceFromString(
    reactor: IReactorTime, description: str, isItself: Callable[[Server], bool] = lambda server: False
) -> IAnswerSource:
    """
    Build the source for a description.

    @param isItself: as in L{Site}.

    @raise BadDescription: the description is not valid; one line says what is wrong, where, and what would be right. No resources are left
        open.
    """
    from twisted_ext.resolver.strings.reader import read

    return read(description).build(Site(reactor, isItself))
