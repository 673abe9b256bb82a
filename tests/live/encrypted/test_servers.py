"""
Servers of other projects that our client asks over TLS and HTTPS: Unbound, NSD, BIND, Knot Resolver, dnsdist and dnss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import inet_aton

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from tests.live.encrypted.servers import SERVERS, Served
from tests.live.encrypted.serving import ADDRESS, NAME, WRONG_PIN, Encrypted, Trust, freshName
from tests.live.twistds import Twistd
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

reactor = IReactorTime(globalReactor)

_PAIRS = [(program, transport) for program, (transports, _) in SERVERS.items() for transport in transports]


@pytest.fixture(scope="module")
def started(server: Encrypted) -> Iterator[Callable[[str], Served]]:
    """
    Return what starts a server, once.
    """
    running: dict[str, Served] = {}
    with ExitStack() as stack:

        def start(program: str) -> Served:
            if program not in running:
                served = SERVERS[program][1](server)
                stack.enter_context(served.peer)
                running[program] = served
            return running[program]

        yield start


def ask(source: IAnswerSource, name: str, rrType: str = "A") -> Deferred[Answer]:
    """
    Look a name up.
    """
    return lookUp(source, questionOf(name, rrType), QueryContext(reactor.seconds() + 10.0))


def described(transport: str, port: int, name: str, options: str) -> str:
    """
    Return the description of a server at 127.0.0.1.
    """
    if transport == "https":
        return f"https://{name or '127.0.0.1'}:{port}/dns-query:address=127.0.0.1{options}"
    return f"{transport}:127.0.0.1@{port}{'#' if name else ''}{name}{options}"


def checks(transport: str, trust: Trust) -> Iterator[tuple[str, str, str]]:
    """
    Generate names and further options, with the error that they lead to, or C{""}.
    """
    yield NAME, f":ca={trust.ca}", ""
    yield "", f":ca={trust.ca}", ""
    yield NAME, f":ca={trust.ca}:pins={trust.pin}", ""
    yield "other.example", f":ca={trust.ca}", "expected a certificate for 'other.example'"
    yield NAME, f":ca={trust.otherCA}", "certificate"
    yield NAME, "", "certificate"
    yield NAME, f":ca={trust.ca}:pins={WRONG_PIN}", "pin"
    if transport != "https":
        # An URL has a name always, and its certificate is always checked.
        yield "", f":pins={trust.pin}", ""
        yield "", f":pins={WRONG_PIN}", "pin"


@pytest.mark.parametrize(("program", "transport"), _PAIRS)
@ensureDeferred
async def test_clientChecksServer(server: Encrypted, started: Callable[[str], Served], program: str, transport: str) -> None:
    """
    A server with the right name, authority and pin is asked. With a wrong one it is not, and the error says what was expected.
    """
    port = started(program).ports[transport]
    for name, options, expected in checks(transport, server.trust):
        source = sourceFromString(reactor, described(transport, port, name, options))
        try:
            if expected:
                with pytest.raises(Unreachable, match=expected):
                    await ask(source, freshName(program))
            else:
                answer = await ask(source, freshName(program))
                assert [rdata for rrset in answer.answer for rdata in rrset.rdatas] == [inet_aton(ADDRESS)]
                assert answer.origin is not None
                assert answer.origin.source == transport
        finally:
            await source.close()


@pytest.mark.parametrize(("program", "transport"), _PAIRS)
@ensureDeferred
async def test_manyNamesAreFound(server: Encrypted, started: Callable[[str], Served], program: str, transport: str) -> None:
    """
    Two hundred names at once are all found, by each method of HTTP.
    """
    port = started(program).ports[transport]
    for method in (":method=GET", ":method=POST") if transport == "https" else ("",):
        source = sourceFromString(reactor, described(transport, port, NAME, f":ca={server.trust.ca}{method}"))
        answers = await gatherResults([ask(source, freshName(program)) for _ in range(200)])
        assert {answer.answer[0].rdatas for answer in answers} == {(inet_aton(ADDRESS),)}
        await source.close()


def test_serverForwardsToEach(server: Encrypted, started: Callable[[str], Served], tmp_path: Path) -> None:
    """
    Our own server forwards a domain to each of these servers and to our own, by each transport.
    """
    routes = {(program, transport): started(program).ports[transport] for program, transport in _PAIRS}
    routes.update({("own", transport): getattr(server, transport) for transport in ("tls", "https", "quic")})
    options = f":ca={server.trust.ca}"
    words = ["--upstream", "127.0.0.1:9"]
    for (program, transport), port in routes.items():
        words += ["--route", f"{transport}.{program}.test.example={described(transport, port, NAME, options)}"]
    with Twistd(tmp_path, *words) as forwarder:
        for program, transport in routes:
            assert forwarder.ask(freshName(f"{transport}.{program}")) == [ADDRESS], (program, transport, forwarder.text())


@pytest.mark.parametrize("transport", ["tls", "https", "quic"])
@ensureDeferred
async def test_ownServerIsAsked(server: Encrypted, transport: str) -> None:
    """
    Our client asks our own server with the same checks.
    """
    for name, options, expected in checks(transport, server.trust):
        source = sourceFromString(reactor, described(transport, getattr(server, transport), name, options))
        asked = freshName()
        try:
            if expected:
                with pytest.raises(Unreachable, match=expected):
                    await ask(source, asked)
            else:
                await ask(source, asked)
        finally:
            await source.close()
        assert server.transports(asked) == (set() if expected else {transport})
