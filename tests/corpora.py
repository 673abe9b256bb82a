"""
Conformance data that others have written and that is no part of the project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.requirements import missing

__all__ = ["CORPORA_VARIABLE", "corpus"]

#: The environment variable that names the folder with all corpora in it.
CORPORA_VARIABLE: Final = "TXDNS_CORPORA"


def corpus(name: str) -> Path:
    """
    Find a corpus, or end the running test: skipped, or failed where
    C{TXDNS_REQUIRE} lists C{corpora}.

    Call it inside a test or fixture. To make one test a file of the corpus,
    loop with C{subTest}, or collect lazily: at import nothing may be skipped.

    @param name: a path inside the folder of corpora, such as C{"zonemaster"} or
        C{"bind10/src/lib/dns/tests"}.
    """
    folder = os.environ.get(CORPORA_VARIABLE)
    if not folder:
        missing("corpora", f"corpus {name!r} not read: {CORPORA_VARIABLE} names no folder")
    found = Path(folder) / name
    if not found.exists():
        missing("corpora", f"corpus {name!r} not read: {found} does not exist")
    return found
