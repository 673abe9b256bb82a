"""
Conformance data of other projects, which is not part of this one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.requirements import missing

__all__ = ["CORPORA_VARIABLE", "corpus"]

#: The environment variable for the folder of all corpora.
CORPORA_VARIABLE: Final = "TXDNS_CORPORA"


def corpus(name: str) -> Path:
    """
    Return the path of a corpus, or end the running test: as skipped, or as failed where C{TXDNS_REQUIRE} lists C{corpora}.

    Call it inside a test or fixture. To make one test of each file of a corpus, loop with C{subTest} or collect lazily: an import must not
    skip.

    @param name: a path inside the folder of corpora, such as C{"zonemaster"} or C{"bind10/src/lib/dns/tests"}.
    """
    folder = os.environ.get(CORPORA_VARIABLE)
    if not folder:
        missing("corpora", f"corpus {name!r} not read: {CORPORA_VARIABLE} names no folder")
    found = Path(folder) / name
    if not found.exists():
        missing("corpora", f"corpus {name!r} not read: {found} does not exist")
    return found
