"""
The lists of AdGuard Home.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from twisted_ext.apps.cli.convert.adguard.keys import Table
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.labels import labelFrom, unlike

__all__ = ["addLists"]

#: Hours between two fetches: the default, and the most.
_DAY = 24
_MONTH = 30 * _DAY


def addLists(root: Table, hours: int, names: set[str], converted: Converted) -> Iterator[tuple[str, Place]]:
    """
    Add the lists that are switched on; iterate over the names that they have got, with their places.

    @param hours: how often they are fetched.
    @param names: gets these names.
    """
    every = {} if hours in (0, _DAY) else {"every": f"{min(hours, _MONTH)}h"}
    for key in ("filters", "whitelist_filters"):
        for each in root.tables(key):
            each.know("id", "last_updated")
            url, title = each.text("url").strip(), each.text("name")
            place = each.place("url")._replace(directive=" ".join((url or title).split()))
            if not each.flag("enabled"):
                continue
            table: dict[str, object] = {"name": unlike(names, _label(title, url))}
            if url.startswith("https://"):
                table |= {"url": url, **every}
            elif url.startswith("http://"):
                converted.missing(place, "lists are fetched over https only", "use its https URL, or download it to a file")
                continue
            elif url:
                table["file"] = url
            if key == "whitelist_filters":
                table["allow"] = True
            if converted.add("list", table, place):
                yield str(table["name"]), place


def _label(title: str, url: str) -> str:
    """
    Return a name for a list: its title, or if that has no letters that names have, the last part of its address.
    """
    if re.search("[A-Za-z0-9]", title):
        return labelFrom(title)
    return labelFrom(url.rstrip("/").rpartition("/")[2].partition(".")[0])
