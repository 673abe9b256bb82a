"""
The released aioxmpp on our resolver, in a process of its own.

    python -m tests.live.programs.chatting SERVER_PORT VALIDATING_PORT CLOSED_PORT SILENT_PORT CHAT_PORT PROVING_PORT

It prints one object of JSON: the result of each look-up in each way. aioxmpp is imported by name, as it has no types.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from importlib import import_module
from random import Random
from traceback import format_exception
from typing import Final, Protocol, cast

from twisted_ext import asyncio as looping
from twisted_ext.client import resolverFromString
from twisted_ext.integrations.aioxmpp import asyncio as network

__all__ = ["BROKEN", "DOMAIN", "NAMES", "SIGNED", "WAYS"]

#: A zone, one that its server lacks, a signed one, and the names that are looked up in the first.
DOMAIN: Final = "chat.example"
BROKEN: Final = "broken.example"
SIGNED: Final = "signed.example"
NAMES: Final = ("one", "several", "alias", "none", "refusing", "nothing", "empty", "bücher")

#: By aioxmpp with dnspython; by aioxmpp with our resolver, in threads; by our functions.
WAYS: Final = ("dnspython", "adapter", "ours")

#: Seconds for a look-up that must succeed. Machines may be very busy.
_UNHURRIED: Final = 60.0

#: The seed of random numbers, the same for each way.
_SEED: Final = 5222

_Servers = list[tuple[int, int, tuple[bytes, int]]]


class _Network(Protocol):
    """
    The functions that are compared.
    """

    def set_resolver(self, resolver: object) -> None:
        """
        Set the resolver.
        """

    def find_xmpp_host_addr(self, loop: object, domain: str) -> Awaitable[_Servers]:
        """
        Find the servers of a domain.
        """

    def repeated_query(self, qname: bytes, rdtype: object, *, require_ad: bool) -> Awaitable[Iterable[object] | None]:
        """
        Look up records.
        """

    def lookup_srv(self, domain: bytes, service: str, *, require_ad: bool = False) -> Awaitable[_Servers | None]:
        """
        Find the servers of a service.
        """

    def lookup_tlsa(self, hostname: bytes, port: int, *, require_ad: bool = True) -> Awaitable[object]:
        """
        Find certificates.
        """

    def group_and_order_srv_records(self, all_records: _Servers, rng: Random) -> Iterable[object]:
        """
        Put servers in order.
        """


class _Node(Protocol):
    """
    The part of aioxmpp that connects.
    """

    def discover_connectors(self, domain: str) -> Awaitable[list[tuple[str, int, object]]]:
        """
        Find everything to connect to.
        """

    def connect_xmlstream(self, jid: object, metadata: object, *, negotiation_timeout: float) -> Awaitable[object]:
        """
        Connect.
        """


class _Dnspython(Protocol):
    """
    A resolver of dnspython.
    """

    nameservers: list[str]
    port: int
    lifetime: float


class _Aioxmpp(Protocol):
    """
    The part of aioxmpp that describes an account.
    """

    class JID(Protocol):
        """
        An address.
        """

        @classmethod
        def fromstr(cls, text: str) -> object:
            """
            Parse an address.
            """

    def make_security_layer(self, password: str, *, no_verify: bool) -> object:
        """
        Describe how to log in.
        """


_ours = cast(_Network, network)

# Tests import the names above without aioxmpp.
if __name__ == "__main__":
    _aioxmpp = cast(_Aioxmpp, import_module("aioxmpp"))
    _theirs = cast(_Network, import_module("aioxmpp.network"))
    _node = cast(_Node, import_module("aioxmpp.node"))
    _dnspython = cast("Callable[..., _Dnspython]", import_module("dns.resolver").Resolver)


def _plain(value: object) -> object:
    """
    Return the value in a form that JSON has.
    """
    if isinstance(value, bytes):
        return value.decode("ascii") if value.isascii() else value.hex()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


async def _resultOf(asked: Awaitable[object], told: bool = False) -> object:
    """
    Return the result, or the name of the exception's class.

    @param told: return the whole traceback instead.
    """
    try:
        return _plain(await asked)
    except Exception as raised:
        if told:
            return "".join(format_exception(raised))
        return f"{type(raised).__name__}{' is a ValueError' if isinstance(raised, ValueError) else ''}"


def _use(way: str, port: int, seconds: float = _UNHURRIED) -> _Network:
    """
    Set the resolver of this way to the server at this port.
    """
    if way == "dnspython":
        plain = _dnspython(configure=False)
        plain.nameservers, plain.port, plain.lifetime = ["127.0.0.1"], port, seconds
        _theirs.set_resolver(plain)
        return _theirs
    if way == "adapter":
        adapter = network.BlockingResolver(f"udp:127.0.0.1:{port}")
        adapter.lifetime = seconds
        _theirs.set_resolver(adapter)
        return _theirs
    _ours.set_resolver(resolverFromString(looping.reactorFor(), f"udp:127.0.0.1:{port}", seconds))
    return _ours


async def _lookupResults(way: str, server: int, validating: int, closed: int, silent: int) -> dict[str, object]:
    asked = _use(way, server)
    came: dict[str, object] = {}
    for name in NAMES:
        came[name] = await _resultOf(asked.find_xmpp_host_addr(None, f"{name}.{DOMAIN}"))
    came["unknown zone"] = await _resultOf(asked.find_xmpp_host_addr(None, f"other.{BROKEN}"))
    came["certificates"] = await _resultOf(asked.lookup_tlsa(f"host4.{DOMAIN}".encode(), 5222, require_ad=False))
    came["unproved"] = await _resultOf(asked.lookup_tlsa(f"host4.{DOMAIN}".encode(), 5222, require_ad=True))
    came["no certificates"] = await _resultOf(asked.lookup_tlsa(f"host6.{DOMAIN}".encode(), 5222, require_ad=True))
    servers = await asked.find_xmpp_host_addr(None, f"several.{DOMAIN}")
    came["order"] = _plain(list(asked.group_and_order_srv_records(sorted(servers), Random(_SEED))))
    asked = _use(way, validating)
    came["forged"] = await _resultOf(asked.lookup_srv(f"one.{DOMAIN}".encode(), "xmpp-client"))
    came["forged denial"] = await _resultOf(asked.lookup_srv(f"nothing.{DOMAIN}".encode(), "xmpp-client"))
    asked = _use(way, silent, 0.2)
    came["nobody answers"] = await _resultOf(asked.lookup_srv(f"one.{DOMAIN}".encode(), "xmpp-client"))
    if way != "dnspython":
        # dnspython does not notice a closed port and would wait for the whole timeout.
        asked = _use(way, closed)
        came["nobody there"] = await _resultOf(asked.lookup_srv(f"one.{DOMAIN}".encode(), "xmpp-client"))
    return came


async def _validationResults(way: str, proving: int) -> dict[str, object]:
    """
    Return the results of look-ups whose answers must be validated.
    """
    asked = _use(way, proving)

    async def texts(name: str, rrType: object) -> object:
        found = await asked.repeated_query(name.encode(), rrType, require_ad=True)
        return None if found is None else sorted(str(each) for each in found)

    came: dict[str, object] = {}
    for name in (f"www.{SIGNED}", f"alias.{SIGNED}", f"away.{SIGNED}", f"nothing.{SIGNED}", f"host4.{DOMAIN}", f"forged.{SIGNED}"):
        came[f"address of {name}"] = await _resultOf(texts(name, "A"))
    for name in (f"www.{SIGNED}", f"host4.{DOMAIN}", f"forged.{SIGNED}"):
        came[f"certificates of {name}"] = await _resultOf(asked.lookup_tlsa(name.encode(), 5222))
    for name in (SIGNED, f"one.{DOMAIN}", f"forged.{SIGNED}"):
        came[f"servers of {name}"] = await _resultOf(asked.lookup_srv(name.encode(), "xmpp-client", require_ad=True))
    came["servers, proved or not"] = await _resultOf(asked.lookup_srv(f"one.{DOMAIN}".encode(), "xmpp-client"))
    return came


async def _discoveryResults(way: str, server: int) -> dict[str, object]:
    """
    Return the servers that aioxmpp finds by its own function.
    """
    _use(way, server)

    async def discover(name: str) -> object:
        options = await _node.discover_connectors(f"{name}.{DOMAIN}")
        return sorted([host, port, type(connector).__name__] for host, port, connector in options)

    return {name: await _resultOf(discover(name)) for name in NAMES}


async def _connectionResult(way: str, server: int, chat: int) -> dict[str, object]:
    """
    Let aioxmpp connect to a domain whose server is here, with all names looked up by us.

    @return: the first data that the server got, and how many threads that took.
    """
    heard: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            told = b""
            while not (b"<stream:stream" in told and told.rstrip().endswith(b">")):
                more = await reader.read(4096)
                told += more
                if not more:
                    break
            heard.append(told.decode())

    before = _theirs.lookup_srv
    _use(way, server)
    if way == "ours":
        vars(_theirs)["lookup_srv"] = network.lookup_srv
    undo = looping.install(resolver=f"udp:127.0.0.1:{server}")
    try:
        async with await asyncio.start_server(listen, "127.0.0.1", chat):
            jid = _aioxmpp.JID.fromstr(f"somebody@connect.{DOMAIN}")
            metadata = _aioxmpp.make_security_layer("secret", no_verify=True)
            threads = threading.active_count()
            came = await _resultOf(_node.connect_xmlstream(jid, metadata, negotiation_timeout=_UNHURRIED), True)
            return {"came": came, "threads": threading.active_count() - threads, "heard": heard}
    finally:
        undo()
        vars(_theirs)["lookup_srv"] = before


async def _main(server: int, validating: int, closed: int, silent: int, chat: int, proving: int) -> dict[str, object]:
    # First, before any thread exists.
    came: dict[str, object] = {"connected": {way: await _connectionResult(way, server, chat) for way in ("ours", "adapter")}}
    for way in WAYS:
        came[way] = await _lookupResults(way, server, validating, closed, silent)
    came["proved"] = {way: await _validationResults(way, proving) for way in WAYS}
    came["discovered"] = {way: await _discoveryResults(way, server) for way in ("dnspython", "adapter")}
    return came


if __name__ == "__main__":
    ports = [int(each) for each in sys.argv[1:]]
    sys.stdout.write(json.dumps(asyncio.run(_main(*ports))))
