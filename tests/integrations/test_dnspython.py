"""
Tests of L{twisted_ext.integrations.dnspython} and of its user L{twisted_ext.integrations.aioxmpp.blockingresolver}.
"""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Callable
from typing import TypeVar

import dns.exception
import dns.flags
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.compat.discoveries import DENIED, aliased
from tests.integrations.aioxmpp.faces import FAILED, LATE, Scripted, proved
from twisted_ext.answers import Security
from twisted_ext.asyncio.loops import onLoop
from twisted_ext.compat.conversion.errors import DNSFormatError, DNSServerError, LookupFailed
from twisted_ext.errors import CallerFault, Unreachable
from twisted_ext.integrations import dnspython
from twisted_ext.integrations.aioxmpp import blockingresolver as blocking
from twisted_ext.integrations.aioxmpp.blockingresolver import BlockingResolver
from twisted_ext.integrations.aioxmpp.retries import ValidationError
from twisted_ext.integrations.dnspython import DomainName, FailureKind, Record, RecordSet, asTheirs, lookUp, meaningOf
from twisted_ext.testing.sources import Entry, answerOf, questionOf
from twisted_ext.wire.codes import AD
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText

__all__: list[str] = []

_T = TypeVar("_T")


def look(resolver: Scripted, name: str, rrType: object, flags: int = 0, stream: bool = False) -> RecordSet:
    """
    Look up a name with an immediate answer.
    """
    results: list[RecordSet | Failure] = []
    Deferred.fromCoroutine(lookUp(resolver, name, rrType, flags, stream)).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    assert isinstance(result, RecordSet)
    return result


def recordOf(rrType: int, text: str) -> Record:
    """
    Return the record with this data.
    """
    return Record(declarationOf(rrType).fromWire(rdataFromText(rrType, text)))


# -- records


@pytest.mark.parametrize(
    ("rrType", "text", "attributes"),
    [
        ("A", "192.0.2.1", ["address"]),
        ("AAAA", "2001:db8::1", ["address"]),
        ("MX", "10 mail.example.", ["preference", "exchange"]),
        ("SRV", "1 2 3 a.example.", ["priority", "weight", "port", "target"]),
        ("TLSA", "3 1 1 " + "cd" * 32, ["usage", "selector", "mtype", "cert"]),
        ("NS", "ns.example.", ["target"]),
        ("CNAME", "other.example.", ["target"]),
        ("PTR", "other.example.", ["target"]),
        ("TXT", '"one" "two"', ["strings"]),
    ],
)
def test_attributesMatchDnspython(rrType: str, text: str, attributes: list[str]) -> None:
    """
    Records have the attributes of dnspython's, with the same values.
    """
    number = int(dns.rdatatype.from_text(rrType))
    ours = recordOf(number, text)
    theirs = dns.rdata.from_text("IN", rrType, text)
    for name in attributes:
        value = getattr(theirs, name)
        assert getattr(ours, name) == (str(value) if isinstance(value, dns.name.Name) else value), name
    assert str(ours) == ours.to_text()
    assert ours.rdtype == number


def test_recordsAreValues() -> None:
    """
    Records are values that can be compared and copied. A missing attribute is an error that names the type.
    """
    record = recordOf(33, "1 2 3 a.example.")
    assert copy.copy(record) == record == recordOf(33, "1 2 3 a.example.")
    assert {record, recordOf(33, "1 2 3 a.example.")} == {record}
    assert record != recordOf(33, "1 2 3 b.example.")
    assert repr(record) == "<Record 1 2 3 a.example.>"
    with pytest.raises(AttributeError, match="type SRV have no 'exchange'"):
        _ = record.exchange


def test_nameKeepsFinalDot() -> None:
    """
    Names have their final dot, which C{to_text} can leave out.
    """
    name = DomainName("a.example.")
    assert (str(name), name.to_text(), name.to_text(omit_final_dot=True)) == ("a.example.", "a.example.", "a.example")
    assert DomainName(".").to_text(True) == "."


# -- sets of records


def test_setIsASequence() -> None:
    """
    A set can be iterated, counted and indexed, and has the question and the answer.
    """
    found = look(Scripted(["1 2 3 a.example.", "4 5 6 b.example."]), "x.example", "SRV")
    assert [record.port for record in found] == [3, 6]
    assert len(found) == 2
    assert found[0] is next(iter(found))
    assert found[1:] == [found[1]]
    assert found.rrset is found
    assert (found.qname, found.rdtype, found.rdclass, found.canonical_name) == ("x.example.", 33, 1, "x.example.")
    assert found.response.rcode() == 0
    assert repr(found).startswith("<RecordSet x.example. [")


def test_emptySet() -> None:
    """
    A set without records is empty.
    """
    found = look(Scripted(()), "x.example", "SRV")
    assert (list(found), len(found), found.rrset) == ([], 0, None)


@pytest.mark.parametrize("rrType", [33, "SRV", "srv", dns.rdatatype.SRV, "TYPE33"])
def test_typeForms(rrType: object) -> None:
    """
    Types are numbers, also those of dnspython, or mnemonics.
    """
    resolver = Scripted("1 2 3 a.example.")
    look(resolver, "x.example", rrType)
    assert [question.rrType for question in resolver.canned.questions] == [33]


@pytest.mark.parametrize("rrType", [0, 65536, 255, "ANY", "AXFR", "OPT", "NOSUCH", None])
def test_invalidTypeIsNotLookedUp(rrType: object) -> None:
    """
    A type without records, such as ANY, is refused and not taken for missing data.
    """
    resolver = Scripted()
    with pytest.raises(DNSFormatError, match="type"):
        look(resolver, "x.example", rrType)
    assert resolver.canned.questions == []


def test_aliasesAreFollowedAndValidated() -> None:
    """
    Aliases are followed, by the server or here. The answer counts as validated only if all of it was.
    """
    left = aliased("x.example", "y.example", left=True)
    assert left.flags & AD == 0
    found = look(Scripted(left, proved("1 2 3 a.example.")), "x.example", "SRV")
    assert (found.canonical_name, len(found), found.response.flags & AD) == ("y.example.", 1, 0)
    left.flags |= AD
    found = look(Scripted(left, proved("1 2 3 a.example.")), "x.example", "SRV")
    assert found.response.flags & AD
    found = look(Scripted(aliased("x.example", "z.example")), "x.example", "SRV")
    assert (found.canonical_name, len(found)) == ("z.example.", 0)


def test_localValidationSetsAD() -> None:
    """
    AD is set for an answer that was validated locally.
    """
    answer = answerOf(questionOf("x.example", "SRV"), "1 2 3 a.example.")
    answer.security = Security.SECURE
    assert look(Scripted(answer), "x.example", "SRV").response.flags & AD


def test_malformedRecordsAreAServerFailure() -> None:
    """
    Records that are all malformed are a server failure.
    """
    answer = proved("1 2 3 a.example.")
    answer.answer[0].rdatas = (b"\x00",)
    with pytest.raises(DNSServerError) as raised:
        look(Scripted(answer), "a.example", "SRV")
    assert meaningOf(raised.value) is FailureKind.FAILED


# -- exceptions


@pytest.mark.parametrize(
    ("entry", "ours", "theirs"),
    [
        (DENIED, dnspython.NXDOMAIN, dns.resolver.NXDOMAIN),
        (LATE, dnspython.Timeout, dns.resolver.Timeout),
        (Unreachable("refused"), dnspython.Timeout, dns.exception.Timeout),
        (FAILED, dnspython.NoNameservers, dns.resolver.NoNameservers),
    ],
)
def test_exceptionsMatchDnspython(entry: Entry, ours: type[Exception], theirs: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Exceptions are of this package's class, and also of dnspython's where it is installed, with the same text. None is a L{ValueError},
    which would mean a domain without such a service.
    """
    with pytest.raises(LookupFailed) as raised:
        look(Scripted(entry), "x.example", "SRV")
    plain = raised.value
    combined = asTheirs(plain)
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    alone = asTheirs(plain)
    assert type(alone) is ours
    assert isinstance(combined, ours)
    assert isinstance(combined, theirs)
    for error in (alone, combined):
        assert not isinstance(error, ValueError)
        assert str(error) == str(plain)
        assert (error.rcode, error.server, error.__cause__) == (plain.rcode, plain.server, plain.__cause__)
        assert meaningOf(error) is meaningOf(plain)
        assert repr(error)
    assert meaningOf(KeyError()) is FailureKind.OTHER


def test_unreachableServerByTransport() -> None:
    """
    An unreachable server is a time-out over UDP and a failure over TCP.
    """
    for stream, meaning in ((False, FailureKind.TIMEOUT), (True, FailureKind.FAILED)):
        with pytest.raises(LookupFailed) as raised:
            look(Scripted(Unreachable("refused")), "x.example", "SRV", stream=stream)
        assert meaningOf(raised.value) is meaning
        assert meaningOf(asTheirs(raised.value)) is meaning
        assert str(raised.value) == "x.example: refused"


def test_callerErrorsStayUnchanged() -> None:
    """
    Errors of the caller are not converted.
    """
    with pytest.raises(DNSFormatError) as raised:
        look(Scripted(), "a..b", "SRV")
    assert asTheirs(raised.value) is raised.value
    assert meaningOf(ValidationError()) is FailureKind.OTHER


# -- blocking resolvers


def resolveInThread(resolve: Callable[[BlockingResolver], _T], *script: Entry) -> _T:
    """
    Run a blocking look-up in a thread while the loop runs.
    """

    async def main() -> _T:
        ours = Scripted(*script)
        ours._reactor = onLoop(asyncio.get_running_loop()).reactor
        return await asyncio.to_thread(resolve, BlockingResolver(ours))

    return asyncio.run(main())


def test_blockingQueryReturnsAnswer() -> None:
    """
    A blocking query returns its answer.
    """
    found = resolveInThread(lambda resolver: resolver.query("x.example", "SRV"), proved("1 2 3 a.example."))
    assert [str(record.target) for record in found] == ["a.example."]
    assert found.response.flags & dns.flags.AD
    found = resolveInThread(lambda resolver: resolver.resolve(dns.name.from_text("x.example"), dns.rdatatype.A), "192.0.2.1")
    assert found[0].address == "192.0.2.1"


def test_flagsAndTCPOfBlockingQueries() -> None:
    """
    Flags apply to all later queries, and TCP to the query that requests it.
    """
    ours = Scripted((), (), ())

    def resolve(resolver: BlockingResolver) -> None:
        resolver.query("x.example", "SRV", raise_on_no_answer=False)
        resolver.set_flags(dns.flags.RD | dns.flags.AD | dns.flags.CD)
        resolver.query("x.example", "SRV", tcp=True, raise_on_no_answer=False)
        resolver.set_flags(dns.flags.RD)
        resolver.query("x.example", "SRV", raise_on_no_answer=False)

    async def main() -> None:
        ours._reactor = onLoop(asyncio.get_running_loop()).reactor
        await asyncio.to_thread(resolve, BlockingResolver(ours))

    asyncio.run(main())
    assert ours.asked == ["udp", "tcp cd", "udp"]
    assert [context.authenticData for context in ours.canned.contexts] == [False, True, False]


@pytest.mark.parametrize(
    ("entry", "theirs"),
    [
        (DENIED, dns.resolver.NXDOMAIN),
        ((), dns.resolver.NoAnswer),
        (LATE, dns.resolver.Timeout),
        (FAILED, dns.resolver.NoNameservers),
    ],
)
def test_blockingQueryRaisesDnspythonErrors(entry: Entry, theirs: type[Exception]) -> None:
    """
    A blocking query raises dnspython's exceptions.
    """
    with pytest.raises(theirs):
        resolveInThread(lambda resolver: resolver.query("x.example", "SRV"), entry)


def test_invalidBlockingQueryIsRefused() -> None:
    """
    An invalid name, another class than IN and a resolver without threads are refused.
    """
    with pytest.raises(DNSFormatError):
        resolveInThread(lambda resolver: resolver.query("a..b"))
    with pytest.raises(DNSFormatError, match="class IN"):
        resolveInThread(lambda resolver: resolver.query("a.example", "A", "CH"))
    with pytest.raises(CallerFault, match="cannot be called from other threads"):
        BlockingResolver(Scripted())


def test_blockingInLoopThreadIsRefused() -> None:
    """
    A blocking query in the loop's own thread is refused, as it would wait for itself.
    """

    async def main() -> None:
        resolver = BlockingResolver("udp:192.0.2.1")
        with pytest.raises(RuntimeError, match="wait for itself"):
            resolver.query("a.example")

    asyncio.run(main())


def test_stoppedLoopTimesOut(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A blocking query times out if the loop is not running.
    """
    monkeypatch.setattr(blocking, "_PATIENCE", 0.0)
    loop = asyncio.new_event_loop()

    async def make() -> BlockingResolver:
        return BlockingResolver("udp:192.0.2.1")

    try:
        resolver = loop.run_until_complete(make())
        with pytest.raises(dns.resolver.Timeout, match="is not running"):
            resolver.query("a.example", lifetime=0.05)
    finally:
        loop.close()


def test_nameserversListsServers() -> None:
    """
    C{nameservers} lists the servers.
    """

    async def main() -> list[str]:
        return BlockingResolver("cache:race:(udp:192.0.2.1):(tcp:192.0.2.2)").nameservers

    assert asyncio.run(main()) == ["192.0.2.1", "192.0.2.2"]
