"""
Tests of L{twisted_ext.integrations.aioxmpp.asyncio} and L{twisted_ext.integrations.aioxmpp}: the results of look-ups. Retries are tested in
C{test_retries}.
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
from tests.integrations.aioxmpp.faces import FAILED, LATE, Coroutines, Deferreds, LookupInterface, Scripted, proved
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
def lookups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LookupInterface:
    """
    Return each of the two interfaces.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    kind: Callable[[], LookupInterface] = request.param
    return kind()


def _namesOf(resolver: Scripted) -> list[tuple[str, int]]:
    return [(nameToText(question.name), question.rrType) for question in resolver.canned.questions]


def _records(*texts: str) -> Answer:
    return Answer(Outcome.DATA, (rrsetOf(nameFromText("x.example"), 33, texts),))


# -- servers


def test_serversFollowTheRecords(lookups: LookupInterface) -> None:
    """
    Servers come in the order of the records, with the host as octets without its final dot.
    """
    resolver = Scripted(_records("10 5 5222 b.example.", "0 1 5223 A.example."))
    found = lookups.servers(b"example.org", "xmpp-client", resolver=resolver)
    assert found == [(10, 5, (b"b.example", 5222)), (0, 1, (b"A.example", 5223))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.example.org.", 33)]


def test_defaultTransportIsTCP(lookups: LookupInterface) -> None:
    """
    Services are looked up for TCP unless another transport is given.
    """
    resolver = Scripted(DENIED)
    assert lookups.servers(b"xn--bcher-kva.example", "sip", "udp", resolver=resolver) is None
    assert _namesOf(resolver) == [("_sip._udp.xn--bcher-kva.example.", 33)]


def test_noServersGiveNone(lookups: LookupInterface) -> None:
    """
    The result without records is L{None}.
    """
    assert lookups.servers(b"example.org", "xmpp-client", resolver=Scripted(())) is None


def test_rootTargetMeansNoService(lookups: LookupInterface) -> None:
    """
    The root as target, even as one of several, means that there is no such service.
    """
    for texts in (["0 0 0 ."], ["0 0 1 a.example.", "1 0 0 ."]):
        with pytest.raises(ValueError, match="_xmpp-client._tcp.example.org: .* no such service"):
            lookups.servers(b"example.org", "xmpp-client", resolver=Scripted(_records(*texts)))


def test_serversTakeQueryParameters(lookups: LookupInterface) -> None:
    """
    C{lookup_srv} takes the additional parameters of a query.
    """
    resolver = Scripted(LATE)
    with pytest.raises(TimeoutError):
        lookups.servers(b"example.org", "x", nattempts=1, resolver=resolver)
    with pytest.raises(ValueError, match="nattempts"):
        lookups.servers(b"example.org", "x", nattempts=0, resolver=resolver)
    with pytest.raises(TypeError):
        lookups.servers(b"example.org", "x", attempts=1)
    with pytest.raises(ValidationError):
        lookups.servers(b"example.org", "x", resolver=Scripted(FAILED, DENIED))


def test_unusualTargetsAreEscaped(lookups: LookupInterface) -> None:
    """
    Unusual octets in targets are escaped as in zone files; malformed records are left out.
    """
    answer = _records("0 0 1 a\\.b\\032c.example.")
    answer.answer[0].rdatas = (*answer.answer[0].rdatas, b"\x00")
    assert lookups.servers(b"example.org", "x", resolver=Scripted(answer)) == [(0, 0, (b"a\\.b\\032c.example", 1))]


# -- certificates


def test_tlsaNeedsValidation(lookups: LookupInterface) -> None:
    """
    TLSA records are looked up for host and port and must be validated by default.
    """
    expected = [(3, 1, 1, b"\xab" * 32)]
    resolver = Scripted(proved(_TLSA, "TLSA"))
    assert lookups.certificates(b"xmpp.example", 5222, resolver=resolver) == expected
    assert _namesOf(resolver) == [("_5222._tcp.xmpp.example.", 52)]
    with pytest.raises(ValueError, match="not validated"):
        lookups.certificates(b"xmpp.example", 5222, resolver=Scripted(_TLSA))
    assert lookups.certificates(b"xmpp.example", 5222, "tcp", False, resolver=Scripted(_TLSA)) == expected
    resolver = Scripted(DENIED)
    assert lookups.certificates(b"xmpp.example", 53, "udp", resolver=resolver) is None
    assert _namesOf(resolver) == [("_53._udp.xmpp.example.", 52)]


# -- addresses of an XMPP domain


def test_domainUsesClientService(lookups: LookupInterface) -> None:
    """
    The servers of a domain are those of the service for clients.
    """
    resolver = Scripted(_records("0 0 5222 xmpp.example."))
    perthread.setResolver(resolver)
    assert lookups.addresses("example.org") == [(0, 0, (b"xmpp.example", 5222))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.example.org.", 33)]


@pytest.mark.parametrize("entry", [DENIED, ()], ids=["no name", "no data"])
def test_fallbackIsTheDomain(lookups: LookupInterface, entry: Answer) -> None:
    """
    The domain itself is the server without records, at the port for clients.
    """
    perthread.setResolver(Scripted(entry))
    assert lookups.addresses("example.org") == [(0, 0, (b"example.org", 5222))]


def test_internationalizedDomain(lookups: LookupInterface) -> None:
    """
    Domains can be internationalized.
    """
    resolver = Scripted(DENIED)
    perthread.setResolver(resolver)
    assert lookups.addresses("Bücher.example") == [(0, 0, (b"xn--bcher-kva.example", 5222))]
    assert _namesOf(resolver) == [("_xmpp-client._tcp.xn--bcher-kva.example.", 33)]
    with pytest.raises(UnicodeError, match="domain: "):
        lookups.addresses("a" * 64)


def test_domainLookupMakesThreeAttempts(lookups: LookupInterface) -> None:
    """
    A domain look-up makes 3 attempts by default, also with a resolver that was set.
    """
    for given, number in (((), 3), ((1,), 1)):
        resolver = Scripted(LATE, LATE, LATE)
        perthread.setResolver(resolver)
        with pytest.raises(TimeoutError):
            lookups.addresses("example.org", *given)
        assert len(resolver.asked) == number


def test_failureHasNoFallback(lookups: LookupInterface) -> None:
    """
    A failed look-up, or a missing service, does not fall back to the domain.
    """
    perthread.setResolver(Scripted(FAILED, DENIED))
    with pytest.raises(ValidationError):
        lookups.addresses("example.org")
    perthread.setResolver(Scripted(_records("0 0 0 .")))
    with pytest.raises(ValueError, match="no such service"):
        lookups.addresses("example.org")


@pytest.mark.parametrize(
    ("function", "words", "expected"),
    [
        (retries.serviceName, (b"x", b"sip", "tcp"), "service: b'sip' is not text; write such as 'xmpp-client'"),
        (retries.serviceName, (b"x", "sip", 5060), "transport: 5060 is not text; write such as 'tcp'"),
        (retries.certificateName, (b"x", None, "tcp"), "port: None is not a valid number; write such as 5222"),
        (retries.certificateName, (b"x", True, "tcp"), "port: True is not a valid number; write such as 5222"),
        *[
            (retries.certificateName, (b"x", port, "tcp"), re.escape(f"port: {port!r} is not a port from 1 to 65535; write such as 5222"))
            for port in (70000, 0, -1, "http", "", "65536", "+1", "\u0665")
        ],
        (retries.hostOf, (b"example.org",), "domain: b'example.org' is not text; write such as 'example.org'"),
        (retries.hostOf, (None,), "domain: None is not text"),
        (retries.hostOf, ("",), "domain: it is empty; write 'example.org'"),
        (retries.hostOf, ("a..example",), "domain: 'a..example' is not a valid name: .*empty"),
    ],
)
def test_invalidNamePartsAreRefused(function: Callable[..., bytes], words: Sequence[object], expected: str) -> None:
    """
    Octets in place of text, text in place of octets and invalid names are refused with a one-line error.
    """
    with pytest.raises((TypeError, ValueError), match=expected):
        function(*words)


# -- order of servers


class _ScriptedRandom(Random):
    """
    A source of random numbers that records its ranges.
    """

    def __init__(self, *values: int) -> None:
        super().__init__()
        self._values = iter(values)
        self.ranges: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        """
        Return the next value.
        """
        self.ranges.append((a, b))
        return next(self._values)


def test_orderByPriorityAndWeight() -> None:
    """
    The lowest priority comes first; weights within it decide by random numbers, except for the last.
    """
    records = [(2, 0, "e"), (1, 5, "c"), (1, 0, "a"), (1, 3, "b"), (0, 9, "z")]
    rng = _ScriptedRandom(4, 0)
    assert list(network.group_and_order_srv_records(records, rng)) == ["z", "c", "a", "b", "e"]
    assert rng.ranges == [(0, 8), (0, 3)]
    assert list(deferreds.groupAndOrderSrvRecords(records, _ScriptedRandom(0, 0))) == ["z", "a", "b", "c", "e"]


def test_orderIsLazy() -> None:
    """
    The order is a generator that draws a random number only for the next item.
    """
    ordered = network.group_and_order_srv_records([(0, 1, "a"), (0, 1, "b")], rng := _ScriptedRandom(2))
    assert inspect.isgenerator(ordered)
    assert rng.ranges == []
    assert list(ordered) == ["b", "a"]
    assert list(network.group_and_order_srv_records([])) == []


def test_orderIsRandomByDefault() -> None:
    """
    The order is random without a given source of random numbers.
    """
    firsts = Counter(next(network.group_and_order_srv_records([(0, 1, "a"), (0, 1, "b")])) for _ in range(200))
    assert set(firsts) == {"a", "b"}
    assert inOrder is deferreds.groupAndOrderSrvRecords


# -- interfaces


def test_signaturesMatchAioxmpp() -> None:
    """
    The functions are coroutines with the names and defaults of aioxmpp's parameters.
    """
    for function in (network.repeated_query, network.lookup_srv, network.lookup_tlsa, network.find_xmpp_host_addr):
        assert inspect.iscoroutinefunction(function)
    signatures = {name: str(inspect.signature(getattr(network, name))) for name in ("repeated_query", "lookup_tlsa")}
    assert [part.split(":")[0].strip("( ") for part in signatures["repeated_query"].split(", ")][:6] == [
        "qname",
        "rdtype",
        "nattempts",
        "resolver",
        "require_ad",
        "executor",
    ]
    parameters = inspect.signature(network.lookup_tlsa).parameters
    assert (parameters["transport"].default, parameters["require_ad"].default) == ("tcp", True)


def test_cancelReachesTheSource() -> None:
    """
    Canceling the task or Deferred cancels the look-up.
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


def test_closedLoopEndsLookups() -> None:
    """
    A loop that is closed during a look-up ends it without messages about unretrieved errors.
    """
    loop = asyncio.new_event_loop()
    messages: list[str] = []
    loop.set_exception_handler(lambda _, context: messages.append(context["message"]))
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
    # asyncio reports this one rightly.
    assert messages == ["Task was destroyed but it is pending!"]


class _DroppingExecutor(Executor):
    """
    An executor that drops every call.
    """

    def submit(self, fn: Callable[..., _T], /, *args: object, **kwargs: object) -> Future[_T]:
        """
        Cancel the future.
        """
        dropped: Future[_T] = Future()
        dropped.cancel()
        dropped.set_running_or_notify_cancel()
        return dropped


@pytest_twisted.ensureDeferred
async def test_droppedCallFails() -> None:
    """
    A look-up fails if its executor drops the call.
    """
    class Blocking:
        set_flags = query = print

    looking = deferreds.repeatedQuery(b"a.example", "A", None, Blocking(), False, _DroppingExecutor())
    with pytest.raises(NeverCalled):
        await looking.addTimeout(60, globalReactor())


def test_blockingResolverRunsInExecutor() -> None:
    """
    A blocking resolver runs in the executor, by default the loop's, or with Deferreds in the threads of the loop's reactor.
    """
    class Blocking:
        names: list[str] = []

        def set_flags(self, flags: int) -> None:
            """
            Nothing to set.
            """

        def query(self, *args: object, **wishes: object) -> None:
            """
            Record the thread.
            """
            self.names.append(threading.current_thread().name)
            raise TimeoutError

    async def main(executor: Executor | None) -> None:
        with pytest.raises(TimeoutError):
            await network.repeated_query(b"a.example", "A", 1, Blocking(), False, executor)

    asyncio.run(main(None))
    with ThreadPoolExecutor(thread_name_prefix="mine") as pool:
        asyncio.run(main(pool))

    async def awaitDeferred() -> None:
        with pytest.raises(TimeoutError, match="no answer"):
            await asyncio.wait_for(asFuture(deferreds.repeatedQuery(b"a.example", "A", 1, Blocking())), 60)

    asyncio.run(awaitDeferred())
    assert len(Blocking.names) == 3
    assert "MainThread" not in Blocking.names
    assert Blocking.names[1].startswith("mine")
