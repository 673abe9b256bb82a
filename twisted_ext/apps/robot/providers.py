"""
Providers of information: documents fetched from URLs that the settings describe, and texts made from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import quote
from xml.parsers import expat

from twisted.internet.defer import Deferred, DeferredSemaphore
from zope.interface import implementer

from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.interfaces import IFetcher
from twisted_ext.apps.robot.limits import FETCH_OCTETS, FETCH_SECONDS
from twisted_ext.apps.robot.table import Table, option
from twisted_ext.endpoints.documents import DocumentFetcher, FetchFailed
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted.internet._sslverify import IOpenSSLTrustRoot

    from twisted_ext.apps.robot.interfaces import JSON
    from twisted_ext.apps.robot.robot import Robot

__all__ = [
    "TEMPLATE",
    "FetchSettings",
    "Fetcher",
    "document",
    "filled",
    "lineFrom",
    "linesFrom",
    "newestIn",
    "textAt",
    "urlKind",
    "urlWith",
]

#: Results that a provider's reply shows.
_PROVIDER_RESULTS: Final = 3

#: A place in a template. Not str.format, whose fields reach the attributes of objects.
_FIELD: Final = re.compile(r"\{([^{}]*)\}")

_SCHEME: Final = re.compile(r"https?://[^/{}?#]+(?:[/?]|$)")

#: Redirects that are followed for one document.
_FETCH_HOPS: Final = 3

#: Documents fetched at a time.
_FETCHES_AT_ONCE: Final = 8

#: A host as in C{[http]}.
_HOST: Final = re.compile(r"(http://)?((?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::([0-9]{1,5}))?")

_PORTS: Final = {b"http": 80, b"https": 443}


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise BadDescription(f"{text!r} is not valid")
    return text.lower()


class FetchSettings(Table):
    """
    The table C{[http]}.
    """

    hosts: tuple[str, ...] = option(
        types.Text("hosts such as pypi.org, *.example.org or search.example.org:8443, with http:// before it for HTTP without TLS", _host),
        (),
        "The only hosts from which documents are fetched",
    )
    private: tuple[str, ...] = option(types.NAME, (), "Domains whose hosts may have private addresses")

    def privateDomains(self) -> list[bytes]:
        return [nameFromText(text).lower() for text in self.private]

    def allows(self, scheme: bytes, host: str, port: int) -> bool:
        for text in self.hosts:
            found = _HOST.fullmatch(text)
            assert found is not None
            its = b"http" if found[1] else b"https"
            same = host.endswith(found[2][1:]) if found[2].startswith("*") else host == found[2]
            if same and scheme == its and port == int(found[3] or _PORTS[its]):
                return True
        return False


@implementer(IFetcher)
class Fetcher:
    """
    @ivar trustRoot: the certificates to trust; L{None} for those of the system.
    """

    trustRoot: IOpenSSLTrustRoot | None = None

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._turns = DeferredSemaphore(_FETCHES_AT_ONCE)

    def fetch(self, url: str) -> Deferred[bytes]:
        fetching = self._turns.run(lambda: Deferred.fromCoroutine(self._fetch(url)))
        return fetching.addTimeout(FETCH_SECONDS.default, self._robot.reactor, _late)

    async def _fetch(self, url: str) -> bytes:
        settings = self._robot.settings.http
        fetcher = DocumentFetcher(
            self._robot.reactor,
            self._robot.resolver.source,
            "txdns-robot",
            octets=int(FETCH_OCTETS.default),
            hops=_FETCH_HOPS,
            private=settings.privateDomains(),
            hint="; [http] private lists those that are meant",
            trustRoot=self.trustRoot,
        )
        parts: list[bytes] = []
        try:
            await fetcher.fetch(url, parts.append, self._refuse)
        except FetchFailed as error:
            raise CommandError(str(error)) from error
        return b"".join(parts)

    def _refuse(self, scheme: bytes, host: str, port: int) -> str:
        allowed = self._robot.settings.http.allows(scheme, host, port)
        return "" if allowed else "documents are fetched only from the hosts that [http] lists"


def _late(result: object, seconds: float) -> NoReturn:
    raise CommandError(f"the document did not arrive within {seconds:g} s")


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
