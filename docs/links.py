"""
Find links of the built documentation that lead nowhere.

    python docs/links.py FOLDER

prints each link between pages below FOLDER whose file or anchor does not exist, with the page that has it; the exit code is 1 if there are
any. Links to other sites are not followed.

There are two usual causes in the reference. An inherited docstring has a link to a method that the page of the subclass does not list:
write C{C{method}} for it. Or C{@ivar} documents a property: give the property a docstring instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape
from os.path import normpath
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["broken"]

#: Not what code that a page shows has of them: that is text.
_TAG: Final = re.compile(r"<[a-zA-Z][^<>]*>")
_ATTRIBUTE: Final = re.compile(r'\s(id|name|href|src)="([^"]*)"')


def broken(folder: Path) -> Iterator[tuple[Path, str]]:
    """
    Yield each page with a broken link, and the link, once for each page.
    """
    anchors: dict[str, set[str]] = {}
    links: dict[Path, set[str]] = {}
    for page in sorted(folder.rglob("*.html")):
        tags = "".join(_TAG.findall(page.read_text("utf-8")))
        found = [(name, unescape(value)) for name, value in _ATTRIBUTE.findall(tags)]
        anchors[str(page)] = {value for name, value in found if name in ("id", "name")}
        links[page] = {value for name, value in found if name in ("href", "src")}
    for page, values in links.items():
        for value in sorted(values):
            address = urlsplit(value)
            if address.scheme or address.netloc:
                continue
            target = normpath(page.parent / unquote(address.path)) if address.path else str(page)
            known = anchors.get(target)
            if known is None:
                wrong = not Path(target).exists()
            else:
                wrong = address.fragment != "" and known.isdisjoint((address.fragment, unquote(address.fragment)))
            if wrong:
                yield page, value


def main(folder: Path) -> int:
    """
    Print the broken links, and return the exit code.
    """
    found = list(broken(folder))
    for page, link in found:
        sys.stdout.write(f"{page}: broken link: {link}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
