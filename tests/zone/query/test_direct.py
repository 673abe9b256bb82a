"""
Tests of answers in wire format, which have to be the same as those made of records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.queries import optOf, queryOf
from tests.zone.plain import HEAD, answer, versionOf
from tests.zone.query.test_answers import ZONE
from tests.zone.query.test_denial import CUTS, RECORDS, signed
from twisted_ext.answers import Epoch, Origin
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.codes import CD, DO, RD
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, NXNAME, TXT, A
from twisted_ext.zone.query.direct import directAnswer, picked
from twisted_ext.zone.store.version import DirectAnswer, Version

APEX = nameFromText("example.")

#: Records of several sizes, numbers and TTLs at one name.
MORE = """\
many A 192.0.2.1
many A 192.0.2.2
many AAAA 2001:db8::1
many TXT "one" "two"
many TXT "three"
many MX 10 www
many SVCB 1 www alpn=h2
two.labels A 192.0.2.3
below.www CNAME WWW
labels CNAME Two.Labels
crowd CNAME many
noname CNAME wwwexample.
"""


def published(version: Version) -> Version:
    """
    Return a version as a server has it.
    """
    version.origin = Origin("zone", "example.", epoch=Epoch())
    return version


def findIn(version: Version) -> Callable[[bytes], Version | None]:
    """
    Return the look-up of a server with this zone alone.
    """
    return lambda name: version if isBelow(name, version.apex) else None


def requestOf(name: bytes, rrType: int, *, opt: bytes = b"", flags: int = RD) -> Request:
    """
    Return the request of a client.
    """
    request = Request.fromWire(queryOf(name, rrType, flags=flags, opt=opt), ("192.0.2.1", 4000), "udp")
    assert request is not None
    return request


def found(version: Version, name: str, rrType: int = A, *, dnssecOk: bool = False) -> DirectAnswer | None:
    """
    Return the answer in wire format.
    """
    return directAnswer(findIn(version), requestOf(nameFromText(name), rrType).question, dnssecOk)


def namesIn(version: Version) -> Iterator[bytes]:
    """
    Return all names of a zone, and two names directly below each.
    """
    for node in version.nodes():
        for above in (b"", b"\x01q", b"\x01Q\x02qq"):
            yield above + node.key + version.apexName
            yield above + (node.key + version.apexName).upper()


def differences(version: Version) -> tuple[int, list[str]]:
    """
    Compare all answers in wire format with those made of records.

    @return: the number of answers in wire format, and which of them differ.
    """
    builder = ReplyBuilder(recursion=False, agent=nameFromText("many.example"))
    compared = 0
    different: list[str] = []
    for name in namesIn(version):
        if len(name) > 255:
            continue
        for rrType in (*range(66), NXNAME, *range(249, 260)):
            for opt in (b"", optOf(), optOf(flags=DO), optOf(512, flags=DO)):
                request = requestOf(name, rrType, opt=opt, flags=RD | CD)
                dnssecOk = request.edns is not None and bool(request.edns.flags & DO)
                direct = directAnswer(findIn(version), request.question, dnssecOk)
                reply = None if direct is None else builder.direct(request, direct)
                if reply is None or direct is None:
                    continue
                compared += 1
                other = builder.answer(request, answer(version, request.question, dnssecOk=dnssecOk))
                made = request.question.name
                isMade = any(rrset.name is made for rrset in answer(version, request.question, dnssecOk=dnssecOk).answer)
                if (reply.octets, reply.whole, reply.optAt, direct.synthesized) != (other.octets, other.whole, other.optAt, isMade):
                    different.append(f"{request.question} {opt!r}")
    return compared, different


@pytest.mark.parametrize("text", [ZONE + MORE, signed(HEAD + RECORDS + CUTS + MORE)], ids=["plain", "signed"])
def test_answersAreTheSame(text: str) -> None:
    """
    Each answer in wire format is octet for octet the one made of records, for all types at and below all names of a zone.
    """
    compared, different = differences(published(versionOf(text)))
    assert not different
    assert compared > 60


def test_differencesAreFound() -> None:
    """
    The comparison finds wrong answers.
    """
    version = published(versionOf(ZONE))
    question = requestOf(nameFromText("q.wild.example"), A).question
    kept = directAnswer(findIn(version), question, False)
    assert kept is not None
    version.wildcards[question.key[2:]] = DirectAnswer(kept.octets[:-1] + b"\xff", 1, True, kept.epoch)
    assert differences(version)[1]


def test_changedNamesAreAnswered() -> None:
    """
    After an edit, unchanged names are answered from the image, and changed ones and wildcards from their records.
    """
    version = versionOf(ZONE + MORE)
    www = nameFromText("www.example")
    edited = published(version.edited({b"\x03www": (RRSet(www, A, 1, 300, (b"\xc0\x00\x02\x63",)),)}))
    assert found(edited, "www.example") is None
    assert found(edited, "q.wild.example") is None
    assert found(edited, "many.example") is not None
    assert not differences(edited)[1]


def test_newCutsHideNames() -> None:
    """
    Once a cut was added by an edit, no answer comes from the image without a look at it.
    """
    version = versionOf(ZONE + MORE)
    name = nameFromText("labels.example")
    edited = published(version.edited({b"\x06labels": (RRSet(name, 2, 1, 300, (nameFromText("ns.elsewhere."),)),)}))
    assert found(edited, "two.labels.example") is None
    assert found(published(version), "two.labels.example") is not None


def test_unpublishedVersionsAreLeftAlone() -> None:
    """
    Without an epoch, an answer cannot be kept until the zone changes, so it is left to the full look-up.
    """
    version = versionOf(ZONE)
    version.origin = None
    assert found(version, "www.example") is None


def test_aliasesAreFollowedWithinTheZone() -> None:
    """
    Aliases of names that have the records are answered, others are left to the full look-up.
    """
    version = published(versionOf(ZONE + MORE))
    counts = [found(version, f"{name}.example") for name in ("alias", "below.www", "labels", "crowd")]
    assert [answer and answer.count for answer in counts] == [3, 3, 2, 3]
    for name in ("second", "away", "astray", "aliascut", "aliasempty", "loop", "self", "noname"):
        assert found(version, f"{name}.example") is None

    other = published(versionOf(HEAD + "www A 192.0.2.9\n", "labels.example."))

    def find(name: bytes) -> Version | None:
        return next((each for each in (other, version) if isBelow(name, each.apex)), None)

    assert directAnswer(find, requestOf(nameFromText("alias.example"), A).question, False) is not None
    assert directAnswer(find, requestOf(nameFromText("labels.example"), A).question, False) is None


def test_wildcardAnswersAreKept() -> None:
    """
    A version keeps an answer for each type at a wildcard, however many names clients invent.
    """
    version = published(versionOf(ZONE))
    for number in range(50):
        assert found(version, f"n{number}.wild.example") is not None
        assert found(version, f"n{number}.wild.example", AAAA) is None
        assert found(version, f"n{number}.nowhere.example") is None
    assert len(version.wildcards) == 1


def test_largeAnswersAreLeftToTheWriter() -> None:
    """
    Records that do not fit into the reply are left to the writer, which truncates.
    """
    version = published(versionOf(HEAD + "".join([f'big TXT "{number:03d}{"x" * 200}"\n' for number in range(5)])))
    request = requestOf(nameFromText("big.example"), TXT)
    direct = directAnswer(findIn(version), request.question, False)
    assert direct is not None
    assert direct.count == 5
    assert ReplyBuilder().direct(request, direct) is None
    assert ReplyBuilder().direct(requestOf(nameFromText("big.example"), TXT, opt=optOf()), direct) is not None


def test_damagedRecordsAreLeftAlone() -> None:
    """
    Records cut off anywhere are no answer in wire format: the full look-up reports the damage.
    """
    version = versionOf(ZONE + MORE)
    records = version.image.rendered(version.image.find(b"\x04many"))
    whole = picked(records, 5, TXT, True, False, Epoch())
    assert whole is not None
    assert whole.count == 2
    for end in range(1, len(records)):
        for rrType in (A, TXT):
            part = picked(records[:end], 5, rrType, True, False, Epoch())
            assert part is None or part.octets in records or part.count == 2
