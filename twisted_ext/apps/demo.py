"""
A demo: looks up a handful of names and shows how each answer was found.

It uses names on the Internet if the system's configured servers answer; otherwise it uses the names of a small server that it runs on
127.0.0.1 for the duration of the program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.testing.servers import CannedServer

__all__ = ["demonstrate", "main"]

#: Known to every server of the internet, and asked for first to see whether there is one.
_PROBE: Final = "www.python.org"

#: Seconds that the system's servers get.
_PATIENCE: Final = 3.0

#: Names, types and what they show.
_ONLINE: Final = (
    ("www.python.org", "A", "the addresses of a host"),
    ("www.python.org", "AAAA", "those of IPv6"),
    ("python.org", "MX", "who takes its mail"),
    ("www.python.org", "A", "asked again: the cache knows by now"),
    ("no-such-name.python.org", "A", "a name that does not exist, which is an answer too"),
    ("localhost", "A", "a name that never leaves this machine"),
)

_OFFLINE: Final = (
    ("www.example.org", "A", "the addresses of a host"),
    ("www.example.org", "AAAA", "those of IPv6"),
    ("example.org", "MX", "who takes its mail"),
    ("bücher.example.org", "TXT", "a name in its own script"),
    ("alias.example.org", "A", "an alias, followed"),
    ("www.example.org", "A", "asked again: the cache knows by now"),
    ("no-such-name.example.org", "A", "a name that does not exist, which is an answer too"),
    ("localhost", "A", "a name that never leaves this machine"),
)

#: The port of the demo's own server, unless another process has bound it.
_PORT: Final = 5300


def _server() -> CannedServer:
    from twisted_ext.testing.servers import CannedServer

    return CannedServer(
        {
            ("www.example.org", "A"): ["192.0.2.80", "192.0.2.81"],
            ("www.example.org", "AAAA"): "2001:db8::80",
            ("example.org", "MX"): ["10 mail.example.org.", "20 mail.example.net."],
            ("bücher.example.org", "TXT"): '"books, by any name"',
            ("alias.example.org", "CNAME"): "www.example.org.",
        }
    )


async def _answers(source: IAnswerSource, reactor: IReactorTime) -> bool:
    """
    @return: whether this source knows the internet.
    """
    question = Question(nameFromText(_PROBE), A)
    context = QueryContext(reactor.seconds() + _PATIENCE)
    try:
        answer = source.answerNow(question, context) or await source.answer(question, context)
    except DNSFault:
        return False
    return answer.outcome is Outcome.DATA


async def demonstrate(reactor: IReactorTime, system: IAnswerSource, say: Callable[[str], object]) -> None:
    """
    Look the names up.

    @param system: what this machine is configured to use.
    @param say: takes the lines.
    """
    from twisted.internet.error import CannotListenError

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.resolver.strings.descriptions import sourceFromString

    say("twisted_ext looks names up, and tells how.\n")
    if await _answers(system, reactor):
        say("This machine's servers answer, so these are names of the internet. The resolver is: system")
        await _show(NamesResolver(system, reactor), _ONLINE, say)
        say(_NEXT.format(query=_PROBE, name=_PROBE))
        return
    await system.close()
    server = _server()
    try:
        where = server.listen(reactor, _PORT, "127.0.0.1")
    except CannotListenError:
        where = server.listen(reactor, 0, "127.0.0.1")
    description = f"chain:(hosts):(cache:udp:{where.label})"
    say("No server that this machine is configured to use knows the internet. So these are names of a server of our own, which has")
    say(f"just been started on {where.label} and ends with this program. The resolver is: {description}")
    try:
        await _show(NamesResolver(sourceFromString(reactor, description), reactor), _OFFLINE, say)
    finally:
        await server.close()
    say(_NEXT.format(query="localhost @hosts", name="localhost"))


async def _show(resolver: NamesResolver, names: tuple[tuple[str, str, str], ...], say: Callable[[str], object]) -> None:
    try:
        for name, rrType, comment in names:
            explanation = await resolver.explain(name + ".", rrType)
            say(f"\n# {name} {rrType}: {comment}")
            say(str(explanation.text))
    finally:
        await resolver.close()


_NEXT: Final = """
To go on:
    .venv/bin/txdns query {query}    # in the manner of dig
    .venv/bin/txdns explain {name} +json    # the story above, for programs
    .venv/bin/txdns shell    # Python, with a resolver at hand
    .venv/bin/txdns --help"""


def main() -> int:
    """
    @return: the exit code.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from twisted_ext.resolver.system.configured import System

    failures: list[Failure] = []

    def end(result: object) -> None:
        if isinstance(result, Failure):
            failures.append(result)
        if reactor.running:
            reactor.stop()

    def begin() -> None:
        Deferred.fromCoroutine(demonstrate(reactor, System(reactor), print)).addBoth(end)

    reactor.callWhenRunning(begin)
    reactor.run()
    if failures:
        failures[0].raiseException()
    return 0


if __name__ == "__main__":
    sys.exit(main())
