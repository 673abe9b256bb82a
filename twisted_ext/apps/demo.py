"""
A demo: looks up a handful of names and shows how each answer was found.

It uses names on the Internet if the system's configured servers answer; otherwise it uses the names of a small server that it runs on
127.0.0.1 for the duration of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.system.probe import PROBE, reaches

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.testing.servers import CannedServer

__all__ = ["demonstrate", "main"]

#: Names, types and comments to print.
_ONLINE: Final = (
    ("www.python.org", "A", "the IPv4 addresses of a host"),
    ("www.python.org", "AAAA", "its IPv6 addresses"),
    ("python.org", "MX", "the mail servers of a domain"),
    ("www.python.org", "A", "the same query again, answered from the cache"),
    ("no-such-name.python.org", "A", "a name that does not exist"),
    ("localhost", "A", "a name that is never sent to a server"),
)

_OFFLINE: Final = (
    ("www.example.org", "A", "the IPv4 addresses of a host"),
    ("www.example.org", "AAAA", "its IPv6 addresses"),
    ("example.org", "MX", "the mail servers of a domain"),
    ("bücher.example.org", "TXT", "an internationalized name"),
    ("alias.example.org", "A", "an alias, followed"),
    ("www.example.org", "A", "the same query again, answered from the cache"),
    ("no-such-name.example.org", "A", "a name that does not exist"),
    ("localhost", "A", "a name that is never sent to a server"),
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


async def demonstrate(reactor: IReactorTime, system: IAnswerSource, say: Callable[[str], object]) -> None:
    from twisted.internet.error import CannotListenError

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.resolver.strings.descriptions import sourceFromString

    say("twisted_ext looks up names and shows how each answer was found.\n")
    if await reaches(system, reactor):
        say("This machine's servers answer, so these are names on the Internet. The resolver is: system")
        await _show(NamesResolver(system, reactor), _ONLINE, say)
        say(_NEXT.format(query=PROBE, name=PROBE))
        return
    await system.close()
    server = _server()
    try:
        where = server.listen(reactor, _PORT, "127.0.0.1")
    except CannotListenError:
        where = server.listen(reactor, 0, "127.0.0.1")
    description = f"chain:(hosts):(cache:udp:{where.label})"
    say("None of the servers that this machine is configured to use resolves names on the Internet. So these are names of a small server,")
    say(f"which has just been started on {where.label} and stops with this program. The resolver is: {description}")
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
    .venv/bin/txdns query {query}    # output like dig's
    .venv/bin/txdns explain {name} +json    # the steps of a look-up, for programs
    .venv/bin/txdns shell    # Python, with a running reactor and a resolver
    .venv/bin/txdns --help"""


def main() -> None:
    from twisted.internet.task import react

    from twisted_ext.resolver.system.configured import System

    react(lambda reactor: demonstrate(reactor, System(reactor), print))


if __name__ == "__main__":
    main()
