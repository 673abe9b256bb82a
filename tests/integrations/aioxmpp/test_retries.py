"""
Tests of look-ups that are tried again, by both of their faces: L{twisted_ext.integrations.aioxmpp} and
L{twisted_ext.integrations.aioxmpp.asyncio}.

What they promise is what aioxmpp's module of that name promises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, NoReturn, cast

import dns.flags
import dns.resolver
import pytest

from tests.compat.discoveries import DENIED
from tests.integrations.aioxmpp.faces import FAILED, LATE, AtOnce, Coroutines, Deferreds, Face, Scripted, proved
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
def face(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Face:
    """
    @return: each of the two.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    kind: Callable[[], Face] = request.param
    return kind()


class Fresh(list[Scripted]):
    """
    The resolvers that a thread was given, in order.
    """

    def __init__(self, scripts: list[list[Entry]]) -> None:
        super().__init__()
        self._scripts = iter(scripts)

    def make(self, reactor: object) -> Scripted:
        """
        Make the next one.
        """
        self.append(Scripted(*next(self._scripts)))
        return self[-1]

    @property
    def asked(self) -> list[list[str]]:
        """
        How each was asked.
        """
        return [each.asked for each in self]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fresh]:
    """
    @return: call it with the scripts of the resolvers that the thread is to be given.
    """

    def begin(*scripts: list[Entry]) -> Fresh:
        made = Fresh(list(scripts))
        monkeypatch.setattr(perthread, "freshResolver", made.make)
        monkeypatch.setattr(perthread, "_thread", perthread._Thread())
        return made

    return begin


# -- attempts


def test_first(face: Face) -> None:
    """
    An answer ends it at once; it can be gone through, and has the header's flags.
    """
    resolver = Scripted(proved(_SRV))
    found = face.query(_NAME, dns.rdatatype.SRV, None, resolver)
    assert found is not None
    assert [(each.priority, each.weight, each.port, str(each.target)) for each in found] == [(1, 2, 3, "a.example.")]
    assert found.response.flags & dns.flags.AD
    assert resolver.asked == ["udp"]


def test_ownAttempts(face: Face, fresh: Callable[..., Fresh]) -> None:
    """
    The thread's own resolver is asked 3 times: it is replaced by a new one after the first failure, and by TCP after the second.
    """
    made = fresh([LATE], [LATE, LATE])
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV")
    assert made.asked == [["udp"], ["udp", "tcp"]]


def test_givenAttempts(face: Face, fresh: Callable[..., Fresh]) -> None:
    """
    A resolver that is given is asked twice, by TCP after the first failure, and nothing is replaced.
    """
    made = fresh()
    resolver = Scripted(LATE, LATE)
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV", None, resolver)
    assert (resolver.asked, made) == (["udp", "tcp"], [])


def test_setAttempts(face: Face, fresh: Callable[..., Fresh]) -> None:
    """
    One that the program has set for the thread counts as given: it is not replaced.
    """
    made = fresh()
    resolver = Scripted(LATE, LATE)
    perthread.setResolver(resolver)
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV")
    assert (resolver.asked, made) == (["udp", "tcp"], [])
    assert perthread.getResolver() is resolver


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_numberOfAttempts(face: Face, fresh: Callable[..., Fresh], attempts: int) -> None:
    """
    There are as many as the caller wants.
    """
    resolver = Scripted(*[LATE] * attempts)
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV", attempts, resolver)
    assert resolver.asked == ["udp", *["tcp"] * (attempts - 1)]
    made = fresh([LATE], [LATE] * 4)
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV", attempts)
    assert [one for each in made.asked for one in each] == ["udp", "udp", *["tcp"] * 3][:attempts]


def test_text(face: Face) -> None:
    """
    A name as text is refused in one line that says what to write, before anybody is asked.
    """
    resolver = Scripted()
    with pytest.raises(TypeError, match=r"qname: 'x\.example' is not in octets; write b'"):
        face.query(cast(bytes, "x.example"), "SRV", None, resolver)
    with pytest.raises(TypeError, match="domain: 'x' is not in octets"):
        retries.serviceName(cast(bytes, "x"), "a", "tcp")
    assert resolver.asked == []


@pytest.mark.parametrize("attempts", [0, -1])
def test_noAttempts(face: Face, attempts: int) -> None:
    """
    None, or fewer, is an error of the caller's, and nobody is asked.
    """
    resolver = Scripted()
    with pytest.raises(ValueError, match="nattempts: "):
        face.query(_NAME, "SRV", attempts, resolver)
    assert resolver.asked == []


def test_lateAnswer(face: Face, fresh: Callable[..., Fresh]) -> None:
    """
    Whichever attempt gives the answer, it is the answer.
    """
    made = fresh([LATE], [LATE, _SRV])
    assert face.query(_NAME, "SRV") is not None
    assert made.asked == [["udp"], ["udp", "tcp"]]


def test_timeout(face: Face) -> None:
    """
    What is raised at the end is the builtin, whatever the attempts failed with.
    """
    with pytest.raises(TimeoutError) as raised:
        face.query(_NAME, "SRV", None, Scripted(Unreachable("refused"), LATE))
    assert type(raised.value) is TimeoutError
    assert "2 attempts" in str(raised.value)


def test_unreachable(face: Face) -> None:
    """
    Servers that cannot be reached, by TCP neither, are broken.
    """
    resolver = Scripted(*[Unreachable("refused")] * 3)
    with pytest.raises(NoNameservers, match="refused"):
        face.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "tcp", "tcp cd"]


def test_whole(face: Face) -> None:
    """
    Names are whole as they are: no search list is tried, with or without a final dot.
    """
    resolver = Scripted(_SRV, _SRV)
    face.query(b"host", "SRV", None, resolver)
    face.query(b"host.", "SRV", None, resolver)
    assert [context.relative for context in resolver.canned.contexts] == [False, False]
    assert len({question.name for question in resolver.canned.questions}) == 1


def test_many(fresh: Callable[..., Fresh], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of look-ups that fail together the first has the thread's resolver replaced, for all of them.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())
    made = fresh([LATE, LATE, LATE], [_SRV, _SRV, _SRV])
    own = perthread.ownResolver()
    assert own is not None
    for _ in range(3):
        perthread.renewResolver(own)
        assert perthread.ownResolver() is made[1]
    assert len(made) == 2


# -- validation


def test_asksForValidation(face: Face) -> None:
    """
    AD is set in every query, required or not.
    """
    resolver = Scripted(LATE, FAILED, LATE, _SRV)
    face.query(_NAME, "SRV", 3, resolver)
    assert resolver.asked == ["udp", "tcp", "tcp cd", "tcp"]
    assert [context.authenticData for context in resolver.canned.contexts] == [True] * 4


def test_required(face: Face) -> None:
    """
    An answer that was not validated is an error where it has to be; no further attempt would make it better.
    """
    resolver = Scripted(_SRV)
    with pytest.raises(ValueError, match="was not validated"):
        face.query(_NAME, "SRV", None, resolver, True)
    assert resolver.asked == ["udp"]
    assert face.query(_NAME, "SRV", None, Scripted(proved(_SRV)), True) is not None
    assert face.query(_NAME, "SRV", None, Scripted(_SRV), False) is not None


@pytest.mark.parametrize("entry", [DENIED, ()], ids=["no name", "no data"])
@pytest.mark.parametrize("required", [False, True])
def test_nothing(face: Face, entry: Entry, required: bool) -> None:
    """
    No such name, and no such data, are L{None}, validated or not.
    """
    resolver = Scripted(entry)
    assert face.query(_NAME, "SRV", None, resolver, required) is None
    assert resolver.asked == ["udp"]


@pytest.mark.parametrize("entry", [_SRV, DENIED, ()], ids=["data", "no name", "no data"])
def test_forged(face: Face, entry: Entry) -> None:
    """
    Where servers fail, they are asked again without validation. If that has an answer, also that there is nothing, validation has failed.
    """
    resolver = Scripted(FAILED, entry)
    with pytest.raises(ValidationError, match="SERVFAIL"):
        face.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd"]


def test_lateCheck(face: Face) -> None:
    """
    If nobody answers to that, it was a timeout like any other.
    """
    resolver = Scripted(FAILED, LATE, FAILED, LATE)
    with pytest.raises(TimeoutError):
        face.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd", "tcp", "tcp cd"]


def test_broken(face: Face) -> None:
    """
    If they fail again, the servers are broken. That is one of our exceptions, and dnspython's where it is installed.
    """
    resolver = Scripted(FAILED, FAILED)
    with pytest.raises(dns.resolver.NoNameservers) as raised:
        face.query(_NAME, "SRV", None, resolver)
    assert resolver.asked == ["udp", "udp cd"]
    error: object = raised.value
    assert isinstance(error, NoNameservers)
    assert not isinstance(error, ValueError)
    assert (error.server, error.rcode) == ("192.0.2.1:53", 2)
    assert "SERVFAIL" in str(error)


def test_brokenWithoutDnspython(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without dnspython it is ours alone.
    """
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(NoNameservers) as raised:
        face.query(_NAME, "SRV", None, Scripted(FAILED, FAILED))
    assert type(raised.value) is NoNameservers


def test_ownFails(face: Face, fresh: Callable[..., Fresh]) -> None:
    """
    Where it is the thread's own resolver that fails first, it is replaced before anything is made of that.
    """
    made = fresh([FAILED], [_SRV])
    assert face.query(_NAME, "SRV") is not None
    assert made.asked == [["udp"], ["udp"]]
    made = fresh([FAILED], [FAILED, _SRV])
    with pytest.raises(ValidationError):
        face.query(_NAME, "SRV")
    assert made.asked == [["udp"], ["udp", "udp cd"]]


def test_refused(face: Face) -> None:
    """
    Servers that refuse fail.
    """
    refused = ServerFailed("REFUSED", rcode=5)
    with pytest.raises(dns.resolver.NoNameservers):
        face.query(_NAME, "SRV", None, Scripted(refused, refused))


# -- mistakes


@pytest.mark.parametrize(
    ("name", "rrType"), [(b"a" * 64 + b".example", "SRV"), (b"a..b", "SRV"), (_NAME, "NONE"), (_NAME, None)]
)
def test_impossible(face: Face, name: bytes, rrType: object) -> None:
    """
    What cannot be asked is said at once, and is no failure of servers.
    """
    resolver = Scripted()
    with pytest.raises(DNSFormatError):
        face.query(name, rrType, None, resolver)
    assert resolver.asked == []


def test_noResolver(face: Face) -> None:
    """
    Neither is what is no resolver.
    """
    with pytest.raises(DNSFormatError, match="resolver: 17"):
        face.query(_NAME, "SRV", None, 17)
    with pytest.raises(UnicodeDecodeError):
        face.query("bücher".encode(), "SRV", None, Scripted())


def test_closed(face: Face) -> None:
    """
    A resolver that was closed is not asked twice.
    """
    resolver = Scripted()
    resolver.close()
    with pytest.raises(LookupFailed, match="closed"):
        face.query(_NAME, "SRV", None, resolver)


# -- resolvers that block


def _theirs(name: str) -> Exception:
    """
    @return: an exception of dnspython's.
    """
    return cast("Callable[[], Exception]", getattr(dns.resolver, name))()


class Waiting:
    """
    A resolver of dnspython's shape that answers by a script.

    @ivar calls: flags, name, type and further wishes of each query.
    """

    def __init__(self, *script: object) -> None:
        self._script = iter(script)
        self._flags = 0
        self.calls: list[tuple[int, str, object, dict[str, object]]] = []

    def set_flags(self, flags: int) -> None:
        """
        Remember them.
        """
        self._flags = flags

    def query(self, qname: str, rdtype: object, **wishes: object) -> object:
        """
        Do what is next.
        """
        self.calls.append((self._flags, qname, rdtype, wishes))
        entry = next(self._script)
        if isinstance(entry, Exception):
            raise entry
        return entry


class _Threads:
    """
    A reactor's part in calling threads.
    """

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        """
        Call it here and now.
        """
        call(*args)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> AtOnce:
    """
    @return: one that both faces can use, and no reactor has to run for.
    """
    monkeypatch.setattr(deferreds, "currentReactor", _Threads)
    return AtOnce()


def test_blocking(face: Face, executor: AtOnce) -> None:
    """
    One that blocks is asked by the executor, with its flags set before each query, and gives its own answers.
    """
    answer = face.query(_NAME, "SRV", None, Scripted(proved(_SRV)))
    resolver = Waiting(_theirs("NoNameservers"), _theirs("LifetimeTimeout"), TimeoutError(), answer)
    assert face.query(_NAME, 33, 4, resolver, True, executor) is answer
    name = _NAME.decode()
    assert resolver.calls == [
        (RD | AD, name, 33, {"tcp": False}),
        (RD | AD | CD, name, 33, {"tcp": False, "raise_on_no_answer": False}),
        (RD | AD, name, 33, {"tcp": True}),
        (RD | AD, name, 33, {"tcp": True}),
    ]
    assert executor.calls == 4


def test_blockingAsSet(face: Face, executor: AtOnce) -> None:
    """
    So is one that was set for the thread.
    """
    perthread.setResolver(Waiting(_theirs("NoAnswer")))
    assert face.query(_NAME, "SRV", None, None, False, executor) is None
    assert executor.calls == 1


@pytest.mark.parametrize("kind", [dns.resolver.NXDOMAIN, dns.resolver.NoAnswer])
def test_blockingNothing(face: Face, executor: AtOnce, kind: type[Exception]) -> None:
    """
    Its exceptions mean what ours do.
    """
    assert face.query(_NAME, "SRV", None, Waiting(kind()), False, executor) is None
    with pytest.raises(ValidationError):
        face.query(_NAME, "SRV", None, Waiting(_theirs("NoNameservers"), kind()), False, executor)


def test_blockingFails(face: Face, executor: AtOnce) -> None:
    """
    Those that it fails with twice, or that mean nothing here, come out as they are.
    """
    last = _theirs("NoNameservers")
    with pytest.raises(dns.resolver.NoNameservers) as raised:
        face.query(_NAME, "SRV", None, Waiting(_theirs("NoNameservers"), last), False, executor)
    assert raised.value is last
    with pytest.raises(KeyError):
        face.query(_NAME, "SRV", None, Waiting(KeyError("x")), False, executor)


def test_noExecutor(face: Face, executor: AtOnce) -> None:
    """
    No other resolver has a use for an executor.
    """
    assert face.query(_NAME, "SRV", None, Scripted(_SRV), False, _Forbidden()) is not None


class _Forbidden(AtOnce):
    """
    An executor that must not be used.
    """

    def submit(self, *args: object, **kwargs: object) -> NoReturn:
        """
        Object.
        """
        raise AssertionError("nothing here blocks")
