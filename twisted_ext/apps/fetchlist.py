"""
Fetches a list for a server: C{python -m twisted_ext.apps.fetchlist}, started by L{twisted_ext.server.features.blocking.downloads}. Whatever
a server on the network sends is seen by this process only, which ends with it.

The input is JSON, with C{url}; C{path}, the file to write the list to, which must not exist; C{etag} and C{modified}, the headers of the
copy that there is, which may be empty, and C{source}, the URL that gave them, maybe behind a redirect; C{public}, whether hosts with
private addresses are never asked, as the URL is not in the settings file; and C{settings}, by which the names of hosts are looked up. So
is the output: C{{"failed": TEXT}}, C{{"changed": false}}, or with C{"changed": true} what is known of the new file:
C{digest}, C{octets}, C{etag}, C{modified}, C{source}, the number of C{rules} in it, and how many lines cannot be used, C{wrong}, with the
first ones in C{said}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_ext.endpoints.documents import DocumentFetcher, FetchFailed
from twisted_ext.errors import BadDescription
from twisted_ext.files import STATE_FILE
from twisted_ext.limits import LIST_FETCH_OCTETS, LIST_FETCH_SECONDS
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.compiler import digestOf
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.dryrun import placesOf
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.localnames.feature import LocalNamesSettings
from twisted_ext.server.features.rebinding.feature import RebindingSettings
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from typing import BinaryIO

    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource

__all__ = ["ListFetcher", "main"]

#: Redirects that are followed for one list.
_LIST_FETCH_HOPS: Final = 5

#: Characters of the URL of a redirect that is remembered: all servers accept as many.
_LONGEST_URL: Final = 8_000

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class ListFetcher:
    """
    Fetches a list, and checks that it is one.

    @ivar trustRoot: the certificates to trust; L{None} for those of the system.
    """

    trustRoot: IOpenSSLTrustRoot | None = None

    def __init__(self, reactor: IReactorTime, source: IAnswerSource, settings: Settings) -> None:
        """
        @param source: answers questions about hosts.
        """
        self._reactor = reactor
        self._source = source
        names = [*settings[RebindingSettings].rebindingAllow, *settings[LocalNamesSettings].localDomain]
        self._private = [*[nameFromText(name).lower() for name in names], *settings.routedDomains()]

    def run(self, job: Mapping[str, Any]) -> Deferred[dict[str, object]]:
        """
        @param job: as in the input of this program.

        @return: the output.
        """
        fetching = Deferred.fromCoroutine(self._run(job))
        return fetching.addTimeout(LIST_FETCH_SECONDS.default, self._reactor, _late)

    async def _run(self, job: Mapping[str, Any]) -> dict[str, object]:
        path = job["path"]
        done: dict[str, object] = {}
        try:
            with open(os.open(path, _NEW, STATE_FILE), "w+b") as file:
                done = await self._fetch(file, job)
        except FetchFailed as error:
            done = {"failed": str(error)}
        except OSError as error:
            done = {"failed": f"it cannot be written: {error.strerror or error}"}
        finally:
            if not done.get("changed"):
                with suppress(OSError):
                    os.unlink(path)
        return done

    async def _fetch(self, file: BinaryIO, job: Mapping[str, Any]) -> dict[str, object]:
        fetcher = DocumentFetcher(
            self._reactor,
            self._source,
            "txdns",
            octets=int(LIST_FETCH_OCTETS.default),
            hops=_LIST_FETCH_HOPS,
            private=[] if job["public"] else [*self._private, *_literal(job["url"])],
            whole=True,
            trustRoot=self.trustRoot,
        )
        known = {"If-None-Match": job["etag"], "If-Modified-Since": job["modified"]}

        def validators(url: str) -> dict[str, str]:
            # They mean something to the server of this URL only, and a server that redirects may choose whom to ask (RFC 9110, section 13).
            return {name: text for name, text in known.items() if text and url == job["source"]}

        fetched = await fetcher.fetch(
            job["url"], file.write, _refuse, lambda url: {"Accept-Encoding": "identity", **validators(url)}
        )
        host = fetched.hosts[-1]
        if not fetched.changed:
            if not validators(fetched.url):
                raise FetchFailed(f"{host}: it says that the list has not changed, which it was not asked")
            return {"changed": False}
        encoding = fetched.header("Content-Encoding")
        if encoding not in ("", "identity"):
            raise FetchFailed(f"{host}: it sent the list in the encoding {encoding[:20]!r}, which it was not asked for")
        file.seek(0)
        complaints, rules = Complaints(), 0
        for found in parseList(file, complaints):
            rules += len(found)
        if not rules:
            raise FetchFailed(f"{host}: what it sent has no name to block{f': {complaints}' if complaints.count else ''}")
        file.seek(0)
        digest = digestOf(file)
        os.fsync(file.fileno())
        return {
            "changed": True,
            "digest": digest,
            "octets": os.fstat(file.fileno()).st_size,
            "rules": rules,
            "wrong": complaints.count,
            "said": str(complaints),
            "etag": _kept(fetched.header("ETag")),
            "modified": _kept(fetched.header("Last-Modified")),
            "source": _kept(fetched.url, _LONGEST_URL),
        }


def _refuse(scheme: bytes, host: str, port: int) -> str:
    return "" if scheme == b"https" else "this is not https, so that anybody on the way could change the list"


def _literal(url: str) -> list[bytes]:
    """
    Return the host of the URL if it is an address: the operator wants it, even if it is a private one.
    """
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        ip_address(host.partition("%")[0])
        return [nameFromText(host)]
    return []


def _kept(text: str, most: int = 200) -> str:
    """
    Return what decides about the next request, a header or a URL, if it is one as they usually are.
    """
    return text if len(text) <= most and text.isascii() and text.isprintable() else ""


def _late(result: object, seconds: float) -> dict[str, object]:
    return {"failed": f"it did not arrive within {seconds:g} s"}


async def _run(reactor: IReactorTime) -> None:
    job = json.load(sys.stdin)
    # Answers are not validated: it is the certificate of the host that proves where a list comes from.
    settings = Settings.fromJSON({**job["settings"], "validate": False, "loop-detection": False})
    try:
        stack = stackFor(reactor, settings, Zones(), Features(Site(reactor, settings)), listening=placesOf(settings))
    except BadDescription as error:
        done: dict[str, object] = {"failed": str(error)}
    else:
        done = await ListFetcher(reactor, stack, settings).run(job)
        await stack.close()
    sys.stdout.write(json.dumps(done) + "\n")


def main() -> None:
    """
    Run this program.
    """
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor)))


if __name__ == "__main__":
    main()
