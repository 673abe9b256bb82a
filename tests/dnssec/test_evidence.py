"""
Tests of saved proofs, and of what is shown of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dnssec.evidences import anchorsIn, evidenceOf, smallInternet
from twisted_ext.answers import Security
from twisted_ext.dnssec.evidence import Evidence
from twisted_ext.dnssec.inspection import inspect
from twisted_ext.dnssec.trustanchors import TrustAnchors
from twisted_ext.errors import BadDescription
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import DNSKEY

__all__: list[str] = []

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS

NAMES = {
    "www.example.org": SECURE,
    "alias.example.org": SECURE,
    "a.wild.example.org": SECURE,
    "nope.example.org": SECURE,
    "nope.other.test": SECURE,
    "www.plain.org": INSECURE,
}


@pytest.mark.parametrize("name", NAMES)
def test_savedEvidenceIsCheckedWithoutNetwork(name: str) -> None:
    """
    What was saved gives the same verdict when it is read again, and the same text when it is saved again.
    """
    internet = smallInternet()
    evidence = evidenceOf(internet, name)
    assert evidence.verdict.security is NAMES[name]
    text = evidence.toJSON()
    again = Evidence.fromJSON(text)
    assert again.check(anchorsIn(internet)) == evidence.verdict == again.verdict
    assert again.toJSON() == text
    assert inspect(again, anchorsIn(internet)).verdict == evidence.verdict


def test_evidenceIsCheckedAtAnotherTime() -> None:
    """
    A month later the signatures have expired.
    """
    internet = smallInternet()
    evidence = evidenceOf(internet, "www.example.org")
    later = evidence.check(anchorsIn(internet), evidence.time + 30 * 86400)
    assert later.security is BOGUS
    assert "expired" in later.reasons[0][1]


def test_evidenceIsTrustedByTheAnchorsOfTheReader() -> None:
    """
    The anchors in the evidence are a record only: without anchors of the reader nothing is secure, and with others it is bogus.
    """
    internet = smallInternet()
    evidence = evidenceOf(internet, "www.example.org")
    assert evidence.check(TrustAnchors()).security is Security.INDETERMINATE
    from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS

    assert evidence.check(TrustAnchors(ROOT_ANCHORS)).security is BOGUS


def test_missingSupportIsNamed() -> None:
    """
    Without the keys of a zone the answer is bogus, and the reason names what is missing.
    """
    internet = smallInternet()
    evidence = evidenceOf(internet, "www.example.org")
    del evidence.support[Question(nameFromText("org"), DNSKEY)]
    verdict = evidence.check(anchorsIn(internet))
    assert verdict.security is BOGUS
    assert "the evidence has no answer for org. DNSKEY" in verdict.reasons[0][1]


def test_stepsHaveToFollowFromEachOther() -> None:
    """
    A secure answer for another name does not count as the target of an alias, and neither does an alias alone.
    """
    internet = smallInternet()
    anchors = anchorsIn(internet)
    evidence = evidenceOf(internet, "alias.example.org")
    other = evidenceOf(internet, "nope.other.test")
    assert len(evidence.steps) == 2
    support = evidence.support | other.support
    forged = Evidence([evidence.steps[0], other.steps[0]], support, (), evidence.time, evidence.verdict)
    assert "to which no alias leads" in forged.check(anchors).reasons[0][1]
    alone = Evidence(evidence.steps[:1], support, (), evidence.time, evidence.verdict)
    assert "has no answer for www.other.test." in alone.check(anchors).reasons[0][1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(version=9), "version 9 is not known; this program reads version 1"),
        (lambda data: data.update(format="x"), '"format": "dnssec-evidence"'),
        (lambda data: data.update(time="now"), "time: a number of seconds"),
        (lambda data: data.update(support=5), "support: a list was expected"),
        (lambda data: data.update(answers=[]), "answers: at least one"),
        (lambda data: data["answers"][0].update(message="!"), "answers[0]: message: base64"),
        (lambda data: data["answers"][0].update(message="AAAA"), "answers[0]: message: a message has 12 to 65535 octets"),
        (lambda data: data["answers"][0].update(name="www.example.com."), "answers[0]: message: it answers another question"),
        (lambda data: data["support"][1].update(name="a..b"), "support[1]: name: "),
        (lambda data: data["support"][1].update(type="FOO"), "support[1]: type: a record type"),
        (lambda data: data["anchors"].append(". DS x"), "anchors[1]: "),
        (lambda data: data.update(security="maybe"), "security: one of indeterminate, insecure, secure, bogus"),
        (lambda data: data["reasons"].append(7), "reasons[0]: an object"),
        (lambda data: data["support"].extend(data["support"] * 200), "at most 512 are allowed"),
    ],
)  # fmt: skip
def test_malformedEvidenceIsOneClearError(change: Callable[[dict[str, object]], None], said: str) -> None:
    """
    The error names the file, the place and what was expected.
    """
    data = json.loads(evidenceOf(smallInternet(), "www.example.org").toJSON())
    change(data)
    with pytest.raises(BadDescription) as caught:
        Evidence.fromJSON(json.dumps(data), "proof.json")
    text = str(caught.value)
    assert text.startswith("proof.json: ") and said in text and "\n" not in text


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "null", "{}", b"\xff", "9" * 5000, "x" * (5 << 20)], ids=range(8))
def test_whatIsNoEvidenceIsRefused(text: str | bytes) -> None:
    """
    Text that is not evidence, deep or large, is one error.
    """
    with pytest.raises(BadDescription):
        Evidence.fromJSON(text)


TEXT = evidenceOf(smallInternet(), "alias.example.org").toJSON()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damagedEvidenceNeverFailsOtherwise(data: st.DataObject) -> None:
    """
    Whatever is changed in a saved proof, reading, checking and showing it gives a verdict or our error.
    """
    internet = smallInternet()
    place = data.draw(st.integers(0, len(TEXT) - 1))
    damaged = TEXT[:place] + data.draw(st.sampled_from('A1/"\\,{}[]')) + TEXT[place + 1 :]
    try:
        evidence = Evidence.fromJSON(damaged)
    except BadDescription:
        return
    inspect(evidence, anchorsIn(internet))


def test_theBrokenSignatureIsMarked() -> None:
    """
    Of all signatures only the one that has expired is wrong, and the reason is with it.
    """
    internet = smallInternet()
    internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    evidence = evidenceOf(internet, "mail.example.org")
    shown = inspect(evidence, anchorsIn(internet))
    assert [(zone.name, zone.security) for zone in shown.zones] == [(".", SECURE), ("org.", SECURE), ("example.org.", SECURE)]
    sets = [each for zone in shown.zones for each in (zone.dsSet, zone.keySet, *zone.answers, *zone.denials) if each is not None]
    wrong = [signature.problem for each in sets for signature in each.signatures if not signature.right]
    assert len(wrong) == 1 and "expired at 2025-12-31" in wrong[0]


def test_theBrokenDSIsMarked() -> None:
    """
    A digest of another key is named in the zone's DS records.
    """
    internet = smallInternet()
    internet.inject(Fault.WRONG_DIGEST, "other.test")
    shown = inspect(evidenceOf(internet, "www.other.test"), anchorsIn(internet))
    last = shown.zones[-1]
    assert (last.name, last.security) == ("other.test.", BOGUS)
    assert "its digest is not that of key" in last.ds[0].problem
    assert last.dsSet is not None and last.dsSet.right


def test_denialsAreWithTheZoneThatSignedThem() -> None:
    """
    That a zone has no DS records is shown in its parent.
    """
    internet = smallInternet()
    shown = inspect(evidenceOf(internet, "www.plain.org"), anchorsIn(internet))
    parent = next(zone for zone in shown.zones if zone.name == "org.")
    assert [each.why for each in parent.denials if each.rrType == "NSEC"] == ["plain.org. DS"]
    assert json.dumps(shown.data)
