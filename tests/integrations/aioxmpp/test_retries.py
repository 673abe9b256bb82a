"""
Tests of retried look-ups in both interfaces, L{twisted_ext.integrations.aioxmpp} and L{twisted_ext.integrations.aioxmpp.asyncio}. They
promise what aioxmpp's module of this name promises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, NoReturn, cast

import dns.flags
import dns.resolver
import pytest

from tests.compat.discoveries import DENIED
from tests.integrations.aioxmpp.faces import (
    FAILED,
    LATE,
    AtOnce,
    Coroutines,
    Deferreds,
    LookupInterface,
    Scripted,
    proved,
)
from twisted_ext.compat.conversion.errors import DNSFormatError, LookupFailed
from twisted_ext.errors import ServerFailed, Unreachable
from twisted_ext.integrations.aioxmpp import deferreds, perthread, retries
from twisted_ext.integrations.aioxmpp.retries import ValidationError
from twisted_ext.integrations.dnspython import NoNameservers
from twisted_ext.testing.sources import Entry
from twisted_ext.wire.codes import AD, CD, RD

__all__: list[str] = []

_NAME: Final = b"_x._tcp.example.org"
_SRV: Final = "1 2 3 a.example."


@pytest.fixture(params=[Deferreds, Coroutines], ids=["deferreds", "asyncio"])
def lookups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LookupInterface:
    """
    Return each of the two interfaces.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    kind: Callable[[], LookupInterface] = request.param
    return kind()


class FreshResolvers(list[Scripted]):
    """
    The resolvers that a thread was given, in order.
    """

    def __init__(self, scripts: list[list[Entry]]) -> None:
        super().__init__()
        self._scripts = iter(scripts)

    def make(self, reactor: object) -> Scripted:
        """
        Create the next resolver.
        """
        self.append(Scripted(*next(self._scripts)))
        return self[-1]

    @property
    def asked(self) -> list[list[str]]:
        """
        Return the queries of each resolver.
        """
        return [each.asked for each in self]


@pytest.fixture
def freshResolvers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FreshResolvers]:
    """
    Return a function that takes the scripts of the resolvers that the thread will get.
    """

    def begin(*scripts: list[Entry]) -> FreshResolvers:
        made = FreshResolvers(list(scripts))
        monkeypatch.setattr(perthread, "freshResolver", made.make)
        monkeypatch.setattr(perthread, "_thread", perthread._Thread())
        return made

    return begin


# -- attempts


def test_firstAnswerEndsTheLookup(lookups: LookupInterface) -> None:
    """
    The first answer ends the look-up; it has the records and the header's flags.
    """
    resolver = Scripted(proved(_SRV))
    found = lookups.query(_NAME, dns.rdatatype.SRV, None, resolver)
    assert found is not None
    assert [(each.priority, each.weight, each.port, str(each.target)) for each in found] == [(1, 2, 3, "a.example.")]
    assert found.response.flags & dns.flags.AD
    assert resolver.asked == ["udp"]


def test_ownResolverGetsThreeAttempts(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers]) -> None:
    """
    The thread's own resolver gets 3 attempts: it is renewed after the first failure, and TCP is used after the second.
    """
    made = freshResolvers([LATE], [LATE, LATE])
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV")
    assert made.asked == [["udp"], ["udp", "tcp"]]


def test_givenResolverGetsTwoAttempts(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers]) -> None:
    """
    A given resolver gets 2 attempts, the second over TCP, and is not renewed.
    """
    made = freshResolvers()
    resolver = Scripted(LATE, LATE)
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV", None, resolver)
    assert (resolver.asked, made) == (["udp", "tcp"], [])


def test_setResolverCountsAsGiven(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers]) -> None:
    """
    A resolver that was set for the thread counts as given and is not renewed.
    """
    made = freshResolvers()
    resolver = Scripted(LATE, LATE)
    perthread.setResolver(resolver)
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV")
    assert (resolver.asked, made) == (["udp", "tcp"], [])
    assert perthread.getResolver() is resolver


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attemptsCanBeSet(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers], attempts: int) -> None:
    """
    The caller can set the number of attempts.
    """
    resolver = Scripted(*[LATE] * attempts)
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV", attempts, resolver)
    assert resolver.asked == ["udp", *["tcp"] * (attempts - 1)]
    made = freshResolvers([LATE], [LATE] * 4)
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV", attempts)
    assert [one for each in made.asked for one in each] == ["udp", "udp", *["tcp"] * 3][:attempts]


def test_textNameIsRefused(lookups: LookupInterface) -> None:
    """
    A name as text is refused with a one-line error before the first query.
    """
    resolver = Scripted()
    with pytest.raises(TypeError, match=r"qname: 'x\.example' is not in octets; write b'"):
        lookups.query(cast(bytes, "x.example"), "SRV", None, resolver)
    with pytest.raises(TypeError, match="domain: 'x' is not in octets"):
        retries.serviceName(cast(bytes, "x"), "a", "tcp")
    assert resolver.asked == []


@pytest.mark.parametrize("attempts", [0, -1])
def test_zeroAttemptsAreRefused(lookups: LookupInterface, attempts: int) -> None:
    """
    Less than one attempt is an error of the caller, and no query is sent.
    """
    resolver = Scripted()
    with pytest.raises(ValueError, match="nattempts: "):
        lookups.query(_NAME, "SRV", attempts, resolver)
    assert resolver.asked == []


def test_laterAttemptGivesTheAnswer(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers]) -> None:
    """
    Any attempt can give the answer.
    """
    made = freshResolvers([LATE], [LATE, _SRV])
    assert lookups.query(_NAME, "SRV") is not None
    assert made.asked == [["udp"], ["udp", "tcp"]]


def test_timeoutIsTheBuiltin(lookups: LookupInterface) -> None:
    """
    The final exception is the builtin TimeoutError, whatever the single attempts failed with.
    """
    with pytest.raises(TimeoutError) as raised:
        lookups.query(_NAME, "SRV", None, Scripted(Unreachable("refused"), LATE))
    assert type(raised.value) is TimeoutError
    assert "2 attempts" in str(raised.value)


def test_unreachableOverTCPIsBroken(lookups: LookupInterface) -> None:
    """
    Servers that are unreachable over TCP as well count as broken.
    """
    resolver = Scripted(*[Unreachable("refused")] * 3)
    with pytest.raises(NoNameservers, match="refused"):
        lookups.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "tcp", "tcp cd"]


def test_noSearchList(lookups: LookupInterface) -> None:
    """
    The search list does not apply, with or without a final dot.
    """
    resolver = Scripted(_SRV, _SRV)
    lookups.query(b"host", "SRV", None, resolver)
    lookups.query(b"host.", "SRV", None, resolver)
    assert [context.relative for context in resolver.canned.contexts] == [False, False]
    assert len({question.name for question in resolver.canned.questions}) == 1


def test_failedLookupsRenewOnce(freshResolvers: Callable[..., FreshResolvers], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Several failed look-ups renew the thread's resolver once.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    made = freshResolvers([LATE, LATE, LATE], [_SRV, _SRV, _SRV])
    own = perthread.ownResolver()
    assert own is not None
    for _ in range(3):
        perthread.renewResolver(own)
        assert perthread.ownResolver() is made[1]
    assert len(made) == 2


# -- validation


def test_everyQuerySetsAD(lookups: LookupInterface) -> None:
    """
    AD is set in every query, required or not.
    """
    resolver = Scripted(LATE, FAILED, LATE, _SRV)
    lookups.query(_NAME, "SRV", 3, resolver)
    assert resolver.asked == ["udp", "tcp", "tcp cd", "tcp"]
    assert [context.authenticData for context in resolver.canned.contexts] == [True] * 4


def test_unvalidatedAnswerIsRefused(lookups: LookupInterface) -> None:
    """
    An answer that must be validated and was not is an error without another attempt.
    """
    resolver = Scripted(_SRV)
    with pytest.raises(ValueError, match="was not validated"):
        lookups.query(_NAME, "SRV", None, resolver, True)
    assert resolver.asked == ["udp"]
    assert lookups.query(_NAME, "SRV", None, Scripted(proved(_SRV)), True) is not None
    assert lookups.query(_NAME, "SRV", None, Scripted(_SRV), False) is not None


@pytest.mark.parametrize("entry", [DENIED, ()], ids=["no name", "no data"])
@pytest.mark.parametrize("required", [False, True])
def test_missingDataGivesNone(lookups: LookupInterface, entry: Entry, required: bool) -> None:
    """
    A missing name and missing data give L{None}, validated or not.
    """
    resolver = Scripted(entry)
    assert lookups.query(_NAME, "SRV", None, resolver, required) is None
    assert resolver.asked == ["udp"]


@pytest.mark.parametrize("entry", [_SRV, DENIED, ()], ids=["data", "no name", "no data"])
def test_answerUnderCDMeansBogus(lookups: LookupInterface, entry: Entry) -> None:
    """
    A failed query is repeated without validation. An answer to that, even a denial, means that validation has failed.
    """
    resolver = Scripted(FAILED, entry)
    with pytest.raises(ValidationError, match="SERVFAIL"):
        lookups.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd"]


def test_silenceUnderCDIsATimeout(lookups: LookupInterface) -> None:
    """
    No reply to the repeated query counts as a time-out.
    """
    resolver = Scripted(FAILED, LATE, FAILED, LATE)
    with pytest.raises(TimeoutError):
        lookups.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd", "tcp", "tcp cd"]


def test_failureUnderCDIsBroken(lookups: LookupInterface) -> None:
    """
    A second failure means that the servers are broken. The exception is this package's, and dnspython's where it is installed.
    """
    resolver = Scripted(FAILED, FAILED)
    with pytest.raises(dns.resolver.NoNameservers) as raised:
        lookups.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd"]
    error: object = raised.value
    assert isinstance(error, NoNameservers)
    assert not isinstance(error, ValueError)
    assert (error.server, error.rcode) == ("192.0.2.1:53", 2)
    assert "SERVFAIL" in str(error)


def test_brokenWithoutDnspython(lookups: LookupInterface, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The exception without dnspython is this package's only.
    """
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(NoNameservers) as raised:
        lookups.query(_NAME, "SRV", None, Scripted(FAILED, FAILED))
    assert type(raised.value) is NoNameservers


def test_ownResolverIsRenewedFirst(lookups: LookupInterface, freshResolvers: Callable[..., FreshResolvers]) -> None:
    """
    The thread's own resolver is renewed after its first failure before the failure is interpreted.
    """
    made = freshResolvers([FAILED], [_SRV])
    assert lookups.query(_NAME, "SRV") is not None
    assert made.asked == [["udp"], ["udp"]]
    made = freshResolvers([FAILED], [FAILED, _SRV])
    with pytest.raises(ValidationError):
        lookups.query(_NAME, "SRV")
    assert made.asked == [["udp"], ["udp", "udp cd"]]


def test_refusalIsAFailure(lookups: LookupInterface) -> None:
    """
    REFUSED is a failure.
    """
    refused = ServerFailed("REFUSED", rcode=5)
    with pytest.raises(dns.resolver.NoNameservers):
        lookups.query(_NAME, "SRV", None, Scripted(refused, refused))


# -- mistakes


@pytest.mark.parametrize(
    ("name", "rrType"), [(b"a" * 64 + b".example", "SRV"), (b"a..b", "SRV"), (_NAME, "NONE"), (_NAME, None)]
)
def test_invalidQuestionIsRefused(lookups: LookupInterface, name: bytes, rrType: object) -> None:
    """
    An invalid name or type is refused at once and is not a failure of servers.
    """
    resolver = Scripted()
    with pytest.raises(DNSFormatError):
        lookups.query(name, rrType, None, resolver)
    assert resolver.asked == []


def test_invalidResolverIsRefused(lookups: LookupInterface) -> None:
    """
    An invalid resolver, or a name that is not ASCII, is refused.
    """
    with pytest.raises(DNSFormatError, match="resolver: 17"):
        lookups.query(_NAME, "SRV", None, 17)
    with pytest.raises(UnicodeDecodeError):
        lookups.query("bücher".encode(), "SRV", None, Scripted())


def test_closedResolverIsNotRetried(lookups: LookupInterface) -> None:
    """
    A closed resolver is not retried.
    """
    resolver = Scripted()
    resolver.close()
    with pytest.raises(LookupFailed, match="closed"):
        lookups.query(_NAME, "SRV", None, resolver)


# -- resolvers that block


def _dnspythonError(name: str) -> Exception:
    """
    Return an exception of dnspython.
    """
    return cast("Callable[[], Exception]", getattr(dns.resolver, name))()


class BlockingScript:
    """
    A resolver with dnspython's interface and scripted answers.

    @ivar calls: flags, name, type and further arguments of each query.
    """

    def __init__(self, *script: object) -> None:
        self._script = iter(script)
        self._flags = 0
        self.calls: list[tuple[int, str, object, dict[str, object]]] = []

    def set_flags(self, flags: int) -> None:
        """
        Remember the flags.
        """
        self._flags = flags

    def query(self, qname: str, rdtype: object, **wishes: object) -> object:
        """
        Return or raise the next entry.
        """
        self.calls.append((self._flags, qname, rdtype, wishes))
        entry = next(self._script)
        if isinstance(entry, Exception):
            raise entry
        return entry


class _Threads:
    """
    The part of a reactor that calls threads.
    """

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        """
        Call the function at once.
        """
        call(*args)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> AtOnce:
    """
    Return an executor for both interfaces that needs no running reactor.
    """
    monkeypatch.setattr(deferreds, "currentReactor", _Threads)
    return AtOnce()


def test_blockingResolverRunsInTheExecutor(lookups: LookupInterface, executor: AtOnce) -> None:
    """
    A blocking resolver runs in the executor, with its flags set before each query, and its answer is returned unchanged.
    """
    answer = lookups.query(_NAME, "SRV", None, Scripted(proved(_SRV)))
    resolver = BlockingScript(_dnspythonError("NoNameservers"), _dnspythonError("LifetimeTimeout"), TimeoutError(), answer)
    assert lookups.query(_NAME, 33, 4, resolver, True, executor) is answer
    name = _NAME.decode()
    assert resolver.calls == [
        (RD | AD, name, 33, {"tcp": False}),
        (RD | AD | CD, name, 33, {"tcp": False, "raise_on_no_answer": False}),
        (RD | AD, name, 33, {"tcp": True}),
        (RD | AD, name, 33, {"tcp": True}),
    ]
    assert executor.calls == 4


def test_blockingResolverCanBeSet(lookups: LookupInterface, executor: AtOnce) -> None:
    """
    A blocking resolver can be set for the thread.
    """
    perthread.setResolver(BlockingScript(_dnspythonError("NoAnswer")))
    assert lookups.query(_NAME, "SRV", None, None, False, executor) is None
    assert executor.calls == 1


@pytest.mark.parametrize("kind", [dns.resolver.NXDOMAIN, dns.resolver.NoAnswer])
def test_blockingDenialsMeanTheSame(lookups: LookupInterface, executor: AtOnce, kind: type[Exception]) -> None:
    """
    A blocking resolver's exceptions have the same meaning.
    """
    assert lookups.query(_NAME, "SRV", None, BlockingScript(kind()), False, executor) is None
    with pytest.raises(ValidationError):
        lookups.query(_NAME, "SRV", None, BlockingScript(_dnspythonError("NoNameservers"), kind()), False, executor)


def test_blockingErrorsStayUnchanged(lookups: LookupInterface, executor: AtOnce) -> None:
    """
    A second failure and other exceptions of a blocking resolver are raised unchanged.
    """
    last = _dnspythonError("NoNameservers")
    with pytest.raises(dns.resolver.NoNameservers) as raised:
        lookups.query(_NAME, "SRV", None, BlockingScript(_dnspythonError("NoNameservers"), last), False, executor)
    assert raised.value is last
    with pytest.raises(KeyError):
        lookups.query(_NAME, "SRV", None, BlockingScript(KeyError("x")), False, executor)


def test_asyncResolverNeedsNoExecutor(lookups: LookupInterface, executor: AtOnce) -> None:
    """
    Other resolvers do not use the executor.
    """
    assert lookups.query(_NAME, "SRV", None, Scripted(_SRV), False, _ForbiddenExecutor()) is not None


class _ForbiddenExecutor(AtOnce):
    """
    An executor that must not be used.
    """

    def submit(self, *args: object, **kwargs: object) -> NoReturn:
        """
        Raise an error.
        """
        raise AssertionError("nothing here blocks")
