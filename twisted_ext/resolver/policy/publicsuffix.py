"""
Registrable domains by the public suffix list (https://publicsuffix.org): C{example.co.uk} for C{www.example.co.uk}.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList

__all__ = ["loadSuffixes", "registrableLabels"]


@cache
def loadSuffixes() -> PublicSuffixList:
    """
    Load the bundled list, which takes about 30 ms the first time.

    Only its ICANN section is used: domains in its private section, such as C{github.io}, are nearly always one zone on one set of servers.
    """
    return PublicSuffixList(only_icann=True)


def registrableLabels(labels: tuple[bytes, ...]) -> int:
    """
    Return how many labels, from the right, form the registrable domain: a public suffix and one more label; 0 for a public suffix. Names in
    top-level domains that are not in the list count as registered directly below them.

    @param labels: the labels of a folded name, without the root's.
    """
    domain = loadSuffixes().privatesuffix(labels)
    return 0 if domain is None else len(domain)
