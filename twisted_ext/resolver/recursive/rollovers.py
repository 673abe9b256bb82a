"""
Follow the rollovers of trust anchors (RFC 5011): query for the keys when they are due, and keep in files what has been learned.

Each zone has a file in one folder, in the format of Unbound's C{auto-trust-anchor-file}. The file is what counts: before each round it is
read again, and a lock ensures that of several processes with the same folder, such as workers, one makes the round.

The zones' operators are told which keys are trusted by a query each day (RFC 8145, section 5).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from time import time
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.dnssec.anchors.managed import ManagedAnchors, observeSet
from twisted_ext.dnssec.anchors.rollover import Round, TrustPoint
from twisted_ext.dnssec.anchors.sentinel import signalName
from twisted_ext.dnssec.anchors.statefile import trustPointFromText, trustPointToText
from twisted_ext.dnssec.chains import signaturesIn
from twisted_ext.dnssec.limits import ANCHOR_FILE_OCTETS
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.files import STATE_FILE, STATE_FOLDER, closeLocked, forState, openNow, replacingFile, stateOf
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.configured import Trust
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameToText
from twisted_ext.wire.rrtypes import DNSKEY, NULL

__all__ = ["AnchorRollovers", "stateFileFor"]

_log: Final = Logger(__name__)

#: Seconds for one query for keys, with all that it takes to reach the zone's servers.
_PATIENCE: Final = 30.0

#: Seconds until a look at files and times is repeated at the latest: clocks are set, and files restored, in between.
_LONGEST: Final = 43_200.0

#: Seconds until a process tries again after it found that another one makes the round.
_BUSY: Final = 60.0

#: Seconds between two signals of the trusted keys (RFC 8145, section 5.2, leaves it open; BIND sends one each day).
_SIGNAL: Final = 86_400.0

#: A failed round is logged the first time, and then once in this many.
_FAILURES: Final = 24

#: Characters of a zone's name in the name of its file; longer names are replaced by their digest.
_NAME: Final = 200


def stateFileFor(zone: bytes) -> str:
    """
    Return the name of a zone's file: C{root.key}, or one such as C{example.com.key}.

    @param zone: folded.
    """
    if zone == ROOT:
        return "root.key"
    text = nameToText(zone)[:-1]
    name = "".join([each if (each.isascii() and each.isalnum()) or each in "-_." else f"%{ord(each):02x}" for each in text])
    if len(name) > _NAME or name == "root" or name.startswith("."):
        name = f"%{sha256(zone).hexdigest()[:32]}"
    return f"{name}.key"


class AnchorRollovers:
    """
    The trust anchors of a validator, kept up to date.

    @ivar source: answers questions for keys.
    @ivar changed: called after other keys are trusted than before, so that what was validated by them is forgotten.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        trust: Trust,
        source: IAnswerSource,
        configured: Iterable[Anchor],
        folder: str = "",
        *,
        signals: bool = False,
        today: Callable[[], float] = time,
        elsewhere: Callable[[Callable[[], None]], Deferred[None]] = maybeDeferred,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param trust: gets the anchors.
        @param source: answers questions for keys with their signatures, without validation.
        @param configured: the anchors that are built in, or from files.
        @param folder: the folder for state, which is made if there is none; C{""} to follow no rollovers.
        @param signals: whether to tell the zones' operators which keys are trusted.
        @param today: returns seconds since 1970.
        @param elsewhere: runs a function that writes a file, such as in a thread.

        @raise BadDescription: there are too many anchors.
        """
        self._reactor = reactor
        self._trust = trust
        self.source = source
        self._folder = os.path.abspath(folder) if folder else ""
        self._signals = signals
        self._signalAt = 0.0
        self._today = today
        self._elsewhere = elsewhere
        self.changed = changed
        self._configured = tuple(configured)
        self._managed: ManagedAnchors | None = None
        # Zones whose last state could not be written: the one in memory counts.
        self._unsaved: set[bytes] = set()
        # The versions of the files that were read or written last.
        self._versions: list[tuple[int, ...]] = []
        self._logged: set[str] = set()
        self._call: IDelayedCall | None = None
        self._current: Deferred[Answer] | None = None
        self._saving: Deferred[None] | None = None
        self._lock: int | None = None
        self._begun = self._closed = self._outdated = False
        trust.anchors = TrustAnchors(self._configured)

    def points(self) -> tuple[TrustPoint, ...]:
        """
        Return the trust points whose rollovers are followed.
        """
        return () if self._managed is None else tuple(self._managed.points.values())

    # -- beginning and end

    def start(self) -> bool:
        """
        Read the state, and begin to follow rollovers. Further calls do nothing.

        @return: whether this was the first call.
        """
        if self._begun or self._closed:
            return False
        self._begun = True
        self._signalAt = self._reactor.seconds()
        self._read()
        self._schedule(0.0)
        return True

    def configure(self, configured: Iterable[Anchor]) -> None:
        """
        Trust other configured anchors, and read the state again.

        @raise BadDescription: there are too many.
        """
        anchors = tuple(configured)
        TrustAnchors(anchors)
        self._configured = anchors
        self._logged.clear()
        if not self._begun:
            self._trust.anchors = TrustAnchors(anchors)
            return
        self._abandon()
        if self._saving is None:
            self._unlock()
            self._read()
            self._schedule(0.0)
        else:
            self._outdated = True

    def close(self) -> Deferred[None]:
        """
        Stop. Fires once no file is being written any more.
        """
        self._closed = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._abandon()
        saving = self._saving
        if saving is None:
            self._unlock()
            return succeed(None)
        done: Deferred[None] = Deferred()
        saving.addBoth(lambda _: done.callback(None))
        return done

    def _abandon(self) -> None:
        """
        End a query under way.
        """
        current, self._current = self._current, None
        if current is not None:
            current.addErrback(lambda _: None)
            current.cancel()

    # -- files

    def _path(self, zone: bytes) -> str:
        return os.path.join(self._folder, stateFileFor(zone))

    def _read(self) -> None:
        """
        Trust the configured anchors and what the files say of them. Those whose file is damaged are trusted as they are configured, and not
        followed until it is restored or removed.
        """
        before = _recordsOf(self._trust.anchors)
        followed = self._followed()
        self._versions = [stateOf(self._path(zone)) for zone in followed]
        former = {} if self._managed is None else self._managed.points
        restored: list[TrustPoint] = []
        damaged: set[bytes] = set()
        for zone in followed:
            if zone in self._unsaved and zone in former:
                restored.append(former[zone])
                continue
            try:
                point = self._restored(zone)
            except BadDescription as fault:
                damaged.add(zone)
                self._logOnce(f"{fault}; the configured trust anchors of {nameToText(zone)} are used, and their rollovers not followed")
                continue
            if point is not None:
                restored.append(point)
        used = [
            replace(anchor, managed=False) if anchor.managed and (anchor.zone in damaged or not self._folder) else anchor
            for anchor in self._configured
        ]
        managed = self._managed = ManagedAnchors(used, restored)
        for event in managed.events:
            self._logOnce(event)
        self._trust.anchors = managed.anchors
        if before != _recordsOf(managed.anchors):
            self.changed()

    def _followed(self) -> list[bytes]:
        if not self._folder:
            return []
        return list(dict.fromkeys([anchor.zone for anchor in self._configured if anchor.managed]))

    def _restored(self, zone: bytes) -> TrustPoint | None:
        """
        Read the state of a zone; return L{None} if there is none yet.

        @raise BadDescription: it is damaged, or cannot be read.
        """
        path = self._path(zone)
        try:
            with open(path, "rb", opener=openNow) as file:
                # One octet more, so that a file that is too large is reported as such.
                content = file.read(int(ANCHOR_FILE_OCTETS.default) + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise BadDescription(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        point = trustPointFromText(content, path)
        if point.zone != zone:
            raise BadDescription(f"{path}: this is the state of {nameToText(point.zone)}; that of {nameToText(zone)} was expected")
        return point

    def _write(self, zone: bytes, text: str) -> None:
        os.makedirs(self._folder, STATE_FOLDER, exist_ok=True)
        with replacingFile(self._path(zone), new=STATE_FILE) as file:
            file.write(text.encode())

    def _wasSaved(self, zone: bytes, failure: Failure | None) -> None:
        self._saving = None
        self._versions = [stateOf(self._path(each)) for each in self._followed()]
        if failure is None:
            if zone in self._unsaved:
                self._unsaved.discard(zone)
                _log.info("{path} is written again", path=self._path(zone))
        else:
            error = failure.value
            if zone not in self._unsaved:
                text = "{path} cannot be written: {reason}; what is learned of the trust anchors of {zone} is lost when the server stops"
                reason = getattr(error, "strerror", None) or str(error)
                _log.error(text, path=self._path(zone), reason=reason, zone=nameToText(zone))
            self._unsaved.add(zone)
        self._finished()

    def _locks(self) -> bool:
        """
        Return whether this process may make a round. Where no lock can be made, nothing can be written, so that each process follows the
        keys for itself.
        """
        try:
            os.makedirs(self._folder, STATE_FOLDER, exist_ok=True)
            lock = forState(os.path.join(self._folder, "lock"), os.O_RDWR | os.O_CREAT)
        except OSError:
            return True
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            closeLocked(lock)

    # -- rounds

    def _schedule(self, seconds: float) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._closed and (self._signals or self._followed()):
            self._call = self._reactor.callLater(min(max(seconds, 0.0), _LONGEST), self._wake)

    def _wake(self) -> None:
        self._call = None
        if self._signals and self._reactor.seconds() >= self._signalAt:
            self._signalAt = self._reactor.seconds() + _SIGNAL
            self._signal()
        if not self._followed():
            self._schedule(_LONGEST)
            return
        if not self._locks():
            self._schedule(_BUSY)
            return
        if self._versions != [stateOf(self._path(zone)) for zone in self._followed()]:
            # Another process has made a round, or an operator has restored a file.
            self._read()
        point = self._due()
        if point is None:
            self._finished()
            return
        now = int(self._today())
        question = Question(point.zone, DNSKEY)
        context = QueryContext(self._reactor.seconds() + _PATIENCE, dnssecOk=True, checkingDisabled=True, budget=Work())
        current = self._current = lookUp(self.source, question, context)
        current.addCallbacks(self._came, self._failed, callbackArgs=(point, now), errbackArgs=(point, now))
        current.addErrback(self._broken)

    def _due(self) -> TrustPoint | None:
        """
        Return a trust point whose keys are to be queried for now.
        """
        now = int(self._today())
        due = None if self._managed is None else self._managed.due(now)
        return None if due is None or due[0] > now else due[1]

    def _came(self, answer: Answer, point: TrustPoint, now: int) -> None:
        zone = point.zone
        keys = next((each for each in answer.answer if each.rrType == DNSKEY and each.name.lower() == zone), None)
        if keys is None:
            self._record(point, point.failed(now, "the zone's servers say that it has no keys"))
        else:
            self._record(point, observeSet(point, keys, signaturesIn(answer.answer, zone, DNSKEY), now, Work()))

    def _failed(self, failure: Failure, point: TrustPoint, now: int) -> None:
        if self._current is None:
            # The query was abandoned.
            return
        if not isinstance(failure.value, DNSFault):
            _log.failure("while querying for the keys of {zone}", failure, zone=nameToText(point.zone))
        reason = failure.value.cause or str(failure.value) if isinstance(failure.value, DNSFault) else "an internal error"
        self._record(point, point.failed(now, f"its keys could not be fetched: {reason}"))

    def _broken(self, failure: Failure) -> None:
        _log.failure("while following trust anchors", failure)
        self._current = None
        self._unlock()
        self._schedule(_LONGEST)

    def _record(self, point: TrustPoint, done: Round) -> None:
        self._current = None
        if done.validated or point.failures % _FAILURES == 1:
            for event in done.events:
                if done.validated and not done.deleted:
                    _log.info("{event}", event=event)
                else:
                    _log.warn("{event}", event=event)
        if done.changed and self._managed is not None:
            self._managed.apply(point)
            self.changed()
        zone, text = point.zone, trustPointToText(point)
        saving = self._saving = self._elsewhere(lambda: self._write(zone, text))
        saving.addCallbacks(lambda _: self._wasSaved(zone, None), lambda failure: self._wasSaved(zone, failure))

    def _finished(self) -> None:
        """
        End a round, and wait for the next one.
        """
        self._unlock()
        if self._outdated:
            self._outdated = False
            self._read()
        now = int(self._today())
        due = None if self._managed is None else self._managed.due(now)
        wait = _LONGEST if due is None else float(due[0] - now)
        if self._signals:
            wait = min(wait, self._signalAt - self._reactor.seconds())
        self._schedule(wait)

    def _signal(self) -> None:
        for zone in self._trust.anchors.zones():
            name = signalName(zone)
            if name is not None:
                context = QueryContext(self._reactor.seconds() + _PATIENCE, checkingDisabled=True, budget=Work())
                # The query is the message: no reply to it matters.
                lookUp(self.source, Question(name, NULL), context).addErrback(_ignore)

    def _logOnce(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            _log.warn("{text}", text=text)


def _recordsOf(anchors: TrustAnchors) -> list[tuple[bytes, tuple[bytes, ...], tuple[bytes, ...]]]:
    return [(each.zone, each.digests, each.keys) for each in anchors.zones()]


def _ignore(failure: Failure) -> None:
    with suppress(DNSFault):
        failure.raiseException()
