"""
aioxmpp from PyPI finds XMPP servers through us in a zone that NSD serves: with our resolver as its own, and with our functions in place of
its own. Its results with dnspython are the reference.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Final, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.python.threadpool import ThreadPool

from tests.live.asking import resolverFrom, zoneOf
from tests.live.programs.chatting import DOMAIN, NAMES, SIGNED, WAYS
from tests.live.programs.signed import signed
from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, nsd, unbound
from tests.test_architecture import ROOT
from twisted_ext.integrations import aioxmpp
from twisted_ext.integrations.aioxmpp import perthread
from twisted_ext.wire.codes import AD

__all__: list[str] = []

_CLIENT: Final = "_xmpp-client._tcp"


def _zone(chat: int) -> str:
    """
    Return the zone.

    @param chat: the port of an XMPP server.
    """
    several = [f"{_CLIENT}.several SRV {priority} {weight} {5000 + priority} host4" for priority, weight in ((20, 0), (10, 9), (10, 1))]
    return "\n".join(
        [
            zoneOf(
                {
                    "host4": "A 127.0.0.1",
                    "host6": "AAAA ::1",
                    f"{_CLIENT}.one": "SRV 0 0 5222 host4",
                    f"{_CLIENT}.alias": f"CNAME {_CLIENT}.several",
                    f"{_CLIENT}.refusing": "SRV 0 0 0 .",
                    "_xmpps-client._tcp.refusing": "SRV 0 0 0 .",
                    "_xmpps-client._tcp.one": "SRV 5 0 5223 host6",
                    f"{_CLIENT}.empty": "TXT nothing",
                    f"{_CLIENT}.xn--bcher-kva": "SRV 0 0 5222 host4",
                    f"{_CLIENT}.connect": f"SRV 0 0 {chat} host4",
                    "none": "A 127.0.0.1",
                    "_5222._tcp.host4": f"TLSA 3 1 1 {'ab' * 32}",
                }
            ),
            *several,
            "",
        ]
    )


def _run(module: str, *numbers: int) -> str:
    """
    Return the output of a program with aioxmpp.
    """
    if find_spec("aioxmpp") is None:
        pytest.skip("aioxmpp is not installed")
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, numbers)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[LivePeer, LivePeer, int]]:
    """
    Return a server of the zone, a resolver that expects it signed although it is not, and the port of the XMPP server in the zone.
    """
    chat = freePort("127.0.0.1")
    anchor = f'trust-anchor: "{DOMAIN}. DS 60485 13 2 {"AB" * 32}"'
    with nsd({DOMAIN: _zone(chat)}) as server, unbound(forwardTo=[server.server], extra=anchor) as validating:
        yield server, validating, chat


@pytest.fixture(scope="module")
def proving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePeer]:
    """
    Return a validating resolver. It knows the key of a signed zone, in which the signatures of names below C{forged} are broken, and has no
    key of another zone.
    """
    records = {
        "www": "A 127.0.0.1",
        "alias": "CNAME www",
        "away": f"CNAME host4.{DOMAIN}.",
        f"{_CLIENT}": "SRV 0 0 5222 www",
        "_5222._tcp.www": f"TLSA 3 1 1 {'ab' * 32}",
        "forged": "A 127.0.0.77",
        f"{_CLIENT}.forged": "SRV 7 7 5222 www",
        "_5222._tcp.forged": f"TLSA 2 0 1 {'ab' * 32}",
    }
    zone, key = signed(SIGNED, zoneOf(records), tmp_path_factory.mktemp("keys"))
    for before, after in (("127.0.0.77", "127.0.0.78"), ("7 7 5222", "7 8 5222"), ("2 0 1", "3 0 1")):
        assert zone.count(before) == 1
        zone = zone.replace(before, after)
    with nsd({SIGNED: zone, DOMAIN: _zone(0)}) as server, unbound(forwardTo=[server.server], extra=f'trust-anchor: "{key}"') as resolver:
        yield resolver


@pytest.fixture(scope="module")
def results(ports: tuple[LivePeer, LivePeer, int], proving: LivePeer) -> Mapping[str, Mapping[str, object]]:
    """
    Return the result of each look-up in each way.
    """
    server, validating, chat = ports
    closed = freePort("127.0.0.1")
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.socket() as streams:
        silent = freePort("127.0.0.1")
        for each in (datagrams, streams):
            each.bind(("127.0.0.1", silent))
        streams.listen()
        told = _run("tests.live.programs.chatting", server.port, validating.port, closed, silent, chat, proving.port)
    return cast("Mapping[str, Mapping[str, object]]", json.loads(told))


@pytest.mark.parametrize("way", WAYS[1:])
def test_resultsEqualThoseOfDnspython(results: Mapping[str, Mapping[str, object]], way: str) -> None:
    """
    aioxmpp finds the same with our resolver and with our functions as with dnspython: servers, their order, certificates, and the cases
    without an answer.
    """
    # dnspython is not tried with a closed port.
    assert {name: found for name, found in results[way].items() if name != "nobody there"} == results["dnspython"]


@pytest.mark.parametrize("way", WAYS)
def test_resultsAreThoseOfTheZone(results: Mapping[str, Mapping[str, object]], way: str) -> None:
    """
    All ways find what the zone has.
    """
    found = results[way]
    host = f"host4.{DOMAIN}"
    several = [[10, 1, [host, 5010]], [10, 9, [host, 5010]], [20, 0, [host, 5020]]]
    assert found["one"] == [[0, 0, [host, 5222]]]
    assert sorted(cast("list[object]", found["several"]), key=str) == sorted(several, key=str)
    assert sorted(cast("list[object]", found["alias"]), key=str) == sorted(several, key=str)
    assert found["none"] == [[0, 0, [f"none.{DOMAIN}", 5222]]]
    assert found["nothing"] == [[0, 0, [f"nothing.{DOMAIN}", 5222]]]
    assert found["empty"] == [[0, 0, [f"empty.{DOMAIN}", 5222]]]
    assert found["bücher"] == [[0, 0, [host, 5222]]]
    assert found["refusing"] == "ValueError is a ValueError"
    assert found["unknown zone"] == "NoNameservers"
    assert found["certificates"] == [[3, 1, 1, "ab" * 32]]
    assert found["unproved"] == "ValueError is a ValueError"
    assert found["no certificates"] is None
    assert len(cast("list[object]", found["order"])) == 3
    assert cast("list[object]", found["order"])[2] == [host, 5020]
    assert found["forged"] == found["forged denial"] == "ValidationError"
    assert found.get("nobody there", "NoNameservers") == "NoNameservers"
    assert found["nobody answers"] == "TimeoutError"
    assert set(NAMES) < set(found)


@pytest.mark.parametrize("way", WAYS)
def test_onlyValidatedAnswersAreProof(results: Mapping[str, Mapping[str, object]], way: str) -> None:
    """
    Only answers with the AD bit are accepted where validation is required. Unsigned zones, also through an alias, and broken signatures are
    rejected. A denial needs no AD bit.
    """
    unproved, forged = "ValueError is a ValueError", "ValidationError"
    assert cast("Mapping[str, object]", results["proved"][way]) == {
        f"address of www.{SIGNED}": ["127.0.0.1"],
        f"address of alias.{SIGNED}": ["127.0.0.1"],
        f"address of away.{SIGNED}": unproved,
        f"address of nothing.{SIGNED}": None,
        f"address of host4.{DOMAIN}": unproved,
        f"address of forged.{SIGNED}": forged,
        f"certificates of www.{SIGNED}": [[3, 1, 1, "ab" * 32]],
        f"certificates of host4.{DOMAIN}": unproved,
        f"certificates of forged.{SIGNED}": forged,
        f"servers of {SIGNED}": [[0, 0, [f"www.{SIGNED}", 5222]]],
        f"servers of one.{DOMAIN}": unproved,
        f"servers of forged.{SIGNED}": forged,
        "servers, proved or not": [[0, 0, [f"host4.{DOMAIN}", 5222]]],
    }


def test_discoveryEqualsThatOfDnspython(results: Mapping[str, Mapping[str, object]]) -> None:
    """
    aioxmpp discovers the same servers with our resolver as with dnspython.
    """
    ours = cast("Mapping[str, object]", results["discovered"]["adapter"])
    assert ours == results["discovered"]["dnspython"]
    host = f"host4.{DOMAIN}"
    assert ours["one"] == [[host, 5222, "STARTTLSConnector"], [f"host6.{DOMAIN}", 5223, "XMPPOverTLSConnector"]]
    assert ours["refusing"] == "ValueError is a ValueError"


@pytest.mark.parametrize("way", ["ours", "adapter"])
def test_connectsToTheServerItFound(results: Mapping[str, Mapping[str, object]], way: str) -> None:
    """
    aioxmpp connects to the server that it has found and opens a stream to the domain. Our functions need no thread for it.
    """
    case = cast("Mapping[str, object]", results["connected"][way])
    heard = cast("list[str]", case["heard"])
    assert len(heard) == 1, case["came"]
    assert f"connect.{DOMAIN}" in heard[0]
    if way == "ours":
        assert case["threads"] == 0


def test_retriesEqualThoseOfAioxmpp() -> None:
    """
    Our retries equal those of aioxmpp for every sequence of answers, and so do the results.
    """
    told = json.loads(_run("tests.live.programs.attempting", 400))
    assert told["different"] == []
    assert told["played"] == 400
    assert set(told["ends"]) == {"None", "records", "NoNameservers", "TimeoutError", "ValidationError", "ValueError"}


# -- Deferreds, on the reactor that runs these tests


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Start with a thread that has no resolver yet.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())


def _describe(server: LivePeer) -> str:
    return f"udp:127.0.0.1:{server.port}"


@pytest.mark.usefixtures("thread")
@pytest_twisted.ensureDeferred
async def test_deferredAPIGivesTheSame(ports: tuple[LivePeer, LivePeer, int]) -> None:
    """
    The Deferred API gives the same results, with a description as the resolver.
    """
    server, validating, _ = ports

    aioxmpp.setResolver(_describe(server))
    host = f"host4.{DOMAIN}".encode()
    assert await aioxmpp.findXmppHostAddr(None, f"one.{DOMAIN}") == [(0, 0, (host, 5222))]
    assert await aioxmpp.lookupTlsa(host, 5222, requireAd=False) == [(3, 1, 1, b"\xab" * 32)]
    with pytest.raises(ValueError, match="not validated"):
        await aioxmpp.lookupTlsa(host, 5222, resolver=_describe(server))
    with pytest.raises(aioxmpp.ValidationError):
        await aioxmpp.lookupSrv(f"one.{DOMAIN}".encode(), "xmpp-client", resolver=_describe(validating))
    aioxmpp.setResolver("udp:192.0.2.1")


@pytest.mark.usefixtures("thread")
@pytest_twisted.ensureDeferred
async def test_deferredAPIChecksValidation(proving: LivePeer) -> None:
    """
    The Deferred API tells validated answers from unsigned ones and from broken signatures.
    """
    resolver = _describe(proving)
    host, plain, forged = [name.encode() for name in (f"www.{SIGNED}", f"host4.{DOMAIN}", f"forged.{SIGNED}")]
    found = await aioxmpp.repeatedQuery(host, "A", None, resolver, True)
    assert found is not None and [str(each) for each in found] == ["127.0.0.1"]
    assert await aioxmpp.repeatedQuery(b"nothing." + host, "A", None, resolver, True) is None
    assert await aioxmpp.lookupTlsa(host, 5222, resolver=resolver) == [(3, 1, 1, b"\xab" * 32)]
    with pytest.raises(ValueError, match="not validated"):
        await aioxmpp.lookupTlsa(plain, 5222, resolver=resolver)
    for look in (
        aioxmpp.repeatedQuery(forged, "A", None, resolver, True),
        aioxmpp.lookupTlsa(forged, 5222, resolver=resolver),
        aioxmpp.lookupSrv(forged, "xmpp-client", resolver=resolver),
    ):
        with pytest.raises(aioxmpp.ValidationError):
            await cast("Deferred[object]", look)


class _Blocking:
    """
    A resolver that blocks its caller.

    @ivar names: names of the threads that called it.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def set_flags(self, flags: int) -> None:
        """
        Ignore the flags.
        """

    def query(self, *arguments: object, **wishes: object) -> None:
        """
        Remember the thread.
        """
        self.names.append(threading.current_thread().name)
        raise TimeoutError


@pytest.mark.parametrize("prefix", ["", "cache:"])
@pytest_twisted.ensureDeferred
async def test_sharedCacheKeepsValidation(proving: LivePeer, prefix: str) -> None:
    """
    Look-ups without a demand for validation do not affect those with one, although they share a cache.
    """
    name = f"www.{SIGNED}"
    async with resolverFrom(prefix + _describe(proving)) as resolver:
        for _ in range(2):
            assert len((await resolver.lookupAddress(name))[0]) == 1
            found = await aioxmpp.repeatedQuery(name.encode(), "A", None, resolver, True)
            assert found is not None and found.response.flags & AD


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize("kind", [None, Executor, ThreadPool])
@pytest_twisted.ensureDeferred
async def test_blockingResolverRunsInThread(kind: type[object] | None) -> None:
    """
    A blocking resolver is called in a thread: of the reactor, of an executor, or of a Twisted thread pool.
    """
    resolver = _Blocking()

    async def look(executor: Executor | ThreadPool | None) -> None:
        with pytest.raises(TimeoutError):
            await aioxmpp.repeatedQuery(b"a.example", "A", None, resolver, False, executor)

    if kind is Executor:
        with ThreadPoolExecutor(thread_name_prefix="mine") as executor:
            await look(executor)
    elif kind is ThreadPool:
        pool = ThreadPool(0, 1, "mine")
        pool.start()
        try:
            await look(pool)
        finally:
            pool.stop()
    else:
        await look(None)
    assert len(resolver.names) == 2
    assert threading.current_thread().name not in resolver.names
    assert kind is None or all("mine" in name for name in resolver.names)
