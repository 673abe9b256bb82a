"""
Limits on the configurations that C{txdns convert} reads.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = ["BLOCK_DEPTH", "INCLUDED_FILES", "SNIPPETS", "WORDS"]

# -- converted configurations

#: The most files of one configuration. Most have some dozens; a server of many zones may have one for each zone.
INCLUDED_FILES: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Words that one file may have: those of a million local zones of Unbound, or of 300,000 zones of named, which take half a minute and 1 GB.
WORDS: Final = Limit(default=4_000_000, least=1, most=100_000_000)

#: Blocks in blocks: five levels mean something to named, four to CoreDNS.
BLOCK_DEPTH: Final = Limit(default=30, least=5, most=100)

#: Directives that the snippets of a Corefile may make, each time that they are imported: snippets of snippets double with each level.
SNIPPETS: Final = Limit(default=50_000, least=100, most=1_000_000)
