"""
Tests of the public suffixes, beside the library that brings the list.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from publicsuffixlist import PublicSuffixList

from twisted_ext.resolver.lookup.domainlimit import branchedDomains, registrableLabels, rulesOf, suffixRules

__all__: list[str] = []

_LIBRARY = PublicSuffixList(only_icann=True)

_RULES = sorted(suffixRules())


def _theirs(labels: tuple[bytes, ...]) -> int:
    found = _LIBRARY.privatesuffix(labels)
    return 0 if found is None else len(found)


def test_rulesAreTheLibrarys() -> None:
    """
    Of the first section all rules are read, in the form that names have.
    """
    theirs = {rule for rule in _LIBRARY._publicsuffix if rule.isascii()}
    assert {rule.decode() for rule in suffixRules()} == theirs
    assert len(theirs) > 6000


def test_everyRule() -> None:
    """
    For the names of all rules, and those one and two labels below them, the registrable domain is that of the library.
    """
    for rule in _RULES:
        labels = tuple(rule.removeprefix(b"!").split(b"."))
        for name in (labels, (b"a", *labels), (b"b", b"a", *labels), labels[1:]):
            assert not name or registrableLabels(name) == _theirs(name), name


_LABELS = some.one_of(
    some.sampled_from([label for rule in _RULES[::7] for label in rule.replace(b"!", b"").split(b".")]), some.binary(min_size=1, max_size=4)
)


@given(some.lists(_LABELS, min_size=1, max_size=7))
def test_anyName(labels: list[bytes]) -> None:
    """
    So it is for any labels.
    """
    folded = tuple([label.lower() for label in labels])
    assert registrableLabels(folded) == _theirs(folded)


def test_section() -> None:
    """
    Comments, the second section, and what stands outside of both are passed over; other scripts are encoded.
    """
    rules = "// b\nUK\nco.uk  note\n*.Ck\n!www.ck\n\n公司.cn\n"
    text = f"a.example\n// ===BEGIN ICANN DOMAINS===\n{rules}// ===END ICANN DOMAINS===\ngithub.io\n"
    assert rulesOf(text.encode()) == {b"uk", b"co.uk", b"*.ck", b"!www.ck", b"xn--55qx5d.cn"}
    assert rulesOf(b"uk\n") == frozenset()


def test_branchedDomains() -> None:
    """
    Top-level domains that have longer suffixes are known, also by their encoded names.
    """
    assert {b"uk", b"jp", b"ck", b"cn"} <= branchedDomains()
    assert b"com" not in branchedDomains()
