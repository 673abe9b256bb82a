"""
Tests of L{twisted_ext.integrations.aioxmpp.asyncio} and L{twisted_ext.integrations.aioxmpp}: what they make of records. Attempts are in
C{test_repeating}.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as NeverCalled
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from random import Random
from typing import Final, TypeVar

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.compat.discoveries import DENIED
from tests.integrations.aioxmpp.faces import FAILED, LATE, Coroutines, Deferreds, Face, Scripted, proved
from twisted_ext.answers import Answer, Outcome
from twisted_ext.asyncio import asFuture
from twisted_ext.asyncio.loops import onLoop
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.integrations import aioxmpp as deferreds
from twisted_ext.integrations.aioxmpp import asyncio as network
from twisted_ext.integrations.aioxmpp import perthread, retries
from twisted_ext.integrations.aioxmpp.retries import ValidationError, inOrder
from twisted_ext.testing.sources import HeldSource, rrsetOf
from twisted_ext.wire.names import nameFromText, nameToText

__all__: list[str] = []

_T = TypeVar("_T")

_TLSA: Final = "3 1 1 " + "ab" * 32


@pytest.fixture(params=[Deferreds, Coroutines], ids=["deferreds", "asyncio"])
def face(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Face:
    """
    @return: each of the two.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    kind: Callable[[], Face] = request.param
    return kind()


def _namesOf(resolver: Scripted) -> list[tuple[str, int]]:
    return [(nameToText(question.name), question.rrType) for question in resolver.canned.questions]


def _records(*texts: str) -> Answer:
    return Answer(Outcome.DATA, (rrsetOf(nameFromText("x.example"), 33, texts),))


# -- servers


def test_servers(face: Face) -> None:
    """
    Servers are given as the records say, in their order, the host as octets without its final dot.
    """
    resolver = Scripted(_records("10 5 5222 b.example.", "0 1 5223 A.example."))
    found = face.servers(b"example.org", "xmpp-client", resolver=resolver)
    assert found == [(10, 5, (b"b.example", 5222)), (0, 1, (b"A.example", 5223))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.example.org.", 33)]


def test_transport(face: Face) -> None:
    """
    Services are looked for over TCP, unless something else is said.
    """
    resolver = Scripted(DENIED)
    assert face.servers(b"xn--bcher-kva.example", "sip", "udp", resolver=resolver) is None
    assert _namesOf(resolver) == [("_sip._udp.xn--bcher-kva.example.", 33)]


def test_noServers(face: Face) -> None:
    """
    L{None} where there are no records.
    """
    assert face.servers(b"example.org", "xmpp-client", resolver=Scripted(())) is None


def test_notOffered(face: Face) -> None:
    """
    A root as target, be it one of several, says that there is no such service.
    """
    for texts in (["0 0 0 ."], ["0 0 1 a.example.", "1 0 0 ."]):
        with pytest.raises(ValueError, match="_xmpp-client._tcp.example.org: .* no such service"):
            face.servers(b"example.org", "xmpp-client", resolver=Scripted(_records(*texts)))


def test_serversWishes(face: Face) -> None:
    """
    Further parameters are those of a query.
    """
    resolver = Scripted(LATE)
    with pytest.raises(TimeoutError):
        face.servers(b"example.org", "x", nattempts=1, resolver=resolver)
    with pytest.raises(ValueError, match="nattempts"):
        face.servers(b"example.org", "x", nattempts=0, resolver=resolver)
    with pytest.raises(TypeError):
        face.servers(b"example.org", "x", attempts=1)
    with pytest.raises(ValidationError):
        face.servers(b"example.org", "x", resolver=Scripted(FAILED, DENIED))


def test_odd(face: Face) -> None:
    """
    Targets of odd octets are written as master files have them; records that cannot be read are left out.
    """
    answer = _records("0 0 1 a\\.b\\032c.example.")
    answer.answer[0].rdatas = (*answer.answer[0].rdatas, b"\x00")
    assert face.servers(b"example.org", "x", resolver=Scripted(answer)) == [(0, 0, (b"a\\.b\\032c.example", 1))]


# -- certificates


def test_certificates(face: Face) -> None:
    """
    What certificates to expect is looked up at the host's port, and has to be validated unless the caller says otherwise.
    """
    expected = [(3, 1, 1, b"\xab" * 32)]
    resolver = Scripted(proved(_TLSA, "TLSA"))
    assert face.certificates(b"xmpp.example", 5222, resolver=resolver) == expected
    assert _namesOf(resolver) == [("_5222._tcp.xmpp.example.", 52)]
    with pytest.raises(ValueError, match="not validated"):
        face.certificates(b"xmpp.example", 5222, resolver=Scripted(_TLSA))
    assert face.certificates(b"xmpp.example", 5222, "tcp", False, resolver=Scripted(_TLSA)) == expected
    resolver = Scripted(DENIED)
    assert face.certificates(b"xmpp.example", 53, "udp", resolver=resolver) is None
    assert _namesOf(resolver) == [("_53._udp.xmpp.example.", 52)]


# -- addresses of an XMPP domain


def test_addresses(face: Face) -> None:
    """
    A domain's servers are those of the service for clients.
    """
    resolver = Scripted(_records("0 0 5222 xmpp.example."))
    perthread.setResolver(resolver)
    assert face.addresses("example.org") == [(0, 0, (b"xmpp.example", 5222))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.example.org.", 33)]


@pytest.mark.parametrize("entry", [DENIED, ()], ids=["no name", "no data"])
def test_fallback(face: Face, entry: Answer) -> None:
    """
    Without records it is the domain itself, with the port for clients.
    """
    perthread.setResolver(Scripted(entry))
    assert face.addresses("example.org") == [(0, 0, (b"example.org", 5222))]


def test_idna(face: Face) -> None:
    """
    Domains may be written as people write them.
    """
    resolver = Scripted(DENIED)
    perthread.setResolver(resolver)
    assert face.addresses("Bücher.example") == [(0, 0, (b"xn--bcher-kva.example", 5222))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.xn--bcher-kva.example.", 33)]
    with pytest.raises(UnicodeError, match="domain: "):
        face.addresses("a" * 64)


def test_addressAttempts(face: Face) -> None:
    """
    There are 3 attempts, even with a resolver that was set, or as many as the caller says.
    """
    for given, number in (((), 3), ((1,), 1)):
        resolver = Scripted(LATE, LATE, LATE)
        perthread.setResolver(resolver)
        with pytest.raises(TimeoutError):
            face.addresses("example.org", *given)
        assert len(resolver.asked) == number


def test_addressFailures(face: Face) -> None:
    """
    That nothing is known, or that there is no such service, does not lead to the domain itself.
    """
    perthread.setResolver(Scripted(FAILED, DENIED))
    with pytest.raises(ValidationError):
        face.addresses("example.org")
    perthread.setResolver(Scripted(_records("0 0 0 .")))
    with pytest.raises(ValueError, match="no such service"):
        face.addresses("example.org")


@pytest.mark.parametrize(
    ("function", "words", "said"),
    [
        (retries.serviceName, (b"x", b"sip", "tcp"), "service: b'sip' is not text; write such as 'xmpp-client'"),
        (retries.serviceName, (b"x", "sip", 5060), "transport: 5060 is not text; write such as 'tcp'"),
        (retries.certificateName, (b"x", None, "tcp"), "port: None is not a valid number; write such as 5222"),
        (retries.certificateName, (b"x", True, "tcp"), "port: True is not a valid number; write such as 5222"),
        *[
            (retries.certificateName, (b"x", port, "tcp"), re.escape(f"port: {port!r} is none from 1 to 65535; write such as 5222"))
            for port in (70000, 0, -1, "http", "", "65536", "+1", "\u0665")
        ],
        (retries.hostOf, (b"example.org",), "domain: b'example.org' is not text; write such as 'example.org'"),
        (retries.hostOf, (None,), "domain: None is not text"),
        (retries.hostOf, ("",), "domain: it is empty; write 'example.org'"),
        (retries.hostOf, ("a..example",), "domain: 'a..example' is not a valid name: .*empty"),
    ],
)
def test_wrong(function: Callable[..., bytes], words: Sequence[object], said: str) -> None:
    """
    What no name can be made of is refused in one line: octets for text, text for octets, and names that are none.
    """
    with pytest.raises((TypeError, ValueError), match=said):
        function(*words)


# -- their order


class _Asked(Random):
    """
    Chance that remembers what it was asked.
    """

    def __init__(self, *values: int) -> None:
        super().__init__()
        self._values = iter(values)
        self.ranges: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        """
        Give the next value.
        """
        self.ranges.append((a, b))
        return next(self._values)


def test_order() -> None:
    """
    The lowest priority comes first; within one, chance is asked for a number from 0 to all weights left, and not for the last.
    """
    records = [(2, 0, "e"), (1, 5, "c"), (1, 0, "a"), (1, 3, "b"), (0, 9, "z")]
    rng = _Asked(4, 0)
    assert list(network.group_and_order_srv_records(records, rng)) == ["z", "c", "a", "b", "e"]
    assert rng.ranges == [(0, 8), (0, 3)]
    assert list(deferreds.groupAndOrderSrvRecords(records, _Asked(0, 0))) == ["z", "a", "b", "c", "e"]


def test_orderIsLazy() -> None:
    """
    It is a generator: chance is asked when the next one is wanted.
    """
    ordered = network.group_and_order_srv_records([(0, 1, "a"), (0, 1, "b")], rng := _Asked(2))
    assert inspect.isgenerator(ordered)
    assert rng.ranges == []
    assert list(ordered) == ["b", "a"]
    assert list(network.group_and_order_srv_records([])) == []


def test_orderByChance() -> None:
    """
    Without a source of chance of the caller's it is that of the module.
    """
    seen = Counter(next(network.group_and_order_srv_records([(0, 1, "a"), (0, 1, "b")])) for _ in range(200))
    assert set(seen) == {"a", "b"}
    assert inOrder is deferreds.groupAndOrderSrvRecords


# -- the faces


def test_coroutines() -> None:
    """
    What are coroutines in aioxmpp, are here; parameters have its names and defaults.
    """
    for function in (network.repeated_query, network.lookup_srv, network.lookup_tlsa, network.find_xmpp_host_addr):
        assert inspect.iscoroutinefunction(function)
    told = {name: str(inspect.signature(getattr(network, name))) for name in ("repeated_query", "lookup_tlsa")}
    assert [part.split(":")[0].strip("( ") for part in told["repeated_query"].split(", ")][:6] == [
        "qname",
        "rdtype",
        "nattempts",
        "resolver",
        "require_ad",
        "executor",
    ]
    parameters = inspect.signature(network.lookup_tlsa).parameters
    assert (parameters["transport"].default, parameters["require_ad"].default) == ("tcp", True)


def test_cancelled() -> None:
    """
    To cancel what waits is to cancel the look-up.
    """
    source = HeldSource()
    resolver = NamesResolver(source, Clock())

    async def main() -> None:
        task = asyncio.ensure_future(network.repeated_query(b"a.example", "A", None, resolver))
        while not source.questions:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not source.cancelled:
            await asyncio.sleep(0)

    asyncio.run(main())
    looking = deferreds.repeatedQuery(b"a.example", "A", None, resolver)
    failures: list[Failure] = []
    looking.addErrback(failures.append)
    looking.cancel()
    assert isinstance(failures[0].value, CancelledError)
    assert len(source.cancelled) == 2


def test_closedMeanwhile() -> None:
    """
    A loop that is closed while somebody waits ends what they wait for, and nobody complains of errors that nobody could see.
    """
    loop = asyncio.new_event_loop()
    told: list[str] = []
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    source = HeldSource()
    onLoop(loop).own = resolver = NamesResolver(source, onLoop(loop).reactor)
    task = loop.create_task(network.repeated_query(b"a.example", "A", None, resolver))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert source.asked == 1
    loop.close()
    assert resolver.closed
    del task
    gc.collect()
    # Of that asyncio complains with reason.
    assert told == ["Task was destroyed but it is pending!"]


class _Dropping(Executor):
    """
    An executor that ends before it has come to anything.
    """

    def submit(self, fn: Callable[..., _T], /, *args: object, **kwargs: object) -> Future[_T]:
        """
        Never call it.
        """
        dropped: Future[_T] = Future()
        dropped.cancel()
        dropped.set_running_or_notify_cancel()
        return dropped


@pytest_twisted.ensureDeferred
async def test_dropped() -> None:
    """
    What an executor never comes to fails, rather than being waited for for ever.
    """
    class Blocking:
        set_flags = query = print

    looking = deferreds.repeatedQuery(b"a.example", "A", None, Blocking(), False, _Dropping())
    with pytest.raises(NeverCalled):
        await looking.addTimeout(60, globalReactor())


def test_loopsExecutor() -> None:
    """
    In a loop a resolver that blocks is asked in the executor, which is the loop's unless one is given. Deferreds have the threads of the
    loop's reactor for that.
    """
    class Blocking:
        names: list[str] = []

        def set_flags(self, flags: int) -> None:
            """
            Nothing to set.
            """

        def query(self, *args: object, **wishes: object) -> None:
            """
            Remember the thread.
            """
            self.names.append(threading.current_thread().name)
            raise TimeoutError

    async def main(executor: Executor | None) -> None:
        with pytest.raises(TimeoutError):
            await network.repeated_query(b"a.example", "A", 1, Blocking(), False, executor)

    asyncio.run(main(None))
    with ThreadPoolExecutor(thread_name_prefix="mine") as pool:
        asyncio.run(main(pool))

    async def waiting() -> None:
        with pytest.raises(TimeoutError, match="no answer"):
            await asyncio.wait_for(asFuture(deferreds.repeatedQuery(b"a.example", "A", 1, Blocking())), 60)

    asyncio.run(waiting())
    assert len(Blocking.names) == 3
    assert "MainThread" not in Blocking.names
    assert Blocking.names[1].startswith("mine")
