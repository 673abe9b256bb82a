"""
Tests of the plugin C{dns} with an internet in memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.robot.onaninternet import CHANNEL, World
from twisted_ext.apps.robot.limits import AUTHORITIES
from twisted_ext.apps.robot.people import Person
from twisted_ext.apps.robot.plugins.lookups import authorities
from twisted_ext.limits import Limit
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.internet.nameservers import NameServer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__: list[str] = []

STRANGER = Person("net", "eve", "eve", "elsewhere.example")


def internet() -> Internet:
    """
    Return an internet with a signed zone, an unsigned one, a broken record, and reverse mapping.
    """
    made = Internet(seed=3)
    made.zone("example.org", "www 300 A 192.0.2.80\nalias CNAME www.other.test.\nmail A 192.0.2.25\n@ MX 10 mail")
    made.zone("other.test", "www 300 A 192.0.2.81")
    made.zone("plain.org", "www 300 A 192.0.2.82", signed=False)
    made.zone("2.0.192.in-addr.arpa", "80 PTR www.example.org.\n82 PTR www.example.org.\n83 PTR no.plain.org.\n25 PTR mail.example.org.")
    made.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    return made


def world(tmp_path: Path, made: Internet | None = None, **settings: object) -> World:
    """
    Return a robot with the plugin and the internet's root.
    """
    made = made or internet()
    (tmp_path / "hints").write_text(made.hints)
    return World(made, "dns", settings={"dns": {"hints": str(tmp_path / "hints"), **settings}})


def test_digShowsRecordsAndTheirSecurity(tmp_path: Path) -> None:
    """
    The first line has what was found and how secure it is, the others the records with their aliases.
    """
    robot = world(tmp_path)
    head, *records = robot.ask("dig alias.example.org")
    assert head.startswith("alias.example.org A: 2 records, secure (recursive ")
    assert records == ["alias.example.org. 3600 IN CNAME www.other.test.", "www.other.test. 300 IN A 192.0.2.81"]
    assert robot.ask("dig example.org mx")[1:] == ["example.org. 3600 IN MX 10 mail.example.org."]
    assert robot.ask("dig www.plain.org")[0].startswith("www.plain.org A: 1 record, insecure")
    robot.stop()


def test_digDistinguishesDenialsAndFailures(tmp_path: Path) -> None:
    """
    A name that does not exist, a type that it lacks and an answer that is bogus read differently.
    """
    robot = world(tmp_path)
    assert robot.ask("dig nope.plain.org")[0].startswith("nope.plain.org A: no such name, insecure")
    assert robot.ask("dig www.example.org aaaa")[0].startswith("www.example.org AAAA: no such records, secure")
    [bogus] = robot.ask("dig mail.example.org")
    assert "is bogus: signature of mail.example.org. A" in bogus
    robot.stop()


def test_aliasesOfWhatDoesNotExistExist(tmp_path: Path) -> None:
    """
    Which name does not exist, or lacks the records, is said where it is the end of an alias.
    """
    made = internet()
    made.zone("lost.org", "www CNAME nosuch.plain.org.")
    robot = world(tmp_path, made)
    for word in ("dig", "trace"):
        assert robot.ask(f"{word} www.lost.org")[0].startswith("www.lost.org A: no such name (alias of nosuch.plain.org), ")
    assert robot.ask("dig alias.example.org mx")[0].startswith("alias.example.org MX: no such records (alias of www.other.test), ")
    robot.stop()


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.DEAD])
@pytest.mark.parametrize("word", ["dig", "validate", "propagation"])
def test_namesThatCannotBeLookedUpAreOneLine(word: str, fault: Fault, tmp_path: Path) -> None:
    """
    Where nothing is known of a name, the reason is the whole reply.
    """
    made = internet()
    made.inject(fault, "plain.org")
    robot = world(tmp_path, made)
    [said] = robot.ask(f"{word} www.plain.org")
    assert said.startswith("www.plain.org. IN ") and ("SERVFAIL" in said if fault is Fault.SERVFAIL else " seconds" in said)
    robot.stop()


def test_propagationSaysWhyServersHaveNoAddress(tmp_path: Path) -> None:
    """
    A server's name that cannot be looked up is not one without address.
    """
    made = internet()
    made.zone("hosts.org", "")
    made.server("ns.hosts.org")
    made.zone("away.org", "www A 192.0.2.9", servers=["ns.hosts.org"], signed=False)
    robot = world(tmp_path, made)
    robot.ask("dig www.away.org")
    made.inject(Fault.SERVFAIL, "hosts.org")
    [said] = robot.ask("propagation www.away.org")
    assert "SERVFAIL" in said and "no address" not in said
    robot.stop()


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("dig a..b", "'a..b': a label is empty; write one dot between labels"),
        ("dig example.org any", "ANY is not a type that a name has records of; write one such as A or TXT"),
        ("dig example.org axfr", "AXFR is not a type that a name has records of; write one such as A or TXT"),
        ("dig", "name is missing; usage: dig NAME [TYPE]"),
        ("reverse example.org", "'example.org' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    ],
)
def test_wrongArgumentsAreOneLine(question: str, said: str, tmp_path: Path) -> None:
    """
    What cannot be asked is refused with what would be right.
    """
    robot = world(tmp_path)
    assert robot.ask(question) == [said]
    robot.stop()


def test_namesAreAbsolute(tmp_path: Path) -> None:
    """
    No search list applies to what persons ask.
    """
    robot = world(tmp_path)
    assert robot.ask("dig www")[0].startswith("www A: no such name")
    robot.stop()


def test_longAnswersArePages(tmp_path: Path) -> None:
    """
    A reply of many lines is published, and texts of others are escaped in it.
    """
    made = internet()
    made.zone("long.org", "\n".join([f'@ TXT "<script>{number}"' for number in range(20)]))
    robot = world(tmp_path, made)
    assert robot.ask("dig long.org txt")[-1] == "https://bot.example/p/1"
    [(title, document)] = robot.pages.documents
    assert title == "dig" and document.count("&lt;script&gt;") == 20 and "<script" not in document
    robot.stop()


def test_traceNamesEachServer(tmp_path: Path) -> None:
    """
    The trace has the result, each query with the server that replied, and the whole tree on a page.
    """
    robot = world(tmp_path)
    head, record, *queries, url = robot.ask("trace www.example.org")
    assert head.startswith("www.example.org A: answered, 4 queries, ")
    assert record == "www.example.org. 300 IN A 192.0.2.80"
    assert [query.partition(":")[0] for query in queries] == [". NS", "org A", "example.org A", "www.example.org A"]
    assert url == "https://bot.example/p/1"
    assert "org. for example.org. A: no more of the name than they need" in robot.pages.documents[0][1]
    robot.stop()


def test_traceSaysWhatFailed(tmp_path: Path) -> None:
    """
    A look-up that fails ends with the reason.
    """
    made = internet()
    made.inject(Fault.REFUSES, "plain.org")
    robot = world(tmp_path, made)
    said = robot.ask("trace www.plain.org")
    assert "REFUSED" in said[0]
    robot.stop()


def test_validateGivesStateReasonAndDrawing(tmp_path: Path) -> None:
    """
    The state of the answer and of each zone above it are in the reply, the reason too, and a link to the drawing.
    """
    robot = world(tmp_path)
    assert robot.ask("validate www.example.org") == [
        "www.example.org A (data): secure",
        ". secure > org secure > example.org secure",
        "https://bot.example/p/1",
    ]
    state, reason, _, _ = robot.ask("validate mail.example.org")
    assert state == "mail.example.org A (data): bogus"
    assert reason.startswith("Signature Expired: signature of mail.example.org. A by key ")
    assert robot.ask("validate www.plain.org")[0] == "www.plain.org A (data): insecure"
    assert all("<svg" in document for _, document in robot.pages.documents)
    robot.stop()


def test_reverseComparesBothDirections(tmp_path: Path) -> None:
    """
    Each name of an address is shown with whether it has that address.
    """
    robot = world(tmp_path)
    assert robot.ask("reverse 192.0.2.80") == ["192.0.2.80 is www.example.org: it has this address"]
    assert robot.ask("reverse 192.0.2.82") == ["192.0.2.82 is www.example.org: it does not have this address"]
    assert robot.ask("reverse 192.0.2.83") == ["192.0.2.83 is no.plain.org: no such name"]
    assert robot.ask("reverse 192.0.2.25")[0].startswith("192.0.2.25 is mail.example.org: mail.example.org. IN A is bogus: ")
    assert robot.ask("reverse 192.0.2.7") == ["192.0.2.7: no such name (7.2.0.192.in-addr.arpa)"]
    robot.stop()


def test_propagationGroupsServersByAnswer(tmp_path: Path) -> None:
    """
    Every address of every authoritative server and the resolver are asked, and it is said who still has the old record.
    """
    made = internet()
    robot = world(tmp_path, made)
    robot.ask("dig www.plain.org")
    said = robot.ask("propagation www.plain.org")
    assert said[0] == "www.plain.org A: all 5 say the same"
    made.zones[b"\x05plain\x03org\x00"].replace("www 300 A 192.0.2.99")
    made.variant("plain.org", "www 300 A 192.0.2.82", ["ns2.plain.org"])
    head, first, second = robot.ask("propagation www.plain.org")
    assert head == "www.plain.org A: 2 different answers of 5"
    # The resolver has the old record in its cache.
    assert first.startswith("192.0.2.82 (3: ns2.plain.org ") and first.endswith(", the robot's resolver)")
    assert second.startswith("192.0.2.99 (2: ns1.plain.org ")
    robot.stop()


def test_propagationSaysWhoDoesNotReply(tmp_path: Path) -> None:
    """
    A server that is dead or not authoritative is listed as such.
    """
    made = internet()
    made.inject(Fault.DEAD, "ns1.plain.org")
    made.inject(Fault.NOT_AUTHORITATIVE, "ns2.plain.org")
    robot = world(tmp_path, made)
    said = robot.ask("propagation www.plain.org")
    assert any(line.startswith("it did not answer within ") and "(2: ns1.plain.org " in line for line in said)
    assert any(line.startswith("not authoritative for it: 192.0.2.82") and "ns2.plain.org" in line for line in said)
    robot.stop()


def test_propagationAsksChosenResolvers(tmp_path: Path) -> None:
    """
    The resolvers in the settings are asked too.
    """
    made = internet()
    server = made.server("ns1.plain.org").addresses[0]
    robot = world(tmp_path, made, resolvers=[f"udp:{server}"])
    said = robot.ask("propagation www.plain.org")
    assert said[0] == "www.plain.org A: all 6 say the same" and f"udp:{server}" in said[1]
    robot.stop()


def test_onlyTheOwnerReachesServers(tmp_path: Path) -> None:
    """
    Commands that send packets to servers which a name leads to are refused to others, those that ask the resolver are not.
    """
    robot = world(tmp_path)
    for word in ("trace", "propagation"):
        assert "only the owner may call it" in robot.ask(f"{word} www.example.org", STRANGER, CHANNEL)[0]
    for word in ("dig www.example.org", "validate www.example.org", "reverse 192.0.2.80"):
        assert "only the owner" not in robot.ask(word, STRANGER, CHANNEL)[0]
    robot.stop()


def inside(made: Internet) -> NameServer:
    """
    Add a zone whose server has a private address, and return the server.
    """
    server = made.server("ns.inside.org", "10.1.2.3")
    made.zone("inside.org", "www A 192.0.2.3", servers=["ns.inside.org"], signed=False)
    return server


def test_privateAddressesAreNotQueried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No command sends a query to a private address that a zone names. With the defense off, they do.
    """
    made = internet()
    server = inside(made)
    robot = world(tmp_path, made)
    robot.ask("dig www.inside.org")
    made.exchanges.clear()
    assert robot.ask("propagation www.inside.org") == [
        "ns.inside.org: private addresses only, which the robot does not query"
    ]
    assert "may not be queried" in robot.ask("trace www.inside.org")[0]

    def wasAsked() -> bool:
        # The resolver of this test has the record in its cache, and asks for others.
        question = Question(nameFromText("www.inside.org"), A)
        return any(each.server is server and each.query.questions[0] == question for each in made.exchanges)

    assert not wasAsked()
    monkeypatch.setattr(authorities, "isPrivate", lambda packed: False)
    robot.ask("propagation www.inside.org")
    assert wasAsked()
    assert robot.ask("trace www.inside.org")[0].startswith("www.inside.org A: answered")
    robot.stop()


def test_privateNetworksCanBeAllowed(tmp_path: Path) -> None:
    """
    The operator can name private networks of its own.
    """
    made = internet()
    inside(made)
    robot = world(tmp_path, made, allow=["10.1.0.0/16"])
    assert robot.ask("propagation www.inside.org")[0] == "www.inside.org A: all 2 say the same"
    robot.stop()


def test_queriedServersAreBounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A zone with very many servers has only some of them queried.
    """
    made = internet()
    made.zone("many.org", "www A 192.0.2.9", servers=[f"ns{number}.many.org" for number in range(40)], signed=False)
    robot = world(tmp_path, made)
    assert robot.ask("propagation www.many.org")[0] == f"www.many.org A: all {int(AUTHORITIES.default) + 1} say the same"
    monkeypatch.setattr(authorities, "AUTHORITIES", Limit(1000, 1, 1000))
    assert robot.ask("propagation www.many.org")[0] == "www.many.org A: all 81 say the same"
    robot.stop()


def test_textsOfOthersAreCut(tmp_path: Path) -> None:
    """
    A record of thousands of octets takes one line of bounded length.
    """
    made = internet()
    made.zone("big.org", "@ TXT " + " ".join([f'"{"x" * 250}"'] * 40))
    robot = world(tmp_path, made)
    for word in ("dig", "propagation"):
        assert all(len(line) < 1100 for line in robot.ask(f"{word} big.org txt"))
    robot.stop()
