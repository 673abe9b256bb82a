"""
Fetches lists that have a URL, each in time. A child process does so for each: what comes over the network is looked at there, with a
resolver of its own that asks the same servers and blocks nothing. So a list cannot block the host that it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import uniform
from time import localtime, strftime, time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.limits import LIST_FETCH_SECONDS
from twisted_ext.resolver.policy.rules.table import RuleList
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.blocking.copies import Copies, Copy
from twisted_ext.server.features.blocking.lists import fetchedLists, namedLists
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.blocking.listsettings import ListSettings

__all__ = ["Downloads", "resolvingOf"]

#: Seconds after which the host of a list that is being fetched is slow. Most lists are there in two.
_LIST_SLOW_SECONDS: Final = 10.0

#: Lists that are fetched at a time in all. Each process takes 50 MB.
_LISTS_RUNNING: Final = 8

#: Lists that are fetched at a time, each by a process of its own, besides those of slow hosts.
_LISTS_AT_ONCE: Final = 2

#: Lists of one host that are fetched at a time: one URL that hangs does not keep the others of its host, and hosts that count connections
#: permit as many.
_LISTS_OF_HOST: Final = 2

_log: Final = Logger(__name__)

#: The program that fetches one list.
_MODULE: Final = "twisted_ext.apps.fetchlist"

#: Seconds until the next attempt after the first one that failed; after each further one it is twice as long, up to a day.
_AGAIN: Final = 600.0
_LONGEST: Final = 86_400.0

#: How far a time is moved at random, so that all servers with a list do not fetch it at the same time.
_SPREAD: Final = 0.1

#: A list that keeps less than this share of its rules is probably not what its publisher wanted.
_LEAST: Final = 0.5

#: Settings by which names of hosts are looked up. Nothing else of the server's is known to the process that fetches.
_RESOLVING: Final = frozenset(
    """
    role recursive interface port upstream route resolv-conf upgrade-upstreams upgrade-unverified hedge root-hints stub query-ipv6 minimize
    hosts-file local local-file local-domain rebinding-allow rebinding-routes
    """.split()
)


def resolvingOf(settings: Settings) -> dict[str, object]:
    """
    Return those settings by which the process that fetches looks up names.
    """
    return {name: value for name, value in settings.toJSON().items() if name in _RESOLVING}


@dataclass(slots=True, eq=False)
class _Download:
    """
    What is known of fetching one list.

    @ivar due: when it is fetched next, on the reactor's clock.
    @ivar failures: attempts in a row that failed.
    @ivar said: why the last one failed.
    @ivar anyway: whether it is used although it has lost most of its rules.
    @ivar anew: whether it is fetched although the server may say that it has not changed.
    @ivar path: the file that is being written; C{""} for none.
    @ivar since: when the last attempt began, on the reactor's clock.
    """

    wanted: ListSettings
    due: float = 0.0
    failures: int = 0
    said: str = ""
    anyway: bool = False
    anew: bool = False
    path: str = ""
    since: float = 0.0
    fetching: Deferred[None] | None = field(default=None, repr=False)

    @property
    def host(self) -> str | None:
        """
        The host of its URL, lower case.
        """
        return urlsplit(self.wanted.url).hostname


class Downloads:
    """
    The lists of a server that are fetched.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        changed: Callable[[], object],
        today: Callable[[], float] = time,
        spread: Callable[[], float] | None = None,
    ) -> None:
        """
        @param changed: called when there is another copy of a list.
        @param spread: returns a factor for times, near 1.
        """
        self._reactor = reactor
        self._changed = changed
        self._today = today
        self._spread = spread or _random
        self._copies = Copies("")
        self._downloads: dict[str, _Download] = {}
        self._settings: dict[str, object] = {}
        # The URLs that the operator has written. Others may lead to no private address: those who may add lists could look around there.
        self._own: frozenset[str] = frozenset()
        self._closed = False

    def apply(self, settings: Settings, folder: Callable[[], str]) -> None:
        """
        Fetch the lists of other settings; and use the copies that are in the folder.

        @param folder: returns the path of the folder; called if there are such lists.

        @raise OSError: the folder cannot be made.
        """
        wanted = {each.name: each for each in fetchedLists(settings)}
        self._own = frozenset([each.url for each in namedLists(settings.own[BlockingSettings]).values()])
        self._settings = resolvingOf(settings)
        for name in [name for name, each in self._downloads.items() if name not in wanted or wanted[name].url != each.wanted.url]:
            _cancel(self._downloads.pop(name))
            self._copies.forget(name)
        if wanted and not self._copies.folder:
            self._copies = Copies(folder())
        for name, each in wanted.items():
            if name in self._downloads:
                known = self._downloads[name]
                if each.every != known.wanted.every and not known.failures:
                    known.due = self._dueAt(each)
                known.wanted = each
                continue
            self._copies.load(name, each.url)
            self._downloads[name] = _Download(each, self._dueAt(each))
        self.tidy()

    def _dueAt(self, each: ListSettings) -> float:
        """
        Return when a list is to be fetched: if its copy is older than it may be, or from the future, now.
        """
        now, copy = self._reactor.seconds(), self._copies.get(each.name)
        age = -1.0 if copy is None else self._today() - copy.fetched
        return now if age < 0 else max(now, now + each.seconds * self._spread() - age)

    @property
    def copies(self) -> dict[str, tuple[str, str]]:
        """
        The path and the digest of each copy, by the list as L{RuleList} has it.
        """
        found: dict[str, tuple[str, str]] = {}
        for name, each in self._downloads.items():
            copy = self._copies.get(name)
            if copy is not None:
                found[each.wanted.word] = (self._copies.path(name), copy.digest)
        return found

    def lacks(self, word: str) -> bool:
        """
        Return whether a list has yet to be fetched.
        """
        return any(each.wanted.word == word and self._copies.get(name) is None for name, each in self._downloads.items())

    def awaits(self, word: str) -> bool:
        """
        Return whether a list has yet to be fetched, and nothing has failed about that.
        """
        return not self._closed and self.lacks(word) and not self.fault(word)

    def fault(self, word: str) -> str:
        """
        Return why the last attempt to fetch a list has failed; C{""} if it has not.
        """
        return next((each.said for each in self._downloads.values() if each.wanted.word == word), "")

    def distrust(self, word: str) -> None:
        """
        Fetch a list whose copy is damaged or gone, but not again and again if the disk damages each.
        """
        for name, each in self._downloads.items():
            copy = self._copies.get(name)
            if each.wanted.word == word and copy is not None and not each.anew:
                each.anew = True
                age = self._today() - copy.fetched
                each.due = min(each.due, self._reactor.seconds() + (_AGAIN - age if 0 <= age < _AGAIN else 0.0))

    def tidy(self) -> None:
        """
        Remove former copies.
        """
        if self._copies.folder:
            self._copies.tidy(self._downloads.keys(), [each.path for each in self._downloads.values()])

    def look(self) -> None:
        """
        Fetch what is due. Lists that are slow take no place that those of other hosts need.
        """
        now = self._reactor.seconds()
        for each in [*self._downloads.values()]:
            running = [other for other in self._downloads.values() if other.fetching is not None]
            quick = sum([now - other.since < _LIST_SLOW_SECONDS for other in running])
            if quick >= _LISTS_AT_ONCE or len(running) >= _LISTS_RUNNING:
                return
            isFree = [other.host for other in running].count(each.host) < _LISTS_OF_HOST
            if each.fetching is None and now >= each.due and isFree:
                each.since = now
                self._fetch(each)

    def _fetch(self, each: _Download) -> None:
        wanted, copy = each.wanted, self._copies.get(each.wanted.name)
        try:
            each.path = self._copies.newPath(wanted.name)
        except OSError as error:
            self._failed(each, f"its copy cannot be written: {error.strerror or error}")
            return
        known = None if each.anyway or each.anew else copy
        job = {
            "url": wanted.url,
            "path": each.path,
            "etag": "" if known is None else known.etag,
            "modified": "" if known is None else known.modified,
            "source": "" if known is None else known.source,
            "public": wanted.url not in self._own,
            "settings": self._settings,
        }
        try:
            # The process itself ends in time, unless it hangs.
            fetching = runModule(self._reactor, _MODULE, given=json.dumps(job).encode("ascii"), seconds=LIST_FETCH_SECONDS.default + 30)
        except OSError as error:
            self._failed(each, str(error))
            return
        each.fetching = fetching.addCallbacks(self._took, self._broken, (each,), {}, (each,)).addErrback(_unexpected)

    def _broken(self, failure: object, each: _Download) -> None:
        each.fetching = None
        if self._isWanted(each):
            self._failed(each, str(getattr(failure, "value", failure)))

    def _isWanted(self, each: _Download) -> bool:
        return not self._closed and self._downloads.get(each.wanted.name) is each

    def _took(self, written: bytes, each: _Download) -> None:
        each.fetching = None
        if not self._isWanted(each):
            return
        try:
            said = json.loads(written)
            if "failed" in said:
                self._failed(each, str(said["failed"]))
            elif said["changed"]:
                self._arrived(each, said)
            else:
                self._isCurrent(each)
        except OSError as error:
            self._failed(each, f"its copy cannot be kept: {error.strerror or error}")
        except (ValueError, KeyError, TypeError):
            self._failed(each, "the process that fetches it has written something else than its result")

    def _arrived(self, each: _Download, said: Mapping[str, str | int]) -> None:
        name = each.wanted.name
        before = self._copies.get(name)
        rules = int(said["rules"])
        if before is not None and not each.anyway and rules < _LEAST * before.rules:
            text = f"has {_counted(rules)} instead of {before.rules:,}, less than half; to use it: txdns control lists accept {name}"
            self._failed(each, text, retry=False)
            return
        copy = Copy(
            each.wanted.url,
            str(said["digest"]),
            int(said["octets"]),
            rules,
            str(said["etag"]),
            str(said["modified"]),
            self._today(),
            str(said["source"]),
        )
        self._copies.take(name, copy, each.path)
        self._settle(each)
        wrong = f"; lines that cannot be used: {int(said['wrong']):,} ({said['said']})" if said["wrong"] else ""
        text = "list {name}: {rules} in {octets:,} octets from {place}{wrong}"
        _log.info(text, name=name, rules=_counted(rules), octets=copy.octets, place=RuleList(each.wanted.word).place, wrong=wrong)
        self._changed()

    def _isCurrent(self, each: _Download) -> None:
        name = each.wanted.name
        before = self._copies.get(name)
        if before is None:
            self._failed(each, "the server says that it has not changed, but there is no copy of it")
            return
        self._copies.take(name, replace(before, fetched=self._today()))
        self._settle(each)
        _log.info("list {name}: it has not changed", name=name)

    def _settle(self, each: _Download) -> None:
        each.failures, each.said, each.anyway, each.anew, each.path = 0, "", False, False, ""
        each.due = self._dueAt(each.wanted)

    def _failed(self, each: _Download, why: str, retry: bool = True) -> None:
        each.path = ""
        # A server that is redirected to can have any name.
        each.said = why = printable(why)
        each.failures += 1
        wait = min(_AGAIN * 2.0 ** min(each.failures - 1, 16), _LONGEST, each.wanted.seconds) if retry else float(each.wanted.seconds)
        wait *= self._spread()
        each.due = self._reactor.seconds() + wait
        self.tidy()
        text = "list {name}: {why}; {kept}; next attempt in {wait}"
        _log.error(text, name=each.wanted.name, why=why, kept=self._keptOf(each), wait=_spanOf(wait))

    def _keptOf(self, each: _Download) -> str:
        copy = self._copies.get(each.wanted.name)
        if copy is None:
            return "there is no copy of it"
        return f"the copy of {strftime('%Y-%m-%d %H:%M', localtime(copy.fetched))} ({_counted(copy.rules)}) stays in force"

    # -- for operators

    def failed(self) -> set[str]:
        """
        Return the lists that could not be fetched last time.
        """
        return {each.wanted.word for each in self._downloads.values() if each.failures}

    def said(self, word: str) -> str:
        """
        Return what the status says of fetching a list; C{""} if it is not fetched.
        """
        each = next((each for each in self._downloads.values() if each.wanted.word == word), None)
        if each is None:
            return ""
        copy = self._copies.get(each.wanted.name)
        fetched = "not fetched yet" if copy is None else f"fetched {strftime('%Y-%m-%d %H:%M', localtime(copy.fetched))}"
        if each.fetching is not None:
            return f"{fetched}, being fetched"
        wait = _spanOf(max(each.due - self._reactor.seconds(), 0.0))
        return f"{fetched}, next in {wait}" if not each.failures else f"{fetched}; {each.said}; next attempt in {wait}"

    def facts(self) -> list[JSON]:
        """
        Describe the lists.
        """
        now = self._reactor.seconds()
        found: list[JSON] = []
        for name, each in self._downloads.items():
            copy = self._copies.get(name)
            found.append(
                {
                    "name": name,
                    "fetched": None if copy is None else copy.fetched,
                    "rules": None if copy is None else copy.rules,
                    "failures": each.failures,
                    "said": each.said,
                    "next": round(max(each.due - now, 0.0)),
                }
            )
        return found

    def fetch(self, name: str, anyway: bool = False) -> str:
        """
        Fetch a list now, and return what to tell the operator.

        @param anyway: whether to use it although it has lost most of its rules.

        @raise CallerFault: there is no such list.
        """
        each = self._downloads.get(name)
        if each is None:
            known = meant(name, list(self._downloads)) if self._downloads else "; no list has a URL"
            raise CallerFault(f"there is no list {name} that is fetched{known}")
        each.anyway = each.anyway or anyway
        each.due = self._reactor.seconds()
        return f"list {name}: it is {'being' if each.fetching is not None else 'to be'} fetched; txdns control status shows what came of it"

    def close(self) -> None:
        """
        Stop fetching.
        """
        self._closed = True
        for each in self._downloads.values():
            _cancel(each)


def _cancel(each: _Download) -> None:
    if each.fetching is not None:
        each.fetching.cancel()


def _unexpected(failure: object) -> None:
    _log.error("while a list was fetched: {failure}", failure=failure)


def _random() -> float:
    return uniform(1 - _SPREAD, 1 + _SPREAD)


def _counted(rules: int) -> str:
    return f"{rules:,} rule{'' if rules == 1 else 's'}"


def _spanOf(seconds: float) -> str:
    """
    Return a time in words.
    """
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s"
