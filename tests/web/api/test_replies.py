"""
Tests of L{twisted_ext.web.api.site.replies}.
"""

from __future__ import annotations

import pytest

from twisted_ext.web.api.site.replies import withoutFolders


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/var/lib/txdns/added.db: database or disk is full", "added.db: database or disk is full"),
        ("it is not loaded: /var/lib/txdns/zones/a:3:1: warning: x", "it is not loaded: a:3:1: warning: x"),
        ("give it a newer one, or remove /var/lib/txdns/journals/a.journal", "give it a newer one, or remove a.journal"),
        ("192.0.2.0/24 and 2001:db8::/32, 1/2, /api", "192.0.2.0/24 and 2001:db8::/32, 1/2, /api"),
        ("https://192.0.2.1:853/dns-query is asked", "https://192.0.2.1:853/dns-query is asked"),
    ],
)
def test_foldersAreNotShown(text: str, shown: str) -> None:
    """
    Of paths in errors, the names of files are left.
    """
    assert withoutFolders(text) == shown
