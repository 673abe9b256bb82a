"""
Tries a list, or a name that is blocked or allowed, on the queries of the last day: says what would change for whom, before anything does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorSocket

from twisted_ext.errors import CallerFault
from twisted_ext.files import STATE_FOLDER
from twisted_ext.limits import LIST_FETCH_SECONDS
from twisted_ext.server.features.blocking.copies import COPIES, Copies, Copy
from twisted_ext.server.features.blocking.downloads import resolvingOf
from twisted_ext.server.features.blocking.lists import namedLists
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.server.settings.additions import wouldBe
from twisted_ext.web.console.pages.blocking.forms import decisionIn, listIn
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.web.console.pages.alterations import Alterations

__all__ = ["TryPage"]

_DAY: Final = 86_400.0

#: Seconds that the queries may take. A day of a household takes one.
_SECONDS: Final = 60.0

#: Names of each kind that the page has, and clients of each.
_SHOWN: Final = 50
_CLIENTS: Final = 5

#: Lists that were fetched to be tried and are kept to be added, and seconds for which.
_KEPT: Final = 4
_LONG: Final = 3600.0

#: The folder for them, in the state folder.
_FOLDER: Final = "tried"

_FETCH: Final = "twisted_ext.apps.fetchlist"
_REPLAY: Final = "twisted_ext.server.replay"

#: The fields of forms that are sent on when what was tried is done.
_FIELDS: Final = ("url", "names", "name", "view", "when", "allow")


@dataclass(frozen=True, slots=True)
class _Fetched:
    """
    A list that was fetched to be tried.

    @ivar path: the file.
    @ivar at: when, on the clock of the page.
    """

    copy: Copy
    path: str
    at: float


class TryPage:
    """
    Makes the page, and adds the list that was tried.
    """

    def __init__(
        self, operations: Operations, alterations: Alterations, reactor: IReactorSocket, elsewhere: Elsewhere, today: Callable[[], float]
    ) -> None:
        self._operations = operations
        self._alterations = alterations
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._today = today
        self._lock = DeferredLock()
        self._fetched: dict[str, _Fetched] = {}

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Try what a form of the page of blocking describes; or add the list that was tried.
        """
        return Deferred.fromCoroutine(self._add(asked) if asked.form.get("action") == "add" else self._try(asked))

    async def _try(self, asked: ConsoleAsked) -> ConsoleReply:
        asked.told = {"dry": True}
        if self._lock.locked:
            raise ConsoleRefusal(503, "Something else is being tried; wait until it is done.")
        await self._lock.acquire()
        try:
            return await self._tried(asked)
        finally:
            self._lock.release()

    async def _tried(self, asked: ConsoleAsked) -> ConsoleReply:
        form, inForce = asked.form, self._operations.inForce
        action = form.get("action", "")
        if action == "list":
            changes = listIn(form, inForce)
        elif action in ("block", "allow"):
            changes = decisionIn(form, action)
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        folder = await self._historyFolder()
        state = inForce.stateFolder()
        new = cast("Settings", await self._elsewhere(lambda: wouldBe(inForce.own, state, changes)))
        token, copies = "", dict[str, tuple[str, str]]()
        if url := form.get("url", "").strip():
            token = await self._fetch(url)
            fetched = self._fetched[token]
            copies[namedLists(new[BlockingSettings])[changes[0].name].word] = fetched.path, fetched.copy.digest
        now = self._today()
        job = {"folder": folder, "old": inForce.toJSON(), "new": new.toJSON(), "since": now - _DAY, "until": now}
        job |= {"copies": copies, "seconds": _SECONDS, "top": _SHOWN, "clients": _CLIENTS + 1}
        said = await self._ran(_REPLAY, job, _SECONDS + 10)
        fields = {name: form[name] for name in _FIELDS if form.get(name)}
        if action == "list":
            fields["name"] = changes[0].name
        values = {"action": action, "fields": fields, "token": token, "kinds": _kindsIn(said), "queries": said.get("queries")}
        values |= {"rules": None if not token else self._fetched[token].copy.rules, "agreed": _share(said)}
        values["unknown"] = said.get("unknown")
        values |= {"wrong": _textsIn(said, "wrong") + _textsIn(said, "said")}
        return ConsoleReply(values)

    async def _historyFolder(self) -> str:
        said = (await self._operations.status()).get("queryHistory")
        if not isinstance(said, dict):
            raise ConsoleRefusal(422, "This server keeps no history of queries; set query-history to true in the settings.")
        return str(said.get("folder"))

    async def _fetch(self, url: str) -> str:
        """
        Fetch a list, and return the word by which it is found when it is added.
        """
        state = self._operations.inForce.stateFolder()
        for token, each in [*self._fetched.items()]:
            if len(self._fetched) >= _KEPT or each.at < self._today() - _LONG:
                self._forget(token)
        folder, token = f"{os.path.abspath(state)}/{_FOLDER}", token_hex(16)
        path = f"{folder}/{token}.list"
        await self._elsewhere(lambda: _emptied(folder, [each.path for each in self._fetched.values()]))
        job = {"url": url, "path": path, "etag": "", "modified": "", "source": "", "public": True}
        said = await self._ran(_FETCH, {**job, "settings": resolvingOf(self._operations.inForce)}, LIST_FETCH_SECONDS.default + 30)
        facts = [str(said[key]) for key in ("digest", "octets", "rules", "etag", "modified", "source")]
        digest, octets, rules, etag, modified, source = facts
        copy = Copy(url, digest, int(octets), int(rules), etag, modified, self._today(), source)
        self._fetched[token] = _Fetched(copy, path, self._today())
        return token

    def _forget(self, token: str) -> None:
        with suppress(OSError):
            os.unlink(self._fetched.pop(token).path)

    async def _ran(self, module: str, job: Mapping[str, object], seconds: float) -> dict[str, object]:
        """
        Return what a process has found.

        @raise ConsoleRefusal: it has failed.
        """
        try:
            written = await runModule(self._reactor, module, given=json.dumps(job).encode("ascii"), seconds=seconds)
            said = json.loads(written)
        except (OSError, ValueError) as error:
            raise ConsoleRefusal(422, f"It could not be tried: {error}.") from None
        if not isinstance(said, dict) or "failed" in said:
            raise ConsoleRefusal(422, f"It could not be tried: {said['failed'] if isinstance(said, dict) else 'nothing was found'}.")
        return said

    async def _add(self, asked: ConsoleAsked) -> ConsoleReply:
        """
        Add the list that was tried, with what was fetched then.
        """
        form, inForce = asked.form, self._operations.inForce
        changes, fetched = listIn(form, inForce), self._fetched.get(form.get("token", ""))
        if form.get("url") and fetched is None:
            raise ConsoleRefusal(422, "What was tried is not there any more; try it again.")
        if fetched is not None:
            if fetched.copy.url != form.get("url"):
                raise ConsoleRefusal(422, "Another list was tried than this one.")
            copies = Copies(f"{os.path.abspath(inForce.stateFolder())}/{COPIES}")
            await self._elsewhere(lambda: _taken(copies, changes[0].name, fetched))
            self._fetched.pop(form["token"])
        return await self._alterations.lead(asked, "/blocking", changes)


def _emptied(folder: str, kept: list[str]) -> None:
    """
    Make a folder, and remove what an earlier process has left in it.

    @raise CallerFault: it cannot be made.
    """
    try:
        os.makedirs(folder, STATE_FOLDER, exist_ok=True)
        entries = [entry.path for entry in os.scandir(folder)]
    except OSError as error:
        raise CallerFault(f"{folder}: {error.strerror or error}") from None
    for path in entries:
        if path not in kept:
            with suppress(OSError):
                os.unlink(path)


def _taken(copies: Copies, name: str, fetched: _Fetched) -> None:
    try:
        os.makedirs(copies.folder, STATE_FOLDER, exist_ok=True)
        copies.take(name, fetched.copy, fetched.path)
    except OSError as error:
        raise CallerFault(f"the list that was tried cannot be kept: {error.strerror or error}") from None


def _textsIn(said: Mapping[str, object], key: str) -> list[str]:
    found = said.get(key)
    return [str(each) for each in found] if isinstance(found, list) else []


def _share(said: Mapping[str, object]) -> str:
    """
    Return of how many queries the settings in force decide as was recorded; C{""} if of nearly all.
    """
    sampled, agreed = said.get("sampled"), said.get("agreed")
    if not isinstance(sampled, int) or not isinstance(agreed, int) or not sampled or agreed / sampled > 0.99:
        return ""
    return f"{100 * agreed / sampled:.0f} %"


def _kindsIn(said: Mapping[str, object]) -> list[dict[str, object]]:
    """
    Return each kind of change that there is, with how many queries it is, and the names.
    """
    found: list[dict[str, object]] = []
    for kind in ("blocked", "allowed", "rewritten", "other"):
        told = said.get(kind)
        if not isinstance(told, dict) or not told.get("names"):
            continue
        rows = [
            {
                "name": each["name"],
                "count": _between(each),
                "rules": ", ".join(each["rules"]),
                "clients": [client for client in each["clients"] if client][:_CLIENTS],
                "more": max(each["clientCount"] - _CLIENTS, 0),
            }
            for each in told["top"]
        ]
        found.append({"kind": kind, "count": _between(told), "names": told["names"], "rows": rows})
    return found


def _between(told: Mapping[str, object]) -> str:
    least, most = int(str(told["least"])), int(str(told["most"]))
    return f"{most:,}" if least == most else f"between {least:,} and {most:,}"
