"""
Selects the upstream of a command: the servers given after C{@}, or the system's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Given, Option, valueOf
from twisted_ext.apps.cli.terminal.encryption import Encryption, reasonOf, urlIn
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, USAGE, ExitError
from twisted_ext.errors import BadDescription, BadName, CallerFault, DNSFault
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, A, typeNumber

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.interfaces import IAnswerSource

__all__ = [
    "SERVER",
    "CommandUpstream",
    "addressesOf",
    "describedSource",
    "nameAndPort",
    "resolverFor",
    "soleTarget",
    "targetIn",
    "typeIn",
    "upstreamFor",
]


#: The maximum length of a server name in an error.
_SHOWN: Final = 80


class CommandUpstream:
    """
    The upstream of a command.

    @ivar servers: the number of servers behind it; 1 if unknown.
    @ivar ndots: the number of dots from which a name is looked up as it is before the search list is tried.
    @ivar hint: text to append to the error that the server cannot be reached.
    """

    # Written out: dataclasses take 10 ms to import, which no other module of a usual query does.
    def __init__(self, source: IAnswerSource, servers: int = 1, domains: Sequence[bytes] = (), ndots: int = 1, hint: str = "") -> None:
        self.source = source
        self.servers = servers
        self.domains = domains
        self.ndots = ndots
        self.hint = hint


#: The server or resolver description after C{@}.
SERVER: Final = Option(
    "@DESCRIPTION", "", "", str, what="a server, such as 192.0.2.1, or a resolver description"
)


def soleTarget(target: str, before: str) -> str:
    if before:
        raise ExitError(USAGE, f"two servers, @{before} and @{target}; write one, or both in one argument: @udp:192.0.2.1,192.0.2.2")
    return target


def targetIn(given: Given) -> str:
    target = ""
    for each in given.all(SERVER):
        target = soleTarget(each, target)
    return target


def typeIn(words: Sequence[str], otherwise: int) -> int:
    number = typeNumber(words[0]) if words else otherwise
    if number is None or len(words) > 1:
        wrong = words[0] if number is None else words[1]
        raise ExitError(USAGE, f"{wrong!r} is not a record type; write A, AAAA, MX..., or @ before a server or resolver description")
    return number


def describedSource(reactor: IReactorTime, description: str) -> IAnswerSource:
    from twisted_ext.resolver.strings.descriptions import sourceFromString

    return valueOf(partial(sourceFromString, reactor), description)


def nameAndPort(target: str) -> tuple[str, int | None]:
    """
    Split C{ns.example.org:5353} and C{ns.example.org#5353}.

    @return: the name and the port, or L{None} if there is no port. A text that begins with a prefix of descriptions is not split.
    """
    from twisted_ext.resolver.strings.descriptions import parserFor

    name, mark, digits = target.partition("#")
    if not mark:
        name, mark, digits = target.partition(":")
        if not (digits.isascii() and digits.isdigit()) or parserFor(name) is not None:
            return target, None
    if ":" in name or "(" in name or not name:
        return target, None
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise ExitError(USAGE, f"@{target}: {digits!r} is not a port; write a number from 1 to 65535")
    return name, int(digits)


def looksDescribed(target: str) -> bool:
    if ":" in target or "(" in target:
        return True
    from twisted_ext.resolver.strings.descriptions import parserFor

    return "." not in target and parserFor(target) is not None


def nearlyServer(target: str) -> bool:
    """
    Return whether the text begins with an address, so that it cannot be a description.
    """
    try:
        address, mark, _ = target.partition("#")
        Server(target[1:].partition("]")[0] if target.startswith("[") else address if mark else target.partition(":")[0])
    except BadDescription:
        return target.startswith("[")
    return True


async def upstreamFor(
    reactor: IReactorTime, target: str, port: int | None = None, family: int = 0, encryption: Encryption | None = None
) -> CommandUpstream:
    """
    Return the upstream for an C{@} argument.

    @param target: an address with or without a port, a description, a URL, the name of a server, or C{""} for the system's servers.
    @param port: L{None} for the port in C{target}, else that of the transport.
    @param family: 4 or 6 to use servers of this IP version only; 0 for both.
    @param encryption: the options that choose a transport.
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    encryption = encryption or Encryption()
    url = urlIn(target)
    if not target:
        return _systemUpstream(reactor, port, family, encryption)
    if url is None and not encryption:
        servers = await _serversOf(reactor, target, port, DNS_PORT, family)
        if servers is None:
            return CommandUpstream(describedSource(reactor, target))
        return CommandUpstream(ForwardingSource(reactor, servers), len(servers))
    if url is not None:
        address = url.address
        port = port or url.port
        host = "" if address is not None else url.host
        servers = _ofFamily([Server(url.host, port)], family, f"@{target}") if address is not None else None
        if servers is None:
            servers = await _named(reactor, url.host, port, family)
    else:
        servers = await _serversOf(reactor, target, port, encryption.port, family)
        if servers is None:
            return CommandUpstream(describedSource(reactor, encryption.added(target)))
        host = _hostIn(target)
    return CommandUpstream(_encryptedSource(reactor, encryption.description(url, host, servers)), len(servers))


def _encryptedSource(reactor: IReactorTime, description: str) -> IAnswerSource:
    from twisted_ext.resolver.strings.descriptions import sourceFromString

    try:
        return sourceFromString(reactor, description)
    except CallerFault as fault:
        raise ExitError(USAGE, reasonOf(fault)) from fault


async def _serversOf(reactor: IReactorTime, target: str, port: int | None, usual: int, family: int) -> list[Server] | None:
    """
    Return the servers for an address or a name; L{None} for a description.

    @param usual: the port if neither C{target} nor C{port} has one.
    """
    try:
        servers = [Server.fromText(target, port or usual)]
    except BadDescription as fault:
        nearly = nearlyServer(target)
        name, itsPort = (target, None) if nearly else nameAndPort(target)
        if nearly:
            raise ExitError(USAGE, str(fault) if target in str(fault) else f"@{target}: {fault}") from fault
        if looksDescribed(name):
            if port is not None:
                raise ExitError(USAGE, f"-p {port} cannot be combined with @{target}; write the port in the description") from fault
            return None
        servers = await _named(reactor, name, itsPort or port or usual, family)
    return _ofFamily(servers, family, f"@{target}")


def _hostIn(target: str) -> str:
    """
    Return the name by which a server is given, or C{""} if it is given by its address.
    """
    if nearlyServer(target) or target.count(":") > 1:
        return ""
    from twisted_ext.transport.urls import canonicalHost

    return valueOf(canonicalHost, nameAndPort(target)[0], f"@{target}")


async def addressesOf(reactor: IReactorTime, host: str, family: int) -> list[str]:
    """
    Return the addresses of a server.

    @param host: its address or name.
    """
    return [server.address for server in await _serversOf(reactor, host, DNS_PORT, DNS_PORT, family) or ()]


async def resolverFor(reactor: IReactorTime, target: str) -> NamesResolver:
    """
    Return the resolver for an C{@} argument, by default the one that programs on this machine use.
    """
    from twisted_ext.compat.names import NamesResolver

    return NamesResolver((await upstreamFor(reactor, target)).source if target else describedSource(reactor, "system"), reactor)


def _systemUpstream(reactor: IReactorTime, port: int | None, family: int, encryption: Encryption) -> CommandUpstream:
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.resolver.system.configured import System, hintOf

    configuration = System(reactor).configuration
    servers = [Server(server.address, port) if port else server for server in configuration.servers]
    servers = _ofFamily(servers, family, "the system's resolv.conf")
    source: IAnswerSource
    if encryption:
        encrypted = [Server(server.address, port or encryption.port) for server in servers]
        source = _encryptedSource(reactor, encryption.description(None, "", encrypted))
    else:
        source = ForwardingSource(reactor, servers, stream="use-vc" in configuration.flags)
    return CommandUpstream(source, len(servers), configuration.search, configuration.ndots, hintOf(configuration))


def _ofFamily(servers: list[Server], family: int, where: str) -> list[Server]:
    if not family:
        return servers
    kept = [server for server in servers if (":" in server.address) == (family == 6)]
    if not kept:
        raise ExitError(USAGE, f"-{family}: {where} has no IPv{family} server")
    return kept


async def _named(reactor: IReactorTime, target: str, port: int, family: int) -> list[Server]:
    from twisted_ext.answers import QueryContext
    from twisted_ext.limits import LOOKUP_SECONDS
    from twisted_ext.resolver.ask import lookUp
    from twisted_ext.resolver.system.configured import System
    from twisted_ext.wire.escapes import ipv4ToText, ipv6ToText

    try:
        name = nameFromText(target)
    except BadName as fault:
        shown = target if len(target) <= _SHOWN else f"{target[:_SHOWN]}..."
        raise ExitError(USAGE, f"@{shown} is not an address, a description or a name: {fault}") from fault
    system = System(reactor)
    servers: list[Server] = []
    problem: DNSFault | None = None
    for rrType in (A, AAAA):
        if family == (6 if rrType == A else 4):
            continue
        context = QueryContext(reactor.seconds() + LOOKUP_SECONDS.default, relative=not target.endswith("."))
        question = Question(name, rrType)
        try:
            answer = await lookUp(system, question, context)
        except DNSFault as fault:
            problem = fault
            continue
        for rrset in answer.answer:
            if rrset.rrType == rrType:
                servers += [Server((ipv4ToText if rrType == A else ipv6ToText)(rdata), port) for rdata in rrset.rdatas]
    await system.close()
    if not servers:
        if problem is not None:
            raise ExitError(NO_REPLY, f"@{target}: the address of this server could not be found: {problem}")
        hint = f"several servers are written @udp:{target}" if "," in target else "write @192.0.2.53, or see txdns plugins"
        raise ExitError(USAGE, f"@{target} is neither a server whose name has an address nor a description; {hint}")
    return servers
