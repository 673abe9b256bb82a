"""
Tests of scenarios in Unbound's form, and of the settings that the recursive resolver of scenarios follows or does not have.
"""

from __future__ import annotations

import re
from typing import Final

import pytest

from twisted_ext.testing.internet import Internet
from twisted_ext.testing.scenarios.matching import Mismatch
from twisted_ext.testing.scenarios.player import Player, Unsupported
from twisted_ext.testing.scenarios.reading import parseScenario
from twisted_ext.testing.scenarios.resolver import recursiveResolver
from twisted_ext.testing.sources import questionOf

_TEXT: Final = """
server:
    {server}
{clauses}
CONFIG_END
SCENARIO_BEGIN A server of the root and one of a zone.
RANGE_BEGIN 0 100
    ADDRESS 192.0.2.53
ENTRY_BEGIN
MATCH opcode subdomain
ADJUST copy_id copy_query
REPLY QR AA NXDOMAIN
SECTION QUESTION
. IN A
SECTION AUTHORITY
. 60 IN SOA a.root. b.root. 1 2 3 4 5
ENTRY_END
{first}
RANGE_END
RANGE_BEGIN 0 100
    ADDRESS 192.0.2.54
ENTRY_BEGIN
MATCH opcode qname qtype
ADJUST {adjust}
REPLY QR AA NOERROR
SECTION QUESTION
www.example.org. IN A
SECTION ANSWER
www.example.org. 60 IN A 192.0.2.80
ENTRY_END
RANGE_END
{last}
STEP 1 QUERY
ENTRY_BEGIN
{query}
ENTRY_END
STEP 2 CHECK_ANSWER
ENTRY_BEGIN
MATCH all
REPLY QR RD RA {rcode}
SECTION QUESTION
www.example.org. IN A
SECTION ANSWER
{answer}
ENTRY_END
SCENARIO_END
"""

_ROOT: Final = 'stub-zone:\n    name: "."\n    stub-addr: 192.0.2.53'

_STUB: Final = _ROOT + '\nstub-zone:\n    name: "example.org"\n    stub-addr: 192.0.2.54'

_DEFAULTS: Final = {
    "server": "qname-minimisation: no",
    "clauses": _STUB,
    "first": "",
    "last": "",
    "adjust": "copy_id",
    "query": "REPLY RD\nSECTION QUESTION\nwww.example.org. IN A",
    "rcode": "NOERROR",
    "answer": "www.example.org. IN A 192.0.2.80",
}


def play(**fields: str) -> Player:
    """
    Play the scenario with these parts.
    """
    player = Player(parseScenario(_TEXT.format(**{**_DEFAULTS, **fields})), recursiveResolver)
    player.play()
    return player


def test_stubZone() -> None:
    """
    A stub zone is asked from its servers; without it the root denies the name.
    """
    player = play()
    assert {query.address for query in player.network.queries} == {"192.0.2.54"}
    with pytest.raises(Mismatch, match="rcode NXDOMAIN, expected NOERROR"):
        play(clauses=_ROOT)
    with pytest.raises(Unsupported, match="stub-zone example.org.: 'ns.example.org' is in the zone example.org. itself"):
        play(clauses=_ROOT + '\nstub-zone:\n    name: "example.org"\n    stub-host: ns.example.org')


def test_forwarders() -> None:
    """
    A forwarder for everything is asked; one for a zone, beside others, or given by name, is not supported, and never a crash.
    """
    everything = 'forward-zone:\n    name: "."\n    forward-addr: 192.0.2.54'
    play(clauses=everything)
    for clauses, said in (
        (everything.replace('"."', '"example.org"'), "forward-zone example.org. beside other servers"),
        (f"{_ROOT}\n{everything}", "forward-zone . beside other servers"),
        (everything.replace("addr: 192.0.2.54", "host: ns.example.org"), "servers that are given by name: ns.example.org"),
    ):
        with pytest.raises(Unsupported, match=said):
            play(clauses=clauses)


@pytest.mark.parametrize(
    "setting",
    [
        "verbosity: 4",
        'target-fetch-policy: "0 0 0 0 0"',
        "iter-scrub-promiscuous: no",
        'module-config: "validator iterator"',
        "prefetch: no",
        "aggressive-nsec: yes",
        "local-zone: test. nodefault",
        "access-control: 127.0.0.1 allow",
        "minimal-responses: yes",
        "val-nsec3-keysize-iterations: '1024 150'",
    ],
)
def test_harmlessSettings(setting: str) -> None:
    """
    Settings that change no answer are passed over.
    """
    play(server=f"qname-minimisation: no\n    {setting}")


@pytest.mark.parametrize(
    "setting",
    [
        "prefetch: yes",
        "serve-expired: yes",
        "aggressive-nsec: no",
        'module-config: "respip validator iterator"',
        'local-data: "www.example.org A 192.0.2.1"',
        "local-zone: example.org refuse",
        "private-address: 10.0.0.0/8",
        "access-control: 192.0.2.0/24 refuse",
        "access-control: 127.0.0.1 allow_snoop",
        "harden-glue: no",
        "val-nsec3-keysize-iterations: '1024 150 2048 500'",
        "cache-min-ttl: 60",
        "made-up: 1",
    ],
)
def test_otherSettings(setting: str) -> None:
    """
    With a setting that the resolver does not have, a scenario is not played: it could pass in vain.
    """
    with pytest.raises(Unsupported, match=setting.partition(":")[0]):
        play(server=f"qname-minimisation: no\n    {setting}")


def test_clausesOfOthers() -> None:
    """
    Nor is one with other clauses.
    """
    with pytest.raises(Unsupported, match="auth-zone: name: example.org"):
        play(clauses=f"{_STUB}\nauth-zone:\n    name: example.org")


def test_lastRangeIsFirst() -> None:
    """
    The last range of a file that matches has the reply, as in Unbound; in a scenario of another form, the first one.
    """
    other = """
RANGE_BEGIN 0 100
    ADDRESS 192.0.2.54
ENTRY_BEGIN
MATCH opcode qname qtype
ADJUST copy_id
REPLY QR AA NOERROR
SECTION QUESTION
www.example.org. IN A
SECTION ANSWER
www.example.org. 60 IN A 192.0.2.81
ENTRY_END
RANGE_END
"""
    play(last=other, answer="www.example.org. IN A 192.0.2.81")
    with pytest.raises(Mismatch):
        play(last=other)
    text = _TEXT.format(**{**_DEFAULTS, "last": other}).replace("server:\n    qname-minimisation: no\n" + _STUB, "forward-addr: 192.0.2.54")
    Player(parseScenario(text), recursiveResolver).play()


def test_identifiers() -> None:
    """
    A reply has the ID of the query without C{copy_id} too, as in Unbound, which does not check it.
    """
    play(adjust="")


def test_rawQuery() -> None:
    """
    The reply to a query in hexadecimal digits is compared as a message if the scenario has a message, and as octets if it has octets.
    """
    octets = "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 036f7267 00 0001 0001"
    play(query=f"RAW\n{octets}")
    with pytest.raises(Mismatch, match="answer: missing"):
        play(query=f"RAW\n{octets}", answer="www.example.org. IN A 192.0.2.81")


def recorded(date: str) -> Player:
    """
    Return the player of a recording of a signed zone from 2020, with this date.
    """
    internet = Internet(seed=3, start=1_600_000_000.0, families=(4,))
    internet.zone("example.org", "www 300 A 192.0.2.80")
    result = internet.wait(internet.resolver().query("www.example.org", "A"))
    text = internet.recording("dates", [(questionOf("www.example.org"), result.answer)], complete=True)
    changed = re.sub("val-override-date: .*", f'val-override-date: "{date}"', text)
    assert changed != text
    return Player(parseScenario(changed), recursiveResolver)


def test_ignoredDates() -> None:
    """
    With -1 the dates of signatures do not count; with another date, expired ones are bogus.
    """
    recorded("-1").play()
    with pytest.raises(Mismatch, match="rcode SERVFAIL"):
        recorded("20260101000000").play()


def test_severalMessages() -> None:
    """
    A reply of several messages is not supported, and said to be so.
    """
    with pytest.raises(Unsupported, match="a reply of several messages"):
        play(answer="www.example.org. IN A 192.0.2.80\nEXTRA_PACKET")
