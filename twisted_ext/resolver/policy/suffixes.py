"""
Public suffixes (https://publicsuffix.org): domains in which anybody can register names.

The library publicsuffixlist brings the list. It takes 50 ms to read it at each start, most of it for encoding names that are ASCII.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from publicsuffixlist import PSLFILE

__all__ = ["branchedDomains", "registrableLabels", "rulesOf", "suffixRules"]

#: What the section begins and ends with that the registries of top-level domains have given. Domains in the other one, such as
#: C{github.io}, are nearly always one zone on one set of servers.
_BEGIN: Final = b"// ===BEGIN ICANN DOMAINS==="
_END: Final = b"// ===END ICANN DOMAINS==="


def rulesOf(data: bytes) -> frozenset[bytes]:
    """
    Return the rules of a list's first section, as they match labels of names: without characters beyond ASCII, which are encoded.

    @param data: UTF-8 text.
    """
    section = data.partition(_BEGIN)[2].partition(_END)[0]
    lines = [line.split(b" ", 1)[0].rstrip() for line in section.lower().split(b"\n") if line and line[:2] != b"//"]
    return frozenset([line if line.isascii() else _encoded(line.decode()) for line in lines if line])


def _encoded(rule: str) -> bytes:
    # They are normalized already. The marks ! and *. are ASCII.
    mark = "!" if rule.startswith("!") else ""
    labels = rule.removeprefix(mark).split(".")
    return mark.encode() + b".".join([each.encode() if each.isascii() else b"xn--" + each.encode("punycode") for each in labels])


@cache
def suffixRules() -> frozenset[bytes]:
    """
    Read the list, which takes 10 ms the first time.
    """
    with open(PSLFILE, "rb") as file:
        return rulesOf(file.read())


@cache
def branchedDomains() -> frozenset[bytes]:
    """
    Return the top-level domains that have longer public suffixes.
    """
    return frozenset([rule.rpartition(b".")[2] for rule in suffixRules() if b"." in rule])


def registrableLabels(labels: tuple[bytes, ...]) -> int:
    """
    Return how many labels, from the right, form the registrable domain: a public suffix and one more label, such as C{example.co.uk}; 0 for
    a public suffix. Names in top-level domains that are not in the list count as registered directly below them.

    @param labels: the labels of a folded name, without the root's.
    """
    rules, count = suffixRules(), len(labels)
    public = 1
    for start in range(count):
        name = b".".join(labels[start:])
        if b"!" + name in rules:
            public = count - start - 1
            break
        # A star stands for one label more; the name behind it is a public suffix as well.
        if b"*." + name in rules:
            public = count - start + (start > 0)
            break
        if name in rules:
            public = count - start
            break
    return public + 1 if 0 < public < count else 0
