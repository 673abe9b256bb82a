"""
Fetch documents over HTTP from configured hosts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

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

    from twisted_ext.apps.robot.robot import Robot

__all__ = ["FetchSettings", "Fetcher"]

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
