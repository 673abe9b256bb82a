"""
The rules of files, for programs that have no server: the files are read again when they have changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow, stateOf
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.policy.rules.compiler import packLists
from twisted_ext.resolver.policy.rules.policy import Policy
from twisted_ext.resolver.policy.rules.source import PolicySource
from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList
from twisted_ext.wire.message import Question

__all__ = ["FollowedLists"]

_log: Final = Logger(__name__)

#: Seconds between two looks at the files. One that has changed is read when it is the same at the next look, since it may be written still.
_PAUSE: Final = 1.0


@implementer(IAnswerSource)
class FollowedLists(PolicySource):
    """
    Answers for the names that files block, and asks the inner source about others. On use, at most once a second, the files are checked.
    They are read in a thread, if the reactor has threads, while the former rules are in force; at the beginning, names wait for them.
    """

    __slots__ = ("_closed", "_looked", "_made", "_reactor", "_reading", "_seen", "_words")

    def __init__(
        self,
        inner: IAnswerSource,
        reactor: IReactorTime,
        files: Sequence[str],
        *,
        exceptions: Sequence[str] = (),
        reply: str = "nxdomain",
        safe: Mapping[bytes, bytes] | None = None,
        rewrite: bool = False,
    ) -> None:
        """
        @param files: paths of lists, in the formats of L{listfile<twisted_ext.resolver.policy.rules.listfile>}.
        @param exceptions: paths of lists whose names are not blocked.
        @param reply: how blocked names are answered, as L{readReply<twisted_ext.resolver.policy.rules.policy.readReply>} reads it.
        @param safe: for hosts of search engines those to use in their place, folded.
        @param rewrite: whether the lists may give names other answers.

        @raise BadDescription: the reply is not valid, or a file cannot be read: without it, nothing would be blocked.
        """
        for path in (*files, *exceptions):
            try:
                open(path, "rb", opener=openNow).close()
            except (OSError, ValueError) as error:
                raise BadDescription(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        policy = Policy()
        super().__init__(inner, policy, reactor)
        kind = "rewrite" if rewrite else "block"
        self._words = [f"{kind}:{os.path.abspath(path)}" for path in files]
        self._words += [f"except:{os.path.abspath(path)}" for path in exceptions]
        policy.apply((), (), reply, self._words, safe or {})
        self._reactor = reactor
        self._looked = float("-inf")
        # The states of the files at the last look, and those that the rules are of.
        self._seen: list[tuple[int, ...]] | None = None
        self._made: list[tuple[int, ...]] | None = None
        self._reading: Deferred[None] | None = None
        self._closed = False

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._words and not 0.0 <= self._reactor.seconds() - self._looked < _PAUSE:
            self._look()
        return super().ask(question, context)

    def _look(self) -> None:
        self._looked = self._reactor.seconds()
        states = [stateOf(RuleList(word).path) for word in self._words]
        isNew = self._seen is None
        isStill, self._seen = states == self._seen, states
        if self._reading is None and not self._closed and states != self._made and (isNew or isStill):
            self._made = states
            work = partial(packLists, self._policy.table, self._words)
            if IReactorThreads.providedBy(self._reactor):
                reactor = cast(IReactorThreads, self._reactor)
                packing = cast("Deferred[tuple[list[bytes], list[RuleList]]]", deferToThreadPool(reactor, reactor.getThreadPool(), work))
            else:
                packing = succeed(work())
            self._reading = packing.addCallbacks(self._read, self._failed)
            if self._reading.called:
                self._reading = None

    def _read(self, packed: tuple[list[bytes], list[RuleList]]) -> None:
        self._reading = None
        if self._closed:
            return
        parts, lists = packed
        for each in lists:
            if each.kept:
                _log.error("block list {name}: {said}", name=each.path, said=each.said)
            elif each.wrong:
                text = "block list {name}: {names} names, {wrong} lines that cannot be used: {said}"
                _log.warn(text, name=each.path, names=each.names, wrong=each.wrong, said=each.said)
        self._policy.use(PolicyTable(b"".join(parts)))

    def _failed(self, failure: Failure) -> None:
        self._reading = None
        _log.failure("block lists cannot be read", failure)
        if not self._closed:
            self._policy.use(None)

    def close(self) -> Deferred[None]:
        self._closed = True
        # What waits for the first rules goes on without them.
        self._policy.use(None)
        return super().close()
