"""
Write the listings into the pages that show them, so that pages can be read as text, on a code host or in an editor.

    python docs/quote.py

A comment above a block says which file it shows::

    .. from ../listings/tour/first.py

    .. code-block:: python
       :caption: first.py

       import twisted_ext

Programs, settings and outputs stay files, which are run, checked and compared; what a page shows of them is written here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

__all__ = ["QUOTED", "main", "quoted"]

#: A comment that names a file, its block with the options, and the lines that the page shows.
QUOTED: Final = re.compile(
    r"^(?P<head>(?P<indent> *)\.\. from (?P<file>\S+)\n\n(?P=indent)\.\. code-block:: \S+\n(?:(?P=indent) {3}:\w+:.*\n)*)"
    r"(?:\n*(?P=indent) {3}.*\n)*",
    re.MULTILINE,
)


def quoted(text: str, folder: Path) -> str:
    """
    Return a page with what its files have now.

    @param folder: the folder of the page, from which files are named.
    @raise OSError: if a file cannot be read.
    """

    def block(found: re.Match[str]) -> str:
        lines = (folder / found["file"]).read_text("utf-8").expandtabs().strip("\n").split("\n")
        margin = f"{found['indent']}   "
        return f"{found['head']}\n" + "".join(f"{margin}{line}".rstrip() + "\n" for line in lines)

    return QUOTED.sub(block, text)


def main() -> int:
    """
    Renew the README and all pages, and return 0.
    """
    root = Path(__file__).resolve().parent.parent
    for page in (root / "README.rst", *(path for path in (root / "docs").rglob("*.rst") if "_build" not in path.parts)):
        text = page.read_text("utf-8")
        if (renewed := quoted(text, page.parent)) != text:
            page.write_text(renewed, "utf-8")
            sys.stdout.write(f"{page.relative_to(root)} is renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
