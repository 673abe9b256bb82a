"""
Synapse's own classes on our resolver, in a process of its own.

    python -m tests.live.programs.federating SERVER_PORT CLOSED_PORT WEB_PORT

It prints one object of JSON with the result of each case. Synapse is imported by name, as a type checker would take minutes for its types.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Protocol, cast

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTime
from twisted.internet.task import react

from twisted_ext.client import NamesResolver, resolverFromString
from twisted_ext.compat.install import globalReactor

__all__ = ["CASES", "DOMAIN", "SERVICE"]

DOMAIN = "federated.example"

#: The service by which homeservers are looked up.
SERVICE = "_matrix-fed._tcp"

#: Seconds for a look-up that must succeed. Machines may be very busy.
_UNHURRIED = 60.0


class _Server(Protocol):
    """
    One homeserver in Synapse.
    """

    host: bytes
    port: int
    priority: int
    weight: int
    expires: int


class _Resolving(Protocol):
    """
    Synapse's C{SrvResolver}.
    """

    def resolve_service(self, service_name: bytes) -> Awaitable[list[_Server]]:
        """
        Return servers in the order to try.
        """


class _Federating(Protocol):
    """
    Synapse's agent.
    """

    def request(self, method: bytes, uri: bytes) -> Deferred[object]:
        """
        Fetch a page from a homeserver.
        """


class _Context(Protocol):
    """
    Synapse's logging context, without which it warns.
    """

    def __enter__(self) -> object: ...

    def __exit__(self, *raised: object) -> None: ...


def _of(path: str) -> Callable[..., object]:
    """
    Return an object of Synapse by its path.
    """
    module, _, name = path.rpartition(".")
    return cast("Callable[..., object]", getattr(import_module(f"synapse.{module}"), name))


class _Peers:
    """
    The ports of the test's servers, and the resolvers that use them.
    """

    def __init__(self, reactor: IReactorTime, server: int, closed: int, web: int) -> None:
        self.reactor = reactor
        self.web = web
        self.good = resolverFromString(reactor, f"udp:127.0.0.1:{server}", timeout=_UNHURRIED)
        #: A resolver whose server does not answer.
        self.failing = resolverFromString(reactor, f"udp:127.0.0.1:{closed}", timeout=_UNHURRIED)
        self.description = f"cache:udp:127.0.0.1:{server}"

    def resolving(self, client: object = None, cache: dict[bytes, list[_Server]] | None = None) -> _Resolving:
        """
        Return Synapse's resolver.

        @param client: our resolver, or L{None} for Synapse's default.
        """
        given: dict[str, object] = {} if client is None else {"dns_client": client}
        return cast(_Resolving, _of("http.federation.srv_resolver.SrvResolver")(cache={} if cache is None else cache, **given))

    def server(self, host: bytes, port: int, expires: int) -> _Server:
        """
        Return a server that Synapse has found before.
        """
        return cast(_Server, _of("http.federation.srv_resolver.Server")(host, port, expires=expires))


def _owner(host: str) -> bytes:
    return f"{SERVICE}.{host}.{DOMAIN}".encode()


async def _look(resolving: _Resolving, host: str) -> list[tuple[str, int]] | str:
    """
    Return hosts and ports, or the name of the exception.
    """
    try:
        return [(server.host.decode(), server.port) for server in await resolving.resolve_service(_owner(host))]
    except Exception as error:
        return type(error).__name__


async def several(peers: _Peers) -> object:
    """
    Records of several priorities, no record, no name, an alias.
    """
    return {host: await _look(peers.resolving(peers.good), host) for host in ("several", "host4", "nothing", "alias")}


async def none(peers: _Peers) -> object:
    """
    A domain without a homeserver.
    """
    return await _look(peers.resolving(peers.good), "none")


async def kept(peers: _Peers) -> object:
    """
    How long Synapse caches servers.
    """
    before = int(time.time())
    (server,) = await peers.resolving(peers.good).resolve_service(_owner("one"))
    return 0 <= server.expires - before - 300 <= _UNHURRIED


async def failing(peers: _Peers) -> object:
    """
    No DNS server answers: with an expired server in Synapse's cache, and without one.
    """
    old = {_owner("one"): [peers.server(b"old.example", 8448, int(time.time()) - 10)]}
    return {
        "old": await _look(peers.resolving(peers.failing, old), "one"),
        "nothing": await _look(peers.resolving(peers.failing), "one"),
    }


async def fetched(peers: _Peers) -> object:
    """
    Pages of homeservers through Synapse's agent: with and without SRV, over both families.
    """
    undo = peers.good.install()
    try:
        return {host: await _fetch(peers, host) for host in ("one", "web6", "byname", "none")}
    finally:
        undo()


class _NotDelegated:
    """
    Report that no homeserver is delegated.
    """

    async def get_well_known(self, server_name: bytes) -> object:
        """
        Return no delegation.
        """
        return _of("http.federation.well_known_resolver.WellKnownLookupResult")(delegated_server=None)


async def _fetch(peers: _Peers, host: str) -> str:
    from twisted.web.client import readBody

    addresses = cast("Callable[[], object]", import_module("netaddr").IPSet)
    agent = _of("http.federation.matrix_federation_agent.MatrixFederationAgent")(
        server_name="here.example",
        reactor=peers.reactor,
        clock=_of("util.clock.Clock")(peers.reactor, server_name="here.example"),
        tls_client_options_factory=None,
        user_agent=b"test",
        ip_allowlist=None,
        ip_blocklist=addresses(),
        _srv_resolver=peers.resolving(peers.good),
        _well_known_resolver=_NotDelegated(),
    )
    where = f"{host}.{DOMAIN}" + (f":{peers.web}" if host == "byname" else "")
    try:
        response = await cast(_Federating, agent).request(b"GET", f"matrix-federation://{where}/_matrix".encode())
        return (await cast("Callable[[object], Deferred[bytes]]", readBody)(response)).decode()
    except Exception as error:
        return type(error).__name__


async def asModule(peers: _Peers) -> object:
    """
    Our resolver as the module that Synapse's configuration names, without a change of Synapse's code.
    """
    name = "twisted_ext.integrations.synapse.FederationResolver"
    load = cast("Callable[..., tuple[Callable[..., object], object]]", _of("util.module_loader.load_module"))
    kind, config = load({"module": name, "config": {"resolver": peers.description}}, ("modules",))
    made = kind(config, object())
    resolver = getattr(made, "resolver", None)
    assert isinstance(resolver, NamesResolver)
    installed = cast(IReactorPluggableNameResolver, peers.reactor).nameResolver is resolver
    refused = []
    for wrong in ({"resolver": "nonsense:"}, {"resolvers": "system"}, {"resolver": 5}, ["system"]):
        try:
            load({"module": name, "config": wrong}, ("modules",))
        except Exception as error:
            refused.append(f"{type(error).__name__}: {error.__cause__}")
    return {"installed": installed, "found": await _look(peers.resolving(), "one"), "refused": refused}


#: Each case, in order: the last one stays installed.
CASES: dict[str, Callable[[_Peers], Awaitable[object]]] = {
    each.__name__: each for each in (several, none, kept, failing, fetched, asModule)
}


async def _run(peers: _Peers) -> None:
    with cast(_Context, _of("logging.context.LoggingContext")(name="test", server_name="here.example")):
        came = {name: await case(peers) for name, case in CASES.items()}
    await peers.good.close()
    await peers.failing.close()
    sys.stdout.write(json.dumps(came) + "\n")


def main(reactor: object, *ports: str) -> Deferred[None]:
    """
    Run all cases.

    @param ports: those of the DNS server, of a closed port, and of the web server.
    """
    server, closed, web = map(int, ports)
    return ensureDeferred(_run(_Peers(globalReactor(), server, closed, web)))


if __name__ == "__main__":
    react(main, sys.argv[1:])
