"""
The rules of block lists and settings in force, and how blocked names are answered.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rules.rewriting import Rewrite
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.rules.verdict import OwnRules, Verdict, decided
from twisted_ext.resolver.policy.ruling import Ruling
from twisted_ext.wire.names import labelsOf
from twisted_ext.wire.rrtypes import CNAME, A

__all__ = ["BlockReply", "Policy", "readReply"]

#: The setting that has clients use the hosts of search engines that leave out what is for adults.
_SAFE: Final = "safe-search"

#: Those of no engine.
_NO_HOSTS: Final[Mapping[bytes, bytes]] = {}

#: The addresses to answer with, packed; L{None} to deny that the name exists.
BlockReply = tuple[bytes, ...] | None


def readReply(text: str) -> BlockReply:
    """
    Parse C{nxdomain}, C{null} for the addresses 0.0.0.0 and ::, or addresses with commas between them.

    @raise BadDescription: it is none of these.
    """
    if text == "nxdomain":
        return None
    if text == "null":
        return (bytes(4), bytes(16))
    packed: list[bytes] = []
    for each in text.split(","):
        try:
            packed.append(socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each.strip()))
        except (OSError, ValueError):
            raise BadDescription(f"{each!r} is not an address; write nxdomain, null, or addresses with commas between them") from None
    return tuple(packed)


class Policy(Ruling):
    """
    The rules of lists and settings in force, and how blocked names are answered.

    @ivar table: the rules of lists, if there are lists and they have been read.
    @ivar paused: whether all names are let through.
    @ivar resting: whether other rules than now may apply later without a change of the settings, as after a pause.
    """

    def __init__(self, view: str = "") -> None:
        """
        @param view: the name of the clients' view; C{""} for none.
        """
        super().__init__()
        self._view = view.lower().encode("utf-8")
        self._safe = _NO_HOSTS
        self.table: PolicyTable | None = None
        self.resting = False
        self.reply: BlockReply = None
        self._own = OwnRules((), ())
        self._lists: frozenset[str] = frozenset()
        # Those that apply now, and the mask of these.
        self._chosen = self._lists
        self._mask = 0
        # The sets of lists of which each may apply at some time, and the masks of those that may apply instead of these.
        self._states: Sequence[frozenset[str]] = ()
        self._others: Sequence[int] = ()
        self.paused = False

    @property
    def waits(self) -> bool:
        return self._waiting is not None and not self.paused

    def apply(
        self,
        domains: Iterable[str],
        exceptions: Iterable[str],
        reply: str,
        lists: Collection[str],
        safe: Mapping[bytes, bytes] = _NO_HOSTS,
        states: Sequence[frozenset[str]] = (),
    ) -> None:
        """
        Apply settings.

        @param domains: blocked, with all names below them.
        @param exceptions: not blocked, with all names below them.
        @param lists: those that apply, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has them. Until the first of their
            tables is used, names wait for it.
        @param safe: for hosts of search engines those to use in their place, folded.
        @param states: if not all lists apply always, sets of them. A question that is blocked at some time is blocked by the lists of one
            of these sets.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        answers = readReply(reply)
        self._own = OwnRules(domains, exceptions)
        self.reply = answers
        self._safe = safe
        self._lists = self._chosen = frozenset(lists)
        self._states = states or (self._lists,)
        if lists and self.table is None and self._waiting is None:
            self._waiting = {}
        elif not lists:
            self.table = None
            self._go()
        self._changed()

    def use(self, table: PolicyTable | None) -> None:
        """
        Use the rules of lists; L{None} if these could not be read.
        """
        if table is not None:
            self.table = table
        self._changed()
        self._go()

    def select(self, lists: frozenset[str]) -> bool:
        """
        Apply only these of the lists, until further notice.

        @return: whether that is a change.
        """
        if lists == self._chosen:
            return False
        self._chosen = lists
        self._changed()
        return True

    def pause(self, paused: bool) -> None:
        """
        Let all names through, or no longer.
        """
        if paused != self.paused:
            self.paused = paused
            self._changed()
            if paused:
                # They need the lists no longer; later ones may.
                self._go(goOn=True)

    def _changed(self) -> None:
        self._mask = self.maskOf(self._chosen)
        others = dict.fromkeys(map(self.maskOf, self._states))
        self._others = [mask for mask in others if self.paused or mask != self._mask]
        self.given = bool(self._own or self._safe) or self.table is not None or self._waiting is not None
        self.resting = self.given and bool(self._others)
        self._renumber()

    def verdict(self, name: bytes, rrType: int) -> Verdict | None:
        """
        Return what the rules say about a question; L{None} if none is about it.

        @param name: folded.
        """
        return None if self.paused else self.decidedBy(name, self._mask, rrType)

    def verdictWith(self, name: bytes, lists: frozenset[str], rrType: int = A) -> Verdict | None:
        """
        Return what the rules would say if just these lists applied.

        @param name: folded.
        """
        return self.decidedBy(name, self.maskOf(lists & self._lists), rrType)

    def decidedBy(self, name: bytes, mask: int, rrType: int) -> Verdict | None:
        """
        Return what the rules would say if the lists of a mask applied, see L{maskOf}.

        @param name: folded.
        """
        verdict = decided(name, self._own, self.table, mask, rrType, self._view)
        if name in self._safe and (verdict is None or (verdict.line and not verdict.blocked)):
            # An exception in a list is one to what lists block.
            host = Rewrite(0, CNAME, self._safe[name])
            return Verdict(True, b".".join(labelsOf(name)), _SAFE, 0, 0, (host,))
        return verdict

    def maskOf(self, lists: frozenset[str]) -> int:
        """
        Return lists as bits by their numbers in the table.
        """
        known = () if self.table is None else self.table.lists
        return sum([1 << number for number, each in enumerate(known) if each.list in lists])

    def mayBlock(self, name: bytes, targets: Sequence[bytes], rrType: int) -> bool:
        """
        Return whether an answer that clients get now may be withheld from them later.

        @param name: the name in question, folded.
        @param targets: the names that clients go on to from the answer, folded.
        """
        for mask in self._others:
            verdict = self.decidedBy(name, mask, rrType)
            if verdict is not None:
                if verdict.blocked:
                    return True
                continue
            for target in targets:
                verdict = self.decidedBy(target, mask, rrType)
                if verdict is not None and verdict.blocked and not verdict.renames:
                    return True
        return False
