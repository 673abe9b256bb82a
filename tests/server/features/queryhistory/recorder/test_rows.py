"""
Tests of the rows that are made of what was told.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.server.features.queryhistory.recorder.histories import hit, told
from twisted_ext.server.features.queryhistory.recorder.rows import (
    SECURITIES,
    STATUSES,
    Row,
    Rows,
    formsOf,
    reversedName,
    shownName,
)
from twisted_ext.wire.names import nameFromText, nameToText

_LABELS = some.lists(some.binary(min_size=1, max_size=20), max_size=6)


@given(_LABELS)
def test_namesAndBack(labels: list[bytes]) -> None:
    """
    A name is written in reverse and read again, whatever its labels have.
    """
    wire = b"".join([bytes([len(label)]) + label for label in labels]) + b"\0"
    assert shownName(reversedName(wire)) == nameToText(wire).lower()


@given(_LABELS, some.binary(min_size=1, max_size=20))
def test_namesBelow(labels: list[bytes], label: bytes) -> None:
    """
    A name below another one begins with it and a full stop.
    """
    wire = b"".join([bytes([len(each)]) + each for each in labels]) + b"\0"
    below = reversedName(bytes([len(label)]) + label + wire)
    assert below.startswith(f"{reversedName(wire)}.") if labels else "." not in below.replace("\\.", "")


def _rows(*said: object, clients: str = "full", key: bytes = b"", skip: Sequence[str] = (), views: Sequence[str] = ()) -> list[Row]:
    return list(Rows(clients, key, skip, views).of([*said]))


def test_hitsHaveTheCauseOfTheirAnswer() -> None:
    """
    What the packet cache answers has the extended error, and if it was blocked the rule, of the look-up before.
    """
    blocked = told("ads.example", status="blocked", rcode=3, server="", rule="ads.txt:7", ede="Blocked")
    first, second, other, child = _rows(
        blocked, hit("ads.example", "www.example", rcode=3, blocked=(0,)), hit("ads.example", view="children", blocked=(0,))
    )
    assert (first.rule, first.ede, STATUSES[first.status]) == ("ads.txt:7", "Blocked", "blocked")
    assert second == first._replace(micros=0)
    assert (other.rule, other.ede, STATUSES[other.status], other.rcode) == ("", "", "cached", 3)
    # Another view may have another rule.
    assert (child.rule, STATUSES[child.status]) == ("", "blocked")


def test_hitsAreAsSecureAsTheirAnswer() -> None:
    """
    What the packet cache answers is as secure as the answer was that it repeats; not that of a name that is blocked since.
    """
    words = ("", "insecure", "secure", "bogus")
    for word in words:
        rows = _rows(told("x.example", security=word), hit("x.example", "y.example"))
        assert [SECURITIES[row.security] for row in rows] == [word, word, ""]
    secured, blocked = _rows(told("x.example", security="secure", ede="why"), hit("x.example", blocked=(0,)))
    assert (SECURITIES[secured.security], blocked.security) == ("secure", 0)


def test_rulesOfOtherAnswers() -> None:
    """
    A rewritten answer has its rule when it is repeated too; an answer from before its name was blocked has not that of the block.
    """
    local = told("a.lan", status="local", server="", rule="rpz:3")
    blocked = told("x.example", status="blocked", rcode=3, server="", rule="ads.txt:7", ede="Blocked")
    rows = _rows(local, hit("a.lan"), blocked, hit("x.example"))
    assert [(row.rule, row.ede) for row in rows] == [("rpz:3", ""), ("rpz:3", ""), ("ads.txt:7", "Blocked"), ("", "")]


def test_aCauseEnds() -> None:
    """
    When a name is answered without a rule, later hits have none.
    """
    rows = _rows(told("x.example", rule="ads.txt:7", status="blocked"), told("x.example"), hit("x.example", blocked=(0,)))
    assert [row.rule for row in rows] == ["ads.txt:7", "", ""]


def test_aliases() -> None:
    """
    What a name is an alias of is kept in the order of the answer, in lower case; and of what repeats the answer too, unless another one is
    repeated. Where it is not known, or is too much to be kept, it is not taken for none.
    """
    chain = [nameFromText("A.cdn.example"), nameFromText("b\\032c.net")]
    rows = _rows(
        told("x.example", aliases=chain), hit("x.example"), hit("x.example", blocked=(0,)), hit("y.example"),
        told("x.example"), hit("x.example"), told("x.example", aliases=None), hit("x.example"),
    )  # fmt: skip
    text = "example.cdn.a net.b\\032c"
    assert [row.alias for row in rows] == [text, text, None, None, "", "", None, None]
    (long,) = _rows(told("x.example", aliases=[nameFromText("a" * 60 + "." + "b" * 60 + ".example")] * 10))
    assert long.alias is None


def test_howClientsAreKept() -> None:
    """
    Clients are kept whole, as networks, as keyed hashes, or not at all.
    """
    key = bytes(range(32))
    digest = hmac.new(key, b"192.0.2.7", hashlib.sha256).hexdigest()[:24]
    for how, wanted in (("full", "192.0.2.7"), ("network", "192.0.2.0/24"), ("hash", digest), ("none", "")):
        assert [row.client for row in _rows(told("x.example"), hit("y.example"), clients=how, key=key)] == [wanted, wanted]
    assert formsOf("192.0.2.7", key) == {"192.0.2.7", "192.0.2.0/24", digest}
    assert _rows(told("x.example", client="2001:db8:0:1ff::1%eth0"), clients="network")[0].client == "2001:db8:0:100::/56"
    assert _rows(told("x.example", client="not an address"), clients="network")[0].client == ""


def test_whatIsNotKept() -> None:
    """
    Names that are skipped, and those below them, leave no row, and neither do views without a history.
    """
    names = ("lan", "PRINTER.lan", "plan", "xlan.example")
    rows = _rows(*[told(name) for name in names], hit(*names), skip=["036c616e00"])
    assert [row.name for row in rows] == ["plan", "example.xlan", "plan", "example.xlan"]
    assert _rows(told("x.example", view="parents"), hit("x.example", view="parents"), views=["parents"]) == []
    assert _rows(told("x.example"), skip=["00"]) == []


def test_longTexts() -> None:
    """
    Texts that others choose are cut.
    """
    (row,) = _rows(told("x.example", ede="e" * 5000, rule="r" * 5000, server="s" * 5000))
    assert {len(row.ede), len(row.rule), len(row.upstream)} == {200}


@pytest.mark.parametrize(
    "batch",
    [
        "x",
        7,
        [7],
        [()],
        [("h",)],
        [("r", 1)],
        [("h", 0.0, "pigeon", [], [], [], [], [])],
        [("h", float("inf"), "udp", [bytes(20)], [bytes(2)], [""], [""], [])],
        [("h", 0.0, "udp", [b""], [bytes(2)], [""], [""], [])],
        [told("x.example", transport="pigeon")],
        [told("x.example", at=None)],
        [told("x.example", view=[])],
    ],
)
def test_invalidBatches(batch: object) -> None:
    """
    What is no batch is a L{ValueError}.
    """
    with pytest.raises(ValueError, match="batch|told"):
        list(Rows().of(batch))


def test_causesAreBounded() -> None:
    """
    Random names with causes do not fill the memory, and the last ones are known.
    """
    made = Rows()
    for number in range(0, 250_000, 1000):
        list(made.of([told(f"n{number + each}.example", ede="why") for each in range(1000)]))
    held = vars(made)
    assert len(held["_causes"]) <= 100_000 and len(held["_names"]) <= 100_000
    assert list(made.of([hit("n249999.example")]))[0].ede == "why"
