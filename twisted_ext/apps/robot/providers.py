"""
Providers of information: documents fetched from URLs that the settings describe, and texts made from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote
from xml.parsers import expat

from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.interfaces import IFetcher
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from twisted_ext.apps.robot.interfaces import JSON
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["TEMPLATE", "document", "filled", "lineFrom", "linesFrom", "newestIn", "textAt", "urlKind", "urlWith"]

#: Results that a provider's reply shows.
_PROVIDER_RESULTS: Final = 3

#: A place in a template. Not str.format, whose fields reach the attributes of objects.
_FIELD: Final = re.compile(r"\{([^{}]*)\}")

_SCHEME: Final = re.compile(r"https?://[^/{}?#]+(?:[/?]|$)")


def urlKind(*fields: str) -> types.Text:
    """
    Return a kind of option for URLs with these fields, of which the first must be there.
    """

    def check(text: str) -> str:
        found = _FIELD.findall(text)
        wrong = sorted(set(found) - set(fields))
        if not _SCHEME.match(text) or not text.isascii() or not text.isprintable() or " " in text:
            raise BadDescription(f"{text!r} is not valid")
        if wrong or fields[0] not in found:
            raise BadDescription(f"{text!r} has {'no {' + fields[0] + '}' if not wrong else 'the field {' + wrong[0] + '}'}")
        return text

    return types.Text(f"a URL such as https://example.org/search?q={{{fields[0]}}}", check)


def _template(text: str) -> str:
    if not _FIELD.search(text):
        raise BadDescription(f"{text!r} has no path in braces")
    return text


#: The kind of options that make a line from a document.
TEMPLATE: Final = types.Text('a text with paths into the document, such as "{current.0.temperature} °C"', _template)


def filled(template: str, value: Callable[[str], str]) -> str:
    """
    Replace each field in braces by its value.
    """
    return _FIELD.sub(lambda found: value(found[1]), template)


def urlWith(template: str, **values: str) -> str:
    return filled(template, lambda field: quote(values[field], safe=""))


async def document(robot: Robot, url: str) -> JSON:
    """
    Fetch a JSON document.

    @raise CommandError: it cannot be fetched, or is not JSON.
    """
    octets = await IFetcher(robot).fetch(url)
    try:
        return cast("JSON", json.loads(octets))
    except (ValueError, RecursionError):
        raise CommandError("the provider has sent something other than JSON") from None


def _valueAt(found: JSON, path: str) -> JSON:
    """
    Return what stands in a document at a path such as C{items.0.name}; all of it at C{""}.

    @raise CommandError: there is nothing.
    """
    for key in path.split(".") if path else ():
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and len(key) < 6 and int(key) < len(found):
            found = found[int(key)]
        else:
            raise CommandError(f"the provider's document has nothing at {path!r}")
    return found


def textAt(found: JSON, path: str) -> str:
    value = _valueAt(found, path)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def lineFrom(found: JSON, template: str) -> str:
    return " ".join(filled(template, partial(textAt, found)).split())


def linesFrom(found: JSON, results: str, template: str) -> list[str]:
    """
    Return a line for each of the first results of a document.

    @param results: the path of the list of results.
    @param template: the line, with paths into a result.
    """
    items = _valueAt(found, results)
    if not isinstance(items, list):
        raise CommandError(f"the provider's document has no list at {results!r}")
    return [lineFrom(item, template) for item in items[: _PROVIDER_RESULTS]]


def newestIn(octets: bytes) -> str:
    """
    Return the title of the first entry of an RSS or Atom feed.

    @raise CommandError: this is not such a feed, or it declares entities: their expansion could take all memory.
    """
    path: list[str] = []
    title: list[str] = []
    done: list[str] = []

    def start(name: str, attributes: object) -> None:
        path.append(name.rpartition(" ")[2])

    def data(text: str) -> None:
        if path[-2:] in (["item", "title"], ["entry", "title"]) and not done:
            title.append(text)

    def end(name: str) -> None:
        if path.pop() in ("item", "entry"):
            done.append("".join(title))

    def refuse(*declared: object) -> None:
        raise CommandError("the provider's feed declares a document type; this is not allowed")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = start, data, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(octets, True)
    except expat.ExpatError:
        raise CommandError("the provider has sent something other than a feed") from None
    newest = " ".join(done[0].split()) if done else ""
    if not newest:
        raise CommandError("the provider's feed has no entry with a title")
    return newest
