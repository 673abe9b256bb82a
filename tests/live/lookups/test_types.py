"""
Every record type, looked up in name servers by other authors.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Final, Protocol, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.names import dns

from tests.live.asking import HEAD, ask, resolving
from tests.peers import LivePeer, bind, nsd, peer, unbound
from tests.wire.rdata.samples import SAMPLES
from twisted_ext.client import Result
from twisted_ext.compat.lookupmethods import Lookups, lookupName, typeOfLookup
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import isMeta, typeNumber

__all__: list[str] = []

#: Types that zones do not hold, or that the zone has already.
_APART: Final = ("NXNAME", "SOA")

#: Types without a record class, ours or Twisted's.
_CLASSLESS: Final = ("SINK", "TYPE65280")

#: Types without a look-up method.
_METHODLESS: Final = ("TYPE65280", "TYPE65401")

#: Records that BIND refuses in a zone: obsolete types, empty keys, mnemonics newer than it.
_NOT_BIND: Final = ("md-0", "mf-0", "key-2", "ipseckey-4", "nsec-2", "svcb-2")


class Sample:
    """
    One record of a type.

    @ivar label: the first label of its owner.
    @ivar mnemonic: the mnemonic of its type.
    @ivar number: the number of its type.
    @ivar text: its rdata in master file form.
    @ivar wire: its rdata.
    """

    def __init__(self, mnemonic: str, index: int, text: str) -> None:
        number = typeNumber(mnemonic)
        assert number is not None
        self.label = f"{mnemonic.lower()}-{index}"
        self.owner = f"{self.label}.every.example"
        self.mnemonic = mnemonic
        self.number = number
        self.text = text
        self.wire = rdataFromText(number, text)

    @property
    def generic(self) -> str:
        """
        Type and rdata in the form that every server understands (RFC 3597, section 5).
        """
        return f"TYPE{self.number} \\# {len(self.wire)} {self.wire.hex()}"


ALL: Final = [
    Sample(mnemonic, index, text)
    for mnemonic, texts in SAMPLES.items()
    if mnemonic not in _APART and not isMeta(typeNumber(mnemonic) or 0)
    for index, text in enumerate(texts)
]

#: Samples for servers with zones: NS records below the apex are referrals, and NSEC3 records are kept apart.
_LOOKED_UP: Final = [sample for sample in ALL if sample.mnemonic not in ("NS", "NSEC3")]

#: Types that replies to ANY lack, or that cannot be together with others.
_ELSEWHERE: Final = ("MD", "MF", "CNAME", "DNAME", "DS", "DNSKEY", "NSEC", "NSEC3PARAM", "RRSIG", "SIG")

#: One record of each type at one name, for a query for ANY.
_TOGETHER: Final = [
    sample
    for sample in _LOOKED_UP
    if sample.label.endswith("-0") and sample.mnemonic not in _ELSEWHERE
]


def _zoneForNSD() -> str:
    return HEAD + "".join([f"{sample.label} {sample.generic}\n" for sample in _LOOKED_UP])


def _samplesForBind() -> list[Sample]:
    return [sample for sample in _LOOKED_UP if sample.label not in _NOT_BIND]


def _zoneForBind() -> str:
    told = subprocess.run([str(peer("named-rrchecker")), "-T"], capture_output=True, text=True, check=True)
    known = set(told.stdout.split())
    lines = HEAD + "".join([f"all {sample.generic}\n" for sample in _TOGETHER])
    for sample in _samplesForBind():
        # As text, so that BIND's parser is compared with ours.
        lines += f"{sample.label} " + (f"{sample.mnemonic} {sample.text}" if sample.mnemonic in known else sample.generic) + "\n"
    return lines


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, tuple[LivePeer, list[Sample]]]]:
    """
    Start NSD and Unbound with the octets and BIND with the texts, and return each with its samples.
    """
    local = [f"{sample.owner}. 300 {sample.generic}" for sample in ALL]
    with ExitStack() as stack:
        yield {
            "nsd": (stack.enter_context(nsd({"every.example": _zoneForNSD()})), _LOOKED_UP),
            "named": (stack.enter_context(bind({"every.example": _zoneForBind()})), _samplesForBind()),
            "unbound": (stack.enter_context(unbound(localData=local)), ALL),
        }


class _Encodable(Protocol):
    """
    The part of a payload that writes its rdata.
    """

    def encode(self, strio: BytesIO) -> None:
        """
        Write the rdata.
        """


def _rdataFound(result: Result, sample: Sample) -> object:
    """
    Return the rdata of the one record that was found, encoded again.
    """
    found = [header for header in result[0] if header.type == sample.number]
    if len(found) != 1:
        return result
    written = BytesIO()
    cast(_Encodable, found[0].payload).encode(written)
    if isinstance(found[0].payload, dns.UnknownRecord) != (sample.mnemonic in _CLASSLESS):
        return found[0].payload
    return written.getvalue()


@pytest.mark.parametrize("program", ["nsd", "named", "unbound"])
@pytest_twisted.ensureDeferred
async def test_answersHaveTheOctetsOfTheZone(servers: dict[str, tuple[LivePeer, list[Sample]]], program: str) -> None:
    """
    Each record of each type comes with the octets that the zone has.
    """
    server, samples = servers[program]
    wrong = {}
    async with resolving(server) as resolver:
        for sample in samples:
            answer = await ask(resolver, sample.owner, sample.mnemonic)
            found = [(rrset.rrType, rdata) for rrset in answer.answer for rdata in rrset.rdatas]
            if found != [(sample.number, sample.wire)]:
                wrong[sample.label] = found
    assert wrong == {}


@pytest.mark.parametrize("program", ["nsd", "named", "unbound"])
@pytest_twisted.ensureDeferred
async def test_payloadsWriteTheSameOctets(servers: dict[str, tuple[LivePeer, list[Sample]]], program: str) -> None:
    """
    Each record has a Twisted payload of its type's class, which writes the same octets again.
    """
    server, samples = servers[program]
    wrong = {}
    async with resolving(server) as resolver:
        for sample in samples:
            result = await resolver.query(dns.Query(sample.owner, sample.number))
            seen = _rdataFound(result, sample)
            if seen != sample.wire:
                wrong[sample.label] = seen
    assert wrong == {}


#: Types that C{dig} writes with other zeros, another mnemonic or another case of digits, or in hex where we have a text form.
_WRITTEN_OTHERWISE: Final = frozenset(
    ["CERT", "CLA", "DELEG", "DELEGPARAM", "EID", "IPN", "L64", "LOC", "NID", "NIMLOC", "NULL", "SINK", "TYPE65280", "TYPE65401"]
)

#: Records whose C{dig} output no program can read: own text forms, no fingerprint, a time before 1970.
_READ_OTHERWISE: Final = frozenset(["eid-0", "nimloc-0", "sink-0", "sshfp-1", "rrsig-1"])

#: Other records that differ: C{dig} writes two spaces in this one.
_SPACED_OTHERWISE: Final = frozenset(["a6-3"])

#: Look-up methods that are not called after their type.
_CALLED: Final = {
    "A": "Address",
    "AAAA": "IPV6Address",
    "A6": "Address6",
    "MX": "MailExchange",
    "NS": "Nameservers",
    "CNAME": "CanonicalName",
    "MB": "MailBox",
    "MG": "MailGroup",
    "MR": "MailRename",
    "PTR": "Pointer",
    "NULL": "Null",
    "WKS": "WellKnownServices",
    "SRV": "Service",
    "HINFO": "HostInfo",
    "MINFO": "MailboxInfo",
    "TXT": "Text",
    "SPF": "SenderPolicy",
    "RP": "Responsibility",
    "AFSDB": "AFSDatabase",
    "NAPTR": "NamingAuthorityPointer",
    "NSAP-PTR": "NSAPPTR",
}


@pytest_twisted.ensureDeferred
async def test_eachTypeHasLookupMethods(servers: dict[str, tuple[LivePeer, list[Sample]]]) -> None:
    """
    Each type has a look-up method called after its mnemonic, and one with Twisted's name where Twisted has one.
    """
    server, samples = servers["unbound"]
    async with resolving(server) as resolver:
        asked = set()
        for sample in samples:
            for called in {_CALLED.get(sample.mnemonic, sample.mnemonic), sample.mnemonic}:
                method = lookupName(called)
                if sample.mnemonic in _METHODLESS:
                    assert not hasattr(resolver, method)
                    continue
                result = await cast("Deferred[Result]", getattr(resolver, method)(sample.owner))
                assert _rdataFound(result, sample) == sample.wire, method
                asked.add(method)
        everything = {name for name in dir(Lookups) if name.startswith("lookup")}
        sampled = {sample.number for sample in samples if sample.mnemonic not in _METHODLESS}
        assert {name for name in everything - asked if typeOfLookup(name) in sampled} == set()
        assert {"lookupAuthority", "lookupAllRecords", "lookupZone"} <= everything


def _records(text: str) -> dict[str, str]:
    """
    Return the rdata that C{dig} or C{txdns} prints, by the first label of the owner.
    """
    rows = [line.split(None, 4) for line in text.splitlines() if line and not line.startswith(";")]
    return {row[0].partition(".")[0]: row[4] if len(row) > 4 else "" for row in rows}


def test_typesAreWrittenAsByDig(servers: dict[str, tuple[LivePeer, list[Sample]]], tmp_path: Path) -> None:
    """
    C{txdns query} writes each type as C{dig} does, with a few exceptions. The output of C{dig} always parses to the same rdata.
    """
    server, samples = servers["named"]
    path = tmp_path / "queries"
    path.write_text("".join([f"{sample.owner} TYPE{sample.number}\n" for sample in samples]))
    words = [f"@{server.address}", "-p", str(server.port), "-f", str(path), "+noall", "+answer"]
    dig = subprocess.run([str(peer("dig")), *words, "+nosplit"], capture_output=True, text=True, timeout=20, check=True)
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "query", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    theirs, ours = _records(dig.stdout), _records(ended.stdout)
    readable = [sample for sample in samples if sample.label not in _READ_OTHERWISE]
    assert {sample.label: rdataFromText(sample.number, theirs[sample.label]) for sample in readable} == {
        sample.label: sample.wire for sample in readable
    }
    others = _READ_OTHERWISE | _SPACED_OTHERWISE
    alike = [sample for sample in samples if sample.label not in others and sample.mnemonic not in _WRITTEN_OTHERWISE]
    assert len(alike) > 100
    assert {sample.label: ours[sample.label] for sample in alike} == {sample.label: theirs[sample.label] for sample in alike}


@pytest_twisted.ensureDeferred
async def test_allTypesComeInOneReply(servers: dict[str, tuple[LivePeer, list[Sample]]]) -> None:
    """
    All types at one name come in one reply, over TCP because they do not fit into a datagram.
    """
    server, _ = servers["named"]
    async with resolving(server) as resolver:
        result = await resolver.lookupAllRecords("all.every.example")
        assert {header.type for header in result[0]} == {sample.number for sample in _TOGETHER}
        assert {header.name.name for header in result[0]} == {b"all.every.example"}
        answer = await ask(resolver, "all.every.example", "ANY", stream=True)
        assert {rrset.name for rrset in answer.answer} == {nameFromText("all.every.example")}
        assert sorted([rdata for rrset in answer.answer for rdata in rrset.rdatas]) == sorted([s.wire for s in _TOGETHER])
